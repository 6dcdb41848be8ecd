//! Several reminders for one person become one mail.
//!
//! Guarantees
//! - Only the lanes `reminder` and `digest` are touched: an escalation and a prompt inside a session is never held back, never
//!   bundled and never counted.
//! - Nothing is dropped: what waits for one address goes in one mail that says all of it, and what is above
//!   [`MAILS_AN_HOUR`] waits for its turn, unless its use would be over by then.
//! - A bundle is a message of its own with its own Message-ID, made in the transaction of the claim: who belongs to it stands in
//!   the database before its first byte goes out, and its text never changes. When one of its messages is no longer wanted
//!   at a later try, the bundle ends unsent and the others are free again.
//! - A bundled message ends as `sent` when its bundle was accepted and not before; if the bundle ends otherwise the message
//!   waits again, on its own and within the limit of the hour, unless the bundle may have been accepted.

use std::collections::{BTreeMap, HashMap, HashSet};

use bedside_protocol::duty::Lane;
use bedside_protocol::id::{ClinicId, NoticeId};
use bedside_protocol::notice::{About, Message, Notice, still_wanted};
use bedside_protocol::time::Instant;
use chrono::Duration;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::claim::Sources;
use crate::clock::{from_ms, to_ms};
use crate::dialect::{self, Finish};
use crate::error::Stop;
use crate::rows;
use crate::schema::outbox;
use crate::transaction::Tx;

/// Mails of the lower lanes that one person gets within an hour. The fullest hour of preparation asks one person for less;
/// more is a fault or a flood, and a person who gets more stops reading.
const MAILS_AN_HOUR: usize = 6;

/// The hour.
const WINDOW: Duration = Duration::hours(1);

/// Messages in one mail: what a person can still take in.
const BUNDLE_MAX: usize = 20;

/// How the key of a bundle begins.
const BUNDLE_KEY: &str = "bundle:";

/// Where the reason of a bundled message names its bundle.
fn bundled_in(bundle: &str) -> String {
    format!("bundled:{bundle}")
}

/// What waits in a bundle; the last of the words name its index.
fn is_bundled() -> diesel::expression::SqlLiteral<Bool> {
    diesel::dsl::sql("outbox.state = 'bundled' AND outbox.finished_at IS NULL AND outbox.why IS NOT NULL")
}

/// The lower lanes; said in these words for their index.
fn is_low_lane() -> diesel::expression::SqlLiteral<Bool> {
    diesel::dsl::sql("outbox.lane >= 2")
}

/// A message that may be bundled.
#[derive(Debug, Clone)]
struct Candidate {
    notice: Notice,
    /// Whether this claim found it due; else it waits.
    claimed: bool,
    /// Whether it goes by itself: a bundle with it was refused.
    alone: bool,
}

/// What becomes of the messages for one person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Plan {
    /// Each goes in one mail.
    bundles: Vec<Vec<NoticeId>>,
    /// They wait until then.
    later: Vec<(NoticeId, Instant)>,
}

/// What becomes of what waits for one person who got `mails` within the last hour, each at its time.
fn plan(candidates: &[Candidate], mails: &[Instant], now: Instant) -> Plan {
    let mut plan = Plan::default();
    let mut by_address: BTreeMap<(String, Option<NoticeId>), Vec<&Candidate>> = BTreeMap::new();
    for candidate in candidates {
        let address = candidate.notice.to.email.trim().to_lowercase();
        let alone = candidate.alone.then_some(candidate.notice.id);
        by_address.entry((address, alone)).or_default().push(candidate);
    }
    let mut mails = mails.to_vec();
    mails.sort_unstable();
    for mut group in by_address.into_values() {
        if !group.iter().any(|candidate| candidate.claimed) {
            continue;
        }
        group.sort_by_key(|candidate| (candidate.notice.not_before, candidate.notice.id));
        if mails.len() >= MAILS_AN_HOUR {
            let free_at = mails[mails.len() - MAILS_AN_HOUR] + WINDOW;
            let (waits, goes): (Vec<_>, Vec<_>) = group.into_iter().partition(|candidate| {
                let stale_after = candidate.notice.stale_after;
                free_at > now && stale_after.is_none_or(|stale_after| stale_after > free_at)
            });
            // All of them, so that they do not come up claim by claim before those of other people.
            plan.later
                .extend(waits.into_iter().map(|candidate| (candidate.notice.id, free_at)));
            group = goes;
        }
        for chunk in group.chunks(BUNDLE_MAX) {
            if chunk.len() > 1 {
                plan.bundles
                    .push(chunk.iter().map(|candidate| candidate.notice.id).collect());
            }
            mails.push(now);
        }
    }
    plan
}

/// Whether the message was never tried by itself, so that its mail is one more for its recipient.
fn is_first_try(due: &rows::OutboxRow) -> bool {
    may_be_bundled(due) && due.state == "pending"
}

