//! What a sitter's page shows: a pure function of the session's record, the sitter and the present moment.
//!
//! One thing to do stands at the top. A sitter sees the patient's first name, times, instructions and emergency
//! numbers, and what they reported themselves; nothing the patient or the clinic said.

use askama::Template;
use bedside_protocol::case::Cause;
use bedside_protocol::document::Advice;
use bedside_protocol::id::SitterId;
use bedside_protocol::order::{AfterHold, Instruction};
use bedside_protocol::people::Caller;
use bedside_protocol::record::SessionRecord;
use bedside_protocol::session::SessionState;
use bedside_protocol::sitter::{Sitter, SitterState};
use bedside_protocol::sitting::{presence_opens_at, stays_until};

use super::form::{Entered, Pick};
use super::frame::{Frame, Spoken, WallClock, bad_answer, count, spoken};
use super::sitter_preparing::{self, Preparing, StepForm};
use super::sitter_running::{self, Release, Running};

/// A sitter's page.
#[derive(Debug, Template)]
#[template(path = "sitter.html")]
pub struct SitterPage {
    /// Emergency words and numbers.
    pub frame: Frame,
    /// The page's own path; forms post below it.
    pub path: String,
    /// Whose session it is.
    pub first_name: String,
    /// Whether the page says whom it is about; not to somebody who was removed.
    pub names_patient: bool,
    /// The present moment, such as `2:14 PM EST`.
    pub now: String,
    /// The zone all times are in.
    pub zone: &'static str,
    /// What became of the last form.
    pub told: Option<&'static str>,
    /// Why the last form was refused, where no field shows it.
    pub refused: Option<String>,
    /// What this sitter reported and what to do now.
    pub alarm: Option<Alarm>,
    /// What there is to do.
    pub stage: Stage,
    /// "Something is wrong".
    pub wrong: Wrong,
    /// Expected effects; on the pages of somebody who sits.
    pub expected: Option<String>,
    /// The recovery position; likewise.
    pub recovery: Option<String>,
}

/// Where a sitter stands.
#[derive(Debug)]
pub enum Stage {
    /// Asked, no answer yet.
    Invited(Invited),
    /// Nothing to do any more.
    Over(Over),
    /// Before the dose.
    Preparing(Preparing),
    /// From the dose to the release.
    Running(Box<Running>),
    /// The patient is released.
    Released {
        /// When.
        at: String,
    },
}

/// What is asked of a sitter.
#[derive(Debug)]
pub struct Invited {
    /// `Saturday, November 21`.
    pub day: String,
    /// When to be there.
    pub from: String,
    /// Until about when.
    pub until: String,
    /// "I am 18 or older", "you may contact me".
    pub ticks: [Tick; 2],
}

/// A box to tick.
#[derive(Debug)]
pub struct Tick {
    /// The box.
    pub pick: Pick,
    /// What is wrong with it.
    pub fault: Option<String>,
}

/// A page with nothing left to do.
#[derive(Debug)]
pub struct Over {
    /// In one line.
    pub heading: &'static str,
    /// In some words.
    pub text: String,
}

/// What this sitter reported, for as long as the care team has not closed it.
#[derive(Debug)]
pub struct Alarm {
    /// When and what.
    pub reports: Vec<String>,
    /// What to do now, the most urgent first.
    pub words: Vec<Spoken>,
    /// Whether one of them calls for the suicide line.
    pub crisis: bool,
    /// Whether the care team has it.
    pub care_team: String,
}

/// The "something is wrong" list, in groups of the same advice.
#[derive(Debug)]
pub struct Wrong {
    /// The groups, the most urgent first.
    pub groups: Vec<WrongGroup>,
    /// Whether "I must leave" is offered.
    pub may_leave: bool,
}

/// Red flags with the same advice.
#[derive(Debug)]
pub struct WrongGroup {
    /// What to do, before and without sending anything.
    pub words: Spoken,
    /// Key and text of each.
    pub flags: Vec<(String, String)>,
}

/// An order in words to be read at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderText {
    /// `2 lozenges`.
    pub count: String,
    /// `10 minutes`.
    pub hold: String,
    /// `SPIT IT OUT` or `SWALLOW IT`.
    pub then: &'static str,
    /// What not to do.
    pub never: &'static str,
}

