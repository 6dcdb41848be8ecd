//! Release: the sitter says the patient is well, or a nurse who has spoken to both says so by telephone.
//!
//! Monitoring ends only so. Until then the release duty stays open and tells the care team again and again.

use std::collections::BTreeMap;

use serde_json::json;

use crate::answering::{self, CheckedIn, Form};
use crate::check_in::Besides;
use crate::document::CheckRule;
use crate::draft::Draft;
use crate::duty::{Duty, DutyKind, Excuse, OwedBy};
use crate::people::{Caller, StaffRole};
use crate::record::{Decision, RuleContext, SessionRecord};
use crate::refusal::Refusal;
use crate::session::SessionState;
use crate::time::{Instant, minutes};

/// The sitter's release: all questions answered well, not before the protocol's time. Otherwise the answers are kept,
/// the session goes on and the questions come again.
pub fn release_by_sitter(
    record: &SessionRecord,
    answers: BTreeMap<String, bool>,
    observed_at: Option<Instant>,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<SessionRecord>, CheckedIn), Refusal> {
    if record.session.released_at().is_some() {
        return Ok((Draft::of(record, context).decide(), CheckedIn::Released));
    }
    if !record.session.state.is_running() {
        return Err(Refusal::wrong_state("not-running", "there is nothing to release"));
    }
    if !matches!(context.caller, Caller::Sitter { .. }) {
        return Err(Refusal::NotFound);
    }
    let open_at = opens_at(record);
    if context.now < open_at {
        let from = record.patient.zone.clock_12h(open_at);
        return Err(Refusal::wrong_state(
            "too-early",
            format!("the patient can be released from {from}"),
        ));
    }
    let duty = release_check(record, context.now)
        .ok_or_else(|| Refusal::wrong_state("check-not-open", "the release questions are not open"))?;
    answering::answer(
        record,
        Form {
            duty: duty.id,
            answers,
            besides: Besides::default(),
            reading: None,
            observed_at,
        },
        context,
    )
}

/// From when the patient can be released: counted from the last dose that was reported, for a second one begins anew.
pub fn opens_at(record: &SessionRecord) -> Instant {
    let t0 = record.session.t0();
    let reported = record.session.dose.iter().flat_map(|dose| &dose.also_reported_at);
    let same_within = minutes(record.around.protocol.plan.same_dose_within_min);
    let second = reported.filter(|at| **at - t0 > same_within).max();
    second.unwrap_or(&t0).max(&t0).to_owned()
        + minutes(record.around.protocol.timetable.release.not_before_min)
}

/// Whether good answers of the sitter release now. Not while an emergency is open, which a person of the care team ends,
/// and not while a pressure over the limit waits to be measured again.
pub fn may_release(record: &SessionRecord, now: Instant) -> bool {
    matches!(
        record.session.state,
        SessionState::Dosed | SessionState::Monitoring
    ) && opens_at(record) <= now
        && !waits_for_reading(record)
}

/// Whether a pressure over the limit waits to be measured again.
pub fn waits_for_reading(record: &SessionRecord) -> bool {
    record
        .watch
        .open_duties()
        .any(|duty| matches!(duty.kind, DutyKind::RecheckVitals { .. }))
}

/// The release questions to answer now: the earliest open ones, else the last that were asked.
pub fn release_check(record: &SessionRecord, now: Instant) -> Option<&Duty> {
    let releases = |duty: &&Duty| {
        crate::dosing::check_rule_of(record, duty).is_some_and(|rule| rule.releases) && duty.opens_at <= now
    };
    let open = record
        .watch
        .open_duties()
        .filter(releases)
        .min_by_key(|duty| duty.due_at);
    open.or_else(|| {
        record
            .watch
            .duties
            .iter()
            .filter(releases)
            .max_by_key(|duty| duty.due_at)
    })
}

/// The questions of the release, in the protocol's words.
pub fn release_questions(record: &SessionRecord) -> Option<&CheckRule> {
    let checks = &record.around.protocol.timetable.checks;
    checks
        .iter()
        .find(|rule| rule.releases && rule.owed_by == OwedBy::Sitter)
}

/// A nurse who has spoken to patient and sitter releases by telephone, with their words.
pub fn release_by_telephone(
    record: &SessionRecord,
    spoke_to_patient: bool,
    spoke_to_sitter: bool,
    note: &str,
    context: &mut RuleContext<'_>,
) -> Result<Decision<SessionRecord>, Refusal> {
    if !context
        .caller
        .is_staff(&[StaffRole::Nurse, StaffRole::Prescriber])
    {
        return Err(Refusal::NotFound);
    }
    if !record.session.state.is_running() {
        return Err(Refusal::wrong_state("not-running", "there is nothing to release"));
    }
    if !spoke_to_patient {
        return Err(Refusal::invalid(
            "spoke_to_patient",
            "speak to the patient before releasing",
        ));
    }
    let has_sitter = record
        .current_sitter()
        .is_some_and(|sitter| sitter.state.is_committed());
    if has_sitter && !spoke_to_sitter {
        return Err(Refusal::invalid(
            "spoke_to_sitter",
            "speak to the sitter before releasing",
        ));
    }
    let note = note.trim();
    if note.is_empty() || note.chars().count() > crate::desk::NOTE_MAX_CHARS {
        let most = crate::desk::NOTE_MAX_CHARS;
        return Err(Refusal::invalid(
            "note",
            format!("write what was said, in 1 to {most} characters"),
        ));
    }
    let mut draft = Draft::of(record, context);
    draft.fact("session.released_by_telephone", json!({ "note": note }));
    release_in(&mut draft);
    Ok(draft.decide())
}

/// Releases in a draft: what is left of the session is excused, the evening remains.
pub fn release_in(draft: &mut Draft<'_, '_>) {
    let at = draft.now();
    let protocol = draft.record.around.protocol.clone();
    draft.meet(|duty| duty.kind == DutyKind::Release);
    draft.excuse(Excuse::Released, |duty| protocol.is_in_session(duty));
    draft.fact("session.released", json!({ "at": at }));
    draft.enter(SessionState::Released { at });
}
