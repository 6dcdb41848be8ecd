//! What a sitter's own program shows: their tasks, times and emergency words, never what patient or clinic said.

use bedside_protocol::answering;
use bedside_protocol::checklist::Actor;
use bedside_protocol::duty::OwedBy;
use bedside_protocol::id::SitterId;
use bedside_protocol::record::SessionRecord;
use bedside_protocol::time::Instant;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::running::{CheckInView, NextView, ReleaseView, check_ins, next_steps, release};
use super::shared::{ItemView, OrderView, PlannedView, RedFlagView, WordsView, checklist, red_flags};

/// A session as its sitter sees it. Somebody who is not its sitter any more sees words and numbers only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SittingView {
    /// The server's clock.
    pub now: DateTime<Utc>,
    /// `invited`, `accepted`, `declined`, `withdrawn`, `present`, `left` or `removed`.
    pub sitter_state: String,
    /// Words and numbers, always shown.
    pub words: WordsView,
    /// The "something is wrong" list.
    pub red_flags: Vec<RedFlagView>,
    /// The session, for who is its sitter now.
    #[serde(flatten)]
    pub session: Option<SatSessionView>,
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
