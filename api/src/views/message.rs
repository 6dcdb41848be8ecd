//! Messages as the care team sees them: to whom and how far. What a message says and its address are not here.

use bedside_protocol::duty::Lane;
use bedside_store::MessageEntry;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// A page of the log of messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessageListView {
    /// Newest first.
    pub messages: Vec<MessageView>,
    /// What the next page's `before` is; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessageView {
    /// The message; the first part of its mail's Message-ID.
    pub id: String,
    /// What kind of message, such as `case_needs_you`; absent when it cannot be read.
    pub message: Option<String>,
    /// `escalation`, `session`, `reminder` or `digest`.
    #[schema(value_type = String)]
    pub lane: Lane,
    /// What it belongs to, as `session` or `patient` and an id.
    pub subject: Option<ThingView>,
    /// What it is about, as `duty`, `case`, `invitation` or `information` and an id.
    pub about: ThingView,
    /// Whom it is for, as `patient`, `sitter` or `staff` and an id.
    pub recipient: ThingView,
    /// `waiting`, `being_sent`, `sent`, `dropped` or `failed`.
    pub state: String,
    /// When it was decided.
    pub created_at: DateTime<Utc>,
    /// Not to be sent before then.
    pub not_before: DateTime<Utc>,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried again, by the server's own clock.
    pub next_try_at: Option<DateTime<Utc>>,
    /// What kind of failure was last, such as `temporary` or `permanent_address`.
    pub last_class: Option<String>,
    /// The mail server's last reply code.
    pub last_code: Option<i32>,
    /// Whether a try ended without an answer after the whole mail had gone: it may have arrived.
    pub ambiguous: bool,
    /// Why it was dropped or given up, such as `duty_over`; `bundled:` and an id when another message carries it.
    pub why: Option<String>,
    /// When it was over.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A thing by its kind and id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ThingView {
    /// What it is.
    pub kind: String,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl MessageListView {
    /// The view of a page that was to hold `limit` messages.
    pub fn of(entries: Vec<MessageEntry>, limit: u32) -> Self {
        let full = u32::try_from(entries.len()).is_ok_and(|count| count >= limit);
        Self {
            next: entries.last().filter(|_| full).map(|last| last.id.clone()),
            messages: entries.into_iter().map(MessageView::of).collect(),
        }
    }
}

impl MessageView {
    fn of(entry: MessageEntry) -> Self {
        Self {
            id: entry.id,
            message: entry.message.map(str::to_owned),
            lane: entry.lane,
            subject: entry.subject.map(|(kind, id)| ThingView { kind, id: Some(id) }),
            about: ThingView {
                kind: entry.about,
                id: entry.about_id,
            },
            recipient: ThingView {
                kind: entry.recipient_kind,
                id: Some(entry.recipient_id),
            },
            state: entry.state.name().to_owned(),
            created_at: entry.created_at,
            not_before: entry.not_before,
            tries: entry.tries,
            next_try_at: entry.next_try_at,
            last_class: entry.last_class,
            last_code: entry.last_code,
            ambiguous: entry.ambiguous,
            why: entry.why,
            finished_at: entry.finished_at,
        }
    }
}
