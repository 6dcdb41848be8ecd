//! The sitter's part from the dose to the release: the check that is open now, what follows, and the release.

use bedside_protocol::answering::{self, check_open_now};
use bedside_protocol::document::CheckRule;
use bedside_protocol::dosing::check_rule_of;
use bedside_protocol::duty::{Duty, DutyKind, DutyState, OwedBy};
use bedside_protocol::record::SessionRecord;
use bedside_protocol::releasing::{self, release_questions};
use bedside_protocol::sitter::{Sitter, SitterState};
use bedside_protocol::time::{Instant, minutes};

use super::form::{Choices, Entered, VitalsFields};
use super::frame::{WallClock, count};
use super::sitter_preparing::{CodeForm, code_form};
use super::sitter_view::OrderText;

/// From the dose to the release.
#[derive(Debug)]
pub struct Running {
    /// When the lozenge went in.
    pub dosed: String,
    /// How long ago.
    pub since: String,
    /// The hold, while it lasts.
    pub hold: Option<Hold>,
    /// The check to answer now.
    pub check: Option<Check>,
    /// A reading that is asked for now, with the words for it.
    pub reading_asked: Option<String>,
    /// The fields of a reading; under "measure" where none is asked for.
    pub vitals: VitalsFields,
    /// "I am here", where it was never said.
    pub code: Option<CodeForm>,
    /// The next check and when the care team is told without an answer.
    pub next: Option<Next>,
    /// Release.
    pub release: Release,
}

/// The lozenge is under the tongue.
#[derive(Debug)]
pub struct Hold {
    /// Until when.
    pub until: String,
    /// What is ordered.
    pub order: OrderText,
}

/// A check to answer now.
#[derive(Debug)]
pub struct Check {
    /// The form's own address below the page: a stale form is recorded for the check it was made for.
    pub form: String,
    /// What it is.
    pub text: String,
    /// When it is or was due, and what happens without an answer.
    pub due: String,
    /// Whether it is late.
    pub late: bool,
    /// One button for all good answers; absent where each question deserves its own look.
    pub all_well: Option<AllWell>,
    /// The single questions.
    pub questions: Vec<Choices>,
    /// Blood pressure and pulse, where the check asks for them.
    pub vitals: Option<VitalsFields>,
    /// Whether the single questions stand open at once.
    pub open: bool,
    /// Why it came back.
    pub refused: Option<String>,
}

/// The one button.
#[derive(Debug)]
pub struct AllWell {
    /// `All three are well`.
    pub label: String,
    /// Each question with what the button answers: field, value, question, answer.
    pub answers: Vec<Said>,
}

/// One answer the button gives.
#[derive(Debug)]
pub struct Said {
    /// The field.
    pub name: String,
    /// `yes` or `no`.
    pub value: &'static str,
    /// What is asked.
    pub text: String,
}

/// What comes next.
#[derive(Debug)]
pub struct Next {
    /// What it is.
    pub text: String,
    /// From when it can be answered.
    pub opens: String,
    /// When it is due.
    pub due: String,
}

/// Release.
#[derive(Debug)]
pub enum Release {
    /// Not yet; from then on.
    From(String),
    /// The check that is open now releases.
    InCheck,
    /// The questions can be answered again.
    Again(Vec<Choices>),
}

/// What a sitter does while a session runs.
pub fn running(record: &SessionRecord, sitter: &Sitter, clock: WallClock, entered: &Entered) -> Running {
    let t0 = record.session.t0();
    let release_at = releasing::opens_at(record);
    let may_release = clock.now >= release_at;
    let due = check_now(record, clock, may_release);
    let check = due.and_then(|duty| check(record, duty, clock, entered));
    let releases_now = due
        .and_then(|duty| check_rule_of(record, duty))
        .is_some_and(|rule| rule.releases);
    let release = if !may_release {
        Release::From(clock.at(release_at))
    } else if releases_now {
        Release::InCheck
    } else {
        let rule = release_questions(record);
        Release::Again(
            rule.map(|rule| questions("release", rule, entered.of("release")))
                .unwrap_or_default(),
        )
    };
    let reading_asked = reading_asked(record, clock);
    Running {
        dosed: clock.at_with_zone(t0),
        since: clock.span(t0),
        hold: hold(record, clock),
        check,
        reading_asked,
        vitals: VitalsFields::new(
            "vitals",
            "",
            true,
            &record.around.protocol.vitals.input_sanity,
            entered,
        ),
        code: (!matches!(sitter.state, SitterState::Present { .. }))
            .then(|| code_form(record, sitter, clock, entered)),
        next: next(record, due, clock),
        release,
    }
}

/// The check to show: the earliest open one; else the last that was missed and is still unanswered, because a late
/// answer is worth having. Release questions wait until a release is possible.
fn check_now(record: &SessionRecord, clock: WallClock, may_release: bool) -> Option<&Duty> {
    let shown = |duty: &&Duty| may_release || check_rule_of(record, duty).is_some_and(|rule| !rule.releases);
    if let Some(duty) = check_open_now(record, OwedBy::Sitter, clock.now).filter(shown) {
        return Some(duty);
    }
    let last_answered = record
        .check_ins
        .iter()
        .filter_map(|answer| record.watch.duty(answer.duty))
        .filter(|duty| duty.owed_by == OwedBy::Sitter)
        .map(|duty| duty.due_at)
        .max();
    record
        .watch
        .duties
        .iter()
        .filter(|duty| {
            duty.owed_by == OwedBy::Sitter
                && matches!(duty.kind, DutyKind::CheckIn { .. })
                && matches!(
                    duty.state,
                    DutyState::Missed { answered: None, .. } | DutyState::Unknown { answered: None, .. }
                )
                && last_answered.is_none_or(|last| last < duty.due_at)
        })
        .filter(shown)
        .max_by_key(|duty| duty.due_at)
}

