//! What a document must be to be taken: keys, references, numbers, and the floors that no edit may cross.

use std::collections::BTreeSet;

use super::{Asks, CheckDue, DocumentFault, ProtocolDocument};
use crate::case::Level;
use crate::checklist::Actor;
use crate::duty::OwedBy;
use crate::ladder::{Audience, Ladder, Rung};

/// The longest a check of a session may stay unanswered before the care team is told, seconds.
const IN_SESSION_GRACE_MAX_S: i64 = 240;

/// The most characters a check may ask for in words.
const WORDS_MAX_CHARS: usize = 4000;

impl ProtocolDocument {
    /// Checks the whole document; the first fault is named by its path.
    pub(super) fn check(&self) -> Result<(), DocumentFault> {
        self.check_keys()?;
        self.check_references()?;
        self.check_numbers()?;
        self.roster.check()?;
        self.course.check()?;
        self.training.check()?;
        self.check_checklist()?;
        self.instruments.check()?;
        self.enrolment.check()?;
        self.follow_up.check(&self.enrolment)?;
        for (name, ladder) in &self.timetable.ladders {
            check_order(&format!("timetable.ladders.{name}"), ladder)?;
        }
        let cases = [
            ("p1", &self.cases.p1),
            ("p2_in_session", &self.cases.p2_in_session),
            ("p2", &self.cases.p2),
        ];
        for (name, level) in cases.into_iter().chain([("p3", &self.cases.p3)]) {
            check_case_ladder(&format!("cases.{name}.ladder"), &level.ladder)?;
            for (field, value) in [
                ("ack_within_min", level.ack_within_min),
                ("contacted_within_min", level.contacted_within_min),
                ("outcome_within_min", level.outcome_within_min),
            ] {
                if value < 1 {
                    return Err(DocumentFault::new(
                        format!("cases.{name}.{field}"),
                        "must be 1 or more",
                    ));
                }
            }
        }
        for (name, level) in [
            ("p1", &self.cases.p1),
            ("p2_in_session", &self.cases.p2_in_session),
        ] {
            check_floors(&format!("cases.{name}.ladder"), &level.ladder)?;
        }
        Ok(())
    }

