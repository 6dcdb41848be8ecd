//! The clinic's own protocol: drafted with every fault said, signed by one or two, taken by the sessions to come and by no
//! other; and a patient's own limits.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use bedside_worker::housekeeping::Job;
use serde_json::{Value, json};

on_both_engines!(
    every_fault_of_a_draft_comes_back_with_its_path_and_nothing_is_kept,
    a_prescriber_signs_and_sessions_to_come_take_the_version_while_one_that_runs_keeps_its_own,
    a_change_of_a_ladder_waits_for_a_second_clinician,
    of_two_editors_the_second_hears_what_changed,
    another_clinic_neither_sees_nor_follows_a_version,
    a_clinic_that_cannot_be_read_keeps_no_other_from_taking_its_protocol,
    limits_are_copied_with_the_first_order_and_changed_by_a_prescriber,
    a_dry_run_of_a_draft_lists_every_duty_and_mail_and_sends_nothing,
);

fn in_force(clinic: &Clinic) -> Value {
    let listed = clinic.staff("nurse").get("/v1/protocols").expect(200).json();
    let version = listed["in_force"].as_str().expect("a version");
    let path = format!("/v1/protocols/{version}");
    clinic.staff("nurse").get(&path).expect(200).json()
}

/// A draft over the version in force with some values changed.
fn draft(clinic: &Clinic, changes: &[(&str, Value)]) -> Value {
    let read = in_force(clinic);
    let mut document = read["document"].clone();
    for (pointer, value) in changes {
        *document.pointer_mut(pointer).expect(pointer) = value.clone();
    }
    json!({"based_on": read["version"], "reason": "after our review", "document": document})
}

fn sign(clinic: &Clinic, role: &str, version: &str) -> bedside_tests::http::Answer {
    clinic
        .staff(role)
        .post(&format!("/v1/protocols/{version}/sign"), &json!({}))
}

fn drafted(clinic: &Clinic, role: &str, changes: &[(&str, Value)]) -> String {
    let answer = clinic
        .staff(role)
        .post("/v1/protocols", &draft(clinic, changes))
        .expect(201);
    answer.json()["version"].as_str().expect("a version").to_owned()
}

fn version_of(play: &Play, session: &str) -> String {
    let nurse = play.clinic.staff("nurse");
    let shown = nurse.get(&format!("/v1/sessions/{session}")).expect(200).json();
    shown["protocol_version"].as_str().expect("a version").to_owned()
}

async fn every_fault_of_a_draft_comes_back_with_its_path_and_nothing_is_kept(engine: Database) {
    let clinic = Clinic::open(engine).await;
    let bad = draft(
        &clinic,
        &[
            ("/plan/min_interval_hours", json!("three days")),
            ("/timetable/checks/1/grace_s", json!(900)),
            ("/cases/p1/ladder/0/after_due_s", json!(61)),
            ("/course/relapse_gap_days", json!(0)),
        ],
    );
    let refused = clinic
        .staff("prescriber")
        .post("/v1/protocols", &bad)
        .expect(422)
        .json();
    let mut fields: Vec<&str> = refused["faults"]
        .as_array()
        .expect("faults")
        .iter()
        .map(|fault| fault["field"].as_str().expect("a field"))
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "document.cases.p1.ladder[0]",
            "document.course.relapse_gap_days",
            "document.plan.min_interval_hours",
            "document.timetable.checks[1].grace_s",
        ]
    );
    let listed = clinic.staff("nurse").get("/v1/protocols").expect(200).json();
    let own = listed["versions"].as_array().expect("versions").iter();
    assert_eq!(
        own.filter(|version| version["state"] != "shipped").count(),
        0,
        "{listed}"
    );
    // Who does not write protocols hears of no such route.
    let role = clinic
        .staff("coordinator")
        .post("/v1/protocols", &draft(&clinic, &[]));
    assert_eq!((role.status, role.problem().as_str()), (404, "not-found"));
}

