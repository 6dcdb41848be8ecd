//! A session in which everybody does what they should.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::mails::subjects_to;
use bedside_tests::on_both_engines;
use bedside_tests::play::{PATIENT, Play, SITTER, answers_to};
use serde_json::json;

on_both_engines!(a_session_by_the_book_reaches_its_end_without_an_alarm);

async fn a_session_by_the_book_reaches_its_end_without_an_alarm(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    assert_eq!(play.state(), "dosed");

    // No dose-relative message is pending on the planned time any more: all checks exist from the dose on.
    let checks = [
        "C4", "C5", "C6", "C7", "C8", "C9", "C9b", "C10", "C10P", "C10b", "C11", "C12", "C13",
    ];
    assert!(checks.iter().all(|rule| play.duty(rule, 0)["state"] == "open"));

    play.answer_checks(&[(10, "C4", 0), (15, "C5", 0), (30, "C6", 0), (45, "C7", 0)])
        .await;
    assert_eq!(play.state(), "monitoring");
    play.answer_checks(&[(60, "C8", 0), (75, "C8", 1), (90, "C9", 0), (105, "C9b", 0)])
        .await;
    play.to_minute(120).await;
    let patients = play.duty("C10P", 0)["id"].as_str().expect("an id").to_owned();
    let path = play.path(&format!("/check-ins/{patients}"));
    play.phone
        .post(&path, &json!({"answers": answers_to("C10P", &[])}))
        .expect(200);
    let released = play
        .sitter("/release", &json!({"answers": answers_to("C10", &[])}))
        .expect(200)
        .json();
    assert_eq!(released["result"], "released");
    assert_eq!(play.state(), "released");

    play.to_minute(360).await;
    let answer = play.own_check("C11", &[], &json!({})).expect(200).json();
    assert_eq!(answer["result"], "well");
    assert_eq!(play.state(), "follow_up");
    play.follow_up().await;
    assert!(play.cases().is_empty());

    let mails = play.clinic.mailbox.all();
    for role in ["nurse", "backup", "prescriber", "manager", "administrator"] {
        let escalations = mails
            .iter()
            .filter(|mail| mail.to == play.clinic.address(role) && mail.text.contains("/c/"));
        assert_eq!(escalations.count(), 0, "{role} was alarmed");
    }
    assert!(subjects_to(&mails, PATIENT).iter().all(|subject| {
        subject.starts_with("You have a task at") || !subject.to_lowercase().contains("session")
    }));
    assert!(!subjects_to(&mails, SITTER).is_empty());
    play.clinic.nothing_is_left_to_send().await;
}
