//! Signing a plan, changing it, and a patient who moves to another zone: what becomes of the sessions.

use serde_json::{Value, json};

use super::{
    Layout, PlanDraft, PlanTerms, SignedPlan, SlotChange, Spacing, in_force, is_preparing, lay_out,
    may_be_moved, newest,
};
use crate::case::{Cause, Level};
use crate::desk::at_patients_desk;
use crate::draft::Draft;
use crate::id::{PersonId, PlanId, SessionId};
use crate::planning::{call_off, live, next_ordinal, open_session, retime};
use crate::record::{Decision, Fact, PatientRecord, RuleContext, SessionRecord};
use crate::refusal::{Change, Refusal};
use crate::roster::missing_for_session;
use crate::session::{PlanSlot, Session};
use crate::time::{Planned, Zone};

/// What a rule about a course decided; committed whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct CourseDecision {
    /// About the patient.
    pub patient: Decision<PatientRecord>,
    /// About sessions that were there.
    pub changed: Vec<Decision<SessionRecord>>,
    /// Sessions that are new.
    pub new: Vec<Decision<SessionRecord>>,
}

impl CourseDecision {
    /// A decision about the patient alone.
    pub fn of_patient(patient: Decision<PatientRecord>) -> Self {
        Self {
            patient,
            changed: Vec::new(),
            new: Vec::new(),
        }
    }
}

/// Signs a plan, or a change of the one in force, and gives its sessions their times: new ones are made, those whose
/// preparation has not begun are moved or called off, all others stay. All faults come back at once; a change of a version
/// that is no longer in force is refused with what is different by now.
pub fn sign(
    record: &PatientRecord,
    sessions: &[SessionRecord],
    draft: &PlanDraft,
    signer: PersonId,
    context: &mut RuleContext<'_>,
) -> Result<(CourseDecision, SignedPlan), Refusal> {
    let plans = &record.course.plans;
    let current = in_force(plans, &record.sessions);
    if let (Some(current), Some(read)) = (current, draft.changes)
        && current.version != read
    {
        return Err(outdated(plans, current, read));
    }
    let Layout {
        slots,
        ordinals,
        faults,
    } = lay_out(record, plans, draft, context.now);
    faults.into_result()?;
    let now = context.now;
    let plan = SignedPlan {
        id: context.ids.fresh(),
        plan: current.map_or_else(|| context.ids.fresh::<PlanId>(), |current| current.plan),
        version: current.map_or(1, |current| current.version + 1),
        terms: draft.terms.clone(),
        ordinals,
        began_at: current.map_or(now, |current| current.began_at),
        reason: draft.reason.trim().to_owned(),
        order_version: record.order.as_ref().map_or(0, |order| order.version),
        signed_by: signer,
        signed_at: now,
    };
    let mut patient = Decision::unchanged(record);
    patient.after.course.plans.push(plan.clone());
    let detail = serde_json::to_value(&plan).unwrap_or(Value::Null);
    patient.facts.push(Fact::new("plan.signed", detail));

    let (mut changed, mut new) = (Vec::new(), Vec::new());
    let first_new = next_ordinal(record);
    for slot in &slots {
        let place = PlanSlot {
            plan: plan.plan,
            ordinal: slot.ordinal,
            version: plan.version,
            skipped: false,
        };
        let Some(there) = slot.session else {
            let ordinal = first_new + u32::try_from(new.len()).unwrap_or(u32::MAX);
            let signed = &patient.after;
            new.push(open_session(
                signed,
                slot.planned,
                ordinal,
                Some(place),
                signer,
                context,
            ));
            continue;
        };
        let Some(there) = sessions.iter().find(|it| it.session.id == there) else {
            continue;
        };
        match slot.change {
            SlotChange::Moved { from } => {
                let mut draft = Draft::of(there, context);
                draft.record.session.slot = Some(place);
                replanned(&mut draft, from, slot.planned);
                changed.push(draft.decide());
            }
            SlotChange::Same => {
                let mut draft = Draft::of(there, context);
                draft.record.session.slot = Some(place);
                changed.push(draft.decide());
            }
            SlotChange::Dropped => {
                let mut draft = Draft::of(there, context);
                // Its place is free for a session of a later version.
                draft.record.session.slot = None;
                call_off(&mut draft, "no longer in the patient's plan".to_owned());
                changed.push(draft.decide());
            }
            SlotChange::New | SlotChange::Left => {}
        }
    }
    Ok((
        CourseDecision {
            patient,
            changed,
            new,
        },
        plan,
    ))
}

