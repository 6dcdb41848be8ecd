//! A dry run: what a session by a version of the protocol would ask and send.

use bedside_protocol::dry_run::{DryRun, Entry, Part, What};
use bedside_protocol::notice::{About, Message, Notice};
use bedside_protocol::time::Zone;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::MessageWords;

/// Sessions by a version.
#[derive(Debug, Serialize, ToSchema)]
pub struct DryRunListView {
    /// One, or each that a patient has planned.
    pub runs: Vec<DryRunView>,
}

/// What a session by a version would ask and send.
#[derive(Debug, Serialize, ToSchema)]
pub struct DryRunView {
    /// The version.
    pub version: String,
    /// The planned moment, which is taken for T0.
    pub planned_at: DateTime<Utc>,
    /// The zone of the local times.
    pub zone: String,
    /// Which session of the course was played, from 1.
    pub session_number: u32,
    /// Minutes under the tongue.
    pub hold_minutes: u32,
    /// One if everybody answers; three if nobody does.
    pub parts: Vec<DryRunPartView>,
}

impl DryRunView {
    /// The view of a dry run.
    pub fn of(run: &DryRun, words: Option<&MessageWords>) -> Self {
        Self {
            version: run.version.clone(),
            planned_at: run.plan.t0(),
            zone: run.plan.zone.name().to_owned(),
            session_number: run.plan.number,
            hold_minutes: run.plan.instruction.hold_minutes,
            parts: run
                .parts
                .iter()
                .map(|part| DryRunPartView::of(part, run.plan.zone, words))
                .collect(),
        }
    }
}

/// A stretch of a dry run.
#[derive(Debug, Serialize, ToSchema)]
pub struct DryRunPartView {
    /// `all_is_well`, `nobody_prepares`, `nobody_answers_after_the_dose` or `nobody_answers_after_the_release`.
    pub scene: String,
    /// The same in words.
    pub text: String,
    /// Codes of the reasons for which the dose was not open when it was taken; none if the version lets people get ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_open_because: Vec<String>,
    /// By time.
    pub entries: Vec<DryRunEntryView>,
    /// The state the session is in at the end.
    pub ends_as: String,
}

impl DryRunPartView {
    fn of(part: &Part, zone: Zone, words: Option<&MessageWords>) -> Self {
        Self {
            scene: part.scene.name().to_owned(),
            text: part.scene.in_words().to_owned(),
            not_open_because: part.not_open_because.clone(),
            entries: part
                .entries
                .iter()
                .map(|entry| DryRunEntryView::of(entry, zone, words))
                .collect(),
            ends_as: part.ends_as.to_owned(),
        }
    }
}

/// One line: somebody owes something, or a message is sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct DryRunEntryView {
    /// When: a duty stands where it is due.
    pub at: DateTime<Utc>,
    /// The same in local time, with the date and the zone.
    pub local: String,
    /// Minutes from the dose, rounded down; negative before it.
    pub minute: i64,
    /// Of a duty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duty: Option<DryRunDutyView>,
    /// Of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<DryRunMessageView>,
}

/// What somebody owes.
#[derive(Debug, Serialize, ToSchema)]
pub struct DryRunDutyView {
    /// Its kind, such as `check_in`.
    pub kind: String,
    /// The row of the timetable, of a check-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// `patient`, `sitter` or `on_call`.
    pub owed_by: String,
    /// When it is missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed_after: Option<DateTime<Utc>>,
    /// What became of it in this run.
    pub ends_as: String,
}

/// What is sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct DryRunMessageView {
    /// `patient`, `sitter`, or the place on call of who gets it.
    pub to: String,
    /// What kind of message, such as `case_needs_you`.
    pub kind: String,
    /// `duty`, `case`, `invitation` or `information`.
    pub about: String,
    /// `escalation`, `session`, `reminder` or `digest`.
    pub lane: String,
    /// Its subject; absent where this process has no settings for mails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// How often it is sent again within the run.
    pub again: u32,
    /// For the last time then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<DateTime<Utc>>,
}

impl DryRunEntryView {
    fn of(entry: &Entry, zone: Zone, words: Option<&MessageWords>) -> Self {
        let (duty, message) = match &entry.what {
            What::Duty {
                kind,
                row,
                owed_by,
                missed_after,
                ends_as,
            } => {
                let duty = DryRunDutyView {
                    kind: (*kind).to_owned(),
                    row: row.clone(),
                    owed_by: owed_by.name().to_owned(),
                    missed_after: *missed_after,
                    ends_as: (*ends_as).to_owned(),
                };
                (Some(duty), None)
            }
            What::Message { to, notice, again } => {
                let (subject, text) = words.and_then(|words| words(notice)).unzip();
                let message = DryRunMessageView {
                    to: to.name().to_owned(),
                    kind: kind_of(&notice.message),
                    about: about(notice).to_owned(),
                    lane: notice.lane.name().to_owned(),
                    subject,
                    text,
                    again: again.map_or(0, |again| again.times),
                    last_at: again.map(|again| again.last_at),
                };
                (None, Some(message))
            }
        };
        Self {
            at: entry.at,
            local: zone.long(entry.at),
            minute: entry.minute,
            duty,
            message,
        }
    }
}

/// The name under which a message's kind stands in the outbox.
fn kind_of(message: &Message) -> String {
    let value = serde_json::to_value(message).unwrap_or_default();
    value["template"].as_str().unwrap_or_default().to_owned()
}

fn about(notice: &Notice) -> &'static str {
    match notice.about {
        About::Duty { .. } => "duty",
        About::Case { .. } => "case",
        About::Information => "information",
        About::Invitation { .. } => "invitation",
    }
}
