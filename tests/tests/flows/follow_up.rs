//! The days after a session and between sessions: what is asked, whom a miss reaches, and the care team's worklist.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::mails::Mail;
use bedside_tests::on_both_engines;
use bedside_tests::play::{PATIENT, Play, SITTER};
use bedside_worker::housekeeping::Job;
use chrono::Duration;
use serde_json::{Value, json};

on_both_engines!(
    the_days_after_are_asked_kept_and_close_the_session,
    the_day_after_that_nobody_answers_reaches_a_nurse_and_late_again_the_worklist,
    two_days_after_that_nobody_answers_is_a_line_in_the_daily_mail,
    a_red_flag_among_the_side_effects_alarms_and_a_count_is_held_against_the_ledger,
    the_worklist_is_what_waits_today_oldest_first_page_by_page,
    what_cannot_be_read_of_the_care_teams_lists_is_shown_as_such_beside_the_rest,
    scores_that_a_session_owes_by_an_older_program_end_without_a_case,
    a_patient_without_a_baseline_is_reminded_and_goes_to_the_worklist,
    a_lifted_hold_asks_again_for_a_session_that_is_near,
);

/// To whom and with which subject.
fn lines(mails: &[Mail]) -> Vec<String> {
    let line = |mail: &Mail| {
        let who = mail.to.split('@').next().unwrap_or_default();
        let subject = mail.subject.split(" at ").next().unwrap_or_default();
        let subject = subject.split(" Case ").next().unwrap_or_default();
        format!("{who}: {subject}")
    };
    let mut lines: Vec<String> = mails.iter().map(line).collect();
    lines.sort();
    lines
}

fn side_effects(said: &[(&str, Value)]) -> Value {
    let document = bedside_protocol::document::ProtocolDocument::shipped().expect("the shipped document");
    let items = document.instruments.side_effects.items.iter();
    let mut list: serde_json::Map<String, Value> = items
        .map(|item| {
            let yes_no = item.asks == bedside_protocol::document::ListAsks::YesNo;
            (item.key.clone(), if yes_no { json!(false) } else { json!(0) })
        })
        .collect();
    for (key, value) in said {
        list.insert((*key).to_owned(), value.clone());
    }
    json!({ "side_effects": list })
}

async fn released(engine: Database) -> Play {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_released().await;
    play.clinic.cycle().await;
    play.clinic.mailbox.fresh();
    play
}

async fn the_days_after_are_asked_kept_and_close_the_session(engine: Database) {
    let mut play = released(engine).await;
    play.to_minute(360).await;
    let mild = side_effects(&[("nausea", json!(1)), ("headache", json!(2))]);
    let noted = play
        .own_check("C11", &["no_side_effects"], &mild)
        .expect(200)
        .json();
    assert_eq!(noted["result"], "noted");
    play.to_minute(24 * 60).await;
    let asked = play.today()["session"]["check_ins"][0].clone();
    assert_eq!((&asked["rule"], &asked["open"]), (&json!("C12"), &json!(true)));
    play.own_check("C12", &[], &json!({})).expect(200);
    play.to_minute(48 * 60).await;
    let refused = play
        .own_check("C13", &[], &json!({"words": {"insight": " ", "dream": "x"}}))
        .expect(422)
        .json();
    let fields: Vec<&str> = refused["faults"]
        .as_array()
        .expect("faults")
        .iter()
        .map(|fault| fault["field"].as_str().expect("a field"))
        .collect();
    assert_eq!(fields, ["words.insight", "words.action", "words"]);
    play.own_check("C13", &[], &json!({})).expect(200);
    assert_eq!(play.state(), "closed");
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(lines(&mails), ["robin: You have a task"; 3]);

    let path = format!("/v1/sessions/{}", play.session);
    let kept = |role: &str| play.clinic.staff(role).get(&path).expect(200).json()["check_in_answers"].clone();
    let of_nurse = kept("nurse");
    let answers = of_nurse.as_array().expect("answers");
    let evening = answers
        .iter()
        .find(|answer| answer["rule"] == "C11")
        .expect("the evening");
    assert_eq!(evening["side_effects"]["headache"], 2);
    let last = answers.last().expect("an answer");
    assert_eq!(last["words"]["action"], "A walk in the morning.");
    let of_coordinator = kept("coordinator").to_string();
    assert!(!of_coordinator.contains("A walk") && !of_coordinator.contains("headache"));
    assert!(play.cases().is_empty());
    play.clinic.nothing_is_left_to_send().await;
}

