//! GAD-7: seven items on anxiety in the last two weeks (PROTOCOL 3.2). Freely usable; the credit line is shown.
//!
//! The codes of the whole and of the sum are from memory and marked unverified.

use super::{Asks, Band, Form, HOW_OFTEN, InstrumentKey, Item, LOINC_CREDIT, Loinc, PHQ_CREDIT, phq9};

/// Bands of the sum, 0 to 21.
pub const BANDS: [Band; 4] = [
    Band {
        from: 0,
        to: 4,
        name: "minimal",
    },
    Band {
        from: 5,
        to: 9,
        name: "mild",
    },
    Band {
        from: 10,
        to: 14,
        name: "moderate",
    },
    Band {
        from: 15,
        to: 21,
        name: "severe",
    },
];

/// The questions, word for word.
const ITEMS: [(&str, &str); 7] = [
    ("q1", "Feeling nervous, anxious, or on edge"),
    ("q2", "Not being able to stop or control worrying"),
    ("q3", "Worrying too much about different things"),
    ("q4", "Trouble relaxing"),
    ("q5", "Being so restless that it is hard to sit still"),
    ("q6", "Becoming easily annoyed or irritable"),
    ("q7", "Feeling afraid, as if something awful might happen"),
];

/// The form.
pub fn form() -> Form<'static> {
    let items = ITEMS.map(|(key, text)| Item {
        key,
        text,
        asks: Asks::Choice(&HOW_OFTEN),
        loinc: None,
    });
    Form {
        key: InstrumentKey::Gad7,
        title: "GAD-7",
        stem: phq9::STEM,
        items: items.to_vec(),
        notices: &[PHQ_CREDIT, LOINC_CREDIT],
        panel: Some(Loinc::unverified("69737-5")),
        total: Some(Loinc::unverified("70274-6")),
    }
}
