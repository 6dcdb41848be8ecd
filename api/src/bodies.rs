//! The bodies of reports as they are sent: answers, check-ins, readings, invitations, doses.
//!
//! Each becomes a protocol value or gives everything that is wrong with it at once, by field.

use std::collections::BTreeMap;

use bedside_protocol::answering::Form;
use bedside_protocol::check_in::Besides;
use bedside_protocol::checklist::{AnswerValue, Quantity};
use bedside_protocol::dosing::DoseReport;
use bedside_protocol::id::DutyId;
use bedside_protocol::measuring::NewReading;
use bedside_protocol::order::{AfterHold, Instruction};
use bedside_protocol::session::Candidate;
use bedside_protocol::sitting::Invitation;
use bedside_protocol::time::Instant;
use bedside_protocol::vitals::Vitals;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::handlers::instruments::{ANSWERS_MAX, given};
use crate::parse::{Checks, NAME_MAX, When, measured};

/// Longest text answer that is looked at, characters; the item's own limit is the rule's.
const ANSWER_MAX: usize = 4000;

/// The type of an answer to a checklist item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerType {
    /// `true` or `false`.
    YesNo,
    /// A time, RFC 3339.
    Time,
    /// A short text.
    Text,
    /// `{number, unit}`: a whole number in the item's unit.
    Number,
    /// One of the item's options.
    Choice,
    /// `{lozenge_count, hold_minutes, after_hold}` as the reader chose them.
    Readback,
    /// Nothing: the answer is taken back.
    Cleared,
}

/// An answer to a checklist item.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerBody {
    /// What kind of answer it is; the item says which it takes.
    #[serde(rename = "type")]
    pub kind: AnswerType,
    /// The answer.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub value: Value,
    /// When it was given, by the device; now if absent.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub observed_at: Option<When>,
}

/// What an order says, as the reader chose it.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadbackBody {
    /// Lozenges.
    pub lozenge_count: u32,
    /// Minutes under the tongue.
    pub hold_minutes: u32,
    /// `spit` or `swallow`.
    #[schema(value_type = String)]
    pub after_hold: AfterHold,
}

/// A whole number in a unit.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuantityBody {
    /// How many.
    pub number: i64,
    /// Of what; the item's own unit.
    pub unit: String,
}

impl AnswerBody {
    /// The answer and its time, or everything wrong with them.
    pub fn parse(self, now: Instant) -> Result<(AnswerValue, Option<Instant>), ApiError> {
        let mut checks = Checks::new();
        let observed_at = checks.when_given("observed_at", self.observed_at, now);
        let value = match self.kind {
            AnswerType::YesNo => AnswerValue::YesNo(value_as(&self.value)?),
            AnswerType::Time => {
                let at: When = value_as(&self.value)?;
                AnswerValue::Time(checks.when("value", at, now))
            }
            AnswerType::Text => {
                let text: String = value_as(&self.value)?;
                AnswerValue::Text(checks.text("value", &text, ANSWER_MAX))
            }
            AnswerType::Number => {
                let given: QuantityBody = value_as(&self.value)?;
                AnswerValue::Number(Quantity {
                    number: given.number,
                    unit: checks.line("value.unit", &given.unit, NAME_MAX),
                })
            }
            AnswerType::Choice => {
                let choice: String = value_as(&self.value)?;
                AnswerValue::Choice(checks.line("value", &choice, NAME_MAX))
            }
            AnswerType::Readback => {
                let read: ReadbackBody = value_as(&self.value)?;
                AnswerValue::Readback(Instruction {
                    lozenge_count: read.lozenge_count,
                    hold_minutes: read.hold_minutes,
                    after_hold: read.after_hold,
                })
            }
            AnswerType::Cleared => AnswerValue::Cleared,
        };
        checks.done()?;
        Ok((value, observed_at))
    }
}

/// The `value` of an answer; a fault names the path below it.
fn value_as<T: DeserializeOwned>(value: &Value) -> Result<T, ApiError> {
    let bytes = serde_json::to_vec(value).map_err(|error| ApiError::internal(&error))?;
    crate::extract::parse(&bytes).map_err(|error| match error {
        ApiError::Malformed { field, message } => {
            let field = if field.is_empty() {
                "value".to_owned()
            } else {
                format!("value.{field}")
            };
            ApiError::Malformed { field, message }
        }
        other => other,
    })
}

