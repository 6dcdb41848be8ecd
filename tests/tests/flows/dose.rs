//! The dose: by the book, late, twice, outside a ready session. Never refused.

use bedside_protocol::time::minutes;
use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use serde_json::json;

on_both_engines!(
    a_dose_logged_offline_25_minutes_ago_merges_the_checks_that_have_passed,
    a_dose_that_is_not_open_is_locked_with_every_reason_and_recorded_all_the_same,
    a_second_phone_logging_the_same_dose_is_asked_whether_it_is_the_same,
    a_dose_without_any_session_gets_one_that_the_care_team_watches,
    a_dose_report_with_nonsense_in_it_is_recorded,
    an_order_changed_on_the_day_must_be_read_back_again,
    release_is_refused_until_every_answer_is_good_and_escalates_meanwhile,
    blood_pressure_missing_from_a_good_check_is_asked_for,
    an_expired_log_in_still_reports_a_dose,
);

async fn a_dose_logged_offline_25_minutes_ago_merges_the_checks_that_have_passed(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_ready().await;
    play.clinic.advance_to(play.planned_at).await;
    play.phone.post(&play.path("/unlock"), &json!({})).expect(200);
    play.clinic.mailbox.fresh();
    let taken_at = play.clinic.now();
    play.clinic.advance_to(taken_at + minutes(25)).await;
    let report = json!({"observed_at": taken_at, "device_now": play.clinic.now(), "order_version": 1});
    let logged = play.phone.post(&play.path("/dose"), &report).expect(200).json();
    assert_eq!(logged["result"], "recorded", "{logged}");
    play.t0 = Some(taken_at);

    // C4 (T+10) and C5 (T+15) have passed: one check stands for both, due now; nobody missed anything.
    assert_eq!(play.duty("C4", 0)["state"], "excused");
    assert_eq!(play.duty("C5", 0)["state"], "excused");
    let now = play.duty("C5", 1);
    assert_eq!(now["state"], "open");
    assert_eq!(play.sitter_view()["check_now"]["duty_id"], now["id"]);
    play.clinic.cycle().await;
    assert!(play.cases().is_empty());
    play.answer_check("C5", 1, &[], None).expect(200);
    play.to_minute(31).await;
    play.answer_check("C6", 0, &[], None).expect(200);
    assert!(play.cases().is_empty());
}

async fn a_dose_that_is_not_open_is_locked_with_every_reason_and_recorded_all_the_same(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.sitter_accepts().await;
    play.day_before().await;
    play.clinic.advance_to(play.planned_at).await;
    let locked = play.phone.post(&play.path("/unlock"), &json!({})).expect(409);
    assert_eq!(locked.problem(), "dose-locked");
    let reasons = locked.json()["reasons"].as_array().expect("reasons").clone();
    let items: Vec<&str> = reasons
        .iter()
        .filter_map(|reason| reason["item"].as_str())
        .collect();
    for item in [
        "room_safe",
        "last_food_at",
        "vitals_pre",
        "sitter_here",
        "sitter_fit",
        "order_readback",
    ] {
        assert!(items.contains(&item), "{item} is missing in {items:?}");
    }
    assert!(
        items.iter().filter(|item| **item == "order_readback").count() == 2,
        "of the patient and of the sitter"
    );

    let logged = play
        .phone
        .post(&play.path("/dose"), &json!({"order_version": 1}))
        .expect(200)
        .json();
    assert_eq!(logged["result"], "recorded_outside_ready_session");
    play.clinic.cycle().await;
    let case = play.case();
    assert_eq!(
        (Play::causes(&case), &case["level"]),
        (vec!["unplanned_dose".to_owned()], &json!("P1"))
    );
    assert_eq!(
        play.duty("C6", 0)["state"],
        "open",
        "the session is watched like any other"
    );
}

async fn a_second_phone_logging_the_same_dose_is_asked_whether_it_is_the_same(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.to_minute(3).await;
    let earlier = play.t0.expect("a dose") - minutes(2);
    let again = play
        .sitter("/dose", &json!({ "observed_at": earlier }))
        .expect(200)
        .json();
    assert_eq!(again["result"], "same_dose");
    assert_eq!(
        again["taken_at"].as_str().and_then(|at| at.parse().ok()),
        Some(earlier),
        "the earliest stands"
    );
    assert_eq!(play.duty("C6", 1)["state"], "open", "the timetable moved with it");
    assert!(play.cases().is_empty());
    // The patient corrects it once more; a time ahead of now is refused by name.
    let fault = play
        .phone
        .post(
            &play.path("/dose/time"),
            &json!({"taken_at": play.clinic.now() + minutes(9)}),
        )
        .expect(422);
    assert_eq!(fault.json()["faults"][0]["field"], "taken_at");
    play.phone
        .post(&play.path("/dose/time"), &json!({"taken_at": play.t0}))
        .expect(200);
}

