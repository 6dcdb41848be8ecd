//! The worker was down: our outage is not the patient's miss, and a person calls. The mail server was down: nothing is lost,
//! doubled or sent when it is of no use any more, and nobody who reports something waits for it.

use std::collections::HashSet;
use std::time::Duration;

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::play::{PATIENT, Play, SITTER};
use bedside_tests::program::now;
use bedside_tests::smtp_server::{Fault, ReceivedMail, Script, SmtpServer, Stage};
use serde_json::json;

on_both_engines!(
    checks_that_fell_due_while_the_worker_was_down_are_unknown_and_one_call_is_asked_for,
    without_a_living_watch_no_dose_is_unlocked,
    while_the_mail_server_is_down_for_two_hours_the_next_are_told_and_nothing_is_lost_or_doubled,
    after_three_days_without_a_worker_stale_reminders_are_cancelled_and_escalations_are_not,
    a_mail_server_that_is_gone_slows_nobody_down,
);

/// Everybody on the ladder of a case in a session.
const LADDER: [&str; 5] = ["nurse", "backup", "prescriber", "manager", "administrator"];

async fn checks_that_fell_due_while_the_worker_was_down_are_unknown_and_one_call_is_asked_for(
    engine: Database,
) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.to_minute(9).await;
    play.answer_check("C4", 0, &[], None).expect(200);
    play.to_minute(10).await;
    play.clinic.mailbox.fresh();
    play.worker_down_until_minute(70);
    play.clinic.cycle().await;

    for (rule, nth) in [("C5", 0), ("C6", 0), ("C7", 0), ("C8", 0)] {
        assert_eq!(play.duty(rule, nth)["state"], "unknown", "{rule}");
    }
    let case = play.case();
    assert_eq!(
        (Play::causes(&case), &case["level"]),
        (vec!["watch_down".to_owned()], &json!("P1"))
    );
    let mails = play.clinic.mailbox.fresh();
    let nurse = play.clinic.address("nurse");
    assert_eq!(
        mails.iter().filter(|mail| mail.to == nurse).count(),
        1,
        "one call for the session, not one a check"
    );
    let outsiders = [PATIENT, SITTER];
    assert!(
        mails.iter().all(|mail| !outsiders.contains(&mail.to.as_str())),
        "no stale reminder goes out: {mails:?}"
    );

    // The watch goes on: the next check is asked and missed like any other.
    play.to_minute(79).await;
    assert_eq!(play.duty("C8", 1)["state"], "missed");
    assert_eq!(Play::causes(&play.case()), ["watch_down", "missed_check_in"]);
}

async fn without_a_living_watch_no_dose_is_unlocked(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_ready().await;
    play.clinic.sleep_until(play.planned_at);
    let locked = play
        .phone
        .post(&play.path("/unlock"), &json!({}))
        .expect(409)
        .json();
    assert_eq!(locked["reasons"][0]["code"], "watch-down", "{locked}");
    let ready = play.clinic.http.get("/health/ready");
    assert_eq!(ready.status, 503, "{}", ready.body);
    play.clinic.cycle().await;
    play.clinic.http.get("/health/ready").expect(200);
    play.phone.post(&play.path("/unlock"), &json!({})).expect(200);
}

/// The mail server is dead from T+10 to T+130. Bounds: while it is down, each next step of the ladder is written at its time and
/// readiness is red; within three minutes of its return, an escalation's longest pause between two tries, everybody on the
/// ladder has been told, by one mail for all that piled up; no mail came twice; no reminder came after its use.
async fn while_the_mail_server_is_down_for_two_hours_the_next_are_told_and_nothing_is_lost_or_doubled(
    engine: Database,
) {
    let server = SmtpServer::start(Script::new());
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0)]).await;
    play.clinic.mail_by_smtp(&server).await;
    server.set(Stage::Greeting, Fault::Close);
    play.clinic.live_through(120).await;
    assert!(server.received().is_empty());
    play.clinic.http.get("/health/ready").expect(503);
    for role in LADDER {
        let sql = format!(
            "SELECT notice_key AS value FROM outbox WHERE lane = 0 AND recipient_id = '{}' AND state = 'pending'",
            play.clinic.id(role)
        );
        let waiting = play.clinic.texts(&sql);
        assert!(!waiting.is_empty(), "nothing waits for {role}");
    }

    server.behave();
    play.clinic.live_through(3).await;
    let mails = server.received();
    for role in LADDER {
        let address = play.clinic.address(role);
        let told = mails.iter().filter(|mail| mail.to == [address.clone()]).count();
        // The one for what piled up, and perhaps one that was claimed while that one was on its way, and a repeat, which
        // comes every five minutes; to who keeps the addresses one about the others as well.
        assert!((1..=4).contains(&told), "{told} mails to {role}");
    }
    each_came_once(&mails);
    no_reminder_came_after_its_use(&play.clinic);
    play.clinic.http.get("/health/ready").expect(200);
    // What waits longest between two tries, for those who keep the addresses.
    play.clinic.live_through(18).await;
    play.clinic.nothing_is_left_to_send().await;
}

