//! The answers to results that are not taken.

use firemode_domain::document::Refusal;
use firemode_web::{Problem, catalogue};

/// 409 for a second, different change under one actor and sequence number, 422 naming the entry for everything else.
/// `position_of` gives the place in the request of an entry that was refused.
pub(super) fn problem_of(refusal: &Refusal, position_of: impl Fn(usize) -> usize) -> Problem {
    let mut field = refusal.field();
    if let Some(index) = refusal.index() {
        field = field.replacen(&format!("[{index}]"), &format!("[{}]", position_of(index)), 1);
    }
    match refusal {
        Refusal::Equivocation { actor, seq, .. } => equivocation(format!(
            "{field}: actor {actor} has made a different change with sequence number {seq}."
        )),
        Refusal::Structure { .. } => {
            Problem::invalid_field(field, refusal.to_string()).reason(catalogue::STRUCTURE)
        }
        Refusal::TooManyHeld { .. } => Problem::of(catalogue::HELD, format!("{field}: {refusal}")),
        Refusal::Change { fault, .. } => Problem::invalid_field(field, fault.to_string()),
        Refusal::Operation(error) => Problem::invalid_field(field, error.message()),
        Refusal::UnusableDeviceActor { .. } => {
            Problem::unavailable("The session's document has to be read again. Try again.").caused_by(refusal)
        }
        _ => Problem::invalid_field(field, refusal.to_string()),
    }
}

/// The same where only the database noticed, and cannot say which change it was.
pub(super) fn equivocation(detail: impl Into<String>) -> Problem {
    Problem::of(catalogue::EQUIVOCATION, detail)
}

#[cfg(test)]
mod tests {
    use std::convert::identity;

    use firemode_domain::document::{ActorId, ChangeFault, Operation, OperationKind};
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn equivocation_is_a_conflict_and_not_worth_a_retry() {
        let refusal = Refusal::Equivocation { index: 2, actor: ActorId::from(&[0xab][..]), seq: 7 };
        let problem = problem_of(&refusal, identity);
        assert_eq!(problem.error_code(), "FIRE-409-EQUIVOCATION");
        assert!(problem.to_string().contains("changes[2]"), "{problem}");
    }

    #[test]
    fn the_offending_entry_or_field_is_named() {
        let operation = Operation {
            op: OperationKind::Set,
            path: "/items/a/b".to_owned(),
            value: None,
            actor_id: "t".to_owned(),
            timestamp: OffsetDateTime::UNIX_EPOCH,
            op_id: None,
        };
        let of_operation = operation.validate(4).expect_err("a set needs a value");
        for (refusal, field) in [
            (Refusal::Change { index: 3, fault: ChangeFault::Truncated }, "changes[3]: "),
            (Refusal::Operation(of_operation), "changes[4].value: "),
            (Refusal::UnknownClock { actor: "ab".to_owned(), seq: 1 }, "vector_clock: "),
            (Refusal::TooManyEntries { found: 3, max: 2 }, "changes: "),
            (Refusal::DocumentFull { what: "bytes", max: 1 }, "changes: "),
        ] {
            let problem = problem_of(&refusal, identity);
            assert_eq!(problem.error_code(), "FIRE-422", "{refusal}");
            assert!(problem.to_string().starts_with(&format!("FIRE-422: {field}")), "{problem}");
        }
    }

    #[test]
    fn what_acts_on_all_items_has_a_code_of_its_own() {
        let problem = problem_of(&Refusal::Structure { index: 2, field: Some("path") }, identity);
        assert_eq!(problem.error_code(), "FIRE-422-STRUCTURE");
        assert!(problem.to_string().contains("changes[2].path: "), "{problem}");
    }

    #[test]
    fn an_entry_is_named_by_its_place_in_the_request() {
        let refusal = Refusal::Change { index: 1, fault: ChangeFault::Truncated };
        let problem = problem_of(&refusal, |index| index + 10);
        assert!(problem.to_string().contains("changes[11]: "), "{problem}");
    }
}
