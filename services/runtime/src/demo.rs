//! The demo organisation that development comes with. Its password is public, so production locks it.

use uuid::Uuid;

/// The organisation.
pub const ORGANISATION_ID: Uuid = Uuid::from_u128(2);

/// Its admin, whom `firemode token` makes tokens for: `00000000-0000-0000-0000-000000000001`.
pub const ADMIN_ID: Uuid = Uuid::from_u128(1);

/// Its technician.
pub const TECHNICIAN_ID: Uuid = Uuid::from_u128(3);

/// What the admin signs in with.
pub const ADMIN_EMAIL: &str = "demo@firemode.example";

/// What the technician signs in with.
pub const TECHNICIAN_EMAIL: &str = "technician@firemode.example";

/// The password of both.
pub const PASSWORD: &str = "a demo of FireMode";

/// Life of a token that `firemode token` prints, in seconds: a day.
pub const TOKEN_SECONDS: i64 = 86_400;
