//! One reason why the dose is not open: a stable code, the item it is about, and words for the person.

use crate::checklist::Actor;
use crate::document::Item;

/// What keeps the dose locked; the names stand in answers of the API and in records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasonCode {
    /// The session is on hold.
    Held,
    /// It is too early to prepare.
    PreparationNotOpen,
    /// The session is under way or over.
    SessionOver,
    /// The patient's course is not active.
    Paused,
    /// A clinician holds the course.
    CourseHeld,
    /// A clinician has not reviewed the course yet.
    ReviewDue,
    /// The lozenges dispensed for the course are used up.
    CourseOver,
    /// Before the time from which a dose may be unlocked.
    TooEarly,
    /// After the time until which a dose may be unlocked.
    TooLate,
    /// Too soon after the last dose.
    Interval,
    /// Too many doses in seven days.
    Rolling7Days,
    /// The patient said yes to "right now", and no clinician has reviewed it.
    SafetyAnswer,
    /// Something of the enrolment is missing, or was taken back.
    EnrolmentOpen,
    /// Something of the enrolment was settled too long ago.
    EnrolmentExpired,
    /// Who signed the order has no licence for where the patient is.
    Licence,
    /// Nothing is signed.
    NoOrder,
    /// The last day of the order is over.
    OrderExpired,
    /// The ledger says that there are fewer lozenges than ordered.
    TooFewLozenges,
    /// The sitter was asked and has not said yes.
    SitterNotAccepted,
    /// Nobody is asked to sit.
    NoSitter,
    /// Somebody is missing on call, now or before the session is surely over.
    NobodyOnCall,
    /// Nurse or backup on call have not shown that messages reach them.
    OnCallNotTested,
    /// The care team is looking into something.
    OpenCase,
    /// Nobody would notice a missed check.
    WatchDown,
    /// An item is not answered.
    ItemOpen,
    /// An item was done too long ago.
    ItemExpired,
    /// An item was not answered as it should be.
    ItemNotGood,
    /// Food or drink was too short a time ago.
    TooRecent,
    /// The last reading is outside the limits.
    VitalsOverLimit,
    /// The order was signed anew since it was read back.
    OrderChanged,
    /// What was read back is not what was ordered.
    ReadbackWrong,
}

impl ReasonCode {
    /// The stable name, in JSON and in the record of a dose.
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::PreparationNotOpen => "preparation-not-open",
            Self::SessionOver => "session-over",
            Self::Paused => "paused",
            Self::CourseHeld => "course-held",
            Self::ReviewDue => "review-due",
            Self::CourseOver => "course-over",
            Self::TooEarly => "too-early",
            Self::TooLate => "too-late",
            Self::Interval => "interval",
            Self::Rolling7Days => "rolling-7-days",
            Self::SafetyAnswer => "safety-answer",
            Self::EnrolmentOpen => "enrolment-open",
            Self::EnrolmentExpired => "enrolment-expired",
            Self::Licence => "licence",
            Self::NoOrder => "no-order",
            Self::OrderExpired => "order-expired",
            Self::TooFewLozenges => "too-few-lozenges",
            Self::SitterNotAccepted => "sitter-not-accepted",
            Self::NoSitter => "no-sitter",
            Self::NobodyOnCall => "nobody-on-call",
            Self::OnCallNotTested => "on-call-not-tested",
            Self::OpenCase => "open-case",
            Self::WatchDown => "watch-down",
            Self::ItemOpen => "item-open",
            Self::ItemExpired => "item-expired",
            Self::ItemNotGood => "item-not-good",
            Self::TooRecent => "too-recent",
            Self::VitalsOverLimit => "vitals-over-limit",
            Self::OrderChanged => "order-changed",
            Self::ReadbackWrong => "readback-wrong",
        }
    }
}

/// One reason why the dose is not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Which.
    pub code: ReasonCode,
    /// The checklist item, where it is one.
    pub item: Option<String>,
    /// Whose move it is, where it is one person's.
    pub actor: Option<Actor>,
    /// In words for the patient and the sitter.
    pub message: String,
}

impl Reason {
    pub(super) fn new(code: ReasonCode, message: impl Into<String>) -> Self {
        Self {
            code,
            item: None,
            actor: None,
            message: message.into(),
        }
    }

    pub(super) fn of_item(code: ReasonCode, item: &Item, actor: Actor, message: impl Into<String>) -> Self {
        Self {
            item: Some(item.key.clone()),
            actor: Some(actor),
            ..Self::new(code, message)
        }
    }
}
