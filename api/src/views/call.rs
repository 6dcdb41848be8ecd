//! The call log.

use bedside_protocol::call::Call;
use bedside_protocol::id::{CaseId, SessionId};
use bedside_protocol::record::PatientRecord;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A call that somebody of the care team made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallView {
    /// The call.
    pub id: Uuid,
    /// Who rang.
    pub by: Uuid,
    /// Their name.
    pub by_name: String,
    /// `patient`, `sitter`, `emergency_contact`, `emergency_services` or `other`.
    pub whom: String,
    /// Whether somebody answered.
    pub reached: bool,
    /// What was said, or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
    /// When it was written down.
    pub received_at: DateTime<Utc>,
    /// The case it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<Uuid>,
    /// The session it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Uuid>,
}

impl CallView {
    /// The view of a call.
    pub fn of(call: &Call) -> Self {
        Self {
            id: call.id.uuid(),
            by: call.by.uuid(),
            by_name: call.by_name.clone(),
            whom: call.whom.name().to_owned(),
            reached: call.reached,
            note: call.note.clone(),
            at: call.at,
            received_at: call.received_at,
            case: call.case.map(CaseId::uuid),
            session: call.session.map(SessionId::uuid),
        }
    }
}

/// A patient's call log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CallLogView {
    /// Oldest first, by when they were written down.
    pub calls: Vec<CallView>,
}

impl CallLogView {
    /// The log of a record.
    pub fn of(record: &PatientRecord) -> Self {
        Self {
            calls: record.course.calls.iter().map(CallView::of).collect(),
        }
    }
}
