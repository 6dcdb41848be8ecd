//! From the dose to the release: the sitter's checks, but for the one that is missed.

use anyhow::{Context as _, Result};
use bedside_protocol::time::{Instant, seconds};
use serde_json::json;

use super::{Story, after_dose, planning};
use crate::demo::cast::{patient, sitter};
use crate::demo::expectations::Step;

/// The checks after the missed one: minutes after the dose, what it is called, whether blood pressure is measured.
const LATER: [(i64, &str, bool); 5] = [
    (45, "the 45 minute check", true),
    (60, "the 60 minute check", false),
    (75, "the 75 minute check", false),
    (90, "the 90 minute check", false),
    (105, "the 105 minute check", false),
];

impl Story {
    /// The end of the hold and T+15: answered in time.
    pub fn first_checks(&mut self, dosed_at: Instant) -> Result<()> {
        self.go_to(after_dose(dosed_at, planning::hold_min()) + seconds(20))?;
        let hold = self.sitter_checks("the hold is over, spat out as ordered", None)?;
        self.go_to(after_dose(dosed_at, 15) + seconds(15))?;
        let first = self.sitter_checks("the 15 minute check", None)?;
        self.theatre
            .expectations
            .check(Step::FirstChecksAnswered, hold && first);
        Ok(())
    }

    /// T+45 to T+105: answered in time, the first with blood pressure.
    pub fn later_checks(&mut self, dosed_at: Instant) -> Result<()> {
        let mut all_well = true;
        for (after_min, what, measures) in LATER {
            self.go_to(after_dose(dosed_at, after_min) + seconds(10))?;
            let well = self.sitter_checks(what, measures.then_some(("128", "82", "80")))?;
            all_well &= well;
            if measures {
                let path = format!("/v1/sessions/{}", self.session);
                let shown = self.nora.get(&path)?.to_string();
                self.theatre
                    .expectations
                    .check(Step::PressureMeasured, well && shown.contains("128"));
            }
        }
        self.theatre
            .expectations
            .check(Step::LaterChecksAnswered, all_well);
        Ok(())
    }

    /// No release before two hours; then both say that it is well.
    pub fn release(&mut self, dosed_at: Instant) -> Result<()> {
        self.go_to(after_dose(dosed_at, 116))?;
        let path = format!("/v1/sitting{}/release", self.sam_page.trim_start_matches("/s"));
        let questions = [
            "oriented",
            "walks_steadily",
            "pressure_near_start",
            "no_vomiting",
            "patient_feels_ready",
            "sitter_agrees",
        ];
        let answers: serde_json::Map<_, _> = questions
            .iter()
            .map(|key| ((*key).to_owned(), json!(true)))
            .collect();
        let early = crate::demo::http::post_json(&self.theatre.base, &path, &json!({ "answers": answers }))?;
        self.theatre
            .expectations
            .check(Step::EarlyReleaseRefused, early.status == 409);
        self.tell(
            sitter::FIRST_NAME,
            "wants to release at T+116: too early, it is refused",
        );

        self.go_to(after_dose(dosed_at, 120) + seconds(10))?;
        self.patient_checks("two hours: ready to be left alone")?;
        let released = self.sitter_checks("two hours, six questions to release", None)?;
        let state = self.state()?;
        self.theatre
            .expectations
            .check(Step::Released, released && state == "released");
        self.tell(sitter::FIRST_NAME, "releases Jordan");
        Ok(())
    }

    /// The patient answers the check-in that is open now, with the good answers. Whether it was taken.
    pub fn patient_checks(&mut self, what: &str) -> Result<bool> {
        let today = self.today()?;
        let open = today["session"]["check_ins"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let now = json!(self.now());
        let mine = open
            .iter()
            .find(|check| check["owed_by"] == "patient" && check["open"] == true);
        let check = mine.context("the patient's phone shows no check-in to answer")?;
        let questions = check["questions"].as_array().cloned().unwrap_or_default();
        let answers: serde_json::Map<_, _> = questions
            .iter()
            .filter_map(|question| question["key"].as_str())
            .map(|key| (key.to_owned(), json!(key != "safety_now")))
            .collect();
        let duty = check["duty_id"].as_str().unwrap_or_default();
        let path = format!("/v1/me/sessions/{}/check-ins/{duty}", self.session);
        let answered = self
            .jordan
            .post(&path, &json!({"answers": answers, "observed_at": now}))?;
        self.tell(patient::FIRST_NAME, what);
        Ok(answered["result"] == "well")
    }
}
