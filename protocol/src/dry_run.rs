//! A dry run: every duty and every message of a session by a version of the protocol, before anybody signs it (FEATURES X1).
//!
//! No second model: an invented patient, sitter and care team go through the real rules, and time moves from wake-up to wake-up as
//! the worker's would. So what is listed is what would be sent. Nobody's record is touched, and the same plan and document
//! give the same list.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{Duration, NaiveDate, NaiveTime};

use crate::document::ProtocolDocument;
use crate::duty::{Duty, DutyKind, OwedBy};
use crate::notice::{Notice, Who};
use crate::order::{AfterHold, Instruction};
use crate::people::OnCallPlace;
use crate::time::{Instant, Planned, Zone};

mod people;
mod play;

/// How long after the dose a run ends in which it is answered well, or no more from the release on.
const ENDS_AFTER: Duration = Duration::hours(72);

/// How long after the planned time a run ends in which nobody answers: what goes on by then goes on until somebody acts.
const GIVEN_UP_AFTER: Duration = Duration::hours(6);

/// How long before the planned time the session is planned and the sitter asked.
const PLANNED_BEFORE: Duration = Duration::days(8);

/// Whether people answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// Nobody answers anything: from the planning on; from the dose on, after all was prepared by the book; from the release on,
    /// after all was well until then.
    None,
    /// Everybody answers everything well, when it is due.
    All,
}

/// The session that is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The patient's zone, which is the clinic's too.
    pub zone: Zone,
    /// The date.
    pub on: NaiveDate,
    /// The local time.
    pub time: NaiveTime,
    /// What is ordered.
    pub instruction: Instruction,
    /// Which session of the course it is, from 1.
    pub number: u32,
}

impl Plan {
    /// A first session at the beginning of the dosing hours, by the least that may be ordered.
    pub fn usual(document: &ProtocolDocument, zone: Zone, on: NaiveDate) -> Self {
        Self {
            zone,
            on,
            time: document.plan.dosing_hours_local.from,
            instruction: Instruction {
                lozenge_count: document.order_limits.lozenge_count.min,
                hold_minutes: document.order_limits.hold_minutes.min,
                after_hold: AfterHold::Spit,
            },
            number: 1,
        }
    }

    /// The planned moment, which is T0.
    pub fn t0(&self) -> Instant {
        Planned::new(self.on, self.time, self.zone).at
    }
}

/// What a session would ask and send.
#[derive(Debug, Clone, PartialEq)]
pub struct DryRun {
    /// The version.
    pub version: String,
    /// The plan.
    pub plan: Plan,
    /// Its parts: one if everybody answers; three if nobody does.
    pub parts: Vec<Part>,
}

/// A stretch of a dry run.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What is played.
    pub scene: Scene,
    /// Reasons for which the dose was not open when it was taken, by the gate's codes: a version by which nobody can be ready.
    pub not_open_because: Vec<String>,
    /// By time.
    pub entries: Vec<Entry>,
    /// The state the session is in at the end.
    pub ends_as: &'static str,
}

/// What a part plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// Everybody answers everything well, from the planning to the end.
    AllIsWell,
    /// Nobody answers from the planning on, and no dose is taken.
    NobodyPrepares,
    /// Everything is prepared by the book, the dose is logged, and then nobody answers and nobody takes the case.
    NobodyAnswersAfterTheDose,
    /// All is well until the release, and then the patient answers nothing and nobody takes the case.
    NobodyAnswersAfterTheRelease,
}

impl Scene {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::AllIsWell => "all_is_well",
            Self::NobodyPrepares => "nobody_prepares",
            Self::NobodyAnswersAfterTheDose => "nobody_answers_after_the_dose",
            Self::NobodyAnswersAfterTheRelease => "nobody_answers_after_the_release",
        }
    }

    /// In words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::AllIsWell => "Everybody answers everything well, when it is due.",
            Self::NobodyPrepares => "Nobody answers anything, and no dose is taken.",
            Self::NobodyAnswersAfterTheDose => {
                "All is prepared by the book and the dose is logged. Then nobody answers, and nobody takes the case."
            }
            Self::NobodyAnswersAfterTheRelease => {
                "All is well until the release. Then nobody answers, and nobody takes the case."
            }
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When: a duty stands where it is due.
    pub at: Instant,
    /// Minutes from the dose, rounded down.
    pub minute: i64,
    /// What.
    pub what: What,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Somebody owes something.
    Duty {
        /// Its kind, such as `check_in`.
        kind: &'static str,
        /// The row of the timetable, of a check-in.
        row: Option<String>,
        /// By whom.
        owed_by: OwedBy,
        /// When it is missed, if nobody does it.
        missed_after: Option<Instant>,
        /// What became of it: `met`, `missed`, `excused`, `open` or `unknown`.
        ends_as: &'static str,
    },
    /// A message is sent.
    Message {
        /// To whom.
        to: To,
        /// The message, for who has words for it. Ids and addresses are invented.
        notice: Box<Notice>,
        /// How often it is sent again, and when for the last time within the run.
        again: Option<Again>,
    },
}

