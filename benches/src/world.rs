//! A clinic with as many running sessions as a benchmark wants, made through the store's own transactions.

use std::sync::Arc;

use bedside_protocol::document::ProtocolDocument;
use bedside_protocol::dosing;
use bedside_protocol::id::{ClinicId, LinkId, PersonId, SessionId};
use bedside_protocol::notice::About;
use bedside_protocol::order::{self, AfterHold, Instruction, OrderDraft};
use bedside_protocol::people::{Caller, EmergencyContact, OnCallPlace, StaffRole};
use bedside_protocol::planning;
use bedside_protocol::record::{Decision, LinkTarget, NewLink, RuleContext, SessionRecord};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::session::SessionState;
use bedside_protocol::sitter::{Sitter, SitterState};
use bedside_protocol::time::{Instant, Planned, Zone, minutes};
use bedside_store::{Clocks as _, Keys, NewAccount, NewClinic, NewPatient, Scope, Store, StoreSettings};
use bedside_tests::database::{Database, TestDatabase, fresh};
use tokio::task::JoinSet;

use crate::clocks::BenchClocks;

/// Sessions that are made at once: as many as PostgreSQL has connections.
const MADE_AT_ONCE: usize = 8;

/// A clinic with sessions.
pub struct World {
    /// The store.
    pub store: Store,
    /// Its clocks.
    pub clocks: Arc<BenchClocks>,
    /// The clinic.
    pub clinic: ClinicId,
    /// Its nurse.
    pub nurse: PersonId,
    /// Last: dropped after the store.
    database: TestDatabase,
}

/// A session after the dose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dosed {
    /// The session.
    pub session: SessionId,
    /// The link of its sitter.
    pub sitter_link: LinkId,
}

impl World {
    /// A clinic with a nurse, a backup and a fallback, at ten in the morning.
    pub async fn open(engine: Database) -> Self {
        let start = "2026-11-21T15:00:00Z".parse().expect("a time");
        let database = fresh(engine).await;
        let clocks = Arc::new(BenchClocks::standing_at(start));
        let mut settings = StoreSettings::new(database.url());
        settings.mail_domain = "bedside.test".to_owned();
        let store = Store::open(settings, clocks.clone(), Keys::from_master(Keys::generate()))
            .await
            .expect("a store");
        store
            .ensure_protocol(ProtocolDocument::shipped_text())
            .await
            .expect("the shipped protocol");
        let new = NewClinic {
            slug: "willow".to_owned(),
            name: "Willow Clinic".to_owned(),
            zone: zone(),
            phone: "+1 555 0150".to_owned(),
        };
        let clinic = store
            .create_clinic(Scope::system(), new)
            .await
            .expect("a clinic")
            .id;
        let mut hired = Vec::new();
        for role in ["nurse", "backup", "manager"] {
            let new = NewAccount {
                email: format!("{role}@clinic.example"),
                name: role.to_owned(),
                phone: String::new(),
                roles: vec![StaffRole::Nurse],
            };
            hired.push(
                store
                    .create_account(Scope::system(), clinic, new)
                    .await
                    .expect("an account"),
            );
        }
        let list = vec![
            (OnCallPlace::Nurse, hired[0]),
            (OnCallPlace::Backup, hired[1]),
            (OnCallPlace::Fallback, hired[2]),
        ];
        store
            .set_on_call(Scope::system(), clinic, list)
            .await
            .expect("an on-call list");
        // Whoever is on call was reached just now: no test message mixes with what is measured.
        for person in &hired {
            let noted = store.note_reached(Scope::system(), clinic, *person);
            noted.await.expect("a note");
        }
        Self {
            store,
            clocks,
            clinic,
            nurse: hired[0],
            database,
        }
    }

    /// Where the data is.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// The clinical clock.
    pub fn now(&self) -> Instant {
        self.clocks.clinical_now()
    }

