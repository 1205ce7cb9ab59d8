//! Lists with bounds.

use std::borrow::Cow;

use serde_json::Value;
use utoipa::openapi::schema::ArrayBuilder;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::Input;
use super::fault::{At, Faults};

/// A list of `MIN` to `MAX` entries; every bad entry is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T, const MIN: usize, const MAX: usize>(pub Vec<T>);

/// A parameter of a query that may be there any number of times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated<T>(pub Vec<T>);

impl<T> Default for Repeated<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Input> Input for Repeated<T> {
    const IS_REQUIRED: bool = false;

    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        List::<T, 0, { usize::MAX }>::read(value, at, faults).map(|list| Self(list.0))
    }

    fn read_texts(texts: Vec<String>, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let read: Vec<Option<T>> = texts.into_iter().map(|text| T::read_text(text, at, faults)).collect();
        read.into_iter().collect::<Option<Vec<T>>>().map(Self)
    }

    fn absent(_: &At<'_>, _: &mut Faults) -> Option<Self> {
        Some(Self(Vec::new()))
    }

    fn schema() -> RefOr<Schema> {
        <List<T, 0, { usize::MAX }> as Input>::schema()
    }
}

impl<T: Input, const MIN: usize, const MAX: usize> Input for List<T, MIN, MAX> {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let Value::Array(values) = value else {
            faults.add(at, "must be a list");
            return None;
        };
        if !(MIN..=MAX).contains(&values.len()) {
            faults.add(at, format!("must have {MIN} to {MAX} entries"));
            return None;
        }
        let mut entries = Vec::with_capacity(values.len());
        let mut is_whole = true;
        for (index, value) in values.into_iter().enumerate() {
            match T::read(value, &At::Entry(at, index), faults) {
                Some(entry) => entries.push(entry),
                None => is_whole = false,
            }
        }
        is_whole.then_some(Self(entries))
    }

    fn schema() -> RefOr<Schema> {
        let min = Some(MIN).filter(|min| *min > 0);
        let max = Some(MAX).filter(|max| *max < usize::MAX);
        RefOr::T(
            ArrayBuilder::new().items(<T as Input>::schema()).min_items(min).max_items(max).build().into(),
        )
    }
}

impl<T: Input, const MIN: usize, const MAX: usize> PartialSchema for List<T, MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        <Self as Input>::schema()
    }
}

impl<T: Input + ToSchema, const MIN: usize, const MAX: usize> ToSchema for List<T, MIN, MAX> {
    fn name() -> Cow<'static, str> {
        format!("{}List", T::name()).into()
    }
}
