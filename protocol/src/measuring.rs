//! Measuring: readings of blood pressure and pulse, before the dose and in the session, judged by the patient's own limits.

use serde_json::json;

use crate::case::{Cause, Level};
use crate::draft::Draft;
use crate::duty::{Duty, DutyKind, DutyState, Lane, NewDuty};
use crate::id::{DutyId, ReadingId};
use crate::people::Caller;
use crate::record::{Decision, RuleContext, SessionRecord};
use crate::refusal::Refusal;
use crate::session::{Hold, SessionState};
use crate::time::{Instant, minutes};
use crate::vitals::{Finding, Phase, Reading, Vitals, check_plausible, judge_before_dose, judge_in_session};

/// What became of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// Within the clinic's limits.
    Within,
    /// Over a limit before the dose; measure again in some minutes.
    TryAgain,
    /// Over a limit too often; the session is on hold and the clinic has been told.
    Held,
    /// Over a limit in the session; measure again in some minutes.
    Recheck,
    /// The clinic has been told.
    Told,
    /// Recorded after the release, and nothing to act on.
    Recorded,
}

/// A reading as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewReading {
    /// What was measured.
    pub vitals: Vitals,
    /// With a symptom (headache, chest pain, blurred sight, short of breath).
    pub with_symptom: bool,
    /// When, by the device.
    pub observed_at: Option<Instant>,
}

/// Records a reading and what follows from it.
pub fn measure(
    record: &SessionRecord,
    new: NewReading,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<SessionRecord>, Measured), Refusal> {
    check_plausible(&new.vitals, &record.around.protocol.vitals.input_sanity)
        .map_err(Refusal::MeasureAgain)?;
    crate::preparation::sitter_is_current(record, &context.caller)?;
    if matches!(context.caller, Caller::Unverified { .. } | Caller::System) {
        return Err(Refusal::NotFound);
    }
    let state = &record.session.state;
    if state.is_over() || matches!(state, SessionState::Draft) {
        return Err(Refusal::wrong_state(
            "session-over",
            "the session takes no readings",
        ));
    }
    let mut draft = Draft::of(record, context);
    let (_, measured) = add(&mut draft, new);
    Ok((draft.decide(), measured))
}

/// Adds a plausible reading to a draft and follows it.
pub fn add(draft: &mut Draft<'_, '_>, new: NewReading) -> (ReadingId, Measured) {
    let now = draft.now();
    let state = &draft.record.session.state;
    let phase = if state.is_running() {
        Phase::InSession
    } else if state.is_before_dose() {
        Phase::BeforeDose
    } else {
        Phase::AfterRelease
    };
    let reading = Reading {
        id: draft.context.ids.fresh(),
        vitals: new.vitals,
        phase,
        with_symptom: new.with_symptom,
        observed_at: new
            .observed_at
            .unwrap_or(now)
            .min(now)
            .max(now - minutes(24 * 60)),
        received_at: now,
        by: draft.context.caller.clone(),
    };
    let id = reading.id;
    draft.fact(
        "vitals.measured",
        json!({"reading": id, "vitals": &reading.vitals, "phase": phase}),
    );
    draft.record.readings.push(reading.clone());
    let measured = match phase {
        Phase::BeforeDose => before_dose(draft, &reading),
        Phase::InSession => in_session(draft, &reading),
        Phase::AfterRelease => after_release(draft, &reading),
    };
    (id, measured)
}

fn before_dose(draft: &mut Draft<'_, '_>, reading: &Reading) -> Measured {
    let limits = draft.record.vitals_rules().pre_dose;
    let Finding::TooHighBeforeDose(over) = judge_before_dose(&reading.vitals, &limits) else {
        return Measured::Within;
    };
    // A second reading at once is the same try; only one some minutes later is another.
    let tried = draft.record.readings.iter().rev().skip(1).find(|earlier| {
        earlier.phase == Phase::BeforeDose && judge_before_dose(&earlier.vitals, &limits) != Finding::Within
    });
    let same_try = tried.is_some_and(|earlier| {
        reading.observed_at - earlier.observed_at < minutes(limits.retry_after_min / 2)
    });
    if !same_try || draft.record.session.vitals_tries_over == 0 {
        draft.record.session.vitals_tries_over += 1;
    }
    if draft.record.session.vitals_tries_over < limits.tries {
        return Measured::TryAgain;
    }
    draft.signal(
        limits.hold_level,
        Cause::Vitals {
            reading: reading.id,
            over,
        },
    );
    draft.hold(Hold::Vitals);
    Measured::Held
}

