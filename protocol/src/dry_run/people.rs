//! The invented clinic, patient and order of a dry run.

use std::sync::Arc;

use chrono::Duration;
use uuid::Uuid;

use super::Plan;
use crate::course::Course;
use crate::document::{EnrolmentAsks, ProtocolDocument};
use crate::enrolment::{ConsentAnswer, Screening, ScreeningFinding};
use crate::id::PersonId;
use crate::order::{Order, OrderDraft};
use crate::people::{
    Caller, Clinic, CommsStatus, EmergencyContact, OnCallPerson, OnCallPlace, Patient, StaffRole,
};
use crate::record::{Earlier, PatientRecord, Surroundings};
use crate::time::Instant;
use crate::watch::{Watch, WatchHealth};

/// Where the members of staff begin: one for each place on call.
const FIRST_OF_STAFF: u128 = 0x100;

/// Where the patient's own documents begin.
const FIRST_OF_COURSE: u128 = 0x200;

/// The patient.
pub(super) fn patient() -> PersonId {
    PersonId::from(Uuid::from_u128(1))
}

/// The patient, calling.
pub(super) fn patient_calls() -> Caller {
    Caller::Patient { person: patient() }
}

/// Who has a place on call.
pub(super) fn on(place: OnCallPlace) -> PersonId {
    let index = OnCallPlace::ALL.iter().position(|it| *it == place).unwrap_or(0);
    PersonId::from(Uuid::from_u128(FIRST_OF_STAFF + index as u128))
}

/// The place somebody has on call.
pub(super) fn place_of(person: PersonId) -> OnCallPlace {
    let there = OnCallPlace::ALL.into_iter().find(|place| on(*place) == person);
    there.unwrap_or(OnCallPlace::Fallback)
}

/// Somebody of the staff who may do whatever a clinician may.
pub(super) fn clinician(place: OnCallPlace) -> Caller {
    Caller::Staff {
        person: on(place),
        roles: vec![StaffRole::Nurse, StaffRole::Prescriber],
    }
}

/// The patient as they stand when their session is planned.
pub(super) fn record(document: &Arc<ProtocolDocument>, plan: Plan, planned_at: Instant) -> PatientRecord {
    let clinic = Uuid::from_u128(2).into();
    let text = |text: &str| text.to_owned();
    // As many doses before it as its number says, each far enough from the next.
    let apart = Duration::hours(document.plan.min_interval_hours.max(7 * 24));
    let earlier = (1..plan.number)
        .rev()
        .map(|back| plan.t0() - apart * i32::try_from(back).unwrap_or(i32::MAX));
    PatientRecord {
        patient: Patient {
            id: patient(),
            clinic,
            name: text("Patient"),
            first_name: text("Patient"),
            email: text("patient@example.org"),
            phone: text("+1 555 0100"),
            address: text("at home"),
            zone: plan.zone,
            emergency_contact: EmergencyContact {
                name: text("Contact"),
                phone: text("+1 555 0101"),
            },
            comms: CommsStatus::Active,
            mail_declined: false,
            version: 1,
        },
        order: Some(order(document, plan, planned_at)),
        course: enrolled(document, planned_at),
        sessions: Vec::new(),
        watch: Watch::default(),
        around: Surroundings {
            clinic: Clinic {
                id: clinic,
                slug: text("clinic"),
                name: text("Clinic"),
                zone: plan.zone,
                phone: text("+1 555 0199"),
            },
            protocol: Arc::clone(document),
            on_call: OnCallPlace::ALL
                .map(|place| OnCallPerson {
                    place,
                    person: on(place),
                    name: place.name().to_owned(),
                    email: format!("{}@example.org", place.name()),
                    reached_at: Some(plan.t0()),
                })
                .to_vec(),
            roster: None,
            watch_health: WatchHealth {
                silent_for: Some(Duration::zero()),
                gaps: Vec::new(),
            },
            other_doses: earlier.collect(),
            lozenges_taken_elsewhere: Some(0),
            other_open_cases: Vec::new(),
            earlier: Earlier::default(),
            prescriber_licences: Vec::new(),
        },
    }
}

/// What of the enrolment a dose asks for: every text agreed to, and the screening signed.
fn enrolled(document: &ProtocolDocument, at: Instant) -> Course {
    let texts = document
        .enrolment
        .items
        .iter()
        .filter_map(|item| match &item.asks {
            EnrolmentAsks::Consent { version, .. } | EnrolmentAsks::Answer { version, .. } => {
                Some((item.key.clone(), *version))
            }
            _ => None,
        });
    let consents = texts
        .zip(FIRST_OF_COURSE..)
        .map(|((text, version), id)| ConsentAnswer {
            id: Uuid::from_u128(id).into(),
            text,
            version,
            agreed: true,
            at,
            by: patient_calls(),
        });
    let points = document.enrolment.screening_list().iter();
    let screening = Screening {
        id: Uuid::from_u128(FIRST_OF_COURSE - 1).into(),
        findings: points
            .map(|point| ScreeningFinding {
                point: point.key.clone(),
                present: false,
                note: None,
            })
            .collect(),
        cleared: true,
        note: None,
        signed_by: on(OnCallPlace::Prescriber),
        signed_at: at,
    };
    Course {
        consents: consents.collect(),
        screenings: vec![screening],
        ..Course::default()
    }
}

fn order(document: &ProtocolDocument, plan: Plan, signed_at: Instant) -> Order {
    let today = plan.zone.date_of(signed_at);
    let months = chrono::Months::new(document.order_limits.valid_months);
    Order {
        id: Uuid::from_u128(3).into(),
        version: 1,
        content: OrderDraft {
            instruction: plan.instruction,
            strength_mg: document.order_limits.strength_mg.min,
            prescribed_on: today,
            expires_on: today.checked_add_months(months).unwrap_or(plan.on).max(plan.on),
            refills_left: 0,
        },
        signed_by: on(OnCallPlace::Prescriber),
        signed_at,
        countersigned_by: None,
    }
}
