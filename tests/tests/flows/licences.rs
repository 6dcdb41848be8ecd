//! Licences of a prescriber: recorded by the administrator, told to who signs and to who looks at a session.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::enrolment::{confirms, contacts};
use bedside_tests::http::Answer;
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use serde_json::{Value, json};

on_both_engines!(
    who_signs_without_a_licence_is_told_and_the_care_team_sees_it_at_the_session,
    licences_are_recorded_by_the_administrator_under_a_version,
);

fn path(play: &Play, role: &str) -> String {
    format!("/v1/staff/{}/licences", play.clinic.id(role))
}

fn record(play: &Play, version: u64, licences: &Value) -> Answer {
    let administrator = play.clinic.staff("administrator");
    administrator
        .with("if-match", &format!("\"{version}\""))
        .put(&path(play, "prescriber"), &json!({ "licences": licences }))
}

fn session(play: &Play) -> Value {
    let path = format!("/v1/sessions/{}", play.session);
    play.clinic.staff("nurse").get(&path).expect(200).json()
}

async fn who_signs_without_a_licence_is_told_and_the_care_team_sees_it_at_the_session(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    let told = "no licence of the prescriber for US-NY is recorded";
    assert_eq!(session(&play)["licence_warning"], told);
    let signed = play.sign_order(&play.order_of("spit")).expect(201).json();
    assert_eq!(signed["warning"], told);
    record(
        &play,
        0,
        &json!([{"region": "us-ny", "expires_on": "2026-11-25"}]),
    )
    .expect(200);
    assert!(
        session(&play).get("licence_warning").is_none(),
        "good on the day of the session"
    );
    let signed = play.sign_order(&play.order_of("spit")).expect(201).json();
    assert!(signed.get("warning").is_none(), "{signed}");
    record(
        &play,
        1,
        &json!([{"region": "US-NY", "expires_on": "2026-11-24"}]),
    )
    .expect(200);
    let ended = "the prescriber's licence for US-NY ended on 2026-11-24";
    assert_eq!(session(&play)["licence_warning"], ended);
    // The patient is in another state today.
    record(
        &play,
        2,
        &json!([{"region": "US-NY", "expires_on": "2027-11-24"}]),
    )
    .expect(200);
    assert!(session(&play).get("licence_warning").is_none());
    let mut elsewhere = contacts("America/New_York");
    elsewhere["region"] = json!("US-NJ");
    confirms(&play.phone, &elsewhere).expect(200);
    let told = "no licence of the prescriber for US-NJ is recorded";
    assert_eq!(session(&play)["licence_warning"], told);
    // A warning keeps nobody from the dose and says nothing to the patient; it is in the trail.
    play.sitter_accepts().await;
    play.day_before().await;
    play.day_list().await;
    play.last_quarter().await;
    assert!(!play.today().to_string().contains("licence"));
    play.clinic.advance_to(play.planned_at).await;
    play.phone.post(&play.path("/unlock"), &json!({})).expect(200);
    let trail = play.clinic.texts("SELECT action AS value FROM audit");
    assert!(trail.iter().any(|action| action == "licence.missing"));
}

async fn licences_are_recorded_by_the_administrator_under_a_version(engine: Database) {
    let play = Play::registered(Clinic::open(engine).await).await;
    let administrator = play.clinic.staff("administrator");
    let own = path(&play, "prescriber");
    let read = administrator.get(&own).expect(200);
    assert_eq!(read.header("etag"), Some("\"0\""));
    let good = json!([{"region": "US-NY", "expires_on": "2027-11-24"}, {"region": "US-NJ", "expires_on": "2027-11-24"}]);
    record(&play, 0, &good).expect(200);
    record(&play, 0, &json!([])).expect(412);
    let kept = play.clinic.staff("prescriber").get(&own).expect(200).json();
    assert_eq!((&kept["version"], &kept["licences"]), (&json!(1), &good));
    let wrong = json!([
        {"region": "US-NY", "expires_on": "2027-11-24"}, {"region": "New York", "expires_on": "2027-11-24"},
        {"region": "us-ny", "expires_on": "2027-11-24"},
    ]);
    let refused = record(&play, 1, &wrong).expect(422).json();
    let fields: Vec<&Value> = refused["faults"]
        .as_array()
        .expect("faults")
        .iter()
        .map(|fault| &fault["field"])
        .collect();
    assert_eq!(fields, ["licences[1].region", "licences[2].region"]);
    // A nurse has none, and for others there is no such thing.
    administrator.get(&path(&play, "nurse")).expect(404);
    for stranger in [
        play.clinic.staff("nurse"),
        play.clinic.staff("coordinator"),
        play.phone.clone(),
    ] {
        stranger.get(&own).expect(404);
    }
    play.clinic
        .staff("prescriber")
        .with("if-match", "\"1\"")
        .put(&own, &json!({"licences": []}))
        .expect(404);
    let trail = play.clinic.texts("SELECT action AS value FROM audit");
    assert!(trail.iter().any(|action| action == "licences.set"));
}
