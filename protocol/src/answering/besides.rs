//! What a check-in asks besides yes and no: the clinic's list of side effects, a count of the lozenges, a few words.

use crate::check_in::Besides;
use crate::document::{CheckRule, OwnList};
use crate::instruments::lists::{self, Telling};
use crate::instruments::{InstrumentKey, check, form};
use crate::ledger;
use crate::record::SessionRecord;
use crate::refusal::{Fault, Faults};

/// What is wrong with it, where the questions of `bad` have not the good answer. With `urgent` nothing is missed: what was
/// said must not be lost to what was left out.
pub(super) fn judge(
    record: &SessionRecord,
    rule: &CheckRule,
    bad: &[String],
    besides: &Besides,
    urgent: bool,
) -> Faults {
    let mut faults = Faults::default();
    side_effects(record, rule, bad, besides, urgent, &mut faults);
    let most = record.around.protocol.ledger.entry_max;
    match besides.lozenges_left {
        Some(_) if !rule.counts_lozenges => {
            faults.push(Fault::new("lozenges_left", "is not asked with this check"));
        }
        Some(left) if left > most => {
            faults.push(Fault::new("lozenges_left", format!("must be from 0 to {most}")));
        }
        None if rule.counts_lozenges && !urgent && expected_lozenges(record).is_some() => {
            faults.push(Fault::new("lozenges_left", "is missing"));
        }
        _ => {}
    }
    for asked in &rule.words {
        let field = format!("words.{}", asked.key);
        match besides
            .words
            .get(&asked.key)
            .map(|words| words.trim().chars().count())
        {
            None | Some(0) if urgent => {}
            None | Some(0) => faults.push(Fault::new(field, "is missing")),
            Some(chars) if chars > asked.max_chars => {
                faults.push(Fault::new(
                    field,
                    format!("has more than {} characters", asked.max_chars),
                ));
            }
            Some(_) => {}
        }
    }
    let unknown = |key: &&String| rule.words.iter().all(|asked| asked.key != **key);
    if besides.words.keys().any(|key| unknown(&key)) {
        faults.push(Fault::new(
            "words",
            "has something that is not asked with this check",
        ));
    }
    faults
}

fn side_effects(
    record: &SessionRecord,
    rule: &CheckRule,
    bad: &[String],
    besides: &Besides,
    urgent: bool,
    faults: &mut Faults,
) {
    let asks = |question: &&crate::document::Question| question.side_effects;
    let mut asking = rule.questions.iter().filter(asks).peekable();
    if asking.peek().is_none() {
        if !besides.side_effects.is_empty() {
            faults.push(Fault::new("side_effects", "are not asked with this check"));
        }
        return;
    }
    let called_for = asking.any(|question| bad.contains(&question.key));
    if besides.side_effects.is_empty() && (urgent || !called_for) {
        return;
    }
    let form = form(InstrumentKey::SideEffects, &record.around.protocol.instruments);
    if let Err(found) = check(&form, &besides.side_effects) {
        let missing = |fault: &Fault| {
            let key = fault.field.strip_prefix("answers.");
            key.is_some_and(|key| !besides.side_effects.contains_key(key))
        };
        let found = found.0.into_iter().filter(|fault| !(urgent && missing(fault)));
        faults.0.extend(found.map(|fault| Fault {
            field: fault.field.replacen("answers", "side_effects", 1),
            ..fault
        }));
    }
}

/// What the side effects call for.
pub(super) fn telling(list: &OwnList, besides: &Besides) -> Option<Telling> {
    lists::judge(list, &besides.side_effects)
}

/// How many lozenges should be left; `None` where nobody keeps the ledger.
pub(super) fn expected_lozenges(record: &SessionRecord) -> Option<i64> {
    let own = ledger::taken(&record.course.ledger, std::slice::from_ref(&record.session));
    let elsewhere = record.around.lozenges_taken_elsewhere?;
    ledger::balance(&record.course.ledger, elsewhere.saturating_add(own))
}
