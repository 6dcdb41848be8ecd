//! Enrolment: settled by patient and clinic, refused piece by piece, taken back, grown old.

use bedside_protocol::time::minutes;
use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::enrolment::{answer_baseline, answers, confirms, contacts, quiet_form, screening, settle};
use bedside_tests::http::Answer;
use bedside_tests::on_both_engines;
use bedside_tests::play::{PATIENT, Play};
use serde_json::{Value, json};

on_both_engines!(
    the_patient_and_the_clinic_settle_every_item_and_then_a_session_is_planned,
    nothing_is_planned_or_signed_while_an_item_is_open_and_the_refusal_names_each,
    what_cannot_be_is_refused_by_field_and_an_old_version_by_its_number,
    a_yes_to_email_that_is_taken_back_stops_the_mails_and_the_dose_and_the_coordinator_hears_of_it,
    a_running_session_is_watched_and_written_about_whatever_was_said_of_email_before,
    who_unlocked_the_screen_is_asked_about_the_dose_though_they_take_back_their_yes_to_email,
    consent_to_treatment_is_not_changed_between_dose_and_release_and_taken_back_it_locks_the_next_session,
    what_grows_old_is_asked_again_and_an_old_screening_keeps_the_dose_locked,
    each_route_is_for_whom_it_is,
);

fn enrolment(play: &Play) -> Value {
    play.phone.get("/v1/me/enrolment").expect(200).json()
}

/// `key state`, for what is not done.
fn open(shown: &Value) -> Vec<String> {
    let items = shown.as_array().expect("items").iter();
    let open = items.filter(|item| item["state"] != "done");
    open.map(|item| {
        let text = |field: &str| item[field].as_str().expect("text").to_owned();
        format!("{} {}", text("key"), text("state"))
    })
    .collect()
}

fn plan(play: &Play, on: &str) -> Answer {
    let path = format!("/v1/patients/{}/sessions", play.patient);
    let body = json!({"on": on, "time": "10:00:00"});
    play.clinic.staff("coordinator").post(&path, &body)
}

fn fields(answer: &Answer) -> Vec<String> {
    let faults = answer.json()["faults"].as_array().expect("faults").clone();
    let field = |fault: &Value| fault["field"].as_str().expect("a field").to_owned();
    faults.iter().map(field).collect()
}

fn gate_items(play: &Play) -> Vec<String> {
    let shown = play.today();
    let reasons = shown["session"]["gate"]["reasons"].as_array().expect("reasons");
    let of_enrolment = reasons.iter().filter(|reason| {
        reason["code"]
            .as_str()
            .is_some_and(|code| code.starts_with("enrolment-"))
    });
    of_enrolment
        .map(|reason| {
            format!(
                "{} {}",
                reason["code"].as_str().expect("a code"),
                reason["item"].as_str().expect("an item")
            )
        })
        .collect()
}

fn why_dropped(play: &Play) -> Vec<String> {
    let sql = "SELECT COALESCE(why, '') AS value FROM outbox WHERE recipient_kind = 'patient' AND state = 'dropped'";
    play.clinic.texts(sql)
}

async fn the_patient_and_the_clinic_settle_every_item_and_then_a_session_is_planned(engine: Database) {
    let play = Play::registered(Clinic::open(engine).await).await;
    let all = [
        "screening_signed open",
        "consent_treatment open",
        "consent_messages open",
        "safety_sharing open",
        "baseline_scores open",
        "cuff_ready open",
        "contacts open",
        "lozenges_received open",
    ];
    assert_eq!(open(&enrolment(&play)["items"]), all);
    assert_eq!(open(&play.today()["enrolment"]), all, "the day shows it too");
    assert_eq!(enrolment(&play)["may_be_planned"], json!(false));
    settle(&play.clinic, &play.phone, &play.patient);
    assert!(play.today().get("enrolment").is_none());

    let path = format!("/v1/patients/{}/enrolment", play.patient);
    let seen = play.clinic.staff("nurse").get(&path).expect(200).json();
    assert!(open(&seen["items"]).is_empty());
    assert_eq!(seen["contacts"]["region"], "US-NY");
    assert_eq!(seen["contacts"]["by"], "patient");
    assert_eq!(
        seen["screenings"][0]["findings"]
            .as_array()
            .expect("findings")
            .len(),
        16
    );
    assert_eq!(seen["trial_readings"][0]["sbp"], 121);
    let texts = seen["texts"].as_array().expect("texts");
    assert!(texts.iter().all(|text| text["agreed"] == json!(true)
        && text["answered_version"] == 1
        && text["answered_at"].is_string()));
    let planner = play.clinic.staff("coordinator").get(&path).expect(200).json();
    assert_eq!(planner["screenings"], json!([]), "findings are for clinicians");
    plan(&play, "2026-11-25").expect(201);
    let trail = play.clinic.texts("SELECT action AS value FROM audit");
    for action in [
        "consent.answered",
        "contacts.confirmed",
        "cuff.tried",
        "screening.signed",
    ] {
        assert!(trail.iter().any(|it| it == action), "{action}");
    }
}