fn may_be_bundled(row: &rows::OutboxRow) -> bool {
    row.lane >= Lane::Reminder.rank()
        && ["duty", "information"].contains(&row.about_kind.as_str())
        && row.rendered_sealed.is_none()
        && !is_bundle(row)
}

fn is_bundle(row: &rows::OutboxRow) -> bool {
    row.notice_key.starts_with(BUNDLE_KEY)
}

/// Puts together what goes to one person, in the transaction of the claim and before the lease: gives what is to be leased
/// and sent now.
pub(super) fn bundle(tx: &mut Tx<'_>, due: Vec<rows::OutboxRow>) -> Result<Vec<rows::OutboxRow>, Stop> {
    if due.iter().all(|it| it.lane < Lane::Reminder.rank()) {
        return Ok(due);
    }
    let mut due = without_changed_bundles(tx, due)?;
    let recipients: HashSet<&str> = due
        .iter()
        .filter(|it| is_first_try(it))
        .map(|it| it.recipient_id.as_str())
        .collect();
    if recipients.is_empty() {
        return Ok(due);
    }
    let recipients: Vec<&str> = recipients.into_iter().collect();
    let mails = mails_of_the_hour(tx, &recipients, &due)?;
    let (now, machine_now) = (to_ms(tx.now), to_ms(tx.machine_now));
    let waiting = dialect::lock_waiting(tx.connection, &recipients, now, machine_now)?;
    let ours: HashSet<String> = due.iter().map(|it| it.id.clone()).collect();
    let all: Vec<rows::OutboxRow> = due
        .iter()
        .filter(|it| is_first_try(it))
        .cloned()
        .chain(
            waiting
                .into_iter()
                .filter(|row| may_be_bundled(row) && !ours.contains(&row.id)),
        )
        .collect();
    for ((clinic, recipient), candidates) in candidates(tx, &all, &ours)? {
        let Ok(clinic) = clinic.parse::<ClinicId>() else {
            continue;
        };
        let of_hour = mails.get(&recipient).map_or(&[][..], Vec::as_slice);
        let plan = plan(&candidates, of_hour, tx.now);
        for ids in &plan.bundles {
            let parts: Vec<&Notice> = ids
                .iter()
                .filter_map(|id| candidates.iter().find(|candidate| candidate.notice.id == *id))
                .map(|candidate| &candidate.notice)
                .collect();
            due.push(put_together(tx, clinic, &parts)?);
        }
        for (id, at) in &plan.later {
            put_back(tx, *id, *at)?;
        }
        let gone: HashSet<String> = plan
            .bundles
            .iter()
            .flatten()
            .chain(plan.later.iter().map(|(id, _)| id))
            .map(ToString::to_string)
            .collect();
        due.retain(|it| !gone.contains(&it.id));
    }
    Ok(due)
}

/// By clinic and recipient: those that are wanted now. The others go their own way and end with their own reason.
fn candidates(
    tx: &mut Tx<'_>,
    all: &[rows::OutboxRow],
    ours: &HashSet<String>,
) -> Result<BTreeMap<(String, String), Vec<Candidate>>, Stop> {
    let sources = Sources::of(tx, all)?;
    let mut by_recipient: BTreeMap<(String, String), Vec<Candidate>> = BTreeMap::new();
    for row in all {
        let Some(notice) = super::open_notice(tx.shared, &row.id, &row.doc_sealed) else {
            continue;
        };
        if still_wanted(&notice, &sources.at_sending(row, tx.now)).is_ok() {
            by_recipient
                .entry((row.clinic_id.clone(), row.recipient_id.clone()))
                .or_default()
                .push(Candidate {
                    claimed: ours.contains(&row.id),
                    alone: row.attempts > 0,
                    notice,
                });
        }
    }
    Ok(by_recipient)
}

/// When each recipient got a mail of the lower lanes within the last hour; one that is on its way counts as now.
fn mails_of_the_hour(
    tx: &mut Tx<'_>,
    recipients: &[&str],
    due: &[rows::OutboxRow],
) -> Result<HashMap<String, Vec<Instant>>, Stop> {
    let now = tx.now;
    let sent = outbox::state
        .eq("sent")
        .and(outbox::finished_at.gt(to_ms(now - WINDOW)))
        .and(outbox::why.is_null());
    let rows: Vec<(String, String, Option<i64>)> = outbox::table
        .filter(is_low_lane())
        .filter(outbox::recipient_id.eq_any(recipients))
        .filter(sent.or(outbox::state.eq("leased").and(outbox::finished_at.is_null())))
        .select((outbox::id, outbox::recipient_id, outbox::finished_at))
        .load(tx.connection)?;
    let mut mails: HashMap<String, Vec<Instant>> = HashMap::new();
    for (id, recipient, finished_at) in rows {
        if !due.iter().any(|it| it.id == id) {
            mails
                .entry(recipient)
                .or_default()
                .push(finished_at.map_or(now, from_ms));
        }
    }
    Ok(mails)
}

