//! Reminders that wait for one person go in one mail; what is urgent never does.

use bedside_protocol::duty::Lane;
use bedside_protocol::id::{Ids, NoticeId};
use bedside_protocol::notice::{About, Message, Notice, Recipient, Who};
use bedside_protocol::time::{Instant, Zone, minutes, seconds};
use bedside_store::Scope;
use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::smtp_server::{Fault, Script, SmtpServer, Stage};
use serde_json::{Value, json};

on_both_engines!(
    reminders_that_wait_together_are_one_mail_that_says_all_of_them,
    above_six_mails_an_hour_reminders_wait_and_go_together,
    escalations_and_prompts_are_never_bundled_nor_held_back,
    a_bundle_that_fails_is_sent_again_byte_for_byte_and_ends_its_messages_only_when_accepted,
    a_bundle_that_may_have_been_accepted_is_not_sent_again,
    a_bundle_that_is_refused_sets_its_messages_free,
    what_a_refused_bundle_sets_free_keeps_to_six_mails_an_hour,
    a_bundle_of_which_a_message_is_over_ends_and_the_others_go,
);

const TO: &str = "pat@home.example";

/// A message to one person, such that its mail tells it from the others by the time in it.
fn message(clinic: &Clinic, lane: Lane, number: i64) -> Notice {
    let keys = clinic.store.keys();
    let id: NoticeId = Ids::new(clinic.now(), &mut |bytes| keys.random(bytes)).fresh();
    let due_at: Instant = "2026-12-01T08:00:00Z".parse().expect("a time");
    Notice {
        key: format!("test:{id}"),
        id,
        lane,
        to: Recipient {
            who: Who::Patient(clinic.id("nurse")),
            email: TO.to_owned(),
        },
        about: About::Information,
        message: Message::PatientTask {
            due_at: due_at + minutes(number),
            zone: Zone::UTC,
            overdue: false,
        },
        not_before: clinic.now(),
        stale_after: None,
        thread: None,
    }
}

async fn put(clinic: &Clinic, notices: Vec<Notice>) {
    let put = clinic
        .store
        .insert_notices(Scope::system(), clinic.clinic_id(), None, notices, Vec::new());
    put.await.expect("messages");
}

async fn put_some(clinic: &Clinic, lane: Lane, numbers: std::ops::Range<i64>) {
    put(
        clinic,
        numbers.map(|number| message(clinic, lane, number)).collect(),
    )
    .await;
}

fn states(clinic: &Clinic) -> Vec<String> {
    clinic.texts(
        "SELECT state || ' ' || COALESCE(substr(why, 1, 8), '-') AS value FROM outbox WHERE notice_key LIKE 'test:%' ORDER BY 1",
    )
}

fn sources(server: &SmtpServer) -> Vec<Vec<u8>> {
    let mails = server.received().into_iter();
    mails
        .filter(|mail| mail.to == [TO])
        .map(|mail| mail.data)
        .collect()
}

/// A minute later on both clocks, and a cycle.
async fn a_minute_later(clinic: &mut Clinic) {
    clinic.clocks.advance_machine(seconds(59));
    clinic.clocks.set_clinical(clinic.now() + minutes(1));
    clinic.cycle().await;
}

async fn reminders_that_wait_together_are_one_mail_that_says_all_of_them(engine: Database) {
    let mut clinic = Clinic::open(engine).await;
    put_some(&clinic, Lane::Reminder, 0..3).await;
    let mut other = message(&clinic, Lane::Reminder, 0);
    other.to.email = "else@home.example".to_owned();
    put(&clinic, vec![other]).await;
    clinic.cycle().await;

    let mails = clinic.mailbox.fresh();
    assert_eq!(mails.len(), 2, "{mails:?}");
    let bundle = mails.iter().find(|mail| mail.to == TO).expect("a mail");
    assert_eq!(bundle.subject, "3 messages for you");
    for said in ["8:00", "8:01", "8:02"] {
        assert!(
            bundle.text.contains(said) && bundle.html.contains(said),
            "{said} in {}",
            bundle.text
        );
    }
    assert_eq!(
        states(&clinic),
        ["sent -", "sent bundled:", "sent bundled:", "sent bundled:"]
    );

    // The log shows where each of them went.
    let log = clinic
        .staff("nurse")
        .get("/v1/messages?state=sent")
        .expect(200)
        .json();
    let log = log["messages"].as_array().expect("messages").clone();
    let carrier: Vec<&Value> = log.iter().filter(|it| it["message"] == "bundle").collect();
    assert_eq!(carrier.len(), 1);
    let why = json!(format!("bundled:{}", carrier[0]["id"].as_str().expect("an id")));
    assert_eq!(log.iter().filter(|it| it["why"] == why).count(), 3, "{log:?}");
    assert!(
        bundle
            .message_id
            .starts_with(carrier[0]["id"].as_str().expect("an id"))
    );
    clinic.nothing_is_left_to_send().await;
}

