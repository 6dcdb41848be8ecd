//! What a sitter reads and is asked before they sit (PROTOCOL 4.2, `sitter_trained`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::check::Found;

/// One page and some questions about it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The page, part by part.
    pub page: Vec<TrainingPart>,
    /// The questions.
    pub questions: Vec<TrainingQuestion>,
}

/// A part of the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingPart {
    /// Its stable key.
    pub key: String,
    /// Its heading.
    pub heading: String,
    /// Its text.
    pub text: String,
}

/// A question about the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingQuestion {
    /// Its stable key.
    pub key: String,
    /// The part of the page that answers it; shown again after a wrong answer.
    pub part: String,
    /// What the sitter is asked.
    pub text: String,
    /// What can be chosen.
    pub options: Vec<TrainingOption>,
    /// The key of the right option.
    pub right: String,
}

/// Something to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingOption {
    /// Its key.
    pub key: String,
    /// What the sitter reads.
    pub text: String,
}

impl Training {
    /// The question with this key.
    pub fn question(&self, key: &str) -> Option<&TrainingQuestion> {
        self.questions.iter().find(|question| question.key == key)
    }

    pub(super) fn check(&self, found: &mut Found) {
        let parts = self.page.iter();
        unique(found, "training.page", parts.map(|part| part.key.as_str()));
        let questions = self.questions.iter();
        unique(
            found,
            "training.questions",
            questions.map(|question| question.key.as_str()),
        );
        for (index, question) in self.questions.iter().enumerate() {
            let path = format!("training.questions[{index}]");
            let options = question.options.iter();
            unique(
                found,
                &format!("{path}.options"),
                options.map(|option| option.key.as_str()),
            );
            if !self.page.iter().any(|part| part.key == question.part) {
                let message = format!("there is no part `{}`", question.part);
                found.at(format!("{path}.part"), message);
            }
            if !question.options.iter().any(|option| option.key == question.right) {
                let message = format!("there is no option `{}`", question.right);
                found.at(format!("{path}.right"), message);
            }
            if question.options.len() < 2 {
                found.at(format!("{path}.options"), "must have 2 or more");
            }
        }
    }
}

fn unique<'k>(found: &mut Found, path: &str, keys: impl Iterator<Item = &'k str>) {
    let mut seen = BTreeSet::new();
    for (index, key) in keys.enumerate() {
        if key.is_empty() || !seen.insert(key) {
            found.at(format!("{path}[{index}].key"), "is empty or stands twice");
        }
    }
}
