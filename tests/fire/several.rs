//! Two and four worker processes on one database.

use std::collections::HashSet;
use std::time::Duration;

use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::program::now;
use bedside_tests::site::{Site, within};
use bedside_tests::smtp_server::{Fault, Script, SmtpServer, Stage};

use crate::PROGRAM;

on_both_engines!(several_workers_share_the_mails_and_send_each_once);

const MAILS: usize = 160;

/// What a mail server with a filter takes for a mail: long against our own work, so that the number of workers shows even
/// on a small machine.
const ANSWERS_AFTER: Duration = Duration::from_millis(300);

/// On PostgreSQL, mails a second of two and of four workers against one: at least.
const TWO_AGAINST_ONE: f64 = 1.4;
const FOUR_AGAINST_ONE: f64 = 1.8;

/// SQLite has one writer for all processes: claims and results of several wait for each other, so more of them need not be
/// faster. They must not be much slower: two and four against one, at least.
const SEVERAL_AGAINST_ONE_WITH_ONE_WRITER: f64 = 0.8;

/// Bounds: with one, two and four workers every mail is accepted once and recorded as sent; on PostgreSQL more workers
/// are faster, on SQLite not much slower, by the ratios above.
async fn several_workers_share_the_mails_and_send_each_once(engine: Database) {
    let mut rates = Vec::new();
    for workers in [1, 2, 4] {
        rates.push(rate_of(engine, workers).await);
    }
    let (two, four) = (rates[1] / rates[0], rates[2] / rates[0]);
    println!("{engine:?}: {rates:.0?} mails a second with 1, 2, 4 workers: {two:.2} and {four:.2} times one");
    let least = match engine {
        Database::Postgres => [TWO_AGAINST_ONE, FOUR_AGAINST_ONE],
        Database::Sqlite => [SEVERAL_AGAINST_ONE_WITH_ONE_WRITER; 2],
    };
    assert!(two >= least[0], "two workers are {two:.2} times as fast as one");
    assert!(
        four >= least[1],
        "four workers are {four:.2} times as fast as one"
    );
}

/// Mails a second.
async fn rate_of(engine: Database, workers: usize) -> f64 {
    let server = SmtpServer::start(Script::new().fault(Stage::FinalDot, Fault::LateReply(ANSWERS_AFTER)));
    let site = Site::open(engine).await;
    let surroundings = site.surroundings(PROGRAM).mailing(server.address());
    let running: Vec<_> = (0..workers).map(|_| surroundings.start("worker")).collect();
    for worker in &running {
        within(Duration::from_secs(20), "a first heartbeat", || {
            site.cycles_of(worker)
        });
    }
    let addresses = site.queue_escalations("mail", MAILS).await;
    let began_at = now();
    within(Duration::from_mins(1), "all mails", || {
        (server.received().len() >= MAILS).then_some(())
    });
    let took = now() - began_at;
    for worker in &running {
        worker.stops_within(Duration::from_secs(12));
    }
    let received = server.received();
    let distinct: HashSet<&String> = received.iter().flat_map(|mail| &mail.to).collect();
    assert_eq!(received.len(), MAILS, "{workers} workers sent a mail twice");
    assert!(
        addresses.iter().all(|address| distinct.contains(address)),
        "a mail was lost"
    );
    assert_eq!(site.states(), [format!("sent {MAILS}")]);
    site.all_has_ended().await;
    f64::from(u32::try_from(MAILS).expect("a small number")) / took.as_secs_f64()
}
