//! A session: one planned (or unplanned) use of lozenges at home, and the state it is in (PROTOCOL 4.6).

use serde::{Deserialize, Serialize};

use crate::id::{ClinicId, PersonId, PlanId, SessionId};
use crate::order::Instruction;
use crate::people::Caller;
use crate::time::{Instant, Planned, Zone};

/// Why a session is held: a clinician decides what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Hold {
    /// An answer in the checklist asks for a clinician.
    Answer {
        /// The item.
        item: String,
    },
    /// Blood pressure or pulse stayed over the limit.
    Vitals,
    /// Nobody confirmed that the session is on.
    NotConfirmed,
    /// A clinician said so.
    Clinician {
        /// In their words.
        reason: String,
    },
}

/// The state of a session, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SessionState {
    /// Being planned.
    Draft,
    /// Planned.
    Scheduled,
    /// Preparation is open (from T-26h).
    PrepOpen,
    /// Every blocking item is done and valid.
    Ready {
        /// When the dose screen was unlocked, once it was.
        unlocked_at: Option<Instant>,
    },
    /// The lozenge is in the mouth.
    Dosed,
    /// After the hold, until the release.
    Monitoring,
    /// The sitter, or a nurse by telephone, released the patient.
    Released {
        /// When.
        at: Instant,
    },
    /// The evening and the days after.
    FollowUp {
        /// When the patient was released.
        released_at: Instant,
    },
    /// Over, nothing left to do.
    Closed {
        /// When.
        at: Instant,
    },
    /// A clinician decides.
    Held {
        /// Why.
        hold: Hold,
        /// Since when.
        since: Instant,
    },
    /// Called off.
    Cancelled {
        /// By whom.
        by: Caller,
        /// Why.
        reason: String,
        /// When.
        at: Instant,
    },
    /// Its time passed and nothing was done.
    NoShow {
        /// When.
        at: Instant,
    },
    /// Unlocked, and nobody knows whether the dose was taken.
    Unverified {
        /// When it was unlocked.
        unlocked_at: Instant,
    },
    /// A red flag that calls for emergency services was reported.
    Emergency {
        /// When.
        since: Instant,
    },
}

impl SessionState {
    /// The names of the states for which [`Self::is_running`] holds.
    pub const RUNNING: [&str; 3] = ["dosed", "monitoring", "emergency"];

    /// The state's name in documents and in the database.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled => "scheduled",
            Self::PrepOpen => "prep_open",
            Self::Ready { .. } => "ready",
            Self::Dosed => "dosed",
            Self::Monitoring => "monitoring",
            Self::Released { .. } => "released",
            Self::FollowUp { .. } => "follow_up",
            Self::Closed { .. } => "closed",
            Self::Held { .. } => "held",
            Self::Cancelled { .. } => "cancelled",
            Self::NoShow { .. } => "no_show",
            Self::Unverified { .. } => "unverified",
            Self::Emergency { .. } => "emergency",
        }
    }

    /// Between the dose and the release: nothing may be muted, minutes matter.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Dosed | Self::Monitoring | Self::Emergency { .. })
    }

    /// Before the dose and still possible.
    pub fn is_before_dose(&self) -> bool {
        matches!(
            self,
            Self::Draft
                | Self::Scheduled
                | Self::PrepOpen
                | Self::Ready { .. }
                | Self::Held { .. }
                | Self::Unverified { .. }
        )
    }

    /// Over for good.
    pub fn is_over(&self) -> bool {
        matches!(
            self,
            Self::Closed { .. } | Self::Cancelled { .. } | Self::NoShow { .. }
        )
    }

    /// Whether answers to the preparation checklist are taken.
    pub fn takes_preparation(&self) -> bool {
        matches!(
            self,
            Self::Scheduled | Self::PrepOpen | Self::Ready { .. } | Self::Held { .. }
        )
    }
}

/// Planned by the clinic, or a dose somebody reported out of the blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// Planned by the clinic.
    Planned,
    /// Created by a dose that was reported without one; its timetable is owed by the care team.
    Unplanned,
    /// A dose of before, which came with a patient in mid-course; closed from the first.
    Imported,
}

impl SessionKind {
    /// The kind's name in JSON and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Unplanned => "unplanned",
            Self::Imported => "imported",
        }
    }
}

