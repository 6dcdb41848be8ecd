//! The roster, over HTTP and with the real worker: who is on call now is who is planned for, told and asked.

use bedside_protocol::time::{Instant, Zone, minutes};
use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::http::Answer;
use bedside_tests::mails::{Mail, subjects_to};
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use bedside_worker::housekeeping::Job;
use chrono::{Duration, Timelike as _};
use serde_json::{Value, json};

on_both_engines!(
    a_hand_over_between_two_steps_of_a_case_changes_who_is_told,
    no_session_is_planned_and_no_dose_opened_in_a_gap_and_each_says_why,
    a_gap_is_mailed_seven_days_and_one_day_before_and_not_again,
    a_planned_session_that_comes_to_stand_in_a_gap_is_told_at_once_and_again_at_seven_days_and_one_day,
    who_is_covered_is_not_on_call_and_who_covers_is,
    two_edits_at_once_lose_nothing_and_every_fault_is_said_at_once,
    a_clinic_whose_roster_reaches_nobody_is_not_ready,
    a_roster_that_cannot_be_read_leaves_the_list_is_told_and_can_be_set_anew,
    after_hours_the_named_contact_gets_the_case,
    another_clinic_sees_and_changes_its_own_roster_only,
);

fn zone() -> Zone {
    Zone::named("America/New_York").expect("a zone")
}

/// A weekly rotation whose hand-over to the second of these people is at `at`.
fn rotation(clinic: &Clinic, place: &str, first: &str, second: &str, at: Instant) -> Value {
    let (on, time) = (zone().date_of(at), zone().time_of(at));
    let people = [clinic.id(first), clinic.id(second)];
    json!({
        "place": place, "people": people, "weekday": on.format("%A").to_string().to_lowercase(),
        "at": time.format("%H:%M").to_string(), "starts_on": on - Duration::days(7),
    })
}

/// Who keeps the roster sets it whole, over the version that stands.
fn set_roster(clinic: &Clinic, roster: &Value) -> Answer {
    let keeper = clinic.staff("administrator");
    let tag = keeper.get("/v1/roster").expect(200);
    let tag = tag.header("etag").expect("a version").to_owned();
    keeper.with("if-match", &tag).put("/v1/roster", roster)
}

/// Who is on call at a place, as anybody of the staff sees it.
fn on_call(clinic: &Clinic, place: &str) -> Vec<Value> {
    let shown = clinic.staff("nurse").get("/v1/on-call").expect(200).json();
    let places = shown["places"].as_array().expect("places").clone();
    places.into_iter().filter(|it| it["place"] == place).collect()
}

fn escalations(mails: &[Mail], address: &str) -> usize {
    let subjects = subjects_to(mails, address).into_iter();
    subjects.filter(|subject| subject.contains("needs you")).count()
}

async fn a_hand_over_between_two_steps_of_a_case_changes_who_is_told(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    let t0 = play.t0.expect("a dose");
    assert_eq!(t0.second(), 0);
    let hand_over = t0 + minutes(21);
    let roster = json!({"rotations": [rotation(&play.clinic, "nurse", "nurse", "coordinator", hand_over)]});
    set_roster(&play.clinic, &roster).expect(200);
    play.answer_checks(&[(10, "C4", 0)]).await;
    play.clinic.mailbox.fresh();

    // T+19: the check of T+15 is missed. The nurse of that moment and the backup are told.
    play.to_minute(20).await;
    let mails = play.clinic.mailbox.fresh();
    let told = |mails: &[Mail], clinic: &Clinic| {
        ["nurse", "backup", "coordinator"].map(|role| escalations(mails, &clinic.address(role)))
    };
    assert_eq!(told(&mails, &play.clinic), [1, 1, 0], "{mails:?}");
    // The phone's view was looked at before and after: it is not from a minute ago.
    play.today();

    // T+21: the rotation is handed over. T+23: nobody has taken the case, all on call are told, and the next nurse.
    play.to_minute(24).await;
    play.today();
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(told(&mails, &play.clinic), [0, 1, 1], "{mails:?}");
    let now = on_call(&play.clinic, "nurse");
    assert_eq!(now.len(), 1);
    assert_eq!(now[0]["person"], json!(play.clinic.id("coordinator")));
    let at = |field: &str| now[0][field].as_str().expect("a time").parse::<Instant>();
    assert_eq!(at("since"), Ok(hand_over));
    assert_eq!(at("until"), Ok(hand_over + Duration::days(7)));

    // The next nurse takes it. Whoever was told hears of that, also who is off duty by now.
    let page = play.take_case("coordinator");
    assert!(page.answer.status < 400, "{}", page.answer.body);
    play.clinic.cycle().await;
    let mails = play.clinic.mailbox.fresh();
    for role in ["nurse", "backup"] {
        let subjects = subjects_to(&mails, &play.clinic.address(role)).into_iter();
        let taken = subjects.filter(|subject| subject.contains("is taken")).count();
        assert_eq!(taken, 1, "{role} {mails:?}");
    }
}

