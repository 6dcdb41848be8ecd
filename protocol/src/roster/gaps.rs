//! Gaps: stretches in which somebody is needed and nobody is on call.

use chrono::Duration;
use serde::{Deserialize, Serialize};

use super::{Holder, OnCallPlan};
use crate::document::RosterRules;
use crate::id::SessionId;
use crate::people::OnCallPlace;
use crate::time::{Instant, minutes};

/// Whom a clinic needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needed {
    /// A nurse.
    Nurse,
    /// A backup.
    Backup,
    /// Anybody for an urgent case: nurse, backup or the after-hours contact.
    Urgent,
}

impl Needed {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nurse, Self::Backup, Self::Urgent];

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nurse => "nurse",
            Self::Backup => "backup",
            Self::Urgent => "urgent",
        }
    }

    /// Who is missing, in words for staff and patient.
    pub fn who(self) -> &'static str {
        match self {
            Self::Nurse => "nurse",
            Self::Backup => "backup",
            Self::Urgent => "person for urgent cases",
        }
    }

    /// The places that will do.
    fn places(self) -> &'static [OnCallPlace] {
        match self {
            Self::Nurse => &[OnCallPlace::Nurse],
            Self::Backup => &[OnCallPlace::Backup],
            Self::Urgent => &[OnCallPlace::Nurse, OnCallPlace::Backup, OnCallPlace::AfterHours],
        }
    }
}

/// A stretch in which somebody is needed and nobody is on call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Who is missing.
    pub needed: Needed,
    /// From then on.
    pub from: Instant,
    /// Until then, or at least until then where the look-ahead ends.
    pub until: Instant,
}

impl Gap {
    fn meets(&self, other: &Self) -> bool {
        self.needed == other.needed && self.from < other.until && other.from < self.until
    }
}

/// A gap that was told when it was this near.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The gap as it was then.
    pub gap: Gap,
    /// The step of the protocol: so many hours before.
    pub before_h: u32,
}

impl OnCallPlan {
    fn lacks(&self, needed: Needed, at: Instant, always: bool) -> bool {
        let places = needed.places();
        let holders: Vec<Holder> = places.iter().map(|place| self.holder(*place, at)).collect();
        let nobody = holders.iter().all(|it| it.people().is_empty());
        let expected = always || needed == Needed::Urgent || holders.contains(&Holder::Nobody);
        nobody && expected
    }

    /// The stretches of a window in which nobody is there who is needed; with `always`, also those outside a place's
    /// hours.
    fn gaps(&self, needed: Needed, from: Instant, until: Instant, always: bool) -> Vec<Gap> {
        let stretches = self.stretches(needed.places(), from, until, |at| self.lacks(needed, at, always));
        stretches
            .into_iter()
            .filter(|stretch| stretch.what)
            .map(|stretch| Gap {
                needed,
                from: stretch.from,
                until: stretch.until,
            })
            .collect()
    }
}

/// Whether nobody is on call for an urgent case at an instant.
pub fn lacks_anybody(plan: &OnCallPlan, at: Instant) -> bool {
    plan.lacks(Needed::Urgent, at, true)
}

/// The gaps of the days ahead, also one that has begun. Nurse and backup are needed in the hours of their rotations,
/// somebody for urgent cases always.
pub fn gaps_ahead(plan: &OnCallPlan, now: Instant, rules: &RosterRules) -> Vec<Gap> {
    let ahead = Duration::days(i64::from(rules.look_ahead_days));
    let mut gaps: Vec<Gap> = Needed::ALL
        .into_iter()
        .flat_map(|needed| plan.gaps(needed, now - ahead, now + ahead, false))
        .filter(|gap| gap.until > now)
        .collect();
    gaps.sort_by_key(|gap| (gap.from, gap.needed));
    gaps
}

/// Who is missing for a session with its dose at `dose_at`, as far as that lies after `from`: nurse and backup until some
/// hours after the dose, somebody for urgent cases until the next day (PROTOCOL 4.1 `on_call_required`).
pub fn missing_for_session(
    plan: &OnCallPlan,
    from: Instant,
    dose_at: Instant,
    rules: &RosterRules,
) -> Vec<Gap> {
    let until = |needed| match needed {
        Needed::Nurse | Needed::Backup => dose_at + minutes(rules.staffed_until_after_min),
        Needed::Urgent => dose_at + minutes(rules.urgent_until_after_min),
    };
    let from = from.max(dose_at - minutes(rules.staffed_from_before_min));
    let needed = Needed::ALL.into_iter();
    needed
        .flat_map(|needed| plan.gaps(needed, from, until(needed), true))
        .collect()
}

/// A planned session for which somebody is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unstaffed {
    /// The session.
    pub session: SessionId,
    /// Its planned moment.
    pub planned_at: Instant,
    /// Who is missing from when until when; never empty.
    pub gaps: Vec<Gap>,
    /// How many of the protocol's steps before a gap its time has reached: it is told anew at each.
    pub steps_reached: usize,
}

/// Of the sessions planned for the days ahead, those for which somebody is missing: the roster was whole when they were planned,
/// and was changed since, or somebody left, or the session came to another time.
pub fn unstaffed(
    plan: &OnCallPlan,
    planned: &[(SessionId, Instant)],
    now: Instant,
    rules: &RosterRules,
) -> Vec<Unstaffed> {
    let until = now + Duration::days(i64::from(rules.look_ahead_days));
    let ahead = planned.iter().filter(|(_, at)| (now..=until).contains(at));
    let lacking = ahead.filter_map(|(session, planned_at)| {
        // The whole of its window, so that a gap is the same one at each look.
        let gaps = missing_for_session(plan, Instant::MIN_UTC, *planned_at, rules);
        let reached = |before_h: &&u32| *planned_at <= now + minutes(i64::from(**before_h) * 60);
        let unstaffed = Unstaffed {
            session: *session,
            planned_at: *planned_at,
            gaps,
            steps_reached: rules.gap_told_before_h.iter().filter(reached).count(),
        };
        Some(unstaffed).filter(|it| !it.gaps.is_empty())
    });
    let mut lacking: Vec<Unstaffed> = lacking.collect();
    lacking.sort_by_key(|it| (it.planned_at, it.session));
    lacking
}

/// Which of the gaps are to be told now, and what has been told after that.
///
/// A gap is told once for each step of the protocol that it has reached, and once if it reaches several together. One that
/// was closed and opens again is told again; one that only became shorter or longer is not.
pub fn to_tell(gaps: &[Gap], told: &[Told], now: Instant, rules: &RosterRules) -> (Vec<Gap>, Vec<Told>) {
    let mut after: Vec<Told> = told
        .iter()
        .filter(|it| gaps.iter().any(|gap| gap.meets(&it.gap)))
        .copied()
        .collect();
    let mut to_tell = Vec::new();
    for gap in gaps {
        let reached = rules
            .gap_told_before_h
            .iter()
            .filter(|before_h| now + minutes(i64::from(**before_h) * 60) >= gap.from);
        let new: Vec<Told> = reached
            .filter(|before_h| {
                !told
                    .iter()
                    .any(|it| it.before_h == **before_h && it.gap.meets(gap))
            })
            .map(|before_h| Told {
                gap: *gap,
                before_h: *before_h,
            })
            .collect();
        if !new.is_empty() {
            to_tell.push(*gap);
        }
        after.extend(new);
    }
    (to_tell, after)
}