#[track_caller]
fn each_came_once(mails: &[ReceivedMail]) {
    let mut seen = HashSet::new();
    for mail in mails {
        let text = String::from_utf8_lossy(&mail.data);
        let id = text
            .lines()
            .find(|line| line.starts_with("Message-ID: "))
            .expect("an id");
        assert!(seen.insert(id.to_owned()), "{id} came twice");
    }
}

#[track_caller]
fn no_reminder_came_after_its_use(clinic: &Clinic) {
    let sql = "SELECT notice_key AS value FROM outbox WHERE state = 'sent' AND finished_at > stale_after";
    let late = clinic.texts(sql);
    assert!(late.is_empty(), "sent after their use: {late:?}");
}

/// A reminder and an escalation could not be sent; then no worker runs for three days (FAILURES F12). Bounds: in its first
/// cycle the escalation goes out, and the gap joins its case; the reminder ends with its reason, as does every other of that
/// time.
async fn after_three_days_without_a_worker_stale_reminders_are_cancelled_and_escalations_are_not(
    engine: Database,
) {
    let server = SmtpServer::start(Script::new());
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.clinic.mail_by_smtp(&server).await;
    server.set(Stage::Greeting, Fault::Reply(421, "4.3.2 closed".to_owned()));
    play.clinic.live_through(13).await;
    play.sitter("/help", &json!({})).expect(200);
    play.clinic.cycle().await;
    let of_lanes = |play: &Play, lanes: &str| {
        let sql = format!(
            "SELECT state || COALESCE(' ' || why, '') AS value FROM outbox WHERE lane {lanes} AND state <> 'sent'"
        );
        play.clinic.texts(&sql)
    };
    let reminders = of_lanes(&play, "> 0");
    let escalations = of_lanes(&play, "= 0");
    assert!(!reminders.is_empty() && !escalations.is_empty());
    assert!(
        reminders
            .iter()
            .chain(&escalations)
            .all(|state| state == "pending")
    );

    play.clinic
        .sleep_until(play.clinic.now() + chrono::Duration::days(3));
    let back_ms = play.clinic.now().timestamp_millis();
    server.behave();
    play.clinic.cycle().await;
    let reminders = of_lanes(&play, "> 0");
    assert!(
        reminders
            .iter()
            .all(|state| state == "dropped duty_over" || state == "dropped stale"),
        "{reminders:?}"
    );
    // Of several to one person about one round only the newest goes.
    let escalations = of_lanes(&play, "= 0");
    assert!(
        escalations.iter().all(|state| state == "dropped superseded"),
        "an escalation was not sent: {escalations:?}"
    );
    let mails = server.received();
    for role in ["nurse", "backup"] {
        let address = play.clinic.address(role);
        assert!(
            mails.iter().any(|mail| mail.to == [address.clone()]),
            "{role} was not told"
        );
    }
    // What is asked anew now is no reminder of old.
    let sql = format!(
        "SELECT notice_key AS value FROM outbox WHERE state = 'sent' AND recipient_kind <> 'staff' \
         AND created_at < {back_ms} AND finished_at >= {back_ms}"
    );
    let stale = play.clinic.texts(&sql);
    assert!(stale.is_empty(), "a stale reminder went out: {stale:?}");
    no_reminder_came_after_its_use(&play.clinic);
    assert!(Play::causes(&play.case()).contains(&"watch_down".to_owned()));
    each_came_once(&mails);
    play.clinic.nothing_is_left_to_send().await;
}

/// The mail server takes connections and says nothing (FAILURES F16), the worker runs in its loops and is stuck in sends.
/// Bound: what people report is answered within a second.
async fn a_mail_server_that_is_gone_slows_nobody_down(engine: Database) {
    let at_most = Duration::from_secs(1);
    let silent = SmtpServer::start(Script::new().fault(Stage::Greeting, Fault::Stall));
    let mut asked = Play::planned(Clinic::open(engine).await).await;
    asked.invite_sitter().await;
    let mut dosed = Play::planned(Clinic::open(engine).await).await;
    dosed.until_dosed().await;
    dosed.to_minute(10).await;
    let mut stops = Vec::new();
    for play in [&mut asked, &mut dosed] {
        play.clinic.mail_by_smtp(&silent).await;
        play.clinic.queue_test_mails(50).await;
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let worker = play.clinic.worker.clone();
        stops.push((stop, tokio::spawn(async move { worker.run(stopped).await })));
    }
    let stuck = async {
        while silent.mails_per_connection().len() < 10 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), stuck)
        .await
        .expect("sends that are stuck");

    let began_at = now();
    let yes = json!({"is_adult": true, "may_be_contacted": true});
    asked.sitter("/accept", &yes).expect(200);
    let confirmed = now() - began_at;
    let began_at = now();
    dosed.sitter("/help", &json!({})).expect(200);
    let helped = now() - began_at;
    let began_at = now();
    dosed.answer_check("C4", 0, &[], None).expect(200);
    let answered = now() - began_at;
    println!("{engine:?}: confirmed in {confirmed:?}, help in {helped:?}, check-in in {answered:?}");
    for took in [confirmed, helped, answered] {
        assert!(took <= at_most, "{took:?}");
    }
    drop(silent);
    for (stop, running) in stops {
        drop(stop);
        running.await.expect("a worker that ends");
    }
}
