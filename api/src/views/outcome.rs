//! What became of what was reported.

use bedside_protocol::answering::CheckedIn;
use bedside_protocol::document::{Advice, ProtocolDocument};
use bedside_protocol::dosing::Logged;
use bedside_protocol::helping::ShowNow;
use bedside_protocol::id::SessionId;
use bedside_protocol::measuring::Measured;
use bedside_protocol::preparation::Answered;
use bedside_protocol::record::SessionRecord;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What the screen shows now, before and without anything of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShowView {
    /// In words.
    pub words: String,
    /// The number to call.
    pub emergency_number: String,
    /// The number for thoughts of suicide.
    pub crisis_number: String,
}

impl ShowView {
    /// The words of a document for some advice.
    pub fn of(protocol: &ProtocolDocument, advice: Advice) -> Self {
        let words = &protocol.words;
        Self {
            words: words.of_advice(advice).to_owned(),
            emergency_number: words.emergency_number.clone(),
            crisis_number: words.crisis_number.clone(),
        }
    }

    /// The same for what a rule said.
    pub fn shown(protocol: &ProtocolDocument, show: ShowNow) -> Self {
        Self {
            words: show.words,
            emergency_number: show.emergency_number,
            crisis_number: protocol.words.crisis_number.clone(),
        }
    }
}

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnsweredView {
    /// `done`, `still_open`, `read_again`, `held`, `cancelled` or `act_now`.
    #[schema(value_type = String)]
    pub result: Answered,
    /// With `act_now`: what to show at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub show_now: Option<ShowView>,
}

/// What became of a check-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedInView {
    /// `well`, `vitals_to_follow`, `noted`, `act_now`, `released` or `late`.
    #[schema(value_type = String)]
    pub result: CheckedIn,
    /// With `act_now`: what to show at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub show_now: Option<ShowView>,
}

impl CheckedInView {
    /// The view of an outcome in a session.
    pub fn of(record: &SessionRecord, result: CheckedIn) -> Self {
        let urgent = result == CheckedIn::ActNow;
        let show_now = urgent.then(|| ShowView::of(&record.around.protocol, Advice::Emergency));
        Self { result, show_now }
    }
}

/// What became of a reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MeasuredView {
    /// `within`, `try_again`, `held`, `recheck`, `told` or `recorded`.
    #[schema(value_type = String)]
    pub result: Measured,
}

/// What became of a dose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoggedView {
    /// `recorded`, `recorded_outside_ready_session` or `same_dose`.
    pub result: String,
    /// T0.
    pub taken_at: DateTime<Utc>,
    /// Codes of the reasons for which it was not open.
    pub reasons: Vec<String>,
    /// The session it belongs to.
    pub session: Uuid,
}

impl LoggedView {
    /// The view of a logged dose.
    pub fn of(logged: Logged, session: SessionId) -> Self {
        let (result, taken_at, reasons) = match logged {
            Logged::Recorded { taken_at } => ("recorded", taken_at, Vec::new()),
            Logged::RecordedOutsideReadySession { taken_at, reasons } => {
                ("recorded_outside_ready_session", taken_at, reasons)
            }
            Logged::SameDose { taken_at } => ("same_dose", taken_at, Vec::new()),
        };
        Self {
            result: result.to_owned(),
            taken_at,
            reasons,
            session: session.uuid(),
        }
    }
}

/// A sitter who was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvitedView {
    /// The sitter.
    pub id: Uuid,
    /// `invited`.
    pub state: String,
}

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResultView {
    /// What, such as `accepted`.
    pub result: String,
}

impl ResultView {
    /// `result`, as said.
    pub fn said(result: &str) -> Self {
        Self {
            result: result.to_owned(),
        }
    }
}
