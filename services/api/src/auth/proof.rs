//! Proof of who somebody is: a password, and a second factor where there is one. Every attempt goes through here, so that all
//! of them are counted.

use firemode_domain::audit::AuditStatus;
use firemode_identity::second_factor::{self, Verdict};
use firemode_storage::users::{self, User};
use firemode_storage::{Purpose, Transaction, audit};
use firemode_web::{Problem, catalogue};
use metrics::counter;
use tokio::time::{Duration, Instant, sleep_until};

use crate::acts::act;
use crate::auth::throttle::{Origin, SIGN_INS};
use crate::call::{Call, PublicCall};
use crate::profile::no_such_user;
use crate::state::ApiState;

/// What somebody brings who wants to sign in.
pub(crate) struct Credentials<'a> {
    /// As it was sent.
    pub(crate) email: &'a str,
    pub(crate) password: &'a str,
    /// A code of the authenticator app or a recovery code.
    pub(crate) code: Option<&'a str>,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// No such account, a wrong password, or an account that may not sign in: nobody is told which.
    Password,
    CodeMissing,
    CodeWrong,
}

impl Refusal {
    fn outcome(self) -> &'static str {
        match self {
            Self::Password => "wrong_password",
            Self::CodeMissing => "code_missing",
            Self::CodeWrong => "code_wrong",
        }
    }

    fn problem(self) -> Problem {
        match self {
            Self::Password => Problem::unauthorized("Email address or password are wrong."),
            Self::CodeMissing => Problem::unauthorized(
                "This account has a second factor. Send `totp` too: a code of the app, or a recovery code.",
            )
            .reason(catalogue::TOTP_REQUIRED),
            Self::CodeWrong => Problem::unauthorized("The code is wrong, or was used before.")
                .reason(catalogue::TOTP_INVALID),
        }
    }
}

/// Checks credentials, counts what fails, and runs `then` in the same transaction for whom they prove.
///
/// # Errors
/// 401 where they prove nobody, 429 where there were too many failures, what `then` gives.
pub(crate) async fn sign_in<T>(
    call: &PublicCall,
    credentials: &Credentials<'_>,
    then: impl AsyncFnOnce(&Transaction, User) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let PublicCall { request, state, .. } = call;
    let earliest_refusal =
        Instant::now() + Duration::from_millis(state.settings.auth.sign_in_refusal_milliseconds.into());
    let origin = state.throttle.origin(request, credentials.email);
    let user = {
        // Not held while the password is checked: that takes long, and connections are few.
        let tx = state.database.across_tenants(Purpose::SignIn).read().await?;
        state.throttle.check(&tx, &origin).await?;
        users::find_by_email(&tx, credentials.email).await?
    };
    let is_right = has_password(state, user.as_ref(), credentials.password).await?;
    let access = match &user {
        Some(user) => state.database.tenant(user.organisation_id),
        None => state.database.without_tenant(),
    };
    let tx = access.transaction().await?;
    // Many tries at once learn no more than the free ones: the answer is decided now.
    state.throttle.check(&tx, &origin).await?;
    let proven = match &user {
        Some(user) if is_right => judge(&tx, state, user, credentials.code).await?,
        _ => Err(Refusal::Password),
    };
    let answer = match proven {
        Ok(user) => {
            state.throttle.succeeded(&tx, &origin).await?;
            counter!(SIGN_INS, "outcome" => "success").increment(1);
            Ok(then(&tx, user).await?)
        }
        Err(refusal) => {
            note(&tx, call, &origin, user.as_ref(), refusal).await?;
            Err(refusal.problem())
        }
    };
    tx.commit().await?;
    if answer.is_err() {
        // Only an account that exists has a record to write to; how long that took must not show.
        sleep_until(earliest_refusal).await;
    }
    answer
}

/// Has the caller's password come with the request? Asked before what a stolen access token must not do.
///
/// # Errors
/// 422 on `field` where it has not, 429 where there were too many failures.
pub(crate) async fn confirm_password(
    call: &Call,
    password: &str,
    field: &'static str,
) -> Result<User, Problem> {
    let PublicCall { request, context, state } = &**call;
    let tx = call.read().await?;
    let user = users::find(&tx, call.organisation_id(), call.user_id()).await?.ok_or_else(no_such_user)?;
    let origin = state.throttle.origin(request, &user.email);
    state.throttle.check(&tx, &origin).await?;
    drop(tx);
    let is_right = state.passwords.check(password, Some(&user.password_hash)).await?;
    let tx = call.transaction().await?;
    state.throttle.check(&tx, &origin).await?;
    if is_right {
        return Ok(user);
    }
    state.throttle.failed(&tx, &origin).await?;
    let mut event = act(&user, *context, "user.confirm_password", ("user", user.id), None, None);
    event.status = AuditStatus::Failure;
    audit::record(&tx, &[event]).await?;
    tx.commit().await?;
    Err(Problem::invalid_field(field, "is not your password"))
}

/// Checks a password in the same time whether there is an account or not, and hashes it again where the costs have risen.
async fn has_password(state: &ApiState, user: Option<&User>, password: &str) -> Result<bool, Problem> {
    let hash = user.map(|user| user.password_hash.as_str());
    let is_right = state.passwords.check(password, hash).await?;
    if let Some(user) = user.filter(|user| is_right && state.passwords.is_outdated(&user.password_hash)) {
        let hash = state.passwords.hash(password).await?;
        let tx = state.database.tenant(user.organisation_id).transaction().await?;
        users::replace_hash(&tx, user, &hash).await?;
        tx.commit().await?;
    }
    Ok(is_right)
}

/// The user as it is now, with the right password of a moment ago: it may have been disabled since, or have a new password.
async fn judge(
    tx: &Transaction,
    state: &ApiState,
    proven: &User,
    code: Option<&str>,
) -> Result<Result<User, Refusal>, Problem> {
    let user = users::find_for_share(tx, proven.organisation_id, proven.id).await?;
    let is_current = |user: &User| user.is_active && user.password_changed_at == proven.password_changed_at;
    let Some(user) = user.filter(is_current) else { return Ok(Err(Refusal::Password)) };
    Ok(match second_factor::check(tx, &state.vault, &user, code).await? {
        Verdict::NotAsked | Verdict::Right => Ok(user),
        Verdict::Missing => Err(Refusal::CodeMissing),
        Verdict::Wrong => Err(Refusal::CodeWrong),
    })
}

/// Counts a refusal and puts it on record. Where there is no account there is no organisation whose record it could be in.
async fn note(
    tx: &Transaction,
    call: &PublicCall,
    origin: &Origin,
    user: Option<&User>,
    refusal: Refusal,
) -> Result<(), Problem> {
    let outcome = if user.is_some() { refusal.outcome() } else { "unknown_account" };
    counter!(SIGN_INS, "outcome" => outcome).increment(1);
    // A first answer to somebody who has a second factor is no failure yet.
    if refusal == Refusal::CodeMissing {
        return Ok(());
    }
    call.state.throttle.failed(tx, origin).await?;
    match user {
        Some(user) => {
            let after = serde_json::json!({"reason": outcome});
            let mut event = act(user, call.context, "auth.login", ("user", user.id), None, Some(after));
            event.status = AuditStatus::Failure;
            audit::record(tx, &[event]).await?;
        }
        None => tracing::info!("somebody tried to sign in to an account that does not exist"),
    }
    Ok(())
}