async fn above_six_mails_an_hour_reminders_wait_and_go_together(engine: Database) {
    let mut clinic = Clinic::open(engine).await;
    let start = clinic.now();
    for number in 0..10 {
        put_some(&clinic, Lane::Reminder, number..number + 1).await;
        a_minute_later(&mut clinic).await;
    }
    assert_eq!(clinic.mailbox.fresh().len(), 6);
    let due = clinic.store.count_waiting().await.expect("a count");
    assert_eq!(due, 0, "those that wait do not come up claim by claim");
    // One whose use is over before its turn is sent all the same: nothing is dropped.
    let mut urgent = message(&clinic, Lane::Reminder, 30);
    urgent.stale_after = Some(clinic.now() + minutes(20));
    put(&clinic, vec![urgent]).await;
    a_minute_later(&mut clinic).await;
    assert_eq!(clinic.mailbox.fresh().len(), 1);
    while clinic.now() < start + minutes(60) {
        a_minute_later(&mut clinic).await;
    }
    assert!(clinic.mailbox.fresh().is_empty(), "not within the hour");
    for _ in 0..5 {
        a_minute_later(&mut clinic).await;
    }
    let mails = clinic.mailbox.fresh();
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(mails[0].subject, "4 messages for you");
    clinic.nothing_is_left_to_send().await;
    assert!(states(&clinic).iter().all(|state| state.starts_with("sent")));
}

async fn escalations_and_prompts_are_never_bundled_nor_held_back(engine: Database) {
    let mut clinic = Clinic::open(engine).await;
    for lane in [Lane::Escalation, Lane::Session] {
        put_some(&clinic, lane, 0..20).await;
        clinic.cycle().await;
        let mails = clinic.mailbox.fresh();
        assert_eq!(mails.len(), 20, "{lane:?}");
        assert!(
            mails
                .iter()
                .all(|mail| mail.subject.starts_with("You have a task"))
        );
    }
    // They do not count against the reminders either.
    put_some(&clinic, Lane::Reminder, 0..1).await;
    clinic.cycle().await;
    assert_eq!(clinic.mailbox.fresh().len(), 1);
}

async fn a_bundle_that_fails_is_sent_again_byte_for_byte_and_ends_its_messages_only_when_accepted(
    engine: Database,
) {
    let server = SmtpServer::start(Script::new());
    let mut clinic = Clinic::open(engine).await;
    clinic.mail_by_smtp(&server).await;
    server.set(Stage::FinalDot, Fault::Reply(451, "4.3.0 later".to_owned()));
    put_some(&clinic, Lane::Reminder, 0..3).await;
    clinic.cycle().await;
    assert_eq!(
        states(&clinic),
        ["bundled bundled:"; 3],
        "not sent before it was accepted"
    );
    let kept = |clinic: &Clinic| {
        let hex = match engine {
            Database::Sqlite => "hex(rendered_sealed)",
            Database::Postgres => "encode(rendered_sealed, 'hex')",
        };
        clinic.texts(&format!(
            "SELECT {hex} AS value FROM outbox WHERE notice_key LIKE 'bundle:%'"
        ))
    };
    let first = kept(&clinic);
    assert_eq!(first.len(), 1);
    let waiting = clinic
        .staff("nurse")
        .get("/v1/messages?state=waiting")
        .expect(200)
        .json();
    assert_eq!(waiting["messages"].as_array().map(Vec::len), Some(4));
    // More that comes meanwhile does not change the mail.
    put_some(&clinic, Lane::Reminder, 3..4).await;
    server.behave();
    a_minute_later(&mut clinic).await;
    assert_eq!(sources(&server).len(), 2);
    assert_eq!(kept(&clinic), first, "the same to the byte");
    assert_eq!(
        states(&clinic),
        ["sent -", "sent bundled:", "sent bundled:", "sent bundled:"]
    );
    clinic.nothing_is_left_to_send().await;
}