/// A dose that was logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dose {
    /// T0: when the lozenge went into the mouth, as far as it can be believed.
    pub taken_at: Instant,
    /// What the device said, where it had to be bounded.
    pub claimed_at: Option<Instant>,
    /// When the server heard of it.
    pub received_at: Instant,
    /// Who logged it.
    pub by: Caller,
    /// The order as it was when the dose was logged.
    pub instruction: Option<Instruction>,
    /// The signed order's version then.
    pub order_version: Option<u32>,
    /// The version the phone showed.
    pub shown_order_version: Option<u32>,
    /// Codes of the reasons for which the dose was not open; empty for a dose by the book.
    pub not_open_because: Vec<String>,
    /// Earlier values of `taken_at`, oldest first.
    pub corrected_from: Vec<Instant>,
    /// For when else a dose was reported in this session. One near `taken_at` is the same dose, of which the earliest
    /// stands; one further off is another dose.
    pub also_reported_at: Vec<Instant>,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The session.
    pub id: SessionId,
    /// The clinic.
    pub clinic: ClinicId,
    /// The patient.
    pub patient: PersonId,
    /// Which session of the patient's course, from 1.
    pub ordinal: u32,
    /// Planned or not.
    pub kind: SessionKind,
    /// The state.
    #[serde(flatten)]
    pub state: SessionState,
    /// Guards every change; counts up with each.
    pub version: u64,
    /// When it is planned.
    pub planned: Planned,
    /// The version of the protocol document it was planned with, and keeps.
    pub protocol_version: String,
    /// The dose, once it was logged.
    pub dose: Option<Dose>,
    /// Tries of the blood pressure before the dose that were over the limit.
    pub vitals_tries_over: u32,
    /// When it was planned by whom.
    pub planned_by: PersonId,
    /// A wrong choice in the read-back is kept: how many there were.
    pub wrong_readbacks: u32,
    /// Its place in the patient's plan, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<PlanSlot>,
    /// How it was moved by hand, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<SessionMove>,
    /// Items of the checklist that a clinician decided need not be done, oldest first; the last of an item counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
    /// Who is asked to sit next, in this order, when the present sitter does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// What the next sessions know of this one's sitters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_sitters: Vec<KnownSitter>,
    /// Whether the clinic may call the sitter between sessions, as the patient said here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sitter_calls: Option<bool>,
}

/// What is known of a sitter beyond their session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSitter {
    /// Their address.
    pub email: String,
    /// When they read their page and answered its questions; absent where they did not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_at: Option<Instant>,
    /// Whether they were the sitter at the dose.
    #[serde(default)]
    pub sat: bool,
}

/// A clinician decided that an item of the checklist need not be done for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The item's key.
    pub item: String,
    /// In their words; for the clinic only.
    pub reason: String,
    /// Who.
    pub by: Caller,
    /// When.
    pub at: Instant,
    /// Until when; the item is open again from then on.
    pub until: Instant,
}

/// Somebody who may be asked to sit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// What the patient calls them.
    pub name: String,
    /// Their own address.
    pub email: String,
    /// Their telephone number.
    pub phone: String,
    /// They have so many minutes to answer; absent for the protocol's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_within_min: Option<i64>,
}

/// The place of a session in a plan; unique for each plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSlot {
    /// The plan, through all its versions.
    pub plan: PlanId,
    /// Which of its sessions, from 1.
    pub ordinal: u32,
    /// The version of the plan by which the session has its time.
    pub version: u32,
    /// Whether it was left out by hand; the rest of the course stays as it is.
    #[serde(default)]
    pub skipped: bool,
}

/// Why one session was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveCause {
    /// The patient, or the clinic, would rather have another time.
    Asked,
    /// The sitter dropped out: possible until the last moment and never held against the patient.
    SitterDroppedOut,
    /// A clinician thinks it better.
    Clinical,
}

impl MoveCause {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::SitterDroppedOut => "sitter_dropped_out",
            Self::Clinical => "clinical",
        }
    }
}

/// One session was moved by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionMove {
    /// From when.
    pub from: Planned,
    /// To when.
    pub to: Planned,
    /// Why.
    pub cause: MoveCause,
    /// Whether it was after the cut-off and not for want of a sitter.
    pub late: bool,
    /// In words.
    pub reason: String,
    /// By whom.
    pub by: Caller,
    /// When it was done.
    pub at: Instant,
}

impl Session {
    /// What is known of the sitter with this address, to be written down.
    pub fn know_sitter(&mut self, email: &str) -> &mut KnownSitter {
        let place = self.known_sitters.iter().position(|it| it.email == email);
        let place = place.unwrap_or_else(|| {
            self.known_sitters.push(KnownSitter {
                email: email.to_owned(),
                trained_at: None,
                sat: false,
            });
            self.known_sitters.len() - 1
        });
        &mut self.known_sitters[place]
    }

    /// T0: the dose's time, or the planned time until there is one.
    pub fn t0(&self) -> Instant {
        self.dose.as_ref().map_or(self.planned.at, |dose| dose.taken_at)
    }

    /// When the patient was released.
    pub fn released_at(&self) -> Option<Instant> {
        match self.state {
            SessionState::Released { at } => Some(at),
            SessionState::FollowUp { released_at } => Some(released_at),
            _ => None,
        }
    }
}

/// The session that runs: between dose and release.
pub fn running(sessions: &[Session]) -> Option<SessionId> {
    let running = sessions.iter().find(|session| session.state.is_running());
    running.map(|session| session.id)
}

/// The session a dose belongs to when the phone does not say: a running one, else one planned for today.
pub fn for_dose(sessions: &[Session], zone: Zone, now: Instant) -> Option<SessionId> {
    let today = zone.date_of(now);
    let of_today = || {
        sessions
            .iter()
            .filter(|session| session.state.is_before_dose() && session.planned.on == today)
            .min_by_key(|session| session.planned.at)
    };
    running(sessions).or_else(|| of_today().map(|session| session.id))
}

/// The session a patient is busy with: a running one, else the earliest that has not taken place, else the last one
/// whose follow-up is open.
pub fn of_today(sessions: &[Session]) -> Option<SessionId> {
    let to_come = || {
        sessions
            .iter()
            .filter(|session| session.state.is_before_dose())
            .min_by_key(|session| session.planned.at)
    };
    let followed_up = || {
        sessions
            .iter()
            .filter(|session| !session.state.is_over())
            .max_by_key(|session| session.t0())
    };
    running(sessions).or_else(|| to_come().or_else(followed_up).map(|session| session.id))
}
