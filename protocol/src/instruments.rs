//! Instruments: the questionnaires patients answer between sessions, their wording, and what a set of answers means.
//!
//! PHQ-9, GAD-7 and the safety questions are fixed by their authors and stand in code, word for word; the clinic's own
//! lists are data of the protocol document ([`crate::document::InstrumentRules`]). Guarantees: a sum exists only when
//! every item was answered; every single answer is kept; the bands of a sum cover its whole range without a gap. The
//! program shows sums and bands and decides nothing but whom to tell.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::document::{InstrumentRules, ListAsks, OwnList};
use crate::id::ScoreId;
use crate::people::Caller;
use crate::refusal::{Fault, Faults};
use crate::time::Instant;

pub mod answering;
pub mod change;
pub mod due;
pub mod external;
pub mod gad7;
pub mod item9;
pub mod lists;
pub mod phq9;
pub mod safety;

/// The credit line of PHQ-9 and GAD-7, to be printed with the questions (PROTOCOL 3).
pub const PHQ_CREDIT: &str = "Developed by Drs. Robert L. Spitzer, Janet B.W. Williams, Kurt Kroenke and colleagues, \
     with an educational grant from Pfizer Inc. No permission required to reproduce, translate, display or distribute.";

/// The line LOINC asks for wherever its codes are shown (PROTOCOL 3).
pub const LOINC_CREDIT: &str = "This material contains content from LOINC (http://loinc.org). LOINC is available at no \
     cost under the license at http://loinc.org/license";

/// Most times a thing that is counted may have happened.
pub const TIMES_MAX: u32 = 99;

/// A questionnaire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstrumentKey {
    /// Depression, nine items.
    Phq9,
    /// Anxiety, seven items.
    Gad7,
    /// Thoughts of suicide.
    Safety,
    /// The clinic's own list of side effects.
    SideEffects,
    /// The clinic's own monthly list: bladder, craving, alcohol and drugs.
    Monthly,
}

impl InstrumentKey {
    /// Every instrument.
    pub const ALL: [Self; 5] = [
        Self::Phq9,
        Self::Gad7,
        Self::Safety,
        Self::SideEffects,
        Self::Monthly,
    ];

    /// The instruments whose answers add up to a sum.
    pub const SCORED: [Self; 2] = [Self::Phq9, Self::Gad7];

    /// The name in JSON and in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Phq9 => "phq9",
            Self::Gad7 => "gad7",
            Self::Safety => "safety",
            Self::SideEffects => "side_effects",
            Self::Monthly => "monthly",
        }
    }

    /// The instrument with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    /// The bands of the instrument's sum, in order; empty where nothing is summed.
    pub fn bands(self) -> &'static [Band] {
        match self {
            Self::Phq9 => &phq9::BANDS,
            Self::Gad7 => &gad7::BANDS,
            Self::Safety | Self::SideEffects | Self::Monthly => &[],
        }
    }

    /// The band a sum lies in.
    pub fn band(self, total: u32) -> Option<&'static Band> {
        self.bands()
            .iter()
            .find(|band| band.from <= total && total <= band.to)
    }
}

/// A stretch of sums with a name. Both ends are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Band {
    /// The least sum.
    pub from: u32,
    /// The greatest sum.
    pub to: u32,
    /// Its name.
    pub name: &'static str,
}

/// A LOINC code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Loinc {
    /// The code.
    pub code: &'static str,
    /// Whether it was seen in a published source; if not, it is from memory and to be checked before it is relied on.
    pub verified: bool,
}

impl Loinc {
    const fn seen(code: &'static str) -> Self {
        Self { code, verified: true }
    }

    const fn unverified(code: &'static str) -> Self {
        Self {
            code,
            verified: false,
        }
    }
}

/// One of the answers an item offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// What it counts.
    pub value: u32,
    /// What the person reads.
    pub text: &'static str,
    /// Its code.
    pub loinc: Option<Loinc>,
}

/// How often, in the last two weeks: the answers of PHQ-9 and GAD-7.
pub const HOW_OFTEN: [Choice; 4] = [
    choice(0, "Not at all", Some(Loinc::unverified("LA6568-5"))),
    choice(1, "Several days", Some(Loinc::seen("LA6569-3"))),
    choice(2, "More than half the days", Some(Loinc::seen("LA6570-1"))),
    choice(3, "Nearly every day", Some(Loinc::unverified("LA6571-9"))),
];

/// How bad: the answers of the clinic's own lists (PROTOCOL 3.4).
pub const HOW_BAD: [Choice; 4] = [
    choice(0, "None", None),
    choice(1, "Mild", None),
    choice(2, "Bothersome", None),
    choice(3, "Severe", None),
];

const fn choice(value: u32, text: &'static str, loinc: Option<Loinc>) -> Choice {
    Choice { value, text, loinc }
}

/// What an item takes as an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// One of these.
    Choice(&'static [Choice]),
    /// Yes or no.
    YesNo,
    /// How many times, up to [`TIMES_MAX`].
    Times,
}

