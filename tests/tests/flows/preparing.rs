//! The preparation in full: what a clinician may decide, another address, words for the clinic only, an order that changed,
//! training that lasts, sitters asked one after the other.

use bedside_protocol::time::minutes;
use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::mails::subjects_to;
use bedside_tests::on_both_engines;
use bedside_tests::play::{PATIENT, Play, right_answers};
use serde_json::{Value, json};

on_both_engines!(
    a_prescriber_decides_about_an_item_and_the_patient_reads_that_the_clinic_decided,
    another_address_is_on_the_case_page_and_locks_until_somebody_looked,
    coordinators_and_managers_see_that_an_answer_came_and_when_and_not_what_it_says,
    what_holds_a_session_by_an_answer_is_named_to_clinicians_only,
    words_for_the_clinic_only_reach_the_worklist_and_never_the_sitter,
    a_sitter_who_is_not_to_be_called_is_left_out_of_a_case_between_sessions_and_not_of_one_in_the_session,
    sitters_are_asked_one_after_the_other_by_the_worker,
    a_list_with_faults_is_refused_with_all_of_them,
    training_lasts_to_the_next_session_and_an_order_that_changed_is_said_to_both,
);

async fn coordinators_and_managers_see_that_an_answer_came_and_when_and_not_what_it_says(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0)]).await;
    play.to_minute(15).await;
    play.answer_check("C5", 0, &["breathing_normal"], None)
        .expect(200);
    let (path, timeline) = (
        format!("/v1/sessions/{}", play.session),
        format!("/v1/sessions/{}/timeline", play.session),
    );
    let of = |role: &str, path: &str| play.clinic.staff(role).get(path).expect(200);
    let nurse = of("nurse", &path).json();
    let bad = nurse["check_in_answers"]
        .as_array()
        .expect("answers")
        .last()
        .expect("one")
        .clone();
    assert_eq!(bad["bad"], json!(["breathing_normal"]));
    assert!(nurse["readings"][0]["sbp"].is_number());
    for role in ["coordinator", "manager"] {
        let seen = of(role, &path).json();
        for (list, times) in [
            ("answers", ["item", "observed_at"]),
            ("check_in_answers", ["rule", "observed_at"]),
            ("readings", ["phase", "observed_at"]),
        ] {
            let (all, shown) = (
                nurse[list].as_array().expect(list),
                seen[list].as_array().expect(list),
            );
            assert_eq!(all.len(), shown.len(), "{role} {list}");
            for (one, other) in all.iter().zip(shown) {
                assert_eq!(
                    times.map(|it| &one[it]),
                    times.map(|it| &other[it]),
                    "{role} {list}"
                );
            }
        }
        let none = |list: &str, field: &str| {
            seen[list].as_array().expect(list).iter().all(|it| {
                it[field].is_null()
                    || it[field].as_object().is_some_and(serde_json::Map::is_empty)
                    || it[field] == json!([])
            })
        };
        assert!(
            none("answers", "value")
                && none("check_in_answers", "answers")
                && none("check_in_answers", "bad")
        );
        assert!(none("readings", "sbp") && none("readings", "hr") && none("readings", "with_symptom"));
        assert_eq!(seen["duties"], nurse["duties"], "times and states are theirs");
        assert_eq!(seen["cases"], nurse["cases"]);
        let lines = of(role, &timeline).json()["entries"].clone();
        let lines = lines.as_array().expect("lines");
        let of_kind = |what: &str| {
            lines
                .iter()
                .filter(|line| line["what"] == what)
                .collect::<Vec<_>>()
        };
        for (what, hidden) in [
            ("checklist.answered", "answer"),
            ("check_in.answered", "bad"),
            ("vitals.measured", "vitals"),
        ] {
            assert!(!of_kind(what).is_empty(), "{what}");
            assert!(
                of_kind(what).iter().all(|line| line["detail"][hidden].is_null()),
                "{what}"
            );
        }
        let signal = &of_kind("case.signal")[0]["detail"];
        assert_eq!(
            (&signal["level"], &signal["cause"]),
            (&json!("P1"), &json!({"cause": "bad_answer"}))
        );
    }
    let all = of("nurse", &timeline).body;
    assert!(
        all.contains("breathing_normal") && all.contains("\"answer\""),
        "{all}"
    );
}

