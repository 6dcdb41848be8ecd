//! The sitter: asked, yes or no, here, gone.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::mails::subjects_to;
use bedside_tests::on_both_engines;
use bedside_tests::play::{PATIENT, Play, SITTER, right_answers};
use serde_json::json;

on_both_engines!(
    a_sitter_who_withdraws_at_the_moment_of_the_dose_never_leaves_a_dose_unwatched_and_untold,
    a_sitter_who_declines_is_heard_of_by_patient_and_clinic,
    a_sitter_is_another_person_with_an_address_of_their_own,
    what_a_sitter_says_with_the_patients_own_log_in_counts_for_nothing_and_is_told,
    a_wrong_code_is_refused_and_five_block_it,
    a_sitter_who_must_leave_is_a_case_and_the_checks_go_to_the_care_team,
    a_removed_sitters_link_shows_the_emergency_numbers_and_takes_help,
    the_sitters_page_plays_a_session_without_scripts,
);

async fn a_sitter_who_withdraws_at_the_moment_of_the_dose_never_leaves_a_dose_unwatched_and_untold(
    engine: Database,
) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_ready().await;
    play.clinic.advance_to(play.planned_at).await;
    play.phone.post(&play.path("/unlock"), &json!({})).expect(200);
    let (phone, path) = (play.phone.clone(), play.path("/dose"));
    let page = play
        .sitter_page
        .clone()
        .expect("a page")
        .replace("/s/", "/v1/sitting/");
    let http = play.clinic.http.clone();
    let (dose, gone) = tokio::join!(
        tokio::spawn(async move { phone.post(&path, &json!({"order_version": 1})) }),
        tokio::spawn(async move { http.post(&format!("{page}/decline"), &json!({})) }),
    );
    gone.expect("an answer").expect(200);
    let logged = dose.expect("an answer").expect(200).json();
    play.clinic.cycle().await;
    // Whichever came first: the dose is recorded, nobody sits, and the care team is told to act now.
    let case = play.case();
    assert_eq!(case["level"], "P1", "{logged} {case}");
    let cause = Play::causes(&case);
    let expected = if logged["result"] == "recorded" {
        "sitter_gone"
    } else {
        "unplanned_dose"
    };
    assert!(cause.contains(&expected.to_owned()), "{logged} {cause:?}");
    assert_eq!(play.duty("C5", 0)["owed_by"], "on_call");
}

async fn a_sitter_who_declines_is_heard_of_by_patient_and_clinic(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.invite_sitter().await;
    play.clinic.mailbox.fresh();
    play.sitter("/decline", &json!({})).expect(200);
    play.clinic.cycle().await;
    assert_eq!(subjects_to(&play.clinic.mailbox.fresh(), PATIENT).len(), 1);
    assert_eq!(play.case()["level"], "P3");
    assert_eq!(play.today()["session"]["sitter"]["state"], "declined");
    // Another may be asked.
    let other = json!({"name": "Ash Fenn", "email": "ash@example.org", "phone": "+1 555 0109"});
    play.phone.post(&play.path("/sitters"), &other).expect(201);
}

async fn a_sitter_is_another_person_with_an_address_of_their_own(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    let own = json!({"name": "Me", "email": PATIENT.to_uppercase(), "phone": "+1 555 0101"});
    let refused = play.phone.post(&play.path("/sitters"), &own).expect(422);
    assert_eq!(refused.json()["faults"][0]["field"], "email");
    play.sitter_accepts().await;
    let second = json!({"name": "Ash Fenn", "email": "ash@example.org", "phone": "+1 555 0109"});
    assert_eq!(
        play.phone
            .post(&play.path("/sitters"), &second)
            .expect(409)
            .problem(),
        "sitter-exists"
    );
    // The patient cannot answer the sitter's items, nor the sitter the patient's.
    play.day_before().await;
    assert_eq!(
        play.tick_item("sitter_available", "yes_no", json!(true))
            .expect(409)
            .problem(),
        "not-your-item"
    );
    let patients = play.sitter("/checklist/still_on", &json!({"type": "yes_no", "value": true}));
    assert_eq!(patients.expect(409).problem(), "not-your-item");
}

async fn what_a_sitter_says_with_the_patients_own_log_in_counts_for_nothing_and_is_told(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.invite_sitter().await;
    let page = play
        .sitter_page
        .clone()
        .expect("a page")
        .replace("/s/", "/v1/sitting/");
    let yes = json!({"is_adult": true, "may_be_contacted": true});
    let refused = play.phone.post(&format!("{page}/accept"), &yes).expect(409);
    assert_eq!(refused.problem(), "patients-device");
    assert_eq!(play.sitter_view()["sitter_state"], "invited");
    let case = play.case();
    assert_eq!(
        (Play::causes(&case), &case["level"]),
        (vec!["sitter_on_patients_device".to_owned()], &json!("P2"))
    );
    // Another patient of the clinic may be a sitter, logged in or not.
    play.clinic.register_patient("kim@example.org", "Kim Other").await;
    let kim = play
        .clinic
        .log_in("kim@example.org", bedside_tests::clinic::PASSWORD);
    kim.post(&format!("{page}/accept"), &yes).expect(200);
    assert_eq!(play.sitter_view()["sitter_state"], "accepted");
}

