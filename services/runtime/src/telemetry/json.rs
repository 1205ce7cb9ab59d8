//! Log lines for machines: one flat JSON object each.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::fields;

/// `{"timestamp", "level", "target", "message", …, "transaction_id", …}`: the event's own fields, then its request's.
pub(super) struct Lines;

/// Notes a span's fields as they will stand in a line: `,"name":value` each.
pub(super) struct SpanFields;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let now = OffsetDateTime::now_utc().format(&Rfc3339).map_err(|_| fmt::Error)?;
        let metadata = event.metadata();
        write!(writer, r#"{{"timestamp":"{now}","level":"{}""#, metadata.level())?;
        write!(writer, r#","target":{}"#, json!(metadata.target()))?;
        Members::write(&mut writer, |members| event.record(members), Some)?;
        fields::of_request(context, |noted| writer.write_str(noted)).unwrap_or(Ok(()))?;
        writer.write_str("}\n")
    }
}

impl<'writer> FormatFields<'writer> for SpanFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        Members::write(&mut writer, |members| fields.record(members), fields::short_name)
    }

    fn add_fields(
        &self,
        noted: &'writer mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        self.format_fields(noted.as_writer(), fields)
    }
}

/// Writes fields as members of an object that has others before them.
struct Members<'a> {
    text: String,
    name: &'a dyn Fn(&'static str) -> Option<&'static str>,
}

impl Members<'_> {
    fn write(
        writer: &mut Writer<'_>,
        record: impl FnOnce(&mut Members<'_>),
        name: fn(&'static str) -> Option<&'static str>,
    ) -> fmt::Result {
        let mut members = Members { text: String::new(), name: &name };
        record(&mut members);
        writer.write_str(&members.text)
    }

    fn put(&mut self, field: &Field, value: Value) {
        if let Some(name) = (self.name)(field.name()) {
            // Writing to a string cannot fail.
            let _ = write!(self.text, ",{}:{value}", json!(name));
        }
    }
}

impl Visit for Members<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}
