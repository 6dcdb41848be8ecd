//! Playing an invented session: people act by the real rules, and time moves from wake-up to wake-up.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Duration;

use super::{ENDS_AFTER, GIVEN_UP_AFTER, PLANNED_BEFORE, Plan, people};
use crate::answering::{self, Form};
use crate::case::Outcome;
use crate::check_in::Besides;
use crate::checklist::{Actor, AnswerValue, Quantity};
use crate::document::{Asks, Item, ProtocolDocument};
use crate::dosing::{self, DoseReport};
use crate::draft::Draft;
use crate::duty::{Duty, DutyKind, OwedBy};
use crate::gate;
use crate::id::{DutyId, Ids};
use crate::measuring::{self, NewReading};
use crate::notice::Notice;
use crate::people::{Caller, OnCallPlace};
use crate::planning;
use crate::preparation;
use crate::record::{Decision, RuleContext, SessionRecord};
use crate::refusal::Refusal;
use crate::sitting::{self, Invitation};
use crate::tick;
use crate::time::{Instant, Planned, minutes};
use crate::vitals::Vitals;

/// Minutes before the planned time at which people sit down and answer what is open.
const PREPARES_BEFORE_MIN: [i64; 6] = [7 * 24 * 60, 25 * 60, 90, 60, 10, 1];

/// Random bytes of a code that people say or type.
const CODE_BYTES: usize = 8;

/// Steps of the worker in one run; no document that was checked comes near.
const STEPS_MAX: usize = 20_000;

/// An invented session, with what was sent so far.
pub(super) struct Play {
    record: SessionRecord,
    plan: Plan,
    now: Instant,
    drawn: u64,
    steps: usize,
    sent: Vec<(Instant, Notice)>,
    not_open_because: Vec<String>,
}

impl Play {
    /// Planned, and the sitter asked.
    pub(super) fn planned(document: &Arc<ProtocolDocument>, plan: Plan) -> Self {
        let now = plan.t0() - PLANNED_BEFORE;
        let patient = people::record(document, plan, now);
        let planned = Planned::new(plan.on, plan.time, plan.zone);
        let by = people::on(OnCallPlace::Coordinator);
        let mut drawn = 0;
        let decision = with_context(&mut drawn, now, Caller::System, |context| {
            planning::open_session(&patient, planned, plan.number, None, by, context)
        });
        let mut play = Self {
            record: planning::new_record(&patient, decision.after.session.clone()),
            plan,
            now,
            drawn,
            steps: 0,
            sent: Vec::new(),
            not_open_because: Vec::new(),
        };
        play.apply(decision);
        let invitation = Invitation {
            name: "Sitter".to_owned(),
            email: "sitter@example.org".to_owned(),
            phone: "+1 555 0102".to_owned(),
        };
        play.act(people::clinician(OnCallPlace::Coordinator), |record, context| {
            sitting::invite(record, invitation, context).map(|(decision, _)| decision)
        });
        play
    }

    pub(super) fn sent(&self) -> &[(Instant, Notice)] {
        &self.sent
    }

    pub(super) fn duties(&self) -> impl Iterator<Item = &Duty> {
        self.record.watch.duties.iter()
    }

    pub(super) fn not_open_because(&self) -> Vec<String> {
        self.not_open_because.clone()
    }

