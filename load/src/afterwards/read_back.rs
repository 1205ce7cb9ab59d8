//! Is all there that was acknowledged, and is each contradiction shown?

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::actions::contested::{CONTESTED, change_of, own_field};
use crate::api::fetch;
use crate::device::Seat;
use crate::rule::Rule;

const CONTRADICTIONS_MIN: u64 = 1_000;

/// What was found in all sessions.
#[derive(Debug, Default, PartialEq)]
struct Found {
    acknowledged: u64,
    stored: u64,
    missing: u64,
    /// Acknowledged changes that contradict others.
    contradictions: u64,
    /// Places where values stand beside one another, the values that have to be shown there, and those that are not.
    places: u64,
    values: u64,
    hidden: u64,
}

pub(super) async fn rules(seats: &[Seat]) -> Result<Vec<Rule>> {
    let mut sessions: BTreeMap<&str, Vec<&Seat>> = BTreeMap::new();
    for seat in seats {
        sessions.entry(&seat.session_id).or_default().push(seat);
    }
    let mut found = Found::default();
    for (id, devices) in sessions {
        let request = devices[0].api.get(&format!("/v1/tests/sessions/{id}"));
        let session = fetch(request.bearer_auth(devices[0].token.now())).await?;
        found.add(&session, &devices)?;
    }
    Ok(found.rules())
}

impl Found {
    fn add(&mut self, session: &Value, devices: &[&Seat]) -> Result<()> {
        let clock: BTreeMap<String, u64> =
            serde_json::from_value(session["vector_clock"].clone()).context("the session's clock")?;
        let records = || devices.iter().map(|seat| &seat.record);
        let changes: u64 = records().map(|record| record.changes()).sum();
        let acknowledged = changes + records().map(|record| record.operations()).sum::<u64>();
        let stored = clock.values().sum::<u64>().saturating_sub(devices[0].record.changes_before);
        let missing: u64 = devices.iter().map(|seat| missing_of(seat, &clock, session)).sum();
        self.acknowledged += acknowledged;
        self.stored += stored;
        self.missing += missing.max(acknowledged.saturating_sub(stored));
        self.contradictions += changes;
        self.contradicted(session, devices);
        Ok(())
    }

    /// The newest value of each device has to be shown: none has seen another's.
    fn contradicted(&mut self, session: &Value, devices: &[&Seat]) {
        let shown = values_at_contested(session, devices[0]);
        let is_shown = |seat: &&&Seat| {
            shown
                .iter()
                .filter_map(|text| change_of(text, seat.number))
                .any(|it| it >= seat.record.last_change())
        };
        let wrote: Vec<_> = devices.iter().filter(|seat| seat.record.changes() > 0).collect();
        self.places += u64::from(wrote.len() > 1);
        self.values += wrote.len() as u64;
        self.hidden += (wrote.len() - wrote.iter().copied().filter(is_shown).count()) as u64;
    }

    fn rules(&self) -> Vec<Rule> {
        let Self { acknowledged, stored, missing, contradictions, places, values, hidden } = self;
        vec![
            Rule::new(
                "everything acknowledged is stored",
                format!("{acknowledged} acknowledged, {stored} stored, {missing} missing"),
                *missing == 0 && *acknowledged > 0,
            ),
            Rule::new(
                format!("at least {CONTRADICTIONS_MIN} edits that contradict others"),
                contradictions.to_string(),
                *contradictions >= CONTRADICTIONS_MIN,
            ),
            Rule::new(
                "every value of a conflict is shown",
                format!("{values} values at {places} places, {hidden} not shown"),
                *hidden == 0 && *places > 0,
            ),
        ]
    }
}

/// Changes of this device that were acknowledged and are not there.
fn missing_of(seat: &Seat, clock: &BTreeMap<String, u64>, session: &Value) -> u64 {
    let record = &seat.record;
    let changes = record.changes().saturating_sub(clock.get(&record.actor).copied().unwrap_or_default());
    let counted = &session["document"]["items"][&seat.items[0].id][own_field(seat.number)];
    let operations = counted.as_u64().unwrap_or_default() < record.last_operation();
    changes + u64::from(operations)
}

/// Where nothing contradicts it, the document's own value is the only one.
fn values_at_contested<'a>(session: &'a Value, seat: &Seat) -> Vec<&'a str> {
    let item = &seat.items[0].id;
    let path = format!("/items/{item}/{CONTESTED}");
    let conflicts = session["conflicts"].as_array();
    let conflict = conflicts.into_iter().flatten().find(|conflict| conflict["path"] == path.as_str());
    let values = conflict.and_then(|conflict| conflict["values"].as_array()).into_iter().flatten();
    let mut texts: Vec<&str> = values.filter_map(|value| value["value"].as_str()).collect();
    texts.extend(session["document"]["items"][item][CONTESTED].as_str());
    texts
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::actions::contested::contested_value;
    use crate::api::Api;
    use crate::catalogue::kind_of;
    use crate::device::Item;
    use crate::record::Record;
    use crate::token::Token;
    use serde_json::json;

    /// A device that was told that its first change and its second, a counting operation, are stored.
    fn seat(number: usize) -> Seat {
        let record = Record::of(&format!("actor{number}"), 1);
        record.next();
        record.note_changes(1);
        record.next();
        record.note_operation();
        Seat {
            api: Api::new("http://127.0.0.1:1").expect("a client"),
            token: Token::fixed("token"),
            session_id: "session".to_owned(),
            number,
            items: vec![Item { id: "item".to_owned(), kind: kind_of(0) }],
            record: Arc::new(record),
        }
    }

    fn session() -> Value {
        let value = |number| json!({"value": contested_value(number, 1), "actor": format!("actor{number}")});
        json!({
            "vector_clock": {"server": 1, "actor0": 1, "actor1": 1, "operations": 2},
            "document": {"items": {"item": {"notes": contested_value(1, 1), "count-0": 2, "count-1": 2}}},
            "conflicts": [{"path": "/items/item/notes", "values": [value(1), value(0)]}],
        })
    }

    fn look(session: &Value) -> Found {
        let seats = [seat(0), seat(1)];
        let mut found = Found::default();
        found.add(session, &seats.iter().collect::<Vec<_>>()).expect("a session");
        found
    }

    #[test]
    fn nothing_is_missing_where_all_is_there() {
        let found = look(&session());
        let all =
            Found { acknowledged: 4, stored: 4, contradictions: 2, places: 1, values: 2, ..Found::default() };
        assert_eq!(found, all);
    }

    #[test]
    fn a_change_an_operation_and_a_value_that_are_gone_are_found() {
        let mut lost = session();
        lost["vector_clock"]["actor0"] = json!(0);
        lost["document"]["items"]["item"]["count-1"] = json!(1);
        lost["conflicts"] = json!([]);
        let found = look(&lost);
        assert_eq!((found.missing, found.hidden), (2, 1));
    }
}
