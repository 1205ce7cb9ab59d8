//! The bounds of documents, as the settings say.

use firemode_domain::document::Limits;
use firemode_runtime::settings::Settings;

/// The bounds of documents, the same for all who write to them.
pub fn of_documents(settings: &Settings) -> Limits {
    let bounds = Limits::default();
    Limits {
        request_entries_max: settings.ingest.request_entries_max,
        request_bytes_max: settings.ingest.results_bytes_max,
        change_bytes_max: settings.ingest.change_bytes_max,
        document_memory_max: settings.document_memory_bytes(),
        document_bytes_max: settings.document_change_bytes().min(bounds.document_bytes_max),
        ..bounds
    }
}