/// Whom a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// The patient.
    Patient,
    /// The sitter.
    Sitter,
    /// Who has this place on call.
    Staff(OnCallPlace),
}

impl To {
    /// The name in JSON and in the text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Sitter => "sitter",
            Self::Staff(place) => place.name(),
        }
    }
}

/// The repetitions of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again {
    /// How often.
    pub times: u32,
    /// For the last time in this run.
    pub last_at: Instant,
}

/// Plays a session by a version of the protocol.
pub fn run(document: &Arc<ProtocolDocument>, plan: Plan, answers: Answers) -> DryRun {
    let scenes: &[Scene] = match answers {
        Answers::All => &[Scene::AllIsWell],
        Answers::None => &[
            Scene::NobodyPrepares,
            Scene::NobodyAnswersAfterTheDose,
            Scene::NobodyAnswersAfterTheRelease,
        ],
    };
    DryRun {
        version: document.version.clone(),
        plan,
        parts: scenes.iter().map(|scene| part(document, plan, *scene)).collect(),
    }
}

fn part(document: &Arc<ProtocolDocument>, plan: Plan, scene: Scene) -> Part {
    let mut play = play::Play::planned(document, plan);
    // What was before belongs to another scene.
    let from = match scene {
        Scene::AllIsWell => play.all_is_well(),
        Scene::NobodyPrepares => play.nobody_prepares(),
        Scene::NobodyAnswersAfterTheDose => play.nobody_answers_after_the_dose(),
        Scene::NobodyAnswersAfterTheRelease => play.nobody_answers_after_the_release(),
    };
    let duties = play.duties().filter(|duty| is_owed(duty) && duty.due_at >= from);
    let messages = messages(play.sent(), from);
    let mut entries: Vec<(Instant, What)> = duties.map(duty).chain(messages).collect();
    // What is owed at a moment stands before what is sent then; the rest in the order of the rules.
    entries.sort_by_key(|(at, what)| (*at, matches!(what, What::Message { .. })));
    Part {
        scene,
        not_open_because: play.not_open_because(),
        ends_as: play.state(),
        entries: entries
            .into_iter()
            .map(|(at, what)| Entry {
                at,
                minute: (at - plan.t0()).num_seconds().div_euclid(60),
                what,
            })
            .collect(),
    }
}

/// The release is watched over from the dose on; that is nobody's task until it is late, which is told as a case.
fn is_owed(duty: &Duty) -> bool {
    duty.kind != DutyKind::Release
}

fn duty(duty: &Duty) -> (Instant, What) {
    let row = match &duty.kind {
        DutyKind::CheckIn { rule, .. } => Some(rule.clone()),
        _ => None,
    };
    let what = What::Duty {
        kind: duty.kind.name(),
        row,
        owed_by: duty.owed_by,
        missed_after: duty.missed_after,
        ends_as: duty.state.name(),
    };
    (duty.due_at, what)
}

/// Messages in the order of the rules, each with its repetitions.
fn messages(sent: &[(Instant, Notice)], from: Instant) -> Vec<(Instant, What)> {
    let mut lines: Vec<(Instant, What)> = Vec::new();
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for (at, notice) in sent.iter().filter(|(at, _)| *at >= from) {
        let known = notice.repeated_key().and_then(|key| first.get(&key).copied());
        if let Some((_, What::Message { again, .. })) = known.and_then(|index| lines.get_mut(index)) {
            *again = Some(Again {
                times: again.map_or(0, |again| again.times) + 1,
                last_at: *at,
            });
            continue;
        }
        first.extend(notice.repeated_key().map(|key| (key, lines.len())));
        let to = match notice.to.who {
            Who::Patient(_) => To::Patient,
            Who::Sitter(_) => To::Sitter,
            Who::Staff(person) => To::Staff(people::place_of(person)),
        };
        let what = What::Message {
            to,
            notice: Box::new(notice.clone()),
            again: None,
        };
        lines.push((*at, what));
    }
    lines
}