fn faults_of(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let faults = json["faults"].as_array().expect("faults").iter();
    faults
        .map(|fault| {
            let text = |name: &str| fault[name].as_str().expect("text").to_owned();
            format!("{}: {}", text("field"), text("message"))
        })
        .collect()
}

async fn no_session_is_planned_and_no_dose_opened_in_a_gap_and_each_says_why(engine: Database) {
    let mut play = Play::without_session(Clinic::open(engine).await).await;
    let on = "2026-11-25";
    let holiday = json!({"holidays": [{"on": on, "place": "backup"}]});
    set_roster(&play.clinic, &holiday).expect(200);
    let path = format!("/v1/patients/{}/sessions", play.patient);
    let coordinator = play.clinic.staff("coordinator");
    let refused = coordinator
        .post(&path, &json!({"on": on, "time": "10:00:00"}))
        .expect(422);
    assert_eq!(
        faults_of(&refused),
        [
            "on_call: the clinic has no backup on call from Wednesday, November 25, 2026 at 9:00 AM EST until \
             Wednesday, November 25, 2026 at 4:00 PM EST"
        ]
    );
    set_roster(&play.clinic, &json!({})).expect(200);
    play.plan(on, "10:00:00");
    play.until_ready().await;

    // Somebody changes the roster on the very day: from three o'clock on there will be no nurse.
    let moment = |at: &str| json!({"on": on, "at": at});
    let shift = json!({"place": "nurse", "person": play.clinic.id("nurse"), "from": moment("08:00"),
        "until": moment("15:00")});
    let short = json!({"shifts": [shift], "holidays": [{"on": on, "place": "nurse"}]});
    set_roster(&play.clinic, &short).expect(200);
    play.clinic.on_call_answers().await;
    let locked = play.phone.post(&play.path("/unlock"), &json!({}));
    assert!(locked.status >= 400, "{}", locked.body);
    let reasons = locked.json()["reasons"].clone();
    assert_eq!(reasons.as_array().map(Vec::len), Some(1), "{reasons}");
    assert_eq!(reasons[0]["code"], "nobody-on-call");
    assert_eq!(
        reasons[0]["message"],
        "Your clinic has no nurse on call from Wednesday, November 25, 2026 at 3:00 PM EST."
    );
    let gate = play.today()["session"]["gate"].to_string();
    assert!(gate.contains("no nurse on call"), "{gate}");

    // A shift more, and the same dose opens.
    let evening = json!({"place": "nurse", "person": play.clinic.id("coordinator"), "from": moment("15:00"),
        "until": {"on": "2026-11-26", "at": "00:00"}});
    let enough = json!({"shifts": [short["shifts"][0], evening], "holidays": short["holidays"]});
    set_roster(&play.clinic, &enough).expect(200);
    play.dose().await;
}

