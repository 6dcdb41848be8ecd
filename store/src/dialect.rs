//! The statements that differ between SQLite and PostgreSQL, and the only place that asks which of the two it is.
//!
//! Everything else is written once, against the connection that is either. Here: transactions, locks, batch inserts,
//! upserts, the claim of the outbox and its batch completion, and what a fresh connection is told.

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text};

use crate::engine::{AnyConnection, Role};
use crate::migrate;
use crate::rows::{
    AnswerRow, AuditRow, CaseRow, CheckInRow, DutyRow, LinkRow, OnCallRow, OutboxRow, PatientDocumentRow,
    PatientRow, ReadingRow, RefusedAddressRow, SessionRow, SitterRow,
};
use crate::schema::{
    answers, audit, cases, check_ins, duties, links, on_call, outbox, outbox_done, patient_documents,
    patients, readings, refused_addresses, sessions, sitters,
};

/// Rows in one INSERT: PostgreSQL takes 65,535 parameters, the widest row has 28.
const ROWS_AT_ONCE: usize = 100;

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// A consistent picture.
    Read,
    /// A change. On SQLite the write lock is taken at once: a transaction that reads first and writes later fails with
    /// "database is locked" more often than not.
    Write,
    /// A change of the schema. The caller holds everybody else back by [`lock_named`].
    Migration,
}

/// Begins a transaction. One that writes on PostgreSQL keeps migrations from running until it ends.
pub(crate) fn begin(connection: &mut AnyConnection, work: Work) -> QueryResult<()> {
    match (connection, work) {
        (AnyConnection::Sqlite(c), Work::Read) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN"),
        (AnyConnection::Sqlite(c), Work::Write | Work::Migration) => {
            AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE")
        }
        (AnyConnection::Postgres(c), Work::Read) => AnsiTransactionManager::begin_transaction_sql(
            c,
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        ),
        (AnyConnection::Postgres(c), Work::Write) => {
            // One statement list: no round trip more.
            let sql = format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED; \
                 SELECT pg_advisory_xact_lock_shared(hashtextextended('{}', 0))",
                migrate::LOCK
            );
            let begun = AnsiTransactionManager::begin_transaction_sql(c, &sql);
            if begun.is_err() {
                // It may have begun and then waited for a migration too long. Of a broken connection nothing is left.
                let _nothing_is_left: QueryResult<()> = c.batch_execute("ROLLBACK");
            }
            begun
        }
        (AnyConnection::Postgres(c), Work::Migration) => {
            AnsiTransactionManager::begin_transaction_sql(c, "BEGIN ISOLATION LEVEL READ COMMITTED")
        }
    }
}

pub(crate) fn commit(connection: &mut AnyConnection) -> QueryResult<()> {
    match connection {
        AnyConnection::Sqlite(c) => AnsiTransactionManager::commit_transaction(c),
        AnyConnection::Postgres(c) => AnsiTransactionManager::commit_transaction(c),
    }
}

pub(crate) fn roll_back(connection: &mut AnyConnection) -> QueryResult<()> {
    match connection {
        AnyConnection::Sqlite(c) => AnsiTransactionManager::rollback_transaction(c),
        AnyConnection::Postgres(c) => AnsiTransactionManager::rollback_transaction(c),
    }
}

/// Whether the connection can do no more work.
pub(crate) fn is_broken(connection: &mut AnyConnection) -> bool {
    let broken = match connection {
        AnyConnection::Sqlite(c) => AnsiTransactionManager::is_broken_transaction_manager(c),
        AnyConnection::Postgres(c) => AnsiTransactionManager::is_broken_transaction_manager(c),
    };
    broken || connection.batch_execute("SELECT 1").is_err()
}

