//! Argon2id, off the threads that serve requests, with a bound on how many run at once.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use firemode_runtime::settings::AuthSettings;
use firemode_web::Problem;
use tokio::sync::Semaphore;

/// A request waits this long for its turn.
const WAIT_SECONDS_MAX: u64 = 10;

/// Hashes and checks passwords.
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    turns: Arc<Semaphore>,
    /// Checked where there is no account, so that the answer takes as long as where there is one.
    nobody: String,
}

impl Passwords {
    /// `None` where the costs are outside of what Argon2 takes.
    pub(crate) fn new(settings: &AuthSettings) -> Option<Self> {
        let params = Params::new(
            settings.argon2_memory_cost,
            settings.argon2_time_cost,
            settings.argon2_parallelism,
            None,
        );
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.ok()?);
        let nobody = argon2.hash_password(b"nobody has this password").ok()?.to_string();
        Some(Self { argon2, turns: Arc::new(Semaphore::new(settings.password_hashes_at_once)), nobody })
    }

    /// The hash of a password, in PHC form.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, Problem> {
        let (argon2, password) = (self.argon2.clone(), password.to_owned());
        self.in_turn(move || {
            let hash = argon2.hash_password(password.as_bytes());
            hash.map(|hash| hash.to_string()).map_err(Problem::internal)
        })
        .await?
    }

    /// Is this the password of an account? `None` stands for an account that is not there: never, in the same time.
    pub(crate) async fn check(&self, password: &str, hash: Option<&str>) -> Result<bool, Problem> {
        let (argon2, password) = (self.argon2.clone(), password.to_owned());
        let known = hash.is_some();
        let hash = hash.unwrap_or(&self.nobody).to_owned();
        let matches = self
            .in_turn(move || {
                let hash = PasswordHash::new(&hash).map_err(Problem::internal)?;
                Ok::<_, Problem>(argon2.verify_password(password.as_bytes(), &hash).is_ok())
            })
            .await??;
        Ok(matches && known)
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = tokio::time::timeout(
            Duration::from_secs(WAIT_SECONDS_MAX),
            Arc::clone(&self.turns).acquire_owned(),
        );
        let busy = || Problem::unavailable("Too many people sign in at once. Try again in a moment.");
        let turn = turn.await.map_err(|_| busy())?.map_err(|_| busy())?;
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        })
        .await
        .map_err(Problem::internal)
    }
}