async fn a_gap_is_mailed_seven_days_and_one_day_before_and_not_again(engine: Database) {
    let mut clinic = Clinic::open(engine).await;
    // Saturday, November 21; the gap is on Tuesday, December 1.
    let on = "2026-12-01";
    let roster = json!({"holidays": [{"on": on, "place": "nurse"}, {"on": on, "place": "backup"}]});
    set_roster(&clinic, &roster).expect(200);
    let gaps = clinic.staff("nurse").get("/v1/roster/gaps").expect(200).json();
    let missing: Vec<&Value> = gaps["gaps"]
        .as_array()
        .expect("gaps")
        .iter()
        .map(|gap| &gap["missing"])
        .collect();
    assert_eq!(missing, ["nurse", "backup", "urgent"]);
    assert_eq!(gaps["gaps"][0]["from"], "2026-12-01T05:00:00Z");
    assert_eq!(gaps["gaps"][0]["until"], "2026-12-02T05:00:00Z");
    assert_eq!(gaps["looked_until"], "2026-12-05T14:00:00Z");

    let other = clinic.another_worker().await;
    clinic.mailbox.fresh();
    let mut heard: Vec<(i64, String)> = Vec::new();
    let start = clinic.now();
    for hour in [0, 62, 63, 64, 100, 206, 207, 208, 230, 231, 240, 260] {
        clinic.clocks.set_clinical(start + Duration::hours(hour));
        let (one, two) = tokio::join!(
            clinic.worker.keep_house(Job::RosterGaps),
            other.keep_house(Job::RosterGaps)
        );
        one.and(two).expect("a look");
        clinic.cycle().await;
        for mail in clinic.mailbox.fresh() {
            assert_eq!(mail.subject, "Somebody is missing on call");
            let words = [
                "No nurse from Tuesday, December 1, 2026 at 12:00 AM EST until Wednesday, December 2, 2026 at 12:00 AM EST.",
                "No backup from",
                "No person for urgent cases from",
            ];
            let text = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.iter().all(|words| text.contains(words)), "{text}");
            heard.push((hour, mail.to));
        }
    }
    heard.sort();
    // At midnight of the 24th and of the 30th.
    let told = |hour: i64| ["administrator", "manager"].map(|role| (hour, clinic.address(role)));
    assert_eq!(heard, [told(63), told(207)].concat());
}

async fn a_planned_session_that_comes_to_stand_in_a_gap_is_told_at_once_and_again_at_seven_days_and_one_day(
    engine: Database,
) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    let on = zone().date_of(play.planned_at);
    let gaps = |play: &Play| {
        let shown = play
            .clinic
            .staff("nurse")
            .get("/v1/roster/gaps")
            .expect(200)
            .json();
        shown["sessions"].clone()
    };
    set_roster(&play.clinic, &json!({"covers": []})).expect(200);
    play.clinic.cycle().await;
    play.clinic.mailbox.fresh();
    assert_eq!(gaps(&play), json!([]));
    let told = async |play: &mut Play| {
        play.clinic
            .worker
            .keep_house(Job::RosterGaps)
            .await
            .expect("a look");
        play.clinic.cycle().await;
        let mut told = Vec::new();
        for mail in play.clinic.mailbox.fresh() {
            let text = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
            if text.contains("A session is planned for") {
                assert!(text.contains(&play.session), "{text}");
                assert!(text.contains("No nurse from"), "{text}");
                assert!(!text.contains("Robin"), "{text}");
                told.push(mail.to);
            }
        }
        told.sort();
        told
    };
    // The decision itself tells, without waiting for the hour.
    let roster = json!({"holidays": [{"on": on, "place": "nurse"}]});
    set_roster(&play.clinic, &roster).expect(200);
    let all = ["administrator", "coordinator", "manager"].map(|role| play.clinic.address(role));
    assert_eq!(told(&mut play).await, all);
    assert_eq!(gaps(&play)[0]["session"], json!(play.session));
    assert_eq!(gaps(&play)[0]["gaps"][0]["missing"], "nurse");
    assert_eq!(told(&mut play).await, Vec::<String>::new(), "once");
    // Filled, and open again from another hour on: that is new.
    set_roster(&play.clinic, &json!({"covers": []})).expect(200);
    assert_eq!(gaps(&play), json!([]));
    assert_eq!(told(&mut play).await, Vec::<String>::new());

    // Somebody leaves: no edit of the roster says so, the hourly look finds it.
    let shift = json!({"shifts": [{"place": "nurse", "person": play.clinic.id("backup"),
        "from": {"on": on, "at": "00:00"}, "until": {"on": on + Duration::days(1), "at": "00:00"}}]});
    set_roster(&play.clinic, &shift).expect(200);
    assert_eq!(told(&mut play).await, Vec::<String>::new());
    let backup = play.clinic.id("backup");
    play.clinic.execute(&format!(
        "UPDATE accounts SET active = FALSE WHERE id = '{backup}'"
    ));
    let heard = told(&mut play).await;
    assert_eq!(heard, all, "nurse and backup are missing");
    let one_day = play.planned_at - Duration::hours(24);
    if play.clinic.now() < one_day {
        play.clinic.clocks.set_clinical(one_day - minutes(1));
        told(&mut play).await;
        play.clinic.clocks.set_clinical(one_day);
        assert_eq!(told(&mut play).await, all, "a day before");
        assert_eq!(told(&mut play).await, Vec::<String>::new(), "once");
    }
}

