//! The order: what a prescriber signed. How many lozenges, how strong, held how long, then spat or swallowed.
//!
//! The worst documented event at home was an instruction that changed by word of mouth (PROTOCOL section 2, rule 1),
//! so none of these is free text, none has a default, and every change is a new signed version.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::document::{OrderLimits, ProtocolDocument};
use crate::id::{OrderId, PersonId};
use crate::refusal::{Fault, Faults};
use crate::time::Instant;

/// What happens to the saliva after the hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterHold {
    /// Spit it out.
    Spit,
    /// Swallow it.
    Swallow,
}

impl AfterHold {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spit => "spit",
            Self::Swallow => "swallow",
        }
    }
}

/// The part of an order that is read back before each dose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruction {
    /// Lozenges for one session.
    pub lozenge_count: u32,
    /// Minutes under the tongue.
    pub hold_minutes: u32,
    /// Then spit or swallow.
    pub after_hold: AfterHold,
}

/// An order before it is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderDraft {
    /// What is read back.
    #[serde(flatten)]
    pub instruction: Instruction,
    /// Milligrams of each lozenge.
    pub strength_mg: u32,
    /// The day it was prescribed.
    pub prescribed_on: NaiveDate,
    /// The last day it may be used; at most six months later (21 CFR 1306.22).
    pub expires_on: NaiveDate,
    /// Refills left, 0 to 5 (21 CFR 1306.22).
    pub refills_left: u32,
}

/// A signed order. Versions count from 1 for each patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The order.
    pub id: OrderId,
    /// Counts up with each signature; what a read-back and a dose refer to.
    pub version: u32,
    /// What was ordered.
    #[serde(flatten)]
    pub content: OrderDraft,
    /// Who signed.
    pub signed_by: PersonId,
    /// When.
    pub signed_at: Instant,
    /// The second clinician, where the change was large.
    pub countersigned_by: Option<PersonId>,
}

impl OrderDraft {
    /// Total milligrams of one session.
    pub fn total_mg(&self) -> u32 {
        self.instruction.lozenge_count.saturating_mul(self.strength_mg)
    }
}

/// Checks an order against the clinic's ranges and signs it. All faults come back at once.
///
/// A total that differs from the previous order by the clinic's factor or more (either way) needs a second clinician:
/// it catches the tenfold typing error.
pub fn sign(
    draft: OrderDraft,
    previous: Option<&Order>,
    signer: PersonId,
    countersigner: Option<PersonId>,
    id: OrderId,
    now: Instant,
    document: &ProtocolDocument,
) -> Result<Order, Faults> {
    let limits = &document.order_limits;
    let mut faults = check_ranges(&draft, limits, now);
    if let Some(previous) = previous
        && changed_by_factor(
            previous.content.total_mg(),
            draft.total_mg(),
            limits.second_signature_factor,
        )
        && countersigner.is_none_or(|second| second == signer)
    {
        faults.push(Fault::new(
            "countersigned_by",
            "the total differs so much from the last order that a second clinician must sign",
        ));
    }
    faults.into_result()?;
    Ok(Order {
        id,
        version: previous.map_or(1, |previous| previous.version + 1),
        content: draft,
        signed_by: signer,
        signed_at: now,
        countersigned_by: countersigner.filter(|second| *second != signer),
    })
}

fn check_ranges(draft: &OrderDraft, limits: &OrderLimits, now: Instant) -> Faults {
    let mut faults = Faults::default();
    let instruction = &draft.instruction;
    for (field, value, range) in [
        ("lozenge_count", instruction.lozenge_count, limits.lozenge_count),
        ("strength_mg", draft.strength_mg, limits.strength_mg),
        ("hold_minutes", instruction.hold_minutes, limits.hold_minutes),
        ("refills_left", draft.refills_left, limits.refills_left),
    ] {
        if !range.contains(value) {
            faults.push(Fault::new(
                field,
                format!("must be from {} to {}", range.min, range.max),
            ));
        }
    }
    if draft.total_mg() > limits.total_mg_max {
        faults.push(Fault::new(
            "strength_mg",
            format!("lozenges times strength is more than {} mg", limits.total_mg_max),
        ));
    }
    if draft.expires_on < draft.prescribed_on {
        faults.push(Fault::new("expires_on", "is before prescribed_on"));
    }
    let longest = draft
        .prescribed_on
        .checked_add_months(chrono::Months::new(limits.valid_months));
    if longest.is_none_or(|longest| draft.expires_on > longest) {
        faults.push(Fault::new(
            "expires_on",
            format!("is more than {} months after prescribed_on", limits.valid_months),
        ));
    }
    // A day of slack: the signer's calendar may be ahead of UTC's.
    if draft.prescribed_on > now.date_naive() + chrono::Days::new(1) {
        faults.push(Fault::new("prescribed_on", "is in the future"));
    }
    faults
}

fn changed_by_factor(before_mg: u32, after_mg: u32, factor: f64) -> bool {
    let (before, after) = (f64::from(before_mg), f64::from(after_mg));
    after >= before * factor || before >= after * factor
}
