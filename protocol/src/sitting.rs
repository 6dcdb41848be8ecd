//! Sitting: inviting a sitter, their answer, "I am here", "I must leave", and removing them.

use serde_json::json;

use crate::case::{Cause, Level};
use crate::draft::Draft;
use crate::duty::{DutyKind, Excuse, Lane, NewDuty, OwedBy};
use crate::id::{LinkId, SitterId};
use crate::notice::{About, Message, Recipient, Who};
use crate::people::Caller;
use crate::record::{Decision, LinkTarget, RuleContext, SessionRecord};
use crate::refusal::{Fault, Faults, Refusal};
use crate::sitter::{Sitter, SitterState};
use crate::time::{Instant, minutes};

mod candidates;
mod training;

pub use candidates::{cut_off_at, lapse, set as set_candidates};
pub use training::{Trained, train};

/// Whom a patient (or the clinic) asks to sit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// What the patient calls them.
    pub name: String,
    /// Their own address.
    pub email: String,
    /// Their telephone number.
    pub phone: String,
}

/// Asks somebody to sit. One at a time; never the patient.
pub fn invite(
    record: &SessionRecord,
    invitation: Invitation,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<SessionRecord>, SitterId), Refusal> {
    let state = &record.session.state;
    if !state.is_before_dose() && !state.is_running() {
        return Err(Refusal::wrong_state("session-over", "the session is over"));
    }
    if record.current_sitter().is_some() {
        return Err(Refusal::wrong_state(
            "sitter-exists",
            "remove the present sitter before asking another",
        ));
    }
    faults_of(record, &invitation).into_result()?;
    let mut draft = Draft::of(record, context);
    let id = ask(&mut draft, invitation, None);
    Ok((draft.decide(), id))
}

/// Whether this is somebody else than the patient: another address and another telephone.
fn faults_of(record: &SessionRecord, invitation: &Invitation) -> Faults {
    let (patient, mut faults) = (&record.patient, Faults::default());
    if invitation.email.trim().eq_ignore_ascii_case(patient.email.trim()) {
        faults.push(Fault::new(
            "email",
            "the sitter must be another person, with an address of their own",
        ));
    }
    let digits = |phone: &str| phone.chars().filter(char::is_ascii_digit).collect::<String>();
    if digits(&invitation.phone) == digits(&patient.phone) {
        faults.push(Fault::new(
            "phone",
            "the sitter must be another person, with a telephone of their own",
        ));
    }
    faults
}

/// Asks the present sitter anew about a session that has another time now: what they agreed to was the old one.
pub fn ask_again(draft: &mut Draft<'_, '_>) {
    let Some(sitter) = draft.record.current_sitter().cloned() else {
        return;
    };
    let at = draft.now();
    draft.set_sitter(sitter.id, SitterState::Removed { at });
    after_leaving(draft);
    let invitation = Invitation {
        name: sitter.name,
        email: sitter.email,
        phone: sitter.phone,
    };
    ask(draft, invitation, None);
}

