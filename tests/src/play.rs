//! One session, step by step, as its people live it: the steps a flow test is made of.
//!
//! Each step goes over HTTP through the routes that a phone, a sitter's browser or the clinic uses, and asserts on the
//! answer. `Play::ready_to_unlock` and the like run the steps that a test is not about.

use std::collections::BTreeMap;

use bedside_protocol::time::{Instant, minutes};
use chrono::Duration;
use serde_json::{Value, json};

use crate::clinic::Clinic;
use crate::enrolment;
use crate::http::{Answer, Client};

/// A clinic with one patient and one planned session.
pub struct Play {
    /// The clinic.
    pub clinic: Clinic,
    /// The patient's phone, logged in.
    pub phone: Client,
    /// The patient's id.
    pub patient: String,
    /// The session's id.
    pub session: String,
    /// When it is planned.
    pub planned_at: Instant,
    /// T0, once the dose is logged.
    pub t0: Option<Instant>,
    /// The path of the sitter's page, `/s/…`, once invited.
    pub sitter_page: Option<String>,
}

/// The address of the patient of a play.
pub const PATIENT: &str = "robin@example.org";
/// The address of the sitter of a play.
pub const SITTER: &str = "sam@example.org";

impl Play {
    /// A clinic with a patient who is enrolled, a signed order (2 lozenges, held 10 minutes, then spat out) and a session planned for
    /// 10:00 local time in four days.
    pub async fn planned(clinic: Clinic) -> Self {
        let mut play = Self::without_session(clinic).await;
        let on = (play.clinic.now() + Duration::days(4))
            .format("%Y-%m-%d")
            .to_string();
        play.plan(&on, "10:00:00");
        play
    }

    /// The same without the session.
    pub async fn without_session(clinic: Clinic) -> Self {
        let play = Self::registered(clinic).await;
        enrolment::settle(&play.clinic, &play.phone, &play.patient);
        play
    }

    /// A patient with a signed order who has set their password, and nothing else.
    pub async fn registered(mut clinic: Clinic) -> Self {
        let patient = clinic.register_patient(PATIENT, "Robin Quillfeather").await;
        let phone = clinic.log_in(PATIENT, crate::clinic::PASSWORD);
        let play = Self {
            phone,
            patient,
            clinic,
            session: String::new(),
            planned_at: Instant::UNIX_EPOCH,
            t0: None,
            sitter_page: None,
        };
        play.sign_order(&play.order_of("spit")).expect(201);
        play
    }

    /// An order that is good today; `after_hold` is `spit` or `swallow`.
    pub fn order_of(&self, after_hold: &str) -> Value {
        let today = self.clinic.now().date_naive();
        json!({
            "lozenge_count": 2, "strength_mg": 100, "hold_minutes": 10, "after_hold": after_hold,
            "prescribed_on": today, "expires_on": today + chrono::Months::new(5), "refills_left": 2,
        })
    }

    /// The prescriber signs an order.
    pub fn sign_order(&self, order: &Value) -> Answer {
        self.clinic
            .staff("prescriber")
            .post(&format!("/v1/patients/{}/orders", self.patient), order)
    }

    /// The coordinator plans a session.
    pub fn plan(&mut self, on: &str, time: &str) {
        let path = format!("/v1/patients/{}/sessions", self.patient);
        let planned = self
            .clinic
            .staff("coordinator")
            .post(&path, &json!({"on": on, "time": time}))
            .expect(201)
            .json();
        self.session = planned["id"].as_str().expect("an id").to_owned();
        let shown = self.phone.get(&self.path("")).expect(200).json();
        self.planned_at = shown["planned"]["at"]
            .as_str()
            .expect("a time")
            .parse()
            .expect("a time");
    }

    /// `GET /v1/me/today`.
    pub fn today(&self) -> Value {
        self.phone.get("/v1/me/today").expect(200).json()
    }

    /// The session's state as the phone sees it.
    pub fn state(&self) -> String {
        self.phone.get(&self.path("")).expect(200).json()["state"]
            .as_str()
            .expect("a state")
            .to_owned()
    }

