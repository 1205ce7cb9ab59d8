//! Bodies of the routes that the API proxies and the ingest process serves: the first documents them, the second reads them.

mod classify;
mod evidence;
mod health;
mod results;
mod uploads;

pub use classify::{ClassifyAnswer, ClassifyBody, FaultResult, FaultsAnswer, FaultsBody};
pub use evidence::{EvidenceAnswer, EvidenceBody, EvidenceFields, EvidenceForm, Sha256Hex};
pub use health::IngestHealth;
pub use results::{ResultsAnswer, ResultsBody, told_clock};
pub use uploads::UploadAnswer;