async fn a_bundle_that_may_have_been_accepted_is_not_sent_again(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut clinic = Clinic::open(engine).await;
    clinic.mail_by_smtp(&server).await;
    server.set(Stage::FinalDot, Fault::Close);
    put_some(&clinic, Lane::Reminder, 0..3).await;
    clinic.cycle().await;
    assert_eq!(states(&clinic), ["failed ambiguou"; 3]);
    server.behave();
    a_minute_later(&mut clinic).await;
    assert!(server.received().is_empty());
    clinic.nothing_is_left_to_send().await;
}

async fn a_bundle_that_is_refused_sets_its_messages_free(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut clinic = Clinic::open(engine).await;
    clinic.mail_by_smtp(&server).await;
    server.set(
        Stage::FinalDot,
        Fault::Reply(554, "5.6.0 not this one".to_owned()),
    );
    put_some(&clinic, Lane::Digest, 0..3).await;
    clinic.cycle().await;
    // Each was tried on its own after the bundle, and ended with its own reason.
    assert_eq!(states(&clinic), ["failed permanen"; 3]);
    let bundle = clinic.texts("SELECT state AS value FROM outbox WHERE notice_key LIKE 'bundle:%'");
    assert_eq!(bundle, ["failed"]);
    clinic.nothing_is_left_to_send().await;
}

async fn what_a_refused_bundle_sets_free_keeps_to_six_mails_an_hour(engine: Database) {
    let refused = Fault::Reply(554, "5.6.0 not this one".to_owned());
    let server = SmtpServer::start(Script::new().fault_first(1, Stage::FinalDot, refused));
    let mut clinic = Clinic::open(engine).await;
    clinic.mail_by_smtp(&server).await;
    put_some(&clinic, Lane::Reminder, 0..10).await;
    clinic.cycle().await;
    assert_eq!(sources(&server).len(), 6);
    clinic.clocks.set_clinical(clinic.now() + minutes(59));
    clinic.cycle().await;
    assert_eq!(sources(&server).len(), 6, "no more within the hour");
    clinic.clocks.set_clinical(clinic.now() + minutes(1));
    clinic.cycle().await;
    assert_eq!(
        states(&clinic),
        ["sent -"; 10],
        "each by itself, and none is lost"
    );
    assert_eq!(sources(&server).len(), 10);
}

async fn a_bundle_of_which_a_message_is_over_ends_and_the_others_go(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut clinic = Clinic::open(engine).await;
    clinic.mail_by_smtp(&server).await;
    server.set(Stage::Mail, Fault::Reply(451, "4.3.0 not now".to_owned()));
    let mut notices: Vec<Notice> = (0..3)
        .map(|number| message(&clinic, Lane::Reminder, number))
        .collect();
    notices[1].stale_after = Some(clinic.now() + seconds(30));
    put(&clinic, notices).await;
    clinic.cycle().await;
    assert_eq!(states(&clinic), ["bundled bundled:"; 3]);
    server.behave();
    a_minute_later(&mut clinic).await;
    a_minute_later(&mut clinic).await;
    assert_eq!(
        states(&clinic),
        ["dropped stale", "sent bundled:", "sent bundled:"]
    );
    let mails = sources(&server);
    assert_eq!(mails.len(), 1);
    let mail = String::from_utf8_lossy(&mails[0]);
    assert!(
        mail.contains("Subject: 2 messages for you") && !mail.contains("8:01"),
        "{mail}"
    );
    let bundles = clinic.texts(
        "SELECT state || ' ' || COALESCE(why, '-') AS value FROM outbox WHERE notice_key LIKE 'bundle:%' ORDER BY 1",
    );
    assert_eq!(bundles, ["dropped bundle_changed", "sent -"]);
    clinic.nothing_is_left_to_send().await;
}
