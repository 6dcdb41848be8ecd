//! A running session with its checks, its case and the people about it, decided by the protocol's own rules.
//!
//! Time jumps from one wake-up to the next; in between, in any order, the sitter answers well or badly or late, help is
//! pressed, nurse and backup take, reach, close, give back or forget, mail to one of them is refused, the worker is late
//! or the whole watch is down. The session is played with the protocol crate's own test support, so its invariants
//! (`protocol/tests/rules/invariants.rs`) are asked at every step.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bedside_protocol::answering::Form;
use bedside_protocol::case::{Case, CaseState, Outcome, Taken};
use bedside_protocol::course::Course;
use bedside_protocol::desk::Desk;
use bedside_protocol::document::{CheckDue, ProtocolDocument};
use bedside_protocol::duty::{Duty, DutyKind};
use bedside_protocol::id::{CaseId, NoticeId, PersonId};
use bedside_protocol::people::{Caller, OnCallPlace, StaffRole};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::{Instant, minutes, seconds};
use bedside_protocol::{helping, releasing};
use stateright::{Model, Property};
use uuid::Uuid;

use crate::exploring::{Trail, mark};
use crate::play::Play;
use crate::support::{at, on, patient, patient_record, staff};

mod identity;
mod promises;

pub use promises::{Promise, name_of};

/// Who of the care team acts. The rest of the list is told and does nothing.
const ACTING: [OnCallPlace; 2] = [OnCallPlace::Nurse, OnCallPlace::Backup];
const LISTED: [OnCallPlace; 4] = [
    OnCallPlace::Nurse,
    OnCallPlace::Backup,
    OnCallPlace::Manager,
    OnCallPlace::Fallback,
];

/// How late a worker may be without a gap of the watch (`document: watch.alive_within_s` is 120).
const LATE_S: i64 = 90;

/// What can happen. A number is a duty's place in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing happens until the next wake-up.
    Wait,
    /// The worker looks.
    Tick,
    /// The worker is late.
    Late,
    /// The watch is down over the next wake-up and the one after it.
    Gap,
    Well(usize),
    /// With an answer that asks to act now.
    Badly(usize),
    Help,
    Take(OnCallPlace),
    Contacted,
    Resolve,
    GiveBack,
    /// Whoever has the case offers it to the other of the two.
    Offer,
    /// Who is asked accepts.
    Accept,
    /// Who is asked says no.
    Decline,
    /// Mail to a contact is refused for good.
    MailRefused(OnCallPlace),
    ReleaseByTelephone,
}

impl Action {
    /// Whether it counts against the surprises.
    fn is_surprise(self) -> bool {
        matches!(
            self,
            Self::Late | Self::Gap | Self::Help | Self::GiveBack | Self::Offer | Self::MailRefused(_)
        )
    }
}

/// A session at an instant.
#[derive(Clone)]
pub struct Scene {
    play: Play,
    /// How many surprises may still come.
    surprises: u8,
    /// What the last step broke.
    broken: Option<Promise>,
    identity: u64,
}

impl PartialEq for Scene {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

impl std::hash::Hash for Scene {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        self.identity.hash(hasher);
    }
}

/// The model.
pub struct Session {
    /// Time stands still from here on, minutes after the dose. People still act.
    pub until_min: i64,
    pub surprises: u8,
    /// People can bring every state to its end: released, and no case open.
    pub ends: Arc<Trail>,
    /// A case that was taken is told of again, or over, though nobody does anything.
    pub remembered: Arc<Trail>,
}

impl Session {
    pub fn new(until_min: i64, surprises: u8) -> Self {
        Self {
            until_min,
            surprises,
            ends: Arc::default(),
            remembered: Arc::default(),
        }
    }

    fn until(&self, play: &Play) -> Instant {
        play.record.session.t0() + minutes(self.until_min)
    }
}

/// The shipped protocol with two checks: one to look and speak, one to release.
fn short_protocol() -> ProtocolDocument {
    let mut document = ProtocolDocument::shipped().unwrap();
    let table = &mut document.timetable;
    table.checks.retain(|rule| rule.key == "C5" || rule.key == "C10");
    for rule in &mut table.checks {
        rule.due = CheckDue::AfterMinutes(if rule.releases { 12 } else { 5 });
    }
    table.release.not_before_min = 10;
    table.release.nurse_after_min = 18;
    table.release.clinician_after_min = 24;
    table.release.again_every_min = 10;
    let text = serde_json::to_string(&document).unwrap();
    ProtocolDocument::parse(&text).expect("a document that a clinic could use")
}

