//! What a document must be to be taken: keys, references, numbers, and the floors that no edit may cross. Every fault is
//! found, each by its path.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Asks, CheckDue, DocumentFault, ProtocolDocument};
use crate::case::Level;
use crate::checklist::Actor;
use crate::duty::OwedBy;
use crate::ladder::{Audience, Ladder, Rung};

/// The longest a check of a session may stay unanswered before the care team is told, seconds.
const IN_SESSION_GRACE_MAX_S: i64 = 240;

/// The largest number of a document: the seconds of a year.
const NUMBER_MAX: f64 = 366.0 * 24.0 * 3600.0;

/// The longest a check repeats, minutes after the dose.
const REPEATS_UNTIL_MAX_MIN: i64 = 3 * 24 * 60;

/// The most characters a check may ask for in words.
const WORDS_MAX_CHARS: usize = 4000;

/// What was found wrong so far.
#[derive(Default)]
pub(super) struct Found(Vec<DocumentFault>);

impl Found {
    /// Something wrong at `path`.
    pub(super) fn at(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(DocumentFault::new(path, message));
    }

    /// Something wrong at `path` unless it is `good`.
    pub(super) fn unless(&mut self, good: bool, path: impl Into<String>, message: impl Into<String>) {
        if !good {
            self.at(path, message);
        }
    }
}

impl ProtocolDocument {
    /// Everything that is wrong with a document that could be read, each by its path.
    pub(super) fn check(&self) -> Vec<DocumentFault> {
        let mut found = Found::default();
        self.check_sizes(&mut found);
        self.check_keys(&mut found);
        self.check_references(&mut found);
        self.check_numbers(&mut found);
        self.check_rows(&mut found);
        self.check_maxima(&mut found);
        self.check_vitals(&mut found);
        self.roster.check(&mut found);
        self.course.check(&mut found);
        self.training.check(&mut found);
        self.check_checklist(&mut found);
        self.instruments.check(&mut found);
        self.enrolment.check(&mut found);
        self.follow_up.check(&self.enrolment, &mut found);
        for (name, ladder) in &self.timetable.ladders {
            check_order(&mut found, &format!("timetable.ladders.{name}"), ladder);
        }
        self.check_cases(&mut found);
        found.0
    }

    /// No number is so large that a time reckoned with it could not be.
    fn check_sizes(&self, found: &mut Found) {
        if let Ok(document) = serde_json::to_value(self) {
            check_size(found, "", &document);
        }
    }

    fn check_keys(&self, found: &mut Found) {
        let named = !self.version.is_empty() && self.version.len() <= 64;
        found.unless(named, "version", "must have 1 to 64 characters");
        let lists: [(&str, Vec<&str>); 3] = [
            (
                "checklist",
                self.checklist.iter().map(|item| item.key.as_str()).collect(),
            ),
            (
                "timetable.checks",
                self.timetable
                    .checks
                    .iter()
                    .map(|rule| rule.key.as_str())
                    .collect(),
            ),
            (
                "red_flags",
                self.red_flags.iter().map(|flag| flag.key.as_str()).collect(),
            ),
        ];
        for (path, keys) in lists {
            let mut seen = BTreeSet::new();
            for (index, key) in keys.into_iter().enumerate() {
                let good = !key.is_empty() && seen.insert(key);
                found.unless(good, format!("{path}[{index}].key"), "is empty or stands twice");
            }
        }
    }

