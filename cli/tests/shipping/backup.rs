//! `bedside backup` and `bedside restore`, and what a database that was put back does: what must be told is told again,
//! what is stale is not, and what nobody watched is a call.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bedside_protocol::time::minutes;
use bedside_store::raw::Raw;
use bedside_store::{Keys, Store, StoreSettings};
use bedside_tests::clinic::Clinic;
use bedside_tests::database::{self, Database, TestDatabase};
use bedside_tests::mails::{Mail, Mailbox};
use bedside_tests::on_both_engines;
use bedside_tests::play::{PATIENT, Play, SITTER};
use bedside_worker::folder::MailFolder;
use bedside_worker::{Transport, Worker};
use chrono::Duration;

use crate::{ends_with, key_of, postgres};

on_both_engines!(an_old_backup_goes_on_by_telling_again_and_by_calling);

/// A backup, and the database it is put back into.
struct PutBack {
    url: String,
    /// What `bedside restore` said.
    said: String,
    // Gone with the test.
    _place: TestDatabase,
}

/// A copy of a clinic's database, by the engine's own way.
fn back_up(clinic: &Clinic, folder: &Path) -> PathBuf {
    let (url, key) = (clinic.database().url(), key_of(clinic.master_key()));
    let settings = [
        ("BEDSIDE_DATABASE_URL", url.as_str()),
        ("BEDSIDE_MASTER_KEY", &key),
    ];
    let file = folder.join("backup");
    match clinic.database().engine() {
        Database::Sqlite => {
            let told = ends_with(0, folder, &settings, &["backup", "backup"]);
            assert!(told.contains("NOT in the backup"), "{told}");
        }
        Database::Postgres => postgres::dump(&url, &file),
    }
    file
}

/// The backup in a new place.
fn put_back(clinic: &Clinic, file: &Path, folder: &Path) -> PutBack {
    let key = key_of(clinic.master_key());
    let place = database::empty(clinic.database().engine());
    let url = place.url();
    let settings = [
        ("BEDSIDE_DATABASE_URL", url.as_str()),
        ("BEDSIDE_MASTER_KEY", &key),
    ];
    let said = match clinic.database().engine() {
        Database::Sqlite => ends_with(0, folder, &settings, &["restore", "backup"]),
        Database::Postgres => {
            postgres::restore(file, &url);
            let told = ends_with(0, folder, &settings, &["restore", "--check"]);
            assert!(told.contains("is good"), "{told}");
            ends_with(0, folder, &settings, &["restore", "--mark"])
        }
    };
    PutBack {
        url,
        said,
        _place: place,
    }
}

fn to_staff(mails: &[Mail]) -> BTreeMap<String, String> {
    let staff = mails.iter().filter(|mail| mail.to.ends_with("@clinic.example"));
    staff
        .map(|mail| (mail.message_id.clone(), mail.source.clone()))
        .collect()
}

