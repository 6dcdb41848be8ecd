//! Acting on a case, whatever it belongs to: a session or a patient between sessions.
//!
//! The worklist's JSON and the page behind a mail's link both come through here, so the second of two nurses hears the
//! same wherever she asks.

use bedside_protocol::call::{self, NewCall};
use bedside_protocol::case::{Case, Outcome, Taken};
use bedside_protocol::desk::{CaseWorkers, Desk, at_patients_desk};
use bedside_protocol::dosing;
use bedside_protocol::draft::Draft;
use bedside_protocol::id::{CaseId, PersonId};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::watch::{Subject, Watch};
use bedside_store::{Done, Once, Scope};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::error::ApiError;
use crate::views::CallView;

/// What somebody does with a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaseAct {
    /// "I am calling."
    Take {
        /// Who.
        by: PersonId,
        /// Their name, for those who come second.
        by_name: String,
    },
    /// Patient or sitter was reached.
    Contacted {
        /// Who has it.
        by: PersonId,
    },
    /// It is over.
    Resolve {
        /// Who says so.
        by: PersonId,
        /// How it ended.
        outcome: Outcome,
        /// In words.
        note: String,
    },
    /// Somebody who has it hands it over, if the next person accepts.
    Offer {
        /// Who has it.
        by: PersonId,
        /// The next person.
        to: PersonId,
    },
    /// The next person takes it over.
    Accept {
        /// Who.
        by: PersonId,
        /// Their name.
        by_name: String,
    },
    /// The next person says no, or whoever has it keeps it.
    Decline {
        /// Who says so.
        by: PersonId,
    },
    /// Somebody else must take it.
    GiveBack {
        /// Who had it.
        by: PersonId,
    },
}

/// How a case stands after somebody acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseActedView {
    /// The case.
    pub id: Uuid,
    /// What people call it.
    pub code: String,
    /// `open`, `acknowledged`, `contacted` or `resolved`.
    pub state: String,
    /// How often it came back; from 1.
    pub round: u32,
    /// Who has it.
    pub taken_by_name: Option<String>,
    /// Since when.
    pub taken_at: Option<DateTime<Utc>>,
    /// To whom it is offered.
    pub offered_to: Option<Uuid>,
    /// Their name.
    pub offered_to_name: Option<String>,
    /// By when they must accept it; after that it stays where it is.
    pub offered_until: Option<DateTime<Utc>>,
}

impl CaseActedView {
    fn of(case: &Case) -> Self {
        let taken = case.state.taken();
        let offer = taken.and_then(Taken::open_offer);
        Self {
            id: case.id.uuid(),
            code: case.code.clone(),
            state: case.state.name().to_owned(),
            round: case.round,
            taken_by_name: taken.map(|taken| taken.by_name.clone()),
            taken_at: taken.map(|taken| taken.at),
            offered_to: offer.map(|offer| offer.to.uuid()),
            offered_to_name: offer.map(|offer| offer.to_name.clone()),
            offered_until: offer.map(|offer| offer.until),
        }
    }
}

impl CaseAct {
    fn at(&self, desk: &mut Desk<'_, '_>, case: CaseId, workers: &CaseWorkers) -> Result<(), Refusal> {
        match self {
            Self::Take { by, by_name } => desk.take(case, *by, by_name),
            Self::Contacted { by } => desk.contacted(case, *by),
            Self::Resolve { by, outcome, note } => desk.resolve(case, *by, *outcome, note),
            Self::Offer { by, to } => desk.offer(case, *by, *to, workers),
            Self::Accept { by, by_name } => desk.accept(case, *by, by_name),
            Self::Decline { by } => desk.decline(case, *by),
            Self::GiveBack { by } => desk.give_back(case, *by),
        }
    }
}

fn standing(watch: &Watch, case: CaseId) -> Result<CaseActedView, Refusal> {
    watch.case(case).map(CaseActedView::of).ok_or(Refusal::NotFound)
}

/// Acts on a case of the scope's clinic.
pub async fn act(
    app: &App,
    scope: Scope,
    case: CaseId,
    once: Option<Once>,
    act: CaseAct,
) -> Result<Done<CaseActedView>, ApiError> {
    let subject = app
        .store
        .find_case(scope.clone(), case)
        .await?
        .ok_or(ApiError::NotFound)?;
    let workers = match &act {
        CaseAct::Offer { .. } => app.store.list_case_workers(scope.clone()).await?,
        _ => CaseWorkers::new(),
    };
    let done = match subject {
        Subject::Session(session) => {
            let rule = app
                .store
                .decide_session(scope, session, once, move |record, context| {
                    if let CaseAct::Resolve { outcome, .. } = &act {
                        dosing::may_close(record, case, *outcome)?;
                    }
                    let mut draft = Draft::of(record, context);
                    act.at(&mut draft.desk(), case, &workers)?;
                    let decision = draft.decide();
                    let standing = standing(&decision.after.watch, case)?;
                    Ok((decision, standing))
                });
            rule.await?
        }
        Subject::Patient(patient) => {
            let rule = app
                .store
                .decide_patient(scope, patient, once, move |record, context| {
                    let (decision, acted) =
                        at_patients_desk(record, context, |desk| act.at(desk, case, &workers));
                    acted?;
                    let standing = standing(&decision.after.watch, case)?;
                    Ok((decision, standing))
                });
            rule.await?
        }
        Subject::Clinic(_) => return Err(ApiError::NotFound),
    };
    Ok(done)
}

/// The patient whom a case of the scope's clinic concerns.
pub async fn patient_of(app: &App, scope: &Scope, case: CaseId) -> Result<PersonId, ApiError> {
    let subject = app.store.find_case(scope.clone(), case).await?;
    match subject.ok_or(ApiError::NotFound)? {
        Subject::Patient(patient) => Ok(patient),
        Subject::Session(session) => {
            let owner = app.store.find_session_owner(session).await?;
            Ok(owner.ok_or(ApiError::NotFound)?.1)
        }
        Subject::Clinic(_) => Err(ApiError::NotFound),
    }
}

/// Writes down a call about a patient. One about a case of a session is about the session as well.
pub async fn log_call(
    app: &App,
    scope: Scope,
    patient: PersonId,
    once: Option<Once>,
    mut new: NewCall,
) -> Result<Done<CallView>, ApiError> {
    if let Some(case) = new.case {
        match app.store.find_case(scope.clone(), case).await? {
            Some(Subject::Patient(of)) if of == patient => {}
            Some(Subject::Session(of)) if new.session.is_none_or(|session| session == of) => {
                new.session = Some(of);
            }
            Some(Subject::Session(_)) => {
                return Err(ApiError::invalid("session", "is not the session of this case"));
            }
            _ => return Err(ApiError::invalid("case", "is no case of this patient")),
        }
    }
    let logged = app
        .store
        .decide_patient(scope, patient, once, move |record, context| {
            let (decision, call) = call::log(record, new.clone(), context)?;
            Ok((decision, CallView::of(&call)))
        });
    Ok(logged.await?)
}
