//! The care team's desk: how signals become cases, how a case climbs its ladder, and how a person takes it, reaches
//! the patient, closes it, hands it over or gives it back.
//!
//! Guarantees: one case is open per subject; every case short of resolved has an open duty; a case's level rises and
//! never falls; a P1 signal on a taken case starts a new round; an acknowledgement without contact or outcome runs out;
//! a rung with nobody on it is skipped at once, and the fallback list is always at the end.

use std::collections::BTreeSet;

use serde_json::json;

use crate::case::{Case, CaseState, Cause, Level, Signal};
use crate::document::LevelRules;
use crate::duty::{Duty, DutyKind, DutyState, Excuse, Lane, NewDuty, OwedBy};
use crate::id::{CaseId, DutyId, PersonId};
use crate::ladder::{Audience, Rung};
use crate::notice::{About, CaseStep, Message, Notice};
use crate::people::{Caller, StaffRole};
use crate::record::{Decision, Fact, LinkTarget, NewLink, PatientRecord, RuleContext, Surroundings};
use crate::time::{Instant, seconds};
use crate::watch::{Subject, Watch};

mod handing;
mod taking;
mod telling;

/// Who of the staff works on cases.
pub const CASE_WORKERS: [StaffRole; 4] = [
    StaffRole::Nurse,
    StaffRole::Prescriber,
    StaffRole::Manager,
    StaffRole::Coordinator,
];

/// The active staff of a clinic who have one of the roles of [`CASE_WORKERS`].
pub type CaseWorkers = BTreeSet<PersonId>;

/// Longest note on a case, characters.
pub const NOTE_MAX_CHARS: usize = 2000;

/// What a rule gives out besides the record.
#[derive(Debug, Default)]
pub struct Out {
    /// For the audit trail.
    pub facts: Vec<Fact>,
    /// Messages to send.
    pub notices: Vec<Notice>,
    /// Links that the messages carry.
    pub links: Vec<NewLink>,
}

/// A subject's duties and cases, with all that the rules about them need.
pub struct Desk<'a, 'c> {
    /// Duties and cases.
    pub watch: &'a mut Watch,
    /// Clinic, protocol, on-call list.
    pub around: &'a Surroundings,
    /// What they are about.
    pub subject: Subject,
    /// Whether the subject is a running session.
    pub in_session: bool,
    /// Clock, caller, ids.
    pub context: &'a mut RuleContext<'c>,
    /// What is given out.
    pub out: &'a mut Out,
}

/// Acts at the desk of a patient between sessions. (A session's desk is [`crate::draft::Draft::desk`].)
pub fn at_patients_desk<T>(
    record: &PatientRecord,
    context: &mut RuleContext<'_>,
    act: impl FnOnce(&mut Desk<'_, '_>) -> T,
) -> (Decision<PatientRecord>, T) {
    let (mut after, mut out) = (record.clone(), Out::default());
    let mut desk = Desk {
        watch: &mut after.watch,
        around: &record.around,
        subject: Subject::Patient(record.patient.id),
        in_session: false,
        context,
        out: &mut out,
    };
    let value = act(&mut desk);
    let decision = Decision {
        after,
        facts: out.facts,
        notices: out.notices,
        links: out.links,
    };
    (decision, value)
}

impl Desk<'_, '_> {
    /// Records a fact.
    pub fn fact(&mut self, action: &'static str, detail: serde_json::Value) {
        self.out.facts.push(Fact::new(action, detail));
    }

    /// Something happened that concerns the care team: opens a case, joins or raises the open one, or starts a new
    /// round of a taken one. What is no alarm by itself ([`Cause::only_joins`]) only ever joins.
    pub fn signal(&mut self, level: Level, what: Cause, note: Option<String>) {
        let signal = Signal {
            at: self.context.now,
            what,
            level,
            by: self.context.caller.clone(),
            note,
        };
        self.fact(
            "case.signal",
            json!({"cause": &signal.what, "level": level, "note": &signal.note}),
        );
        let open = self.watch.cases.iter_mut().find(|case| case.is_open());
        match open {
            None if signal.what.only_joins() => {}
            None if level == Level::Info => self.for_information(),
            None => self.open_case(signal),
            Some(case) => {
                // A case from before the session climbs slowly: what happens in the session must not wait for it.
                let hastened = self.in_session && !case.in_session && level >= Level::P2;
                let raised = level > case.level || hastened;
                let taken = case.state.taken().is_some();
                let renewed = taken && (level == Level::P1 || signal.what.is_told_again());
                let annotates = signal.what.only_joins();
                case.level = case.level.max(level);
                case.in_session |= hastened;
                case.signals.push(signal);
                let id = case.id;
                if !annotates && (raised || renewed) {
                    // Whoever was told of an untaken case already is told again, and nobody fewer.
                    let rung = if taken { 0 } else { self.rung_told(id) };
                    self.new_round(id, rung, CaseStep::NewSignal);
                }
            }
        }
    }

