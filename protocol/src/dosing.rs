//! The dose: logged by patient or sitter, always accepted, and the whole timetable made from it at once.
//!
//! No dose reported is ever refused (invariant I9). One outside a ready session is recorded with the reasons for which
//! it was not open, and becomes a case. No check-in depends on the answer to another: all rows exist from here on.

use serde_json::json;

use crate::case::{Case, Cause, Level, Outcome};
use crate::document::{CheckDue, CheckRule, VitalsAsked};
use crate::draft::Draft;
use crate::duty::{Duty, DutyKind, DutyState, Excuse, Lane, NewDuty, OwedBy};
use crate::gate;
use crate::id::CaseId;
use crate::ladder::{Audience, Ladder, Rung};
use crate::people::Caller;
use crate::planning::{new_record, new_session};
use crate::record::{Decision, PatientRecord, RuleContext, SessionRecord};
use crate::refusal::Refusal;
use crate::session::{Dose, Session, SessionKind, SessionState};
use crate::sitter::SitterState;
use crate::time::{Instant, Planned, minutes, seconds};

/// A dose as it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DoseReport {
    /// When it happened, by the device; now if it does not say.
    pub observed_at: Option<Instant>,
    /// The device's clock when it sent this, to correct a clock that is off.
    pub device_now: Option<Instant>,
    /// The version of the order the screen showed.
    pub shown_order_version: Option<u32>,
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Logged {
    /// Recorded by the book.
    Recorded {
        /// T0.
        taken_at: Instant,
    },
    /// Recorded, and the care team has been told why it was not open.
    RecordedOutsideReadySession {
        /// T0.
        taken_at: Instant,
        /// Codes of the reasons.
        reasons: Vec<String>,
    },
    /// There is a dose already; the earliest time stands. Ask "same dose?".
    SameDose {
        /// T0, the earliest of the reports.
        taken_at: Instant,
    },
}

/// Whether a session can take the report of a dose; one that is over cannot, and the dose gets a session of its own.
pub fn takes_dose(record: &SessionRecord) -> bool {
    record.session.state.is_running() || record.session.state.is_before_dose()
}

/// Whether a session can take this report: also one of the dose it has already, such as a second phone that finds its
/// network after the release. Any other dose gets a session of its own.
pub fn takes_report(record: &SessionRecord, report: &DoseReport, now: Instant) -> bool {
    let back_hours = record.around.protocol.plan.dose_report_back_h;
    takes_dose(record) || is_same_dose(record, believed(report, now, back_hours))
}

fn is_same_dose(record: &SessionRecord, taken_at: Instant) -> bool {
    let same_within = minutes(record.around.protocol.plan.same_dose_within_min);
    let dose = record.session.dose.as_ref();
    dose.is_some_and(|dose| (taken_at - dose.taken_at).abs() <= same_within)
}

/// Whether a case may be closed so. While nobody knows whether an unlocked dose was taken, the case about it ends in one
/// of two ways: the dose is logged, and the session watched, or it was not taken and the alarm was false.
pub fn may_close(record: &SessionRecord, case: CaseId, outcome: Outcome) -> Result<(), Refusal> {
    let asks = |case: &Case| {
        case.signals
            .iter()
            .any(|signal| signal.what == Cause::TakenAndNotLogged)
    };
    let unknown = matches!(record.session.state, SessionState::Unverified { .. });
    if unknown && outcome != Outcome::FalseAlarm && record.watch.case(case).is_some_and(asks) {
        return Err(Refusal::wrong_state(
            "dose-unknown",
            "say first whether the dose was taken: log it with its time if it was; if it was not, close the case as a \
             false alarm",
        ));
    }
    Ok(())
}

/// When a reported moment is believed to be: the device's skew taken out, never in the future, never further back than
/// the protocol allows.
pub fn believed(report: &DoseReport, now: Instant, back_hours: i64) -> Instant {
    let skew = report
        .device_now
        .map_or_else(chrono::Duration::zero, |device_now| now - device_now);
    let claimed = report.observed_at.map_or(now, |observed_at| {
        observed_at.checked_add_signed(skew).unwrap_or(now)
    });
    claimed.min(now).max(now - minutes(back_hours * 60))
}

/// Logs a dose of a session that can take it (see [`takes_report`]).
pub fn log_dose(
    record: &SessionRecord,
    report: DoseReport,
    context: &mut RuleContext<'_>,
) -> (Decision<SessionRecord>, Logged) {
    let mut draft = Draft::of(record, context);
    let back_hours = draft.record.around.protocol.plan.dose_report_back_h;
    let taken_at = believed(&report, draft.now(), back_hours);
    if draft.record.session.dose.is_some() {
        let logged = report_again(&mut draft, taken_at);
        return (draft.decide(), logged);
    }
    let reasons = not_open_because(&draft.record, draft.now());
    record_dose(&mut draft, &report, taken_at, reasons.clone());
    let logged = if reasons.is_empty() {
        Logged::Recorded { taken_at }
    } else {
        Logged::RecordedOutsideReadySession { taken_at, reasons }
    };
    (draft.decide(), logged)
}

