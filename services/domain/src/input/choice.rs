//! One of a few words.

use serde_json::Value;

use super::fault::{At, Faults};

/// Reads one of these words, and says which there are where it is another.
pub fn read_choice<T: Copy>(
    value: &Value,
    choices: &[(&str, T)],
    at: &At<'_>,
    faults: &mut Faults,
) -> Option<T> {
    let found = value.as_str().and_then(|text| choices.iter().find(|(word, _)| *word == text));
    if found.is_none() {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        faults.add(at, format!("must be one of {}", words.join(", ")));
    }
    found.map(|(_, choice)| *choice)
}

/// Makes an enumeration readable: its words, each with its variant.
#[macro_export]
macro_rules! choice {
    ($type:ty { $($word:literal => $variant:expr),+ $(,)? }) => {
        impl $crate::input::Input for $type {
            fn read(
                value: $crate::reexport::serde_json::Value,
                at: &$crate::input::At<'_>,
                faults: &mut $crate::input::Faults,
            ) -> Option<Self> {
                $crate::input::read_choice(&value, &[$(($word, $variant)),+], at, faults)
            }

            fn schema() -> $crate::reexport::utoipa::openapi::RefOr<$crate::reexport::utoipa::openapi::Schema> {
                let mut words = $crate::input::text(0, None);
                words.enum_values = Some(vec![$($word.into()),+]);
                words.into()
            }
        }
    };
}