async fn an_old_backup_goes_on_by_telling_again_and_by_calling(engine: Database) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.to_minute(27).await;
    let t0 = play.t0.expect("a dose");
    // The worker decides and does not send: a check is missed, its case climbs, and the next check is announced.
    for minute in [30, 34, 43] {
        play.clinic.clocks.set_clinical(t0 + minutes(minute));
        assert!(play.clinic.worker.tick().await.verified);
    }
    play.clinic.mailbox.fresh();
    let file = back_up(&play.clinic, folder.path());

    // After the backup the mails go out; then the database is lost.
    play.clinic.cycle().await;
    let first = play.clinic.mailbox.fresh();
    let told_first = to_staff(&first);
    assert!(told_first.len() >= 2, "nurse and backup: {first:?}");
    assert!(
        first.iter().any(|mail| mail.to == SITTER),
        "the reminder of the next check"
    );

    let back = put_back(&play.clinic, &file, folder.path());
    assert!(back.said.contains("may come a second time"), "{}", back.said);
    let settings = StoreSettings {
        mail_domain: "bedside.test".to_owned(),
        ..StoreSettings::new(back.url.clone())
    };
    let keys = Keys::from_master(play.clinic.master_key());
    let store = Store::open(settings, play.clinic.clocks.clone(), keys)
        .await
        .expect("a store");
    // Less than a gap's two minutes later: the mark makes it one all the same.
    play.clinic.clocks.advance_machine(Duration::seconds(5));
    let start = store.open_cycle("first").await.expect("a cycle");
    assert!(start.gap.is_some(), "nobody watched since the backup");

    play.worker_down_until_minute(70);
    let mails = tempfile::tempdir().expect("a folder");
    let transport = Transport::folder(Arc::new(MailFolder::new(mails.path()).expect("a mail folder")));
    let worker = Worker::new(
        store.clone(),
        transport,
        play.clinic.worker_settings(),
        "worker-after",
    );
    let mut mailbox = Mailbox::of(mails.path());
    let report = worker.cycle().await;
    assert!(report.verified, "{report:?}");

    let second = mailbox.fresh();
    let told_second = to_staff(&second);
    for (message_id, source) in &told_first {
        // Unless a newer one about the same round took its place: then the person hears by that.
        if let Some(again) = told_second.get(message_id) {
            assert_eq!(again, source, "the same mail once more, to the byte");
        }
    }
    for mail in first
        .iter()
        .filter(|mail| mail.to != SITTER && mail.to != PATIENT)
    {
        assert!(
            second.iter().any(|again| again.to == mail.to),
            "{} is not told again",
            mail.to
        );
    }
    assert!(
        second.iter().all(|mail| mail.to != SITTER && mail.to != PATIENT),
        "a stale reminder went out: {second:?}"
    );
    assert_eq!(
        told_second.len(),
        second.len(),
        "nothing twice in the second life"
    );

    let mut raw = Raw::connect(&back.url).expect("a connection");
    let unknown = raw
        .texts("SELECT kind AS value FROM duties WHERE state = 'unknown'")
        .expect("rows");
    assert!(
        unknown.len() >= 2,
        "what fell due meanwhile is unknown, not missed: {unknown:?}"
    );
    play.clinic.clocks.advance_machine(Duration::seconds(1));
    worker.cycle().await;
    assert!(mailbox.fresh().is_empty(), "and it is told once");
    let audit = store.verify_audit(None).await.expect("a report");
    assert!(audit.faults.is_empty() && audit.rows > 0, "{audit:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_may_have_begun_since_the_backup_is_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    // The program looks at the wall clock, by which the session's day is over long ago.
    let mut play = Play::planned(Clinic::open_at(Database::Sqlite, "2026-03-02T14:00:00Z").await).await;
    play.until_ready().await;
    let session = play.session.clone();
    back_up(&play.clinic, folder.path());
    let back = put_back(&play.clinic, &folder.path().join("backup"), folder.path());
    let (_, after) = back.said.split_once("RING ABOUT EACH").expect("a warning");
    assert!(after.contains(&session), "{}", back.said);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_taken_while_others_write_and_never_in_the_place_of_another_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let clinic = Clinic::open(Database::Sqlite).await;
    let (url, key) = (clinic.database().url(), key_of(clinic.master_key()));
    let settings = [
        ("BEDSIDE_DATABASE_URL", url.as_str()),
        ("BEDSIDE_MASTER_KEY", &key),
    ];
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let store = clinic.store.clone();
    let writing = tokio::spawn(async move {
        let mut written = 0;
        while stopped.try_recv().is_err() {
            store
                .close_cycle("busy", bedside_store::CycleStats::default())
                .await
                .expect("a write");
            written += 1;
        }
        written
    });
    let told = ends_with(0, folder, &settings, &["backup", "one.sqlite"]);
    stop.send(()).expect("a writer");
    assert!(writing.await.expect("no panic") > 0, "somebody wrote meanwhile");
    assert!(
        told.contains("6 accounts") && told.contains("1 clinics"),
        "{told}"
    );

    let mode = |name: &str| {
        let file = std::fs::metadata(folder.join(name)).expect("the file");
        file.permissions().mode() & 0o777
    };
    assert_eq!(mode("one.sqlite"), 0o600);
    let before = std::fs::read(folder.join("one.sqlite")).expect("the copy");
    let told = ends_with(1, folder, &settings, &["backup", "one.sqlite"]);
    assert!(told.contains("there already"), "{told}");
    assert_eq!(
        std::fs::read(folder.join("one.sqlite")).expect("the copy"),
        before
    );
    // In a folder it is named by the time.
    std::fs::create_dir(folder.join("kept")).expect("a folder");
    ends_with(0, folder, &settings, &["backup", "kept"]);
    let kept: Vec<_> = std::fs::read_dir(folder.join("kept"))
        .expect("a folder")
        .collect();
    assert_eq!(kept.len(), 1, "the copy and nothing beside it: {kept:?}");

    // Into the place of a database that is there it is not put back.
    let told = ends_with(1, folder, &settings, &["restore", "one.sqlite"]);
    assert!(told.contains("there already"), "{told}");
    // With another key it is no backup.
    let other = key_of([9; 32]);
    let wrong = [("BEDSIDE_MASTER_KEY", other.as_str())];
    let told = ends_with(1, folder, &wrong, &["restore", "one.sqlite"]);
    assert!(
        told.contains("WRONG  key") && told.contains("nothing was put back"),
        "{told}"
    );
    assert!(!folder.join("bedside.sqlite").exists());
    let right = [("BEDSIDE_MASTER_KEY", key.as_str())];
    ends_with(0, folder, &right, &["restore", "one.sqlite"]);
    assert_eq!(mode("bedside.sqlite"), 0o600);
    ends_with(0, folder, &right, &["restore", "--check"]);
    ends_with(0, folder, &right, &["audit", "verify"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_or_altered_backup_is_found_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let clinic = Clinic::open(Database::Sqlite).await;
    let (url, key) = (clinic.database().url(), key_of(clinic.master_key()));
    let settings = [
        ("BEDSIDE_DATABASE_URL", url.as_str()),
        ("BEDSIDE_MASTER_KEY", &key),
    ];
    ends_with(0, folder, &settings, &["backup", "good"]);
    let check = |name: &str| ends_with(1, folder, &settings, &["restore", "--check", name]);
    let altered = |name: &str, sql: &str| {
        std::fs::copy(folder.join("good"), folder.join(name)).expect("a copy");
        let mut raw = Raw::connect(&format!("sqlite:{}", folder.join(name).display())).expect("a connection");
        raw.execute(sql).expect("an alteration");
    };

    altered(
        "history",
        "DROP TRIGGER audit_refuses_update; UPDATE audit SET actor = 'nobody' WHERE seq = 1",
    );
    let told = check("history");
    assert!(
        told.contains("WRONG  audit") && told.contains("is NOT good"),
        "{told}"
    );

    altered("orphans", "PRAGMA foreign_keys = OFF; DELETE FROM clinics");
    let told = check("orphans");
    assert!(told.contains("refer to missing rows of clinics"), "{told}");

    altered(
        "newer",
        "INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')",
    );
    let told = check("newer");
    assert!(told.contains("newer program") && told.contains("9999"), "{told}");

    let mut bytes = std::fs::read(folder.join("good")).expect("the copy");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8_192].fill(0xa5);
    std::fs::write(folder.join("broken"), &bytes).expect("a file");
    check("broken");
    std::fs::write(
        folder.join("letter"),
        "Dear operator, this is no database at all.",
    )
    .expect("a file");
    let told = check("letter");
    assert!(told.contains("not a database"), "{told}");
    check("nothing");

    // A plain copy of a live database lacks what is still in its log.
    std::fs::write(folder.join("good-wal"), "a log").expect("a file");
    let told = check("good");
    assert!(told.contains("not a backup"), "{told}");
}

#[test]
fn the_files_of_a_new_database_are_their_owners_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let elsewhere = folder.path().join("elsewhere.sqlite");
    let url = format!("sqlite:{}", elsewhere.display());
    ends_with(0, folder.path(), &[("BEDSIDE_DATABASE_URL", &url)], &["migrate"]);
    let mode = std::fs::metadata(&elsewhere)
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
