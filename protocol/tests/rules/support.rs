//! A clinic, a patient, an order, and small words for tests.

use std::sync::Arc;

use bedside_protocol::course::Course;
use bedside_protocol::document::{EnrolmentAsks, ProtocolDocument};
use bedside_protocol::duty::{Duty, DutyState};
use bedside_protocol::enrolment::{
    ConsentAnswer, Contacts, EmergencyRoom, Screening, ScreeningFinding, planning_faults,
};
use bedside_protocol::id::{Ids, PersonId};
use bedside_protocol::instruments::{InstrumentKey, Score};
use bedside_protocol::ledger::{LedgerEntry, LedgerKind, Storage};
use bedside_protocol::measuring::NewReading;
use bedside_protocol::order::{AfterHold, Instruction, Order, OrderDraft};
use bedside_protocol::people::{
    Caller, Clinic, CommsStatus, EmergencyContact, OnCallPerson, OnCallPlace, Patient, StaffRole,
};
use bedside_protocol::record::{Earlier, PatientRecord, RuleContext, Surroundings};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::{Instant, Zone, minutes, seconds};
use bedside_protocol::vitals::{Phase, Reading, Vitals};
use bedside_protocol::watch::{Watch, WatchHealth};
use uuid::Uuid;

/// Places on the on-call list with the names the lines use.
pub const STAFF: [(OnCallPlace, &str); 8] = [
    (OnCallPlace::Nurse, "nurse"),
    (OnCallPlace::Backup, "backup"),
    (OnCallPlace::Rota, "rota"),
    (OnCallPlace::Prescriber, "prescriber"),
    (OnCallPlace::Manager, "manager"),
    (OnCallPlace::Administrator, "administrator"),
    (OnCallPlace::Coordinator, "coordinator"),
    (OnCallPlace::Fallback, "fallback"),
];

pub const PATIENT: u128 = 0xAA;

pub fn person(number: u128) -> PersonId {
    PersonId::from(Uuid::from_u128(number))
}

/// The member of staff on a place of the list.
pub fn on(place: OnCallPlace) -> PersonId {
    let position = STAFF.iter().position(|(it, _)| *it == place).unwrap();
    person(0x100 + position as u128)
}

pub fn staff(place: OnCallPlace, role: StaffRole) -> Caller {
    Caller::Staff {
        person: on(place),
        roles: vec![role],
    }
}

pub fn nurse() -> Caller {
    staff(OnCallPlace::Nurse, StaffRole::Nurse)
}

pub fn prescriber() -> Caller {
    staff(OnCallPlace::Prescriber, StaffRole::Prescriber)
}

pub fn patient() -> Caller {
    Caller::Patient {
        person: person(PATIENT),
    }
}

pub fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

/// Everybody answered their test message, whatever the day of a play.
pub fn always_reached() -> Instant {
    at("2100-01-01T00:00:00Z")
}

pub fn order(version: u32, hold_minutes: u32) -> Order {
    Order {
        id: Uuid::from_u128(0x500 + u128::from(version)).into(),
        version,
        content: OrderDraft {
            instruction: Instruction {
                lozenge_count: 2,
                hold_minutes,
                after_hold: AfterHold::Spit,
            },
            strength_mg: 100,
            prescribed_on: "2026-11-01".parse().unwrap(),
            expires_on: "2027-04-30".parse().unwrap(),
            refills_left: 2,
        },
        signed_by: on(OnCallPlace::Prescriber),
        signed_at: at("2026-11-01T12:00:00Z"),
        countersigned_by: None,
    }
}

/// A patient of a clinic with a full on-call list and a watch that is alive.
pub fn patient_record() -> PatientRecord {
    let zone = Zone::named("America/New_York").unwrap();
    let clinic = Uuid::from_u128(0xC0).into();
    PatientRecord {
        patient: Patient {
            id: person(PATIENT),
            clinic,
            name: "Ada Example".into(),
            first_name: "Ada".into(),
            email: "ada@example.org".into(),
            phone: "+1 555 0100".into(),
            address: "1 Elm Street".into(),
            zone,
            emergency_contact: EmergencyContact {
                name: "Bo".into(),
                phone: "+1 555 0101".into(),
            },
            comms: CommsStatus::Active,
            mail_declined: false,
            version: 1,
        },
        order: Some(order(1, 10)),
        course: Course::default(),
        sessions: Vec::new(),
        watch: Watch::default(),
        around: Surroundings {
            clinic: Clinic {
                id: clinic,
                slug: "elm".into(),
                name: "Elm".into(),
                zone,
                phone: "+1 555 0199".into(),
            },
            protocol: Arc::new(ProtocolDocument::shipped().unwrap()),
            on_call: STAFF
                .map(|(place, name)| OnCallPerson {
                    place,
                    person: on(place),
                    name: name.into(),
                    email: format!("{name}@elm.example"),
                    reached_at: Some(always_reached()),
                })
                .to_vec(),
            roster: None,
            watch_health: WatchHealth {
                silent_for: Some(seconds(5)),
                gaps: Vec::new(),
            },
            other_doses: Vec::new(),
            lozenges_taken_elsewhere: Some(0),
            other_open_cases: Vec::new(),
            earlier: Earlier::default(),
            prescriber_licences: Vec::new(),
        },
    }
}

