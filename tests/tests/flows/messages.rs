//! The log of messages: what staff see of what was sent, and who does not see it.

use std::collections::BTreeSet;

use bedside_protocol::time::minutes;
use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::http::Client;
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use bedside_tests::smtp_server::{Fault, Script, SmtpServer, Stage};
use serde_json::{Value, json};

on_both_engines!(
    after_a_missed_check_the_log_shows_who_was_told_before_and_after_the_archive,
    a_refused_mail_shows_why_and_a_waiting_one_when_it_is_tried_again,
    a_dropped_reminder_shows_its_reason,
    ten_thousand_messages_of_one_millisecond_page_through_exactly_once,
    the_log_is_for_the_clinics_own_care_team,
);

/// The messages behind a path, all pages of them.
fn messages(client: &Client, path: &str) -> Vec<Value> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let (mut all, mut before) = (Vec::new(), String::new());
    loop {
        let answer = client
            .get(&format!("{path}{separator}limit=200{before}"))
            .expect(200);
        says_nothing_it_must_not(&answer.body);
        let page = answer.json();
        all.extend(page["messages"].as_array().expect("messages").clone());
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => return all,
        }
    }
}

/// No address, no name, no link, no word of a mail's body.
fn says_nothing_it_must_not(body: &str) {
    for word in [
        "@",
        "Robin",
        "Quillfeather",
        "Sam",
        "Nora",
        "/s/",
        "/c/",
        "http",
        "You have",
        "Case ",
        "needs you by",
        "sealed",
    ] {
        assert!(!body.contains(word), "{word} in {body}");
    }
}

fn of_kind<'m>(messages: &'m [Value], kind: &str) -> Vec<&'m Value> {
    messages.iter().filter(|it| it["message"] == kind).collect()
}

async fn after_a_missed_check_the_log_shows_who_was_told_before_and_after_the_archive(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0), (15, "C5", 0)]).await;
    play.to_minute(34).await;
    let (nurse, path) = (
        play.clinic.staff("nurse"),
        format!("/v1/sessions/{}/messages", play.session),
    );

    let lines = play.clinic.audit_length().await;
    let log = messages(&nurse, &path);
    assert_eq!(
        play.clinic.audit_length().await,
        lines + 1,
        "a look is kept in the audit trail"
    );
    let escalations = of_kind(&log, "case_needs_you");
    let told: BTreeSet<&str> = escalations
        .iter()
        .map(|it| it["recipient"]["id"].as_str().expect("an id"))
        .collect();
    let expected = [play.clinic.id("nurse"), play.clinic.id("backup")].map(|id| id.to_string());
    assert_eq!(told, expected.iter().map(String::as_str).collect());
    let case = play.case();
    for message in &escalations {
        assert_eq!(
            (
                &message["state"],
                &message["lane"],
                &message["tries"],
                &message["about"]
            ),
            (
                &json!("sent"),
                &json!("escalation"),
                &json!(1),
                &json!({"kind": "case", "id": case["id"]})
            ),
            "{message}"
        );
        assert_eq!(
            (&message["recipient"]["kind"], &message["last_code"]),
            (&json!("staff"), &json!(250))
        );
        assert!(message["finished_at"].is_string() && message["next_try_at"].is_null());
    }
    assert_eq!(of_kind(&log, "sitter_invitation").len(), 1);
    assert!(!of_kind(&log, "sitter_task").is_empty());
    let mails = play.clinic.mailbox.all();
    assert!(
        log.iter().all(|it| mails
            .iter()
            .any(|mail| mail.message_id.starts_with(it["id"].as_str().expect("an id")))),
        "each was mailed"
    );

    // Finished messages move to another table; the log is the same.
    let later = play.clinic.now() + minutes(1);
    let moved = play.clinic.store.move_finished(later).await.expect("an archive");
    assert!(moved.messages >= log.len());
    assert_eq!(messages(&nurse, &path), log);
    assert_eq!(
        messages(&nurse, &format!("{path}?state=sent")).len(),
        log.len(),
        "all of them were sent"
    );
    assert!(messages(&nurse, &format!("{path}?state=waiting")).is_empty());
}

async fn a_refused_mail_shows_why_and_a_waiting_one_when_it_is_tried_again(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.clinic.mail_by_smtp(&server).await;
    server.refuse(&play.clinic.address("nurse"), 550, "5.1.1 no such user");
    server.refuse(&play.clinic.address("backup"), 450, "4.2.1 try later");
    play.phone.post("/v1/me/help", &json!({})).expect(200);
    play.clinic.cycle().await;

    let log = messages(
        &play.clinic.staff("coordinator"),
        &format!("/v1/patients/{}/messages", play.patient),
    );
    let to = |role: &str| {
        let id = play.clinic.id(role).to_string();
        let mut of_role = of_kind(&log, "case_needs_you");
        of_role.retain(|it| it["recipient"]["id"] == id.as_str());
        of_role.first().map(|it| (*it).clone()).expect("a message")
    };
    let (failed, waiting) = (to("nurse"), to("backup"));
    assert_eq!(
        (
            &failed["state"],
            &failed["last_class"],
            &failed["last_code"],
            &failed["why"]
        ),
        (
            &json!("failed"),
            &json!("permanent_address"),
            &json!(550),
            &json!("permanent_address")
        )
    );
    assert_eq!(
        (
            &waiting["state"],
            &waiting["last_class"],
            &waiting["last_code"],
            &waiting["tries"]
        ),
        (&json!("waiting"), &json!("temporary"), &json!(450), &json!(1))
    );
    assert!(
        waiting["next_try_at"].as_str() > Some("2026-11-21T14:00:05"),
        "{waiting}"
    );
    assert!(waiting["finished_at"].is_null() && waiting["ambiguous"] == false);

    let administrator = play.clinic.staff("administrator");
    let lines = play.clinic.audit_length().await;
    let failed_ones = messages(&administrator, "/v1/messages?state=failed");
    assert_eq!(play.clinic.audit_length().await, lines + 1);
    assert!(failed_ones.contains(&failed));
    assert!(failed_ones.iter().all(|it| it["state"] == "failed"));
    assert!(messages(&administrator, "/v1/messages?state=waiting").contains(&waiting));
    let all = messages(&administrator, "/v1/messages");
    assert!(log.iter().all(|it| all.contains(it)));
    assert_eq!(
        of_kind(&all, "account_link").len(),
        1,
        "what belongs to no patient's record as well"
    );
}

