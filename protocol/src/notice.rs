//! Notices: one message to one address, decided by a rule, rendered and sent by the worker.
//!
//! A notice carries only what its mail may say: no name, drug, diagnosis, vital sign or free text (invariant I8).

use serde::{Deserialize, Serialize};

use crate::case::{Level, OfferEnd};
use crate::duty::Lane;
use crate::id::{CaseId, DutyId, LinkId, NoticeId, PersonId, SessionId, SitterId};
use crate::people::OnCallPlace;
use crate::roster::Gap;
use crate::time::{Instant, Zone};
use crate::watch::Subject;

/// Whom a notice is for, and the address frozen at the decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// The address.
    pub email: String,
}

/// Who a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "who", content = "id", rename_all = "snake_case")]
pub enum Who {
    /// A patient.
    Patient(PersonId),
    /// A sitter.
    Sitter(SitterId),
    /// A member of staff.
    Staff(PersonId),
}

impl Who {
    /// `patient`, `sitter` or `staff`.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Patient(_) => "patient",
            Self::Sitter(_) => "sitter",
            Self::Staff(_) => "staff",
        }
    }

    /// The person's id as text.
    pub fn id(self) -> String {
        match self {
            Self::Patient(id) | Self::Staff(id) => id.to_string(),
            Self::Sitter(id) => id.to_string(),
        }
    }
}

/// What a notice belongs to; looked at again when it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum About {
    /// A reminder of a duty: dropped once the duty is over.
    Duty {
        /// The duty.
        duty: DutyId,
    },
    /// An escalation of a case: dropped once this round is taken.
    Case {
        /// The case.
        case: CaseId,
        /// The round it belongs to.
        round: u32,
    },
    /// A word to those already told (taken, closed) or to staff: sent in any case.
    Information,
    /// The invitation to sit: dropped once the sitter answered or was removed.
    Invitation {
        /// The sitter.
        sitter: SitterId,
    },
}

