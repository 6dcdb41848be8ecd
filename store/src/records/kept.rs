//! Records that were opened are kept in memory, and shown again only after the database has said that they still hold.
//!
//! Guarantees: a kept record is never stale, whoever changed what: each look compares the record's [`Stamp`] with that of
//! the database, by one statement, and one that differs is loaded anew. Whose look it is and whether the record exists for
//! them is asked at each look. At most [`KEPT_MAX`] patients and as many sessions are kept by a process, the least lately used
//! make room. Rules that decide get nothing from here: they work on what stands in the rows they have locked.
//!
//! Who is on call by a roster changes with time alone: the roster is kept, and asked again at each look.
//!
//! The stamp is made of versions that every change of a record moves on, and of what triggers draw anew
//! (`migrations/*/0005_stamps`). In a build with debug assertions every record from memory is compared with its rows.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use bedside_protocol::id::{PersonId, SessionId};
use bedside_protocol::record::{PatientRecord, SessionRecord, Surroundings};
use bedside_protocol::time::Instant;
use diesel::prelude::*;

use crate::dialect::Work;
use crate::error::{Abort, Stop};
use crate::pool::Line;
use crate::records::{load, on_call};
use crate::rows::StampRow;
use crate::schema::record_stamps;
use crate::scope::Scope;
use crate::store::Shared;
use crate::transaction::{Tx, glance, one_try};
use crate::watch;

/// Patients, and sessions, of which a process keeps the record.
const KEPT_MAX: usize = 500;

/// Copies of one record: a look has one to itself. More looks at once than this is more than a store has readers.
const COPIES_MAX: usize = 8;

/// What changes whenever anything of a patient's records does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    patient_version: i64,
    session_versions: i64,
    clinic: i64,
    common: i64,
    server: i64,
}

impl From<&StampRow> for Stamp {
    fn from(row: &StampRow) -> Self {
        Self {
            patient_version: row.patient_version,
            session_versions: row.session_versions,
            clinic: row.clinic_stamp,
            common: row.common_stamp,
            server: row.server,
        }
    }
}

/// Everything that is kept.
#[derive(Default)]
pub(crate) struct KeptRecords {
    patients: Kept<PersonId, PatientRecord>,
    sessions: Kept<SessionId, SessionRecord>,
}

/// Records of one kind.
struct Kept<K, V> {
    entries: Mutex<Entries<K, V>>,
}

struct Entries<K, V> {
    of: HashMap<K, Entry<V>>,
    looks: u64,
}

struct Entry<V> {
    stamp: Stamp,
    last_look: u64,
    copies: Vec<Copy<V>>,
}

/// A record that somebody may have to themselves.
struct Copy<V> {
    value: V,
    /// The clinical clock when it was last as it should be: a gap of the watch that was old then is missing from it.
    at: Instant,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self {
            entries: Mutex::new(Entries {
                of: HashMap::new(),
                looks: 0,
            }),
        }
    }
}

impl<K: Eq + Hash + Clone, V> Kept<K, V> {
    /// A copy, if there is one that nobody has.
    fn take(&self, key: &K) -> Option<(Stamp, Copy<V>)> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.looks += 1;
        let looks = entries.looks;
        let entry = entries.of.get_mut(key)?;
        entry.last_look = looks;
        let copy = entry.copies.pop()?;
        Some((entry.stamp, copy))
    }

    /// Keeps a copy. One of another stamp takes the place of those that are there.
    fn put(&self, key: &K, stamp: Stamp, copy: Copy<V>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.of.len() >= KEPT_MAX && !entries.of.contains_key(key) {
            let oldest = entries.of.iter().min_by_key(|(_, entry)| entry.last_look);
            if let Some(oldest) = oldest.map(|(oldest, _)| oldest.clone()) {
                entries.of.remove(&oldest);
            }
        }
        let last_look = entries.looks;
        let entry = entries.of.entry(key.clone()).or_insert_with(|| Entry {
            stamp,
            last_look,
            copies: Vec::new(),
        });
        if entry.stamp != stamp {
            entry.stamp = stamp;
            entry.copies.clear();
        }
        if entry.copies.len() < COPIES_MAX {
            entry.copies.push(copy);
        }
    }
}

/// A record that a look has to itself, and the moment of the look.
pub(crate) struct Opened<V> {
    pub(crate) record: V,
    pub(crate) now: Instant,
    stamp: Stamp,
}

/// A patient and the session that was chosen.
pub(crate) type OpenedDay = (Opened<PatientRecord>, Option<Opened<SessionRecord>>);

