//! Enrolment as patient and clinic do it: over HTTP for the flows, by the rules for tests of the store alone.

use std::collections::BTreeMap;

use bedside_protocol::document::{EnrolmentAsks, ProtocolDocument};
use bedside_protocol::enrolment::{
    ConsentSent, ContactsSent, EmergencyRoom, ScreeningFinding, ScreeningSent, answer_text, confirm_contacts,
    sign_screening, try_cuff,
};
use bedside_protocol::id::{ClinicId, PersonId};
use bedside_protocol::instruments::answering::{self, Sent};
use bedside_protocol::instruments::{Asks, Given, InstrumentKey, form};
use bedside_protocol::ledger::{self, LedgerKind, NewEntry, Storage};
use bedside_protocol::measuring::NewReading;
use bedside_protocol::people::{Caller, EmergencyContact, StaffRole};
use bedside_protocol::record::{Decision, PatientRecord, RuleContext};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::Instant;
use bedside_protocol::vitals::Vitals;
use bedside_store::{Scope, Store};
use chrono::Duration;
use serde_json::{Value, json};

use crate::clinic::Clinic;
use crate::http::{Answer, Client};

/// Lozenges of the first package: a whole induction of two each.
pub const PACKAGE: u32 = 12;

/// The questionnaires that are asked before a first dose.
const BASELINE: [InstrumentKey; 3] = [InstrumentKey::Phq9, InstrumentKey::Gad7, InstrumentKey::Safety];

/// The texts a patient answers, with their versions.
pub fn texts() -> Vec<(String, u32)> {
    let items = shipped().enrolment.items.into_iter();
    items
        .filter_map(|item| match item.asks {
            EnrolmentAsks::Consent { version, .. } | EnrolmentAsks::Answer { version, .. } => {
                Some((item.key, version))
            }
            _ => None,
        })
        .collect()
}

fn shipped() -> ProtocolDocument {
    ProtocolDocument::shipped().expect("the shipped document")
}

fn a_week_before(now: Instant) -> Instant {
    now - Duration::days(7)
}

/// A questionnaire with nothing in it that anybody must hear of.
pub fn quiet_form(key: InstrumentKey, observed_at: Instant) -> Value {
    let document = shipped();
    let form = form(key, &document.instruments);
    let asked = form
        .items
        .iter()
        .filter(|item| key != InstrumentKey::Safety || item.key != "q5");
    let answers = asked.map(|item| {
        let none = match item.asks {
            Asks::YesNo => json!(false),
            _ => json!(0),
        };
        (item.key.to_owned(), none)
    });
    let answers: serde_json::Map<String, Value> = answers.collect();
    json!({"answers": answers, "observed_at": observed_at})
}

/// Where a patient of the tests is and whom to call.
pub fn contacts(zone: &str) -> Value {
    json!({
        "phone": "+1 555 0100", "address": "12 Larch Street, Albany", "region": "US-NY", "zone": zone, "language": "en",
        "emergency_contact": {"name": "Lee Quillfeather", "phone": "+1 555 0102"},
        "emergency_room": {"name": "Albany County Hospital", "address": "43 New Scotland Avenue", "phone": "+1 555 0104"},
    })
}

/// A screening in which nothing is there.
pub fn screening() -> Value {
    let document = shipped();
    let list = document.enrolment.screening_list();
    let findings = list
        .iter()
        .map(|point| json!({"point": point.key, "present": false}));
    json!({"findings": findings.collect::<Vec<_>>(), "cleared": true})
}

/// The patient says yes or no to a text.
pub fn answers(phone: &Client, text: &str, version: u32, agreed: bool) -> Answer {
    let body = json!({"version": version, "agreed": agreed});
    phone.post(&format!("/v1/me/consents/{text}"), &body)
}

/// The patient confirms where they are and whom to call.
pub fn confirms(phone: &Client, contacts: &Value) -> Answer {
    let version = phone.get("/v1/me/enrolment").expect(200).json()["version"].clone();
    phone
        .with("if-match", &format!("\"{version}\""))
        .put("/v1/me/contacts", contacts)
}

/// The patient answers what is asked before a first dose.
pub fn answer_baseline(phone: &Client, observed_at: Instant) {
    for key in BASELINE {
        let path = format!("/v1/me/instruments/{}", key.name());
        phone.post(&path, &quiet_form(key, observed_at)).expect(201);
    }
}

