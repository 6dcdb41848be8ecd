//! What holds after every decision, whatever happened. Checked by every test that plays a session.

use std::collections::BTreeSet;

use bedside_protocol::duty::{Duty, DutyKind, DutyState};
use bedside_protocol::notice::{About, Notice};
use bedside_protocol::record::{Decision, SessionRecord};
use bedside_protocol::time::minutes;

use crate::play::Play;

/// Panics when a decision breaks an invariant.
pub fn hold(play: &Play, decision: &Decision<SessionRecord>) {
    let (before, after) = (&play.record, &decision.after);
    one_case_is_open_and_somebody_owes_something_about_it(after);
    every_open_duty_is_awake(play, after);
    what_ended_stays_ended(before, after);
    a_case_rises_and_never_falls(before, after);
    a_running_session_waits_for_its_release(after);
    notices_are_of_one_kind_each(play, &decision.notices);
    reminders_are_of_open_duties(after, &decision.notices);
    one_mail_a_person_and_case(&decision.notices);
}

fn one_case_is_open_and_somebody_owes_something_about_it(after: &SessionRecord) {
    let open: Vec<_> = after.watch.cases.iter().filter(|case| case.is_open()).collect();
    assert!(open.len() <= 1, "{} cases are open", open.len());
    for case in open {
        let owed = |duty: &Duty| duty.kind.case() == Some(case.id) && duty.wake_at.is_some();
        assert!(
            after.watch.open_duties().any(owed),
            "nobody owes anything about a case that is {}",
            case.state.name()
        );
    }
    for duty in after.watch.open_duties() {
        if let Some(case) = duty.kind.case() {
            assert!(
                after.watch.case(case).unwrap().is_open(),
                "{:?} of a closed case is open",
                duty.kind
            );
        }
    }
}

fn every_open_duty_is_awake(play: &Play, after: &SessionRecord) {
    // A session is planned at most a year ahead; nothing sleeps longer.
    let horizon = play.now + minutes(370 * 24 * 60);
    for duty in &after.watch.duties {
        match duty.state {
            DutyState::Open => assert!(
                duty.wake_at.is_some_and(|wake_at| wake_at <= horizon),
                "{:?} sleeps until {:?}",
                duty.kind,
                duty.wake_at
            ),
            _ => assert_eq!(duty.wake_at, None, "{:?} is over and awake", duty.kind),
        }
    }
}

fn what_ended_stays_ended(before: &SessionRecord, after: &SessionRecord) {
    assert!(
        before.watch.duties.len() <= after.watch.duties.len(),
        "no duty disappears"
    );
    for (earlier, later) in before.watch.duties.iter().zip(&after.watch.duties) {
        assert_eq!(earlier.id, later.id);
        let same = match (&earlier.state, &later.state) {
            (DutyState::Open, _) => true,
            // A late answer annotates these; nothing else changes.
            (DutyState::Missed { at, answered: None }, DutyState::Missed { at: still, .. }) => at == still,
            (
                DutyState::Unknown {
                    gap, answered: None, ..
                },
                DutyState::Unknown { gap: still, .. },
            ) => gap == still,
            (one, other) => one == other,
        };
        assert!(same, "{:?} became {:?}", earlier.state, later.state);
    }
}

fn a_case_rises_and_never_falls(before: &SessionRecord, after: &SessionRecord) {
    for earlier in &before.watch.cases {
        let later = after.watch.case(earlier.id).expect("no case disappears");
        assert!(later.level >= earlier.level && later.round >= earlier.round);
        assert!(later.signals.starts_with(&earlier.signals));
        assert!(
            earlier.is_open() || !later.is_open(),
            "a closed case was opened again"
        );
    }
}

fn a_running_session_waits_for_its_release(after: &SessionRecord) {
    let waits = after
        .watch
        .open_duties()
        .filter(|duty| duty.kind == DutyKind::Release)
        .count();
    let running = after.session.state.is_running();
    assert_eq!(
        waits,
        usize::from(running),
        "state {}",
        after.session.state.name()
    );
}

fn notices_are_of_one_kind_each(play: &Play, notices: &[Notice]) {
    let mut seen = BTreeSet::new();
    for notice in notices {
        let new = !play.keys.contains(&notice.key) && seen.insert(&notice.key);
        assert!(new, "sent twice: {}", notice.key);
    }
}

fn reminders_are_of_open_duties(after: &SessionRecord, notices: &[Notice]) {
    for notice in notices {
        if let About::Duty { duty } = notice.about {
            let duty = after.watch.duty(duty).unwrap();
            assert!(duty.is_open(), "{:?} is over and reminded of", duty.kind);
        }
        assert!(
            notice
                .stale_after
                .is_none_or(|stale_after| stale_after >= notice.not_before)
        );
    }
}

fn one_mail_a_person_and_case(notices: &[Notice]) {
    let mut seen = BTreeSet::new();
    for notice in notices {
        if let About::Case { case, .. } = notice.about {
            assert!(
                seen.insert((case, notice.to.who)),
                "two mails at once: {}",
                notice.key
            );
        }
    }
}
