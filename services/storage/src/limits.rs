//! The bounds of documents, as the settings say.

use firemode_domain::document::Limits;
use firemode_runtime::settings::IngestSettings;

/// The bounds of documents, the same for all who write to them.
pub fn of_documents(settings: &IngestSettings) -> Limits {
    Limits {
        request_entries_max: settings.request_entries_max,
        request_bytes_max: settings.results_bytes_max,
        change_bytes_max: settings.change_bytes_max,
        ..Limits::default()
    }
}