/// One message that says all of these, for the claim to take in their place.
fn put_together(tx: &mut Tx<'_>, clinic: ClinicId, parts: &[&Notice]) -> Result<rows::OutboxRow, Stop> {
    let id: NoticeId = tx.new_id();
    let first = parts.first().ok_or(Stop::Conflict)?;
    let notice = Notice {
        id,
        key: format!("{BUNDLE_KEY}{id}"),
        lane: parts.iter().map(|part| part.lane).min().unwrap_or(Lane::Digest),
        to: first.to.clone(),
        about: About::Information,
        message: Message::Bundle {
            parts: parts.iter().map(|part| part.message.clone()).collect(),
        },
        not_before: tx.now,
        stale_after: None,
        thread: None,
    };
    let row = super::row_of(tx, clinic, None, &notice)?;
    dialect::insert_outbox(tx.connection, std::slice::from_ref(&row))?;
    let ids: Vec<String> = parts.iter().map(|part| part.id.to_string()).collect();
    let bundled = diesel::update(
        outbox::table
            .filter(outbox::id.eq_any(&ids))
            .filter(outbox::state.eq("pending")),
    )
    .set((
        outbox::state.eq("bundled"),
        outbox::why.eq(Some(bundled_in(&row.id))),
    ))
    .execute(tx.connection)?;
    if bundled != ids.len() {
        return Err(Stop::Conflict);
    }
    Ok(row)
}

/// A message waits until its recipient may get another mail; it was not tried.
fn put_back(tx: &mut Tx<'_>, id: NoticeId, at: Instant) -> Result<(), Stop> {
    diesel::update(outbox::table.find(id.to_string()))
        .set(outbox::not_before.eq(to_ms(at)))
        .execute(tx.connection)?;
    Ok(())
}

/// Ends bundles of which a message is no longer wanted, and frees the others.
fn without_changed_bundles(tx: &mut Tx<'_>, due: Vec<rows::OutboxRow>) -> Result<Vec<rows::OutboxRow>, Stop> {
    let names: Vec<String> = due
        .iter()
        .filter(|it| is_bundle(it))
        .map(|it| bundled_in(&it.id))
        .collect();
    if names.is_empty() {
        return Ok(due);
    }
    let members: Vec<rows::OutboxRow> = outbox::table
        .filter(is_bundled())
        .filter(outbox::why.eq_any(names))
        .select(rows::OutboxRow::as_select())
        .load(tx.connection)?;
    let sources = Sources::of(tx, &members)?;
    let mut changed: HashSet<String> = HashSet::new();
    for row in &members {
        let wanted = super::open_notice(tx.shared, &row.id, &row.doc_sealed)
            .is_some_and(|notice| still_wanted(&notice, &sources.at_sending(row, tx.now)).is_ok());
        if !wanted {
            changed.extend(row.why.clone());
        }
    }
    let (ended, going): (Vec<_>, Vec<_>) = due
        .into_iter()
        .partition(|it| is_bundle(it) && changed.contains(&bundled_in(&it.id)));
    for bundle in ended {
        diesel::update(outbox::table.find(&bundle.id))
            .set((
                outbox::state.eq("dropped"),
                outbox::why.eq(Some("bundle_changed")),
                outbox::finished_at.eq(Some(to_ms(tx.now))),
                outbox::lease_owner.eq(None::<String>),
                outbox::lease_until.eq(None::<i64>),
            ))
            .execute(tx.connection)?;
        free(tx, &bundled_in(&bundle.id), 0)?;
    }
    Ok(going)
}

/// The messages of a bundle wait again; with a try behind them they are not bundled any more, and go by themselves at the pace
/// of the hour.
fn free(tx: &mut Tx<'_>, name: &str, tries: i32) -> Result<(), Stop> {
    diesel::update(outbox::table.filter(is_bundled()).filter(outbox::why.eq(name)))
        .set((
            outbox::state.eq("pending"),
            outbox::why.eq(None::<String>),
            outbox::attempts.eq(tries),
        ))
        .execute(tx.connection)?;
    Ok(())
}

