//! Claiming: a worker takes rows for a short lease, and is told how their sources stand.

use std::collections::{HashMap, HashSet};

use bedside_protocol::duty::Lane;
use bedside_protocol::id::{ClinicId, NoticeId};
use bedside_protocol::notice::{AtSending, Notice};
use bedside_protocol::people::CommsStatus;
use bedside_protocol::time::Instant;
use bedside_protocol::watch::Subject;
use diesel::prelude::*;

use crate::clock::{from_ms, to_ms};
use crate::dialect::{self, ClaimRequest, ClaimedOutboxRow, Finish};
use crate::error::{Stop, StoreError};
use crate::outbox::{DOCUMENT, RENDERED};
use crate::rows;
use crate::schema::{cases, duties, outbox, patients, sessions, sitters};
use crate::scope::Scope;
use crate::seal::{self, Place};
use crate::sessions::subject_of;
use crate::store::{Shared, Store};
use crate::transaction::Tx;

/// A message as it stands in the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// The message.
    pub notice: Notice,
    /// Its Message-ID with the angle brackets: one for ever.
    pub message_id: String,
    /// How often it was claimed, this time included.
    pub attempts: u32,
    /// The whole mail, from the first attempt on.
    pub rendered: Option<Vec<u8>>,
    /// Whether an earlier attempt ended after the final dot without an answer.
    pub ambiguous: bool,
    /// The class of the last failure.
    pub last_class: Option<String>,
    /// When it was decided (clinical clock).
    pub created_at: Instant,
}

/// A message that is ours to send until the lease ends.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedRow {
    /// The message.
    pub row: OutboxRow,
    /// What a result must be recorded with.
    pub fence: i64,
    /// What is known about its source now.
    pub at_sending: AtSending,
    /// What it belongs to; none for an account's link and a test.
    pub subject: Option<Subject>,
    /// The clinic.
    pub clinic: ClinicId,
    /// Whether another worker held it and went silent: if it had rendered it, the mail may have gone out.
    pub lease_ran_out: bool,
}

/// What a claim hands out.
#[derive(Debug, Clone, PartialEq)]
pub enum Claimed {
    /// A message to send.
    Ready(Box<ClaimedRow>),
    /// A row that cannot be read. To be recorded as failed.
    Broken {
        /// The row.
        id: NoticeId,
        /// What the result must be recorded with.
        fence: i64,
    },
}

/// What the sources of a batch of messages are like, in a fixed number of statements.
struct Sources {
    open_duties: HashSet<String>,
    /// State and round.
    cases: HashMap<String, (String, i32)>,
    invited_sitters: HashSet<String>,
    muted_subjects: HashSet<String>,
}

impl Sources {
    fn of(tx: &mut Tx<'_>, claimed: &[ClaimedOutboxRow]) -> Result<Self, Stop> {
        let about = |kind: &str| -> Vec<String> {
            claimed
                .iter()
                .filter(|it| it.message.about_kind == kind)
                .filter_map(|it| it.message.about_id.clone())
                .collect()
        };
        let subjects: Vec<String> = claimed
            .iter()
            .filter_map(|it| it.message.subject_id.clone())
            .collect();
        let connection = &mut *tx.connection;
        let open_duties: Vec<String> = duties::table
            .filter(duties::id.eq_any(about("duty")).and(duties::state.eq("open")))
            .select(duties::id)
            .load(connection)?;
        let cases: Vec<(String, String, i32)> = cases::table
            .filter(cases::id.eq_any(about("case")))
            .select((cases::id, cases::state, cases::round))
            .load(connection)?;
        let invited: Vec<String> = sitters::table
            .filter(
                sitters::id
                    .eq_any(about("invitation"))
                    .and(sitters::state.eq("invited")),
            )
            .select(sitters::id)
            .load(connection)?;
        let muted_patients: Vec<String> = patients::table
            .filter(
                patients::id
                    .eq_any(subjects.clone())
                    .and(patients::comms.ne(CommsStatus::Active.name())),
            )
            .select(patients::id)
            .load(connection)?;
        let muted_sessions: Vec<String> = sessions::table
            .inner_join(patients::table.on(patients::id.eq(sessions::patient_id)))
            .filter(
                sessions::id
                    .eq_any(subjects)
                    .and(patients::comms.ne(CommsStatus::Active.name())),
            )
            .select(sessions::id)
            .load(connection)?;
        Ok(Self {
            open_duties: open_duties.into_iter().collect(),
            cases: cases
                .into_iter()
                .map(|(id, state, round)| (id, (state, round)))
                .collect(),
            invited_sitters: invited.into_iter().collect(),
            muted_subjects: muted_patients.into_iter().chain(muted_sessions).collect(),
        })
    }

    fn at_sending(&self, row: &rows::OutboxRow, now: Instant) -> AtSending {
        let about = row.about_id.as_deref().unwrap_or_default();
        let is = |kind: &str| row.about_kind == kind;
        let untaken = |(state, round): &(String, i32)| state == "open" && Some(*round) == row.about_round;
        AtSending {
            now,
            duty_open: is("duty") && self.open_duties.contains(about),
            case_untaken: is("case") && self.cases.get(about).is_some_and(untaken),
            invitation_open: is("invitation") && self.invited_sitters.contains(about),
            comms_active: row
                .subject_id
                .as_ref()
                .is_none_or(|subject| !self.muted_subjects.contains(subject)),
        }
    }
}

