//! The worker was down: our outage is not the patient's miss, and a person calls.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use serde_json::json;

on_both_engines!(
    checks_that_fell_due_while_the_worker_was_down_are_unknown_and_one_call_is_asked_for,
    without_a_living_watch_no_dose_is_unlocked,
);

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
    let outsiders = [bedside_tests::play::PATIENT, bedside_tests::play::SITTER];
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
