//! API and worker writing to one SQLite file at the same time, for long (FAILURES F13).

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bedside_protocol::time::minutes;
use bedside_store::{Clocks as _, SystemClocks};
use bedside_tests::database::Database;
use bedside_tests::http::Client;
use bedside_tests::program::now;
use bedside_tests::site::Site;
use bedside_tests::smtp_server::{Script, SmtpServer};
use serde_json::json;

use crate::{PROGRAM, long};

const LASTS: Duration = Duration::from_secs(10);
const LASTS_LONG: Duration = Duration::from_mins(10);

/// Clients that post as fast as they are answered.
const CLIENTS: usize = 8;

/// Sessions they share: two at a time meet at one.
const SESSIONS: usize = 4;

/// An access token is good for some minutes.
const CALLS_BEFORE_LOG_IN: usize = 500;

/// The slowest of a hundred answers, of an unoptimised program.
const P99_AT_MOST: Duration = Duration::from_secs(2);

/// Bounds: no answer says 500 or 503; every reading that was answered with 200 is there afterwards, and no other; every
/// check-in that was answered with 200 is there, once; 99 of 100 answers come within 2 s; the worker verifies cycles all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_and_worker_write_to_one_file_for_long_and_nothing_is_refused_or_lost() {
    let lasts = if long() { LASTS_LONG } else { LASTS };
    let site = Site::open(Database::Sqlite).await;
    let mut sessions = Vec::new();
    for number in 0..SESSIONS {
        // Checks fall due and are missed while the clients write.
        let taken_at = SystemClocks.clinical_now() - minutes(30 * i64::try_from(number).expect("few"));
        sessions.push(site.dosed_session(number, taken_at).await.to_string());
    }
    let server = SmtpServer::start(Script::new());
    let surroundings = site
        .surroundings(PROGRAM)
        .mailing(server.address())
        .with("CYCLE_MS", "100");
    let worker = site.start_worker(&surroundings);
    let (api, base) = site.start_api(&surroundings);
    let nurse = site.nurse_at(&base).await;
    let cycles_before = site.cycles_of(&worker).expect("a heartbeat");

    let (readings, checks) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(Mutex::new(HashSet::new())),
    );
    let began_at = now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (nurse, sessions, base) = (nurse.clone(), sessions.clone(), base.clone());
            let (readings, checks) = (Arc::clone(&readings), Arc::clone(&checks));
            std::thread::spawn(move || {
                let mut nurse = nurse;
                let mut took = Vec::new();
                while now() - began_at < lasts {
                    if took.len() % CALLS_BEFORE_LOG_IN == CALLS_BEFORE_LOG_IN - 1 {
                        nurse = log_in(&base);
                    }
                    let session = &sessions[(number + took.len()) % SESSIONS];
                    let asked_at = now();
                    // Every tenth is over the limits: a case, mails, work for the worker.
                    let sbp = if took.len() % 10 == 0 { 190 } else { 125 };
                    let body = json!({"sbp": sbp, "dbp": 80, "hr": 70});
                    let answer = nurse.post(&format!("/v1/sessions/{session}/vitals"), &body);
                    assert_eq!(answer.status, 200, "{}", answer.body);
                    took.push(now() - asked_at);
                    readings.fetch_add(1, Ordering::Relaxed);
                    if took.len() % 5 == 0 {
                        let answered = answer_what_is_open(&nurse, session);
                        checks.lock().expect("no client has failed").extend(answered);
                    }
                }
                took
            })
        })
        .collect();
    let mut took: Vec<Duration> = clients
        .into_iter()
        .flat_map(|client| client.join().expect("a client without a fault"))
        .collect();
    took.sort_unstable();
    let p99 = took[took.len() * 99 / 100];
    let readings = readings.load(Ordering::Relaxed);
    let checks = checks.lock().expect("no client has failed").len();
    let mails = server.received().len();
    println!(
        "{readings} readings and {checks} check-ins in {lasts:?}, {mails} mails meanwhile: p99 {p99:?}, worst {:?}",
        took[took.len() - 1]
    );
    let cycles = site.cycles_of(&worker).expect("a heartbeat") - cycles_before;
    worker.stops_within(Duration::from_secs(12));
    api.stops_within(Duration::from_secs(12));

    assert_eq!(
        site.count("readings"),
        readings,
        "a reading was lost, or kept twice"
    );
    assert_eq!(site.count("check_ins"), checks, "a check-in was lost");
    assert!(checks > 0 && mails > 0, "{checks} check-ins, {mails} mails");
    // A slow machine's disk is behind: one each five seconds keeps every bound of the watch.
    assert!(cycles * 5 >= lasts.as_secs(), "only {cycles} cycles in {lasts:?}");
    assert!(p99 <= P99_AT_MOST, "p99 {p99:?}");
    for log in [worker.log(), api.log()] {
        assert!(!log.contains("locked") && !log.contains("ERROR"), "{log}");
    }
    assert_eq!(
        site.raw()
            .texts("SELECT integrity_check AS value FROM pragma_integrity_check")
            .expect("a check"),
        ["ok"]
    );
    let report = site.store.verify_audit(None).await.expect("a report");
    assert!(report.faults.is_empty(), "{report:?}");
}

fn log_in(base: &str) -> Client {
    let http = Client::new(base);
    let body = json!({"clinic": "willow", "email": bedside_tests::site::NURSE, "password": bedside_tests::clinic::PASSWORD});
    let answer = http.post("/v1/login", &body).expect(200).json();
    http.bearer(answer["access_token"].as_str().expect("a token"))
}

/// Answers the checks of a session that may be answered now. Those that were taken; another client may have been first,
/// and is then answered the same.
fn answer_what_is_open(nurse: &Client, session: &str) -> Vec<String> {
    let shown = nurse.get(&format!("/v1/sessions/{session}")).expect(200).json();
    let duties = shown["duties"].as_array().expect("duties");
    let open = duties
        .iter()
        .filter(|duty| duty["state"] == "open" && duty["rule"].is_string());
    let mut taken = Vec::new();
    for duty in open {
        let rule = duty["rule"].as_str().expect("a rule");
        let id = duty["id"].as_str().expect("an id");
        // Without a reading: those that ask for one are refused.
        let body = json!({ "answers": bedside_tests::play::answers_to(rule, &[]) });
        let answer = nurse.post(&format!("/v1/sessions/{session}/check-ins/{id}"), &body);
        assert!(answer.status < 500, "{}", answer.body);
        if answer.status == 200 {
            taken.push(id.to_owned());
        }
    }
    taken
}
