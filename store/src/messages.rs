//! The log of messages: what was sent to whom and how far each message is. Never what it says, never an address.
//!
//! The waiting and the finished table are read as one, newest first. A page ends at a message's id and not at a time: any
//! number of messages may be of one millisecond, and a message that moves to the finished table between two pages keeps
//! its id, so paging shows each exactly once.

use bedside_protocol::duty::Lane;
use bedside_protocol::id::{ClinicId, NoticeId, PersonId, SessionId};
use bedside_protocol::notice::Notice;
use bedside_protocol::record::Fact;
use bedside_protocol::time::Instant;
use bedside_protocol::watch::Subject;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde_json::json;

use crate::audit::{self, Chain};
use crate::clock::from_ms;
use crate::error::{Stop, StoreError};
use crate::outbox;
use crate::records::load;
use crate::rows::MessageRow;
use crate::schema::{outbox as waiting, outbox_done as finished, patients, sessions};
use crate::scope::Scope;
use crate::store::{Shared, Store};
use crate::transaction::Tx;

/// Most messages on one page.
pub const MESSAGES_MAX: u32 = 200;

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageState {
    /// For its time, for its turn, for its next try, or for the bundle it belongs to.
    Waiting,
    /// A worker is at it.
    BeingSent,
    /// Accepted by the mail server.
    Sent,
    /// Not sent, because it was of no use any more.
    Dropped,
    /// Given up.
    Failed,
}

impl MessageState {
    /// The state's name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::BeingSent => "being_sent",
            Self::Sent => "sent",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
        }
    }

    fn of_column(column: &str) -> Self {
        match column {
            "pending" | "bundled" => Self::Waiting,
            "leased" => Self::BeingSent,
            "sent" => Self::Sent,
            "dropped" => Self::Dropped,
            _ => Self::Failed,
        }
    }
}

/// Which messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageFilter {
    /// All.
    All,
    /// Those that no worker has finished: waiting or being sent.
    Waiting,
    /// Those that were accepted.
    Sent,
    /// Those that were given up.
    Failed,
    /// Those that were of no use any more.
    Dropped,
}

impl MessageFilter {
    /// The filter of a name in a query.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "waiting" => Self::Waiting,
            "sent" => Self::Sent,
            "failed" => Self::Failed,
            "dropped" => Self::Dropped,
            _ => return None,
        })
    }

    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::All => &["pending", "bundled", "leased", "sent", "dropped", "failed"],
            Self::Waiting => &["pending", "bundled", "leased"],
            Self::Sent => &["sent"],
            Self::Failed => &["failed"],
            Self::Dropped => &["dropped"],
        }
    }
}

/// A page of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessagePage {
    /// Which messages.
    pub filter: MessageFilter,
    /// Only those older than this one.
    pub before: Option<NoticeId>,
    /// At most so many, and never more than [`MESSAGES_MAX`].
    pub limit: u32,
}

/// One message, without what it says and without the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageEntry {
    /// Its id, the first part of its Message-ID.
    pub id: String,
    /// What kind of message, such as `case_needs_you`; `None` when the row cannot be read.
    pub message: Option<&'static str>,
    /// Which traffic.
    pub lane: Lane,
    /// What it belongs to: `session` or `patient`, and its id.
    pub subject: Option<(String, String)>,
    /// `duty`, `case`, `information` or `invitation`.
    pub about: String,
    /// The id of what it is about.
    pub about_id: Option<String>,
    /// `patient`, `sitter` or `staff`.
    pub recipient_kind: String,
    /// The recipient's id.
    pub recipient_id: String,
    /// How far it is.
    pub state: MessageState,
    /// When it was decided (clinical clock).
    pub created_at: Instant,
    /// Not to be sent before then (clinical clock).
    pub not_before: Instant,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried again (machine clock); `None` before the first try and once it is over.
    pub next_try_at: Option<Instant>,
    /// The class of the last failure, such as `temporary`.
    pub last_class: Option<String>,
    /// The mail server's last reply code.
    pub last_code: Option<i32>,
    /// Whether a try ended without an answer after the whole mail had gone: it may have arrived.
    pub ambiguous: bool,
    /// Why it was dropped or given up; `bundled:` and an id when another message carries or carried it.
    pub why: Option<String>,
    /// When it was over (clinical clock).
    pub finished_at: Option<Instant>,
}

