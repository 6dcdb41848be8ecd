//! Open cases at the end of a shift: offered by mail and page, accepted or not, and told to both.

use bedside_protocol::time::{Instant, Zone, minutes};
use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::http::{Answer, Client};
use bedside_tests::mails::{Mail, subjects_to};
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use bedside_worker::housekeeping::Job;
use serde_json::{Value, json};

on_both_engines!(
    a_case_is_offered_by_its_page_and_accepted_by_mail_and_pin,
    an_offer_that_nobody_accepts_leaves_the_case_and_tells_both,
    a_whole_list_is_handed_over_and_each_case_says_what_became_of_it,
    at_a_shift_change_an_open_case_is_offered_to_the_next_on_duty_once,
    a_case_between_sessions_is_handed_over_in_a_clinic_where_no_session_is_planned,
    another_clinic_and_other_roles_hand_over_nothing,
    nobody_is_offered_a_case_who_does_not_work_on_cases,
);

/// A session in which the sitter reported a dangerous answer at T+15.
async fn with_a_case(engine: Database) -> Play {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0)]).await;
    play.to_minute(15).await;
    play.answer_check("C5", 0, &["breathing_normal"], None)
        .expect(200);
    play.clinic.cycle().await;
    play
}

fn offer_to(mails: &[Mail], address: &str) -> Mail {
    let mut offers = mails
        .iter()
        .filter(|mail| mail.to == address && mail.subject.contains("is offered to you"));
    let offer = offers
        .next()
        .unwrap_or_else(|| panic!("no offer to {address}: {mails:?}"));
    assert!(offers.next().is_none(), "told once: {mails:?}");
    offer.clone()
}

fn subjects_about(mails: &[Mail], address: &str, words: &str) -> usize {
    let subjects = subjects_to(mails, address).into_iter();
    subjects.filter(|subject| subject.contains(words)).count()
}

fn row(client: &Client) -> Value {
    client.get("/v1/cases").expect(200).json()["cases"][0].clone()
}

