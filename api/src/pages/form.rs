//! Forms as a browser without scripts sends them, and what was entered when a form comes back with faults.
//!
//! Nothing a person typed is lost: a refused form is shown again with the entered values and each fault beside its
//! field. Secrets (PINs, passwords) are the exception; they are typed again.

use std::collections::BTreeMap;

use bedside_protocol::answering;
use bedside_protocol::check_in::Besides;
use bedside_protocol::document::InputSanity;
use bedside_protocol::measuring::NewReading;
use bedside_protocol::refusal::{Fault, Faults, Refusal};
use bedside_protocol::vitals::Vitals;

/// The fields of a form, in the order they were sent. Names may repeat; the last counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

#[cfg(test)]
impl Fields {
    /// Fields as a test writes them.
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        let owned = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self(owned.collect())
    }
}

impl Fields {
    /// A field's value, without the space around it; `None` where it is absent or empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().rev().find(|(key, _)| key == name);
        value
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// A field's value as it was sent, space and all.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a box was ticked.
    pub fn ticked(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| value == "yes")
    }

    /// `yes` or `no`.
    pub fn yes_no(&self, name: &str) -> Option<bool> {
        match self.text(name) {
            Some("yes") => Some(true),
            Some("no") => Some(false),
            _ => None,
        }
    }

    /// The yes and no answers of a check-in: every field named `answers.…`.
    pub fn answers(&self) -> Result<BTreeMap<String, bool>, Faults> {
        let (mut answers, mut faults) = (BTreeMap::new(), Faults::default());
        for (name, _) in &self.0 {
            let Some(key) = name.strip_prefix("answers.") else {
                continue;
            };
            match self.yes_no(name) {
                Some(value) => {
                    answers.insert(key.to_owned(), value);
                }
                None => faults.push(Fault::new(name.clone(), "choose yes or no")),
            }
        }
        faults.into_result().map(|()| answers)
    }

    /// What was chosen in every field whose name starts with `prefix`, by the rest of the name.
    pub fn choices(&self, prefix: &str) -> BTreeMap<String, String> {
        let named = self.0.iter().filter_map(|(name, value)| {
            let key = name.strip_prefix(prefix)?;
            Some((key.to_owned(), value.trim().to_owned()))
        });
        named.collect()
    }

    /// A whole number from 0 to 9999 in a field that must be filled in.
    pub fn number(&self, name: &str, faults: &mut Faults) -> u32 {
        match self.text(name).map(|text| (text.len() <= 4, text.parse::<u32>())) {
            Some((true, Ok(number))) => return number,
            Some(_) => faults.push(Fault::new(name, "must be a whole number")),
            None => faults.push(Fault::new(name, "is missing")),
        }
        0
    }

    /// A reading whose fields' names start with `prefix`; `None` where all of them are empty.
    pub fn reading(&self, prefix: &str) -> Result<Option<NewReading>, Faults> {
        let name = |field: &str| format!("{prefix}{field}");
        let filled = ["sbp", "dbp", "hr", "spo2"]
            .iter()
            .any(|field| self.text(&name(field)).is_some());
        if !filled {
            return Ok(None);
        }
        let mut faults = Faults::default();
        let vitals = Vitals {
            sbp: self.number(&name("sbp"), &mut faults),
            dbp: self.number(&name("dbp"), &mut faults),
            hr: self.number(&name("hr"), &mut faults),
            spo2: self
                .text(&name("spo2"))
                .map(|_| self.number(&name("spo2"), &mut faults)),
        };
        faults.into_result()?;
        Ok(Some(NewReading {
            vitals,
            with_symptom: self.ticked(&name("with_symptom")),
            observed_at: None,
        }))
    }
}

/// What was entered in one form of a page, and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entered {
    /// Which form, by the end of its address, such as `present`; empty when none came back.
    pub form: String,
    /// The entered values.
    pub fields: Fields,
    /// Faults by field.
    pub faults: Faults,
    /// What is wrong with the whole of it.
    pub refused: Option<String>,
}