/// What a cuff showed. Pressures in mmHg, pulse in beats a minute, oxygen in percent.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VitalsBody {
    /// Systolic.
    pub sbp: i64,
    /// Diastolic.
    pub dbp: i64,
    /// Pulse.
    pub hr: i64,
    /// Oxygen, where there is an oximeter.
    #[serde(default)]
    pub spo2: Option<i64>,
    /// With headache, chest pain, blurred sight or shortness of breath.
    #[serde(default)]
    pub with_symptom: bool,
    /// When it was measured, by the device; now if absent.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub observed_at: Option<When>,
}

impl VitalsBody {
    /// The reading; `field` is the path of its time.
    pub fn parse(self, field: &str, checks: &mut Checks, now: Instant) -> NewReading {
        NewReading {
            vitals: Vitals {
                sbp: measured(self.sbp),
                dbp: measured(self.dbp),
                hr: measured(self.hr),
                spo2: self.spo2.map(measured),
            },
            with_symptom: self.with_symptom,
            observed_at: checks.when_given(field, self.observed_at, now),
        }
    }
}

/// An answer to a check-in.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckInBody {
    /// Yes or no to each question, by its key.
    pub answers: BTreeMap<String, bool>,
    /// Blood pressure and pulse, where they are asked for.
    #[serde(default)]
    pub vitals: Option<VitalsBody>,
    /// The clinic's list of side effects, by item, where it is asked for: true or false, or a number.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub side_effects: BTreeMap<String, Value>,
    /// Lozenges that are left, where they are counted.
    #[serde(default)]
    pub lozenges_left: Option<u32>,
    /// What is asked for in words, by its key.
    #[serde(default)]
    pub words: BTreeMap<String, String>,
    /// When it was answered, by the device; now if absent.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub observed_at: Option<When>,
}

impl CheckInBody {
    /// The form for one duty, or everything wrong with it.
    pub fn parse(self, duty: DutyId, now: Instant) -> Result<Form, ApiError> {
        let mut checks = Checks::new();
        if self.answers.len() > ANSWERS_MAX {
            checks.fault("answers", format!("has more than {ANSWERS_MAX} answers"));
        }
        if self.side_effects.len() > ANSWERS_MAX {
            checks.fault("side_effects", format!("has more than {ANSWERS_MAX} answers"));
        }
        let side_effects = self.side_effects.iter();
        let besides = Besides {
            side_effects: side_effects
                .map(|(key, value)| (key.clone(), given(value)))
                .collect(),
            lozenges_left: self.lozenges_left,
            words: self.words,
        };
        let reading = self
            .vitals
            .map(|vitals| vitals.parse("vitals.observed_at", &mut checks, now));
        let observed_at = checks.when_given("observed_at", self.observed_at, now);
        checks.done()?;
        Ok(Form {
            duty,
            answers: self.answers,
            besides,
            reading,
            observed_at,
        })
    }
}

/// Whom to ask to sit.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationBody {
    /// What the patient calls them.
    pub name: String,
    /// Their own address.
    pub email: String,
    /// Their telephone number.
    pub phone: String,
}

impl InvitationBody {
    /// The invitation, or everything wrong with it.
    pub fn parse(&self) -> Result<Invitation, ApiError> {
        let mut checks = Checks::new();
        let invitation = Invitation {
            name: checks.line("name", &self.name, NAME_MAX),
            email: checks.email("email", &self.email),
            phone: checks.phone("phone", &self.phone),
        };
        checks.done()?;
        Ok(invitation)
    }
}

/// Who may be asked to sit, one after the other.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CandidatesBody {
    /// In this order. Takes the place of who was named before and has not been asked yet.
    pub candidates: Vec<CandidateBody>,
}

/// Somebody who may be asked to sit.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CandidateBody {
    /// What the patient calls them.
    pub name: String,
    /// Their own address.
    pub email: String,
    /// Their telephone number.
    pub phone: String,
    /// They have so many minutes to answer; the protocol's own number if absent.
    #[serde(default)]
    pub answer_within_min: Option<i64>,
}