/// The patient is in another zone now: sessions whose preparation has not begun keep their local date and time. One that
/// has begun, or would have begun already in the new zone, stays as it is, and the care team is told of it.
pub fn change_zone(
    record: &PatientRecord,
    sessions: &[SessionRecord],
    zone: Zone,
    context: &mut RuleContext<'_>,
) -> CourseDecision {
    if record.patient.zone == zone {
        return CourseDecision::of_patient(Decision::unchanged(record));
    }
    let now = context.now;
    let (mut changed, mut left) = (Vec::new(), Vec::new());
    let mut times: Vec<(SessionId, crate::time::Instant)> =
        live(record).map(|session| (session.id, session.t0())).collect();
    for there in sessions
        .iter()
        .filter(|there| there.session.state.is_before_dose())
    {
        let (session, plan) = (&there.session, &there.around.protocol.plan);
        let to = Planned::new(session.planned.on, session.planned.time, zone);
        if !may_be_moved(session, plan.prep_opens_before_min, now)
            || is_preparing(&to, plan.prep_opens_before_min, now)
        {
            left.push(session.id);
            continue;
        }
        let mut draft = Draft::of(there, context);
        draft.record.patient.zone = zone;
        replanned(&mut draft, session.planned, to);
        times
            .iter_mut()
            .filter(|(id, _)| *id == session.id)
            .for_each(|(_, at)| *at = to.at);
        changed.push(draft.decide());
    }
    let too_near = too_near(record, &times, &changed);
    let unstaffed = unstaffed(record, &changed, now);
    let detail = json!({
        "from": record.patient.zone, "to": zone, "left": &left, "too_near": &too_near, "unstaffed": &unstaffed,
    });
    let (mut patient, ()) = at_patients_desk(record, context, |desk| {
        desk.fact("patient.zone", detail);
        desk.signal(
            Level::P3,
            Cause::ZoneChanged {
                left,
                too_near,
                unstaffed,
            },
            None,
        );
    });
    patient.after.patient.zone = zone;
    CourseDecision {
        patient,
        changed,
        new: Vec::new(),
    }
}

/// The sessions that the new zone brought too near to another session or dose.
fn too_near(
    record: &PatientRecord,
    times: &[(SessionId, crate::time::Instant)],
    changed: &[Decision<SessionRecord>],
) -> Vec<SessionId> {
    let moved = changed.iter().map(|decision| &decision.after.session);
    let near = |session: &Session| {
        let plan = session
            .slot
            .and_then(|slot| newest(&record.course.plans, slot.plan));
        let spacing = Spacing::of(&record.around.protocol.plan, plan.map(|plan| &plan.terms));
        times
            .iter()
            .any(|(other, time)| *other != session.id && spacing.is_near(*time, session.planned.at))
    };
    moved
        .filter(|session| near(session))
        .map(|session| session.id)
        .collect()
}

/// The sessions that the new zone brought into a gap of the roster.
fn unstaffed(
    record: &PatientRecord,
    changed: &[Decision<SessionRecord>],
    now: crate::time::Instant,
) -> Vec<SessionId> {
    let Some(plan) = &record.around.roster else {
        return Vec::new();
    };
    let moved = changed.iter().map(|decision| &decision.after.session);
    let rules = &record.around.protocol.roster;
    moved
        .filter(|session| !missing_for_session(plan, now, session.planned.at, rules).is_empty())
        .map(|session| session.id)
        .collect()
}

fn replanned(draft: &mut Draft<'_, '_>, from: Planned, to: Planned) {
    draft.fact("session.replanned", json!({"from": from, "to": to}));
    retime(draft, to);
}

/// What is different between the version the caller read and the one in force.
fn outdated(plans: &[SignedPlan], current: &SignedPlan, read: u32) -> Refusal {
    let was = plans
        .iter()
        .find(|it| it.plan == current.plan && it.version == read);
    Refusal::Outdated {
        version: current.version,
        by: current.signed_by,
        at: current.signed_at,
        changes: was.map_or_else(Vec::new, |was| differences(&was.terms, &current.terms)),
    }
}

fn differences(was: &PlanTerms, is: &PlanTerms) -> Vec<Change> {
    let fields = |terms: &PlanTerms| match serde_json::to_value(terms) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (was, is) = (fields(was), fields(is));
    is.into_iter()
        .filter_map(|(field, is)| {
            let was = was.get(&field).cloned().unwrap_or(Value::Null);
            (was != is).then_some(Change { field, was, is })
        })
        .collect()
}
