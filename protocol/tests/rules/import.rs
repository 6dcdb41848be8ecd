//! Patients in mid-course: what may be brought over, and what it counts for from then on.

use bedside_protocol::enrolment::standings;
use bedside_protocol::gate;
use bedside_protocol::import::{self, Before, DoseBefore, ImportedLimits};
use bedside_protocol::ledger::{self, LedgerKind, NewEntry, Storage};
use bedside_protocol::people::OnCallPlace;
use bedside_protocol::plan::Spacing;
use bedside_protocol::planning;
use bedside_protocol::record::PatientRecord;
use bedside_protocol::refusal::Refusal;
use bedside_protocol::session::SessionKind;
use bedside_protocol::time::Planned;

use crate::support::{at, enrolled, nurse, on, patient, patient_record, with_context};

const NOW: &str = "2026-11-24T14:00:00Z";

fn local(text: &str) -> Planned {
    let (on, time) = text.split_once(' ').unwrap();
    Planned::new(
        on.parse().unwrap(),
        format!("{time}:00").parse().unwrap(),
        patient_record().patient.zone,
    )
}

fn doses_of(texts: &[impl AsRef<str>]) -> Vec<DoseBefore> {
    let numbered = texts.iter().zip(1..);
    numbered
        .map(|(text, number)| DoseBefore {
            number,
            taken: local(text.as_ref()),
        })
        .collect()
}

fn before(doses: &[&str], held: u32) -> Before {
    Before {
        doses: doses_of(doses),
        lozenges_held: held,
        limits: ImportedLimits::default(),
        next_session: None,
    }
}

fn brought(record: &PatientRecord, before: &Before) -> PatientRecord {
    let importer = on(OnCallPlace::Coordinator);
    let (decision, sessions) = with_context(&mut 3, at(NOW), nurse(), |context| {
        import::bring_over(record, before, importer, context)
    });
    let mut after = decision.after;
    after.sessions = sessions
        .into_iter()
        .map(|decision| decision.after.session)
        .collect();
    let doses = after.sessions.iter().filter_map(|session| session.dose.as_ref());
    after.around.other_doses = doses.map(|dose| dose.taken_at).collect();
    after
}

/// What speaks against a session then, once the package is known to be sealed and locked.
fn plan(record: &PatientRecord, date: &str) -> Vec<String> {
    let mut record = record.clone();
    for entry in &mut record.course.ledger {
        entry.storage = Some(Storage {
            sealed: true,
            locked: true,
        });
    }
    let planned = with_context(&mut 1, at(NOW), nurse(), |context| {
        let time = "10:00:00".parse().unwrap();
        planning::plan(
            &record,
            date.parse().unwrap(),
            time,
            on(OnCallPlace::Nurse),
            context,
        )
    });
    match planned {
        Ok(_) => Vec::new(),
        Err(Refusal::Invalid(faults)) => faults.0.into_iter().map(|it| it.message).collect(),
        Err(other) => panic!("{other:?}"),
    }
}

fn sixty_one() -> Vec<String> {
    let days = 0..61;
    days.map(|day| format!("2026-{:02}-{:02} 10:00", day / 20 + 2, day % 20 + 1))
        .collect()
}

/// A change of what is brought over, and the columns at fault after it.
type Row = (fn(&mut Before), &'static [&'static str]);

#[test]
fn what_cannot_have_been_is_named_by_its_column() {
    let protocol = patient_record().around.protocol;
    let columns = |change: fn(&mut Before)| -> Vec<String> {
        let mut sent = before(&["2026-11-10 10:00", "2026-11-17 10:00"], 6);
        change(&mut sent);
        let faults = import::check(&sent, &protocol, at(NOW));
        faults.0.into_iter().map(|fault| fault.field).collect()
    };
    #[rustfmt::skip]
    let table: &[Row] = &[
        (|_| {}, &[]),
        (|it| it.doses[1].taken = local("2026-11-24 09:01"), &["doses"]),
        (|it| it.doses[1].taken = local("2026-11-24 09:00"), &["doses"]),
        (|it| it.doses[1].taken = local("2026-11-23 09:01"), &["doses"]),
        (|it| it.doses[1].taken = local("2026-11-23 09:00"), &[]),
        (|it| it.doses[1].taken = local("2025-11-20 10:00"), &["doses"]),
        (|it| it.doses[1].taken = local("2026-11-10 10:00"), &["doses"]),
        (|it| it.doses = doses_of(&sixty_one()), &["doses"]),
        (|it| it.lozenges_held = 200, &[]),
        (|it| it.lozenges_held = 201, &["lozenges_held"]),
        (|it| it.limits.min_interval_hours = Some(72), &[]),
        (|it| it.limits.min_interval_hours = Some(71), &["min_interval_hours"]),
        (|it| it.limits.max_doses_rolling_7d = Some(1), &[]),
        (|it| it.limits.max_doses_rolling_7d = Some(0), &["max_doses_7d"]),
        (|it| it.limits.max_doses_rolling_7d = Some(3), &["max_doses_7d"]),
        (|it| it.next_session = Some(local("2026-12-01 10:00")), &[]),
        (|it| it.next_session = Some(local("2026-11-24 09:00")), &["next_session"]),
        (|it| it.next_session = Some(local("2026-12-01 18:00")), &["next_session"]),
        (|it| it.next_session = Some(local("2028-12-01 10:00")), &["next_session"]),
    ];
    for (index, (change, expected)) in table.iter().enumerate() {
        assert_eq!(columns(*change), *expected, "row {index}");
    }
}

