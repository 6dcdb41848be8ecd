//! A clinic under test: the real API on a real socket, the real worker, a real database and clocks that are moved by
//! hand.
//!
//! The clinical clock jumps from one due moment to the next, the worker running at each; the machine clock moves a
//! second a cycle, so that a jump is no outage. [`Clinic::sleep_until`] moves both with the worker down, which is one.

use std::net::TcpListener;
use std::sync::Arc;

use bedside_api::app::{ApiSettings, App, Serving, serve};
use bedside_api::metrics::Exporter;
use bedside_protocol::document::ProtocolDocument;
use bedside_protocol::duty::Lane;
use bedside_protocol::id::{ClinicId, Ids, LinkId, PersonId};
use bedside_protocol::notice::{About, Message, Notice, Recipient, Who};
use bedside_protocol::people::{OnCallPlace, StaffRole};
use bedside_protocol::record::{LinkTarget, NewLink};
use bedside_protocol::time::{Instant, Zone, minutes};
use bedside_store::{Clocks as _, Keys, NewAccount, NewClinic, Scope, Store, StoreSettings};
use bedside_worker::folder::MailFolder;
use bedside_worker::housekeeping::Job;
use bedside_worker::smtp::{Security, SmtpSettings, StageTimeouts};
use bedside_worker::{MailSettings, Transport, Worker, WorkerSettings};
use chrono::Duration;
use serde_json::{Value, json};

use crate::clock::ManualClocks;
use crate::database::{Database, TestDatabase};
use crate::http::Client;
use crate::mails::Mailbox;
use crate::smtp_server::SmtpServer;

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery staple";

/// The staff of the clinic: role, place on the on-call list, name, on-call PIN.
const STAFF: [(&str, StaffRole, OnCallPlace, &str, &str); 6] = [
    (
        "nurse",
        StaffRole::Nurse,
        OnCallPlace::Nurse,
        "Nora Nightly",
        "483920",
    ),
    (
        "backup",
        StaffRole::Nurse,
        OnCallPlace::Backup,
        "Ben Backmann",
        "593817",
    ),
    (
        "prescriber",
        StaffRole::Prescriber,
        OnCallPlace::Prescriber,
        "Petra Prentiss",
        "604728",
    ),
    (
        "manager",
        StaffRole::Manager,
        OnCallPlace::Manager,
        "Mona Managham",
        "715639",
    ),
    (
        "administrator",
        StaffRole::Administrator,
        OnCallPlace::Administrator,
        "Ada Minsky",
        "826540",
    ),
    (
        "coordinator",
        StaffRole::Coordinator,
        OnCallPlace::Coordinator,
        "Cora Dinator",
        "937451",
    ),
];

struct StaffMember {
    role: &'static str,
    id: PersonId,
    client: Client,
}

/// A clinic under test.
pub struct Clinic {
    /// The clocks.
    pub clocks: Arc<ManualClocks>,
    /// The store, for what no route shows.
    pub store: Store,
    /// The worker.
    pub worker: Worker,
    /// The mails that went to the folder.
    pub mailbox: Mailbox,
    /// A client without a log-in.
    pub http: Client,
    /// Where patients who are registered from now on live.
    pub patients_zone: String,
    clinic: ClinicId,
    staff: Vec<StaffMember>,
    folder: tempfile::TempDir,
    base: String,
    app: Arc<App>,
    master_key: [u8; 32],
    _api: Serving,
    // Last: dropped after everything that uses it.
    database: TestDatabase,
}

impl Clinic {
    /// A clinic in New York on a Saturday in November 2026, 09:00 local time.
    pub async fn open(engine: Database) -> Self {
        Self::open_at(engine, "2026-11-21T14:00:00Z").await
    }

    /// A clinic at another time.
    pub async fn open_at(engine: Database, start: &str) -> Self {
        Self::open_with(engine, start.parse().expect("a time"), Keys::generate()).await
    }

