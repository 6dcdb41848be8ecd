//! A course: a plan looked at, signed, changed, by two at once, and for whom.

use bedside_protocol::time::minutes;
use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::enrolment::answer_baseline;
use bedside_tests::http::Client;
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use serde_json::{Value, json};

on_both_engines!(
    a_signed_plan_is_a_series_of_sessions_on_the_phone_and_for_the_clinic,
    a_plan_over_a_clock_change_is_marked_before_it_is_signed_and_keeps_its_local_time,
    every_fault_of_a_plan_comes_back_at_once_and_nothing_is_kept,
    two_prescribers_who_change_one_plan_hear_of_each_other,
    a_change_moves_what_has_not_begun_and_touches_nothing_else,
    a_plan_is_the_clinics_own_and_for_the_roles_that_may,
);

/// Six sessions, a week apart, from Monday 30 November 2026 at 10:00.
pub fn plan() -> Value {
    json!({"first_on": "2026-11-30", "time": "10:00", "dispensed_lozenges": 12, "reason": "first course"})
}

pub fn with(mut plan: Value, changes: &Value) -> Value {
    for (field, value) in changes.as_object().expect("fields") {
        plan[field] = value.clone();
    }
    plan
}

pub fn path(play: &Play, rest: &str) -> String {
    format!("/v1/patients/{}/{rest}", play.patient)
}

pub fn course(play: &Play) -> Value {
    play.clinic
        .staff("nurse")
        .get(&path(play, "plans"))
        .expect(200)
        .json()
}

/// `2026-11-30 10:00 scheduled`, by number in the plan.
pub fn lines(course: &Value) -> Vec<String> {
    let sessions = course["sessions"].as_array().expect("sessions").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    sessions
        .map(|it| {
            format!(
                "{} {} {}",
                text(&it["planned"]["on"]),
                text(&it["planned"]["time"]),
                text(&it["state"])
            )
        })
        .collect()
}

