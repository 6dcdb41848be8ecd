//! Test messages to who is on call: asked by mail, answered by a button, told when silent; no dose opens before.

use bedside_protocol::time::minutes;
use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::mails::{Mail, subjects_to};
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use bedside_worker::housekeeping::Job;
use serde_json::{Value, json};

on_both_engines!(
    the_dose_opens_only_after_nurse_and_backup_have_answered_their_test_message,
    a_test_is_sent_once_and_silence_is_told_once_to_who_keeps_the_list,
    a_turn_of_the_roster_begins_with_a_test_of_who_has_it,
    who_takes_a_case_by_the_link_of_a_mail_needs_no_test,
);

/// Nobody was ever reached.
async fn forget(clinic: &mut Clinic) {
    clinic.execute("UPDATE accounts SET reached_at = NULL, test_asked_at = NULL, test_told_at = NULL");
    clinic.advance(1).await;
}

async fn look(clinic: &mut Clinic) -> Vec<Mail> {
    clinic.worker.keep_house(Job::OnCallTests).await.expect("a look");
    clinic.cycle().await;
    clinic.mailbox.fresh()
}

fn asked(mails: &[Mail]) -> Vec<String> {
    let tests = mails.iter().filter(|mail| mail.text.contains("/t/"));
    let mut asked: Vec<String> = tests.map(|mail| mail.to.clone()).collect();
    asked.sort();
    asked
}

fn test_of(mails: &[Mail], address: &str) -> String {
    let mut tests = mails
        .iter()
        .filter(|mail| mail.to == address && mail.text.contains("/t/"));
    tests
        .next()
        .unwrap_or_else(|| panic!("no test to {address}: {mails:?}"))
        .link("/t/")
}

fn reasons(play: &Play) -> Vec<String> {
    let gate = play.today()["session"]["gate"]["reasons"].clone();
    let reasons = gate
        .as_array()
        .unwrap_or_else(|| panic!("{}", play.today()))
        .clone();
    reasons
        .iter()
        .map(|reason| reason["code"].as_str().expect("a code").to_owned())
        .collect()
}

fn on_call(clinic: &Clinic, place: &str) -> Value {
    let shown = clinic.staff("nurse").get("/v1/on-call").expect(200).json();
    let places = shown["places"].as_array().expect("places").clone();
    places
        .into_iter()
        .find(|it| it["place"] == place)
        .expect("somebody")
}

async fn the_dose_opens_only_after_nurse_and_backup_have_answered_their_test_message(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_ready().await;
    play.clinic.advance_to(play.planned_at).await;
    assert_eq!(reasons(&play), Vec::<String>::new());
    assert_eq!(on_call(&play.clinic, "nurse")["tested"], json!(true));
    forget(&mut play.clinic).await;
    play.clinic.mailbox.fresh();
    assert_eq!(reasons(&play), ["on-call-not-tested"]);
    assert_eq!(on_call(&play.clinic, "nurse")["tested"], json!(false));
    let locked = play.phone.post(&play.path("/unlock"), &json!({})).expect(409);
    assert!(
        locked.body.contains("on-call-not-tested") && !locked.body.contains("nurse"),
        "{}",
        locked.body
    );

    let mails = look(&mut play.clinic).await;
    let nurse = test_of(&mails, &play.clinic.address("nurse"));
    let backup = test_of(&mails, &play.clinic.address("backup"));
    // A scanner that opens every link says nothing.
    for path in [&nurse, &backup] {
        let page = play.clinic.http.get(path).expect(200).body;
        assert!(
            page.contains("Do our messages reach you?") && !page.contains("<script"),
            "{page}"
        );
    }
    assert_eq!(reasons(&play), ["on-call-not-tested"]);
    play.clinic.http.form(&nurse, &[]).expect(303);
    assert_eq!(
        reasons(&play),
        ["on-call-not-tested"],
        "the backup is still silent"
    );
    let answer = play.clinic.http.form(&backup, &[]).expect(303);
    let done = play
        .clinic
        .http
        .get(answer.header("location").expect("a page"))
        .expect(200);
    assert!(
        done.body.contains("We know now that messages reach you."),
        "{}",
        done.body
    );
    assert_eq!(reasons(&play), Vec::<String>::new());
    assert_eq!(on_call(&play.clinic, "backup")["tested"], json!(true));
    play.phone.post(&play.path("/unlock"), &json!({})).expect(200);
    play.clinic.nothing_is_left_to_send().await;
    // A link of another kind, and one that is over, answer nothing.
    let changed = nurse.replace("/t/", "/c/");
    play.clinic.http.get(&changed).expect(404);
    let week_later = play.clinic.now() + minutes(8 * 24 * 60);
    play.clinic.sleep_until(week_later);
    play.clinic.http.form(&nurse, &[]).expect(410);
}

