//! Canonical JSON and the leaves of audit events.

mod canonical;
mod leaf;

use proptest::prelude::*;
use serde_json::{Map, Value};

/// Any JSON value that has a canonical form.
fn any_json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        (-(1_i64 << 53)..=(1_i64 << 53)).prop_map(Value::from),
        any::<f64>().prop_filter_map("JSON has no NaN or infinity", |double| {
            serde_json::Number::from_f64(double).map(Value::Number)
        }),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        any::<String>().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}
