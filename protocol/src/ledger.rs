//! The lozenge ledger: what came, what was taken, what went astray, and whether a count agrees (PROTOCOL 4.7).
//!
//! It is a diary and append-only: a mistake is corrected by another entry, with its reason. The lozenges of logged doses
//! are not entries; they are counted from the doses themselves, so the two cannot disagree. A dose that was spat out at
//! once was taken all the same: the entry says so and changes no balance.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::case::Cause;
use crate::desk::{NOTE_MAX_CHARS, at_patients_desk};
use crate::id::LedgerEntryId;
use crate::people::Caller;
use crate::record::{Decision, PatientRecord, RuleContext};
use crate::refusal::{Fault, Faults, Refusal};
use crate::session::Session;
use crate::time::{Instant, minutes};

/// What an entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LedgerKind {
    /// A package came.
    Received {
        /// Lozenges.
        count: u32,
    },
    /// A logged dose was spat out at once or vomited during the hold. Changes no balance.
    DoseWasted,
    /// Lost or stolen.
    Lost {
        /// Lozenges.
        count: u32,
    },
    /// Destroyed, as the clinic said.
    Destroyed {
        /// Lozenges.
        count: u32,
    },
    /// Brought back.
    Returned {
        /// Lozenges.
        count: u32,
    },
    /// Somebody counted what is there. Changes no balance; one that differs is told to the care team.
    CountDeclared {
        /// Lozenges.
        count: u32,
    },
    /// The clinic sets the balance right, with a reason.
    Correction {
        /// Lozenges more, or fewer if negative.
        change: i32,
    },
}

impl LedgerKind {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Received { .. } => "received",
            Self::DoseWasted => "dose_wasted",
            Self::Lost { .. } => "lost",
            Self::Destroyed { .. } => "destroyed",
            Self::Returned { .. } => "returned",
            Self::CountDeclared { .. } => "count_declared",
            Self::Correction { .. } => "correction",
        }
    }

    /// How many lozenges more are there because of it.
    fn change(self) -> i64 {
        match self {
            Self::Received { count } => i64::from(count),
            Self::Lost { count } | Self::Destroyed { count } | Self::Returned { count } => -i64::from(count),
            Self::Correction { change } => i64::from(change),
            Self::DoseWasted | Self::CountDeclared { .. } => 0,
        }
    }
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The entry.
    pub id: LedgerEntryId,
    /// What it says.
    #[serde(flatten)]
    pub kind: LedgerKind,
    /// When it happened, by who says so; never after `received_at`.
    pub observed_at: Instant,
    /// When the server heard of it.
    pub received_at: Instant,
    /// Who says so.
    pub by: Caller,
    /// In their words. A correction has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How a package came and where it stands, if somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
}

impl LedgerEntry {
    /// Whether somebody keeps the ledger from it on.
    pub(crate) fn starts(&self) -> bool {
        matches!(
            self.kind,
            LedgerKind::Received { .. } | LedgerKind::Correction { .. }
        )
    }
}

/// How a package came and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// It came sealed.
    pub sealed: bool,
    /// It stands in a locked place.
    pub locked: bool,
}

/// An entry as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// What it says.
    pub kind: LedgerKind,
    /// When it happened; now if nobody says.
    pub observed_at: Option<Instant>,
    /// In the sender's words.
    pub note: Option<String>,
    /// How a package came and where it stands.
    pub storage: Option<Storage>,
}

/// Lozenges of the doses that were logged since the ledger is kept: for each the number that was ordered then. A dose without an
/// order counts none, since nobody knows; the count after it will say so.
pub fn taken<'s>(ledger: &[LedgerEntry], sessions: impl IntoIterator<Item = &'s Session>) -> u32 {
    let Some(since) = kept_since(ledger) else {
        return 0;
    };
    let doses = sessions.into_iter().filter_map(|session| session.dose.as_ref());
    doses
        .filter(|dose| dose.taken_at >= since)
        .filter_map(|dose| dose.instruction)
        .map(|instruction| instruction.lozenge_count)
        .sum()
}

/// How many lozenges should be there; `None` before the first was received or corrected, when nobody keeps the ledger.
pub fn balance(ledger: &[LedgerEntry], taken: u32) -> Option<i64> {
    kept_since(ledger)?;
    let changes: i64 = ledger.iter().map(|entry| entry.kind.change()).sum();
    Some(changes - i64::from(taken))
}

