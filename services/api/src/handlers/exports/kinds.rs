//! What can be exported.

use std::borrow::Cow;
use std::str::FromStr;

use firemode_domain::words;
use firemode_web::Problem;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::query::Form;

words! {
    /// What feeds there are.
    pub(crate) enum Feed {
        /// What devices and people wrote in sessions.
        Results = "results",
        /// What each item of a session stands at.
        Items = "items",
        /// What was found wrong.
        Defects = "defects",
        /// Items of sessions that fail.
        Observations = "observations",
        /// Test sessions.
        Sessions = "sessions",
        /// Who did what.
        Audit = "audit",
    }
}

words! {
    /// What registers there are.
    pub(crate) enum Register {
        /// Where tests take place.
        Buildings = "buildings",
        /// What is tested.
        Assets = "assets",
        /// The fire safety schedules.
        Measures = "measures",
    }
}

/// What is wanted: a feed, or a register as a file.
pub(crate) enum Kind {
    Feed(Feed),
    Register(Register, Form),
}

/// How registers are written.
const REGISTER_FORMS: [Form; 2] = [Form::Csv, Form::Json];

impl Kind {
    fn all() -> impl Iterator<Item = String> {
        let feeds = Feed::ALL.into_iter().map(|feed| feed.as_str().to_owned());
        let registers = Register::ALL.into_iter().flat_map(|register| {
            REGISTER_FORMS.map(|form| format!("{}.{}", register.as_str(), form.extension()))
        });
        feeds.chain(registers)
    }
}

impl FromStr for Kind {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        if let Ok(feed) = text.parse() {
            return Ok(Self::Feed(feed));
        }
        let register = text.split_once('.').and_then(|(register, extension)| {
            let form = REGISTER_FORMS.into_iter().find(|form| form.extension() == extension)?;
            Some(Self::Register(register.parse().ok()?, form))
        });
        let names = || Self::all().collect::<Vec<_>>().join(", ");
        register.ok_or_else(|| Problem::not_found(&format!("export of this kind; there are {}", names())))
    }
}

impl PartialSchema for Kind {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Self::all())).build().into()
    }
}

impl ToSchema for Kind {
    fn name() -> Cow<'static, str> {
        "ExportKind".into()
    }
}
