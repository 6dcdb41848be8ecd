//! Records: all that a rule may look at, loaded whole; and what a rule gives back.
//!
//! The session is the aggregate. A rule works on its own copy of the record and returns it in a [`Decision`]; the
//! store compares the copy with the original row by row, writes what differs under a guard on the session's version,
//! and puts notices and audit facts into the same transaction. So a change cannot be forgotten, and two callers who
//! meet on one session are told apart by its version.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::case::Level;
use crate::check_in::CheckInAnswer;
use crate::checklist::{Answer, AnswerValue};
use crate::course::Course;
use crate::document::{Asks, ProtocolDocument};
use crate::id::{CaseId, Ids, LinkId, PersonId, SessionId, SitterId};
use crate::licence::Licence;
use crate::notice::Notice;
use crate::order::Order;
use crate::people::{Caller, Clinic, OnCallPerson, OnCallPlace, Patient};
use crate::roster::OnCallPlan;
use crate::session::{KnownSitter, Session, SessionState};
use crate::sitter::Sitter;
use crate::time::Instant;
use crate::vitals::Reading;
use crate::watch::{Subject, Watch, WatchHealth};

/// What every record knows besides its own subject. Read, never written.
#[derive(Debug, Clone, PartialEq)]
pub struct Surroundings {
    /// The clinic.
    pub clinic: Clinic,
    /// The protocol document in force for the subject.
    pub protocol: Arc<ProtocolDocument>,
    /// Who is on call now, by place and then in the order of the clinic's list.
    pub on_call: Vec<OnCallPerson>,
    /// Who will be, in a clinic with a roster; in one without, its list stands at all times.
    pub roster: Option<Arc<OnCallPlan>>,
    /// Whether anybody watches.
    pub watch_health: WatchHealth,
    /// Doses of the patient's other sessions, oldest first.
    pub other_doses: Vec<Instant>,
    /// Lozenges of those doses, as far as the ledger counts them; `None` where one of the sessions cannot be read.
    pub lozenges_taken_elsewhere: Option<u32>,
    /// Levels of the patient's open cases with other subjects.
    pub other_open_cases: Vec<Level>,
    /// What the patient's other sessions say about their sitters and their order.
    pub earlier: Earlier,
    /// Licences of who signed the patient's order in force.
    pub prescriber_licences: Vec<Licence>,
}

/// What the patient's other sessions say about their sitters and their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Earlier {
    /// The version of the order by which the last dose was taken.
    pub order_version: Option<u32>,
    /// What the patient last said about calls to their sitter.
    pub sitter_calls: Option<bool>,
    /// Their sitters.
    pub sitters: Vec<KnownSitter>,
}

impl Earlier {
    /// What these sessions say.
    pub fn of<'s>(sessions: impl IntoIterator<Item = &'s Session>) -> Self {
        let mut in_order: Vec<&Session> = sessions.into_iter().collect();
        in_order.sort_by_key(|session| session.t0());
        let dosed = in_order.iter().rev().find_map(|session| session.dose.as_ref());
        Self {
            order_version: dosed.and_then(|dose| dose.order_version),
            sitter_calls: in_order.iter().rev().find_map(|session| session.sitter_calls),
            sitters: in_order
                .iter()
                .flat_map(|session| session.known_sitters.iter().cloned())
                .collect(),
        }
    }

    /// Those with this address.
    pub fn known<'e>(&'e self, email: &'e str) -> impl Iterator<Item = &'e KnownSitter> {
        let sitters = self.sitters.iter();
        sitters.filter(move |sitter| sitter.email.trim().eq_ignore_ascii_case(email.trim()))
    }
}

impl Surroundings {
    /// How to reach these people, each once: who is on call, in the order of the list, and then who is not on call now.
    /// Who is on neither list nor roster any more, or has left, is left out.
    pub fn contacts(&self, people: &[PersonId]) -> Vec<OnCallPerson> {
        let on_call = self
            .on_call
            .iter()
            .filter(|it| people.contains(&it.person))
            .cloned();
        let off_duty = people.iter().filter_map(|person| {
            let contact = self.roster.as_ref()?.staff.get(person)?.clone();
            Some(OnCallPerson {
                place: OnCallPlace::Rota,
                person: *person,
                name: contact.name,
                email: contact.email,
                reached_at: contact.reached_at,
            })
        });
        let mut seen = BTreeSet::new();
        on_call
            .chain(off_duty)
            .filter(|it| seen.insert(it.person))
            .collect()
    }
}

/// Everything about one session.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRecord {
    /// The session; its version guards the whole record.
    pub session: Session,
    /// The patient. Read, never written through a session.
    pub patient: Patient,
    /// The patient's signed order in force. Read, never written through a session.
    pub order: Option<Order>,
    /// The patient's own documents. Read, never written through a session.
    pub course: Course,
    /// Every sitter that was asked, oldest first.
    pub sitters: Vec<Sitter>,
    /// Every answer to the checklist, oldest first; the last of an item and actor counts.
    pub answers: Vec<Answer>,
    /// Every answer to a check-in, oldest first.
    pub check_ins: Vec<CheckInAnswer>,
    /// Every reading, oldest first.
    pub readings: Vec<Reading>,
    /// Duties and cases.
    pub watch: Watch,
    /// The rest of the world.
    pub around: Surroundings,
}

