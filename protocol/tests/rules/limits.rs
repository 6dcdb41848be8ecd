//! A patient's own limits of vital signs: copied, changed within ranges, and what readings are judged by.

use bedside_protocol::document::{Pressures, ProtocolDocument, PulseLimits};
use bedside_protocol::gate;
use bedside_protocol::id::LimitsId;
use bedside_protocol::limits::{self, Limits, SignedLimits};
use bedside_protocol::measuring::Measured;
use bedside_protocol::people::{OnCallPlace, StaffRole};
use bedside_protocol::refusal::Refusal;
use uuid::Uuid;

use crate::play::Play;
use crate::support::{at, on, patient_record, staff, with_context};

fn usual() -> Limits {
    Limits::of(&ProtocolDocument::shipped().unwrap().vitals)
}

fn signed(limits: Limits) -> SignedLimits {
    SignedLimits {
        id: LimitsId::from(Uuid::from_u128(77)),
        limits,
        protocol_version: "default-2".into(),
        reason: "known high pressure".into(),
        by: on(OnCallPlace::Prescriber),
        at: at("2026-11-20T14:00:00Z"),
    }
}

fn change(limits: Limits, reason: &str) -> Result<SignedLimits, Refusal> {
    let prescriber = staff(OnCallPlace::Prescriber, StaffRole::Prescriber);
    with_context(&mut 7, at("2026-11-24T14:00:00Z"), prescriber, |context| {
        let signer = on(OnCallPlace::Prescriber);
        limits::change(&patient_record(), limits, reason, signer, context).map(|(decision, signed)| {
            assert_eq!(decision.after.course.limits.last(), Some(&signed));
            assert_eq!(decision.facts[0].action, "limits.signed");
            signed
        })
    })
}

#[test]
fn a_patient_begins_with_the_protocols_limits_once() {
    let prescriber = || staff(OnCallPlace::Prescriber, StaffRole::Prescriber);
    let (mut record, signer) = (patient_record(), on(OnCallPlace::Prescriber));
    let now = at("2026-11-24T14:00:00Z");
    let first = with_context(&mut 7, now, prescriber(), |context| {
        limits::first(&record, signer, context)
    })
    .unwrap();
    assert_eq!(
        (first.limits, first.protocol_version.as_str()),
        (usual(), "default-2")
    );
    assert_eq!((first.by, first.at), (signer, now));
    record.course.limits.push(first);
    let second = with_context(&mut 7, now, prescriber(), |context| {
        limits::first(&record, signer, context)
    });
    assert_eq!(second, None);
}

#[test]
fn without_limits_of_their_own_a_patient_is_judged_by_the_protocol_and_with_them_by_them_alone() {
    let mut record = Play::planned().record;
    let protocol = record.around.protocol.vitals.clone();
    assert_eq!(record.vitals_rules(), protocol);
    let own = Limits {
        sbp_max: 150,
        dbp_max: 95,
        hr_max: 110,
        hr_min: 45,
        sbp_min: 95,
        recheck: Pressures { sbp: 170, dbp: 105 },
        p1_confirmed: Pressures { sbp: 175, dbp: 106 },
        p1_single: Pressures { sbp: 190, dbp: 115 },
        pulse: PulseLimits {
            hr_over: 115,
            hr_under: 45,
        },
        spo2_p1_below: 94,
    };
    record.course.limits = vec![signed(usual()), signed(own)];
    let rules = record.vitals_rules();
    assert_eq!(Limits::of(&rules), own);
    assert_eq!(limits::in_force(&record.course).unwrap().limits, own);
    // All that is no limit stays the protocol's.
    assert_eq!(rules.pre_dose.tries, protocol.pre_dose.tries);
    assert_eq!(rules.during.p3_rise, protocol.during.p3_rise);
    assert_eq!(rules.input_sanity, protocol.input_sanity);
}