async fn a_case_is_offered_by_its_page_and_accepted_by_mail_and_pin(engine: Database) {
    let mut play = with_a_case(engine).await;
    let nurse = play.take_case("nurse");
    play.clinic.cycle().await;
    play.clinic.mailbox.fresh();
    let backup_id = play.clinic.id("backup").to_string();
    assert!(nurse.show().contains(&backup_id), "the backup can be chosen");
    nurse.press("hand-over", &[]).expect(422);
    nurse.press("hand-over", &[("to", &backup_id)]).expect(303);
    play.clinic.cycle().await;
    let shown = nurse.show();
    assert!(
        shown.contains("Offered to Ben Backmann") && shown.contains("555 0100"),
        "{shown}"
    );
    let listed = row(&play.clinic.staff("nurse"));
    assert_eq!(listed["taken_by"], json!(play.clinic.id("nurse")));
    assert_eq!(listed["offered_to"], json!(backup_id));
    assert_eq!(listed["offered_to_name"], json!("Ben Backmann"));
    let owed = |play: &Play| {
        let session = play
            .clinic
            .staff("nurse")
            .get(&format!("/v1/sessions/{}", play.session));
        let duties = session.expect(200).json()["duties"]
            .as_array()
            .expect("duties")
            .clone();
        let of_case = |duty: &&Value| duty["kind"] == "record_outcome" && duty["state"] == "open";
        duties
            .iter()
            .filter(of_case)
            .map(|duty| duty["due_at"].clone())
            .collect::<Vec<_>>()
    };
    let owed_before = owed(&play);

    // The mail to the next nurse: neutral, with the page of the case behind it.
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(mails.len(), 1, "{mails:?}");
    let mail = offer_to(&mails, &play.clinic.address("backup"));
    for hidden in ["Robin", "Quillfeather", "Nora", "breathing", "555 0"] {
        assert!(!mail.text.contains(hidden), "{hidden}: {}", mail.text);
    }
    let path = mail.link("/c/");
    let page = play.clinic.http.get(&path).expect(200).body;
    assert!(page.contains("Nora Nightly offers you this case."), "{page}");
    assert!(
        !page.contains("555 0100") && page.contains(&format!("{path}/accept")),
        "{page}"
    );
    // A scanner that follows every link, and a wrong PIN, accept nothing.
    play.clinic.http.get(&format!("{path}/accept"));
    play.clinic
        .http
        .form(&format!("{path}/accept"), &[("pin", "000111")])
        .expect(401);
    play.clinic.http.form(&format!("{path}/accept"), &[]).expect(422);
    assert_eq!(
        row(&play.clinic.staff("nurse"))["taken_by_name"],
        json!("Nora Nightly")
    );

    let backup = by_pin(&play, &path, "accept", "backup");
    assert!(
        backup.get(&path).expect(200).body.contains("555 0100"),
        "the numbers are the backup's now"
    );
    let listed = row(&play.clinic.staff("nurse"));
    assert_eq!(listed["taken_by"], json!(backup_id));
    assert_eq!(listed["offered_to"], Value::Null);
    assert_eq!(owed(&play), owed_before, "what is owed keeps its time");
    play.clinic.cycle().await;
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(
        subjects_about(&mails, &play.clinic.address("nurse"), "handed over"),
        1,
        "{mails:?}"
    );
    assert_eq!(mails.len(), 1, "nobody else is disturbed: {mails:?}");
    // The first nurse's page shows nothing more, and closes nothing.
    assert!(!nurse.show().contains("555 0100"));
    let fields = [("outcome", "reached_well"), ("note", "Spoke; well.")];
    nurse.press("resolve", &fields).expect(409);
    // The backup does, and the nurse hears of it.
    backup.form(&format!("{path}/contacted"), &[]).expect(303);
    backup.form(&format!("{path}/resolve"), &fields).expect(303);
    play.clinic.cycle().await;
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(
        subjects_about(&mails, &play.clinic.address("nurse"), "is closed"),
        1,
        "{mails:?}"
    );
}

/// A browser that has given somebody's PIN in one of the forms of a case's page.
fn by_pin(play: &Play, path: &str, form: &str, role: &str) -> Client {
    let pin = play.clinic.pin(role);
    let answer = play
        .clinic
        .http
        .form(&format!("{path}/{form}"), &[("pin", &pin)])
        .expect(303);
    let cookie = answer.header("set-cookie").expect("a cookie").split(';').next();
    play.clinic.http.with("cookie", cookie.expect("a cookie"))
}