impl Asks {
    fn takes(self, answer: Given) -> Result<(), String> {
        match (self, answer) {
            (Self::YesNo, Given::YesNo(_)) => Ok(()),
            (Self::YesNo, Given::Number(_)) => Err("must be yes or no".to_owned()),
            (Self::Choice(choices), Given::Number(value)) if choices.iter().any(|it| it.value == value) => {
                Ok(())
            }
            (Self::Choice(choices), _) => {
                let most = choices.iter().map(|it| it.value).max().unwrap_or(0);
                Err(format!("must be a whole number from 0 to {most}"))
            }
            (Self::Times, Given::Number(times)) if times <= TIMES_MAX => Ok(()),
            (Self::Times, _) => Err(format!("must be a whole number from 0 to {TIMES_MAX}")),
        }
    }
}

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    /// Its stable key, such as `q9`.
    pub key: &'a str,
    /// What the person reads, word for word.
    pub text: &'a str,
    /// What it takes.
    pub asks: Asks,
    /// Its code.
    pub loinc: Option<Loinc>,
}

/// An instrument as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form<'a> {
    /// Which.
    pub key: InstrumentKey,
    /// What it is called.
    pub title: &'a str,
    /// What stands above the questions.
    pub stem: &'a str,
    /// The questions, in order.
    pub items: Vec<Item<'a>>,
    /// Lines that must be shown with it: credit, licence, what it is not.
    pub notices: &'static [&'static str],
    /// The code of the whole.
    pub panel: Option<Loinc>,
    /// The code of the sum.
    pub total: Option<Loinc>,
}

/// The form of an instrument in the wording of a protocol.
pub fn form(key: InstrumentKey, rules: &InstrumentRules) -> Form<'_> {
    match key {
        InstrumentKey::Phq9 => phq9::form(),
        InstrumentKey::Gad7 => gad7::form(),
        InstrumentKey::Safety => safety::form(),
        InstrumentKey::SideEffects => own_form(key, &rules.side_effects),
        InstrumentKey::Monthly => own_form(key, &rules.monthly),
    }
}

fn own_form(key: InstrumentKey, list: &OwnList) -> Form<'_> {
    let items = list.items.iter().map(|item| Item {
        key: &item.key,
        text: &item.text,
        asks: match item.asks {
            ListAsks::Severity => Asks::Choice(&HOW_BAD),
            ListAsks::YesNo => Asks::YesNo,
            ListAsks::Times => Asks::Times,
        },
        loinc: None,
    });
    Form {
        key,
        title: &list.title,
        stem: &list.stem,
        items: items.collect(),
        notices: &[],
        panel: None,
        total: None,
    }
}

/// One answer: yes or no, or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Given {
    /// Yes or no.
    YesNo(bool),
    /// A choice's value, or how many times.
    Number(u32),
}

impl Given {
    /// The answer as a number; yes is 1.
    pub fn number(self) -> u32 {
        match self {
            Self::YesNo(yes) => u32::from(yes),
            Self::Number(number) => number,
        }
    }
}

/// The answers to one form, by item.
pub type Answers = BTreeMap<String, Given>;

/// One answered form, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// The score.
    pub id: ScoreId,
    /// Of what.
    pub instrument: InstrumentKey,
    /// Every single answer.
    pub answers: Answers,
    /// The sum, where the instrument has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
    /// When it was answered, by the device, bounded by the server.
    pub observed_at: Instant,
    /// What the device said, where it had to be bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Instant>,
    /// When the server heard of it.
    pub received_at: Instant,
    /// Who answered.
    pub by: Caller,
}

/// The latest score of an instrument, by when it was answered.
pub fn latest(scores: &[Score], key: InstrumentKey) -> Option<&Score> {
    let of_key = scores.iter().filter(|score| score.instrument == key);
    of_key.max_by_key(|score| score.observed_at)
}

/// Whether the answers to a form are all there and nothing else. Every fault is named at once.
pub fn check(form: &Form<'_>, answers: &Answers) -> Result<(), Faults> {
    let mut faults = check_given(form, answers);
    for item in form.items.iter().filter(|item| !answers.contains_key(item.key)) {
        faults.push(Fault::new(format!("answers.{}", item.key), "is missing"));
    }
    faults.into_result()
}

/// What is wrong with the answers that were given, whatever is missing.
fn check_given(form: &Form<'_>, answers: &Answers) -> Faults {
    let mut faults = Faults::default();
    for (key, answer) in answers {
        match form.items.iter().find(|item| item.key == key) {
            Some(item) => {
                if let Err(message) = item.asks.takes(*answer) {
                    faults.push(Fault::new(format!("answers.{key}"), message));
                }
            }
            None => faults.push(Fault::new(field_of(key), "is not a question of this instrument")),
        }
    }
    faults
}

/// A key that was sent, as a field's name; never quoted if it could be anything but a key.
fn field_of(key: &str) -> String {
    let known = key.len() <= 64 && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if known {
        format!("answers.{key}")
    } else {
        "answers".to_owned()
    }
}

/// The sum of a complete set of answers; `None` where the instrument has none, or an answer is missing.
pub fn total(form: &Form<'_>, answers: &Answers) -> Option<u32> {
    if !InstrumentKey::SCORED.contains(&form.key) || check(form, answers).is_err() {
        return None;
    }
    Some(answers.values().map(|answer| answer.number()).sum())
}
