//! An upgrade beneath running programs: those of the older version stop touching the database and say which migration
//! they do not know.

use std::time::Duration;

use bedside_tests::clinic::{Clinic, PASSWORD};
use bedside_tests::database::Database;
use bedside_tests::metrics::Scrape;
use bedside_tests::on_both_engines;
use serde_json::{Value, json};

on_both_engines!(a_program_that_is_older_than_the_schema_stops_at_once_and_names_what_it_does_not_know);

async fn soon(what: &str, mut look: impl AsyncFnMut() -> bool) {
    for _ in 0..250 {
        if look().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what}");
}

fn beats(clinic: &Clinic) -> u64 {
    let cycles = clinic.texts("SELECT CAST(cycles AS TEXT) AS value FROM heartbeats");
    cycles[0].parse().expect("a number")
}

fn part(clinic: &Clinic, name: &str) -> Value {
    let parts = clinic.http.get("/health/ready").json()["parts"].clone();
    let parts = parts.as_array().expect("parts");
    let found = parts.iter().find(|part| part["name"] == json!(name));
    found.cloned().unwrap_or_default()
}

async fn a_program_that_is_older_than_the_schema_stops_at_once_and_names_what_it_does_not_know(
    engine: Database,
) {
    let mut clinic = Clinic::open(engine).await;
    // The running worker keeps house: whoever is on call answered before, and only the mail of the test is counted.
    clinic.on_call_answers().await;
    clinic.execute("DELETE FROM outbox");
    let clinic = clinic;
    let (metrics, _serving) = clinic.serve_metrics();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let worker = clinic.worker.clone();
    let running = tokio::spawn(async move { worker.run(stopped).await });
    let before = beats(&clinic);
    soon("the worker watches", async || beats(&clinic) > before + 1).await;
    clinic.queue_test_mails(1).await;
    soon("a mail goes", async || clinic.mails_sent().await == 1).await;

    clinic.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')");
    let at_upgrade = beats(&clinic);
    clinic.execute("UPDATE outbox SET state = 'pending', retry_at = 0, finished_at = NULL");
    soon("readiness says so", async || {
        let migrations = part(&clinic, "migrations");
        migrations["ok"] == json!(false)
            && migrations["detail"]
                .as_str()
                .is_some_and(|it| it.contains("9999"))
    })
    .await;
    assert_eq!(clinic.http.get("/health/ready").status, 503);
    let scrape = Scrape::of(&metrics);
    assert_eq!(scrape.value("bedside_ready"), 0.0);
    assert_eq!(scrape.value(r#"bedside_part_ok{part="migrations"}"#), 0.0);
    assert_eq!(
        scrape.value(r#"bedside_part_ok{part="database"}"#),
        1.0,
        "it answers"
    );
    let body = json!({"clinic": "willow", "email": clinic.address("nurse"), "password": PASSWORD});
    let refused = clinic.http.post("/v1/login", &body);
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.body.contains("being-upgraded"), "{}", refused.body);
    assert!(refused.body.contains("911"), "{}", refused.body);
    assert_eq!(clinic.staff("nurse").get("/v1/cases").status, 503);
    let cycle = clinic.worker.cycle().await;
    assert!(!cycle.verified && cycle.tick.decided == 0, "{cycle:?}");
    assert_eq!(cycle.deliver.claimed, 0);
    assert_eq!(beats(&clinic), at_upgrade, "no heartbeat");
    let states = clinic.texts("SELECT state AS value FROM outbox WHERE lease_owner IS NULL");
    assert_eq!(states, ["pending"], "nothing is claimed");

    clinic.execute("DELETE FROM __diesel_schema_migrations WHERE version = '9999'");
    soon("the worker watches again", async || beats(&clinic) > at_upgrade).await;
    soon("the API answers again", async || {
        clinic.http.get("/health/ready").status == 200
    })
    .await;
    soon("the mail goes", async || clinic.mails_sent().await == 1).await;
    stop.send(true).expect("the worker");
    running.await.expect("the worker");
}
