//! Between sessions: help from a patient is a case of its own, and climbs and ends like any other.

use bedside_protocol::case::{Level, Outcome};
use bedside_protocol::desk::at_patients_desk;
use bedside_protocol::duty::Duty;
use bedside_protocol::notice::Who;
use bedside_protocol::people::{Caller, OnCallPlace};
use bedside_protocol::record::{Decision, PatientRecord};
use bedside_protocol::time::{Instant, minutes};
use bedside_protocol::{helping, tick};

use crate::support::{STAFF, at, nurse, on, patient, patient_record, with_context};

const NOON: &str = "2026-11-20T17:00:00Z";

fn mailed(decision: &Decision<PatientRecord>) -> Vec<&'static str> {
    let people = decision.notices.iter().filter_map(|notice| match notice.to.who {
        Who::Staff(id) => STAFF
            .iter()
            .find(|(place, _)| on(*place) == id)
            .map(|(_, name)| *name),
        _ => None,
    });
    people.collect()
}

fn help(record: &PatientRecord, flag: Option<&str>) -> Decision<PatientRecord> {
    with_context(&mut 3, at(NOON), patient(), |context| {
        helping::help_between_sessions(record, flag, Some("x".repeat(5000)), context)
            .unwrap()
            .0
    })
}

fn tick_at(record: &PatientRecord, now: Instant) -> Decision<PatientRecord> {
    with_context(&mut 5, now, Caller::System, |context| {
        tick::patient(record, context)
    })
}

#[test]
fn help_is_a_p1_at_once_and_climbs_until_it_is_taken() {
    let first = help(&patient_record(), Some("wants_to_die"));
    assert_eq!(mailed(&first), ["nurse", "backup"]);
    assert_eq!(first.after.watch.cases[0].level, Level::P1);
    let note = first.after.watch.cases[0].signals[0].note.as_ref();
    assert_eq!(
        note.map(String::len),
        Some(bedside_protocol::desk::NOTE_MAX_CHARS)
    );
    let second = tick_at(&first.after, at(NOON) + minutes(4));
    assert_eq!(mailed(&second), ["nurse", "backup", "rota", "prescriber"]);
    let again = tick_at(&second.after, at(NOON) + minutes(4));
    assert_eq!((again.after, again.notices.len()), (second.after.clone(), 0));

    let case = second.after.watch.cases[0].id;
    let (decision, result) = with_context(&mut 9, at(NOON) + minutes(5), nurse(), |context| {
        at_patients_desk(&second.after, context, |desk| {
            desk.take(case, on(OnCallPlace::Nurse), "Nora")?;
            desk.resolve(case, on(OnCallPlace::Nurse), Outcome::ReachedWell, "spoke to her")
        })
    });
    result.unwrap();
    let owed = |duty: &&Duty| duty.kind.case().is_some();
    assert_eq!(decision.after.watch.open_duties().filter(owed).count(), 0);
    let later = tick_at(&decision.after, at(NOON) + minutes(600));
    assert_eq!(later.notices.len(), 0);
}

#[test]
fn pressed_twice_it_is_one_case_and_a_flag_nobody_knows_is_help_all_the_same() {
    let first = help(&patient_record(), None);
    let second = help(&first.after, Some("no-such-flag"));
    assert_eq!((second.after.watch.cases.len(), second.notices.len()), (1, 0));
    assert_eq!(second.after.watch.cases[0].signals.len(), 2);
}
