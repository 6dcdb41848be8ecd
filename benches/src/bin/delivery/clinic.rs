//! What is to be delivered: escalations of cases in a few hundred sessions, made by the program's own rules.

use std::sync::Arc;

use bedside_protocol::case::{Cause, Level};
use bedside_protocol::document::ProtocolDocument;
use bedside_protocol::draft::Draft;
use bedside_protocol::id::{ClinicId, PersonId, SessionId};
use bedside_protocol::notice::{Message, Notice, Who};
use bedside_protocol::order::{self, AfterHold, Instruction, OrderDraft};
use bedside_protocol::people::{Caller, EmergencyContact, OnCallPlace, StaffRole};
use bedside_protocol::planning;
use bedside_protocol::record::Decision;
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::{Planned, Zone};
use bedside_store::{Keys, NewAccount, NewClinic, NewPatient, Scope, Store, StoreSettings, SystemClocks};
use chrono::{Duration, NaiveTime};

/// Escalations of one case.
pub const MAILS_OF_A_CASE: usize = 100;

/// Opens a store on a migrated database.
pub async fn open(url: &str) -> Store {
    let mut settings = StoreSettings::new(url);
    settings.mail_domain = "bedside.example".to_owned();
    Store::migrate(&settings).await.expect("the migrations");
    Store::open(settings, Arc::new(SystemClocks), Keys::from_master([7; 32]))
        .await
        .expect("a store")
}

/// Fills the outbox with `mails` escalations that are due, [`MAILS_OF_A_CASE`] for each session.
pub async fn fill(store: &Store, mails: usize) {
    store
        .ensure_protocol(ProtocolDocument::shipped_text())
        .await
        .expect("the shipped protocol");
    let zone = Zone::named("America/New_York").expect("a zone");
    let new = NewClinic {
        slug: "willow".to_owned(),
        name: "Willow Clinic".to_owned(),
        zone,
        phone: "+1 555 0150".to_owned(),
    };
    let clinic = store
        .create_clinic(Scope::system(), new)
        .await
        .expect("a clinic")
        .id;
    let nurse = hire(store, clinic, "nurse@clinic.example").await;
    let backup = hire(store, clinic, "backup@clinic.example").await;
    let list = vec![
        (OnCallPlace::Nurse, nurse),
        (OnCallPlace::Backup, backup),
        (OnCallPlace::Fallback, backup),
    ];
    store
        .set_on_call(Scope::system(), clinic, list)
        .await
        .expect("an on-call list");
    // Whoever is on call was reached just now: no test message mixes with what is measured.
    for person in [nurse, backup] {
        let noted = store.note_reached(Scope::system(), clinic, person);
        noted.await.expect("a note");
    }
    let mut left = mails;
    let mut number = 0;
    while left > 0 {
        let some = left.min(MAILS_OF_A_CASE);
        let session = plan_session(store, clinic, nurse, number).await;
        open_case(store, session, some).await;
        left -= some;
        number += 1;
    }
}

async fn hire(store: &Store, clinic: ClinicId, email: &str) -> PersonId {
    let new = NewAccount {
        email: email.to_owned(),
        name: "Ada Nightingale".to_owned(),
        phone: String::new(),
        roles: vec![StaffRole::Nurse],
    };
    store
        .create_account(Scope::system(), clinic, new)
        .await
        .expect("an account")
}

async fn plan_session(store: &Store, clinic: ClinicId, nurse: PersonId, number: usize) -> SessionId {
    let staff = || {
        let roles = vec![StaffRole::Nurse];
        Scope::of(clinic, Caller::Staff { person: nurse, roles })
    };
    let new = NewPatient {
        name: "Robin Quillfeather".to_owned(),
        first_name: "Robin".to_owned(),
        email: format!("robin{number}@example.org"),
        phone: "+1 555 0199".to_owned(),
        address: "12 Thistledown Lane".to_owned(),
        zone: Zone::named("America/New_York").expect("a zone"),
        emergency_contact: EmergencyContact {
            name: "Wren Quillfeather".into(),
            phone: "+1 555 0133".into(),
        },
    };
    let patient = store
        .create_patient(Scope::system(), clinic, new)
        .await
        .expect("a patient")
        .id;
    let signed = store.sign_order(staff(), patient, None, move |record, context| {
        let today = context.now.date_naive();
        let draft = OrderDraft {
            instruction: Instruction {
                lozenge_count: 2,
                hold_minutes: 10,
                after_hold: AfterHold::Spit,
            },
            strength_mg: 100,
            prescribed_on: today,
            expires_on: today + chrono::Months::new(3),
            refills_left: 2,
        };
        let (id, now) = (context.ids.fresh(), context.now);
        let protocol = &record.around.protocol;
        order::sign(draft, record.order.as_ref(), nurse, None, id, now, protocol).map_err(Refusal::Invalid)
    });
    signed.await.expect("a signed order");
    let planned = store.plan_session(staff(), patient, None, move |record, context| {
        let on = (context.now + Duration::days(4)).date_naive();
        let time: NaiveTime = "10:00:00".parse().expect("a time");
        let planned = Planned::new(on, time, record.patient.zone);
        let decision = planning::open_session(record, planned, 1, None, nurse, context);
        let id = decision.after.session.id;
        let patient = Decision {
            after: record.clone(),
            facts: Vec::new(),
            notices: Vec::new(),
            links: Vec::new(),
        };
        Ok((patient, vec![decision], id))
    });
    planned.await.expect("a session").value
}

/// Opens a case by the rule and tells `mails` people of it instead of the two of its first rung.
async fn open_case(store: &Store, session: SessionId, mails: usize) {
    let opened = store.decide_session(Scope::system(), session, None, move |record, context| {
        let mut draft = Draft::of(record, context);
        draft.signal(Level::P1, Cause::Help);
        let mut decision = draft.decide();
        let pattern = decision.notices.swap_remove(0);
        decision.notices = (0..mails)
            .map(|number| {
                let mut notice = Notice {
                    id: context.ids.fresh(),
                    key: format!("{}:{number}", pattern.key),
                    ..pattern.clone()
                };
                notice.to.email = format!("nurse{number}@clinic.example");
                notice.to.who = Who::Staff(context.ids.fresh());
                if let Message::CaseNeedsYou { link, .. } = &mut notice.message {
                    *link = context.ids.fresh();
                }
                notice
            })
            .collect();
        Ok((decision, ()))
    });
    opened.await.expect("a case");
}
