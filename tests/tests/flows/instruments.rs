//! Questionnaires: what is asked, what is kept, whom an answer about death reaches, and what the care team sees of it.

use bedside_protocol::instruments::{InstrumentKey, form};
use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::mails::Mail;
use bedside_tests::on_both_engines;
use bedside_tests::play::{PATIENT, Play};
use bedside_worker::housekeeping::Job;
use chrono::Duration;
use serde_json::{Value, json};

on_both_engines!(
    a_phq9_is_scored_kept_whole_and_shown_to_the_clinic,
    a_partial_answer_is_refused_with_every_missing_item_and_nothing_is_kept,
    item_9_asks_the_safety_questions_at_once_and_mails_the_nurse_without_health_data,
    right_now_is_a_p1_and_no_dose_opens_until_a_clinician_has_reviewed_it,
    a_known_answer_that_did_not_change_stays_on_the_worklist,
    a_side_effect_that_is_a_red_flag_shows_the_number_and_alarms,
    scores_are_asked_for_after_the_second_session_and_missed_they_go_to_the_worklist,
    trends_come_as_numbers_and_as_a_picture_without_a_name,
    a_result_from_elsewhere_is_recorded_and_what_is_wrong_with_it_comes_back_at_once,
);

/// A form answered with `values` in order, the rest with 0 or no.
fn answers(key: InstrumentKey, values: &[u32]) -> Value {
    let document = bedside_protocol::document::ProtocolDocument::shipped().expect("the shipped document");
    let form = form(key, &document.instruments);
    let items = form.items.iter().enumerate().map(|(index, item)| {
        let value = values.get(index).copied().unwrap_or(0);
        let given = match item.asks {
            bedside_protocol::instruments::Asks::YesNo => json!(value > 0),
            _ => json!(value),
        };
        (item.key.to_owned(), given)
    });
    json!({ "answers": Value::Object(items.collect()) })
}

/// A PHQ-9 of 8 and item 9.
fn phq9(item9: u32) -> Value {
    answers(InstrumentKey::Phq9, &[1, 1, 1, 1, 1, 1, 1, 1, item9])
}

fn send(play: &Play, key: &str, body: &Value) -> bedside_tests::http::Answer {
    play.phone.post(&format!("/v1/me/instruments/{key}"), body)
}

fn scores(play: &Play) -> Value {
    let path = format!("/v1/patients/{}/scores", play.patient);
    play.clinic.staff("nurse").get(&path).expect(200).json()
}

fn open_cases(play: &Play) -> Vec<Value> {
    let nurse = play.clinic.staff("nurse");
    let list = nurse.get("/v1/cases?state=open").expect(200).json();
    list["cases"].as_array().expect("cases").clone()
}

/// The escalations among some mails: to whom, by name of the role, and at which level.
fn escalations(mails: &[Mail]) -> Vec<String> {
    let escalations = mails.iter().filter(|mail| mail.text.contains("/c/"));
    let line = |mail: &Mail| {
        let role = mail.to.split('@').next().unwrap_or_default();
        format!("{role} {}", mail.subject.split(' ').next().unwrap_or_default())
    };
    let mut lines: Vec<String> = escalations.map(line).collect();
    lines.sort();
    lines
}

/// Nothing about health, and nobody's name.
fn says_nothing(mail: &Mail) {
    let source = format!("{}\n{}\n{}", mail.subject, mail.text, mail.html).to_lowercase();
    for word in [
        "phq",
        "gad",
        "score",
        "suicid",
        "dead",
        "death",
        "harm",
        "kill",
        "thought",
        "safety",
        "robin",
        "quillfeather",
        "ketamine",
        "lozenge",
        "depress",
    ] {
        assert!(!source.contains(word), "{word} is in: {source}");
    }
}

fn closes_case(play: &mut Play, role: &str) {
    let page = play.take_case(role);
    page.press("contacted", &[]).expect(303);
    page.press(
        "resolve",
        &[("outcome", "reached_well"), ("note", "Spoke for a while.")],
    )
    .expect(303);
}