async fn what_holds_a_session_by_an_answer_is_named_to_clinicians_only(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_ready().await;
    play.tick_item("room_safe", "yes_no", json!(false)).expect(200);
    let path = format!("/v1/sessions/{}", play.session);
    let of = |play: &Play, role: &str| play.clinic.staff(role).get(&path).expect(200).json();
    let codes = |view: &Value| -> Vec<String> {
        let reasons = view["gate_reasons"].as_array().expect("reasons");
        reasons
            .iter()
            .map(|it| it["code"].as_str().expect("a code").to_owned())
            .collect()
    };
    let (nurse, coordinator) = (of(&play, "nurse"), of(&play, "coordinator"));
    assert!(codes(&nurse).contains(&"item-not-good".to_owned()));
    assert!(codes(&coordinator).contains(&"answer".to_owned()));
    assert!(!codes(&coordinator).contains(&"item-not-good".to_owned()));
    assert_eq!(item_of(&nurse, "room_safe")["status"], "not_good");
    let item = item_of(&coordinator, "room_safe");
    assert_eq!(
        (&item["status"], &item["reason"]),
        (&json!("answered"), &Value::Null)
    );
    assert_eq!(item["answered_at"], item_of(&nurse, "room_safe")["answered_at"]);
    // An answer that holds the session.
    play.tick_item("substances_24h", "yes_no", json!(true))
        .expect(200);
    assert_eq!(play.state(), "held");
    assert_eq!(of(&play, "nurse")["held_because"], "the answer to substances_24h");
    let view = of(&play, "coordinator");
    assert_eq!(view["held_because"], "an answer or a reading");
}

fn session_of(play: &Play) -> Value {
    let path = format!("/v1/sessions/{}", play.session);
    play.clinic.staff("nurse").get(&path).expect(200).json()
}

fn item_of(view: &Value, key: &str) -> Value {
    let items = view["checklist"].as_array().expect("items");
    let item = items.iter().find(|item| item["key"] == key);
    item.expect("the item").clone()
}

async fn a_prescriber_decides_about_an_item_and_the_patient_reads_that_the_clinic_decided(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_ready().await;
    play.tick_item("room_safe", "yes_no", json!(false)).expect(200);
    assert_eq!(play.state(), "prep_open");
    let path = format!("/v1/sessions/{}/checklist/room_safe/override", play.session);
    let until = play.clinic.now() + minutes(20);
    let body = json!({"reason": "stairs are closed off, seen by video", "until": until});
    play.clinic.staff("nurse").post(&path, &body).expect(404);
    let prescriber = play.clinic.staff("prescriber");
    let faulty = prescriber.post(&path, &json!({"reason": " ", "until": play.clinic.now()}));
    let faults = faulty.expect(422).json()["faults"].clone();
    assert_eq!(
        (&faults[0]["field"], &faults[1]["field"]),
        (&json!("reason"), &json!("until"))
    );
    prescriber.post(&path, &body).expect(200);
    assert_eq!(play.state(), "ready");
    let today = play.today();
    let item = item_of(&today["session"], "room_safe");
    assert_eq!(
        (&item["status"], &item["decided_until"]),
        (&json!("decided"), &json!(until))
    );
    assert_eq!(item["reason"], "Your clinic decided that this need not be done.");
    assert!(
        !today.to_string().contains("closed off"),
        "the reason is the clinic's"
    );
    assert_eq!(
        session_of(&play)["overrides"][0]["reason"],
        "stairs are closed off, seen by video"
    );
    let timeline = format!("/v1/sessions/{}/timeline", play.session);
    let timeline = play.clinic.staff("manager").get(&timeline).expect(200);
    assert!(timeline.body.contains("checklist.overridden"));
    for never in ["sitter_here", "order_readback", "safety_now"] {
        let path = format!("/v1/sessions/{}/checklist/{never}/override", play.session);
        let refused = play.clinic.staff("prescriber").post(&path, &body).expect(409);
        assert_eq!(refused.problem(), "never-overridden", "{never}");
    }
    // Its time is over: the item is open again.
    play.clinic.advance_to(until).await;
    let gate = play.today()["session"]["gate"].to_string();
    assert!(gate.contains("item-not-good"), "{gate}");
}