/// What the mail says. Times are absolute and keep the zone they are shown in, so a second send is identical.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "template", rename_all = "snake_case")]
pub enum Message {
    /// To a patient: something to do by a time.
    PatientTask {
        /// By when.
        due_at: Instant,
        /// Their zone.
        zone: Zone,
        /// Whether it was due already.
        overdue: bool,
    },
    /// To a sitter: something to do by a time, behind their own link.
    SitterTask {
        /// By when.
        due_at: Instant,
        /// The patient's zone.
        zone: Zone,
        /// Whether it was due already.
        overdue: bool,
        /// Their link.
        link: LinkId,
    },
    /// To a sitter: will you?
    SitterInvitation {
        /// The planned moment.
        planned_at: Instant,
        /// The patient's zone.
        zone: Zone,
        /// Their link.
        link: LinkId,
    },
    /// To a patient: their sitter declined, withdrew or left.
    SitterChanged {
        /// The planned moment of the session.
        planned_at: Instant,
        /// Their zone.
        zone: Zone,
    },
    /// To the care team: a case needs you.
    CaseNeedsYou {
        /// The case's code.
        code: String,
        /// How urgent.
        level: Level,
        /// By when.
        needed_by: Instant,
        /// The clinic's zone.
        zone: Zone,
        /// When it was opened or raised.
        since: Instant,
        /// Why this mail comes now.
        step: CaseStep,
        /// The case's page for this reader.
        link: LinkId,
    },
    /// To those already told: somebody has it.
    CaseTaken {
        /// The case's code.
        code: String,
        /// How urgent.
        level: Level,
        /// When.
        at: Instant,
        /// The clinic's zone.
        zone: Zone,
    },
    /// To one of the care team: somebody who has a case offers it to you.
    HandOverOffered {
        /// The case's code.
        code: String,
        /// How urgent.
        level: Level,
        /// Accept it by then.
        until: Instant,
        /// The clinic's zone.
        zone: Zone,
        /// The case's page for this reader.
        link: LinkId,
    },
    /// To one or both of those between whom a case was to change hands: how that ended.
    HandOverEnded {
        /// The case's code.
        code: String,
        /// How urgent.
        level: Level,
        /// How.
        end: OfferEnd,
        /// Whether the reader has the case now.
        yours: bool,
        /// When.
        at: Instant,
        /// The clinic's zone.
        zone: Zone,
    },
    /// To those already told: it is over.
    CaseClosed {
        /// The case's code.
        code: String,
        /// How urgent.
        level: Level,
        /// When.
        at: Instant,
        /// The clinic's zone.
        zone: Zone,
    },
    /// To the administrator or the fallback list: a ladder found nobody at a step.
    NobodyOnCall {
        /// The case's code.
        code: String,
        /// When.
        at: Instant,
        /// The clinic's zone.
        zone: Zone,
    },
    /// To the administrator or manager: mail to a contact is refused.
    ContactUnreachable {
        /// The case's code.
        code: String,
        /// When.
        at: Instant,
        /// The clinic's zone.
        zone: Zone,
    },
    /// To who keeps the addresses: mail to one of them is refused for good.
    AddressRefused {
        /// Whom the refused message was for.
        recipient: Who,
        /// The refused message, by which the log of messages shows it.
        notice: NoticeId,
        /// When.
        at: Instant,
        /// The clinic's zone.
        zone: Zone,
    },
    /// To the administrator: the program found that something it had promised to look at would have been forgotten.
    WatchIncomplete {
        /// When it was found.
        at: Instant,
        /// The clinic's zone.
        zone: Zone,
    },
    /// To the care team: something happened that calls for nobody today.
    ForInformation {
        /// What it is about.
        subject: Subject,
        /// When.
        at: Instant,
        /// The clinic's zone.
        zone: Zone,
    },
    /// To administrator and manager: nobody is on call in some stretches ahead.
    RosterGaps {
        /// Each, by its beginning.
        gaps: Vec<Gap>,
        /// The clinic's zone.
        zone: Zone,
    },
    /// To who keeps the roster and who plans: somebody is missing on call at the time of a planned session.
    SessionUnstaffed {
        /// The session.
        session: SessionId,
        /// Its planned moment.
        planned_at: Instant,
        /// Who is missing when, by its beginning.
        gaps: Vec<Gap>,
        /// The clinic's zone.
        zone: Zone,
    },
    /// To administrator and manager: the roster cannot be read, and the on-call list stands alone.
    RosterUnreadable {
        /// When it was found.
        at: Instant,
        /// The clinic's zone.
        zone: Zone,
    },
    /// To anybody: several messages that waited at once, in one mail. A part is never a bundle.
    Bundle {
        /// Each as it would have been alone.
        parts: Vec<Message>,
    },
    /// To a member of staff or a patient: set your password by this link.
    AccountLink {
        /// The link.
        link: LinkId,
        /// Until when.
        expires_at: Instant,
        /// The clinic's zone.
        zone: Zone,
    },
    /// To somebody on call: say that messages reach you.
    OnCallTest {
        /// By when.
        answer_by: Instant,
        /// The clinic's zone.
        zone: Zone,
        /// The page on which it is said.
        link: LinkId,
    },
    /// To who keeps the list: somebody on call did not answer a test message.
    OnCallSilent {
        /// Their place.
        place: OnCallPlace,
        /// When they were asked.
        asked_at: Instant,
        /// The clinic's zone.
        zone: Zone,
    },
    /// To the administrator: the day's proof that alarms leave.
    Drill {
        /// When it fell due.
        at: Instant,
        /// The clinic's zone.
        zone: Zone,
    },
    /// A test of the mail path, asked for by an operator.
    Test {
        /// When.
        at: Instant,
        /// The clinic's zone.
        zone: Zone,
    },
}

impl Message {
    /// The message's name: what kind it is, without what it says.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PatientTask { .. } => "patient_task",
            Self::SitterTask { .. } => "sitter_task",
            Self::SitterInvitation { .. } => "sitter_invitation",
            Self::SitterChanged { .. } => "sitter_changed",
            Self::CaseNeedsYou { .. } => "case_needs_you",
            Self::CaseTaken { .. } => "case_taken",
            Self::HandOverOffered { .. } => "hand_over_offered",
            Self::HandOverEnded { .. } => "hand_over_ended",
            Self::CaseClosed { .. } => "case_closed",
            Self::NobodyOnCall { .. } => "nobody_on_call",
            Self::ContactUnreachable { .. } => "contact_unreachable",
            Self::AddressRefused { .. } => "address_refused",
            Self::WatchIncomplete { .. } => "watch_incomplete",
            Self::ForInformation { .. } => "for_information",
            Self::RosterGaps { .. } => "roster_gaps",
            Self::SessionUnstaffed { .. } => "session_unstaffed",
            Self::RosterUnreadable { .. } => "roster_unreadable",
            Self::Bundle { .. } => "bundle",
            Self::AccountLink { .. } => "account_link",
            Self::OnCallTest { .. } => "on_call_test",
            Self::OnCallSilent { .. } => "on_call_silent",
            Self::Drill { .. } => "drill",
            Self::Test { .. } => "test",
        }
    }
}

/// Why an escalation mail comes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseStep {
    /// The case was opened.
    Opened,
    /// Nobody has taken it yet.
    NobodyTookIt,
    /// Something new and urgent joined a case that somebody had taken.
    NewSignal,
    /// It was taken and then nothing was heard.
    AcknowledgementRanOut,
    /// It was given back.
    GivenBack,
}

