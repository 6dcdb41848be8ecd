//! The people of a clinic: who may call, who is told, and who is on call.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::{ClinicId, LinkId, PersonId, SessionId, SitterId};
use crate::time::{Instant, Zone};

/// What a member of staff may be. One person may be several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StaffRole {
    /// Takes cases, speaks to patients and sitters, releases by telephone.
    Nurse,
    /// Signs orders, lifts holds.
    Prescriber,
    /// Plans sessions, works the worklist.
    Coordinator,
    /// Told when nobody takes a case.
    Manager,
    /// Staff, on-call list, settings; sees no answers of patients.
    Administrator,
    /// Reads who did what.
    Auditor,
}

impl StaffRole {
    /// Every role, in the order documents list them.
    pub const ALL: [Self; 6] = [
        Self::Nurse,
        Self::Prescriber,
        Self::Coordinator,
        Self::Manager,
        Self::Administrator,
        Self::Auditor,
    ];

    /// The role's name in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nurse => "nurse",
            Self::Prescriber => "prescriber",
            Self::Coordinator => "coordinator",
            Self::Manager => "manager",
            Self::Administrator => "administrator",
            Self::Auditor => "auditor",
        }
    }
}

/// Who is asking, as far as the server could prove it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "caller", rename_all = "snake_case")]
pub enum Caller {
    /// A patient who is logged in.
    Patient {
        /// The patient.
        person: PersonId,
    },
    /// The holder of a sitter's invitation link.
    Sitter {
        /// The one session the link is good for.
        session: SessionId,
        /// The sitter it was sent to.
        sitter: SitterId,
    },
    /// A member of staff who is logged in, or gave their own PIN on a case's page.
    Staff {
        /// The member of staff.
        person: PersonId,
        /// What they are.
        roles: Vec<StaffRole>,
    },
    /// The program itself: the worker and the command line.
    System,
    /// Somebody with an expired log-in or a dead link: believed in what must never be refused, and marked so.
    Unverified {
        /// The link they came by, if any.
        link: Option<LinkId>,
    },
}

impl Caller {
    /// Whether a member of staff with one of these roles is asking.
    pub fn is_staff(&self, any_of: &[StaffRole]) -> bool {
        matches!(self, Self::Staff { roles, .. } if roles.iter().any(|role| any_of.contains(role)))
    }

    /// What kind of caller, in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Patient { .. } => "patient",
            Self::Sitter { .. } => "sitter",
            Self::Staff { .. } => "staff",
            Self::System => "system",
            Self::Unverified { .. } => "unverified",
        }
    }

    /// How the caller stands in the audit trail: a kind and an id, never a name.
    pub fn audit_name(&self) -> String {
        let kind = self.kind();
        match self {
            Self::Patient { person } | Self::Staff { person, .. } => format!("{kind}:{person}"),
            Self::Sitter { sitter, .. } => format!("{kind}:{sitter}"),
            Self::System | Self::Unverified { .. } => kind.to_owned(),
        }
    }
}

/// A clinic, as far as a session's rules need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clinic {
    /// The clinic.
    pub id: ClinicId,
    /// Its short name in log-ins.
    pub slug: String,
    /// The name its own people know it by; never in a mail to a patient or sitter.
    pub name: String,
    /// The zone of its staff.
    pub zone: Zone,
    /// The clinic's own telephone number, shown on pages.
    pub phone: String,
}

/// Whether messages to a patient make sense. Re-checked when each message is sent (PROTOCOL 4.5, mute rules).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum CommsStatus {
    /// Messages go out.
    #[default]
    Active,
    /// A clinician paused the course.
    Paused,
    /// The patient is in hospital.
    Hospital,
    /// The patient has died.
    Deceased,
    /// The patient left the programme.
    Withdrawn,
}

impl CommsStatus {
    /// The status's name in JSON and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Hospital => "hospital",
            Self::Deceased => "deceased",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patient {
    /// The patient.
    pub id: PersonId,
    /// The clinic they belong to.
    pub clinic: ClinicId,
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
    /// Their time zone.
    pub zone: Zone,
    /// A second person to call.
    pub emergency_contact: EmergencyContact,
    /// Whether messages make sense now.
    pub comms: CommsStatus,
    /// Whether they said no to e-mail, or took their yes back: what is not about a session that runs stays unsent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mail_declined: bool,
    /// The version that guards changes between sessions.
    pub version: u64,
}

/// A second person to call about a patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmergencyContact {
    /// Their name.
    pub name: String,
    /// Their telephone number.
    pub phone: String,
}

/// One place on a clinic's on-call list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCallPlace {
    /// Told first.
    Nurse,
    /// Told with the nurse.
    Backup,
    /// Told in the nurse's and the backup's stead when neither is on call.
    AfterHours,
    /// Others on the rota, told when the first two do not answer.
    Rota,
    /// The prescriber.
    Prescriber,
    /// The clinic's manager.
    Manager,
    /// The clinic's administrator.
    Administrator,
    /// Works the worklist.
    Coordinator,
    /// Told when nobody else is left; the list of these is never empty.
    Fallback,
}

impl OnCallPlace {
    /// Every place, in the order of the list.
    pub const ALL: [Self; 9] = [
        Self::Nurse,
        Self::Backup,
        Self::AfterHours,
        Self::Rota,
        Self::Prescriber,
        Self::Manager,
        Self::Administrator,
        Self::Coordinator,
        Self::Fallback,
    ];

    /// The place's name in JSON, in the database and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nurse => "nurse",
            Self::Backup => "backup",
            Self::AfterHours => "after_hours",
            Self::Rota => "rota",
            Self::Prescriber => "prescriber",
            Self::Manager => "manager",
            Self::Administrator => "administrator",
            Self::Coordinator => "coordinator",
            Self::Fallback => "fallback",
        }
    }
}

/// A member of staff, with how to reach them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// When they last answered a test message or acted by a mail's link.
    pub reached_at: Option<Instant>,
}

/// Somebody on call, with how to reach them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnCallPerson {
    /// Their place on the list.
    pub place: OnCallPlace,
    /// The member of staff.
    pub person: PersonId,
    /// Their name, for the case's page ("taken by …").
    pub name: String,
    /// Their address.
    pub email: String,
    /// When they last answered a test message or acted by a mail's link.
    #[serde(default)]
    pub reached_at: Option<Instant>,
}

/// Who keeps a clinic's program running, each once: the administrators; where there is none, the next best.
pub fn keepers(list: &[OnCallPerson]) -> Vec<&OnCallPerson> {
    let places = [
        OnCallPlace::Administrator,
        OnCallPlace::Manager,
        OnCallPlace::Fallback,
    ];
    let at = |place: OnCallPlace| {
        let mut seen = BTreeSet::new();
        let people = list.iter().filter(|person| person.place == place);
        people
            .filter(|person| seen.insert(person.person))
            .collect::<Vec<_>>()
    };
    places
        .into_iter()
        .map(at)
        .find(|people| !people.is_empty())
        .unwrap_or_default()
}
