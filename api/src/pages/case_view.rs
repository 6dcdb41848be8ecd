//! What a case's page shows: a pure function of the record, the case, the reader and the present moment.
//!
//! Before somebody takes the case it shows level, code and times, and nothing about a person. Whoever took it sees one
//! patient's name, numbers and address and what happened, in order; everybody else only who has it and since when.

use askama::Template;
use bedside_protocol::call::Call;
use bedside_protocol::case::{Case, CaseState, Outcome, Signal};
use bedside_protocol::desk::CaseWorkers;
use bedside_protocol::duty::{Duty, DutyKind};
use bedside_protocol::id::{CaseId, PersonId};
use bedside_protocol::ladder::Audience;
use bedside_protocol::order::AfterHold;
use bedside_protocol::people::Patient;
use bedside_protocol::record::{PatientRecord, SessionRecord, Surroundings};
use bedside_protocol::session::SessionState;
use bedside_protocol::time::Instant;
use bedside_protocol::watch::Watch;

use super::case_calls::{self, Calls};
use super::case_handing::{self, HandOver, Offered};
use super::case_signals::signal_text;
use super::form::{Choices, Entered};
use super::frame::{Frame, WallClock, count, span, tel};

/// The fields of the closing form that are carried over a PIN.
const CARRIED: [&str; 2] = ["outcome", "note"];

/// The record a case belongs to.
#[derive(Debug, Clone, Copy)]
pub enum About<'r> {
    /// A session's.
    Session(&'r SessionRecord),
    /// A patient's, between sessions.
    Patient(&'r PatientRecord),
}

impl<'r> About<'r> {
    /// Duties and cases.
    pub fn watch(self) -> &'r Watch {
        match self {
            Self::Session(record) => &record.watch,
            Self::Patient(record) => &record.watch,
        }
    }

    /// Clinic, protocol, on-call list.
    pub fn around(self) -> &'r Surroundings {
        match self {
            Self::Session(record) => &record.around,
            Self::Patient(record) => &record.around,
        }
    }

    /// The patient.
    pub fn patient(self) -> &'r Patient {
        match self {
            Self::Session(record) => &record.patient,
            Self::Patient(record) => &record.patient,
        }
    }

    /// The patient's call log.
    pub fn calls(self) -> &'r [Call] {
        match self {
            Self::Session(record) => &record.course.calls,
            Self::Patient(record) => &record.course.calls,
        }
    }

    /// The session, where there is one.
    pub fn session(self) -> Option<&'r SessionRecord> {
        match self {
            Self::Session(record) => Some(record),
            Self::Patient(_) => None,
        }
    }
}

/// Who reads, as far as it is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The holder of a link: it proves nothing.
    Link,
    /// A member of staff, by PIN or by password.
    Staff(PersonId),
}

/// A case's page.
#[derive(Debug, Template)]
#[template(path = "case.html")]
pub struct CasePage {
    /// Emergency words and numbers.
    pub frame: Frame,
    /// The page's own path; forms post below it.
    pub path: String,
    /// Whether the reader is logged in and has the worklist.
    pub worklist: bool,
    /// `P1` …
    pub level: &'static str,
    /// Such as `7F3K`.
    pub code: String,
    /// When it was opened.
    pub since: String,
    /// How long ago.
    pub ago: String,
    /// The present moment.
    pub now: String,
    /// What became of the last form.
    pub told: Option<&'static str>,
    /// Why the last form was refused.
    pub refused: Option<String>,
    /// How it stands.
    pub stage: Stage,
}

/// How a case stands for its reader.
#[derive(Debug)]
pub enum Stage {
    /// Nobody has it.
    Untaken(Untaken),
    /// Somebody has it, and it is not proved to be the reader.
    Taken(Taken),
    /// The reader has it.
    Mine(Box<Mine>),
    /// It is closed.
    Closed {
        /// Who closed it.
        by: String,
        /// When.
        at: String,
        /// How it ended; for staff who are proved.
        outcome: Option<&'static str>,
    },
}

/// A case nobody has.
#[derive(Debug)]
pub struct Untaken {
    /// How long nobody has it, in this round; from a minute on.
    pub nobody_for: Option<String>,
    /// What happens if nobody takes it.
    pub next: Option<String>,
    /// Whether a PIN is asked; a signed-in reader only presses.
    pub asks_pin: bool,
    /// What was wrong with the last PIN.
    pub fault: Option<String>,
    /// What was typed into the closing form when its cookie had run out; sent along with the PIN so that it is not lost.
    pub carried: Vec<(String, String)>,
}

