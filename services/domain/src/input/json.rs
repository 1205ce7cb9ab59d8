//! JSON as clients send it, read once and strictly.
//!
//! Everything that a common parser lets pass in silence is a fault under its path here: a member given twice, and a number that
//! cannot be kept. Half of a surrogate pair is read as U+FFFD, so that one broken character strands nobody's work.

use std::fmt;

use memchr::memchr2;
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use super::fault::{At, Faults};

/// Arrays and objects may be nested this deep.
const DEPTH_MAX: usize = 127;

/// Text that is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    why: &'static str,
    line: usize,
    column: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {}, column {}", self.why, self.line, self.column)
    }
}

/// Reads a JSON text and notes the faults of its values.
///
/// # Errors
/// [`Malformed`], where there is no telling what was meant.
pub fn parse(bytes: &[u8], at: &At<'_>, faults: &mut Faults) -> Result<Value, Malformed> {
    let (text, is_whole) = match str::from_utf8(bytes) {
        Ok(text) => (text, true),
        Err(error) => (str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(), false),
    };
    if !is_whole {
        return Err(malformed(text, text.len(), "a byte is not UTF-8"));
    }
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, faults };
    reader.document(at).map_err(|why| malformed(text, reader.at, why))
}

fn malformed(text: &str, at: usize, why: &'static str) -> Malformed {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line_begin = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    Malformed { why, line, column: String::from_utf8_lossy(&before[line_begin..]).chars().count() + 1 }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    faults: &'a mut Faults,
}

/// Why a text is no JSON; where is in the reader.
type Why = &'static str;

impl Reader<'_> {
    fn document(&mut self, at: &At<'_>) -> Result<Value, Why> {
        self.skip_blanks();
        if self.peek().is_none() {
            return Err("nothing was sent where a JSON value is expected");
        }
        let value = self.value(at, DEPTH_MAX)?;
        self.skip_blanks();
        if self.peek().is_some() { Err("more follows where the end is expected") } else { Ok(value) }
    }

    fn value(&mut self, at: &At<'_>, depth_left: usize) -> Result<Value, Why> {
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'{') => self.object(at, depth_left),
            Some(b'[') => self.array(at, depth_left),
            Some(b'-' | b'0'..=b'9') => self.number(at),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err("a value is expected"),
        }
    }

    fn object(&mut self, at: &At<'_>, depth_left: usize) -> Result<Value, Why> {
        let depth_left = depth_left.checked_sub(1).ok_or("arrays and objects are nested too deeply")?;
        self.at += 1;
        self.skip_blanks();
        let mut members = Map::new();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err("a member's name in double quotes is expected");
            }
            let name = self.string()?;
            self.skip_blanks();
            if !self.take(b':') {
                return Err("a colon is expected");
            }
            self.skip_blanks();
            let value = self.value(&At::Member(at, &name), depth_left)?;
            match members.entry(name) {
                Entry::Vacant(free) => drop(free.insert(value)),
                Entry::Occupied(taken) => {
                    self.faults.add(&At::Member(at, taken.key()), "is there twice; send it once");
                }
            }
            self.skip_blanks();
            if self.take(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.take(b',') {
                return Err("a comma or the end of the object is expected");
            }
            self.skip_blanks();
        }
    }

    fn array(&mut self, at: &At<'_>, depth_left: usize) -> Result<Value, Why> {
        let depth_left = depth_left.checked_sub(1).ok_or("arrays and objects are nested too deeply")?;
        self.at += 1;
        self.skip_blanks();
        let mut entries = Vec::new();
        if self.take(b']') {
            return Ok(Value::Array(entries));
        }
        loop {
            entries.push(self.value(&At::Entry(at, entries.len()), depth_left)?);
            self.skip_blanks();
            if self.take(b']') {
                return Ok(Value::Array(entries));
            }
            if !self.take(b',') {
                return Err("a comma or the end of the array is expected");
            }
            self.skip_blanks();
        }
    }

    fn word(&mut self, word: &'static str, value: Value) -> Result<Value, Why> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err("a value is expected");
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self, at: &At<'_>) -> Result<Value, Why> {
        let begin = self.at;
        self.take(b'-');
        if !self.take(b'0') && self.digits() == 0 {
            return Err("a digit is expected");
        }
        let mut is_integer = true;
        if self.take(b'.') {
            is_integer = false;
            if self.digits() == 0 {
                return Err("a digit is expected");
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_integer = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err("a digit is expected");
            }
        }
        Ok(self.kept(&self.text[begin..self.at], is_integer, at))
    }

    /// The number as it can be kept; a fault where that is another number.
    fn kept(&mut self, text: &str, is_integer: bool, at: &At<'_>) -> Value {
        // JSON has a negative zero, integers do not.
        if is_integer && text != "-0" {
            if let Ok(number) = text.parse::<i64>() {
                return Value::from(number);
            }
            if let Ok(number) = text.parse::<u64>() {
                return Value::from(number);
            }
            self.faults
                .add(at, "is a whole number of more than 64 bits, which cannot be kept; send it as text");
            return Value::Null;
        }
        let number = text.parse().ok().and_then(Number::from_f64);
        number.map_or_else(
            || {
                self.faults.add(at, "is a number too large to be kept; send it as text");
                Value::Null
            },
            Value::Number,
        )
    }

    fn digits(&mut self) -> usize {
        let begin = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - begin
    }

    fn string(&mut self) -> Result<String, Why> {
        self.at += 1;
        let begin = self.at;
        self.plain_run();
        if self.take(b'"') {
            return Ok(self.text[begin..self.at - 1].to_owned());
        }
        let mut read = self.text[begin..self.at].to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(read);
                }
                Some(b'\\') => read.push(self.escape()?),
                Some(_) => return Err("a control character stands in a string; write it as \\n or \\u000a"),
                None => return Err("a string has no end"),
            }
            let begin = self.at;
            self.plain_run();
            read.push_str(&self.text[begin..self.at]);
        }
    }

    /// Passes over what stands for itself in a string.
    fn plain_run(&mut self) {
        let rest = &self.bytes[self.at..];
        let run = &rest[..memchr2(b'"', b'\\', rest).unwrap_or(rest.len())];
        // The least of all bytes is found many at a time; which one it is matters only in what is refused.
        let is_plain = run.iter().fold(u8::MAX, |least, byte| least.min(*byte)) >= b' ';
        let control = (!is_plain).then(|| run.iter().position(|byte| *byte < b' ')).flatten();
        self.at += control.unwrap_or(run.len());
    }

    fn escape(&mut self) -> Result<char, Why> {
        self.at += 1;
        let escaped = self.peek().ok_or("a string has no end")?;
        let character = match escaped {
            b'"' | b'\\' | b'/' => char::from(escaped),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return Err("a backslash stands before something that it does not escape"),
        };
        self.at += 1;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char, Why> {
        let unit = self.hex_unit()?;
        if (0xd800..0xdc00).contains(&unit) && self.bytes[self.at..].starts_with(b"\\u") {
            let after_first = self.at;
            self.at += 2;
            let second = self.hex_unit()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x1_0000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            // The second stands for itself.
            self.at = after_first;
        }
        Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex_unit(&mut self) -> Result<u32, Why> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or("\\u needs four hexadecimal digits")?;
        let mut unit = 0;
        for digit in digits {
            let digit = char::from(*digit).to_digit(16).ok_or("\\u needs four hexadecimal digits")?;
            unit = unit << 4 | digit;
        }
        self.at += 4;
        Ok(unit)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }
}
