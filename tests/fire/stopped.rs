//! A worker that is asked to stop (`SIGTERM`) in the middle of a send.

use std::time::Duration;

use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::program::now;
use bedside_tests::site::{Site, within};
use bedside_tests::smtp_server::{Fault, ReceivedMail, Script, SmtpServer, Stage};

use crate::PROGRAM;

on_both_engines!(
    a_worker_asked_to_stop_lets_the_mails_in_flight_end,
    a_worker_asked_to_stop_gives_back_what_does_not_end,
);

/// The worker's own patience with sends that have begun, and time for the rest.
const GRACE: Duration = Duration::from_secs(8 + 4);

/// What was given back goes out when another worker looks, and not when a lease runs out.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(4);

/// Bounds: the process ends with status 0 as soon as its mails are answered; each is recorded and none is sent twice.
async fn a_worker_asked_to_stop_lets_the_mails_in_flight_end(engine: Database) {
    let answers_after = Duration::from_secs(2);
    let server = SmtpServer::start(Script::new().fault(Stage::FinalDot, Fault::LateReply(answers_after)));
    let site = Site::open(engine).await;
    site.queue_escalations("mail", 3).await;
    let surroundings = site.surroundings(PROGRAM).mailing(server.address());
    let worker = surroundings.start("worker");
    within(GRACE, "three mails in flight", || {
        (server.received().len() == 3).then_some(())
    });
    worker.stops_within(answers_after + TAKEN_UP_WITHIN);
    assert_eq!(site.states(), ["sent 3"]);

    let next = site.start_worker(&surroundings);
    next.stops_within(GRACE);
    assert_eq!(server.received().len(), 3, "nothing goes out twice");
    site.all_has_ended().await;
}

/// Bounds: the process ends with status 0 within its grace; another worker sends what was in flight within 4 s of its
/// first heartbeat; a mail whose final dot had not left exists once, an escalation whose had twice at most, byte for byte the
/// same, and a reminder whose had once.
async fn a_worker_asked_to_stop_gives_back_what_does_not_end(engine: Database) {
    let before_the_dot = tokio::spawn(stuck_at(engine, Stage::Data));
    let after_the_dot = tokio::spawn(stuck_at(engine, Stage::FinalDot));
    let (given, sent) = before_the_dot.await.expect("no mail doubled or lost");
    assert!(given.is_empty() && sent.len() == 4);
    let (given, sent) = after_the_dot.await.expect("no mail lost");
    assert_eq!((given.len(), sent.len()), (4, 3));
    let is_reminder = |mail: &ReceivedMail| mail.to.iter().any(|to| to.starts_with("reminder"));
    let (reminder, given): (Vec<_>, Vec<_>) = given.into_iter().partition(is_reminder);
    assert_eq!(reminder.len(), 1);
    for first in &given {
        let again = sent
            .iter()
            .find(|mail| mail.to == first.to)
            .expect("a second copy");
        assert!(first.data == again.data, "the second copy is another mail");
    }
}

/// Three escalations and a reminder are stuck with a server that went silent at `stage`; the worker is asked to stop, another one starts. What
/// the silent server has, and what the other one took.
async fn stuck_at(engine: Database, stage: Stage) -> (Vec<ReceivedMail>, Vec<ReceivedMail>) {
    let silent = SmtpServer::start(Script::new().fault(stage, Fault::Stall));
    let good = SmtpServer::start(Script::new());
    let site = Site::open(engine).await;
    site.queue_escalations("mail", 3).await;
    site.queue_reminder("reminder").await;
    let surroundings = site.surroundings(PROGRAM);
    let worker = surroundings.mailing(silent.address()).start("worker");
    within(GRACE, "four mails that are stuck", || {
        let stuck = silent.commands().iter().filter(|verb| *verb == "DATA").count() == 4;
        let arrived = stage != Stage::FinalDot || silent.unacknowledged().len() == 4;
        (stuck && arrived).then_some(())
    });
    let took = worker.stops_within(GRACE);
    println!("{engine:?}: a worker with mails stuck at {stage:?} stopped after {took:?}");
    let (given_back, ended, goes): (&[&str], &[&str], usize) = if stage == Stage::FinalDot {
        (
            &["failed ambiguous 1", "pending 3"],
            &["failed ambiguous 1", "sent 3"],
            3,
        )
    } else {
        (&["pending 4"], &["sent 4"], 4)
    };
    assert_eq!(site.states(), given_back);

    let next = site.start_worker(&surroundings.mailing(good.address()));
    let watches_at = now();
    within(TAKEN_UP_WITHIN, "the mails at the other server", || {
        (good.received().len() == goes).then_some(())
    });
    let took = now() - watches_at;
    println!("{engine:?}: taken up {took:?} after the next worker's first heartbeat");
    next.stops_within(GRACE);
    assert_eq!(site.states(), ended);
    site.all_has_ended().await;
    (silent.unacknowledged(), good.received())
}
