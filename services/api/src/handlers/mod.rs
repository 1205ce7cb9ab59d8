//! What serves the routes, a file for each noun.

pub(crate) mod assets;
pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod buildings;
pub(crate) mod bundle;
pub(crate) mod evidence;
pub(crate) mod evidence_content;
pub(crate) mod feed;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod hot;
pub(crate) mod invitations;
pub(crate) mod items;
pub(crate) mod late;
pub(crate) mod me;
pub(crate) mod metrics;
pub(crate) mod new_assets;
mod new_items;
pub(crate) mod receipts;
pub(crate) mod root;
pub(crate) mod session_view;
pub(crate) mod sessions;
pub(crate) mod sync;
pub(crate) mod tokens;
pub(crate) mod totp;
pub(crate) mod uploads;
pub(crate) mod users;
