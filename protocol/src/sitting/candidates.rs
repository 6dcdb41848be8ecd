//! Several people who may sit, asked one after the other: the next one when the one before says no, goes before the dose, or
//! does not answer by their deadline.

use serde_json::json;

use super::{Invitation, ask, faults_of};
use crate::draft::Draft;
use crate::duty::Duty;
use crate::record::{Decision, RuleContext, SessionRecord};
use crate::refusal::{Fault, Faults, Refusal};
use crate::session::Candidate;
use crate::sitter::SitterState;
use crate::time::{Instant, minutes};

/// The shortest and the longest time that somebody can be given to answer, minutes.
const ANSWER_WITHIN_MIN: std::ops::RangeInclusive<i64> = 15..=7 * 24 * 60;

/// Says who is asked next, in order; what was said before and has not been asked yet is replaced. Where nobody is asked now,
/// the first is asked at once.
pub fn set(
    record: &SessionRecord,
    candidates: Vec<Candidate>,
    context: &mut RuleContext<'_>,
) -> Result<Decision<SessionRecord>, Refusal> {
    if !record.session.state.is_before_dose() {
        return Err(Refusal::wrong_state(
            "session-started",
            "the session has begun or is over; ask one person at a time now",
        ));
    }
    let most = record.around.protocol.sitter.candidates_max;
    if most == 0 {
        return Err(Refusal::NotFound);
    }
    let mut faults = Faults::default();
    if candidates.len() > most {
        faults.push(Fault::new("candidates", format!("at most {most} people")));
    }
    for (index, candidate) in candidates.iter().enumerate() {
        let path = format!("candidates[{index}]");
        let invitation = invitation_of(candidate);
        for fault in faults_of(record, &invitation).0 {
            faults.push(Fault::new(format!("{path}.{}", fault.field), fault.message));
        }
        let same = |email: &str| email.trim().eq_ignore_ascii_case(candidate.email.trim());
        if candidates[..index].iter().any(|it| same(&it.email)) {
            faults.push(Fault::new(format!("{path}.email"), "stands twice"));
        }
        if record.current_sitter().is_some_and(|it| same(&it.email)) {
            faults.push(Fault::new(format!("{path}.email"), "is asked already"));
        }
        if candidate
            .answer_within_min
            .is_some_and(|within| !ANSWER_WITHIN_MIN.contains(&within))
        {
            let (least, most) = (ANSWER_WITHIN_MIN.start(), ANSWER_WITHIN_MIN.end());
            let message = format!("must be from {least} to {most} minutes");
            faults.push(Fault::new(format!("{path}.answer_within_min"), message));
        }
    }
    faults.into_result()?;
    let mut draft = Draft::of(record, context);
    draft.fact("sitter.candidates", json!({ "count": candidates.len() }));
    draft.record.session.candidates = candidates;
    if draft.record.current_sitter().is_none() {
        ask_next(&mut draft);
    }
    Ok(draft.decide())
}

/// Asks the next on the list, if there is one.
pub(super) fn ask_next(draft: &mut Draft<'_, '_>) {
    if !draft.record.session.state.is_before_dose() || draft.record.session.candidates.is_empty() {
        return;
    }
    let next = draft.record.session.candidates.remove(0);
    let invitation = invitation_of(&next);
    ask(draft, invitation, next.answer_within_min);
}

/// Whether somebody is left to be asked.
pub(super) fn somebody_is_left(record: &SessionRecord) -> bool {
    record.session.state.is_before_dose() && !record.session.candidates.is_empty()
}

/// When too little time is left for a sitter who drops out to be replaced without a call: from then on the care team hears
/// of it also while somebody is left to be asked.
pub fn cut_off_at(record: &SessionRecord) -> Instant {
    record.session.planned.at - minutes(record.around.protocol.sitter.cut_off_before_min)
}

/// The one who was asked has not answered by their deadline. Whether the next was asked in their stead.
pub fn lapse(draft: &mut Draft<'_, '_>, duty: &Duty) -> bool {
    let asked = draft.record.current_sitter();
    let asked = asked.filter(|sitter| sitter.state == SitterState::Invited);
    let Some(id) = asked.map(|sitter| sitter.id) else {
        return false;
    };
    let has_lists = draft.record.around.protocol.sitter.candidates_max > 0;
    if !somebody_is_left(&draft.record) {
        if !has_lists {
            return false;
        }
        super::tell_patient(draft, &format!("duty:{}:unanswered", duty.id));
        return false;
    }
    let at = draft.now();
    draft.set_sitter(id, SitterState::Lapsed { at });
    super::tell_patient(draft, &format!("sitter:{id}:gone"));
    ask_next(draft);
    true
}

fn invitation_of(candidate: &Candidate) -> Invitation {
    Invitation {
        name: candidate.name.clone(),
        email: candidate.email.clone(),
        phone: candidate.phone.clone(),
    }
}