/// What a fresh connection is told.
pub(crate) fn prepare(connection: &mut AnyConnection, role: Role) -> QueryResult<()> {
    match connection {
        AnyConnection::Sqlite(c) => {
            c.batch_execute("PRAGMA busy_timeout = 5000")?;
            if matches!(role, Role::Writer | Role::Migrator) {
                enter_wal(c)?;
            }
            c.batch_execute(
                "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY",
            )?;
            if matches!(role, Role::Reader | Role::Inspector) {
                c.batch_execute("PRAGMA query_only = ON")?;
            }
            Ok(())
        }
        AnyConnection::Postgres(c) => {
            // A migration may take its time; the wait for another one's lock as well.
            let limit_ms = if role == Role::Migrator { 0 } else { 10_000 };
            c.batch_execute(&format!(
                "SET client_min_messages = warning; SET synchronous_commit = on; SET timezone = 'UTC'; \
                 SET statement_timeout = {limit_ms}; SET lock_timeout = {limit_ms}; \
                 SET idle_in_transaction_session_timeout = 30000"
            ))
        }
    }
}

/// The change to WAL does not wait for another process that does the same, whatever `busy_timeout` says.
fn enter_wal(connection: &mut SqliteConnection) -> QueryResult<()> {
    let mut tries = 0;
    loop {
        match connection.batch_execute("PRAGMA journal_mode = WAL") {
            Err(error) if tries < 50 && error.to_string().contains("locked") => {
                tries += 1;
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            outcome => return outcome,
        }
    }
}

/// The version of the SQLite in use; empty on PostgreSQL.
pub(crate) fn sqlite_version(connection: &mut AnyConnection) -> QueryResult<String> {
    match connection {
        AnyConnection::Sqlite(c) => {
            diesel::select(diesel::dsl::sql::<Text>("sqlite_version()")).get_result(c)
        }
        AnyConnection::Postgres(_) => Ok(String::new()),
    }
}

/// Holds other processes back until this transaction ends. On SQLite [`begin`] did so already.
pub(crate) fn lock_named(connection: &mut AnyConnection, name: &str) -> QueryResult<()> {
    match connection {
        AnyConnection::Sqlite(_) => Ok(()),
        AnyConnection::Postgres(c) => {
            diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
                .bind::<Text, _>(name)
                .execute(c)
                .map(|_| ())
        }
    }
}

/// A session's row, locked against other writers where the engine locks rows. Not against those who only refer to it.
pub(crate) fn lock_session(connection: &mut AnyConnection, id: &str) -> QueryResult<Option<SessionRow>> {
    let row = sessions::table.find(id);
    match connection {
        AnyConnection::Sqlite(c) => row.select(SessionRow::as_select()).first(c).optional(),
        AnyConnection::Postgres(c) => row
            .select(SessionRow::as_select())
            .for_no_key_update()
            .first(c)
            .optional(),
    }
}

/// A patient's row, locked like [`lock_session`].
pub(crate) fn lock_patient(connection: &mut AnyConnection, id: &str) -> QueryResult<Option<PatientRow>> {
    let row = patients::table.find(id);
    match connection {
        AnyConnection::Sqlite(c) => row.select(PatientRow::as_select()).first(c).optional(),
        AnyConnection::Postgres(c) => row
            .select(PatientRow::as_select())
            .for_no_key_update()
            .first(c)
            .optional(),
    }
}

macro_rules! batch_inserts {
    ($($name:ident: $row:ty => $table:ident),* $(,)?) => {$(
        pub(crate) fn $name(connection: &mut AnyConnection, rows: &[$row]) -> QueryResult<()> {
            for rows in rows.chunks(ROWS_AT_ONCE) {
                match connection {
                    AnyConnection::Sqlite(c) => diesel::insert_into($table::table).values(rows).execute(c)?,
                    AnyConnection::Postgres(c) => diesel::insert_into($table::table).values(rows).execute(c)?,
                };
            }
            Ok(())
        }
    )*};
}

batch_inserts! {
    insert_sitters: SitterRow => sitters,
    insert_answers: AnswerRow => answers,
    insert_check_ins: CheckInRow => check_ins,
    insert_readings: ReadingRow => readings,
    insert_patient_documents: PatientDocumentRow => patient_documents,
    insert_duties: DutyRow => duties,
    insert_cases: CaseRow => cases,
    insert_links: LinkRow => links,
    insert_on_call: OnCallRow => on_call,
    insert_audit: AuditRow => audit,
}

/// Inserts messages. One whose key is there already, sent long ago or not, is passed over (invariant I2).
pub(crate) fn insert_outbox(connection: &mut AnyConnection, rows: &[OutboxRow]) -> QueryResult<usize> {
    if rows.is_empty() {
        return Ok(0);
    }
    let keys: Vec<&str> = rows.iter().map(|row| row.notice_key.as_str()).collect();
    let done: Vec<String> = outbox_done::table
        .filter(outbox_done::notice_key.eq_any(keys))
        .select(outbox_done::notice_key)
        .load(connection)?;
    let new: Vec<&OutboxRow> = rows
        .iter()
        .filter(|row| !done.contains(&row.notice_key))
        .collect();
    let mut inserted = 0;
    for row in new {
        let insert = diesel::insert_into(outbox::table).values(row);
        inserted += match connection {
            AnyConnection::Sqlite(c) => insert.on_conflict(outbox::notice_key).do_nothing().execute(c)?,
            AnyConnection::Postgres(c) => insert.on_conflict(outbox::notice_key).do_nothing().execute(c)?,
        };
    }
    Ok(inserted)
}

/// Marks an address as refused, unless it has a row already.
pub(crate) fn insert_refused_address(
    connection: &mut AnyConnection,
    row: &RefusedAddressRow,
) -> QueryResult<usize> {
    let insert = diesel::insert_into(refused_addresses::table).values(row);
    match connection {
        AnyConnection::Sqlite(c) => insert.on_conflict_do_nothing().execute(c),
        AnyConnection::Postgres(c) => insert.on_conflict_do_nothing().execute(c),
    }
}

/// Whose lease, and until when.
pub(crate) struct Lease<'a> {
    pub owner: &'a str,
    pub until: i64,
}

