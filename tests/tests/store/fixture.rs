//! A clinic with staff, a patient with an order and a planned session, made through the store alone.

use std::sync::Arc;

use bedside_protocol::document::ProtocolDocument;
use bedside_protocol::duty::Lane;
use bedside_protocol::id::{ClinicId, NoticeId, PersonId, SessionId};
use bedside_protocol::notice::{About, Message, Notice, Recipient, Who};
use bedside_protocol::order::{self, AfterHold, Instruction, OrderDraft};
use bedside_protocol::people::{Caller, CommsStatus, EmergencyContact, OnCallPlace, StaffRole};
use bedside_protocol::record::{Decision, RuleContext, SessionRecord};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::{Instant, Zone};
use bedside_protocol::{dosing, planning};
use bedside_store::{DecideError, Keys, NewAccount, NewClinic, NewPatient, Scope, Store, StoreSettings};
use bedside_tests::clock::ManualClocks;
use bedside_tests::database::{Database, TestDatabase, fresh};
use bedside_tests::enrolment::settle_in;
use chrono::{Duration, NaiveDate, NaiveTime};

pub const MASTER: [u8; 32] = [7; 32];
pub const PATIENT_NAME: &str = "Robin Quillfeather";
pub const PATIENT_EMAIL: &str = "robin@example.org";

pub struct Bed {
    pub store: Store,
    pub clocks: Arc<ManualClocks>,
    pub clinic: ClinicId,
    pub nurse: PersonId,
    pub patient: PersonId,
    pub session: SessionId,
    pub database: TestDatabase,
}

pub fn start() -> Instant {
    "2026-11-21T14:00:00Z".parse().unwrap()
}

pub fn settings(database: &TestDatabase) -> StoreSettings {
    let mut settings = StoreSettings::new(database.url());
    settings.mail_domain = "bedside.test".to_owned();
    settings
}

pub async fn open(database: &TestDatabase, clocks: &Arc<ManualClocks>) -> Store {
    let clocks: Arc<ManualClocks> = Arc::clone(clocks);
    Store::open(settings(database), clocks, Keys::from_master(MASTER))
        .await
        .expect("a store")
}

pub fn new_patient(email: &str) -> NewPatient {
    NewPatient {
        name: PATIENT_NAME.to_owned(),
        first_name: "Robin".to_owned(),
        email: email.to_owned(),
        phone: "+1 555 0199".to_owned(),
        address: "12 Thistledown Lane".to_owned(),
        zone: Zone::named("America/New_York").unwrap(),
        emergency_contact: EmergencyContact {
            name: "Wren Quillfeather".into(),
            phone: "+1 555 0133".into(),
        },
    }
}

pub async fn hire(store: &Store, clinic: ClinicId, email: &str, role: StaffRole) -> PersonId {
    let new = NewAccount {
        email: email.to_owned(),
        name: "Ada Nightingale".to_owned(),
        phone: String::new(),
        roles: vec![role],
    };
    store
        .create_account(Scope::system(), clinic, new)
        .await
        .expect("an account")
}

pub async fn new_clinic(store: &Store, slug: &str) -> ClinicId {
    let new = NewClinic {
        slug: slug.to_owned(),
        name: "Willow Clinic".to_owned(),
        zone: Zone::named("America/New_York").unwrap(),
        phone: "+1 555 0150".to_owned(),
    };
    store
        .create_clinic(Scope::system(), new)
        .await
        .expect("a clinic")
        .id
}

impl Bed {
    pub async fn made(engine: Database) -> Self {
        let database = fresh(engine).await;
        let clocks = Arc::new(ManualClocks::at(start()));
        let store = open(&database, &clocks).await;
        store
            .ensure_protocol(ProtocolDocument::shipped_text())
            .await
            .expect("the shipped protocol");
        let clinic = new_clinic(&store, "willow").await;
        let nurse = hire(&store, clinic, "nurse@clinic.example", StaffRole::Nurse).await;
        let backup = hire(&store, clinic, "backup@clinic.example", StaffRole::Nurse).await;
        let list = vec![
            (OnCallPlace::Nurse, nurse),
            (OnCallPlace::Backup, backup),
            (OnCallPlace::Fallback, backup),
        ];
        store
            .set_on_call(Scope::system(), clinic, list)
            .await
            .expect("an on-call list");
        let patient = store
            .create_patient(Scope::system(), clinic, new_patient(PATIENT_EMAIL))
            .await
            .expect("a patient")
            .id;
        let mut bed = Self {
            store,
            clocks,
            clinic,
            nurse,
            patient,
            session: SessionId::from(uuid::Uuid::nil()),
            database,
        };
        bed.sign_order(AfterHold::Spit).await;
        settle_in(&bed.store, clinic, patient, nurse).await;
        bed.session = bed.plan(4).await.expect("a session");
        bed
    }