    fn open_case(&mut self, signal: Signal) {
        let case = Case {
            id: self.context.ids.fresh(),
            code: self.context.ids.case_code(),
            level: signal.level,
            state: CaseState::Open,
            round: 1,
            opened_at: self.context.now,
            in_session: self.in_session,
            signals: vec![signal],
            told: Vec::new(),
            nobody_in_round: None,
        };
        let id = case.id;
        self.fact(
            "case.opened",
            json!({"case": id, "code": &case.code, "level": case.level}),
        );
        self.watch.cases.push(case);
        self.open_taking(id, 0, CaseStep::Opened);
    }

    /// Starts the next round of a case at `rung` of its ladder: everything owed so far is over, nobody has it.
    fn new_round(&mut self, id: CaseId, rung: usize, step: CaseStep) {
        let now = self.context.now;
        let Some(case) = self.watch.cases.iter_mut().find(|case| case.id == id) else {
            return;
        };
        case.round += 1;
        case.state = CaseState::Open;
        let (round, level) = (case.round, case.level);
        // What this very decision wanted to say in the round before is said by the new one.
        let of_case = |notice: &Notice| matches!(notice.about, About::Case { case, .. } if case == id);
        self.out.notices.retain(|notice| !of_case(notice));
        let to_case = |link: &NewLink| matches!(link.target, LinkTarget::Case { case, .. } if case == id);
        self.out.links.retain(|link| !to_case(link));
        self.end_duties_of(
            id,
            &DutyState::Excused {
                why: Excuse::CaseMovedOn,
                at: now,
            },
        );
        self.fact(
            "case.round",
            json!({"case": id, "round": round, "level": level, "step": step}),
        );
        self.open_taking(id, rung, step);
    }

    fn end_duties_of(&mut self, id: CaseId, state: &DutyState) {
        for duty in self
            .watch
            .duties
            .iter_mut()
            .filter(|duty| duty.is_open() && duty.kind.case() == Some(id))
        {
            duty.end(state.clone());
        }
    }

    /// Opens "take this case" and tells its first rung in the same breath. A later rung is told now and the ones after
    /// it keep their distance from it.
    fn open_taking(&mut self, id: CaseId, rung: usize, step: CaseStep) {
        let Some((rules, round)) = self.rules_of(id) else {
            return;
        };
        let (ladder, now) = (rules.ladder.clone(), self.context.now);
        let rung = rung.min(ladder.last());
        let start_s = ladder.0.get(rung).map_or(0, |rung| rung.after_due_s);
        let opened = Duty::opened(
            self.context.ids.fresh(),
            NewDuty {
                kind: DutyKind::TakeCase { case: id },
                owed_by: OwedBy::OnCall,
                lane: Lane::Escalation,
                opens_at: now,
                due_at: now - seconds(start_s),
                missed_after: None,
                ladder,
            },
        );
        let duty = Duty {
            rung,
            round,
            wake_at: Some(now),
            ..opened
        };
        let duty_id = duty.id;
        self.watch.duties.push(duty);
        self.climb(duty_id, step);
    }

    fn rules_of(&self, id: CaseId) -> Option<(LevelRules, u32)> {
        let case = self.watch.case(id)?;
        Some((
            self.around.protocol.cases.of(case.level, case.in_session).clone(),
            case.round,
        ))
    }

