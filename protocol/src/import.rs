//! Bringing patients over in mid-course: doses of before, lozenges held, limits and the next session (FEATURES D1).
//!
//! A dose of before is a session that is closed, so interval, seven days and review count it like any other. The ledger starts
//! with what the patient holds now. Limits are kept beside the protocol's and the stricter counts. The next session is kept as
//! a wish: it is planned like any other, once the enrolment is settled and an order signed.

use chrono::Duration;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::document::ProtocolDocument;
use crate::id::{ImportId, PersonId};
use crate::ledger::{LedgerEntry, LedgerKind};
use crate::people::Caller;
use crate::plan::INTERVAL_HOURS_MAX;
use crate::planning::{new_record, new_session, next_ordinal};
use crate::record::{Decision, Fact, PatientRecord, RuleContext, SessionRecord};
use crate::refusal::{Fault, Faults};
use crate::session::{Dose, Session, SessionKind, SessionState};
use crate::time::{Instant, Planned};

/// Most doses of one patient that are brought over.
pub const DOSES_MAX: usize = 60;

/// How far back a dose may be that is brought over, days.
const DOSE_BACK_MAX_DAYS: i64 = 366;

/// How far ahead the next session may be, days.
const NEXT_AHEAD_MAX_DAYS: i64 = 366;

/// How far apart this patient's doses are, where it is stricter than the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImportedLimits {
    /// Least hours from one dose to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_interval_hours: Option<i64>,
    /// Most doses in seven days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_doses_rolling_7d: Option<usize>,
}

/// A dose of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoseBefore {
    /// Which of those that were written down, from 1.
    pub number: usize,
    /// When it was taken, in the patient's local time.
    pub taken: Planned,
}

/// What is known of a patient from before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// Doses, in the order of the file.
    pub doses: Vec<DoseBefore>,
    /// Lozenges they hold now.
    pub lozenges_held: u32,
    /// Their limits.
    pub limits: ImportedLimits,
    /// When the next session was to be.
    pub next_session: Option<Planned>,
}

/// That a patient was brought over, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// The import.
    pub id: ImportId,
    /// How many doses came with them.
    pub doses: usize,
    /// Lozenges they held.
    pub lozenges_held: u32,
    /// Their limits.
    pub limits: ImportedLimits,
    /// When the next session was to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_session: Option<Planned>,
    /// When it was done.
    pub at: Instant,
    /// By whom.
    pub by: Caller,
}

/// Everything wrong with what is to be brought over, by the column's name.
pub fn check(before: &Before, protocol: &ProtocolDocument, now: Instant) -> Faults {
    let mut faults = Faults::default();
    let mut fault = |column: &str, message: String| faults.push(Fault::new(column, message));
    if before.doses.len() > DOSES_MAX {
        fault("doses", format!("has more than {DOSES_MAX} doses"));
    }
    for (index, dose) in before.doses.iter().enumerate() {
        let (number, at) = (dose.number, dose.taken.at);
        let watched_h = protocol.plan.dose_report_back_h;
        if at > now {
            fault("doses", format!("dose {number} is in the future"));
        } else if at > now - Duration::hours(watched_h) {
            // Somebody may have to watch over it: it is reported as a dose, and not as one of before.
            fault(
                "doses",
                format!("dose {number} was taken less than {watched_h} hours ago: report it as a dose"),
            );
        } else if at < now - Duration::days(DOSE_BACK_MAX_DAYS) {
            fault("doses", format!("dose {number} is more than a year ago"));
        }
        if before.doses[..index].iter().any(|earlier| earlier.taken.at == at) {
            fault("doses", format!("dose {number} stands twice"));
        }
    }
    let most = protocol.ledger.entry_max;
    if before.lozenges_held > most {
        fault("lozenges_held", format!("must be from 0 to {most}"));
    }
    let plan = &protocol.plan;
    let least = plan.min_interval_hours;
    if before
        .limits
        .min_interval_hours
        .is_some_and(|hours| !(least..=INTERVAL_HOURS_MAX).contains(&hours))
    {
        fault(
            "min_interval_hours",
            format!("must be from {least} to {INTERVAL_HOURS_MAX}"),
        );
    }
    let most = plan.max_doses_rolling_7d;
    if before
        .limits
        .max_doses_rolling_7d
        .is_some_and(|doses| !(1..=most).contains(&doses))
    {
        fault("max_doses_7d", format!("must be from 1 to {most}"));
    }
    if let Some(next) = before.next_session {
        if next.at <= now {
            fault("next_session", "is in the past".to_owned());
        } else if next.at > now + Duration::days(NEXT_AHEAD_MAX_DAYS) {
            fault("next_session", "is more than a year ahead".to_owned());
        }
        if !plan.dosing_hours_local.contains(next.time) {
            fault("next_session", plan.dosing_hours_local.in_words());
        }
    }
    faults
}

/// Writes down what was before for a patient who is new here. Checks nothing.
pub fn bring_over(
    record: &PatientRecord,
    before: &Before,
    importer: PersonId,
    context: &mut RuleContext<'_>,
) -> (Decision<PatientRecord>, Vec<Decision<SessionRecord>>) {
    let mut decision = Decision::unchanged(record);
    let (now, by) = (context.now, context.caller.clone());
    let import = Import {
        id: context.ids.fresh(),
        doses: before.doses.len(),
        lozenges_held: before.lozenges_held,
        limits: before.limits,
        next_session: before.next_session,
        at: now,
        by: by.clone(),
    };
    decision.facts.push(Fact::new("patient.imported", json!(&import)));
    let course = &mut decision.after.course;
    course.imports.push(import);
    // With none left the ledger is kept all the same, so that no dose opens.
    let kind = match before.lozenges_held {
        0 => LedgerKind::Correction { change: 0 },
        count => LedgerKind::Received { count },
    };
    course.ledger.push(LedgerEntry {
        id: context.ids.fresh(),
        kind,
        observed_at: now,
        received_at: now,
        by: by.clone(),
        note: Some("held when the patient was brought over".to_owned()),
        storage: None,
    });
    let mut doses: Vec<Planned> = before.doses.iter().map(|dose| dose.taken).collect();
    doses.sort_by_key(|dose| dose.at);
    let first = next_ordinal(record);
    let sessions = doses
        .into_iter()
        .zip(first..)
        .map(|(planned, ordinal)| {
            let session = Session {
                ordinal,
                kind: SessionKind::Imported,
                state: SessionState::Closed { at: now },
                dose: Some(Dose {
                    taken_at: planned.at,
                    claimed_at: None,
                    received_at: now,
                    by: by.clone(),
                    instruction: None,
                    order_version: None,
                    shown_order_version: None,
                    not_open_because: Vec::new(),
                    corrected_from: Vec::new(),
                    also_reported_at: Vec::new(),
                }),
                ..new_session(record, planned, importer, context)
            };
            let fact = Fact::new(
                "dose.imported",
                json!({"session": session.id, "taken_at": planned.at}),
            );
            let mut decided = Decision::unchanged(&new_record(&decision.after, session));
            decided.facts.push(fact);
            decided
        })
        .collect();
    (decision, sessions)
}
