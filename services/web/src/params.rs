//! Query strings: read strictly, with every fault named.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::web::Query;
use firemode_domain::input::{AsSent, At, Faults, Input};

use crate::{PageQuery, Problem, refuse};

/// The parameters of a query, and what is wrong with them.
#[derive(Debug)]
pub struct Params {
    given: BTreeMap<String, Vec<String>>,
    faults: Faults,
}

impl Params {
    /// Takes the query of a request apart.
    ///
    /// # Errors
    /// 400 for a query that is not of the form `a=b&c=d`.
    pub fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map_err(|_| Problem::bad_request("The query string cannot be read."))?;
        let mut given = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in pairs.into_inner() {
            given.entry(name).or_default().push(value);
        }
        Ok(Self { given, faults: Faults::default() })
    }

    /// A parameter that may be there once.
    pub fn optional<T: Input>(&mut self, name: &str) -> Option<T> {
        if self.given.get(name).is_some_and(|values| values.len() > 1) {
            self.given.remove(name);
            self.refuse(name, "is given more than once; send it once");
        }
        self.repeated(name).pop()
    }

    /// A parameter that may be there any number of times.
    pub fn repeated<T: Input>(&mut self, name: &str) -> Vec<T> {
        let values = self.given.remove(name).unwrap_or_default();
        let at = At::named(name);
        values.into_iter().filter_map(|value| T::read_text(value, &at, &mut self.faults)).collect()
    }

    /// `limit` and `cursor`.
    pub fn page(&mut self) -> PageQuery {
        let cursor: Option<AsSent> = self.optional("cursor");
        PageQuery { limit: self.optional("limit"), cursor: cursor.map(|cursor| cursor.0) }
    }

    /// Notes what is wrong with a parameter beyond its form.
    pub fn refuse(&mut self, name: &str, why: &str) {
        self.faults.add(&At::named(name), why);
    }

    /// Ends the reading: a parameter that nobody asked for is wrong too.
    ///
    /// # Errors
    /// 422 with all that is wrong.
    pub fn finish(mut self) -> Result<(), Problem> {
        for name in self.given.keys() {
            self.faults
                .add(&At::named(name), "is not a parameter of this route; remove it or correct its name");
        }
        refuse(self.faults)
    }
}
