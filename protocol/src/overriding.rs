//! Overriding: a clinician decides that an item of the checklist need not be done for this session, for a while and with a
//! reason (PROTOCOL 4.2, Rules).
//!
//! The patient reads "your clinic decided". Which items nobody may decide about is the document's to say, above a floor
//! that no document lifts ([`Item::may_be_overridden`](crate::document::Item::may_be_overridden)). When its time is over
//! the item is open again.

use serde_json::json;

use crate::draft::Draft;
use crate::gate;
use crate::planning::REASON_MAX_CHARS;
use crate::record::{Decision, RuleContext, SessionRecord};
use crate::refusal::{Fault, Faults, Refusal};
use crate::session::Override;
use crate::time::{Instant, minutes};

/// Decides that an item need not be done until `until`. Refused, with every fault at once: for an item that nobody may
/// decide about or that locks nothing, without a reason, for a time that is over or too long.
pub fn decide(
    record: &SessionRecord,
    key: &str,
    reason: &str,
    until: Instant,
    context: &mut RuleContext<'_>,
) -> Result<Decision<SessionRecord>, Refusal> {
    let protocol = &record.around.protocol;
    let item = protocol.item(key).ok_or(Refusal::NotFound)?;
    let rules = &protocol.preparation;
    let never = rules.never_overridden.iter().any(|never| never == key);
    if rules.override_max_min == 0 || never || !item.may_be_overridden() {
        return Err(Refusal::wrong_state(
            "never-overridden",
            "nobody may decide that this need not be done",
        ));
    }
    if !gate::blocks(record, item) {
        return Err(Refusal::wrong_state(
            "blocks-nothing",
            "this item does not keep the dose locked",
        ));
    }
    if !record.session.state.takes_preparation() {
        return Err(Refusal::wrong_state(
            "checklist-closed",
            "the checklist is closed and is not changed any more",
        ));
    }
    let (reason, mut faults) = (reason.trim(), Faults::default());
    match reason.chars().count() {
        0 => faults.push(Fault::new("reason", "say why, in a few words")),
        1..=REASON_MAX_CHARS => {}
        _ => faults.push(Fault::new(
            "reason",
            format!("at most {REASON_MAX_CHARS} characters"),
        )),
    }
    if until <= context.now {
        faults.push(Fault::new("until", "is in the past"));
    } else if until > context.now + minutes(rules.override_max_min) {
        let most_hours = rules.override_max_min / 60;
        faults.push(Fault::new(
            "until",
            format!("is more than {most_hours} hours from now"),
        ));
    }
    faults.into_result()?;
    let mut draft = Draft::of(record, context);
    let at = draft.now();
    draft.fact(
        "checklist.overridden",
        json!({"item": key, "reason": reason, "until": until}),
    );
    let by = draft.context.caller.clone();
    draft.record.session.overrides.push(Override {
        item: key.to_owned(),
        reason: reason.to_owned(),
        by,
        at,
        until,
    });
    Ok(draft.decide())
}

/// The decision about an item that is in force at `now`.
pub fn in_force<'r>(record: &'r SessionRecord, key: &str, now: Instant) -> Option<&'r Override> {
    let mut latest_first = record.session.overrides.iter().rev();
    let item = record.around.protocol.item(key)?;
    latest_first
        .find(|it| it.item == key && it.at <= now)
        .filter(|it| now < it.until && item.may_be_overridden())
}
