//! The longest that what a session's safety hangs on may take. Whoever writes a protocol sets its times; a slip of the keyboard
//! must not put a check, an alarm or its answer off until it is of no use. Each fault says why.

use super::check::Found;
use super::{CheckDue, CheckRule, LevelRules, ProtocolDocument};
use crate::duty::OwedBy;
use crate::ladder::Ladder;

/// The first check of the sitter at a fixed time, minutes after the dose: the worst event that is known at home began in the
/// first quarter of an hour (PROTOCOL 2, rule 1).
const FIRST_CHECK_MAX_MIN: i64 = 15;

/// From one check of the sitter to the next until the release, minutes: twice the quarter of an hour that is the norm (PROTOCOL 2,
/// rule 2).
const BETWEEN_CHECKS_MAX_MIN: i64 = 30;

/// How long before its time a check of a session may be answered, seconds: what is seen much earlier says nothing of that time.
const OPENS_BEFORE_MAX_S: i64 = 15 * 60;

/// From a check of a session to its reminders, either way, seconds: the care team is told four minutes after it is due.
const REMINDED_WITHIN_MAX_S: i64 = 15 * 60;

/// How long a check of the days after may stay unanswered, seconds.
const FOLLOW_UP_GRACE_MAX_S: i64 = 2 * 24 * 60 * 60;

/// How late the first time of a release may be, minutes after the dose.
const RELEASED_MAX_MIN: i64 = 240;

const IN_SESSION: &str = "in a session minutes matter";
const THIS_HOUR: &str = "level P2 means this hour";
const TODAY: &str = "level P3 means today";
const UNKNOWN_DOSE: &str = "until then nobody knows whether a dose was taken and nobody watches";
const NOT_RELEASED: &str = "a patient who is not well again by then needs a clinician";

impl ProtocolDocument {
    pub(super) fn check_maxima(&self, found: &mut Found) {
        let (table, plan, vitals) = (&self.timetable, &self.plan, &self.vitals);
        let release = &table.release;
        for (path, value, most, why) in [
            (
                "timetable.log_dose.ask_after_min",
                table.log_dose.ask_after_min,
                30,
                UNKNOWN_DOSE,
            ),
            (
                "timetable.log_dose.missed_after_min",
                table.log_dose.missed_after_min,
                60,
                UNKNOWN_DOSE,
            ),
            ("plan.unlocked_for_min", plan.unlocked_for_min, 120, UNKNOWN_DOSE),
            (
                "timetable.start.no_show_after_min",
                table.start.no_show_after_min,
                24 * 60,
                "a session is of one day",
            ),
            (
                "timetable.release.not_before_min",
                release.not_before_min,
                RELEASED_MAX_MIN,
                NOT_RELEASED,
            ),
            (
                "timetable.release.nurse_after_min",
                release.nurse_after_min,
                240,
                NOT_RELEASED,
            ),
            (
                "timetable.release.clinician_after_min",
                release.clinician_after_min,
                360,
                NOT_RELEASED,
            ),
            (
                "timetable.release.again_every_min",
                release.again_every_min,
                60,
                NOT_RELEASED,
            ),
            (
                "timetable.vitals_follow_within_min",
                table.vitals_follow_within_min,
                30,
                IN_SESSION,
            ),
            (
                "vitals.during.recheck_after_min",
                vitals.during.recheck_after_min,
                15,
                "a pressure over the limit is an alarm once it is measured again",
            ),
            (
                "watch.alive_within_s",
                self.watch.alive_within_s,
                5 * 60,
                "a dose is not opened while nobody watches",
            ),
        ] {
            at_most(found, path, value, most, why);
        }
        self.check_level_maxima(found);
        self.check_timetable_maxima(found);
    }

    fn check_level_maxima(&self, found: &mut Found) {
        let day = 24 * 60;
        // Minutes to take it, to reach the patient, to say how it ended; seconds until the last step, and between its repeats.
        for (name, rules, [ack, contacted, outcome], [last_s, every_s], why) in [
            ("p1", &self.cases.p1, [10, 15, 60], [600, 600], IN_SESSION),
            (
                "p2_in_session",
                &self.cases.p2_in_session,
                [10, 30, 120],
                [600, 600],
                IN_SESSION,
            ),
            (
                "p2",
                &self.cases.p2,
                [60, 60, 8 * 60],
                [3 * 3600, 3600],
                THIS_HOUR,
            ),
            (
                "p3",
                &self.cases.p3,
                [day, 2 * day, 3 * day],
                [2 * 86_400, 86_400],
                TODAY,
            ),
        ] {
            let LevelRules {
                ack_within_min,
                contacted_within_min,
                outcome_within_min,
                ladder,
            } = rules;
            for (field, value, most) in [
                ("ack_within_min", *ack_within_min, ack),
                ("contacted_within_min", *contacted_within_min, contacted),
                ("outcome_within_min", *outcome_within_min, outcome),
            ] {
                at_most(found, &format!("cases.{name}.{field}"), value, most, why);
            }
            let last = ladder.last();
            if let Some(rung) = ladder.0.get(last) {
                let path = format!("cases.{name}.ladder[{last}]");
                at_most(
                    found,
                    &format!("{path}.after_due_s"),
                    rung.after_due_s,
                    last_s,
                    why,
                );
                let every = rung.repeat_every_s.map_or(0, i64::from);
                at_most(found, &format!("{path}.repeat_every_s"), every, every_s, why);
            }
        }
    }