async fn another_address_is_on_the_case_page_and_locks_until_somebody_looked(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_ready().await;
    play.tick_item("address_today", "text", json!("7 Oak Road, Albany"))
        .expect(200);
    play.clinic.cycle().await;
    let case = play.case();
    assert_eq!(
        (Play::causes(&case), &case["level"]),
        (vec!["address_changed".to_owned()], &json!("P2"))
    );
    let gate = play.today()["session"]["gate"].to_string();
    assert!(gate.contains("open-case"), "{gate}");
    let page = play.take_case("nurse");
    let shown = page.show();
    assert!(
        shown.contains("7 Oak Road, Albany") && shown.contains("local dispatcher"),
        "{shown}"
    );
    assert_eq!(play.case()["contact"]["address"], "7 Oak Road, Albany");
    let patient = format!("/v1/patients/{}", play.patient);
    let stored = play.clinic.staff("nurse").get(&patient).expect(200);
    assert!(
        !stored.body.contains("Oak Road"),
        "the patient's own address stays"
    );
    page.press("contacted", &[]);
    page.press(
        "resolve",
        &[("outcome", "reached_well"), ("note", "number looked up")],
    );
    assert_eq!(play.state(), "ready");
}

async fn words_for_the_clinic_only_reach_the_worklist_and_never_the_sitter(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.sitter_accepts().await;
    play.day_before().await;
    play.clinic.mailbox.fresh();
    play.tick_item("private_check", "text", json!("he shouts at me"))
        .expect(200);
    play.clinic.cycle().await;
    let mails = play.clinic.mailbox.fresh();
    let to = play.clinic.address("coordinator");
    assert_eq!(subjects_to(&mails, &to).len(), 1);
    assert!(mails.iter().all(|mail| !mail.text.contains("shouts")));
    let case = play.case();
    assert_eq!(
        (Play::causes(&case), &case["level"]),
        (vec!["private_word".to_owned()], &json!("P3"))
    );
    let page = play.take_case("coordinator");
    assert!(page.show().contains("he shouts at me"));
    let view = play.sitter_view().to_string();
    assert!(
        !view.contains("shouts") && !view.contains("private_check"),
        "{view}"
    );
    let sitters = play.sitter_page.clone().expect("a page");
    assert!(!play.clinic.http.get(&sitters).expect(200).body.contains("shouts"));
}

async fn a_sitter_who_is_not_to_be_called_is_left_out_of_a_case_between_sessions_and_not_of_one_in_the_session(
    engine: Database,
) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.sitter_accepts().await;
    play.day_before().await;
    play.tick_item("sitter_calls", "yes_no", json!(false)).expect(200);
    play.tick_item("private_check", "text", json!("please do not"))
        .expect(200);
    play.clinic.cycle().await;
    let page = play.take_case("coordinator");
    let shown = page.show();
    assert!(
        shown.contains("do not call my sitter") && !shown.contains("Oldacre"),
        "{shown}"
    );
    page.press("contacted", &[]);
    page.press("resolve", &[("outcome", "reached_well"), ("note", "spoke")]);
    assert_eq!(session_of(&play)["do_not_call_sitter"], true);
    play.day_list().await;
    play.last_quarter().await;
    play.dose().await;
    // Nobody answers: who is at the bedside is called.
    play.to_minute(20).await;
    let page = play.take_case("nurse");
    let shown = page.show();
    assert!(
        shown.contains("Oldacre") && shown.contains("do not call my sitter"),
        "{shown}"
    );
}

async fn sitters_are_asked_one_after_the_other_by_the_worker(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    let people = json!({"candidates": [
        {"name": "Ash Fenn", "email": "ash@example.org", "phone": "+1 555 0201", "answer_within_min": 120},
        {"name": "Bay Lund", "email": "bay@example.org", "phone": "+1 555 0202"},
    ]});
    play.phone.post(&play.path("/candidates"), &people).expect(200);
    play.clinic.cycle().await;
    let invited = |play: &Play, email: &str| {
        let mails = play.clinic.mailbox.all();
        mails
            .iter()
            .any(|mail| mail.to == email && mail.text.contains("/s/"))
    };
    assert!(invited(&play, "ash@example.org") && !invited(&play, "bay@example.org"));
    assert_eq!(play.today()["session"]["candidates"][0]["name"], "Bay Lund");
    // Ash does not answer: nobody calls a route, the worker asks the next.
    play.clinic.advance_to(play.clinic.now() + minutes(180)).await;
    play.clinic.cycle().await;
    assert!(invited(&play, "bay@example.org"));
    let sitters = session_of(&play)["sitters"].clone();
    assert_eq!(
        (&sitters[0]["state"], &sitters[1]["state"]),
        (&json!("lapsed"), &json!("invited"))
    );
    assert!(play.cases().is_empty());
    // Bay says no, and nobody is left: patient and coordinator hear of it.
    play.clinic.mailbox.fresh();
    let mails = play.clinic.mailbox.all();
    let invitation = mails.iter().rfind(|mail| mail.to == "bay@example.org");
    play.sitter_page = Some(invitation.expect("an invitation").link("/s/"));
    play.sitter("/decline", &json!({})).expect(200);
    play.clinic.cycle().await;
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(subjects_to(&mails, PATIENT).len(), 1);
    assert_eq!(subjects_to(&mails, &play.clinic.address("coordinator")).len(), 1);
    assert_eq!(play.case()["level"], "P3");
}

