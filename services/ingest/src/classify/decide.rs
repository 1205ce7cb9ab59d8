//! One fault: its class, or why it has none, and the event that says so.

use firemode_domain::audit::{AuditEvent, AuditStatus, Commitments, is_code};
use firemode_domain::classification::{Context, Invalid, Judgement, Observation, Receipt, Rule, Units};
use firemode_domain::input::{FieldError, Object};
use firemode_storage::fault_sites::{FaultSite, NoSite};
use firemode_web::Problem;
use firemode_web::wire::{ClassifyAnswer, ClassifyBody};
use serde_json::json;

use crate::principal::Principal;

/// What became of a fault; either way the event is to be recorded.
pub(super) struct Decision {
    pub(super) outcome: Result<ClassifyAnswer, Problem>,
    pub(super) event: AuditEvent,
}

impl Decision {
    /// Classifies a fault by the rules that the organisation can see, at the site that it names.
    pub(super) fn on(
        principal: &Principal,
        rules: &[Rule],
        site: &Result<FaultSite, NoSite>,
        fault: &ClassifyBody,
        commitments: Option<&Commitments>,
    ) -> Self {
        let judgement = match site {
            Ok(site) => judge(rules, site, fault, commitments),
            Err(why) => Err(no_site(*why)),
        };
        let occasion = site.as_ref().ok().map(|site| site.occasion);
        let (rule, inputs, outcome) = match judgement {
            Ok(Judgement { rule, inputs, outcome }) => {
                (rule, Some(inputs), outcome.map_err(|error| Problem::from(&error)))
            }
            Err(problem) => (None, None, Err(problem)),
        };
        let receipt = Receipt {
            item_code: code_alone(&fault.item_code),
            observed_condition: code_alone(&fault.observed_condition),
            session_id: fault.session_id,
            asset_id: fault.asset_id,
            occasion,
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

/// By the context, and by what is on record of the asset.
fn judge<'r>(
    rules: &'r [Rule],
    site: &FaultSite,
    fault: &ClassifyBody,
    commitments: Option<&Commitments>,
) -> Result<Judgement<'r>, Problem> {
    let said = fault.context.as_ref().map(|Object(said)| Context::parse(said.clone().into())).transpose();
    let said = said.map_err(invalid_context)?.unwrap_or_default();
    let context = match &site.asset {
        Some(record) => said.on_asset(record, &fault.item_code, &fault.observed_condition),
        None => said,
    };
    let observation = Observation {
        item_code: fault.item_code.to_string(),
        observed_condition: fault.observed_condition.to_string(),
        context,
    };
    Ok(Judgement::of(rules, site.occasion, &observation, commitments))
}

fn no_site(why: NoSite) -> Problem {
    let (field, message) = match why {
        NoSite::NoSession => ("session_id", "names no test session of your organisation"),
        NoSite::NoAsset => ("asset_id", "names no asset of your organisation"),
        NoSite::OtherBuilding => ("asset_id", "names an asset that is not in the building of the session"),
    };
    Problem::invalid_field(field, message)
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
    use firemode_domain::classification::{Classification, Occasion, shipped_rules};
    use firemode_domain::input;
    use serde_json::Value;
    use time::macros::date;

    use super::*;

    fn fault(item_code: &str, observed_condition: &str, context: Option<Value>) -> ClassifyBody {
        let body =
            json!({"item_code": item_code, "observed_condition": observed_condition, "context": context});
        input::read(body).expect("the fault can be read")
    }

    fn judged(rules: &[Rule], fault: &ClassifyBody) -> Result<Classification, Problem> {
        let occasion = Occasion { day: date!(2026 - 11 - 30), jurisdiction: None };
        let judgement = judge(rules, &FaultSite { occasion, asset: None }, fault, None)?;
        judgement.outcome.map_err(|error| Problem::from(&error))
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
