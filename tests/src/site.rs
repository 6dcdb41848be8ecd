//! A clinic without an API of its own, for real processes to work on: a database, its key, a nurse on call.

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bedside_protocol::dosing::{self, DoseReport};
use bedside_protocol::duty::Lane;
use bedside_protocol::id::{ClinicId, Ids, PersonId, SessionId};
use bedside_protocol::notice::{About, Message, Notice, Recipient, Who};
use bedside_protocol::people::{EmergencyContact, OnCallPlace, StaffRole};
use bedside_protocol::record::{Decision, LinkTarget, NewLink};
use bedside_protocol::time::{Instant, Zone, minutes};
use bedside_store::{
    Clocks, Keys, NewAccount, NewClinic, NewPatient, Scope, Store, StoreSettings, SystemClocks,
};
use serde_json::json;

use crate::clinic::PASSWORD;
use crate::database::{Database, TestDatabase};
use crate::http::Client;
use crate::program::{Program, Surroundings};

/// A clinic with one nurse, who is every place of its on-call list: each escalation has one recipient.
pub struct Site {
    /// The store, on clocks of the test's own.
    pub store: Store,
    /// The clinic.
    pub clinic: ClinicId,
    /// The nurse on call.
    pub nurse: PersonId,
    key: String,
    folder: tempfile::TempDir,
    url: String,
    // Last: dropped after everything that uses it.
    _database: Option<TestDatabase>,
}

/// A process of an unoptimised program on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// The nurse's address.
pub const NURSE: &str = "nurse@clinic.example";

impl Site {
    /// A clinic on the wall clock.
    pub async fn open(engine: Database) -> Self {
        Self::open_at(engine, Arc::new(SystemClocks)).await
    }

    /// A clinic on these clocks; its processes go by the wall clock.
    pub async fn open_at(engine: Database, clocks: Arc<dyn Clocks>) -> Self {
        let database = crate::database::fresh(engine).await;
        let url = database.url();
        Self::on(url, Some(database), clocks).await
    }

    /// A clinic in the migrated database at `url`.
    pub async fn on(url: String, database: Option<TestDatabase>, clocks: Arc<dyn Clocks>) -> Self {
        let master = Keys::generate();
        let mut settings = StoreSettings::new(url.clone());
        settings.mail_domain = "bedside.test".to_owned();
        settings.writers = 2;
        settings.readers = 2;
        let store = Store::open(settings, clocks, Keys::from_master(master))
            .await
            .expect("a store");
        store
            .ensure_protocol(bedside_protocol::document::ProtocolDocument::shipped_text())
            .await
            .expect("the shipped protocol");
        let new = NewClinic {
            slug: "willow".to_owned(),
            name: "Willow Clinic".to_owned(),
            zone: Zone::named("America/New_York").expect("a zone"),
            phone: "+1 555 0150".to_owned(),
        };
        let clinic = store
            .create_clinic(Scope::system(), new)
            .await
            .expect("a clinic")
            .id;
        let nurse = NewAccount {
            email: NURSE.to_owned(),
            name: "Nora Nightly".to_owned(),
            phone: String::new(),
            roles: vec![StaffRole::Nurse, StaffRole::Manager],
        };
        let nurse = store
            .create_account(Scope::system(), clinic, nurse)
            .await
            .expect("an account");
        let places = [OnCallPlace::Nurse, OnCallPlace::Backup, OnCallPlace::Fallback];
        let list = places.into_iter().map(|place| (place, nurse)).collect();
        store
            .set_on_call(Scope::system(), clinic, list)
            .await
            .expect("an on-call list");
        // Whoever is on call was reached just now, so that no test message mixes with the mails that are counted.
        store
            .note_reached(Scope::system(), clinic, nurse)
            .await
            .expect("a note");
        Self {
            store,
            clinic,
            nurse,
            key: STANDARD.encode(master),
            folder: tempfile::tempdir().expect("a folder"),
            url,
            _database: database,
        }
    }

    /// What its processes are started with, but for the mail server.
    pub fn surroundings(&self, program: &str) -> Surroundings {
        Surroundings::new(program, self.folder.path(), &self.url, &self.key)
    }

    /// The folder of its processes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The database's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Plain SQL on its database.
    pub fn raw(&self) -> bedside_store::raw::Raw {
        bedside_store::raw::Raw::connect(&self.url).expect("a connection")
    }

    /// A fresh identifier.
    pub fn fresh<T: From<uuid::Uuid>>(&self) -> T {
        let keys = self.store.keys();
        let now = self.store.clocks().clinical_now();
        Ids::new(now, &mut |bytes| keys.random(bytes)).fresh()
    }

    /// A message to one address that is never unwanted. `name` is its key and the address's left side.
    pub fn message(&self, name: &str, lane: Lane, about: About, stale_after: Option<Instant>) -> Notice {
        let now = self.store.clocks().clinical_now();
        Notice {
            id: self.fresh(),
            key: format!("test:{name}"),
            lane,
            to: Recipient {
                who: Who::Staff(self.nurse),
                email: format!("{name}@clinic.example"),
            },
            about,
            message: Message::Test {
                at: now,
                zone: Zone::UTC,
            },
            not_before: now,
            stale_after,
            thread: None,
        }
    }

    /// Puts messages into the outbox.
    pub async fn queue(&self, notices: Vec<Notice>) {
        self.store
            .insert_notices(Scope::system(), self.clinic, None, notices, Vec::new())
            .await
            .expect("notices");
    }