/// What these results of bundles mean for the messages in them. `recorded` are the ids whose result was written.
pub(super) fn note_results(
    tx: &mut Tx<'_>,
    results: &[Finish],
    recorded: &HashSet<String>,
) -> Result<(), Stop> {
    let over: HashMap<String, &Finish> = results
        .iter()
        .filter(|result| result.finished_at.is_some() && recorded.contains(&result.id))
        .map(|result| (bundled_in(&result.id), result))
        .collect();
    if over.is_empty() {
        return Ok(());
    }
    let bundles: Vec<Option<String>> = outbox::table
        .filter(is_bundled())
        .filter(outbox::why.eq_any(over.keys()))
        .select(outbox::why)
        .distinct()
        .load(tx.connection)?;
    for name in bundles.into_iter().flatten() {
        let Some(result) = over.get(&name) else { continue };
        if result.state == "sent" {
            diesel::update(outbox::table.filter(is_bundled()).filter(outbox::why.eq(&name)))
                .set((
                    outbox::state.eq("sent"),
                    outbox::attempts.eq(1),
                    outbox::last_code.eq(result.code),
                    outbox::finished_at.eq(result.finished_at),
                ))
                .execute(tx.connection)?;
        } else if result.ambiguous {
            // It may have been accepted: like any reminder, its messages are not sent again.
            diesel::update(outbox::table.filter(is_bundled()).filter(outbox::why.eq(&name)))
                .set((
                    outbox::state.eq("failed"),
                    outbox::attempts.eq(1),
                    outbox::ambiguous.eq(true),
                    outbox::why.eq(Some("ambiguous")),
                    outbox::last_class.eq(&result.class),
                    outbox::finished_at.eq(result.finished_at),
                ))
                .execute(tx.connection)?;
        } else {
            free(tx, &name, 1)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bedside_protocol::id::PersonId;
    use bedside_protocol::notice::{Recipient, Who};
    use bedside_protocol::time::{Zone, minutes};
    use uuid::Uuid;

    use super::*;

    fn now() -> Instant {
        Instant::UNIX_EPOCH + Duration::days(20_000)
    }

    fn id(number: u128) -> NoticeId {
        NoticeId::from(Uuid::from_u128(number))
    }

    fn candidate(number: u128, email: &str, claimed: bool) -> Candidate {
        let notice = Notice {
            id: id(number),
            key: number.to_string(),
            lane: Lane::Reminder,
            to: Recipient {
                who: Who::Patient(PersonId::from(Uuid::from_u128(9))),
                email: email.to_owned(),
            },
            about: About::Information,
            message: Message::Test {
                at: now(),
                zone: Zone::UTC,
            },
            not_before: now(),
            stale_after: None,
            thread: None,
        };
        Candidate {
            notice,
            claimed,
            alone: false,
        }
    }

    #[test]
    fn what_waits_for_one_address_goes_in_one_mail_and_one_alone_as_it_is() {
        let two = [
            candidate(1, "a@x.example", true),
            candidate(2, "A@x.example", false),
            candidate(3, "b@x.example", true),
            candidate(4, "c@x.example", false),
        ];
        let plan = plan(&two, &[], now());
        assert_eq!(plan.bundles, [[id(1), id(2)]]);
        assert!(plan.later.is_empty());
    }

    #[test]
    fn above_the_limit_a_message_waits_for_the_hour_unless_its_use_would_be_over() {
        let mails: Vec<Instant> = (1..=6).map(|ago| now() - minutes(ago * 9)).collect();
        let free_at = now() - minutes(54) + WINDOW;
        let mut urgent = candidate(1, "a@x.example", true);
        urgent.notice.stale_after = Some(free_at);
        let mut patient = candidate(2, "a@x.example", true);
        patient.notice.stale_after = Some(free_at + minutes(1));
        let candidates = [urgent, patient, candidate(3, "a@x.example", false)];
        let above = plan(&candidates, &mails, now());
        assert_eq!(above.later, [(id(2), free_at), (id(3), free_at)]);
        assert!(above.bundles.is_empty(), "the urgent one goes alone");
        let together = Plan {
            bundles: vec![vec![id(1), id(2), id(3)]],
            later: Vec::new(),
        };
        assert_eq!(plan(&candidates, &mails[1..], now()), together);
        assert_eq!(
            plan(&candidates, &mails, free_at),
            together,
            "the first was an hour ago"
        );
    }

    #[test]
    fn a_mail_has_an_end() {
        let many: Vec<Candidate> = (0..45)
            .map(|number| candidate(number, "a@x.example", true))
            .collect();
        let sizes: Vec<usize> = plan(&many, &[], now()).bundles.iter().map(Vec::len).collect();
        assert_eq!(sizes, [20, 20, 5]);
    }

    #[test]
    fn what_a_refused_bundle_held_goes_alone_and_at_the_pace_of_the_hour() {
        let freed: Vec<Candidate> = (0..8)
            .map(|number| Candidate {
                alone: true,
                ..candidate(number, "a@x.example", true)
            })
            .collect();
        let plan = plan(&freed, &[now() - minutes(10)], now());
        assert!(plan.bundles.is_empty());
        let free_at = |ago| now() - minutes(ago) + WINDOW;
        assert_eq!(
            plan.later,
            [(id(5), free_at(10)), (id(6), free_at(10)), (id(7), free_at(10))]
        );
    }
}
