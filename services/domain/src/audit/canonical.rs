//! Canonical JSON by RFC 8785 (JCS).
//!
//! Object members are sorted by the UTF-16 code units of their names, there is no white space, strings are escaped
//! no more than needed, and numbers are written as ECMAScript writes them.
//!
//! All finite doubles are supported. An integer is supported when it survives as a double with its digits unchanged
//! (every one of at most 2^53 does); any other is refused instead of rounded, as the RFC recommends to send such a
//! number as a string.

use serde_json::{Number, Value};

/// Arrays and objects may be nested this deep; `serde_json` reads at most 127 levels.
pub const DEPTH_MAX: usize = 100;

/// Every integer up to this one is a double of its own.
const EXACT_INTEGER_MAX: u64 = 1 << 53;

/// Why a value has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// The integer has more digits than a double keeps; send it as a string.
    #[error("the integer {0} does not fit into a double without loss")]
    Integer(String),
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("nested deeper than {DEPTH_MAX} levels")]
    Depth,
}

/// The canonical bytes (UTF-8) of a JSON value.
///
/// # Errors
/// See [`CanonicalError`].
pub fn canonical_json(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    let mut out = String::new();
    write_value(&mut out, value, DEPTH_MAX)?;
    Ok(out.into_bytes())
}

fn write_value(out: &mut String, value: &Value, depth_left: usize) -> Result<(), CanonicalError> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number)?,
        Value::String(text) => write_string(out, text),
        Value::Array(entries) => {
            let depth_left = depth_left.checked_sub(1).ok_or(CanonicalError::Depth)?;
            out.push('[');
            for (index, entry) in entries.iter().enumerate() {
                separate(out, index);
                write_value(out, entry, depth_left)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            let depth_left = depth_left.checked_sub(1).ok_or(CanonicalError::Depth)?;
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (index, (name, member)) in members.into_iter().enumerate() {
                separate(out, index);
                write_string(out, name);
                out.push(':');
                write_value(out, member, depth_left)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn separate(out: &mut String, index: usize) {
    if index > 0 {
        out.push(',');
    }
}

fn write_string(out: &mut String, text: &str) {
    let is_escaped = |character: char| matches!(character, '"' | '\\' | '\0'..='\u{1f}');
    out.push('"');
    let mut rest = text;
    while let Some(end) = rest.find(is_escaped) {
        out.push_str(&rest[..end]);
        write_escaped(out, rest.as_bytes()[end]);
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

fn write_escaped(out: &mut String, character: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match character {
        b'"' => out.push_str("\\\""),
        b'\\' => out.push_str("\\\\"),
        0x8 => out.push_str("\\b"),
        b'\t' => out.push_str("\\t"),
        b'\n' => out.push_str("\\n"),
        0xc => out.push_str("\\f"),
        b'\r' => out.push_str("\\r"),
        _ => {
            out.push_str("\\u00");
            out.extend([character >> 4, character & 15].map(|digit| char::from(HEX[usize::from(digit)])));
        }
    }
}

fn write_number(out: &mut String, number: &Number) -> Result<(), CanonicalError> {
    let text = number.to_string();
    // A double has all of these, and ECMAScript writes them the same; nearly every number is one.
    if number.as_i64().is_some_and(|integer| integer.unsigned_abs() <= EXACT_INTEGER_MAX) {
        out.push_str(&text);
        return Ok(());
    }
    let is_integer = number.is_i64() || number.is_u64();
    // `as_f64` is `None` only for numbers of arbitrary precision, which are refused like any other that does not fit.
    let double = number.as_f64().filter(|double| double.is_finite());
    match double.map(ecmascript_number) {
        Some(canonical) if !is_integer || canonical == text => {
            out.push_str(&canonical);
            Ok(())
        }
        _ => Err(CanonicalError::Integer(text)),
    }
}

/// `Number::toString` of ECMAScript (RFC 8785, section 3.2.2.3) for a finite double.
fn ecmascript_number(double: f64) -> String {
    if double == 0.0 {
        return "0".to_owned();
    }
    let scientific = ecmascript_digits(double.abs());
    let (mantissa, exponent) =
        scientific.split_once('e').expect("the exponent form of a number has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent of a double is a small integer");
    let digits = mantissa.replace('.', "");
    let count = i32::try_from(digits.len()).expect("a double has at most 17 digits");
    let sign = if double < 0.0 { "-" } else { "" };

    // The decimal point stands after this many digits.
    let point = exponent + 1;
    let magnitude = if (count..=21).contains(&point) {
        digits + &zeros(point - count)
    } else if (1..=21).contains(&point) {
        let (whole, fraction) = digits.split_at(point.unsigned_abs() as usize);
        format!("{whole}.{fraction}")
    } else if (-5..=0).contains(&point) {
        format!("0.{}{digits}", zeros(-point))
    } else {
        format!("{mantissa}e{exponent:+}")
    };
    format!("{sign}{magnitude}")
}

/// The shortest digits that read back to the double, and of several such the closest, and of two equally close the
/// even ones, in exponent form.
///
/// Rust's own exponent form is the shortest, but leaves the tie open; its form with a given number of digits is the
/// closest and even, but need not read back next to a power of two.
fn ecmascript_digits(magnitude: f64) -> String {
    let shortest = format!("{magnitude:e}");
    let digits = shortest.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    let closest = format!("{magnitude:.*e}", digits - 1);
    if closest.parse() == Ok(magnitude) { closest } else { shortest }
}

fn zeros(count: i32) -> String {
    "0".repeat(count.unsigned_abs() as usize)
}