async fn the_day_after_that_nobody_answers_reaches_a_nurse_and_late_again_the_worklist(engine: Database) {
    let mut play = released(engine).await;
    play.to_minute(360).await;
    play.own_check("C11", &[], &json!({})).expect(200);
    play.clinic.mailbox.fresh();
    play.to_minute(28 * 60 - 1).await;
    let mails = play.clinic.mailbox.fresh();
    // Asked, reminded an hour and two hours later; then the sitter too, because the patient agreed to it.
    let (of_sitter, of_patient): (Vec<Mail>, Vec<Mail>) =
        mails.into_iter().partition(|mail| mail.to == SITTER);
    assert_eq!(
        lines(&of_patient),
        [
            "robin: You have a task",
            "robin: Your task was due",
            "robin: Your task was due"
        ]
    );
    assert_eq!(of_sitter.len(), 1, "{:?}", lines(&of_sitter));
    assert!(of_sitter[0].subject.starts_with("Your task was due"));
    play.to_minute(28 * 60).await;
    assert_eq!(lines(&play.clinic.mailbox.fresh()), ["nurse: [P2]"]);
    let page = play.take_case("nurse");
    page.press("contacted", &[]).expect(303);
    page.press("resolve", &[("outcome", "reached_well"), ("note", "All well.")])
        .expect(303);
    // Answered late, both times are kept and nothing is undone.
    let late = json!({"observed_at": play.t0.expect("a dose") + Duration::hours(25)});
    assert_eq!(
        play.own_check("C12", &[], &late).expect(200).json()["result"],
        "late"
    );
    assert_eq!(play.duty("C12", 0)["state"], "missed");

    play.clinic.mailbox.fresh();
    play.to_minute(53 * 60 - 1).await;
    let mails = play.clinic.mailbox.fresh();
    assert!(mails.iter().all(|mail| mail.to == PATIENT), "{:?}", lines(&mails));
    play.to_minute(53 * 60).await;
    // Late a second time running: that is more than a line in the daily mail.
    let case = play.cases().pop().expect("a case");
    assert_eq!(Play::causes(&case), ["late_twice"]);
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(lines(&mails), ["coordinator: [P3]"]);
}

async fn two_days_after_that_nobody_answers_is_a_line_in_the_daily_mail(engine: Database) {
    let mut play = released(engine).await;
    for (minute, rule) in [(360, "C11"), (24 * 60, "C12")] {
        play.to_minute(minute).await;
        play.own_check(rule, &[], &json!({})).expect(200);
    }
    play.clinic.mailbox.fresh();
    play.to_minute(54 * 60).await;
    assert_eq!(
        lines(&play.clinic.mailbox.fresh()),
        ["robin: You have a task", "robin: Your task was due"]
    );
    assert_eq!(play.state(), "closed");
    assert!(play.cases().is_empty());
    // At eight in the clinic's morning.
    play.to_minute(72 * 60).await;
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(lines(&mails), ["coordinator: For your information"]);
    assert!(mails[0].text.contains(&play.session) && !mails[0].text.contains("Robin"));
    play.clinic.nothing_is_left_to_send().await;
}

async fn a_red_flag_among_the_side_effects_alarms_and_a_count_is_held_against_the_ledger(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_released().await;
    play.clinic.cycle().await;
    play.clinic.mailbox.fresh();
    play.to_minute(360).await;
    play.clinic.mailbox.fresh();
    let flag = side_effects(&[("chest_tightness", json!(1))]);
    let told = play
        .own_check("C11", &["no_side_effects"], &flag)
        .expect(200)
        .json();
    assert_eq!(told["result"], "act_now");
    assert_eq!(told["show_now"]["emergency_number"], "911");
    play.clinic.cycle().await;
    assert_eq!(
        lines(&play.clinic.mailbox.fresh()),
        ["backup: [P1]", "nurse: [P1]"]
    );
    let page = play.take_case("nurse");
    assert!(page.show().contains("Chest tightness"));
    page.press("contacted", &[]).expect(303);
    page.press("resolve", &[("outcome", "reached_well"), ("note", "All well.")])
        .expect(303);

    play.to_minute(24 * 60).await;
    let uncounted = json!({"lozenges_left": null});
    let refused = play.own_check("C12", &[], &uncounted).expect(422).json();
    assert_eq!(refused["faults"][0]["field"], "lozenges_left");
    let expected = play.today()["patient"]["lozenges_left"]
        .as_i64()
        .expect("a ledger");
    play.own_check("C12", &[], &json!({"lozenges_left": expected - 1}))
        .expect(200);
    let case = play.cases().pop().expect("a case");
    assert_eq!(
        (&case["level"], &case["signals"][0]["detail"]),
        (&json!("P3"), &json!({"expected": 10, "counted": 9}))
    );
}

fn worklist(play: &Play, query: &str) -> Value {
    let path = format!("/v1/worklist{query}");
    play.clinic.staff("coordinator").get(&path).expect(200).json()
}