/// The dose was just logged, by the book.
fn dosed() -> Play {
    let mut patient = patient_record();
    patient.around.protocol = Arc::new(short_protocol());
    patient
        .around
        .on_call
        .retain(|person| LISTED.contains(&person.place));
    let mut play = Play::planned_with(&patient, "2026-11-28", "10:00:00", at("2026-11-24T14:00:00Z"));
    play.prepare();
    play.unlock_and_dose();
    // What is over before the dose is read by no rule that follows it.
    play.record.watch.duties.retain(Duty::is_open);
    play.record.answers.clear();
    play.record.course = Course::default();
    play
}

impl Scene {
    fn begin(surprises: u8) -> Self {
        let play = dosed();
        let mut scene = Self {
            play,
            surprises,
            broken: None,
            identity: 0,
        };
        scene.settle();
        scene
    }

    /// Forgets what was given out and takes the state's identity.
    fn settle(&mut self) {
        self.play.sent.clear();
        self.play.facts.clear();
        self.identity = identity::of(&self.play, self.surprises, self.broken);
    }

    fn open_case(&self) -> Option<&Case> {
        self.play.record.watch.open_case()
    }

    /// The next wake-up.
    fn wakes_at(&self) -> Option<Instant> {
        let wakes = self
            .play
            .record
            .watch
            .open_duties()
            .filter_map(|duty| duty.wake_at);
        wakes.min()
    }

    fn is_over(&self) -> bool {
        !self.play.record.session.state.is_running() && self.open_case().is_none()
    }

    /// Does one thing; a refusal changes nothing.
    fn act(&mut self, action: Action) -> Result<(), Refusal> {
        let play = &mut self.play;
        match action {
            Action::Wait => {
                play.now = play.now.max(
                    (play
                        .record
                        .watch
                        .open_duties()
                        .filter_map(|duty| duty.wake_at)
                        .min())
                    .expect("a wake-up"),
                );
            }
            Action::Tick => play.tick(),
            Action::Late => play.now += seconds(LATE_S),
            Action::Gap => {
                let mut wakes: Vec<Instant> = play
                    .record
                    .watch
                    .open_duties()
                    .filter_map(|duty| duty.wake_at)
                    .collect();
                wakes.sort_unstable();
                wakes.dedup();
                let last = wakes.get(1).or(wakes.first()).expect("a wake-up");
                play.outage_until(*last + minutes(3));
            }
            Action::Well(duty) => {
                let form = play.form(&play.record.watch.duties[duty], &[]);
                play.send(play.sitter(), form)?;
            }
            Action::Badly(duty) => {
                let duty = &play.record.watch.duties[duty];
                let form = badly(play.form(duty, &[]));
                play.send(play.sitter(), form)?;
            }
            Action::Help => {
                play.asked(patient(), |record, context| {
                    helping::help(record, None, None, context)
                })?;
            }
            Action::Take(place) => play.take(place)?,
            Action::Contacted => self.by_taker(|desk, case, by| desk.contacted(case, by))?,
            Action::Resolve => {
                self.by_taker(|desk, case, by| {
                    desk.resolve(case, by, Outcome::ReachedWell, "spoke to both")
                })?;
            }
            Action::GiveBack => self.by_taker(|desk, case, by| desk.give_back(case, by))?,
            Action::Offer => self.by_taker(|desk, case, by| {
                let other = ACTING.into_iter().map(on).find(|other| *other != by);
                desk.offer(case, by, other.expect("there are two"), &ACTING.map(on).into())
            })?,
            Action::Accept => self.by_asked(|desk, case, by| desk.accept(case, by, "Ben"))?,
            Action::Decline => self.by_asked(|desk, case, by| desk.decline(case, by))?,
            Action::MailRefused(place) => {
                let case = play.case_id();
                play.desk(Caller::System, |desk| {
                    desk.contact_unreachable(case, NoticeId::from(Uuid::nil()), on(place));
                    Ok(())
                })?;
            }
            Action::ReleaseByTelephone => {
                play.does(staff(OnCallPlace::Nurse, StaffRole::Nurse), |record, context| {
                    releasing::release_by_telephone(record, true, true, "spoke to both", context)
                })?
            }
        }
        Ok(())
    }

    fn by_taker(
        &mut self,
        act: impl FnOnce(&mut Desk<'_, '_>, CaseId, PersonId) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let case = self.play.case();
        let (id, by) = (case.id, case.state.taken().expect("a case that was taken").by);
        let caller = Caller::Staff {
            person: by,
            roles: vec![StaffRole::Nurse],
        };
        self.play.desk(caller, |desk| act(desk, id, by))
    }

