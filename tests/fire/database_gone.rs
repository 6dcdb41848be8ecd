//! PostgreSQL is killed under API and worker, and comes back.

use std::sync::Arc;
use std::time::Duration;

use bedside_store::{Clocks as _, Store, StoreSettings, SystemClocks};
use bedside_tests::cluster::Cluster;
use bedside_tests::program::now;
use bedside_tests::site::{Site, within};
use bedside_tests::smtp_server::{Fault, Script, SmtpServer, Stage};
use serde_json::json;

use crate::PROGRAM;

/// Mails of which some are on their way when the server dies.
const MAILS: usize = 60;

const AWAY_FOR: Duration = Duration::from_secs(4);

/// Whoever asks hears within this that it cannot be done.
const REFUSED_WITHIN: Duration = Duration::from_secs(3);

/// From a server that takes connections to everything as it should be: the pool's longest pause and a cycle.
const GOES_ON_WITHIN: Duration = Duration::from_secs(12);

/// Bounds: while PostgreSQL is away every request is answered 503 within 3 s and readiness is red; the worker lives and
/// goes on by itself within 12 s of its return; every mail is accepted once, those included that were on their way;
/// every report that was answered 200 is there, and a repeated one is there once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(sqlite_only, ignore = "BEDSIDE_TEST_SQLITE_ONLY=1")]
async fn a_postgresql_server_that_is_killed_and_started_again_loses_and_doubles_nothing() {
    let mut cluster = tokio::task::block_in_place(Cluster::start);
    let url = cluster.make_database("bedside");
    Store::migrate(&StoreSettings::new(url.clone()))
        .await
        .expect("the migrations");
    let site = Site::on(url, None, Arc::new(SystemClocks)).await;
    let session = site.dosed_session(0, SystemClocks.clinical_now()).await;
    let server =
        SmtpServer::start(Script::new().fault(Stage::FinalDot, Fault::LateReply(Duration::from_millis(500))));
    let surroundings = site.surroundings(PROGRAM).mailing(server.address());
    let worker = site.start_worker(&surroundings);
    let (api, base) = site.start_api(&surroundings);
    let nurse = site.nurse_at(&base).await;
    let report = |key: usize| {
        let body = json!({"sbp": 125, "dbp": 80, "hr": 70});
        let nurse = nurse.with("idempotency-key", &format!("reading-{key}"));
        nurse.post(&format!("/v1/sessions/{session}/vitals"), &body)
    };
    report(0).expect(200);
    nurse.get("/health/ready").expect(200);
    let cycles = site.cycles_of(&worker);
    site.queue_escalations("mail", MAILS).await;
    within(GOES_ON_WITHIN, "mails on their way", || {
        (server.received().len() >= 10).then_some(())
    });

    cluster.kill();
    let away_since = now();
    let mut asked = 1;
    while now() - away_since < AWAY_FOR {
        for (what, status) in [
            ("a report", report(asked).status),
            ("readiness", nurse.get("/health/ready").status),
        ] {
            assert_eq!(status, 503, "{what}");
        }
        asked += 1;
        std::thread::sleep(Duration::from_millis(100));
    }
    let asked_at = now();
    let answer = report(asked).expect(503);
    let took = now() - asked_at;
    assert!(took <= REFUSED_WITHIN, "refused after {took:?}");
    assert_eq!(answer.problem(), "unavailable", "{}", answer.body);
    assert!(
        worker.ended().is_none() && api.ended().is_none(),
        "the processes live"
    );

    tokio::task::block_in_place(|| cluster.start_again());
    let back_since = now();
    within(GOES_ON_WITHIN, "a report that is taken", || {
        let answer = report(0);
        assert!([200, 503].contains(&answer.status), "{}", answer.body);
        (answer.status == 200).then_some(())
    });
    for key in 1..=asked {
        within(GOES_ON_WITHIN, "the reports that were refused", || {
            (report(key).status == 200).then_some(())
        });
    }
    let taken_after = now() - back_since;
    within(GOES_ON_WITHIN, "a heartbeat", || {
        (site.cycles_of(&worker) > cycles).then_some(())
    });
    within(GOES_ON_WITHIN, "all mails sent", || {
        (site.states() == [format!("sent {MAILS}")]).then_some(())
    });
    println!(
        "reports were taken {taken_after:?}, all was sent {:?} after the return",
        now() - back_since
    );
    within(GOES_ON_WITHIN, "green readiness", || {
        (nurse.get("/health/ready").status == 200).then_some(())
    });
    worker.stops_within(Duration::from_secs(12));
    api.stops_within(Duration::from_secs(12));

    assert_eq!(server.received().len(), MAILS, "a mail went out twice");
    assert_eq!(
        site.count("readings"),
        asked + 1,
        "a report was lost, or kept twice"
    );
    within(GOES_ON_WITHIN, "a store that has found back", || {
        store_is_back(&site).then_some(())
    });
    site.all_has_ended().await;
}

/// Whether the test's own store has noticed that the server is back.
fn store_is_back(site: &Site) -> bool {
    tokio::task::block_in_place(|| {
        tokio::runtime::Handle::current().block_on(async { site.store.count_waiting().await.is_ok() })
    })
}