async fn an_offer_that_nobody_accepts_leaves_the_case_and_tells_both(engine: Database) {
    // A patient between sessions: P2 is owed an outcome within two hours, longer than an offer waits.
    let mut play = Play::without_session(Clinic::open(engine).await).await;
    let entry = json!({"kind": "received", "count": 6});
    let ledger = format!("/v1/patients/{}/lozenges", play.patient);
    play.clinic.staff("nurse").post(&ledger, &entry).expect(201);
    play.phone
        .post("/v1/me/lozenges", &json!({"kind": "lost", "count": 2}))
        .expect(201);
    play.clinic.cycle().await;
    let nurse = play.clinic.staff("nurse");
    let case = row(&nurse);
    assert_eq!(case["level"], "P2", "{case}");
    let path = format!("/v1/cases/{}", case["id"].as_str().expect("an id"));
    nurse.post(&format!("{path}/acknowledge"), &json!({})).expect(200);
    nurse.post(&format!("{path}/contacted"), &json!({})).expect(200);
    let to = json!({"to": play.clinic.id("backup")});
    let offered = nurse.post(&format!("{path}/hand-over"), &to).expect(200).json();
    assert_eq!(offered["offered_to_name"], "Ben Backmann");
    play.clinic.cycle().await;
    let offer = offer_to(&play.clinic.mailbox.fresh(), &play.clinic.address("backup"));
    play.clinic.advance(14).await;
    assert!(play.clinic.mailbox.fresh().is_empty());
    play.clinic.advance(2).await;
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(
        subjects_about(&mails, &play.clinic.address("nurse"), "still with you"),
        1,
        "{mails:?}"
    );
    assert_eq!(
        subjects_about(&mails, &play.clinic.address("backup"), "no longer offered to you"),
        1,
        "{mails:?}"
    );
    assert_eq!(mails.len(), 2, "{mails:?}");
    assert_eq!(row(&nurse)["taken_by_name"], "Nora Nightly");
    let page = play.clinic.http.get(&offer.link("/c/")).expect(200).body;
    assert!(page.contains("Nora Nightly has this case"), "{page}");
    let late = play
        .clinic
        .staff("backup")
        .post(&format!("{path}/accept"), &json!({}));
    assert_eq!((late.status, late.problem()), (409, "already-taken".to_owned()));

    // Offered again, and declined by the page; offered once more, and taken back.
    nurse.post(&format!("{path}/hand-over"), &to).expect(200);
    play.clinic.cycle().await;
    let link = offer_to(&play.clinic.mailbox.fresh(), &play.clinic.address("backup")).link("/c/");
    by_pin(&play, &link, "decline", "backup");
    nurse.post(&format!("{path}/hand-over"), &to).expect(200);
    nurse.post(&format!("{path}/decline"), &json!({})).expect(200);
    play.clinic.cycle().await;
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(
        subjects_about(&mails, &play.clinic.address("nurse"), "still with you"),
        1,
        "{mails:?}"
    );
    assert_eq!(
        subjects_about(&mails, &play.clinic.address("backup"), "no longer offered to you"),
        1,
        "{mails:?}"
    );
    // The offer that was taken back before it left is not sent.
    assert_eq!(
        subjects_about(&mails, &play.clinic.address("backup"), "is offered"),
        0,
        "{mails:?}"
    );
    play.clinic.nothing_is_left_to_send().await;
}

async fn a_whole_list_is_handed_over_and_each_case_says_what_became_of_it(engine: Database) {
    let mut play = with_a_case(engine).await;
    play.take_case("nurse");
    let phone = play.phone.clone();
    let second = play
        .clinic
        .register_patient("kit@example.org", "Kit Ashgrove")
        .await;
    phone.get("/v1/me/today").expect(200);
    let kit = play
        .clinic
        .log_in("kit@example.org", bedside_tests::clinic::PASSWORD);
    kit.post("/v1/me/help", &json!({"note": "unwell"})).expect(200);
    let nurse = play.clinic.staff("nurse");
    let cases = nurse.get("/v1/cases").expect(200).json()["cases"]
        .as_array()
        .expect("cases")
        .clone();
    let kits = cases
        .iter()
        .find(|case| case["patient"] == json!(second))
        .expect("a case");
    let kits = format!("/v1/cases/{}", kits["id"].as_str().expect("an id"));
    nurse.post(&format!("{kits}/acknowledge"), &json!({})).expect(200);
    // One of them is offered to somebody else already.
    let prescriber = json!({"to": play.clinic.id("prescriber")});
    nurse.post(&format!("{kits}/hand-over"), &prescriber).expect(200);
    play.clinic.cycle().await;
    play.clinic.mailbox.fresh();

    let to = json!({"to": play.clinic.id("backup")});
    let handed = nurse.post("/v1/hand-overs", &to).expect(200).json();
    let handed = handed["cases"].as_array().expect("cases").clone();
    assert_eq!(handed.len(), 2, "{handed:?}");
    let of = |offered: bool| {
        handed
            .iter()
            .find(|case| case["offered"] == json!(offered))
            .expect("a case")
    };
    assert!(kits.ends_with(of(false)["id"].as_str().expect("an id")));
    assert_eq!(
        of(false)["problem"]["type"],
        "urn:bedside:problem:hand-over-waits"
    );
    play.clinic.cycle().await;
    offer_to(&play.clinic.mailbox.fresh(), &play.clinic.address("backup"));
    // Once more: nothing new. And who has nothing hands over nothing.
    nurse.post("/v1/hand-overs", &to).expect(200);
    play.clinic.cycle().await;
    assert!(play.clinic.mailbox.fresh().is_empty());
    let nothing = play
        .clinic
        .staff("prescriber")
        .post("/v1/hand-overs", &to)
        .expect(200)
        .json();
    assert_eq!(nothing["cases"], json!([]));
    let stranger = json!({"to": "00000000-0000-4000-8000-000000000001"});
    let refused = nurse.post(&format!("{kits}/decline"), &json!({})).expect(200);
    assert_eq!(refused.json()["offered_to"], Value::Null);
    nurse.post(&format!("{kits}/hand-over"), &stranger).expect(422);
}

