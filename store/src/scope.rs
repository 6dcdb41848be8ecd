//! Who asks, and for which clinic: every read and write is opened for a scope, so that no query can forget it.

use bedside_protocol::id::{ClinicId, PersonId, SessionId};
use bedside_protocol::people::Caller;

/// Who asks and where. A row of another clinic does not exist for it.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The clinic; `None` for the program itself, which works for all.
    pub clinic: Option<ClinicId>,
    /// Who asks; stands in the audit trail.
    pub caller: Caller,
    /// The request's id; stands in the audit trail beside what it did.
    pub request: Option<String>,
}

impl Scope {
    /// The program itself: worker and command line, over all clinics.
    pub fn system() -> Self {
        Self {
            clinic: None,
            caller: Caller::System,
            request: None,
        }
    }

    /// A caller within one clinic.
    pub fn of(clinic: ClinicId, caller: Caller) -> Self {
        Self {
            clinic: Some(clinic),
            caller,
            request: None,
        }
    }

    /// The same, on behalf of a request.
    pub fn with_request(mut self, request: impl Into<String>) -> Self {
        self.request = Some(request.into());
        self
    }

    /// Whether rows of this clinic exist for the caller.
    pub(crate) fn sees_clinic(&self, clinic: ClinicId) -> bool {
        self.clinic.is_none_or(|own| own == clinic)
    }

    /// Whether this patient exists for the caller. A patient sees themselves; a sitter's link shows no patient.
    pub(crate) fn sees_patient(&self, clinic: ClinicId, patient: PersonId) -> bool {
        self.sees_clinic(clinic)
            && match &self.caller {
                Caller::Patient { person } => *person == patient,
                Caller::Sitter { .. } => false,
                Caller::Staff { .. } | Caller::System | Caller::Unverified { .. } => true,
            }
    }

    /// Whether this session exists for the caller. A patient sees their own, a sitter the one of their link.
    pub(crate) fn sees_session(&self, clinic: ClinicId, patient: PersonId, session: SessionId) -> bool {
        match &self.caller {
            Caller::Sitter { session: own, .. } => self.sees_clinic(clinic) && *own == session,
            _ => self.sees_patient(clinic, patient),
        }
    }

    /// Whether a look at a patient is kept in the audit trail: it is somebody else's.
    pub(crate) fn is_audited_reader(&self) -> bool {
        matches!(self.caller, Caller::Staff { .. })
    }
}
