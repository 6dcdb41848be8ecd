//! The lozenge ledger.

use bedside_protocol::ledger::{self, LedgerEntry, LedgerKind};
use bedside_protocol::record::PatientRecord;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LedgerEntryView {
    /// The entry.
    pub id: Uuid,
    /// `received`, `dose_wasted`, `lost`, `destroyed`, `returned`, `count_declared` or `correction`.
    pub kind: String,
    /// Lozenges; of a correction how many more, or fewer if negative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// When it happened, by who says so.
    pub observed_at: DateTime<Utc>,
    /// When the server heard of it.
    pub received_at: DateTime<Utc>,
    /// `patient`, `staff` or `system`.
    pub by: String,
    /// In their words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Of a package: whether it came sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed: Option<bool>,
    /// Of a package: whether it stands in a locked place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
}

impl LedgerEntryView {
    fn of(entry: &LedgerEntry) -> Self {
        Self {
            id: entry.id.uuid(),
            kind: entry.kind.name().to_owned(),
            count: match entry.kind {
                LedgerKind::Received { count }
                | LedgerKind::Lost { count }
                | LedgerKind::Destroyed { count }
                | LedgerKind::Returned { count }
                | LedgerKind::CountDeclared { count } => Some(i64::from(count)),
                LedgerKind::Correction { change } => Some(i64::from(change)),
                LedgerKind::DoseWasted => None,
            },
            observed_at: entry.observed_at,
            received_at: entry.received_at,
            by: entry.by.kind().to_owned(),
            note: entry.note.clone(),
            sealed: entry.storage.map(|storage| storage.sealed),
            locked: entry.storage.map(|storage| storage.locked),
        }
    }
}

/// A patient's ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LedgerView {
    /// How many lozenges should be there; absent before the first came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<i64>,
    /// Lozenges of the doses that were logged.
    pub taken: u32,
    /// Oldest first.
    pub entries: Vec<LedgerEntryView>,
}

impl LedgerView {
    /// The ledger of a record.
    pub fn of(record: &PatientRecord) -> Self {
        let taken = ledger::taken(&record.course.ledger, &record.sessions);
        Self {
            balance: ledger::balance(&record.course.ledger, taken),
            taken,
            entries: record.course.ledger.iter().map(LedgerEntryView::of).collect(),
        }
    }
}
