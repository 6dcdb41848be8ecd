//! What a sitter's own program shows: their tasks, times and emergency words, never what patient or clinic said.

use bedside_protocol::answering;
use bedside_protocol::checklist::Actor;
use bedside_protocol::document::Asks;
use bedside_protocol::duty::OwedBy;
use bedside_protocol::gate;
use bedside_protocol::id::SitterId;
use bedside_protocol::record::SessionRecord;
use bedside_protocol::session::Candidate;
use bedside_protocol::sitting::Trained;
use bedside_protocol::time::{Instant, minutes};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::running::{CheckInView, NextView, ReleaseView, check_ins, next_steps, release};
use super::shared::{ItemView, OrderView, PlannedView, RedFlagView, WordsView, checklist, red_flags};

/// A session as its sitter sees it. Somebody who is not its sitter any more sees words and numbers only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SittingView {
    /// The server's clock.
    pub now: DateTime<Utc>,
    /// `invited`, `accepted`, `declined`, `withdrawn`, `present`, `lapsed`, `left` or `removed`.
    pub sitter_state: String,
    /// Words and numbers, always shown.
    pub words: WordsView,
    /// The "something is wrong" list.
    pub red_flags: Vec<RedFlagView>,
    /// The session, for who is its sitter now.
    #[serde(flatten)]
    pub session: Option<SatSessionView>,
}

/// Somebody who is asked to sit when the one before does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CandidateView {
    /// What the patient calls them.
    pub name: String,
    /// Their own address.
    pub email: String,
    /// Their telephone number.
    pub phone: String,
    /// They have so many minutes to answer, where it is not the protocol's own number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_within_min: Option<i64>,
}

impl CandidateView {
    /// The view of a candidate.
    pub fn of(candidate: &Candidate) -> Self {
        Self {
            name: candidate.name.clone(),
            email: candidate.email.clone(),
            phone: candidate.phone.clone(),
            answer_within_min: candidate.answer_within_min,
        }
    }
}

/// What became of the answers to the questions about the sitter's page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrainedView {
    /// `done` or `read_again`.
    pub result: String,
    /// The questions that were not answered right: the parts of the page that they are about are to be read again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_again: Vec<String>,
}

impl TrainedView {
    /// The view of what a rule said.
    pub fn of(trained: Trained) -> Self {
        match trained {
            Trained::Done => Self {
                result: "done".to_owned(),
                read_again: Vec::new(),
            },
            Trained::ReadAgain { questions } => Self {
                result: "read_again".to_owned(),
                read_again: questions,
            },
        }
    }
}

/// The sitter's page and the questions about it; which answer is right stays with the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TrainingView {
    /// Until when what was read is good; absent where it is to be read.
    pub good_until: Option<DateTime<Utc>>,
    /// The page, part by part.
    pub page: Vec<TrainingPartView>,
    /// The questions.
    pub questions: Vec<TrainingQuestionView>,
}

/// A part of the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TrainingPartView {
    /// Its key.
    pub key: String,
    /// Its heading.
    pub heading: String,
    /// Its text.
    pub text: String,
}

/// A question about the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TrainingQuestionView {
    /// Its key.
    pub key: String,
    /// The part of the page that answers it.
    pub part: String,
    /// What is asked.
    pub text: String,
    /// What can be chosen.
    pub options: Vec<TrainingOptionView>,
    /// The last answer was wrong: the part is to be read again.
    pub read_again: bool,
}

/// Something to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TrainingOptionView {
    /// Its key.
    pub key: String,
    /// What the sitter reads.
    pub text: String,
}

impl TrainingView {
    fn of(record: &SessionRecord, now: Instant) -> Option<Self> {
        let protocol = &record.around.protocol;
        let item = protocol
            .checklist
            .iter()
            .find(|item| item.asks == Asks::Training)?;
        let sitter = record.current_sitter()?;
        let good_until = gate::trained_at(record)
            .zip(item.valid_for_min)
            .map(|(at, valid_for_min)| at + minutes(valid_for_min))
            .filter(|until| *until >= now);
        let page = protocol.training.page.iter().map(|part| TrainingPartView {
            key: part.key.clone(),
            heading: part.heading.clone(),
            text: part.text.clone(),
        });
        let questions = protocol.training.questions.iter().map(|question| {
            let options = question.options.iter().map(|option| TrainingOptionView {
                key: option.key.clone(),
                text: option.text.clone(),
            });
            TrainingQuestionView {
                key: question.key.clone(),
                part: question.part.clone(),
                text: question.text.clone(),
                options: options.collect(),
                read_again: sitter.read_again.contains(&question.key),
            }
        });
        Some(Self {
            good_until,
            page: page.collect(),
            questions: questions.collect(),
        })
    }
}

/// What the present sitter sees of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SatSessionView {
    /// The patient's first name.
    pub first_name: String,
    /// When it is planned.
    pub planned: PlannedView,
    /// Its state.
    pub state: String,
    /// When the dose was taken.
    pub dosed_at: Option<DateTime<Utc>>,
    /// The order, to be read back together.
    pub order: Option<OrderView>,
    /// The order is another one than at the last dose: say so before it is read.
    pub order_changed: bool,
    /// The page to read before sitting, where the protocol has one; from the dose on nothing is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training: Option<TrainingView>,
    /// The sitter's own items.
    pub checklist: Vec<ItemView>,
    /// The check to answer now.
    pub check_now: Option<CheckInView>,
    /// The sitter's checks that are still owed.
    pub check_ins: Vec<CheckInView>,
    /// When the patient can be released, and the questions.
    pub release: Option<ReleaseView>,
    /// What happens next, soonest first.
    pub next: Vec<NextView>,
}

impl SittingView {
    /// The view of a session for one of its sitters; `None` when they never were one.
    pub fn of(record: &SessionRecord, sitter: SitterId, now: Instant) -> Option<Self> {
        let sitter = record.sitter(sitter)?;
        let protocol = &record.around.protocol;
        Some(Self {
            now,
            sitter_state: sitter.state.name().to_owned(),
            words: WordsView::of(&protocol.words, &record.around.clinic.phone),
            red_flags: red_flags(protocol),
            session: sitter.state.is_current().then(|| SatSessionView::of(record, now)),
        })
    }
}

impl SatSessionView {
    fn of(record: &SessionRecord, now: Instant) -> Self {
        let check_ins = check_ins(record, Some(OwedBy::Sitter), now);
        let now_due = answering::check_open_now(record, OwedBy::Sitter, now).map(|duty| duty.id.uuid());
        Self {
            first_name: record.patient.first_name.clone(),
            planned: PlannedView::of(&record.session.planned),
            state: record.session.state.name().to_owned(),
            dosed_at: record.session.dose.as_ref().map(|dose| dose.taken_at),
            order: OrderView::for_reader(record, Actor::Sitter),
            order_changed: record.order_changed(),
            training: TrainingView::of(record, now).filter(|_| record.session.state.is_before_dose()),
            checklist: checklist(record, Some(Actor::Sitter), now),
            check_now: check_ins
                .iter()
                .find(|check| Some(check.duty_id) == now_due)
                .cloned(),
            check_ins,
            release: release(record, now),
            next: next_steps(record, Actor::Sitter, now),
        }
    }
}
