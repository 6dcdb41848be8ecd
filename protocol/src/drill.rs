//! The drill: a duty that falls due each day for no patient, so that the whole way from a due time to an accepted mail is
//! proven also when no session runs (FAILURES F7).

use crate::duty::Lane;
use crate::id::DutyId;
use crate::notice::{About, Message, Notice, Recipient, Who};
use crate::people::{OnCallPerson, keepers};
use crate::record::RuleContext;
use crate::time::Zone;

/// The mails of a drill that has fallen due: one to each who keeps the clinic's program running, by the way that mails about
/// cases go. It opens no case, and nobody has to answer.
pub fn run(duty: DutyId, zone: Zone, on_call: &[OnCallPerson], context: &mut RuleContext<'_>) -> Vec<Notice> {
    let at = context.now;
    let notice = |person: &OnCallPerson| Notice {
        id: context.ids.fresh(),
        key: format!("drill:{duty}:{}", person.person),
        lane: Lane::Escalation,
        to: Recipient {
            who: Who::Staff(person.person),
            email: person.email.clone(),
        },
        about: About::Information,
        message: Message::Drill { at, zone },
        not_before: at,
        stale_after: None,
        thread: None,
    };
    keepers(on_call).into_iter().map(notice).collect()
}
