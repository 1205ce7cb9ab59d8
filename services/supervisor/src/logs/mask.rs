//! Keeps secrets out of the log, whichever process prints them.

use std::borrow::Cow;

use memchr::memmem::Finder;

/// What stands in the place of a secret.
const SHOWN: &[u8] = b"********";

/// A shorter text is too likely to be a word of any line.
const SECRET_BYTES_MIN: usize = 8;

/// The texts that must not be printed.
pub(crate) struct Mask {
    /// Ready to be searched for: every line of every child passes here.
    secrets: Vec<Finder<'static>>,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask of {} secrets", self.secrets.len())
    }
}

impl Mask {
    /// Masks these texts, also where JSON escapes them.
    pub(crate) fn new(secrets: &[String]) -> Self {
        let escaped = |secret: &String| match serde_json::to_string(secret) {
            Ok(text) => Cow::from(text[1..text.len() - 1].to_owned()),
            Err(_) => Cow::from(""),
        };
        let mut secrets: Vec<Vec<u8>> = secrets
            .iter()
            .flat_map(|secret| [Cow::from(secret.as_str()), escaped(secret)])
            .filter(|secret| secret.len() >= SECRET_BYTES_MIN)
            .map(|secret| secret.as_bytes().to_vec())
            .collect();
        // Longest first: one secret may be a part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self { secrets: secrets.iter().map(|secret| Finder::new(secret).into_owned()).collect() }
    }

    /// Replaces every secret in a line.
    pub(crate) fn apply(&self, line: &mut Vec<u8>) {
        for secret in &self.secrets {
            while let Some(at) = secret.find(line) {
                line.splice(at..at + secret.needle().len(), SHOWN.iter().copied());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand_and_short_texts_are_left_alone() {
        let mask = Mask::new(&["correct horse".to_owned(), "with \"quotes\"".to_owned(), "short".to_owned()]);
        for (line, shown) in [
            ("a correct horse, a correct horse", "a ********, a ********"),
            (r#"{"key":"with \"quotes\""}"#, r#"{"key":"********"}"#),
            ("short", "short"),
        ] {
            let mut line = line.as_bytes().to_vec();
            mask.apply(&mut line);
            assert_eq!(String::from_utf8(line).unwrap(), shown);
        }
    }
}