    /// A path of the patient's session.
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/me/sessions/{}{rest}", self.session)
    }

    /// The patient answers a checklist item.
    pub fn tick_item(&self, item: &str, kind: &str, value: Value) -> Answer {
        self.phone.post(
            &self.path(&format!("/checklist/{item}")),
            &json!({"type": kind, "value": value}),
        )
    }

    /// The sitter is asked; their link is taken from the mail.
    pub async fn invite_sitter(&mut self) {
        let sitter = json!({"name": "Sam Oldacre", "email": SITTER, "phone": "+1 555 0101"});
        self.phone.post(&self.path("/sitters"), &sitter).expect(201);
        self.clinic.cycle().await;
        let mails = self.clinic.mailbox.all();
        let invitation = mails
            .iter()
            .rfind(|mail| mail.to == SITTER)
            .expect("an invitation");
        self.sitter_page = Some(invitation.link("/s/"));
    }

    /// A call of the sitter, as JSON.
    pub fn sitter(&self, act: &str, body: &Value) -> Answer {
        self.clinic.http.post(&format!("{}{act}", self.sitting()), body)
    }

    /// What the sitter's page is made of.
    pub fn sitter_view(&self) -> Value {
        self.clinic.http.get(&self.sitting()).expect(200).json()
    }

    fn sitting(&self) -> String {
        let token = self
            .sitter_page
            .as_ref()
            .expect("an invited sitter")
            .trim_start_matches("/s/");
        format!("/v1/sitting/{token}")
    }

    /// The sitter is asked and says yes.
    pub async fn sitter_accepts(&mut self) {
        self.invite_sitter().await;
        self.sitter("/accept", &json!({"is_adult": true, "may_be_contacted": true}))
            .expect(200);
        self.sitter_reads();
    }

    /// The sitter reads their page and answers its questions.
    pub fn sitter_reads(&self) {
        let read = self.sitter("/training", &json!({ "answers": right_answers() }));
        assert_eq!(read.expect(200).json()["result"], "done");
    }

    /// The day before: the patient's and the sitter's items, and the nurse's call.
    pub async fn day_before(&mut self) {
        self.clinic
            .advance_to(self.planned_at - minutes(26 * 60 - 1))
            .await;
        for (item, value) in [
            ("still_on", true),
            ("changes_health", false),
            ("changes_meds", false),
        ] {
            self.tick_item(item, "yes_no", json!(value)).expect(200);
        }
        self.sitter(
            "/checklist/sitter_available",
            &json!({"type": "yes_no", "value": true}),
        )
        .expect(200);
        let call = format!("/v1/sessions/{}/checklist/sitter_called", self.session);
        self.clinic
            .staff("nurse")
            .post(&call, &json!({"type": "yes_no", "value": true}))
            .expect(200);
    }

    /// The day: everything but the last quarter of an hour, and the blood pressure.
    pub async fn day_list(&mut self) {
        self.clinic.advance_to(self.planned_at - minutes(50)).await;
        for (item, value) in [
            ("med_plan_followed", true),
            ("substances_24h", false),
            ("psychedelics_7d", false),
            ("address_today", true),
            ("dependants", true),
            ("room_safe", true),
            ("no_driving", true),
            ("phones", true),
            ("safety_now", false),
            ("go_ahead", true),
            ("kit", true),
        ] {
            self.tick_item(item, "yes_no", json!(value)).expect(200);
        }
        let ate_at = self.planned_at - minutes(6 * 60);
        self.tick_item("last_food_at", "time", json!(ate_at)).expect(200);
        self.tick_item("last_drink_at", "time", json!(self.planned_at - minutes(180)))
            .expect(200);
        self.sitter("/checklist/phones", &json!({"type": "yes_no", "value": true}))
            .expect(200);
    }

    /// The last quarter of an hour: the sitter is here, the blood pressure is good, both read the order back.
    pub async fn last_quarter(&mut self) {
        self.clinic.advance_to(self.planned_at - minutes(14)).await;
        self.clinic.on_call_answers().await;
        self.vitals(120, 78, 70).expect(200);
        let code = self.today()["session"]["sitter"]["presence_code"]
            .as_str()
            .expect("a code")
            .to_owned();
        let answer = self
            .sitter("/present", &json!({ "code": code }))
            .expect(200)
            .json();
        assert_eq!(answer["result"], "right");
        self.sitter("/checklist/sitter_fit", &json!({"type": "yes_no", "value": true}))
            .expect(200);
        let order = json!({"type": "readback", "value": {"lozenge_count": 2, "hold_minutes": 10, "after_hold": "spit"}});
        self.sitter("/checklist/order_readback", &order).expect(200);
        self.phone
            .post(&self.path("/checklist/order_readback"), &order)
            .expect(200);
    }

    /// The patient sends a blood pressure and pulse.
    pub fn vitals(&self, sbp: u32, dbp: u32, hr: u32) -> Answer {
        self.phone
            .post(&self.path("/vitals"), &json!({"sbp": sbp, "dbp": dbp, "hr": hr}))
    }

    /// Everything up to the point where the dose may be unlocked.
    pub async fn until_ready(&mut self) {
        self.sitter_accepts().await;
        self.day_before().await;
        self.day_list().await;
        self.last_quarter().await;
        assert_eq!(self.state(), "ready", "{}", self.today()["session"]["gate"]);
    }

    /// Unlocks and logs the dose at the planned time.
    pub async fn dose(&mut self) {
        self.clinic.advance_to(self.planned_at).await;
        self.phone.post(&self.path("/unlock"), &json!({})).expect(200);
        let body = json!({"observed_at": self.clinic.now(), "order_version": 1});
        let logged = self.phone.post(&self.path("/dose"), &body).expect(200).json();
        assert_eq!(logged["result"], "recorded", "{logged}");
        self.t0 = Some(self.clinic.now());
    }

    /// Everything up to and including the dose.
    pub async fn until_dosed(&mut self) {
        self.until_ready().await;
        self.dose().await;
    }

    /// Moves to so many minutes after the dose, the worker running all the time.
    pub async fn to_minute(&mut self, after_dose: i64) {
        let at = self.t0.expect("a dose") + minutes(after_dose);
        self.clinic.advance_to(at).await;
    }

    /// The worker is down until so many minutes after the dose.
    pub fn worker_down_until_minute(&mut self, after_dose: i64) {
        let at = self.t0.expect("a dose") + minutes(after_dose);
        self.clinic.sleep_until(at);
    }

    /// The duty of the timetable's row `rule` (`C5`), the `nth` of its kind, as the care team sees it.
    pub fn duty(&self, rule: &str, nth: usize) -> Value {
        let session = self
            .clinic
            .staff("nurse")
            .get(&format!("/v1/sessions/{}", self.session))
            .expect(200)
            .json();
        let duties = session["duties"].as_array().expect("duties").clone();
        let mut of_rule = duties.into_iter().filter(|duty| duty["rule"] == rule);
        of_rule
            .nth(nth)
            .unwrap_or_else(|| panic!("no {rule} number {nth} in {session}"))
    }

    /// Answers a check of the sitter: all well, or with some questions answered the other way.
    pub fn answer_check(
        &self,
        rule: &str,
        nth: usize,
        not_well: &[&str],
        vitals: Option<(u32, u32, u32)>,
    ) -> Answer {
        let duty = self.duty(rule, nth);
        let answers = answers_to(rule, not_well);
        let mut body = json!({ "answers": answers });
        if let Some((sbp, dbp, hr)) = vitals {
            body["vitals"] = json!({"sbp": sbp, "dbp": dbp, "hr": hr});
        }
        let id = duty["id"].as_str().expect("an id");
        self.sitter(&format!("/check-ins/{id}"), &body)
    }

    /// Answers each of some checks of the sitter at its time, all well.
    pub async fn answer_checks(&mut self, checks: &[(i64, &str, usize)]) {
        for (minute, rule, nth) in checks {
            self.to_minute(*minute).await;
            let vitals = (*rule == "C7").then_some((128, 82, 84));
            self.answer_check(rule, *nth, &[], vitals).expect(200);
        }
    }

    /// The checks of the sitter up to the end of two hours, all well, and a nurse's release by telephone.
    pub async fn until_released(&mut self) {
        self.until_dosed().await;
        self.answer_checks(&[
            (10, "C4", 0),
            (15, "C5", 0),
            (30, "C6", 0),
            (45, "C7", 0),
            (60, "C8", 0),
            (75, "C8", 1),
        ])
        .await;
        self.answer_checks(&[(90, "C9", 0), (105, "C9b", 0)]).await;
        self.to_minute(121).await;
        let release = json!({"spoke_to_patient": true, "spoke_to_sitter": true, "note": "Both well."});
        let path = format!("/v1/sessions/{}/release", self.session);
        self.clinic.staff("nurse").post(&path, &release).expect(200);
    }

    /// The patient answers a check of theirs, all well but for `body`.
    pub fn own_check(&self, rule: &str, not_well: &[&str], body: &Value) -> Answer {
        let id = self.duty(rule, 0)["id"].as_str().expect("an id").to_owned();
        let mut sent = json!({ "answers": answers_to(rule, not_well) });
        if rule == "C13" {
            sent["words"] = json!({"insight": "I can rest.", "action": "A walk in the morning."});
        }
        if rule == "C12" {
            sent["lozenges_left"] = self.today()["patient"]["lozenges_left"].clone();
        }
        for (field, value) in body.as_object().into_iter().flatten() {
            sent[field] = value.clone();
        }
        self.phone.post(&self.path(&format!("/check-ins/{id}")), &sent)
    }

    /// The evening, the day after and two days after, all well, each at its time: the session closes.
    pub async fn follow_up(&mut self) {
        for (minute, rule) in [(360, "C11"), (24 * 60, "C12"), (48 * 60, "C13")] {
            self.to_minute(minute).await;
            self.own_check(rule, &[], &json!({})).expect(200);
        }
        assert_eq!(self.state(), "closed");
    }

    /// Opens the page behind the last escalation mail to `address` and takes the case with the PIN.
    pub fn take_case(&mut self, role: &str) -> CasePage {
        let address = self.clinic.address(role);
        let mails = self.clinic.mailbox.all();
        let mail = mails
            .iter()
            .rfind(|mail| mail.to == address && mail.text.contains("/c/"))
            .unwrap_or_else(|| panic!("no escalation to {role}"));
        let path = mail.link("/c/");
        let answer = self
            .clinic
            .http
            .form(&format!("{path}/acknowledge"), &[("pin", &self.clinic.pin(role))]);
        let cookie = answer
            .header("set-cookie")
            .map(|cookie| cookie.split(';').next().unwrap_or_default().to_owned());
        let browser = cookie.map_or(self.clinic.http.clone(), |cookie| {
            self.clinic.http.with("cookie", &cookie)
        });
        CasePage {
            path,
            answer,
            browser,
        }
    }

    /// The session's cases as the care team sees them, oldest first.
    pub fn cases(&self) -> Vec<Value> {
        let nurse = self.clinic.staff("nurse");
        let session = nurse
            .get(&format!("/v1/sessions/{}", self.session))
            .expect(200)
            .json();
        let cases = session["cases"].as_array().expect("cases").iter();
        let whole = |case: &Value| nurse.get(&format!("/v1/cases/{}", case["id"].as_str().expect("an id")));
        cases.map(|case| whole(case).expect(200).json()).collect()
    }

    /// The one case of the session.
    #[track_caller]
    pub fn case(&self) -> Value {
        let cases = self.cases();
        assert_eq!(cases.len(), 1, "{cases:?}");
        cases[0].clone()
    }

    /// The causes of a case's signals.
    pub fn causes(case: &Value) -> Vec<String> {
        let signals = case["signals"].as_array().expect("signals");
        signals
            .iter()
            .map(|signal| signal["cause"].as_str().expect("a cause").to_owned())
            .collect()
    }
}

