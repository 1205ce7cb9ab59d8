//! The worker: jobs that are due, one process of them on each instance.
//!
//! [`engine`] knows how jobs are taken, watched and ended, and nothing of what they are for; `work` does them; `lanes` says which there
//! are. Nothing depends on this process alone: what depends on time is worked out when it is read, and a job only pushes.

pub mod engine;
mod figures;
mod lanes;
mod server;
mod state;
mod work;

pub use server::run;
