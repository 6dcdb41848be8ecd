//! The JSON interface over a real store: who gets in, what is refused and how, what is never refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is the failure")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use bedside_api::{ApiSettings, App, Serving, serve};
use bedside_protocol::document::ProtocolDocument;
use bedside_protocol::id::{PersonId, SessionId};
use bedside_protocol::people::{OnCallPlace, StaffRole};
use bedside_protocol::time::{Instant, Zone, minutes};
use bedside_store::{Clocks, CycleStats, Keys, NewAccount, NewClinic, Scope, Store, StoreSettings};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";

#[derive(Clone)]
struct Moved(Arc<Mutex<Instant>>);

impl Clocks for Moved {
    fn clinical_now(&self) -> Instant {
        *self.0.lock().unwrap()
    }

    fn machine_now(&self) -> Instant {
        *self.0.lock().unwrap()
    }
}

struct House {
    app: Arc<App>,
    serving: Serving,
    clock: Moved,
    _folder: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = StoreSettings::new(format!("sqlite:{}", folder.path().join("api.db").display()));
        Store::migrate(&settings).await.unwrap();
        let clock = Moved(Arc::new(Mutex::new("2026-11-20T18:00:00Z".parse().unwrap())));
        let store = Store::open(settings, Arc::new(clock.clone()), Keys::from_master([3; 32]))
            .await
            .unwrap();
        store
            .ensure_protocol(ProtocolDocument::shipped_text())
            .await
            .unwrap();
        let settings = ApiSettings {
            public_base_url: "http://127.0.0.1".to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
            workers: 1,
            mail_folder: None,
            development: true,
            trusted_proxy: false,
        };
        let app = Arc::new(App::new(store, settings).unwrap());
        let serving = serve(app.clone(), TcpListener::bind("127.0.0.1:0").unwrap())
            .await
            .unwrap();
        Self {
            app,
            serving,
            clock,
            _folder: folder,
        }
    }

    fn store(&self) -> &Store {
        &self.app.store
    }

    fn advance(&self, by_minutes: i64) {
        *self.clock.0.lock().unwrap() += minutes(by_minutes);
    }

    async fn beat(&self) {
        self.store().open_cycle("w").await.unwrap();
        self.store()
            .close_cycle("w", CycleStats::default())
            .await
            .unwrap();
    }

    /// A clinic with everybody on call; the ids of its people.
    async fn clinic(&self, slug: &str) -> Vec<PersonId> {
        let new = NewClinic {
            slug: slug.to_owned(),
            name: slug.to_owned(),
            zone: Zone::named("America/New_York").unwrap(),
            phone: "+1 555 010 0100".to_owned(),
        };
        let clinic = self.store().create_clinic(Scope::system(), new).await.unwrap();
        let hash = self.app.passwords.hash(PASSWORD.to_owned()).await.unwrap();
        let mut people = Vec::new();
        for (name, roles) in [
            ("nurse", vec![StaffRole::Nurse]),
            ("backup", vec![StaffRole::Nurse]),
            ("prescriber", vec![StaffRole::Prescriber]),
            ("coordinator", vec![StaffRole::Coordinator]),
            ("administrator", vec![StaffRole::Administrator]),
        ] {
            let new = NewAccount {
                email: format!("{name}@{slug}.example"),
                name: format!("{name} of {slug}"),
                phone: String::new(),
                roles,
            };
            let id = self
                .store()
                .create_account(Scope::system(), clinic.id, new)
                .await
                .unwrap();
            self.store()
                .set_password_hash(Scope::system(), id, hash.clone())
                .await
                .unwrap();
            people.push(id);
        }
        let list = vec![
            (OnCallPlace::Nurse, people[0]),
            (OnCallPlace::Backup, people[1]),
            (OnCallPlace::Fallback, people[4]),
        ];
        self.store()
            .set_on_call(Scope::system(), clinic.id, list)
            .await
            .unwrap();
        people
    }

    /// One request; its answer's status, body and whether it was replayed.
    async fn call(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> Answer {
        self.call_with(
            method,
            path,
            &[("authorization", &format!("Bearer {token}"))],
            body,
        )
        .await
    }

    async fn call_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let body = body.map(|body| body.to_string());
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.serving.address()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(body.unwrap_or_default()).unwrap();
        let answer = tokio::task::spawn_blocking(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .build()
                .into();
            let mut answer = agent.run(request).unwrap();
            let body = answer.body_mut().read_to_string().unwrap();
            Answer {
                status: answer.status().as_u16(),
                replayed: answer.headers().contains_key("idempotent-replayed"),
                etag: answer
                    .headers()
                    .get("etag")
                    .map(|tag| tag.to_str().unwrap().to_owned()),
                headers: answer.headers().clone(),
                body: serde_json::from_str(&body).unwrap_or(Value::Null),
            }
        });
        let answer = answer.await.unwrap();
        assert!(answer.headers.contains_key("x-request-id"), "{method} {path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
        assert_ne!(answer.status, 500, "{method} {path}: {:?}", answer.body);
        answer
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.call("GET", path, token, None).await
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call("POST", path, token, Some(body)).await
    }

    async fn log_in(&self, clinic: &str, email: &str) -> String {
        let body = json!({"clinic": clinic, "email": email, "password": PASSWORD});
        let answer = self.post("/v1/login", "", body).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    /// A patient with a log-in, a signed order and a session tomorrow at 13:00; their token and the session's path.
    async fn patient(&self, slug: &str) -> (String, String) {
        let coordinator = self.log_in(slug, &format!("coordinator@{slug}.example")).await;
        let prescriber = self.log_in(slug, &format!("prescriber@{slug}.example")).await;
        let email = format!("ann@{slug}.example");
        let created = self
            .post("/v1/patients", &coordinator, patient_body(&email))
            .await;
        assert_eq!(created.status, 201, "{:?}", created.body);
        let id: PersonId = created.body["id"].as_str().unwrap().parse().unwrap();
        let order = json!({
            "lozenge_count": 2, "strength_mg": 100, "hold_minutes": 10, "after_hold": "spit",
            "prescribed_on": "2026-11-01", "expires_on": "2027-04-30", "refills_left": 2,
        });
        let signed = self
            .post(&format!("/v1/patients/{id}/orders"), &prescriber, order)
            .await;
        assert_eq!(
            (signed.status, &signed.body["version"]),
            (201, &json!(1)),
            "{:?}",
            signed.body
        );
        let link = self
            .store()
            .invite_to_account(Scope::system(), id)
            .await
            .unwrap()
            .unwrap();
        let path = format!("/v1/account/{}", self.store().keys().link_token(link));
        let set = self.post(&path, "", json!({"password": PASSWORD})).await;
        assert_eq!(set.status, 200, "{:?}", set.body);
        assert_eq!(
            self.post(&path, "", json!({"password": PASSWORD})).await.status,
            410,
            "a link is good once"
        );
        let token = self.log_in(slug, &email).await;
        self.enrol(id, &token, &prescriber).await;
        let plan = json!({"on": "2026-11-21", "time": "13:00"});
        let planned = self
            .post(&format!("/v1/patients/{id}/sessions"), &coordinator, plan)
            .await;
        assert_eq!(planned.status, 201, "{:?}", planned.body);
        (
            token,
            format!("/v1/me/sessions/{}", planned.body["id"].as_str().unwrap()),
        )
    }

    /// Everything that is settled before a session is planned.
    async fn enrol(&self, id: PersonId, patient: &str, prescriber: &str) {
        let document = ProtocolDocument::shipped().unwrap();
        let asked = self.get("/v1/me/enrolment", patient).await;
        let contacts = json!({
            "phone": "+1 555 010 0101", "address": "12 Elm Street", "region": "US-NY", "zone": "America/New_York",
            "language": "en", "emergency_contact": {"name": "Carla", "phone": "+1 555 010 0102"},
            "emergency_room": {"name": "County Hospital", "address": "1 Main Street"},
        });
        let bearer = format!("Bearer {patient}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("if-match", asked.etag.as_deref().unwrap()),
        ];
        let confirmed = self
            .call_with("PUT", "/v1/me/contacts", &headers, Some(contacts))
            .await;
        assert_eq!(confirmed.status, 200, "{:?}", confirmed.body);
        let mut steps = Vec::new();
        for text in asked.body["texts"].as_array().unwrap() {
            let path = format!("/v1/me/consents/{}", text["key"].as_str().unwrap());
            steps.push((path, json!({"version": text["version"], "agreed": true})));
        }
        for (key, items) in [("phq9", 9), ("gad7", 7), ("safety", 4)] {
            let none = if key == "safety" { json!(false) } else { json!(0) };
            let answers = (1..=items).map(|number| (format!("q{number}"), none.clone()));
            let answers: serde_json::Map<String, Value> = answers.collect();
            steps.push((format!("/v1/me/instruments/{key}"), json!({ "answers": answers })));
        }
        let reading = json!({"sbp": 120, "dbp": 80, "hr": 70});
        steps.push(("/v1/me/trial-readings".to_owned(), reading));
        let package = json!({"kind": "received", "count": 12, "sealed": true, "locked": true});
        steps.push(("/v1/me/lozenges".to_owned(), package));
        for (path, body) in steps {
            let done = self.post(&path, patient, body).await;
            assert!(done.status < 300, "{path}: {:?}", done.body);
        }
        let list = document.enrolment.screening_list().iter();
        let findings: Vec<Value> = list
            .map(|it| json!({"point": it.key, "present": false}))
            .collect();
        let body = json!({"findings": findings, "cleared": true});
        let signed = self
            .post(&format!("/v1/patients/{id}/screenings"), prescriber, body)
            .await;
        assert_eq!(signed.status, 201, "{:?}", signed.body);
    }
}