async fn a_dose_without_any_session_gets_one_that_the_care_team_watches(engine: Database) {
    let mut play = Play::without_session(Clinic::open(engine).await).await;
    let logged = play.phone.post("/v1/me/dose", &json!({})).expect(200).json();
    assert_eq!(logged["result"], "recorded_outside_ready_session");
    play.session = logged["session"].as_str().expect("a session").to_owned();
    play.t0 = Some(play.clinic.now());
    play.clinic.cycle().await;
    assert_eq!(play.case()["level"], "P1");
    let check = play.duty("C5", 0);
    assert_eq!(
        (&check["owed_by"], &check["state"]),
        (&json!("on_call"), &json!("open"))
    );
    // The nurse rings, and answers the check in the patient's place.
    play.to_minute(14).await;
    let path = format!(
        "/v1/sessions/{}/check-ins/{}",
        play.session,
        check["id"].as_str().expect("an id")
    );
    let body = json!({"answers": bedside_tests::play::answers_to("C5", &[])});
    play.clinic.staff("nurse").post(&path, &body).expect(200);
    assert_eq!(play.duty("C5", 0)["state"], "met");
}

async fn a_dose_report_with_nonsense_in_it_is_recorded(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_ready().await;
    play.clinic.advance_to(play.planned_at).await;
    play.phone.post(&play.path("/unlock"), &json!({})).expect(200);
    let far = json!({"observed_at": "2199-01-01T00:00:00Z", "colour": "blue", "order_version": "one"});
    let logged = play.phone.post(&play.path("/dose"), &far).expect(200).json();
    let taken_at: bedside_protocol::time::Instant = logged["taken_at"]
        .as_str()
        .and_then(|at| at.parse().ok())
        .expect("a time");
    assert_eq!(taken_at, play.clinic.now());
    // Not even JSON: the report is what counts.
    let body = Some(("application/json", b"{\"observed_at\": ".to_vec()));
    let again = play
        .phone
        .call("POST", &play.path("/dose"), body)
        .expect(200)
        .json();
    assert_eq!(again["result"], "same_dose");
    // A session that is not theirs or not there: the dose still counts.
    let nowhere = format!("/v1/me/sessions/{}/dose", uuid::Uuid::nil());
    let report = play.phone.post(&nowhere, &json!({})).expect(200).json();
    assert_eq!(report["result"], "recorded_outside_ready_session");
}

async fn an_order_changed_on_the_day_must_be_read_back_again(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_ready().await;
    play.clinic.advance_to(play.planned_at).await;
    play.sign_order(&play.order_of("swallow")).expect(201);
    let locked = play
        .phone
        .post(&play.path("/unlock"), &json!({}))
        .expect(409)
        .json();
    let codes: Vec<&str> = locked["reasons"]
        .as_array()
        .expect("reasons")
        .iter()
        .filter_map(|it| it["code"].as_str())
        .collect();
    assert_eq!(
        codes,
        ["order-changed", "order-changed"],
        "the patient's and the sitter's"
    );
    assert_eq!(play.today()["session"]["order"]["changed_since_readback"], true);
    // The old words are a wrong choice now: kept, and the order is shown again.
    let old = json!({"lozenge_count": 2, "hold_minutes": 10, "after_hold": "spit"});
    assert_eq!(
        play.tick_item("order_readback", "readback", old)
            .expect(200)
            .json()["result"],
        "read_again"
    );
    let new = json!({"lozenge_count": 2, "hold_minutes": 10, "after_hold": "swallow"});
    assert_eq!(
        play.tick_item("order_readback", "readback", new.clone())
            .expect(200)
            .json()["result"],
        "done"
    );
    play.sitter(
        "/checklist/order_readback",
        &json!({"type": "readback", "value": new}),
    )
    .expect(200);
    play.phone.post(&play.path("/unlock"), &json!({})).expect(200);
    // A phone that still showed the old order: recorded, and told at once.
    play.phone
        .post(&play.path("/dose"), &json!({"order_version": 1}))
        .expect(200);
    assert_eq!(Play::causes(&play.case()), ["outdated_order"]);
    assert_eq!(play.case()["level"], "P1");
}

