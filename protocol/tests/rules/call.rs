//! The call log (FEATURES D4): who rang whom, reached or not, in words.

use bedside_protocol::call::{self, Called, NewCall};
use bedside_protocol::desk::NOTE_MAX_CHARS;
use bedside_protocol::people::Caller;
use bedside_protocol::record::PatientRecord;
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::{Instant, minutes};
use uuid::Uuid;

use crate::support::{at, nurse, patient, patient_record, with_context};

const NOW: &str = "2026-11-24T14:00:00Z";

fn a_call() -> NewCall {
    NewCall {
        by_name: "Nora".into(),
        whom: Called::Sitter,
        reached: true,
        note: None,
        at: None,
        case: None,
        session: None,
    }
}

fn log(record: &PatientRecord, new: NewCall, caller: Caller) -> Result<PatientRecord, Refusal> {
    with_context(&mut 7, at(NOW), caller, |context| {
        let (decision, call) = call::log(record, new, context)?;
        assert_eq!(decision.after.course.calls.last(), Some(&call));
        let facts: Vec<_> = decision.facts.iter().map(|fact| fact.action).collect();
        assert_eq!(facts, ["call.logged"]);
        assert!(decision.notices.is_empty(), "nobody is disturbed");
        Ok(decision.after)
    })
}

#[test]
fn a_call_is_kept_as_it_was_written_and_changes_nothing_else() {
    let before = patient_record();
    let new = NewCall {
        note: Some("  all well ".into()),
        at: Some(at(NOW) - minutes(5)),
        ..a_call()
    };
    let once = log(&before, new, nurse()).unwrap();
    let kept = &once.course.calls[0];
    assert_eq!(
        (kept.by_name.as_str(), kept.note.as_deref()),
        ("Nora", Some("all well"))
    );
    assert_eq!((kept.at, kept.received_at), (at(NOW) - minutes(5), at(NOW)));
    let twice = log(&once, a_call(), nurse()).unwrap();
    assert_eq!(twice.course.calls.len(), 2, "append-only");
    assert_eq!(
        (&twice.course.calls[0], twice.course.calls[1].at),
        (kept, at(NOW))
    );
    let mut rest = twice.clone();
    rest.course.calls.clear();
    assert_eq!(rest, before);
}

#[test]
fn every_fault_of_a_call_is_said_at_once_by_its_field() {
    let week = minutes(7 * 24 * 60);
    let when = |moment: Instant| Some(moment);
    let rows: [(&str, NewCall, &[&str]); 6] = [
        (
            "somebody else, unnamed",
            NewCall {
                whom: Called::Other,
                ..a_call()
            },
            &["note"],
        ),
        (
            "too many words",
            NewCall {
                note: Some("x".repeat(NOTE_MAX_CHARS + 1)),
                ..a_call()
            },
            &["note"],
        ),
        (
            "tomorrow",
            NewCall {
                at: when(at(NOW) + minutes(1)),
                ..a_call()
            },
            &["at"],
        ),
        (
            "eight days ago",
            NewCall {
                at: when(at(NOW) - week - minutes(1)),
                ..a_call()
            },
            &["at"],
        ),
        (
            "of a strange session",
            NewCall {
                session: Some(Uuid::from_u128(9).into()),
                ..a_call()
            },
            &["session"],
        ),
        (
            "all of it",
            NewCall {
                whom: Called::Other,
                at: when(at(NOW) + minutes(1)),
                session: Some(Uuid::from_u128(9).into()),
                ..a_call()
            },
            &["note", "at", "session"],
        ),
    ];
    for (name, new, fields) in rows {
        let Err(Refusal::Invalid(faults)) = log(&patient_record(), new, nurse()) else {
            panic!("{name} was taken");
        };
        let found: Vec<_> = faults.0.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(found, fields, "{name}");
    }
    let last_moment = NewCall {
        at: when(at(NOW) - week),
        ..a_call()
    };
    log(&patient_record(), last_moment, nurse()).unwrap();
}

#[test]
fn only_the_care_team_writes_calls_down() {
    for caller in [patient(), Caller::System, Caller::Unverified { link: None }] {
        assert_eq!(log(&patient_record(), a_call(), caller), Err(Refusal::NotFound));
    }
}