/// The same patient with everything of the enrolment settled at `now`; the questionnaires ten days before, so that they may be
/// asked again soon.
pub fn enrolled(mut record: PatientRecord, now: Instant) -> PatientRecord {
    if planning_faults(&record, now).is_empty() {
        return record;
    }
    let mut number = 0x900 + u128::try_from(now.timestamp_millis()).unwrap() * 0x100;
    let mut id = || {
        number += 1;
        Uuid::from_u128(number)
    };
    let (protocol, course) = (record.around.protocol.clone(), &mut record.course);
    let (answered_at, by) = (now - minutes(10 * 24 * 60), patient());
    for item in &protocol.enrolment.items {
        let (EnrolmentAsks::Consent { version, .. } | EnrolmentAsks::Answer { version, .. }) = &item.asks
        else {
            continue;
        };
        course.consents.push(ConsentAnswer {
            id: id().into(),
            text: item.key.clone(),
            version: *version,
            agreed: true,
            at: now,
            by: by.clone(),
        });
    }
    let mut findings = Vec::new();
    for point in protocol.enrolment.screening_list() {
        findings.push(ScreeningFinding {
            point: point.key.clone(),
            present: false,
            note: None,
        });
    }
    course.screenings.push(Screening {
        id: id().into(),
        findings,
        cleared: true,
        note: None,
        signed_by: on(OnCallPlace::Prescriber),
        signed_at: now,
    });
    course.contacts.push(Contacts {
        id: id().into(),
        phone: record.patient.phone.clone(),
        address: record.patient.address.clone(),
        region: "US-NY".into(),
        language: "en".into(),
        emergency_contact: record.patient.emergency_contact.clone(),
        emergency_room: EmergencyRoom {
            name: "County Hospital".into(),
            address: "2 Elm Street".into(),
            phone: None,
        },
        at: now,
        by: by.clone(),
    });
    for instrument in [InstrumentKey::Phq9, InstrumentKey::Gad7, InstrumentKey::Safety] {
        course.scores.push(Score {
            id: id().into(),
            instrument,
            answers: std::collections::BTreeMap::new(),
            total: None,
            observed_at: answered_at,
            claimed_at: None,
            received_at: answered_at,
            by: by.clone(),
        });
    }
    course.trial_readings.push(Reading {
        id: id().into(),
        vitals: reading(120, 78, 70).vitals,
        phase: Phase::BeforeDose,
        with_symptom: false,
        observed_at: now,
        received_at: now,
        by: by.clone(),
    });
    course.ledger.push(LedgerEntry {
        id: id().into(),
        kind: LedgerKind::Received { count: 200 },
        observed_at: now,
        received_at: now,
        by,
        note: None,
        storage: Some(Storage {
            sealed: true,
            locked: true,
        }),
    });
    record
}

/// Runs a rule with ids that are the same in every run.
pub fn with_context<T>(
    seed: &mut u64,
    now: Instant,
    caller: Caller,
    rule: impl FnOnce(&mut RuleContext<'_>) -> T,
) -> T {
    let mut random = |bytes: &mut [u8]| {
        for byte in bytes {
            *seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = seed.to_be_bytes()[0];
        }
    };
    rule(&mut RuleContext {
        now,
        caller,
        ids: Ids::new(now, &mut random),
    })
}

pub fn reading(sbp: u32, dbp: u32, hr: u32) -> NewReading {
    NewReading {
        vitals: Vitals {
            sbp,
            dbp,
            hr,
            spo2: None,
        },
        with_symptom: false,
        observed_at: None,
    }
}

pub fn is_missed(duty: &Duty) -> bool {
    matches!(duty.state, DutyState::Missed { .. })
}

/// The code of a refusal for a state, or what kind it is.
pub fn code(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotFound => "not-found",
        Refusal::Invalid(_) => "invalid",
        Refusal::Locked(_) => "locked",
        Refusal::WrongState { code, .. } => code,
        Refusal::AlreadyTaken { .. } => "already-taken",
        Refusal::Outdated { .. } => "outdated",
        Refusal::MeasureAgain(_) => "measure-again",
    }
}
