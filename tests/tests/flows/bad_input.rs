//! What is wrong is named, nothing is lost, nothing panics, nothing becomes a 500.

use bedside_tests::clinic::{Clinic, PASSWORD};
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::play::{PATIENT, Play};
use serde_json::{Value, json};

on_both_engines!(
    what_is_wrong_with_a_body_is_named_by_its_field,
    a_repeated_key_gives_the_first_answer_and_another_body_is_a_conflict,
    an_account_link_works_once_and_survives_being_looked_at,
    log_ins_are_limited_and_tell_nothing,
    a_refresh_token_used_twice_ends_the_family,
    reads_are_conditional,
);

async fn what_is_wrong_with_a_body_is_named_by_its_field(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    let long = "x".repeat(10_000);
    let sitters = play.path("/sitters");
    let cases: Vec<(String, &[u8], u16, &str, &str)> = vec![
        (sitters.clone(), br#"{"name": "#, 400, "malformed", ""),
        (
            sitters.clone(),
            br#"{"name":"A","email":"a@b.co","phone":"+1 555 0101","age":3}"#,
            400,
            "malformed",
            "age",
        ),
        (
            sitters.clone(),
            br#"{"name":7,"email":"a@b.co","phone":"+1 555 0101"}"#,
            400,
            "malformed",
            "name",
        ),
        (
            sitters.clone(),
            br#"{"name":"A\r\nBcc: x@y.z","email":"a@b.co","phone":"+1 555 0101"}"#,
            422,
            "invalid",
            "name",
        ),
        (
            sitters.clone(),
            br#"{"name":"A\u0000B","email":"a@b.co","phone":"+1 555 0101"}"#,
            422,
            "invalid",
            "name",
        ),
        (
            sitters.clone(),
            br#"{"name":"A","email":"not an address","phone":"+1 555 0101"}"#,
            422,
            "invalid",
            "email",
        ),
        (
            sitters.clone(),
            br#"{"name":"A","email":"a@b.co\r\nRCPT TO:<x@y.z>","phone":"+1 555 0101"}"#,
            422,
            "invalid",
            "email",
        ),
        (
            sitters.clone(),
            br#"{"name":"A","email":"a@b.co","phone":"call me"}"#,
            422,
            "invalid",
            "phone",
        ),
        (
            play.path("/vitals"),
            br#"{"sbp":300,"dbp":80,"hr":70}"#,
            422,
            "measure-again",
            "sbp",
        ),
        (
            play.path("/vitals"),
            br#"{"sbp":120,"dbp":115,"hr":70}"#,
            422,
            "measure-again",
            "sbp",
        ),
        (
            play.path("/vitals"),
            br#"{"sbp":-1,"dbp":80,"hr":70}"#,
            422,
            "measure-again",
            "sbp",
        ),
        (
            play.path("/vitals"),
            br#"{"sbp":120,"dbp":80,"hr":70,"observed_at":"1200-01-01T00:00:00Z"}"#,
            422,
            "invalid",
            "observed_at",
        ),
        (
            play.path("/checklist/room_safe"),
            br#"{"type":"yes_no","value":"yes"}"#,
            400,
            "malformed",
            "value",
        ),
        (
            play.path("/checklist/nonsense"),
            br#"{"type":"yes_no","value":true}"#,
            404,
            "not-found",
            "",
        ),
    ];
    for (path, body, status, problem, field) in cases {
        let answer = play
            .phone
            .call("POST", &path, Some(("application/json", body.to_vec())));
        let text = String::from_utf8_lossy(body).into_owned();
        assert_eq!(answer.status, status, "{text} {}", answer.body);
        assert_eq!(answer.problem(), problem, "{text} {}", answer.body);
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{text}"
        );
        if !field.is_empty() {
            assert_eq!(
                answer.json()["faults"][0]["field"],
                field,
                "{text} {}",
                answer.body
            );
        }
        assert!(
            !answer.body.contains("Bcc") && !answer.body.contains("not an address"),
            "values are not quoted back"
        );
    }
    let name = json!({"name": long, "email": "a@b.co", "phone": "+1 555 0101"});
    assert_eq!(
        play.phone.post(&sitters, &name).expect(422).json()["faults"][0]["field"],
        "name"
    );
    let plain = play
        .phone
        .call("POST", &sitters, Some(("text/plain", b"{}".to_vec())));
    assert_eq!(plain.expect(415).problem(), "unsupported-media-type");
    let huge = play.phone.call(
        "POST",
        &sitters,
        Some(("application/json", vec![b' '; 2_000_000])),
    );
    assert_eq!(huge.expect(413).problem(), "too-large");
    // A check-in of another session, and one that does not exist.
    let elsewhere = play.path(&format!("/check-ins/{}", uuid::Uuid::nil()));
    play.phone.post(&elsewhere, &json!({"answers": {}})).expect(404);
    let zone = json!({
        "name": "Kim Other", "first_name": "Kim", "email": "kim@example.org", "phone": "+1 555 0103", "address": "1 Elm",
        "zone": "Mars/Olympus", "emergency_contact": {"name": "Lee", "phone": "+1 555 0104"},
    });
    let refused = play.clinic.staff("coordinator").post("/v1/patients", &zone);
    assert!(refused.status == 422 || refused.status == 400, "{}", refused.body);
    assert_eq!(refused.json()["faults"][0]["field"], "zone");
    let order = |field: &str, value: Value| {
        let mut order = play.order_of("spit");
        order[field] = value;
        play.sign_order(&order)
    };
    for (field, value) in [
        ("lozenge_count", json!(0)),
        ("strength_mg", json!(1000)),
        ("hold_minutes", json!(90)),
        ("refills_left", json!(6)),
    ] {
        assert_eq!(
            order(field, value).expect(422).json()["faults"][0]["field"],
            field
        );
    }
    // A tenfold slip needs a second clinician.
    let mut tenfold = play.order_of("spit");
    tenfold["strength_mg"] = json!(400);
    assert_eq!(
        play.sign_order(&tenfold).expect(422).json()["faults"][0]["field"],
        "countersigned_by"
    );
    play.clinic.advance(1).await;
}