fn entry_of(shared: &Shared, row: MessageRow) -> MessageEntry {
    let lane = Lane::ALL
        .into_iter()
        .find(|lane| lane.rank() == row.lane)
        .unwrap_or(Lane::Digest);
    let notice: Option<Notice> = outbox::open_notice(shared, &row.id, &row.doc_sealed);
    let state = MessageState::of_column(&row.state);
    MessageEntry {
        message: notice.map(|notice| notice.message.name()),
        id: row.id,
        lane,
        subject: row.subject_kind.zip(row.subject_id),
        about: row.about_kind,
        about_id: row.about_id,
        recipient_kind: row.recipient_kind,
        recipient_id: row.recipient_id,
        state,
        created_at: from_ms(row.created_at),
        not_before: from_ms(row.not_before),
        tries: row.attempts.unsigned_abs(),
        next_try_at: (state == MessageState::Waiting && row.attempts > 0).then(|| from_ms(row.retry_at)),
        last_class: row.last_class,
        last_code: row.last_code,
        ambiguous: row.ambiguous,
        why: row.why,
        finished_at: row.finished_at.map(from_ms),
    }
}

/// Whose messages.
enum Of<'a> {
    Subject(&'a str),
    Clinic(&'a str),
}

macro_rules! rows {
    ($tx:ident, $table:ident, $of:expr, $states:expr, $limit:expr) => {
        $table::table
            .filter($of)
            .filter($table::state.eq_any($states))
            .order($table::id.desc())
            .limit($limit)
            .select((
                $table::id,
                $table::lane,
                $table::state,
                $table::not_before,
                $table::retry_at,
                $table::subject_kind,
                $table::subject_id,
                $table::about_kind,
                $table::about_id,
                $table::recipient_kind,
                $table::recipient_id,
                $table::doc_sealed,
                $table::attempts,
                $table::last_class,
                $table::last_code,
                $table::ambiguous,
                $table::created_at,
                $table::finished_at,
                $table::why,
            ))
            .load::<MessageRow>($tx.connection)?
    };
}

fn page_of(tx: &mut Tx<'_>, of: &Of<'_>, page: MessagePage) -> Result<Vec<MessageEntry>, Stop> {
    // `g` sorts behind every digit of an id.
    let before = page.before.map_or_else(|| "g".to_owned(), |id| id.to_string());
    let limit = page.limit.min(MESSAGES_MAX);
    let (states, rows) = (page.filter.columns(), i64::from(limit));
    let mut found = match of {
        Of::Subject(subject) => {
            let of = waiting::subject_id.eq(subject).and(waiting::id.lt(&before));
            rows!(tx, waiting, of, states, rows)
        }
        Of::Clinic(clinic) => {
            let of = waiting::clinic_id.eq(clinic).and(waiting::id.lt(&before));
            rows!(tx, waiting, of, states, rows)
        }
    };
    found.extend(match (of, page.filter) {
        (_, MessageFilter::Waiting) => Vec::new(),
        (Of::Subject(subject), _) => {
            let of = finished::subject_id.eq(subject).and(finished::id.lt(&before));
            rows!(tx, finished, of, states, rows)
        }
        (Of::Clinic(clinic), MessageFilter::Failed | MessageFilter::Dropped) => {
            // Said in these words for the index of the few that were not sent.
            let not_sent = diesel::dsl::sql::<Bool>("outbox_done.state <> 'sent'");
            let of = finished::clinic_id.eq(clinic).and(finished::id.lt(&before));
            rows!(tx, finished, of.and(not_sent), states, rows)
        }
        (Of::Clinic(clinic), _) => {
            let of = finished::clinic_id.eq(clinic).and(finished::id.lt(&before));
            rows!(tx, finished, of, states, rows)
        }
    });
    found.sort_by(|one, other| other.id.cmp(&one.id));
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found.into_iter().map(|row| entry_of(tx.shared, row)).collect())
}

