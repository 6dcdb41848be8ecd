//! What must have happened for the story to count as told. `--exit` ends with status 0 only if all of it did.

use std::sync::{Arc, Mutex, PoisonError};

/// One expected step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Patient and sitter were mailed three days before.
    HeadsUpSent,
    /// The sitter said yes behind the link of the mail.
    SitterAccepted,
    /// Patient and sitter were asked the day before.
    DayBeforeAsked,
    /// The patient was reminded of the day's list.
    DayReminded,
    /// A wrong read-back is shown the order again.
    WrongReadBackRefused,
    /// The dose stays locked, with reasons, until everything is done.
    LockedUntilReady,
    /// "I am here", with the code.
    SitterPresent,
    /// Both chose what was ordered.
    BothReadBack,
    /// Every item is done.
    ChecklistComplete,
    /// The dose was unlocked and logged by the book.
    DoseLogged,
    /// The checks at the end of the hold and at T+15 were answered in time.
    FirstChecksAnswered,
    /// The sitter was reminded before the T+30 check.
    SitterReminded,
    /// Sitter and patient were reminded after it.
    BothReminded,
    /// The check was marked as missed.
    CheckMissed,
    /// Nurse and backup were mailed.
    NurseAndBackupTold,
    /// Then everybody on call.
    EverybodyTold,
    /// A visit to the link changes nothing.
    VisitChangesNothing,
    /// A wrong PIN does not take the case.
    WrongPinRefused,
    /// The case was taken with the PIN behind the mail's link.
    CaseTaken,
    /// The page shows whom to call.
    NumbersShown,
    /// The case was contacted.
    CaseContacted,
    /// The case was resolved with a reason.
    CaseResolved,
    /// The check with blood pressure was answered.
    PressureMeasured,
    /// The later checks were answered.
    LaterChecksAnswered,
    /// No release before its time.
    EarlyReleaseRefused,
    /// The sitter released the patient.
    Released,
    /// The evening check-in was asked by mail and answered.
    EveningAnswered,
    /// The time line has it all, in order.
    TimeLineWhole,
    /// Nothing is left to send.
    NothingLeftToSend,
    /// The hash chains of the audit trail verify.
    AuditVerifies,
}

impl Step {
    /// Every step, in the order of the story.
    pub const ALL: [Self; 30] = [
        Self::HeadsUpSent,
        Self::SitterAccepted,
        Self::DayBeforeAsked,
        Self::DayReminded,
        Self::WrongReadBackRefused,
        Self::LockedUntilReady,
        Self::SitterPresent,
        Self::BothReadBack,
        Self::ChecklistComplete,
        Self::DoseLogged,
        Self::FirstChecksAnswered,
        Self::SitterReminded,
        Self::BothReminded,
        Self::CheckMissed,
        Self::NurseAndBackupTold,
        Self::EverybodyTold,
        Self::VisitChangesNothing,
        Self::WrongPinRefused,
        Self::CaseTaken,
        Self::NumbersShown,
        Self::CaseContacted,
        Self::CaseResolved,
        Self::PressureMeasured,
        Self::LaterChecksAnswered,
        Self::EarlyReleaseRefused,
        Self::Released,
        Self::EveningAnswered,
        Self::TimeLineWhole,
        Self::NothingLeftToSend,
        Self::AuditVerifies,
    ];

    /// The step in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::HeadsUpSent => "patient and sitter are reminded three days before",
            Self::SitterAccepted => "the sitter says yes behind the link of the mail",
            Self::DayBeforeAsked => "patient and sitter are asked the day before",
            Self::DayReminded => "the patient is reminded of the day's list",
            Self::WrongReadBackRefused => "a wrong read-back shows the order again",
            Self::LockedUntilReady => "the dose stays locked until everything is done",
            Self::SitterPresent => "the sitter says \"I am here\" with the code",
            Self::BothReadBack => "patient and sitter read the order back",
            Self::ChecklistComplete => "the checklist is complete",
            Self::DoseLogged => "the dose is unlocked and logged",
            Self::FirstChecksAnswered => "the first checks are answered in time",
            Self::SitterReminded => "the sitter is reminded before the T+30 check",
            Self::BothReminded => "sitter and patient are reminded after it",
            Self::CheckMissed => "the T+30 check is marked as missed",
            Self::NurseAndBackupTold => "nurse and backup are mailed",
            Self::EverybodyTold => "then everybody on call is mailed",
            Self::VisitChangesNothing => "opening the case's link changes nothing",
            Self::WrongPinRefused => "a wrong PIN does not take the case",
            Self::CaseTaken => "the case is taken with the PIN",
            Self::NumbersShown => "the page shows the numbers to call",
            Self::CaseContacted => "the case is contacted",
            Self::CaseResolved => "the case is resolved with a reason",
            Self::PressureMeasured => "the T+45 check comes with blood pressure",
            Self::LaterChecksAnswered => "the later checks are answered in time",
            Self::EarlyReleaseRefused => "there is no release before two hours",
            Self::Released => "the sitter releases the patient",
            Self::EveningAnswered => "the evening check-in is asked and answered",
            Self::TimeLineWhole => "the time line has it all in order",
            Self::NothingLeftToSend => "nothing is left to send",
            Self::AuditVerifies => "the audit trail verifies",
        }
    }
}

/// Which steps happened. Cheap to clone.
#[derive(Clone, Default)]
pub struct Expectations(Arc<Mutex<Vec<Step>>>);

impl Expectations {
    /// The step happened if `condition` holds.
    pub fn check(&self, step: Step, condition: bool) {
        if condition {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(step);
        }
    }

    /// The steps that did not happen.
    pub fn missing(&self) -> Vec<Step> {
        let met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Step::ALL.into_iter().filter(|step| !met.contains(step)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_happen_is_named_in_the_order_of_the_story() {
        let expectations = Expectations::default();
        assert_eq!(expectations.missing(), Step::ALL);
        for step in Step::ALL {
            expectations.check(step, step != Step::Released && step != Step::CaseTaken);
        }
        assert_eq!(expectations.missing(), [Step::CaseTaken, Step::Released]);
    }
}