/// Nobody asked for it any more: only what calls for a person is told, and nobody is asked to measure again.
fn after_release(draft: &mut Draft<'_, '_>, reading: &Reading) -> Measured {
    let limits = draft.record.vitals_rules().during;
    match judge_in_session(&reading.vitals, reading.with_symptom, true, None, &limits) {
        Finding::Tell(level, over) if level >= Level::P2 => {
            let reading = reading.id;
            draft.signal(level, Cause::Vitals { reading, over });
            Measured::Told
        }
        _ => Measured::Recorded,
    }
}

fn in_session(draft: &mut Draft<'_, '_>, reading: &Reading) -> Measured {
    let limits = draft.record.vitals_rules().during;
    let now = draft.now();
    let rechecks = rechecks_answered_by(&draft.record, reading);
    let confirming = !rechecks.is_empty();
    let met = DutyState::Met {
        observed_at: reading.observed_at,
        received_at: now,
    };
    for duty in draft.record.watch.duties.iter_mut().filter(|duty| duty.is_open()) {
        if rechecks.contains(&duty.id) || matches!(duty.kind, DutyKind::SendVitals { .. }) {
            duty.end(met.clone());
        }
    }
    let baseline = draft
        .record
        .readings
        .iter()
        .rev()
        .find(|earlier| earlier.phase == Phase::BeforeDose);
    let baseline = baseline.map(|reading| reading.vitals);
    match judge_in_session(
        &reading.vitals,
        reading.with_symptom,
        confirming,
        baseline.as_ref(),
        &limits,
    ) {
        Finding::Within | Finding::TooHighBeforeDose(_) => Measured::Within,
        Finding::Tell(level, over) => {
            draft.signal(
                level,
                Cause::Vitals {
                    reading: reading.id,
                    over,
                },
            );
            if level == Level::P3 {
                Measured::Within
            } else {
                Measured::Told
            }
        }
        Finding::Recheck(_) => {
            let asked = |duty: &Duty| matches!(duty.kind, DutyKind::RecheckVitals { .. });
            if draft.record.watch.open_duties().any(asked) {
                return Measured::Recheck;
            }
            let due_at = now + minutes(limits.recheck_after_min);
            let owed_by = crate::dosing::sitter_or_care_team(&draft.record);
            let ladder = draft.record.around.protocol.ladder(&limits.ladder);
            draft.open(NewDuty {
                kind: DutyKind::RecheckVitals { reading: reading.id },
                owed_by,
                lane: Lane::Session,
                opens_at: now,
                due_at,
                missed_after: Some(due_at + minutes(limits.recheck_grace_min)),
                ladder,
            });
            Measured::Recheck
        }
    }
}

/// The open requests to measure again that a reading answers: those for an earlier reading, not for one sent twice.
fn rechecks_answered_by(record: &SessionRecord, reading: &Reading) -> Vec<DutyId> {
    let taken_before = |id: ReadingId| {
        let mut readings = record.readings.iter();
        readings.any(|earlier| earlier.id == id && earlier.observed_at < reading.observed_at)
    };
    record
        .watch
        .open_duties()
        .filter(|duty| matches!(duty.kind, DutyKind::RecheckVitals { reading } if taken_before(reading)))
        .map(|duty| duty.id)
        .collect()
}

/// Whether an earlier reading of this session was at or over a limit that asks for another look.
pub fn was_over(record: &SessionRecord) -> bool {
    let limits = record.vitals_rules().during;
    record
        .readings
        .iter()
        .filter(|reading| reading.phase == Phase::InSession)
        .any(|reading| {
            let finding = judge_in_session(&reading.vitals, reading.with_symptom, false, None, &limits);
            finding != Finding::Within
        })
}