    pub fn staff(&self) -> Scope {
        Scope::of(
            self.clinic,
            Caller::Staff {
                person: self.nurse,
                roles: vec![StaffRole::Nurse],
            },
        )
    }

    pub async fn sign_order(&self, after_hold: AfterHold) {
        let nurse = self.nurse;
        let signed = self
            .store
            .sign_order(self.staff(), self.patient, None, move |record, context| {
                let today = context.now.date_naive();
                let draft = OrderDraft {
                    instruction: Instruction {
                        lozenge_count: 2,
                        hold_minutes: 10,
                        after_hold,
                    },
                    strength_mg: 100,
                    prescribed_on: today,
                    expires_on: today + chrono::Months::new(3),
                    refills_left: 2,
                };
                let (id, now) = (context.ids.fresh(), context.now);
                let signed = order::sign(
                    draft,
                    record.order.as_ref(),
                    nurse,
                    None,
                    id,
                    now,
                    &record.around.protocol,
                );
                signed.map_err(Refusal::Invalid)
            });
        signed.await.expect("a signed order");
    }

    pub async fn plan(&self, in_days: i64) -> Result<SessionId, DecideError> {
        let on: NaiveDate = (start() + Duration::days(in_days)).date_naive();
        let time: NaiveTime = "10:00:00".parse().unwrap();
        let nurse = self.nurse;
        let planned = self
            .store
            .plan_session(self.staff(), self.patient, None, move |record, context| {
                let decision = planning::plan(record, on, time, nurse, context)?;
                let id = decision.after.session.id;
                let patient = Decision {
                    after: record.clone(),
                    facts: Vec::new(),
                    notices: Vec::new(),
                    links: Vec::new(),
                };
                Ok((patient, vec![decision], id))
            });
        planned.await.map(|done| done.value)
    }

    /// Changes whether messages make sense, one way or the other.
    pub async fn pause_or_resume(&self) {
        let changed = self
            .store
            .decide_patient(self.staff(), self.patient, None, |record, _| {
                let mut after = record.clone();
                after.patient.comms = match after.patient.comms {
                    CommsStatus::Active => CommsStatus::Paused,
                    _ => CommsStatus::Active,
                };
                Ok((silent(after), ()))
            });
        changed.await.expect("a change");
    }

    /// Changes the session by hand and says nothing.
    pub async fn change(
        &self,
        change: impl Fn(&mut SessionRecord, &mut RuleContext<'_>) + Send + 'static,
    ) -> Result<(), DecideError> {
        let changed =
            self.store
                .decide_session(Scope::system(), self.session, None, move |record, context| {
                    let mut after = record.clone();
                    change(&mut after, context);
                    Ok((silent(after), ()))
                });
        changed.await.map(|_| ())
    }

    /// A dose now; the whole timetable follows.
    pub async fn dose(&self) {
        let dosed = self
            .store
            .decide_session(Scope::system(), self.session, None, |record, context| {
                Ok(dosing::log_dose(record, dosing::DoseReport::default(), context))
            });
        dosed.await.expect("a dose");
    }

    pub async fn record(&self) -> SessionRecord {
        let read = self
            .store
            .read_session(Scope::system(), self.session, |record, _| record.clone());
        read.await.expect("a read").expect("a session")
    }

    pub fn now(&self) -> Instant {
        self.store.clocks().clinical_now()
    }

    /// Moves both clocks.
    pub fn advance(&self, by: Duration) {
        self.clocks.set_clinical(self.now() + by);
        self.clocks.advance_machine(by);
    }

    pub fn fresh<T: From<uuid::Uuid>>(&self) -> T {
        let mut bytes = [0_u8; 16];
        self.store.keys().random(&mut bytes);
        T::from(uuid::Uuid::from_bytes(bytes))
    }

    pub fn notice(&self, key: &str, lane: Lane) -> Notice {
        Notice {
            id: self.fresh::<NoticeId>(),
            key: key.to_owned(),
            lane,
            to: Recipient {
                who: Who::Staff(self.nurse),
                email: "nurse@clinic.example".to_owned(),
            },
            about: About::Information,
            message: Message::Test {
                at: self.now(),
                zone: Zone::UTC,
            },
            not_before: self.now(),
            stale_after: None,
            thread: None,
        }
    }

    pub async fn queue(&self, notices: Vec<Notice>) {
        let queued = self
            .store
            .insert_notices(Scope::system(), self.clinic, None, notices, Vec::new());
        queued.await.expect("queued notices");
    }

    /// The one value of a query.
    pub fn sql(&self, query: &str) -> Vec<String> {
        self.database.raw().texts(query).expect("rows")
    }

    pub async fn audit_is_whole(&self) {
        let report = self.store.verify_audit(None).await.expect("a report");
        assert_eq!(report.faults, []);
    }
}

pub fn silent<R>(after: R) -> Decision<R> {
    Decision {
        after,
        facts: Vec::new(),
        notices: Vec::new(),
        links: Vec::new(),
    }
}