/// Settles everything of the enrolment, each thing by whom it is owed.
pub fn settle(clinic: &Clinic, phone: &Client, patient: &str) {
    confirms(phone, &contacts(&clinic.patients_zone)).expect(200);
    for (text, version) in texts() {
        answers(phone, &text, version, true).expect(200);
    }
    // A week ago, on a phone without network: old enough to be asked again at once, and young enough for a baseline.
    answer_baseline(phone, a_week_before(clinic.now()));
    let reading = json!({"sbp": 121, "dbp": 79, "hr": 68});
    phone.post("/v1/me/trial-readings", &reading).expect(201);
    let package = json!({"kind": "received", "count": PACKAGE, "sealed": true, "locked": true});
    phone.post("/v1/me/lozenges", &package).expect(201);
    let path = format!("/v1/patients/{patient}/screenings");
    clinic.staff("prescriber").post(&path, &screening()).expect(201);
    let seen = phone.get("/v1/me/enrolment").expect(200).json();
    assert_eq!(seen["may_be_planned"], json!(true), "{seen}");
}

/// The same by the rules, for a test without an API.
pub async fn settle_in(store: &Store, clinic: ClinicId, patient: PersonId, clinician: PersonId) {
    let by_patient = Scope::of(clinic, Caller::Patient { person: patient });
    let roles = vec![StaffRole::Nurse];
    let by_clinician = Scope::of(
        clinic,
        Caller::Staff {
            person: clinician,
            roles,
        },
    );
    let document = shipped();
    let confirmed = store.decide_course(by_patient.clone(), patient, None, |record, sessions, context| {
        let sent = same_contacts(record);
        Ok((confirm_contacts(record, sessions, sent, context), ()))
    });
    confirmed.await.expect("contacts");
    for (text, version) in texts() {
        let agreed = true;
        let sent = ConsentSent {
            text,
            version,
            agreed,
        };
        decide(store, &by_patient, patient, move |record, context| {
            answer_text(record, &sent, context)
        })
        .await;
    }
    for instrument in BASELINE {
        let form = form(instrument, &document.instruments);
        let answers: BTreeMap<String, Given> = form
            .items
            .iter()
            .filter(|item| instrument != InstrumentKey::Safety || item.key != "q5")
            .map(|item| {
                let none = match item.asks {
                    Asks::YesNo => Given::YesNo(false),
                    _ => Given::Number(0),
                };
                (item.key.to_owned(), none)
            })
            .collect();
        decide(store, &by_patient, patient, move |record, context| {
            let sent = Sent {
                instrument,
                answers: answers.clone(),
                observed_at: Some(a_week_before(context.now)),
            };
            answering::answer(record, sent, context).map(|(decision, _)| decision)
        })
        .await;
    }
    decide(store, &by_patient, patient, |record, context| {
        try_cuff(record, quiet_reading(), context)
    })
    .await;
    decide(store, &by_patient, patient, |record, context| {
        ledger::enter(record, package(), context).map(|(decision, _)| decision)
    })
    .await;
    decide(store, &by_clinician, patient, move |record, context| {
        let list = document.enrolment.screening_list().iter();
        let findings = list.map(|point| ScreeningFinding {
            point: point.key.clone(),
            present: false,
            note: None,
        });
        let sent = ScreeningSent {
            findings: findings.collect(),
            cleared: true,
            note: None,
        };
        sign_screening(record, &sent, context).map(|(decision, _)| decision)
    })
    .await;
}

fn same_contacts(record: &PatientRecord) -> ContactsSent {
    let patient = &record.patient;
    ContactsSent {
        phone: patient.phone.clone(),
        address: patient.address.clone(),
        region: "US-NY".to_owned(),
        zone: patient.zone,
        language: "en".to_owned(),
        emergency_contact: EmergencyContact {
            name: patient.emergency_contact.name.clone(),
            phone: patient.emergency_contact.phone.clone(),
        },
        emergency_room: EmergencyRoom {
            name: "Albany County Hospital".to_owned(),
            address: "43 New Scotland Avenue".to_owned(),
            phone: None,
        },
    }
}

fn quiet_reading() -> NewReading {
    NewReading {
        vitals: Vitals {
            sbp: 121,
            dbp: 79,
            hr: 68,
            spo2: None,
        },
        with_symptom: false,
        observed_at: None,
    }
}

fn package() -> NewEntry {
    NewEntry {
        kind: LedgerKind::Received { count: PACKAGE },
        observed_at: None,
        note: None,
        storage: Some(Storage {
            sealed: true,
            locked: true,
        }),
    }
}

async fn decide(
    store: &Store,
    scope: &Scope,
    patient: PersonId,
    mut rule: impl FnMut(&PatientRecord, &mut RuleContext<'_>) -> Result<Decision<PatientRecord>, Refusal>
    + Send
    + 'static,
) {
    let decided = store.decide_patient(scope.clone(), patient, None, move |record, context| {
        rule(record, context).map(|decision| (decision, ()))
    });
    decided.await.expect("a step of the enrolment");
}
