//! "Cover me": one person takes another's turns for a while.

use chrono::Duration;

use super::check::TURN_MAX;
use super::{Cover, OnCallPlan, PLACES, Roster};
use crate::id::PersonId;
use crate::refusal::{Fault, Faults};
use crate::time::Instant;

/// How long a cover that is over stays in the roster, so that it does not grow for ever.
const KEPT_FOR: Duration = Duration::days(92);

/// Somebody asks to be covered, or is covered by who keeps the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoverRequest {
    /// Whose turns.
    pub instead_of: PersonId,
    /// Who takes them.
    pub by: PersonId,
    /// From then on; what is over stays as it was.
    pub from: Instant,
    /// Until then.
    pub until: Instant,
}

/// The roster in which `by` has every turn that was `instead_of`'s in that time, and nothing else is changed. Refused, with
/// every fault at once, if that is no turn at all or a place that several people have together.
pub fn cover(plan: &OnCallPlan, request: CoverRequest, now: Instant) -> Result<Roster, Faults> {
    let CoverRequest { instead_of, by, .. } = request;
    let (from, until) = (request.from.max(now), request.until);
    let mut faults = Faults::default();
    if by == instead_of {
        faults.push(Fault::new("by", "must be somebody else"));
    } else if !plan.staff.contains_key(&by) {
        let message = "is not an active member of this clinic's staff";
        faults.push(Fault::new("by", message));
    }
    if until <= now {
        faults.push(Fault::new("until", "is in the past"));
    } else if until <= from {
        faults.push(Fault::new("until", "is not after `from`"));
    } else if until - from > TURN_MAX {
        let message = format!("is more than {} days after `from`", TURN_MAX.num_days());
        faults.push(Fault::new("until", message));
    } else if from - now > TURN_MAX * 4 {
        faults.push(Fault::new("from", "is too far ahead"));
    } else {
        match turns(plan, instead_of, from, until) {
            Ok(turns) if turns.is_empty() => {
                let message = "nobody of that name is on call by the roster or the list in that time";
                faults.push(Fault::new("from", message));
            }
            Ok(turns) if faults.0.is_empty() => return Ok(with_covers(plan, &turns, by, now)),
            Ok(_) => {}
            Err(fault) => faults.push(fault),
        }
    }
    Err(faults)
}

/// Every turn of a person at a place of the roster.
fn turns(
    plan: &OnCallPlan,
    instead_of: PersonId,
    from: Instant,
    until: Instant,
) -> Result<Vec<Cover>, Fault> {
    let mut turns = Vec::new();
    for place in PLACES {
        for stretch in plan.holders(place, from, until) {
            let people = stretch.what.people();
            if !people.contains(&instead_of) {
                continue;
            }
            if people.len() > 1 {
                let message = format!(
                    "shares the place `{}` with others; change the on-call list instead",
                    place.name()
                );
                return Err(Fault::new("instead_of", message));
            }
            turns.push(Cover {
                place,
                instead_of,
                by: instead_of,
                from: stretch.from,
                until: stretch.until,
            });
        }
    }
    Ok(turns)
}

/// A cover that was there makes room, so that two of one place never overlap.
fn with_covers(plan: &OnCallPlan, turns: &[Cover], by: PersonId, now: Instant) -> Roster {
    let mut roster = Roster::clone(&plan.roster);
    for turn in turns {
        let kept = roster.covers.iter().filter(|old| now - old.until < KEPT_FOR);
        roster.covers = kept
            .flat_map(|old| without(old, turn))
            .chain([Cover { by, ..*turn }])
            .collect();
    }
    roster
}

/// What is left of a cover outside another.
fn without(old: &Cover, new: &Cover) -> impl Iterator<Item = Cover> + use<> {
    let apart = old.place != new.place || old.until <= new.from || new.until <= old.from;
    let parts = if apart {
        [Some(*old), None]
    } else {
        [
            (old.from < new.from).then_some(Cover {
                until: new.from,
                ..*old
            }),
            (new.until < old.until).then_some(Cover {
                from: new.until,
                ..*old
            }),
        ]
    };
    parts.into_iter().flatten()
}