async fn a_wrong_code_is_refused_and_five_block_it(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.sitter_accepts().await;
    let early = play.sitter("/present", &json!({"code": "0000"})).expect(409);
    assert_eq!(early.problem(), "too-early");
    play.day_before().await;
    play.day_list().await;
    play.clinic
        .advance_to(play.planned_at - bedside_protocol::time::minutes(10))
        .await;
    let right = play.today()["session"]["sitter"]["presence_code"]
        .as_str()
        .expect("a code")
        .to_owned();
    let wrong = if right == "1234" { "4321" } else { "1234" };
    for _ in 0..5 {
        assert_eq!(
            play.sitter("/present", &json!({ "code": wrong }))
                .expect(200)
                .json()["result"],
            "wrong"
        );
    }
    assert_eq!(
        play.sitter("/present", &json!({ "code": right }))
            .expect(409)
            .problem(),
        "code-blocked"
    );
    play.clinic.advance_to(play.planned_at).await;
    assert_eq!(
        play.sitter("/present", &json!({ "code": right }))
            .expect(200)
            .json()["result"],
        "right"
    );
    assert!(
        !play.sitter_view().to_string().contains(&right),
        "the sitter's page never shows the code"
    );
}

async fn a_sitter_who_must_leave_is_a_case_and_the_checks_go_to_the_care_team(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0)]).await;
    play.sitter("/leave", &json!({})).expect(200);
    play.clinic.cycle().await;
    let case = play.case();
    assert_eq!(
        (Play::causes(&case), &case["level"]),
        (vec!["sitter_left".to_owned()], &json!("P1"))
    );
    assert_eq!(play.duty("C5", 0)["owed_by"], "on_call");
    // A new sitter says yes, and the checks are theirs.
    let other = json!({"name": "Ash Fenn", "email": "ash@example.org", "phone": "+1 555 0109"});
    play.phone.post(&play.path("/sitters"), &other).expect(201);
    play.clinic.cycle().await;
    let mails = play.clinic.mailbox.all();
    let invitation = mails
        .iter()
        .rfind(|mail| mail.to == "ash@example.org")
        .expect("an invitation");
    play.sitter_page = Some(invitation.link("/s/"));
    play.sitter("/accept", &json!({"is_adult": true, "may_be_contacted": true}))
        .expect(200);
    assert_eq!(play.duty("C5", 0)["owed_by"], "sitter");
    play.to_minute(15).await;
    play.answer_check("C5", 0, &[], None).expect(200);
}

async fn a_removed_sitters_link_shows_the_emergency_numbers_and_takes_help(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    let sitter = play.today()["session"]["sitter"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = play.path(&format!("/sitters/{sitter}"));
    assert!(play.phone.delete(&path).status < 300);
    let removed = Play::causes(&play.case());
    assert_eq!(removed, ["sitter_gone"]);
    let page = play.sitter_page.clone().expect("a page");
    let shown = play.clinic.http.get(&page);
    assert!(
        shown.body.contains("911") && shown.body.contains("988"),
        "{}",
        shown.body
    );
    assert!(
        !shown.body.contains("Robin"),
        "nothing about the patient: {}",
        shown.body
    );
    let pressed = play
        .clinic
        .http
        .form(&format!("{page}/help"), &[("note", "she does not wake up")]);
    assert!(pressed.status < 400, "{} {}", pressed.status, pressed.body);
    assert!(Play::causes(&play.case()).contains(&"help".to_owned()));
}

async fn the_sitters_page_plays_a_session_without_scripts(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.invite_sitter().await;
    let page = play.sitter_page.clone().expect("a page");
    let browser = play.clinic.http.clone();
    let post = |act: &str, fields: &[(&str, &str)]| browser.form(&format!("{page}/{act}"), fields);
    // Accepting needs both ticks; what is missing is said and nothing is done.
    let refused = post("accept", &[("is_adult", "yes")]);
    assert_eq!(refused.status, 422, "{}", refused.body);
    post("accept", &[("is_adult", "yes"), ("may_be_contacted", "yes")]).expect(303);
    assert_eq!(play.sitter_view()["sitter_state"], "accepted");
    // The page to read; a wrong answer shows its part again and is no refusal.
    let right = right_answers();
    let mut answers: Vec<(String, String)> = right
        .iter()
        .map(|(question, answer)| (format!("answers.{question}"), answer.clone()))
        .collect();
    let sent = |answers: &[(String, String)]| {
        let fields: Vec<(&str, &str)> = answers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        post("training", &fields)
    };
    assert!(sent(&answers[1..]).expect(422).body.contains("-fault"));
    let all_right = answers.clone();
    answers[3].1 = "asleep".to_owned();
    sent(&answers).expect(303);
    let again = browser.get(&page).expect(200).body;
    assert!(again.contains("One answer was not right") && again.contains("Read this again"));
    sent(&all_right).expect(303);
    assert!(!browser.get(&page).expect(200).body.contains("/training"));
    play.day_before().await;
    play.day_list().await;
    play.last_quarter().await;
    play.dose().await;
    play.to_minute(15).await;
    let shown = browser.get(&page).expect(200).body;
    assert!(!shown.contains("<script"), "the page needs no script");
    assert!(
        shown.contains("911") && shown.contains("Robin") && !shown.contains("Quillfeather"),
        "{shown}"
    );
    let check = play.duty("C5", 0)["id"].as_str().expect("an id").to_owned();
    assert!(shown.contains(&check), "the form names its check");
    assert!(
        !play
            .clinic
            .mailbox
            .all()
            .iter()
            .any(|mail| mail.to == SITTER && mail.text.contains("Robin"))
    );
}