    /// A clinic at another time under a master key that another process may be given.
    pub async fn open_with(engine: Database, start: Instant, master: [u8; 32]) -> Self {
        let clocks = Arc::new(ManualClocks::at(start));
        let database = crate::database::fresh(engine).await;
        let mut settings = StoreSettings::new(database.url());
        settings.mail_domain = "bedside.test".to_owned();
        let keys = Keys::from_master(master);
        let store = Store::open(settings, clocks.clone(), keys)
            .await
            .expect("a store");
        store
            .ensure_protocol(ProtocolDocument::shipped_text())
            .await
            .expect("the shipped protocol");
        let folder = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let settings = ApiSettings {
            public_base_url: base.clone(),
            listen: listener.local_addr().expect("an address"),
            workers: 1,
            mail_folder: Some(folder.path().to_owned()),
            development: true,
            trusted_proxy: false,
        };
        let app = Arc::new(App::new(store.clone(), settings).expect("an app"));
        let api = serve(Arc::clone(&app), listener).await.expect("a server");
        let transport = Transport::folder(Arc::new(MailFolder::new(folder.path()).expect("a mail folder")));
        let worker = Worker::new(store.clone(), transport, worker_settings(&base), "worker-1");
        let mailbox = Mailbox::of(folder.path());
        let http = Client::new(&base);
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
        let mut this = Self {
            clocks,
            store,
            worker,
            mailbox,
            http,
            patients_zone: "America/New_York".to_owned(),
            clinic,
            staff: Vec::new(),
            folder,
            base,
            app,
            master_key: master,
            _api: api,
            database,
        };
        this.hire().await;
        this.cycle().await;
        this.on_call_answers().await;
        // What follows is a test's own.
        this.mailbox.fresh();
        this
    }

    /// The worker asks who is on call whether messages reach them, if it is time, and everybody who was asked says so.
    pub async fn on_call_answers(&mut self) {
        let known = self.mailbox.all().len();
        self.worker.keep_house(Job::OnCallTests).await.expect("a look");
        self.cycle().await;
        for mail in self.mailbox.all().iter().skip(known) {
            if mail.text.contains("/t/") {
                self.http.form(&mail.link("/t/"), &[]).expect(303);
            }
        }
    }

    async fn hire(&mut self) {
        let mut list = Vec::new();
        for (role, kind, place, name, pin) in STAFF {
            let id = self
                .hire_one(self.clinic, &self.address(role), name, vec![kind], pin)
                .await;
            list.push((place, id));
            if role == "manager" {
                list.push((OnCallPlace::Fallback, id));
            }
            let client = self.log_in(&self.address(role), PASSWORD);
            self.staff.push(StaffMember { role, id, client });
        }
        self.store
            .set_on_call(Scope::system(), self.clinic, list)
            .await
            .expect("an on-call list");
    }

    /// A member of staff who set password and PIN behind their one-time link.
    async fn hire_one(
        &self,
        clinic: ClinicId,
        email: &str,
        name: &str,
        roles: Vec<StaffRole>,
        pin: &str,
    ) -> PersonId {
        let new = NewAccount {
            email: email.to_owned(),
            name: name.to_owned(),
            phone: String::new(),
            roles,
        };
        let id = self
            .store
            .create_account(Scope::system(), clinic, new)
            .await
            .expect("an account");
        let link = NewLink {
            id: self.fresh::<LinkId>(),
            target: LinkTarget::Account { person: id },
            expires_at: self.now() + minutes(60),
        };
        self.store
            .insert_link(Scope::system(), clinic, link)
            .await
            .expect("a link");
        let path = format!("/v1/account/{}", self.store.keys().link_token(link.id));
        let answer = self.http.post(&path, &json!({"password": PASSWORD, "pin": pin}));
        assert!(answer.status < 300, "{} {}", answer.status, answer.body);
        id
    }

    fn fresh<T: From<uuid::Uuid>>(&self) -> T {
        let keys = self.store.keys();
        Ids::new(self.now(), &mut |bytes| keys.random(bytes)).fresh()
    }

    /// The database.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// The secret that all keys follow from.
    pub fn master_key(&self) -> [u8; 32] {
        self.master_key
    }

    /// What a worker of this clinic is told.
    pub fn worker_settings(&self) -> WorkerSettings {
        worker_settings(&self.base)
    }

    /// The clinical clock.
    pub fn now(&self) -> Instant {
        self.clocks.clinical_now()
    }

    /// A member of staff's browser or tool, logged in.
    pub fn staff(&self, role: &str) -> Client {
        self.member(role).client.clone()
    }

    /// A member of staff's id.
    pub fn id(&self, role: &str) -> PersonId {
        self.member(role).id
    }