async fn who_is_covered_is_not_on_call_and_who_covers_is(engine: Database) {
    let mut clinic = Clinic::open(engine).await;
    let now = clinic.now();
    let ask = |by: &str, from: i64, until: i64| json!({"by": clinic.id(by), "from": now + Duration::hours(from), "until": now + Duration::hours(until)});
    let keyed = clinic.staff("nurse").with("idempotency-key", "cover-1");
    let covered = keyed
        .post("/v1/roster/cover", &ask("coordinator", 1, 3))
        .expect(200)
        .json();
    let again = keyed
        .post("/v1/roster/cover", &ask("coordinator", 1, 3))
        .expect(200);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!((&covered["version"], &again.json()), (&json!(1), &covered));
    assert_eq!(
        covered["covers"],
        json!([{"place": "nurse", "instead_of": clinic.id("nurse"), "by": clinic.id("coordinator"),
            "from": now + Duration::hours(1), "until": now + Duration::hours(3)}])
    );
    // Not yet, then for two hours, then no more.
    let mut seen = Vec::new();
    for _ in 0..4 {
        let place = on_call(&clinic, "nurse");
        assert_eq!(place.len(), 1);
        seen.push(place[0]["name"].clone());
        clinic.advance(60).await;
    }
    let (own, other) = (json!(clinic.name("nurse")), json!(clinic.name("coordinator")));
    assert_eq!(seen, [own.clone(), other.clone(), other, own]);

    // Only who keeps the roster covers somebody else; what cannot be is said.
    let now = clinic.now();
    let ask = |by: &str, from: i64, until: i64| json!({"by": clinic.id(by), "from": now + Duration::hours(from), "until": now + Duration::hours(until)});
    let mut for_nurse = ask("coordinator", 1, 3);
    for_nurse["instead_of"] = json!(clinic.id("nurse"));
    let refused = clinic
        .staff("prescriber")
        .post("/v1/roster/cover", &for_nurse)
        .expect(422);
    assert_eq!(refused.json()["faults"][0]["field"], "instead_of");
    let faults = clinic
        .staff("nurse")
        .post("/v1/roster/cover", &ask("nurse", 3, 1))
        .expect(422);
    let fields: Vec<String> = faults_of(&faults)
        .iter()
        .filter_map(|fault| fault.split(':').next().map(str::to_owned))
        .collect();
    assert_eq!(fields, ["by", "until"]);
    clinic
        .staff("manager")
        .post("/v1/roster/cover", &for_nurse)
        .expect(200);
    clinic.advance(120).await;
    assert_eq!(
        on_call(&clinic, "nurse")[0]["name"],
        json!(clinic.name("coordinator"))
    );
}

