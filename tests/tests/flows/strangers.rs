//! Calls by the wrong role and by another clinic answer as if the thing did not exist.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use serde_json::{Value, json};

on_both_engines!(
    another_clinic_sees_nothing_of_this_one,
    a_role_that_may_not_is_answered_as_if_there_were_nothing,
    every_route_wants_a_log_in_or_a_link,
);

async fn another_clinic_sees_nothing_of_this_one(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0)]).await;
    play.sitter("/help", &json!({})).expect(200);
    let case = play.case()["id"].as_str().expect("an id").to_owned();
    let other = play.clinic.open_second_clinic().await;
    let duty = play.duty("C5", 0)["id"].as_str().expect("an id").to_owned();
    let (session, patient) = (&play.session, &play.patient);
    let gets = [
        format!("/v1/patients/{patient}"),
        format!("/v1/sessions/{session}"),
        format!("/v1/sessions/{session}/timeline"),
        format!("/v1/sessions/{session}/messages"),
        format!("/v1/patients/{patient}/messages"),
        format!("/v1/cases/{case}"),
    ];
    for path in gets {
        let there = other.get(&path).expect(404);
        let nowhere = other
            .get(&path.replace(|c: char| c.is_ascii_hexdigit() && c != 'a', "0"))
            .status;
        assert!(
            there.problem() == "not-found" && (nowhere == 404 || nowhere == 422),
            "{path}"
        );
    }
    let posts = [
        (format!("/v1/sessions/{session}/hold"), json!({"reason": "x"})),
        (format!("/v1/sessions/{session}/cancel"), json!({"reason": "x"})),
        (
            format!("/v1/sessions/{session}/check-ins/{duty}"),
            json!({"answers": {}}),
        ),
        (
            format!("/v1/sessions/{session}/release"),
            json!({"spoke_to_patient": true, "spoke_to_sitter": true, "note": "x"}),
        ),
        (format!("/v1/cases/{case}/acknowledge"), json!({})),
        (
            format!("/v1/cases/{case}/resolve"),
            json!({"outcome": "reached_well", "note": "x"}),
        ),
        (
            format!("/v1/patients/{patient}/sessions"),
            json!({"on": "2027-01-01", "time": "10:00:00"}),
        ),
    ];
    for (path, body) in posts {
        let answer = other.post(&path, &body);
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "not-found"),
            "{path} {}",
            answer.body
        );
    }
    let list = other.get("/v1/patients").expect(200).json();
    assert_eq!(list["patients"].as_array().map(Vec::len), Some(0), "{list}");
    assert_eq!(
        other.get("/v1/cases?state=open").expect(200).json()["cases"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    assert_eq!(play.case()["state"], "open");
}

async fn a_role_that_may_not_is_answered_as_if_there_were_nothing(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.sitter_accepts().await;
    let session = play.session.clone();
    let denied: [(&str, &str, String, Value); 6] = [
        (
            "coordinator",
            "POST",
            format!("/v1/patients/{}/orders", play.patient),
            play.order_of("spit"),
        ),
        (
            "nurse",
            "POST",
            format!("/v1/patients/{}/orders", play.patient),
            play.order_of("spit"),
        ),
        (
            "administrator",
            "GET",
            format!("/v1/sessions/{session}"),
            Value::Null,
        ),
        (
            "administrator",
            "POST",
            format!("/v1/sessions/{session}/hold"),
            json!({"reason": "x"}),
        ),
        (
            "coordinator",
            "POST",
            format!("/v1/sessions/{session}/release"),
            json!({"spoke_to_patient": true, "spoke_to_sitter": true, "note": "x"}),
        ),
        ("nurse", "PUT", "/v1/on-call".to_owned(), json!({"places": []})),
    ];
    for (role, method, path, body) in denied {
        let client = play.clinic.staff(role);
        let answer = match method {
            "GET" => client.get(&path),
            "PUT" => client.put(&path, &body),
            _ => client.post(&path, &body),
        };
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "not-found"),
            "{role} {method} {path}"
        );
    }
    // A patient is no staff, staff is no patient, and a sitter's link opens its own session only.
    play.phone.get(&format!("/v1/sessions/{session}")).expect(404);
    play.clinic.staff("nurse").get("/v1/me/today").expect(404);
    let second = play.clinic.register_patient("kim@example.org", "Kim Other").await;
    assert_ne!(second, play.patient);
    let kim = play
        .clinic
        .log_in("kim@example.org", bedside_tests::clinic::PASSWORD);
    kim.get(&play.path("")).expect(404);
    kim.post(&play.path("/unlock"), &json!({})).expect(404);
}

async fn every_route_wants_a_log_in_or_a_link(engine: Database) {
    let clinic = Clinic::open(engine).await;
    let document = clinic.http.get("/v1/openapi.json").expect(200).json();
    let nil = uuid::Uuid::nil().to_string();
    let open = [
        "/v1/login",
        "/v1/login/refresh",
        "/v1/logout",
        "/v1/help",
        "/v1/openapi.json",
    ];
    let mut tried = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        if open.contains(&path.as_str()) || path.starts_with("/health") {
            continue;
        }
        let mut concrete = path.clone();
        while let (Some(start), Some(end)) = (concrete.find('{'), concrete.find('}')) {
            concrete.replace_range(start..=end, &nil);
        }
        for method in methods
            .as_object()
            .expect("methods")
            .keys()
            .filter(|key| key.len() <= 6)
        {
            let body = (method != "get" && method != "delete").then(|| ("application/json", b"{}".to_vec()));
            let answer = clinic.http.call(&method.to_uppercase(), &concrete, body);
            let by_link = path.contains("{token}");
            let expected: &[u16] = if by_link { &[400, 404, 410] } else { &[401] };
            assert!(
                expected.contains(&answer.status),
                "{method} {path}: {} {}",
                answer.status,
                answer.body
            );
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried} routes were tried");
}
