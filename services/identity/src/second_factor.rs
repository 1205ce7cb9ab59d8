//! Codes of an authenticator app, and recovery codes for the day on which it is lost.

use data_encoding::BASE32_NOPAD;
use firemode_domain::totp::{SECRET_BYTES, TotpSecret};
use firemode_storage::Transaction;
use firemode_storage::second_factors::{self, TotpFactor};
use firemode_storage::users::User;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::IdentityError;
use crate::vault::Vault;

/// Recovery codes that a user gets.
const RECOVERY_CODES: usize = 10;

/// 80 random bits: nobody guesses one, so a plain hash is enough to store it.
const RECOVERY_CODE_BYTES: usize = 10;

/// What a second factor says of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The user has none.
    NotAsked,
    /// The user has one, and no code came.
    Missing,
    /// A code came that is wrong, too old, or was used before.
    Wrong,
    /// The code is right, and is used up.
    Right,
}

/// Looks at the code that came with a right password.
///
/// # Errors
/// See [`IdentityError`].
pub async fn check(
    tx: &Transaction,
    vault: &Vault,
    user: &User,
    code: Option<&str>,
) -> Result<Verdict, IdentityError> {
    let factor = second_factors::find_for_use(tx, user.organisation_id, user.id).await?;
    let Some(factor) = factor.filter(|factor| factor.is_confirmed) else { return Ok(Verdict::NotAsked) };
    let Some(code) = code else { return Ok(Verdict::Missing) };
    let is_right = take_code(tx, vault, user, &factor, code).await?
        || second_factors::take_recovery_code(
            tx,
            user.organisation_id,
            user.id,
            &recovery_hash(user.id, code),
        )
        .await?;
    Ok(if is_right { Verdict::Right } else { Verdict::Wrong })
}

/// Is this a code of the app now? It is used up with that.
///
/// # Errors
/// See [`IdentityError`].
pub async fn take_code(
    tx: &Transaction,
    vault: &Vault,
    user: &User,
    factor: &TotpFactor,
    code: &str,
) -> Result<bool, IdentityError> {
    let secret = vault.decrypt(&factor.secret_encrypted)?;
    let secret = TotpSecret::from_base32(&secret)
        .ok_or_else(|| IdentityError::internal("the stored secret of an authenticator is none"))?;
    let step = secret.step_of(&plain(code), OffsetDateTime::now_utc(), factor.last_step);
    if let Some(step) = step {
        second_factors::take_step(tx, user.organisation_id, user.id, step).await?;
    }
    Ok(step.is_some())
}

/// A new secret.
///
/// # Errors
/// See [`IdentityError`].
pub fn new_secret() -> Result<TotpSecret, IdentityError> {
    random::<SECRET_BYTES>().map(TotpSecret::new)
}

/// Gives a user new recovery codes in the place of the old ones.
///
/// # Errors
/// See [`IdentityError`].
pub async fn new_recovery_codes(tx: &Transaction, user: &User) -> Result<Vec<String>, IdentityError> {
    let codes = (0..RECOVERY_CODES)
        .map(|_| random::<RECOVERY_CODE_BYTES>().map(|bytes| grouped(&BASE32_NOPAD.encode(&bytes))))
        .collect::<Result<Vec<String>, IdentityError>>()?;
    let hashes: Vec<[u8; 32]> = codes.iter().map(|code| recovery_hash(user.id, code)).collect();
    let hashes: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
    second_factors::set_recovery_codes(tx, user.organisation_id, user.id, &hashes).await?;
    Ok(codes)
}

fn recovery_hash(user_id: Uuid, code: &str) -> [u8; 32] {
    Sha256::new().chain_update(user_id.as_bytes()).chain_update(plain(code)).finalize().into()
}

/// People type codes as they see them: in groups, and in any case.
fn plain(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

fn grouped(code: &str) -> String {
    let groups: Vec<String> =
        code.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    groups.join("-")
}

fn random<const N: usize>() -> Result<[u8; N], IdentityError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(IdentityError::internal)?;
    Ok(bytes)
}