/// Messages of the lower lanes that wait for these recipients and were never tried, locked against other claims where the
/// engine locks rows; the oldest 200.
pub(crate) fn lock_waiting(
    connection: &mut AnyConnection,
    recipients: &[&str],
    clinical_now: i64,
    machine_now: i64,
) -> QueryResult<Vec<OutboxRow>> {
    let waiting = outbox::table
        .filter(diesel::dsl::sql::<Bool>("outbox.lane >= 2"))
        .filter(outbox::recipient_id.eq_any(recipients))
        .filter(outbox::state.eq("pending").and(outbox::attempts.eq(0)))
        .filter(outbox::not_before.le(clinical_now))
        .filter(outbox::retry_at.le(machine_now))
        .order(outbox::not_before)
        .limit(200);
    match connection {
        AnyConnection::Sqlite(c) => waiting.select(OutboxRow::as_select()).load(c),
        AnyConnection::Postgres(c) => waiting
            .select(OutboxRow::as_select())
            .for_update()
            .skip_locked()
            .load(c),
    }
}

/// No lease reaches so far, milliseconds: one that does was written by a clock that was ahead, and its holder is not waited
/// for.
const LEASE_FARTHEST_MS: i64 = 60_000;

/// Rows of a lane that are due, and rows whose lease ran out: first attempts (their `retry_at` is 0) before repeats, oldest
/// first. One lane at a time, so that the index gives them in this order and a claim reads no more than it takes. They are
/// locked until the transaction ends: two workers never get one row.
pub(crate) fn due_outbox(
    connection: &mut AnyConnection,
    lane: i32,
    limit: i64,
    clinical_now: i64,
    machine_now: i64,
) -> QueryResult<Vec<OutboxRow>> {
    let sql = |lock: &str, [one, two, three, four, five]: [&str; 5]| {
        format!(
            "SELECT * FROM outbox WHERE finished_at IS NULL AND lane = {one} AND retry_at <= {two} \
             AND ((state = 'pending' AND not_before <= {three}) OR (state = 'leased' AND \
                  (lease_until <= {four} OR lease_until > {four} + {LEASE_FARTHEST_MS}))) \
             ORDER BY retry_at, not_before LIMIT {five}{lock}"
        )
    };
    macro_rules! load {
        ($connection:expr, $lock:expr, $places:expr) => {
            diesel::sql_query(sql($lock, $places))
                .bind::<Integer, _>(lane)
                .bind::<BigInt, _>(machine_now)
                .bind::<BigInt, _>(clinical_now)
                .bind::<BigInt, _>(machine_now)
                .bind::<BigInt, _>(limit)
                .load($connection)
        };
    }
    match connection {
        AnyConnection::Sqlite(c) => load!(c, "", ["?1", "?2", "?3", "?4", "?5"]),
        AnyConnection::Postgres(c) => load!(c, " FOR UPDATE SKIP LOCKED", ["$1", "$2", "$3", "$4", "$5"]),
    }
}