/// A case somebody has.
#[derive(Debug)]
pub struct Taken {
    /// Who.
    pub by: String,
    /// Since when.
    pub at: String,
    /// Whether the patient or the sitter was reached.
    pub reached: Option<String>,
    /// To whom it is offered.
    pub offered: Option<Offered>,
    /// Whether a PIN is asked, should the reader be the one.
    pub asks_pin: bool,
    /// What was wrong with the last PIN.
    pub fault: Option<String>,
    /// As in [`Untaken`].
    pub carried: Vec<(String, String)>,
}

impl Taken {
    fn is_offered_to_reader(&self) -> bool {
        self.offered.as_ref().is_some_and(|offer| offer.to_reader)
    }
}

/// Somebody to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToCall {
    /// The sitter, the patient, the second contact.
    pub who: &'static str,
    /// Their name.
    pub name: String,
    /// The number as it was given.
    pub shown: String,
    /// The number as it is dialled.
    pub dialled: String,
}

/// The case as whoever took it sees it.
#[derive(Debug)]
pub struct Mine {
    /// The patient's full name.
    pub name: String,
    /// The most urgent of what happened, the latest of several.
    pub headline: Option<String>,
    /// Whom to call, in this order.
    pub to_call: Vec<ToCall>,
    /// The patient asked not to have their sitter called between sessions.
    pub do_not_call_sitter: bool,
    /// Where the patient is.
    pub address: String,
    /// The order, where there is one.
    pub order: Option<String>,
    /// T0 and how long ago.
    pub dose: Option<String>,
    /// How the session stands.
    pub session: Option<String>,
    /// Time and text of everything that happened.
    pub signals: Vec<(String, String)>,
    /// What happens if nothing is done.
    pub next: Vec<String>,
    /// When they were reached; until then "I reached them" is the first button.
    pub reached: Option<String>,
    /// Calls that were made about it, and the form for the next.
    pub calls: Calls,
    /// To whom it can be handed over, or is offered.
    pub hand_over: HandOver,
    /// How it can end.
    pub outcomes: Choices,
    /// The note as it was typed.
    pub note: String,
    /// What is wrong with the note.
    pub note_fault: Option<String>,
}

/// How a case's page is reached.
#[derive(Debug, Clone)]
pub struct Way {
    /// The page's own path.
    pub path: String,
    /// Who reads.
    pub reader: Reader,
    /// To whom the link was sent, whose PIN it asks for.
    pub addressee: Option<PersonId>,
    /// Whether the reader is logged in, rather than by a link.
    pub logged_in: bool,
    /// Whether what patients answered is theirs to see.
    pub sees_answers: bool,
    /// Who of the clinic may be offered a case; nobody, for a reader who is not proved.
    pub workers: CaseWorkers,
}

/// The page of one case. `None` where the record has no such case.
pub fn page(
    about: About<'_>,
    id: CaseId,
    now: Instant,
    way: &Way,
    told: Option<&'static str>,
    entered: &Entered,
) -> Option<CasePage> {
    let case = about.watch().case(id)?;
    let clock = WallClock {
        zone: about.around().clinic.zone,
        now,
    };
    Some(CasePage {
        frame: Frame::of("Case", &about.around().protocol),
        path: way.path.clone(),
        worklist: way.logged_in,
        level: case.level.name(),
        code: case.code.clone(),
        since: clock.at_24h(case.opened_at),
        ago: clock.span(case.opened_at),
        now: clock.at_24h(now),
        told,
        refused: entered.in_a_line(),
        stage: stage(about, case, clock, way, entered),
    })
}

fn stage(about: About<'_>, case: &Case, clock: WallClock, way: &Way, entered: &Entered) -> Stage {
    let asks_pin = way.reader == Reader::Link;
    let fault = entered.of("acknowledge").and_then(|entered| entered.fault("pin"));
    let carried = || -> Vec<(String, String)> {
        let kept = |name: &str| Some((name.to_owned(), entered.fields.text(name)?.to_owned()));
        CARRIED.iter().filter_map(|name| kept(name)).collect()
    };
    match &case.state {
        CaseState::Open => Stage::Untaken(Untaken {
            nobody_for: nobody_for(about, case, clock),
            next: told_next(about, case, clock),
            asks_pin,
            fault,
            carried: carried(),
        }),
        CaseState::Acknowledged { taken } | CaseState::Contacted { taken, .. } => {
            let reached = match &case.state {
                CaseState::Contacted { at, .. } => Some(clock.at_24h(*at)),
                _ => None,
            };
            if way.reader == Reader::Staff(taken.by) {
                Stage::Mine(Box::new(mine(about, case, clock, reached, way, entered)))
            } else {
                Stage::Taken(Taken {
                    by: taken.by_name.clone(),
                    at: clock.at_24h(taken.at),
                    reached,
                    offered: case_handing::offered(taken, clock, way),
                    asks_pin,
                    fault,
                    carried: carried(),
                })
            }
        }
        CaseState::Resolved { by, at, outcome, .. } => Stage::Closed {
            by: name_of(about, *by),
            at: clock.at_24h(*at),
            outcome: (way.reader != Reader::Link).then(|| outcome_words(*outcome)),
        },
    }
}