/// A weekly rotation of the nurse's place whose hand-over to the second of these people is at `at`.
fn rotation(clinic: &Clinic, first: &str, second: &str, at: Instant) -> Value {
    let zone = Zone::named("America/New_York").expect("a zone");
    let (on, time) = (zone.date_of(at), zone.time_of(at));
    json!({"rotations": [{
        "place": "nurse", "people": [clinic.id(first), clinic.id(second)],
        "weekday": on.format("%A").to_string().to_lowercase(), "at": time.format("%H:%M").to_string(),
        "starts_on": on - chrono::Duration::days(7),
    }]})
}

fn set_roster(clinic: &Clinic, roster: &Value) -> Answer {
    let keeper = clinic.staff("administrator");
    let tag = keeper.get("/v1/roster").expect(200);
    let tag = tag.header("etag").expect("a version").to_owned();
    keeper.with("if-match", &tag).put("/v1/roster", roster)
}

async fn at_a_shift_change_an_open_case_is_offered_to_the_next_on_duty_once(engine: Database) {
    let mut play = with_a_case(engine).await;
    let hand_over = play.t0.expect("a dose") + minutes(18);
    set_roster(
        &play.clinic,
        &rotation(&play.clinic, "nurse", "coordinator", hand_over),
    )
    .expect(200);
    let page = play.take_case("nurse");
    page.press("contacted", &[]).expect(303);
    play.clinic.cycle().await;
    play.clinic.mailbox.fresh();
    let look = async |play: &mut Play| {
        play.clinic
            .worker
            .keep_house(Job::ShiftChanges)
            .await
            .expect("a look");
        play.clinic.cycle().await;
        play.clinic.mailbox.fresh()
    };
    assert_eq!(look(&mut play).await.len(), 0, "the shift is not over");
    play.to_minute(18).await;
    play.clinic.mailbox.fresh();
    let mails = look(&mut play).await;
    let offer = offer_to(&mails, &play.clinic.address("coordinator"));
    assert_eq!(mails.len(), 1, "{mails:?}");
    let shown = play.clinic.http.get(&offer.link("/c/")).expect(200).body;
    assert!(
        shown.contains("Nora Nightly offers you this case: their shift is over."),
        "{shown}"
    );
    // Two workers, again and again: told once.
    let other = play.clinic.another_worker().await;
    let (one, two) = tokio::join!(
        play.clinic.worker.keep_house(Job::ShiftChanges),
        other.keep_house(Job::ShiftChanges)
    );
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(look(&mut play).await.len(), 0, "told once");
    by_pin(&play, &offer.link("/c/"), "accept", "coordinator");
    assert_eq!(
        row(&play.clinic.staff("nurse"))["taken_by_name"],
        json!(play.clinic.name("coordinator"))
    );
    let mails = look(&mut play).await;
    assert_eq!(
        subjects_about(&mails, &play.clinic.address("nurse"), "handed over"),
        1,
        "{mails:?}"
    );
}