    fn check_checklist(&self, found: &mut Found) {
        for (index, item) in self.checklist.iter().enumerate() {
            let path = format!("checklist[{index}]");
            let mut fault = |field: &str, message: &str| found.at(format!("{path}.{field}"), message);
            if item.actors.is_empty() {
                fault("actors", "must not be empty");
            }
            match &item.asks {
                Asks::Number {
                    unit,
                    least,
                    most,
                    good_from,
                    good_to,
                    ..
                } => {
                    if unit.trim().is_empty() {
                        fault("asks.unit", "must not be empty");
                    }
                    if least > most {
                        fault("asks.most", "is below `least`");
                    }
                    if good_from.unwrap_or(*least) > good_to.unwrap_or(*most) {
                        fault("asks.good_to", "is below `good_from`");
                    }
                }
                Asks::Training if self.training.questions.is_empty() => {
                    fault("asks", "there is no `training` with questions");
                }
                Asks::Presence | Asks::Sitter | Asks::Training if item.actors != [Actor::Sitter] => {
                    fault("actors", "only the sitter does this");
                }
                _ => {}
            }
        }
        let rules = &self.preparation;
        for (index, key) in rules.never_overridden.iter().enumerate() {
            if self.item(key).is_none() {
                let path = format!("preparation.never_overridden[{index}]");
                found.at(path, format!("there is no item `{key}`"));
            }
        }
        if let Some(key) = &rules.sitter_calls_item
            && self.item(key).is_none_or(|item| item.asks != Asks::Wish)
        {
            found.at(
                "preparation.sitter_calls_item",
                format!("there is no item `{key}` that asks for a wish"),
            );
        }
        if rules.week_opens_before_min <= self.plan.prep_opens_before_min {
            found.at(
                "preparation.week_opens_before_min",
                format!("must be more than {}", self.plan.prep_opens_before_min),
            );
        }
        for (path, value) in [
            ("preparation.override_max_min", rules.override_max_min),
            ("sitter.cut_off_before_min", self.sitter.cut_off_before_min),
        ] {
            if value < 0 {
                found.at(path, "must not be negative");
            }
        }
    }

    fn check_references(&self, found: &mut Found) {
        let table = &self.timetable;
        let named = [
            ("timetable.heads_up.ladder", &table.heads_up.ladder),
            ("timetable.confirm_plan.ladder", &table.confirm_plan.ladder),
            ("timetable.prepare_day.ladder", &table.prepare_day.ladder),
            ("timetable.start.ladder", &table.start.ladder),
            ("timetable.log_dose.ladder", &table.log_dose.ladder),
            ("sitter.ladder", &self.sitter.ladder),
            ("vitals.during.ladder", &self.vitals.during.ladder),
        ];
        let checks = table.checks.iter().enumerate();
        let of_checks =
            checks.map(|(index, rule)| (format!("timetable.checks[{index}].ladder"), &rule.ladder));
        for (path, name) in named
            .into_iter()
            .map(|(path, name)| (path.to_owned(), name))
            .chain(of_checks)
        {
            found.unless(
                table.ladders.contains_key(name),
                path,
                format!("there is no ladder `{name}`"),
            );
        }
        for (index, key) in table.confirm_plan.items.iter().enumerate() {
            let path = format!("timetable.confirm_plan.items[{index}]");
            found.unless(
                self.item(key).is_some(),
                path,
                format!("there is no item `{key}`"),
            );
        }
        let reminders = table.ladders.iter();
        let to_staff = |rung: &Rung| {
            rung.tell
                .iter()
                .any(|who| !matches!(who, Audience::Patient | Audience::Sitter))
        };
        for (name, ladder) in reminders {
            if let Some(index) = ladder.0.iter().position(to_staff) {
                found.at(
                    format!("timetable.ladders.{name}[{index}].tell"),
                    "a reminder is for patient and sitter; staff hear of cases",
                );
            }
        }
        let mut checks = table.checks.iter();
        found.unless(
            checks.any(|rule| rule.releases && rule.owed_by == OwedBy::Sitter),
            "timetable.checks",
            "no check of the sitter releases the patient",
        );
    }