fn ask(draft: &mut Draft<'_, '_>, invitation: Invitation, answer_within_min: Option<i64>) -> SitterId {
    let now = draft.now();
    let rules = draft.record.around.protocol.sitter.clone();
    let id: SitterId = draft.context.ids.fresh();
    let link: LinkId = draft.context.ids.fresh();
    let planned = draft.record.session.planned;
    let sitter = Sitter {
        id,
        name: invitation.name,
        email: invitation.email,
        phone: invitation.phone,
        state: SitterState::Invited,
        invited_at: now,
        link,
        presence_code: draft.context.ids.presence_code(),
        wrong_codes: 0,
        code_blocked_until: None,
        consented_at: None,
        read_again: Vec::new(),
        wrong_tries: 0,
    };
    let to = Recipient {
        who: Who::Sitter(id),
        email: sitter.email.clone(),
    };
    draft.record.sitters.push(sitter);
    draft.fact("sitter.invited", json!({ "sitter": id }));
    let session = draft.record.session.id;
    let good_until = planned.at.max(now) + minutes(rules.link_good_after_min);
    draft.keep_link(link, LinkTarget::Sitter { session, sitter: id }, good_until);
    let message = Message::SitterInvitation {
        planned_at: planned.at,
        zone: planned.zone,
        link,
    };
    draft.tell(
        format!("sitter:{id}:invited"),
        to,
        About::Invitation { sitter: id },
        message,
        Some(good_until),
    );
    if draft.record.session.state.is_before_dose() {
        // Answered before the cut-off where that is still to come, and always an hour before preparation would need it.
        let cut_off = candidates::cut_off_at(&draft.record);
        let bounded = candidates::somebody_is_left(&draft.record) && now < cut_off;
        let latest = if bounded {
            cut_off
        } else {
            planned.at - minutes(60)
        };
        let within_min = answer_within_min.unwrap_or(rules.answer_within_min);
        let due_at = (now + minutes(within_min)).min(latest).max(now + minutes(15));
        let ladder = draft.record.around.protocol.ladder(&rules.ladder);
        draft.open(NewDuty {
            kind: DutyKind::AnswerInvitation,
            owed_by: OwedBy::Sitter,
            lane: Lane::Reminder,
            opens_at: now,
            due_at,
            missed_after: Some(due_at + minutes(60)),
            ladder,
        });
    }
    id
}

fn own(record: &SessionRecord, caller: &Caller) -> Result<Sitter, Refusal> {
    match caller {
        Caller::Sitter { session, sitter } if *session == record.session.id => {
            record.sitter(*sitter).cloned().ok_or(Refusal::NotFound)
        }
        _ => Err(Refusal::NotFound),
    }
}

/// The caller as a sitter who has said yes.
fn committed(record: &SessionRecord, caller: &Caller) -> Result<Sitter, Refusal> {
    let sitter = own(record, caller)?;
    match sitter.state {
        state if state.is_committed() => Ok(sitter),
        SitterState::Invited => Err(Refusal::wrong_state(
            "not-accepted",
            "say first whether you will sit",
        )),
        _ => Err(not_asked()),
    }
}

/// "Yes, I will sit": an adult, who agrees to be contacted.
pub fn accept(
    record: &SessionRecord,
    is_adult: bool,
    may_be_contacted: bool,
    context: &mut RuleContext<'_>,
) -> Result<Decision<SessionRecord>, Refusal> {
    let sitter = own(record, &context.caller)?;
    if !is_adult {
        return Err(Refusal::invalid("is_adult", "a sitter must be 18 or older"));
    }
    if !may_be_contacted {
        return Err(Refusal::invalid(
            "may_be_contacted",
            "a sitter must agree to be contacted about the session",
        ));
    }
    match sitter.state {
        SitterState::Invited => {}
        SitterState::Accepted { .. } | SitterState::Present { .. } => {
            return Ok(Draft::of(record, context).decide());
        }
        _ => return Err(not_asked()),
    }
    if record.session.state.is_over() {
        return Err(Refusal::wrong_state("session-over", "the session is over"));
    }
    let mut draft = Draft::of(record, context);
    let now = draft.now();
    draft.set_sitter(sitter.id, SitterState::Accepted { at: now });
    if let Some(sitter) = draft.record.sitters.iter_mut().find(|it| it.id == sitter.id) {
        sitter.consented_at = Some(now);
    }
    draft.meet(|duty| duty.kind == DutyKind::AnswerInvitation);
    hand_checks_over(&mut draft, OwedBy::OnCall, OwedBy::Sitter);
    Ok(draft.decide())
}

