//! Preparing: answers to the checklist, and unlocking the dose.

use serde_json::json;

use crate::case::{Cause, Level};
use crate::checklist::{Actor, Answer, AnswerValue};
use crate::document::{Asks, Item, ItemPhase, OtherAnswer};
use crate::draft::Draft;
use crate::duty::{Duty, DutyKind, Lane, NewDuty, OwedBy};
use crate::gate;
use crate::licence::missing_at_dose;
use crate::people::{Caller, StaffRole};
use crate::record::{Decision, RuleContext, SessionRecord};
use crate::refusal::{Fault, Faults, Refusal};
use crate::session::{Hold, SessionState};
use crate::time::{Instant, minutes};

/// The oldest moment an answer may speak of, days back.
const OLDEST_ANSWER_DAYS: i64 = 7;

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answered {
    /// The item is done.
    Done,
    /// The item is still open.
    StillOpen,
    /// The read-back was not what was ordered; the order is shown again.
    ReadAgain,
    /// The session is on hold and the clinic has been told.
    Held,
    /// The session is cancelled, without penalty.
    Cancelled,
    /// The care team is told to act now; show the emergency and crisis words.
    ActNow,
}

/// In which part a caller answers checklist items of a session.
pub fn actor_of(caller: &Caller) -> Option<Actor> {
    match caller {
        Caller::Patient { .. } => Some(Actor::Patient),
        Caller::Sitter { .. } => Some(Actor::Sitter),
        Caller::Staff { .. } if caller.is_staff(&[StaffRole::Nurse, StaffRole::Prescriber]) => {
            Some(Actor::Nurse)
        }
        _ => None,
    }
}

/// When a phase of the checklist opens.
pub fn opens_at(record: &SessionRecord, phase: ItemPhase) -> Instant {
    let planned = record.session.planned;
    match phase {
        ItemPhase::WeekBefore => {
            planned.at - minutes(record.around.protocol.preparation.week_opens_before_min)
        }
        ItemPhase::DayBefore => planned.at - minutes(record.around.protocol.plan.prep_opens_before_min),
        // The day's list opens with the local day, which is when fasting begins to be known.
        ItemPhase::Day => planned.zone.resolve(planned.on, chrono::NaiveTime::MIN),
        ItemPhase::LastHour => planned.at - minutes(60),
        ItemPhase::LastQuarter => planned.at - minutes(15),
    }
}

/// When an item can be done: with its phase, "I am here" when a sitter may say so, and what a sitter does first as soon as
/// they are asked.
pub fn item_opens_at(record: &SessionRecord, item: &Item) -> Instant {
    let opens_at = opens_at(record, item.phase);
    match item.asks {
        Asks::Presence => crate::sitting::presence_opens_at(record),
        Asks::Sitter | Asks::Training => record
            .current_sitter()
            .map_or(opens_at, |sitter| sitter.invited_at.min(opens_at)),
        _ => opens_at,
    }
}

