//! Four days before: the patient is taken on and enrolled, the order signed, the session planned, a sitter asked.

use anyhow::{Context as _, Result};
use bedside_protocol::time::{Planned, minutes, seconds};
use chrono::NaiveTime;
use serde_json::{Value, json};

use super::{Story, Theatre, enrolling, staff_phone};
use crate::demo::cast::{self, BEN, COLE, NORA, PRIYA, patient, sitter};
use crate::demo::expectations::Step;
use crate::demo::http::{Browser, Phone, post_json};

/// How far ahead the session is planned, days: more than the three of the first reminder.
const DAYS_AHEAD: u64 = 4;

/// The hour of the session.
const HOUR: u32 = 10;

/// What is ordered: lozenges, milligrams of each, minutes to hold, and then.
const ORDER: (u32, u32, u32, &str) = (2, 100, 10, "spit");

/// What is read back.
pub fn instruction() -> Value {
    json!({"lozenge_count": ORDER.0, "hold_minutes": ORDER.2, "after_hold": ORDER.3})
}

/// The same in the fields of a form.
pub fn instruction_fields() -> [(&'static str, String); 3] {
    [
        ("lozenge_count", ORDER.0.to_string()),
        ("hold_minutes", ORDER.2.to_string()),
        ("after_hold", ORDER.3.to_owned()),
    ]
}

/// The minutes of the hold.
pub fn hold_min() -> i64 {
    i64::from(ORDER.2)
}

/// Plans everything up to the sitter's yes.
pub fn plan(theatre: Theatre) -> Result<Story> {
    let (stage, base) = (theatre.stage.clone(), theatre.base.clone());
    let mut cole = staff_phone(&base, &COLE)?;
    let mut priya = staff_phone(&base, &PRIYA)?;
    let nora = staff_phone(&base, &NORA)?;

    let new = json!({
        "name": patient::NAME, "first_name": patient::FIRST_NAME, "email": patient::EMAIL, "phone": patient::PHONE,
        "address": patient::ADDRESS, "zone": cast::ZONE,
        "emergency_contact": {"name": patient::CONTACT_NAME, "phone": patient::CONTACT_PHONE},
    });
    let id = id_of(&cole.post("/v1/patients", &new)?)?;
    stage.tell(COLE.first_name(), "takes Jordan on as a patient");
    let account = theatre
        .mailboxes
        .wait_for_link(&stage, patient::EMAIL, "/account/", 0)?;
    post_json(
        &base,
        &format!("/v1{account}"),
        &json!({"password": patient::PASSWORD}),
    )?
    .well()?;
    stage.tell(patient::FIRST_NAME, "sets a password behind the link of the mail");

    for on_call in [NORA, BEN] {
        let test = theatre.mailboxes.wait_for_link(&stage, on_call.email, "/t/", 0)?;
        let mut browser = Browser::new(&base);
        let asked = browser.open(&test)?;
        let form = asked
            .form(&test)
            .context("a button on the page of the test message")?;
        browser.submit(&test, &form, &[])?;
        stage.tell(on_call.first_name(), "is on call and answers the test message");
    }

    let today = stage.zone.date_of(stage.now());
    let order = json!({
        "lozenge_count": ORDER.0, "strength_mg": ORDER.1, "hold_minutes": ORDER.2, "after_hold": ORDER.3,
        "prescribed_on": today, "expires_on": today + chrono::Months::new(3), "refills_left": 2,
    });
    priya.post(&format!("/v1/patients/{id}/orders"), &order)?;
    let then = if ORDER.3 == "spit" { "SPIT" } else { "SWALLOW" };
    stage.tell(
        PRIYA.first_name(),
        &format!(
            "signs the order: {} lozenges, hold {} minutes, then {then}",
            ORDER.0, ORDER.2
        ),
    );

    let mut jordan = Phone::log_in(&base, cast::CLINIC, patient::EMAIL, patient::PASSWORD)?;
    enrolling::enrol(&theatre, &mut jordan, &mut priya, &id)?;

    let on = today + chrono::Days::new(DAYS_AHEAD);
    let time = NaiveTime::from_hms_opt(HOUR, 0, 0).context("an hour of the day")?;
    let planned = Planned::new(on, time, stage.zone);
    let session = cole.post(
        &format!("/v1/patients/{id}/sessions"),
        &json!({"on": on, "time": time}),
    )?;
    let session = id_of(&session)?;
    stage.tell(
        COLE.first_name(),
        &format!("plans the session for {}", stage.zone.long(planned.at)),
    );

    let mut story = Story {
        jordan,
        nora,
        cole,
        sam: Browser::new(&base),
        sam_page: String::new(),
        patient: id,
        session,
        planned_at: planned.at,
        theatre,
    };
    story.invite()?;
    Ok(story)
}

fn id_of(body: &Value) -> Result<String> {
    body["id"]
        .as_str()
        .map(str::to_owned)
        .context("the answer has no id")
}

/// The questions about the sitter's page with their right answers.
const SITTERS_PAGE: [(&str, &str); 4] = [
    ("red_flags", "not_waking"),
    ("emergency_first", "call"),
    ("as_ordered", "order"),
    ("stay", "released"),
];

impl Story {
    /// The patient asks the sitter, who says yes on their own page.
    fn invite(&mut self) -> Result<()> {
        self.ask_sitter()?;
        let page = self.sam_page.clone();
        let seen = self.sam.send_well(
            &page,
            "accept",
            &[("is_adult", "yes"), ("may_be_contacted", "yes")],
        )?;
        self.theatre
            .expectations
            .check(Step::SitterAccepted, seen.form("/accept").is_none());
        self.tell(sitter::FIRST_NAME, "opens the link, is 18 or older, and says yes");
        let right = SITTERS_PAGE.map(|(question, answer)| (format!("answers.{question}"), answer));
        let right: Vec<(&str, &str)> = right
            .iter()
            .map(|(name, answer)| (name.as_str(), *answer))
            .collect();
        self.sam.send_well(&page, "training", &right)?;
        self.tell(
            sitter::FIRST_NAME,
            "reads the page for sitters and answers its four questions",
        );
        Ok(())
    }

    fn ask_sitter(&mut self) -> Result<()> {
        let mark = self.theatre.mailboxes.count();
        let path = format!("/v1/me/sessions/{}/sitters", self.session);
        let asked = json!({"name": sitter::NAME, "email": sitter::EMAIL, "phone": sitter::PHONE});
        self.jordan.post(&path, &asked)?;
        self.tell(patient::FIRST_NAME, "asks Sam to sit");
        self.sam_page =
            self.theatre
                .mailboxes
                .wait_for_link(&self.theatre.stage, sitter::EMAIL, "/s/", mark)?;
        Ok(())
    }

    /// Three days before, both are reminded; the day before, both are asked.
    pub fn days_before(&mut self) -> Result<()> {
        let both = [patient::EMAIL, sitter::EMAIL];
        let reminded = self.mails_at(self.planned_at - minutes(72 * 60), &both)?;
        self.theatre.expectations.check(Step::HeadsUpSent, reminded);

        let asked = self.mails_at(self.planned_at - minutes(26 * 60), &both)?;
        self.theatre.expectations.check(Step::DayBeforeAsked, asked);
        self.go_to(self.now() + seconds(120))?;
        for (item, good) in [
            ("still_on", true),
            ("changes_health", false),
            ("changes_meds", false),
        ] {
            self.patient_answers(item, "yes_no", &json!(good))?;
        }
        self.tell(
            patient::FIRST_NAME,
            "it is still on; no change of health or medicine",
        );
        self.sitter_answers("sitter_available", &[("value", "yes")])?;
        self.tell(sitter::FIRST_NAME, "will be there until the release");
        let path = format!("/v1/sessions/{}/checklist/sitter_called", self.session);
        self.nora.post(&path, &json!({"type": "yes_no", "value": true}))?;
        self.tell(
            NORA.first_name(),
            "has spoken to Sam by telephone, as before every first session",
        );
        Ok(())
    }

    /// Another session, so that the audience has live pages to go on with.
    pub fn plan_another(&mut self) -> Result<String> {
        let zone = self.theatre.stage.zone;
        let on = zone.date_of(self.now()) + chrono::Days::new(DAYS_AHEAD);
        let time = NaiveTime::from_hms_opt(HOUR, 0, 0).context("an hour of the day")?;
        let path = format!("/v1/patients/{}/sessions", self.patient);
        let session = self.cole.post(&path, &json!({"on": on, "time": time}))?;
        self.session = id_of(&session)?;
        self.tell(COLE.first_name(), "plans the next session, for you to go on with");
        self.ask_sitter()?;
        Ok(self.sam_page.clone())
    }
}
