//! Planning: local times, clock changes, holds, and what keeps a session from being planned.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use chrono::Duration;
use serde_json::json;

on_both_engines!(
    a_session_keeps_its_local_time_over_a_clock_change,
    every_reason_against_a_plan_comes_back_at_once,
    a_session_nobody_confirms_goes_to_the_worklist_and_is_held,
    a_hold_answer_holds_the_session_and_tells_the_clinic_and_a_prescriber_lifts_it,
    a_session_nobody_starts_ends_as_a_no_show,
    an_unlocked_screen_without_a_dose_is_asked_about_and_then_told,
    a_nurse_who_hears_that_it_was_taken_logs_it_before_the_case_can_close,
    blood_pressure_over_the_limit_three_times_holds_the_session,
);

async fn a_session_keeps_its_local_time_over_a_clock_change(engine: Database) {
    // The clocks of New York go forward on 14 March 2027 at 02:00.
    let clinic = Clinic::open_at(engine, "2027-03-10T15:00:00Z").await;
    let mut play = Play::without_session(clinic).await;
    play.plan("2027-03-14", "09:30:00");
    assert_eq!(play.planned_at.to_rfc3339(), "2027-03-14T13:30:00+00:00");
    let clinic = Clinic::open_at(engine, "2026-10-29T15:00:00Z").await;
    let mut play = Play::without_session(clinic).await;
    play.plan("2026-11-01", "09:30:00");
    assert_eq!(play.planned_at.to_rfc3339(), "2026-11-01T14:30:00+00:00");
}

async fn every_reason_against_a_plan_comes_back_at_once(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    let path = format!("/v1/patients/{}/sessions", play.patient);
    let coordinator = play.clinic.staff("coordinator");
    let near = (play.planned_at + Duration::days(1))
        .format("%Y-%m-%d")
        .to_string();
    let refused = coordinator
        .post(&path, &json!({"on": near, "time": "18:00:00"}))
        .expect(422)
        .json();
    let fields: Vec<&str> = refused["faults"]
        .as_array()
        .expect("faults")
        .iter()
        .filter_map(|fault| fault["field"].as_str())
        .collect();
    assert_eq!(fields, ["time", "on"], "{refused}");
    let past = coordinator
        .post(&path, &json!({"on": "2020-01-01", "time": "10:00:00"}))
        .expect(422);
    assert_eq!(past.json()["faults"][0]["field"], "on");
    play.clinic.advance(1).await;
}

async fn a_session_nobody_confirms_goes_to_the_worklist_and_is_held(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.clinic
        .advance_to(play.planned_at - Duration::hours(12) - Duration::minutes(1))
        .await;
    assert!(play.cases().is_empty());
    play.clinic
        .advance_to(play.planned_at - Duration::hours(12))
        .await;
    assert_eq!(
        (&play.case()["level"], Play::causes(&play.case())),
        (&json!("P3"), vec!["no_answer".to_owned()])
    );
    play.clinic.advance_to(play.planned_at - Duration::hours(2)).await;
    assert_eq!(play.state(), "held");
}

async fn a_hold_answer_holds_the_session_and_tells_the_clinic_and_a_prescriber_lifts_it(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.sitter_accepts().await;
    play.clinic
        .advance_to(play.planned_at - Duration::hours(25))
        .await;
    play.tick_item("still_on", "yes_no", json!(true)).expect(200);
    let answer = play
        .tick_item("changes_meds", "yes_no", json!(true))
        .expect(200)
        .json();
    assert_eq!(answer["result"], "held");
    assert_eq!(play.state(), "held");
    play.clinic.cycle().await;
    assert_eq!(play.case()["level"], "P2");
    // Between sessions P2 is for the nurse alone, at first.
    let mails = play.clinic.mailbox.fresh();
    let told: Vec<&str> = mails
        .iter()
        .filter(|mail| mail.text.contains("/c/"))
        .map(|mail| mail.to.as_str())
        .collect();
    assert_eq!(told, [play.clinic.address("nurse")]);
    let page = play.take_case("nurse");
    page.press("contacted", &[]).expect(303);
    page.press(
        "resolve",
        &[("outcome", "reached_well"), ("note", "Vitamin tablets; fine.")],
    )
    .expect(303);
    let lift = format!("/v1/sessions/{}/lift", play.session);
    play.clinic
        .staff("coordinator")
        .post(&lift, &json!({}))
        .expect(404);
    play.clinic
        .staff("prescriber")
        .post(&lift, &json!({}))
        .expect(200);
    assert_eq!(play.state(), "prep_open");
    let held = format!("/v1/sessions/{}/hold", play.session);
    let nameless = play
        .clinic
        .staff("prescriber")
        .post(&held, &json!({"reason": " "}))
        .expect(422)
        .json();
    assert_eq!(nameless["faults"][0]["field"], "reason");
}

