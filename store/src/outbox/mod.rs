//! The outbox: one row is one message to one address, written in the transaction of the decision, sent by a worker.
//!
//! A worker claims rows for a short lease and records what became of each under the fence it was given: a worker that
//! went silent and comes back records nothing (invariant I5). The rendered bytes are kept at the first attempt, so a
//! second send is the same mail. A row that cannot be read is handed out as broken and stops nobody else.

mod bundling;
mod claim;
mod record;

use bedside_protocol::duty::Lane;
use bedside_protocol::id::ClinicId;
use bedside_protocol::notice::{About, Notice};
use bedside_protocol::record::NewLink;
use bedside_protocol::watch::Subject;
use chrono::Duration;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use crate::clock::{from_ms, to_ms};
use crate::dialect;
use crate::error::{Stop, StoreError};
use crate::links;
use crate::rows;
use crate::schema::outbox;
use crate::scope::Scope;
use crate::seal::{self, Place};
use crate::store::{Shared, Store};
use crate::transaction::Tx;

pub use claim::{Claimed, ClaimedRow, Made, OutboxRow};
pub use record::{Completion, CompletionResult, Recorded};

const DOCUMENT: Place<'static> = Place {
    table: "outbox",
    column: "doc_sealed",
    row: "",
};
const RENDERED: Place<'static> = Place {
    table: "outbox",
    column: "rendered_sealed",
    row: "",
};

/// The message of a row of either outbox table; `None` for one that cannot be read.
pub(crate) fn open_notice(shared: &Shared, row: &str, sealed: &[u8]) -> Option<Notice> {
    seal::open_json(&shared.keys, Place { row, ..DOCUMENT }, sealed).ok()
}

/// Puts messages into the outbox, in the transaction of the decision. One whose key is known is passed over.
pub(crate) fn insert(
    tx: &mut Tx<'_>,
    clinic: ClinicId,
    subject: Option<Subject>,
    notices: &[Notice],
) -> Result<(), Stop> {
    let mut new = Vec::with_capacity(notices.len());
    for notice in notices {
        new.push(row_of(tx, clinic, subject, notice)?);
    }
    dialect::insert_outbox(tx.connection, &new)?;
    Ok(())
}

fn row_of(
    tx: &Tx<'_>,
    clinic: ClinicId,
    subject: Option<Subject>,
    notice: &Notice,
) -> Result<rows::OutboxRow, Stop> {
    let id = notice.id.to_string();
    let (about_kind, about_id, about_round) = match &notice.about {
        About::Duty { duty } => ("duty", Some(duty.to_string()), None),
        About::Case { case, round } => ("case", Some(case.to_string()), i32::try_from(*round).ok()),
        About::Information => ("information", None, None),
        About::Invitation { sitter } => ("invitation", Some(sitter.to_string()), None),
    };
    Ok(rows::OutboxRow {
        clinic_id: clinic.to_string(),
        notice_key: notice.key.clone(),
        lane: notice.lane.rank(),
        state: "pending".to_owned(),
        not_before: to_ms(notice.not_before),
        stale_after: notice.stale_after.map(to_ms),
        // At once, whatever the clock of the host that sends it says.
        retry_at: 0,
        subject_kind: subject.map(|subject| subject.kind().to_owned()),
        subject_id: subject.map(Subject::id),
        about_kind: about_kind.to_owned(),
        about_id,
        about_round,
        recipient_kind: notice.to.who.kind().to_owned(),
        recipient_id: notice.to.who.id(),
        doc_sealed: seal::seal_json(&tx.shared.keys, Place { row: &id, ..DOCUMENT }, notice)?,
        message_id: format!("<{id}@{}>", tx.shared.mail_domain),
        rendered_sealed: None,
        attempts: 0,
        last_class: None,
        last_code: None,
        ambiguous: false,
        lease_owner: None,
        lease_until: None,
        fence: 0,
        created_at: to_ms(tx.now),
        finished_at: None,
        why: None,
        id,
    })
}

/// What waits or is held; the first of the words name its index.
fn is_unfinished() -> diesel::expression::SqlLiteral<Bool> {
    diesel::dsl::sql("outbox.finished_at IS NULL AND outbox.state IN ('pending', 'leased')")
}

impl Store {
    /// Puts messages into the outbox that no decision brought: an account's link, a test of the mail path.
    pub async fn insert_notices(
        &self,
        scope: Scope,
        clinic: ClinicId,
        subject: Option<Subject>,
        notices: Vec<Notice>,
        links: Vec<NewLink>,
    ) -> Result<(), StoreError> {
        let inserted = self.write_job(scope, move |tx| {
            links::insert(tx, clinic, &links)?;
            insert(tx, clinic, subject, &notices)?;
            Ok(())
        });
        Ok(inserted.await?)
    }

    /// How long ago the oldest message of a lane became due that has not been sent; `None` when there is none. For
    /// readiness.
    pub async fn oldest_unsent(&self, lane: Lane) -> Result<Option<Duration>, StoreError> {
        self.read_job(Scope::system(), move |tx| {
            let oldest: Option<Option<i64>> = outbox::table
                .filter(is_unfinished())
                .filter(outbox::lane.eq(lane.rank()))
                .filter(outbox::not_before.le(to_ms(tx.now)))
                .select(diesel::dsl::min(outbox::not_before))
                .first(tx.connection)
                .optional()?;
            Ok(oldest.flatten().map(|oldest| tx.now - from_ms(oldest)))
        })
        .await
    }

    /// How long ago the first notice was due of the present round of an open case, of which no notice was sent to anybody:
    /// the longest such time; `None` when every open case was sent to somebody. For readiness.
    pub async fn oldest_unheard_case(&self) -> Result<Option<Duration>, StoreError> {
        self.read_job(Scope::system(), |tx| {
            let oldest = dialect::first_unheard_notice(tx.connection)?;
            Ok(oldest.map(|oldest| tx.now - from_ms(oldest)))
        })
        .await
    }

    /// How many messages may be sent now and have not been. A test that ends with some left work behind.
    pub async fn count_waiting(&self) -> Result<u64, StoreError> {
        self.read_job(Scope::system(), |tx| {
            let count: i64 = outbox::table
                .filter(is_unfinished())
                .filter(outbox::not_before.le(to_ms(tx.now)))
                .count()
                .get_result(tx.connection)?;
            Ok(count.unsigned_abs())
        })
        .await
    }
}
