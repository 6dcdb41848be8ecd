//! What each failure of a send means for its row: again, when, or never; and who else hears of a case meanwhile.

use bedside_protocol::duty::Lane;
use bedside_protocol::id::{DutyId, Ids, NoticeId};
use bedside_protocol::notice::{About, Message, Notice, Recipient, Who};
use bedside_protocol::time::{Zone, minutes, seconds};
use bedside_protocol::watch::Subject;
use bedside_store::{Clocks as _, Scope};
use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use bedside_tests::smtp_server::{Fault, Script, SmtpServer, Stage};
use serde_json::json;

on_both_engines!(
    each_failure_has_its_own_class_wait_and_end,
    a_message_without_a_time_of_its_own_is_given_up_after_three_days,
    mails_that_failed_together_do_not_come_back_together,
    the_next_contact_is_told_after_the_second_failure_and_not_after_the_first,
    the_next_contact_is_told_when_an_escalation_has_not_left_for_a_minute,
    an_escalation_does_not_end_before_somebody_else_was_told,
);

fn reply(code: u16, text: &str) -> Fault {
    Fault::Reply(code, text.to_owned())
}

fn notice(clinic: &Clinic, lane: Lane, about: About) -> Notice {
    let keys = clinic.store.keys();
    let id: NoticeId = Ids::new(clinic.now(), &mut |bytes| keys.random(bytes)).fresh();
    Notice {
        key: format!("test:{id}"),
        id,
        lane,
        to: Recipient {
            who: Who::Staff(clinic.id("nurse")),
            email: "nurse@clinic.example".to_owned(),
        },
        about,
        message: Message::Test {
            at: clinic.now(),
            zone: Zone::UTC,
        },
        not_before: clinic.now(),
        stale_after: None,
        thread: None,
    }
}

async fn put(clinic: &Clinic, subject: Option<Subject>, notices: Vec<Notice>) {
    let put = clinic
        .store
        .insert_notices(Scope::system(), clinic.clinic_id(), subject, notices, Vec::new());
    put.await.expect("messages");
}

/// Of the rows with this key: state, class, code, whether it may have been accepted, and the wait in milliseconds if it waits.
fn row(clinic: &Clinic, key: &str) -> String {
    let now_ms = clinic.clocks.machine_now().timestamp_millis();
    let sql = format!(
        "SELECT state || ' ' || COALESCE(last_class, '-') || ' ' || COALESCE(CAST(last_code AS TEXT), '-') || ' ' || \
         CASE WHEN ambiguous THEN 'ambiguous' ELSE 'clear' END || ' ' || \
         CASE WHEN state = 'pending' THEN CAST(retry_at - {now_ms} AS TEXT) ELSE '-' END AS value \
         FROM outbox WHERE notice_key = '{key}'"
    );
    clinic.texts(&sql).remove(0)
}

async fn each_failure_has_its_own_class_wait_and_end(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    let duty: DutyId = play.duty("C5", 0)["id"]
        .as_str()
        .expect("an id")
        .parse()
        .expect("an id");
    let clinic = &mut play.clinic;
    clinic.mail_by_smtp(&server).await;
    let session = play.session.parse().expect("an id");
    let (information, duty) = (About::Information, About::Duty { duty });
    let table = [
        (
            Stage::Rcpt,
            reply(451, "4.3.0 later"),
            &information,
            "pending temporary 451 clear 5000",
        ),
        (
            Stage::Rcpt,
            reply(451, "4.3.0 later"),
            &duty,
            "pending temporary 451 clear 5000",
        ),
        (
            Stage::Mail,
            reply(550, "5.1.8 bad sender"),
            &information,
            "pending permanent_server 550 clear 5000",
        ),
        (
            Stage::Mail,
            Fault::Garbage,
            &information,
            "pending protocol - clear 5000",
        ),
        (
            Stage::Rcpt,
            reply(550, "5.1.1 no such user"),
            &information,
            "failed permanent_address 550 clear -",
        ),
        (
            Stage::FinalDot,
            reply(554, "5.6.0 not this one"),
            &information,
            "failed permanent_message 554 clear -",
        ),
        // Rather twice than never, and a reminder rather never than twice.
        (
            Stage::FinalDot,
            Fault::Close,
            &information,
            "pending temporary - ambiguous 5000",
        ),
        (
            Stage::FinalDot,
            Fault::Close,
            &duty,
            "failed temporary - ambiguous -",
        ),
    ];
    for (stage, fault, about, expected) in table {
        server.behave();
        let words = format!("{fault:?} at {stage:?}");
        server.set(stage, fault);
        let notice = notice(clinic, Lane::Session, about.clone());
        let key = notice.key.clone();
        put(clinic, Some(Subject::Session(session)), vec![notice]).await;
        clinic.cycle().await;
        assert_eq!(row(clinic, &key), expected, "{words}");
        clinic.execute(&format!("DELETE FROM outbox WHERE notice_key = '{key}'"));
    }
    // One refused for its rate is tried again after a moment, a session's prompt after two to three seconds.
    server.behave();
    server.set(Stage::Mail, reply(450, "4.7.1 too much mail"));
    let notice = notice(clinic, Lane::Session, information);
    let key = notice.key.clone();
    put(clinic, None, vec![notice]).await;
    clinic.cycle().await;
    let row = row(clinic, &key);
    let (state, wait_ms) = row.rsplit_once(' ').expect("a wait");
    assert_eq!(state, "pending throttled 450 clear");
    let wait_ms: i64 = wait_ms.parse().expect("milliseconds");
    assert!((2_000..=3_000).contains(&wait_ms), "{wait_ms} ms");
}