fn gate_codes(play: &Play) -> Vec<String> {
    let reasons = play.today()["session"]["gate"]["reasons"]
        .as_array()
        .expect("reasons")
        .clone();
    reasons
        .iter()
        .map(|reason| reason["code"].as_str().expect("a code").to_owned())
        .collect()
}

async fn a_phq9_is_scored_kept_whole_and_shown_to_the_clinic(engine: Database) {
    let mut play = Play::registered(Clinic::open(engine).await).await;
    let own = play.phone.get("/v1/me/instruments").expect(200).json();
    let keys: Vec<(&str, &str)> = own["instruments"]
        .as_array()
        .expect("instruments")
        .iter()
        .map(|it| {
            (
                it["form"]["key"].as_str().expect("a key"),
                it["due"]["why"].as_str().unwrap_or("-"),
            )
        })
        .collect();
    assert_eq!(
        keys,
        [
            ("phq9", "before_first_dose"),
            ("gad7", "before_first_dose"),
            ("safety", "before_first_dose"),
            ("side_effects", "-"),
            ("monthly", "-")
        ]
    );
    let phq = &own["instruments"][0];
    assert_eq!(
        phq["form"]["items"][8]["text"],
        "Thoughts that you would be better off dead, or of hurting yourself in some way"
    );
    assert_eq!(
        phq["form"]["items"][8]["loinc"],
        json!({"code": "44260-8", "verified": false})
    );
    assert_eq!(phq["form"]["items"][0]["choices"][3]["text"], "Nearly every day");
    assert!(
        phq["form"]["notices"][0]
            .as_str()
            .is_some_and(|text| text.contains("Kurt Kroenke"))
    );
    assert_eq!(phq["due"]["open"], true);

    let once = play.phone.with("idempotency-key", "scores-1");
    let body = answers(InstrumentKey::Phq9, &[3, 2, 1, 3, 2, 1, 3, 1, 0]);
    let answered = once.post("/v1/me/instruments/phq9", &body).expect(201).json();
    assert_eq!(
        (&answered["total"], &answered["band"], &answered["clinic_told"]),
        (&json!(16), &json!("moderately severe"), &json!(false))
    );
    assert!(answered["show_now"].is_null() && answered["ask_next"].is_null());
    let again = once.post("/v1/me/instruments/phq9", &body).expect(201);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.json()["id"], answered["id"]);
    let gad = send(
        &play,
        "gad7",
        &answers(InstrumentKey::Gad7, &[3, 3, 3, 3, 3, 0, 0]),
    )
    .expect(201)
    .json();
    assert_eq!((&gad["total"], &gad["band"]), (&json!(15), &json!("severe")));

    let soon = send(&play, "phq9", &phq9(0)).expect(409);
    assert_eq!(soon.problem(), "asked-too-soon");
    let kept = scores(&play);
    assert_eq!(kept["scores"].as_array().map(Vec::len), Some(2), "{kept}");
    assert_eq!(kept["scores"][0]["answers"], body["answers"]);
    assert_eq!(
        (&kept["scores"][0]["total"], &kept["scores"][0]["by"]),
        (&json!(16), &json!("patient"))
    );
    assert_eq!(send(&play, "c-ssrs", &phq9(0)).status, 404);
    for role in ["coordinator", "administrator", "manager"] {
        let path = format!("/v1/patients/{}/scores", play.patient);
        play.clinic.staff(role).get(&path).expect(404);
    }
    play.clinic
        .open_second_clinic()
        .await
        .get(&format!("/v1/patients/{}/scores", play.patient))
        .expect(404);
    play.clinic.cycle().await;
    assert!(open_cases(&play).is_empty());
    play.clinic.nothing_is_left_to_send().await;
}