/// Ends rows whose very id cannot be read, so that they do not come back at the end of each lease (invariant I6).
fn end_nameless(tx: &mut Tx<'_>, claimed: &[ClaimedOutboxRow]) -> Result<(), Stop> {
    let nameless: Vec<Finish> = claimed
        .iter()
        .filter(|it| it.message.id.parse::<NoticeId>().is_err())
        .map(|it| Finish {
            id: it.message.id.clone(),
            fence: it.message.fence,
            state: "failed",
            retry_at: it.message.retry_at,
            class: Some("broken".to_owned()),
            code: None,
            ambiguous: false,
            finished_at: Some(to_ms(tx.now)),
            why: Some("broken".to_owned()),
        })
        .collect();
    dialect::finish(tx.connection, &nameless)?;
    Ok(())
}

/// The row as a worker gets it; `None` for one without a readable id.
fn read_claimed(shared: &Shared, claimed: ClaimedOutboxRow, at_sending: AtSending) -> Option<Claimed> {
    let ClaimedOutboxRow {
        message: row,
        lease_ran_out,
    } = claimed;
    let id: NoticeId = row.id.parse().ok()?;
    let fence = row.fence;
    let ready = || -> Option<ClaimedRow> {
        let notice: Notice = seal::open_json(
            &shared.keys,
            Place {
                row: &row.id,
                ..DOCUMENT
            },
            &row.doc_sealed,
        )
        .ok()?;
        let rendered = match &row.rendered_sealed {
            None => None,
            Some(sealed) => Some(seal::open(
                &shared.keys,
                Place {
                    row: &row.id,
                    ..RENDERED
                },
                sealed,
            )?),
        };
        let subject = match (&row.subject_kind, &row.subject_id) {
            (Some(kind), Some(subject)) => Some(subject_of(kind, subject)?),
            _ => None,
        };
        Some(ClaimedRow {
            row: OutboxRow {
                notice,
                message_id: row.message_id.clone(),
                attempts: row.attempts.unsigned_abs(),
                rendered,
                ambiguous: row.ambiguous,
                last_class: row.last_class.clone(),
                created_at: from_ms(row.created_at),
            },
            fence,
            at_sending,
            subject,
            clinic: row.clinic_id.parse().ok()?,
            lease_ran_out,
        })
    };
    Some(ready().map_or(Claimed::Broken { id, fence }, |ready| {
        Claimed::Ready(Box::new(ready))
    }))
}

impl Store {
    /// Takes up to `limit` messages of these lanes that are due, for `lease_ms`, and those whose lease ran out. Most
    /// urgent lane first. Every row handed out is to be recorded, or is handed out again when the lease ends.
    pub async fn claim(
        &self,
        worker: &str,
        lanes: &[Lane],
        limit: u32,
        lease_ms: u32,
    ) -> Result<Vec<Claimed>, StoreError> {
        let worker = worker.to_owned();
        let lanes: Vec<i32> = lanes.iter().map(|lane| lane.rank()).collect();
        if lanes.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let claimed = self.write_job(Scope::system(), move |tx| {
            let machine_now = to_ms(tx.machine_now);
            let request = ClaimRequest {
                owner: &worker,
                lanes: &lanes,
                limit: i64::from(limit),
                clinical_now: to_ms(tx.now),
                machine_now,
                lease_until: machine_now + i64::from(lease_ms),
            };
            let rows = dialect::claim(tx.connection, &request)?;
            if rows.is_empty() {
                return Ok(Vec::new());
            }
            end_nameless(tx, &rows)?;
            let sources = Sources::of(tx, &rows)?;
            let now = tx.now;
            let hand_out = |claimed: ClaimedOutboxRow| {
                let at_sending = sources.at_sending(&claimed.message, now);
                read_claimed(tx.shared, claimed, at_sending)
            };
            Ok(rows.into_iter().filter_map(hand_out).collect())
        });
        Ok(claimed.await?)
    }

    /// Extends leases to `lease_ms` from now. Gives those that are still ours.
    pub async fn renew(
        &self,
        held: Vec<(NoticeId, i64)>,
        lease_ms: u32,
    ) -> Result<Vec<NoticeId>, StoreError> {
        let renewed = self.write_job(Scope::system(), move |tx| {
            let until = to_ms(tx.machine_now) + i64::from(lease_ms);
            let mut ours = Vec::with_capacity(held.len());
            for (id, fence) in &held {
                let row = outbox::table
                    .find(id.to_string())
                    .filter(outbox::fence.eq(fence).and(outbox::state.eq("leased")));
                if diesel::update(row)
                    .set(outbox::lease_until.eq(until))
                    .execute(tx.connection)?
                    == 1
                {
                    ours.push(*id);
                }
            }
            Ok(ours)
        });
        Ok(renewed.await?)
    }
}