pub fn fields(problem: &Value) -> Vec<&str> {
    let faults = problem["faults"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    faults
        .iter()
        .filter_map(|fault| fault["field"].as_str())
        .collect()
}

fn changing(client: &Client, version: u32) -> Client {
    client.with("if-match", &format!("\"{version}\""))
}

/// A clinic with a patient whose plan is signed; the play's session is the first of it.
pub async fn signed(engine: Database) -> Play {
    let mut play = Play::without_session(Clinic::open(engine).await).await;
    play.clinic
        .staff("prescriber")
        .post(&path(&play, "plans"), &plan())
        .expect(201);
    follow(&mut play, 0);
    play
}

/// Makes a session of the plan the one that is played.
pub fn follow(play: &mut Play, index: usize) {
    let session = course(play)["sessions"][index].clone();
    play.session = session["id"].as_str().expect("an id").to_owned();
    play.planned_at = session["planned"]["at"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a time");
    play.sitter_page = None;
}

async fn a_signed_plan_is_a_series_of_sessions_on_the_phone_and_for_the_clinic(engine: Database) {
    let play = Play::without_session(Clinic::open(engine).await).await;
    let preview = play
        .clinic
        .staff("coordinator")
        .post(&path(&play, "plans/preview"), &plan())
        .expect(200)
        .json();
    assert_eq!(
        (&preview["can_be_signed"], &preview["faults"]),
        (&json!(true), &json!([]))
    );
    let changes: Vec<&Value> = preview["sessions"]
        .as_array()
        .expect("sessions")
        .iter()
        .map(|it| &it["change"])
        .collect();
    assert_eq!(changes, [&json!("new"); 6]);
    assert!(lines(&course(&play)).is_empty(), "a look changes nothing");
    assert!(play.today().get("course").is_none());

    let prescriber = play.clinic.staff("prescriber");
    let once = prescriber.with("idempotency-key", "the-first-plan-of-robin");
    let first = once.post(&path(&play, "plans"), &plan()).expect(201);
    let again = once.post(&path(&play, "plans"), &plan()).expect(201);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(first.json(), again.json());
    assert_eq!(first.json()["version"], 1);

    let found = play.clinic.staff("nurse").get(&path(&play, "plans")).expect(200);
    assert_eq!(found.header("etag"), Some("\"1\""));
    let expected = [
        "2026-11-30 10:00 scheduled",
        "2026-12-07 10:00 scheduled",
        "2026-12-14 10:00 scheduled",
        "2026-12-21 10:00 scheduled",
        "2026-12-28 10:00 scheduled",
        "2027-01-04 10:00 scheduled",
    ];
    assert_eq!(lines(&found.json()), expected);
    let today = play.today();
    assert_eq!(lines(&today["course"]), expected);
    assert_eq!(today["session"]["id"], today["course"]["sessions"][0]["id"]);
    assert_eq!(today["course"]["review_due"], json!(false));
}

async fn a_plan_over_a_clock_change_is_marked_before_it_is_signed_and_keeps_its_local_time(engine: Database) {
    // The clocks of New York go forward on Sunday 14 March 2027.
    let mut play = Play::without_session(Clinic::open_at(engine, "2027-03-01T15:00:00Z").await).await;
    let plan = with(plan(), &json!({"first_on": "2027-03-07", "time": "09:30"}));
    let preview = play
        .clinic
        .staff("prescriber")
        .post(&path(&play, "plans/preview"), &plan)
        .expect(200)
        .json();
    let marked: Vec<&Value> = preview["sessions"]
        .as_array()
        .expect("sessions")
        .iter()
        .filter(|it| it.get("clock_change").is_some())
        .collect();
    assert_eq!(marked.len(), 1);
    assert_eq!(marked[0]["planned"]["on"], "2027-03-14");
    assert_eq!(marked[0]["clock_change"]["by_minutes"], 60);
    assert_eq!(
        marked[0]["clock_change"]["text"],
        "The clocks go forward by 60 minutes that day: the session stays at 09:30."
    );
    play.clinic
        .staff("prescriber")
        .post(&path(&play, "plans"), &plan)
        .expect(201);
    let course = course(&play);
    let at: Vec<&str> = (0..3)
        .filter_map(|index| course["sessions"][index]["planned"]["at"].as_str())
        .collect();
    assert_eq!(
        at,
        [
            "2027-03-07T14:30:00Z",
            "2027-03-14T13:30:00Z",
            "2027-03-21T13:30:00Z"
        ]
    );
    // The whole day before goes by with the worker awake: C1 is asked 26 hours before the local time.
    follow(&mut play, 1);
    play.clinic
        .advance_to(play.planned_at - minutes(26 * 60 + 1))
        .await;
    assert_eq!(play.state(), "scheduled");
    play.clinic.advance_to(play.planned_at - minutes(25 * 60)).await;
    assert_eq!(play.state(), "prep_open");
}

async fn every_fault_of_a_plan_comes_back_at_once_and_nothing_is_kept(engine: Database) {
    let play = Play::without_session(Clinic::open(engine).await).await;
    let bad = with(
        plan(),
        &json!({"first_on": "2026-11-20", "time": "21:00", "induction_sessions": 3, "dispensed_lozenges": 5, "reason": " "}),
    );
    let prescriber = play.clinic.staff("prescriber");
    let expected = [
        "induction_sessions",
        "time",
        "reason",
        "dispensed_lozenges",
        "first_on",
    ];
    let refused = prescriber.post(&path(&play, "plans"), &bad).expect(422).json();
    assert_eq!(fields(&refused), expected);
    let preview = prescriber
        .post(&path(&play, "plans/preview"), &bad)
        .expect(200)
        .json();
    assert_eq!(fields(&preview), expected);
    assert_eq!(preview["can_be_signed"], json!(false));
    assert_eq!(preview["sessions"].as_array().map(Vec::len), Some(3));
    for (field, value) in [
        ("weekdays", json!(["someday"])),
        ("time", json!("25:00")),
        ("first_on", json!("tomorrow")),
        ("dose_mg", json!(400)),
    ] {
        let refused = prescriber
            .post(&path(&play, "plans"), &with(plan(), &json!({ field: value })))
            .expect(400);
        assert!(refused.body.contains(field), "{}", refused.body);
    }
    for tag in ["3", "\"x\"", "*"] {
        let refused = prescriber
            .with("if-match", tag)
            .post(&path(&play, "plans"), &plan())
            .expect(400);
        assert!(refused.body.contains("if-match"), "{}", refused.body);
    }
    assert!(lines(&course(&play)).is_empty());
}

async fn two_prescribers_who_change_one_plan_hear_of_each_other(engine: Database) {
    let play = Play::without_session(Clinic::open(engine).await).await;
    let prescriber = play.clinic.staff("prescriber");
    // Both sign a first plan in the same moment: one is a second plan.
    let (one, other) = tokio::join!(
        tokio::task::spawn({
            let (client, path) = (prescriber.clone(), path(&play, "plans"));
            async move { client.post(&path, &plan()).status }
        }),
        tokio::task::spawn({
            let (client, path) = (prescriber.clone(), path(&play, "plans"));
            async move { client.post(&path, &plan()).status }
        }),
    );
    let mut statuses = [one.expect("an answer"), other.expect("an answer")];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 422]);
    assert_eq!(lines(&course(&play)).len(), 6);

    // Both read version 1.
    let later = with(plan(), &json!({"time": "11:00"}));
    changing(&prescriber, 1)
        .post(&path(&play, "plans"), &later)
        .expect(201);
    let second = with(plan(), &json!({"interval_days": 14}));
    let refused = changing(&prescriber, 1)
        .post(&path(&play, "plans"), &second)
        .expect(409);
    assert_eq!(refused.problem(), "changed-meanwhile");
    assert_eq!(
        refused.json()["changes"],
        json!([{"field": "time", "was": "10:00:00", "is": "11:00:00"}])
    );
    let course = course(&play);
    assert_eq!(course["plan"]["version"], 2);
    assert_eq!(course["versions"].as_array().map(Vec::len), Some(2));
    assert!(
        lines(&course)
            .iter()
            .all(|line| line.ends_with("11:00 scheduled")),
        "{:?}",
        lines(&course)
    );
}

