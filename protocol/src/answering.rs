//! Answering check-ins: in time, late, badly, or for another check than the one on the screen.
//!
//! Only an explicit answer counts. An answer meets exactly the duty its form was for. One that comes after the server
//! declared the duty missed annotates it, joins the case and closes nothing. An answer that calls for a person at once is
//! taken as it is, whatever is missing beside it.

use std::collections::BTreeMap;

use serde_json::json;

use crate::case::{Cause, Level};
use crate::check_in::{Besides, CheckInAnswer};
use crate::document::{CheckRule, ProtocolDocument, Question, VitalsAsked};
use crate::draft::Draft;
use crate::duty::{Duty, DutyKind, DutyState, Lane, LateAnswer, NewDuty, OwedBy};
use crate::id::{CheckInId, DutyId};
use crate::measuring::{self, NewReading};
use crate::people::{Caller, StaffRole};
use crate::record::{Decision, RuleContext, SessionRecord};
use crate::refusal::{Fault, Faults, Refusal};
use crate::session::SessionState;
use crate::time::{Instant, minutes};
use crate::vitals::check_plausible;

mod besides;

/// An answer as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The duty the form was made for.
    pub duty: DutyId,
    /// Yes or no to each question, by its key.
    pub answers: BTreeMap<String, bool>,
    /// What it says besides.
    pub besides: Besides,
    /// The reading that goes with it.
    pub reading: Option<NewReading>,
    /// When it was answered, by the device.
    pub observed_at: Option<Instant>,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckedIn {
    /// In time, and all is well.
    Well,
    /// In time; blood pressure and pulse should still follow.
    VitalsToFollow,
    /// The answers are not all good; the care team has been told where the protocol says so.
    Noted,
    /// In time, with an answer that calls for help now: show the emergency words.
    ActNow,
    /// The patient is released.
    Released,
    /// It came after the check was over; both times are kept and whoever has the case sees it.
    Late,
}

/// Whether a question list's answers are all there and nothing else, and which are not good. With `urgent` nothing is
/// missed.
pub fn judge(
    rule: &CheckRule,
    answers: &BTreeMap<String, bool>,
    urgent: bool,
) -> Result<Vec<String>, Faults> {
    let mut faults = Faults::default();
    for key in answers
        .keys()
        .filter(|key| !rule.questions.iter().any(|question| question.key == **key))
    {
        let known = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && key.len() <= 64;
        let field = if known {
            format!("answers.{key}")
        } else {
            "answers".to_owned()
        };
        faults.push(Fault::new(field, "is not a question of this check"));
    }
    for question in rule
        .questions
        .iter()
        .filter(|question| !urgent && !answers.contains_key(&question.key))
    {
        faults.push(Fault::new(format!("answers.{}", question.key), "is missing"));
    }
    faults.into_result()?;
    let bad = rule.questions.iter().filter(|question| is_bad(question, answers));
    Ok(bad.map(|question| question.key.clone()).collect())
}

fn is_bad(question: &Question, answers: &BTreeMap<String, bool>) -> bool {
    answers
        .get(&question.key)
        .is_some_and(|answer| *answer != question.good)
}

/// Whether something that was said calls for a person now.
fn calls_for_help(protocol: &ProtocolDocument, rule: &CheckRule, form: &Form) -> bool {
    let mut bad = rule
        .questions
        .iter()
        .filter(|question| is_bad(question, &form.answers));
    let telling = besides::telling(&protocol.instruments.side_effects, &form.besides);
    bad.any(|question| question.bad_level == Some(Level::P1))
        || telling.is_some_and(|telling| telling.level == Level::P1)
}

