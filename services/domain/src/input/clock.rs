//! Vector clocks as clients send them.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

use super::Input;
use super::fault::{At, Faults};
use crate::document::{ClockError, VectorClock};

impl Input for VectorClock {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let Value::Object(members) = value else {
            faults.add(at, "must be an object from actor to sequence number");
            return None;
        };
        let mut entries = BTreeMap::new();
        let mut is_whole = true;
        for (actor, seq) in members {
            match seq.as_u64() {
                Some(seq) => drop(entries.insert(actor, seq)),
                None => {
                    faults.add(&At::Member(at, &actor), "must be a whole number of 1 or more");
                    is_whole = false;
                }
            }
        }
        let clock = Self::try_from(entries).map_err(|error| match &error {
            ClockError::Actor { actor } | ClockError::Sequence { actor } => {
                faults.add(&At::Member(at, actor), error.to_string());
            }
            ClockError::TooLarge { .. } => faults.add(at, error.to_string()),
        });
        clock.ok().filter(|_| is_whole)
    }

    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).build();
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .additional_properties(Some(Schema::from(number)))
            .build()
            .into()
    }
}