/// A dose with no session to belong to gets one of its own kind, watched by the care team.
pub fn log_unplanned_dose(
    patient: &PatientRecord,
    report: DoseReport,
    context: &mut RuleContext<'_>,
) -> (Decision<SessionRecord>, Logged) {
    let back_hours = patient.around.protocol.plan.dose_report_back_h;
    let taken_at = believed(&report, context.now, back_hours);
    let zone = patient.patient.zone;
    let planned = Planned {
        on: zone.date_of(taken_at),
        time: zone.time_of(taken_at),
        zone,
        at: taken_at,
    };
    let session = Session {
        kind: SessionKind::Unplanned,
        state: SessionState::PrepOpen,
        ..new_session(patient, planned, patient.patient.id, context)
    };
    let record = new_record(patient, session);
    let mut draft = Draft::of(&record, context);
    let reasons = vec!["no-session".to_owned()];
    record_dose(&mut draft, &report, taken_at, reasons.clone());
    (
        draft.decide(),
        Logged::RecordedOutsideReadySession { taken_at, reasons },
    )
}

/// Codes of the reasons for which a dose now is not by the book; empty when the screen was unlocked and nothing was
/// taken back since.
fn not_open_because(record: &SessionRecord, now: Instant) -> Vec<String> {
    if let SessionState::Ready {
        unlocked_at: Some(at),
    } = record.session.state
        && gate::unlocked_until(record, now).is_some()
        && !gate::something_was_taken_back(record, at)
    {
        return Vec::new();
    }
    let mut codes: Vec<String> = gate::reasons(record, now)
        .into_iter()
        .map(|reason| reason.code.name().to_owned())
        .collect();
    codes.dedup();
    if codes.is_empty() {
        codes.push("not-unlocked".to_owned());
    }
    codes
}

fn record_dose(draft: &mut Draft<'_, '_>, report: &DoseReport, taken_at: Instant, reasons: Vec<String>) {
    let now = draft.now();
    let order = draft.record.order.clone();
    let dose = Dose {
        taken_at,
        claimed_at: report.observed_at.filter(|claimed| *claimed != taken_at),
        received_at: now,
        by: draft.context.caller.clone(),
        instruction: order.as_ref().map(|order| order.content.instruction),
        order_version: order.as_ref().map(|order| order.version),
        shown_order_version: report.shown_order_version,
        not_open_because: reasons.clone(),
        corrected_from: Vec::new(),
        also_reported_at: Vec::new(),
    };
    draft.fact(
        "dose.logged",
        json!({
            "taken_at": taken_at, "received_at": now, "not_open_because": &reasons,
            "protocol": &draft.record.session.protocol_version,
        }),
    );
    draft.record.session.dose = Some(dose);
    let sitter = draft.record.current_sitter();
    let sits = sitter.filter(|sitter| matches!(sitter.state, SitterState::Present { .. }));
    if let Some(email) = sits.map(|sitter| sitter.email.clone()) {
        draft.record.session.know_sitter(&email).sat = true;
    }
    draft.end_preparation(Excuse::DoseLogged);
    draft.enter(SessionState::Dosed);
    make_timetable(draft);
    if !reasons.is_empty() {
        let watched = draft
            .record
            .current_sitter()
            .is_some_and(|it| matches!(it.state, SitterState::Present { .. }));
        let unverified = matches!(draft.context.caller, Caller::Unverified { .. });
        let level = if watched && !unverified {
            Level::P2
        } else {
            Level::P1
        };
        draft.signal(level, Cause::UnplannedDose { reasons });
    }
    let signed = order.map(|order| order.version);
    if report
        .shown_order_version
        .is_some_and(|shown| Some(shown) != signed)
    {
        draft.signal(
            Level::P1,
            Cause::OutdatedOrder {
                shown: report.shown_order_version,
                signed,
            },
        );
    }
}

