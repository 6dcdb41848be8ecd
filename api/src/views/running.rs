//! A session's checks, its release, and what happens next, in words.

use bedside_protocol::answering;
use bedside_protocol::case::{CaseState, Level};
use bedside_protocol::checklist::Actor;
use bedside_protocol::document::{CheckRule, Question, WordsAsked};
use bedside_protocol::dosing;
use bedside_protocol::duty::{Duty, DutyKind, OwedBy};
use bedside_protocol::gate;
use bedside_protocol::record::SessionRecord;
use bedside_protocol::releasing;
use bedside_protocol::session::SessionState;
use bedside_protocol::time::Instant;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Most steps that are told ahead.
const NEXT_MAX: usize = 6;

/// A question, answered yes or no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuestionView {
    /// Its key in the answer.
    pub key: String,
    /// What the person reads.
    pub text: String,
    /// Whether the other answer asks for the list of side effects.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub side_effects: bool,
}

impl QuestionView {
    fn of(question: &Question) -> Self {
        Self {
            key: question.key.clone(),
            text: question.text.clone(),
            side_effects: question.side_effects,
        }
    }
}

/// A check-in that is still owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CheckInView {
    /// What the answer refers to.
    pub duty_id: Uuid,
    /// The row of the timetable, such as `C5`.
    pub rule: String,
    /// What the person reads.
    pub text: String,
    /// `patient`, `sitter` or `on_call`.
    pub owed_by: String,
    /// From when it can be answered.
    pub opens_at: DateTime<Utc>,
    /// By when.
    pub due_at: DateTime<Utc>,
    /// When it counts as missed.
    pub missed_after: Option<DateTime<Utc>>,
    /// Whether it can be answered now.
    pub open: bool,
    /// Whether blood pressure and pulse belong to it.
    pub vitals_asked: bool,
    /// What is asked.
    pub questions: Vec<QuestionView>,
    /// Whether the lozenges that are left are counted with it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub counts_lozenges: bool,
    /// What is asked for in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<WordsAskedView>,
}

/// Something that is asked for in the person's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WordsAskedView {
    /// Its key in the answer.
    pub key: String,
    /// What the person reads.
    pub text: String,
    /// At most so many characters.
    pub max_chars: usize,
}

impl WordsAskedView {
    fn of(asked: &WordsAsked) -> Self {
        Self {
            key: asked.key.clone(),
            text: asked.text.clone(),
            max_chars: asked.max_chars,
        }
    }
}

impl CheckInView {
    fn of(record: &SessionRecord, duty: &Duty, rule: &CheckRule, now: Instant) -> Self {
        Self {
            duty_id: duty.id.uuid(),
            rule: rule.key.clone(),
            text: rule.text.clone(),
            owed_by: duty.owed_by.name().to_owned(),
            opens_at: duty.opens_at,
            due_at: duty.due_at,
            missed_after: duty.missed_after,
            open: duty.opens_at <= now,
            vitals_asked: answering::asks_vitals(record, rule),
            questions: rule.questions.iter().map(QuestionView::of).collect(),
            counts_lozenges: rule.counts_lozenges,
            words: rule.words.iter().map(WordsAskedView::of).collect(),
        }
    }
}

/// The check-ins that are still owed, by when; only those of `whose`, where one is named.
pub fn check_ins(record: &SessionRecord, whose: Option<OwedBy>, now: Instant) -> Vec<CheckInView> {
    let mut found: Vec<CheckInView> = record
        .watch
        .open_duties()
        .filter(|duty| whose.is_none_or(|whose| duty.owed_by == whose))
        .filter_map(|duty| {
            Some(CheckInView::of(
                record,
                duty,
                dosing::check_rule_of(record, duty)?,
                now,
            ))
        })
        .collect();
    found.sort_by_key(|check| check.due_at);
    found
}

/// When and how the patient is released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReleaseView {
    /// Not before then.
    pub open_at: DateTime<Utc>,
    /// Whether the sitter can release now.
    pub open: bool,
    /// What the sitter says yes to.
    pub questions: Vec<QuestionView>,
    /// When the patient was released.
    pub released_at: Option<DateTime<Utc>>,
}

/// The release of a session that has a dose.
pub fn release(record: &SessionRecord, now: Instant) -> Option<ReleaseView> {
    record.session.dose.as_ref()?;
    let open_at = releasing::opens_at(record);
    let questions = releasing::release_questions(record);
    Some(ReleaseView {
        open_at,
        open: record.session.state.is_running()
            && open_at <= now
            && releasing::release_check(record, now).is_some(),
        questions: questions
            .map(|rule| rule.questions.iter().map(QuestionView::of).collect())
            .unwrap_or_default(),
        released_at: record.session.released_at(),
    })
}

