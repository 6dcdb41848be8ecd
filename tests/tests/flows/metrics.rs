//! What is exported is true, says nothing about anybody, and is what the dashboard, the alerts and the table name.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::metrics::{Scrape, document, documented, names_in};
use bedside_tests::on_both_engines;
use bedside_tests::play::{PATIENT, Play, SITTER};
use bedside_tests::smtp_server::{Fault, Script, SmtpServer, Stage};
use chrono::Duration;
use serde_json::json;

on_both_engines!(
    the_numbers_tell_what_happened_and_of_nobody,
    a_database_that_does_not_answer_makes_readiness_zero_and_leaves_the_rest_out,
    transactions_that_lose_a_race_are_counted,
);

/// A scrape that is not the last one again: what was read is good for a second.
fn scrape(clinic: &Clinic, client: &bedside_tests::http::Client) -> Scrape {
    clinic.clocks.advance_machine(Duration::seconds(1));
    Scrape::of(client)
}

async fn the_numbers_tell_what_happened_and_of_nobody(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0)]).await;
    play.clinic.mail_by_smtp(&server).await;
    let (client, _serving) = play.clinic.serve_metrics();

    let calm = scrape(&play.clinic, &client);
    assert_eq!(calm.value("bedside_ready"), 1.0);
    assert_eq!(calm.value("bedside_running_sessions"), 1.0);
    assert_eq!(
        calm.value(r#"bedside_oldest_unsent_seconds{lane="escalation"}"#),
        0.0
    );
    assert_eq!(calm.value("bedside_oldest_untaken_case_seconds"), 0.0);
    assert_eq!(calm.value("bedside_smtp_connections"), 0.0);
    let sent = r#"bedside_sends_total{lane="escalation",result="sent"}"#;
    assert_eq!(calm.value(sent), 0.0);

    // The sitter calls for help; the relay refuses the nurse and takes the others.
    server.refuse(&play.clinic.address("nurse"), 550, "5.1.1 no such user");
    play.sitter("/help", &json!({})).expect(200);
    let due = play.clinic.now();
    play.clinic.clocks.set_clinical(due + Duration::seconds(7));
    let waiting = scrape(&play.clinic, &client);
    assert_eq!(waiting.value(r#"bedside_outbox_waiting{lane="escalation"}"#), 2.0);
    assert_eq!(
        waiting.value(r#"bedside_oldest_unsent_seconds{lane="escalation"}"#),
        7.0
    );
    assert_eq!(waiting.value(r#"bedside_open_cases{level="P1"}"#), 1.0);
    assert_eq!(waiting.value("bedside_oldest_untaken_case_seconds"), 7.0);
    play.clinic.cycle().await;
    play.clinic.cycle().await;

    let told = scrape(&play.clinic, &client);
    let to_whom = server.received().len();
    assert!(to_whom >= 2, "the backup and the next");
    let lanes = ["escalation", "session", "reminder", "digest"];
    let of_all_lanes = |scrape: &Scrape, result: &str| -> f64 {
        let series = |lane| format!("bedside_sends_total{{lane=\"{lane}\",result=\"{result}\"}}");
        lanes.iter().map(|lane| scrape.value(&series(lane))).sum()
    };
    assert_eq!(of_all_lanes(&told, "sent"), to_whom as f64);
    assert!(told.value(sent) >= 2.0);
    let failed = told.value(r#"bedside_sends_total{lane="escalation",result="failed"}"#);
    assert!(failed >= 1.0, "the nurse's");
    assert_eq!(
        told.value(r#"bedside_send_failures_total{stage="rcpt_to",class="permanent_address"}"#),
        failed
    );
    let late = |le: &str| format!("bedside_due_lateness_seconds_bucket{{le=\"{le}\",lane=\"escalation\"}}");
    assert_eq!(
        told.value(r#"bedside_due_lateness_seconds_count{lane="escalation"}"#),
        told.value(sent)
    );
    assert!(
        told.value(&late("5.0")) < told.value(&late("10.0")),
        "the first waited 7 s"
    );
    assert_eq!(
        told.value(r#"bedside_oldest_unsent_seconds{lane="escalation"}"#),
        0.0
    );
    assert_eq!(told.value(r#"bedside_cycles_total{verified="true"}"#), 2.0);
    assert_eq!(told.value("bedside_cycle_seconds_count"), 2.0);
    assert!(told.value("bedside_smtp_connections") >= 1.0, "one lies idle");
    assert_eq!(told.value("bedside_leases_lost_total"), 0.0);
    assert_eq!(told.value("bedside_worker_silent_seconds"), 1.0);

    // Nothing leaves for more than a minute: red, and the part says which.
    server.set(Stage::Rcpt, Fault::Reply(451, "4.3.0 later".to_owned()));
    let later = play.clinic.now() + Duration::minutes(5);
    play.clinic.clocks.set_clinical(later);
    play.clinic.cycle().await;
    play.clinic.clocks.set_clinical(later + Duration::seconds(61));
    let stuck = scrape(&play.clinic, &client);
    assert!(stuck.value(r#"bedside_oldest_unsent_seconds{lane="escalation"}"#) > 60.0);
    assert_eq!(stuck.value("bedside_ready"), 0.0);
    assert_eq!(stuck.value(r#"bedside_part_ok{part="escalations"}"#), 0.0);
    assert_eq!(stuck.value(r#"bedside_part_ok{part="worker"}"#), 1.0);
    assert!(stuck.value(r#"bedside_sends_total{lane="escalation",result="retried"}"#) >= 1.0);

    // The nurse takes the case, seen over HTTP.
    server.behave();
    let id = play.case()["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/cases/{id}/acknowledge");
    play.clinic.staff("nurse").post(&path, &json!({})).expect(200);
    play.clinic.http.get("/nowhere/7F3K").expect(404);
    let taken = scrape(&play.clinic, &client);
    let acknowledged =
        r#"bedside_http_requests_total{route="/v1/cases/{id}/acknowledge",method="POST",status_class="2xx"}"#;
    assert_eq!(taken.value(acknowledged), 1.0);
    let unmatched = r#"bedside_http_requests_total{route="unmatched",method="GET",status_class="4xx"}"#;
    assert_eq!(taken.value(unmatched), 1.0);
    assert!(taken.value(r#"bedside_http_seconds_count{route="/v1/cases/{id}/acknowledge"}"#) >= 1.0);
    assert_eq!(taken.value("bedside_oldest_untaken_case_seconds"), 0.0);
    assert_eq!(taken.value(r#"bedside_open_cases{level="P1"}"#), 1.0);
    assert!(taken.value(r#"bedside_store_seconds_count{kind="write"}"#) > 0.0);

    says_nothing_about_anybody(&play, &id, &taken.text);
    names_agree(&taken);
}

/// No name, address, id, token or code of the play, and nothing that looks like one.
fn says_nothing_about_anybody(play: &Play, case: &str, text: &str) {
    let mut known = vec![
        PATIENT,
        SITTER,
        &play.patient,
        &play.session,
        case,
        "@",
        "Quillfeather",
        "Robin",
    ];
    known.extend([
        "Oldacre", "Willow", "willow", "Larch", "Albany", "+1 555", "ketamine", "lozenge",
    ]);
    let roles = [
        "nurse",
        "backup",
        "prescriber",
        "manager",
        "administrator",
        "coordinator",
    ];
    let names: Vec<String> = roles.iter().map(|role| play.clinic.name(role)).collect();
    known.extend(names.iter().flat_map(|name| name.split(' ')));
    // The pattern of a route is no word about anybody.
    let text = &text.replace("/v1/me/lozenges", "");
    for word in known {
        assert!(!text.contains(word), "{word} is in {text}");
    }
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
        assert!(word.parse::<uuid::Uuid>().is_err(), "an id: {word}");
        assert!(word.len() < 40, "a token: {word}");
    }
}

/// Dashboard and alerts name nothing that is not exported; the table names exactly what is, and all of it has help.
fn names_agree(scrape: &Scrape) {
    let exported = scrape.names();
    for name in ["grafana-dashboard.json", "alerts.yml"] {
        let named = names_in(&document(name));
        assert!(named.len() > 5, "{name} names {named:?}");
        let missing: Vec<_> = named.difference(&exported).collect();
        assert!(
            missing.is_empty(),
            "{name} names {missing:?}, which nobody exports"
        );
    }
    assert_eq!(documented(), scrape.metrics());
    assert!(scrape.without_help().is_empty(), "{:?}", scrape.without_help());
}

async fn a_database_that_does_not_answer_makes_readiness_zero_and_leaves_the_rest_out(engine: Database) {
    let clinic = Clinic::open(engine).await;
    let (client, _serving) = clinic.serve_metrics();
    assert_eq!(scrape(&clinic, &client).value("bedside_ready"), 1.0);
    clinic.lose_a_table();
    let lost = scrape(&clinic, &client);
    assert_eq!(lost.value("bedside_ready"), 0.0);
    assert_eq!(lost.value(r#"bedside_part_ok{part="database"}"#), 0.0);
    let absent = r#"bedside_oldest_unsent_seconds{lane="escalation"}"#;
    assert!(
        !lost.series.contains_key(absent),
        "what is not known is not shown"
    );
    assert!(lost.value("bedside_write_conflicts_total") >= 0.0);
}

async fn transactions_that_lose_a_race_are_counted(engine: Database) {
    let clinic = Clinic::open(engine).await;
    let (client, _serving) = clinic.serve_metrics();
    let before = scrape(&clinic, &client);
    clinic.lose_every_race().await;
    let after = scrape(&clinic, &client);
    let grown = |series: &str| after.value(series) - before.value(series);
    assert_eq!(grown("bedside_write_conflicts_total"), 7.0, "tried eight times");
    assert!(grown(r#"bedside_store_seconds_count{kind="write"}"#) >= 9.0);
    assert_eq!(
        grown("bedside_store_busy_total"),
        0.0,
        "it was not told to come back"
    );
}