/// A second report: the earliest time stands; one much earlier or later is told, it may be another dose.
fn report_again(draft: &mut Draft<'_, '_>, taken_at: Instant) -> Logged {
    let first = draft.record.session.t0();
    let same = is_same_dose(&draft.record, taken_at);
    draft.fact("dose.reported_again", json!({ "taken_at": taken_at }));
    let dose = draft.record.session.dose.as_mut();
    let new = dose.filter(|dose| dose.taken_at != taken_at && !dose.also_reported_at.contains(&taken_at));
    if let Some(dose) = new {
        dose.also_reported_at.push(taken_at);
        if !same {
            draft.signal(
                Level::P1,
                Cause::UnplannedDose {
                    reasons: vec!["second-dose".to_owned()],
                },
            );
        } else if taken_at < first && draft.record.session.state.is_running() {
            move_dose(draft, taken_at);
        }
    }
    Logged::SameDose {
        taken_at: draft.record.session.t0(),
    }
}

/// Corrects the time of a dose that was logged; the checks still to come move with it.
pub fn correct_time(
    record: &SessionRecord,
    taken_at: Instant,
    context: &mut RuleContext<'_>,
) -> Result<Decision<SessionRecord>, Refusal> {
    if !record.session.state.is_running() {
        return Err(Refusal::wrong_state(
            "not-running",
            "the dose's time can be corrected only while the session runs",
        ));
    }
    let back_hours = record.around.protocol.plan.dose_report_back_h;
    if taken_at > context.now {
        return Err(Refusal::invalid("taken_at", "is in the future"));
    }
    if taken_at < context.now - minutes(back_hours * 60) {
        return Err(Refusal::invalid(
            "taken_at",
            format!("is more than {back_hours} hours ago"),
        ));
    }
    let mut draft = Draft::of(record, context);
    if record.session.t0() != taken_at {
        move_dose(&mut draft, taken_at);
    }
    Ok(draft.decide())
}

fn move_dose(draft: &mut Draft<'_, '_>, taken_at: Instant) {
    let from = draft.record.session.t0();
    draft.fact("dose.time_corrected", json!({"from": from, "to": taken_at}));
    if let Some(dose) = &mut draft.record.session.dose {
        dose.corrected_from.push(from);
        dose.taken_at = taken_at;
    }
    let ended: Vec<Duty> = draft
        .record
        .watch
        .duties
        .iter()
        .filter(|duty| matches!(duty.kind, DutyKind::CheckIn { .. }) && !duty.is_open())
        .filter(|duty| !matches!(duty.state, DutyState::Excused { .. }))
        .cloned()
        .collect();
    draft.excuse(Excuse::DoseTimeCorrected, |duty| {
        matches!(duty.kind, DutyKind::CheckIn { .. } | DutyKind::Release)
    });
    make_timetable_except(draft, &ended);
}

fn make_timetable(draft: &mut Draft<'_, '_>) {
    make_timetable_except(draft, &[]);
}

/// Opens every row of the timetable but those that are `ended` already. Rows whose time has passed become one check
/// that is due now, with blood pressure if one of them asks for it. A row that ended too early for its new time is owed
/// again.
fn make_timetable_except(draft: &mut Draft<'_, '_>, ended: &[Duty]) {
    let now = draft.now();
    let protocol = draft.record.around.protocol.clone();
    let mut passed: Vec<(Instant, CheckRule)> = Vec::new();
    for rule in &protocol.timetable.checks {
        for (ordinal, due_at) in due_times(draft, rule) {
            let kind = DutyKind::CheckIn {
                rule: rule.key.clone(),
                ordinal,
            };
            let opens_at = due_at - seconds(rule.opens_before_s);
            let counts = |duty: &Duty| matches!(duty.state, DutyState::Met { observed_at, .. } if opens_at <= observed_at);
            let before = ended.iter().find(|duty| duty.kind == kind);
            if before.is_some_and(|duty| due_at < now || counts(duty)) {
                continue;
            }
            let ordinal = before.map_or(ordinal, |_| next_check_ordinal(draft, &rule.key));
            let id = open_check(draft, rule, ordinal, due_at, opens_at);
            if due_at < now {
                draft.end(
                    id,
                    DutyState::Excused {
                        why: Excuse::MergedIntoCheckNow,
                        at: now,
                    },
                );
                passed.push((due_at, rule.clone()));
            }
        }
    }
    for owner in [OwedBy::Sitter, OwedBy::Patient] {
        let latest = passed
            .iter()
            .filter(|(_, rule)| rule.owed_by == owner)
            .max_by_key(|(due_at, rule)| (rule.vitals == VitalsAsked::Yes, *due_at));
        if let Some((_, rule)) = latest {
            let ordinal = next_check_ordinal(draft, &rule.key);
            let rule = rule.clone();
            open_check(draft, &rule, ordinal, now, now);
        }
    }
    open_release(draft);
}

/// The next number of a repeated row.
pub fn next_check_ordinal(draft: &Draft<'_, '_>, key: &str) -> u32 {
    let ordinals = draft
        .record
        .watch
        .duties
        .iter()
        .filter_map(|duty| match &duty.kind {
            DutyKind::CheckIn { rule, ordinal } if rule == key => Some(*ordinal),
            _ => None,
        });
    ordinals.max().map_or(0, |ordinal| ordinal + 1)
}

