//! Patients, staff and the on-call list as the care team sees them.

use bedside_protocol::people::Patient;
use bedside_protocol::record::PatientRecord;
use bedside_store::{Account, OnCallTurn, RefusedAddresses};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::shared::{OrderView, SessionRow};

/// A patient, as who looks after them needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PatientView {
    /// The patient.
    pub id: Uuid,
    /// Full name.
    pub name: String,
    /// The only name a sitter sees.
    pub first_name: String,
    /// E-mail address.
    pub email: String,
    /// Telephone number.
    pub phone: String,
    /// Where they take their lozenges.
    pub address: String,
    /// IANA zone.
    pub zone: String,
    /// A second person to call.
    pub emergency_contact: EmergencyContactView,
    /// `active`, `paused`, `hospital`, `deceased` or `withdrawn`.
    pub comms: String,
    /// Since when mail to the address is refused; absent when it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail_refused_since: Option<DateTime<Utc>>,
    /// What `If-Match` names.
    pub version: u64,
    /// The signed order in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderView>,
    /// Their sessions, by ordinal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SessionRow>,
}

/// A second person to call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EmergencyContactView {
    /// Their name.
    pub name: String,
    /// Their telephone number.
    pub phone: String,
}

impl PatientView {
    /// A patient in a list.
    pub fn row(patient: &Patient) -> Self {
        Self {
            id: patient.id.uuid(),
            name: patient.name.clone(),
            first_name: patient.first_name.clone(),
            email: patient.email.clone(),
            phone: patient.phone.clone(),
            address: patient.address.clone(),
            zone: patient.zone.name().to_owned(),
            emergency_contact: EmergencyContactView {
                name: patient.emergency_contact.name.clone(),
                phone: patient.emergency_contact.phone.clone(),
            },
            comms: patient.comms.name().to_owned(),
            mail_refused_since: None,
            version: patient.version,
            order: None,
            sessions: Vec::new(),
        }
    }

    /// The same, saying whether mail to the address is refused.
    pub fn with_refusals(mut self, refused: &RefusedAddresses) -> Self {
        self.mail_refused_since = refused.since(&self.email);
        self
    }

    /// A patient with order and sessions.
    pub fn whole(record: &PatientRecord) -> Self {
        Self {
            order: record.order.as_ref().map(OrderView::of),
            sessions: record.sessions.iter().map(SessionRow::of).collect(),
            ..Self::row(&record.patient)
        }
    }
}

/// A place on the on-call list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OnCallView {
    /// `nurse`, `backup`, `after_hours`, `rota`, `prescriber`, `manager`, `administrator`, `coordinator` or `fallback`.
    pub place: String,
    /// The member of staff.
    pub person: Uuid,
    /// Their name.
    pub name: String,
    /// Since when they have been on call by the roster; absent when they always are, by the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Until when; absent when no change is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Since when mail to their address is refused; absent when it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail_refused_since: Option<DateTime<Utc>>,
    /// When they last answered a test message or acted by a mail's link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached_at: Option<DateTime<Utc>>,
    /// Whether that counts for their present turn; absent where the protocol does not ask. No dose opens while nurse or backup
    /// have not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tested: Option<bool>,
}

impl OnCallView {
    /// The view of a place.
    pub fn of(on_call: &OnCallTurn, refused: &RefusedAddresses) -> Self {
        let OnCallTurn { person, turn, tested } = on_call;
        Self {
            place: person.place.name().to_owned(),
            person: person.person.uuid(),
            name: person.name.clone(),
            since: turn.since,
            until: turn.until,
            mail_refused_since: refused.since(&person.email),
            reached_at: person.reached_at,
            tested: *tested,
        }
    }
}

/// A member of staff, for who keeps the on-call list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StaffView {
    /// The member of staff.
    pub id: Uuid,
    /// Their name.
    pub name: String,
    /// What they are.
    pub roles: Vec<String>,
    /// Whether they may log in.
    pub active: bool,
    /// Whether they have set the PIN with which a case is taken from a mail.
    pub has_pin: bool,
    /// Since when mail to their address is refused; absent when it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail_refused_since: Option<DateTime<Utc>>,
}

impl StaffView {
    /// The view of an account.
    pub fn of(account: &Account, refused: &RefusedAddresses) -> Self {
        Self {
            id: account.id.uuid(),
            name: account.name.clone(),
            roles: account.roles.iter().map(|role| role.name().to_owned()).collect(),
            active: account.active,
            has_pin: account.pin_hash.is_some(),
            mail_refused_since: refused.since(&account.email),
        }
    }
}