#[test]
fn doses_of_before_count_for_interval_and_seven_days() {
    let two = brought(
        &enrolled(patient_record(), at(NOW)),
        &before(&["2026-11-22 10:00", "2026-11-19 10:00"], 6),
    );
    assert_eq!(two.sessions.len(), 2);
    assert!(
        two.sessions
            .iter()
            .all(|session| session.kind == SessionKind::Imported && session.state.is_over())
    );
    // By time, whatever the file's order.
    assert!(two.sessions[0].t0() < two.sessions[1].t0() && two.sessions[0].ordinal == 1);
    let near = "is less than 72 hours from another session or dose";
    let crowded = "would be more than 2 doses in seven days";
    assert_eq!(plan(&two, "2026-11-24"), [near, crowded].map(str::to_owned));
    assert_eq!(plan(&two, "2026-11-25"), [crowded]);
    assert_eq!(plan(&two, "2026-11-26"), Vec::<String>::new());
}

#[test]
fn limits_of_their_own_are_stricter_and_never_laxer() {
    let record = enrolled(patient_record(), at(NOW));
    let mut sent = before(&["2026-11-22 10:00"], 6);
    sent.limits = ImportedLimits {
        min_interval_hours: Some(168),
        max_doses_rolling_7d: Some(1),
    };
    let strict = brought(&record, &sent);
    assert_eq!(plan(&strict, "2026-11-28").len(), 2);
    assert_eq!(plan(&strict, "2026-11-29"), Vec::<String>::new());
    let rules = &record.around.protocol.plan;
    let mut lax = strict.course.clone();
    lax.imports[0].limits = ImportedLimits {
        min_interval_hours: Some(1),
        max_doses_rolling_7d: Some(99),
    };
    assert_eq!(
        Spacing::of(rules, None).for_patient(&lax),
        Spacing::of(rules, None)
    );
    // The gate asks the same.
    let session = with_context(&mut 1, at(NOW), nurse(), |context| {
        let planned = local("2026-11-28 10:00");
        planning::open_session(&strict, planned, 9, None, on(OnCallPlace::Nurse), context).after
    });
    let reasons = gate::reasons(&session, local("2026-11-28 10:00").at);
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code.name()).collect();
    assert!(
        codes.contains(&"interval") && codes.contains(&"rolling-7-days"),
        "{codes:?}"
    );
}

#[test]
fn what_they_hold_starts_the_ledger_and_is_said_to_be_sealed_and_locked_by_a_count() {
    for (held, balance) in [(6, 6), (0, 0)] {
        let record = brought(&patient_record(), &before(&["2026-11-22 10:00"], held));
        let taken = ledger::taken(&record.course.ledger, &record.sessions);
        assert_eq!(ledger::balance(&record.course.ledger, taken), Some(balance));
    }
    let record = brought(&patient_record(), &before(&[], 6));
    let package = |record: &PatientRecord| {
        let all = standings(record, at(NOW));
        let item = all.iter().find(|it| it.item.key == "lozenges_received").unwrap();
        item.state.name()
    };
    assert_eq!(package(&record), "open");
    let counted = NewEntry {
        kind: LedgerKind::CountDeclared { count: 6 },
        observed_at: None,
        note: None,
        storage: Some(Storage {
            sealed: true,
            locked: true,
        }),
    };
    let (decision, _) = with_context(&mut 1, at(NOW), patient(), |context| {
        ledger::enter(&record, counted.clone(), context).unwrap()
    });
    assert_eq!(package(&decision.after), "done");
    // Before any package came there is nothing that could be sealed.
    let (decision, _) = with_context(&mut 1, at(NOW), patient(), |context| {
        ledger::enter(&patient_record(), counted, context).unwrap()
    });
    assert_eq!(package(&decision.after), "open");
}
