//! The daily drill: a duty that falls due for nobody goes the way of every alarm, to an accepted mail, or readiness is red.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::metrics::Scrape;
use bedside_tests::on_both_engines;
use bedside_tests::smtp_server::{Fault, Script, SmtpServer, Stage};
use bedside_worker::housekeeping::Job;
use bedside_worker::{Timetable, Worker};
use chrono::Duration;

on_both_engines!(
    a_drill_goes_the_whole_way_once_a_day_and_opens_no_case,
    a_drill_whose_mail_is_not_accepted_is_red_until_it_is_and_comes_once,
    a_drill_that_no_tick_looks_at_is_red_though_the_mail_server_is_well,
    drills_that_are_no_longer_held_are_red_until_they_are_switched_off,
    of_two_workers_one_holds_the_drill,
    a_drill_that_cannot_be_read_leaves_readiness_to_the_others,
    what_a_clock_that_was_ahead_wrote_down_puts_no_drill_off,
);

const SUBJECT: &str = "Daily test: alarms reach you";

/// A clinic whose worker holds a drill each day and mails to `server`.
async fn drilling(engine: Database, server: &SmtpServer) -> Clinic {
    let mut clinic = Clinic::open_at(engine, "2026-11-21T14:00:00Z").await;
    clinic.worker = worker(&clinic, server, "worker-drill");
    clinic
}

fn worker(clinic: &Clinic, server: &SmtpServer, name: &str) -> Worker {
    clinic.worker_by_smtp(server, name, |settings| {
        settings.drill = Some(Timetable::parse("0 11 13 * * *").expect("a timetable"));
    })
}

/// So much later the worker keeps house, if it is time to, and looks and sends. Whether it held a drill.
async fn later(clinic: &mut Clinic, by: Duration) -> bool {
    clinic.clocks.set_clinical(clinic.now() + by);
    clinic.clocks.advance_machine(by);
    // The first cycle after a pause finds that nobody watched.
    clinic.worker.cycle().await;
    let ran = clinic.worker.keep_house_if_due().await;
    clinic.cycle().await;
    ran.contains(&Job::Drill)
}

/// The addresses that got a drill's mail.
fn drilled(server: &SmtpServer) -> Vec<String> {
    let mails = server.received();
    let drills = mails
        .iter()
        .filter(|mail| String::from_utf8_lossy(&mail.data).contains(SUBJECT));
    drills.flat_map(|mail| mail.to.clone()).collect()
}

async fn a_drill_goes_the_whole_way_once_a_day_and_opens_no_case(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut clinic = drilling(engine, &server).await;
    let (client, _serving) = clinic.serve_metrics();
    assert!(
        later(&mut clinic, Duration::seconds(1)).await,
        "a first start drills"
    );
    let administrator = clinic.address("administrator");
    assert_eq!(drilled(&server), [administrator.as_str()]);
    assert_eq!(
        clinic.texts("SELECT CAST(lane AS TEXT) AS value FROM outbox WHERE subject_kind = 'clinic'"),
        ["0"],
        "in the lane of escalations"
    );
    assert!(clinic.texts("SELECT id AS value FROM cases").is_empty());
    assert!(clinic.red_parts().is_empty());

    // 13:11 UTC of the next day, and not before.
    assert!(!later(&mut clinic, Duration::hours(23)).await);
    clinic.clocks.advance_machine(Duration::seconds(1));
    assert!(Scrape::of(&client).value("bedside_drill_age_seconds") >= 23.0 * 3600.0);
    assert!(later(&mut clinic, Duration::minutes(12)).await);
    assert!(!later(&mut clinic, Duration::minutes(1)).await);
    assert_eq!(drilled(&server), [administrator.as_str(), administrator.as_str()]);
    assert!(clinic.red_parts().is_empty());
    clinic.nothing_is_left_to_send().await;
}

async fn a_drill_whose_mail_is_not_accepted_is_red_until_it_is_and_comes_once(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut clinic = drilling(engine, &server).await;
    server.set(Stage::Rcpt, Fault::Reply(451, "4.3.0 later".to_owned()));
    assert!(later(&mut clinic, Duration::seconds(1)).await);
    later(&mut clinic, Duration::seconds(61)).await;
    assert_eq!(clinic.red_parts(), ["escalations"], "as any alarm that waits");
    later(&mut clinic, Duration::minutes(119)).await;
    later(&mut clinic, Duration::minutes(1)).await;
    assert_eq!(clinic.red_parts(), ["escalations", "drill"]);
    for _ in 0..3 {
        later(&mut clinic, Duration::days(1)).await;
    }
    server.behave();
    later(&mut clinic, Duration::minutes(20)).await;
    assert_eq!(
        drilled(&server).len(),
        1,
        "what could not be sent does not pile up"
    );
    assert!(clinic.red_parts().is_empty());

    // An address that is refused for good: the next drill after it was mended proves the way again.
    server.refuse(&clinic.address("administrator"), 550, "5.1.1 no such user");
    later(&mut clinic, Duration::days(1)).await;
    later(&mut clinic, Duration::minutes(121)).await;
    assert_eq!(clinic.red_parts(), ["drill"]);
    server.behave();
    assert!(later(&mut clinic, Duration::days(1)).await);
    assert!(clinic.red_parts().is_empty());
}

