//! A patient's own documents: all kinds in one table, saved where they differ.

use bedside_protocol::course::Course;
use bedside_protocol::id::ClinicId;
use diesel::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dialect;
use crate::error::Stop;
use crate::records::changes::{Changes, Owner, changes, expect_one, sealed};
use crate::records::load::or_nothing;
use crate::records::parts::Parts;
use crate::rows::PatientDocumentRow;
use crate::schema::patient_documents;
use crate::store::Shared;
use crate::transaction::Tx;

/// The lists of a course, each with its kind in the table.
macro_rules! lists {
    ($($list:ident: $kind:literal),* $(,)?) => {
        /// A patient's course.
        pub(super) fn of_patient(shared: &Shared, parts: &Parts, patient: &str) -> Result<Course, Stop> {
            Ok(Course {
                unreadable: false,
                $($list: open(shared, parts, patient, $kind)?,)*
            })
        }

        impl CourseChanges {
            /// What a rule changed.
            pub(super) fn between(
                tx: &Tx<'_>,
                owner: &Owner,
                before: &Course,
                after: &Course,
            ) -> Result<Self, Stop> {
                let mut found = Self::default();
                $({
                    let differ = changes("patient_documents", &before.$list, &after.$list, |it| it.id)?;
                    found.add(tx, owner, $kind, &differ, |it| it.id.to_string())?;
                })*
                Ok(found)
            }
        }
    };
}

lists! {
    ledger: "ledger",
    plans: "plan",
    holds: "hold",
    reviews: "review",
    scores: "score",
    score_reviews: "score_review",
    external_results: "external_result",
    consents: "consent",
    contacts: "contacts",
    screenings: "screening",
    trial_readings: "trial_reading",
    imports: "import",
    limits: "limits",
    calls: "call",
}

/// The same for a session: a course that cannot be read keeps no session from being watched. The damage is logged.
pub(super) fn of_session(
    shared: &Shared,
    clinic: ClinicId,
    parts: &Parts,
    patient: &str,
) -> Result<Course, Stop> {
    let read = of_patient(shared, parts, patient).map(Some);
    Ok(or_nothing(clinic, read)?.unwrap_or_else(|| Course {
        unreadable: true,
        ..Course::default()
    }))
}

/// Rows to insert and rows to update.
#[derive(Default)]
pub(super) struct CourseChanges {
    new: Vec<PatientDocumentRow>,
    changed: Vec<PatientDocumentRow>,
}

impl CourseChanges {
    pub(super) fn is_empty(&self) -> bool {
        self.new.is_empty() && self.changed.is_empty()
    }

    pub(super) fn save(self, tx: &mut Tx<'_>) -> Result<(), Stop> {
        dialect::insert_patient_documents(tx.connection, &self.new)?;
        for row in self.changed {
            let kept = patient_documents::table
                .find(&row.id)
                .filter(patient_documents::patient_id.eq(&row.patient_id));
            let updated = diesel::update(kept)
                .set((
                    patient_documents::position.eq(row.position),
                    patient_documents::doc_sealed.eq(&row.doc_sealed),
                ))
                .execute(tx.connection)?;
            expect_one(updated)?;
        }
        Ok(())
    }

    fn add<T: Serialize>(
        &mut self,
        tx: &Tx<'_>,
        owner: &Owner,
        kind: &str,
        differ: &Changes<'_, T>,
        id: impl Fn(&T) -> String,
    ) -> Result<(), Stop> {
        for (rows, kept) in [(&differ.new, &mut self.new), (&differ.changed, &mut self.changed)] {
            for (position, value) in rows {
                let id = id(value);
                kept.push(PatientDocumentRow {
                    clinic_id: owner.clinic_id.clone(),
                    patient_id: owner.patient.to_string(),
                    kind: kind.to_owned(),
                    position: *position,
                    doc_sealed: sealed(tx, "patient_documents", &id, value)?,
                    id,
                });
            }
        }
        Ok(())
    }
}

fn open<T: DeserializeOwned>(
    shared: &Shared,
    parts: &Parts,
    patient: &str,
    kind: &str,
) -> Result<Vec<T>, Stop> {
    parts
        .of(patient, "patient_documents")
        .filter(|row| row.kind.as_deref() == Some(kind))
        .map(|row| row.open(shared, "patient_documents", "doc_sealed"))
        .collect()
}