    fn check_numbers(&self, found: &mut Found) {
        let positive = [
            ("plan.min_interval_hours", self.plan.min_interval_hours),
            ("plan.prep_opens_before_min", self.plan.prep_opens_before_min),
            ("plan.unlock_after_min", self.plan.unlock_after_min),
            ("plan.dose_report_back_h", self.plan.dose_report_back_h),
            (
                "timetable.release.not_before_min",
                self.timetable.release.not_before_min,
            ),
            (
                "timetable.release.again_every_min",
                self.timetable.release.again_every_min,
            ),
            (
                "timetable.vitals_follow_within_min",
                self.timetable.vitals_follow_within_min,
            ),
            ("sitter.answer_within_min", self.sitter.answer_within_min),
            ("sitter.stays_after_dose_min", self.sitter.stays_after_dose_min),
            (
                "sitter.stays_after_first_dose_min",
                self.sitter.stays_after_first_dose_min,
            ),
            ("sitter.code_block_min", self.sitter.code_block_min),
            ("sitter.wrong_codes_max", i64::from(self.sitter.wrong_codes_max)),
            ("vitals.pre_dose.tries", i64::from(self.vitals.pre_dose.tries)),
            (
                "vitals.during.recheck_grace_min",
                self.vitals.during.recheck_grace_min,
            ),
            (
                "timetable.log_dose.ask_after_min",
                self.timetable.log_dose.ask_after_min,
            ),
            (
                "timetable.start.no_show_after_min",
                self.timetable.start.no_show_after_min,
            ),
            ("watch.alive_within_s", self.watch.alive_within_s),
            (
                "vitals.during.recheck_after_min",
                self.vitals.during.recheck_after_min,
            ),
        ];
        for (path, value) in positive {
            found.unless(value >= 1, path, "must be 1 or more");
        }
        let hours = self.plan.dosing_hours_local;
        found.unless(
            hours.from <= hours.to,
            "plan.dosing_hours_local",
            "`from` is after `to`",
        );
        found.unless(
            self.order_limits.second_signature_factor > 1.0,
            "order_limits.second_signature_factor",
            "must be more than 1",
        );
        let limits = &self.order_limits;
        for (path, range) in [
            ("order_limits.lozenge_count", limits.lozenge_count),
            ("order_limits.strength_mg", limits.strength_mg),
            ("order_limits.hold_minutes", limits.hold_minutes),
            ("vitals.input_sanity.sbp", self.vitals.input_sanity.sbp),
            ("vitals.input_sanity.dbp", self.vitals.input_sanity.dbp),
            ("vitals.input_sanity.hr", self.vitals.input_sanity.hr),
        ] {
            let good = range.min <= range.max && range.max > 0;
            found.unless(good, path, "`min` is above `max`, or `max` is 0");
        }
        let (table, plan) = (&self.timetable, &self.plan);
        let release = &table.release;
        for (path, earlier, later) in [
            (
                "timetable.release.clinician_after_min",
                release.nurse_after_min,
                release.clinician_after_min,
            ),
            (
                "timetable.log_dose.missed_after_min",
                table.log_dose.ask_after_min,
                table.log_dose.missed_after_min,
            ),
            (
                "plan.unlocked_for_min",
                table.log_dose.missed_after_min,
                plan.unlocked_for_min,
            ),
            (
                "timetable.confirm_plan.worklist_before_min",
                table.confirm_plan.hold_before_min,
                table.confirm_plan.worklist_before_min,
            ),
            (
                "timetable.confirm_plan.asked_before_min",
                table.confirm_plan.worklist_before_min,
                table.confirm_plan.asked_before_min,
            ),
        ] {
            found.unless(later > earlier, path, format!("must be more than {earlier}"));
        }
        found.unless(
            self.quiet_hours.from > self.quiet_hours.to,
            "quiet_hours",
            "must begin in the evening and end in the morning",
        );
    }

