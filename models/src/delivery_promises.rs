//! What holds in every state of the delivery model.

use stateright::Property;

use crate::delivery::{Delivery, Entry, Kind, World, Wrong};
use crate::outbox::RowState;

pub const I1: &str = "I1: an escalation ends sent, taken, or failed with the next contact told";
pub const I2: &str = "I2: one mail, and one more for each fault after the dot";
pub const I3: &str = "I3, I4: nothing is sent that was of no use when it was claimed";
pub const I5: &str = "I5: nothing is recorded or kept under an old lease";
pub const I6: &str = "I6: an end is final";
pub const SAME_BYTES: &str = "every mail of a row has the same bytes";
pub const TRUE_SENT: &str = "what is sent was accepted";
pub const TRUE_DROPPED: &str = "only what is of no use is dropped";

pub fn all() -> Vec<Property<Delivery>> {
    vec![
        Property::always(I1, |model: &Delivery, world: &World| {
            let heard = |(kind, entry): (&Kind, &Entry)| *kind != Kind::Escalation || somebody_hears(entry);
            model.kinds.iter().zip(&world.rows).all(heard)
        }),
        Property::always(I2, |_, world| {
            every(world, |entry| entry.copies <= 1 + entry.excuses)
        }),
        Property::always(I3, |_, world| never(world, Wrong::OfNoUse)),
        Property::always(I5, |_, world| never(world, Wrong::OldFence)),
        Property::always(I6, |_, world| never(world, Wrong::ChangedAfterItsEnd)),
        Property::always(SAME_BYTES, |_, world| never(world, Wrong::OtherBytes)),
        Property::always(TRUE_SENT, |_, world| {
            every(world, |entry| {
                entry.row.state != RowState::Sent || entry.copies > 0
            })
        }),
        Property::always(TRUE_DROPPED, |_, world| {
            every(world, |entry| {
                entry.row.state != RowState::Dropped || !entry.wanted || entry.old
            })
        }),
    ]
}

fn somebody_hears(entry: &Entry) -> bool {
    match entry.row.state {
        RowState::Pending | RowState::Leased => true,
        RowState::Sent => entry.copies > 0,
        RowState::Dropped => !entry.wanted,
        RowState::Failed => entry.next_told,
    }
}

fn every(world: &World, holds: fn(&Entry) -> bool) -> bool {
    world.rows.iter().all(holds)
}

fn never(world: &World, wrong: Wrong) -> bool {
    world.rows.iter().all(|entry| entry.wrong != Some(wrong))
}
