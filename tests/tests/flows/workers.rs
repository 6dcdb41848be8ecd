//! Several workers on one database, and rows that cannot be sent.

use std::sync::Arc;

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use bedside_tests::smtp_server::{Fault, Script, SmtpServer, Stage};
use bedside_worker::housekeeping::Job;
use chrono::Duration;
use serde_json::json;

on_both_engines!(
    two_workers_send_one_mail,
    one_poisoned_row_among_a_hundred_stops_nothing,
    a_contact_whose_address_is_refused_passes_the_turn_to_the_next_at_once,
    an_escalation_refused_for_its_rate_comes_again_after_a_second_and_alarms_nobody_else,
    the_heartbeat_of_a_worker_that_is_gone_goes_after_a_week_and_no_other,
);

async fn two_workers_send_one_mail(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0)]).await;
    let second = Arc::new(play.clinic.another_worker().await);
    play.clinic.mailbox.fresh();
    for half_minute in 0..60 {
        let at = play.t0.expect("a dose") + Duration::seconds(10 * 60 + 30 * half_minute);
        play.clinic.clocks.set_clinical(at);
        play.clinic.clocks.advance_machine(Duration::seconds(1));
        let (one, other) = (play.clinic.worker.clone(), second.clone());
        let (one, other) = tokio::join!(
            tokio::spawn(async move { one.cycle().await }),
            tokio::spawn(async move { other.cycle().await })
        );
        one.expect("a cycle");
        other.expect("a cycle");
    }
    // Everything at its time and once: T+13 and T+17 reminders, T+19 nurse and backup, T+23 the rota, T+28 … all.
    let mails = play.clinic.mailbox.fresh();
    let nurse = play.clinic.address("nurse");
    let told = mails
        .iter()
        .filter(|mail| mail.to == nurse && mail.text.contains("/c/"))
        .count();
    assert_eq!(told, 5, "T+19, T+23, T+28, T+33, T+38: {mails:?}");
    let mut ids: Vec<&str> = mails.iter().map(|mail| mail.message_id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), mails.len());
    assert_eq!(
        play.clinic.mails_sent().await,
        play.clinic.mailbox.all().len(),
        "no row was sent twice"
    );
}

async fn one_poisoned_row_among_a_hundred_stops_nothing(engine: Database) {
    let mut clinic = Clinic::open(engine).await;
    clinic.queue_test_mails(100).await;
    clinic.poison_outbox_row(50).await;
    clinic.mailbox.fresh();
    clinic.cycle().await;
    assert_eq!(clinic.mailbox.fresh().len(), 99);
    clinic.http.get("/health/live").expect(200);
}

async fn a_contact_whose_address_is_refused_passes_the_turn_to_the_next_at_once(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0)]).await;
    play.clinic.mail_by_smtp(&server).await;
    server.refuse(&play.clinic.address("nurse"), 550, "5.1.1 no such user");
    play.sitter("/help", &json!({})).expect(200);
    play.clinic.cycle().await;
    play.clinic.cycle().await;
    let told: Vec<String> = server.received().into_iter().flat_map(|mail| mail.to).collect();
    for role in ["backup", "prescriber"] {
        assert!(
            told.contains(&play.clinic.address(role)),
            "{role} was not told at once: {told:?}"
        );
    }
    let manager = play.clinic.address("manager");
    let unreachable = told.iter().filter(|to| **to == manager).count();
    assert_eq!(
        unreachable, 1,
        "the manager hears that a contact cannot be reached: {told:?}"
    );
}

async fn an_escalation_refused_for_its_rate_comes_again_after_a_second_and_alarms_nobody_else(
    engine: Database,
) {
    let server = SmtpServer::start(Script::new().pipelining());
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0)]).await;
    play.clinic.mail_by_smtp(&server).await;
    server.set(Stage::Mail, Fault::Reply(450, "4.7.1 too much mail".to_owned()));
    play.sitter("/help", &json!({})).expect(200);
    for _ in 0..4 {
        play.clinic.cycle().await;
        play.clinic
            .clocks
            .advance_machine(chrono::Duration::milliseconds(1_600));
    }
    assert!(server.commands().iter().filter(|verb| *verb == "MAIL").count() >= 8);
    server.behave();
    play.clinic.cycle().await;
    let mut told: Vec<String> = server.received().into_iter().flat_map(|mail| mail.to).collect();
    told.sort();
    let mut expected = [play.clinic.address("nurse"), play.clinic.address("backup")];
    expected.sort();
    assert_eq!(told, expected, "the first rung, once each, and nobody else");
}

async fn the_heartbeat_of_a_worker_that_is_gone_goes_after_a_week_and_no_other(engine: Database) {
    let mut clinic = Clinic::open(engine).await;
    clinic.another_worker().await.cycle().await;
    let known = "SELECT worker AS value FROM heartbeats ORDER BY worker";
    clinic.clocks.advance_machine(Duration::days(7));
    clinic.worker.keep_house(Job::Retention).await.expect("a look");
    assert_eq!(clinic.texts(known), ["worker-1", "worker-2"]);
    clinic.cycle().await;
    clinic.worker.keep_house(Job::Retention).await.expect("a look");
    assert_eq!(clinic.texts(known), ["worker-1"]);
    assert!(clinic.red_parts().is_empty());
}