    pub(super) fn state(&self) -> &'static str {
        self.record.session.state.name()
    }

    // ---- Scenes

    // Each gives the moment from which it is told.

    pub(super) fn all_is_well(&mut self) -> Instant {
        let from = self.now;
        self.prepare();
        self.take_dose();
        self.go_to(self.plan.t0() + ENDS_AFTER, true);
        from
    }

    pub(super) fn nobody_prepares(&mut self) -> Instant {
        let from = self.now;
        self.go_to(self.plan.t0() + GIVEN_UP_AFTER, false);
        from
    }

    pub(super) fn nobody_answers_after_the_dose(&mut self) -> Instant {
        self.prepare();
        self.take_dose();
        self.go_to(self.plan.t0() + GIVEN_UP_AFTER, false);
        self.plan.t0()
    }

    pub(super) fn nobody_answers_after_the_release(&mut self) -> Instant {
        self.prepare();
        self.take_dose();
        while self.record.session.state.is_running() && self.now < self.plan.t0() + GIVEN_UP_AFTER {
            self.go_to(self.now + minutes(1), true);
        }
        let from = self.now;
        self.go_to(self.plan.t0() + ENDS_AFTER, false);
        from
    }

    fn prepare(&mut self) {
        self.act(self.sitter(), |record, context| {
            sitting::accept(record, true, true, context)
        });
        let questions = self.record.around.protocol.training.questions.iter();
        let right: BTreeMap<String, String> = questions
            .map(|question| (question.key.clone(), question.right.clone()))
            .collect();
        self.act(self.sitter(), |record, context| {
            sitting::train(record, &right, context).map(|(decision, _)| decision)
        });
        for before_min in PREPARES_BEFORE_MIN {
            self.go_to(self.plan.t0() - minutes(before_min), true);
            self.close_cases();
            self.sitter_is_here();
            self.measure();
            self.answer_items();
        }
    }

    fn take_dose(&mut self) {
        self.go_to(self.plan.t0(), true);
        self.close_cases();
        let patient = people::patient_calls();
        self.act(patient.clone(), |record, context| {
            preparation::unlock(record, context).map(|(decision, _)| decision)
        });
        let now = self.now;
        let reasons = gate::reasons(&self.record, now).into_iter();
        self.not_open_because = reasons.map(|reason| reason.code.name().to_owned()).collect();
        self.not_open_because.dedup();
        self.act(patient, |record, context| {
            Ok(dosing::log_dose(record, DoseReport::default(), context).0)
        });
    }

    // ---- Time

    /// The worker steps at every wake-up until `to`; where people answer, they do so when a check is due.
    fn go_to(&mut self, to: Instant, people_answer: bool) {
        while self.steps < STEPS_MAX {
            let open = || self.record.watch.open_duties();
            let wake = open().filter_map(|duty| duty.wake_at).min();
            let due = open()
                .filter(|duty| people_answer && is_check(duty) && duty.due_at > self.now)
                .map(|duty| duty.due_at)
                .min();
            let Some(next) = wake.into_iter().chain(due).min().filter(|next| *next <= to) else {
                break;
            };
            self.now = self.now.max(next);
            self.steps += 1;
            if people_answer {
                self.answer_checks();
            }
            self.act(Caller::System, |record, context| {
                Ok(tick::session(record, context))
            });
        }
        self.now = to;
        self.act(Caller::System, |record, context| {
            Ok(tick::session(record, context))
        });
    }

    // ---- People

    fn sitter(&self) -> Caller {
        match self.record.sitters.last() {
            Some(sitter) => Caller::Sitter {
                session: self.record.session.id,
                sitter: sitter.id,
            },
            None => Caller::System,
        }
    }

    fn caller(&self, actor: Actor) -> Caller {
        match actor {
            Actor::Patient => people::patient_calls(),
            Actor::Sitter => self.sitter(),
            Actor::Nurse => people::clinician(OnCallPlace::Nurse),
        }
    }

    fn sitter_is_here(&mut self) {
        let code = self
            .record
            .current_sitter()
            .map(|sitter| sitter.presence_code.clone());
        let code = code.unwrap_or_default();
        self.act(self.sitter(), |record, context| {
            sitting::present(record, &code, context).map(|(decision, _)| decision)
        });
    }

    fn measure(&mut self) {
        let reading = self.good_reading();
        self.act(self.sitter(), |record, context| {
            measuring::measure(record, reading, context).map(|(decision, _)| decision)
        });
    }

    /// A reading in the middle of what is allowed before the dose.
    fn good_reading(&self) -> NewReading {
        let limits = self.record.vitals_rules().pre_dose;
        NewReading {
            vitals: Vitals {
                sbp: u32::midpoint(limits.sbp_min, limits.sbp_max),
                dbp: limits.dbp_max.saturating_sub(15),
                hr: u32::midpoint(limits.hr_min, limits.hr_max),
                spo2: None,
            },
            with_symptom: false,
            observed_at: None,
        }
    }

    /// Answers every item that can be answered now, well.
    fn answer_items(&mut self) {
        let document = Arc::clone(&self.record.around.protocol);
        for item in &document.checklist {
            for actor in &item.actors {
                let Some(value) = self.good_answer(item) else {
                    continue;
                };
                self.act(self.caller(*actor), |record, context| {
                    preparation::answer(record, &item.key, value, None, context).map(|(decision, _)| decision)
                });
            }
        }
    }

    fn good_answer(&self, item: &Item) -> Option<AnswerValue> {
        let instruction = self.plan.instruction;
        match &item.asks {
            Asks::YesNo { good, .. } => Some(AnswerValue::YesNo(*good)),
            Asks::Time { .. } => Some(AnswerValue::Time(self.now - Duration::hours(12))),
            Asks::Text { tell: None, .. } => Some(AnswerValue::Text("as agreed".to_owned())),
            Asks::Choice { options } => options.first().cloned().map(AnswerValue::Choice),
            Asks::Readback => Some(AnswerValue::Readback(instruction)),
            Asks::Number {
                unit,
                least,
                good_from,
                ..
            } => Some(AnswerValue::Number(Quantity {
                number: good_from.unwrap_or(*least),
                unit: unit.clone(),
            })),
            Asks::Wish | Asks::Address { .. } => Some(AnswerValue::YesNo(true)),
            // Not answered here; and there is nothing that the care team must hear of.
            Asks::Vitals
            | Asks::Presence
            | Asks::Sitter
            | Asks::Training
            | Asks::Text { tell: Some(_), .. } => None,
        }
    }

    /// Answers every check that is due now, well.
    fn answer_checks(&mut self) {
        for duty in answerable(&self.record.watch.duties, self.now) {
            let Some((caller, form)) = self.good_form(duty) else {
                continue;
            };
            self.act(caller, |record, context| {
                answering::answer(record, form, context).map(|(decision, _)| decision)
            });
        }
    }

    fn good_form(&self, duty: DutyId) -> Option<(Caller, Form)> {
        let duty = self.record.watch.duty(duty)?;
        let rule = dosing::check_rule_of(&self.record, duty)?;
        let asked = rule.questions.iter();
        let said = rule
            .words
            .iter()
            .map(|words| (words.key.clone(), "as it went".to_owned()));
        let form = Form {
            duty: duty.id,
            answers: asked
                .map(|question| (question.key.clone(), question.good))
                .collect(),
            besides: Besides {
                words: said.collect(),
                ..Besides::default()
            },
            reading: answering::asks_vitals(&self.record, rule).then(|| self.good_reading()),
            observed_at: None,
        };
        let caller = match duty.owed_by {
            OwedBy::Patient => people::patient_calls(),
            OwedBy::Sitter => self.sitter(),
            OwedBy::OnCall => people::clinician(OnCallPlace::Nurse),
        };
        Some((caller, form))
    }

    /// Nurses take what came up in the preparation and end it.
    fn close_cases(&mut self) {
        while let Some(case) = self.record.watch.open_case().map(|case| case.id) {
            let by = people::on(OnCallPlace::Nurse);
            let caller = people::clinician(OnCallPlace::Nurse);
            let closed = self.act(caller, |record, context| {
                let mut draft = Draft::of(record, context);
                let mut desk = draft.desk();
                desk.take(case, by, "Nurse")?;
                desk.resolve(case, by, Outcome::ReachedWell, "as agreed")?;
                Ok(draft.decide())
            });
            if !closed {
                break;
            }
        }
    }

    // ---- Rules

    /// Does what a rule decides; false where it says no, which is nothing to stop for: people try.
    fn act(
        &mut self,
        caller: Caller,
        rule: impl FnOnce(&SessionRecord, &mut RuleContext<'_>) -> Result<Decision<SessionRecord>, Refusal>,
    ) -> bool {
        let record = &self.record;
        let decided = with_context(&mut self.drawn, self.now, caller, |context| rule(record, context));
        match decided {
            Ok(decision) => {
                self.apply(decision);
                true
            }
            Err(_) => false,
        }
    }

    fn apply(&mut self, decision: Decision<SessionRecord>) {
        let now = self.now;
        self.sent
            .extend(decision.notices.into_iter().map(|notice| (now, notice)));
        self.record = decision.after;
    }
}

/// Checks that somebody answers now.
fn answerable(duties: &[Duty], at: Instant) -> Vec<DutyId> {
    let due = duties
        .iter()
        .filter(|duty| duty.is_open() && is_check(duty) && duty.due_at <= at);
    due.map(|duty| duty.id).collect()
}

fn is_check(duty: &Duty) -> bool {
    matches!(duty.kind, DutyKind::CheckIn { .. })
}

/// Runs a rule with ids that count up, the same in every run. Codes of cases, which are drawn by eight bytes, are all the same: a
/// rule that draws one id more must not change every line that names a case.
fn with_context<T>(
    drawn: &mut u64,
    now: Instant,
    caller: Caller,
    rule: impl FnOnce(&mut RuleContext<'_>) -> T,
) -> T {
    let mut count = |bytes: &mut [u8]| {
        bytes.fill(0);
        if bytes.len() == CODE_BYTES {
            return;
        }
        *drawn += 1;
        let number = drawn.to_be_bytes();
        for (byte, digit) in bytes.iter_mut().rev().zip(number.iter().rev()) {
            *byte = *digit;
        }
    };
    rule(&mut RuleContext {
        now,
        caller,
        ids: Ids::new(now, &mut count),
    })
}