async fn a_change_moves_what_has_not_begun_and_touches_nothing_else(engine: Database) {
    let mut play = signed(engine).await;
    play.sitter_accepts().await;
    play.day_before().await;
    let before = course(&play);
    let change = with(
        plan(),
        &json!({"induction_sessions": 5, "first_on": "2026-12-08", "time": "12:00"}),
    );
    // Before the first dose the questionnaires are good for two weeks.
    answer_baseline(&play.phone, play.clinic.now());
    let prescriber = changing(&play.clinic.staff("prescriber"), 1);
    let preview = prescriber
        .post(&path(&play, "plans/preview"), &change)
        .expect(200)
        .json();
    let changes: Vec<&Value> = preview["sessions"]
        .as_array()
        .expect("sessions")
        .iter()
        .map(|it| &it["change"])
        .collect();
    assert_eq!(changes, ["left", "moved", "moved", "moved", "moved", "dropped"]);
    prescriber.post(&path(&play, "plans"), &change).expect(201);
    let after = course(&play);
    assert_eq!(
        lines(&after),
        [
            "2026-11-30 10:00 prep_open",
            "2026-12-08 12:00 scheduled",
            "2026-12-15 12:00 scheduled",
            "2026-12-22 12:00 scheduled",
            "2026-12-29 12:00 scheduled",
            "2027-01-04 10:00 cancelled",
        ]
    );
    assert_eq!(
        after["sessions"][0], before["sessions"][0],
        "what has begun stays"
    );
    let ids = |course: &Value| -> Vec<Value> {
        course["sessions"]
            .as_array()
            .expect("sessions")
            .iter()
            .map(|it| it["id"].clone())
            .collect()
    };
    assert_eq!(ids(&after), ids(&before), "no session twice, none away");
    // The first goes on as it was prepared, to its dose.
    play.day_list().await;
    play.last_quarter().await;
    play.dose().await;
}

async fn a_plan_is_the_clinics_own_and_for_the_roles_that_may(engine: Database) {
    let play = signed(engine).await;
    let stranger = play.clinic.open_second_clinic().await;
    for (method, rest, body) in [
        ("POST", "plans", plan()),
        ("POST", "plans/preview", plan()),
        ("GET", "plans", json!({})),
        ("PUT", "zone", json!({"zone": "Europe/Madrid"})),
        (
            "POST",
            "hold",
            json!({"until": "2026-12-06", "may_lift": ["nurse"], "reason": "x"}),
        ),
        ("POST", "lift", json!({"reason": "x"})),
        ("POST", "reviews", json!({"note": "x"})),
    ] {
        let body = (method != "GET").then(|| ("application/json", body.to_string().into_bytes()));
        for client in [&stranger, &play.phone, &play.clinic.staff("administrator")] {
            client.call(method, &path(&play, rest), body.clone()).expect(404);
        }
    }
    for act in ["move", "skip"] {
        let body = json!({"on": "2026-12-02", "time": "11:00", "cause": "asked", "reason": "x"});
        let body = if act == "skip" {
            json!({"reason": "x"})
        } else {
            body
        };
        let path = format!("/v1/sessions/{}/{act}", play.session);
        for client in [&stranger, &play.phone, &play.clinic.staff("administrator")] {
            client.post(&path, &body).expect(404);
        }
    }
    play.clinic
        .staff("nurse")
        .post(&path(&play, "plans"), &plan())
        .expect(404);
    assert_eq!(lines(&course(&play)).len(), 6);
}
