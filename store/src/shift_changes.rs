//! Shift changes: open cases of whoever went off duty are offered to whoever came on.
//!
//! Guarantees: who is on duty is asked again in the transaction that offers, so what changed meanwhile counts; a case is
//! offered to the same person once; a clinic or a case that cannot be read keeps no other from being handed over.

use bedside_protocol::case::CaseState;
use bedside_protocol::desk::{CaseWorkers, at_patients_desk};
use bedside_protocol::draft::Draft;
use bedside_protocol::id::{CaseId, ClinicId};
use bedside_protocol::people::Caller;
use bedside_protocol::roster;
use bedside_protocol::watch::Subject;

use crate::error::StoreError;
use crate::records::on_call as records;
use crate::scope::Scope;
use crate::sessions::OpenCase;
use crate::store::Store;
use crate::write::DecideError;

impl Store {
    /// Offers every open case whose taker's shift is over to the next on duty who works on cases, in each clinic with a roster. How many were
    /// offered; the first fault is given when all others were looked at.
    pub async fn offer_at_shift_changes(&self) -> Result<usize, DecideError> {
        let clinics = self.list_clinics_with_roster().await?;
        let mut offered = Ok(0);
        for clinic in clinics.iter().filter_map(|id| id.parse().ok()) {
            let cases = match self.list_cases_off_duty(clinic).await {
                Ok(cases) => cases,
                Err(fault) => {
                    offered = offered.and(Err(fault.into()));
                    continue;
                }
            };
            if cases.is_empty() {
                continue;
            }
            let workers = match self.list_case_workers(Scope::of(clinic, Caller::System)).await {
                Ok(workers) => workers,
                Err(fault) => {
                    offered = offered.and(Err(fault.into()));
                    continue;
                }
            };
            for case in cases {
                let workers = workers.clone();
                match self
                    .offer_to_the_next(clinic, case.subject, case.case.id, workers)
                    .await
                {
                    Ok(did) => offered = offered.map(|count| count + usize::from(did)),
                    Err(fault) => offered = offered.and(Err(fault)),
                }
            }
        }
        offered
    }

    /// The taken cases of a clinic for whose taker somebody else is on duty now.
    async fn list_cases_off_duty(&self, clinic: ClinicId) -> Result<Vec<OpenCase>, StoreError> {
        let mut cases = self
            .list_open_cases(Scope::of(clinic, Caller::System))
            .await?
            .cases;
        cases.retain(|open| !matches!(open.case.state, CaseState::Open));
        if cases.is_empty() {
            return Ok(cases);
        }
        self.read_job(Scope::system(), move |tx| {
            let plan = records::whole_plan(tx, clinic)?.plan;
            let now = tx.now;
            cases.retain(|open| {
                let taken = open.case.state.taken();
                taken.is_some_and(|taken| roster::next_on_duty(&plan, taken.by, taken.at, now).is_some())
            });
            Ok(cases)
        })
        .await
    }

    async fn offer_to_the_next(
        &self,
        clinic: ClinicId,
        subject: Subject,
        case: CaseId,
        workers: CaseWorkers,
    ) -> Result<bool, DecideError> {
        let scope = Scope::of(clinic, Caller::System);
        let done = match subject {
            Subject::Session(session) => {
                let offered = self.decide_session(scope, session, None, move |record, context| {
                    let mut draft = Draft::of(record, context);
                    let did = draft.desk().offer_at_shift_change(case, &workers);
                    Ok((draft.decide(), did))
                });
                offered.await?
            }
            Subject::Patient(patient) => {
                let offered = self.decide_patient(scope, patient, None, move |record, context| {
                    Ok(at_patients_desk(record, context, |desk| {
                        desk.offer_at_shift_change(case, &workers)
                    }))
                });
                offered.await?
            }
            Subject::Clinic(_) => return Ok(false),
        };
        Ok(done.value)
    }
}