impl Entered {
    /// A form that was refused.
    pub fn refused(form: impl Into<String>, fields: Fields, refusal: &Refusal) -> Self {
        let (faults, refused) = match refusal {
            Refusal::Invalid(faults) | Refusal::MeasureAgain(faults) => (faults.clone(), None),
            Refusal::WrongState { message, .. } => (Faults::default(), Some(sentence(message))),
            Refusal::AlreadyTaken { .. } => {
                (Faults::default(), Some("Somebody else has taken it.".to_owned()))
            }
            Refusal::Outdated { .. } => (
                Faults::default(),
                Some("Somebody else has changed it meanwhile.".to_owned()),
            ),
            Refusal::Locked(_) => (Faults::default(), Some("The dose is not open yet.".to_owned())),
            Refusal::NotFound => (
                Faults::default(),
                Some("That could not be done. This page shows how things stand now.".to_owned()),
            ),
        };
        Self {
            form: form.into(),
            fields,
            faults,
            refused,
        }
    }

    /// What was entered in this form, if it is the one that came back.
    pub fn of(&self, form: &str) -> Option<&Self> {
        (self.form == form && !form.is_empty()).then_some(self)
    }

    /// Why it came back, for the top of the page.
    pub fn in_a_line(&self) -> Option<String> {
        let beside = (!self.faults.0.is_empty()).then(|| "Not sent yet. See the red words below.".to_owned());
        self.refused.clone().or(beside)
    }

    /// The fault of a field.
    pub fn fault(&self, field: &str) -> Option<String> {
        let own = self.faults.0.iter().find(|fault| fault.field == field);
        own.map(|fault| sentence(&fault.message))
    }

    /// A field's value as it was typed.
    pub fn value(&self, field: &str) -> String {
        self.fields.text(field).unwrap_or_default().to_owned()
    }
}

/// A rule's words as a sentence.
fn sentence(message: &str) -> String {
    let mut chars = message.chars();
    let mut text: String = chars
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(chars)
        .collect();
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

/// One of several choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub label: String,
    /// Whether it was chosen in a form that came back; nothing is chosen in a fresh one.
    pub chosen: bool,
}

/// A group of choices of which one is picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices {
    /// Unique on the page.
    pub id: String,
    /// The field's name.
    pub name: String,
    /// What is asked.
    pub label: String,
    /// The choices, in a fixed order.
    pub options: Vec<Pick>,
    /// What is wrong with the choice that was made.
    pub fault: Option<String>,
}

impl Choices {
    /// A group; `options` are pairs of value and label.
    pub fn new(
        id: impl Into<String>,
        name: &str,
        label: impl Into<String>,
        options: Vec<(String, String)>,
        entered: Option<&Entered>,
    ) -> Self {
        let chosen = entered.map(|entered| entered.value(name)).unwrap_or_default();
        Self {
            id: id.into(),
            name: name.to_owned(),
            label: label.into(),
            options: options
                .into_iter()
                .map(|(value, label)| Pick {
                    chosen: value == chosen,
                    value,
                    label,
                })
                .collect(),
            fault: entered.and_then(|entered| entered.fault(name)),
        }
    }

    /// A question to be answered with yes or no; neither is chosen beforehand.
    pub fn yes_no(
        id: impl Into<String>,
        name: &str,
        label: impl Into<String>,
        entered: Option<&Entered>,
    ) -> Self {
        let options = vec![
            ("yes".to_owned(), "Yes".to_owned()),
            ("no".to_owned(), "No".to_owned()),
        ];
        let mut choices = Self::new(id, name, label, options, entered);
        if choices.fault.as_deref() == Some("Is missing.") {
            choices.fault = Some("Please choose yes or no.".to_owned());
        }
        choices
    }
}

/// A field for a number of at most three digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberField {
    /// Unique on the page.
    pub id: String,
    /// The field's name.
    pub name: String,
    /// What is asked.
    pub label: &'static str,
    /// How to find the number.
    pub hint: Option<String>,
    /// As it was typed.
    pub value: String,
    /// What is wrong with it.
    pub fault: Option<String>,
}

/// The fields of a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VitalsFields {
    /// Upper, lower, pulse, oxygen.
    pub fields: Vec<NumberField>,
    /// The box for a symptom; only in a running session.
    pub symptom: Option<Pick>,
}