    fn check_keys(&self) -> Result<(), DocumentFault> {
        if self.version.is_empty() || self.version.len() > 64 {
            return Err(DocumentFault::new("version", "must have 1 to 64 characters"));
        }
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
                if key.is_empty() || !seen.insert(key) {
                    return Err(DocumentFault::new(
                        format!("{path}[{index}].key"),
                        "is empty or stands twice",
                    ));
                }
            }
        }
        Ok(())
    }

    fn check_checklist(&self) -> Result<(), DocumentFault> {
        for (index, item) in self.checklist.iter().enumerate() {
            let path = format!("checklist[{index}]");
            let fault =
                |field: &str, message: &str| Err(DocumentFault::new(format!("{path}.{field}"), message));
            if item.actors.is_empty() {
                return fault("actors", "must not be empty");
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
                        return fault("asks.unit", "must not be empty");
                    }
                    if least > most {
                        return fault("asks.most", "is below `least`");
                    }
                    if good_from.unwrap_or(*least) > good_to.unwrap_or(*most) {
                        return fault("asks.good_to", "is below `good_from`");
                    }
                }
                Asks::Training if self.training.questions.is_empty() => {
                    return fault("asks", "there is no `training` with questions");
                }
                Asks::Presence | Asks::Sitter | Asks::Training if item.actors != [Actor::Sitter] => {
                    return fault("actors", "only the sitter does this");
                }
                _ => {}
            }
        }
        let rules = &self.preparation;
        for (index, key) in rules.never_overridden.iter().enumerate() {
            if self.item(key).is_none() {
                let path = format!("preparation.never_overridden[{index}]");
                return Err(DocumentFault::new(path, format!("there is no item `{key}`")));
            }
        }
        if let Some(key) = &rules.sitter_calls_item
            && self.item(key).is_none_or(|item| item.asks != Asks::Wish)
        {
            return Err(DocumentFault::new(
                "preparation.sitter_calls_item",
                format!("there is no item `{key}` that asks for a wish"),
            ));
        }
        if rules.week_opens_before_min <= self.plan.prep_opens_before_min {
            return Err(DocumentFault::new(
                "preparation.week_opens_before_min",
                format!("must be more than {}", self.plan.prep_opens_before_min),
            ));
        }
        for (path, value) in [
            ("preparation.override_max_min", rules.override_max_min),
            ("sitter.cut_off_before_min", self.sitter.cut_off_before_min),
        ] {
            if value < 0 {
                return Err(DocumentFault::new(path, "must not be negative"));
            }
        }
        Ok(())
    }

    fn check_references(&self) -> Result<(), DocumentFault> {
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
            if !table.ladders.contains_key(name) {
                return Err(DocumentFault::new(path, format!("there is no ladder `{name}`")));
            }
        }
        for (index, key) in table.confirm_plan.items.iter().enumerate() {
            if self.item(key).is_none() {
                let path = format!("timetable.confirm_plan.items[{index}]");
                return Err(DocumentFault::new(path, format!("there is no item `{key}`")));
            }
        }
        let reminders = table.ladders.iter();
        let to_staff = |rung: &Rung| {
            rung.tell
                .iter()
                .any(|who| !matches!(who, Audience::Patient | Audience::Sitter))
        };
        for (name, ladder) in reminders {
            if let Some(index) = ladder.0.iter().position(to_staff) {
                return Err(DocumentFault::new(
                    format!("timetable.ladders.{name}[{index}].tell"),
                    "a reminder is for patient and sitter; staff hear of cases",
                ));
            }
        }
        if !table
            .checks
            .iter()
            .any(|rule| rule.releases && rule.owed_by == OwedBy::Sitter)
        {
            return Err(DocumentFault::new(
                "timetable.checks",
                "no check of the sitter releases the patient",
            ));
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), DocumentFault> {
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
            if value < 1 {
                return Err(DocumentFault::new(path, "must be 1 or more"));
            }
        }
        if self.plan.dosing_hours_local.from > self.plan.dosing_hours_local.to {
            return Err(DocumentFault::new(
                "plan.dosing_hours_local",
                "`from` is after `to`",
            ));
        }
        if self.order_limits.second_signature_factor <= 1.0 {
            return Err(DocumentFault::new(
                "order_limits.second_signature_factor",
                "must be more than 1",
            ));
        }
        let limits = &self.order_limits;
        for (path, range) in [
            ("order_limits.lozenge_count", limits.lozenge_count),
            ("order_limits.strength_mg", limits.strength_mg),
            ("order_limits.hold_minutes", limits.hold_minutes),
            ("vitals.input_sanity.sbp", self.vitals.input_sanity.sbp),
            ("vitals.input_sanity.dbp", self.vitals.input_sanity.dbp),
            ("vitals.input_sanity.hr", self.vitals.input_sanity.hr),
        ] {
            if range.min > range.max || range.max == 0 {
                return Err(DocumentFault::new(path, "`min` is above `max`, or `max` is 0"));
            }
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
            if later <= earlier {
                return Err(DocumentFault::new(path, format!("must be more than {earlier}")));
            }
        }
        if self.quiet_hours.from <= self.quiet_hours.to {
            return Err(DocumentFault::new(
                "quiet_hours",
                "must begin in the evening and end in the morning",
            ));
        }
        for (index, rule) in self.timetable.checks.iter().enumerate() {
            let path = format!("timetable.checks[{index}]");
            if rule.grace_s < 60 || rule.opens_before_s < 0 {
                return Err(DocumentFault::new(
                    path,
                    "grace_s must be 60 or more and opens_before_s not negative",
                ));
            }
            // With the first rung of a case's ladder, which is told within a minute: a person by +5 min (PROTOCOL 4.5).
            if !rule.follow_up && rule.grace_s > IN_SESSION_GRACE_MAX_S {
                return Err(DocumentFault::new(
                    format!("{path}.grace_s"),
                    format!("in a session at most {IN_SESSION_GRACE_MAX_S}"),
                ));
            }
            let too_early =
                matches!(rule.due, CheckDue::AfterMinutes(after_min) if after_min < release.not_before_min);
            if rule.releases && too_early {
                return Err(DocumentFault::new(
                    format!("{path}.due"),
                    "releases before release.not_before_min",
                ));
            }
            if rule.repeats.is_some_and(|repeats| repeats.every_min < 1) {
                return Err(DocumentFault::new(
                    format!("{path}.repeats.every_min"),
                    "must be 1 or more",
                ));
            }
            if !rule.follow_up && rule.miss_level < Level::P2 {
                return Err(DocumentFault::new(
                    format!("{path}.miss_level"),
                    "in a session must be P2 or more urgent",
                ));
            }
            let mut keys = BTreeSet::new();
            for (index, words) in rule.words.iter().enumerate() {
                if words.key.is_empty() || !keys.insert(&words.key) {
                    return Err(DocumentFault::new(
                        format!("{path}.words[{index}].key"),
                        "is empty or stands twice",
                    ));
                }
                if !(1..=WORDS_MAX_CHARS).contains(&words.max_chars) {
                    return Err(DocumentFault::new(
                        format!("{path}.words[{index}].max_chars"),
                        format!("must be from 1 to {WORDS_MAX_CHARS}"),
                    ));
                }
            }
            if rule.questions.is_empty() {
                return Err(DocumentFault::new(
                    format!("{path}.questions"),
                    "must not be empty",
                ));
            }
        }
        Ok(())
    }
}

