//! Access tokens that are renewed before they end, as devices do.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::api::{Api, fetch, text};

/// A token is renewed when so much of its life is over.
const RENEWED_AFTER: f64 = 0.6;
/// Pause before an attempt that failed is made again: the old refresh token works until the new one has been used.
const RETRY_SECONDS: u64 = 5;

/// The access token of one login, which changes over time.
#[derive(Debug, Clone)]
pub(crate) struct Token(Arc<RwLock<Arc<str>>>);

/// Renews a token until it is dropped.
pub(crate) struct Renewal(AbortHandle);

/// What a login or a renewal answers.
struct Login {
    access: Arc<str>,
    refresh: String,
    life: Duration,
}

impl Token {
    /// Takes the tokens of a login, and keeps them fresh.
    pub(crate) fn of_login(api: &Api, answer: &Value) -> Result<(Self, Renewal)> {
        let login = Login::of(answer)?;
        let token = Self(Arc::new(RwLock::new(login.access.clone())));
        let task = tokio::spawn(renew(token.clone(), api.clone(), login));
        Ok((token, Renewal(task.abort_handle())))
    }

    /// One that stays what it is.
    #[cfg(test)]
    pub(crate) fn fixed(access: &str) -> Self {
        Self(Arc::new(RwLock::new(access.into())))
    }

    /// The one that is valid now.
    pub(crate) fn now(&self) -> Arc<str> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, access: Arc<str>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = access;
    }
}

impl Login {
    fn of(answer: &Value) -> Result<Self> {
        let seconds = answer["expires_in"].as_u64().context("the answer has no expires_in")?;
        let refresh = text(answer, "/refresh_token")?.to_owned();
        Ok(Self {
            access: text(answer, "/access_token")?.into(),
            refresh,
            life: Duration::from_secs(seconds),
        })
    }
}

async fn renew(token: Token, api: Api, mut login: Login) {
    loop {
        sleep(login.life.mul_f64(RENEWED_AFTER)).await;
        login = renewed(&api, &login.refresh).await;
        token.set(login.access.clone());
    }
}

/// Asks until it is answered.
async fn renewed(api: &Api, refresh: &str) -> Login {
    loop {
        let request = api.post("/v1/auth/refresh").json(&json!({"refresh_token": refresh}));
        match fetch(request).await.and_then(|answer| Login::of(&answer)) {
            Ok(login) => return login,
            Err(error) => eprintln!("a token was not renewed: {error:#}"),
        }
        sleep(Duration::from_secs(RETRY_SECONDS)).await;
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.abort();
    }
}
