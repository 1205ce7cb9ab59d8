//! Passwords and one-time codes.

mod password;
mod totp;
