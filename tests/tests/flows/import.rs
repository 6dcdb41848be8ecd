//! Patients in mid-course: a file is looked at, then brought over row by row, and what it says counts.

use bedside_tests::clinic::{Clinic, PASSWORD};
use bedside_tests::database::Database;
use bedside_tests::enrolment::{answer_baseline, answers, confirms, contacts, screening, texts};
use bedside_tests::http::Answer;
use bedside_tests::on_both_engines;
use bedside_tests::play::{PATIENT, Play};
use serde_json::{Value, json};

on_both_engines!(
    a_dry_run_names_every_fault_by_row_and_column_and_does_nothing,
    each_row_is_brought_over_whole_or_refused_and_none_waits_for_another,
    doses_and_lozenges_of_before_count_and_the_patient_goes_on_from_there,
    a_file_that_is_none_is_refused_as_a_whole,
);

const COLUMNS: &str = "name,email,phone,address,zone,emergency_contact_name,emergency_contact_phone,doses,lozenges_held,next_session";

fn import(play: &Play, rows: &[&str], dry_run: bool) -> Answer {
    let csv = format!("{COLUMNS}\n{}\n", rows.join("\n"));
    send(play, &csv, dry_run)
}

fn send(play: &Play, csv: &str, dry_run: bool) -> Answer {
    let body = json!({"csv": csv, "dry_run": dry_run});
    play.clinic
        .staff("coordinator")
        .post("/v1/patients/import", &body)
}

fn good(email: &str) -> String {
    format!(
        "Kim Other,{email},+1 555 0110,\"3 Birch Lane, Troy\",America/New_York,Jo Other,+1 555 0111,2026-11-16 10:00; 2026-11-19 10:00,8,2026-11-30 10:00"
    )
}

/// `row column`, for every fault.
fn faults(report: &Value) -> Vec<String> {
    let rows = report["rows"].as_array().expect("rows").iter();
    rows.flat_map(|row| {
        let faults = row["faults"].as_array().cloned().unwrap_or_default();
        let line = |fault: &Value| format!("{} {}", row["row"], fault["column"].as_str().expect("a column"));
        faults.iter().map(line).collect::<Vec<_>>()
    })
    .collect()
}

fn patients(play: &Play) -> usize {
    let list = play.clinic.staff("nurse").get("/v1/patients").expect(200).json();
    list["patients"].as_array().expect("patients").len()
}

async fn a_dry_run_names_every_fault_by_row_and_column_and_does_nothing(engine: Database) {
    let play = Play::registered(Clinic::open(engine).await).await;
    let kim = good("kim@example.org");
    let rows = [
        kim.as_str(),
        // Everything wrong.
        ",not an address,call me,,Atlantis,,x,2026-11-14 25:00; yesterday; 2026-11-23 10:00,many,soon",
        // The same address twice in the file, whatever its case.
        &good("KIM@example.org"),
        // Somebody whom the clinic has.
        &good(PATIENT),
        "too,few",
        "Lou Late,lou@example.org,+1 555 0112,4 Birch Lane,America/New_York,Jo,+1 555 0113,2026-11-14 10:00;2026-11-14 10:00,201,2026-11-30 20:00",
    ];
    let report = import(&play, &rows, true).expect(200).json();
    assert_eq!(
        faults(&report),
        [
            "3 zone",
            "3 name",
            "3 email",
            "3 phone",
            "3 address",
            "3 emergency_contact_name",
            "3 emergency_contact_phone",
            "3 doses",
            "3 doses",
            "3 lozenges_held",
            "3 next_session",
            "3 doses",
            "4 email",
            "5 email",
            "6 row",
            "6 zone",
            "6 email",
            "6 phone",
            "6 address",
            "6 emergency_contact_name",
            "6 emergency_contact_phone",
            "6 lozenges_held",
            "7 doses",
            "7 lozenges_held",
            "7 next_session",
        ]
    );
    assert_eq!((&report["good"], &report["refused"]), (&json!(1), &json!(5)));
    assert_eq!(report["rows"][0]["result"], "good");
    // No value of a row comes back.
    let told = report.to_string();
    for value in ["Atlantis", "call me", "Birch", "Kim", "+1 555", PATIENT] {
        assert!(!told.contains(value), "{value} is in {told}");
    }
    assert_eq!(patients(&play), 1, "nothing was done");
}

