//! The proof of the watch: that nothing which is owed will be forgotten.
//!
//! Guarantees: one query, over indexes alone, finds every open duty without a wake-up, every wake-up that lies more than a
//! minute in the past, and every case short of resolved for which nobody owes anything; what was found stands where
//! every process can read it; a clinic's administrator is told at most once an hour.

use std::collections::BTreeSet;

use bedside_protocol::duty::Lane;
use bedside_protocol::id::ClinicId;
use bedside_protocol::notice::{About, Message, Notice, Recipient, Who};
use bedside_protocol::people::keepers;
use bedside_protocol::watch::Subject;
use chrono::Duration;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::clock::{from_ms, to_ms};
use crate::dialect;
use crate::error::{Stop, StoreError};
use crate::outbox;
use crate::records::{load, on_call};
use crate::schema::{outbox as outbox_rows, watch_findings, watch_told};
use crate::scope::Scope;
use crate::sessions::subject_of;
use crate::store::Store;
use crate::transaction::Tx;

/// How far in the past a wake-up may lie after a look at everything that is due.
const OVERDUE_AFTER: Duration = Duration::minutes(1);

/// A clinic's administrator is told again after this.
const TOLD_AGAIN_AFTER: Duration = Duration::hours(1);

/// Later than any wait of a failed message reaches.
const FARTHEST_TRY: Duration = Duration::minutes(20);

/// Findings of each kind in one look; a fault that makes more is found again after these are mended.
const AT_ONCE: u32 = 100;

/// A part of the watch whose last finding is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingPart {
    /// Whether everything that is owed will be looked at.
    Duties,
    /// Whether the audit trail verified last night.
    Audit,
    /// Whether a worker's clock can be trusted.
    Clock,
}

impl FindingPart {
    fn name(self) -> &'static str {
        match self {
            Self::Duties => "duties",
            Self::Audit => "audit",
            Self::Clock => "clock",
        }
    }
}

/// What is wrong with something that is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wrong {
    /// An open duty has no wake-up: nothing would look at it again.
    NoWakeUp,
    /// A duty's wake-up has passed and it was not looked at.
    Overdue,
    /// A case is not resolved and nobody owes anything for it.
    CaseWithoutDuty,
}

impl Wrong {
    /// Its name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoWakeUp => "no_wake_up",
            Self::Overdue => "overdue",
            Self::CaseWithoutDuty => "case_without_duty",
        }
    }
}

/// Something that would have been forgotten.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unwatched {
    /// What is wrong.
    pub wrong: Wrong,
    /// The duty's or case's id as it stands in its row.
    pub id: String,
    /// The clinic, if the row says one.
    pub clinic: Option<ClinicId>,
    /// What it belongs to, if the row says so. The tick cannot find a duty without one.
    pub subject: Option<Subject>,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    wrong: String,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    clinic_id: String,
    #[diesel(sql_type = Text)]
    subject_kind: String,
    #[diesel(sql_type = Text)]
    subject_id: String,
}

impl Found {
    fn value(self) -> Option<Unwatched> {
        let kinds = [Wrong::NoWakeUp, Wrong::Overdue, Wrong::CaseWithoutDuty];
        Some(Unwatched {
            wrong: kinds.into_iter().find(|kind| kind.name() == self.wrong)?,
            id: self.id,
            clinic: self.clinic_id.parse().ok(),
            subject: subject_of(&self.subject_kind, &self.subject_id),
        })
    }
}

/// The one query. The states are written out: SQLite finds a partial index by them.
fn query(overdue_before_ms: i64) -> String {
    let columns = "id, clinic_id, subject_kind, subject_id";
    format!(
        "SELECT * FROM (SELECT 'no_wake_up' AS wrong, {columns} FROM duties \
            WHERE state = 'open' AND wake_at IS NULL LIMIT {AT_ONCE}) AS asleep \
         UNION ALL SELECT * FROM (SELECT 'overdue' AS wrong, {columns} FROM duties d \
            WHERE d.wake_at IS NOT NULL AND d.wake_at < {overdue_before_ms} \
            AND NOT EXISTS (SELECT 1 FROM postponements p WHERE p.subject_id = d.subject_id) \
            ORDER BY d.wake_at LIMIT {AT_ONCE}) AS overdue \
         UNION ALL SELECT * FROM (SELECT 'case_without_duty' AS wrong, {columns} FROM cases c \
            WHERE c.state <> 'resolved' AND NOT EXISTS (SELECT 1 FROM duties d WHERE d.subject_id = c.subject_id \
                AND d.state = 'open' AND d.wake_at IS NOT NULL \
                AND d.kind IN ('take_case', 'contact_patient', 'record_outcome')) LIMIT {AT_ONCE}) AS unowed"
    )
}

/// Keeps what the last look at a part found.
pub(crate) fn keep_finding(tx: &mut Tx<'_>, part: FindingPart, found: u64) -> Result<(), Stop> {
    let columns = (
        watch_findings::found.eq(i64::try_from(found).unwrap_or(i64::MAX)),
        watch_findings::found_at.eq(to_ms(tx.machine_now)),
    );
    let known = diesel::update(watch_findings::table.find(part.name()))
        .set(columns)
        .execute(tx.connection)?;
    if known == 0 {
        diesel::insert_into(watch_findings::table)
            .values((watch_findings::part.eq(part.name()), columns.0, columns.1))
            .execute(tx.connection)?;
    }
    Ok(())
}