    /// Looks at every duty of the care team whose time has come.
    pub fn advance_due(&mut self) {
        let now = self.context.now;
        let due = self
            .watch
            .open_duties()
            .filter(|duty| duty.wake_at.is_some_and(|at| at <= now));
        let due: Vec<DutyId> = due.map(|duty| duty.id).collect();
        for duty in due {
            self.advance(duty);
        }
    }

    /// Looks at a duty of the care team whose time has come.
    pub fn advance(&mut self, id: DutyId) {
        let Some(duty) = self.watch.duty(id).filter(|duty| duty.is_open()) else {
            return;
        };
        let now = self.context.now;
        match duty.kind {
            DutyKind::TakeCase { .. } => self.climb(id, CaseStep::NobodyTookIt),
            DutyKind::ContactPatient { case } | DutyKind::RecordOutcome { case }
                if duty.missed_after.is_some_and(|missed_after| missed_after <= now) =>
            {
                let what = duty.kind.name();
                self.end_duty(
                    id,
                    DutyState::Missed {
                        at: now,
                        answered: None,
                    },
                );
                self.fact(
                    "case.acknowledgement_ran_out",
                    json!({"case": case, "owed": what}),
                );
                let rung = self.rung_reached(case);
                self.new_round(case, rung, CaseStep::AcknowledgementRanOut);
            }
            DutyKind::AcceptHandOver { case }
                if duty.missed_after.is_some_and(|missed_after| missed_after <= now) =>
            {
                self.offer_ran_out(case);
            }
            // Woken before its time, by a new on-call list say: it sleeps until its time again.
            _ => {
                let mut duties = self.watch.duties.iter_mut();
                if let Some(duty) = duties.find(|duty| duty.id == id) {
                    duty.wake_at = duty.next_wake();
                }
            }
        }
    }

    /// Gives back what the watch lost (`mending.rs`): an open duty that nothing would look at again is looked at now, and
    /// a case short of resolved that nobody owes anything for goes on with its next round, where its ladder had stopped.
    pub fn mend(&mut self) {
        let now = self.context.now;
        let forgotten = self.watch.duties.iter_mut();
        let forgotten = forgotten.filter(|duty| duty.is_open() && duty.wake_at.is_none());
        let woken: Vec<DutyId> = forgotten
            .map(|duty| {
                duty.wake_at = Some(now);
                duty.id
            })
            .collect();
        if !woken.is_empty() {
            self.fact("watch.duties_woken", json!({ "duties": woken }));
        }
        let is_owed = |case: &Case| {
            let mut duties = self.watch.open_duties();
            duties.any(|duty| duty.kind.case() == Some(case.id))
        };
        let unowed = self.watch.open_case().filter(|case| !is_owed(case));
        if let Some((case, taken)) = unowed.map(|case| (case.id, case.state.taken().is_some())) {
            self.fact("watch.case_resumed", json!({ "case": case }));
            let step = if taken {
                CaseStep::AcknowledgementRanOut
            } else {
                CaseStep::NobodyTookIt
            };
            let rung = self.rung_reached(case);
            self.new_round(case, rung, step);
        }
    }

    fn end_duty(&mut self, id: DutyId, state: DutyState) {
        if let Some(duty) = self.watch.duties.iter_mut().find(|duty| duty.id == id) {
            duty.end(state);
        }
    }

    /// The rung at which a resumed ladder goes on: the next one that was not told yet, or the last again.
    fn rung_reached(&self, case: CaseId) -> usize {
        self.last_taking(case)
            .map_or(0, |duty| duty.rung.min(duty.ladder.last()))
    }

    /// The last rung that was told.
    fn rung_told(&self, case: CaseId) -> usize {
        self.last_taking(case).map_or(0, |duty| {
            if duty.repeat_no > 0 {
                duty.rung
            } else {
                duty.rung.saturating_sub(1)
            }
        })
    }

    fn last_taking(&self, case: CaseId) -> Option<&Duty> {
        let mut latest_first = self.watch.duties.iter().rev();
        latest_first.find(|duty| duty.kind == DutyKind::TakeCase { case })
    }

