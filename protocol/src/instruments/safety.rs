//! Safety questions, based on the ASQ of the National Institute of Mental Health (PROTOCOL 3.3).
//!
//! The ASQ is written for a clinician to ask; on a phone it is not the validated instrument, and it is labelled so. The
//! wording of questions 3 to 5 and the two kinds of "positive" are from memory: a clinician approves them before use.
//! What was said is never lost to what was left out: a form with a yes in it is taken as it is.

use super::{Answers, Asks, Form, Given, InstrumentKey, Item, Score, check_given, latest};
use crate::case::Level;
use crate::document::InstrumentRules;
use crate::id::ScoreId;
use crate::instruments::item9::{ScoreReview, newest_reviewed};
use crate::refusal::{Fault, Faults};

/// "… right now?"
pub const NOW: &str = "q5";

/// "… in the past week": told at once, however well known the rest is.
const PAST_WEEK: &str = "q3";

/// The questions, word for word.
const ITEMS: [(&str, &str); 5] = [
    ("q1", "In the past few weeks, have you wished you were dead?"),
    (
        "q2",
        "In the past few weeks, have you felt that you or your family would be better off if you were dead?",
    ),
    (
        PAST_WEEK,
        "In the past week, have you been having thoughts about killing yourself?",
    ),
    ("q4", "Have you ever tried to kill yourself?"),
    (NOW, "Are you having thoughts of killing yourself right now?"),
];

/// What is said with the questions.
pub const LABEL: &str = "Safety questions based on the ASQ (National Institute of Mental Health). Answered by yourself on a \
     phone they are not the validated instrument; your clinic reads every answer.";

/// The form.
pub fn form() -> Form<'static> {
    let items = ITEMS.map(|(key, text)| Item {
        key,
        text,
        asks: Asks::YesNo,
        loinc: None,
    });
    Form {
        key: InstrumentKey::Safety,
        title: "Safety questions",
        stem: "These questions are about thoughts of suicide. Please answer yes or no.",
        items: items.to_vec(),
        notices: &[LABEL],
        panel: None,
        total: None,
    }
}

/// What a set of answers says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Screen {
    /// No to all.
    Negative,
    /// Yes to something, and not to "right now".
    Positive,
    /// Yes to "right now".
    Acute,
}

/// Reads the answers.
pub fn screen(answers: &Answers) -> Screen {
    if yes(answers, NOW) {
        Screen::Acute
    } else if answers.values().any(|answer| is_yes(*answer)) {
        Screen::Positive
    } else {
        Screen::Negative
    }
}

/// A yes that was sent in the wrong form is refused, and its danger is not overlooked.
fn is_yes(answer: Given) -> bool {
    answer.number() > 0
}

fn yes(answers: &Answers, key: &str) -> bool {
    answers.get(key).is_some_and(|answer| is_yes(*answer))
}

/// The questions that were answered with yes, in order.
pub fn yeses(answers: &Answers) -> Vec<String> {
    let yes = answers.iter().filter(|(_, answer)| is_yes(**answer));
    yes.map(|(key, _)| key.clone()).collect()
}

/// Whether the answers can be taken. Questions 1 to 4 must all be there, "right now" only after a yes to one of them. But
/// a yes is never refused for what is missing beside it: [`still_to_ask`] says what to ask next.
pub fn check(answers: &Answers) -> Result<(), Faults> {
    let mut faults = check_given(&form(), answers);
    if screen(answers) == Screen::Negative {
        for (key, _) in ITEMS {
            if key != NOW && !answers.contains_key(key) {
                faults.push(Fault::new(format!("answers.{key}"), "is missing"));
            }
        }
    }
    faults.into_result()
}

/// Whether something said yes to one of the first questions and was not asked about "right now".
pub fn still_to_ask(answers: &Answers) -> bool {
    screen(answers) == Screen::Positive && !answers.contains_key(NOW)
}

/// How urgent a set of answers is; `None` when all are no.
///
/// "Right now" is always P1. A yes about the past week is as urgent as an unknown one. A yes that a clinician has seen
/// before (the reviewed answers had it too) is on the worklist: having once tried stays true for good, and an alarm every
/// week would be no alarm.
pub fn judge(
    answers: &Answers,
    scores: &[Score],
    reviews: &[ScoreReview],
    rules: &InstrumentRules,
) -> Option<Level> {
    match screen(answers) {
        Screen::Negative => None,
        Screen::Acute => Some(Level::P1),
        Screen::Positive => {
            let reviewed = newest_reviewed(scores, reviews, InstrumentKey::Safety);
            let known =
                reviewed.is_some_and(|score| yeses(answers).iter().all(|key| yes(&score.answers, key)));
            let unsure = still_to_ask(answers) || yes(answers, PAST_WEEK);
            if known && !unsure {
                Some(rules.safety_known_level)
            } else {
                Some(rules.safety_positive_level)
            }
        }
    }
}

/// The acute answer that no clinician has reviewed yet: while there is one, no session of the patient opens.
pub fn unreviewed_acute(scores: &[Score], reviews: &[ScoreReview]) -> Option<ScoreId> {
    let acute =
        |score: &&Score| score.instrument == InstrumentKey::Safety && screen(&score.answers) == Screen::Acute;
    let reviewed = |id: ScoreId| reviews.iter().any(|review| review.score == id);
    scores
        .iter()
        .filter(acute)
        .map(|score| score.id)
        .find(|id| !reviewed(*id))
}

/// Whether thoughts of death in the last PHQ-9 are still to be asked about: no safety answer came with it or after it.
pub fn is_owed(scores: &[Score]) -> Option<&Score> {
    let phq9 = latest(scores, InstrumentKey::Phq9)?;
    let asked_since = scores
        .iter()
        .any(|score| score.instrument == InstrumentKey::Safety && score.received_at >= phq9.received_at);
    (super::item9::of(&phq9.answers) >= 1 && !asked_since).then_some(phq9)
}