async fn the_worklist_is_what_waits_today_oldest_first_page_by_page(engine: Database) {
    let mut play = released(engine).await;
    assert_eq!(worklist(&play, ""), json!({"entries": []}));
    // Lozenges that differ: a case P3 of the patient. Then the day after, late and not missed yet.
    let counted = json!({"kind": "count_declared", "count": 3});
    play.phone.post("/v1/me/lozenges", &counted).expect(201);
    play.to_minute(360).await;
    play.own_check("C11", &[], &json!({})).expect(200);
    play.to_minute(25 * 60).await;
    let all = worklist(&play, "");
    let entries = all["entries"].as_array().expect("entries");
    let shown: Vec<(&str, &str)> = entries
        .iter()
        .map(|entry| {
            let level = entry["case"]["level"].as_str().unwrap_or("-");
            (entry["owed"].as_str().expect("what"), level)
        })
        .collect();
    assert_eq!(shown, [("take_case", "P3"), ("check_in", "-")], "{all}");
    assert_eq!(entries[1]["rule"], "C12");
    assert_eq!(entries[0]["patient"], entries[1]["patient"]);

    let first = worklist(&play, "?limit=1");
    let next = first["next"].as_str().expect("another page");
    assert_eq!(first["entries"][0], entries[0]);
    let second = worklist(&play, &format!("?limit=1&after={next}"));
    assert_eq!(second["entries"][0], entries[1]);
    let last = second["next"].as_str().expect("perhaps another page");
    let third = worklist(&play, &format!("?limit=1&after={last}"));
    assert_eq!(third, json!({"entries": []}));

    // Taken as any case, it stays until it is closed.
    let case = entries[0]["case"]["id"].as_str().expect("an id").to_owned();
    let coordinator = play.clinic.staff("coordinator");
    coordinator
        .post(&format!("/v1/cases/{case}/acknowledge"), &json!({}))
        .expect(200);
    // … and is due later: its outcome is owed within the day.
    assert_eq!(worklist(&play, "")["entries"][1]["case"]["state"], "acknowledged");
    for (act, body) in [
        ("contacted", json!({})),
        (
            "resolve",
            json!({"outcome": "reached_well", "note": "Counted together."}),
        ),
    ] {
        coordinator
            .post(&format!("/v1/cases/{case}/{act}"), &body)
            .expect(200);
    }
    play.own_check("C12", &[], &json!({})).expect(200);
    assert_eq!(worklist(&play, ""), json!({"entries": []}));

    for (role, status) in [("administrator", 404), ("nurse", 200)] {
        assert_eq!(
            play.clinic.staff(role).get("/v1/worklist").status,
            status,
            "{role}"
        );
    }
    let elsewhere = play.clinic.open_second_clinic().await;
    assert_eq!(
        elsewhere.get("/v1/worklist").expect(200).json(),
        json!({"entries": []})
    );
    let refused = coordinator.get("/v1/worklist?limit=0&after=x").expect(422).json();
    assert_eq!(refused["faults"].as_array().map(Vec::len), Some(2));
}

async fn what_cannot_be_read_of_the_care_teams_lists_is_shown_as_such_beside_the_rest(engine: Database) {
    let mut play = released(engine).await;
    let counted = json!({"kind": "count_declared", "count": 3});
    play.phone.post("/v1/me/lozenges", &counted).expect(201);
    play.to_minute(360).await;
    play.own_check("C11", &[], &json!({})).expect(200);
    play.to_minute(25 * 60).await;
    let before = worklist(&play, "");
    let case = before["entries"][0]["case"].clone();
    let bytes = play.clinic.database().some_bytes();
    let id = case["id"].as_str().expect("an id");
    play.clinic.execute(&format!(
        "UPDATE cases SET doc_sealed = {bytes} WHERE id = '{id}'"
    ));

    let after = worklist(&play, "");
    assert_eq!(after["entries"], json!([before["entries"][1]]), "{after}");
    let shown = &after["unreadable"][0];
    assert_eq!(
        (&shown["kind"], &shown["id"], &shown["code"], &shown["fault"]),
        (
            &json!("case"),
            &case["id"],
            &case["code"],
            &json!("cannot be read")
        )
    );
    // It has its place among the pages.
    let first = worklist(&play, "?limit=1");
    assert_eq!(first["entries"], json!([]));
    let next = first["next"].as_str().expect("another page");
    let second = worklist(&play, &format!("?limit=1&after={next}"));
    assert_eq!(second["entries"], after["entries"]);
    // The board of cases, too.
    let cases = play.clinic.staff("nurse").get("/v1/cases").expect(200).json();
    assert_eq!(cases["cases"], json!([]));
    assert_eq!(cases["unreadable"][0]["code"], case["code"]);

    play.clinic
        .execute("UPDATE duties SET doc = 'nonsense' WHERE kind = 'check_in' AND state = 'open'");
    let nothing = worklist(&play, "");
    let kinds: Vec<&Value> = nothing["unreadable"]
        .as_array()
        .expect("both")
        .iter()
        .map(|row| &row["kind"])
        .collect();
    assert_eq!(kinds, [&json!("case"), &json!("duty")], "{nothing}");
    assert_eq!(nothing["entries"], json!([]));
}