async fn two_edits_at_once_lose_nothing_and_every_fault_is_said_at_once(engine: Database) {
    let clinic = Clinic::open(engine).await;
    let keeper = clinic.staff("administrator");
    let first = keeper.get("/v1/roster").expect(200);
    assert_eq!(
        (first.header("etag"), &first.json()["version"]),
        (Some("\"0\""), &json!(0))
    );
    assert_eq!(first.json()["list"].as_array().map(Vec::len), Some(7));
    let holiday =
        |on: &str| json!({"holidays": [{"on": on, "place": "nurse", "person": clinic.id("coordinator")}]});
    // Without the version, and with an old one.
    keeper.put("/v1/roster", &holiday("2026-12-24")).expect(412);
    let editor = keeper.with("if-match", "\"0\"");
    let one = editor.put("/v1/roster", &holiday("2026-12-24")).expect(200);
    assert_eq!(one.header("etag"), Some("\"1\""));
    let late = editor.put("/v1/roster", &holiday("2026-12-31")).expect(412);
    assert!(late.json()["type"].is_string(), "{}", late.body);
    let kept = keeper.get("/v1/roster").expect(200).json();
    assert_eq!(kept["holidays"][0]["on"], "2026-12-24");
    // The same again is no edit.
    let same = keeper
        .with("if-match", "\"1\"")
        .put("/v1/roster", &holiday("2026-12-24"));
    assert_eq!(same.expect(200).header("etag"), Some("\"1\""));
    // Every fault at once; nothing is changed.
    let stranger = "0190a000-0000-7000-8000-000000000000";
    let wrong = json!({
        "rotations": [{"place": "fallback", "people": [stranger, clinic.id("nurse")], "weekday": "monday",
            "at": "08:00", "starts_on": "2026-11-24"}],
        "shifts": [{"place": "nurse", "person": clinic.id("nurse"), "from": {"on": "2026-12-02", "at": "08:00"},
            "until": {"on": "2026-12-01", "at": "08:00"}}],
        "holidays": [{"on": "2026-12-24", "place": "nurse"}, {"on": "2026-12-24", "place": "nurse"}],
    });
    let refused = keeper
        .with("if-match", "\"1\"")
        .put("/v1/roster", &wrong)
        .expect(422);
    let json = refused.json();
    let fields: Vec<&str> = json["faults"]
        .as_array()
        .expect("faults")
        .iter()
        .filter_map(|fault| fault["field"].as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "rotations[0].place",
            "rotations[0].people[0]",
            "rotations[0].starts_on",
            "shifts[0].until",
            "holidays[1]"
        ]
    );
    assert!(
        !refused.body.contains(stranger),
        "no value is quoted: {}",
        refused.body
    );
    let misread = keeper
        .with("if-match", "\"1\"")
        .put("/v1/roster", &json!({"rotations": [{"place": "janitor"}]}));
    assert!((400..500).contains(&misread.status), "{}", misread.body);
    assert!(misread.body.contains("rotations[0].place"), "{}", misread.body);
    // Whoever does not keep the roster sees it and does not set it.
    let nurse = clinic.staff("nurse");
    nurse.get("/v1/roster").expect(200);
    nurse
        .with("if-match", "\"1\"")
        .put("/v1/roster", &json!({}))
        .expect(404);
    assert_eq!(keeper.get("/v1/roster").expect(200).json()["version"], 1);
    // The edit is in the audit trail, and the trail holds.
    let facts = clinic.texts("SELECT action AS value FROM audit WHERE action = 'roster.set'");
    assert_eq!(facts.len(), 1);
    let report = clinic.store.verify_audit(None).await.expect("a look");
    assert!(report.faults.is_empty());
    // No name and no id of a person is readable in the table.
    let told = clinic.texts("SELECT told AS value FROM rosters");
    assert_eq!(told, ["[]"]);
}

async fn a_clinic_whose_roster_reaches_nobody_is_not_ready(engine: Database) {
    let play = Play::planned(Clinic::open(engine).await).await;
    let on = zone().date_of(play.clinic.now());
    let nobody = |place: &str| json!({"on": on, "place": place});
    set_roster(&play.clinic, &json!({"holidays": [nobody("nurse")]})).expect(200);
    assert!(play.clinic.red_parts().is_empty(), "the backup is somebody");
    let both = json!({"holidays": [nobody("nurse"), nobody("backup")]});
    set_roster(&play.clinic, &both).expect(200);
    assert_eq!(play.clinic.red_parts(), ["on_call"]);
    let contact = json!({"on": on, "place": "after_hours", "person": play.clinic.id("prescriber")});
    let named = json!({"holidays": [both["holidays"][0], both["holidays"][1], contact]});
    set_roster(&play.clinic, &named).expect(200);
    assert!(
        play.clinic.red_parts().is_empty(),
        "somebody is there for urgent cases"
    );
    // Whoever has left is nobody.
    let closed = play.clinic.store.set_active(
        bedside_store::Scope::system(),
        play.clinic.id("prescriber"),
        false,
    );
    assert!(closed.await.expect("closed"));
    assert_eq!(play.clinic.red_parts(), ["on_call"]);
}