async fn a_message_without_a_time_of_its_own_is_given_up_after_three_days(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut clinic = Clinic::open(engine).await;
    clinic.mail_by_smtp(&server).await;
    server.set(Stage::Rcpt, reply(451, "4.3.0 later"));
    for (age_min, expected) in [
        (3 * 24 * 60, "pending temporary 451 clear 5000"),
        (3 * 24 * 60 + 1, "failed temporary 451 clear -"),
    ] {
        let mut notice = notice(&clinic, Lane::Session, About::Information);
        notice.not_before = clinic.now() - minutes(age_min);
        let key = notice.key.clone();
        put(&clinic, None, vec![notice]).await;
        clinic.cycle().await;
        assert_eq!(row(&clinic, &key), expected, "{age_min} minutes");
    }
}

async fn mails_that_failed_together_do_not_come_back_together(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut clinic = Clinic::open(engine).await;
    clinic.mail_by_smtp(&server).await;
    server.set(Stage::Rcpt, reply(451, "4.3.0 later"));
    clinic.queue_test_mails(12).await;
    for waited_s in [0, 5, 30] {
        clinic.clocks.advance_machine(seconds(waited_s));
        clinic.cycle().await;
    }
    let now_ms = clinic.clocks.machine_now().timestamp_millis();
    let sql = format!(
        "SELECT attempts || ' ' || (retry_at - {now_ms}) AS value FROM outbox WHERE notice_key LIKE 'test:%'"
    );
    let waits_ms: Vec<i64> = clinic
        .texts(&sql)
        .iter()
        .map(|row| {
            let (attempts, wait_ms) = row.split_once(' ').expect("two numbers");
            assert_eq!(attempts, "3");
            wait_ms.parse().expect("milliseconds")
        })
        .collect();
    assert_eq!(waits_ms.len(), 12);
    assert!(
        waits_ms
            .iter()
            .all(|wait_ms| (120_000..=144_000).contains(wait_ms)),
        "{waits_ms:?}"
    );
    assert!(
        waits_ms.iter().any(|wait_ms| *wait_ms != waits_ms[0]),
        "{waits_ms:?}"
    );
}

/// A patient who asks for help between sessions, and a mail server that takes nothing of the first contacts.
async fn asked_for_help(engine: Database, server: &SmtpServer, code: u16) -> Play {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.clinic.mail_by_smtp(server).await;
    for role in ["nurse", "backup"] {
        server.refuse(&play.clinic.address(role), code, "4.2.0 not now");
    }
    play.phone.post("/v1/me/help", &json!({})).expect(200);
    play
}

/// Whether the case's next rung was told.
fn next_is_told(play: &Play) -> bool {
    let sql = format!(
        "SELECT id AS value FROM outbox WHERE about_kind = 'case' AND recipient_id = '{}'",
        play.clinic.id("prescriber")
    );
    !play.clinic.texts(&sql).is_empty()
}

async fn the_next_contact_is_told_after_the_second_failure_and_not_after_the_first(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut play = asked_for_help(engine, &server, 450).await;
    for _ in 0..3 {
        play.clinic.cycle().await;
    }
    assert!(!next_is_told(&play), "a second try may well succeed");
    play.clinic.clocks.advance_machine(seconds(5));
    play.clinic.cycle().await;
    assert!(next_is_told(&play));
}

async fn the_next_contact_is_told_when_an_escalation_has_not_left_for_a_minute(engine: Database) {
    for (late_s, told) in [(59, false), (60, true)] {
        let server = SmtpServer::start(Script::new());
        let mut play = asked_for_help(engine, &server, 450).await;
        let late = play.clinic.now() + seconds(late_s);
        play.clinic.clocks.set_clinical(late);
        play.clinic.cycle().await;
        assert_eq!(next_is_told(&play), told, "{late_s} s");
    }
}

async fn an_escalation_does_not_end_before_somebody_else_was_told(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.clinic.mail_by_smtp(&server).await;
    for role in ["nurse", "backup"] {
        server.refuse(&play.clinic.address(role), 550, "5.1.1 no such user");
    }
    play.sitter("/help", &json!({})).expect(200);
    // The rule that tells the next contact fails.
    let session = play.session.clone();
    play.clinic.poison_session(&session);
    let states = |play: &Play| {
        play.clinic.texts(
            "SELECT state || ' ' || COALESCE(last_class, '-') || ' ' || COALESCE(CAST(last_code AS TEXT), '-') AS value \
             FROM outbox WHERE about_kind = 'case' AND attempts > 0 AND state <> 'sent' ORDER BY 1",
        )
    };
    play.clinic.clocks.advance_machine(seconds(1));
    play.clinic.worker.cycle().await;
    assert_eq!(states(&play), ["pending permanent_address 550"; 2]);
    assert!(!next_is_told(&play));
    play.clinic.heal_session(&session);
    play.clinic.clocks.advance_machine(seconds(5));
    play.clinic.worker.cycle().await;
    let states = states(&play);
    assert!(
        states.iter().all(|state| !state.starts_with("pending")),
        "{states:?}"
    );
    assert!(states.contains(&"failed permanent_address 550".to_owned()));
    assert!(next_is_told(&play));
}
