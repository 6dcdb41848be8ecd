//! A clinic on real processes: the program's API and workers, people on call, and patients who can press help.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bedside_protocol::id::{ClinicId, Ids, LinkId, PersonId};
use bedside_protocol::people::{EmergencyContact, OnCallPlace, StaffRole};
use bedside_protocol::record::{LinkTarget, NewLink};
use bedside_protocol::time::{Zone, minutes};
use bedside_store::raw::Raw;
use bedside_store::{Keys, NewAccount, NewClinic, NewPatient, Scope, Store, StoreSettings, SystemClocks};
use bedside_tests::http::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::system::{Process, eventually, free_port, succeed};

/// Everybody's password.
const PASSWORD: &str = "correct horse battery staple";

/// The key of every database here.
const MASTER_KEY: [u8; 32] = [7; 32];

/// Who is on call; an address each at `clinic.example`.
const STAFF: [(&str, StaffRole, OnCallPlace); 6] = [
    ("nurse", StaffRole::Nurse, OnCallPlace::Nurse),
    ("backup", StaffRole::Nurse, OnCallPlace::Backup),
    ("prescriber", StaffRole::Prescriber, OnCallPlace::Prescriber),
    ("manager", StaffRole::Manager, OnCallPlace::Manager),
    (
        "administrator",
        StaffRole::Administrator,
        OnCallPlace::Administrator,
    ),
    ("fallback", StaffRole::Manager, OnCallPlace::Fallback),
];

/// Where mail goes and how.
#[derive(Debug, Clone, Default)]
pub struct Mail {
    /// `BEDSIDE_MAIL`.
    pub relay: String,
    /// `BEDSIDE_SMTP_PASSWORD`.
    pub password: Option<String>,
    /// `BEDSIDE_SMTP_ROOT_CERTIFICATES`.
    pub root_certificates: Option<PathBuf>,
}

/// A patient who is logged in.
#[derive(Clone)]
pub struct Patient {
    /// Who.
    pub id: PersonId,
    /// Their telephone.
    pub client: Client,
}

/// A row of the outbox.
#[derive(Debug, Clone)]
pub struct OutboxRow {
    /// Whom it is about.
    pub subject: String,
    /// Message-ID with its brackets.
    pub message_id: String,
    /// How it stands.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What kind of failure the last attempt was; empty if it was none.
    pub class: String,
    /// Who it is for: an id.
    pub recipient: String,
}

/// The clinic.
pub struct Site {
    /// The store as another process sees it.
    pub store: Store,
    /// A client without a log-in.
    pub http: Client,
    folder: TempDir,
    url: String,
    mail: Mail,
    clinic: ClinicId,
    staff: BTreeMap<&'static str, PersonId>,
    api: Process,
    workers: Vec<Process>,
}

impl Site {
    /// A clinic on the database at `url`, which has no table yet: migrated, staffed, served, and watched by `workers`.
    pub async fn open(url: &str, mail: Mail, workers: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let address: SocketAddr = ([127, 0, 0, 1], free_port()).into();
        let mut migrate = program(&folder, url, &mail, address);
        succeed(migrate.arg("migrate"));
        let mut settings = StoreSettings::new(url);
        "bedside.example".clone_into(&mut settings.mail_domain);
        let store = Store::open(settings, Arc::new(SystemClocks), Keys::from_master(MASTER_KEY))
            .await
            .expect("a store");
        let api = Process::start(
            "api",
            program(&folder, url, &mail, address).args(["api", "--development"]),
            &folder.path().join("api.log"),
        );
        let http = Client::new(&format!("http://{address}"));
        eventually(Duration::from_mins(1), "the API listens", || {
            std::net::TcpStream::connect(address).is_ok()
        });
        let new = NewClinic {
            slug: "willow".to_owned(),
            name: "Willow Clinic".to_owned(),
            zone: Zone::named("America/New_York").expect("a zone"),
            phone: "+1 555 0150".to_owned(),
        };
        let clinic = store.create_clinic(Scope::system(), new).await;
        let mut site = Self {
            store,
            http,
            folder,
            url: url.to_owned(),
            mail,
            clinic: clinic.expect("a clinic").id,
            staff: BTreeMap::new(),
            api,
            workers: Vec::new(),
        };
        site.hire().await;
        for _ in 0..workers {
            site.start_worker();
        }
        site.wait_until_ready(Duration::from_mins(1));
        site
    }