async fn a_session_nobody_starts_ends_as_a_no_show(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.sitter_accepts().await;
    play.day_before().await;
    play.clinic
        .advance_to(play.planned_at + Duration::minutes(119))
        .await;
    assert_eq!(play.state(), "prep_open");
    play.clinic
        .advance_to(play.planned_at + Duration::minutes(120))
        .await;
    assert_eq!(play.state(), "no_show");
    assert_eq!(play.case()["level"], "P3");
}

async fn an_unlocked_screen_without_a_dose_is_asked_about_and_then_told(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_ready().await;
    play.clinic.advance_to(play.planned_at).await;
    play.phone.post(&play.path("/unlock"), &json!({})).expect(200);
    play.clinic.mailbox.fresh();
    play.clinic
        .advance_to(play.planned_at + Duration::minutes(16))
        .await;
    let asked: Vec<String> = play
        .clinic
        .mailbox
        .fresh()
        .into_iter()
        .map(|mail| mail.to)
        .collect();
    assert!(
        asked.iter().any(|to| to == bedside_tests::play::PATIENT),
        "{asked:?}"
    );
    assert!(
        asked.iter().any(|to| to == bedside_tests::play::SITTER),
        "{asked:?}"
    );
    play.clinic
        .advance_to(play.planned_at + Duration::minutes(30))
        .await;
    assert_eq!(play.state(), "unverified");
    assert_eq!(
        (&play.case()["level"], Play::causes(&play.case())),
        (&json!("P2"), vec!["taken_and_not_logged".to_owned()])
    );
}

async fn a_nurse_who_hears_that_it_was_taken_logs_it_before_the_case_can_close(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_ready().await;
    play.clinic.advance_to(play.planned_at).await;
    play.phone.post(&play.path("/unlock"), &json!({})).expect(200);
    // Unlocking again and again puts nothing off.
    play.clinic
        .advance_to(play.planned_at + Duration::minutes(5))
        .await;
    play.phone.post(&play.path("/unlock"), &json!({})).expect(200);
    play.clinic
        .advance_to(play.planned_at + Duration::minutes(30))
        .await;
    assert_eq!(play.state(), "unverified");
    let page = play.take_case("nurse");
    page.press("contacted", &[]).expect(303);
    let closing = [
        ("outcome", "reached_well"),
        ("note", "Taken at 10:05, both well."),
    ];
    let refused = page.press("resolve", &closing);
    assert!(
        refused.status == 409 || refused.status == 422,
        "{}",
        refused.status
    );
    assert_eq!(play.case()["state"], "contacted");
    let dose = format!("/v1/sessions/{}/dose", play.session);
    play.clinic
        .staff("coordinator")
        .post(&dose, &json!({}))
        .expect(404);
    let taken_at = play.planned_at + Duration::minutes(5);
    let logged = play
        .clinic
        .staff("nurse")
        .post(&dose, &json!({ "observed_at": taken_at }))
        .expect(200)
        .json();
    assert_eq!(
        logged["taken_at"].as_str().and_then(|at| at.parse().ok()),
        Some(taken_at),
        "{logged}"
    );
    assert_eq!(
        play.duty("C7", 0)["state"],
        "open",
        "the session is watched from here on"
    );
}

async fn blood_pressure_over_the_limit_three_times_holds_the_session(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.sitter_accepts().await;
    play.day_before().await;
    play.day_list().await;
    for (minutes_before, expected) in [(40, "try_again"), (30, "try_again"), (20, "held")] {
        play.clinic
            .advance_to(play.planned_at - Duration::minutes(minutes_before))
            .await;
        assert_eq!(play.vitals(150, 88, 72).expect(200).json()["result"], expected);
    }
    assert_eq!(play.state(), "held");
    assert_eq!(play.case()["level"], "P2");
}
