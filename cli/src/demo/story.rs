//! The story: one session from its planning to the evening after, played over HTTP by a phone, a sitter's browser, and
//! a nurse who follows the link of an escalation mail.

mod after;
mod enrolling;
mod escalation;
mod planning;
mod preparing;
mod watching;

use std::time::Duration;

use anyhow::{Context as _, Result};
use bedside_protocol::time::{Instant, minutes, seconds};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::cast::{self, Staff};
use super::expectations::Expectations;
use super::facts::Facts;
use super::http::{Browser, Page, Phone};
use super::mails::Mailboxes;
use super::stage::Stage;
use super::tempo::Tempo;

/// How long a mail may take to arrive once it is due, real time.
const MAIL_WITHIN: Duration = Duration::from_secs(10);

/// What the story is played on.
pub struct Theatre {
    /// Clock and voice.
    pub stage: Stage,
    /// The way through time.
    pub tempo: Tempo,
    /// What the program decides.
    pub facts: Facts,
    /// Where waiting is done.
    pub runtime: Handle,
    /// What arrived by mail.
    pub mailboxes: Mailboxes,
    /// What must happen.
    pub expectations: Expectations,
    /// Where the server is.
    pub base: String,
}

/// What the audience can go on with.
#[derive(Debug, Clone)]
pub struct Played {
    /// The session that was played.
    pub session: String,
    /// The path of the page of the case.
    pub case_page: String,
    /// The path of the sitter's page for the next session.
    pub sitter_page: String,
}

/// The play in progress.
struct Story {
    theatre: Theatre,
    jordan: Phone,
    nora: Phone,
    cole: Phone,
    sam: Browser,
    /// The path of the sitter's page.
    sam_page: String,
    patient: String,
    session: String,
    planned_at: Instant,
}

/// Plays the whole story. Blocks.
pub fn play(theatre: Theatre) -> Result<Played> {
    let mut story = planning::plan(theatre).context("planning the session")?;
    story.days_before().context("the days before")?;
    story.morning().context("the morning of the session")?;
    let dosed_at = story.prepare_and_dose().context("the last quarter of an hour")?;
    story.first_checks(dosed_at).context("the first checks")?;
    let case_page = story.missed_check(dosed_at).context("the missed check")?;
    story.later_checks(dosed_at).context("the later checks")?;
    story.release(dosed_at).context("the release")?;
    story.evening(dosed_at).context("the evening")?;
    let session = story.session.clone();
    let sitter_page = story.plan_another().context("planning another session")?;
    Ok(Played {
        session,
        case_page,
        sitter_page,
    })
}

impl Story {
    fn tell(&self, who: &str, what: &str) {
        self.theatre.stage.tell(who, what);
        self.theatre.runtime.block_on(self.theatre.facts.tell_new());
    }

    fn now(&self) -> Instant {
        self.theatre.stage.now()
    }

    fn go_to(&self, at: Instant) -> Result<()> {
        self.theatre.tempo.go_to(at)
    }

    /// Goes to `at` and sees whether mail comes to each of these addresses because of it.
    fn mails_at(&self, at: Instant, addresses: &[&str]) -> Result<bool> {
        self.go_to(at - seconds(5))?;
        let mark = self.theatre.mailboxes.count();
        self.go_to(at + seconds(1))?;
        Ok(self.theatre.mailboxes.wait_for_all(addresses, mark, MAIL_WITHIN))
    }

    fn today(&mut self) -> Result<Value> {
        self.jordan.get("/v1/me/today")
    }

    /// The patient answers an item of the checklist; what became of it.
    fn patient_answers(&mut self, item: &str, kind: &str, value: &Value) -> Result<String> {
        let path = format!("/v1/me/sessions/{}/checklist/{item}", self.session);
        let answer = self.jordan.post(
            &path,
            &json!({"type": kind, "value": value, "observed_at": self.now()}),
        )?;
        Ok(answer["result"].as_str().unwrap_or_default().to_owned())
    }

    /// The sitter answers an item on their page.
    fn sitter_answers(&mut self, item: &str, filled: &[(&str, &str)]) -> Result<Page> {
        let page = self.sam_page.clone();
        self.sam.send_well(&page, &format!("checklist/{item}"), filled)
    }

    /// The sitter answers the check that their page shows now, all well; whether it was taken.
    fn sitter_checks(&mut self, what: &str, reading: Option<(&str, &str, &str)>) -> Result<bool> {
        let path = self.sam_page.clone();
        let page = self.sam.open(&path)?;
        let form = page
            .form("/check-ins/")
            .with_context(|| format!("the sitter's page shows no check at {what}"))?;
        let questions = form.open_questions();
        let mut filled: Vec<(&str, &str)> = questions.iter().map(|name| (name.as_str(), "yes")).collect();
        let mut told = format!("{what}: all well");
        if let Some((sbp, dbp, hr)) = reading.filter(|_| form.asks("vitals.sbp")) {
            filled.extend([("vitals.sbp", sbp), ("vitals.dbp", dbp), ("vitals.hr", hr)]);
            told = format!("{told}; blood pressure {sbp}/{dbp}, pulse {hr}");
        }
        let after = self.sam.submit(&path, &form, &filled)?;
        self.tell(cast::sitter::FIRST_NAME, &told);
        let still_there = after
            .form("/check-ins/")
            .is_some_and(|it| it.action == form.action);
        Ok(after.status == 200 && !still_there)
    }

    fn state(&mut self) -> Result<String> {
        let path = format!("/v1/sessions/{}", self.session);
        let session = self.nora.get(&path)?;
        Ok(session["state"].as_str().unwrap_or_default().to_owned())
    }
}

/// Logs a member of staff in.
fn staff_phone(base: &str, staff: &Staff) -> Result<Phone> {
    Phone::log_in(base, cast::CLINIC, staff.email, staff.password)
}

/// `minutes` after the dose.
fn after_dose(dosed_at: Instant, after_min: i64) -> Instant {
    dosed_at + minutes(after_min)
}
