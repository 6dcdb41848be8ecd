//! When a mail that could not be sent is tried again, and until when.
//!
//! Guarantees: the wait grows and stays within 15 minutes and a fifth; an escalation is tried for as long as its case
//! waits to be taken; everything else ends, so every row of the outbox ends (invariant I6).

use bedside_protocol::duty::Lane;
use bedside_protocol::notice::{About, Message, Notice};
use bedside_protocol::time::{Instant, minutes, seconds};
use chrono::Duration;

/// Waits after the first, second, … failed attempt, seconds; the last one repeats.
const WAITS_S: [i64; 5] = [5, 30, 2 * 60, 5 * 60, 15 * 60];

/// An escalation goes no further in the table.
const ESCALATION_WAITS: u32 = 3;

/// From this attempt on the wait has jitter, so that mails which failed together do not come back together for ever.
/// The first two stay exact: a person may be waiting.
const JITTER_FROM_ATTEMPT: u32 = 3;

/// After so many attempts at a relay that wants us slower the wait grows by its first length, up to so many attempts.
const THROTTLED_STEP: u32 = 10;
const THROTTLED_MAX: u32 = 100;

/// A message that has no time of its own is of use for so long after it was due: about what relays do
/// (RFC 5321 section 4.5.4.1 asks for 4 to 5 days; a password link is dead by then).
const OF_USE_FOR_MIN: i64 = 3 * 24 * 60;

/// How long to wait after failed attempt number `attempt`, counted from 1. `random` is a fresh random byte.
pub fn wait_after(attempt: u32, random: u8) -> Duration {
    let index = usize::try_from(attempt.max(1) - 1).unwrap_or(usize::MAX);
    let wait_s = WAITS_S[index.min(WAITS_S.len() - 1)];
    let jitter_ms = if attempt >= JITTER_FROM_ATTEMPT {
        // Up to a fifth, only ever later.
        wait_s * 1000 / 5 * i64::from(random) / 255
    } else {
        0
    };
    seconds(wait_s) + Duration::milliseconds(jitter_ms)
}

/// The same for a lane. An escalation never waits longer than two minutes: when the relay is back, somebody must hear.
pub(super) fn wait_in_lane(lane: Lane, attempt: u32, random: u8) -> Duration {
    match lane {
        Lane::Escalation => wait_after(attempt.min(ESCALATION_WAITS), random),
        _ => wait_after(attempt, random),
    }
}

/// How long to wait when the relay only wants fewer mails at a time. That says nothing about the mail, so an escalation comes
/// again after a second, and the pace of the transport keeps them apart; who is refused again and again comes more seldom.
pub(super) fn wait_when_throttled(lane: Lane, attempt: u32, random: u8) -> Duration {
    let first_ms = match lane {
        Lane::Escalation => 1_000,
        Lane::Session => 2_000,
        Lane::Reminder | Lane::Digest => 5_000,
    };
    let times = i64::from(1 + attempt.min(THROTTLED_MAX) / THROTTLED_STEP);
    let jitter_ms = first_ms / 2 * i64::from(random) / 255;
    Duration::milliseconds(first_ms * times + jitter_ms)
}

/// Whether trying goes on. What has a time of its own ends by [`Notice::stale_after`] when it is claimed; what belongs to
/// a case ends when the case is taken.
pub fn is_of_use(notice: &Notice, now: Instant) -> bool {
    match notice.about {
        About::Case { .. } => true,
        _ => notice.stale_after.is_some() || now - notice.not_before <= minutes(OF_USE_FOR_MIN),
    }
}

/// Whether a mail that the relay may have taken is sent again. A second reminder only annoys, several in one mail as well; a
/// lost escalation, invitation or password link harms.
pub fn is_sent_twice_rather_than_never(notice: &Notice) -> bool {
    !matches!(notice.about, About::Duty { .. }) && !matches!(notice.message, Message::Bundle { .. })
}

#[cfg(test)]
mod tests {
    use bedside_protocol::id::{CaseId, DutyId, NoticeId, PersonId};
    use bedside_protocol::notice::{Recipient, Who};
    use bedside_protocol::time::Zone;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_waits_are_those_of_the_table_and_jitter_only_adds_to_the_later_ones() {
        let without: Vec<i64> = (1..=8)
            .map(|attempt| wait_after(attempt, 0).num_seconds())
            .collect();
        assert_eq!(without, [5, 30, 120, 300, 900, 900, 900, 900]);
        let with: Vec<i64> = (1..=6)
            .map(|attempt| wait_after(attempt, 255).num_seconds())
            .collect();
        assert_eq!(with, [5, 30, 144, 360, 1080, 1080]);
        assert_eq!(wait_after(0, 0), seconds(5));
        assert_eq!(wait_in_lane(Lane::Escalation, 50, 255), seconds(144));
        assert_eq!(wait_in_lane(Lane::Session, 50, 0), seconds(900));
        assert_eq!(wait_after(u32::MAX, 0), seconds(900));
    }

    #[test]
    fn an_escalation_to_a_busy_relay_comes_again_after_about_a_second() {
        let wait_ms = |lane, attempt, random| wait_when_throttled(lane, attempt, random).num_milliseconds();
        assert_eq!(wait_ms(Lane::Escalation, 1, 0), 1_000);
        assert_eq!(wait_ms(Lane::Escalation, 9, 255), 1_500);
        assert_eq!(wait_ms(Lane::Escalation, 10, 0), 2_000);
        assert_eq!(wait_ms(Lane::Escalation, u32::MAX, 255), 11_500);
        assert_eq!(wait_ms(Lane::Digest, u32::MAX, 0), 55_000);
    }

    fn notice(about: About, stale_after: Option<Instant>) -> Notice {
        Notice {
            id: NoticeId::from(Uuid::from_u128(1)),
            key: String::new(),
            lane: Lane::Session,
            to: Recipient {
                who: Who::Staff(PersonId::from(Uuid::from_u128(2))),
                email: String::new(),
            },
            about,
            message: Message::Test {
                at: Instant::UNIX_EPOCH,
                zone: Zone::UTC,
            },
            not_before: Instant::UNIX_EPOCH,
            stale_after,
            thread: None,
        }
    }

    #[test]
    fn an_escalation_is_tried_for_ever_and_everything_else_ends() {
        let case = About::Case {
            case: CaseId::from(Uuid::from_u128(3)),
            round: 1,
        };
        let days = |days: i64| Instant::UNIX_EPOCH + minutes(days * 24 * 60);
        assert!(is_of_use(&notice(case.clone(), None), days(400)));
        assert!(is_of_use(&notice(About::Information, None), days(3)));
        assert!(!is_of_use(&notice(About::Information, None), days(4)));
        // Its own time ends it when it is claimed.
        assert!(is_of_use(&notice(About::Information, Some(days(1))), days(400)));

        let duty = About::Duty {
            duty: DutyId::from(Uuid::from_u128(4)),
        };
        assert!(is_sent_twice_rather_than_never(&notice(case, None)));
        assert!(is_sent_twice_rather_than_never(&notice(About::Information, None)));
        assert!(!is_sent_twice_rather_than_never(&notice(duty, None)));
    }
}
