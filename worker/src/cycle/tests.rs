//! One worker on a real SQLite file and a real mail folder, the clocks moved by hand.

use bedside_protocol::duty::Lane;
use bedside_protocol::helping::help_between_sessions;
use bedside_protocol::id::{ClinicId, NoticeId, PersonId};
use bedside_protocol::notice::{About, Message, Notice, Recipient, Who};
use bedside_protocol::people::{Caller, EmergencyContact, OnCallPlace, StaffRole};
use bedside_protocol::time::{Instant, Zone, minutes};
use bedside_store::raw::Raw;
use bedside_store::{Clocks, Keys, NewAccount, NewClinic, NewPatient, Scope, StoreSettings};
use mail_parser::MessageParser;
use uuid::Uuid;

use super::*;
use crate::folder::MailFolder;
use crate::housekeeping::Job;
use crate::mail::MailSettings;

/// Both clocks, moved by hand.
struct Hand(AtomicI64);

impl Hand {
    fn advance(&self, by_s: i64) {
        self.0.fetch_add(by_s * 1000, Ordering::SeqCst);
    }
}

impl Clocks for Hand {
    fn clinical_now(&self) -> Instant {
        Instant::from_timestamp_millis(self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn machine_now(&self) -> Instant {
        self.clinical_now()
    }
}

struct Clinic {
    worker: Worker,
    clocks: Arc<Hand>,
    folder: Arc<MailFolder>,
    id: ClinicId,
    url: String,
    _files: tempfile::TempDir,
}

async fn clinic() -> Clinic {
    let files = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", files.path().join("clinic.db").display());
    let start: Instant = "2026-11-21T15:00:00Z".parse().unwrap();
    let clocks = Arc::new(Hand(AtomicI64::new(start.timestamp_millis())));
    let mut settings = StoreSettings::new(&url);
    settings.mail_domain = "mail.example".into();
    Store::migrate(&settings).await.unwrap();
    let store = Store::open(settings, clocks.clone(), Keys::from_master([7; 32]))
        .await
        .unwrap();
    store
        .ensure_protocol(include_str!("../../../protocol/documents/default-2.json"))
        .await
        .unwrap();
    let new = NewClinic {
        slug: "harbor".into(),
        name: "Harbor".into(),
        zone: Zone::named("America/New_York").unwrap(),
        phone: "+1 555 0100".into(),
    };
    let id = store.create_clinic(Scope::system(), new).await.unwrap().id;
    let folder = Arc::new(MailFolder::new(files.path().join("mails")).unwrap());
    let mail = MailSettings::new(
        "Reminders",
        "r@mail.example",
        "mail.example",
        "https://a.example",
        "911",
    )
    .unwrap();
    let mut settings = WorkerSettings::new(mail);
    settings.cycle_ms = 20;
    let worker = Worker::new(store, Transport::folder(folder.clone()), settings, "worker-1");
    Clinic {
        worker,
        clocks,
        folder,
        id,
        url,
        _files: files,
    }
}

/// A mail as its recipient sees it.
struct Mail {
    to: String,
    subject: String,
    text: String,
}

impl Clinic {
    fn mails(&self) -> Vec<Mail> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        files
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|it| it == "eml"))
            .map(|path| {
                let bytes = std::fs::read(path).unwrap();
                let mail = MessageParser::default().parse(&bytes).unwrap();
                let to = mail.to().and_then(|to| to.first()?.address());
                Mail {
                    to: to.unwrap().to_owned(),
                    subject: mail.subject().unwrap().to_owned(),
                    text: mail.body_text(0).unwrap().into_owned(),
                }
            })
            .collect()
    }

    fn mails_to(&self, address: &str) -> usize {
        self.mails().iter().filter(|mail| mail.to == address).count()
    }

    fn row(&self, columns: &str, id: NoticeId) -> Vec<String> {
        let mut raw = Raw::connect(&self.url).unwrap();
        raw.texts(&format!(
            "SELECT {columns} AS value FROM outbox WHERE id = '{id}'"
        ))
        .unwrap()
    }

    /// A message that belongs to nothing, to `number`@inbox.example.
    fn message(&self, number: u128) -> Notice {
        Notice {
            id: NoticeId::from(Uuid::from_u128(0x1000 + number)),
            key: format!("test:{number}"),
            lane: Lane::Reminder,
            to: Recipient {
                who: Who::Staff(PersonId::from(Uuid::from_u128(number))),
                email: format!("n{number}@inbox.example"),
            },
            about: About::Information,
            message: Message::Test {
                at: self.clocks.clinical_now(),
                zone: Zone::UTC,
            },
            not_before: self.clocks.clinical_now(),
            stale_after: None,
            thread: None,
        }
    }

    async fn put(&self, notices: Vec<Notice>) {
        let store = self.worker.store();
        store
            .insert_notices(Scope::system(), self.id, None, notices, Vec::new())
            .await
            .unwrap();
    }

    async fn staff(&self, name: &str, email: &str) -> PersonId {
        let new = NewAccount {
            email: email.into(),
            name: name.into(),
            phone: String::new(),
            roles: vec![StaffRole::Nurse],
        };
        let store = self.worker.store();
        store.create_account(Scope::system(), self.id, new).await.unwrap()
    }

    async fn patient(&self) -> PersonId {
        let new = NewPatient {
            name: "Ana Example".into(),
            first_name: "Ana".into(),
            email: "ana@home.example".into(),
            phone: "+1 555 0101".into(),
            address: "1 Sea Road".into(),
            zone: Zone::named("America/New_York").unwrap(),
            emergency_contact: EmergencyContact {
                name: "Ben".into(),
                phone: "+1 555 0102".into(),
            },
        };
        let store = self.worker.store();
        store
            .create_patient(Scope::system(), self.id, new)
            .await
            .unwrap()
            .id
    }

    async fn help(&self, patient: PersonId) {
        let scope = Scope::of(self.id, Caller::Patient { person: patient });
        let store = self.worker.store();
        store
            .decide_patient(scope, patient, None, |record, context| {
                help_between_sessions(record, None, None, context).map(|(decision, _)| (decision, ()))
            })
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_row_among_a_hundred_keeps_nobody_waiting() {
    let clinic = clinic().await;
    let mut notices: Vec<Notice> = (0..100).map(|number| clinic.message(number)).collect();
    notices[10].to.email = "not an address".into();
    // The template's own formatting panics on a time that no zone can show.
    notices[20].message = Message::Test {
        at: Instant::MAX_UTC,
        zone: Zone::named("Asia/Tokyo").unwrap(),
    };
    let (bad_address, panics, broken) = (notices[10].id, notices[20].id, notices[30].id);
    clinic.put(notices).await;
    Raw::connect(&clinic.url)
        .unwrap()
        .execute(&format!(
            "UPDATE outbox SET doc_sealed = x'00' WHERE id = '{broken}'"
        ))
        .unwrap();

    let report = clinic.worker.cycle().await;
    assert!(report.verified, "{report:?}");
    assert_eq!(
        (report.deliver.claimed, report.deliver.sent, report.deliver.failed),
        (100, 97, 3)
    );
    assert_eq!(clinic.mails().len(), 97);
    assert_eq!(
        clinic.row("state || ' ' || why", bad_address),
        ["failed bad_address"]
    );
    assert_eq!(clinic.row("state || ' ' || why", panics), ["failed panic"]);
    assert_eq!(clinic.row("state || ' ' || why", broken), ["failed broken_row"]);
    assert_eq!(clinic.worker.deliver().await.claimed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_waits_for_its_time_and_is_dropped_after_its_use() {
    let clinic = clinic().await;
    let mut later = clinic.message(1);
    later.not_before += minutes(10);
    let mut stale = clinic.message(2);
    stale.stale_after = Some(stale.not_before + minutes(5));
    stale.not_before += minutes(1);
    let (later_id, stale_id) = (later.id, stale.id);
    clinic.put(vec![later, stale]).await;
    assert_eq!(clinic.worker.deliver().await.claimed, 0);

    clinic.clocks.advance(10 * 60);
    let report = clinic.worker.deliver().await;
    assert_eq!((report.sent, report.dropped), (1, 1));
    assert_eq!(clinic.mails_to("n1@inbox.example"), 1);
    assert_eq!(clinic.row("state", later_id), ["sent"]);
    assert_eq!(clinic.row("state || ' ' || why", stale_id), ["dropped stale"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_what_is_stale_ends_many_at_a_time_and_the_rest_goes_out() {
    let clinic = clinic().await;
    let stale_after = Some(clinic.clocks.clinical_now() + minutes(30));
    let reminders = (0..2_000).map(|number| Notice {
        stale_after,
        ..clinic.message(number)
    });
    clinic.put(reminders.collect()).await;
    let mut escalation = clinic.message(5_000);
    escalation.lane = Lane::Escalation;
    clinic.put(vec![escalation, clinic.message(6_000)]).await;

    clinic.clocks.advance(6 * 3600);
    let report = clinic.worker.deliver().await;
    assert_eq!((report.sent, report.dropped), (2, 2_000));
    assert!(report.claimed < 200, "{report:?}");
    assert_eq!(clinic.mails().len(), 2);
    assert_eq!(clinic.worker.store().count_waiting().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_mail_is_tried_again_by_the_table_and_is_the_same_mail() {
    let clinic = clinic().await;
    let notice = clinic.message(1);
    let id = notice.id;
    clinic.put(vec![notice]).await;
    // Nothing can be written into the folder for now.
    let path = clinic.folder.path().to_owned();
    let away = path.with_extension("away");
    std::fs::rename(&path, &away).unwrap();
    assert_eq!(clinic.worker.deliver().await.retried, 1);
    let kept = clinic.row("hex(rendered_sealed)", id);
    assert_eq!(clinic.worker.deliver().await.claimed, 0, "not before its time");
    clinic.clocks.advance(5);
    assert_eq!(clinic.worker.deliver().await.retried, 1);
    clinic.clocks.advance(29);
    assert_eq!(
        clinic.worker.deliver().await.claimed,
        0,
        "30 s after the second failure"
    );
    std::fs::rename(&away, &path).unwrap();
    clinic.clocks.advance(1);
    assert_eq!(clinic.worker.deliver().await.sent, 1);
    assert_eq!(clinic.row("hex(rendered_sealed)", id), kept);
    assert_eq!(clinic.row("attempts || ' ' || state", id), ["3 sent"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_who_cannot_be_reached_costs_no_time_and_floods_nobody() {
    let clinic = clinic().await;
    let nurse = clinic.staff("Nora", "no address").await;
    let manager = clinic.staff("Max", "max@clinic.example").await;
    let list = vec![
        (OnCallPlace::Nurse, nurse),
        (OnCallPlace::Rota, manager),
        (OnCallPlace::Manager, manager),
        (OnCallPlace::Fallback, manager),
    ];
    let store = clinic.worker.store();
    store.set_on_call(Scope::system(), clinic.id, list).await.unwrap();
    let patient = clinic.patient().await;
    clinic.worker.cycle().await;
    clinic.help(patient).await;

    let before = clinic.mails_to("max@clinic.example");
    let report = clinic.worker.cycle().await;
    assert!(report.deliver.failed >= 1, "{report:?}");
    let to_max: Vec<Mail> = clinic
        .mails()
        .into_iter()
        .filter(|mail| mail.to == "max@clinic.example")
        .collect();
    let subjects: Vec<&str> = to_max.iter().map(|mail| mail.subject.as_str()).collect();
    assert!(
        subjects.iter().any(|subject| subject.starts_with("[P1] Case")),
        "{subjects:?}"
    );
    // By itself, or with another of its kind in one mail.
    assert!(
        to_max
            .iter()
            .any(|mail| mail.subject.starts_with("Mail to a contact")
                || mail.text.contains("Mail to a contact")),
        "{subjects:?}"
    );
    // The next rung, the one that repeats included, but no more than the ladder has.
    let told = clinic.mails_to("max@clinic.example") - before;
    assert!((2..=5).contains(&told), "{told}");

    // An hour of the last rung, which tells the bad address each time: every five minutes and not more often.
    let before = clinic.mails_to("max@clinic.example");
    for _ in 0..120 {
        clinic.clocks.advance(30);
        assert!(clinic.worker.cycle().await.verified);
    }
    let told = clinic.mails_to("max@clinic.example") - before;
    assert!((10..=16).contains(&told), "{told} mails in an hour");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_that_cannot_be_read_is_set_aside_and_found_again() {
    let clinic = clinic().await;
    let nurse = clinic.staff("Nora", "nora@clinic.example").await;
    let list = vec![(OnCallPlace::Nurse, nurse), (OnCallPlace::Fallback, nurse)];
    let store = clinic.worker.store();
    store.set_on_call(Scope::system(), clinic.id, list).await.unwrap();
    let patient = clinic.patient().await;
    clinic.help(patient).await;
    clinic.worker.cycle().await;
    clinic.clocks.advance(60 * 60);
    let mut raw = Raw::connect(&clinic.url).unwrap();
    raw.execute("CREATE TABLE kept AS SELECT profile_sealed FROM patients; UPDATE patients SET profile_sealed = x'00'")
        .unwrap();

    let report = clinic.worker.tick().await;
    assert_eq!((report.decided, report.failed, report.verified), (0, 1, false));
    let report = clinic.worker.tick().await;
    assert_eq!(
        (report.decided, report.failed, report.verified),
        (0, 0, true),
        "set aside"
    );
    raw.execute("UPDATE patients SET profile_sealed = (SELECT profile_sealed FROM kept)")
        .unwrap();
    clinic.clocks.advance(31);
    let report = clinic.worker.tick().await;
    assert_eq!((report.decided, report.failed, report.verified), (1, 0, true));
    assert_eq!(store.count_postponed().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_heartbeat_without_a_look_at_what_is_due() {
    let clinic = clinic().await;
    assert!(clinic.worker.cycle().await.verified);
    assert_eq!(
        clinic.worker.store().list_heartbeats().await.unwrap()[0].cycles,
        1
    );
    Raw::connect(&clinic.url)
        .unwrap()
        .execute("ALTER TABLE postponements RENAME TO gone")
        .unwrap();
    assert!(!clinic.worker.cycle().await.verified);
    assert_eq!(
        clinic.worker.store().list_heartbeats().await.unwrap()[0].cycles,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_worker_delivers_beats_keeps_house_and_stops() {
    let clinic = clinic().await;
    clinic
        .put((0..50).map(|number| clinic.message(number)).collect())
        .await;
    let (stop, stopped) = watch::channel(false);
    let worker = clinic.worker.clone();
    let running = tokio::spawn(async move { worker.run(stopped).await });
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let beats = clinic.worker.store().list_heartbeats().await.unwrap();
        if clinic.mails().len() == 50 && beats.first().is_some_and(|beat| beat.cycles > 2) {
            break;
        }
    }
    stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(5), running)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(clinic.mails().len(), 50);
    for job in Job::ALL {
        clinic.worker.keep_house(job).await.unwrap();
    }
}