async fn a_partial_answer_is_refused_with_every_missing_item_and_nothing_is_kept(engine: Database) {
    let mut play = Play::registered(Clinic::open(engine).await).await;
    let mut body = phq9(1);
    for key in ["q3", "q8"] {
        body["answers"].as_object_mut().expect("answers").remove(key);
    }
    body["answers"]["q1"] = json!("often");
    let said = json!({"q2": 1, "q4": 1, "q5": 1, "q6": 1, "q7": 1, "q9": 1});
    let refused = send(&play, "phq9", &body).expect(422).json();
    let faults: Vec<(&str, &str)> = refused["faults"]
        .as_array()
        .expect("faults")
        .iter()
        .map(|fault| {
            (
                fault["field"].as_str().expect("a field"),
                fault["message"].as_str().expect("words"),
            )
        })
        .collect();
    // Item 9 was answered with a yes, so the numbers come first.
    assert!(
        faults[0].1.contains("988") && faults[0].1.contains("911"),
        "{refused}"
    );
    assert_eq!(
        faults[1..],
        [
            ("answers.q1", "must be a whole number from 0 to 3"),
            ("answers.q3", "is missing"),
            ("answers.q8", "is missing")
        ]
    );
    assert_eq!(scores(&play)["scores"], json!([]));
    // Nothing is scored, and what was said about death is not lost: a nurse hears of it within the hour.
    play.clinic.mailbox.fresh();
    play.clinic.cycle().await;
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(escalations(&mails), ["nurse [P2]"]);
    mails.iter().for_each(says_nothing);
    let case = open_cases(&play)[0].clone();
    assert_eq!(case["causes"], json!(["unkept_answer"]));
    let path = format!("/v1/cases/{}", case["id"].as_str().expect("an id"));
    for (role, detail) in [
        ("nurse", json!({"instrument": "phq9", "answers": said})),
        ("prescriber", json!({"instrument": "phq9", "answers": said})),
        ("manager", json!({})),
        ("coordinator", json!({})),
    ] {
        let shown = play.clinic.staff(role).get(&path).expect(200).json();
        assert_eq!(shown["signals"][0]["cause"], "unkept_answer", "{role}");
        assert_eq!(shown["signals"][0]["detail"], detail, "{role}");
    }
    // Without it, what is missing is only asked for again.
    send(&play, "gad7", &json!({"answers": {"q1": 3}})).expect(422);
    play.clinic.cycle().await;
    assert!(play.clinic.mailbox.fresh().is_empty());
}

async fn item_9_asks_the_safety_questions_at_once_and_mails_the_nurse_without_health_data(engine: Database) {
    let mut play = Play::registered(Clinic::open(engine).await).await;
    play.clinic.mailbox.fresh();
    let answered = send(&play, "phq9", &phq9(2)).expect(201).json();
    let words = answered["show_now"]["words"].as_str().expect("words");
    assert!(words.contains("988") && words.contains("911"), "{words}");
    assert_eq!(
        (&answered["ask_next"]["key"], &answered["clinic_told"]),
        (&json!("safety"), &json!(true))
    );
    assert_eq!(
        answered["ask_next"]["items"][4]["text"],
        "Are you having thoughts of killing yourself right now?"
    );
    play.clinic.cycle().await;
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(escalations(&mails), ["nurse [P2]"]);
    mails.iter().for_each(says_nothing);
    assert_eq!(
        play.phone.get("/v1/me/instruments").expect(200).json()["instruments"][0]["due"]["why"],
        "after_item9"
    );
    // No to all joins the case and mails nobody again; it is never only stored.
    let safe = send(&play, "safety", &answers(InstrumentKey::Safety, &[]))
        .expect(201)
        .json();
    assert_eq!(safe["clinic_told"], false);
    play.clinic.cycle().await;
    assert!(escalations(&play.clinic.mailbox.fresh()).is_empty());
    let case = open_cases(&play)[0]["id"].as_str().expect("an id").to_owned();
    let case = play
        .clinic
        .staff("nurse")
        .get(&format!("/v1/cases/{case}"))
        .expect(200)
        .json();
    assert_eq!(
        (Play::causes(&case), &case["level"]),
        (vec!["item9".to_owned(), "safety_answer".to_owned()], &json!("P2"))
    );
    // Whoever takes the case reads what it is about.
    let page = play.take_case("nurse").show();
    assert!(
        page.contains("PHQ-9 item 9") && page.contains("Safety questions: no to all"),
        "{page}"
    );
}