async fn a_test_is_sent_once_and_silence_is_told_once_to_who_keeps_the_list(engine: Database) {
    let mut clinic = Clinic::open(engine).await;
    clinic.on_call_answers().await;
    clinic.mailbox.fresh();
    assert!(look(&mut clinic).await.is_empty(), "all were reached just now");
    forget(&mut clinic).await;
    let other = clinic.another_worker().await;
    let (one, two) = tokio::join!(
        clinic.worker.keep_house(Job::OnCallTests),
        other.keep_house(Job::OnCallTests)
    );
    assert!(one.is_ok() && two.is_ok());
    clinic.cycle().await;
    let mails = clinic.mailbox.fresh();
    let everybody = [
        "administrator",
        "backup",
        "coordinator",
        "manager",
        "nurse",
        "prescriber",
    ];
    assert_eq!(
        asked(&mails),
        everybody.map(|role| clinic.address(role)),
        "each once"
    );
    for hidden in ["Nora", "Willow", "nurse"] {
        let test = mails
            .iter()
            .find(|mail| mail.to == clinic.address("nurse"))
            .expect("a test");
        assert!(!test.text.contains(hidden), "{}", test.text);
    }
    for role in everybody
        .iter()
        .filter(|role| **role != "nurse" && **role != "manager")
    {
        clinic
            .http
            .form(&test_of(&mails, &clinic.address(role)), &[])
            .expect(303);
    }
    clinic.advance(29).await;
    assert!(look(&mut clinic).await.is_empty());
    assert_eq!(clinic.red_parts(), Vec::<String>::new());
    clinic.advance(2).await;
    let mails = look(&mut clinic).await;
    // Of the nurse, whose silence keeps alarms from being heard, and not of the manager's.
    let administrator = clinic.address("administrator");
    assert_eq!(
        subjects_to(&mails, &administrator),
        ["Somebody on call does not answer"],
        "{mails:?}"
    );
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(clinic.red_parts(), ["on_call"]);
    clinic.advance(10).await;
    assert!(look(&mut clinic).await.is_empty(), "told once");

    // The answer comes late, and all is well; a week later they are asked again.
    let all = clinic.mailbox.all();
    clinic
        .http
        .form(&test_of(&all[all.len() / 2..], &clinic.address("nurse")), &[])
        .expect(303);
    assert_eq!(clinic.red_parts(), Vec::<String>::new());
    clinic.advance(5 * 24 * 60).await;
    assert!(look(&mut clinic).await.is_empty());
    clinic.advance(25 * 60).await;
    assert_eq!(asked(&look(&mut clinic).await).len(), 6);
}

async fn a_turn_of_the_roster_begins_with_a_test_of_who_has_it(engine: Database) {
    let mut clinic = Clinic::open(engine).await;
    clinic.on_call_answers().await;
    clinic.mailbox.fresh();
    let (from, until) = (clinic.now() + minutes(61), clinic.now() + minutes(180));
    let cover = json!({"instead_of": clinic.id("nurse"), "by": clinic.id("coordinator"), "from": from, "until": until});
    let administrator = clinic.staff("administrator");
    let tag = administrator
        .get("/v1/roster")
        .expect(200)
        .header("etag")
        .expect("a version")
        .to_owned();
    administrator
        .with("if-match", &tag)
        .put("/v1/roster", &json!({}))
        .expect(200);
    administrator.post("/v1/roster/cover", &cover).expect(200);
    assert!(look(&mut clinic).await.is_empty(), "the turn has not begun");
    clinic.advance_to(from + minutes(1)).await;
    assert_eq!(
        on_call(&clinic, "nurse")["tested"],
        json!(false),
        "reached an hour and a minute ago"
    );
    let mails = look(&mut clinic).await;
    assert_eq!(asked(&mails), [clinic.address("coordinator")]);
    assert!(look(&mut clinic).await.is_empty(), "once a turn");
    clinic
        .http
        .form(&test_of(&mails, &clinic.address("coordinator")), &[])
        .expect(303);
    assert_eq!(on_call(&clinic, "nurse")["tested"], json!(true));
    // Two hours later the nurse is back, and is asked as well.
    clinic.advance_to(until + minutes(1)).await;
    assert_eq!(asked(&look(&mut clinic).await), [clinic.address("nurse")]);
}

async fn who_takes_a_case_by_the_link_of_a_mail_needs_no_test(engine: Database) {
    let mut play = Play::without_session(Clinic::open(engine).await).await;
    forget(&mut play.clinic).await;
    play.phone.post("/v1/me/help", &json!({})).expect(200);
    play.clinic.cycle().await;
    play.clinic.mailbox.fresh();
    assert_eq!(on_call(&play.clinic, "nurse")["tested"], json!(false));
    play.take_case("nurse").answer.expect(303);
    assert_eq!(on_call(&play.clinic, "nurse")["tested"], json!(true));
    // Whoever closes it logged in, with no mail, has shown nothing about mail.
    let case = play.clinic.staff("backup").get("/v1/cases").expect(200).json()["cases"][0]["id"].clone();
    let path = format!("/v1/cases/{}/acknowledge", case.as_str().expect("an id"));
    play.clinic.staff("backup").post(&path, &json!({})).expect(409);
    assert_eq!(on_call(&play.clinic, "backup")["tested"], json!(false));
    let tests = asked(&look(&mut play.clinic).await);
    assert!(!tests.contains(&play.clinic.address("nurse")) && tests.contains(&play.clinic.address("backup")));
}
