//! Mending what the watch lost: the rule by which the worker's auditor gives duties their wake-up and cases their duty
//! again.
//!
//! Nothing should ever need it: every rule leaves an open duty with a time at which it is looked at again, and a case
//! short of resolved with such a duty. It is for rows that were changed by hand, restored in part, or left by a fault.
//! On a record that is whole it changes nothing.

use crate::desk::at_patients_desk;
use crate::draft::Draft;
use crate::record::{Decision, PatientRecord, RuleContext, SessionRecord};

/// Mends what is owed about a session.
pub fn session(record: &SessionRecord, context: &mut RuleContext<'_>) -> Decision<SessionRecord> {
    let mut draft = Draft::of(record, context);
    draft.desk().mend();
    draft.decide()
}

/// Mends what is owed about a patient between sessions.
pub fn patient(record: &PatientRecord, context: &mut RuleContext<'_>) -> Decision<PatientRecord> {
    let (decision, ()) = at_patients_desk(record, context, |desk| {
        desk.mend();
    });
    decision
}