async fn release_is_refused_until_every_answer_is_good_and_escalates_meanwhile(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    let checks = [
        (10, "C4", 0),
        (15, "C5", 0),
        (30, "C6", 0),
        (45, "C7", 0),
        (60, "C8", 0),
        (75, "C8", 1),
    ];
    play.answer_checks(&checks).await;
    play.answer_checks(&[(90, "C9", 0), (105, "C9b", 0)]).await;
    let early = play
        .sitter("/release", &json!({"answers": answers("C10", &[])}))
        .expect(409);
    assert_eq!(early.problem(), "too-early");
    play.to_minute(121).await;
    let patients = play.duty("C10P", 0)["id"].as_str().expect("an id").to_owned();
    let path = play.path(&format!("/check-ins/{patients}"));
    play.phone
        .post(&path, &json!({"answers": answers("C10P", &["ready_alone"])}))
        .expect(200);
    for (minute, rule, nth) in [
        (121, "C10", 0),
        (135, "C10b", 0),
        (150, "C10b", 1),
        (165, "C10b", 2),
        (178, "C10b", 3),
        (195, "C10b", 4),
        (210, "C10b", 5),
        (225, "C10b", 6),
        (239, "C10b", 7),
    ] {
        play.to_minute(minute).await;
        let answer = play
            .answer_check(rule, nth, &["walks_steadily"], None)
            .expect(200)
            .json();
        assert_eq!(answer["result"], "noted", "at T+{minute}");
        assert_eq!(play.state(), "monitoring", "at T+{minute}");
        let level = play.cases().first().map(|case| case["level"].clone());
        assert_eq!(level, (minute > 180).then(|| json!("P2")), "at T+{minute}");
    }
    play.to_minute(240).await;
    assert_eq!(play.case()["level"], "P1");
    // It goes on: the questions are asked again, and the care team is told again, until somebody disposes of it.
    play.to_minute(256).await;
    let released = play
        .sitter("/release", &json!({"answers": answers("C10b", &[])}))
        .expect(200)
        .json();
    assert_eq!(released["result"], "released");
    assert_eq!(play.state(), "released");
    assert_eq!(play.case()["state"], "open", "a person closes the case");
}

fn answers(rule: &str, not_well: &[&str]) -> serde_json::Value {
    bedside_tests::play::answers_to(rule, not_well)
}

async fn blood_pressure_missing_from_a_good_check_is_asked_for(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0), (15, "C5", 0), (30, "C6", 0)])
        .await;
    play.to_minute(45).await;
    assert_eq!(
        play.answer_check("C7", 0, &[], None).expect(200).json()["result"],
        "vitals_to_follow"
    );
    // A typo is asked again and alarms nobody.
    let typo = play
        .sitter("/vitals", &json!({"sbp": 12, "dbp": 80, "hr": 70}))
        .expect(422);
    assert_eq!(
        (typo.problem().as_str(), &typo.json()["faults"][0]["field"]),
        ("measure-again", &json!("sbp"))
    );
    play.to_minute(54).await;
    assert!(play.cases().is_empty());
    play.to_minute(55).await;
    let case = play.case();
    assert_eq!(
        (Play::causes(&case), &case["level"]),
        (vec!["vitals_missing".to_owned()], &json!("P2"))
    );
    // Over the limit: measured again after five minutes, and then it is P1.
    let first = play
        .sitter("/vitals", &json!({"sbp": 184, "dbp": 96, "hr": 88}))
        .expect(200)
        .json();
    assert_eq!(first["result"], "recheck");
    play.to_minute(59).await;
    let second = play
        .sitter("/vitals", &json!({"sbp": 186, "dbp": 98, "hr": 90}))
        .expect(200)
        .json();
    assert_eq!(second["result"], "told");
    assert_eq!(play.case()["level"], "P1");
}

async fn an_expired_log_in_still_reports_a_dose(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_ready().await;
    play.clinic.clocks.advance_machine(chrono::Duration::hours(2));
    play.phone.get("/v1/me/today").expect(401);
    let logged = play
        .phone
        .post(&play.path("/dose"), &json!({}))
        .expect(200)
        .json();
    assert_eq!(
        logged["result"], "recorded_outside_ready_session",
        "an unverified report is a case"
    );
    play.clinic.log_staff_in();
    assert_eq!(play.case()["level"], "P1");
    assert_eq!(play.case()["signals"][0]["by"], "unverified");
}