async fn a_roster_that_cannot_be_read_leaves_the_list_is_told_and_can_be_set_anew(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    let start = play.clinic.now();
    let roster = rotation(&play.clinic, "nurse", "coordinator", "coordinator", start);
    let roster = json!({"rotations": [roster]});
    set_roster(&play.clinic, &roster).expect(200);
    let coordinator = json!(play.clinic.id("coordinator"));
    assert_eq!(on_call(&play.clinic, "nurse")[0]["person"], coordinator);
    play.clinic.on_call_answers().await;
    play.clinic.mailbox.fresh();
    assert_eq!(play.clinic.red_parts(), Vec::<String>::new());
    let bytes = play.clinic.database().some_bytes();
    play.clinic
        .execute(&format!("UPDATE rosters SET doc_sealed = {bytes}"));

    // The list stands, and it is said.
    let shown = play.clinic.staff("nurse").get("/v1/on-call").expect(200).json();
    assert_eq!(shown["roster_unreadable"], json!(true));
    assert_eq!(
        on_call(&play.clinic, "nurse")[0]["person"],
        json!(play.clinic.id("nurse"))
    );
    assert!(!on_call(&play.clinic, "fallback").is_empty());
    let gaps = play
        .clinic
        .staff("nurse")
        .get("/v1/roster/gaps")
        .expect(200)
        .json();
    assert_eq!(gaps["roster_unreadable"], json!(true));
    assert_eq!(play.clinic.red_parts(), ["on_call"]);
    for _ in 0..2 {
        play.clinic
            .worker
            .keep_house(Job::RosterGaps)
            .await
            .expect("a look");
        play.clinic.cycle().await;
    }
    let mut told: Vec<String> = play
        .clinic
        .mailbox
        .fresh()
        .iter()
        .filter(|mail| mail.subject == "The roster cannot be read")
        .map(|mail| mail.to.clone())
        .collect();
    told.sort();
    assert_eq!(
        told,
        ["administrator", "manager"].map(|role| play.clinic.address(role))
    );
    // A session is watched, and a case reaches the list's nurse.
    play.until_dosed().await;
    play.to_minute(40).await;
    let mails = play.clinic.mailbox.fresh();
    assert!(
        escalations(&mails, &play.clinic.address("nurse")) > 0,
        "{mails:?}"
    );

    // "Cover me" would make a roster of one cover; the whole is set anew by its version.
    let cover = json!({"by": play.clinic.id("backup"), "from": play.clinic.now(), "until": play.clinic.now() + Duration::hours(1)});
    let refused = play.clinic.staff("nurse").post("/v1/roster/cover", &cover);
    assert_eq!(
        (refused.status, refused.problem()),
        (409, "roster-unreadable".to_owned())
    );
    let shown = play
        .clinic
        .staff("administrator")
        .get("/v1/roster")
        .expect(200)
        .json();
    assert_eq!(shown["unreadable"], json!(true));
    set_roster(&play.clinic, &roster).expect(200);
    assert_eq!(on_call(&play.clinic, "nurse")[0]["person"], coordinator);
    let shown = play
        .clinic
        .staff("administrator")
        .get("/v1/roster")
        .expect(200)
        .json();
    assert_eq!(shown["unreadable"], Value::Null);
}

async fn after_hours_the_named_contact_gets_the_case(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    let on = zone().date_of(play.clinic.now());
    let holiday = |place: &str, person: Option<&str>| json!({"on": on, "place": place, "person": person.map(|role| play.clinic.id(role))});
    let roster = json!({"holidays": [holiday("nurse", None), holiday("backup", None),
        holiday("after_hours", Some("coordinator"))]});
    set_roster(&play.clinic, &roster).expect(200);
    play.clinic.mailbox.fresh();
    play.phone.post("/v1/me/help", &json!({})).expect(200);
    play.clinic.cycle().await;
    let mails = play.clinic.mailbox.fresh();
    let told = ["coordinator", "nurse", "backup"].map(|role| escalations(&mails, &play.clinic.address(role)));
    assert_eq!(told, [1, 0, 0], "{mails:?}");
}

async fn another_clinic_sees_and_changes_its_own_roster_only(engine: Database) {
    let clinic = Clinic::open(engine).await;
    let roster = json!({"holidays": [{"on": "2026-12-24", "place": "nurse"}]});
    set_roster(&clinic, &roster).expect(200);
    let stranger = clinic.open_second_clinic().await;
    let theirs = stranger.get("/v1/roster").expect(200).json();
    assert_eq!((&theirs["version"], &theirs["holidays"]), (&json!(0), &json!([])));
    let ours = json!({"holidays": [{"on": "2026-12-24", "place": "nurse", "person": clinic.id("nurse")}]});
    let refused = stranger.with("if-match", "\"0\"").put("/v1/roster", &ours);
    assert!([404, 422].contains(&refused.status), "{}", refused.body);
    assert_eq!(
        clinic.staff("nurse").get("/v1/roster").expect(200).json()["version"],
        1
    );
}
