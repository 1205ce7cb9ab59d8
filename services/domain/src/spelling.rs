//! Ids as keys: a UUID may be spelled in several ways, and is one id in all of them.

use std::borrow::Cow;

use uuid::Uuid;

/// Lengths of the spellings: without hyphens, with them, in braces, as a URN.
const LENGTHS: [usize; 4] = [32, 36, 38, 45];

/// The id that a key spells, if it is one.
pub(crate) fn id_of(key: &str) -> Option<Uuid> {
    LENGTHS.contains(&key.len()).then(|| Uuid::try_parse(key).ok()).flatten()
}

/// An id as we write it: lower case with hyphens.
pub(crate) fn usual(id: Uuid) -> String {
    id.to_string()
}

/// The id that a key spells in another way.
pub(crate) fn unusual_id(key: &str) -> Option<Uuid> {
    id_of(key).filter(|id| usual(*id) != key)
}

/// A key as it is shown where keys are ids.
pub(crate) fn shown(key: &str) -> Cow<'_, str> {
    unusual_id(key).map_or(Cow::Borrowed(key), |id| Cow::Owned(usual(id)))
}
