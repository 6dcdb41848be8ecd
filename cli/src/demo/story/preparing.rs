//! The day: the list, the sitter's "I am here", the order read back by both, and the dose.

use anyhow::{Context as _, Result};
use bedside_protocol::time::{Instant, minutes, seconds};
use serde_json::{Value, json};

use super::{Story, planning};
use crate::demo::cast::{patient, sitter};
use crate::demo::expectations::Step;

/// The patient's yes and no items of the day, with the good answer.
const DAY_LIST: [(&str, bool); 11] = [
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
];

impl Story {
    /// Three hours before: a reminder, and the day's list.
    pub fn morning(&mut self) -> Result<()> {
        let reminded = self.mails_at(self.planned_at - minutes(180), &[patient::EMAIL])?;
        self.theatre.expectations.check(Step::DayReminded, reminded);
        self.go_to(self.now() + seconds(90))?;
        for (item, good) in DAY_LIST {
            self.patient_answers(item, "yes_no", &json!(good))?;
        }
        let (ate_at, drank_at) = (
            self.planned_at - minutes(14 * 60),
            self.planned_at - minutes(4 * 60),
        );
        self.patient_answers("last_food_at", "time", &json!(ate_at))?;
        self.patient_answers("last_drink_at", "time", &json!(drank_at))?;
        let zone = self.theatre.stage.zone;
        let fasting = format!(
            "last meal at {}, last drink at {}",
            zone.clock_12h(ate_at),
            zone.clock_12h(drank_at)
        );
        self.tell(
            patient::FIRST_NAME,
            &format!("fills the day's list: {} items; {fasting}", DAY_LIST.len() + 2),
        );
        Ok(())
    }

    /// The last quarter of an hour, up to the dose. Gives T0.
    pub fn prepare_and_dose(&mut self) -> Result<Instant> {
        self.go_to(self.planned_at - minutes(20))?;
        let vitals = json!({"sbp": 122, "dbp": 78, "hr": 72, "observed_at": self.now()});
        self.jordan
            .post(&format!("/v1/me/sessions/{}/vitals", self.session), &vitals)?;
        self.tell(patient::FIRST_NAME, "measures: blood pressure 122/78, pulse 72");
        self.sitter_answers("phones", &[("value", "yes")])?;
        self.tell(sitter::FIRST_NAME, "has a charged telephone at hand");

        self.go_to(self.planned_at - minutes(14))?;
        let unlock = format!("/v1/me/sessions/{}/unlock", self.session);
        let locked = self.jordan.try_post(&unlock, &json!({}))?;
        let reasons = locked.body["reasons"].as_array().map_or(0, Vec::len);
        self.theatre
            .expectations
            .check(Step::LockedUntilReady, locked.status == 409 && reasons > 0);
        self.tell(
            patient::FIRST_NAME,
            &format!("tries to open the dose: locked, with {reasons} reasons"),
        );
        self.sitter_arrives()?;
        self.read_back()?;

        let today = self.today()?;
        let open = today["session"]["gate"]["open"] == Value::Bool(true);
        self.theatre.expectations.check(Step::ChecklistComplete, open);
        self.jordan.post(&unlock, &json!({}))?;
        self.tell(patient::FIRST_NAME, "every item is done; the dose is open");
        let order_version = today["session"]["order"]["version"].clone();
        let now = self.now();
        let dose = json!({"observed_at": now, "device_now": now, "order_version": order_version});
        let logged = self
            .jordan
            .post(&format!("/v1/me/sessions/{}/dose", self.session), &dose)?;
        self.theatre
            .expectations
            .check(Step::DoseLogged, logged["result"] == "recorded");
        let taken_at = logged["taken_at"]
            .as_str()
            .context("the answer has no taken_at")?
            .parse()?;
        self.tell(
            patient::FIRST_NAME,
            "\"in the mouth now\": T0. The whole timetable is made",
        );
        Ok(taken_at)
    }

    /// "I am here", with the four digits on the patient's telephone, on the sitter's own.
    fn sitter_arrives(&mut self) -> Result<()> {
        let code = self.today()?["session"]["sitter"]["presence_code"]
            .as_str()
            .map(str::to_owned);
        let code = code.context("the patient's phone shows no code")?;
        let page = self.sam_page.clone();
        self.sam.send_well(&page, "present", &[("code", &code)])?;
        let state = self.today()?["session"]["sitter"]["state"].clone();
        self.theatre
            .expectations
            .check(Step::SitterPresent, state == "present");
        self.tell(
            sitter::FIRST_NAME,
            &format!("\"I am here\", with the code {code} from Jordan's phone"),
        );
        self.sitter_answers("sitter_fit", &[("value", "yes")])?;
        self.tell(sitter::FIRST_NAME, "is sober, wears no headphones, and will stay");
        Ok(())
    }

    /// Both choose what is ordered; the sitter is wrong at first.
    fn read_back(&mut self) -> Result<()> {
        let fields = planning::instruction_fields();
        let right: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let wrong: Vec<(&str, &str)> = right
            .iter()
            .map(|field| {
                if field.0 == "after_hold" {
                    ("after_hold", "swallow")
                } else {
                    *field
                }
            })
            .collect();
        let again = self.sitter_answers("order_readback", &wrong)?;
        let asked_again = again.form("/checklist/order_readback").is_some();
        self.theatre
            .expectations
            .check(Step::WrongReadBackRefused, asked_again);
        self.tell(
            sitter::FIRST_NAME,
            "reads back \"… then swallow\": wrong, the order is shown again",
        );
        self.sitter_answers("order_readback", &right)?;
        self.tell(
            sitter::FIRST_NAME,
            "reads back: 2 lozenges, hold 10 minutes, then spit",
        );
        let patients = self.patient_answers("order_readback", "readback", &planning::instruction())?;
        self.tell(
            patient::FIRST_NAME,
            "reads back: 2 lozenges, hold 10 minutes, then spit",
        );
        let open = self.today()?["session"]["gate"]["reasons"].to_string();
        self.theatre.expectations.check(
            Step::BothReadBack,
            patients == "done" && !open.contains("order_readback"),
        );
        Ok(())
    }
}
