//! Planned sessions for which somebody is missing on call since the roster changed, somebody left, or they came to another time.
//!
//! Guarantees: each is told to who keeps the roster and who plans when it is found within the days ahead, and again at each step
//! of the protocol before it; what was told is the message's key, so neither a restart nor a second worker tells it again; a
//! session whose row cannot be read stands in the list all the same.

use bedside_protocol::duty::Lane;
use bedside_protocol::id::{ClinicId, SessionId};
use bedside_protocol::notice::{About, Message, Notice, Recipient, Who};
use bedside_protocol::people::{OnCallPerson, OnCallPlace};
use bedside_protocol::roster::{self, Gap, OnCallPlan, Unstaffed};
use bedside_protocol::time::Instant;
use chrono::Duration;
use diesel::prelude::*;

use crate::clock::{from_ms, to_ms};
use crate::error::Stop;
use crate::roster::keepers;
use crate::schema::sessions;
use crate::transaction::Tx;
use crate::{outbox, protocols};

/// The states of a session that is still to begin, as they stand in the database.
const TO_COME: [&str; 4] = ["scheduled", "prep_open", "ready", "held"];

/// The planned sessions of the days ahead that lack somebody, by the protocol in force.
pub(crate) fn of(tx: &mut Tx<'_>, clinic: ClinicId, plan: &OnCallPlan) -> Result<Vec<Unstaffed>, Stop> {
    let in_force = protocols::in_force(tx.connection, clinic)?;
    let rules = tx.shared.protocol(tx.connection, &in_force)?.roster.clone();
    let until = tx.now + Duration::days(i64::from(rules.look_ahead_days));
    let rows: Vec<(String, i64)> = sessions::table
        .filter(sessions::clinic_id.eq(clinic.to_string()))
        .filter(sessions::state.eq_any(TO_COME))
        .filter(sessions::planned_at.between(to_ms(tx.now), to_ms(until)))
        .select((sessions::id, sessions::planned_at))
        .load(tx.connection)?;
    let planned: Vec<(SessionId, Instant)> = rows
        .iter()
        .filter_map(|(id, at)| Some((id.parse().ok()?, from_ms(*at))))
        .collect();
    Ok(roster::unstaffed(plan, &planned, tx.now, &rules))
}

/// Tells of them. How many messages there are, those that were told before included.
pub(crate) fn tell(tx: &mut Tx<'_>, clinic: ClinicId, plan: &OnCallPlan) -> Result<usize, Stop> {
    let lacking = of(tx, clinic, plan)?;
    if lacking.is_empty() {
        return Ok(0);
    }
    let mut notices = Vec::new();
    for session in &lacking {
        for person in told_of_sessions(plan, tx.now) {
            notices.push(Notice {
                id: tx.new_id(),
                key: key(session, &person),
                lane: Lane::Digest,
                to: Recipient {
                    who: Who::Staff(person.person),
                    email: person.email,
                },
                about: About::Information,
                message: Message::SessionUnstaffed {
                    session: session.session,
                    planned_at: session.planned_at,
                    gaps: session.gaps.clone(),
                    zone: plan.zone,
                },
                not_before: tx.now,
                stale_after: Some(session.planned_at),
                thread: None,
            });
        }
    }
    outbox::insert(tx, clinic, None, &notices)?;
    Ok(notices.len())
}

/// The same for the same gaps at the same step.
fn key(session: &Unstaffed, to: &OnCallPerson) -> String {
    let gaps = session.gaps.iter().map(|gap: &Gap| {
        let (from, until) = (to_ms(gap.from), to_ms(gap.until));
        format!("{}-{from}-{until}", gap.needed.name())
    });
    format!(
        "unstaffed:{}:{}:{}:{}:{}",
        session.session,
        to_ms(session.planned_at),
        gaps.collect::<Vec<_>>().join("+"),
        session.steps_reached,
        to.person
    )
}

/// Who keeps the roster, and the coordinator, who moves sessions; each once.
fn told_of_sessions(plan: &OnCallPlan, now: Instant) -> Vec<OnCallPerson> {
    let mut people = keepers(plan, now);
    let coordinators = plan.contacts_at(now).into_iter();
    for person in coordinators.filter(|it| it.place == OnCallPlace::Coordinator) {
        if people.iter().all(|it| it.person != person.person) {
            people.push(person);
        }
    }
    people
}
