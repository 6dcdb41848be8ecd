//! Finding sessions and cases, each only within the scope.

use std::collections::HashMap;

use bedside_protocol::case::Case;
use bedside_protocol::id::{CaseId, ClinicId, PersonId, SessionId};
use bedside_protocol::session::Session;
use bedside_protocol::watch::Subject;
use diesel::prelude::*;

use crate::error::{DatabaseError, Stop, StoreError};
use crate::records::load;
use crate::rows::{CaseRow, PatientRow};
use crate::schema::{cases, patients, sessions};
use crate::scope::Scope;
use crate::store::Store;
use crate::transaction::Tx;

/// A case somebody still has to act on.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenCase {
    /// The clinic.
    pub clinic: ClinicId,
    /// The patient it concerns.
    pub patient: PersonId,
    /// What it belongs to.
    pub subject: Subject,
    /// The case.
    pub case: Case,
}

/// The subject of a kind and an id as they stand in a row.
pub(crate) fn subject_of(kind: &str, id: &str) -> Option<Subject> {
    match kind {
        "session" => id.parse().ok().map(Subject::Session),
        "patient" => id.parse().ok().map(Subject::Patient),
        "clinic" => id.parse().ok().map(Subject::Clinic),
        _ => None,
    }
}

/// The cases of these rows that exist for the scope, with their patients; one statement for all.
fn open_cases(tx: &mut Tx<'_>, rows: &[CaseRow]) -> Result<Vec<OpenCase>, Stop> {
    let subjects: Vec<&str> = rows.iter().map(|row| row.subject_id.as_str()).collect();
    let owners: Vec<(String, String)> = sessions::table
        .filter(sessions::id.eq_any(subjects))
        .select((sessions::id, sessions::patient_id))
        .load(tx.connection)?;
    let owners: HashMap<String, String> = owners.into_iter().collect();
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let corrupt = || DatabaseError::Corrupt {
            table: "cases",
            row: row.id.clone(),
        };
        let clinic: ClinicId = row.clinic_id.parse().map_err(|_| corrupt())?;
        let subject = subject_of(&row.subject_kind, &row.subject_id).ok_or_else(corrupt)?;
        let patient = match subject {
            Subject::Patient(patient) => patient,
            Subject::Session(_) => owners
                .get(&row.subject_id)
                .and_then(|patient| patient.parse().ok())
                .ok_or_else(corrupt)?,
            Subject::Clinic(_) => return Err(corrupt().into()),
        };
        if tx.scope.sees_patient(clinic, patient) {
            found.push(OpenCase {
                clinic,
                patient,
                subject,
                case: load::case_value(tx.shared, row)?,
            });
        }
    }
    Ok(found)
}

impl Store {
    /// A patient's sessions by ordinal; none when the patient does not exist for the scope.
    pub async fn list_sessions(&self, scope: Scope, patient: PersonId) -> Result<Vec<Session>, StoreError> {
        self.read_job(scope, move |tx| {
            let row: Option<PatientRow> = patients::table
                .find(patient.to_string())
                .select(PatientRow::as_select())
                .first(tx.connection)
                .optional()?;
            let Some(row) = row else { return Ok(Vec::new()) };
            let clinic = load::patient_value(tx.shared, &row)?.clinic;
            if !tx.scope.sees_patient(clinic, patient) {
                return Ok(Vec::new());
            }
            load::sessions_of(tx, &row.id)
        })
        .await
    }

    /// What a case belongs to, if it exists for the scope.
    pub async fn find_case(&self, scope: Scope, id: CaseId) -> Result<Option<Subject>, StoreError> {
        self.read_job(scope, move |tx| {
            let rows: Vec<CaseRow> = cases::table
                .find(id.to_string())
                .select(CaseRow::as_select())
                .load(tx.connection)?;
            Ok(open_cases(tx, &rows)?.pop().map(|found| found.subject))
        })
        .await
    }

    /// The open cases of the scope's clinic (of all, for the program itself): most urgent first, then oldest.
    pub async fn list_open_cases(&self, scope: Scope) -> Result<Vec<OpenCase>, StoreError> {
        self.read_job(scope, |tx| {
            let any = tx.clinic().is_none();
            let clinic = tx.clinic().map(|clinic| clinic.to_string()).unwrap_or_default();
            let rows: Vec<CaseRow> = cases::table
                .filter(cases::state.ne("resolved"))
                .filter(
                    cases::clinic_id
                        .eq(clinic)
                        .or(any.into_sql::<diesel::sql_types::Bool>()),
                )
                .order(cases::opened_at)
                .select(CaseRow::as_select())
                .load(tx.connection)?;
            let mut found = open_cases(tx, &rows)?;
            found.sort_by_key(|open| std::cmp::Reverse(open.case.level));
            Ok(found)
        })
        .await
    }

    /// The clinic and patient of a session, whoever asks: for a link that names the session.
    pub async fn find_session_owner(
        &self,
        id: SessionId,
    ) -> Result<Option<(ClinicId, PersonId)>, StoreError> {
        self.read_job(Scope::system(), move |tx| {
            let row: Option<(String, String)> = sessions::table
                .find(id.to_string())
                .select((sessions::clinic_id, sessions::patient_id))
                .first(tx.connection)
                .optional()?;
            Ok(row.and_then(|(clinic, patient)| Some((clinic.parse().ok()?, patient.parse().ok()?))))
        })
        .await
    }
}