impl SessionRecord {
    /// The sitter who is asked, has accepted or is present. At most one.
    pub fn current_sitter(&self) -> Option<&Sitter> {
        self.sitters.iter().rev().find(|sitter| sitter.state.is_current())
    }

    /// The sitter with this id.
    pub fn sitter(&self, id: SitterId) -> Option<&Sitter> {
        self.sitters.iter().find(|sitter| sitter.id == id)
    }

    /// Whether no dose of the patient was before this session's, whatever its number: sessions are skipped and moved.
    pub fn is_first(&self) -> bool {
        let t0 = self.session.t0();
        self.around.other_doses.iter().all(|dose| *dose >= t0)
    }

    /// Whether the order is another one than at the last dose; both who read it back are told before they do.
    pub fn order_changed(&self) -> bool {
        let now = self.order.as_ref().map(|order| order.version);
        self.around
            .earlier
            .order_version
            .is_some_and(|then| now != Some(then))
    }

    /// Where the patient is today: where they said last in this session, else where they live.
    pub fn address_today(&self) -> &str {
        let asks_for_it = |key: &str| {
            let item = self.around.protocol.item(key);
            item.is_some_and(|item| matches!(item.asks, Asks::Address { .. }))
        };
        let said = self.answers.iter().rev().find(|answer| asks_for_it(&answer.item));
        match said.map(|answer| &answer.value) {
            Some(AnswerValue::Text(address)) => address,
            _ => &self.patient.address,
        }
    }

    /// Whether the patient asked the clinic not to call their sitter, in this session or before it. It holds between sessions:
    /// who sits at a running one is called all the same.
    pub fn sitter_is_not_called(&self) -> bool {
        self.session.sitter_calls.or(self.around.earlier.sitter_calls) == Some(false)
    }

    /// The sitter to call about a case, or who was the last: nobody between sessions where the patient asked for it.
    pub fn sitter_to_call(&self) -> Option<&Sitter> {
        let state = &self.session.state;
        let minutes_matter = state.is_running() || matches!(state, SessionState::Unverified { .. });
        self.current_sitter()
            .or(self.sitters.last())
            .filter(|_| minutes_matter || !self.sitter_is_not_called())
    }

    /// What the record is about.
    pub fn subject(&self) -> Subject {
        Subject::Session(self.session.id)
    }
}

/// Everything about one patient between sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct PatientRecord {
    /// The patient; their version guards the whole record.
    pub patient: Patient,
    /// The signed order in force.
    pub order: Option<Order>,
    /// Their own documents beside the sessions.
    pub course: Course,
    /// Their sessions, by ordinal.
    pub sessions: Vec<Session>,
    /// Duties and cases that belong to no session.
    pub watch: Watch,
    /// The rest of the world.
    pub around: Surroundings,
}

/// What a rule is given besides the record.
pub struct RuleContext<'a> {
    /// The clinical clock.
    pub now: Instant,
    /// Who asks.
    pub caller: Caller,
    /// Where new ids come from.
    pub ids: Ids<'a>,
}

/// A link to be kept, so that its secret can be derived again. Nothing secret is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewLink {
    /// The link.
    pub id: LinkId,
    /// What it opens.
    pub target: LinkTarget,
    /// Until when; a dead link still shows the emergency numbers.
    pub expires_at: Instant,
}

/// What a link opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkTarget {
    /// A sitter's page.
    Sitter {
        /// The session.
        session: SessionId,
        /// The sitter.
        sitter: SitterId,
    },
    /// A case's page for one member of staff.
    Case {
        /// The case.
        case: CaseId,
        /// The reader it was sent to.
        staff: PersonId,
    },
    /// Setting the password of one account, once.
    Account {
        /// The account.
        person: PersonId,
    },
    /// Saying that messages reach one member of staff.
    Reached {
        /// The member of staff.
        person: PersonId,
    },
}

/// One line of the audit trail: what happened, with the values that show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// Stable name, such as `dose.logged`.
    pub action: &'static str,
    /// The values. Sealed at rest; may hold answers.
    pub detail: Value,
}

impl Fact {
    /// A fact.
    pub fn new(action: &'static str, detail: Value) -> Self {
        Self { action, detail }
    }
}

/// What a rule decided; committed whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<R> {
    /// The record as it is to be.
    pub after: R,
    /// What happened, for the audit trail.
    pub facts: Vec<Fact>,
    /// Messages to send.
    pub notices: Vec<Notice>,
    /// Links that the messages carry.
    pub links: Vec<NewLink>,
}

impl<R: Clone> Decision<R> {
    /// A decision that leaves the record as it is.
    pub fn unchanged(record: &R) -> Self {
        Self {
            after: record.clone(),
            facts: Vec::new(),
            notices: Vec::new(),
            links: Vec::new(),
        }
    }
}
