//! A session to play with: time moves by the worker's own steps and every decision is held against the invariants.

use std::collections::{BTreeMap, BTreeSet};

use bedside_protocol::answering::{self, CheckedIn, Form};
use bedside_protocol::case::{Case, Outcome};
use bedside_protocol::check_in::Besides;
use bedside_protocol::checklist::{Actor, AnswerValue, Quantity};
use bedside_protocol::desk::Desk;
use bedside_protocol::document::{Asks, ItemPhase};
use bedside_protocol::dosing::{self, DoseReport, Logged};
use bedside_protocol::draft::Draft;
use bedside_protocol::duty::{Duty, DutyKind, OwedBy};
use bedside_protocol::gate;
use bedside_protocol::id::CaseId;
use bedside_protocol::measuring::{self, Measured};
use bedside_protocol::notice::Notice;
use bedside_protocol::people::{Caller, OnCallPlace, StaffRole};
use bedside_protocol::preparation::{self, Answered};
use bedside_protocol::record::{Decision, Fact, PatientRecord, RuleContext, SessionRecord};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::session::Candidate;
use bedside_protocol::sitting::{self, Invitation, Trained};
use bedside_protocol::time::{Instant, minutes};
use bedside_protocol::watch::WatchGap;
use bedside_protocol::{ledger, planning, tick};
use uuid::Uuid;

use crate::invariants;
use crate::support::{at, enrolled, nurse, on, patient, patient_record, reading, staff, with_context};

/// One session being played.
#[derive(Clone)]
pub struct Play {
    pub record: SessionRecord,
    pub now: Instant,
    pub seed: u64,
    pub sent: Vec<Notice>,
    pub keys: BTreeSet<String>,
    pub facts: Vec<Fact>,
}

impl Play {
    /// Planned on Tuesday for Saturday 28 November 2026, 10:00 in New York.
    pub fn planned() -> Self {
        Self::planned_with(
            &patient_record(),
            "2026-11-28",
            "10:00:00",
            at("2026-11-24T14:00:00Z"),
        )
    }

    pub fn planned_with(patient: &PatientRecord, on_date: &str, time: &str, now: Instant) -> Self {
        let patient = &enrolled(patient.clone(), now);
        let mut seed = 7;
        let (date, time) = (on_date.parse().unwrap(), time.parse().unwrap());
        let coordinator = staff(OnCallPlace::Coordinator, StaffRole::Coordinator);
        let decision = with_context(&mut seed, now, coordinator, |context| {
            planning::plan(patient, date, time, on(OnCallPlace::Coordinator), context).unwrap()
        });
        let empty = planning::new_record(patient, decision.after.session.clone());
        Self::begin(empty, decision, now, seed)
    }

    pub fn begin(before: SessionRecord, decision: Decision<SessionRecord>, now: Instant, seed: u64) -> Self {
        let mut play = Self {
            record: before,
            now,
            seed,
            sent: Vec::new(),
            keys: BTreeSet::new(),
            facts: Vec::new(),
        };
        play.apply(decision);
        play
    }

    /// Everything done ten minutes before the planned time, nothing unlocked.
    pub fn ready() -> Self {
        let mut play = Self::planned();
        play.prepare();
        play
    }

    /// By the book: unlocked and dosed at the planned time.
    pub fn dosed() -> Self {
        let mut play = Self::ready();
        play.unlock_and_dose();
        play
    }

    pub fn prepare(&mut self) {
        self.invite_and_accept();
        self.before(25 * 60);
        self.answer_all(ItemPhase::DayBefore, Actor::Patient);
        self.answer_all(ItemPhase::DayBefore, Actor::Sitter);
        self.answer_all(ItemPhase::DayBefore, Actor::Nurse);
        self.before(90);
        self.answer_all(ItemPhase::Day, Actor::Patient);
        self.answer_all(ItemPhase::Day, Actor::Sitter);
        self.before(10);
        self.measure(self.sitter(), 120, 78, 70).unwrap();
        self.here();
        self.answer_all(ItemPhase::LastQuarter, Actor::Sitter);
        self.answer_all(ItemPhase::LastQuarter, Actor::Patient);
        assert_eq!(
            self.state(),
            "ready",
            "{:?}",
            gate::reasons(&self.record, self.now)
        );
    }

