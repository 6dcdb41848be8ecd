//! Patients: creating and listing them, and their orders.

use bedside_protocol::id::{ClinicId, PersonId};
use bedside_protocol::order::Order;
use bedside_protocol::people::{CommsStatus, EmergencyContact, Patient};
use bedside_protocol::record::{Decision, Fact, PatientRecord, RuleContext, SessionRecord};
use bedside_protocol::time::Zone;
use bedside_protocol::watch::Subject;
use diesel::prelude::*;
use serde_json::json;

use crate::accounts::{self, AccountKind, CreateAccountError, NewAccount};
use crate::audit::{self, Chain};
use crate::clock::to_ms;
use crate::error::{Abort, Failure, StoreError};
use crate::records::{load, save};
use crate::rows::PatientRow;
use crate::schema::{accounts as accounts_table, patients};
use crate::scope::Scope;
use crate::seal::{self, Place};
use crate::store::Store;
use crate::transaction::Tx;

/// A patient to be created, with a log-in of their own.
#[derive(Debug, Clone)]
pub struct NewPatient {
    /// Full name.
    pub name: String,
    /// The only name a sitter sees.
    pub first_name: String,
    /// Address, unique within the clinic whatever its case.
    pub email: String,
    /// Telephone number.
    pub phone: String,
    /// Where they take their lozenges.
    pub address: String,
    /// Their time zone.
    pub zone: Zone,
    /// A second person to call.
    pub emergency_contact: EmergencyContact,
}

impl Store {
    /// Creates a patient and their log-in. They have no password until they set one.
    pub async fn create_patient(
        &self,
        scope: Scope,
        clinic: ClinicId,
        new: NewPatient,
    ) -> Result<Patient, CreateAccountError> {
        let made = self.write_job(scope, move |tx| insert(tx, clinic, &new));
        made.await.map_err(into_create_error)
    }

    /// Creates a patient together with what `rule` brings over for them; all of it or nothing.
    pub async fn import_patient<F>(
        &self,
        scope: Scope,
        clinic: ClinicId,
        new: NewPatient,
        mut rule: F,
    ) -> Result<Patient, CreateAccountError>
    where
        F: FnMut(
                &PatientRecord,
                &mut RuleContext<'_>,
            ) -> (Decision<PatientRecord>, Vec<Decision<SessionRecord>>)
            + Send
            + 'static,
    {
        let made = self.write_job(scope, move |tx| {
            let patient = insert(tx, clinic, &new)?;
            let Some(record) = load::patient(tx, patient.id)? else {
                return Err(Abort::No(CreateAccountError::NoClinic));
            };
            let (decision, sessions) = tx.with_rule(|context| rule(&record, context));
            save::patient(tx, &record, &decision, &sessions)?;
            Ok(patient)
        });
        made.await.map_err(into_create_error)
    }

    /// Which of these addresses have an account in the clinic already, by their place in the list.
    pub async fn taken_addresses(
        &self,
        scope: Scope,
        clinic: ClinicId,
        addresses: Vec<String>,
    ) -> Result<Vec<usize>, StoreError> {
        self.read_job(scope, move |tx| {
            let indexes: Vec<Vec<u8>> = addresses
                .iter()
                .map(|address| tx.shared.keys.blind_index(clinic, address))
                .collect();
            let known: Vec<Vec<u8>> = accounts_table::table
                .filter(accounts_table::clinic_id.eq(clinic.to_string()))
                .filter(accounts_table::email_index.eq_any(&indexes))
                .select(accounts_table::email_index)
                .load(tx.connection)?;
            let taken = indexes.iter().enumerate();
            Ok(taken
                .filter(|(_, index)| known.contains(index))
                .map(|(place, _)| place)
                .collect())
        })
        .await
    }

