//! The lozenge ledger (PROTOCOL 4.7).

use bedside_protocol::case::Level;
use bedside_protocol::gate::{self, ReasonCode};
use bedside_protocol::ledger::{self, LedgerKind, NewEntry};
use bedside_protocol::people::{Caller, OnCallPlace, StaffRole};
use bedside_protocol::record::PatientRecord;
use bedside_protocol::refusal::Refusal;
use proptest::prelude::*;

use crate::support::{at, nurse, patient, patient_record, staff, with_context};

const NOW: &str = "2026-11-20T15:00:00Z";

fn said(kind: LedgerKind) -> NewEntry {
    NewEntry {
        kind,
        observed_at: None,
        note: None,
        storage: None,
    }
}

/// Writes entries one after the other; the record after them, and the levels of the signals they gave.
fn enter(caller: &Caller, entries: &[NewEntry]) -> Result<(PatientRecord, Vec<Level>), Refusal> {
    let (mut record, mut seed) = (patient_record(), 7);
    for new in entries {
        let (decision, _) = with_context(&mut seed, at(NOW), caller.clone(), |context| {
            ledger::enter(&record, new.clone(), context)
        })?;
        record = decision.after;
    }
    let signals = record.watch.cases.iter().flat_map(|case| &case.signals);
    let levels = signals.map(|signal| signal.level).collect();
    Ok((record, levels))
}

fn balance(record: &PatientRecord) -> Option<i64> {
    ledger::balance(
        &record.course.ledger,
        ledger::taken(&record.course.ledger, &record.sessions),
    )
}

#[test]
fn the_balance_is_the_sum_of_what_came_and_went() {
    use LedgerKind::*;
    #[rustfmt::skip]
    let table: &[(&[LedgerKind], Option<i64>, &[Level])] = &[
        (&[],                                                       None,     &[]),
        (&[CountDeclared { count: 4 }],                             None,     &[]),
        (&[Received { count: 12 }],                                 Some(12), &[]),
        (&[Received { count: 12 }, Received { count: 6 }],          Some(18), &[]),
        (&[Received { count: 12 }, Lost { count: 2 }],              Some(10), &[Level::P2]),
        (&[Received { count: 12 }, Destroyed { count: 12 }],        Some(0),  &[]),
        (&[Received { count: 12 }, Returned { count: 1 }],          Some(11), &[]),
        (&[Received { count: 12 }, CountDeclared { count: 12 }],    Some(12), &[]),
        (&[Received { count: 12 }, CountDeclared { count: 11 }],    Some(12), &[Level::P3]),
        (&[Received { count: 12 }, CountDeclared { count: 13 }],    Some(12), &[Level::P3]),
        // More lost than there were: it is told and shows a balance that cannot be, rather than being refused.
        (&[Received { count: 2 }, Lost { count: 3 }],               Some(-1), &[Level::P2]),
    ];
    for (kinds, expected, levels) in table {
        let entries: Vec<NewEntry> = kinds.iter().map(|kind| said(*kind)).collect();
        let (record, signals) = enter(&patient(), &entries).unwrap();
        assert_eq!(balance(&record), *expected, "{kinds:?}");
        assert_eq!(signals, *levels, "{kinds:?}");
        assert_eq!(record.course.ledger.len(), kinds.len());
    }
}

#[test]
fn what_cannot_be_is_refused_with_the_field_at_fault() {
    use LedgerKind::*;
    let tomorrow = |kind| NewEntry {
        observed_at: Some(at("2026-11-21T15:00:00Z")),
        ..said(kind)
    };
    let long_ago = |kind| NewEntry {
        observed_at: Some(at("2026-11-18T15:00:00Z")),
        ..said(kind)
    };
    #[rustfmt::skip]
    let table: &[(Caller, NewEntry, &[&str])] = &[
        (patient(), said(Received { count: 0 }),        &["count"]),
        (patient(), said(Received { count: 201 }),      &["count"]),
        (patient(), said(Destroyed { count: 9 }),       &["count"]),
        (patient(), said(Returned { count: 9 }),        &["count"]),
        (patient(), said(DoseWasted),                   &["kind"]),
        (patient(), said(Correction { change: 1 }),     &["kind"]),
        (nurse(),   said(Correction { change: 1 }),     &["note"]),
        (nurse(),   said(Correction { change: 0 }),     &["change", "note"]),
        (patient(), tomorrow(Received { count: 999 }),  &["count", "observed_at"]),
        (patient(), long_ago(Lost { count: 1 }),        &["observed_at"]),
    ];
    for (caller, new, fields) in table {
        // Eight lozenges came before.
        let refused = enter(caller, &[said(Received { count: 8 }), new.clone()]).unwrap_err();
        let Refusal::Invalid(faults) = refused else {
            panic!("{new:?}: {refused:?}");
        };
        let found: Vec<&str> = faults.0.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(found, *fields, "{new:?}");
    }
}