    pub fn unlock_and_dose(&mut self) {
        self.go_to(self.planned_at());
        self.asked(patient(), preparation::unlock).unwrap();
        let logged = self.dose(patient(), DoseReport::default());
        assert!(matches!(logged, Logged::Recorded { .. }), "{logged:?}");
    }

    // ---- Time

    pub fn planned_at(&self) -> Instant {
        self.record.session.planned.at
    }

    /// So many minutes before the planned time.
    pub fn before(&mut self, before_min: i64) {
        self.go_to(self.planned_at() - minutes(before_min));
    }

    /// So many minutes after T0 (the planned time until there is a dose).
    pub fn after(&mut self, after_min: i64) {
        self.go_to(self.record.session.t0() + minutes(after_min));
    }

    /// The worker steps at every `wake_at` up to `to`, and at `to`.
    pub fn go_to(&mut self, to: Instant) {
        assert!(to >= self.now, "time goes forward");
        for _ in 0..10_000 {
            let wakes = self.record.watch.open_duties().filter_map(|duty| duty.wake_at);
            let Some(next) = wakes.min().filter(|next| *next <= to) else {
                break;
            };
            self.now = self.now.max(next);
            self.tick();
        }
        self.now = to;
        self.tick();
    }

    pub fn tick(&mut self) {
        let decision = self.with(Caller::System, tick::session);
        self.apply(decision);
    }

    /// The worker is away until `to`, and says so when it is back.
    pub fn outage_until(&mut self, to: Instant) {
        let gap = WatchGap {
            id: Uuid::from_u128(0x900 + self.record.around.watch_health.gaps.len() as u128).into(),
            from: self.now,
            to,
        };
        self.now = to;
        self.record.around.watch_health.gaps.push(gap);
    }

    // ---- Rules

