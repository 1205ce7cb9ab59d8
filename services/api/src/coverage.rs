//! Items that no rule covers, where they are written: a warning, or a refusal where the organisation wants one.

use std::collections::{BTreeMap, BTreeSet};

use firemode_domain::classification::{Occasion, near, rule_for_item};
use firemode_domain::input::FieldError;
use firemode_domain::place::{Place, Stated};
use firemode_storage::buildings::Building;
use firemode_storage::organisations::Organisation;
use firemode_storage::{Executor, Hold, rules};
use firemode_web::Problem;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::call::Call;

/// Codes of one request for which similar ones are looked for: a list that is wrong throughout is wrong in the same way.
const LOOKED_UP_MAX: usize = 20;

/// Something that was taken and is probably not what was meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Warning {
    /// The field's path.
    #[schema(example = "item_code")]
    field: String,
    /// What is odd about it, and what to do.
    message: String,
    /// What was probably meant.
    #[schema(example = json!(["EXT-PRESSURE"]))]
    near: Vec<String>,
}

/// Which of some items no rule covers.
pub(crate) struct Coverage {
    /// By their codes, with similar ones.
    uncovered: BTreeMap<String, Vec<String>>,
    is_strict: bool,
}

impl Coverage {
    /// Looks the items with these codes up, which are in this building, among the rules that decide today.
    pub(crate) async fn of(
        on: &impl Executor,
        call: &Call,
        building: &Building,
        item_codes: BTreeSet<&str>,
    ) -> Result<Self, Problem> {
        let organisation: Organisation = call.find(on, call.organisation_id(), Hold::None).await?;
        let item_codes: Vec<&str> = item_codes.into_iter().collect();
        let known = rules::for_items(on, call.organisation_id(), &item_codes).await?;
        let occasion = Occasion::at(&place(building, &organisation), OffsetDateTime::now_utc());
        let is_uncovered = |code: &&str| rule_for_item(&known, code, occasion).is_none();
        let uncovered: Vec<&str> = item_codes.into_iter().filter(is_uncovered).collect();
        let others = match uncovered[..] {
            [] => Vec::new(),
            _ => rules::item_codes(on, call.organisation_id()).await?,
        };
        let similar = |(place, code): (usize, &str)| {
            let others = others.iter().map(String::as_str).filter(|_| place < LOOKED_UP_MAX);
            (code.to_owned(), near(code, others).into_iter().map(str::to_owned).collect())
        };
        let uncovered = uncovered.into_iter().enumerate().map(similar).collect();
        Ok(Self { uncovered, is_strict: organisation.strict_item_codes })
    }

    /// What is to be said of a field with this code.
    ///
    /// # Errors
    /// The organisation wants no such items.
    pub(crate) fn check(
        &self,
        field: impl Into<String>,
        item_code: &str,
    ) -> Result<Option<Warning>, FieldError> {
        let Some(near) = self.uncovered.get(item_code) else { return Ok(None) };
        let field = field.into();
        if self.is_strict {
            let meant =
                if near.is_empty() { String::new() } else { format!(" Similar: {}.", near.join(", ")) };
            return Err(FieldError::new(field, format!("no active rule covers this item.{meant}")));
        }
        let message = "No active rule covers this item, so its faults cannot be classified.".to_owned();
        Ok(Some(Warning { field, message, near: near.clone() }))
    }
}

fn place(building: &Building, organisation: &Organisation) -> Place {
    let own = Stated { jurisdiction: building.jurisdiction, time_zone: building.time_zone.clone() };
    let default = Stated {
        jurisdiction: organisation.default_jurisdiction,
        time_zone: organisation.default_time_zone.clone(),
    };
    Place::of(own, default)
}