fn check(record: &SessionRecord, duty: &Duty, clock: WallClock, entered: &Entered) -> Option<Check> {
    let rule = check_rule_of(record, duty)?;
    let form = format!("check-ins/{}", duty.id);
    let back = entered.of(&form);
    let vitals = answering::asks_vitals(record, rule).then(|| {
        let sanity = &record.around.protocol.vitals.input_sanity;
        VitalsFields::new(&form, "vitals.", true, sanity, entered)
    });
    let due_at = clock.at(duty.due_at);
    let (due, late) = match (&duty.state, duty.missed_after) {
        (DutyState::Open, Some(told_at)) if clock.now > duty.due_at => (
            format!(
                "It was due at {due_at}. Without an answer the care team is told at {}.",
                clock.at(told_at)
            ),
            true,
        ),
        (DutyState::Open, _) => (format!("Due at {due_at}."), false),
        _ => (
            format!(
                "It was due at {due_at} and the care team has been told. Please answer it now all the same."
            ),
            true,
        ),
    };
    let all_well = (!rule.releases).then(|| AllWell {
        label: match rule.questions.len() {
            1 => "Yes, this is well".to_owned(),
            2 => "Both are well".to_owned(),
            3 => "All three are well".to_owned(),
            _ => "All of this is well".to_owned(),
        },
        answers: rule
            .questions
            .iter()
            .map(|question| Said {
                name: format!("answers.{}", question.key),
                value: if question.good { "yes" } else { "no" },
                text: question.text.clone(),
            })
            .collect(),
    });
    let single = questions(&form, rule, back);
    Some(Check {
        text: rule.text.clone(),
        due,
        late,
        open: all_well.is_none()
            || single
                .iter()
                .any(|question| question.fault.is_some() || question.options.iter().any(|it| it.chosen)),
        all_well,
        questions: single,
        vitals,
        refused: back.and_then(|back| back.refused.clone()),
        form,
    })
}

fn questions(form: &str, rule: &CheckRule, back: Option<&Entered>) -> Vec<Choices> {
    let one = |question: &bedside_protocol::document::Question| {
        let id = format!("{form}-{}", question.key).replace('/', "-");
        Choices::yes_no(id, &format!("answers.{}", question.key), &question.text, back)
    };
    rule.questions.iter().map(one).collect()
}

fn hold(record: &SessionRecord, clock: WallClock) -> Option<Hold> {
    let instruction = record.session.dose.as_ref()?.instruction?;
    let until = record.session.t0() + minutes(i64::from(instruction.hold_minutes));
    (clock.now < until).then(|| Hold {
        until: clock.at(until),
        order: OrderText::of(&instruction),
    })
}

/// A reading that is owed now: one left out of a check, or one more after a high one.
fn reading_asked(record: &SessionRecord, clock: WallClock) -> Option<String> {
    let asked = |duty: &&Duty| {
        matches!(
            duty.kind,
            DutyKind::SendVitals { .. } | DutyKind::RecheckVitals { .. }
        ) && duty.owed_by == OwedBy::Sitter
    };
    let duty = record
        .watch
        .open_duties()
        .filter(asked)
        .min_by_key(|duty| duty.due_at)?;
    let by = clock.at(duty.missed_after.unwrap_or(duty.due_at));
    Some(match duty.kind {
        DutyKind::RecheckVitals { .. } => {
            let again_at: Instant = duty.due_at;
            if clock.now < again_at {
                format!(
                    "The last reading was high. Let them rest, measure again at {}, and send it by {by}.",
                    clock.at(again_at)
                )
            } else {
                format!("The last reading was high. Measure again now, and send it by {by}.")
            }
        }
        _ => format!("Blood pressure and pulse are still missing. Please measure, and send them by {by}."),
    })
}

fn next(record: &SessionRecord, shown: Option<&Duty>, clock: WallClock) -> Option<Next> {
    let coming = record.watch.open_duties().filter(|duty| {
        duty.owed_by == OwedBy::Sitter
            && matches!(duty.kind, DutyKind::CheckIn { .. })
            && shown.is_none_or(|shown| shown.id != duty.id)
            && duty.due_at > clock.now
            && !record.check_ins.iter().any(|answer| answer.duty == duty.id)
    });
    let duty = coming.min_by_key(|duty| duty.due_at)?;
    let rule = check_rule_of(record, duty)?;
    Some(Next {
        text: rule.text.clone(),
        opens: clock.at(duty.opens_at),
        due: format!(
            "{}, in {}",
            clock.at(duty.due_at),
            in_words(duty.due_at, clock.now)
        ),
    })
}

fn in_words(due_at: Instant, now: Instant) -> String {
    let whole = (due_at - now).num_minutes();
    if whole < 120 {
        count(whole.max(1), "minute")
    } else {
        super::frame::span(now, due_at)
    }
}