async fn a_dropped_reminder_shows_its_reason(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0), (15, "C5", 0)]).await;
    play.clinic.mail_by_smtp(&server).await;
    server.set(Stage::Mail, Fault::Reply(451, "4.3.0 not now".to_owned()));
    play.to_minute(28).await;
    play.answer_check("C6", 0, &[], None).expect(200);
    server.behave();
    for _ in 0..7 {
        play.clinic.cycle().await;
    }
    let path = format!("/v1/sessions/{}/messages?state=dropped", play.session);
    let dropped = messages(&play.clinic.staff("nurse"), &path);
    let reminder = of_kind(&dropped, "sitter_task");
    assert_eq!(reminder.len(), 1, "{dropped:?}");
    assert_eq!(
        (
            &reminder[0]["state"],
            &reminder[0]["why"],
            &reminder[0]["lane"],
            &reminder[0]["recipient"]["kind"]
        ),
        (
            &json!("dropped"),
            &json!("duty_over"),
            &json!("session"),
            &json!("sitter")
        )
    );
    assert!(server.received().is_empty());
}

async fn ten_thousand_messages_of_one_millisecond_page_through_exactly_once(engine: Database) {
    const COUNT: usize = 10_000;
    let clinic = Clinic::open(engine).await;
    clinic.execute("DELETE FROM outbox");
    clinic.queue_test_mails(1).await;
    // Copies of one message in its millisecond, their ids in another order than they come; a tenth is over already.
    let same = "clinic_id, lane, not_before, retry_at, about_kind, recipient_kind, recipient_id, doc_sealed, message_id, \
                attempts, ambiguous, fence, created_at";
    let of_it: Vec<String> = same.split(", ").map(|column| format!("o.{column}")).collect();
    clinic.execute(&format!(
        "INSERT INTO outbox (id, notice_key, state, finished_at, {same}) \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {COUNT}) \
         SELECT substr(o.id, 1, 24) || CAST(100000000000 + (n.i * 7919) % {COUNT} AS TEXT), 'many:' || CAST(n.i AS TEXT), \
            CASE WHEN n.i % 10 = 3 THEN 'sent' ELSE 'failed' END, \
            CASE WHEN n.i % 10 = 3 THEN o.created_at ELSE o.created_at + 86400000 END, {} \
         FROM outbox o, n WHERE o.notice_key = 'test:0'",
        of_it.join(", ")
    ));
    let expected = clinic.texts("SELECT id AS value FROM outbox ORDER BY id DESC");
    assert_eq!(expected.len(), COUNT + 1);

    let manager = clinic.staff("manager");
    let (mut seen, mut before, mut page_number) = (Vec::new(), String::new(), 0);
    loop {
        let page = manager
            .get(&format!("/v1/messages?limit=200{before}"))
            .expect(200)
            .json();
        let ids = page["messages"].as_array().expect("messages").clone();
        seen.extend(ids.iter().map(|it| it["id"].as_str().expect("an id").to_owned()));
        page_number += 1;
        if page_number == 20 {
            // In the middle of it a tenth of them moves to the other table.
            let later = clinic.now() + minutes(1);
            let moved = clinic.store.move_finished(later).await.expect("an archive");
            assert_eq!(moved.messages, 1_000);
        }
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    assert!(seen == expected, "{} of {COUNT}", seen.len());
}

async fn the_log_is_for_the_clinics_own_care_team(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.sitter_accepts().await;
    let of_session = format!("/v1/sessions/{}/messages", play.session);
    let of_patient = format!("/v1/patients/{}/messages", play.patient);
    let paths = [of_session.as_str(), of_patient.as_str(), "/v1/messages"];

    let other = play.clinic.open_second_clinic().await;
    other.get(&of_session).expect(404);
    other.get(&of_patient).expect(404);
    assert_eq!(
        other.get("/v1/messages").expect(200).json()["messages"],
        json!([])
    );
    let token = play.sitter_page.clone().expect("a sitter").replace("/s/", "");
    for path in paths {
        play.phone.get(path).expect(404);
        play.clinic.http.get(path).expect(401);
        play.clinic.http.bearer(&token).get(path).expect(401);
    }
    let administrator = play.clinic.staff("administrator");
    administrator.get(&of_session).expect(404);
    administrator.get(&of_patient).expect(404);
    administrator.get("/v1/messages").expect(200);
    for role in ["nurse", "prescriber", "coordinator", "manager"] {
        for path in paths {
            play.clinic.staff(role).get(path).expect(200);
        }
    }
    for query in [
        "state=lost",
        "before=yesterday",
        "limit=0",
        "limit=201",
        "limit=many",
    ] {
        let answer = administrator.get(&format!("/v1/messages?{query}")).expect(422);
        let field = query.split('=').next().unwrap_or_default();
        assert_eq!(answer.json()["faults"][0]["field"], field, "{query}");
    }
}