/// Leases rows that [`due_outbox`] gave in this transaction: raises their fence, counts the attempt, and keeps the mail of
/// those that come with one.
pub(crate) fn lease_outbox(
    connection: &mut AnyConnection,
    lease: &Lease<'_>,
    rows: &[(&str, Option<Vec<u8>>)],
) -> QueryResult<()> {
    match connection {
        AnyConnection::Sqlite(c) => {
            for (id, mail) in rows {
                let leased = (
                    outbox::state.eq("leased"),
                    outbox::lease_owner.eq(lease.owner),
                    outbox::lease_until.eq(lease.until),
                    outbox::fence.eq(outbox::fence + 1),
                    outbox::attempts.eq(outbox::attempts + 1),
                );
                let row = diesel::update(outbox::table.find(id));
                match mail {
                    None => row.set(leased).execute(c)?,
                    Some(mail) => row.set((leased, outbox::rendered_sealed.eq(mail))).execute(c)?,
                };
            }
        }
        AnyConnection::Postgres(c) => {
            diesel::sql_query(
                "UPDATE outbox SET state = 'leased', lease_owner = $1, lease_until = $2, fence = outbox.fence + 1, \
                    attempts = outbox.attempts + 1, rendered_sealed = COALESCE(r.mail, outbox.rendered_sealed) \
                 FROM unnest($3, $4) AS r (id, mail) WHERE outbox.id = r.id",
            )
            .bind::<Text, _>(lease.owner)
            .bind::<BigInt, _>(lease.until)
            .bind::<Array<Text>, _>(rows.iter().map(|(id, _)| *id).collect::<Vec<_>>())
            .bind::<Array<Nullable<Binary>>, _>(rows.iter().map(|(_, mail)| mail.as_deref()).collect::<Vec<_>>())
            .execute(c)?;
        }
    }
    Ok(())
}

/// Extends leases to `until`, each only under the fence it was claimed with; rows in the order in which results are recorded,
/// so that the two wait for each other and never in a circle. Gives the ids of those that are still held.
pub(crate) fn renew_leases(
    connection: &mut AnyConnection,
    held: &[(String, i64)],
    until: i64,
) -> QueryResult<Vec<String>> {
    match connection {
        AnyConnection::Sqlite(c) => {
            let mut renewed = Vec::with_capacity(held.len());
            for (id, fence) in held {
                let row = outbox::table
                    .find(id)
                    .filter(outbox::fence.eq(fence).and(outbox::state.eq("leased")));
                let changed = diesel::update(row)
                    .set(outbox::lease_until.eq(until))
                    .execute(c)?;
                if changed == 1 {
                    renewed.push(id.clone());
                }
            }
            Ok(renewed)
        }
        AnyConnection::Postgres(c) => {
            let ids: Vec<&str> = held.iter().map(|(id, _)| id.as_str()).collect();
            lock_in_order(c, &ids)?;
            let renewed: Vec<IdOnly> = diesel::sql_query(
                "UPDATE outbox SET lease_until = $1 FROM unnest($2, $3) AS r (id, fence) \
                 WHERE outbox.id = r.id AND outbox.fence = r.fence AND outbox.state = 'leased' RETURNING outbox.id",
            )
            .bind::<BigInt, _>(until)
            .bind::<Array<Text>, _>(&ids)
            .bind::<Array<BigInt>, _>(held.iter().map(|(_, fence)| *fence).collect::<Vec<_>>())
            .load(c)?;
            Ok(renewed.into_iter().map(|row| row.id).collect())
        }
    }
}

