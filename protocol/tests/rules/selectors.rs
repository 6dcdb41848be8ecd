//! Which session is meant when nobody says: for a dose, for a call for help, and for the day's page.

use bedside_protocol::session::{Session, SessionState, for_dose, of_today, running};

use crate::play::Play;
use crate::support::at;

/// A session of the given day and state; its id counts up with the day.
fn session(day: u32, state: &str) -> Session {
    let mut session = Play::planned().record.session;
    let zone = session.planned.zone;
    session.id = uuid::Uuid::from_u128(u128::from(day)).into();
    session.planned.on = chrono::NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
    session.planned.at = zone.resolve(session.planned.on, session.planned.time);
    let when = session.planned.at;
    session.state = match state {
        "scheduled" => SessionState::Scheduled,
        "prep_open" => SessionState::PrepOpen,
        "monitoring" => SessionState::Monitoring,
        "follow_up" => SessionState::FollowUp { released_at: when },
        "closed" => SessionState::Closed { at: when },
        "no_show" => SessionState::NoShow { at: when },
        other => panic!("{other}"),
    };
    session
}

#[test]
fn a_running_session_is_meant_before_all_others_and_each_question_has_its_own_next_best() {
    // Sessions by day of November and state; on the 24th: the running one, the one of a dose, the one of the day.
    type Case = (&'static [(u32, &'static str)], [Option<u128>; 3]);
    let cases: [Case; 8] = [
        (&[], [None, None, None]),
        (&[(20, "closed"), (21, "no_show")], [None, None, None]),
        (&[(28, "scheduled"), (25, "prep_open")], [None, None, Some(25)]),
        (
            &[(28, "scheduled"), (24, "prep_open")],
            [None, Some(24), Some(24)],
        ),
        (
            &[(23, "monitoring"), (24, "prep_open")],
            [Some(23), Some(23), Some(23)],
        ),
        (&[(21, "follow_up"), (23, "follow_up")], [None, None, Some(23)]),
        (&[(23, "follow_up"), (28, "scheduled")], [None, None, Some(28)]),
        (&[(24, "closed"), (23, "follow_up")], [None, None, Some(23)]),
    ];
    // Half past midnight of the 25th in UTC is still the 24th in New York.
    let now = at("2026-11-25T00:30:00Z");
    for (sessions, expected) in cases {
        let sessions: Vec<_> = sessions.iter().map(|(day, state)| session(*day, state)).collect();
        let zone = Play::planned().record.patient.zone;
        let meant = [
            running(&sessions),
            for_dose(&sessions, zone, now),
            of_today(&sessions),
        ];
        assert_eq!(
            meant.map(|id| id.map(|id| id.uuid().as_u128())),
            expected,
            "{sessions:?}"
        );
    }
}