/// One thing that happens next, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NextView {
    /// Stable name: `care_team_told`, `care_team_has_it`, `check_in`, `told_if_no_answer`, `measure`, `release_opens`,
    /// `confirm`, `prepare`, `dose_opens`, `log_dose`.
    pub what: String,
    /// When.
    pub at: DateTime<Utc>,
    /// In words.
    pub text: String,
}

/// What happens next, soonest first, told to the patient or to the sitter.
pub fn next_steps(record: &SessionRecord, reader: Actor, now: Instant) -> Vec<NextView> {
    let mut steps: Vec<NextView> = Vec::new();
    let clock = |at: Instant| record.patient.zone.clock_12h(at);
    let mut step = |what: &str, at: Instant, text: String| {
        steps.push(NextView {
            what: what.to_owned(),
            at,
            text,
        });
    };
    if let Some(case) = record.watch.open_case().filter(|case| case.level >= Level::P2) {
        match &case.state {
            CaseState::Open => step(
                "care_team_told",
                case.opened_at,
                "The care team has been told and will call. In an emergency do not wait for them.".to_owned(),
            ),
            CaseState::Acknowledged { taken } | CaseState::Contacted { taken, .. } => step(
                "care_team_has_it",
                taken.at,
                format!("Somebody of the care team took this at {}.", clock(taken.at)),
            ),
            CaseState::Resolved { .. } => {}
        }
    }
    for duty in record.watch.open_duties() {
        for (what, at, text) in words_of(record, duty, reader, now) {
            step(what, at, text);
        }
    }
    if matches!(
        record.session.state,
        SessionState::Scheduled | SessionState::PrepOpen | SessionState::Ready { .. }
    ) {
        let opens_at = gate::opens_at(record);
        if opens_at > now && reader == Actor::Patient {
            step(
                "dose_opens",
                opens_at,
                format!("The dose can be opened from {}.", clock(opens_at)),
            );
        }
    }
    steps.sort_by_key(|step| step.at);
    steps.truncate(NEXT_MAX);
    steps
}

fn words_of(
    record: &SessionRecord,
    duty: &Duty,
    reader: Actor,
    now: Instant,
) -> Vec<(&'static str, Instant, String)> {
    let clock = |at: Instant| record.patient.zone.clock_12h(at);
    let due = clock(duty.due_at);
    let nurse = if reader == Actor::Patient {
        "your nurse"
    } else {
        "a nurse"
    };
    let told = |condition: &str| {
        duty.missed_after
            .filter(|missed_after| *missed_after > now)
            .map(|missed_after| {
                let text = format!("{condition}, {nurse} is told at {}.", clock(missed_after));
                ("told_if_no_answer", missed_after, text)
            })
    };
    match (&duty.kind, duty.owed_by, reader) {
        (DutyKind::CheckIn { .. }, OwedBy::OnCall, _) => {
            vec![(
                "check_in",
                duty.due_at,
                format!("The care team looks in at {due}."),
            )]
        }
        (DutyKind::CheckIn { rule, .. }, owed_by, _) => {
            let (whose, condition) = match (owed_by, reader) {
                (OwedBy::Patient, Actor::Patient) | (OwedBy::Sitter, Actor::Sitter) => {
                    ("Your check", "If there is no answer")
                }
                (OwedBy::Patient, _) => ("The patient's check", "If the patient does not answer"),
                _ => ("Your sitter's check", "If your sitter does not answer"),
            };
            let tells = record
                .around
                .protocol
                .check_rule(rule)
                .is_some_and(|rule| rule.miss_level >= Level::P2);
            let mut words = vec![("check_in", duty.due_at, format!("{whose} is due at {due}."))];
            words.extend(told(condition).filter(|_| tells));
            words
        }
        (DutyKind::SendVitals { .. } | DutyKind::RecheckVitals { .. }, OwedBy::Sitter, _) => {
            vec![(
                "measure",
                duty.due_at,
                format!("Blood pressure and pulse are due by {due}."),
            )]
        }
        (DutyKind::Release, ..) => {
            let opens_at = releasing::opens_at(record);
            if opens_at <= now {
                return Vec::new();
            }
            let who = if reader == Actor::Sitter {
                "You can release the patient"
            } else {
                "Your sitter can release you"
            };
            vec![(
                "release_opens",
                opens_at,
                format!("{who} from {}.", clock(opens_at)),
            )]
        }
        (DutyKind::ConfirmPlan, _, Actor::Patient) => {
            vec![(
                "confirm",
                duty.due_at,
                format!("Say by {due} whether the session is on."),
            )]
        }
        (DutyKind::PrepareDay, _, Actor::Patient) => {
            vec![("prepare", duty.due_at, format!("Finish the day's list by {due}."))]
        }
        (DutyKind::LogDose, _, Actor::Patient) => {
            let mut words = vec![(
                "log_dose",
                duty.due_at,
                "Log the dose when you have taken it.".to_owned(),
            )];
            words.extend(told("If no dose is logged"));
            words
        }
        _ => Vec::new(),
    }
}