async fn right_now_is_a_p1_and_no_dose_opens_until_a_clinician_has_reviewed_it(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_ready().await;
    assert_eq!(gate_codes(&play), Vec::<String>::new());
    play.clinic.mailbox.fresh();
    // "Right now" alone is taken: nothing else has to be said first.
    let answered = send(&play, "safety", &json!({"answers": {"q5": true}}))
        .expect(201)
        .json();
    assert!(
        answered["show_now"]["words"]
            .as_str()
            .is_some_and(|words| words.starts_with("Call 911 now"))
    );
    assert_eq!(answered["show_now"]["crisis_number"], "988");
    assert_eq!(gate_codes(&play), ["safety-answer", "open-case"]);
    play.phone.post(&play.path("/unlock"), &json!({})).expect(409);
    play.clinic.cycle().await;
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(escalations(&mails), ["backup [P1]", "nurse [P1]"]);
    mails.iter().for_each(says_nothing);
    closes_case(&mut play, "nurse");
    assert_eq!(gate_codes(&play), ["safety-answer"]);
    let held = scores(&play)["holds_sessions"]
        .as_str()
        .expect("what holds")
        .to_owned();
    assert_eq!(Some(held.as_str()), answered["id"].as_str());
    let path = format!("/v1/patients/{}/scores/{held}/review", play.patient);
    let body = json!({"note": "Spoke with her for half an hour; safe, plan agreed."});
    play.clinic.staff("nurse").post(&path, &body).expect(404);
    let prescriber = play.clinic.staff("prescriber");
    prescriber.post(&path, &json!({"note": " "})).expect(422);
    prescriber
        .post(&path.replace(&held, &play.session), &body)
        .expect(404);
    prescriber.post(&path, &body).expect(201);
    assert_eq!(gate_codes(&play), Vec::<String>::new());
    let seen = scores(&play)["scores"].as_array().expect("scores").clone();
    let reviewed = seen
        .iter()
        .find(|score| score["id"] == json!(held))
        .expect("the answer");
    assert_eq!(reviewed["reviewed"]["note"], body["note"]);
    play.phone.post(&play.path("/unlock"), &json!({})).expect(200);
    // What was unlocked locks again.
    send(&play, "safety", &json!({"answers": {"q5": true}})).expect(201);
    assert_eq!(gate_codes(&play)[0], "safety-answer");
    play.clinic.cycle().await;
    play.phone.post(&play.path("/unlock"), &json!({})).expect(409);
    assert!(play.today()["session"]["unlocked_until"].is_null());
}

async fn a_known_answer_that_did_not_change_stays_on_the_worklist(engine: Database) {
    let mut play = Play::without_session(Clinic::open(engine).await).await;
    play.clinic.mailbox.fresh();
    let first = send(&play, "phq9", &phq9(1)).expect(201).json();
    play.clinic.cycle().await;
    assert_eq!(escalations(&play.clinic.mailbox.fresh()), ["nurse [P2]"]);
    closes_case(&mut play, "nurse");
    let path = format!(
        "/v1/patients/{}/scores/{}/review",
        play.patient,
        first["id"].as_str().expect("an id")
    );
    play.clinic
        .staff("prescriber")
        .post(&path, &json!({"note": "Known since enrolment."}))
        .expect(201);
    assert_eq!(scores(&play)["item9_baseline"], 1);
    for week in 1..=2 {
        let next = play.clinic.now() + Duration::days(7);
        play.clinic.advance_to(next).await;
        play.clinic.mailbox.fresh();
        let answered = send(&play, "phq9", &phq9(1)).expect(201).json();
        assert_eq!(answered["ask_next"]["key"], "safety", "week {week}");
        play.clinic.cycle().await;
        assert_eq!(
            escalations(&play.clinic.mailbox.fresh()),
            ["coordinator [P3]"],
            "week {week}"
        );
        closes_case(&mut play, "coordinator");
    }
    // A rise is not known.
    let next = play.clinic.now() + Duration::days(7);
    play.clinic.advance_to(next).await;
    play.clinic.mailbox.fresh();
    send(&play, "phq9", &phq9(2)).expect(201);
    play.clinic.cycle().await;
    assert_eq!(escalations(&play.clinic.mailbox.fresh()), ["nurse [P2]"]);
}