    /// The clinic's id.
    pub fn clinic_id(&self) -> ClinicId {
        self.clinic
    }

    /// The parts of readiness that are red; none when the whole is ready. They name nobody.
    pub fn red_parts(&self) -> Vec<String> {
        let answer = self.http.get("/health/ready");
        for person in ["Robin", "Quillfeather", "@", "Nora", "Willow"] {
            assert!(!answer.body.contains(person), "{}", answer.body);
        }
        let parts = answer.json()["parts"].as_array().expect("parts").clone();
        let red: Vec<String> = parts
            .iter()
            .filter(|part| part["ok"] == json!(false))
            .map(|part| part["name"].as_str().expect("a name").to_owned())
            .collect();
        assert_eq!(
            answer.status,
            if red.is_empty() { 200 } else { 503 },
            "{}",
            answer.body
        );
        red
    }

    /// The clinic's id.
    pub fn id_of_clinic(&self) -> ClinicId {
        self.clinic
    }

    /// A member of staff's address.
    pub fn address(&self, role: &str) -> String {
        format!("{role}@clinic.example")
    }

    /// A member of staff's PIN.
    pub fn pin(&self, role: &str) -> String {
        STAFF.iter().find(|it| it.0 == role).expect("a role").4.to_owned()
    }

    /// A member of staff's name.
    pub fn name(&self, role: &str) -> String {
        STAFF.iter().find(|it| it.0 == role).expect("a role").3.to_owned()
    }

    fn member(&self, role: &str) -> &StaffMember {
        self.staff
            .iter()
            .find(|member| member.role == role)
            .expect("a member of staff")
    }

    /// Logs somebody of this clinic in.
    pub fn log_in(&self, email: &str, password: &str) -> Client {
        let body = json!({"clinic": "willow", "email": email, "password": password});
        let answer = self.http.post("/v1/login", &body).expect(200).json();
        self.http
            .bearer(answer["access_token"].as_str().expect("a token"))
    }

    /// A patient who has set their password behind the link in their mail.
    pub async fn register_patient(&mut self, email: &str, name: &str) -> String {
        let first_name = name.split(' ').next().expect("a first name");
        let patient = json!({
            "name": name, "first_name": first_name, "email": email, "phone": "+1 555 0100",
            "address": "12 Larch Street, Albany", "zone": self.patients_zone,
            "emergency_contact": {"name": "Lee Quillfeather", "phone": "+1 555 0102"},
        });
        let created: Value = self
            .staff("coordinator")
            .post("/v1/patients", &patient)
            .expect(201)
            .json();
        self.cycle().await;
        let mails = self.mailbox.all();
        let link = mails
            .iter()
            .rfind(|mail| mail.to == email)
            .expect("a mail")
            .link("/account/");
        let answer = self
            .http
            .post(&format!("/v1{link}"), &json!({ "password": PASSWORD }));
        assert!(answer.status < 300, "{} {}", answer.status, answer.body);
        created["id"].as_str().expect("an id").to_owned()
    }

    /// A prescriber and nurse of another clinic on the same server, logged in.
    pub async fn open_second_clinic(&self) -> Client {
        let new = NewClinic {
            slug: "rowan".to_owned(),
            name: "Rowan Clinic".to_owned(),
            zone: Zone::UTC,
            phone: "+1 555 0160".to_owned(),
        };
        let clinic = self
            .store
            .create_clinic(Scope::system(), new)
            .await
            .expect("a clinic")
            .id;
        let roles = vec![StaffRole::Nurse, StaffRole::Prescriber, StaffRole::Coordinator];
        self.hire_one(clinic, "nurse@clinic.example", "Rae Rowan", roles, "135792")
            .await;
        let body = json!({"clinic": "rowan", "email": "nurse@clinic.example", "password": PASSWORD});
        let answer = self.http.post("/v1/login", &body).expect(200).json();
        self.http
            .bearer(answer["access_token"].as_str().expect("a token"))
    }

    /// One cycle of the worker, a second of machine time after the last.
    pub async fn cycle(&mut self) {
        self.clocks.advance_machine(Duration::seconds(1));
        let report = self.worker.cycle().await;
        assert!(report.verified, "the cycle was not verified: {report:?}");
    }

