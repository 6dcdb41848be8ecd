//! What differs between two versions of a record, row by row.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;

use bedside_protocol::id::{ClinicId, PersonId};
use bedside_protocol::watch::Subject;
use serde::Serialize;

use crate::error::{DatabaseError, Stop};
use crate::seal::{self, Place};
use crate::transaction::Tx;

/// Rows that a decision added or changed, each with its place in the list.
pub(super) struct Changes<'a, T> {
    pub(super) new: Vec<(i32, &'a T)>,
    pub(super) changed: Vec<(i32, &'a T)>,
}

impl<T> Changes<'_, T> {
    pub(super) fn is_empty(&self) -> bool {
        self.new.is_empty() && self.changed.is_empty()
    }
}

/// Compares two lists by id. A row that is gone is a fault of the rule.
pub(super) fn changes<'a, T: PartialEq, I: Eq + Hash>(
    table: &'static str,
    before: &[T],
    after: &'a [T],
    id: impl Fn(&T) -> I,
) -> Result<Changes<'a, T>, Stop> {
    let mut known: HashMap<I, (usize, &T)> = before
        .iter()
        .enumerate()
        .map(|(position, row)| (id(row), (position, row)))
        .collect();
    let mut found = Changes {
        new: Vec::new(),
        changed: Vec::new(),
    };
    for (position, row) in after.iter().enumerate() {
        let number = i32::try_from(position).unwrap_or(i32::MAX);
        match known.remove(&id(row)) {
            None => found.new.push((number, row)),
            Some((old_position, old)) if old_position != position || old != row => {
                found.changed.push((number, row));
            }
            Some(_) => {}
        }
    }
    if known.is_empty() {
        Ok(found)
    } else {
        Err(DatabaseError::Removed { table }.into())
    }
}

/// The clinic and the session or patient that rows belong to, as text.
pub(super) struct Owner {
    pub(super) clinic: ClinicId,
    pub(super) clinic_id: String,
    pub(super) patient: PersonId,
    pub(super) subject: Subject,
    pub(super) subject_id: String,
}

impl Owner {
    pub(super) fn new(clinic: ClinicId, patient: PersonId, subject: Subject) -> Self {
        Self {
            clinic,
            clinic_id: clinic.to_string(),
            patient,
            subject,
            subject_id: subject.id(),
        }
    }
}

pub(super) fn sealed<T: Serialize>(
    tx: &Tx<'_>,
    table: &'static str,
    id: &impl Display,
    value: &T,
) -> Result<Vec<u8>, Stop> {
    let place = Place {
        table,
        column: "doc_sealed",
        row: &id.to_string(),
    };
    Ok(seal::seal_json(&tx.shared.keys, place, value)?)
}

/// A guarded update that found its row changed (or taken by another subject) is a lost race.
pub(super) fn expect_one(updated: usize) -> Result<(), Stop> {
    if updated == 1 { Ok(()) } else { Err(Stop::Conflict) }
}

pub(super) fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
