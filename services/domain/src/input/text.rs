//! Text that people read: normalised, compared by what it looks like, and without what nobody can see.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use unicase::UniCase;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use utoipa::openapi::{RefOr, Schema};

use super::fault::{At, Faults};
use super::{Input, schema};

/// Zero width, and yet part of how words of many languages are written.
const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];

/// One line of text of `MIN` to `MAX` characters: a name, an address, a label, a code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Line<const MAX: usize, const MIN: usize = 1>(String);

/// Text of 1 to `MAX` characters that may have several lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(String);

/// What two lines of text have in common when people take them for the same: NFC and full case folding (Unicode 3.13, D145).
/// Variation selectors choose between pictures of one character and say nothing here.
#[must_use]
pub fn comparison_key(text: &str) -> String {
    let plain: String = normalised_line(text).chars().filter(|c| !is_variation_selector(*c)).collect();
    UniCase::unicode(plain).to_folded_case().nfc().collect()
}

/// NFC, without outer blanks, and with single ones inside.
pub(super) fn normalised_line(text: &str) -> String {
    let composed: String = text.nfc().collect();
    composed.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The same for each of several lines.
pub(super) fn normalised_text(text: &str) -> String {
    let lines: Vec<String> = text.replace("\r\n", "\n").split('\n').map(normalised_line).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// Why text is refused. Length is no concern of this.
pub(crate) fn check_characters(text: &str, allowed_controls: &[char]) -> Result<(), String> {
    let mut before = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_allowed = if character.is_control() {
            allowed_controls.contains(&character)
        } else if JOINERS.contains(&character) {
            before.is_some_and(is_letter) && characters.peek().copied().is_some_and(is_letter)
        } else if is_variation_selector(character) {
            before.is_some_and(|base: char| !base.is_ascii() && !base.is_whitespace())
        } else {
            !is_invisible(character)
        };
        if !is_allowed {
            let kind = if character.is_control() { "control" } else { "invisible" };
            return Err(format!("has the {kind} character U+{:04X}; remove it", u32::from(character)));
        }
        before = Some(character);
    }
    Ok(())
}

fn is_letter(character: char) -> bool {
    character.is_alphabetic() || is_combining_mark(character)
}

fn is_variation_selector(character: char) -> bool {
    matches!(character, '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Default-ignorable characters, format characters without a shape of their own, blanks that are no white space, and
/// noncharacters (Unicode 17, `DerivedCoreProperties.txt` and general category Cf).
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    ) || u32::from(character) & 0xfffe == 0xfffe
}

/// The text of a value, where it is text.
pub(super) fn text_of(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => {
            faults.add(at, "must be text");
            None
        }
    }
}

/// How text of one kind is read.
struct Reading {
    allowed_controls: &'static [char],
    normalised: fn(&str) -> String,
    characters_min: usize,
    characters_max: usize,
}

impl Reading {
    fn read(&self, value: Value, at: &At<'_>, faults: &mut Faults) -> Option<String> {
        let sent = text_of(value, at, faults)?;
        let (min, max) = (self.characters_min, self.characters_max);
        // What was sent is looked at: some control characters are white space, and would be gone afterwards.
        let text = check_characters(&sent, self.allowed_controls).map(|()| (self.normalised)(&sent));
        let fault = match text {
            Ok(text) if (min..=max).contains(&text.chars().count()) => return Some(text),
            Ok(_) => format!("must have {min} to {max} characters"),
            Err(why) => why,
        };
        faults.add(at, fault);
        None
    }
}

impl<const MAX: usize, const MIN: usize> Input for Line<MAX, MIN> {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let reading = Reading {
            allowed_controls: &[],
            normalised: normalised_line,
            characters_min: MIN,
            characters_max: MAX,
        };
        reading.read(value, at, faults).map(Self)
    }

    fn schema() -> RefOr<Schema> {
        schema::text(MIN, Some(MAX)).into()
    }
}

impl<const MAX: usize> Input for Text<MAX> {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let reading = Reading {
            allowed_controls: &['\t', '\n', '\r'],
            normalised: normalised_text,
            characters_min: 1,
            characters_max: MAX,
        };
        reading.read(value, at, faults).map(Self)
    }

    fn schema() -> RefOr<Schema> {
        schema::text(1, Some(MAX)).into()
    }
}

impl<const MAX: usize, const MIN: usize> Line<MAX, MIN> {
    /// The text alone.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl<const MAX: usize, const MIN: usize> Deref for Line<MAX, MIN> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Text<MAX> {
    /// The text alone.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize, const MIN: usize> fmt::Display for Line<MAX, MIN> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