#[test]
fn the_clinic_sets_a_balance_right_with_its_reason() {
    let coordinator = staff(OnCallPlace::Coordinator, StaffRole::Coordinator);
    let corrected = NewEntry {
        note: Some("counted together by video".into()),
        ..said(LedgerKind::Correction { change: -2 })
    };
    let (record, signals) = enter(
        &coordinator,
        &[said(LedgerKind::Received { count: 12 }), corrected],
    )
    .unwrap();
    assert_eq!(balance(&record), Some(10));
    assert!(signals.is_empty());
}

#[test]
fn the_dose_stays_locked_while_the_ledger_says_that_there_are_too_few() {
    // The order is for two lozenges.
    for (left, locked) in [(0, true), (1, true), (2, false), (3, false)] {
        let mut play = crate::play::Play::ready();
        let received = said(LedgerKind::Received { count: 6 + left });
        play.record.course = enter(&patient(), &[received]).unwrap().0.course;
        play.record.around.lozenges_taken_elsewhere = Some(6);
        let reasons = gate::reasons(&play.record, play.now);
        let found = reasons
            .iter()
            .any(|reason| reason.code == ReasonCode::TooFewLozenges);
        assert_eq!(found, locked, "{left} left");
    }
}

#[test]
fn doses_from_before_the_first_package_are_not_counted() {
    let mut play = crate::play::Play::dosed();
    let session = play.record.session.clone();
    let before = session.t0() - chrono::Duration::hours(1);
    for (received_at, taken) in [(before, 2), (session.t0() + chrono::Duration::hours(1), 0)] {
        let (record, mut seed) = (patient_record(), 3);
        let (decision, _) = with_context(&mut seed, received_at, patient(), |context| {
            ledger::enter(&record, said(LedgerKind::Received { count: 6 }), context)
        })
        .unwrap();
        let kept = &decision.after.course.ledger;
        assert_eq!(ledger::taken(kept, std::slice::from_ref(&session)), taken);
    }
    play.record.course.unreadable = true;
    assert!(
        gate::reasons(&play.record, play.now)
            .iter()
            .any(|reason| reason.code == ReasonCode::CourseHeld)
    );
}

fn any_kind() -> impl Strategy<Value = LedgerKind> {
    let count = 1_u32..=200;
    prop_oneof![
        count.clone().prop_map(|count| LedgerKind::Received { count }),
        count.clone().prop_map(|count| LedgerKind::Lost { count }),
        count.clone().prop_map(|count| LedgerKind::Destroyed { count }),
        count.clone().prop_map(|count| LedgerKind::Returned { count }),
        (0_u32..=200).prop_map(|count| LedgerKind::CountDeclared { count }),
    ]
}

proptest! {
    /// Whatever is written: an entry that is taken stays as it was, the balance falls only by what went, and destroyed or
    /// returned lozenges never make it negative.
    #[test]
    fn the_ledger_only_grows(kinds in prop::collection::vec(any_kind(), 0..20)) {
        let (mut record, mut seed) = (patient_record(), 11);
        for kind in kinds {
            let before = record.clone();
            let entered = with_context(&mut seed, at(NOW), patient(), |context| {
                ledger::enter(&record, said(kind), context)
            });
            let Ok((decision, entry)) = entered else { continue };
            record = decision.after;
            prop_assert_eq!(&record.course.ledger[..before.course.ledger.len()], &before.course.ledger[..]);
            prop_assert_eq!(record.course.ledger.last(), Some(&entry));
            let gone = matches!(kind, LedgerKind::Destroyed { .. } | LedgerKind::Returned { .. });
            if let (true, Some(was), Some(is)) = (gone, balance(&before), balance(&record)) {
                prop_assert!(is < was && (is >= 0 || was < 0));
            }
        }
    }
}