    fn by_asked(
        &mut self,
        act: impl FnOnce(&mut Desk<'_, '_>, CaseId, PersonId) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let case = self.play.case();
        let offer = case.state.taken().and_then(Taken::open_offer);
        let (id, by) = (case.id, offer.expect("an offer that waits").to);
        let caller = Caller::Staff {
            person: by,
            roles: vec![StaffRole::Nurse],
        };
        self.play.desk(caller, |desk| act(desk, id, by))
    }

    fn after(&self, action: Action) -> Option<Self> {
        let mut next = self.clone();
        if action.is_surprise() {
            next.surprises -= 1;
        }
        match catch_unwind(AssertUnwindSafe(|| next.act(action))) {
            Ok(Ok(())) => next.broken = promises::broken_by(self, action, &next),
            Ok(Err(_)) => return None,
            Err(_) => next.broken = Some(Promise::Invariants),
        }
        next.settle();
        Some(next)
    }
}

/// Turns the first answer of a form that is all good.
fn badly(mut form: Form) -> Form {
    let urgent = ["rousable", "oriented"];
    for (key, answer) in &mut form.answers {
        if urgent.contains(&key.as_str()) {
            *answer = !*answer;
        }
    }
    form
}

impl Model for Session {
    type State = Scene;
    type Action = Action;

    fn init_states(&self) -> Vec<Scene> {
        vec![Scene::begin(self.surprises)]
    }

    fn actions(&self, scene: &Scene, actions: &mut Vec<Action>) {
        if scene.is_over() || scene.broken.is_some() {
            return;
        }
        let (play, surprise) = (&scene.play, scene.surprises > 0);
        let time_goes_on = play.now < self.until(play);
        if let Some(wakes_at) = scene.wakes_at() {
            let pending = wakes_at <= play.now;
            if pending {
                actions.push(Action::Tick);
                if surprise && time_goes_on {
                    actions.push(Action::Late);
                }
            } else if time_goes_on {
                actions.push(Action::Wait);
                if surprise {
                    actions.push(Action::Gap);
                }
            }
        }
        let running = play.record.session.state.is_running();
        if running {
            for (place, duty) in play.record.watch.duties.iter().enumerate() {
                let unanswered = !play.record.check_ins.iter().any(|answer| answer.duty == duty.id);
                if matches!(duty.kind, DutyKind::CheckIn { .. }) && unanswered && duty.opens_at <= play.now {
                    actions.extend([Action::Well(place), Action::Badly(place)]);
                }
            }
            actions.push(Action::ReleaseByTelephone);
        }
        if surprise && running {
            actions.push(Action::Help);
        }
        let Some(case) = scene.open_case() else { return };
        match &case.state {
            CaseState::Open => {
                // The backup is told with the nurse and may do the same.
                actions.push(Action::Take(OnCallPlace::Nurse));
                if surprise {
                    let told = |place: &OnCallPlace| case.told.contains(&on(*place));
                    actions.extend(ACTING.into_iter().filter(told).map(Action::MailRefused));
                }
            }
            CaseState::Acknowledged { .. } => actions.extend([Action::Contacted, Action::Resolve]),
            CaseState::Contacted { .. } => actions.push(Action::Resolve),
            CaseState::Resolved { .. } => {}
        }
        if let Some(taken) = case.state.taken() {
            let waits = taken.open_offer().is_some();
            if waits {
                actions.extend([Action::Accept, Action::Decline]);
            }
            if surprise {
                actions.push(Action::GiveBack);
                if !waits {
                    actions.push(Action::Offer);
                }
            }
        }
    }

    fn next_state(&self, scene: &Scene, action: Action) -> Option<Scene> {
        let next = scene.after(action)?;
        let (from, to) = (mark(scene), mark(&next));
        self.ends.step(from, to);
        self.ends.owes(to);
        if next.is_over() {
            self.ends.goal(to);
        }
        if matches!(action, Action::Wait | Action::Tick) {
            self.remembered.step(from, to);
        }
        let taken = next.open_case().filter(|case| case.state.taken().is_some());
        match taken {
            None => self.remembered.goal(to),
            Some(case) => {
                let owed = |duty: &&Duty| duty.kind.case() == Some(case.id);
                let last =
                    (next.play.record.watch.open_duties().filter(owed)).filter_map(|duty| duty.wake_at);
                // Time stands still before it would run out.
                if last.max().is_some_and(|last| last < self.until(&next.play)) {
                    self.remembered.owes(to);
                }
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::all()
    }
}
