//! Questionnaires as the patient sees them, scores and trends as the care team sees them.

use std::collections::BTreeMap;

use bedside_protocol::id::ScoreId;
use bedside_protocol::instruments::answering::Answered;
use bedside_protocol::instruments::change::Change;
use bedside_protocol::instruments::due::{Due, Why};
use bedside_protocol::instruments::external::ExternalResult;
use bedside_protocol::instruments::item9::ScoreReview;
use bedside_protocol::instruments::{
    Asks, Choice, Form, Given, InstrumentKey, Item, Loinc, Score, form, item9, latest, safety,
};
use bedside_protocol::people::Caller;
use bedside_protocol::record::PatientRecord;
use bedside_protocol::time::Instant;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::outcome::ShowView;

/// A LOINC code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoincView {
    /// The code.
    pub code: String,
    /// Whether it was seen in a published source; if not, check it before you rely on it.
    pub verified: bool,
}

impl LoincView {
    fn of(loinc: Loinc) -> Self {
        Self {
            code: loinc.code.to_owned(),
            verified: loinc.verified,
        }
    }
}

/// One of the answers an item offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChoiceView {
    /// What to send.
    pub value: u32,
    /// What the person reads.
    pub text: String,
    /// Its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loinc: Option<LoincView>,
}

impl ChoiceView {
    fn of(choice: &Choice) -> Self {
        Self {
            value: choice.value,
            text: choice.text.to_owned(),
            loinc: choice.loinc.map(LoincView::of),
        }
    }
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FormItemView {
    /// Its key in `answers`.
    pub key: String,
    /// What the person reads, word for word.
    pub text: String,
    /// `choice`: send the value of one of `choices`; `yes_no`: send true or false; `times`: send how many times.
    pub asks: String,
    /// With `choice`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub choices: Vec<ChoiceView>,
    /// Its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loinc: Option<LoincView>,
}

impl FormItemView {
    fn of(item: &Item<'_>) -> Self {
        let (asks, choices) = match item.asks {
            Asks::Choice(choices) => ("choice", choices.iter().map(ChoiceView::of).collect()),
            Asks::YesNo => ("yes_no", Vec::new()),
            Asks::Times => ("times", Vec::new()),
        };
        Self {
            key: item.key.to_owned(),
            text: item.text.to_owned(),
            asks: asks.to_owned(),
            choices,
            loinc: item.loinc.map(LoincView::of),
        }
    }
}

/// A questionnaire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FormView {
    /// `phq9`, `gad7`, `safety`, `side_effects` or `monthly`.
    pub key: String,
    /// What it is called.
    pub title: String,
    /// What stands above the questions.
    pub stem: String,
    /// The questions, in order.
    pub items: Vec<FormItemView>,
    /// Lines that must be shown with it.
    pub notices: Vec<String>,
    /// The code of the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub panel_loinc: Option<LoincView>,
    /// The code of the sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_loinc: Option<LoincView>,
}

impl FormView {
    /// The view of a form.
    pub fn of(form: &Form<'_>) -> Self {
        Self {
            key: form.key.name().to_owned(),
            title: form.title.to_owned(),
            stem: form.stem.to_owned(),
            items: form.items.iter().map(FormItemView::of).collect(),
            notices: form.notices.iter().map(|&notice| notice.to_owned()).collect(),
            panel_loinc: form.panel.map(LoincView::of),
            total_loinc: form.total.map(LoincView::of),
        }
    }
}

/// When and why a questionnaire is to be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DueView {
    /// `before_first_dose`, `after_session`, `monthly` or `after_item9`.
    pub why: String,
    /// With `after_session`: how many doses there were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_number: Option<u32>,
    /// Whether it can be answered now.
    pub open: bool,
    /// From when.
    pub opens_at: DateTime<Utc>,
    /// By when, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<DateTime<Utc>>,
}

impl DueView {
    fn of(due: &Due, now: Instant) -> Self {
        let (why, session_number) = match due.why {
            Why::BeforeFirstDose => ("before_first_dose", None),
            Why::AfterSession { number } => ("after_session", Some(number)),
            Why::Monthly => ("monthly", None),
            Why::AfterItem9 => ("after_item9", None),
        };
        Self {
            why: why.to_owned(),
            session_number,
            open: due.opens_at <= now,
            opens_at: due.opens_at,
            due_at: due.due_at,
        }
    }
}

/// One questionnaire of a patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OwnInstrumentView {
    /// When it is to be answered; absent when nothing is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<DueView>,
    /// When it was answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<DateTime<Utc>>,
    /// The questions.
    pub form: FormView,
}

/// A patient's questionnaires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OwnInstrumentsView {
    /// On every screen.
    pub not_watched: String,
    /// The most pressing first, then what may be answered at any time.
    pub instruments: Vec<OwnInstrumentView>,
}

impl OwnInstrumentsView {
    /// The view of a patient's questionnaires.
    pub fn of(record: &PatientRecord, now: Instant) -> Self {
        let protocol = &record.around.protocol;
        let due = bedside_protocol::instruments::answering::due_of(record, now);
        let view = |key: InstrumentKey| OwnInstrumentView {
            due: due
                .iter()
                .find(|due| due.instrument == key)
                .map(|due| DueView::of(due, now)),
            answered_at: latest(&record.course.scores, key).map(|score| score.observed_at),
            form: FormView::of(&form(key, &protocol.instruments)),
        };
        let mut keys: Vec<InstrumentKey> = due.iter().map(|due| due.instrument).collect();
        keys.extend(
            InstrumentKey::ALL
                .into_iter()
                .filter(|key| !due.iter().any(|due| due.instrument == *key)),
        );
        Self {
            not_watched: protocol.words.not_watched.clone(),
            instruments: keys.into_iter().map(view).collect(),
        }
    }
}