async fn a_drill_that_no_tick_looks_at_is_red_though_the_mail_server_is_well(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut clinic = drilling(engine, &server).await;
    later(&mut clinic, Duration::seconds(1)).await;
    assert!(later(&mut clinic, Duration::days(1)).await);
    // Another day's drill loses its wake-up: nothing else than the auditor finds it.
    clinic.clocks.set_clinical(clinic.now() + Duration::minutes(1));
    clinic
        .store
        .open_drills(Duration::days(1))
        .await
        .expect("a drill");
    clinic.execute("UPDATE duties SET wake_at = NULL WHERE kind = 'drill'");
    clinic.clocks.set_clinical(clinic.now() + Duration::minutes(121));
    assert_eq!(clinic.red_parts(), ["drill"]);
    clinic.worker.prove().await.expect("a run of the auditor");
    assert_eq!(clinic.red_parts(), ["duties", "drill"]);
    clinic.cycle().await;
    assert_eq!(drilled(&server).len(), 3, "what the auditor mends goes on");
    clinic.worker.prove().await.expect("a run of the auditor");
    assert!(clinic.red_parts().is_empty());
}

async fn drills_that_are_no_longer_held_are_red_until_they_are_switched_off(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut clinic = drilling(engine, &server).await;
    later(&mut clinic, Duration::seconds(1)).await;
    // No housekeeping from now on, while the watch goes on.
    clinic.clocks.set_clinical(clinic.now() + Duration::hours(25));
    clinic.cycle().await;
    assert!(clinic.red_parts().is_empty());
    clinic.clocks.set_clinical(clinic.now() + Duration::hours(1));
    clinic.cycle().await;
    assert_eq!(clinic.red_parts(), ["drill"]);
    let other = clinic.another_worker().await;
    let ran = other.keep_house_if_due().await;
    assert!(!ran.contains(&Job::Drill), "this one holds none");
    assert!(clinic.red_parts().is_empty());
}

async fn of_two_workers_one_holds_the_drill(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut clinic = drilling(engine, &server).await;
    let (one, other) = (
        worker(&clinic, &server, "worker-one"),
        worker(&clinic, &server, "worker-other"),
    );
    let (ran, also_ran) = tokio::join!(one.keep_house_if_due(), other.keep_house_if_due());
    let held = ran.iter().chain(&also_ran).filter(|job| **job == Job::Drill);
    assert_eq!(held.count(), 1);
    // Both look at it.
    tokio::join!(one.tick(), other.tick());
    clinic.cycle().await;
    assert_eq!(drilled(&server).len(), 1);
}

async fn a_drill_that_cannot_be_read_leaves_readiness_to_the_others(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut clinic = drilling(engine, &server).await;
    later(&mut clinic, Duration::seconds(1)).await;
    clinic.execute("UPDATE duties SET doc = 'nonsense' WHERE kind = 'drill'");
    assert!(clinic.red_parts().is_empty());
    // The next is waited for as if it had said a day.
    clinic.clocks.set_clinical(clinic.now() + Duration::hours(27));
    clinic.cycle().await;
    assert_eq!(clinic.red_parts(), ["drill"]);
    assert!(later(&mut clinic, Duration::hours(24)).await);
    assert!(clinic.red_parts().is_empty());
}

async fn what_a_clock_that_was_ahead_wrote_down_puts_no_drill_off(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut clinic = drilling(engine, &server).await;
    later(&mut clinic, Duration::seconds(1)).await;
    let ten_days = 10 * 24 * 60 * 60 * 1000_i64;
    // A worker whose clocks were ten days ahead held a drill, and everything else that housekeeping does.
    clinic.execute(&format!(
        "UPDATE housekeeping SET ran_at = ran_at + {ten_days}; \
         UPDATE duties SET due_at = due_at + {ten_days} WHERE kind = 'drill'; \
         UPDATE outbox SET finished_at = finished_at + {ten_days} WHERE state = 'sent'; \
         UPDATE outbox_done SET finished_at = finished_at + {ten_days} WHERE state = 'sent'; \
         UPDATE accounts SET reached_at = reached_at + {ten_days}, test_asked_at = test_asked_at + {ten_days}"
    ));
    let known = drilled(&server).len();
    assert!(later(&mut clinic, Duration::days(1)).await, "the drill is held");
    assert!(drilled(&server).len() > known);
    let tests = server.received();
    let tests = tests
        .iter()
        .filter(|mail| String::from_utf8_lossy(&mail.data).contains("Can you be reached"));
    assert!(tests.count() > 0, "who is on call is asked");
    assert!(!clinic.red_parts().contains(&"drill".to_owned()));
}