/// Answers a check-in.
pub fn answer(
    record: &SessionRecord,
    form: Form,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<SessionRecord>, CheckedIn), Refusal> {
    let duty = record.watch.duty(form.duty).ok_or(Refusal::NotFound)?.clone();
    let rule = crate::dosing::check_rule_of(record, &duty)
        .ok_or(Refusal::NotFound)?
        .clone();
    may_answer(record, &rule, &context.caller)?;
    let urgent = calls_for_help(&record.around.protocol, &rule, &form);
    let bad = faults_at_once(record, &rule, &form, urgent)?;
    if let Some(reading) = &form.reading {
        check_plausible(&reading.vitals, &record.around.protocol.vitals.input_sanity)
            .map_err(|faults| Refusal::MeasureAgain(under("vitals", faults)))?;
    }
    if context.now < duty.opens_at {
        return Err(Refusal::wrong_state(
            "check-not-open",
            "this check cannot be answered yet",
        ));
    }
    if let Some(said) = already_said(record, &form) {
        let outcome = outcome_again(record, &rule, said);
        return Ok((Draft::of(record, context).decide(), outcome));
    }
    let mut draft = Draft::of(record, context);
    let in_time = duty.is_open()
        && duty
            .missed_after
            .is_none_or(|missed_after| draft.now() < missed_after);
    let answer = keep_answer(&mut draft, &duty, &rule, form, bad, !in_time);
    if in_time {
        let met = DutyState::Met {
            observed_at: answer.observed_at,
            received_at: answer.received_at,
        };
        draft.end(duty.id, met);
    } else {
        annotate(&mut draft, &duty, &answer);
    }
    if draft.record.session.state == SessionState::Dosed {
        draft.enter(SessionState::Monitoring);
    }
    let urgent = tell_of_bad_answers(&mut draft, &rule, &answer);
    let all_well = answer.bad.is_empty();
    let outcome = if all_well && rule.releases && crate::releasing::may_release(&draft.record, draft.now()) {
        crate::releasing::release_in(&mut draft);
        CheckedIn::Released
    } else if urgent {
        CheckedIn::ActNow
    } else if !in_time {
        CheckedIn::Late
    } else if !all_well || matches!(draft.record.session.state, SessionState::Emergency { .. }) {
        CheckedIn::Noted
    } else if rule.releases && crate::releasing::waits_for_reading(&draft.record) {
        CheckedIn::VitalsToFollow
    } else if vitals_missing(&draft, &rule, &answer) {
        ask_for_vitals(&mut draft, &duty);
        CheckedIn::VitalsToFollow
    } else {
        CheckedIn::Well
    };
    Ok((draft.decide(), outcome))
}

/// The questions whose answer is not the good one, or everything that is wrong with a form.
fn faults_at_once(
    record: &SessionRecord,
    rule: &CheckRule,
    form: &Form,
    urgent: bool,
) -> Result<Vec<String>, Refusal> {
    let judged = judge(rule, &form.answers, urgent);
    let bad = judged.as_ref().cloned().unwrap_or_else(|_| {
        let bad = rule
            .questions
            .iter()
            .filter(|question| is_bad(question, &form.answers));
        bad.map(|question| question.key.clone()).collect()
    });
    let mut faults = judged.err().unwrap_or_default();
    faults
        .0
        .extend(besides::judge(record, rule, &bad, &form.besides, urgent).0);
    faults.into_result()?;
    Ok(bad)
}

fn under(prefix: &str, faults: Faults) -> Faults {
    let prefixed = |fault: Fault| Fault {
        field: format!("{prefix}.{}", fault.field),
        ..fault
    };
    Faults(faults.0.into_iter().map(prefixed).collect())
}

fn may_answer(record: &SessionRecord, rule: &CheckRule, caller: &Caller) -> Result<(), Refusal> {
    let nurse = caller.is_staff(&[StaffRole::Nurse, StaffRole::Prescriber]);
    match (rule.owed_by, caller) {
        (OwedBy::Sitter, Caller::Sitter { .. }) => crate::preparation::sitter_is_current(record, caller),
        (OwedBy::Patient, Caller::Patient { .. }) => Ok(()),
        _ if nurse => Ok(()),
        (_, Caller::Patient { .. } | Caller::Sitter { .. }) => Err(Refusal::wrong_state(
            "not-your-check",
            "this check is another person's to answer",
        )),
        _ => Err(Refusal::NotFound),
    }
}

