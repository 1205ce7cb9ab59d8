//! One-time codes of authenticator apps: TOTP (RFC 6238) with what every app knows, SHA-1, six digits and 30 seconds.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use time::OffsetDateTime;

/// Bytes of a secret, as many as the hash has (RFC 4226, 4).
pub const SECRET_BYTES: usize = 20;

const STEP_SECONDS: i64 = 30;
const DIGITS: usize = 6;

/// Codes of so many steps before and after the present one are taken too: clocks differ, and typing takes time.
const STEPS_AROUND: i64 = 1;

/// What an app and the server share.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret([u8; SECRET_BYTES]);

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpSecret")
    }
}

impl TotpSecret {
    /// A secret of random bytes.
    pub fn new(random: [u8; SECRET_BYTES]) -> Self {
        Self(random)
    }

    /// Reads what [`TotpSecret::base32`] wrote.
    pub fn from_base32(text: &str) -> Option<Self> {
        BASE32_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// The form that people type into an app.
    pub fn base32(&self) -> String {
        BASE32_NOPAD.encode(&self.0)
    }

    /// The form that an app reads from a picture: `otpauth://totp/...`.
    pub fn uri(&self, account: &str) -> String {
        let label: String = account.bytes().map(escaped).collect();
        let secret = self.base32();
        format!(
            "otpauth://totp/FireMode:{label}?secret={secret}&issuer=FireMode&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}"
        )
    }

    /// The step whose code this is, if it is one that can be taken now. A code of a step up to `last_step` was taken before.
    pub fn step_of(&self, code: &str, now: OffsetDateTime, last_step: i64) -> Option<i64> {
        let present = now.unix_timestamp() / STEP_SECONDS;
        let steps = (present - STEPS_AROUND)..=(present + STEPS_AROUND);
        steps.into_iter().filter(|step| *step > last_step).find(|step| self.code(*step) == code)
    }

    /// The code of a step (RFC 4226, 5.3).
    pub fn code(&self, step: i64) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(&step.to_be_bytes());
        let hash: [u8; 20] = mac.finalize().into_bytes().into();
        let offset = usize::from(hash[19] & 0xf);
        let bytes = [hash[offset], hash[offset + 1], hash[offset + 2], hash[offset + 3]];
        let number = u32::from_be_bytes(bytes) & 0x7fff_ffff;
        format!("{:0DIGITS$}", number % 10_u32.pow(6))
    }
}

/// One byte of a part of a URI (RFC 3986, 2.3).
fn escaped(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}