    async fn hire(&mut self) {
        let mut list = Vec::new();
        for (name, role, place) in STAFF {
            let new = NewAccount {
                email: format!("{name}@clinic.example"),
                name: name.to_owned(),
                phone: "+1 555 0151".to_owned(),
                roles: vec![role],
            };
            let id = self.store.create_account(Scope::system(), self.clinic, new).await;
            let id = id.expect("an account");
            list.push((place, id));
            self.staff.insert(name, id);
        }
        let set = self.store.set_on_call(Scope::system(), self.clinic, list).await;
        set.expect("an on-call list");
        // Whoever is on call was reached just now, so that no test message mixes with the mails that are counted.
        for person in self.staff.values() {
            let noted = self.store.note_reached(Scope::system(), self.clinic, *person);
            noted.await.expect("a note");
        }
    }

    /// Starts a worker; gives its number.
    pub fn start_worker(&mut self) -> usize {
        let number = self.workers.len();
        let address = ([127, 0, 0, 1], free_port()).into();
        let worker = Process::start(
            "worker",
            program(&self.folder, &self.url, &self.mail, address).args(["worker", "--development"]),
            &self.log(number),
        );
        self.workers.push(worker);
        number
    }

    /// What a worker said.
    pub fn said(&self, worker: usize) -> String {
        std::fs::read_to_string(self.log(worker)).unwrap_or_default()
    }

    fn log(&self, worker: usize) -> PathBuf {
        self.folder.path().join(format!("worker-{worker}.log"))
    }

    /// Stops all workers politely; the next ones send their mail as `mail` says.
    pub fn stop_workers(&mut self, mail: Mail) {
        for worker in &mut self.workers {
            worker.signal("TERM");
            worker.wait();
        }
        self.mail = mail;
    }

    /// Whether the program is as it was started: the API and every worker are alive.
    pub fn all_live(&mut self) -> bool {
        self.api.lives() && self.workers.iter_mut().all(Process::lives)
    }

    /// Waits until `/health/ready` is green; gives how long that took.
    #[track_caller]
    pub fn wait_until_ready(&self, limit: Duration) -> Duration {
        eventually(limit, "the clinic is ready", || {
            self.http.get("/health/ready").status == 200
        })
    }

    /// The parts of readiness that are red, by name.
    pub fn red_parts(&self) -> BTreeSet<String> {
        let ready = self.http.get("/health/ready").json();
        let parts = ready["parts"].as_array().expect("parts").iter();
        let red = parts.filter(|part| part["ok"] == json!(false));
        red.filter_map(|part| part["name"].as_str().map(ToOwned::to_owned))
            .collect()
    }

    /// Patients who are logged in on their telephones.
    pub async fn patients(&self, count: usize) -> Vec<Patient> {
        let mut hash = None;
        let mut patients = Vec::new();
        for number in 0..count {
            let email = format!("patient-{number}@home.example");
            let new = NewPatient {
                name: "Robin Quillfeather".to_owned(),
                first_name: "Robin".to_owned(),
                email: email.clone(),
                phone: "+1 555 0100".to_owned(),
                address: "12 Larch Street, Albany".to_owned(),
                zone: Zone::named("America/New_York").expect("a zone"),
                emergency_contact: EmergencyContact {
                    name: "Lee Quillfeather".to_owned(),
                    phone: "+1 555 0102".to_owned(),
                },
            };
            let made = self.store.create_patient(Scope::system(), self.clinic, new).await;
            let id = made.expect("a patient").id;
            if let Some(hash) = &hash {
                let set = self
                    .store
                    .set_password_hash(Scope::system(), id, String::clone(hash));
                assert!(set.await.expect("a password"));
            } else {
                self.set_password(id).await;
                let account = self.store.find_account(Scope::system(), id).await;
                hash = account.expect("an account").expect("an account").password_hash;
            }
            // Each from an address of their own, as the proxy in front says: limits on tries go by it.
            let address = format!("10.0.{}.{}", number / 250, number % 250);
            let http = self.http.with("x-forwarded-for", &address);
            let body = json!({"clinic": "willow", "email": email, "password": PASSWORD});
            let answer: Value = http.post("/v1/login", &body).expect(200).json();
            let client = http.bearer(answer["access_token"].as_str().expect("a token"));
            patients.push(Patient { id, client });
        }
        patients
    }