async fn a_list_with_faults_is_refused_with_all_of_them(engine: Database) {
    let play = Play::planned(Clinic::open(engine).await).await;
    let people = json!({"candidates": [
        {"name": "Me", "email": PATIENT, "phone": "+1 555 0100"},
        {"name": "Ash", "email": "ash@example.org", "phone": "+1 555 0201", "answer_within_min": 1},
    ]});
    let refused = play.phone.post(&play.path("/candidates"), &people).expect(422);
    let faults = refused.json()["faults"].clone();
    let fields: Vec<&str> = faults
        .as_array()
        .expect("faults")
        .iter()
        .map(|fault| fault["field"].as_str().expect("a field"))
        .collect();
    assert_eq!(
        fields,
        [
            "candidates[0].email",
            "candidates[0].phone",
            "candidates[1].answer_within_min"
        ]
    );
    let malformed = json!({"candidates": [{"name": "", "email": "x", "phone": "y"}]});
    let refused = play
        .clinic
        .staff("coordinator")
        .post(&format!("/v1/sessions/{}/candidates", play.session), &malformed);
    assert_eq!(
        refused.expect(422).json()["faults"]
            .as_array()
            .expect("faults")
            .len(),
        3
    );
    assert_eq!(session_of(&play)["sitters"], json!([]));
}

async fn training_lasts_to_the_next_session_and_an_order_that_changed_is_said_to_both(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    assert_eq!(play.today()["session"]["order_changed"], false);
    let spoke = json!({"spoke_to_patient": true, "spoke_to_sitter": true, "note": "well and at home"});
    let release = format!("/v1/sessions/{}/release", play.session);
    play.to_minute(121).await;
    play.clinic.staff("nurse").post(&release, &spoke).expect(200);
    let on = (play.clinic.now() + chrono::Duration::days(10))
        .format("%Y-%m-%d")
        .to_string();
    play.plan(&on, "10:00:00");
    play.invite_sitter().await;
    play.sitter("/accept", &json!({"is_adult": true, "may_be_contacted": true}))
        .expect(200);
    let view = play.sitter_view();
    assert!(view["training"]["good_until"].is_string(), "{view}");
    assert_eq!(item_of(&view, "sitter_trained")["status"], "done");
    assert_eq!(view["order_changed"], false);
    let session = session_of(&play);
    assert_eq!(
        item_of(&session, "sitter_called")["blocks"],
        false,
        "the sitter is known"
    );
    // Another order since.
    play.sign_order(&play.order_of("swallow")).expect(201);
    let shown = play.phone.get(&play.path("")).expect(200).json();
    assert_eq!(shown["order_changed"], true);
    assert_eq!(play.sitter_view()["order_changed"], true);
    let page = play.sitter_page.clone().expect("a page");
    let shown = play.clinic.http.get(&page).expect(200).body;
    assert!(shown.contains("The order is not the same as last time"));
    let view = play.sitter_view();
    assert!(
        !view.to_string().contains("\"right\""),
        "which answer is right stays with the server"
    );
    let mut answers = right_answers();
    answers.insert("stay".to_owned(), "hour".to_owned());
    let again = play
        .sitter("/training", &json!({ "answers": answers }))
        .expect(200)
        .json();
    assert_eq!(
        (&again["result"], &again["read_again"]),
        (&json!("read_again"), &json!(["stay"]))
    );
}