    /// Moves to `at`, the worker running: it sees every due moment on the way at its time.
    pub async fn advance_to(&mut self, at: Instant) {
        let mut looked_at = None;
        while let Some(next) = self
            .store
            .next_wake_at()
            .await
            .expect("a wake-up")
            .filter(|next| *next < at)
        {
            assert_ne!(looked_at, Some(next), "something is due at {next} and stays so");
            looked_at = Some(next);
            self.clocks.set_clinical(next.max(self.now()));
            self.cycle().await;
        }
        self.clocks.set_clinical(at.max(self.now()));
        self.cycle().await;
    }

    /// Moves so many minutes ahead, the worker running.
    pub async fn advance(&mut self, by_minutes: i64) {
        self.advance_to(self.now() + minutes(by_minutes)).await;
    }

    /// Moves both clocks to `at` with no worker running. The staff log in anew: their access tokens are over.
    pub fn sleep_until(&mut self, at: Instant) {
        self.clocks.advance_machine(at - self.now());
        self.clocks.set_clinical(at);
        self.log_staff_in();
    }

    /// New access tokens for all staff.
    pub fn log_staff_in(&mut self) {
        for index in 0..self.staff.len() {
            let address = self.address(self.staff[index].role);
            self.staff[index].client = self.log_in(&address, PASSWORD);
        }
    }

    /// Another worker on the same database and folder.
    pub async fn another_worker(&self) -> Worker {
        // One process writes to a folder: the second worker shares the transport's folder object by its path only in
        // this test, where both are this process.
        let folder = Arc::new(MailFolder::new(self.folder.path()).expect("a mail folder"));
        Worker::new(
            self.store.clone(),
            Transport::folder(folder),
            worker_settings(&self.base),
            "worker-2",
        )
    }

    /// Another worker with settings of its own.
    pub fn worker_with(&self, change: impl FnOnce(&mut WorkerSettings)) -> Worker {
        let mut settings = worker_settings(&self.base);
        change(&mut settings);
        let folder = Arc::new(MailFolder::new(self.folder.path()).expect("a mail folder"));
        Worker::new(
            self.store.clone(),
            Transport::folder(folder),
            settings,
            "worker-other",
        )
    }

    /// From now on mails go to an SMTP server.
    pub async fn mail_by_smtp(&mut self, server: &SmtpServer) {
        self.worker = self.worker_by_smtp(server, "worker-smtp", |_| {});
    }

    /// A worker with settings of its own whose mails go to an SMTP server.
    pub fn worker_by_smtp(
        &self,
        server: &SmtpServer,
        name: &str,
        change: impl FnOnce(&mut WorkerSettings),
    ) -> Worker {
        let smtp = SmtpSettings {
            host: server.address().ip().to_string(),
            port: server.address().port(),
            security: Security::PlainInsecure,
            username: None,
            password: None,
            hello_name: "bedside.test".to_owned(),
            extra_root_certificates_pem: None,
            timeouts: StageTimeouts::default(),
        };
        let mut settings = worker_settings(&self.base);
        change(&mut settings);
        let transport = Transport::smtp(smtp, "care@bedside.test");
        Worker::new(self.store.clone(), transport, settings, name)
    }