/// What became of an answered questionnaire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnsweredFormView {
    /// What to show before anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub show_now: Option<ShowView>,
    /// What to ask at once, in the same flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask_next: Option<FormView>,
    /// Whether the clinic hears of it now.
    pub clinic_told: bool,
    /// The answered form.
    pub id: Uuid,
    /// The sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
    /// The name of the sum's band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<String>,
}

impl AnsweredFormView {
    /// The view of an outcome.
    pub fn of(record: &PatientRecord, answered: Answered) -> Self {
        let protocol = &record.around.protocol;
        Self {
            show_now: answered.show_now.map(|show| ShowView::shown(protocol, show)),
            ask_next: answered
                .ask_next
                .map(|key| FormView::of(&form(key, &protocol.instruments))),
            clinic_told: answered.clinic_told,
            id: answered.score.uuid(),
            total: answered.total,
            band: answered.band.map(|band| band.name.to_owned()),
        }
    }
}

/// Who saw a score, and what they made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScoreReviewView {
    /// The clinician.
    pub by: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// In words.
    pub note: String,
}

impl ScoreReviewView {
    fn of(review: &ScoreReview) -> Self {
        Self {
            by: review.by.uuid(),
            at: review.at,
            note: review.note.clone(),
        }
    }
}

/// How a PHQ-9 stands against the baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScoreChangeView {
    /// The baseline's sum.
    pub baseline: u32,
    /// Points since then; negative is better.
    pub points: i64,
    /// Fallen by the share that counts as a response.
    pub response: bool,
    /// Under the limit of remission; absent where the baseline was too low for the word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remission: Option<bool>,
    /// Changed by so many points that it means something.
    pub meaningful: bool,
}

impl ScoreChangeView {
    pub(super) fn of(change: Change) -> Self {
        Self {
            baseline: change.baseline,
            points: change.points,
            response: change.response,
            remission: change.remission,
            meaningful: change.meaningful,
        }
    }
}

/// One answered form, every answer of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScoreView {
    /// The answered form.
    pub id: Uuid,
    /// `phq9`, `gad7`, `safety`, `side_effects` or `monthly`.
    pub instrument: String,
    /// By item: true, false or a number.
    #[schema(value_type = Object)]
    pub answers: BTreeMap<String, Given>,
    /// The sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
    /// The name of the sum's band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<String>,
    /// When it was answered, by the device, bounded by the server.
    pub observed_at: DateTime<Utc>,
    /// What the device said, where it had to be bounded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<DateTime<Utc>>,
    /// When the server heard of it.
    pub received_at: DateTime<Utc>,
    /// Who answered: `patient`.
    pub by: String,
    /// The last clinician who saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reviewed: Option<ScoreReviewView>,
}

impl ScoreView {
    fn of(score: &Score, reviews: &[ScoreReview]) -> Self {
        let band = score.total.and_then(|total| score.instrument.band(total));
        let review = reviews.iter().rev().find(|review| review.score == score.id);
        Self {
            id: score.id.uuid(),
            instrument: score.instrument.name().to_owned(),
            answers: score.answers.clone(),
            total: score.total,
            band: band.map(|band| band.name.to_owned()),
            observed_at: score.observed_at,
            claimed_at: score.claimed_at,
            received_at: score.received_at,
            by: Caller::kind(&score.by).to_owned(),
            reviewed: review.map(ScoreReviewView::of),
        }
    }
}

/// A result of an instrument that was asked elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExternalResultView {
    /// The result.
    pub id: Uuid,
    /// The instrument's name.
    pub instrument: String,
    /// The level it gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// The score it gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<i32>,
    /// Who rated.
    pub rater: String,
    /// On which day.
    pub rated_on: NaiveDate,
    /// Who recorded it.
    pub recorded_by: Uuid,
    /// When.
    pub recorded_at: DateTime<Utc>,
}

impl ExternalResultView {
    fn of(result: &ExternalResult) -> Self {
        Self {
            id: result.id.uuid(),
            instrument: result.content.instrument.clone(),
            level: result.content.level.clone(),
            score: result.content.score,
            rater: result.content.rater.clone(),
            rated_on: result.content.rated_on,
            recorded_by: result.by.uuid(),
            recorded_at: result.at,
        }
    }
}

/// Everything a patient answered, and what clinicians made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScoresView {
    /// Oldest first.
    pub scores: Vec<ScoreView>,
    /// Oldest first.
    pub external_results: Vec<ExternalResultView>,
    /// PHQ-9 item 9 as a clinician last reviewed it; what later answers are judged against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item9_baseline: Option<u32>,
    /// The "right now" that no clinician has reviewed: while it stands, no dose opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds_sessions: Option<Uuid>,
}

impl ScoresView {
    /// The view of a patient's scores.
    pub fn of(record: &PatientRecord) -> Self {
        let course = &record.course;
        Self {
            scores: course
                .scores
                .iter()
                .map(|score| ScoreView::of(score, &course.score_reviews))
                .collect(),
            external_results: course
                .external_results
                .iter()
                .map(ExternalResultView::of)
                .collect(),
            item9_baseline: item9::baseline(&course.scores, &course.score_reviews),
            holds_sessions: safety::unreviewed_acute(&course.scores, &course.score_reviews)
                .map(ScoreId::uuid),
        }
    }
}
