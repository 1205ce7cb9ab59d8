//! What clients may send, and what is wrong with it.
//!
//! The types here cannot hold what a later step cannot carry: a time is one that the database and every calendar have, a line of
//! text has neither control characters nor invisible ones. The same types read bodies, queries, forms and upload metadata
//! ([`Input`]), and all faults of a request are collected ([`Faults`]), each under its path ([`At`]), in words for the person who writes
//! the client.
//!
//! A body, or the parameters of a query, are declared with [`body!`](crate::body!): one line for each field gives the reader and the
//! schema of the documentation. A status, a role or a kind is declared with [`words!`](crate::words!).

mod actor;
mod body;
mod change;
mod clock;
mod email;
mod fault;
mod item_id;
mod json;
mod list;
mod metadata;
mod password;
mod scalar;
mod schema;
mod text;
mod time;
mod words;

pub use actor::Actor;
pub use body::{Fields, Members, SchemaFields, described};
pub use change::{Becomes, Given};
pub use email::{Email, SignInAddress};
pub(crate) use fault::pointer_of_member;
pub use fault::{At, FAULTS_MAX, Faults, FieldError};
pub use item_id::ItemId;
pub use json::{Malformed, parse};
pub use list::{List, Repeated};
pub use metadata::Metadata;
pub use password::NewPassword;
pub use scalar::{AsSent, ClientKey, Json, Object, Positive, Secret, Whole};
pub use schema::{any, nullable, object, text};
pub(crate) use text::check_characters;
pub use text::{Line, Text, comparison_key};
pub use time::{Day, Time};
pub use words::{UnknownWord, find_word, read_word};

use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};

/// What can be read from a request.
pub trait Input: Sized {
    /// Must a body have it?
    const IS_REQUIRED: bool = true;

    /// Reads a JSON value. `None` only after a fault was noted.
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self>;

    /// Reads the text of a query parameter, or of a field of a form or of upload metadata.
    fn read_text(text: String, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        Self::read(Value::String(text), at, faults)
    }

    /// Reads the texts of a query parameter, of which there may be several in a query alone.
    fn read_texts(texts: Vec<String>, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        match <[String; 1]>::try_from(texts) {
            Ok([text]) => Self::read_text(text, at, faults),
            Err(_) => {
                faults.add(at, "is given more than once; send it once");
                None
            }
        }
    }

    /// What it is where nothing was sent.
    fn absent(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        faults.add(at, "is required");
        None
    }

    /// How the documentation describes it.
    fn schema() -> RefOr<Schema>;
}

/// Reads a value by itself.
///
/// # Errors
/// All that is wrong with it.
pub fn read<T: Input>(value: Value) -> Result<T, Vec<FieldError>> {
    let mut faults = Faults::default();
    let read = T::read(value, &At::Body, &mut faults);
    faults.into_result(read)
}

impl<T: Input> Input for Option<T> {
    const IS_REQUIRED: bool = false;

    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::read(value, at, faults).map(Some),
        }
    }

    fn read_text(text: String, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        T::read_text(text, at, faults).map(Some)
    }

    fn read_texts(texts: Vec<String>, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        T::read_texts(texts, at, faults).map(Some)
    }

    fn absent(_: &At<'_>, _: &mut Faults) -> Option<Self> {
        Some(None)
    }

    fn schema() -> RefOr<Schema> {
        nullable(T::schema())
    }
}