/// Locks messages in the order of their ids.
fn lock_in_order(connection: &mut PgConnection, ids: &[&str]) -> QueryResult<()> {
    diesel::sql_query("SELECT id FROM outbox WHERE id = ANY($1) ORDER BY id FOR UPDATE")
        .bind::<Array<Text>, _>(ids)
        .execute(connection)
        .map(|_| ())
}

/// Ends up to `limit` messages whose use is over. Never one of a case, and never one that somebody holds. How many ended.
pub(crate) fn drop_stale(
    connection: &mut AnyConnection,
    limit: i64,
    clinical_now: i64,
) -> QueryResult<usize> {
    // The first condition names the index; it holds what has not ended.
    let sql = |lock: &str, [one, two, three]: [&str; 3]| {
        format!(
            "UPDATE outbox SET state = 'dropped', why = 'stale', finished_at = {one} WHERE id IN (SELECT id FROM outbox \
                WHERE finished_at IS NULL AND state = 'pending' AND about_kind <> 'case' \
                AND stale_after < {two} LIMIT {three}{lock})"
        )
    };
    match connection {
        AnyConnection::Sqlite(c) => diesel::sql_query(sql("", ["?"; 3]))
            .bind::<BigInt, _>(clinical_now)
            .bind::<BigInt, _>(clinical_now)
            .bind::<BigInt, _>(limit)
            .execute(c),
        AnyConnection::Postgres(c) => diesel::sql_query(sql(" FOR UPDATE SKIP LOCKED", ["$1", "$2", "$3"]))
            .bind::<BigInt, _>(clinical_now)
            .bind::<BigInt, _>(clinical_now)
            .bind::<BigInt, _>(limit)
            .execute(c),
    }
}

/// What becomes of a claimed row.
#[derive(Debug, Clone)]
pub(crate) struct Finish {
    pub id: String,
    pub fence: i64,
    pub state: &'static str,
    pub retry_at: i64,
    pub class: Option<String>,
    pub code: Option<i32>,
    /// Once true, stays true.
    pub ambiguous: bool,
    pub finished_at: Option<i64>,
    pub why: Option<String>,
}

#[derive(QueryableByName)]
struct IdOnly {
    #[diesel(sql_type = Text)]
    id: String,
}