    /// Puts one escalation to each of `{name}-0` … into the outbox. Their addresses.
    pub async fn queue_escalations(&self, name: &str, count: usize) -> Vec<String> {
        let notices: Vec<Notice> = (0..count)
            .map(|index| {
                self.message(
                    &format!("{name}-{index}"),
                    Lane::Escalation,
                    About::Information,
                    None,
                )
            })
            .collect();
        let addresses = notices.iter().map(|notice| notice.to.email.clone()).collect();
        self.queue(notices).await;
        addresses
    }

    /// Puts a reminder of a duty into the outbox that stays open: of a session whose dose was taken just now.
    pub async fn queue_reminder(&self, name: &str) {
        self.dosed_session(1, self.store.clocks().clinical_now()).await;
        let open = "SELECT id AS value FROM duties WHERE state = 'open' LIMIT 1";
        let duty = self.raw().texts(open).expect("rows")[0].parse().expect("an id");
        let reminder = self.message(name, Lane::Reminder, About::Duty { duty }, None);
        self.queue(vec![reminder]).await;
    }

    /// A session whose dose was taken at `taken_at`, watched by the care team, of which nothing was told yet.
    pub async fn dosed_session(&self, number: usize, taken_at: Instant) -> SessionId {
        let new = NewPatient {
            name: format!("Patient {number}"),
            first_name: "Robin".to_owned(),
            email: format!("patient-{number}@example.org"),
            phone: "+1 555 0100".to_owned(),
            address: "12 Larch Street, Albany".to_owned(),
            zone: Zone::named("America/New_York").expect("a zone"),
            emergency_contact: EmergencyContact {
                name: "Lee Quillfeather".to_owned(),
                phone: "+1 555 0102".to_owned(),
            },
        };
        let patient = self
            .store
            .create_patient(Scope::system(), self.clinic, new)
            .await
            .expect("a patient");
        let report = DoseReport {
            observed_at: Some(taken_at),
            ..DoseReport::default()
        };
        let planned = self
            .store
            .plan_session(Scope::system(), patient.id, None, move |record, context| {
                let (mut dosed, _) = dosing::log_unplanned_dose(record, report, context);
                // As if it had been planned: the care team has nothing to hear yet.
                dosed.after.watch.cases.clear();
                dosed.after.watch.duties.retain(|duty| duty.kind.case().is_none());
                dosed.notices.clear();
                dosed.links.clear();
                let id = dosed.after.session.id;
                Ok((Decision::unchanged(record), vec![dosed], id))
            });
        planned.await.expect("a session").value
    }

    /// Gives the nurse a password behind their one-time link at the API at `base`, and logs them in.
    pub async fn nurse_at(&self, base: &str) -> Client {
        let http = Client::new(base);
        let link = NewLink {
            id: self.fresh(),
            target: LinkTarget::Account { person: self.nurse },
            expires_at: self.store.clocks().clinical_now() + minutes(60),
        };
        self.store
            .insert_link(Scope::system(), self.clinic, link)
            .await
            .expect("a link");
        let path = format!("/v1/account/{}", self.store.keys().link_token(link.id));
        let set = http.post(&path, &json!({"password": PASSWORD, "pin": "483920"}));
        assert!(set.status < 300, "{} {}", set.status, set.body);
        let log_in = json!({"clinic": "willow", "email": NURSE, "password": PASSWORD});
        let answer = http.post("/v1/login", &log_in).expect(200).json();
        http.bearer(answer["access_token"].as_str().expect("a token"))
    }

    /// Starts `bedside api`. The process and its address, once it answers.
    pub fn start_api(&self, surroundings: &Surroundings) -> (Program, String) {
        let address = crate::program::free_address();
        let api = surroundings.with("LISTEN", &address.to_string()).start("api");
        within(STARTS_WITHIN, "an API that answers", || {
            TcpStream::connect(address).ok()
        });
        (api, format!("http://{address}"))
    }

    /// Starts `bedside worker` and waits for its first heartbeat.
    pub fn start_worker(&self, surroundings: &Surroundings) -> Program {
        let worker = surroundings.start("worker");
        within(STARTS_WITHIN, "a worker's first heartbeat", || {
            self.cycles_of(&worker).map(|_| ())
        });
        worker
    }

    /// How many cycles a worker has verified; none before its first heartbeat.
    pub fn cycles_of(&self, worker: &Program) -> Option<u64> {
        let sql = format!(
            "SELECT CAST(cycles AS TEXT) AS value FROM heartbeats WHERE worker LIKE '%-{}'",
            worker.pid
        );
        let beats = self.raw().texts(&sql).expect("rows");
        beats.first().map(|cycles| cycles.parse().expect("a number"))
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> usize {
        let rows = self
            .raw()
            .texts(&format!("SELECT CAST(COUNT(*) AS TEXT) AS value FROM {table}"));
        rows.expect("a count")[0].parse().expect("a number")
    }

    /// How many rows of the outbox are in each state, such as `sent 12` and `dropped stale 3`.
    pub fn states(&self) -> Vec<String> {
        let sql = "SELECT state || COALESCE(' ' || why, '') || ' ' || CAST(COUNT(*) AS TEXT) AS value FROM outbox \
                   GROUP BY state, why ORDER BY state, why";
        self.raw().texts(sql).expect("rows")
    }

    /// Every row has ended, and the audit trail holds.
    pub async fn all_has_ended(&self) {
        let sql =
            "SELECT notice_key || ' ' || state AS value FROM outbox WHERE state IN ('pending', 'leased')";
        let waiting = self.raw().texts(sql).expect("rows");
        assert!(waiting.is_empty(), "left in the outbox: {waiting:?}");
        let report = self.store.verify_audit(None).await.expect("a report");
        assert!(report.faults.is_empty(), "{report:?}");
    }
}

/// Looks until `look` finds something, for at most `limit`.
#[track_caller]
pub fn within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began_at = crate::program::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        let waited = crate::program::now() - began_at;
        assert!(waited <= limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
