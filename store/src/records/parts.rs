//! The rows of a record, all kinds by one statement: a record is loaded in three, whatever its size, its own row included.
//!
//! Views of the database put them together (`migrations/*/0023_record_rows`). Rows come back as they are; who opens them decides
//! what a row that cannot be opened means.

use bedside_protocol::id::ClinicId;
use diesel::prelude::*;
use serde::de::DeserializeOwned;

use crate::error::Stop;
use crate::rows::{ClinicPartRow, RecordRow};
use crate::schema::{clinic_rows, record_rows};
use crate::seal::{self, Place};
use crate::store::Shared;
use crate::transaction::Tx;
use crate::watch;

/// Rows of a patient, and of one of their sessions where one was asked for.
pub(super) struct Parts {
    rows: Vec<RecordRow>,
}

impl Parts {
    pub(super) fn of_patient(tx: &mut Tx<'_>, patient: &str) -> Result<Self, Stop> {
        let query = record_rows::table.filter(record_rows::subject_id.eq(patient));
        Ok(Self::sorted(
            query.select(RecordRow::as_select()).load(tx.connection)?,
        ))
    }

    pub(super) fn of_session(tx: &mut Tx<'_>, patient: &str, session: &str) -> Result<Self, Stop> {
        let query = record_rows::table.filter(
            record_rows::subject_id
                .eq(patient)
                .or(record_rows::subject_id.eq(session)),
        );
        Ok(Self::sorted(
            query.select(RecordRow::as_select()).load(tx.connection)?,
        ))
    }

    fn sorted(mut rows: Vec<RecordRow>) -> Self {
        rows.sort_by_key(|row| row.position);
        Self { rows }
    }

    /// The rows of one part of one subject, by their place.
    pub(super) fn of<'a>(&'a self, subject: &'a str, part: &'a str) -> impl Iterator<Item = &'a RecordRow> {
        self.rows
            .iter()
            .filter(move |row| row.part == part && row.subject_id == subject)
    }

    /// The documents of one part of one subject, opened.
    pub(super) fn open<T: DeserializeOwned>(
        &self,
        shared: &Shared,
        subject: &str,
        part: &'static str,
    ) -> Result<Vec<T>, Stop> {
        self.of(subject, part)
            .map(|row| row.open(shared, part, "doc_sealed"))
            .collect()
    }
}

impl RecordRow {
    /// What is sealed in it. `part` is its own part, the table it stands in.
    pub(super) fn open<T: DeserializeOwned>(
        &self,
        shared: &Shared,
        part: &'static str,
        column: &'static str,
    ) -> Result<T, Stop> {
        let place = Place {
            table: part,
            column,
            row: &self.id,
        };
        let sealed = self.sealed.as_deref().unwrap_or_default();
        Ok(seal::open_json(&shared.keys, place, sealed)?)
    }
}

/// Rows of a clinic, and of the watch over all of them.
pub(crate) struct ClinicParts {
    rows: Vec<ClinicPartRow>,
}

impl ClinicParts {
    /// Without gaps of the watch that are no part of a record any more.
    pub(super) fn of_clinic(tx: &mut Tx<'_>, clinic: ClinicId) -> Result<Self, Stop> {
        let known_from = watch::gaps_known_from(tx.now);
        let rows = clinic_rows::table
            .filter(clinic_rows::clinic_id.eq(clinic.to_string()))
            .filter(clinic_rows::to_at.is_null().or(clinic_rows::to_at.gt(known_from)))
            .select(ClinicPartRow::as_select());
        let mut rows: Vec<ClinicPartRow> = rows.load(tx.connection)?;
        rows.sort_by_key(|row| row.position);
        Ok(Self { rows })
    }

    /// The rows of one part, by their place.
    pub(crate) fn of<'a>(&'a self, part: &'a str) -> impl Iterator<Item = &'a ClinicPartRow> {
        self.rows.iter().filter(move |row| row.part == part)
    }
}
