//! Addresses that a mail server refuses for good: marked, told once a day, cleared by an accepted mail, never silenced.

use bedside_protocol::time::{minutes, seconds};
use bedside_store::Scope;
use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::play::{PATIENT, Play, SITTER};
use bedside_tests::smtp_server::{Script, SmtpServer};
use serde_json::{Value, json};

on_both_engines!(
    a_refused_address_is_marked_and_told_once_a_day_and_an_accepted_mail_clears_it,
    a_sitters_and_a_nurses_refused_address_show_where_staff_look,
    an_escalation_to_a_refused_address_is_tried_and_the_next_contact_is_told_at_once,
    a_new_address_has_no_mark,
    one_row_that_fails_for_ever_does_not_send_the_other_again,
);

const NO_SUCH_USER: &str = "5.1.1 no such user";

async fn under_smtp(engine: Database, server: &SmtpServer) -> Play {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.clinic.mail_by_smtp(server).await;
    play
}

/// A mail to the patient, sent or refused, and everything that follows of it.
async fn mail_to_patient(play: &mut Play) {
    let patient = play.patient.parse().expect("an id");
    let invited = play.clinic.store.invite_to_account(Scope::system(), patient);
    invited.await.expect("an invitation");
    play.clinic.cycle().await;
    play.clinic.cycle().await;
}

/// The sources of the mails by which this role heard of a refused address.
fn told(server: &SmtpServer, address: &str) -> Vec<String> {
    server
        .received()
        .into_iter()
        .filter(|mail| mail.to == [address])
        .map(|mail| String::from_utf8(mail.data).expect("ASCII"))
        .filter(|source| source.contains("Subject: An address is refused"))
        .collect()
}

fn patient_refused_since(play: &Play) -> Value {
    let path = format!("/v1/patients/{}", play.patient);
    let view = play.clinic.staff("coordinator").get(&path).expect(200).json();
    let list = play.clinic.staff("nurse").get("/v1/patients").expect(200).json();
    assert_eq!(
        view["mail_refused_since"],
        list["patients"][0]["mail_refused_since"]
    );
    view["mail_refused_since"].clone()
}

async fn a_refused_address_is_marked_and_told_once_a_day_and_an_accepted_mail_clears_it(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut play = under_smtp(engine, &server).await;
    let (coordinator, administrator) = (
        play.clinic.address("coordinator"),
        play.clinic.address("administrator"),
    );
    let count = |server: &SmtpServer| {
        let one = told(server, &coordinator).len();
        assert_eq!(one, told(server, &administrator).len(), "both hear of it");
        one
    };
    assert_eq!(patient_refused_since(&play), Value::Null);

    server.refuse(PATIENT, 550, NO_SUCH_USER);
    let since = play.clinic.now();
    mail_to_patient(&mut play).await;
    assert_eq!(patient_refused_since(&play), json!(since));
    assert_eq!(count(&server), 1);
    let mail = told(&server, &coordinator).remove(0);
    let log = play
        .clinic
        .staff("administrator")
        .get("/v1/messages?state=failed")
        .expect(200)
        .json();
    let failed = log["messages"][0]["id"].as_str().expect("an id").to_owned();
    assert!(
        mail.contains(&failed),
        "it names the message by which the log shows it: {mail}"
    );
    for word in ["robin", "quillfeather", "example.org", "555 010", "willow"] {
        assert!(!mail.to_lowercase().contains(word), "{word} in {mail}");
    }

    // Refused again on the same day: tried all the same, told no more, and since the first time.
    play.clinic.advance(60).await;
    mail_to_patient(&mut play).await;
    assert_eq!(count(&server), 1);
    assert_eq!(patient_refused_since(&play), json!(since));
    let tried = play
        .clinic
        .texts("SELECT recipient_kind AS value FROM outbox WHERE state = 'failed'");
    assert_eq!(tried, ["patient", "patient"]);

    // A day later it comes again.
    play.clinic.advance_to(since + minutes(24 * 60)).await;
    mail_to_patient(&mut play).await;
    assert_eq!(count(&server), 2);

    server.behave();
    mail_to_patient(&mut play).await;
    assert_eq!(patient_refused_since(&play), Value::Null);
    server.refuse(PATIENT, 550, NO_SUCH_USER);
    play.clinic.advance(10).await;
    let again = play.clinic.now();
    mail_to_patient(&mut play).await;
    assert_eq!(patient_refused_since(&play), json!(again), "a new stretch");
    assert_eq!(count(&server), 2, "at most once a day for one address");
    play.clinic.nothing_is_left_to_send().await;
}