impl CandidatesBody {
    /// The list, or everything wrong with it.
    pub fn parse(&self) -> Result<Vec<Candidate>, ApiError> {
        let mut checks = Checks::new();
        if self.candidates.len() > ANSWERS_MAX {
            checks.fault("candidates", format!("has more than {ANSWERS_MAX} people"));
            checks.done()?;
            return Ok(Vec::new());
        }
        let list = self.candidates.iter().enumerate();
        let list = list.map(|(index, it)| Candidate {
            name: checks.line(&format!("candidates[{index}].name"), &it.name, NAME_MAX),
            email: checks.email(&format!("candidates[{index}].email"), &it.email),
            phone: checks.phone(&format!("candidates[{index}].phone"), &it.phone),
            answer_within_min: it.answer_within_min,
        });
        let list = list.collect();
        checks.done()?;
        Ok(list)
    }
}

/// A clinician decides that an item need not be done.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideBody {
    /// Why, for the clinic only.
    pub reason: String,
    /// Until when.
    #[schema(value_type = DateTime<Utc>)]
    pub until: When,
}

/// The answers to the questions about the sitter's page.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainingBody {
    /// The key of what was chosen, by the question's key.
    pub answers: BTreeMap<String, String>,
}

/// What a report of a dose says, of what can be read; what cannot be read counts as not said.
pub fn dose_report(fields: &Map<String, Value>) -> DoseReport {
    let time = |name: &str| {
        fields
            .get(name)
            .and_then(Value::as_str)
            .and_then(When::parse)
            .map(|when| when.0)
    };
    let version = fields
        .get("order_version")
        .and_then(Value::as_u64)
        .and_then(|version| u32::try_from(version).ok());
    DoseReport {
        observed_at: time("observed_at"),
        device_now: time("device_now"),
        shown_order_version: version,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_report_of_a_dose_is_read_as_far_as_it_can_be() {
        let whole = dose_report(&fields(&json!({
            "observed_at": "2026-11-21T15:00:00-05:00", "device_now": "2026-11-21T20:00:01Z", "order_version": 3,
            "battery": 12,
        })));
        assert_eq!(whole.observed_at, Some("2026-11-21T20:00:00Z".parse().unwrap()));
        assert_eq!(whole.device_now, Some("2026-11-21T20:00:01Z".parse().unwrap()));
        assert_eq!(whole.shown_order_version, Some(3));
        for nonsense in [
            json!({}),
            json!({"observed_at": 12, "order_version": -1}),
            json!({"observed_at": "soon"}),
        ] {
            assert_eq!(dose_report(&fields(&nonsense)), DoseReport::default());
        }
    }

    #[test]
    fn an_answer_is_of_the_type_it_says_and_a_fault_names_its_path() {
        let now: Instant = "2026-11-21T12:00:00Z".parse().unwrap();
        let parse = |body: Value| {
            let body: AnswerBody = crate::extract::parse(body.to_string().as_bytes())?;
            body.parse(now).map(|(value, _)| value)
        };
        assert_eq!(
            parse(json!({"type": "yes_no", "value": true})),
            Ok(AnswerValue::YesNo(true))
        );
        assert_eq!(parse(json!({"type": "cleared"})), Ok(AnswerValue::Cleared));
        let read = json!({"type": "readback",
            "value": {"lozenge_count": 2, "hold_minutes": 10, "after_hold": "spit"}});
        assert!(matches!(parse(read), Ok(AnswerValue::Readback(_))));
        for (body, field) in [
            (json!({"type": "yes_no", "value": "yes"}), "value"),
            (json!({"type": "yes_no"}), "value"),
            (json!({"type": "dance", "value": 1}), "type"),
            (json!({"type": "number", "value": 3}), "value"),
            (json!({"type": "number", "value": {"number": 3}}), "value.unit"),
            (
                json!({"type": "number", "value": {"number": 3.5, "unit": "lozenges"}}),
                "value.number",
            ),
            (
                json!({"type": "readback", "value": {"lozenge_count": 2}}),
                "value.hold_minutes",
            ),
            (json!({"type": "time", "value": "noon"}), "value"),
            (json!({"value": 1}), "type"),
        ] {
            match parse(body.clone()) {
                Err(ApiError::Malformed { field: named, .. }) => assert_eq!(named, field, "{body}"),
                other => panic!("{body}: {other:?}"),
            }
        }
        let far = parse(json!({"type": "time", "value": "1900-01-01T00:00:00Z"}));
        assert_eq!(far.unwrap_err().code(), "invalid");
    }
}

/// A corrected time of the dose.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DoseTimeBody {
    /// When the lozenge went in.
    #[schema(value_type = DateTime<Utc>)]
    pub taken_at: When,
}