    /// Where the numbers of API and present worker are scraped, while the server lives.
    pub fn serve_metrics(&self) -> (Client, Serving) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut exporter = Exporter::new(&self.store).expect("an exporter");
        exporter.add_api(&self.app);
        self.worker.register_metrics(exporter.ours());
        let serving = bedside_api::metrics::serve(exporter, listener).expect("a server");
        (Client::new(&format!("http://{}", serving.address())), serving)
    }

    /// Puts test messages to so many addresses into the outbox.
    pub async fn queue_test_mails(&self, count: usize) {
        let (now, zone) = (self.now(), Zone::UTC);
        let nurse = self.id("nurse");
        let notices = (0..count).map(|index| Notice {
            id: self.fresh(),
            key: format!("test:{index}"),
            lane: Lane::Escalation,
            to: Recipient {
                who: Who::Staff(nurse),
                email: format!("test-{index}@clinic.example"),
            },
            about: About::Information,
            message: Message::Test { at: now, zone },
            not_before: now,
            stale_after: None,
            thread: None,
        });
        let notices = notices.collect();
        self.store
            .insert_notices(Scope::system(), self.clinic, None, notices, Vec::new())
            .await
            .expect("notices");
    }

    /// Damages one waiting row of the outbox at rest.
    pub async fn poison_outbox_row(&self, index: usize) {
        let mut raw = bedside_store::raw::Raw::connect(&self.database.url()).expect("a connection");
        raw.execute(
            &format!("UPDATE outbox SET doc_sealed = message_id_bytes WHERE notice_key = 'test:{index}'")
                .replace("message_id_bytes", self.database.some_bytes()),
        )
        .expect("a damaged row");
    }

    /// Runs a statement on the database, for what no route does.
    pub fn execute(&self, sql: &str) {
        let mut raw = bedside_store::raw::Raw::connect(&self.database.url()).expect("a connection");
        raw.execute(sql).expect("a statement");
    }

    /// What a query's column `value` holds, for what no route shows.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        let mut raw = bedside_store::raw::Raw::connect(&self.database.url()).expect("a connection");
        raw.texts(sql).expect("rows")
    }

    /// Takes away a table that readiness reads.
    pub fn lose_a_table(&self) {
        self.execute("ALTER TABLE watch RENAME TO watch_elsewhere");
    }

    /// A write that finds its row there already, however often it is tried.
    pub async fn lose_every_race(&self) {
        let link = NewLink {
            id: self.fresh::<LinkId>(),
            target: LinkTarget::Account {
                person: self.id("nurse"),
            },
            expires_at: self.now() + minutes(60),
        };
        let insert = || self.store.insert_link(Scope::system(), self.clinic, link);
        insert().await.expect("a link");
        insert().await.expect_err("the same link twice");
    }

    /// Damages a session at rest: no rule can be run on it any more.
    pub fn poison_session(&self, session: &str) {
        let bytes = self.database.some_bytes();
        let sql = format!(
            "CREATE TABLE poisoned AS SELECT id, doc_sealed FROM sessions WHERE id = '{session}'; \
             UPDATE sessions SET doc_sealed = {bytes} WHERE id = '{session}'"
        );
        self.execute(&sql);
    }

    /// Puts back what [`Clinic::poison_session`] damaged.
    pub fn heal_session(&self, session: &str) {
        let sql = format!(
            "UPDATE sessions SET doc_sealed = (SELECT poisoned.doc_sealed FROM poisoned) WHERE id = '{session}'; \
             DROP TABLE poisoned"
        );
        self.execute(&sql);
    }

    /// Both clocks go on by so many minutes, a minute at a time, the worker running.
    pub async fn live_through(&mut self, for_minutes: i64) {
        for _ in 0..for_minutes {
            self.clocks.set_clinical(self.now() + minutes(1));
            self.clocks.advance_machine(Duration::seconds(59));
            self.cycle().await;
        }
    }

    /// Where the database is, for another process.
    pub fn database_url(&self) -> String {
        self.database.url()
    }

    /// How many lines the audit trail has.
    pub async fn audit_length(&self) -> usize {
        let mut raw = bedside_store::raw::Raw::connect(&self.database.url()).expect("a connection");
        raw.texts("SELECT chain AS value FROM audit").expect("rows").len()
    }

    /// How many rows of the outbox were sent.
    pub async fn mails_sent(&self) -> usize {
        let mut raw = bedside_store::raw::Raw::connect(&self.database.url()).expect("a connection");
        raw.texts("SELECT id AS value FROM outbox WHERE state = 'sent'")
            .expect("rows")
            .len()
    }

    /// A test that leaves work in the outbox fails here, and so does a broken audit chain.
    pub async fn nothing_is_left_to_send(&mut self) {
        self.cycle().await;
        let mut raw = bedside_store::raw::Raw::connect(&self.database.url()).expect("a connection");
        let now_ms = self.now().timestamp_millis();
        let sql = format!(
            "SELECT notice_key AS value FROM outbox WHERE state IN ('pending', 'leased') AND not_before <= {now_ms}"
        );
        let waiting = raw.texts(&sql).expect("rows");
        assert!(waiting.is_empty(), "left in the outbox: {waiting:?}");
        let report = self.store.verify_audit(None).await.expect("a report");
        assert!(report.faults.is_empty(), "{report:?}");
    }
}

fn worker_settings(base: &str) -> WorkerSettings {
    let mail = MailSettings::new("Care messages", "care@bedside.test", "bedside.test", base, "911");
    WorkerSettings::new(mail.expect("mail settings"))
}
