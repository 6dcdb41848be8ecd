//! What a patient allows: whether their sitter hears of it when the care team is worried after a session.

use crate::enrolment::answer_to;
use crate::record::SessionRecord;

/// Whether the sitter may be told that a follow-up check is late: only if the patient's last word on it is yes. (Whether they asked
/// that their sitter be left in peace all the same is asked where sitters are reminded.)
pub fn sitter_hears_of_lateness(record: &SessionRecord) -> bool {
    let asked = record.around.protocol.follow_up.sharing_item.as_deref();
    asked
        .and_then(|item| answer_to(&record.course, item))
        .is_some_and(|answer| answer.agreed)
}