/// "No", before saying yes or after it. In a running session the care team is told at once.
pub fn decline(
    record: &SessionRecord,
    context: &mut RuleContext<'_>,
) -> Result<Decision<SessionRecord>, Refusal> {
    let sitter = own(record, &context.caller)?;
    let mut draft = Draft::of(record, context);
    let at = draft.now();
    match sitter.state {
        SitterState::Invited => draft.set_sitter(sitter.id, SitterState::Declined { at }),
        SitterState::Accepted { .. } | SitterState::Present { .. } => {
            draft.set_sitter(sitter.id, SitterState::Withdrawn { at });
        }
        _ => return Ok(draft.decide()),
    }
    gone(&mut draft, sitter.id, Cause::SitterGone);
    Ok(draft.decide())
}

/// From when "I am here" counts before the dose; in a running session it always does.
pub fn presence_opens_at(record: &SessionRecord) -> Instant {
    record.session.planned.at - minutes(record.around.protocol.sitter.presence_opens_before_min)
}

/// Until when the sitter stays (PROTOCOL 4.2, `sitter_available`): counted from the dose, or from the planned time until
/// there is one.
pub fn stays_until(record: &SessionRecord) -> Instant {
    let rules = &record.around.protocol.sitter;
    let stays_min = if record.is_first() {
        rules.stays_after_first_dose_min
    } else {
        rules.stays_after_dose_min
    };
    record.session.t0() + minutes(stays_min)
}

/// "I am here", with the four digits on the patient's phone.
pub fn present(
    record: &SessionRecord,
    code: &str,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<SessionRecord>, CodeAnswer), Refusal> {
    let sitter = committed(record, &context.caller)?;
    let state = &record.session.state;
    if !state.is_running() && !state.takes_preparation() {
        return Err(Refusal::wrong_state("session-over", "the session is over"));
    }
    let rules = record.around.protocol.sitter.clone();
    let opens_at = presence_opens_at(record);
    if context.now < opens_at && !state.is_running() {
        let from = record.patient.zone.clock_12h(opens_at);
        return Err(Refusal::wrong_state(
            "too-early",
            format!("\"I am here\" counts from {from}"),
        ));
    }
    if sitter.code_blocked_until.is_some_and(|until| context.now < until) {
        return Err(Refusal::wrong_state(
            "code-blocked",
            "too many wrong codes; wait a few minutes and try again",
        ));
    }
    let right = sitter.presence_code == code.trim();
    let mut draft = Draft::of(record, context);
    let now = draft.now();
    if let Some(sitter) = draft.record.sitters.iter_mut().find(|it| it.id == sitter.id) {
        sitter.wrong_codes = if right { 0 } else { sitter.wrong_codes + 1 };
        sitter.code_blocked_until = None;
        if sitter.wrong_codes >= rules.wrong_codes_max {
            sitter.wrong_codes = 0;
            sitter.code_blocked_until = Some(now + minutes(rules.code_block_min));
        }
    }
    if !right {
        draft.fact("sitter.wrong_code", json!({ "sitter": sitter.id }));
        return Ok((draft.decide(), CodeAnswer::Wrong));
    }
    draft.set_sitter(sitter.id, SitterState::Present { at: now });
    Ok((draft.decide(), CodeAnswer::Right))
}

/// What a sitter owes was sent by the patient's own device or log-in: it counts for nothing, and a nurse hears of it.
pub fn on_patients_device(record: &SessionRecord, context: &mut RuleContext<'_>) -> Decision<SessionRecord> {
    let mut draft = Draft::of(record, context);
    let told = draft.record.watch.open_case().is_some_and(|case| {
        case.signals
            .iter()
            .any(|it| it.what == Cause::SitterOnPatientsDevice)
    });
    if !told {
        draft.signal(Level::P2, Cause::SitterOnPatientsDevice);
    }
    draft.decide()
}

/// What became of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeAnswer {
    /// It was the one on the patient's phone.
    Right,
    /// It was not; the try is kept.
    Wrong,
}

