//! The end of a shift: who is on duty after somebody.

use super::OnCallPlan;
use crate::id::PersonId;
use crate::people::OnCallPlace;
use crate::time::Instant;

/// The places whose holders work on cases in turns, in the order in which one stands in for another.
const HANDED_OVER: [OnCallPlace; 3] = [OnCallPlace::Nurse, OnCallPlace::Backup, OnCallPlace::AfterHours];

/// Who is on duty at `now` in the stead of somebody whose turn ended after `since`: the holder of the place that they had,
/// else of another. `None` while they have a place themselves, for who had none, and where nobody has one now.
pub fn next_on_duty(plan: &OnCallPlan, person: PersonId, since: Instant, now: Instant) -> Option<PersonId> {
    let holds = |place| plan.holder(place, now).people().contains(&person);
    if HANDED_OVER.into_iter().any(holds) {
        return None;
    }
    let had = |place: &OnCallPlace| {
        let mut turns = plan.holders(*place, since, now).into_iter();
        turns.any(|turn| turn.what.people().contains(&person))
    };
    let theirs = HANDED_OVER.into_iter().find(had)?;
    let mut places = std::iter::once(theirs).chain(HANDED_OVER);
    places.find_map(|place| plan.holder(place, now).people().first().copied())
}
