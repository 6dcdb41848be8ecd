//! Training: the sitter reads one page and answers its questions; a wrong answer shows the part again that holds the right
//! one.

use std::collections::BTreeMap;

use serde_json::json;

use super::committed;
use crate::draft::Draft;
use crate::record::{Decision, RuleContext, SessionRecord};
use crate::refusal::{Fault, Faults, Refusal};

/// What became of the answers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Trained {
    /// All were right.
    Done,
    /// Some were not: these parts of the page are to be read again.
    ReadAgain {
        /// The keys of the questions.
        questions: Vec<String>,
    },
}

/// Answers every question of the page, each by the key of what was chosen.
pub fn train(
    record: &SessionRecord,
    answers: &BTreeMap<String, String>,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<SessionRecord>, Trained), Refusal> {
    let sitter = committed(record, &context.caller)?;
    let training = record.around.protocol.training.clone();
    if training.questions.is_empty() {
        return Err(Refusal::NotFound);
    }
    let mut faults = Faults::default();
    for (key, chosen) in answers {
        let path = format!("answers.{key}");
        match training.question(key) {
            None => faults.push(Fault::new(path, "there is no such question")),
            Some(question) if question.options.iter().all(|option| option.key != *chosen) => {
                faults.push(Fault::new(path, "choose one of what is offered"));
            }
            Some(_) => {}
        }
    }
    let missing = training.questions.iter();
    for question in missing.filter(|question| !answers.contains_key(&question.key)) {
        faults.push(Fault::new(format!("answers.{}", question.key), "choose one"));
    }
    faults.into_result()?;
    let questions = training.questions.iter();
    let wrong: Vec<String> = questions
        .filter(|question| answers.get(&question.key) != Some(&question.right))
        .map(|question| question.key.clone())
        .collect();
    let mut draft = Draft::of(record, context);
    let now = draft.now();
    draft.fact("sitter.trained", json!({"sitter": sitter.id, "wrong": &wrong}));
    if wrong.is_empty() {
        draft.record.session.know_sitter(&sitter.email).trained_at = Some(now);
    }
    if let Some(sitter) = draft.record.sitters.iter_mut().find(|it| it.id == sitter.id) {
        sitter.read_again.clone_from(&wrong);
        if !wrong.is_empty() {
            sitter.wrong_tries += 1;
        }
    }
    let trained = if wrong.is_empty() {
        Trained::Done
    } else {
        Trained::ReadAgain { questions: wrong }
    };
    Ok((draft.decide(), trained))
}