/// "I must leave": before the dose it locks, in a running session it is a case at once.
pub fn leave(
    record: &SessionRecord,
    context: &mut RuleContext<'_>,
) -> Result<Decision<SessionRecord>, Refusal> {
    let sitter = own(record, &context.caller)?;
    let mut draft = Draft::of(record, context);
    if sitter.state.is_committed() {
        let at = draft.now();
        draft.set_sitter(sitter.id, SitterState::Left { at });
        gone(&mut draft, sitter.id, Cause::SitterLeft);
    }
    Ok(draft.decide())
}

/// The patient or the clinic removes a sitter, without giving a reason; in a running session it is a case.
pub fn remove(
    record: &SessionRecord,
    id: SitterId,
    context: &mut RuleContext<'_>,
) -> Result<Decision<SessionRecord>, Refusal> {
    let sitter = record.sitter(id).ok_or(Refusal::NotFound)?;
    let current = sitter.state.is_current();
    let mut draft = Draft::of(record, context);
    if current {
        let at = draft.now();
        draft.set_sitter(id, SitterState::Removed { at });
        if draft.record.session.state.is_running() {
            draft.signal(Level::P1, Cause::SitterGone);
        }
        after_leaving(&mut draft);
        candidates::ask_next(&mut draft);
    }
    Ok(draft.decide())
}

/// A sitter said no, withdrew or left: who is told depends on when, and on whether somebody is left to be asked.
fn gone(draft: &mut Draft<'_, '_>, sitter: SitterId, cause: Cause) {
    if draft.record.session.state.is_running() {
        draft.signal(Level::P1, cause);
    } else if draft.record.session.state.is_before_dose() {
        let late = draft.now() >= candidates::cut_off_at(&draft.record);
        if late || !candidates::somebody_is_left(&draft.record) {
            draft.signal(Level::P3, cause);
        }
        tell_patient(draft, &format!("sitter:{sitter}:gone"));
    }
    after_leaving(draft);
    candidates::ask_next(draft);
}

/// Tells the patient that whoever they asked will not be there, or has not answered.
fn tell_patient(draft: &mut Draft<'_, '_>, key: &str) {
    let (patient, planned) = (&draft.record.patient, draft.record.session.planned);
    let to = Recipient {
        who: Who::Patient(patient.id),
        email: patient.email.clone(),
    };
    // The dose may still be opened for a while after its time.
    let unlock_after_min = draft.record.around.protocol.plan.unlock_after_min;
    let useful_until = planned.at.max(draft.context.now) + minutes(unlock_after_min);
    let message = Message::SitterChanged {
        planned_at: planned.at,
        zone: planned.zone,
    };
    draft.tell(
        key.to_owned(),
        to,
        About::Information,
        message,
        Some(useful_until),
    );
}

fn after_leaving(draft: &mut Draft<'_, '_>) {
    draft.excuse(Excuse::SitterChanged, |duty| {
        duty.kind == DutyKind::AnswerInvitation
    });
    hand_checks_over(draft, OwedBy::Sitter, OwedBy::OnCall);
}

/// Checks that are still to come change hands; nothing of the timetable is lost when nobody sits.
fn hand_checks_over(draft: &mut Draft<'_, '_>, from: OwedBy, to: OwedBy) {
    if !draft.record.session.state.is_running() {
        return;
    }
    let protocol = draft.record.around.protocol.clone();
    for duty in draft
        .record
        .watch
        .duties
        .iter_mut()
        .filter(|duty| duty.is_open() && duty.owed_by == from)
    {
        let is_sitters = match &duty.kind {
            DutyKind::CheckIn { rule, .. } => protocol
                .check_rule(rule)
                .is_some_and(|rule| rule.owed_by == OwedBy::Sitter),
            DutyKind::SendVitals { .. } | DutyKind::RecheckVitals { .. } | DutyKind::Release => true,
            _ => false,
        };
        if is_sitters {
            duty.owed_by = to;
        }
    }
}

fn not_asked() -> Refusal {
    Refusal::wrong_state("not-the-sitter", "you are not this session's sitter now")
}