/// Records results, each only under the fence it was claimed with. Gives the ids that were recorded.
pub(crate) fn finish(connection: &mut AnyConnection, results: &[Finish]) -> QueryResult<Vec<String>> {
    if results.is_empty() {
        return Ok(Vec::new());
    }
    match connection {
        AnyConnection::Sqlite(c) => {
            let mut recorded = Vec::with_capacity(results.len());
            for result in results {
                let held = outbox::table
                    .find(&result.id)
                    .filter(outbox::fence.eq(result.fence).and(outbox::state.eq("leased")));
                let changed = diesel::update(held)
                    .set((
                        outbox::state.eq(result.state),
                        outbox::retry_at.eq(result.retry_at),
                        outbox::last_class.eq(&result.class),
                        outbox::last_code.eq(result.code),
                        outbox::ambiguous.eq(outbox::ambiguous.or(result.ambiguous.into_sql::<Bool>())),
                        outbox::finished_at.eq(result.finished_at),
                        outbox::why.eq(&result.why),
                        outbox::lease_owner.eq(None::<String>),
                        outbox::lease_until.eq(None::<i64>),
                    ))
                    .execute(c)?;
                if changed == 1 {
                    recorded.push(result.id.clone());
                }
            }
            Ok(recorded)
        }
        AnyConnection::Postgres(c) => {
            let column = |of: fn(&Finish) -> i64| results.iter().map(of).collect::<Vec<_>>();
            lock_in_order(c, &results.iter().map(|r| r.id.as_str()).collect::<Vec<_>>())?;
            let recorded: Vec<IdOnly> = diesel::sql_query(
                "UPDATE outbox SET state = r.state, retry_at = r.retry_at, last_class = r.class, last_code = r.code, \
                    ambiguous = outbox.ambiguous OR r.ambiguous, finished_at = r.finished_at, why = r.why, \
                    lease_owner = NULL, lease_until = NULL \
                 FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) \
                    AS r (id, fence, state, retry_at, class, code, ambiguous, finished_at, why) \
                 WHERE outbox.id = r.id AND outbox.fence = r.fence AND outbox.state = 'leased' RETURNING outbox.id",
            )
            .bind::<Array<Text>, _>(results.iter().map(|r| r.id.as_str()).collect::<Vec<_>>())
            .bind::<Array<BigInt>, _>(column(|r| r.fence))
            .bind::<Array<Text>, _>(results.iter().map(|r| r.state).collect::<Vec<_>>())
            .bind::<Array<BigInt>, _>(column(|r| r.retry_at))
            .bind::<Array<Nullable<Text>>, _>(results.iter().map(|r| r.class.as_deref()).collect::<Vec<_>>())
            .bind::<Array<Nullable<Integer>>, _>(results.iter().map(|r| r.code).collect::<Vec<_>>())
            .bind::<Array<Bool>, _>(results.iter().map(|r| r.ambiguous).collect::<Vec<_>>())
            .bind::<Array<Nullable<BigInt>>, _>(results.iter().map(|r| r.finished_at).collect::<Vec<_>>())
            .bind::<Array<Nullable<Text>>, _>(results.iter().map(|r| r.why.as_deref()).collect::<Vec<_>>())
            .load(c)?;
            Ok(recorded.into_iter().map(|row| row.id).collect())
        }
    }
}

/// Moves messages to the table of finished ones, without the mail itself.
pub(crate) fn archive_outbox(connection: &mut AnyConnection, ids: &[String]) -> QueryResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let rows = outbox::table.filter(outbox::id.eq_any(ids));
    let moving = rows
        .insert_into(outbox_done::table)
        .into_columns(outbox_done::all_columns);
    match connection {
        AnyConnection::Sqlite(c) => moving.execute(c)?,
        AnyConnection::Postgres(c) => moving.execute(c)?,
    };
    diesel::update(outbox_done::table.filter(outbox_done::id.eq_any(ids)))
        .set(outbox_done::rendered_sealed.eq(None::<Vec<u8>>))
        .execute(connection)?;
    diesel::delete(outbox::table.filter(outbox::id.eq_any(ids))).execute(connection)?;
    Ok(())
}

#[derive(QueryableByName)]
struct OneNumber {
    #[diesel(sql_type = Nullable<BigInt>)]
    value: Option<i64>,
}

