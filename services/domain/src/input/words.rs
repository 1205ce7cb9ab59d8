//! One of a few words: what a status, a role or a kind is on the wire, in the database and in code.

use serde_json::Value;

use super::fault::{At, Faults};

/// The text is none of the words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be one of {0}")]
pub struct UnknownWord(pub String);

/// Reads one of these words, and says which there are where it is another.
pub fn read_word<T: Copy>(value: &Value, words: &[(&str, T)], at: &At<'_>, faults: &mut Faults) -> Option<T> {
    let found = find_word(value.as_str(), words);
    found.map_err(|unknown| faults.add(at, unknown.to_string())).ok()
}

/// The variant that a word stands for.
///
/// # Errors
/// It is none of them.
pub fn find_word<T: Copy>(text: Option<&str>, words: &[(&str, T)]) -> Result<T, UnknownWord> {
    let found = text.and_then(|text| words.iter().find(|(word, _)| *word == text));
    let all = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
    found.map(|(_, variant)| *variant).ok_or_else(|| UnknownWord(all()))
}

/// Declares an enumeration with the word for each variant, which is what is sent, stored and read.
///
/// ```
/// firemode_domain::words! {
///     /// What became of an order.
///     pub enum Standing {
///         /// It is good.
///         Fine = "fine",
///         /// It is not.
///         Broken = "broken",
///     }
/// }
/// assert_eq!("broken".parse(), Ok(Standing::Broken));
/// assert_eq!(Standing::ALL.map(Standing::as_str), ["fine", "broken"]);
/// ```
#[macro_export]
macro_rules! words {
    (
        $(#[doc = $about:literal])*
        $vis:vis enum $name:ident {
            $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?
        }
    ) => {
        $(#[doc = $about])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash,
            $crate::reexport::serde::Serialize, $crate::reexport::serde::Deserialize,
        )]
        $vis enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All of them, in their order.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The word that is stored and sent.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::input::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::input::find_word(Some(text), &[$(($word, Self::$variant)),+])
            }
        }

        impl $crate::input::Input for $name {
            fn read(
                value: $crate::reexport::serde_json::Value,
                at: &$crate::input::At<'_>,
                faults: &mut $crate::input::Faults,
            ) -> Option<Self> {
                $crate::input::read_word(&value, &[$(($word, Self::$variant)),+], at, faults)
            }

            fn schema() -> $crate::reexport::utoipa::openapi::RefOr<$crate::reexport::utoipa::openapi::Schema> {
                let mut words = $crate::input::text(0, None);
                words.enum_values = Some(vec![$($word.into()),+]);
                words.into()
            }
        }

        impl $crate::reexport::utoipa::PartialSchema for $name {
            fn schema() -> $crate::reexport::utoipa::openapi::RefOr<$crate::reexport::utoipa::openapi::Schema> {
                $crate::input::described(<Self as $crate::input::Input>::schema(), &[$($about),*])
            }
        }

        impl $crate::reexport::utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }

        $crate::becomes_itself!($name);
        impl $crate::audit::Plain for $name {}
    };
}
