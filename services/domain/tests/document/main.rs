//! The session document, through its public interface.

#![expect(clippy::unwrap_used, reason = "a scene that cannot be set fails its test")]

mod acknowledged;
mod condensed;
mod copies;
mod device_actors;
mod follows;
mod hostile;
mod made_apart;
mod mark;
mod merge_laws;
mod odd_values;
mod operation_refusals;
mod operations;
mod overtaken;
mod past;
mod refusals;
mod support;
mod views;
mod written_from_index;