#[test]
fn the_gate_and_the_session_go_by_the_patients_own_limits() {
    let over = |play: &Play| {
        let reasons = gate::reasons(&play.record, play.now);
        reasons
            .iter()
            .any(|reason| reason.code.name() == "vitals-over-limit")
    };
    let mut usually = Play::ready();
    assert_eq!(
        usually.measure(usually.sitter(), 150, 85, 80).unwrap(),
        Measured::TryAgain
    );
    assert!(over(&usually));
    let mut higher = Play::ready();
    let own = Limits {
        sbp_max: 155,
        ..usual()
    };
    higher.record.course.limits = vec![signed(own)];
    assert_eq!(
        higher.measure(higher.sitter(), 150, 85, 80).unwrap(),
        Measured::Within
    );
    assert!(!over(&higher));
    let mut usually = Play::dosed();
    assert_eq!(
        usually.measure(usually.sitter(), 170, 85, 80).unwrap(),
        Measured::Within
    );
    let mut nearer = Play::dosed();
    let own = Limits {
        recheck: Pressures { sbp: 165, dbp: 110 },
        ..usual()
    };
    nearer.record.course.limits = vec![signed(own)];
    assert_eq!(
        nearer.measure(nearer.sitter(), 170, 85, 80).unwrap(),
        Measured::Recheck
    );
}

#[test]
fn limits_lie_in_the_clinics_ranges_and_in_a_session_never_farther_than_the_protocols() {
    type Set = fn(&mut Limits, u32);
    let table: [(&str, Set, u32, u32); 14] = [
        ("sbp_max", |it, to| it.sbp_max = to, 100, 160),
        ("dbp_max", |it, to| it.dbp_max = to, 60, 100),
        ("hr_max", |it, to| it.hr_max = to, 80, 120),
        ("hr_min", |it, to| it.hr_min = to, 40, 60),
        ("sbp_min", |it, to| it.sbp_min = to, 80, 110),
        ("recheck.sbp", |it, to| it.recheck.sbp = to, 140, 180),
        ("recheck.dbp", |it, to| it.recheck.dbp = to, 90, 110),
        ("p1_confirmed.sbp", |it, to| it.p1_confirmed.sbp = to, 180, 180),
        ("p1_confirmed.dbp", |it, to| it.p1_confirmed.dbp = to, 110, 110),
        ("p1_single.sbp", |it, to| it.p1_single.sbp = to, 180, 200),
        ("p1_single.dbp", |it, to| it.p1_single.dbp = to, 110, 120),
        ("pulse.hr_over", |it, to| it.pulse.hr_over = to, 100, 120),
        ("pulse.hr_under", |it, to| it.pulse.hr_under = to, 45, 60),
        ("spo2_p1_below", |it, to| it.spo2_p1_below = to, 92, 100),
    ];
    for (field, set, least, most) in table {
        for (value, good) in [(least, true), (most, true), (least - 1, false), (most + 1, false)] {
            let mut limits = usual();
            set(&mut limits, value);
            match change(limits, "as agreed") {
                Ok(signed) => assert!(good && signed.limits == limits, "{field} {value}"),
                Err(Refusal::Invalid(faults)) => {
                    assert!(!good, "{field} {value}: {faults}");
                    assert_eq!(faults.0[0].field, field, "{value}");
                }
                Err(other) => panic!("{field} {value}: {other}"),
            }
        }
    }
}

#[test]
fn every_fault_of_new_limits_is_said_at_once_and_so_is_a_missing_reason() {
    let bad = Limits {
        sbp_max: 161,
        hr_min: 61,
        spo2_p1_below: 91,
        ..usual()
    };
    let Err(Refusal::Invalid(faults)) = change(bad, " ") else {
        panic!("bad limits were taken")
    };
    let fields: Vec<&str> = faults.0.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(fields, ["sbp_max", "hr_min", "spo2_p1_below", "reason"]);
}