    pub fn with<T>(
        &mut self,
        caller: Caller,
        rule: impl FnOnce(&SessionRecord, &mut RuleContext<'_>) -> T,
    ) -> T {
        let record = self.record.clone();
        with_context(&mut self.seed, self.now, caller, |context| rule(&record, context))
    }

    pub fn apply(&mut self, decision: Decision<SessionRecord>) {
        invariants::hold(self, &decision);
        self.keys
            .extend(decision.notices.iter().map(|notice| notice.key.clone()));
        self.sent.extend(decision.notices);
        self.facts.extend(decision.facts);
        self.record = decision.after;
    }

    /// A rule that gives a decision or a refusal.
    pub fn does(
        &mut self,
        caller: Caller,
        rule: impl FnOnce(&SessionRecord, &mut RuleContext<'_>) -> Result<Decision<SessionRecord>, Refusal>,
    ) -> Result<(), Refusal> {
        let decision = self.with(caller, rule)?;
        self.apply(decision);
        Ok(())
    }

    /// A rule that answers something besides.
    pub fn asked<T>(
        &mut self,
        caller: Caller,
        rule: impl FnOnce(&SessionRecord, &mut RuleContext<'_>) -> Result<(Decision<SessionRecord>, T), Refusal>,
    ) -> Result<T, Refusal> {
        let (decision, value) = self.with(caller, rule)?;
        self.apply(decision);
        Ok(value)
    }

    pub fn sitter(&self) -> Caller {
        let sitter = self.record.sitters.last().expect("a sitter was asked");
        Caller::Sitter {
            session: self.record.session.id,
            sitter: sitter.id,
        }
    }

    pub fn invite(&mut self, email: &str) -> Result<(), Refusal> {
        let invitation = Invitation {
            name: "Sam".into(),
            email: email.into(),
            phone: "+1 555 0102".into(),
        };
        self.asked(patient(), |record, context| {
            sitting::invite(record, invitation, context)
        })
        .map(drop)
    }

    /// The patient says who is asked one after the other: `cy0@…`, `cy1@…`.
    pub fn name_candidates(&mut self, count: usize) -> Result<(), Refusal> {
        let candidates = (0..count).map(|number| Candidate {
            name: format!("Cy {number}"),
            email: format!("cy{number}@example.org"),
            phone: format!("+1 555 020{number}"),
            answer_within_min: None,
        });
        let candidates = candidates.collect();
        self.does(patient(), |record, context| {
            sitting::set_candidates(record, candidates, context)
        })
    }

    pub fn invite_and_accept(&mut self) {
        self.invite("sam@example.org").unwrap();
        self.accept();
        self.train();
    }

    pub fn accept(&mut self) {
        self.does(self.sitter(), |record, context| {
            sitting::accept(record, true, true, context)
        })
        .unwrap();
    }

    /// The sitter reads their page and answers all of its questions right.
    pub fn train(&mut self) {
        let right = self.right_answers();
        let trained = self.asked(self.sitter(), |record, context| {
            sitting::train(record, &right, context)
        });
        assert_eq!(trained.unwrap(), Trained::Done);
    }

    pub fn right_answers(&self) -> BTreeMap<String, String> {
        let questions = self.record.around.protocol.training.questions.iter();
        questions
            .map(|question| (question.key.clone(), question.right.clone()))
            .collect()
    }

    pub fn here(&mut self) {
        let code = self.record.current_sitter().unwrap().presence_code.clone();
        self.asked(self.sitter(), |record, context| {
            sitting::present(record, &code, context)
        })
        .unwrap();
    }

    pub fn caller_of(&self, actor: Actor) -> Caller {
        match actor {
            Actor::Patient => patient(),
            Actor::Sitter => self.sitter(),
            Actor::Nurse => nurse(),
        }
    }

    pub fn item(&mut self, actor: Actor, key: &str, value: AnswerValue) -> Result<Answered, Refusal> {
        self.asked(self.caller_of(actor), |record, context| {
            preparation::answer(record, key, value, None, context)
        })
    }

    /// The good answer to an item.
    pub fn good(&self, key: &str) -> AnswerValue {
        match &self.record.around.protocol.item(key).unwrap().asks {
            Asks::YesNo { good, .. } => AnswerValue::YesNo(*good),
            Asks::Time { .. } => AnswerValue::Time(self.planned_at() - minutes(8 * 60)),
            Asks::Text { .. } => AnswerValue::Text("nothing".into()),
            Asks::Choice { options } => AnswerValue::Choice(options[0].clone()),
            Asks::Readback => AnswerValue::Readback(self.record.order.as_ref().unwrap().content.instruction),
            Asks::Wish | Asks::Address { .. } => AnswerValue::YesNo(true),
            Asks::Number {
                unit,
                least,
                good_from,
                ..
            } => AnswerValue::Number(Quantity {
                number: good_from.unwrap_or(*least),
                unit: unit.clone(),
            }),
            Asks::Vitals | Asks::Presence | Asks::Sitter | Asks::Training => {
                panic!("{key} is not answered")
            }
        }
    }

    pub fn answer_all(&mut self, phase: ItemPhase, actor: Actor) {
        let protocol = self.record.around.protocol.clone();
        for item in protocol.checklist.iter().filter(|item| item.phase == phase) {
            // What a person writes to their clinic is told: not part of a session by the book.
            let told = matches!(item.asks, Asks::Text { tell: Some(_), .. });
            if !item.asks.is_answered_elsewhere() && !told && item.actors.contains(&actor) {
                let outcome = self.item(actor, &item.key, self.good(&item.key)).unwrap();
                assert_eq!(outcome, Answered::Done, "{}", item.key);
            }
        }
    }

    pub fn measure(&mut self, caller: Caller, sbp: u32, dbp: u32, hr: u32) -> Result<Measured, Refusal> {
        let reading = reading(sbp, dbp, hr);
        self.asked(caller, |record, context| {
            measuring::measure(record, reading, context)
        })
    }

    pub fn dose(&mut self, caller: Caller, report: DoseReport) -> Logged {
        let (decision, logged) = self.with(caller, |record, context| {
            dosing::log_dose(record, report, context)
        });
        self.apply(decision);
        logged
    }

    /// The check of a row; of a repeated one, by its number.
    pub fn check(&self, key: &str, number: u32) -> &Duty {
        let wanted = DutyKind::CheckIn {
            rule: key.into(),
            ordinal: number,
        };
        let mut latest_first = self.record.watch.duties.iter().rev();
        latest_first
            .find(|duty| duty.kind == wanted)
            .unwrap_or_else(|| panic!("no check {key} {number}"))
    }

    pub fn duty(&self, kind: &str) -> &Duty {
        let mut latest_first = self.record.watch.duties.iter().rev();
        latest_first.find(|duty| duty.kind.name() == kind).unwrap()
    }

    /// A form for a check with all answers good but those in `bad`.
    pub fn form(&self, duty: &Duty, bad: &[&str]) -> Form {
        let rule = dosing::check_rule_of(&self.record, duty).unwrap();
        let answers: BTreeMap<String, bool> = rule
            .questions
            .iter()
            .map(|question| {
                (
                    question.key.clone(),
                    question.good != bad.contains(&question.key.as_str()),
                )
            })
            .collect();
        let session = std::slice::from_ref(&self.record.session);
        let ledger = &self.record.course.ledger;
        let elsewhere = self.record.around.lozenges_taken_elsewhere.unwrap_or(0);
        let left = ledger::balance(ledger, elsewhere + ledger::taken(ledger, session));
        Form {
            duty: duty.id,
            answers,
            besides: Besides {
                lozenges_left: left
                    .filter(|_| rule.counts_lozenges)
                    .and_then(|left| u32::try_from(left).ok()),
                words: rule
                    .words
                    .iter()
                    .map(|asked| (asked.key.clone(), "a garden".to_owned()))
                    .collect(),
                ..Besides::default()
            },
            reading: None,
            observed_at: None,
        }
    }

    pub fn send(&mut self, caller: Caller, form: Form) -> Result<CheckedIn, Refusal> {
        self.asked(caller, |record, context| answering::answer(record, form, context))
    }

    /// The sitter answers a check of theirs, with blood pressure where it is asked for.
    pub fn answer(&mut self, key: &str, number: u32, bad: &[&str]) -> CheckedIn {
        let mut form = self.form(&self.check(key, number).clone(), bad);
        let rule = self.record.around.protocol.check_rule(key).unwrap();
        if answering::asks_vitals(&self.record, rule) {
            form.reading = Some(reading(125, 80, 75));
        }
        self.send(self.sitter(), form).unwrap()
    }

    /// The patient answers a check of theirs.
    pub fn answer_own(&mut self, key: &str, bad: &[&str]) -> CheckedIn {
        let form = self.form(&self.check(key, 0).clone(), bad);
        self.send(patient(), form).unwrap()
    }

    /// All checks due up to `until_min` after the dose are answered well when they are due.
    pub fn all_well_until(&mut self, until_min: i64) {
        let until = self.record.session.t0() + minutes(until_min);
        loop {
            let mut due: Vec<Duty> = self.record.watch.open_duties().cloned().collect();
            due.retain(|duty| matches!(duty.kind, DutyKind::CheckIn { .. }) && duty.due_at <= until);
            due.sort_by_key(|duty| duty.due_at);
            let Some(duty) = due.first() else { break };
            self.go_to(duty.due_at.max(self.now));
            let DutyKind::CheckIn { rule, ordinal } = duty.kind.clone() else {
                unreachable!()
            };
            if duty.owed_by == OwedBy::Patient {
                self.answer_own(&rule, &[]);
            } else {
                self.answer(&rule, ordinal, &[]);
            }
        }
        self.go_to(until.max(self.now));
    }

    // ---- The care team

    pub fn desk<T>(
        &mut self,
        caller: Caller,
        rule: impl FnOnce(&mut Desk<'_, '_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.asked(caller, |record, context| {
            let mut draft = Draft::of(record, context);
            let value = rule(&mut draft.desk())?;
            Ok((draft.decide(), value))
        })
    }

    pub fn case(&self) -> &Case {
        self.record.watch.cases.last().expect("there is a case")
    }

    pub fn case_id(&self) -> CaseId {
        self.case().id
    }

    pub fn take(&mut self, place: OnCallPlace) -> Result<(), Refusal> {
        let (id, by) = (self.case_id(), on(place));
        self.desk(staff(place, StaffRole::Nurse), |desk| desk.take(id, by, "Nora"))
    }

    pub fn resolve(&mut self) {
        let (id, by) = (self.case_id(), on(OnCallPlace::Nurse));
        self.desk(nurse(), |desk| {
            desk.resolve(id, by, Outcome::ReachedWell, "spoke to both")
        })
        .unwrap();
    }

    pub fn take_and_resolve(&mut self) {
        self.take(OnCallPlace::Nurse).unwrap();
        self.resolve();
    }
}