    async fn set_password(&self, person: PersonId) {
        let (keys, now) = (self.store.keys(), self.store.clocks().clinical_now());
        let link = NewLink {
            id: Ids::new(now, &mut |bytes| keys.random(bytes)).fresh::<LinkId>(),
            target: LinkTarget::Account { person },
            expires_at: now + minutes(60),
        };
        let path = format!("/v1/account/{}", keys.link_token(link.id));
        let inserted = self.store.insert_link(Scope::system(), self.clinic, link).await;
        inserted.expect("a link");
        let answer = self.http.post(&path, &json!({ "password": PASSWORD }));
        assert!(answer.status < 300, "{} {}", answer.status, answer.body);
    }

    /// The escalations of cases in the outbox, in the order they were written.
    pub fn escalations(&self) -> Vec<OutboxRow> {
        let mut raw = Raw::connect(&self.url).expect("a connection");
        let rows = raw
            .texts(
                "SELECT coalesce(subject_id, '') || ' ' || message_id || ' ' || state || ' ' || attempts || ' ' || \
                 recipient_id || ' ' || coalesce(last_class, '') AS value \
                 FROM outbox WHERE about_kind = 'case' ORDER BY id",
            )
            .expect("rows");
        rows.iter()
            .map(|row| {
                let mut fields = row.split(' ').map(ToOwned::to_owned);
                let mut next = || fields.next().expect("a field");
                OutboxRow {
                    subject: next(),
                    message_id: next(),
                    state: next(),
                    attempts: next().parse().expect("a number"),
                    recipient: next(),
                    class: next(),
                }
            })
            .collect()
    }

    /// The id of a member of staff, such as `nurse`.
    pub fn staff(&self, name: &str) -> String {
        self.staff.get(name).expect("a member of staff").to_string()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for file in ["api.log", "worker-0.log", "worker-1.log"] {
                let said = std::fs::read_to_string(self.folder.path().join(file)).unwrap_or_default();
                let tail: Vec<&str> = said.lines().rev().take(12).collect();
                eprintln!("{file}, last lines first: {tail:#?}");
            }
        }
    }
}

fn program(folder: &TempDir, url: &str, mail: &Mail, listen: SocketAddr) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bedside"));
    command
        .current_dir(folder.path())
        .env_clear()
        .env("BEDSIDE_DATA_DIR", folder.path())
        .env("BEDSIDE_DATABASE_URL", url)
        .env("BEDSIDE_MASTER_KEY", STANDARD.encode(MASTER_KEY))
        .env("BEDSIDE_LISTEN", listen.to_string())
        .env("BEDSIDE_PUBLIC_BASE_URL", format!("http://{listen}"))
        .env("BEDSIDE_TRUSTED_PROXY", "yes")
        .env("BEDSIDE_MAIL", &mail.relay)
        .env("BEDSIDE_MAIL_FROM", "care@bedside.example")
        .env("BEDSIDE_DRILL", "off");
    if let Some(password) = &mail.password {
        command.env("BEDSIDE_SMTP_PASSWORD", password);
    }
    if let Some(path) = &mail.root_certificates {
        command.env("BEDSIDE_SMTP_ROOT_CERTIFICATES", path);
    }
    command
}