struct Answer {
    status: u16,
    replayed: bool,
    etag: Option<String>,
    headers: ureq::http::HeaderMap,
    body: Value,
}

impl Answer {
    fn code(&self) -> &str {
        self.body["type"]
            .as_str()
            .unwrap_or_default()
            .trim_start_matches("urn:bedside:problem:")
    }
}

/// A chunked body of so many bytes, of which the last chunk never comes.
fn chunked(length: usize) -> String {
    format!(
        "transfer-encoding: chunked\r\n\r\n{length:x}\r\n{}\r\n",
        "x".repeat(length)
    )
}

/// What a server answers to bytes, until it hangs up or says no more.
fn raw(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(std::time::Duration::from_secs(3)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn patient_body(email: &str) -> Value {
    json!({
        "name": "Ann Smith", "first_name": "Ann", "email": email, "phone": "+1 555 010 0101",
        "address": "1 Main Street, Springfield", "zone": "America/New_York",
        "emergency_contact": {"name": "Bob Smith", "phone": "+1 555 010 0102"},
    })
}

#[tokio::test]
async fn a_patients_day_from_preparation_to_a_case_that_one_nurse_takes() {
    let house = House::new().await;
    house.clinic("north").await;
    let (token, session) = house.patient("north").await;
    house.beat().await;

    let today = house.get("/v1/me/today", &token).await;
    assert_eq!(
        (today.status, &today.body["session"]["state"]),
        (200, &json!("prep_open")),
        "{:?}",
        today.body
    );
    assert_eq!(today.headers["cache-control"], "no-store");
    let tag = today.etag.unwrap();
    house.advance(1);
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("if-none-match", tag.as_str()),
    ];
    let again = house.call_with("GET", "/v1/me/today", &headers, None).await;
    assert_eq!(again.status, 304, "only the clock moved");

    let key = [("authorization", bearer.as_str()), ("idempotency-key", "k1")];
    let item = format!("{session}/checklist/still_on");
    let yes = json!({"type": "yes_no", "value": true});
    let first = house.call_with("POST", &item, &key, Some(yes.clone())).await;
    assert_eq!(
        (first.status, &first.body["result"], first.replayed),
        (200, &json!("done"), false)
    );
    let second = house.call_with("POST", &item, &key, Some(yes)).await;
    assert_eq!(
        (second.status, second.replayed, &second.body),
        (200, true, &first.body)
    );
    let other = house
        .call_with(
            "POST",
            &item,
            &key,
            Some(json!({"type": "yes_no", "value": false})),
        )
        .await;
    assert_eq!((other.status, other.code()), (409, "idempotency-key-reused"));

    let sitter = json!({"name": "Sam", "email": "sam@example.org", "phone": "+1 555 010 0103"});
    assert_eq!(
        house
            .post(&format!("{session}/sitters"), &token, sitter)
            .await
            .status,
        201
    );
    let id: SessionId = session.rsplit('/').next().unwrap().parse().unwrap();
    let look = house
        .store()
        .read_session(Scope::system(), id, |record, _| record.sitters[0].link);
    let link = house.store().keys().link_token(look.await.unwrap().unwrap());
    let page = house.get(&format!("/v1/sitting/{link}"), "").await;
    assert_eq!(
        (page.status, &page.body["first_name"]),
        (200, &json!("Ann")),
        "{:?}",
        page.body
    );
    assert!(
        !page.body.to_string().contains("Smith"),
        "a sitter sees the first name only"
    );
    let accept = json!({"is_adult": true, "may_be_contacted": true});
    let accepted = house
        .post(&format!("/v1/sitting/{link}/accept"), "", accept)
        .await;
    assert_eq!(
        (accepted.status, &accepted.body["result"]),
        (200, &json!("accepted"))
    );

    let locked = house
        .call("POST", &format!("{session}/unlock"), &token, None)
        .await;
    assert_eq!((locked.status, locked.code()), (409, "dose-locked"));
    assert!(locked.body["reasons"].as_array().unwrap().len() > 5);
    assert_eq!(
        locked.body["request_id"],
        locked.headers["x-request-id"].to_str().unwrap()
    );

    // The log-in runs out, the body is nonsense, the dose counts.
    house.advance(60);
    assert_eq!(house.get("/v1/me/today", &token).await.code(), "unauthenticated");
    let dose = house
        .post(
            &format!("{session}/dose"),
            &token,
            json!({"observed_at": "soon", "x": 1}),
        )
        .await;
    assert_eq!(
        (dose.status, &dose.body["result"]),
        (200, &json!("recorded_outside_ready_session"))
    );
    let same = house.post(&format!("{session}/dose"), &token, json!([])).await;
    assert_eq!((same.status, &same.body["result"]), (200, &json!("same_dose")));
    let help = house
        .post(
            &format!("{session}/help"),
            &token,
            json!({"flag": "no such flag"}),
        )
        .await;
    assert_eq!(
        (help.status, &help.body["emergency_number"]),
        (200, &json!("911"))
    );

    let nurse = house.log_in("north", "nurse@north.example").await;
    let backup = house.log_in("north", "backup@north.example").await;
    let cases = house.get("/v1/cases", &nurse).await;
    assert_eq!(
        cases.body["cases"].as_array().unwrap().len(),
        1,
        "{:?}",
        cases.body
    );
    let case = format!("/v1/cases/{}", cases.body["cases"][0]["id"].as_str().unwrap());
    assert!(
        house.get(&case, &nurse).await.body.get("contact").is_none(),
        "not taken yet"
    );
    assert_eq!(
        house
            .call("POST", &format!("{case}/acknowledge"), &nurse, None)
            .await
            .status,
        200
    );
    let taken = house
        .call("POST", &format!("{case}/acknowledge"), &backup, None)
        .await;
    assert_eq!(
        (taken.status, taken.code(), &taken.body["by_name"]),
        (409, "already-taken", &json!("nurse of north"))
    );
    assert_eq!(
        house.get(&case, &nurse).await.body["contact"]["patient_phone"],
        "+1 555 010 0101"
    );
    assert!(house.get(&case, &backup).await.body.get("contact").is_none());
    assert_eq!(
        house
            .call("POST", &format!("{case}/contacted"), &nurse, None)
            .await
            .status,
        200
    );
    let bad = house
        .post(
            &format!("{case}/resolve"),
            &nurse,
            json!({"outcome": "reached_well", "note": " "}),
        )
        .await;
    assert_eq!(
        (bad.status, &bad.body["faults"][0]["field"]),
        (422, &json!("note"))
    );
    let resolve = json!({"outcome": "reached_well", "note": "all is well"});
    assert_eq!(
        house.post(&format!("{case}/resolve"), &nurse, resolve).await.body["state"],
        "resolved"
    );
    let staff_path = session.replace("/v1/me", "/v1");
    assert_eq!(
        house.get(&staff_path, &nurse).await.body["cases"][0]["state"],
        "resolved"
    );
    let line = house.get(&format!("{staff_path}/timeline"), &nurse).await;
    let whats: Vec<&str> = line.body["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["what"].as_str().unwrap())
        .collect();
    assert!(
        whats.contains(&"dose.logged") && whats.contains(&"case.resolved"),
        "{whats:?}"
    );
    house.serving.stop().await;
}

#[tokio::test]
async fn a_wrong_role_and_another_clinic_are_answered_like_something_missing() {
    let house = House::new().await;
    house.clinic("north").await;
    house.clinic("south").await;
    let (token, session) = house.patient("north").await;
    let nurse = house.log_in("north", "nurse@north.example").await;
    let stranger = house.log_in("south", "nurse@south.example").await;
    let administrator = house.log_in("north", "administrator@north.example").await;
    let staff_path = session.replace("/v1/me", "/v1");
    let missing = house
        .get("/v1/sessions/00000000-0000-7000-8000-000000000000", &nurse)
        .await;
    for (path, token) in [
        (staff_path.as_str(), stranger.as_str()),
        (&staff_path, &administrator),
        (&staff_path, &token),
        (&session, &nurse),
        ("/v1/me/today", &nurse),
        ("/v1/patients", &token),
        ("/v1/nowhere", &nurse),
        ("/v1/sessions/not-an-id", &nurse),
    ] {
        let answer = house.get(path, token).await;
        assert_eq!((answer.status, answer.code()), (404, "not-found"), "{path}");
        assert_eq!(answer.body["detail"], missing.body["detail"]);
    }
    assert_eq!(house.get(&staff_path, &nurse).await.status, 200);
    for token in ["", "x.y.z"] {
        assert_eq!(house.get("/v1/me/today", token).await.status, 401);
        assert_eq!(
            house
                .post(&format!("{session}/dose"), token, json!({}))
                .await
                .status,
            401
        );
    }
    let taken = house
        .post("/v1/patients", &nurse, patient_body("ANN@north.example"))
        .await;
    assert_eq!(
        (taken.status, &taken.body["faults"][0]["field"]),
        (422, &json!("email"))
    );
    house.serving.stop().await;
}

#[tokio::test]
async fn bad_input_names_its_field_and_never_is_our_fault() {
    let house = House::new().await;
    house.clinic("north").await;
    let (token, session) = house.patient("north").await;
    let post = |path: &str, body: Value| {
        let path = format!("{session}{path}");
        let (house, token) = (&house, token.clone());
        async move { house.post(&path, &token, body).await }
    };
    let long = "x".repeat(10_000);
    for (path, body, status, field) in [
        (
            "/vitals",
            json!({"sbp": 120, "dbp": 80, "hr": 70, "mood": 1}),
            400,
            "mood",
        ),
        ("/vitals", json!({"sbp": "high", "dbp": 80, "hr": 70}), 400, "sbp"),
        ("/vitals", json!({"sbp": 120, "hr": 70}), 400, "dbp"),
        ("/vitals", json!({"sbp": -5, "dbp": 80, "hr": 70}), 422, "sbp"),
        (
            "/vitals",
            json!({"sbp": 99_999_999_999_i64, "dbp": 80, "hr": 70}),
            422,
            "sbp",
        ),
        (
            "/vitals",
            json!({"sbp": 120, "dbp": 80, "hr": 70, "observed_at": "1900-01-01T00:00:00Z"}),
            422,
            "observed_at",
        ),
        (
            "/sitters",
            json!({"name": "Sam\r\nBcc: x@y.org", "email": "s@x.org", "phone": "12345"}),
            422,
            "name",
        ),
        (
            "/sitters",
            json!({"name": long, "email": "s@x.org", "phone": "12345"}),
            422,
            "name",
        ),
        (
            "/sitters",
            json!({"name": "Sam", "email": "s@x.org\u{0}", "phone": "12345"}),
            422,
            "email",
        ),
        (
            "/sitters",
            json!({"name": "Sam", "email": "ann@north.example", "phone": "12345"}),
            422,
            "email",
        ),
        (
            "/checklist/still_on",
            json!({"type": "text", "value": "yes"}),
            422,
            "type",
        ),
        (
            "/dose/time",
            json!({"taken_at": "9999-01-01T00:00:00Z"}),
            422,
            "taken_at",
        ),
    ] {
        let answer = post(path, body.clone()).await;
        assert_eq!(answer.status, status, "{path} {body}: {:?}", answer.body);
        assert_eq!(
            answer.body["faults"][0]["field"], field,
            "{path} {body}: {:?}",
            answer.body
        );
    }
    let duty = "00000000-0000-7000-8000-000000000000";
    assert_eq!(
        post(&format!("/check-ins/{duty}"), json!({"answers": {}}))
            .await
            .status,
        404
    );
    let head = "POST /v1/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    for body in ["content-length: 100000000\r\n\r\n{".to_owned(), chunked(100_000)] {
        let (address, request) = (house.serving.address(), format!("{head}{body}"));
        let answer = tokio::task::spawn_blocking(move || raw(address, &request))
            .await
            .unwrap();
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains("too-large"), "{answer}");
    }
    let bearer = format!("Bearer {token}");
    let spaces = [("authorization", bearer.as_str()), ("idempotency-key", "a b")];
    let answer = house
        .call_with("POST", &format!("{session}/unlock"), &spaces, None)
        .await;
    assert_eq!(
        (answer.status, &answer.body["faults"][0]["field"]),
        (400, &json!("Idempotency-Key"))
    );
    house.serving.stop().await;
}

#[tokio::test]
async fn log_ins_rotate_lock_and_tell_nothing() {
    let house = House::new().await;
    house.clinic("north").await;
    let log_in = |email: &str, password: &str| {
        let body = json!({"clinic": "north", "email": email, "password": password});
        let house = &house;
        async move { house.post("/v1/login", "", body).await }
    };
    let first = log_in("nurse@north.example", PASSWORD).await;
    let refresh = json!({"refresh_token": first.body["refresh_token"]});
    let second = house.post("/v1/login/refresh", "", refresh.clone()).await;
    assert_eq!(second.status, 200, "{:?}", second.body);
    assert_eq!(
        house.post("/v1/login/refresh", "", refresh).await.status,
        401,
        "used before"
    );
    let refresh = json!({"refresh_token": second.body["refresh_token"]});
    assert_eq!(
        house.post("/v1/login/refresh", "", refresh).await.status,
        401,
        "the family has ended"
    );

    let unknown = log_in("nobody@north.example", PASSWORD).await;
    for _ in 0..5 {
        let wrong = log_in("nurse@north.example", "wrong password").await;
        assert_eq!(
            (wrong.status, &wrong.body["detail"]),
            (401, &unknown.body["detail"])
        );
    }
    assert_eq!(
        log_in("nurse@north.example", PASSWORD).await.code(),
        "log-in-failed",
        "locked"
    );
    house.advance(16);
    assert_eq!(log_in("NURSE@north.example", PASSWORD).await.status, 200);

    let nurse = house.log_in("north", "nurse@north.example").await;
    let pin = |pin: &str| json!({"password": PASSWORD, "pin": pin});
    assert_eq!(house.post("/v1/me/pin", &nurse, pin("123456")).await.status, 422);
    assert_eq!(house.post("/v1/me/pin", &nurse, pin("407193")).await.status, 200);

    for press in 0..6 {
        let known = json!({"clinic": "north", "email": "nurse@north.example"});
        let answer = house.post("/v1/help", "", known).await;
        assert_eq!(answer.status, if press < 5 { 200 } else { 429 });
    }
    house.serving.stop().await;
}

#[tokio::test]
async fn health_documents_and_two_servers_in_one_process() {
    let house = House::new().await;
    assert_eq!(house.get("/health/live", "").await.status, 200);
    let ready = house.get("/health/ready", "").await;
    assert_eq!(
        (ready.status, &ready.body["parts"][2]["name"]),
        (503, &json!("worker")),
        "{:?}",
        ready.body
    );
    house.beat().await;
    assert_eq!(house.get("/health/ready", "").await.status, 200);
    assert_eq!(
        house.get("/v1/openapi.json", "").await.body["info"]["title"],
        "Bedside"
    );
    let docs = house.get("/docs/", "").await;
    assert_eq!(docs.status, 200);
    assert!(
        docs.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("'self'")
    );
    let second = serve(house.app.clone(), TcpListener::bind("127.0.0.1:0").unwrap())
        .await
        .unwrap();
    assert_ne!(second.address(), house.serving.address());
    second.stop().await;
    assert_eq!(house.get("/health/live", "").await.status, 200);
    house.serving.stop().await;
}
