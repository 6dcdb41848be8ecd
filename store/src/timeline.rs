//! The time line of a session: what happened and what was sent, in the order of time. Ids, no names.

use bedside_protocol::duty::Lane;
use bedside_protocol::id::SessionId;
use bedside_protocol::time::Instant;
use diesel::prelude::*;
use serde_json::Value;

use crate::clock::from_ms;
use crate::error::{Stop, StoreError};
use crate::rows::{AuditRow, SentRow, SessionRow};
use crate::schema::{audit, outbox, outbox_done, sessions};
use crate::scope::Scope;
use crate::seal::{self, Place};
use crate::store::Store;
use crate::transaction::Tx;

/// One line of a time line.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineEntry {
    /// When, on the clinical clock: a message stands where it was decided.
    pub at: Instant,
    /// What.
    pub event: TimelineEvent,
}

/// What a line tells.
#[derive(Debug, Clone, PartialEq)]
pub enum TimelineEvent {
    /// Something happened.
    Fact {
        /// Stable name, such as `dose.logged`.
        action: String,
        /// Who, as a kind and an id.
        actor: String,
        /// The values that show it.
        detail: Value,
    },
    /// A message was decided.
    Message {
        /// Its id, the first part of its Message-ID.
        id: String,
        /// Which traffic.
        lane: Lane,
        /// `duty`, `case`, `information` or `invitation`.
        about: String,
        /// The id of what it is about.
        about_id: Option<String>,
        /// `patient`, `sitter` or `staff`.
        recipient_kind: String,
        /// The recipient's id.
        recipient_id: String,
        /// `pending`, `leased`, `sent`, `dropped` or `failed`.
        state: String,
        /// When it was sent or given up.
        finished_at: Option<Instant>,
        /// How often it was tried.
        attempts: u32,
        /// Why it was dropped or failed.
        why: Option<String>,
    },
}

fn facts(tx: &mut Tx<'_>, subject: &str) -> Result<Vec<TimelineEntry>, Stop> {
    let rows: Vec<AuditRow> = audit::table
        .filter(
            audit::subject_id
                .eq(subject)
                .and(audit::action.ne("session.read")),
        )
        .order((audit::at, audit::seq))
        .select(AuditRow::as_select())
        .load(tx.connection)?;
    opened(tx, rows)
}

/// The calls about a session, which are the patient's own documents.
fn calls(tx: &mut Tx<'_>, patient: &str, session: &str) -> Result<Vec<TimelineEntry>, Stop> {
    let rows: Vec<AuditRow> = audit::table
        .filter(audit::subject_id.eq(patient).and(audit::action.eq("call.logged")))
        .order((audit::at, audit::seq))
        .select(AuditRow::as_select())
        .load(tx.connection)?;
    let mut entries = opened(tx, rows)?;
    entries.retain(|entry| {
        matches!(&entry.event, TimelineEvent::Fact { detail, .. }
            if detail.get("session").and_then(Value::as_str) == Some(session))
    });
    Ok(entries)
}

fn opened(tx: &Tx<'_>, rows: Vec<AuditRow>) -> Result<Vec<TimelineEntry>, Stop> {
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let row_name = format!("{}|{}", row.chain, row.seq);
        let place = Place {
            table: "audit",
            column: "detail_sealed",
            row: &row_name,
        };
        let detail = seal::open_json(&tx.shared.keys, place, &row.detail_sealed)?;
        let event = TimelineEvent::Fact {
            action: row.action,
            actor: row.actor,
            detail,
        };
        entries.push(TimelineEntry {
            at: from_ms(row.at),
            event,
        });
    }
    Ok(entries)
}

fn message(row: SentRow) -> TimelineEntry {
    let lane = Lane::ALL
        .into_iter()
        .find(|lane| lane.rank() == row.lane)
        .unwrap_or(Lane::Digest);
    TimelineEntry {
        at: from_ms(row.created_at),
        event: TimelineEvent::Message {
            id: row.id,
            lane,
            about: row.about_kind,
            about_id: row.about_id,
            recipient_kind: row.recipient_kind,
            recipient_id: row.recipient_id,
            state: row.state,
            finished_at: row.finished_at.map(from_ms),
            attempts: row.attempts.unsigned_abs(),
            why: row.why,
        },
    }
}

macro_rules! messages {
    ($tx:ident, $table:ident, $subject:ident) => {
        $table::table
            .filter($table::subject_id.eq($subject))
            .order(($table::created_at, $table::id))
            .select((
                $table::id,
                $table::lane,
                $table::state,
                $table::about_kind,
                $table::about_id,
                $table::recipient_kind,
                $table::recipient_id,
                $table::attempts,
                $table::created_at,
                $table::finished_at,
                $table::why,
            ))
            .load::<SentRow>($tx.connection)?
    };
}

impl Store {
    /// What happened in a session and what was sent, by time; what was decided together stands in the order of the
    /// decision, facts before messages. Looks are left out. `None` when there is no such session for the scope.
    pub async fn timeline(
        &self,
        scope: Scope,
        id: SessionId,
    ) -> Result<Option<Vec<TimelineEntry>>, StoreError> {
        self.read_job(scope, move |tx| {
            let row: Option<SessionRow> = sessions::table
                .find(id.to_string())
                .select(SessionRow::as_select())
                .first(tx.connection)
                .optional()?;
            let Some(row) = row else { return Ok(None) };
            let visible = match (row.clinic_id.parse(), row.patient_id.parse()) {
                (Ok(clinic), Ok(patient)) => tx.scope.sees_session(clinic, patient, id),
                _ => false,
            };
            if !visible {
                return Ok(None);
            }
            let subject = row.id.as_str();
            let mut entries = facts(tx, subject)?;
            entries.extend(calls(tx, &row.patient_id, subject)?);
            entries.extend(messages!(tx, outbox_done, subject).into_iter().map(message));
            entries.extend(messages!(tx, outbox, subject).into_iter().map(message));
            entries.sort_by_key(|entry| entry.at);
            Ok(Some(entries))
        })
        .await
    }
}