async fn a_side_effect_that_is_a_red_flag_shows_the_number_and_alarms(engine: Database) {
    let mut play = Play::without_session(Clinic::open(engine).await).await;
    play.clinic.mailbox.fresh();
    let mut body = answers(InstrumentKey::SideEffects, &[2]);
    let fine = send(&play, "side_effects", &body).expect(201).json();
    assert!(fine["show_now"].is_null());
    body["answers"]["chest_tightness"] = json!(1);
    let flag = send(&play, "side_effects", &body).expect(201).json();
    assert!(
        flag["show_now"]["words"]
            .as_str()
            .is_some_and(|words| words.starts_with("Call 911 now"))
    );
    play.clinic.cycle().await;
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(escalations(&mails), ["backup [P1]", "nurse [P1]"]);
    mails.iter().for_each(says_nothing);
    let page = play.take_case("nurse").show();
    assert!(page.contains("Side effects: Chest tightness"), "{page}");
    let month = send(&play, "monthly", &answers(InstrumentKey::Monthly, &[0, 0, 0, 1]))
        .expect(201)
        .json();
    assert_eq!(month["clinic_told"], true);
    let path = format!("/v1/patients/{}/trends", play.patient);
    let trends = play.clinic.staff("prescriber").get(&path).expect(200).json();
    let effects: Vec<&str> = trends["side_effects"]
        .as_array()
        .expect("effects")
        .iter()
        .filter_map(|series| series["text"].as_str())
        .collect();
    assert_eq!(effects, ["Nausea", "Chest tightness"]);
    assert_eq!(
        trends["side_effects"][0]["points"].as_array().map(Vec::len),
        Some(2)
    );
}

/// A session by the book, and the days after it.
async fn whole_session(play: &mut Play) {
    play.until_released().await;
    play.follow_up().await;
}

async fn scores_are_asked_for_after_the_second_session_and_missed_they_go_to_the_worklist(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    whole_session(&mut play).await;
    assert_eq!(play.state(), "closed");
    let on = (play.planned_at + Duration::days(7))
        .format("%Y-%m-%d")
        .to_string();
    play.plan(&on, "10:00:00");
    whole_session(&mut play).await;
    // The session ends with its own follow-up; the scores are the patient's to answer, whatever becomes of it.
    assert_eq!(play.state(), "closed");
    let dose = play.t0.expect("a dose");
    let due = |play: &Play| {
        play.phone.get("/v1/me/instruments").expect(200).json()["instruments"][0]["due"].clone()
    };
    assert_eq!(
        (&due(&play)["why"], &due(&play)["session_number"]),
        (&json!("after_session"), &json!(2))
    );
    play.clinic
        .worker
        .keep_house(Job::FollowPatients)
        .await
        .expect("a look");
    play.clinic.mailbox.fresh();
    play.clinic.advance_to(dose + Duration::days(6)).await;
    let mails = play.clinic.mailbox.fresh();
    let told: Vec<&str> = mails.iter().map(|mail| mail.to.as_str()).collect();
    assert_eq!(told, [PATIENT, PATIENT]);
    mails.iter().for_each(says_nothing);
    assert_eq!(due(&play)["open"], true);

    let mut answered = send(&play, "phq9", &phq9(0)).expect(201).json();
    assert_eq!(answered["clinic_told"], false);
    let missed = dose + Duration::days(7) + Duration::hours(5);
    play.clinic.advance_to(missed - Duration::minutes(1)).await;
    assert_eq!(
        play.clinic.mailbox.fresh().len(),
        3,
        "GAD-7 is still owed: when it is due, an hour and two hours later"
    );
    assert!(open_cases(&play).is_empty());
    play.clinic.advance_to(missed).await;
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(escalations(&mails), ["coordinator [P3]"]);
    assert_eq!(open_cases(&play)[0]["causes"], json!(["no_answer"]));
    answered = send(&play, "gad7", &answers(InstrumentKey::Gad7, &[]))
        .expect(201)
        .json();
    assert_eq!(answered["total"], 0);
    closes_case(&mut play, "coordinator");
    play.clinic.nothing_is_left_to_send().await;
}

