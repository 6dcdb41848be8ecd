//! What keeps one item of the checklist open.

use super::{Reason, ReasonCode, latest_answer};
use crate::checklist::{Actor, Answer, AnswerValue};
use crate::document::{Asks, Blocks, Item};
use crate::order::AfterHold;
use crate::record::SessionRecord;
use crate::sitter::SitterState;
use crate::time::{Instant, minutes};
use crate::vitals::{Finding, Phase, judge_before_dose};

/// Why there is nobody who will sit.
pub(super) fn sitter_reason(record: &SessionRecord) -> Option<Reason> {
    match record.current_sitter().map(|sitter| sitter.state) {
        Some(SitterState::Invited) => Some(Reason::new(
            ReasonCode::SitterNotAccepted,
            "Your sitter has not said yes yet.",
        )),
        None => Some(Reason::new(
            ReasonCode::NoSitter,
            "There is no sitter for this session.",
        )),
        Some(_) => None,
    }
}

/// When the present sitter last read their page and answered its questions: in this session, or under the same address in
/// another one of the patient.
pub fn trained_at(record: &SessionRecord) -> Option<Instant> {
    let sitter = record.current_sitter()?;
    let here = record.session.known_sitters.iter();
    let here = here.filter(|it| it.email == sitter.email);
    let known = record.around.earlier.known(&sitter.email).chain(here);
    known.filter_map(|it| it.trained_at).max()
}

/// Whether the present sitter has not sat for the patient before.
fn is_new_sitter(record: &SessionRecord) -> bool {
    let sitter = record.current_sitter();
    sitter.is_none_or(|sitter| !record.around.earlier.known(&sitter.email).any(|it| it.sat))
}

/// Whether a number that can be meant is as it should be.
pub(crate) fn satisfies(asks: &Asks, number: i64) -> bool {
    let Asks::Number {
        good_from, good_to, ..
    } = asks
    else {
        return false;
    };
    good_from.is_none_or(|from| number >= from) && good_to.is_none_or(|to| number <= to)
}

/// Whether an open item keeps this session's dose locked.
pub fn blocks(record: &SessionRecord, item: &Item) -> bool {
    match item.blocks {
        Blocks::Always => true,
        Blocks::FirstSession => record.is_first(),
        Blocks::NewSitter => record.is_first() || is_new_sitter(record),
        Blocks::WhenSpit => record
            .order
            .as_ref()
            .is_some_and(|order| order.content.instruction.after_hold == AfterHold::Spit),
        Blocks::Never => false,
    }
}

pub(super) fn item_reasons(record: &SessionRecord, item: &Item, now: Instant) -> Vec<Reason> {
    let open = |actor| open_reason(record, item, actor, now);
    if item.any_actor {
        let reasons: Vec<Option<Reason>> = item.actors.iter().map(|actor| open(*actor)).collect();
        let done = reasons.iter().any(Option::is_none);
        if done {
            Vec::new()
        } else {
            reasons.into_iter().flatten().take(1).collect()
        }
    } else {
        item.actors.iter().filter_map(|actor| open(*actor)).collect()
    }
}

