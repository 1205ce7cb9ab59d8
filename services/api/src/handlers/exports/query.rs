//! What an export is asked for: since when, and in which form.

use actix_web::HttpRequest;
use actix_web::http::header::ACCEPT;
use firemode_domain::input::AsSent;
use firemode_domain::{body, words};
use firemode_web::Problem;

words! {
    /// How a feed is written.
    pub(crate) enum FeedForm {
        /// A JSON object on each line.
        Ndjson = "ndjson",
        /// A line of names, then one for each row (RFC 4180).
        Csv = "csv",
    }
}

body! {
    /// Which rows of a feed are wanted, and how they are written.
    #[derive(Debug)]
    pub(crate) struct Exported {
        /// `Next-Since` of the last time: what is new since then. Left out: everything.
        since: Option<AsSent>,
        /// How feeds are written. Left out: as `Accept` says, else NDJSON.
        format: Option<FeedForm> = "csv",
    }
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A JSON object on each line.
    Ndjson,
    /// RFC 4180.
    Csv,
    /// One JSON array.
    Json,
}

impl Form {
    /// How names of such files end.
    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    /// What they are.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json => "application/json",
        }
    }
}

impl Exported {
    /// The token.
    pub(super) fn since(&self) -> Option<&str> {
        self.since.as_ref().map(|AsSent(token)| token.as_str())
    }

    /// How a feed is written for this request: the first form that `Accept` names counts where the query names none.
    pub(super) fn form(&self, request: &HttpRequest) -> Form {
        match self.format {
            Some(FeedForm::Ndjson) => Form::Ndjson,
            Some(FeedForm::Csv) => Form::Csv,
            None => {
                let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
                let named = accept.unwrap_or_default().split(',').find_map(|range| {
                    match range.split(';').next().unwrap_or_default().trim() {
                        "text/csv" => Some(Form::Csv),
                        "application/x-ndjson" => Some(Form::Ndjson),
                        _ => None,
                    }
                });
                named.unwrap_or(Form::Ndjson)
            }
        }
    }

    /// A register is always whole, and its name says how it is written.
    ///
    /// # Errors
    /// 422 with what was given all the same.
    pub(super) fn refuse_for_registers(&self) -> Result<(), Problem> {
        let says = "is for feeds; a register is always whole, and its name says how it is written";
        let given = [("since", self.since.is_some()), ("format", self.format.is_some())];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((field, _)) => Err(Problem::invalid_field(field, says)),
            None => Ok(()),
        }
    }
}
