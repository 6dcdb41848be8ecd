//! A course on its way: the patient travels, one session is moved or left out, a hold, a review.

use bedside_protocol::time::minutes;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::play::{PATIENT, Play};
use serde_json::{Value, json};

use crate::course::{course, fields, follow, lines, path, signed, with};

on_both_engines!(
    a_patient_in_another_zone_keeps_the_local_times_and_the_clinic_is_told,
    a_session_is_moved_inside_a_day_when_the_sitter_drops_out,
    a_hold_stops_the_dose_until_its_day_or_until_it_is_lifted,
    the_second_session_waits_for_the_review_after_the_first,
);

fn gate_codes(play: &Play) -> Vec<String> {
    let session = play.phone.get(&play.path("")).expect(200).json();
    let reasons = session["gate"]["reasons"].as_array().expect("reasons").iter();
    reasons
        .map(|it| it["code"].as_str().expect("a code").to_owned())
        .collect()
}

fn coordinator_view(play: &Play) -> Value {
    let path = format!("/v1/sessions/{}", play.session);
    play.clinic.staff("coordinator").get(&path).expect(200).json()
}

fn patients_causes(play: &Play) -> Vec<String> {
    let cases = play.clinic.staff("nurse").get("/v1/cases").expect(200).json();
    let cases = cases["cases"].as_array().expect("cases").iter();
    cases
        .flat_map(|case| {
            let id = case["id"].as_str().expect("an id");
            let whole = play
                .clinic
                .staff("nurse")
                .get(&format!("/v1/cases/{id}"))
                .expect(200)
                .json();
            Play::causes(&whole)
        })
        .collect()
}

async fn a_patient_in_another_zone_keeps_the_local_times_and_the_clinic_is_told(engine: Database) {
    let mut play = signed(engine).await;
    play.clinic.advance_to(play.planned_at - minutes(25 * 60)).await;
    let coordinator = play.clinic.staff("coordinator");
    let move_to = |zone: &str| {
        let read = coordinator.get(path(&play, "").trim_end_matches('/')).expect(200);
        let etag = read.header("etag").expect("a tag").to_owned();
        coordinator
            .with("if-match", &etag)
            .put(&path(&play, "zone"), &json!({ "zone": zone }))
    };
    coordinator
        .with("if-match", "\"0\"")
        .put(&path(&play, "zone"), &json!({"zone": "Europe/Madrid"}))
        .expect(412);
    move_to("Nowhere/Land").expect(422);
    let changed = move_to("Europe/Madrid").expect(200).json();
    assert_eq!(
        (changed["moved"].as_array().map(Vec::len), &changed["left"]),
        (Some(5), &json!([play.session]))
    );
    let again = move_to("Europe/Madrid").expect(200).json();
    assert_eq!(again["moved"], json!([]));
    let course = course(&play);
    assert!(
        lines(&course).iter().all(|line| line.contains(" 10:00 ")),
        "{:?}",
        lines(&course)
    );
    let at = |index: usize| course["sessions"][index]["planned"]["at"].clone();
    assert_eq!(
        (at(0), at(1)),
        (json!("2026-11-30T15:00:00Z"), json!("2026-12-07T09:00:00Z"))
    );
    play.clinic.cycle().await;
    assert!(
        patients_causes(&play).contains(&"zone_changed".to_owned()),
        "{:?}",
        patients_causes(&play)
    );
}