async fn trends_come_as_numbers_and_as_a_picture_without_a_name(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    send(
        &play,
        "phq9",
        &answers(InstrumentKey::Phq9, &[3, 3, 3, 3, 3, 3, 0, 0, 0]),
    )
    .expect(201);
    whole_session(&mut play).await;
    play.clinic.advance_to(play.planned_at + Duration::days(6)).await;
    send(&play, "phq9", &answers(InstrumentKey::Phq9, &[1, 1, 1, 1])).expect(201);
    let prescriber = play.clinic.staff("prescriber");
    let path = format!("/v1/patients/{}/trends", play.patient);
    let trends = prescriber.get(&path).expect(200).json();
    let phq = &trends["scores"][0];
    assert_eq!(
        (&phq["instrument"], phq["bands"].as_array().map(Vec::len)),
        (&json!("phq9"), Some(5))
    );
    // The one from the enrolment, a week older, is not the baseline: that is the last before the first dose.
    assert_eq!(phq["points"][0]["total"], 0);
    assert_eq!(
        (&phq["points"][1]["total"], &phq["points"][1]["after_doses"]),
        (&json!(18), &json!(0))
    );
    assert_eq!(
        phq["points"][2]["change"],
        json!({"baseline": 18, "points": -14, "response": true, "remission": true, "meaningful": true})
    );
    assert_eq!(phq["points"][2]["after_doses"], 1);
    assert_eq!(trends["doses"].as_array().map(Vec::len), Some(1));

    let picture = prescriber.get(&format!("{path}.svg")).expect(200);
    assert_eq!(picture.header("content-type"), Some("image/svg+xml"));
    assert!(
        picture
            .body
            .contains("<title id=\"title\">PHQ-9 and GAD-7 over time</title>")
    );
    assert!(picture.body.contains("18 (moderately severe)") && picture.body.contains("4 (none or minimal)"));
    assert_eq!(
        picture.body,
        prescriber.get(&format!("{path}.svg")).expect(200).body
    );

    let vitals = format!("/v1/sessions/{}/vitals", play.session);
    let readings = prescriber.get(&vitals).expect(200).json();
    assert_eq!(
        (&readings["points"][0]["sbp"], &readings["points"][0]["minute"]),
        (&json!(120), &json!(-14))
    );
    assert_eq!(
        readings["limits"][0],
        json!({"name": "pre_dose.sbp_max", "measure": "sbp", "crossed": "above", "value": 140, "phase": "before_dose"})
    );
    let readings = prescriber.get(&format!("{vitals}.svg")).expect(200);
    assert!(
        readings.body.contains("Minutes since the dose"),
        "{}",
        readings.body
    );
    for body in [&picture.body, &readings.body] {
        assert!(!body.contains("Robin") && !body.contains("Quillfeather"));
    }
    for path in [
        path.clone(),
        format!("{path}.svg"),
        vitals.clone(),
        format!("{vitals}.svg"),
    ] {
        play.clinic.staff("coordinator").get(&path).expect(404);
        play.phone.get(&path).expect(404);
        let nowhere = path.replace(&play.patient, &play.session);
        if nowhere != path {
            prescriber.get(&nowhere).expect(404);
        }
    }
}

async fn a_result_from_elsewhere_is_recorded_and_what_is_wrong_with_it_comes_back_at_once(engine: Database) {
    let play = Play::without_session(Clinic::open(engine).await).await;
    let path = format!("/v1/patients/{}/external-results", play.patient);
    let nurse = play.clinic.staff("nurse");
    let bad = json!({"instrument": " ", "rater": "x\ny", "rated_on": "2030-01-01"});
    let refused = nurse.post(&path, &bad).expect(422).json();
    let fields: Vec<&str> = refused["faults"]
        .as_array()
        .expect("faults")
        .iter()
        .filter_map(|fault| fault["field"].as_str())
        .collect();
    assert_eq!(fields, ["instrument", "rater", "level", "rated_on"]);
    let good = json!({"instrument": "C-SSRS", "level": "low risk", "rater": "Dr. Example", "rated_on": "2026-11-20"});
    nurse.post(&path, &good).expect(201);
    play.clinic.staff("coordinator").post(&path, &good).expect(404);
    let kept = scores(&play)["external_results"].clone();
    assert_eq!(kept.as_array().map(Vec::len), Some(1));
    for field in ["instrument", "level", "rater", "rated_on"] {
        assert_eq!(kept[0][field], good[field]);
    }
}
