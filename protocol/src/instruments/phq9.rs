//! PHQ-9: nine items on depression in the last two weeks (PROTOCOL 3.1). Freely usable; the credit line is shown.
//!
//! The codes of items 8 and 9, of the sum and of two answers are from memory and marked unverified.

use super::{Asks, Band, Form, HOW_OFTEN, InstrumentKey, Item, LOINC_CREDIT, Loinc, PHQ_CREDIT};

/// What stands above the questions of PHQ-9 and GAD-7.
pub const STEM: &str =
    "Over the last 2 weeks, how often have you been bothered by any of the following problems?";

/// The item about thoughts of death and self-harm.
pub const ITEM_9: &str = "q9";

/// Bands of the sum, 0 to 27.
pub const BANDS: [Band; 5] = [
    Band {
        from: 0,
        to: 4,
        name: "none or minimal",
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
        to: 19,
        name: "moderately severe",
    },
    Band {
        from: 20,
        to: 27,
        name: "severe",
    },
];

/// The questions with their codes, word for word.
const ITEMS: [(&str, Loinc, &str); 9] = [
    (
        "q1",
        Loinc::seen("44250-9"),
        "Little interest or pleasure in doing things",
    ),
    (
        "q2",
        Loinc::seen("44255-8"),
        "Feeling down, depressed, or hopeless",
    ),
    (
        "q3",
        Loinc::seen("44259-0"),
        "Trouble falling or staying asleep, or sleeping too much",
    ),
    (
        "q4",
        Loinc::seen("44254-1"),
        "Feeling tired or having little energy",
    ),
    ("q5", Loinc::seen("44251-7"), "Poor appetite or overeating"),
    (
        "q6",
        Loinc::seen("44258-2"),
        "Feeling bad about yourself - or that you are a failure or have let yourself or your family down",
    ),
    (
        "q7",
        Loinc::seen("44252-5"),
        "Trouble concentrating on things, such as reading the newspaper or watching television",
    ),
    (
        "q8",
        Loinc::unverified("44253-3"),
        "Moving or speaking so slowly that other people could have noticed. Or the opposite - being so fidgety or restless \
         that you have been moving around a lot more than usual",
    ),
    (
        ITEM_9,
        Loinc::unverified("44260-8"),
        "Thoughts that you would be better off dead, or of hurting yourself in some way",
    ),
];

/// The form.
pub fn form() -> Form<'static> {
    let items = ITEMS.map(|(key, loinc, text)| Item {
        key,
        text,
        asks: Asks::Choice(&HOW_OFTEN),
        loinc: Some(loinc),
    });
    Form {
        key: InstrumentKey::Phq9,
        title: "PHQ-9",
        stem: STEM,
        items: items.to_vec(),
        notices: &[PHQ_CREDIT, LOINC_CREDIT],
        panel: Some(Loinc::seen("44249-1")),
        total: Some(Loinc::unverified("44261-6")),
    }
}
