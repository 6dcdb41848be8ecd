//! A full disk under SQLite.
//!
//! The limit on a file's size (`RLIMIT_FSIZE`) of the processes stands for the disk: it needs no rights, works in every
//! container, takes effect and ends at once, and a write beyond it fails in the same place as one without room.

use std::time::Duration;

use bedside_store::{Clocks as _, SystemClocks};
use bedside_tests::database::Database;
use bedside_tests::program::now;
use bedside_tests::site::{Site, within};
use bedside_tests::smtp_server::{Fault, Script, SmtpServer, Stage};
use serde_json::json;

use crate::{PROGRAM, long};

/// Longer than a lease: what was sent and could not be written down must not go out again for that.
const FULL_FOR: Duration = Duration::from_secs(9);

/// Whoever reports something hears within this that it was not taken.
const REFUSED_WITHIN: Duration = Duration::from_secs(3);

/// From room again to everything as it should be.
const GOES_ON_WITHIN: Duration = Duration::from_secs(10);

/// Bounds: without room a report is answered 503 within 3 s and leaves nothing behind; what is only read is still shown; no heartbeat is
/// written (with `BEDSIDE_LONG=1`: and readiness turns red); the processes live. With room again, within 10 s, reports are
/// taken, mails go out and heartbeats are written; every mail was accepted once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_what_is_reported_and_loses_nothing() {
    let site = Site::open(Database::Sqlite).await;
    let session = site.dosed_session(0, SystemClocks.clinical_now()).await;
    let server =
        SmtpServer::start(Script::new().fault(Stage::FinalDot, Fault::LateReply(Duration::from_secs(1))));
    let surroundings = site.surroundings(PROGRAM).mailing(server.address());
    let worker = site.start_worker(&surroundings);
    let (api, base) = site.start_api(&surroundings);
    let nurse = site.nurse_at(&base).await;
    let report = || {
        let body = json!({"sbp": 125, "dbp": 80, "hr": 70});
        nurse.post(&format!("/v1/sessions/{session}/vitals"), &body)
    };
    let mut taken = 0;
    for _ in 0..3 {
        report().expect(200);
        taken += 1;
    }
    nurse.get("/health/ready").expect(200);
    site.queue_escalations("before", 3).await;
    within(GOES_ON_WITHIN, "three mails at their final dot", || {
        (server.received().len() == 3).then_some(())
    });

    let full_since = now();
    worker.limit_files(Some(1));
    api.limit_files(Some(1));
    site.queue_escalations("meanwhile", 3).await;
    let answered = report();
    let first_answer = now() - full_since;
    assert_eq!(
        (answered.status, answered.problem().as_str()),
        (503, "unavailable"),
        "{}",
        answered.body
    );
    let cycles = site.cycles_of(&worker);
    while now() - full_since < FULL_FOR {
        let asked_at = now();
        report().expect(503);
        let took = now() - asked_at;
        assert!(took <= REFUSED_WITHIN, "refused after {took:?}");
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(
        site.cycles_of(&worker),
        cycles,
        "a heartbeat without room for one"
    );
    // What needs no line in the audit trail is still shown.
    nurse.get("/v1/on-call").expect(200);
    assert_eq!(site.count("readings"), taken, "nothing is half written");
    assert!(
        worker.ended().is_none() && api.ended().is_none(),
        "the processes live"
    );
    if long() {
        within(Duration::from_mins(3), "red readiness", || {
            (nurse.get("/health/ready").status == 503).then_some(())
        });
    }

    let room_since = now();
    worker.limit_files(None);
    api.limit_files(None);
    within(GOES_ON_WITHIN, "a report that is taken", || {
        let answer = report();
        assert!([200, 503].contains(&answer.status), "{}", answer.body);
        (answer.status == 200).then_some(())
    });
    taken += 1;
    within(GOES_ON_WITHIN, "a heartbeat", || {
        (site.cycles_of(&worker) > cycles).then_some(())
    });
    within(GOES_ON_WITHIN, "all mails sent", || {
        (site.states() == ["sent 6"]).then_some(())
    });
    println!(
        "refused after {first_answer:?}; all went on {:?} after there was room",
        now() - room_since
    );
    nurse.get("/health/ready").expect(200);
    worker.stops_within(Duration::from_secs(12));
    api.stops_within(Duration::from_secs(12));

    assert_eq!(server.received().len(), 6, "a mail went out twice");
    assert_eq!(site.count("readings"), taken);
    let mut raw = site.raw();
    let integrity = raw.texts("SELECT integrity_check AS value FROM pragma_integrity_check");
    assert_eq!(integrity.expect("a check"), ["ok"]);
    site.all_has_ended().await;
}
