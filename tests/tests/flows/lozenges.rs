//! The lozenge ledger: what came, what was taken, what a count says, and whom it concerns.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use serde_json::{Value, json};

on_both_engines!(
    lozenges_are_counted_down_by_doses_and_a_count_that_differs_reaches_the_worklist,
    the_dose_stays_locked_while_too_few_lozenges_are_left,
    an_entry_that_cannot_be_is_refused_by_field_and_one_sent_twice_is_one,
    a_damaged_line_keeps_nobody_from_being_watched_and_opens_no_dose,
);

fn said(kind: &str, count: i64) -> Value {
    json!({"kind": kind, "count": count})
}

fn ledger(play: &Play) -> Value {
    let path = format!("/v1/patients/{}/lozenges", play.patient);
    play.clinic.staff("nurse").get(&path).expect(200).json()
}

/// The clinic's cases as a nurse sees them, each whole.
fn cases(play: &Play) -> Vec<Value> {
    let nurse = play.clinic.staff("nurse");
    let list = nurse.get("/v1/cases").expect(200).json();
    let rows = list["cases"].as_array().expect("cases").iter();
    rows.map(|case| {
        let path = format!("/v1/cases/{}", case["id"].as_str().expect("an id"));
        nurse.get(&path).expect(200).json()
    })
    .collect()
}

async fn lozenges_are_counted_down_by_doses_and_a_count_that_differs_reaches_the_worklist(engine: Database) {
    let new = Play::registered(Clinic::open(engine).await).await;
    assert!(
        new.today()["patient"]["lozenges_left"].is_null(),
        "nobody keeps it yet"
    );
    // The enrolment counts a package of twelve in.
    let mut play = Play::planned(Clinic::open(engine).await).await;
    assert_eq!(play.today()["patient"]["lozenges_left"], 12);
    play.until_dosed().await;
    assert_eq!(play.today()["patient"]["lozenges_left"], 10);
    play.phone
        .post("/v1/me/lozenges", &json!({"kind": "dose_wasted"}))
        .expect(201);
    play.phone
        .post("/v1/me/lozenges", &said("count_declared", 10))
        .expect(201);
    assert!(cases(&play).is_empty(), "ten there are");
    play.clinic.mailbox.fresh();

    play.phone
        .post("/v1/me/lozenges", &said("count_declared", 7))
        .expect(201);
    play.clinic.cycle().await;
    let cases = cases(&play);
    assert_eq!(cases.len(), 1);
    assert_eq!(cases[0]["level"], "P3");
    assert_eq!(Play::causes(&cases[0]), ["count_differs"]);
    for mail in play.clinic.mailbox.fresh() {
        assert!(!mail.text.contains("ozenge"), "{}", mail.text);
    }

    let nurse = play.clinic.staff("nurse");
    let path = format!("/v1/patients/{}/lozenges", play.patient);
    nurse
        .post(
            &path,
            &json!({"kind": "correction", "count": -3, "note": "counted together by video"}),
        )
        .expect(201);
    let ledger = ledger(&play);
    assert_eq!((&ledger["balance"], &ledger["taken"]), (&json!(7), &json!(2)));
    let kinds: Vec<&str> = ledger["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| entry["kind"].as_str().expect("a kind"))
        .collect();
    assert_eq!(
        kinds,
        [
            "received",
            "dose_wasted",
            "count_declared",
            "count_declared",
            "correction"
        ]
    );
    assert_eq!(play.today()["patient"]["lozenges_left"], 7);
    play.clinic
        .staff("coordinator")
        .post(&path, &said("received", 1))
        .expect(404);
}

async fn the_dose_stays_locked_while_too_few_lozenges_are_left(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.phone.post("/v1/me/lozenges", &said("lost", 11)).expect(201);
    let cases = cases(&play);
    assert_eq!(
        cases[0]["level"], "P2",
        "lost lozenges reach a nurse within the hour"
    );
    play.sitter_accepts().await;
    play.clinic.advance_to(play.planned_at).await;
    let locked = play
        .phone
        .post(&play.path("/unlock"), &json!({}))
        .expect(409)
        .json();
    let codes: Vec<&str> = locked["reasons"]
        .as_array()
        .expect("reasons")
        .iter()
        .map(|reason| reason["code"].as_str().expect("a code"))
        .collect();
    assert!(codes.contains(&"too-few-lozenges"), "{codes:?}");
}

async fn an_entry_that_cannot_be_is_refused_by_field_and_one_sent_twice_is_one(engine: Database) {
    let play = Play::planned(Clinic::open(engine).await).await;
    for (body, field) in [
        (said("received", 0), "count"),
        (said("received", -1), "count"),
        (json!({"kind": "received"}), "count"),
        (json!({"kind": "dose_wasted", "count": 1}), "count"),
        (said("correction", 4), "kind"),
        (
            json!({"kind": "received", "count": 1, "observed_at": "2099-01-01T00:00:00Z"}),
            "observed_at",
        ),
    ] {
        let refused = play.phone.post("/v1/me/lozenges", &body).expect(422);
        assert!(
            refused.json()["faults"].to_string().contains(field),
            "{body}: {}",
            refused.body
        );
    }
    let keyed = play.phone.with("idempotency-key", "package-1");
    keyed.post("/v1/me/lozenges", &said("received", 12)).expect(201);
    let again = keyed.post("/v1/me/lozenges", &said("received", 12)).expect(201);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(ledger(&play)["balance"], 24);
}

async fn a_damaged_line_keeps_nobody_from_being_watched_and_opens_no_dose(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    let bytes = play.clinic.database().some_bytes();
    // With a version of its own, as any change has that comes by the program.
    play.clinic.execute(&format!(
        "UPDATE patient_documents SET doc_sealed = {bytes}; UPDATE patients SET version = version + 1"
    ));
    play.answer_checks(&[(10, "C4", 0)]).await;
    play.to_minute(20).await;
    assert_eq!(play.duty("C5", 0)["state"], "missed");
    assert_eq!(Play::causes(&play.case()), ["missed_check_in"]);
    assert_eq!(play.case()["level"], "P1");
}