/// A member of staff by name, as far as on-call list and roster know them.
fn name_of(about: About<'_>, person: PersonId) -> String {
    let known = about.around().contacts(&[person]).into_iter().next();
    known.map_or_else(|| "a member of the care team".to_owned(), |person| person.name)
}

/// The duty to take the case in its present round.
fn taking<'r>(about: About<'r>, case: &Case) -> Option<&'r Duty> {
    about
        .watch()
        .open_duties()
        .find(|duty| duty.kind == DutyKind::TakeCase { case: case.id })
}

fn nobody_for(about: About<'_>, case: &Case, clock: WallClock) -> Option<String> {
    let since = taking(about, case).map_or(case.opened_at, |duty| duty.opens_at);
    (clock.now - since >= chrono::Duration::minutes(1)).then(|| clock.span(since))
}

/// "At 14:25 everybody on call and the prescriber are told."
fn told_next(about: About<'_>, case: &Case, clock: WallClock) -> Option<String> {
    let duty = taking(about, case)?;
    let at = duty.ladder.told_at(duty.rung, duty.repeat_no, duty.due_at)?;
    let rung = duty.ladder.0.get(duty.rung)?;
    let everybody = rung.tell.contains(&Audience::Fallback);
    let whom = if everybody {
        "everybody is told again".to_owned()
    } else {
        let names: Vec<_> = rung
            .tell
            .iter()
            .map(|audience| audience_words(*audience))
            .collect();
        format!("{} told", joined(&names))
    };
    Some(format!("If nobody takes it, at {} {whom}.", clock.at_24h(at)))
}

fn joined(names: &[&str]) -> String {
    match names {
        [] => "nobody is".to_owned(),
        [one] => format!("{one} is"),
        [most @ .., last] => format!("{} and {last} are", most.join(", ")),
    }
}

fn audience_words(audience: Audience) -> &'static str {
    match audience {
        Audience::Patient => "the patient",
        Audience::Sitter => "the sitter",
        Audience::OnCallNurse => "the nurse on call",
        Audience::BackupNurse => "the backup nurse",
        Audience::AllOnCall => "everybody on call",
        Audience::Prescriber => "the prescriber",
        Audience::Manager => "the manager",
        Audience::Administrator => "the administrator",
        Audience::Coordinator => "the coordinator",
        Audience::Fallback => "the fallback list",
    }
}

fn mine(
    about: About<'_>,
    case: &Case,
    clock: WallClock,
    reached: Option<String>,
    way: &Way,
    entered: &Entered,
) -> Mine {
    let said = |signal: &Signal| signal_text(about, signal, clock, way.sees_answers);
    let patient = about.patient();
    let back = entered.of("resolve");
    let outcomes = Outcome::ALL
        .iter()
        .map(|it| (it.name().to_owned(), outcome_words(*it).to_owned()));
    Mine {
        name: patient.name.clone(),
        headline: case
            .signals
            .iter()
            .max_by_key(|signal| (signal.level, signal.at))
            .map(|signal| format!("{} {}", clock.at_24h(signal.at), said(signal))),
        to_call: to_call(about),
        do_not_call_sitter: about.session().is_some_and(SessionRecord::sitter_is_not_called),
        address: about
            .session()
            .map_or(patient.address.as_str(), SessionRecord::address_today)
            .to_owned(),
        order: order_text(about),
        dose: about.session().and_then(|record| dose_text(record, clock)),
        session: about.session().map(|record| state_text(record, clock)),
        signals: case
            .signals
            .iter()
            .map(|signal| (clock.at_24h(signal.at), said(signal)))
            .collect(),
        next: if_nothing_is_done(about, case, clock),
        reached,
        calls: case_calls::of_case(about, case.id, clock, entered),
        hand_over: case_handing::hand_over(about, case, clock, &way.workers, entered),
        outcomes: Choices::new("outcome", "outcome", "How did it end?", outcomes.collect(), back),
        note: back.map(|back| back.value("note")).unwrap_or_default(),
        note_fault: back.and_then(|back| back.fault("note")),
    }
}

