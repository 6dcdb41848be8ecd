//! What makes two states of a session the same: all that a rule may still read, with ids replaced by places.
//!
//! Left out is what ended and is read by no rule any more: the hour at which a check was answered, duties of rounds that
//! are over, keys of closed cases. Two histories that differ only in these go on alike.

use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use bedside_protocol::case::{Case, Cause, OfferEnd};
use bedside_protocol::duty::{Duty, DutyKind, DutyState};
use bedside_protocol::watch::Watch;

use super::Promise;
use crate::play::Play;

pub fn of(play: &Play, surprises: u8, broken: Option<Promise>) -> u64 {
    let mut hasher = DefaultHasher::new();
    let watch = &play.record.watch;
    (play.now, surprises, broken, play.record.session.state.name()).hash(&mut hasher);
    for duty in watch.duties.iter().filter(|duty| matters(duty, watch)) {
        hash_duty(duty, watch, &mut hasher);
    }
    for case in &watch.cases {
        hash_case(case, &mut hasher);
    }
    for answer in &play.record.check_ins {
        (place_of(answer.duty, watch), &answer.bad, answer.late).hash(&mut hasher);
    }
    for gap in &play.record.around.watch_health.gaps {
        (gap.from, gap.to).hash(&mut hasher);
    }
    said(play).hash(&mut hasher);
    hasher.finish()
}

/// Open ones; checks, which are counted when missed in a row; and the last "take it" of a case, where a ladder goes on.
fn matters(duty: &Duty, watch: &Watch) -> bool {
    match &duty.kind {
        DutyKind::TakeCase { case } => {
            let open = watch.case(*case).is_some_and(Case::is_open);
            let mut latest_first = watch.duties.iter().rev();
            open && latest_first
                .find(|other| other.kind == duty.kind)
                .map(|last| last.id)
                == Some(duty.id)
        }
        DutyKind::CheckIn { .. } => true,
        _ => duty.is_open(),
    }
}

/// A check's place among the checks.
fn place_of(id: bedside_protocol::id::DutyId, watch: &Watch) -> Option<usize> {
    let mut checks = watch
        .duties
        .iter()
        .filter(|duty| matches!(duty.kind, DutyKind::CheckIn { .. }));
    checks.position(|duty| duty.id == id)
}

fn hash_duty(duty: &Duty, watch: &Watch, hasher: &mut DefaultHasher) {
    (duty.kind.name(), duty.state.name(), duty.due_at).hash(hasher);
    if let DutyKind::CheckIn { rule, ordinal } = &duty.kind {
        (rule, ordinal).hash(hasher);
    }
    match &duty.state {
        DutyState::Open => {
            (
                duty.wake_at,
                duty.missed_after,
                duty.opens_at,
                duty.rung,
                duty.repeat_no,
                duty.round,
            )
                .hash(hasher);
        }
        DutyState::Missed { answered, .. } | DutyState::Unknown { answered, .. } => {
            answered.is_some().hash(hasher);
        }
        DutyState::Met { .. } | DutyState::Excused { .. } => {}
    }
    if matches!(duty.kind, DutyKind::TakeCase { .. }) {
        (duty.rung, duty.repeat_no, duty.ladder.0.len()).hash(hasher);
        // Whether an address was known to refuse mail before this round began.
        if watch.open_case().is_some_and(has_refused_mail) {
            duty.opens_at.hash(hasher);
        }
    }
}

fn has_refused_mail(case: &Case) -> bool {
    case.signals
        .iter()
        .any(|signal| matches!(signal.what, Cause::Undeliverable { .. }))
}

fn hash_case(case: &Case, hasher: &mut DefaultHasher) {
    let told_of_gap = |what: &Cause| match what {
        Cause::WatchDown { from, .. } => Some(*from),
        _ => None,
    };
    if !case.is_open() {
        let gaps: Vec<_> = case
            .signals
            .iter()
            .filter_map(|signal| told_of_gap(&signal.what))
            .collect();
        gaps.hash(hasher);
        return;
    }
    let told: BTreeSet<_> = case.told.iter().collect();
    let taken = case.state.taken().map(|taken| {
        let offer = taken.offer.as_ref();
        let offer = offer.map(|offer| (offer.to, offer.until, offer.ended.map(OfferEnd::name)));
        (taken.by, offer)
    });
    (
        case.level,
        case.state.name(),
        taken,
        case.round,
        case.in_session,
        told,
        case.nobody_in_round,
    )
        .hash(hasher);
    for signal in &case.signals {
        (signal.what.name(), signal.level, told_of_gap(&signal.what)).hash(hasher);
        if let Cause::Undeliverable { contact, .. } = &signal.what {
            (contact, signal.at).hash(hasher);
        }
    }
}

/// What the keys of an offer's mails say.
const OFFERED: [&str; 5] = ["offered:", "accepted:", "declined:", "withdrawn:", "ran_out:"];

/// The keys that could be met again: those of open duties and of the open case.
fn said(play: &Play) -> BTreeSet<String> {
    let watch = &play.record.watch;
    let mut said = BTreeSet::new();
    for key in &play.keys {
        let mut parts = key.splitn(3, ':');
        let (Some(of), Some(id), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        match of {
            // An offer has a duty of its own, so its keys never come again.
            "case" if OFFERED.iter().any(|word| rest.contains(word)) => {}
            "case" if watch.open_case().is_some_and(|case| case.id.to_string() == id) => {
                said.insert(format!("case:{rest}"));
            }
            "duty" => {
                if let Some(duty) = watch.open_duties().find(|duty| duty.id.to_string() == id) {
                    said.insert(format!("{}:{}:{rest}", duty.kind.name(), duty.due_at.timestamp()));
                }
            }
            _ => {}
        }
    }
    said
}