/// Since when somebody keeps the ledger: the first that came, or the first correction. Doses before that came out of packages
/// that are not in it.
fn kept_since(ledger: &[LedgerEntry]) -> Option<Instant> {
    ledger
        .iter()
        .filter(|entry| entry.starts())
        .map(|entry| entry.observed_at)
        .min()
}

/// Writes an entry; tells the care team of a count that differs and of lozenges that are lost.
///
/// Refused, with every fault at once: a number out of range, more destroyed or returned than there were, a moment in the future or before
/// the protocol's reach, a correction by somebody who is not of the clinic or without a reason.
pub fn enter(
    record: &PatientRecord,
    new: NewEntry,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<PatientRecord>, LedgerEntry), Refusal> {
    let rules = &record.around.protocol.ledger;
    let before = balance(
        &record.course.ledger,
        taken(&record.course.ledger, &record.sessions),
    );
    check(record, &new, before, context)?;
    let now = context.now;
    let entry = LedgerEntry {
        id: context.ids.fresh(),
        kind: new.kind,
        observed_at: new.observed_at.unwrap_or(now),
        received_at: now,
        by: context.caller.clone(),
        note: new.note,
        storage: new.storage,
    };
    let told =
        match entry.kind {
            LedgerKind::CountDeclared { count } => before
                .filter(|expected| *expected != i64::from(count))
                .map(|expected| {
                    let counted = count;
                    (rules.mismatch_level, Cause::CountDiffers { expected, counted })
                }),
            LedgerKind::Lost { count } => Some((rules.lost_level, Cause::LozengesLost { count })),
            _ => None,
        };
    let (mut decision, ()) = at_patients_desk(record, context, |desk| {
        desk.fact("ledger.entered", json!(&entry));
        if let Some((level, cause)) = told {
            desk.signal(level, cause, None);
        }
    });
    decision.after.course.ledger.push(entry.clone());
    Ok((decision, entry))
}

fn check(
    record: &PatientRecord,
    new: &NewEntry,
    balance: Option<i64>,
    context: &RuleContext<'_>,
) -> Result<(), Refusal> {
    let mut faults = Faults::default();
    let most = record.around.protocol.ledger.entry_max;
    let of_clinic = matches!(context.caller, Caller::Staff { .. });
    let mut in_range = |field: &str, value: u32, least: u32| {
        if value < least || value > most {
            faults.push(Fault::new(field, format!("must be from {least} to {most}")));
        }
    };
    match new.kind {
        LedgerKind::Received { count }
        | LedgerKind::Lost { count }
        | LedgerKind::Destroyed { count }
        | LedgerKind::Returned { count } => in_range("count", count, 1),
        LedgerKind::CountDeclared { count } => in_range("count", count, 0),
        LedgerKind::Correction { change } => in_range("change", change.unsigned_abs(), 1),
        LedgerKind::DoseWasted => {}
    }
    match new.kind {
        LedgerKind::Correction { .. } if !of_clinic => {
            faults.push(Fault::new("kind", "only the clinic corrects the ledger"));
        }
        LedgerKind::Correction { .. } if new.note.is_none() => {
            faults.push(Fault::new("note", "a correction needs its reason"));
        }
        LedgerKind::Destroyed { count } | LedgerKind::Returned { count }
            if balance.is_some_and(|balance| i64::from(count) > balance) =>
        {
            faults.push(Fault::new(
                "count",
                "is more than the balance; count and declare first",
            ));
        }
        LedgerKind::DoseWasted if record.sessions.iter().all(|session| session.dose.is_none()) => {
            faults.push(Fault::new("kind", "no dose was logged"));
        }
        _ => {}
    }
    let counted = matches!(
        new.kind,
        LedgerKind::Received { .. } | LedgerKind::CountDeclared { .. }
    );
    if new.storage.is_some() && !counted {
        faults.push(Fault::new(
            "sealed",
            "is said of a package that came or was counted",
        ));
    }
    if new
        .note
        .as_ref()
        .is_some_and(|note| note.chars().count() > NOTE_MAX_CHARS)
    {
        faults.push(Fault::new(
            "note",
            format!("has more than {NOTE_MAX_CHARS} characters"),
        ));
    }
    let back_hours = record.around.protocol.plan.dose_report_back_h;
    match new.observed_at {
        Some(at) if at > context.now => faults.push(Fault::new("observed_at", "is in the future")),
        Some(at) if at < context.now - minutes(back_hours * 60) => {
            faults.push(Fault::new(
                "observed_at",
                format!("is more than {back_hours} hours ago"),
            ));
        }
        _ => {}
    }
    faults.into_result().map_err(Refusal::Invalid)
}
