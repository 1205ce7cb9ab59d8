//! Log lines for people: short, one line each.

use std::fmt::{self, Write as _};

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::fields;

/// The time of day, in UTC.
pub(super) const CLOCK: &[BorrowedFormatItem<'_>] =
    format_description!("[hour]:[minute]:[second].[subsecond digits:3]");

/// `12:34:56.789 INFO  message name=value [transaction id]`, in UTC.
pub(super) struct Lines;

/// Notes a request's transaction id and nothing else.
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
        let now = OffsetDateTime::now_utc().format(CLOCK).map_err(|_| fmt::Error)?;
        let mut words = Words::default();
        event.record(&mut words);
        write!(writer, "{now} {:<5} {}{}", event.metadata().level(), words.message, words.fields)?;
        let append = |noted: &str| if noted.is_empty() { Ok(()) } else { write!(writer, " [{noted}]") };
        fields::of_request(context, append).unwrap_or(Ok(()))?;
        writer.write_char('\n')
    }
}

impl<'writer> FormatFields<'writer> for SpanFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut transaction_id = TransactionId::default();
        fields.record(&mut transaction_id);
        writer.write_str(&transaction_id.0)
    }

    fn add_fields(
        &self,
        noted: &'writer mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        self.format_fields(noted.as_writer(), fields)
    }
}

#[derive(Default)]
struct TransactionId(String);

impl Visit for TransactionId {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == fields::TRANSACTION_ID {
            self.0 = format!("{value:?}");
        }
    }
}

/// An event's message, and its fields as ` name=value` each.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Words {
    fn put(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = one_line(value);
        } else {
            let quote = if value.is_empty() || value.contains(char::is_whitespace) { "\"" } else { "" };
            // Writing to a string cannot fail.
            let _ = write!(self.fields, " {}={quote}{}{quote}", field.name(), one_line(value));
        }
    }
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format!("{value:?}"));
    }
}

/// What others send us may hold line ends and terminal codes; it must not be able to forge a line.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}