/// The same answers sent again, such as a double tap or a phone that did not hear our answer. A reading that comes with
/// them now is new.
fn already_said<'r>(record: &'r SessionRecord, form: &Form) -> Option<&'r CheckInAnswer> {
    let latest = record
        .check_ins
        .iter()
        .rev()
        .find(|answer| answer.duty == form.duty)?;
    let same = latest.answers == form.answers
        && latest.besides == form.besides
        && (form.reading.is_none() || latest.reading.is_some());
    // All good to the release questions again, later: the patient may be released now where they could not before.
    let may_release_now = latest.bad.is_empty()
        && crate::dosing::check_rule_of(record, record.watch.duty(form.duty)?)?.releases
        && record.session.state.is_running();
    (same && !may_release_now).then_some(latest)
}

/// What the first of two equal answers was told.
fn outcome_again(record: &SessionRecord, rule: &CheckRule, said: &CheckInAnswer) -> CheckedIn {
    let vitals_asked = record
        .watch
        .open_duties()
        .any(|duty| duty.kind == (DutyKind::SendVitals { for_check: said.duty }));
    if worst_level(&record.around.protocol, rule, said) == Some(Level::P1) {
        CheckedIn::ActNow
    } else if rule.releases && said.bad.is_empty() {
        CheckedIn::Released
    } else if said.late {
        CheckedIn::Late
    } else if !said.bad.is_empty() {
        CheckedIn::Noted
    } else if vitals_asked {
        CheckedIn::VitalsToFollow
    } else {
        CheckedIn::Well
    }
}

fn keep_answer(
    draft: &mut Draft<'_, '_>,
    duty: &Duty,
    rule: &CheckRule,
    form: Form,
    bad: Vec<String>,
    late: bool,
) -> CheckInAnswer {
    let now = draft.now();
    let claimed = form.observed_at;
    let observed_at = claimed.unwrap_or(now).min(now).max(duty.opens_at.min(now));
    let reading = form.reading.map(|reading| {
        let reading = NewReading {
            observed_at: Some(reading.observed_at.unwrap_or(observed_at)),
            ..reading
        };
        measuring::add(draft, reading).0
    });
    let id: CheckInId = draft.context.ids.fresh();
    let answer = CheckInAnswer {
        id,
        duty: duty.id,
        rule: rule.key.clone(),
        answers: form.answers,
        bad,
        besides: form.besides,
        reading,
        observed_at,
        claimed_at: claimed.filter(|claimed| *claimed != observed_at),
        received_at: now,
        by: draft.context.caller.clone(),
        late,
    };
    let detail = json!({
        "check_in": id, "rule": &rule.key, "duty": duty.id, "due_at": duty.due_at, "observed_at": observed_at,
        "late": late, "bad": &answer.bad, "protocol": &draft.record.session.protocol_version,
    });
    draft.fact("check_in.answered", detail);
    draft.record.check_ins.push(answer.clone());
    answer
}

/// A missed duty keeps both times of the late answer, and the case learns of it. Anything else that is over keeps its
/// end; the answer stands in the record.
fn annotate(draft: &mut Draft<'_, '_>, duty: &Duty, answer: &CheckInAnswer) {
    let late = LateAnswer {
        observed_at: answer.observed_at,
        received_at: answer.received_at,
    };
    if let Some(duty) = draft.record.watch.duties.iter_mut().find(|it| it.id == duty.id) {
        match &mut duty.state {
            DutyState::Missed { answered, .. } | DutyState::Unknown { answered, .. } => {
                answered.get_or_insert(late);
            }
            _ => return,
        }
    }
    join_late_answer(draft, duty.id);
}