/// One message to one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The notice.
    pub id: NoticeId,
    /// What makes it one of a kind: source, round, rung, repeat, recipient. At most one mail is accepted for each (I2).
    pub key: String,
    /// Which traffic it belongs to.
    pub lane: Lane,
    /// To whom.
    pub to: Recipient,
    /// What it belongs to.
    pub about: About,
    /// What it says.
    pub message: Message,
    /// Not before then.
    pub not_before: Instant,
    /// Of no use after then; `None` for what never grows stale.
    pub stale_after: Option<Instant>,
    /// Mails of one case stand in one thread.
    pub thread: Option<CaseId>,
}

impl Notice {
    /// The key without the number of the repeat: the same for every time the last step of a ladder is told. `None` for what is
    /// told once.
    pub fn repeated_key(&self) -> Option<String> {
        let mut parts: Vec<&str> = self.key.split(':').collect();
        let repeat = match (parts.first(), parts.len()) {
            (Some(&"case"), 6) => 4,
            (Some(&"duty"), 5) => 3,
            _ => return None,
        };
        parts.remove(repeat);
        Some(parts.join(":"))
    }

    /// Whether a reminder between sessions, which may be unsubscribed from and muted.
    pub fn may_be_muted(&self) -> bool {
        matches!(self.lane, Lane::Reminder | Lane::Digest) && !matches!(self.to.who, Who::Staff(_))
    }

    /// Whether it goes to a patient only while they agree to e-mail. What keeps a running session safe goes in any case, and
    /// so does the link to their log-in, which they ask for themselves.
    fn needs_consent(&self, in_session: bool) -> bool {
        let to_patient = matches!(self.to.who, Who::Patient(_));
        let is_log_in = matches!(self.message, Message::AccountLink { .. });
        to_patient && !is_log_in && (!in_session || self.may_be_muted())
    }
}

/// What is known about a notice's source at the moment of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtSending {
    /// The clinical clock.
    pub now: Instant,
    /// For [`About::Duty`]: whether it is still open.
    pub duty_open: bool,
    /// For [`About::Case`]: whether nobody has taken this round.
    pub case_untaken: bool,
    /// For [`About::Case`]: whether this person was told of the round after this notice was due, or is told now by a newer
    /// one. What piled up while a mail server was down comes as one mail.
    pub told_since: bool,
    /// For [`About::Invitation`]: whether the sitter still has to answer.
    pub invitation_open: bool,
    /// Whether messages to the patient make sense now.
    pub comms_active: bool,
    /// Whether the patient said no to e-mail, or took their yes back.
    pub mail_declined: bool,
    /// Whether it is about a session between dose and release, or asks whether the dose was taken once the screen was
    /// unlocked.
    pub in_session: bool,
}

/// Why a notice was not sent. Kept on its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DroppedBecause {
    /// The duty was met, excused or missed meanwhile.
    DutyOver,
    /// The case was taken or closed meanwhile.
    CaseTaken,
    /// The same person was told of the same round by a later message.
    Superseded,
    /// The sitter answered or is no longer asked.
    InvitationOver,
    /// The course is paused, or the patient is in hospital, has left or has died.
    Muted,
    /// The patient said no to e-mail, or took their yes back.
    NoConsent,
    /// Its use was over.
    Stale,
}

impl DroppedBecause {
    /// The reason's name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::DutyOver => "duty_over",
            Self::CaseTaken => "case_taken",
            Self::Superseded => "superseded",
            Self::InvitationOver => "invitation_over",
            Self::Muted => "muted",
            Self::NoConsent => "no_consent",
            Self::Stale => "stale",
        }
    }
}

/// Whether a notice should still go out; asked again at the moment of sending.
pub fn still_wanted(notice: &Notice, known: &AtSending) -> Result<(), DroppedBecause> {
    match notice.about {
        About::Duty { .. } if !known.duty_open => return Err(DroppedBecause::DutyOver),
        About::Case { .. } if !known.case_untaken => return Err(DroppedBecause::CaseTaken),
        About::Case { .. } if known.told_since => return Err(DroppedBecause::Superseded),
        About::Invitation { .. } if !known.invitation_open => return Err(DroppedBecause::InvitationOver),
        _ => {}
    }
    if !known.comms_active && notice.may_be_muted() {
        return Err(DroppedBecause::Muted);
    }
    if known.mail_declined && notice.needs_consent(known.in_session) {
        return Err(DroppedBecause::NoConsent);
    }
    if notice
        .stale_after
        .is_some_and(|stale_after| known.now > stale_after)
    {
        return Err(DroppedBecause::Stale);
    }
    Ok(())
}
