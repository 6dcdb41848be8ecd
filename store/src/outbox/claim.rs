//! Claiming: a worker takes rows for a short lease, is told how their sources stand, and makes their mails, which are kept
//! in the same transaction.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bedside_protocol::duty::{DutyKind, Lane};
use bedside_protocol::id::{ClinicId, NoticeId};
use bedside_protocol::notice::{AtSending, Notice, still_wanted};
use bedside_protocol::people::CommsStatus;
use bedside_protocol::session::SessionState;
use bedside_protocol::time::Instant;
use bedside_protocol::watch::Subject;
use diesel::prelude::*;

use crate::clock::{from_ms, to_ms};
use crate::dialect::{self, Finish, Lease};
use crate::error::{DatabaseError, Stop, StoreError};
use crate::outbox::{RENDERED, bundling};
use crate::refused::RefusedNow;
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
    pub rendered: Option<Arc<Vec<u8>>>,
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
    /// Of a message about a case: whether a mail server has refused its address for good, and none took a mail since.
    pub address_refused: bool,
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
#[derive(Default)]
pub(super) struct Sources {
    /// With what each is about.
    open_duties: HashMap<String, String>,
    /// State and round.
    cases: HashMap<String, (String, i32)>,
    told: Told,
    invited_sitters: HashSet<String>,
    muted_subjects: HashSet<String>,
    /// Subjects of patients who declined e-mail, and whether the session runs.
    declined_subjects: HashMap<String, bool>,
}

impl Sources {
    pub(super) fn of(tx: &mut Tx<'_>, due: &[rows::OutboxRow]) -> Result<Self, Stop> {
        let ids =
            |of: fn(&rows::OutboxRow) -> (Option<&str>, Option<&String>), kind: &str| -> HashSet<String> {
                let of_kind = due.iter().map(of).filter(|(is, _)| *is == Some(kind));
                of_kind.filter_map(|(_, id)| id.cloned()).collect()
            };
        let about = |kind| ids(|row| (Some(&row.about_kind), row.about_id.as_ref()), kind);
        let subjects = |kind| ids(|row| (row.subject_kind.as_deref(), row.subject_id.as_ref()), kind);
        let connection = &mut *tx.connection;
        let mut sources = Self::default();
        // Most batches have sources of one kind only.
        let wanted = about("duty");
        if !wanted.is_empty() {
            let open = duties::id.eq_any(wanted).and(duties::state.eq("open"));
            let open: Vec<(String, String)> = duties::table
                .filter(open)
                .select((duties::id, duties::kind))
                .load(connection)?;
            sources.open_duties.extend(open);
        }
        let wanted = about("case");
        if !wanted.is_empty() {
            let cases: Vec<(String, String, i32)> = cases::table
                .filter(cases::id.eq_any(wanted))
                .select((cases::id, cases::state, cases::round))
                .load(connection)?;
            let by_id = cases.into_iter().map(|(id, state, round)| (id, (state, round)));
            sources.cases.extend(by_id);
            sources.told = Told::of(tx, due)?;
        }
        let connection = &mut *tx.connection;
        let wanted = about("invitation");
        if !wanted.is_empty() {
            let invited = sitters::id.eq_any(wanted).and(sitters::state.eq("invited"));
            let invited: Vec<String> = sitters::table
                .filter(invited)
                .select(sitters::id)
                .load(connection)?;
            sources.invited_sitters.extend(invited);
        }
        let wanted = subjects("patient");
        if !wanted.is_empty() {
            let found: Vec<(String, String, bool)> = patients::table
                .filter(patients::id.eq_any(wanted))
                .filter(
                    patients::comms
                        .ne(CommsStatus::Active.name())
                        .or(patients::mail_declined.eq(true)),
                )
                .select((patients::id, patients::comms, patients::mail_declined))
                .load(connection)?;
            sources.silence(
                found
                    .into_iter()
                    .map(|(id, comms, declined)| (id, comms, declined, false)),
            );
        }
        let wanted = subjects("session");
        if !wanted.is_empty() {
            let found: Vec<(String, String, bool, String)> = sessions::table
                .inner_join(patients::table.on(patients::id.eq(sessions::patient_id)))
                .filter(sessions::id.eq_any(wanted))
                .filter(
                    patients::comms
                        .ne(CommsStatus::Active.name())
                        .or(patients::mail_declined.eq(true)),
                )
                .select((
                    sessions::id,
                    patients::comms,
                    patients::mail_declined,
                    sessions::state,
                ))
                .load(connection)?;
            sources.silence(found.into_iter().map(|(id, comms, declined, state)| {
                let runs = SessionState::RUNNING.contains(&state.as_str());
                (id, comms, declined, runs)
            }));
        }
        Ok(sources)
    }