async fn each_row_is_brought_over_whole_or_refused_and_none_waits_for_another(engine: Database) {
    let mut play = Play::registered(Clinic::open(engine).await).await;
    play.clinic.mailbox.fresh();
    let rows = [good("kim@example.org"), good(PATIENT), good("lou@example.org")];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let report = import(&play, &rows, false).expect(200).json();
    let results: Vec<&Value> = report["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| &row["result"])
        .collect();
    assert_eq!(results, ["created", "refused", "created"]);
    assert_eq!((&report["good"], &report["refused"]), (&json!(2), &json!(1)));
    assert_eq!(patients(&play), 3);
    // What the next session waits for: the enrolment, but for what is asked before a first dose.
    let waits = report["rows"][0]["next_session_waits_for"]
        .as_array()
        .expect("items");
    assert_eq!(waits.len(), 6, "{waits:?}");
    // Each gets a link of their own, once.
    play.clinic.cycle().await;
    let mails = play.clinic.mailbox.fresh();
    let mut invited: Vec<&str> = mails.iter().map(|mail| mail.to.as_str()).collect();
    invited.sort_unstable();
    assert_eq!(invited, ["kim@example.org", "lou@example.org"]);
    // The same file again creates nobody.
    let again = import(&play, &rows, false).expect(200).json();
    assert_eq!(again["refused"], 3);
    assert_eq!(faults(&again), ["2 email", "3 email", "4 email"]);
    assert_eq!(patients(&play), 3);
    // For who creates patients, and of their own clinic.
    let body = json!({"csv": "", "dry_run": true});
    play.phone.post("/v1/patients/import", &body).expect(404);
    play.clinic
        .staff("administrator")
        .post("/v1/patients/import", &body)
        .expect(404);
    let other = play.clinic.open_second_clinic().await;
    let csv = format!("{COLUMNS}\n{}\n", good("kim@example.org"));
    let there = other
        .post("/v1/patients/import", &json!({"csv": csv, "dry_run": true}))
        .expect(200)
        .json();
    assert_eq!(
        there["good"], 1,
        "another clinic's patients are nobody's business"
    );
    play.clinic.nothing_is_left_to_send().await;
}

async fn doses_and_lozenges_of_before_count_and_the_patient_goes_on_from_there(engine: Database) {
    let mut play = Play::registered(Clinic::open(engine).await).await;
    let kim = good("kim@example.org");
    let report = import(&play, &[&kim], false).expect(200).json();
    play.patient = report["rows"][0]["patient"].as_str().expect("an id").to_owned();
    play.clinic.cycle().await;
    let mails = play.clinic.mailbox.all();
    let link = mails
        .iter()
        .rfind(|mail| mail.to == "kim@example.org")
        .expect("a mail")
        .link("/account/");
    let set = play
        .clinic
        .http
        .post(&format!("/v1{link}"), &json!({"password": PASSWORD}));
    assert!(set.status < 300, "{}", set.body);
    play.phone = play.clinic.log_in("kim@example.org", PASSWORD);
    assert_eq!(play.today()["patient"]["lozenges_left"], 8);
    let sessions = play.phone.get("/v1/me/sessions").expect(200).json();
    let kinds: Vec<&Value> = sessions["sessions"]
        .as_array()
        .expect("sessions")
        .iter()
        .map(|it| &it["kind"])
        .collect();
    assert_eq!(kinds, ["imported", "imported"]);

    let seen = play
        .clinic
        .staff("coordinator")
        .get(&format!("/v1/patients/{}/enrolment", play.patient))
        .expect(200)
        .json();
    let brought = &seen["brought_over"];
    assert_eq!(
        (&brought["doses"], &brought["lozenges_held"]),
        (&json!(2), &json!(8))
    );
    assert_eq!(brought["next_session"]["on"], "2026-11-30");

    play.sign_order(&play.order_of("spit")).expect(201);
    confirms(&play.phone, &contacts("America/New_York")).expect(200);
    for (text, version) in texts() {
        answers(&play.phone, &text, version, true).expect(200);
    }
    let path = |rest: &str| format!("/v1/patients/{}/{rest}", play.patient);
    play.clinic
        .staff("nurse")
        .post(&path("screenings"), &screening())
        .expect(201);
    let counted = json!({"kind": "count_declared", "count": 8, "sealed": true, "locked": true});
    play.phone.post("/v1/me/lozenges", &counted).expect(201);
    // After a dose there is no first session to wait for a baseline and a cuff; they are asked for all the same.
    let shown = play.phone.get("/v1/me/enrolment").expect(200).json();
    assert_eq!(shown["may_be_planned"], json!(true), "{shown}");
    answer_baseline(&play.phone, play.clinic.now());

    // 21 November: two doses in the last seven days, the last two days ago.
    let plan = |on: &str| {
        let body = json!({"on": on, "time": "10:00:00"});
        play.clinic.staff("coordinator").post(&path("sessions"), &body)
    };
    let near = plan("2026-11-21").expect(422);
    assert!(near.body.contains("less than 72 hours"), "{}", near.body);
    let crowded = plan("2026-11-22").expect(422);
    assert!(
        crowded.body.contains("more than 2 doses in seven days"),
        "{}",
        crowded.body
    );
    plan("2026-11-30").expect(201);
    let nothing = play.clinic.staff("nurse").get("/v1/cases").expect(200).json();
    assert_eq!(nothing["cases"], json!([]));
}

async fn a_file_that_is_none_is_refused_as_a_whole(engine: Database) {
    let play = Play::registered(Clinic::open(engine).await).await;
    let many: String = (0..201)
        .map(|number| format!("{}\n", good(&format!("p{number}@x.org"))))
        .collect();
    for (csv, words) in [
        (String::new(), "column name is missing"),
        (COLUMNS.to_owned(), "has no patients"),
        (
            "name,shoe size\nKim,9".to_owned(),
            "column 2 has no name that is known",
        ),
        (format!("{COLUMNS},name\n"), "column name stands twice"),
        (format!("{COLUMNS}\n{many}"), "more than 200 patients"),
    ] {
        let refused = send(&play, &csv, true).expect(422);
        assert!(refused.body.contains(words), "{words}: {}", refused.body);
    }
    let huge = "x".repeat(70_000);
    send(&play, &huge, true).expect(413);
    // As a spreadsheet on Windows saves it.
    let windows = format!("\u{feff}{COLUMNS}\r\n{}\r\n", good("kim@example.org"));
    assert_eq!(send(&play, &windows, true).expect(200).json()["good"], 1);
    assert_eq!(patients(&play), 1);
}