async fn a_prescriber_signs_and_sessions_to_come_take_the_version_while_one_that_runs_keeps_its_own(
    engine: Database,
) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    let running = play.session.clone();
    let on = (play.clinic.now() + chrono::Duration::days(7))
        .format("%Y-%m-%d")
        .to_string();
    play.plan(&on, "10:00:00");
    let planned = play.session.clone();
    let version = drafted(&play.clinic, "nurse", &[("/plan/min_interval_hours", json!(96))]);
    assert_eq!(
        version_of(&play, &planned),
        "default-2",
        "a draft changes nothing"
    );
    let diff = format!("/v1/protocols/{version}/diff?from=default-2");
    let diff = play.clinic.staff("nurse").get(&diff).expect(200).json();
    assert_eq!(
        diff["changes"],
        json!([{"path": "plan.min_interval_hours", "before": 72, "after": 96}])
    );
    assert_eq!(
        sign(&play.clinic, "nurse", &version).expect(409).problem(),
        "prescriber-signs"
    );
    assert_eq!(
        sign(&play.clinic, "administrator", &version)
            .expect(404)
            .problem(),
        "not-found"
    );

    let signed = sign(&play.clinic, "prescriber", &version).expect(200).json();
    assert!(signed["in_force_at"].is_string(), "{signed}");
    assert_eq!(in_force(&play.clinic)["state"], "in_force");
    assert_eq!(version_of(&play, &planned), version);
    assert_eq!(version_of(&play, &running), "default-2");
    assert_eq!(
        sign(&play.clinic, "prescriber", &version).expect(409).problem(),
        "protocol-signed"
    );
    // What is planned from now on goes by it.
    let path = format!("/v1/patients/{}/sessions", play.patient);
    let too_near = (play.clinic.now() + chrono::Duration::days(10))
        .format("%Y-%m-%d")
        .to_string();
    let body = json!({"on": too_near, "time": "10:00:00"});
    let refused = play.clinic.staff("coordinator").post(&path, &body).expect(422);
    assert!(refused.body.contains("96 hours"), "{}", refused.body);
    // The check in the running session says which version it was asked by, and the clinic's trail has that version's hash.
    play.session.clone_from(&running);
    play.answer_checks(&[(10, "C4", 0)]).await;
    let path = format!("/v1/sessions/{running}/timeline");
    let timeline = play.clinic.staff("nurse").get(&path).expect(200).body;
    assert!(timeline.contains("default-2"), "{timeline}");
}