    fn check_rows(&self, found: &mut Found) {
        let not_before_min = self.timetable.release.not_before_min;
        for (index, rule) in self.timetable.checks.iter().enumerate() {
            let path = format!("timetable.checks[{index}]");
            found.unless(
                rule.grace_s >= 60 && rule.opens_before_s >= 0,
                path.as_str(),
                "grace_s must be 60 or more and opens_before_s not negative",
            );
            let before_release = match rule.due {
                CheckDue::AfterHold => true,
                CheckDue::AfterMinutes(after_min) => after_min < not_before_min,
            };
            if rule.follow_up {
                found.unless(
                    !before_release,
                    format!("{path}.follow_up"),
                    "what is due before release.not_before_min belongs to the session",
                );
            } else {
                in_session_floors(
                    found,
                    &path,
                    rule.grace_s,
                    [rule.miss_level, rule.second_miss_level],
                );
            }
            found.unless(
                !rule.releases || !before_release || rule.due == CheckDue::AfterHold,
                format!("{path}.due"),
                "releases before release.not_before_min",
            );
            found.unless(
                rule.repeats.is_none_or(|repeats| repeats.every_min >= 1),
                format!("{path}.repeats.every_min"),
                "must be 1 or more",
            );
            found.unless(
                rule.repeats
                    .is_none_or(|repeats| repeats.until_min <= REPEATS_UNTIL_MAX_MIN),
                format!("{path}.repeats.until_min"),
                format!("must be {REPEATS_UNTIL_MAX_MIN} or less"),
            );
            found.unless(
                !rule.questions.is_empty(),
                format!("{path}.questions"),
                "must not be empty",
            );
            let mut keys = BTreeSet::new();
            for (index, words) in rule.words.iter().enumerate() {
                found.unless(
                    !words.key.is_empty() && keys.insert(&words.key),
                    format!("{path}.words[{index}].key"),
                    "is empty or stands twice",
                );
                found.unless(
                    (1..=WORDS_MAX_CHARS).contains(&words.max_chars),
                    format!("{path}.words[{index}].max_chars"),
                    format!("must be from 1 to {WORDS_MAX_CHARS}"),
                );
            }
        }
    }

    /// A reading that was asked for is a check like any other.
    fn check_vitals(&self, found: &mut Found) {
        let grace_s = self.vitals.during.recheck_grace_min.saturating_mul(60);
        found.unless(
            grace_s <= IN_SESSION_GRACE_MAX_S,
            "vitals.during.recheck_grace_min",
            format!("in a session at most {}", IN_SESSION_GRACE_MAX_S / 60),
        );
        let (ranges, usual) = (&self.vitals.patient_ranges, &self.vitals.pre_dose);
        for (field, range, usual) in [
            ("sbp_max", ranges.sbp_max, usual.sbp_max),
            ("dbp_max", ranges.dbp_max, usual.dbp_max),
            ("hr_max", ranges.hr_max, usual.hr_max),
            ("hr_min", ranges.hr_min, usual.hr_min),
            ("sbp_min", ranges.sbp_min, usual.sbp_min),
        ] {
            found.unless(
                range.contains(usual),
                format!("vitals.patient_ranges.{field}"),
                format!("must hold vitals.pre_dose.{field}, {usual}"),
            );
        }
    }

    fn check_cases(&self, found: &mut Found) {
        for (name, level, in_session) in [
            ("p1", &self.cases.p1, true),
            ("p2_in_session", &self.cases.p2_in_session, true),
            ("p2", &self.cases.p2, false),
            ("p3", &self.cases.p3, false),
        ] {
            let path = format!("cases.{name}.ladder");
            check_case_ladder(found, &path, &level.ladder);
            if in_session {
                check_floors(found, &path, &level.ladder);
            }
            for (field, value) in [
                ("ack_within_min", level.ack_within_min),
                ("contacted_within_min", level.contacted_within_min),
                ("outcome_within_min", level.outcome_within_min),
            ] {
                found.unless(value >= 1, format!("cases.{name}.{field}"), "must be 1 or more");
            }
        }
    }
}