async fn a_repeated_key_gives_the_first_answer_and_another_body_is_a_conflict(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    let keyed = play.phone.with("idempotency-key", "tap-1");
    let sitter = json!({"name": "Sam Oldacre", "email": "sam@example.org", "phone": "+1 555 0101"});
    let first = keyed.post(&play.path("/sitters"), &sitter).expect(201);
    let again = keyed.post(&play.path("/sitters"), &sitter).expect(201);
    assert_eq!(first.json(), again.json());
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let mut other = sitter.clone();
    other["phone"] = json!("+1 555 0199");
    assert_eq!(
        keyed.post(&play.path("/sitters"), &other).expect(409).problem(),
        "idempotency-key-reused"
    );
    play.clinic.cycle().await;
    let invitations = play
        .clinic
        .mailbox
        .all()
        .into_iter()
        .filter(|mail| mail.to == "sam@example.org")
        .count();
    assert_eq!(invitations, 1);
}

async fn an_account_link_works_once_and_survives_being_looked_at(engine: Database) {
    let clinic = Clinic::open(engine).await;
    let patient = json!({
        "name": "Kim Other", "first_name": "Kim", "email": "kim@example.org", "phone": "+1 555 0103", "address": "1 Elm",
        "zone": "America/Chicago", "emergency_contact": {"name": "Lee", "phone": "+1 555 0104"},
    });
    let mut clinic = clinic;
    clinic
        .staff("coordinator")
        .post("/v1/patients", &patient)
        .expect(201);
    let twice = clinic.staff("coordinator").post("/v1/patients", &patient);
    assert_eq!(twice.expect(422).json()["faults"][0]["field"], "email");
    clinic.cycle().await;
    let link = clinic
        .mailbox
        .all()
        .iter()
        .rfind(|mail| mail.to == "kim@example.org")
        .expect("a mail")
        .link("/account/");
    for _ in 0..3 {
        clinic.http.get(&link).expect(200);
    }
    let short = clinic
        .http
        .post(&format!("/v1{link}"), &json!({"password": "short"}))
        .expect(422);
    assert_eq!(short.json()["faults"][0]["field"], "password");
    let status = clinic
        .http
        .post(&format!("/v1{link}"), &json!({ "password": PASSWORD }))
        .status;
    assert!(status < 300, "{status}");
    let used = clinic.http.post(
        &format!("/v1{link}"),
        &json!({ "password": "another long password" }),
    );
    assert!([404, 410].contains(&used.status), "{}", used.status);
    clinic
        .log_in("kim@example.org", PASSWORD)
        .get("/v1/me/today")
        .expect(200);
}

async fn log_ins_are_limited_and_tell_nothing(engine: Database) {
    let play = Play::planned(Clinic::open(engine).await).await;
    let log_in = |email: &str, password: &str| {
        let body = json!({"clinic": "willow", "email": email, "password": password});
        play.clinic.http.post("/v1/login", &body)
    };
    let unknown = log_in("nobody@example.org", "wrong wrong wrong");
    let wrong = log_in(PATIENT, "wrong wrong wrong");
    let same = |answer: &bedside_tests::http::Answer| {
        let mut problem = answer.json();
        problem["request_id"] = Value::Null;
        (answer.status, problem)
    };
    assert_eq!(
        same(&unknown),
        same(&wrong),
        "an address that is known looks like one that is not"
    );
    assert_eq!(wrong.status, 401);
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(log_in(PATIENT, "wrong wrong wrong").status);
    }
    assert!(
        statuses.iter().all(|status| [401, 429].contains(status)),
        "{statuses:?}"
    );
    assert_ne!(
        log_in(PATIENT, PASSWORD).status,
        200,
        "locked for a while, even for the right one"
    );
}

async fn a_refresh_token_used_twice_ends_the_family(engine: Database) {
    let play = Play::planned(Clinic::open(engine).await).await;
    let body = json!({"clinic": "willow", "email": PATIENT, "password": PASSWORD});
    let first = play.clinic.http.post("/v1/login", &body).expect(200).json();
    let refresh = |token: &Value| {
        play.clinic
            .http
            .post("/v1/login/refresh", &json!({ "refresh_token": token }))
    };
    let second = refresh(&first["refresh_token"]).expect(200).json();
    refresh(&first["refresh_token"]).expect(401);
    refresh(&second["refresh_token"]).expect(401);
}

async fn reads_are_conditional(engine: Database) {
    let play = Play::planned(Clinic::open(engine).await).await;
    let first = play.phone.get("/v1/me/today").expect(200);
    let tag = first.header("etag").expect("an entity tag").to_owned();
    play.phone
        .with("if-none-match", &tag)
        .get("/v1/me/today")
        .expect(304);
    let sitter = json!({"name": "Sam Oldacre", "email": "sam@example.org", "phone": "+1 555 0101"});
    play.phone.post(&play.path("/sitters"), &sitter).expect(201);
    play.phone
        .with("if-none-match", &tag)
        .get("/v1/me/today")
        .expect(200);
    let comms = format!("/v1/patients/{}/comms", play.patient);
    let stale = play
        .clinic
        .staff("nurse")
        .with("if-match", "\"0-stale\"")
        .put(&comms, &json!({"status": "paused"}));
    assert_eq!(stale.expect(412).problem(), "precondition-failed");
}