trait Record: PartialEq {
    fn patient(&self) -> PersonId;
    fn around(&self) -> &Surroundings;
    fn around_mut(&mut self) -> &mut Surroundings;
}

macro_rules! records {
    ($($record:ty),*) => {$(
        impl Record for $record {
            fn patient(&self) -> PersonId {
                self.patient.id
            }

            fn around(&self) -> &Surroundings {
                &self.around
            }

            fn around_mut(&mut self) -> &mut Surroundings {
                &mut self.around
            }
        }
    )*};
}

records!(PatientRecord, SessionRecord);

impl KeptRecords {
    /// A session as it stands. `None` when there is none for the scope.
    pub(crate) fn session(
        &self,
        line: &mut Line,
        shared: &Shared,
        scope: &Scope,
        id: SessionId,
    ) -> Result<Option<Opened<SessionRecord>>, Stop> {
        if let Some((stamp, copy)) = self.sessions.take(&id) {
            let seen = stamp_now(line, shared, scope, copy.value.patient.id);
            if let Some(opened) = seen.and_then(|seen| still_good(copy, stamp, &seen)) {
                check(line, shared, &opened, |tx| load::session(tx, id));
                let session = &opened.record.session;
                let visible = scope.sees_session(session.clinic, session.patient, id);
                return Ok(visible.then_some(opened));
            }
        }
        load_now(line, shared, scope, |tx| {
            let Some(record) = load::session(tx, id)? else {
                return Ok(None);
            };
            let stamp = stamp_of(tx, record.patient.id)?;
            Ok(stamp.map(|seen| Opened::now(tx, record, &seen)))
        })
    }

    /// A patient and the one session that `choose` picks, as they stand in one moment. `None` when there is no such patient
    /// for the scope.
    pub(crate) fn day(
        &self,
        line: &mut Line,
        shared: &Shared,
        scope: &Scope,
        id: PersonId,
        choose: impl Fn(&PatientRecord, Instant) -> Option<SessionId>,
    ) -> Result<Option<OpenedDay>, Stop> {
        if let Some((stamp, copy)) = self.patients.take(&id)
            && let Some(seen) = stamp_now(line, shared, scope, id)
            && let Some(patient) = still_good(copy, stamp, &seen)
        {
            check(line, shared, &patient, |tx| load::patient(tx, id));
            if !scope.sees_patient(patient.record.patient.clinic, id) {
                return Ok(None);
            }
            let Some(chosen) = choose(&patient.record, patient.now) else {
                return Ok(Some((patient, None)));
            };
            if let Some((stamp, copy)) = self.sessions.take(&chosen)
                && let Some(session) = still_good(copy, stamp, &seen)
            {
                check(line, shared, &session, |tx| load::session(tx, chosen));
                return Ok(Some((patient, Some(session))));
            }
        }
        load_now(line, shared, scope, |tx| {
            let Some(record) = load::patient(tx, id)? else {
                return Ok(None);
            };
            let Some(seen) = stamp_of(tx, id)? else {
                return Ok(None);
            };
            let session = match choose(&record, tx.now) {
                Some(chosen) => load::session_of_patient(tx, &record, chosen)?,
                None => None,
            };
            let session = session.map(|session| Opened::now(tx, session, &seen));
            Ok(Some((Opened::now(tx, record, &seen), session)))
        })
    }

    /// Keeps a session that was looked at for the next look.
    pub(crate) fn keep_session(&self, opened: Opened<SessionRecord>) {
        let (id, stamp, copy) = opened.into_copy(|record| record.session.id);
        self.sessions.put(&id, stamp, copy);
    }

    /// Keeps a patient who was looked at for the next look.
    pub(crate) fn keep_patient(&self, opened: Opened<PatientRecord>) {
        let (id, stamp, copy) = opened.into_copy(|record| record.patient.id);
        self.patients.put(&id, stamp, copy);
    }
}

impl<V> Opened<V> {
    fn now(tx: &Tx<'_>, record: V, seen: &Seen) -> Self {
        Self {
            record,
            now: tx.now,
            stamp: Stamp::from(&seen.row),
        }
    }

    fn into_copy<K>(self, key: impl FnOnce(&V) -> K) -> (K, Stamp, Copy<V>) {
        let key = key(&self.record);
        let copy = Copy {
            value: self.record,
            at: self.now,
        };
        (key, self.stamp, copy)
    }
}

/// A stamp, and the clocks when it was read.
struct Seen {
    row: StampRow,
    now: Instant,
    machine_now: Instant,
}