async fn nothing_is_planned_or_signed_while_an_item_is_open_and_the_refusal_names_each(engine: Database) {
    let play = Play::registered(Clinic::open(engine).await).await;
    let all: Vec<String> = open(&enrolment(&play)["items"])
        .iter()
        .map(|line| format!("enrolment.{}", line.split(' ').next().expect("a key")))
        .collect();
    assert_eq!(all.len(), 8);
    assert_eq!(fields(&plan(&play, "2026-11-25").expect(422)), all);
    let course = json!({"first_on": "2026-11-30", "time": "10:00", "dispensed_lozenges": 12, "reason": "first course"});
    let path = |rest: &str| format!("/v1/patients/{}/{rest}", play.patient);
    let prescriber = play.clinic.staff("prescriber");
    assert_eq!(fields(&prescriber.post(&path("plans"), &course).expect(422)), all);
    let preview = prescriber
        .post(&path("plans/preview"), &course)
        .expect(200)
        .json();
    assert_eq!(preview["can_be_signed"], json!(false));

    // One after the other is settled, and the refusal grows shorter.
    let left = |gone: &str| -> Vec<String> {
        let now = fields(&plan(&play, "2026-11-25").expect(422));
        assert!(!now.contains(&format!("enrolment.{gone}")), "{now:?}");
        now
    };
    confirms(&play.phone, &contacts("America/New_York")).expect(200);
    assert_eq!(left("contacts").len(), 7);
    answers(&play.phone, "safety_sharing", 1, false).expect(200);
    assert_eq!(left("safety_sharing").len(), 6, "a no is an answer");
    answers(&play.phone, "consent_treatment", 1, false).expect(200);
    let still = fields(&plan(&play, "2026-11-25").expect(422));
    assert!(
        still.contains(&"enrolment.consent_treatment".to_owned()),
        "a no is no consent"
    );
    let package = |sealed: bool| json!({"kind": "received", "count": 12, "sealed": sealed, "locked": true});
    play.phone.post("/v1/me/lozenges", &package(false)).expect(201);
    let still = fields(&plan(&play, "2026-11-25").expect(422));
    assert!(still.contains(&"enrolment.lozenges_received".to_owned()));
    for key in ["phq9", "gad7"] {
        let key = bedside_protocol::instruments::InstrumentKey::named(key).expect("an instrument");
        let form = quiet_form(key, play.clinic.now());
        play.phone
            .post(&format!("/v1/me/instruments/{}", key.name()), &form)
            .expect(201);
    }
    let item = |key: &str| {
        let items = enrolment(&play)["items"].as_array().expect("items").clone();
        items
            .into_iter()
            .find(|item| item["key"] == key)
            .expect("an item")
    };
    assert_eq!(item("baseline_scores")["reason"], "not answered: safety");
    let mut not_cleared = screening();
    not_cleared["cleared"] = json!(false);
    prescriber.post(&path("screenings"), &not_cleared).expect(201);
    assert_eq!(item("screening_signed")["state"], "open");
    assert_eq!(item("screening_signed")["owed_by"], "clinician");
}

async fn what_cannot_be_is_refused_by_field_and_an_old_version_by_its_number(engine: Database) {
    let play = Play::registered(Clinic::open(engine).await).await;
    let version = enrolment(&play)["version"].clone();
    let mut wrong = contacts("Atlantis/Deep");
    wrong["phone"] = json!("call me");
    wrong["region"] = json!("New York");
    wrong["language"] = json!("");
    wrong["emergency_room"]["name"] = json!(" ");
    assert_eq!(
        fields(&confirms(&play.phone, &wrong).expect(422)),
        ["phone", "region", "zone", "language", "emergency_room.name"]
    );
    confirms(&play.phone, &contacts("America/New_York")).expect(200);
    // The coordinator read before the patient wrote.
    let path = format!("/v1/patients/{}/contacts", play.patient);
    let coordinator = play.clinic.staff("coordinator");
    let late = coordinator.with("if-match", &format!("\"{version}\""));
    late.put(&path, &contacts("America/New_York")).expect(412);
    coordinator.put(&path, &contacts("America/New_York")).expect(412);
    let read = play
        .clinic
        .staff("coordinator")
        .get(&path.replace("contacts", "enrolment"));
    let tag = read.expect(200).header("etag").expect("a tag").to_owned();
    let mut changed = contacts("America/Chicago");
    changed["address"] = json!("5 Lake Shore Drive, Chicago");
    coordinator
        .with("if-match", &tag)
        .put(&path, &changed)
        .expect(200);
    let patient = coordinator
        .get(&format!("/v1/patients/{}", play.patient))
        .expect(200)
        .json();
    assert_eq!(patient["zone"], "America/Chicago");
    assert_eq!(patient["address"], "5 Lake Shore Drive, Chicago");

    assert_eq!(
        answers(&play.phone, "consent_treatment", 2, true)
            .expect(409)
            .json()["type"],
        "urn:bedside:problem:text-changed"
    );
    answers(&play.phone, "contacts", 1, true).expect(404);
    answers(&play.phone, "nothing", 1, true).expect(404);
    let typo = json!({"sbp": 12, "dbp": 79, "hr": 68});
    assert_eq!(
        fields(&play.phone.post("/v1/me/trial-readings", &typo).expect(422)),
        ["sbp", "sbp"]
    );
    let nurse = play.clinic.staff("nurse");
    let screenings = format!("/v1/patients/{}/screenings", play.patient);
    let body = json!({"findings": [{"point": "luck", "present": false}], "cleared": true});
    assert_eq!(fields(&nurse.post(&screenings, &body).expect(422)).len(), 17);
    for half in [
        json!({"kind": "received", "count": 12, "sealed": true}),
        json!({"kind": "lost", "count": 1, "sealed": true, "locked": true}),
    ] {
        play.phone.post("/v1/me/lozenges", &half).expect(422);
    }
}

