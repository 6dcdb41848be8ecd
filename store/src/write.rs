//! Deciding: load a record, let a rule decide, save what it decided, all in one transaction.
//!
//! The rule is pure and may run several times: when somebody else changed the record first, it is loaded again and the
//! rule decides again, by the clock as it is then. A repeated request with the same key gets the first answer.

use bedside_protocol::id::{ClinicId, PersonId, SessionId};
use bedside_protocol::limits;
use bedside_protocol::order::Order;
use bedside_protocol::plan::CourseDecision;
use bedside_protocol::record::{Decision, Fact, PatientRecord, RuleContext, SessionRecord};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::Instant;
use bedside_protocol::watch::Subject;
use diesel::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::audit;
use crate::clock::to_ms;
use crate::error::{Abort, DatabaseError, Failure, StoreError};
use crate::records::{load, save};
use crate::rows::IdempotencyRow;
use crate::schema::idempotency;
use crate::scope::Scope;
use crate::seal::{self, Place};
use crate::store::Store;
use crate::transaction::Tx;

/// What makes a repeated request one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// Whose keys these are, such as `patient:{id}`: two callers may choose the same key.
    pub caller_key: String,
    /// The key.
    pub key: String,
    /// SHA-256 of method, path and body: another request with the same key is a mistake, and told so.
    pub request_hash: [u8; 32],
}

/// What became of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done<T> {
    /// What the rule gave back.
    pub value: T,
    /// Whether it is the answer to an earlier request with the same key; then nothing was done now.
    pub replayed: bool,
}