async fn a_sitters_and_a_nurses_refused_address_show_where_staff_look(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut play = under_smtp(engine, &server).await;
    let nurse = play.clinic.address("nurse");
    server.refuse(SITTER, 550, NO_SUCH_USER);
    server.refuse(&nurse, 550, NO_SUCH_USER);
    let sitter = json!({"name": "Sam Oldacre", "email": SITTER, "phone": "+1 555 0101"});
    play.phone.post(&play.path("/sitters"), &sitter).expect(201);
    let invited = play
        .clinic
        .store
        .invite_to_account(Scope::system(), play.clinic.id("nurse"));
    invited.await.expect("an invitation");
    play.clinic.cycle().await;

    let now = json!(play.clinic.now());
    let session = play
        .clinic
        .staff("nurse")
        .get(&format!("/v1/sessions/{}", play.session))
        .expect(200)
        .json();
    assert_eq!(session["sitters"][0]["mail_refused_since"], now);
    for (path, list, name) in [("/v1/staff", "staff", "id"), ("/v1/on-call", "places", "person")] {
        let view = play.clinic.staff("administrator").get(path).expect(200).json();
        let id = json!(play.clinic.id("nurse"));
        for person in view[list].as_array().expect("a list") {
            let expected = if person[name] == id {
                now.clone()
            } else {
                Value::Null
            };
            assert_eq!(person["mail_refused_since"], expected, "{person}");
        }
    }
    // Nothing of the addresses is in the table.
    let rows = play
        .clinic
        .texts("SELECT recipient_kind || ' ' || class || ' ' || reply_code AS value FROM refused_addresses ORDER BY 1");
    assert_eq!(
        rows,
        ["sitter permanent_address 550", "staff permanent_address 550"]
    );
}

async fn an_escalation_to_a_refused_address_is_tried_and_the_next_contact_is_told_at_once(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut play = under_smtp(engine, &server).await;
    let (nurse, prescriber) = (play.clinic.address("nurse"), play.clinic.address("prescriber"));
    server.refuse(&nurse, 550, NO_SUCH_USER);
    let invited = play
        .clinic
        .store
        .invite_to_account(Scope::system(), play.clinic.id("nurse"));
    invited.await.expect("an invitation");
    play.clinic.cycle().await;

    // The mail server is only slow with this address now: the first try alone would tell nobody else.
    server.refuse(&nurse, 450, "4.2.1 try later");
    play.phone.post("/v1/me/help", &json!({})).expect(200);
    play.clinic.cycle().await;
    play.clinic.cycle().await;
    let cases_to = |address: &str| {
        let mails = server.received().into_iter();
        mails
            .filter(|mail| mail.to == [address])
            .filter(|mail| String::from_utf8_lossy(&mail.data).contains("Subject: [P1] Case"))
            .count()
    };
    assert_eq!(cases_to(&prescriber), 1, "the next contact is told at once");
    let tries = play.clinic.texts(
        "SELECT attempts || ' ' || last_code AS value FROM outbox WHERE about_kind = 'case' AND state = 'pending'",
    );
    assert!(
        !tries.is_empty() && tries.iter().all(|row| row == "1 450"),
        "it is tried: {tries:?}"
    );

    server.behave();
    for _ in 0..6 {
        play.clinic.cycle().await;
    }
    assert!(cases_to(&nurse) >= 1, "a mark silences nothing");
    let on_call = play.clinic.staff("administrator").get("/v1/on-call").expect(200);
    assert!(!on_call.body.contains("mail_refused_since"), "{}", on_call.body);
}

async fn a_new_address_has_no_mark(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut play = under_smtp(engine, &server).await;
    server.refuse(SITTER, 550, NO_SUCH_USER);
    for email in [SITTER, "sam.new@example.org"] {
        let sitter = json!({"name": "Sam Oldacre", "email": email, "phone": "+1 555 0101"});
        let invited = play
            .phone
            .post(&play.path("/sitters"), &sitter)
            .expect(201)
            .json();
        play.clinic.cycle().await;
        let session = play
            .clinic
            .staff("nurse")
            .get(&format!("/v1/sessions/{}", play.session))
            .expect(200)
            .json();
        let last = session["sitters"]
            .as_array()
            .and_then(|sitters| sitters.last())
            .cloned();
        let last = last.expect("a sitter");
        assert_eq!(last["mail_refused_since"].is_string(), email == SITTER, "{last}");
        if email == SITTER {
            let path = play.path(&format!("/sitters/{}", invited["id"].as_str().expect("an id")));
            play.phone.delete(&path).expect(200);
        }
    }
}

/// FAILURES F2: a sender that looks at the due date and not at the row's own state repeats what was sent.
async fn one_row_that_fails_for_ever_does_not_send_the_other_again(engine: Database) {
    // An escalation waits two minutes and a bit at the longest.
    for (code, tries_most) in [(450, 26), (550, 1)] {
        let server = SmtpServer::start(Script::new());
        let mut clinic = Clinic::open(engine).await;
        clinic.mail_by_smtp(&server).await;
        server.refuse("test-0@clinic.example", code, "refused");
        clinic.queue_test_mails(2).await;
        for _ in 0..50 {
            clinic.clocks.advance_machine(seconds(59));
            clinic.clocks.set_clinical(clinic.now() + minutes(1));
            clinic.cycle().await;
        }
        let to = |address: &str| {
            let mails = server.received().into_iter();
            mails.filter(|mail| mail.to == [address]).count()
        };
        assert_eq!(to("test-1@clinic.example"), 1);
        assert_eq!(to("test-0@clinic.example"), 0);
        let tries: Vec<String> =
            clinic.texts("SELECT attempts || '' AS value FROM outbox WHERE notice_key = 'test:0'");
        let tries: u32 = tries[0].parse().expect("a number");
        assert!((1..=tries_most).contains(&tries), "{tries} tries in 50 minutes");
        // Staff hear of the address that does not exist, once.
        let heard = usize::from(code == 550);
        assert_eq!(told(&server, &clinic.address("coordinator")).len(), heard);
    }
}