async fn a_yes_to_email_that_is_taken_back_stops_the_mails_and_the_dose_and_the_coordinator_hears_of_it(
    engine: Database,
) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.sitter_accepts().await;
    play.clinic.mailbox.fresh();
    answers(&play.phone, "consent_messages", 1, false).expect(200);
    assert_eq!(gate_items(&play), ["enrolment-open consent_messages"]);
    play.clinic.cycle().await;
    let told = play.clinic.mailbox.fresh();
    let coordinator = play.clinic.address("coordinator");
    assert_eq!(told.iter().filter(|mail| mail.to == coordinator).count(), 1);
    for mail in &told {
        assert!(
            !mail.text.contains("consent") && !mail.text.contains("Robin"),
            "{}",
            mail.text
        );
    }
    let cases = play.clinic.staff("nurse").get("/v1/cases").expect(200).json();
    let case = cases["cases"][0]["id"].as_str().expect("an id").to_owned();
    let case = play
        .clinic
        .staff("nurse")
        .get(&format!("/v1/cases/{case}"))
        .expect(200)
        .json();
    assert_eq!(Play::causes(&case), ["consent_withdrawn"]);
    assert_eq!(case["level"], "P3");

    // Three days before, the day before, the hour before: the sitter is reminded, the patient is not.
    play.clinic.advance_to(play.planned_at - minutes(30)).await;
    let mails = play.clinic.mailbox.fresh();
    assert!(
        mails.iter().all(|mail| mail.to != PATIENT),
        "{:?}",
        mails.iter().map(|it| &it.subject).collect::<Vec<_>>()
    );
    assert!(mails.iter().any(|mail| mail.to == bedside_tests::play::SITTER));
    let why = why_dropped(&play);
    assert!(
        !why.is_empty() && why.iter().all(|why| why == "no_consent"),
        "{why:?}"
    );
    play.clinic.advance_to(play.planned_at).await;
    play.phone.post(&play.path("/unlock"), &json!({})).expect(409);
    assert_eq!(
        fields(&plan(&play, "2026-12-05").expect(422)),
        ["enrolment.consent_messages"]
    );
    // Given again, all is as before.
    answers(&play.phone, "consent_messages", 1, true).expect(200);
    assert!(gate_items(&play).is_empty());
}

async fn a_running_session_is_watched_and_written_about_whatever_was_said_of_email_before(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.sitter_accepts().await;
    answers(&play.phone, "consent_messages", 1, false).expect(200);
    play.clinic.advance_to(play.planned_at).await;
    let logged = play
        .phone
        .post(&play.path("/dose"), &json!({}))
        .expect(200)
        .json();
    assert_eq!(logged["result"], "recorded_outside_ready_session");
    play.t0 = Some(play.clinic.now());
    play.clinic.mailbox.fresh();
    // Nobody answers the check at the end of the hold: patient, sitter and care team are written to.
    play.to_minute(40).await;
    let mails = play.clinic.mailbox.fresh();
    assert!(mails.iter().any(|mail| mail.to == PATIENT));
    assert!(mails.iter().any(|mail| mail.to == play.clinic.address("nurse")));
}