/// Why an item is still open for one actor, or `None` when it is done.
pub fn open_reason(record: &SessionRecord, item: &Item, actor: Actor, now: Instant) -> Option<Reason> {
    let reason = |code: ReasonCode, message: String| Some(Reason::of_item(code, item, actor, message));
    let stale = |at: Instant| {
        item.valid_for_min
            .is_some_and(|valid_for_min| now - at > minutes(valid_for_min))
    };
    match &item.asks {
        Asks::Presence => match record.current_sitter().map(|sitter| sitter.state) {
            Some(SitterState::Present { at }) if !stale(at) => None,
            Some(SitterState::Present { .. }) => reason(
                ReasonCode::ItemExpired,
                "Your sitter said \"I am here\" too long ago and must say so again.".to_owned(),
            ),
            _ => reason(
                ReasonCode::ItemOpen,
                "Your sitter has not said \"I am here\" yet.".to_owned(),
            ),
        },
        Asks::Sitter => {
            let open = sitter_reason(record)?;
            reason(open.code, open.message)
        }
        Asks::Training => match trained_at(record) {
            Some(at) if !stale(at) => None,
            Some(_) => reason(
                ReasonCode::ItemExpired,
                "Your sitter read their page too long ago and must read it again.".to_owned(),
            ),
            None => reason(
                ReasonCode::ItemOpen,
                "Your sitter has not read their page and answered its questions yet.".to_owned(),
            ),
        },
        Asks::Vitals => {
            let Some(reading) = record
                .readings
                .iter()
                .rev()
                .find(|reading| reading.phase == Phase::BeforeDose)
            else {
                return reason(ReasonCode::ItemOpen, format!("Open: {}", item.text));
            };
            let limits = &record.vitals_rules().pre_dose;
            if judge_before_dose(&reading.vitals, limits) != Finding::Within {
                reason(
                    ReasonCode::VitalsOverLimit,
                    "The last reading is outside your clinic's limits.".to_owned(),
                )
            } else if stale(reading.observed_at) {
                reason(
                    ReasonCode::ItemExpired,
                    "The last reading is too old; please measure again.".to_owned(),
                )
            } else {
                None
            }
        }
        _ => {
            let Some(answer) = latest_answer(record, item, actor) else {
                return reason(ReasonCode::ItemOpen, format!("Open: {}", item.text));
            };
            if stale(answer.observed_at) {
                return reason(
                    ReasonCode::ItemExpired,
                    format!("Answered too long ago: {}", item.text),
                );
            }
            answer_reason(record, item, actor, answer, now)
        }
    }
}

fn answer_reason(
    record: &SessionRecord,
    item: &Item,
    actor: Actor,
    answer: &Answer,
    now: Instant,
) -> Option<Reason> {
    let reason = |code: ReasonCode, message: String| Some(Reason::of_item(code, item, actor, message));
    match (&item.asks, &answer.value) {
        (Asks::YesNo { good, .. }, AnswerValue::YesNo(value)) if value == good => None,
        (Asks::Time { at_least_before_min }, AnswerValue::Time(at)) => {
            // Judged against the planned time until it has passed, and against the present moment from then on.
            let dose_at = record.session.planned.at.max(now);
            let hours = at_least_before_min / 60;
            (dose_at - *at < minutes(*at_least_before_min)).then(|| {
                Reason::of_item(
                    ReasonCode::TooRecent,
                    item,
                    actor,
                    format!("Less than {hours} hours before the dose: {}", item.text),
                )
            })
        }
        (Asks::Number { .. }, AnswerValue::Number(given)) if satisfies(&item.asks, given.number) => None,
        (Asks::Text { .. } | Asks::Address { .. }, AnswerValue::Text(_))
        | (Asks::Choice { .. }, AnswerValue::Choice(_))
        | (Asks::Address { .. }, AnswerValue::YesNo(true))
        | (Asks::Wish, AnswerValue::YesNo(_)) => None,
        (Asks::Readback, AnswerValue::Readback(instruction)) => match &record.order {
            Some(order) if answer.order_version != Some(order.version) => reason(
                ReasonCode::OrderChanged,
                "The order has changed since it was read back. Please read it again.".to_owned(),
            ),
            Some(order) if *instruction == order.content.instruction => None,
            // `no-order` says it.
            None => None,
            Some(_) => reason(
                ReasonCode::ReadbackWrong,
                "What was chosen is not what was ordered. Please read the order again.".to_owned(),
            ),
        },
        (_, AnswerValue::Cleared) => reason(ReasonCode::ItemOpen, format!("Open: {}", item.text)),
        _ => reason(
            ReasonCode::ItemNotGood,
            format!("Not as it should be: {}", item.text),
        ),
    }
}
