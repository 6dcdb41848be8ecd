//! A session as coordinators and managers see it: that an answer or a reading came and when, and not what it says.

use bedside_protocol::gate::ReasonCode;

use super::session::StaffSessionView;
use super::shared::{NOT_GOOD, ReasonView};

/// What keeps a dose locked and says what was answered or measured.
const TELL_ANSWERS: [ReasonCode; 5] = [
    ReasonCode::ItemNotGood,
    ReasonCode::TooRecent,
    ReasonCode::VitalsOverLimit,
    ReasonCode::ReadbackWrong,
    ReasonCode::SafetyAnswer,
];

/// What stands for them before who does not see answers.
const ANSWER: &str = "answer";

/// The status of an item whose answer keeps the dose locked, before who does not see answers.
const ANSWERED: &str = "answered";

impl StaffSessionView {
    /// Without what was answered and measured, for those who only need to know that it came and when: coordinators and
    /// managers. What keeps the dose locked because of an answer says so without naming it.
    pub fn without_answers(mut self) -> Self {
        for answer in &mut self.answers {
            answer.value = serde_json::Value::Null;
        }
        for answer in &mut self.check_in_answers {
            answer.answers.clear();
            answer.bad.clear();
            answer.side_effects.clear();
            answer.lozenges_left = None;
            answer.words.clear();
        }
        for reading in &mut self.readings {
            (reading.sbp, reading.dbp, reading.hr) = (None, None, None);
            (reading.spo2, reading.with_symptom) = (None, None);
        }
        for item in self.checklist.iter_mut().filter(|item| item.status == NOT_GOOD) {
            ANSWERED.clone_into(&mut item.status);
            item.reason = None;
        }
        let mut tells = false;
        self.gate_reasons.retain(|reason| {
            let of_answer = TELL_ANSWERS.iter().any(|code| code.name() == reason.code);
            tells |= of_answer;
            !of_answer
        });
        if tells {
            self.gate_reasons.push(ReasonView {
                code: ANSWER.to_owned(),
                item: None,
                actor: None,
                message: "An answer or a reading keeps the dose locked; nurses and prescribers see which."
                    .to_owned(),
            });
        }
        if let (Some(because), false) = (&mut self.held_because, self.held_by_clinician) {
            "an answer or a reading".clone_into(because);
        }
        self
    }
}
