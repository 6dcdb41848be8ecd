//! Cases in people's hands: a second signal, a forgotten acknowledgement, two nurses, nobody on call.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::mails::Mail;
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use serde_json::json;

on_both_engines!(
    a_red_flag_on_a_taken_case_mails_again_and_needs_a_new_acknowledgement,
    an_acknowledgement_without_contact_runs_out_and_the_ladder_resumes,
    of_two_nurses_one_takes_the_case_and_the_other_is_told_who,
    a_case_given_back_resumes_at_once,
    with_nobody_on_call_the_fallback_is_told_at_once_and_so_is_who_keeps_the_list,
    a_wrong_pin_takes_nothing_and_too_many_block_it,
    help_between_sessions_is_a_case_of_the_patient,
);

fn to<'m>(mails: &'m [Mail], address: &str) -> Vec<&'m Mail> {
    mails
        .iter()
        .filter(|mail| mail.to == address && mail.text.contains("/c/"))
        .collect()
}

/// A session in which the sitter reported a dangerous answer at T+15.
async fn with_a_case(engine: Database) -> Play {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0)]).await;
    play.to_minute(15).await;
    let answer = play
        .answer_check("C5", 0, &["breathing_normal"], None)
        .expect(200)
        .json();
    assert_eq!(answer["result"], "act_now");
    play.clinic.cycle().await;
    play
}

async fn a_red_flag_on_a_taken_case_mails_again_and_needs_a_new_acknowledgement(engine: Database) {
    let mut play = with_a_case(engine).await;
    play.take_case("nurse").answer.expect(303);
    assert_eq!(play.case()["state"], "acknowledged");
    play.clinic.mailbox.fresh();

    let shown = play
        .sitter("/help", &json!({"flag": "seizure"}))
        .expect(200)
        .json();
    assert!(shown["words"].as_str().expect("words").contains("911"));
    play.clinic.cycle().await;
    let case = play.case();
    assert_eq!((&case["state"], &case["round"]), (&json!("open"), &json!(2)));
    assert_eq!(play.state(), "emergency");
    let mails = play.clinic.mailbox.fresh();
    for role in ["nurse", "backup"] {
        assert_eq!(to(&mails, &play.clinic.address(role)).len(), 1, "{role}");
    }
    play.take_case("nurse").answer.expect(303);
    assert_eq!(play.case()["state"], "acknowledged");
}

async fn an_acknowledgement_without_contact_runs_out_and_the_ladder_resumes(engine: Database) {
    let mut play = with_a_case(engine).await;
    play.take_case("nurse").answer.expect(303);
    play.clinic.mailbox.fresh();
    play.to_minute(19).await;
    assert!(to(&play.clinic.mailbox.fresh(), &play.clinic.address("prescriber")).is_empty());
    // Five minutes after taking it, nothing was heard: the next rung is everybody on the rota and the prescriber.
    play.to_minute(20).await;
    let case = play.case();
    assert_eq!((&case["state"], &case["round"]), (&json!("open"), &json!(2)));
    assert_eq!(
        to(&play.clinic.mailbox.fresh(), &play.clinic.address("prescriber")).len(),
        1
    );
    // Contacted in time, and then no outcome: it runs out as well.
    let page = play.take_case("backup");
    page.answer.clone().expect(303);
    page.press("contacted", &[]).expect(303);
    play.answer_checks(&[(30, "C6", 0)]).await;
    play.to_minute(34).await;
    assert_eq!(play.case()["state"], "contacted");
    play.to_minute(35).await;
    assert_eq!(
        (&play.case()["state"], &play.case()["round"]),
        (&json!("open"), &json!(3))
    );
}

async fn of_two_nurses_one_takes_the_case_and_the_other_is_told_who(engine: Database) {
    let mut play = with_a_case(engine).await;
    let id = play.case()["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/cases/{id}/acknowledge");
    let (nurse, backup) = (play.clinic.staff("nurse"), play.clinic.staff("backup"));
    let (one, other) = tokio::join!(
        tokio::spawn({
            let path = path.clone();
            async move { nurse.post(&path, &json!({})) }
        }),
        tokio::spawn({
            let path = path.clone();
            async move { backup.post(&path, &json!({})) }
        }),
    );
    let mut answers = [one.expect("an answer"), other.expect("an answer")];
    answers.sort_by_key(|answer| answer.status);
    assert_eq!((answers[0].status, answers[1].status), (200, 409));
    assert_eq!(answers[1].problem(), "already-taken");
    let taken_by = play.case()["taken_by_name"].as_str().expect("a name").to_owned();
    assert!(answers[1].body.contains(&taken_by), "{}", answers[1].body);
    // The page says the same, and shows nobody's number.
    let second = if taken_by == play.clinic.name("nurse") {
        "backup"
    } else {
        "nurse"
    };
    let page = play.take_case(second);
    let shown = page.show();
    assert!(
        shown.contains(&taken_by) && !shown.contains("555 0100"),
        "{shown}"
    );
    // The same nurse twice changes nothing.
    let first = if second == "backup" { "nurse" } else { "backup" };
    play.clinic.staff(first).post(&path, &json!({})).expect(200);
    assert_eq!(play.case()["round"], 1);
}