    /// Makes so many sessions, all with their dose now.
    pub async fn dose_many(&self, count: usize, first: usize) -> Vec<Dosed> {
        let mut making = JoinSet::new();
        let mut made = Vec::with_capacity(count);
        for number in first..first + count {
            if making.len() == MADE_AT_ONCE {
                made.extend(making.join_next().await.map(|joined| joined.expect("a session")));
            }
            making.spawn(dose_one(self.store.clone(), self.clinic, self.nurse, number));
        }
        while let Some(joined) = making.join_next().await {
            made.push(joined.expect("a session"));
        }
        made
    }
}

fn zone() -> Zone {
    Zone::named("America/New_York").expect("a zone")
}

/// A patient with an order and a session that is dosed now, by the book.
async fn dose_one(store: Store, clinic: ClinicId, nurse: PersonId, number: usize) -> Dosed {
    let new = NewPatient {
        name: format!("Patient {number}"),
        first_name: "Patient".to_owned(),
        email: format!("patient-{number}@example.org"),
        phone: "+1 555 0199".to_owned(),
        address: "12 Thistledown Lane".to_owned(),
        zone: zone(),
        emergency_contact: EmergencyContact {
            name: "Wren".to_owned(),
            phone: "+1 555 0133".to_owned(),
        },
    };
    let patient = store
        .create_patient(Scope::system(), clinic, new)
        .await
        .expect("a patient")
        .id;
    let staff = Scope::of(
        clinic,
        Caller::Staff {
            person: nurse,
            roles: vec![StaffRole::Nurse],
        },
    );
    let signed = store.sign_order(staff.clone(), patient, None, move |record, context| {
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
        order::sign(draft, None, nurse, None, id, now, &record.around.protocol).map_err(Refusal::Invalid)
    });
    signed.await.expect("a signed order");
    let planned = store.plan_session(staff, patient, None, move |record, context| {
        let at = context.now + minutes(1);
        let planned = Planned::new(zone().date_of(at), zone().time_of(at), zone());
        let decision = planning::open_session(record, planned, 1, None, nurse, context);
        let session = decision.after.session.id;
        Ok((Decision::unchanged(record), vec![decision], session))
    });
    let session = planned.await.expect("a session").value;
    let dosed = store.decide_session(Scope::system(), session, None, move |record, context| {
        Ok(with_dose(record, number, context))
    });
    Dosed {
        session,
        sitter_link: dosed.await.expect("a dose").value,
    }
}

/// The session with a sitter who is there and a dose. The case about the preparation, which was skipped, is left out: a
/// benchmark of the quiet path must be quiet.
fn with_dose(
    record: &SessionRecord,
    number: usize,
    context: &mut RuleContext<'_>,
) -> (Decision<SessionRecord>, LinkId) {
    let now = context.now;
    let sitter = Sitter {
        id: context.ids.fresh(),
        name: "Sam".to_owned(),
        email: format!("sitter-{number}@example.org"),
        phone: "+1 555 0101".to_owned(),
        state: SitterState::Present { at: now },
        invited_at: now,
        link: context.ids.fresh(),
        presence_code: "0000".to_owned(),
        wrong_codes: 0,
        code_blocked_until: None,
        consented_at: Some(now),
        read_again: Vec::new(),
        wrong_tries: 0,
    };
    let link = NewLink {
        id: sitter.link,
        target: LinkTarget::Sitter {
            session: record.session.id,
            sitter: sitter.id,
        },
        expires_at: now + minutes(24 * 60),
    };
    let mut prepared = record.clone();
    prepared.sitters.push(sitter);
    prepared.session.state = SessionState::Ready {
        unlocked_at: Some(now),
    };
    let (mut decision, _) = dosing::log_dose(&prepared, dosing::DoseReport::default(), context);
    let watch = &mut decision.after.watch;
    watch.cases.clear();
    watch.duties.retain(|duty| duty.kind.case().is_none());
    decision
        .notices
        .retain(|notice| !matches!(notice.about, About::Case { .. }));
    decision
        .links
        .retain(|link| !matches!(link.target, LinkTarget::Case { .. }));
    decision.links.push(link);
    (decision, link.id)
}