/// Why a decision was not taken. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The rule said no.
    #[error("refused")]
    Refused(#[source] Refusal),
    /// The key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// There is no such record, or it is not the caller's: the two look alike.
    #[error("not found")]
    NotFound,
    /// Too much is waiting, or others changed the record again and again.
    #[error("the database is busy")]
    Busy,
    /// The database, or what stands in it, is at fault.
    #[error("the database failed")]
    Database(#[source] DatabaseError),
}

/// What ends a decision without a fault.
pub(crate) enum No {
    Refused(Refusal),
    KeyReused,
    NotFound,
}

impl From<Failure<No>> for DecideError {
    fn from(failure: Failure<No>) -> Self {
        match failure {
            Failure::No(No::Refused(Refusal::NotFound) | No::NotFound) => Self::NotFound,
            Failure::No(No::Refused(refusal)) => Self::Refused(refusal),
            Failure::No(No::KeyReused) => Self::KeyReused,
            Failure::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for DecideError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::Busy,
            StoreError::Database(error) => Self::Database(error),
        }
    }
}

impl From<Refusal> for Abort<No> {
    fn from(refusal: Refusal) -> Self {
        Self::No(No::Refused(refusal))
    }
}

impl Store {
    /// Loads a session, lets `rule` decide, and saves what it decided.
    ///
    /// Everything of the record that changed, the messages, links and audit facts, and the answer under the idempotency
    /// key are one transaction. A refusal is not kept: the same key may be tried again.
    pub async fn decide_session<T, F>(
        &self,
        scope: Scope,
        id: SessionId,
        once: Option<Once>,
        mut rule: F,
    ) -> Result<Done<T>, DecideError>
    where
        F: FnMut(&SessionRecord, &mut RuleContext<'_>) -> Result<(Decision<SessionRecord>, T), Refusal>
            + Send
            + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
    {
        let outcome = self.write_job(scope, move |tx| {
            replayed_or(tx, once.as_ref(), |tx| {
                let before = load::session_to_change(tx, id)?.ok_or(Abort::No(No::NotFound))?;
                let (decision, value) = tx.with_rule(|context| rule(&before, context))?;
                save::session(tx, Some(&before), &decision)?;
                Ok(value)
            })
        });
        Ok(outcome.await?)
    }

    /// Loads a patient, lets `rule` decide what belongs to no session, and saves it.
    pub async fn decide_patient<T, F>(
        &self,
        scope: Scope,
        id: PersonId,
        once: Option<Once>,
        mut rule: F,
    ) -> Result<Done<T>, DecideError>
    where
        F: FnMut(&PatientRecord, &mut RuleContext<'_>) -> Result<(Decision<PatientRecord>, T), Refusal>
            + Send
            + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
    {
        self.plan_session(scope, id, once, move |record, context| {
            rule(record, context).map(|(decision, value)| (decision, Vec::new(), value))
        })
        .await
    }

    /// Loads a patient, lets `rule` decide, and saves it together with the sessions the rule created.
    ///
    /// The patient's version moves on when a session is created, so two that are planned at once cannot both pass the
    /// check for distance.
    pub async fn plan_session<T, F>(
        &self,
        scope: Scope,
        id: PersonId,
        once: Option<Once>,
        mut rule: F,
    ) -> Result<Done<T>, DecideError>
    where
        F: FnMut(
                &PatientRecord,
                &mut RuleContext<'_>,
            ) -> Result<(Decision<PatientRecord>, Vec<Decision<SessionRecord>>, T), Refusal>
            + Send
            + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
    {
        let outcome = self.write_job(scope, move |tx| {
            replayed_or(tx, once.as_ref(), |tx| {
                let before = load::patient_to_change(tx, id)?.ok_or(Abort::No(No::NotFound))?;
                let (decision, new, value) = tx.with_rule(|context| rule(&before, context))?;
                save::patient(tx, &before, &decision, &new)?;
                Ok(value)
            })
        });
        Ok(outcome.await?)
    }

    /// Loads a patient with those of their sessions that have not begun, lets `rule` decide about all of them together, and
    /// saves it.
    ///
    /// The patient's row is locked first, so two decisions about one course come one after the other; then the sessions'.
    pub async fn decide_course<T, F>(
        &self,
        scope: Scope,
        id: PersonId,
        once: Option<Once>,
        mut rule: F,
    ) -> Result<Done<T>, DecideError>
    where
        F: FnMut(
                &PatientRecord,
                &[SessionRecord],
                &mut RuleContext<'_>,
            ) -> Result<(CourseDecision, T), Refusal>
            + Send
            + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
    {
        let outcome = self.write_job(scope, move |tx| {
            replayed_or(tx, once.as_ref(), |tx| {
                let mut before = load::patient_to_change(tx, id)?.ok_or(Abort::No(No::NotFound))?;
                let sessions = save::sessions_to_change(tx, &before)?;
                // Somebody may have changed one while its lock was waited for: a dose may have been taken.
                load::renew_sessions(tx, &mut before)?;
                let (decision, value) = tx.with_rule(|context| rule(&before, &sessions, context))?;
                save::course(tx, &before, &sessions, &decision)?;
                Ok(value)
            })
        });
        Ok(outcome.await?)
    }

    /// Signs an order: appends what `rule` signed as the next version, and lets every live session of the patient know
    /// in the same transaction, so that a read-back of the old order counts no more.
    pub async fn sign_order<F>(
        &self,
        scope: Scope,
        patient: PersonId,
        once: Option<Once>,
        mut rule: F,
    ) -> Result<Done<Order>, DecideError>
    where
        F: FnMut(&PatientRecord, &mut RuleContext<'_>) -> Result<Order, Refusal> + Send + 'static,
    {
        self.decide_patient(scope, patient, once, move |record, context| {
            let order = rule(record, context)?;
            let mut after = record.clone();
            after.order = Some(order.clone());
            let detail = serde_json::to_value(&order).unwrap_or_default();
            let mut facts = vec![Fact::new("order.signed", detail)];
            // Values that are the patient's own from here on (PROTOCOL 4).
            if let Some(first) = limits::first(record, order.signed_by, context) {
                let detail = serde_json::to_value(&first).unwrap_or_default();
                facts.push(Fact::new("limits.copied", detail));
                after.course.limits.push(first);
            }
            Ok((
                Decision {
                    after,
                    facts,
                    notices: Vec::new(),
                    links: Vec::new(),
                },
                order,
            ))
        })
        .await
    }

    /// Looks at a session, with the clinical clock. `None` when there is none for this caller. A look by staff is
    /// kept in the audit trail. `look` runs on a thread of the store, as it does in the other two looks.
    pub async fn read_session<T, F>(
        &self,
        scope: Scope,
        id: SessionId,
        look: F,
    ) -> Result<Option<T>, StoreError>
    where
        F: FnOnce(&SessionRecord, Instant) -> T + Send + 'static,
        T: Send + 'static,
    {
        let audited = scope.clone();
        let found = self
            .look_job(scope, move |line, shared, scope| {
                let opened = shared.kept.session(line, shared, scope, id)?;
                Ok(opened.map(|opened| {
                    let session = &opened.record.session;
                    let (clinic, patient) = (session.clinic, session.patient);
                    let seen = look(&opened.record, opened.now);
                    shared.kept.keep_session(opened);
                    (seen, clinic, patient)
                }))
            })
            .await?;
        let Some((seen, clinic, patient)) = found else {
            return Ok(None);
        };
        self.audit_read(audited, clinic, patient, "session.read", Subject::Session(id))
            .await?;
        Ok(Some(seen))
    }

    /// Looks at a patient, with the clinical clock. `None` when there is none for this caller. A look by staff is
    /// kept in the audit trail.
    pub async fn read_patient<T, F>(
        &self,
        scope: Scope,
        id: PersonId,
        look: F,
    ) -> Result<Option<T>, StoreError>
    where
        F: FnOnce(&PatientRecord, Instant) -> T + Send + 'static,
        T: Send + 'static,
    {
        self.read_today(scope, id, |_, _| None, |record, _, now| look(record, now))
            .await
    }

    /// Looks at a patient and the one session that `choose` picks, in one read. `None` when there is no such patient for
    /// this caller. `choose` may be asked twice.
    pub async fn read_today<T, C, F>(
        &self,
        scope: Scope,
        patient: PersonId,
        choose: C,
        view: F,
    ) -> Result<Option<T>, StoreError>
    where
        C: Fn(&PatientRecord, Instant) -> Option<SessionId> + Send + 'static,
        F: FnOnce(&PatientRecord, Option<&SessionRecord>, Instant) -> T + Send + 'static,
        T: Send + 'static,
    {
        let audited = scope.clone();
        let found = self
            .look_job(scope, move |line, shared, scope| {
                let day = shared.kept.day(line, shared, scope, patient, choose)?;
                Ok(day.map(|(patient, session)| {
                    let of_session = session.as_ref().map(|session| &session.record);
                    let seen = view(&patient.record, of_session, patient.now);
                    let clinic = patient.record.patient.clinic;
                    shared.kept.keep_patient(patient);
                    if let Some(session) = session {
                        shared.kept.keep_session(session);
                    }
                    (seen, clinic)
                }))
            })
            .await?;
        let Some((seen, clinic)) = found else {
            return Ok(None);
        };
        self.audit_read(
            audited,
            clinic,
            patient,
            "patient.read",
            Subject::Patient(patient),
        )
        .await?;
        Ok(Some(seen))
    }

    pub(crate) async fn audit_read(
        &self,
        scope: Scope,
        clinic: ClinicId,
        patient: PersonId,
        action: &'static str,
        subject: Subject,
    ) -> Result<(), StoreError> {
        if !scope.is_audited_reader() {
            return Ok(());
        }
        let written = self.write_job(scope, move |tx| {
            let fact = Fact::new(action, serde_json::Value::Null);
            Ok(audit::append(
                tx,
                &audit::Chain::Patient(clinic, patient),
                Some(subject),
                &[fact],
            )?)
        });
        Ok(written.await?)
    }
}

const ANSWER: Place<'static> = Place {
    table: "idempotency",
    column: "doc_sealed",
    row: "",
};

/// The first answer to a repeated request, or the answer to a new one, which is kept.
pub(crate) fn replayed_or<T: Serialize + DeserializeOwned>(
    tx: &mut Tx<'_>,
    once: Option<&Once>,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, Abort<No>>,
) -> Result<Done<T>, Abort<No>> {
    let Some(once) = once else {
        return work(tx).map(|value| Done {
            value,
            replayed: false,
        });
    };
    let row_name = format!("{}|{}", once.caller_key, once.key);
    let place = Place {
        row: &row_name,
        ..ANSWER
    };
    let earlier: Option<IdempotencyRow> = idempotency::table
        .find((&once.caller_key, &once.key))
        .select(IdempotencyRow::as_select())
        .first(tx.connection)
        .optional()?;
    if let Some(earlier) = earlier {
        if earlier.request_hash != once.request_hash {
            return Err(Abort::No(No::KeyReused));
        }
        let value = seal::open_json(&tx.shared.keys, place, &earlier.doc_sealed)?;
        return Ok(Done {
            value,
            replayed: true,
        });
    }
    let value = work(tx)?;
    let row = IdempotencyRow {
        caller: once.caller_key.clone(),
        key: once.key.clone(),
        request_hash: once.request_hash.to_vec(),
        doc_sealed: seal::seal_json(&tx.shared.keys, place, &value)?,
        created_at: to_ms(tx.machine_now),
    };
    diesel::insert_into(idempotency::table)
        .values(&row)
        .execute(tx.connection)?;
    Ok(Done {
        value,
        replayed: false,
    })
}
