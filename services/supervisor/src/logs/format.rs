//! The form of a child's line in our own output.

use std::collections::BTreeMap;

use firemode_runtime::settings::LogFormat;
use serde::de::IgnoredAny;
use serde_json::json;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::lines::Line;

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Output,
    Error,
}

/// A child's line, tagged with its name and ended.
///
/// Text: `api      | line`. JSON: an object gets a member `child`, anything else becomes the message of one, with the time at which it
/// came and the level that it speaks of.
pub(super) fn line(format: LogFormat, child: &str, width: usize, stream: Stream, line: &Line) -> Vec<u8> {
    let mut text = String::from_utf8_lossy(&line.bytes).into_owned();
    if line.bytes_cut > 0 {
        text.push_str(&format!(" [{} more bytes cut]", line.bytes_cut));
    }
    match format {
        LogFormat::Text => format!("{child:width$} | {text}\n"),
        LogFormat::Json if is_untagged_object(&text) => {
            // Spliced in rather than parsed and printed again: the child's own order and numbers stay as they are.
            let rest = text.trim_start()[1..].trim_start();
            let comma = if rest.starts_with('}') { "" } else { "," };
            format!("{{\"child\":{}{comma}{rest}\n", json!(child))
        }
        LogFormat::Json => {
            let level = level(&text, stream);
            format!("{}\n", json!({ "timestamp": now(), "level": level, "child": child, "message": text }))
        }
    }
    .into_bytes()
}

/// Says that lines are missing here.
pub(super) fn dropped(format: LogFormat, child: &str, width: usize, count: u64) -> Vec<u8> {
    let text = format!("[{count} lines dropped]");
    match format {
        LogFormat::Text => format!("{child:width$} | {text}\n"),
        LogFormat::Json => {
            let line = json!({ "timestamp": now(), "child": child, "level": "WARN", "lines_dropped": count, "message": text });
            format!("{line}\n")
        }
    }
    .into_bytes()
}

fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}

/// How PostgreSQL begins a message, and what that is here.
const POSTGRES_LEVELS: [(&str, &str); 8] = [
    ("LOG", "INFO"),
    ("INFO", "INFO"),
    ("NOTICE", "INFO"),
    ("DEBUG", "DEBUG"),
    ("WARNING", "WARN"),
    ("ERROR", "ERROR"),
    ("FATAL", "ERROR"),
    ("PANIC", "ERROR"),
];

/// What PostgreSQL adds to a message in lines of their own.
const POSTGRES_DETAILS: [&str; 6] = ["DETAIL", "HINT", "CONTEXT", "STATEMENT", "QUERY", "LOCATION"];

/// The level of a line that does not name one: PostgreSQL's words, Rust's panics, and else that of the stream.
fn level(text: &str, stream: Stream) -> &'static str {
    // `2026-11-30 10:00:00.000 UTC [7] LOG:  message`
    let word = text.split_once(":  ").map(|(head, _)| head.rsplit(' ').next().unwrap_or_default());
    let known = POSTGRES_LEVELS.iter().find(|(name, _)| word == Some(*name)).map(|(_, level)| *level);
    let is_detail = text.starts_with('\t') || word.is_some_and(|word| POSTGRES_DETAILS.contains(&word));
    match (known, stream) {
        (Some(level), _) => level,
        (None, _) if is_detail => "INFO",
        (None, _) if text.starts_with("thread '") && text.contains("panicked at") => "ERROR",
        (None, Stream::Output) => "INFO",
        (None, Stream::Error) => "WARN",
    }
}

fn is_untagged_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
        && serde_json::from_str::<BTreeMap<String, IgnoredAny>>(text)
            .is_ok_and(|members| !members.contains_key("child"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(format: LogFormat, text: &str, bytes_cut: usize) -> String {
        let line = Line { bytes: text.as_bytes().to_vec(), bytes_cut };
        String::from_utf8(super::line(format, "api", 6, Stream::Output, &line)).unwrap()
    }

    #[test]
    fn text_lines_stand_in_columns() {
        assert_eq!(formatted(LogFormat::Text, "hello", 0), "api    | hello\n");
        assert_eq!(formatted(LogFormat::Text, "hello", 3), "api    | hello [3 more bytes cut]\n");
    }

    #[test]
    fn json_objects_get_a_member_and_other_lines_become_objects() {
        assert_eq!(
            formatted(LogFormat::Json, r#"{"b":1.10,"a":2}"#, 0),
            "{\"child\":\"api\",\"b\":1.10,\"a\":2}\n"
        );
        assert_eq!(formatted(LogFormat::Json, "{}", 0), "{\"child\":\"api\"}\n");
        for wrapped in ["plain", r#"{"a":1"#, r#"{"child":"forged"}"#, "[1]"] {
            let line: serde_json::Value =
                serde_json::from_str(&formatted(LogFormat::Json, wrapped, 0)).unwrap();
            assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
            assert_eq!(
                (&line["child"], &line["level"], &line["message"]),
                (&json!("api"), &json!("INFO"), &json!(wrapped))
            );
        }
    }

    #[test]
    fn lines_of_postgres_and_panics_have_their_level() {
        for (text, expected) in [
            ("2026-11-30 10:00:00.000 UTC [7] LOG:  database system is ready", "INFO"),
            ("2026-11-30 10:00:00.000 UTC [7] ERROR:  no: such  thing", "ERROR"),
            ("2026-11-30 10:00:00.000 UTC [7] STATEMENT:  select 1", "INFO"),
            ("\tand its second line", "INFO"),
            ("2026-11-30 10:00:00.000 UTC [7] FATAL:  the database system is starting up", "ERROR"),
            ("thread 'main' (7) panicked at src/main.rs:1:1:", "ERROR"),
            ("initdb: warning: something", "WARN"),
        ] {
            assert_eq!(level(text, Stream::Error), expected, "{text}");
        }
    }
}