async fn a_change_of_a_ladder_waits_for_a_second_clinician(engine: Database) {
    let clinic = Clinic::open(engine).await;
    let sooner = ("/cases/p1/ladder/1/after_due_s", json!(180));
    let version = drafted(&clinic, "prescriber", &[sooner]);
    let once = sign(&clinic, "prescriber", &version).expect(200).json();
    assert_eq!(
        (&once["needs_second_signature"], &once["in_force_at"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(in_force(&clinic)["version"], "default-2");
    let path = format!("/v1/protocols/{version}");
    assert_eq!(
        clinic.staff("nurse").get(&path).expect(200).json()["state"],
        "partly_signed"
    );
    let again = sign(&clinic, "prescriber", &version).expect(409);
    assert_eq!(again.problem(), "second-signature-needed");
    let twice = sign(&clinic, "backup", &version).expect(200).json();
    assert_eq!(twice["signatures"].as_array().map(Vec::len), Some(2));
    let now = in_force(&clinic);
    assert_eq!(
        (now["version"].as_str(), now["state"].as_str()),
        (Some(version.as_str()), Some("in_force"))
    );
    assert_eq!(now["document"]["cases"]["p1"]["ladder"][1]["after_due_s"], 180);
}

async fn of_two_editors_the_second_hears_what_changed(engine: Database) {
    let clinic = Clinic::open(engine).await;
    let theirs = draft(&clinic, &[("/plan/unlock_before_min", json!(20))]);
    let waiting = drafted(&clinic, "nurse", &[("/sitter/wrong_codes_max", json!(4))]);
    let first = drafted(&clinic, "prescriber", &[("/plan/min_interval_hours", json!(96))]);
    sign(&clinic, "prescriber", &first).expect(200);
    for refused in [
        clinic.staff("nurse").post("/v1/protocols", &theirs).expect(409),
        sign(&clinic, "prescriber", &waiting).expect(409),
    ] {
        assert_eq!(refused.problem(), "changed-meanwhile");
        assert_eq!(
            refused.json()["changes"],
            json!([{"field": "plan.min_interval_hours", "was": 72, "is": 96}])
        );
    }
    // Written over what stands now, it is taken; and the version before it is still there to read.
    let second = drafted(&clinic, "nurse", &[("/plan/unlock_before_min", json!(20))]);
    sign(&clinic, "prescriber", &second).expect(200);
    let before = clinic
        .staff("nurse")
        .get(&format!("/v1/protocols/{first}"))
        .expect(200)
        .json();
    assert_eq!(before["state"], "superseded");
    assert_eq!(in_force(&clinic)["document"]["plan"]["min_interval_hours"], 96);
}

async fn another_clinic_neither_sees_nor_follows_a_version(engine: Database) {
    let clinic = Clinic::open(engine).await;
    let version = drafted(&clinic, "prescriber", &[("/plan/min_interval_hours", json!(96))]);
    sign(&clinic, "prescriber", &version).expect(200);
    let other = clinic.open_second_clinic().await;
    let listed = other.get("/v1/protocols").expect(200).json();
    assert_eq!(listed["in_force"], "default-2");
    assert!(!listed.to_string().contains(&version), "{listed}");
    for path in [
        format!("/v1/protocols/{version}"),
        format!("/v1/protocols/{version}/diff"),
        format!("/v1/protocols/default-2/diff?from={version}"),
    ] {
        assert_eq!(other.get(&path).expect(404).problem(), "not-found", "{path}");
    }
    let path = format!("/v1/protocols/{version}/sign");
    assert_eq!(other.post(&path, &json!({})).expect(404).problem(), "not-found");
    // A newer one that ships: this clinic keeps its own and sees that there is one; the other follows, by the next turn of
    // housekeeping also with what it has planned.
    let mut next: Value =
        serde_json::from_str(bedside_protocol::document::ProtocolDocument::shipped_text()).expect("JSON");
    next["version"] = json!("default-3");
    clinic.clocks.advance_machine(chrono::Duration::seconds(1));
    clinic
        .store
        .ensure_protocol(&next.to_string())
        .await
        .expect("a document");
    let ours = clinic.staff("nurse").get("/v1/protocols").expect(200).json();
    assert_eq!(
        (&ours["in_force"], &ours["newer_shipped"]),
        (&json!(version), &json!("default-3"))
    );
    let theirs = other.get("/v1/protocols").expect(200).json();
    assert_eq!(
        (&theirs["in_force"], &theirs["newer_shipped"]),
        (&json!("default-3"), &Value::Null)
    );
    clinic
        .worker
        .keep_house(Job::Protocols)
        .await
        .expect("housekeeping");
}

async fn a_clinic_that_cannot_be_read_keeps_no_other_from_taking_its_protocol(engine: Database) {
    let play = Play::planned(Clinic::open(engine).await).await;
    let clinic = &play.clinic;
    clinic.open_second_clinic().await;
    let mut next: Value =
        serde_json::from_str(bedside_protocol::document::ProtocolDocument::shipped_text()).expect("JSON");
    next["version"] = json!("default-3");
    clinic.clocks.advance_machine(chrono::Duration::seconds(1));
    clinic
        .store
        .ensure_protocol(&next.to_string())
        .await
        .expect("a document");
    // The other clinic's own version is damaged, and it comes first.
    let other = &clinic.texts("SELECT id AS value FROM clinics WHERE slug = 'rowan'")[0];
    clinic.execute(&format!(
        "UPDATE clinics SET slug = 'a-rowan', zone = 'Nowhere/At_All' WHERE id = '{other}'; \
         INSERT INTO protocol_documents SELECT 'rowan.1', 'nonsense', sha256, created_at FROM protocol_documents \
            WHERE version = 'default-2'; \
         INSERT INTO protocol_versions (version, clinic_id, number, doc_sealed, in_force_at) \
            VALUES ('rowan.1', '{other}', 1, {}, 1)",
        clinic.database().some_bytes()
    ));
    assert!(
        clinic.worker.keep_house(Job::Protocols).await.is_err(),
        "the fault is told"
    );
    assert_eq!(version_of(&play, &play.session), "default-3");
}

async fn limits_are_copied_with_the_first_order_and_changed_by_a_prescriber(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    let path = format!("/v1/patients/{}/limits", play.patient);
    let read = play.clinic.staff("nurse").get(&path).expect(200);
    let (tag, shown) = (read.header("etag").expect("a tag").to_owned(), read.json());
    assert_eq!(
        (&shown["version"], &shown["limits"]["sbp_max"]),
        (&json!(1), &json!(140))
    );
    assert_eq!(shown["history"][0]["protocol_version"], "default-2");

    let mut limits = shown["limits"].clone();
    limits["sbp_max"] = json!(155);
    limits["recheck"]["sbp"] = json!(175);
    let body = json!({"limits": limits, "reason": "known high pressure, agreed by telephone"});
    let prescriber = play.clinic.staff("prescriber");
    assert_eq!(
        play.clinic.staff("nurse").put(&path, &body).expect(404).problem(),
        "not-found"
    );
    prescriber.put(&path, &body).expect(412);
    let mut bad = body.clone();
    bad["limits"]["sbp_max"] = json!(200);
    bad["limits"]["p1_single"]["dbp"] = json!(140);
    let refused = prescriber
        .with("if-match", &tag)
        .put(&path, &bad)
        .expect(422)
        .json();
    assert_eq!(refused["faults"].as_array().map(Vec::len), Some(2), "{refused}");
    let changed = prescriber
        .with("if-match", &tag)
        .put(&path, &body)
        .expect(200)
        .json();
    assert_eq!(
        (&changed["version"], &changed["limits"]["sbp_max"]),
        (&json!(2), &json!(155))
    );
    prescriber.with("if-match", &tag).put(&path, &body).expect(412);
    // Another order leaves them alone.
    play.sign_order(&play.order_of("spit")).expect(201);
    assert_eq!(prescriber.get(&path).expect(200).json()["version"], 2);

    // Over the protocol's limit and under the patient's own: the screen opens.
    play.until_ready().await;
    assert_eq!(play.vitals(150, 80, 70).expect(200).json()["result"], "within");
    assert_eq!(play.state(), "ready");
}

async fn a_dry_run_of_a_draft_lists_every_duty_and_mail_and_sends_nothing(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    let sooner = ("/cases/p1/ladder/1/after_due_s", json!(180));
    let version = drafted(&play.clinic, "nurse", &[sooner]);
    play.clinic.cycle().await;
    let sent = play.clinic.mails_sent().await;
    let nurse = play.clinic.staff("nurse");
    let path = format!("/v1/protocols/{version}/dry-run");
    let body = json!({"answers": "none", "patient": play.patient});
    let runs = nurse.post(&path, &body).expect(200).json();
    // The days of a patient's doses are for who looks after them; without a patient an administrator plays any draft.
    let administrator = play.clinic.staff("administrator");
    assert_eq!(
        administrator.post(&path, &body).expect(404).problem(),
        "not-found"
    );
    let nobodys = json!({"answers": "none"});
    administrator.post(&path, &nobodys).expect(200);
    let run = &runs["runs"][0];
    assert_eq!(
        (&run["version"], &run["hold_minutes"]),
        (&json!(version), &json!(10))
    );
    let scenes = run["parts"].as_array().expect("parts");
    assert_eq!(scenes.len(), 3);
    let lines = scenes[1]["entries"].as_array().expect("entries");
    let to = |place: &str| {
        let mut mails = lines
            .iter()
            .filter(|line| line["message"]["kind"] == "case_needs_you");
        mails
            .find(|line| line["message"]["to"] == place)
            .expect("a mail")
            .clone()
    };
    // The hold is over after ten minutes, a miss after fourteen, and by this draft the rota hears three minutes later.
    assert_eq!(to("nurse")["minute"], 14);
    assert_eq!(to("prescriber")["minute"], 17);
    assert!(
        lines
            .iter()
            .any(|line| line["duty"]["row"] == "C5" && line["minute"] == 15)
    );
    // With everybody answering, the care team hears of nothing.
    let all = nurse.post(&path, &json!({"answers": "all"})).expect(200).json();
    assert!(!all.to_string().contains("case_needs_you"), "{all}");
    play.clinic.cycle().await;
    assert_eq!(play.clinic.mails_sent().await, sent);
    let other = play.clinic.open_second_clinic().await;
    other.post(&path, &json!({"answers": "all"})).expect(404);
    let body = json!({"answers": "all", "patient": play.patient});
    other.post("/v1/protocols/default-2/dry-run", &body).expect(404);
}