async fn scores_that_a_session_owes_by_an_older_program_end_without_a_case(engine: Database) {
    let mut play = released(engine).await;
    // As the program wrote them that asked for scores in the session.
    let due = play.clinic.now() + Duration::hours(2);
    let kept = play
        .clinic
        .texts("SELECT doc AS value FROM duties WHERE kind = 'check_in' AND state = 'open' ORDER BY due_at");
    let mut doc: Value = serde_json::from_str(&kept[0]).expect("JSON");
    let id = "0190a000-0000-7000-8000-00000000a5c0";
    let like = doc["id"].clone();
    let fields = doc.as_object_mut().expect("an object");
    fields.retain(|name, _| !["ordinal", "rule"].contains(&name.as_str()));
    for (name, value) in [
        ("id", json!(id)),
        ("kind", json!("answer_scores")),
        ("owed_by", json!("patient")),
        ("due_at", json!(due)),
        ("missed_after", json!(due + Duration::hours(1))),
        ("wake_at", json!(due)),
    ] {
        assert!(
            fields.insert(name.to_owned(), value).is_some(),
            "{name} was not there"
        );
    }
    let due_ms = due.timestamp_millis();
    play.clinic.execute(&format!(
        "INSERT INTO duties (id, clinic_id, subject_kind, subject_id, position, kind, lane, state, due_at, wake_at, doc) \
            SELECT '{id}', clinic_id, subject_kind, subject_id, 900, 'answer_scores', lane, 'open', {due_ms}, {due_ms}, '{doc}' \
            FROM duties WHERE id = '{}'; \
         UPDATE sessions SET version = version + 1",
        like.as_str().expect("an id")
    ));
    play.clinic.advance_to(due + Duration::hours(2)).await;
    let state = play
        .clinic
        .texts(&format!("SELECT state AS value FROM duties WHERE id = '{id}'"));
    assert_eq!(state, ["excused"]);
    assert!(play.cases().is_empty());
}

async fn a_patient_without_a_baseline_is_reminded_and_goes_to_the_worklist(engine: Database) {
    let mut play = Play::registered(Clinic::open(engine).await).await;
    for _ in 0..2 {
        play.clinic
            .worker
            .keep_house(Job::FollowPatients)
            .await
            .expect("a look");
    }
    let began = play.clinic.now();
    play.clinic.mailbox.fresh();
    play.clinic
        .advance_to(began + Duration::days(7) + Duration::minutes(299))
        .await;
    let mails = play.clinic.mailbox.fresh();
    assert!(mails.iter().all(|mail| mail.to == PATIENT), "{:?}", lines(&mails));
    assert_eq!(mails.len(), 5, "{:?}", lines(&mails));
    let late = worklist(&play, "");
    assert_eq!(late["entries"][0]["owed"], "answer_baseline");
    play.clinic.advance(1).await;
    assert_eq!(lines(&play.clinic.mailbox.fresh()), ["coordinator: [P3]"]);
    assert_eq!(
        worklist(&play, "")["entries"][0]["case"]["causes"],
        json!(["no_answer"])
    );
}

async fn a_lifted_hold_asks_again_for_a_session_that_is_near(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    let until = (play.planned_at + Duration::days(1))
        .format("%Y-%m-%d")
        .to_string();
    let hold = json!({"until": until, "may_lift": ["nurse"], "reason": "A cold."});
    play.clinic
        .staff("nurse")
        .post(&format!("/v1/patients/{}/hold", play.patient), &hold)
        .expect(201);
    play.clinic.cycle().await;
    play.clinic.mailbox.fresh();
    play.clinic
        .advance_to(play.planned_at - Duration::minutes(119))
        .await;
    assert_eq!(play.state(), "held");
    let mails = play.clinic.mailbox.fresh();
    assert!(mails.iter().all(|mail| mail.to != PATIENT), "{:?}", lines(&mails));
    play.clinic
        .staff("nurse")
        .post(
            &format!("/v1/patients/{}/lift", play.patient),
            &json!({"reason": "All well again."}),
        )
        .expect(200);
    assert_eq!(play.state(), "prep_open");
    play.clinic
        .advance_to(play.planned_at - Duration::minutes(59))
        .await;
    let mails = play.clinic.mailbox.fresh();
    assert!(mails.iter().any(|mail| mail.to == PATIENT), "{:?}", lines(&mails));
}
