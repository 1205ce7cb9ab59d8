//! One fault: its class, or why it has none, and the event that says so.

use actix_web::http::StatusCode;
use firemode_domain::audit::{AuditEvent, AuditStatus, is_code};
use firemode_domain::classification::{self, ClassifyError, Context, Invalid, Observation, Occasion, Rule};
use firemode_domain::input::{FieldError, Object};
use firemode_domain::place::Place;
use firemode_web::Problem;
use firemode_web::wire::{ClassifyAnswer, ClassifyBody};
use serde_json::json;
use time::OffsetDateTime;

use crate::principal::Principal;

/// What became of a fault; either way the event is to be recorded.
pub(super) struct Decision {
    pub(super) outcome: Result<ClassifyAnswer, Problem>,
    pub(super) event: AuditEvent,
}

impl Decision {
    /// Classifies a fault by the rules that the organisation can see. There is no place where it names no session of theirs.
    pub(super) fn on(
        principal: &Principal,
        rules: &[Rule],
        place: Option<&Place>,
        fault: &ClassifyBody,
    ) -> Self {
        let outcome = match place {
            Some(place) => classify(rules, fault, place),
            None => Err(Problem::invalid_field("session_id", "names no test session of your organisation")),
        };
        Self::new(principal, fault, outcome)
    }

    fn new(
        principal: &Principal,
        fault: &ClassifyBody,
        outcome: Result<classification::Outcome, Problem>,
    ) -> Self {
        let mut after = json!({
            "item_code": code_alone(&fault.item_code),
            "observed_condition": code_alone(&fault.observed_condition),
            "session_id": fault.session_id,
        });
        let status = match &outcome {
            Ok(found) => {
                after["classification"] = json!(found.classification);
                after["rule_applied"] = json!(found.rule_code);
                after["version_applied"] = json!(found.version.to_string());
                AuditStatus::Success
            }
            Err(problem) => {
                after["error_code"] = json!(problem.error_code());
                AuditStatus::Failure
            }
        };
        let event = principal.event("fault.classify", ("rule", None), status, after);
        let outcome = outcome.map(|found| ClassifyAnswer {
            classification: found.classification,
            rule_applied: found.rule_code,
            version_applied: found.version.to_string(),
            audit_log_id: event.id,
        });
        Self { outcome, event }
    }
}

fn classify(rules: &[Rule], fault: &ClassifyBody, place: &Place) -> Result<classification::Outcome, Problem> {
    let context = match &fault.context {
        Some(Object(facts)) => Context::parse(facts.clone().into()).map_err(invalid_context)?,
        None => Context::default(),
    };
    let item_code = fault.item_code.to_string();
    let occasion = Occasion::at(place, OffsetDateTime::now_utc());
    let rule = classification::rule_for_item(rules, &item_code, occasion)
        .ok_or_else(|| refusal(&ClassifyError::UnknownItem { item_code: item_code.clone() }))?;
    let observed_condition = fault.observed_condition.to_string();
    let observation = Observation { item_code, observed_condition, context };
    classification::classify(rule, &observation).map_err(|error| refusal(&error))
}

fn refusal(error: &ClassifyError) -> Problem {
    match error {
        ClassifyError::UnknownItem { .. } => Problem::new(StatusCode::NOT_FOUND, error.to_string()),
        _ => Problem::invalid_field(error.field(), error.to_string()),
    }
}

fn invalid_context(invalid: Invalid) -> Problem {
    Problem::invalid(invalid.problems.into_iter().map(FieldError::from).collect())
}

/// The text if it is written as codes are. The audit log keeps for ever what it is given, so it is given nothing that people
/// may have written about people.
fn code_alone(text: &str) -> Option<&str> {
    is_code(text).then_some(text)
}

#[cfg(test)]
mod tests {
    use firemode_domain::classification::shipped_rules;
    use firemode_domain::input;
    use firemode_domain::place::Stated;
    use serde_json::Value;

    use super::*;

    fn fault(item_code: &str, observed_condition: &str, context: Option<Value>) -> ClassifyBody {
        let body =
            json!({"item_code": item_code, "observed_condition": observed_condition, "context": context});
        input::read(body).expect("the fault can be read")
    }

    #[test]
    fn an_unknown_item_is_not_found_and_anything_else_names_its_field() {
        let rules = shipped_rules();
        for (fault, code, named) in [
            (fault("NO-SUCH-ITEM", "missing", None), "FIRE-404", "NO-SUCH-ITEM"),
            (fault("EXT-PRESSURE", "no_such_condition", None), "FIRE-422", "observed_condition"),
            (fault("EXT-PRESSURE", "pressure_low", Some(json!({"measurement": 7}))), "FIRE-422", "context"),
        ] {
            let problem = classify(rules, &fault, &Place::of(Stated::default(), Stated::default()))
                .expect_err("there is no class");
            assert_eq!(problem.error_code(), code);
            assert!(problem.to_string().contains(named), "{problem}");
        }
    }

    #[test]
    fn a_shipped_rule_decides() {
        let found = classify(
            shipped_rules(),
            &fault("EXT-PRESSURE", "pressure_low", None),
            &Place::of(Stated::default(), Stated::default()),
        )
        .expect("the shipped rules know this condition");
        assert_eq!(found.classification, classification::Classification::NonCriticalDefect);
    }

    #[test]
    fn the_audit_log_is_told_codes_alone() {
        assert_eq!(code_alone("EXT-PRESSURE_2"), Some("EXT-PRESSURE_2"));
        assert_eq!(code_alone("J. Smith broke it"), None);
    }
}
