//! A clinic's on-call list: whom a ladder tells. It never lacks a nurse or a fallback.

use bedside_protocol::desk::{CASE_WORKERS, CaseWorkers};
use bedside_protocol::duty::Lane;
use bedside_protocol::id::{ClinicId, PersonId};
use bedside_protocol::people::{OnCallPerson, OnCallPlace, StaffRole};
use bedside_protocol::record::Fact;
use diesel::prelude::*;
use serde_json::json;

use crate::accounts::visible;
use crate::audit::{self, Chain};
use crate::dialect;
use crate::error::{Abort, DatabaseError, Failure, Stop, StoreError};
use crate::records::on_call as records;
use crate::rows::OnCallRow;
use crate::schema::{accounts, on_call};
use crate::scope::Scope;
use crate::store::Store;
use crate::transaction::Tx;
use crate::{roster, watch};

/// A place on the on-call list to be set.
pub type OnCallEntry = (OnCallPlace, PersonId);

/// How the clinics with a session that is neither a draft nor over stand with whom to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OnCallStanding {
    /// How many lack an active nurse, backup or fallback on their on-call list; of those with a roster, how many lack anybody
    /// for an urgent case now, or a fallback.
    pub reach_nobody: u64,
    /// How many have a roster that cannot be read, so that their list stands alone.
    pub unreadable_rosters: u64,
}

/// Why an on-call list was not set.
#[derive(Debug, thiserror::Error)]
pub enum SetOnCallError {
    /// Nobody at the one place that must not be empty.
    #[error("the on-call list needs somebody as fallback")]
    NoFallback,
    /// Somebody on it is not an active member of this clinic's staff.
    #[error("{0} is not an active member of this clinic's staff")]
    NotStaff(PersonId),
    /// The store failed.
    #[error("the on-call list could not be kept")]
    Store(#[from] StoreError),
}

/// Holds back until this transaction ends whoever else changes the clinic's list or who is active on it.
pub(crate) fn lock(tx: &mut Tx<'_>, clinic: ClinicId) -> Result<(), Stop> {
    Ok(dialect::lock_named(tx.connection, &format!("on call {clinic}"))?)
}

/// Whether the list would be left without an active fallback if this person were not there.
pub(crate) fn is_only_fallback(tx: &mut Tx<'_>, clinic: ClinicId, person: PersonId) -> Result<bool, Stop> {
    let mut fallbacks = records::listed(tx, clinic)?;
    fallbacks.retain(|it| it.place == OnCallPlace::Fallback);
    Ok(!fallbacks.is_empty() && fallbacks.iter().all(|it| it.person == person))
}

impl Store {
    /// Sets a clinic's whole on-call list, in the order given. Refused without a fallback. One without a nurse
    /// is taken: an empty rung passes its turn on, and no dose opens. What the care
    /// team owes is looked at again at once.
    pub async fn set_on_call(
        &self,
        scope: Scope,
        clinic: ClinicId,
        list: Vec<OnCallEntry>,
    ) -> Result<(), SetOnCallError> {
        if !list.iter().any(|(place, _)| *place == OnCallPlace::Fallback) {
            return Err(SetOnCallError::NoFallback);
        }
        let set = self.write_job(scope, move |tx| {
            let clinic_id = clinic.to_string();
            // Before anybody is looked at: an account that is being closed meanwhile is no fallback.
            lock(tx, clinic)?;
            for (_, person) in &list {
                let row = visible(tx, *person)?;
                if !row.is_some_and(|row| row.active && row.kind == "staff" && row.clinic_id == clinic_id) {
                    return Err(Abort::No(SetOnCallError::NotStaff(*person)));
                }
            }
            diesel::delete(on_call::table.filter(on_call::clinic_id.eq(&clinic_id)))
                .execute(tx.connection)?;
            let mut rows = Vec::with_capacity(list.len());
            for (place, person) in &list {
                let taken = rows
                    .iter()
                    .filter(|row: &&OnCallRow| row.place == place.name())
                    .count();
                rows.push(OnCallRow {
                    clinic_id: clinic_id.clone(),
                    place: place.name().to_owned(),
                    position: i32::try_from(taken).unwrap_or(i32::MAX),
                    account_id: person.to_string(),
                });
            }
            dialect::insert_on_call(tx.connection, &rows)?;
            let fact = Fact::new("on_call.set", json!({ "list": list }));
            audit::append(tx, &Chain::Clinic(clinic), None, &[fact])?;
            watch::wake_clinic(tx, clinic, Lane::Escalation)?;
            Ok(())
        });
        set.await.map_err(|failure| match failure {
            Failure::No(error) => error,
            Failure::Store(error) => error.into(),
        })
    }

    /// How the clinics with a session that is neither a draft nor over stand. For readiness.
    pub async fn on_call_standing(&self) -> Result<OnCallStanding, StoreError> {
        self.read_job(Scope::system(), |tx| {
            let mut standing = OnCallStanding {
                reach_nobody: dialect::count_clinics_without_on_call(tx.connection)?.unsigned_abs(),
                unreadable_rosters: 0,
            };
            for id in dialect::list_live_clinics_with_roster(tx.connection)? {
                let found = match id.parse() {
                    Ok(clinic) => roster::reaches_nobody(tx, clinic),
                    Err(_) => Err(Stop::from(DatabaseError::Corrupt {
                        table: "rosters",
                        row: id.clone(),
                    })),
                };
                let (nobody, unreadable) = match found {
                    Err(Stop::Database(error @ DatabaseError::Corrupt { .. })) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(clinic = id, error, "who is on call in a clinic cannot be read");
                        (true, false)
                    }
                    found => found?,
                };
                standing.reach_nobody += u64::from(nobody);
                standing.unreadable_rosters += u64::from(unreadable);
            }
            Ok(standing)
        })
        .await
    }

    /// The active staff of the scope's clinic (of all, for the program itself) who work on cases. Somebody whose roles cannot
    /// be read is none of them.
    pub async fn list_case_workers(&self, scope: Scope) -> Result<CaseWorkers, StoreError> {
        self.read_job(scope, |tx| {
            let staff = accounts::kind.eq("staff").and(accounts::active.eq(true));
            let mut query = accounts::table.filter(staff).into_boxed();
            if let Some(clinic) = tx.clinic() {
                query = query.filter(accounts::clinic_id.eq(clinic.to_string()));
            }
            let rows: Vec<(String, String)> = query
                .select((accounts::id, accounts::roles))
                .load(tx.connection)?;
            let worker = |(id, roles): (String, String)| {
                let roles: Vec<StaffRole> = serde_json::from_str(&roles).ok()?;
                let works = roles.iter().any(|role| CASE_WORKERS.contains(role));
                id.parse().ok().filter(|_| works)
            };
            Ok(rows.into_iter().filter_map(worker).collect())
        })
        .await
    }

    /// Who is on call in a clinic now, by place and then in the order of its list.
    pub async fn list_on_call(&self, clinic: ClinicId) -> Result<Vec<OnCallPerson>, StoreError> {
        self.read_job(Scope::system(), move |tx| records::people(tx, clinic))
            .await
    }
}