/// When a row is due, with the number of each repetition.
fn due_times(draft: &Draft<'_, '_>, rule: &CheckRule) -> Vec<(u32, Instant)> {
    let session = &draft.record.session;
    let (t0, zone) = (session.t0(), draft.record.patient.zone);
    let longest_hold = draft.record.around.protocol.order_limits.hold_minutes.max;
    let hold = session
        .dose
        .as_ref()
        .and_then(|dose| dose.instruction)
        .map_or(longest_hold, |it| it.hold_minutes);
    let first_min = match rule.due {
        CheckDue::AfterHold => i64::from(hold),
        CheckDue::AfterMinutes(after_min) => after_min,
    };
    let last_min = rule.repeats.map_or(first_min, |repeats| repeats.until_min);
    let every_min = rule.repeats.map_or(1, |repeats| repeats.every_min.max(1));
    (0_u32..)
        .zip(std::iter::successors(Some(first_min), |at_min| {
            Some(at_min + every_min)
        }))
        .take_while(|(_, at_min)| *at_min <= last_min)
        .map(|(ordinal, at_min)| {
            let due_at = t0 + minutes(at_min);
            let latest = rule
                .not_after_local
                .map(|latest| zone.resolve(zone.date_of(t0), latest));
            // Never while the session may well run: a dose late in the day keeps its distance.
            let running_until =
                t0 + minutes(draft.record.around.protocol.timetable.release.clinician_after_min);
            let latest = latest.filter(|latest| *latest > running_until);
            (ordinal, latest.map_or(due_at, |latest| due_at.min(latest)))
        })
        .collect()
}

/// Who owes what is a sitter's: without one who said yes, the care team.
pub fn sitter_or_care_team(record: &SessionRecord) -> OwedBy {
    let sitter = record.current_sitter();
    if sitter.is_some_and(|sitter| sitter.state.is_committed()) {
        OwedBy::Sitter
    } else {
        OwedBy::OnCall
    }
}

/// Opens one check. Without a sitter the care team owes what a sitter would.
pub fn open_check(
    draft: &mut Draft<'_, '_>,
    rule: &CheckRule,
    ordinal: u32,
    due_at: Instant,
    opens_at: Instant,
) -> crate::id::DutyId {
    let owed_by = match rule.owed_by {
        OwedBy::Sitter => sitter_or_care_team(&draft.record),
        other => other,
    };
    let lane = if rule.follow_up {
        Lane::Reminder
    } else {
        Lane::Session
    };
    let ladder = draft.record.around.protocol.ladder(&rule.ladder);
    // What releases the patient cannot be answered before that is possible, or a good answer would be used up.
    let opens_at = if rule.releases {
        opens_at
            .max(crate::releasing::opens_at(&draft.record))
            .min(due_at)
    } else {
        opens_at
    };
    draft.open(NewDuty {
        kind: DutyKind::CheckIn {
            rule: rule.key.clone(),
            ordinal,
        },
        owed_by,
        lane,
        opens_at,
        due_at,
        missed_after: Some(due_at + seconds(rule.grace_s)),
        ladder,
    })
}

/// The duty that keeps a running session awake: not released by then, a nurse; later, a clinician, again and again.
fn open_release(draft: &mut Draft<'_, '_>) {
    let rule = draft.record.around.protocol.timetable.release.clone();
    let t0 = draft.record.session.t0();
    let repeat_every_s = u32::try_from(rule.again_every_min * 60).unwrap_or(u32::MAX);
    let rungs = vec![
        Rung {
            after_due_s: 0,
            tell: vec![Audience::OnCallNurse],
            repeat_every_s: None,
        },
        Rung {
            after_due_s: (rule.clinician_after_min - rule.nurse_after_min) * 60,
            tell: vec![Audience::Prescriber],
            repeat_every_s: Some(repeat_every_s),
        },
    ];
    let due_at = t0 + minutes(rule.nurse_after_min);
    let owed_by = sitter_or_care_team(&draft.record);
    draft.open(NewDuty {
        kind: DutyKind::Release,
        owed_by,
        lane: Lane::Session,
        opens_at: t0 + minutes(rule.not_before_min),
        due_at,
        missed_after: None,
        ladder: Ladder(rungs),
    });
}

/// A check-in of the timetable by its duty.
pub fn check_rule_of<'r>(record: &'r SessionRecord, duty: &Duty) -> Option<&'r CheckRule> {
    match &duty.kind {
        DutyKind::CheckIn { rule, .. } => record.around.protocol.check_rule(rule),
        _ => None,
    }
}
