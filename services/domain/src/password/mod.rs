//! What a password must be: NIST SP 800-63B-4, 3.1.1.2, for a password that stands alone.
//!
//! Length is what counts, so there are no rules about kinds of characters. What is refused besides are passwords that an
//! attacker tries first: those of `common.txt`, runs along an alphabet or a keyboard, repetitions, and what is known of the user.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// Fewest characters. It holds with a second factor too, so that removing one never leaves a short password alone.
pub const CHARACTERS_MIN: usize = 15;

/// Most characters; nothing is ever cut off.
pub const CHARACTERS_MAX: usize = 256;

/// Most bytes in UTF-8.
pub const BYTES_MAX: usize = 1024;

/// Characters that must be left when everything guessable is taken out.
const UNGUESSABLE_MIN: usize = 8;

/// A shorter word of the user's is as likely to be part of another.
const CONTEXT_CHARACTERS_MIN: usize = 4;

const COMMON: &str = include_str!("common.txt");

/// Rows of keys and alphabets; a password that runs along one, there or back, is no secret.
const ROWS: [&str; 6] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
];

/// Part of a run of this length counts.
const RUN_CHARACTERS_MIN: usize = 4;

/// Why a password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Too few characters.
    #[error("must have 15 characters or more; a sentence does well")]
    Short,
    /// Too many characters or bytes.
    #[error("must have 256 characters or fewer, and 1024 bytes or fewer")]
    Long,
    /// Attackers try it first.
    #[error(
        "is made of words, runs or repetitions that are guessed first; add words that have nothing to do with each other"
    )]
    Common,
    /// Attackers who know whom they attack try it first.
    #[error("is made of your name, address or organisation; add words that have nothing to do with you")]
    Personal,
}

/// The one form of a password, however a keyboard composed its characters (NFC).
pub fn normalised(password: &str) -> Cow<'_, str> {
    if is_nfc(password) { Cow::Borrowed(password) } else { Cow::Owned(password.nfc().collect()) }
}

/// Is its length within the bounds?
///
/// # Errors
/// [`Weakness::Short`] or [`Weakness::Long`].
pub fn check_length(password: &str) -> Result<(), Weakness> {
    let characters = normalised(password).chars().count();
    if password.len() > BYTES_MAX || characters > CHARACTERS_MAX {
        Err(Weakness::Long)
    } else if characters < CHARACTERS_MIN {
        Err(Weakness::Short)
    } else {
        Ok(())
    }
}

/// May somebody with these names, addresses and organisation have this password?
///
/// # Errors
/// See [`Weakness`].
pub fn check(password: &str, context: &[&str]) -> Result<(), Weakness> {
    check_length(password)?;
    let plain = plain(password);
    let unit = without_repetition(&plain);
    let common = || COMMON.lines().filter(|line| !line.starts_with('#'));
    if unguessable(unit, common()) < UNGUESSABLE_MIN {
        return Err(Weakness::Common);
    }
    let known = context_words(context);
    if unguessable(unit, common().chain(known.iter().map(String::as_str))) < UNGUESSABLE_MIN {
        return Err(Weakness::Personal);
    }
    Ok(())
}

/// How many characters are neither of these words nor of a run.
fn unguessable<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> usize {
    without_runs(&without_words(text, words)).chars().count()
}

/// Letters and digits alone, in lower case: how a word is written makes it no harder to guess.
fn plain(text: &str) -> String {
    normalised(text).chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The unit that a text repeats, or all of it.
fn without_repetition(text: &str) -> &str {
    let units =
        text.char_indices().map(|(index, _)| index).skip(1).filter(|end| text.len().is_multiple_of(*end));
    let mut repeated =
        units.filter(|&end| text.as_bytes().chunks(end).all(|chunk| chunk == &text.as_bytes()[..end]));
    repeated.next().map_or(text, |end| &text[..end])
}

/// The longest words are taken out first, so that a part of one leaves nothing of it behind.
fn without_words<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> String {
    let mut words: Vec<&str> = words.filter(|word| !word.is_empty() && text.contains(word)).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words.iter().fold(text.to_owned(), |left, word| left.replace(word, ""))
}

fn without_runs(text: &str) -> String {
    let rows: Vec<Vec<char>> = ROWS
        .iter()
        .flat_map(|row| [row.chars().collect::<Vec<char>>(), row.chars().rev().collect()])
        .collect();
    let characters: Vec<char> = text.chars().collect();
    let mut left = String::new();
    let mut rest = characters.as_slice();
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|c| *c == first).count();
        let run = rows.iter().map(|row| along(row, rest)).max().unwrap_or_default().max(same);
        if run < RUN_CHARACTERS_MIN {
            left.push(*first);
            rest = &rest[1..];
        } else {
            rest = &rest[run..];
        }
    }
    left
}

/// How many characters of a text run along a row from its first one on.
fn along(row: &[char], text: &[char]) -> usize {
    let start = text.first().and_then(|first| row.iter().position(|c| c == first));
    start.map_or(0, |start| row[start..].iter().zip(text).take_while(|(row, text)| row == text).count())
}

/// The words of the context, and each of its texts as one word.
fn context_words(context: &[&str]) -> Vec<String> {
    let separate = |text: &&str| {
        let parts: Vec<String> = text.split(|c: char| !c.is_alphanumeric()).map(plain).collect();
        parts.into_iter().chain([plain(text)])
    };
    let words = context.iter().flat_map(separate).chain(["firemode".to_owned()]);
    words.filter(|word| word.chars().count() >= CONTEXT_CHARACTERS_MIN).collect()
}
