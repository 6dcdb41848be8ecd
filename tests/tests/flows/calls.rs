//! The call log: written by the page of a case and over HTTP, read in the case, the log and the session's time line.

use bedside_protocol::time::minutes;
use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use serde_json::{Value, json};

on_both_engines!(
    a_call_written_on_the_page_of_a_case_stands_in_its_log_and_in_the_time_line,
    every_fault_of_a_call_is_said_at_once_and_a_repeated_request_is_one_call,
    who_may_write_and_read_calls,
);

fn calls(play: &Play) -> Vec<Value> {
    let path = format!("/v1/patients/{}/calls", play.patient);
    let log = play.clinic.staff("manager").get(&path).expect(200).json();
    log["calls"].as_array().expect("calls").clone()
}

async fn a_call_written_on_the_page_of_a_case_stands_in_its_log_and_in_the_time_line(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0)]).await;
    play.to_minute(15).await;
    play.answer_check("C5", 0, &["rousable"], None).expect(200);
    play.clinic.cycle().await;
    let page = play.take_case("nurse");
    let rung = [
        ("whom", "sitter"),
        ("reached", "no"),
        ("note", "rang twice, no answer"),
    ];
    // A form with a lack comes back with what was typed; by the link alone nothing is written.
    let back = page
        .press("call", &[("whom", "sitter"), ("note", "rang twice")])
        .expect(422)
        .body;
    assert!(
        back.contains("Please choose yes or no.") && back.contains(">rang twice</textarea>"),
        "{back}"
    );
    play.clinic
        .http
        .form(&format!("{}/call", page.path), &rung)
        .expect(401);
    assert_eq!(calls(&play), Vec::<Value>::new());
    page.press("call", &rung).expect(303);
    let shown = page.show();
    assert!(
        shown.contains("Nora Nightly rang: the sitter, not reached"),
        "{shown}"
    );
    assert!(
        shown.contains("rang twice, no answer") && shown.contains("/contacted"),
        "nobody was reached yet"
    );
    let case = play.case()["id"].clone();
    let log = calls(&play);
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!(
        (&log[0]["case"], &log[0]["session"]),
        (&case, &json!(play.session))
    );
    assert_eq!(
        (&log[0]["whom"], &log[0]["reached"]),
        (&json!("sitter"), &json!(false))
    );
    // Over HTTP, about the session; and one that has nothing to do with it.
    let path = format!("/v1/patients/{}/calls", play.patient);
    let coordinator = play.clinic.staff("coordinator");
    let about = json!({"whom": "emergency_contact", "reached": true, "session": play.session});
    coordinator.post(&path, &about).expect(201);
    coordinator
        .post(
            &path,
            &json!({"whom": "patient", "reached": true, "note": "moves house"}),
        )
        .expect(201);
    let timeline = play
        .clinic
        .staff("nurse")
        .get(&format!("/v1/sessions/{}/timeline", play.session));
    let timeline = timeline.expect(200).json();
    let lines = timeline["entries"].as_array().expect("entries").clone();
    let told: Vec<&Value> = lines
        .iter()
        .filter(|line| line["what"] == "call.logged")
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0]["detail"]["whom"], "sitter");
    assert_eq!(told[1]["detail"]["whom"], "emergency_contact");
    // Who has not taken the case writes nothing on its page.
    let other = play.take_case("backup");
    other.press("call", &rung).expect(409);
    assert_eq!(calls(&play).len(), 3);
    play.clinic.nothing_is_left_to_send().await;
}

async fn every_fault_of_a_call_is_said_at_once_and_a_repeated_request_is_one_call(engine: Database) {
    let play = Play::planned(Clinic::open(engine).await).await;
    let path = format!("/v1/patients/{}/calls", play.patient);
    let nurse = play.clinic.staff("nurse");
    let strange = "00000000-0000-4000-8000-000000000009";
    let bad = json!({"whom": "other", "reached": true, "at": play.clinic.now() - minutes(8 * 24 * 60), "session": strange});
    let refused = nurse.post(&path, &bad).expect(422).json();
    let fields: Vec<&str> = refused["faults"]
        .as_array()
        .expect("faults")
        .iter()
        .map(|fault| fault["field"].as_str().expect("a field"))
        .collect();
    assert_eq!(fields, ["note", "at", "session"]);
    nurse
        .post(
            &path,
            &json!({"whom": "patient", "reached": true, "case": strange}),
        )
        .expect(422);
    nurse
        .post(&path, &json!({"whom": "the queen", "reached": true}))
        .expect(400);
    let keyed = nurse.with("idempotency-key", "a-call-0001");
    let body = json!({"whom": "patient", "reached": true});
    let first = keyed.post(&path, &body).expect(201).json();
    assert_eq!(keyed.post(&path, &body).expect(201).json(), first);
    assert_eq!(calls(&play).len(), 1);
}

async fn who_may_write_and_read_calls(engine: Database) {
    let play = Play::without_session(Clinic::open(engine).await).await;
    let path = format!("/v1/patients/{}/calls", play.patient);
    let body = json!({"whom": "patient", "reached": true});
    for (role, writes, reads) in [
        ("nurse", 201, 200),
        ("prescriber", 201, 200),
        ("coordinator", 201, 200),
        ("manager", 404, 200),
        ("administrator", 404, 404),
    ] {
        play.clinic.staff(role).post(&path, &body).expect(writes);
        play.clinic.staff(role).get(&path).expect(reads);
    }
    let stranger = play.clinic.open_second_clinic().await;
    stranger.post(&path, &body).expect(404);
    stranger.get(&path).expect(404);
    play.phone.get(&path).expect(404);
}
