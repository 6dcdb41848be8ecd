//! Clinics: the boundary no caller reads across.

use bedside_protocol::id::ClinicId;
use bedside_protocol::people::Clinic;
use bedside_protocol::record::Fact;
use bedside_protocol::time::Zone;
use diesel::prelude::*;
use serde_json::json;

use crate::audit::{self, Chain};
use crate::clock::to_ms;
use crate::error::{Abort, Failure, StoreError};
use crate::records::load;
use crate::rows::ClinicRow;
use crate::schema::clinics;
use crate::scope::Scope;
use crate::store::Store;

/// A clinic to be created.
#[derive(Debug, Clone)]
pub struct NewClinic {
    /// Its short name in log-ins, unique.
    pub slug: String,
    /// The name its own people know it by.
    pub name: String,
    /// The zone of its staff.
    pub zone: Zone,
    /// Its telephone number.
    pub phone: String,
}

/// Why a clinic was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateClinicError {
    /// Another clinic has this short name.
    #[error("another clinic has this short name")]
    SlugTaken,
    /// The store failed.
    #[error("the clinic could not be kept")]
    Store(#[from] StoreError),
}

impl Store {
    /// Creates a clinic.
    pub async fn create_clinic(&self, scope: Scope, new: NewClinic) -> Result<Clinic, CreateClinicError> {
        let made = self.write_job(scope, move |tx| {
            let taken: i64 = clinics::table
                .filter(clinics::slug.eq(&new.slug))
                .count()
                .get_result(tx.connection)?;
            if taken > 0 {
                return Err(Abort::No(()));
            }
            let id: ClinicId = tx.new_id();
            let row = ClinicRow {
                id: id.to_string(),
                slug: new.slug.clone(),
                name: new.name.clone(),
                zone: new.zone.name().to_owned(),
                phone: new.phone.clone(),
                created_at: to_ms(tx.now),
                version: 1,
            };
            diesel::insert_into(clinics::table)
                .values(&row)
                .execute(tx.connection)?;
            audit::append(
                tx,
                &Chain::Clinic(id),
                None,
                &[Fact::new("clinic.created", json!({"slug": new.slug}))],
            )?;
            Ok(load::clinic_value(&row)?)
        });
        match made.await {
            Ok(clinic) => Ok(clinic),
            Err(Failure::No(())) => Err(CreateClinicError::SlugTaken),
            Err(Failure::Store(error)) => Err(error.into()),
        }
    }

    /// The clinic with this short name.
    pub async fn find_clinic_by_slug(&self, slug: &str) -> Result<Option<Clinic>, StoreError> {
        let slug = slug.to_owned();
        self.read_job(Scope::system(), move |tx| {
            let row: Option<ClinicRow> = clinics::table
                .filter(clinics::slug.eq(&slug))
                .select(ClinicRow::as_select())
                .first(tx.connection)
                .optional()?;
            row.map(|row| load::clinic_value(&row)).transpose()
        })
        .await
    }

    /// A clinic by its id.
    pub async fn find_clinic(&self, id: ClinicId) -> Result<Option<Clinic>, StoreError> {
        self.read_job(Scope::system(), move |tx| load::clinic(tx, id))
            .await
    }

    /// Every clinic, by short name.
    pub async fn list_clinics(&self) -> Result<Vec<Clinic>, StoreError> {
        self.read_job(Scope::system(), |tx| {
            let rows: Vec<ClinicRow> = clinics::table
                .order(clinics::slug)
                .select(ClinicRow::as_select())
                .load(tx.connection)?;
            rows.iter().map(load::clinic_value).collect()
        })
        .await
    }

    /// Every clinic's id, also of one that cannot be read; one that is no id is logged and left out.
    pub(crate) async fn list_clinic_ids(&self) -> Result<Vec<ClinicId>, StoreError> {
        self.read_job(Scope::system(), |tx| {
            let ids: Vec<String> = clinics::table
                .order(clinics::slug)
                .select(clinics::id)
                .load(tx.connection)?;
            let parsed = |id: &String| {
                let parsed = id.parse().ok();
                if parsed.is_none() {
                    tracing::error!(id, "a clinic's id cannot be read");
                }
                parsed
            };
            Ok(ids.iter().filter_map(parsed).collect())
        })
        .await
    }
}
