//! What a patient allows: whether their sitter hears of it when the care team is worried after a session.

use crate::record::SessionRecord;

/// Whether the sitter may be told that a follow-up check is late. No, as long as nobody knows that the patient agreed.
pub fn sitter_hears_of_lateness(_record: &SessionRecord) -> bool {
    false
}