    /// Tells every rung whose time has come; one mail a person, however many rungs an outage left behind. A rung with
    /// nobody on it passes its turn to the next at once, and the rest of the ladder moves up.
    fn climb(&mut self, id: DutyId, step: CaseStep) {
        let Some(mut duty) = self.watch.duty(id).filter(|duty| duty.is_open()).cloned() else {
            return;
        };
        let (now, mut told, mut skipping) = (self.context.now, BTreeSet::new(), false);
        while let Some(at) = duty.ladder.told_at(duty.rung, duty.repeat_no, duty.due_at) {
            if at > now && !skipping {
                break;
            }
            // Told early: what comes after it keeps its distance from now.
            duty.due_at -= (at - now).max(chrono::Duration::zero());
            let rung = duty.ladder.0[duty.rung].clone();
            let people = self.people(&rung.tell);
            skipping = people.is_empty() && duty.rung < duty.ladder.last();
            if people.is_empty() {
                self.nobody_at_rung(&duty);
            }
            for person in self.or_fallback(people, &rung) {
                if told.insert(person.person) {
                    self.tell_case(&duty, &person, step);
                }
            }
            step_on(&mut duty, &rung, now);
        }
        duty.wake_at = duty.next_wake();
        if let Some(place) = self.watch.duties.iter_mut().find(|place| place.id == id) {
            *place = duty;
        }
    }

    /// Mail to a contact was refused for good, or failed twice: the next rung is told now instead of at its time, and
    /// staff learn that this contact cannot be reached by mail. Once for each contact and round, and not past the last
    /// rung, or an address that refuses mail would have everybody told again and again.
    pub fn contact_unreachable(&mut self, id: CaseId, notice: crate::id::NoticeId, contact: PersonId) {
        let Some(case) = self.watch.case(id).filter(|case| case.is_open()).cloned() else {
            return;
        };
        let what = Cause::Undeliverable { notice, contact };
        let known_since = case.signals.iter().rev().find_map(|signal| match signal.what {
            Cause::Undeliverable { contact: known, .. } if known == contact => Some(signal.at),
            _ => None,
        });
        let round_began = self.last_taking(id).map(|taking| taking.opens_at);
        if known_since.is_some_and(|known_since| round_began.is_none_or(|began| began <= known_since)) {
            return;
        }
        let (now, zone) = (self.context.now, self.around.clinic.zone);
        if let Some(place) = self.watch.cases.iter_mut().find(|place| place.id == id) {
            let by = Caller::System;
            place.signals.push(Signal {
                at: now,
                what,
                level: Level::Info,
                by,
                note: None,
            });
        }
        self.fact(
            "case.contact_unreachable",
            json!({"case": id, "contact": contact}),
        );
        for person in self.people(&[Audience::Manager, Audience::Administrator]) {
            if person.person != contact && known_since.is_none() {
                let message = Message::ContactUnreachable {
                    code: case.code.clone(),
                    at: now,
                    zone,
                };
                let key = format!("case:{id}:unreachable:{contact}:{}", person.person);
                self.inform(key, &person, message, id);
            }
        }
        let taking = self
            .watch
            .duties
            .iter_mut()
            .find(|duty| duty.is_open() && duty.kind == DutyKind::TakeCase { case: id });
        let Some(duty) = taking.filter(|duty| duty.repeat_no == 0) else {
            return;
        };
        if let Some(next_at) = duty.ladder.told_at(duty.rung, duty.repeat_no, duty.due_at)
            && next_at > now
        {
            duty.due_at -= next_at - now;
        }
        let duty = duty.id;
        self.climb(duty, CaseStep::NobodyTookIt);
    }

    fn set_state(&mut self, id: CaseId, state: CaseState) {
        if let Some(case) = self.watch.cases.iter_mut().find(|case| case.id == id) {
            case.state = state;
        }
    }
}

/// Moves a duty past the rung it has just told. A repeating rung's next turn lies after `now`, so an outage does not
/// make it catch up mail by mail.
fn step_on(duty: &mut Duty, rung: &Rung, now: Instant) {
    let last = duty.rung == duty.ladder.last();
    match rung.repeat_every_s {
        Some(_) if last => {
            duty.repeat_no += 1;
            while duty
                .ladder
                .told_at(duty.rung, duty.repeat_no, duty.due_at)
                .is_some_and(|at| at <= now)
            {
                duty.repeat_no += 1;
            }
        }
        _ => {
            duty.rung += 1;
            duty.repeat_no = 0;
        }
    }
}