    /// The patients of the scope's clinic (of all, for the program itself), oldest first. A look by staff is kept in the
    /// clinic's audit trail.
    pub async fn list_patients(&self, scope: Scope) -> Result<Vec<Patient>, StoreError> {
        let audited = scope.clone();
        let found = self
            .read_job(scope, |tx| {
                let any = tx.clinic().is_none();
                let clinic = tx.clinic().map(|clinic| clinic.to_string()).unwrap_or_default();
                let rows: Vec<PatientRow> = patients::table
                    .filter(
                        patients::clinic_id
                            .eq(clinic)
                            .or(any.into_sql::<diesel::sql_types::Bool>()),
                    )
                    .order(patients::id)
                    .select(PatientRow::as_select())
                    .load(tx.connection)?;
                let mut found = Vec::with_capacity(rows.len());
                for row in &rows {
                    let patient = load::patient_value(tx.shared, row)?;
                    if tx.scope.sees_patient(patient.clinic, patient.id) {
                        found.push(patient);
                    }
                }
                Ok(found)
            })
            .await?;
        if let Some(clinic) = audited.clinic.filter(|_| audited.is_audited_reader()) {
            let count = found.len();
            self.write_job(audited, move |tx| {
                let fact = Fact::new("patients.listed", json!({ "count": count }));
                Ok(audit::append(tx, &Chain::Clinic(clinic), None, &[fact])?)
            })
            .await?;
        }
        Ok(found)
    }

    /// The patient's order in force: the newest that was signed.
    pub async fn find_order(&self, scope: Scope, patient: PersonId) -> Result<Option<Order>, StoreError> {
        self.read_job(scope, move |tx| {
            let row: Option<PatientRow> = patients::table
                .find(patient.to_string())
                .select(PatientRow::as_select())
                .first(tx.connection)
                .optional()?;
            let Some(row) = row else { return Ok(None) };
            let clinic = load::patient_value(tx.shared, &row)?.clinic;
            if !tx.scope.sees_patient(clinic, patient) {
                return Ok(None);
            }
            load::order_in_force(tx, &row.id)
        })
        .await
    }
}

/// A patient's account and row.
fn insert(tx: &mut Tx<'_>, clinic: ClinicId, new: &NewPatient) -> Result<Patient, Abort<CreateAccountError>> {
    if !tx.scope.sees_clinic(clinic) || load::clinic(tx, clinic)?.is_none() {
        return Err(Abort::No(CreateAccountError::NoClinic));
    }
    let id: PersonId = tx.new_id();
    let account = NewAccount {
        email: new.email.clone(),
        name: new.name.clone(),
        phone: new.phone.clone(),
        roles: Vec::new(),
    };
    if !accounts::insert_account(tx, clinic, id, AccountKind::Patient, &account)? {
        return Err(Abort::No(CreateAccountError::EmailTaken));
    }
    let patient = Patient {
        id,
        clinic,
        name: new.name.clone(),
        first_name: new.first_name.clone(),
        email: new.email.trim().to_owned(),
        phone: new.phone.clone(),
        address: new.address.clone(),
        zone: new.zone,
        emergency_contact: new.emergency_contact.clone(),
        comms: CommsStatus::Active,
        mail_declined: false,
        version: 1,
    };
    let row_id = id.to_string();
    let place = Place {
        table: "patients",
        column: "profile_sealed",
        row: &row_id,
    };
    let row = PatientRow {
        id: row_id.clone(),
        clinic_id: clinic.to_string(),
        zone: patient.zone.name().to_owned(),
        comms: patient.comms.name().to_owned(),
        version: 1,
        profile_sealed: seal::seal_json(&tx.shared.keys, place, &patient)?,
        created_at: to_ms(tx.now),
        mail_declined: patient.mail_declined,
    };
    diesel::insert_into(patients::table)
        .values(&row)
        .execute(tx.connection)?;
    let fact = Fact::new("patient.created", json!({ "patient": id }));
    audit::append(
        tx,
        &Chain::Patient(clinic, id),
        Some(Subject::Patient(id)),
        &[fact],
    )?;
    Ok(patient)
}

fn into_create_error(failure: Failure<CreateAccountError>) -> CreateAccountError {
    match failure {
        Failure::No(error) => error,
        Failure::Store(error) => error.into(),
    }
}