async fn a_case_given_back_resumes_at_once(engine: Database) {
    let mut play = with_a_case(engine).await;
    let page = play.take_case("nurse");
    play.clinic.mailbox.fresh();
    page.press("give-back", &[]).expect(303);
    play.clinic.cycle().await;
    assert_eq!(
        (&play.case()["state"], &play.case()["round"]),
        (&json!("open"), &json!(2))
    );
    assert_eq!(
        to(&play.clinic.mailbox.fresh(), &play.clinic.address("backup")).len(),
        1
    );
}

async fn with_nobody_on_call_the_fallback_is_told_at_once_and_so_is_who_keeps_the_list(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    // Everybody leaves the list but the administrator and the fallback; a list without a fallback is refused.
    let keep = |roles: &[(&str, &str)], clinic: &Clinic| {
        let places = roles
            .iter()
            .map(|(place, role)| json!({"place": place, "person": clinic.id(role)}));
        json!({ "places": places.collect::<Vec<_>>() })
    };
    let administrator = play.clinic.staff("administrator");
    administrator
        .put(
            "/v1/on-call",
            &keep(&[("administrator", "administrator")], &play.clinic),
        )
        .expect(422);
    let rest = [("administrator", "administrator"), ("fallback", "manager")];
    administrator
        .put("/v1/on-call", &keep(&rest, &play.clinic))
        .expect(200);
    play.clinic.mailbox.fresh();
    play.answer_checks(&[(10, "C4", 0)]).await;
    play.to_minute(15).await;
    play.answer_check("C5", 0, &["rousable"], None).expect(200);
    play.clinic.cycle().await;
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(to(&mails, &play.clinic.address("manager")).len(), 1, "{mails:?}");
    let told = mails
        .iter()
        .any(|mail| mail.to == play.clinic.address("administrator") && mail.subject.contains("on call"));
    assert!(told, "{mails:?}");
}

async fn a_wrong_pin_takes_nothing_and_too_many_block_it(engine: Database) {
    let play = with_a_case(engine).await;
    let mails = play.clinic.mailbox.all();
    let path = to(&mails, &play.clinic.address("nurse"))[0].link("/c/");
    for _ in 0..6 {
        let answer = play
            .clinic
            .http
            .form(&format!("{path}/acknowledge"), &[("pin", "000111")]);
        assert!(answer.status >= 400, "{}", answer.status);
        assert!(!answer.body.contains("555 0100"));
    }
    assert_eq!(play.case()["state"], "open");
    // The right one is not taken either now, but a password still is.
    let right = play.clinic.pin("nurse");
    let answer = play
        .clinic
        .http
        .form(&format!("{path}/acknowledge"), &[("pin", &right)]);
    assert!(answer.status >= 400, "{}", answer.status);
    let id = play.case()["id"].as_str().expect("an id").to_owned();
    play.clinic
        .staff("nurse")
        .post(&format!("/v1/cases/{id}/acknowledge"), &json!({}))
        .expect(200);
}

async fn help_between_sessions_is_a_case_of_the_patient(engine: Database) {
    let mut play = Play::without_session(Clinic::open(engine).await).await;
    let shown = play
        .phone
        .post("/v1/me/help", &json!({"note": "I feel unwell"}))
        .expect(200)
        .json();
    assert!(shown["words"].as_str().expect("words").contains("911"));
    play.clinic.cycle().await;
    let cases = play
        .clinic
        .staff("nurse")
        .get("/v1/cases?state=open")
        .expect(200)
        .json();
    assert_eq!(cases["cases"][0]["level"], "P1", "{cases}");
    let page = play.take_case("nurse");
    page.answer.clone().expect(303);
    assert!(page.show().contains("555 0100"));
    page.press("contacted", &[]).expect(303);
    page.press(
        "resolve",
        &[("outcome", "reached_well"), ("note", "Spoke; well.")],
    )
    .expect(303);
    play.clinic.nothing_is_left_to_send().await;
}