/// With the first rung of a case's ladder, which is told within a minute: a person by +5 min (PROTOCOL 4.5). The ladders of
/// P3 and below are the worklist's, which nobody reads in a session.
fn in_session_floors(found: &mut Found, path: &str, grace_s: i64, levels: [Level; 2]) {
    found.unless(
        grace_s <= IN_SESSION_GRACE_MAX_S,
        format!("{path}.grace_s"),
        format!("in a session at most {IN_SESSION_GRACE_MAX_S}"),
    );
    for (field, level) in ["miss_level", "second_miss_level"].into_iter().zip(levels) {
        let message = format!("in a session {} or more urgent", Level::P2.name());
        found.unless(level >= Level::P2, format!("{path}.{field}"), message);
    }
}

pub(super) fn check_order(found: &mut Found, path: &str, ladder: &Ladder) {
    for (index, pair) in ladder.0.windows(2).enumerate() {
        found.unless(
            pair[0].after_due_s < pair[1].after_due_s,
            format!("{path}[{}].after_due_s", index + 1),
            "is not after the rung before",
        );
        found.unless(
            pair[0].repeat_every_s.is_none(),
            format!("{path}[{index}].repeat_every_s"),
            "only the last rung repeats",
        );
    }
    let too_often = |rung: &Rung| rung.repeat_every_s.is_some_and(|every| every < 60);
    if let Some(index) = ladder.0.iter().position(too_often) {
        found.at(format!("{path}[{index}].repeat_every_s"), "must be 60 or more");
    }
}

/// A case's ladder never ends: its last rung repeats and reaches the fallback list.
fn check_case_ladder(found: &mut Found, path: &str, ladder: &Ladder) {
    check_order(found, path, ladder);
    let last = ladder.last();
    let Some(rung) = ladder.0.get(last) else {
        found.at(path, "must not be empty");
        return;
    };
    found.unless(
        rung.repeat_every_s.is_some(),
        format!("{path}[{last}].repeat_every_s"),
        "the last rung must repeat",
    );
    found.unless(
        rung.tell.contains(&Audience::Fallback),
        format!("{path}[{last}].tell"),
        "the last rung must tell the fallback list",
    );
    let to_outsiders = |rung: &Rung| {
        let mut told = rung.tell.iter();
        told.any(|who| matches!(who, Audience::Patient | Audience::Sitter))
    };
    if let Some(index) = ladder.0.iter().position(to_outsiders) {
        found.at(
            format!("{path}[{index}].tell"),
            "a case is for the care team only",
        );
    }
}

/// Hard floors in a session, counted from the check's due time, four minutes of which are over when a case opens:
/// a person within 5 minutes, the whole rota within 10 and everyone within 13 (PROTOCOL 4.5, ladder A).
fn check_floors(found: &mut Found, path: &str, ladder: &Ladder) {
    // An empty ladder is a fault already.
    if ladder.0.is_empty() {
        return;
    }
    let first_told_s = |wanted: &dyn Fn(&Rung) -> bool| {
        let rung = ladder.0.iter().find(|rung| wanted(rung));
        rung.map_or(i64::MAX, |rung| rung.after_due_s)
    };
    found.unless(
        first_told_s(&|rung| !rung.tell.is_empty()) <= 60,
        format!("{path}[0]"),
        "in a session the first person is told within a minute",
    );
    found.unless(
        first_told_s(&|rung| rung.tell.contains(&Audience::AllOnCall)) <= 6 * 60,
        path,
        "in a session all on call are told within six minutes",
    );
    let last = ladder.last();
    found.unless(
        first_told_s(&|rung| rung.repeat_every_s.is_some()) <= 9 * 60,
        format!("{path}[{last}]"),
        "in a session everyone is told within nine minutes",
    );
}

fn check_size(found: &mut Found, path: &str, value: &Value) {
    match value {
        Value::Number(number) => found.unless(
            number
                .as_f64()
                .is_some_and(|number| (-NUMBER_MAX..=NUMBER_MAX).contains(&number)),
            path,
            format!("must be from -{NUMBER_MAX} to {NUMBER_MAX}"),
        ),
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                check_size(found, &format!("{path}[{index}]"), value);
            }
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                check_size(found, &format!("{path}{dot}{key}"), value);
            }
        }
        _ => {}
    }
}