impl OrderText {
    /// An instruction in words.
    pub fn of(instruction: &Instruction) -> Self {
        let (then, never) = match instruction.after_hold {
            AfterHold::Spit => ("SPIT IT OUT", "Do not swallow."),
            AfterHold::Swallow => ("SWALLOW IT", "Do not spit it out."),
        };
        Self {
            count: count(instruction.lozenge_count, "lozenge"),
            hold: count(instruction.hold_minutes, "minute"),
            then,
            never,
        }
    }
}

/// The page of one sitter. `None` where the record knows no such sitter.
pub fn page(
    record: &SessionRecord,
    id: SitterId,
    clock: WallClock,
    path: &str,
    told: Option<&'static str>,
    entered: &Entered,
) -> Option<SitterPage> {
    let sitter = record.sitter(id)?;
    let protocol = &record.around.protocol;
    let stage = stage(record, sitter, clock, entered);
    let sits = matches!(stage, Stage::Preparing(_) | Stage::Running(_));
    Some(SitterPage {
        frame: Frame::of("Your page", protocol),
        path: path.to_owned(),
        first_name: record.patient.first_name.clone(),
        names_patient: !matches!(sitter.state, SitterState::Removed { .. }),
        now: clock.at_with_zone(clock.now),
        zone: clock.zone.name(),
        told,
        refused: entered.in_a_line(),
        alarm: alarm(record, id, clock),
        wrong: Wrong {
            groups: wrong_groups(record),
            may_leave: matches!(stage, Stage::Running(_)),
        },
        stage,
        expected: sits.then(|| protocol.words.expected_effects.clone()),
        recovery: sits.then(|| protocol.words.recovery_position.clone()),
    })
}

fn stage(record: &SessionRecord, sitter: &Sitter, clock: WallClock, entered: &Entered) -> Stage {
    let state = &record.session.state;
    if let Some(over) = over(record, sitter) {
        return Stage::Over(over);
    }
    if let Some(at) = record.session.released_at() {
        return Stage::Released { at: clock.at(at) };
    }
    if sitter.state == SitterState::Invited {
        return Stage::Invited(invited(record, clock, entered));
    }
    if state.is_running() {
        return Stage::Running(Box::new(sitter_running::running(record, sitter, clock, entered)));
    }
    Stage::Preparing(sitter_preparing::preparing(record, sitter, clock, entered))
}

fn over(record: &SessionRecord, sitter: &Sitter) -> Option<Over> {
    let name = &record.patient.first_name;
    let running = record.session.state.is_running();
    let end = |heading, text: String| Some(Over { heading, text });
    match sitter.state {
        SitterState::Declined { .. } => {
            return end(
                "Thank you for answering.",
                format!("{name} has been told that you will not be there."),
            );
        }
        SitterState::Withdrawn { .. } => {
            return end(
                "You are not the sitter any more.",
                format!("{name} has been told."),
            );
        }
        SitterState::Lapsed { .. } => {
            return end(
                "Somebody else was asked.",
                format!("There was no answer in time, and {name} needed one. Thank you all the same."),
            );
        }
        SitterState::Left { .. } if running => {
            return end(
                "The care team knows that you must leave.",
                format!(
                    "They are being told now. If you can, stay with {name} until somebody else is there."
                ),
            );
        }
        SitterState::Left { .. } => {
            return end(
                "You are not the sitter any more.",
                format!("You told us that you had to leave {name}."),
            );
        }
        SitterState::Removed { .. } => {
            return end(
                "You are not the sitter any more.",
                "Nothing more is asked of you. Thank you.".to_owned(),
            );
        }
        SitterState::Invited | SitterState::Accepted { .. } | SitterState::Present { .. } => {}
    }
    match &record.session.state {
        SessionState::Closed { .. } => end(
            "This session is over.",
            "Nothing more is asked of you. Thank you.".to_owned(),
        ),
        SessionState::Cancelled { .. } => end(
            "This session will not take place.",
            "It was called off. You need not be there.".to_owned(),
        ),
        SessionState::NoShow { .. } => end(
            "This session did not take place.",
            "Its time is over. You need not be there.".to_owned(),
        ),
        _ => None,
    }
}

fn invited(record: &SessionRecord, clock: WallClock, entered: &Entered) -> Invited {
    let planned = record.session.planned.at;
    let entered = entered.of("accept");
    let tick = |name: &str, label: &str| Tick {
        pick: Pick {
            value: name.to_owned(),
            label: label.to_owned(),
            chosen: entered.is_some_and(|entered| entered.fields.ticked(name)),
        },
        fault: entered.and_then(|entered| entered.fault(name)),
    };
    Invited {
        day: clock.day(planned),
        from: clock.zone.clock_12h(presence_opens_at(record)),
        until: clock.zone.clock_12h(stays_until(record)),
        ticks: [
            tick("is_adult", "I am 18 or older."),
            tick("may_be_contacted", "You may contact me about the session."),
        ],
    }
}