/// Records an answer to an item. Unticking is allowed until the dose and locks it again.
pub fn answer(
    record: &SessionRecord,
    key: &str,
    value: AnswerValue,
    observed_at: Option<Instant>,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<SessionRecord>, Answered), Refusal> {
    let item = record.around.protocol.item(key).ok_or(Refusal::NotFound)?.clone();
    let actor = actor_of(&context.caller).ok_or(Refusal::NotFound)?;
    if !item.actors.contains(&actor) {
        return Err(Refusal::wrong_state(
            "not-your-item",
            "this item is another person's to answer",
        ));
    }
    sitter_is_current(record, &context.caller)?;
    if !record.session.state.takes_preparation() {
        return Err(Refusal::wrong_state(
            "checklist-closed",
            "the checklist is closed and is not changed any more",
        ));
    }
    if context.now < item_opens_at(record, &item) {
        return Err(Refusal::wrong_state(
            "item-not-open",
            "this item cannot be answered yet",
        ));
    }
    check_value(&item, &value, context.now)?;
    let mut draft = Draft::of(record, context);
    let now = draft.now();
    let answer = Answer {
        id: draft.context.ids.fresh(),
        item: item.key.clone(),
        actor,
        value,
        by: draft.context.caller.clone(),
        order_version: record.order.as_ref().map(|order| order.version),
        about_sitter: record
            .current_sitter()
            .filter(|_| item.about_sitter)
            .map(|sitter| sitter.id),
        observed_at: observed_at
            .unwrap_or(now)
            .min(now)
            .max(now - chrono::Duration::days(1)),
        received_at: now,
    };
    draft.fact(
        "checklist.answered",
        json!({"item": &item.key, "actor": actor, "answer": &answer.value}),
    );
    draft.record.answers.push(answer.clone());
    let protocol = &draft.record.around.protocol;
    if protocol.preparation.sitter_calls_item.as_deref() == Some(key) {
        draft.record.session.sitter_calls = match answer.value {
            AnswerValue::YesNo(may) => Some(may),
            _ => None,
        };
    }
    let outcome = follow(&mut draft, &item, actor, &answer);
    Ok((draft.decide(), outcome))
}

/// A sitter who was removed, declined or left answers nothing.
pub fn sitter_is_current(record: &SessionRecord, caller: &Caller) -> Result<(), Refusal> {
    match caller {
        Caller::Sitter { session, sitter } => {
            let known =
                *session == record.session.id && record.current_sitter().is_some_and(|it| it.id == *sitter);
            if known {
                Ok(())
            } else {
                Err(Refusal::wrong_state(
                    "not-the-sitter",
                    "you are not this session's sitter now",
                ))
            }
        }
        _ => Ok(()),
    }
}

fn check_value(item: &Item, value: &AnswerValue, now: Instant) -> Result<(), Refusal> {
    match (&item.asks, value) {
        (asks, _) if asks.is_answered_elsewhere() => Err(Refusal::wrong_state(
            "answered-elsewhere",
            "this item follows from what is done elsewhere: the sitter's answer, their page, \"I am here\", a reading",
        )),
        (Asks::YesNo { .. } | Asks::Wish | Asks::Address { .. }, AnswerValue::YesNo(_))
        | (Asks::Readback, AnswerValue::Readback(_))
        | (_, AnswerValue::Cleared) => Ok(()),
        (Asks::Time { .. }, AnswerValue::Time(at)) => {
            if *at > now {
                Err(Refusal::invalid("value", "is in the future"))
            } else if *at < now - chrono::Duration::days(OLDEST_ANSWER_DAYS) {
                Err(Refusal::invalid("value", "is more than a week ago"))
            } else {
                Ok(())
            }
        }
        (
            Asks::Number {
                unit, least, most, ..
            },
            AnswerValue::Number(given),
        ) => {
            let mut faults = Faults::default();
            if !(least..=most).contains(&&given.number) {
                faults.push(Fault::new(
                    "value.number",
                    format!("must be from {least} to {most}"),
                ));
            }
            if given.unit != *unit {
                faults.push(Fault::new("value.unit", format!("must be {unit}")));
            }
            Ok(faults.into_result()?)
        }
        (Asks::Text { max_chars, .. } | Asks::Address { max_chars, .. }, AnswerValue::Text(text)) => {
            if text.trim().is_empty() {
                Err(Refusal::invalid("value", "must not be empty"))
            } else if text.chars().count() > *max_chars {
                Err(Refusal::invalid(
                    "value",
                    format!("at most {max_chars} characters"),
                ))
            } else {
                Ok(())
            }
        }
        (Asks::Choice { options }, AnswerValue::Choice(choice)) => {
            if options.contains(choice) {
                Ok(())
            } else {
                Err(Refusal::invalid(
                    "value",
                    format!("must be one of {}", options.join(", ")),
                ))
            }
        }
        (asks, _) => Err(Refusal::invalid(
            "type",
            format!("this item takes an answer of type {}", asks.name()),
        )),
    }
}