impl Store {
    /// A page of the messages of a session; `None` when there is no such session for the scope. A look by staff is kept in
    /// the patient's audit trail.
    pub async fn list_session_messages(
        &self,
        scope: Scope,
        id: SessionId,
        page: MessagePage,
    ) -> Result<Option<Vec<MessageEntry>>, StoreError> {
        let audited = scope.clone();
        let found = self
            .read_job(scope, move |tx| {
                let owner: Option<(String, String)> = sessions::table
                    .find(id.to_string())
                    .select((sessions::clinic_id, sessions::patient_id))
                    .first(tx.connection)
                    .optional()?;
                let Some((clinic, patient)) = owner.and_then(|(clinic, patient)| ids(&clinic, &patient))
                else {
                    return Ok(None);
                };
                if !tx.scope.sees_session(clinic, patient, id) {
                    return Ok(None);
                }
                let messages = page_of(tx, &Of::Subject(&id.to_string()), page)?;
                Ok(Some((clinic, patient, messages)))
            })
            .await?;
        let Some((clinic, patient, messages)) = found else {
            return Ok(None);
        };
        self.audit_read(audited, clinic, patient, "session.read", Subject::Session(id))
            .await?;
        Ok(Some(messages))
    }

    /// A page of the messages that belong to a patient and to no session; `None` when there is no such patient for the
    /// scope. A look by staff is kept in the patient's audit trail.
    pub async fn list_patient_messages(
        &self,
        scope: Scope,
        id: PersonId,
        page: MessagePage,
    ) -> Result<Option<Vec<MessageEntry>>, StoreError> {
        let audited = scope.clone();
        let found = self
            .read_job(scope, move |tx| {
                let clinic: Option<String> = patients::table
                    .find(id.to_string())
                    .select(patients::clinic_id)
                    .first(tx.connection)
                    .optional()?;
                let Some(clinic) = clinic.and_then(|clinic| clinic.parse().ok()) else {
                    return Ok(None);
                };
                if !tx.scope.sees_patient(clinic, id) {
                    return Ok(None);
                }
                Ok(Some((clinic, page_of(tx, &Of::Subject(&id.to_string()), page)?)))
            })
            .await?;
        let Some((clinic, messages)) = found else {
            return Ok(None);
        };
        self.audit_read(audited, clinic, id, "patient.read", Subject::Patient(id))
            .await?;
        Ok(Some(messages))
    }

    /// A page of a clinic's messages, those of no session and no patient included; none of a clinic that does not exist
    /// for the scope. A look by staff is kept in the clinic's audit trail.
    pub async fn list_clinic_messages(
        &self,
        scope: Scope,
        clinic: ClinicId,
        page: MessagePage,
    ) -> Result<Vec<MessageEntry>, StoreError> {
        let audited = scope.clone();
        let messages = self
            .read_job(scope, move |tx| {
                if !tx.scope.sees_clinic(clinic) || load::clinic(tx, clinic)?.is_none() {
                    return Ok(Vec::new());
                }
                page_of(tx, &Of::Clinic(&clinic.to_string()), page)
            })
            .await?;
        if audited.is_audited_reader() {
            let count = messages.len();
            self.write_job(audited, move |tx| {
                let fact = Fact::new("messages.listed", json!({ "count": count }));
                Ok(audit::append(tx, &Chain::Clinic(clinic), None, &[fact])?)
            })
            .await?;
        }
        Ok(messages)
    }
}

fn ids(clinic: &str, patient: &str) -> Option<(ClinicId, PersonId)> {
    Some((clinic.parse().ok()?, patient.parse().ok()?))
}