/// This sitter's own reports in the case that is open. What the patient pressed stays out of sight: a press for help
/// may have to be a silent one.
fn alarm(record: &SessionRecord, id: SitterId, clock: WallClock) -> Option<Alarm> {
    let case = record.watch.open_case()?;
    let words = &record.around.protocol.words;
    let link = record.sitter(id).map(|sitter| sitter.link);
    let own = case.signals.iter().filter(|signal| {
        let theirs = match &signal.by {
            Caller::Sitter { sitter, .. } => *sitter == id,
            // Who is not the sitter any more, or comes by a link that is over, is marked so.
            Caller::Unverified { link: by } => by.is_some() && *by == link,
            _ => false,
        };
        theirs && !matches!(signal.what, Cause::LateAnswer { .. })
    });
    let (mut reports, mut advices) = (Vec::new(), Vec::new());
    for signal in own {
        let (what, advice) = reported(record, &signal.what);
        reports.push(format!("{}: {what}", clock.at(signal.at)));
        if !advices.contains(&advice) {
            advices.push(advice);
        }
    }
    if reports.is_empty() {
        return None;
    }
    advices.sort_by_key(|advice| urgency(*advice));
    let care_team = case.state.taken().map_or_else(
        || "The care team is being told.".to_owned(),
        |taken| format!("The care team answered at {} and will call.", clock.at(taken.at)),
    );
    Some(Alarm {
        reports,
        words: advices
            .iter()
            .map(|advice| spoken(words.of_advice(*advice), words))
            .collect(),
        crisis: advices.contains(&Advice::EmergencyOrCrisis),
        care_team,
    })
}

fn urgency(advice: Advice) -> u8 {
    match advice {
        Advice::Emergency => 0,
        Advice::EmergencyOrCrisis => 1,
        Advice::EmergencyIfDrowsy => 2,
    }
}

fn reported(record: &SessionRecord, cause: &Cause) -> (String, Advice) {
    let protocol = &record.around.protocol;
    match cause {
        Cause::RedFlag { flag } => protocol.red_flag(flag).map_or_else(
            || ("You asked for help".to_owned(), Advice::Emergency),
            |flag| (flag.text.clone(), flag.advice),
        ),
        Cause::Help => ("You asked for help".to_owned(), Advice::Emergency),
        Cause::BadAnswer { check_in, questions } => {
            let answer = record.check_ins.iter().find(|answer| answer.id == *check_in);
            let rule = answer.and_then(|answer| protocol.check_rule(&answer.rule));
            let bad: Vec<_> = rule
                .iter()
                .flat_map(|rule| &rule.questions)
                .filter(|question| questions.contains(&question.key))
                .collect();
            let urgent = bad
                .iter()
                .any(|question| question.bad_level == Some(bedside_protocol::case::Level::P1));
            let said: Vec<_> = bad.iter().map(|question| bad_answer(question)).collect();
            let advice = if urgent {
                Advice::Emergency
            } else {
                Advice::EmergencyIfDrowsy
            };
            (said.join(" "), advice)
        }
        Cause::Vitals { .. } => (
            "Blood pressure or pulse outside the limits".to_owned(),
            Advice::EmergencyIfDrowsy,
        ),
        Cause::SitterLeft | Cause::SitterGone => ("You must leave".to_owned(), Advice::EmergencyIfDrowsy),
        Cause::UnplannedDose { .. } | Cause::OutdatedOrder { .. } => {
            ("The lozenge was taken".to_owned(), Advice::EmergencyIfDrowsy)
        }
        _ => ("You told us".to_owned(), Advice::EmergencyIfDrowsy),
    }
}

fn wrong_groups(record: &SessionRecord) -> Vec<WrongGroup> {
    let protocol = &record.around.protocol;
    [
        Advice::Emergency,
        Advice::EmergencyOrCrisis,
        Advice::EmergencyIfDrowsy,
    ]
    .into_iter()
    .map(|advice| WrongGroup {
        words: spoken(protocol.words.of_advice(advice), &protocol.words),
        flags: protocol
            .red_flags
            .iter()
            .filter(|flag| flag.advice == advice)
            .map(|flag| (flag.key.clone(), flag.text.clone()))
            .collect(),
    })
    .filter(|group| !group.flags.is_empty())
    .collect()
}