fn follow(draft: &mut Draft<'_, '_>, item: &Item, actor: Actor, answer: &Answer) -> Answered {
    match (&item.asks, &answer.value) {
        (Asks::YesNo { good, other }, AnswerValue::YesNo(value)) if value != good => {
            not_good(draft, item, *other)
        }
        (Asks::Number { other, .. }, AnswerValue::Number(given))
            if !gate::satisfies(&item.asks, given.number) =>
        {
            not_good(draft, item, *other)
        }
        (
            Asks::Text {
                tell: Some(level), ..
            },
            AnswerValue::Text(_),
        ) => {
            let (level, item) = (*level, item.key.clone());
            draft.signal(level, Cause::PrivateWord { item });
            Answered::Done
        }
        (Asks::Address { tell, .. }, AnswerValue::Text(_)) => {
            draft.signal(*tell, Cause::AddressChanged);
            Answered::Done
        }
        (Asks::Readback, AnswerValue::Readback(chosen)) => {
            let ordered = draft.record.order.as_ref().map(|order| order.content.instruction);
            if Some(*chosen) == ordered {
                Answered::Done
            } else {
                draft.record.session.wrong_readbacks += 1;
                draft.fact("order.readback_wrong", json!({"actor": actor, "chosen": chosen}));
                Answered::ReadAgain
            }
        }
        _ => {
            let open = gate::open_reason(&draft.record, item, actor, draft.now()).is_some();
            if open { Answered::StillOpen } else { Answered::Done }
        }
    }
}

/// What an answer does that is not the good one.
fn not_good(draft: &mut Draft<'_, '_>, item: &Item, other: OtherAnswer) -> Answered {
    let key = || item.key.clone();
    match other {
        OtherAnswer::StaysOpen => Answered::StillOpen,
        OtherAnswer::Hold => {
            draft.signal(Level::P2, Cause::UnsafeAnswer { item: key() });
            draft.hold(Hold::Answer { item: key() });
            Answered::Held
        }
        OtherAnswer::ActNow => {
            draft.signal(Level::P1, Cause::UnsafeAnswer { item: key() });
            draft.hold(Hold::Answer { item: key() });
            Answered::ActNow
        }
        OtherAnswer::Cancel => {
            crate::planning::call_off(draft, format!("answered no: {}", item.key));
            Answered::Cancelled
        }
    }
}

/// Unlocks the dose screen, or says every reason why not. From here on a dose is expected (C3).
pub fn unlock(
    record: &SessionRecord,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<SessionRecord>, Instant), Refusal> {
    let mut draft = Draft::of(record, context);
    draft.settle();
    let now = draft.now();
    let reasons = gate::reasons(&draft.record, now);
    if !reasons.is_empty() {
        return Err(Refusal::Locked(reasons));
    }
    let until = gate::locks_again_at(&draft.record, now);
    draft.enter(SessionState::Ready {
        unlocked_at: Some(now),
    });
    draft.fact("dose.unlocked", json!({ "until": until }));
    if let Some((_, found)) = missing_at_dose(&draft.record, now) {
        draft.fact("licence.missing", json!({ "why": found }));
    }
    expect_dose(&mut draft);
    Ok((draft.decide(), until))
}

/// C3, counted from the first unlocking: unlocking again and again puts nothing off.
fn expect_dose(draft: &mut Draft<'_, '_>) {
    let expected = |duty: &Duty| duty.kind == DutyKind::LogDose;
    if draft.record.watch.open_duties().any(expected) {
        return;
    }
    let now = draft.now();
    let rule = draft.record.around.protocol.timetable.log_dose.clone();
    let ladder = draft.record.around.protocol.ladder(&rule.ladder);
    draft.open(NewDuty {
        kind: DutyKind::LogDose,
        owed_by: OwedBy::Patient,
        lane: Lane::Session,
        opens_at: now,
        due_at: now + minutes(rule.ask_after_min),
        missed_after: Some(now + minutes(rule.missed_after_min)),
        ladder,
    });
}