async fn a_case_between_sessions_is_handed_over_in_a_clinic_where_no_session_is_planned(engine: Database) {
    let mut play = Play::without_session(Clinic::open(engine).await).await;
    play.phone
        .post("/v1/me/lozenges", &json!({"kind": "lost", "count": 2}))
        .expect(201);
    let nurse = play.clinic.staff("nurse");
    let path = format!("/v1/cases/{}", row(&nurse)["id"].as_str().expect("an id"));
    let hand_over = play.clinic.now() + minutes(18);
    let roster = rotation(&play.clinic, "nurse", "coordinator", hand_over);
    set_roster(&play.clinic, &roster).expect(200);
    nurse.post(&format!("{path}/acknowledge"), &json!({})).expect(200);
    nurse.post(&format!("{path}/contacted"), &json!({})).expect(200);
    play.clinic.advance_to(hand_over).await;
    play.clinic
        .worker
        .keep_house(Job::ShiftChanges)
        .await
        .expect("a look");
    assert_eq!(row(&nurse)["offered_to"], json!(play.clinic.id("coordinator")));
}

async fn another_clinic_and_other_roles_hand_over_nothing(engine: Database) {
    let mut play = with_a_case(engine).await;
    play.take_case("nurse");
    let path = format!("/v1/cases/{}", play.case()["id"].as_str().expect("an id"));
    let to = json!({"to": play.clinic.id("backup")});
    let stranger = play.clinic.open_second_clinic().await;
    let administrator = play.clinic.staff("administrator");
    for client in [&stranger, &administrator] {
        for (act, body) in [
            ("hand-over", &to),
            ("accept", &json!({})),
            ("decline", &json!({})),
        ] {
            client.post(&format!("{path}/{act}"), body).expect(404);
        }
    }
    administrator.post("/v1/hand-overs", &to).expect(404);
    assert_eq!(
        stranger.post("/v1/hand-overs", &to).expect(200).json()["cases"],
        json!([])
    );
    // To somebody of another clinic nothing is offered.
    let refused = play
        .clinic
        .staff("backup")
        .post(&format!("{path}/hand-over"), &to);
    assert_eq!(
        (refused.status, refused.problem()),
        (409, "already-taken".to_owned())
    );
}

async fn nobody_is_offered_a_case_who_does_not_work_on_cases(engine: Database) {
    let mut play = with_a_case(engine).await;
    let page = play.take_case("nurse");
    play.clinic.cycle().await;
    play.clinic.mailbox.fresh();
    // The administrator stands on the on-call list, to be told as a last resort.
    let administrator = play.clinic.id("administrator").to_string();
    let shown = page.show();
    assert!(!shown.contains(&administrator), "{shown}");
    assert!(shown.contains(&play.clinic.id("coordinator").to_string()));
    page.press("hand-over", &[("to", &administrator)]).expect(422);
    let nurse = play.clinic.staff("nurse");
    let case = row(&nurse);
    let path = format!("/v1/cases/{}/hand-over", case["id"].as_str().expect("an id"));
    let refused = nurse.post(&path, &json!({ "to": administrator })).expect(422);
    assert_eq!(refused.json()["faults"][0]["field"], "to", "{}", refused.body);
    let all = nurse.post("/v1/hand-overs", &json!({ "to": administrator }));
    assert_eq!(all.expect(200).json()["cases"][0]["offered"], json!(false));

    // Nor by the roster.
    let hand_over = play.t0.expect("a dose") + minutes(18);
    let roster = rotation(&play.clinic, "nurse", "administrator", hand_over);
    set_roster(&play.clinic, &roster).expect(200);
    page.press("contacted", &[]).expect(303);
    play.to_minute(18).await;
    play.clinic
        .worker
        .keep_house(Job::ShiftChanges)
        .await
        .expect("a look");
    play.clinic.cycle().await;
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(
        subjects_about(&mails, &play.clinic.address("administrator"), "is offered"),
        0,
        "{mails:?}"
    );
    assert_eq!(row(&nurse)["offered_to"], Value::Null);
}