pub(super) fn check_order(path: &str, ladder: &Ladder) -> Result<(), DocumentFault> {
    for (index, pair) in ladder.0.windows(2).enumerate() {
        if pair[0].after_due_s >= pair[1].after_due_s {
            return Err(DocumentFault::new(
                format!("{path}[{}].after_due_s", index + 1),
                "is not after the rung before",
            ));
        }
        if pair[0].repeat_every_s.is_some() {
            return Err(DocumentFault::new(
                format!("{path}[{index}].repeat_every_s"),
                "only the last rung repeats",
            ));
        }
    }
    match ladder
        .0
        .iter()
        .position(|rung| rung.repeat_every_s.is_some_and(|every| every < 60))
    {
        Some(index) => Err(DocumentFault::new(
            format!("{path}[{index}].repeat_every_s"),
            "must be 60 or more",
        )),
        None => Ok(()),
    }
}

/// A case's ladder never ends: its last rung repeats and reaches the fallback list.
fn check_case_ladder(path: &str, ladder: &Ladder) -> Result<(), DocumentFault> {
    check_order(path, ladder)?;
    let last = ladder.last();
    let Some(rung) = ladder.0.get(last) else {
        return Err(DocumentFault::new(path, "must not be empty"));
    };
    if rung.repeat_every_s.is_none() {
        return Err(DocumentFault::new(
            format!("{path}[{last}].repeat_every_s"),
            "the last rung must repeat",
        ));
    }
    if !rung.tell.contains(&Audience::Fallback) {
        return Err(DocumentFault::new(
            format!("{path}[{last}].tell"),
            "the last rung must tell the fallback list",
        ));
    }
    let to_outsiders = |rung: &Rung| {
        rung.tell
            .iter()
            .any(|who| matches!(who, Audience::Patient | Audience::Sitter))
    };
    match ladder.0.iter().position(to_outsiders) {
        Some(index) => Err(DocumentFault::new(
            format!("{path}[{index}].tell"),
            "a case is for the care team only",
        )),
        None => Ok(()),
    }
}

/// Hard floors in a session, counted from the check's due time, four minutes of which are over when a case opens:
/// a person within 5 minutes, the whole rota within 10 and everyone within 13 (PROTOCOL 4.5, ladder A).
fn check_floors(path: &str, ladder: &Ladder) -> Result<(), DocumentFault> {
    let first_human_s = ladder
        .0
        .iter()
        .find(|rung| !rung.tell.is_empty())
        .map(|rung| rung.after_due_s);
    if first_human_s.is_none_or(|after_s| after_s > 60) {
        return Err(DocumentFault::new(
            format!("{path}[0]"),
            "in a session the first person is told within a minute",
        ));
    }
    let rota_s = ladder
        .0
        .iter()
        .find(|rung| rung.tell.contains(&Audience::AllOnCall))
        .map(|rung| rung.after_due_s);
    if rota_s.is_none_or(|after_s| after_s > 6 * 60) {
        return Err(DocumentFault::new(
            path,
            "in a session all on call are told within six minutes",
        ));
    }
    let everyone_s = ladder.0.get(ladder.last()).map(|rung| rung.after_due_s);
    if everyone_s.is_none_or(|after_s| after_s > 9 * 60) {
        let last = ladder.last();
        return Err(DocumentFault::new(
            format!("{path}[{last}]"),
            "in a session everyone is told within nine minutes",
        ));
    }
    Ok(())
}