    /// Subjects of patients to whom not everything goes: subject, whether messages make sense, whether e-mail was declined,
    /// whether the session runs.
    fn silence(&mut self, found: impl Iterator<Item = (String, String, bool, bool)>) {
        for (subject, comms, declined, runs) in found {
            if comms != CommsStatus::Active.name() {
                self.muted_subjects.insert(subject.clone());
            }
            if declined {
                self.declined_subjects.insert(subject, runs);
            }
        }
    }

    pub(super) fn at_sending(&self, row: &rows::OutboxRow, now: Instant) -> AtSending {
        let about = row.about_id.as_deref().unwrap_or_default();
        let is = |kind: &str| row.about_kind == kind;
        let declined = row
            .subject_id
            .as_ref()
            .and_then(|subject| self.declined_subjects.get(subject));
        let duty = self.open_duties.get(about).filter(|_| is("duty"));
        // Whoever unlocked the screen may have taken the dose without saying so.
        let finds_out = duty.is_some_and(|kind| *kind == DutyKind::LogDose.name());
        let untaken = |(state, round): &(String, i32)| state == "open" && Some(*round) == row.about_round;
        AtSending {
            now,
            duty_open: duty.is_some(),
            case_untaken: is("case") && self.cases.get(about).is_some_and(untaken),
            told_since: is("case") && self.told.since(row, now),
            invitation_open: is("invitation") && self.invited_sitters.contains(about),
            comms_active: row
                .subject_id
                .as_ref()
                .is_none_or(|subject| !self.muted_subjects.contains(subject)),
            mail_declined: declined.is_some(),
            in_session: finds_out || declined.is_some_and(|runs| *runs),
        }
    }
}

/// Case, round and recipient of a message about a case.
type Addressee = (Option<String>, Option<i32>, String);

fn addressee(row: &rows::OutboxRow) -> Addressee {
    (row.about_id.clone(), row.about_round, row.recipient_id.clone())
}

/// Who was told of the round of a case when, and whom this claim tells.
#[derive(Default)]
struct Told {
    /// The last acceptance, milliseconds.
    accepted: HashMap<Addressee, i64>,
    /// Those for whom this claim has a mail that will be sent.
    now: HashSet<Addressee>,
}

impl Told {
    fn of(tx: &mut Tx<'_>, due: &[rows::OutboxRow]) -> Result<Self, Stop> {
        let about_cases = || due.iter().filter(|row| row.about_kind == "case");
        let subjects: HashSet<&String> = about_cases().filter_map(|row| row.subject_id.as_ref()).collect();
        let recipients: HashSet<&String> = about_cases().map(|row| &row.recipient_id).collect();
        let addressee_of = (outbox::about_id, outbox::about_round, outbox::recipient_id);
        let sent: Vec<(Addressee, Option<i64>)> = outbox::table
            .filter(outbox::subject_id.eq_any(subjects))
            .filter(outbox::recipient_id.eq_any(recipients))
            .filter(outbox::about_kind.eq("case").and(outbox::state.eq("sent")))
            .group_by(addressee_of)
            .select((addressee_of, diesel::dsl::max(outbox::finished_at)))
            .load(tx.connection)?;
        let accepted = sent
            .into_iter()
            .filter_map(|(addressee, at)| Some((addressee, at?)));
        Ok(Self {
            accepted: accepted.collect(),
            now: HashSet::new(),
        })
    }

