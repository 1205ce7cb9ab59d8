//! What the record says of an object: member by member, and never the whole of a row. Codes, numbers, dates, ids and states stand there
//! as they are; names, addresses, texts and free fields are committed to.

use serde::Serialize;
use serde_json::{Map, Value};
use time::Date;
use time::macros::format_description;
use uuid::Uuid;

use super::canonical::CanonicalError;
use super::commitment::Commitments;

/// An object that people describe, as the record keeps it.
pub trait OnRecord {
    /// Says what is to stand there, member by member.
    fn on_record(&self, record: &mut Record<'_>);
}

/// What cannot name anybody and may stand in the record as it is: numbers, ids, states.
pub trait Plain: Serialize {}

impl Plain for bool {}
impl Plain for i16 {}
impl Plain for u64 {}
impl Plain for usize {}
impl Plain for Uuid {}
impl<T: Plain> Plain for Option<T> {}
impl<T: Plain> Plain for Vec<T> {}

/// What stands in `before` or `after` of an event, while it is said.
pub struct Record<'a> {
    commitments: &'a Commitments,
    said: Map<String, Value>,
    fault: Option<CanonicalError>,
}

impl<'a> Record<'a> {
    /// What is to stand there of an object with these commitments.
    ///
    /// # Errors
    /// Free fields have no canonical form.
    pub fn of(commitments: &'a Commitments, resource: &impl OnRecord) -> Result<Value, CanonicalError> {
        let mut record = Self { commitments, said: Map::new(), fault: None };
        resource.on_record(&mut record);
        record.fault.map_or(Ok(Value::Object(record.said)), Err)
    }

    /// A number, an id, a state.
    pub fn plain(&mut self, member: &str, value: impl Plain) {
        // What is plain always has a form in JSON.
        self.said.insert(member.to_owned(), serde_json::to_value(value).unwrap_or_default());
    }

    /// A date, without a time.
    pub fn date(&mut self, member: &str, date: Option<Date>) {
        let text = date.and_then(|date| date.format(format_description!("[year]-[month]-[day]")).ok());
        self.said.insert(member.to_owned(), text.into());
    }

    /// A text that people write: it is committed to.
    pub fn text<'t>(&mut self, member: &str, text: impl Into<Option<&'t str>>) {
        let commitment = text.into().map(|text| self.commitments.to_text(member, text));
        self.said.insert(member.to_owned(), commitment.into());
    }

    /// A text that stands there as it is where it is written as codes are, and is committed to where it is not.
    pub fn code<'t>(&mut self, member: &str, text: impl Into<Option<&'t str>>) {
        let commitment = text.into().map(|text| self.commitments.to_all_but_code(member, text));
        self.said.insert(member.to_owned(), commitment.into());
    }

    /// Several such texts; what they are committed under is the name of one of them.
    pub fn codes<'t>(&mut self, members: &str, member: &str, texts: impl IntoIterator<Item = &'t str>) {
        let commitments = texts.into_iter().map(|text| self.commitments.to_all_but_code(member, text).into());
        let commitments: Vec<Value> = commitments.collect();
        self.said.insert(members.to_owned(), commitments.into());
    }

    /// Free fields: they are committed to as a whole.
    pub fn free(&mut self, member: &str, fields: &Value) {
        match self.commitments.to(member, fields) {
            Ok(commitment) => drop(self.said.insert(member.to_owned(), commitment.into())),
            Err(fault) => self.fault = Some(fault),
        }
    }
}
