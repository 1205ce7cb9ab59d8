//! One fault: its class, or why it has none, and the event that says so.

use firemode_domain::audit::{AuditEvent, AuditStatus, Commitments, is_code};
use firemode_domain::classification::{
    self, Classification, ClassifyError, Context, Inputs, Invalid, Observation, Occasion, Receipt, Rule,
    Units,
};
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

/// How a fault was judged.
struct Judgement<'r> {
    /// The rule that decided.
    rule: Option<&'r Rule>,
    /// What it decided by, where that could be read.
    inputs: Option<Inputs>,
    outcome: Result<Classification, Problem>,
}

impl Decision {
    /// Classifies a fault by the rules that the organisation can see. There is no place where it names no session of theirs.
    pub(super) fn on(
        principal: &Principal,
        rules: &[Rule],
        place: Option<&Place>,
        fault: &ClassifyBody,
        commitments: Option<&Commitments>,
    ) -> Self {
        let judgement = match place {
            Some(place) => Judgement::of(rules, fault, place, commitments),
            None => Judgement::refused(Problem::invalid_field(
                "session_id",
                "names no test session of your organisation",
            )),
        };
        Self::new(principal, fault, judgement)
    }

    fn new(principal: &Principal, fault: &ClassifyBody, judgement: Judgement<'_>) -> Self {
        let Judgement { rule, inputs, outcome } = judgement;
        let receipt = Receipt {
            item_code: code_alone(&fault.item_code),
            observed_condition: code_alone(&fault.observed_condition),
            session_id: fault.session_id,
            classification: outcome.as_ref().ok().copied(),
            rule_applied: rule.map(|rule| rule.code.clone()),
            version_applied: rule.map(|rule| rule.version.to_string()),
            rule_digest: rule.map(|rule| rule.digest.clone()),
            units: inputs
                .as_ref()
                .filter(|inputs| inputs.measurement.is_some())
                .map(|_| Units::present_digest().to_owned()),
            inputs,
            error_code: outcome.as_ref().err().map(Problem::error_code),
        };
        let status = if outcome.is_ok() { AuditStatus::Success } else { AuditStatus::Failure };
        let rule_id = rule.and_then(|rule| rule.id).map(|id| id.to_string());
        let event = principal.event(Receipt::ACTION, ("rule", rule_id), status, json!(receipt));
        let outcome = outcome.map(|classification| ClassifyAnswer {
            classification,
            rule_applied: receipt.rule_applied.unwrap_or_default(),
            version_applied: receipt.version_applied.unwrap_or_default(),
            audit_log_id: event.id,
        });
        Self { outcome, event }
    }
}

impl<'r> Judgement<'r> {
    fn of(rules: &'r [Rule], fault: &ClassifyBody, place: &Place, commitments: Option<&Commitments>) -> Self {
        let context = match &fault.context {
            Some(Object(facts)) => Context::parse(facts.clone().into()),
            None => Ok(Context::default()),
        };
        let context = match context {
            Ok(context) => context,
            Err(invalid) => return Self::refused(invalid_context(invalid)),
        };
        let item_code = fault.item_code.to_string();
        let occasion = Occasion::at(place, OffsetDateTime::now_utc());
        let rule = classification::rule_for_item(rules, &item_code, occasion);
        let inputs = Some(Inputs::of(&context, rule, commitments));
        let observed_condition = fault.observed_condition.to_string();
        let outcome = match rule {
            Some(rule) => {
                classification::classify(rule, &Observation { item_code, observed_condition, context })
            }
            None => Err(ClassifyError::UnknownItem { item_code }),
        };
        let outcome = outcome.map(|outcome| outcome.classification).map_err(|error| Problem::from(&error));
        Self { rule, inputs, outcome }
    }

    fn refused(problem: Problem) -> Self {
        Self { rule: None, inputs: None, outcome: Err(problem) }
    }
}

fn invalid_context(invalid: Invalid) -> Problem {
    Problem::invalid(invalid.problems.into_iter().map(FieldError::from).collect())
}

/// The text if it is written as codes are. The audit log keeps for ever what it is given, so it is given nothing that people
/// may have written about people.
fn code_alone(text: &str) -> Option<String> {
    is_code(text).then(|| text.to_owned())
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

    fn judged(rules: &[Rule], fault: &ClassifyBody) -> Result<Classification, Problem> {
        Judgement::of(rules, fault, &Place::of(Stated::default(), Stated::default()), None).outcome
    }

    #[test]
    fn an_unknown_item_is_not_found_and_anything_else_names_its_field() {
        let rules = shipped_rules();
        for (fault, code, named) in [
            (fault("NO-SUCH-ITEM", "missing", None), "FIRE-404", "NO-SUCH-ITEM"),
            (fault("EXT-PRESSURE", "no_such_condition", None), "FIRE-422", "observed_condition"),
            (fault("EXT-PRESSURE", "pressure_low", Some(json!({"measurement": 7}))), "FIRE-422", "context"),
        ] {
            let problem = judged(rules, &fault).expect_err("there is no class");
            assert_eq!(problem.error_code(), code);
            assert!(problem.to_string().contains(named), "{problem}");
        }
    }

    #[test]
    fn a_shipped_rule_decides() {
        let found = judged(shipped_rules(), &fault("EXT-PRESSURE", "pressure_low", None));
        assert_eq!(found.expect("the shipped rules know this condition"), Classification::NonCriticalDefect);
    }

    #[test]
    fn the_audit_log_is_told_codes_alone() {
        assert_eq!(code_alone("EXT-PRESSURE_2").as_deref(), Some("EXT-PRESSURE_2"));
        assert_eq!(code_alone("J. Smith broke it"), None);
    }
}