fn to_call(about: About<'_>) -> Vec<ToCall> {
    let patient = about.patient();
    let person = |who, name: &str, phone: &str| ToCall {
        who,
        name: name.to_owned(),
        shown: phone.to_owned(),
        dialled: tel(phone),
    };
    let mut list = Vec::new();
    let sitter = about.session().and_then(SessionRecord::sitter_to_call);
    if let Some(sitter) = sitter {
        let who = if sitter.state.is_current() {
            "the sitter"
        } else {
            "who was the sitter"
        };
        list.push(person(who, &sitter.name, &sitter.phone));
    }
    list.push(person("the patient", &patient.name, &patient.phone));
    let second = &patient.emergency_contact;
    list.push(person("the second contact", &second.name, &second.phone));
    list
}

fn order_text(about: About<'_>) -> Option<String> {
    let order = match about {
        About::Session(record) => record.order.as_ref(),
        About::Patient(record) => record.order.as_ref(),
    };
    let dosed = about
        .session()
        .and_then(|record| record.session.dose.as_ref())
        .and_then(|dose| dose.instruction);
    let order = order?;
    let instruction = dosed.unwrap_or(order.content.instruction);
    let then = match instruction.after_hold {
        AfterHold::Spit => "spit",
        AfterHold::Swallow => "swallow",
    };
    Some(format!(
        "{} × {} mg, held {}, then {then}",
        count(instruction.lozenge_count, "lozenge"),
        order.content.strength_mg,
        count(instruction.hold_minutes, "minute"),
    ))
}

fn dose_text(record: &SessionRecord, clock: WallClock) -> Option<String> {
    let dose = record.session.dose.as_ref()?;
    let outside = if dose.not_open_because.is_empty() {
        ""
    } else {
        "; outside a ready session"
    };
    Some(format!(
        "{}, {} ago{outside}",
        clock.at_24h(dose.taken_at),
        clock.span(dose.taken_at)
    ))
}

fn state_text(record: &SessionRecord, clock: WallClock) -> String {
    let planned = clock.at_24h(record.session.planned.at);
    match &record.session.state {
        SessionState::Draft | SessionState::Scheduled => format!("planned for {planned}"),
        SessionState::PrepOpen => format!("in preparation for {planned}"),
        SessionState::Ready { .. } => format!("ready for {planned}"),
        SessionState::Dosed => "running, lozenge under the tongue or just out".to_owned(),
        SessionState::Monitoring => "running, not released".to_owned(),
        SessionState::Emergency { since } => {
            format!("emergency reported at {}, not released", clock.at_24h(*since))
        }
        SessionState::Released { at } => format!("released at {}", clock.at_24h(*at)),
        SessionState::FollowUp { released_at } => format!("released at {}", clock.at_24h(*released_at)),
        SessionState::Closed { .. } => "closed".to_owned(),
        SessionState::Held { since, .. } => format!("on hold since {}", clock.at_24h(*since)),
        SessionState::Cancelled { .. } => "cancelled".to_owned(),
        SessionState::NoShow { .. } => "did not take place".to_owned(),
        SessionState::Unverified { unlocked_at } => {
            format!(
                "unlocked at {}; nobody knows whether the dose was taken",
                clock.at_24h(*unlocked_at)
            )
        }
    }
}

fn if_nothing_is_done(about: About<'_>, case: &Case, clock: WallClock) -> Vec<String> {
    let mut list: Vec<_> = about
        .watch()
        .open_duties()
        .filter_map(|duty| {
            let what = match duty.kind {
                DutyKind::ContactPatient { case: of } if of == case.id => "\"I reached them\"",
                DutyKind::RecordOutcome { case: of } if of == case.id => "an outcome",
                _ => return None,
            };
            Some((duty.due_at, what))
        })
        .collect();
    list.sort_by_key(|(at, _)| *at);
    list.into_iter()
        .map(|(at, what)| {
            let left = if at > clock.now {
                format!(" (in {})", span(at, clock.now))
            } else {
                String::new()
            };
            format!(
                "Without {what} by {}{left}, the others are told again.",
                clock.at_24h(at)
            )
        })
        .collect()
}

/// An outcome in words.
pub fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::ReachedWell => "Spoke to patient or sitter; all is well",
        Outcome::ReachedCareArranged => "Spoke to patient or sitter; further care arranged",
        Outcome::EmergencyServices => "Emergency services were called",
        Outcome::NotReached => "Nobody could be reached; the note says what was done",
        Outcome::FalseAlarm => "It was not what it looked like",
    }
}