/// When the first notice was due of an open case's present round of which none was sent; the earliest of all such cases.
/// Few cases are open at a time, and a case's notices are found by its subject.
pub(crate) fn first_unheard_notice(connection: &mut AnyConnection) -> QueryResult<Option<i64>> {
    let of_round = |table: &str| {
        format!(
            "{table}.subject_id = c.subject_id AND {table}.about_kind = 'case' AND {table}.about_id = c.id \
             AND {table}.about_round = c.round"
        )
    };
    let (waiting, done) = (of_round("outbox"), of_round("outbox_done"));
    // That a case is not resolved is said for SQLite, which finds the partial index by it.
    let sql = format!(
        "WITH unheard AS (SELECT id, subject_id, round FROM cases c \
            WHERE c.state = 'open' AND c.state <> 'resolved' \
            AND NOT EXISTS (SELECT 1 FROM outbox WHERE {waiting} AND outbox.state = 'sent') \
            AND NOT EXISTS (SELECT 1 FROM outbox_done WHERE {done} AND outbox_done.state = 'sent')) \
         SELECT MIN(due.not_before) AS value FROM ( \
            SELECT outbox.not_before FROM unheard c JOIN outbox ON {waiting} \
            UNION ALL \
            SELECT outbox_done.not_before FROM unheard c JOIN outbox_done ON {done}) AS due"
    );
    let rows: Vec<OneNumber> = diesel::sql_query(sql).load(connection)?;
    Ok(rows.first().and_then(|row| row.value))
}

/// Rows of one kind: how many, and when the first of those that wait began to.
#[derive(QueryableByName)]
pub(crate) struct Tally {
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = BigInt)]
    pub count: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub oldest: Option<i64>,
}

/// What waits and what is open.
pub(crate) struct StandingCounts {
    /// Due and unsent messages, by the lane's rank.
    pub lanes: Vec<Tally>,
    /// Cases that are not resolved, by level; `oldest` is of those that nobody has taken.
    pub cases: Vec<Tally>,
    /// Sessions between dose and release.
    pub running_sessions: i64,
}

/// Counts what waits and what is open. States stand in the text, so that SQLite finds its partial indexes by them.
pub(crate) fn standing(connection: &mut AnyConnection, now_ms: i64) -> QueryResult<StandingCounts> {
    let lanes = format!(
        "SELECT CAST(lane AS TEXT) AS name, COUNT(*) AS count, MIN(not_before) AS oldest FROM outbox \
         WHERE finished_at IS NULL AND state IN ('pending', 'leased') AND not_before <= {now_ms} GROUP BY lane"
    );
    let cases = "SELECT level AS name, COUNT(*) AS count, \
            MIN(CASE WHEN state = 'open' THEN opened_at END) AS oldest \
         FROM cases WHERE state <> 'resolved' GROUP BY level";
    let running =
        "SELECT COUNT(*) AS value FROM sessions WHERE state IN ('dosed', 'monitoring', 'emergency')";
    let running: Vec<OneNumber> = diesel::sql_query(running).load(connection)?;
    Ok(StandingCounts {
        lanes: diesel::sql_query(lanes).load(connection)?,
        cases: diesel::sql_query(cases).load(connection)?,
        running_sessions: running.first().and_then(|row| row.value).unwrap_or(0),
    })
}

/// Whether a clinic `c` has a session that is neither a draft nor over.
const HAS_A_LIVE_SESSION: &str = "EXISTS (SELECT 1 FROM sessions s WHERE s.clinic_id = c.id AND s.state IN \
    ('scheduled', 'prep_open', 'ready', 'held', 'dosed', 'monitoring', 'emergency', 'unverified'))";

/// The clinics that have a roster and a session that is neither a draft nor over.
pub(crate) fn list_live_clinics_with_roster(connection: &mut AnyConnection) -> QueryResult<Vec<String>> {
    let rows: Vec<OneText> = diesel::sql_query(format!(
        "SELECT c.id AS value FROM clinics c JOIN rosters r ON r.clinic_id = c.id WHERE {HAS_A_LIVE_SESSION}"
    ))
    .load(connection)?;
    Ok(rows.into_iter().map(|row| row.value).collect())
}