    /// An acceptance in the future was written by a clock that was ahead, and counts for nothing.
    fn since(&self, row: &rows::OutboxRow, now: Instant) -> bool {
        let addressee = addressee(row);
        let accepted = self
            .accepted
            .get(&addressee)
            .is_some_and(|at| *at > row.not_before && *at <= to_ms(now));
        accepted || self.now.contains(&addressee)
    }
}

/// The places of the newest rows first: an older message about a case gives way to a newer one that will be sent, and to no
/// other.
fn newest_first(due: &[rows::OutboxRow]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..due.len()).collect();
    places.sort_unstable_by_key(|place| Reverse((due[*place].not_before, &due[*place].id)));
    places
}

/// Ends rows whose very id cannot be read, so that they do not come back at the end of each lease (invariant I6).
fn end_nameless(tx: &mut Tx<'_>, due: &[rows::OutboxRow]) -> Result<(), Stop> {
    let nameless: Vec<Finish> = due
        .iter()
        .filter(|it| it.id.parse::<NoticeId>().is_err())
        .map(|it| Finish {
            id: it.id.clone(),
            fence: it.fence + 1,
            state: "failed",
            retry_at: it.retry_at,
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

/// The row as a worker gets it, claimed; `None` for one without a readable id.
fn read_claimed(
    shared: &Shared,
    row: &rows::OutboxRow,
    notice: Option<Notice>,
    at_sending: AtSending,
    refused: Option<&RefusedNow>,
) -> Option<Claimed> {
    let id: NoticeId = row.id.parse().ok()?;
    let fence = row.fence + 1;
    let ready = move || -> Option<ClaimedRow> {
        let notice = notice?;
        let rendered = match &row.rendered_sealed {
            None => None,
            Some(sealed) => {
                let place = Place {
                    row: &row.id,
                    ..RENDERED
                };
                Some(Arc::new(seal::open(&shared.keys, place, sealed)?))
            }
        };
        let subject = match (&row.subject_kind, &row.subject_id) {
            (Some(kind), Some(subject)) => Some(subject_of(kind, subject)?),
            _ => None,
        };
        let clinic = row.clinic_id.parse().ok()?;
        let is_refused = |refused: &RefusedNow| refused.has(&shared.keys, clinic, &notice.to.email);
        Some(ClaimedRow {
            address_refused: row.about_kind == "case" && refused.is_some_and(is_refused),
            row: OutboxRow {
                notice,
                message_id: row.message_id.clone(),
                attempts: row.attempts.unsigned_abs() + 1,
                rendered,
                ambiguous: row.ambiguous,
                last_class: row.last_class.clone(),
                created_at: from_ms(row.created_at),
            },
            fence,
            at_sending,
            subject,
            clinic,
            lease_ran_out: row.state == "leased",
        })
    };
    Some(ready().map_or(Claimed::Broken { id, fence }, |ready| {
        Claimed::Ready(Box::new(ready))
    }))
}

/// What is made of a row while it is claimed: any value, and the mail where it was made now.
pub type Made<M> = (M, Option<Arc<Vec<u8>>>);

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
        let claimed = self.claim_and_make(worker, lanes, limit, lease_ms, |_| ((), None));
        Ok(claimed.await?.into_iter().map(|(claimed, _)| claimed).collect())
    }

    /// The same, and makes something of each row before it is handed out: `make` gives a value and, where it made the mail,
    /// its bytes, which are kept in the transaction of the claim. So a mail is kept before its first byte goes out, and
    /// with one commit. `make` may run more than once for a row, and must not wait for anything.
    pub async fn claim_and_make<M: Send + 'static>(
        &self,
        worker: &str,
        lanes: &[Lane],
        limit: u32,
        lease_ms: u32,
        make: impl Fn(&ClaimedRow) -> Made<M> + Send + 'static,
    ) -> Result<Vec<(Claimed, Option<M>)>, StoreError> {
        let worker = worker.to_owned();
        let lanes: Vec<i32> = lanes.iter().map(|lane| lane.rank()).collect();
        let claimed = self.write_job(Scope::system(), move |tx| {
            let (clinical_now, machine_now) = (to_ms(tx.now), to_ms(tx.machine_now));
            let mut due = Vec::new();
            for lane in &lanes {
                let room = i64::from(limit) - i64::try_from(due.len()).unwrap_or(i64::MAX);
                if room > 0 {
                    due.extend(dialect::due_outbox(
                        tx.connection,
                        *lane,
                        room,
                        clinical_now,
                        machine_now,
                    )?);
                }
            }
            if due.is_empty() {
                return Ok(Vec::new());
            }
            let due = bundling::bundle(tx, due)?;
            let mut notices: HashMap<&str, Notice> = due
                .iter()
                .filter_map(|row| {
                    let notice = super::open_notice(tx.shared, &row.id, &row.doc_sealed)?;
                    Some((row.id.as_str(), notice))
                })
                .collect();
            let mut sources = Sources::of(tx, &due)?;
            let about_cases = due.iter().filter(|row| row.about_kind == "case");
            let clinics: HashSet<&str> = about_cases.map(|row| row.clinic_id.as_str()).collect();
            let refused = if clinics.is_empty() {
                None
            } else {
                Some(RefusedNow::of(tx, &clinics)?)
            };
            let mut leased: Vec<(&str, Option<Vec<u8>>)> =
                due.iter().map(|message| (message.id.as_str(), None)).collect();
            let mut handed_out = Vec::with_capacity(due.len());
            for turn in newest_first(&due) {
                let message = &due[turn];
                let at_sending = sources.at_sending(message, tx.now);
                let notice = notices.remove(message.id.as_str());
                let claimed = read_claimed(tx.shared, message, notice, at_sending, refused.as_ref());
                if let Some(claimed) = claimed {
                    let made = match &claimed {
                        Claimed::Broken { .. } => None,
                        Claimed::Ready(row) => {
                            let (made, mail) = make(row);
                            let has_mail = mail.is_some() || row.row.rendered.is_some();
                            if has_mail && still_wanted(&row.row.notice, &at_sending).is_ok() {
                                sources.told.now.insert(addressee(message));
                            }
                            if let Some(mail) = mail {
                                let place = Place {
                                    row: &message.id,
                                    ..RENDERED
                                };
                                let sealed = seal::seal(&tx.shared.keys, place, &mail);
                                leased[turn].1 = Some(sealed.map_err(DatabaseError::from)?);
                            }
                            Some(made)
                        }
                    };
                    handed_out.push((turn, (claimed, made)));
                }
            }
            handed_out.sort_unstable_by_key(|(turn, _)| *turn);
            let lease = Lease {
                owner: &worker,
                until: machine_now + i64::from(lease_ms),
            };
            dialect::lease_outbox(tx.connection, &lease, &leased)?;
            end_nameless(tx, &due)?;
            Ok(handed_out.into_iter().map(|(_, handed)| handed).collect())
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
            let rows: Vec<(String, i64)> = held.iter().map(|(id, fence)| (id.to_string(), *fence)).collect();
            let renewed = dialect::renew_leases(tx.connection, &rows, until)?;
            let renewed: HashSet<String> = renewed.into_iter().collect();
            let ours = held.iter().zip(&rows);
            Ok(ours
                .filter(|(_, (id, _))| renewed.contains(id))
                .map(|((id, _), _)| *id)
                .collect())
        });
        Ok(renewed.await?)
    }
}
