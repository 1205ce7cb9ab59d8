//! Query strings: read strictly, with every fault named.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use actix_web::HttpRequest;
use actix_web::web::Query;
use firemode_web::{PageQuery, Problem, Problems};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The parameters of a query, and what is wrong with them.
pub(crate) struct Params {
    given: BTreeMap<String, Vec<String>>,
    problems: Problems,
}

impl Params {
    /// # Errors
    /// 400 for a query that is not of the form `a=b&c=d`.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map_err(|_| Problem::bad_request("The query string cannot be read."))?;
        let mut given = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in pairs.into_inner() {
            given.entry(name).or_default().push(value);
        }
        Ok(Self { given, problems: Problems::default() })
    }

    /// A parameter that may be there once.
    pub(crate) fn optional<T>(&mut self, name: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        let values: Vec<T> = self.repeated(name);
        if values.len() > 1 {
            self.problems.add(name, "is given more than once");
        }
        values.into_iter().next()
    }

    /// A parameter that may be there any number of times.
    pub(crate) fn repeated<T>(&mut self, name: &str) -> Vec<T>
    where
        T: FromStr<Err: Display>,
    {
        let values = self.given.remove(name).unwrap_or_default();
        let mut read = Vec::with_capacity(values.len());
        for value in values {
            match value.parse() {
                Ok(value) => read.push(value),
                Err(error) => self.problems.add(name, format!("'{value}': {error}")),
            }
        }
        read
    }

    /// A time in RFC 3339.
    pub(crate) fn time(&mut self, name: &str) -> Option<OffsetDateTime> {
        let text: String = self.optional(name)?;
        let time = OffsetDateTime::parse(&text, &Rfc3339);
        if time.is_err() {
            self.problems.add(name, format!("'{text}' is not a time like 2026-11-21T08:30:00Z"));
        }
        time.ok()
    }

    /// `limit` and `cursor`.
    pub(crate) fn page(&mut self) -> PageQuery {
        PageQuery { limit: self.optional("limit"), cursor: self.optional("cursor") }
    }

    /// Notes what is wrong with a parameter beyond its form.
    pub(crate) fn refuse(&mut self, name: &str, why: &str) {
        self.problems.add(name, why);
    }

    /// 422 with all that is wrong; a parameter that nobody asked for is wrong too.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        for name in self.given.keys() {
            self.problems.add(name, "is not a parameter of this route");
        }
        self.problems.into_result()
    }
}