    fn check_timetable_maxima(&self, found: &mut Found) {
        let not_before_min = self.timetable.release.not_before_min;
        let mut due: Vec<(i64, String)> = Vec::new();
        let mut ladders: Vec<&str> = vec![&self.vitals.during.ladder, &self.timetable.log_dose.ladder];
        for (index, rule) in self.timetable.checks.iter().enumerate() {
            let path = format!("timetable.checks[{index}]");
            if matches!(rule.due, CheckDue::AfterMinutes(..1)) {
                found.at(format!("{path}.due"), "must be after the dose");
            }
            if rule.owed_by == OwedBy::Sitter {
                due.extend(due_minutes(rule, not_before_min).map(|at| (at, format!("{path}.due"))));
            }
            if rule.follow_up {
                let (grace, most) = (rule.grace_s, FOLLOW_UP_GRACE_MAX_S);
                let why = "later nobody would ask any more";
                at_most(found, &format!("{path}.grace_s"), grace, most, why);
                continue;
            }
            ladders.push(&rule.ladder);
            at_most(
                found,
                &format!("{path}.opens_before_s"),
                rule.opens_before_s,
                OPENS_BEFORE_MAX_S,
                "an answer from long before says nothing of its time",
            );
            if let Some(repeats) = rule.repeats {
                at_most(
                    found,
                    &format!("{path}.repeats.every_min"),
                    repeats.every_min,
                    BETWEEN_CHECKS_MAX_MIN,
                    IN_SESSION,
                );
            }
        }
        // Up to the first time of a release; after that repeats are bounded and the care team is told.
        due.sort();
        let (mut before, mut most) = (0, FIRST_CHECK_MAX_MIN);
        for (at, path) in due {
            let gap = at - before;
            if gap > most {
                found.at(
                    path,
                    format!(
                        "is {gap} minutes after the check before it or the dose; at most {most}: {IN_SESSION}"
                    ),
                );
            }
            (before, most) = (at, BETWEEN_CHECKS_MAX_MIN);
        }
        if not_before_min.min(RELEASED_MAX_MIN) - before > most {
            found.at(
                "timetable.checks",
                format!("the sitter is asked nothing from minute {before} to the release: {IN_SESSION}"),
            );
        }
        ladders.sort_unstable();
        ladders.dedup();
        for name in ladders {
            if let Some(ladder) = self.timetable.ladders.get(name) {
                check_reminders(found, name, ladder);
            }
        }
    }
}

/// The minutes after the dose at which a check at fixed times is due, up to the release.
fn due_minutes(rule: &CheckRule, until_min: i64) -> impl Iterator<Item = i64> {
    let until = until_min.min(RELEASED_MAX_MIN);
    let first = match rule.due {
        CheckDue::AfterMinutes(minutes) => Some(minutes).filter(|at| (1..=until).contains(at)),
        // By the order, up to half an hour.
        CheckDue::AfterHold => None,
    };
    first.into_iter().flat_map(move |first| {
        let (every, last) = rule.repeats.map_or((1, first), |repeats| {
            (repeats.every_min, repeats.until_min.clamp(first, until))
        });
        (first..=last).step_by(usize::try_from(every.max(1)).unwrap_or(1))
    })
}

fn check_reminders(found: &mut Found, name: &str, ladder: &Ladder) {
    for (index, rung) in ladder.0.iter().enumerate() {
        let near = rung.after_due_s.checked_abs();
        found.unless(
            near.is_some_and(|near| near <= REMINDED_WITHIN_MAX_S),
            format!("timetable.ladders.{name}[{index}].after_due_s"),
            format!("must be from -{REMINDED_WITHIN_MAX_S} to {REMINDED_WITHIN_MAX_S}: {IN_SESSION}"),
        );
    }
}

fn at_most(found: &mut Found, path: &str, value: i64, most: i64, why: &str) {
    found.unless(value <= most, path, format!("must be {most} or less: {why}"));
}