/// Waits end within 18 minutes, so a later try was put off by a clock that was ahead: it is due now.
fn bring_near(tx: &mut Tx<'_>) -> Result<(), Stop> {
    let now = to_ms(tx.machine_now);
    let farthest = now + FARTHEST_TRY.num_milliseconds();
    let put_off = outbox_rows::table
        .filter(outbox_rows::finished_at.is_null())
        .filter(outbox_rows::state.eq("pending"))
        .filter(outbox_rows::lane.le(Lane::Session.rank()))
        .filter(outbox_rows::retry_at.gt(farthest));
    diesel::update(put_off)
        .set(outbox_rows::retry_at.eq(now))
        .execute(tx.connection)?;
    Ok(())
}

/// Tells whoever keeps a clinic's program running, if they were not told within the hour.
fn tell_clinic(tx: &mut Tx<'_>, clinic: ClinicId) -> Result<(), Stop> {
    let id = clinic.to_string();
    let told_at: Option<i64> = watch_told::table
        .find(&id)
        .select(watch_told::told_at)
        .first(tx.connection)
        .optional()?;
    // A clock that was set back must not silence it.
    let lately = |told_at: i64| (tx.now - from_ms(told_at)).abs() < TOLD_AGAIN_AFTER;
    if told_at.is_some_and(lately) {
        return Ok(());
    }
    let Some(place) = load::or_nothing(clinic, load::clinic(tx, clinic))? else {
        return Ok(());
    };
    let told = watch_told::told_at.eq(to_ms(tx.now));
    if told_at.is_some() {
        diesel::update(watch_told::table.find(&id))
            .set(told)
            .execute(tx.connection)?;
    } else {
        diesel::insert_into(watch_told::table)
            .values((watch_told::clinic_id.eq(&id), told))
            .execute(tx.connection)?;
    }
    let list = load::or_nothing(clinic, on_call::people(tx, clinic))?;
    let notices: Vec<Notice> = keepers(&list)
        .into_iter()
        .map(|person| Notice {
            id: tx.new_id(),
            key: format!("watch:{clinic}:{}:{}", to_ms(tx.now), person.person),
            lane: Lane::Escalation,
            to: Recipient {
                who: Who::Staff(person.person),
                email: person.email.clone(),
            },
            about: About::Information,
            message: Message::WatchIncomplete {
                at: tx.now,
                zone: place.zone,
            },
            not_before: tx.now,
            stale_after: None,
            thread: None,
        })
        .collect();
    outbox::insert(tx, clinic, None, &notices)
}

impl Store {
    /// Everything that would be forgotten; nothing, when all is well. Subjects that are postponed are another part of
    /// readiness and are left out of what is overdue. At most 100 of each kind.
    pub async fn list_unwatched(&self) -> Result<Vec<Unwatched>, StoreError> {
        self.read_job(Scope::system(), |tx| {
            let sql = query(to_ms(tx.now - OVERDUE_AFTER));
            let rows: Vec<Found> = diesel::sql_query(sql).load(tx.connection)?;
            Ok(rows.into_iter().filter_map(Found::value).collect())
        })
        .await
    }

    /// Keeps the result of a look for what is unwatched, and tells the administrators of the clinics it concerns.
    pub async fn keep_proof(&self, found: Vec<Unwatched>) -> Result<(), StoreError> {
        let clinics: BTreeSet<ClinicId> = found.iter().filter_map(|unwatched| unwatched.clinic).collect();
        let kept = self.write_job(Scope::system(), move |tx| {
            dialect::lock_named(tx.connection, "watch findings")?;
            tx.read_clocks();
            keep_finding(tx, FindingPart::Duties, found.len() as u64)?;
            for clinic in &clinics {
                tell_clinic(tx, *clinic)?;
            }
            bring_near(tx)?;
            Ok(())
        });
        Ok(kept.await?)
    }

    /// Keeps what a look at a part of the watch found wrong, for readiness.
    pub async fn keep_findings(&self, part: FindingPart, found: u64) -> Result<(), StoreError> {
        let kept = self.write_job(Scope::system(), move |tx| {
            dialect::lock_named(tx.connection, "watch findings")?;
            keep_finding(tx, part, found)?;
            Ok(())
        });
        Ok(kept.await?)
    }

    /// How much the last look at a part found, if that look is no older than `max_age` on the machine clock: for what is
    /// looked at again and again.
    pub async fn count_young_findings(
        &self,
        part: FindingPart,
        max_age: Duration,
    ) -> Result<u64, StoreError> {
        self.read_job(Scope::system(), move |tx| {
            let found: Option<(i64, i64)> = watch_findings::table
                .find(part.name())
                .select((watch_findings::found, watch_findings::found_at))
                .first(tx.connection)
                .optional()?;
            let is_young = |at: i64| (tx.machine_now - from_ms(at)).abs() <= max_age;
            Ok(found
                .filter(|(_, at)| is_young(*at))
                .map_or(0, |(found, _)| found.unsigned_abs()))
        })
        .await
    }

    /// How much the last look at a part of the watch found wrong. For readiness.
    pub async fn count_findings(&self, part: FindingPart) -> Result<u64, StoreError> {
        self.read_job(Scope::system(), move |tx| {
            let found: Option<i64> = watch_findings::table
                .find(part.name())
                .select(watch_findings::found)
                .first(tx.connection)
                .optional()?;
            Ok(found.unwrap_or(0).unsigned_abs())
        })
        .await
    }
}