/// Joins a late answer that stands in the record to the open case: "sitter answered at 14:32, all well".
pub fn join_late_answer(draft: &mut Draft<'_, '_>, duty: DutyId) {
    let answer = draft
        .record
        .check_ins
        .iter()
        .rev()
        .find(|answer| answer.duty == duty);
    if let Some(answer) = answer {
        let cause = Cause::LateAnswer {
            duty,
            observed_at: answer.observed_at,
            all_well: answer.bad.is_empty(),
        };
        draft.signal(Level::Info, cause);
    }
}

/// Signals the answers that are not good, at the most urgent of their levels. True if it is one to act on now.
fn tell_of_bad_answers(draft: &mut Draft<'_, '_>, rule: &CheckRule, answer: &CheckInAnswer) -> bool {
    let protocol = draft.record.around.protocol.clone();
    let level = worst_level(&protocol, rule, answer);
    if let Some(level) = level {
        let listed = besides::telling(&protocol.instruments.side_effects, &answer.besides);
        let listed = listed.map(|telling| telling.items).unwrap_or_default();
        draft.signal(
            level,
            Cause::BadAnswer {
                check_in: answer.id,
                questions: answer.bad.iter().cloned().chain(listed).collect(),
            },
        );
    }
    tell_of_count(draft, answer);
    level == Some(Level::P1)
}

/// A count that differs from the ledger is a case, as it is when it is declared by itself.
fn tell_of_count(draft: &mut Draft<'_, '_>, answer: &CheckInAnswer) {
    let expected = besides::expected_lozenges(&draft.record);
    let (Some(counted), Some(expected)) = (answer.besides.lozenges_left, expected) else {
        return;
    };
    if i64::from(counted) != expected {
        let level = draft.record.around.protocol.ledger.mismatch_level;
        draft.signal(level, Cause::CountDiffers { expected, counted });
    }
}

fn worst_level(protocol: &ProtocolDocument, rule: &CheckRule, answer: &CheckInAnswer) -> Option<Level> {
    let bad = rule
        .questions
        .iter()
        .filter(|question| answer.bad.contains(&question.key));
    let listed = besides::telling(&protocol.instruments.side_effects, &answer.besides);
    let levels = bad.filter_map(|question| question.bad_level);
    levels.chain(listed.map(|telling| telling.level)).max()
}

fn vitals_missing(draft: &Draft<'_, '_>, rule: &CheckRule, answer: &CheckInAnswer) -> bool {
    answer.reading.is_none() && asks_vitals(&draft.record, rule)
}

/// Whether a check asks for blood pressure and pulse in this session.
pub fn asks_vitals(record: &SessionRecord, rule: &CheckRule) -> bool {
    match rule.vitals {
        VitalsAsked::No => false,
        VitalsAsked::Yes => true,
        VitalsAsked::IfOverBefore => measuring::was_over(record),
    }
}

fn ask_for_vitals(draft: &mut Draft<'_, '_>, for_check: &Duty) {
    let now = draft.now();
    let due_at = now + minutes(draft.record.around.protocol.timetable.vitals_follow_within_min);
    let ladder = draft
        .record
        .around
        .protocol
        .ladder(&draft.record.around.protocol.vitals.during.ladder);
    let reminders = ladder.0.into_iter().filter(|rung| rung.after_due_s < 0).collect();
    draft.open(NewDuty {
        kind: DutyKind::SendVitals {
            for_check: for_check.id,
        },
        owed_by: for_check.owed_by,
        lane: Lane::Session,
        opens_at: now,
        due_at,
        missed_after: Some(due_at),
        ladder: crate::ladder::Ladder(reminders),
    });
}

/// The check a person should answer now, if any: the earliest open one that is theirs and has opened.
pub fn check_open_now(record: &SessionRecord, owed_by: OwedBy, now: Instant) -> Option<&Duty> {
    record
        .watch
        .open_duties()
        .filter(|duty| {
            matches!(duty.kind, DutyKind::CheckIn { .. }) && duty.owed_by == owed_by && duty.opens_at <= now
        })
        .filter(|duty| !record.check_ins.iter().any(|answer| answer.duty == duty.id))
        .min_by_key(|duty| duty.due_at)
}
