//! The form of a child's line in our own output.

use std::collections::BTreeMap;

use firemode_runtime::settings::LogFormat;
use serde::de::IgnoredAny;
use serde_json::json;

use super::lines::Line;

/// A child's line, tagged with its name and ended.
///
/// Text: `api      | line`. JSON: an object gets a member `child`, anything else becomes the message of one.
pub(super) fn line(format: LogFormat, child: &str, width: usize, line: &Line) -> Vec<u8> {
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
        LogFormat::Json => format!("{}\n", json!({ "child": child, "message": text })),
    }
    .into_bytes()
}

/// Says that lines are missing here.
pub(super) fn dropped(format: LogFormat, child: &str, width: usize, count: u64) -> Vec<u8> {
    let text = format!("[{count} lines dropped]");
    match format {
        LogFormat::Text => format!("{child:width$} | {text}\n"),
        LogFormat::Json => {
            let line = json!({ "child": child, "level": "WARN", "lines_dropped": count, "message": text });
            format!("{line}\n")
        }
    }
    .into_bytes()
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
        String::from_utf8(super::line(format, "api", 6, &line)).unwrap()
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
            assert_eq!(line, json!({ "child": "api", "message": wrapped }));
        }
    }
}