async fn who_unlocked_the_screen_is_asked_about_the_dose_though_they_take_back_their_yes_to_email(
    engine: Database,
) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_ready().await;
    play.clinic.advance_to(play.planned_at).await;
    play.phone.post(&play.path("/unlock"), &json!({})).expect(200);
    answers(&play.phone, "consent_messages", 1, false).expect(200);
    play.clinic.cycle().await;
    let told = play.clinic.mailbox.fresh();
    assert!(
        told.iter()
            .any(|mail| mail.to == play.clinic.address("coordinator")),
        "{told:?}"
    );
    // A quarter of an hour on: both are asked, and in the end the nurse is.
    play.clinic.advance(16).await;
    let asked = play.clinic.mailbox.fresh();
    let to = |who: &str| asked.iter().filter(|mail| mail.to == who).count();
    assert_eq!(to(PATIENT), 1, "{asked:?}");
    assert!(to(bedside_tests::play::SITTER) > 0, "{asked:?}");
    play.clinic.advance(15).await;
    let told = play.clinic.mailbox.fresh();
    let nurse = play.clinic.address("nurse");
    assert!(told.iter().any(|mail| mail.to == nurse), "{told:?}");
    // What is not about this dose stays unsent.
    assert!(told.iter().all(|mail| mail.to != PATIENT), "{told:?}");
}

async fn consent_to_treatment_is_not_changed_between_dose_and_release_and_taken_back_it_locks_the_next_session(
    engine: Database,
) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    for agreed in [false, true] {
        let refused = answers(&play.phone, "consent_treatment", 1, agreed).expect(409);
        assert!(
            refused.json()["type"]
                .as_str()
                .expect("a type")
                .ends_with("session-running")
        );
    }
    assert_eq!(play.state(), "dosed");

    let mut other = Play::planned(Clinic::open(engine).await).await;
    other.until_ready().await;
    other.clinic.advance_to(other.planned_at).await;
    other.phone.post(&other.path("/unlock"), &json!({})).expect(200);
    answers(&other.phone, "consent_treatment", 1, false).expect(200);
    other.clinic.cycle().await;
    assert!(
        other.today()["session"]["unlocked_until"].is_null(),
        "the open screen locks"
    );
    assert_eq!(gate_items(&other), ["enrolment-open consent_treatment"]);
    other.phone.post(&other.path("/unlock"), &json!({})).expect(409);
}

async fn what_grows_old_is_asked_again_and_an_old_screening_keeps_the_dose_locked(engine: Database) {
    let mut play = Play::without_session(Clinic::open(engine).await).await;
    // A week ago the questionnaires were answered; they are good for two.
    play.clinic.advance(8 * 24 * 60).await;
    play.clinic.log_staff_in();
    play.phone = play.clinic.log_in(PATIENT, bedside_tests::clinic::PASSWORD);
    assert_eq!(open(&enrolment(&play)["items"]), ["baseline_scores expired"]);
    assert_eq!(
        fields(&plan(&play, "2026-12-05").expect(422)),
        ["enrolment.baseline_scores"]
    );
    answer_baseline(&play.phone, play.clinic.now());
    // Far ahead: the screening has a gap of twelve weeks by then.
    play.plan("2027-02-20", "10:00:00");
    assert!(gate_items(&play).is_empty());
    play.clinic.advance_to(play.planned_at - minutes(30)).await;
    play.clinic.log_staff_in();
    play.phone = play.clinic.log_in(PATIENT, bedside_tests::clinic::PASSWORD);
    assert_eq!(gate_items(&play), ["enrolment-expired screening_signed"]);
    let items = open(&enrolment(&play)["items"]);
    assert_eq!(
        items,
        [
            "screening_signed expired",
            "baseline_scores expired",
            "contacts expired"
        ]
    );
    let path = format!("/v1/patients/{}/screenings", play.patient);
    play.clinic.staff("nurse").post(&path, &screening()).expect(201);
    assert!(gate_items(&play).is_empty());
}

async fn each_route_is_for_whom_it_is(engine: Database) {
    let play = Play::registered(Clinic::open(engine).await).await;
    let path = |rest: &str| format!("/v1/patients/{}/{rest}", play.patient);
    let other_clinic = play.clinic.open_second_clinic().await;
    for stranger in [
        play.phone.clone(),
        play.clinic.staff("administrator"),
        other_clinic,
    ] {
        stranger.get(&path("enrolment")).expect(404);
        stranger.put(&path("contacts"), &contacts("UTC")).expect(404);
        stranger.post(&path("screenings"), &screening()).expect(404);
    }
    play.clinic
        .staff("coordinator")
        .post(&path("screenings"), &screening())
        .expect(404);
    let nurse = play.clinic.staff("nurse");
    nurse.get("/v1/me/enrolment").expect(404);
    answers(&nurse, "consent_treatment", 1, true).expect(404);
    play.clinic.http.get("/v1/me/enrolment").expect(401);
    let once = play.phone.with("idempotency-key", "yes-1");
    answers(&once, "consent_treatment", 1, true).expect(200);
    let again = answers(&once, "consent_treatment", 1, true).expect(200);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
}
