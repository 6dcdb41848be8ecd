//! The worklist as the care team sees it. Nothing in it says what a patient answered.

use bedside_protocol::duty::DutyKind;
use bedside_protocol::watch::Subject;
use bedside_store::{WorklistEntry, WorklistPage, WorklistPlace};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::case::{CaseRowView, UnreadableView};

/// A page of the worklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WorklistView {
    /// Oldest due first.
    pub entries: Vec<WorklistEntryView>,
    /// What is on this page and cannot be read; absent where all can.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<UnreadableView>,
    /// What `after` of the next page is; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One entry of the worklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WorklistEntryView {
    /// Since when it is due.
    pub due_at: DateTime<Utc>,
    /// The duty.
    pub duty: Uuid,
    /// What is owed, such as `take_case`, `check_in` or `answer_monthly`.
    pub owed: String,
    /// The row of the timetable, of a check-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The patient it concerns.
    pub patient: Uuid,
    /// The session it belongs to, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Uuid>,
    /// The case, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseRowView>,
}

impl WorklistEntryView {
    fn of(entry: &WorklistEntry) -> Self {
        Self {
            due_at: entry.due_at,
            duty: entry.duty.uuid(),
            owed: entry.owed.name().to_owned(),
            rule: match &entry.owed {
                DutyKind::CheckIn { rule, .. } => Some(rule.clone()),
                _ => None,
            },
            patient: entry.patient.uuid(),
            session: match entry.subject {
                Subject::Session(session) => Some(session.uuid()),
                Subject::Patient(_) | Subject::Clinic(_) => None,
            },
            case: entry
                .case
                .as_ref()
                .map(|case| CaseRowView::row(case, entry.subject, entry.patient)),
        }
    }
}

impl WorklistView {
    /// The view of a page.
    pub fn of(page: &WorklistPage) -> Self {
        let written = |place: &WorklistPlace| format!("{}.{}", place.due_at.timestamp_millis(), place.duty);
        Self {
            entries: page.entries.iter().map(WorklistEntryView::of).collect(),
            unreadable: page.unreadable.iter().map(UnreadableView::of).collect(),
            next: page.next.as_ref().map(written),
        }
    }
}
