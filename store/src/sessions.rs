//! Finding sessions and cases, each only within the scope.

use std::collections::HashMap;

use bedside_protocol::case::Case;
use bedside_protocol::id::{CaseId, ClinicId, PersonId, SessionId};
use bedside_protocol::session::Session;
use bedside_protocol::time::Instant;
use bedside_protocol::watch::Subject;
use diesel::prelude::*;

use crate::clock::from_ms;
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

/// The cases that somebody still has to act on.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseBoard {
    /// Most urgent first, then oldest.
    pub cases: Vec<OpenCase>,
    /// Those that cannot be read.
    pub unreadable: Vec<Unreadable>,
}

/// A row of the care team's lists that cannot be read: it is shown as such, so that nobody takes it for done, and the rest of
/// the list stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// `case` or `duty`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// What people call it, of a case.
    pub code: Option<String>,
    /// Since when it waits.
    pub since: Instant,
}

/// What was read of a row, or that it cannot be, which is logged. Any other fault of the database is given.
pub(crate) fn read_or_shown<T>(
    read: Result<T, Stop>,
    row: impl FnOnce() -> Unreadable,
) -> Result<Result<T, Unreadable>, Stop> {
    match read {
        Err(Stop::Database(error @ DatabaseError::Corrupt { .. })) => {
            let row = row();
            let error = &error as &dyn std::error::Error;
            tracing::error!(
                kind = row.kind,
                id = row.id,
                error,
                "a row of the care team's list cannot be read"
            );
            Ok(Err(row))
        }
        read => read.map(Ok),
    }
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

/// The patients of the sessions of these rows; one statement for all.
fn owners_of(tx: &mut Tx<'_>, rows: &[CaseRow]) -> Result<HashMap<String, String>, Stop> {
    let subjects: Vec<&str> = rows.iter().map(|row| row.subject_id.as_str()).collect();
    let owners: Vec<(String, String)> = sessions::table
        .filter(sessions::id.eq_any(subjects))
        .select((sessions::id, sessions::patient_id))
        .load(tx.connection)?;
    Ok(owners.into_iter().collect())
}

/// The case of a row with its patient, if it exists for the scope.
fn open_case(tx: &Tx<'_>, row: &CaseRow, owners: &HashMap<String, String>) -> Result<Option<OpenCase>, Stop> {
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
    if !tx.scope.sees_patient(clinic, patient) {
        return Ok(None);
    }
    Ok(Some(OpenCase {
        clinic,
        patient,
        subject,
        case: load::case_value(tx.shared, row)?,
    }))
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
            let owners = owners_of(tx, &rows)?;
            let found = rows.first().map(|row| open_case(tx, row, &owners)).transpose()?;
            Ok(found.flatten().map(|found| found.subject))
        })
        .await
    }

    /// The open cases of the scope's clinic (of all, for the program itself): most urgent first, then oldest.
    pub async fn list_open_cases(&self, scope: Scope) -> Result<CaseBoard, StoreError> {
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
            let owners = owners_of(tx, &rows)?;
            let (mut cases, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
            for row in &rows {
                let shown = || Unreadable {
                    kind: "case",
                    id: row.id.clone(),
                    code: Some(row.code.clone()),
                    since: from_ms(row.opened_at),
                };
                match read_or_shown(open_case(tx, row, &owners), shown)? {
                    Ok(case) => cases.extend(case),
                    Err(row) => unreadable.push(row),
                }
            }
            cases.sort_by_key(|open| std::cmp::Reverse(open.case.level));
            Ok(CaseBoard { cases, unreadable })
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
