//! A contact of a case cannot be reached by mail: the next rung of its ladder is told at once (docs/ARCHITECTURE.md,
//! "Walkthrough 3").
//!
//! Saying so twice for the same message changes nothing, so a worker that dies in between says it again.

use bedside_protocol::desk::at_patients_desk;
use bedside_protocol::draft::Draft;
use bedside_protocol::id::{CaseId, NoticeId, PersonId};
use bedside_protocol::notice::{About, Notice, Who};
use bedside_protocol::record::{Decision, PatientRecord, RuleContext, SessionRecord};
use bedside_protocol::watch::Subject;
use bedside_store::{DecideError, Scope, Store};

/// Which message to whom, and of which case.
#[derive(Debug, Clone, Copy)]
struct Unreached {
    case: CaseId,
    notice: NoticeId,
    contact: PersonId,
}

/// Lets the case know that `notice` does not reach its recipient. Does nothing for messages that belong to no case.
pub(crate) async fn tell_next(
    store: &Store,
    subject: Option<Subject>,
    notice: &Notice,
) -> Result<(), DecideError> {
    let (About::Case { case, .. }, Who::Staff(contact), Some(subject)) =
        (&notice.about, notice.to.who, subject)
    else {
        return Ok(());
    };
    let unreached = Unreached {
        case: *case,
        notice: notice.id,
        contact,
    };
    let scope = Scope::system();
    let told = match subject {
        Subject::Session(id) => {
            let rule = move |record: &SessionRecord, context: &mut RuleContext<'_>| {
                Ok((of_session(record, context, unreached), ()))
            };
            store.decide_session(scope, id, None, rule).await
        }
        Subject::Patient(id) => {
            let rule = move |record: &PatientRecord, context: &mut RuleContext<'_>| {
                let Unreached {
                    case,
                    notice,
                    contact,
                } = unreached;
                Ok(at_patients_desk(record, context, |desk| {
                    desk.contact_unreachable(case, notice, contact);
                }))
            };
            store.decide_patient(scope, id, None, rule).await
        }
        Subject::Clinic(_) => return Ok(()),
    };
    told.map(|_| ())
}

fn of_session(
    record: &SessionRecord,
    context: &mut RuleContext<'_>,
    unreached: Unreached,
) -> Decision<SessionRecord> {
    let mut draft = Draft::of(record, context);
    draft
        .desk()
        .contact_unreachable(unreached.case, unreached.notice, unreached.contact);
    draft.decide()
}