async fn a_session_is_moved_inside_a_day_when_the_sitter_drops_out(engine: Database) {
    let mut play = signed(engine).await;
    play.sitter_accepts().await;
    play.day_before().await;
    play.clinic.advance_to(play.planned_at - minutes(20 * 60)).await;
    let coordinator = play.clinic.staff("coordinator");
    let to =
        |cause: &str| json!({"on": "2026-12-02", "time": "11:00", "cause": cause, "reason": "sitter is ill"});
    let path = format!("/v1/sessions/{}/move", play.session);
    for cause in ["asked", "sitter_dropped_out", "clinical"] {
        let refused = coordinator.post(&path, &to(cause)).expect(422).json();
        assert_eq!(fields(&refused), ["cause"], "{cause}");
    }
    play.sitter("/decline", &json!({})).expect(200);
    coordinator.post(&path, &to("sitter_dropped_out")).expect(200);
    let moved = play.phone.get(&play.path("")).expect(200).json();
    assert_eq!(
        (&moved["state"], &moved["planned"]["on"]),
        (&json!("scheduled"), &json!("2026-12-02"))
    );
    play.planned_at = moved["planned"]["at"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a time");
    let others = lines(&course(&play));
    assert_eq!(others[1], "2026-12-07 10:00 scheduled", "the others stay");

    let seen = coordinator_view(&play);
    assert_eq!(
        (
            &seen["moves"][0]["cause"],
            &seen["moves"][0]["late"],
            &seen["moves"][0]["reason"]
        ),
        (
            &json!("sitter_dropped_out"),
            &json!(false),
            &json!("sitter is ill")
        )
    );

    // What was answered for the old day is asked again, and with a new sitter it goes its whole way.
    play.until_ready().await;
    play.dose().await;
    coordinator.post(&path, &to("asked")).expect(409);

    // The last one is left out.
    follow(&mut play, 5);
    let skip = format!("/v1/sessions/{}/skip", play.session);
    coordinator.post(&skip, &json!({"reason": ""})).expect(422);
    coordinator
        .post(&skip, &json!({"reason": "on a journey"}))
        .expect(200);
    assert_eq!(play.today()["course"]["sessions"][5]["skipped"], json!(true));
    assert_eq!(play.today()["course"]["sessions"][5]["state"], "cancelled");
}

async fn a_hold_stops_the_dose_until_its_day_or_until_it_is_lifted(engine: Database) {
    let mut play = signed(engine).await;
    let (nurse, prescriber) = (play.clinic.staff("nurse"), play.clinic.staff("prescriber"));
    let hold = json!({"until": "2026-12-06", "may_lift": ["prescriber"], "reason": "new heart medicine"});
    play.clinic
        .staff("coordinator")
        .post(&path(&play, "hold"), &hold)
        .expect(404);
    let refused = nurse
        .post(
            &path(&play, "hold"),
            &with(hold.clone(), &json!({"until": "2026-11-20", "may_lift": []})),
        )
        .expect(422)
        .json();
    assert_eq!(fields(&refused), ["until", "may_lift"]);
    let held = nurse.post(&path(&play, "hold"), &hold).expect(201).json();
    assert_eq!(
        held["sessions"],
        json!([play.session]),
        "the sessions that fall into it"
    );
    nurse.post(&path(&play, "hold"), &hold).expect(409);
    assert_eq!(play.today()["course"]["held_until"], "2026-12-06");
    assert!(gate_codes(&play).contains(&"course-held".to_owned()));

    // Nobody at home is reminded; the care team hears a day before that the session falls into the hold.
    let _ = play.clinic.mailbox.fresh();
    play.clinic.advance_to(play.planned_at - minutes(60)).await;
    let mails = play.clinic.mailbox.fresh();
    assert!(
        mails.iter().all(|mail| mail.to != PATIENT),
        "a reminder in a hold"
    );
    assert!(Play::causes(&play.case()).contains(&"course_held".to_owned()));

    let refused = nurse
        .post(&path(&play, "lift"), &json!({"reason": "fine"}))
        .expect(409);
    assert_eq!(refused.problem(), "not-yours-to-lift");
    prescriber
        .post(
            &path(&play, "lift"),
            &json!({"reason": "the cardiologist agrees"}),
        )
        .expect(200);
    assert!(!gate_codes(&play).contains(&"course-held".to_owned()));
    prescriber
        .post(&path(&play, "lift"), &json!({"reason": "again"}))
        .expect(409);

    // The next one ends by itself at the end of its day.
    nurse
        .post(
            &path(&play, "hold"),
            &json!({"until": "2026-12-01", "may_lift": ["nurse"], "reason": "a cold"}),
        )
        .expect(201);
    follow(&mut play, 1);
    play.clinic
        .advance_to("2026-12-02T04:59:00Z".parse().expect("a time"))
        .await;
    assert!(gate_codes(&play).contains(&"course-held".to_owned()));
    play.clinic
        .advance_to("2026-12-02T05:00:00Z".parse().expect("a time"))
        .await;
    assert!(!gate_codes(&play).contains(&"course-held".to_owned()));
    assert_eq!(course(&play)["holds"].as_array().map(Vec::len), Some(2));
}

async fn the_second_session_waits_for_the_review_after_the_first(engine: Database) {
    let mut play = signed(engine).await;
    play.until_dosed().await;
    follow(&mut play, 1);
    assert!(
        gate_codes(&play).contains(&"review-due".to_owned()),
        "{:?}",
        gate_codes(&play)
    );
    assert_eq!(course(&play)["review_due"], "after_session");
    assert_eq!(play.today()["course"]["review_due"], json!(true));
    let reviews = path(&play, "reviews");
    play.clinic
        .staff("coordinator")
        .post(&reviews, &json!({"note": "fine"}))
        .expect(404);
    play.clinic
        .staff("nurse")
        .post(&reviews, &json!({"note": " "}))
        .expect(422);
    play.clinic.advance(1).await;
    play.clinic
        .staff("prescriber")
        .post(&reviews, &json!({"note": "Tolerated well, goes on."}))
        .expect(201);
    assert!(!gate_codes(&play).contains(&"review-due".to_owned()));
    let course = course(&play);
    assert_eq!(course["reviews"][0]["note"], "Tolerated well, goes on.");
    assert!(course.get("review_due").is_none());
}