impl VitalsFields {
    /// The fields of a reading in the form `form`; their names start with `prefix`.
    pub fn new(form: &str, prefix: &str, in_session: bool, sanity: &InputSanity, entered: &Entered) -> Self {
        let entered = entered.of(form);
        let field = |name: &str, label, hint: &str| {
            let name = format!("{prefix}{name}");
            NumberField {
                id: format!("{form}-{name}").replace(['/', '.'], "-"),
                label,
                hint: Some(hint.to_owned()),
                value: entered.map(|entered| entered.value(&name)).unwrap_or_default(),
                // The rule speaks of `dbp`; the cuff shows two numbers one above the other.
                fault: entered
                    .and_then(|entered| entered.fault(&name))
                    .map(|fault| fault.replace("dbp", "the lower number")),
                name,
            }
        };
        let range = |range: bedside_protocol::document::Range| format!("{} to {}", range.min, range.max);
        let symptom = format!("{prefix}with_symptom");
        Self {
            fields: vec![
                field("sbp", "Upper number", &range(sanity.sbp)),
                field("dbp", "Lower number", &range(sanity.dbp)),
                field("hr", "Pulse", &range(sanity.hr)),
                field("spo2", "Oxygen %", "only with a finger clip"),
            ],
            symptom: in_session.then(|| Pick {
                chosen: entered.is_some_and(|entered| entered.fields.ticked(&symptom)),
                value: symptom,
                label: "They have a headache, chest pain, blurred sight, or are short of breath".to_owned(),
            }),
        }
    }
}

/// Answers and reading of a check-in's form, with every fault at once.
pub fn check_in(fields: &Fields, duty: bedside_protocol::id::DutyId) -> Result<answering::Form, Refusal> {
    let (answers, reading) = (fields.answers(), fields.reading("vitals."));
    match (answers, reading) {
        (Ok(answers), Ok(reading)) => Ok(answering::Form {
            duty,
            answers,
            besides: Besides::default(),
            reading,
            observed_at: None,
        }),
        (answers, reading) => {
            let faults = [answers.err(), reading.err()]
                .into_iter()
                .flatten()
                .flat_map(|faults| faults.0);
            Err(Refusal::Invalid(Faults(faults.collect())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_anything_but_yes_and_no_is_a_fault_of_its_field() {
        let good = Fields::of(&[("answers.rousable", "yes"), ("answers.safe_position", "no")]);
        let read = good.answers().unwrap();
        assert_eq!((read["rousable"], read["safe_position"]), (true, false));
        let faults = Fields::of(&[("answers.rousable", "perhaps")])
            .answers()
            .unwrap_err();
        assert_eq!(faults.0[0].field, "answers.rousable");
    }

    #[test]
    fn an_empty_reading_is_none_and_a_half_filled_one_names_what_is_missing() {
        assert_eq!(
            Fields::of(&[("vitals.sbp", ""), ("vitals.dbp", " ")]).reading("vitals."),
            Ok(None)
        );
        let faults = Fields::of(&[("sbp", "120"), ("dbp", "eighty")])
            .reading("")
            .unwrap_err();
        let named: Vec<_> = faults.0.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(named, ["dbp", "hr"]);
        let whole = Fields::of(&[("sbp", "120"), ("dbp", "80"), ("hr", "70")])
            .reading("")
            .unwrap()
            .unwrap();
        assert_eq!((whole.vitals.sbp, whole.vitals.spo2), (120, None));
        let huge = Fields::of(&[("sbp", "99999999999999"), ("dbp", "80"), ("hr", "70")]).reading("");
        assert_eq!(huge.unwrap_err().0[0].field, "sbp");
    }

    #[test]
    fn a_refused_form_keeps_what_was_entered_and_says_what_is_wrong_in_a_sentence() {
        let refusal = Refusal::invalid("value", "at most 3 characters");
        let entered = Entered::refused("checklist/x", Fields::of(&[("value", " abcd ")]), &refusal);
        assert_eq!(entered.of("checklist/x").unwrap().value("value"), "abcd");
        assert_eq!(entered.fault("value").unwrap(), "At most 3 characters.");
        assert!(entered.of("checklist/y").is_none() && Entered::default().of("").is_none());
    }
}