fn stamp_of(tx: &mut Tx<'_>, patient: PersonId) -> Result<Option<Seen>, Stop> {
    let row = record_stamps::table
        .find(patient.to_string())
        .select(StampRow::as_select())
        .first(tx.connection)
        .optional()?;
    Ok(row.map(|row| Seen {
        row,
        now: tx.now,
        machine_now: tx.machine_now,
    }))
}

/// A patient's stamp, if it can be read; whoever gets none loads what they want, and hears then what is wrong.
fn stamp_now(line: &mut Line, shared: &Shared, scope: &Scope, patient: PersonId) -> Option<Seen> {
    glance(line, shared, scope, |tx| stamp_of(tx, patient))
        .ok()
        .flatten()
}

/// A kept record as it is now, if its stamp is still the database's.
fn still_good<V: Record>(copy: Copy<V>, stamp: Stamp, seen: &Seen) -> Option<Opened<V>> {
    if stamp != Stamp::from(&seen.row) || seen.now < copy.at {
        return None;
    }
    let mut record = copy.value;
    let around = record.around_mut();
    watch::renew(
        &mut around.watch_health,
        seen.row.watched_at,
        seen.now,
        seen.machine_now,
    );
    on_call::renew(around, seen.now);
    Some(Opened {
        record,
        now: seen.now,
        stamp,
    })
}

fn load_now<T>(
    line: &mut Line,
    shared: &Shared,
    scope: &Scope,
    load: impl FnOnce(&mut Tx<'_>) -> Result<T, Stop>,
) -> Result<T, Stop> {
    let outcome = one_try::<T, Infallible>(line, shared, scope, Work::Read, |tx| Ok(load(tx)?));
    outcome.map_err(|abort| match abort {
        Abort::No(never) => match never {},
        Abort::Stop(stop) => stop,
    })
}

/// In a build with debug assertions: that a record from memory is equal to its rows, unless they changed since or cannot be
/// read.
fn check<V: Record>(
    line: &mut Line,
    shared: &Shared,
    opened: &Opened<V>,
    load: impl FnOnce(&mut Tx<'_>) -> Result<Option<V>, Stop>,
) {
    if !cfg!(debug_assertions) {
        return;
    }
    let patient = opened.record.patient();
    let fresh = load_now(line, shared, &Scope::system(), |tx| {
        Ok(stamp_of(tx, patient)?.zip(load(tx)?))
    });
    let Ok(Some((seen, mut fresh))) = fresh else {
        return;
    };
    // Both were read at their own moment.
    let health = opened.record.around().watch_health.silent_for;
    fresh.around_mut().watch_health.silent_for = health;
    on_call::renew(fresh.around_mut(), opened.now);
    if Stamp::from(&seen.row) == opened.stamp {
        assert!(
            fresh == opened.record,
            "a record from memory is not what stands in its rows"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(clinic: i64) -> Stamp {
        Stamp {
            patient_version: 1,
            session_versions: 1,
            clinic,
            common: 0,
            server: 0,
        }
    }

    fn copy(value: u8) -> Copy<u8> {
        Copy {
            value,
            at: Instant::UNIX_EPOCH,
        }
    }

    #[test]
    fn memory_is_bounded_and_what_was_looked_at_longest_ago_makes_room() {
        let kept = Kept::<usize, u8>::default();
        for key in 0..KEPT_MAX {
            assert!(kept.take(&key).is_none());
            kept.put(&key, stamp(1), copy(0));
        }
        let (stamp_of_first, first) = kept.take(&0).unwrap();
        kept.put(&0, stamp_of_first, first);
        kept.put(&KEPT_MAX, stamp(1), copy(0));
        assert_eq!(kept.entries.lock().unwrap().of.len(), KEPT_MAX);
        assert!(kept.take(&0).is_some() && kept.take(&KEPT_MAX).is_some());
        assert!(kept.take(&1).is_none());
        for _ in 0..COPIES_MAX + 3 {
            kept.put(&2, stamp(1), copy(0));
        }
        assert_eq!(kept.entries.lock().unwrap().of[&2].copies.len(), COPIES_MAX);
    }

    #[test]
    fn a_copy_is_in_one_hand_and_another_stamp_takes_the_place_of_the_old_one() {
        let kept = Kept::<usize, u8>::default();
        kept.put(&7, stamp(1), copy(1));
        assert_eq!(kept.take(&7).unwrap().1.value, 1);
        assert!(kept.take(&7).is_none(), "somebody has it");
        kept.put(&7, stamp(1), copy(1));
        kept.put(&7, stamp(2), copy(2));
        let (found, newest) = kept.take(&7).unwrap();
        assert_eq!((found, newest.value), (stamp(2), 2));
        assert!(kept.take(&7).is_none());
    }
}
