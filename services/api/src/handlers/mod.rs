//! What serves the routes, a file or a folder for each noun.

pub(crate) mod assets;
pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod baselines;
pub(crate) mod buildings;
pub(crate) mod classifications;
pub(crate) mod defects;
pub(crate) mod evidence;
pub(crate) mod exports;
pub(crate) mod health;
pub(crate) mod jobs;
pub(crate) mod measures;
pub(crate) mod metrics;
pub(crate) mod organisation;
pub(crate) mod parties;
pub(crate) mod proxied;
pub(crate) mod receipts;
pub(crate) mod reports;
pub(crate) mod root;
pub(crate) mod rule_impacts;
pub(crate) mod rules;
pub(crate) mod sessions;
pub(crate) mod users;