/// The page behind an escalation mail's link, after the PIN.
pub struct CasePage {
    /// `/c/…`.
    pub path: String,
    /// The answer to the PIN.
    pub answer: Answer,
    /// A browser with the page's cookie.
    pub browser: Client,
}

impl CasePage {
    /// The page as it is now.
    pub fn show(&self) -> String {
        self.browser.get(&self.path).expect(200).body
    }

    /// Presses a button.
    pub fn press(&self, act: &str, fields: &[(&str, &str)]) -> Answer {
        self.browser.form(&format!("{}/{act}", self.path), fields)
    }
}

/// The right answers to the questions about the sitter's page.
pub fn right_answers() -> BTreeMap<String, String> {
    let document = bedside_protocol::document::ProtocolDocument::shipped().expect("the shipped document");
    let questions = document.training.questions.into_iter();
    questions.map(|question| (question.key, question.right)).collect()
}

/// Answers to the questions of a row, all good but for `not_well`.
pub fn answers_to(rule: &str, not_well: &[&str]) -> Value {
    let document = bedside_protocol::document::ProtocolDocument::shipped().expect("the shipped document");
    let rule = document.check_rule(rule).expect("a row of the timetable");
    let answer = |key: &str, good: bool| if not_well.contains(&key) { !good } else { good };
    let answers = rule
        .questions
        .iter()
        .map(|question| (question.key.clone(), json!(answer(&question.key, question.good))));
    Value::Object(answers.collect())
}