/// How many clinics without a roster have a session that is neither a draft nor over, and nobody active at a place that
/// must be filled.
pub(crate) fn count_clinics_without_on_call(connection: &mut AnyConnection) -> QueryResult<i64> {
    let rows: Vec<OneNumber> = diesel::sql_query(format!(
        "SELECT COUNT(*) AS value FROM clinics c WHERE \
            (SELECT COUNT(DISTINCT o.place) FROM on_call o JOIN accounts a ON a.id = o.account_id \
                WHERE o.clinic_id = c.id AND o.place IN ('nurse', 'backup', 'fallback') AND a.active) < 3 \
            AND NOT EXISTS (SELECT 1 FROM rosters r WHERE r.clinic_id = c.id) AND {HAS_A_LIVE_SESSION}"
    ))
    .load(connection)?;
    Ok(rows.first().and_then(|row| row.value).unwrap_or(0))
}

/// Folds SQLite's WAL into the file and refreshes what the planner knows. Outside a transaction.
pub(crate) fn tidy(connection: &mut AnyConnection) -> QueryResult<()> {
    match connection {
        AnyConnection::Sqlite(c) => c.batch_execute("PRAGMA wal_checkpoint(PASSIVE); PRAGMA optimize"),
        // Autovacuum does it.
        AnyConnection::Postgres(_) => Ok(()),
    }
}

/// Copies a SQLite database whole into an empty file, in one read transaction. PostgreSQL is not copied so.
pub(crate) fn copy_into(connection: &mut AnyConnection, file: &std::path::Path) -> QueryResult<()> {
    match connection {
        AnyConnection::Sqlite(c) => diesel::sql_query("VACUUM INTO ?")
            .bind::<Text, _>(file.to_string_lossy().as_ref())
            .execute(c)
            .map(|_| ()),
        AnyConnection::Postgres(_) => Err(diesel::result::Error::NotFound),
    }
}

#[derive(QueryableByName)]
struct OneText {
    #[diesel(sql_type = Text)]
    value: String,
}

/// What is broken in a SQLite file, and rows that refer to none; quotes no value. PostgreSQL looks after itself, and a
/// restore of it checks every reference.
pub(crate) fn find_damage(connection: &mut AnyConnection) -> QueryResult<Vec<String>> {
    let AnyConnection::Sqlite(c) = connection else {
        return Ok(Vec::new());
    };
    let damage: Vec<OneText> = diesel::sql_query(
        "SELECT integrity_check AS value FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
    )
    .load(c)?;
    let orphans: Vec<OneText> = diesel::sql_query(
        "SELECT COUNT(*) || ' rows of ' || \"table\" || ' refer to missing rows of ' || parent AS value \
         FROM pragma_foreign_key_check GROUP BY \"table\", parent",
    )
    .load(c)?;
    Ok(damage.into_iter().chain(orphans).map(|row| row.value).collect())
}

/// Lists all columns in one form for both engines.
#[cfg(feature = "raw-sql")]
pub(crate) fn columns_query(engine: crate::engine::Engine) -> &'static str {
    match engine {
        crate::engine::Engine::Sqlite => {
            "SELECT m.name || '.' || c.name || ' ' || c.type || CASE WHEN c.\"notnull\" = 1 THEN '' ELSE ' NULL' END \
                AS value \
             FROM sqlite_master m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\' AND m.name NOT LIKE 'sqlite%' \
             ORDER BY m.name, c.cid"
        }
        crate::engine::Engine::Postgres => {
            "SELECT columns.table_name || '.' || column_name || ' ' || \
                CASE data_type WHEN 'text' THEN 'TEXT' WHEN 'bytea' THEN 'BLOB' WHEN 'bigint' THEN 'INTEGER' \
                    WHEN 'integer' THEN 'INTEGER' WHEN 'boolean' THEN 'INTEGER' ELSE data_type END \
                || CASE is_nullable WHEN 'NO' THEN '' ELSE ' NULL' END AS value \
             FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name) \
             WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT LIKE '\\_\\_%' \
             ORDER BY columns.table_name COLLATE \"C\", ordinal_position"
        }
    }
}
