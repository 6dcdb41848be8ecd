//! Parts that several views have: planned times, orders, checklist items, words.

use bedside_protocol::checklist::Actor;
use bedside_protocol::document::{Asks, Blocks, Item, Range, Words};
use bedside_protocol::gate::{self, Reason, ReasonCode};
use bedside_protocol::order::{AfterHold, Order};
use bedside_protocol::overriding;
use bedside_protocol::preparation;
use bedside_protocol::record::SessionRecord;
use bedside_protocol::session::{Dose, Session};
use bedside_protocol::time::{Instant, Planned};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// One reason why the dose is not open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReasonView {
    /// Stable name, such as `item-open` or `watch-down`.
    pub code: String,
    /// The checklist item, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Whose move it is: `patient`, `sitter` or `nurse`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// In words.
    pub message: String,
}

impl ReasonView {
    /// The view of a reason.
    pub fn of(reason: &Reason) -> Self {
        Self {
            code: reason.code.name().to_owned(),
            item: reason.item.clone(),
            actor: reason.actor.map(|actor| actor.name().to_owned()),
            message: reason.message.clone(),
        }
    }
}

/// A planned moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlannedView {
    /// Local date.
    pub on: NaiveDate,
    /// Local time, `HH:MM`.
    pub time: String,
    /// IANA zone of both.
    pub zone: String,
    /// The instant they mean.
    pub at: DateTime<Utc>,
    /// In words, such as `Saturday, November 21, 2026 at 3:00 PM EST`.
    pub text: String,
}

impl PlannedView {
    /// The view of a planned moment.
    pub fn of(planned: &Planned) -> Self {
        Self {
            on: planned.on,
            time: planned.time.format("%H:%M").to_string(),
            zone: planned.zone.name().to_owned(),
            at: planned.at,
            text: planned.zone.long(planned.at),
        }
    }
}

/// An order in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderView {
    /// Counts up with each signature; send it with the dose.
    pub version: u32,
    /// Lozenges for one session.
    pub lozenge_count: u32,
    /// Milligrams of each lozenge.
    pub strength_mg: u32,
    /// Minutes under the tongue.
    pub hold_minutes: u32,
    /// `spit` or `swallow`.
    pub after_hold: String,
    /// The last day it may be used.
    pub expires_on: NaiveDate,
    /// Whether it was signed anew since this reader read it back.
    pub changed_since_readback: bool,
}

impl OrderView {
    /// The view of an order for nobody in particular.
    pub fn of(order: &Order) -> Self {
        Self {
            version: order.version,
            lozenge_count: order.content.instruction.lozenge_count,
            strength_mg: order.content.strength_mg,
            hold_minutes: order.content.instruction.hold_minutes,
            after_hold: order.content.instruction.after_hold.name().to_owned(),
            expires_on: order.content.expires_on,
            changed_since_readback: false,
        }
    }

    /// The view of a session's order for one who reads it back.
    pub fn for_reader(record: &SessionRecord, actor: Actor) -> Option<Self> {
        let order = record.order.as_ref()?;
        let items = record
            .around
            .protocol
            .checklist
            .iter()
            .filter(|item| item.asks == Asks::Readback);
        let read_back = items
            .filter_map(|item| gate::latest_answer(record, item, actor))
            .next_back();
        let changed_since_readback =
            read_back.is_some_and(|answer| answer.order_version != Some(order.version));
        Some(Self {
            changed_since_readback,
            ..Self::of(order)
        })
    }
}

/// A range of whole numbers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct RangeView {
    /// The least.
    pub min: u32,
    /// The most.
    pub max: u32,
}

impl RangeView {
    fn of(range: Range) -> Self {
        Self {
            min: range.min,
            max: range.max,
        }
    }
}

/// What may be chosen when an order is read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReadbackChoicesView {
    /// Lozenges.
    pub lozenge_count: RangeView,
    /// Minutes under the tongue.
    pub hold_minutes: RangeView,
    /// `spit`, `swallow`.
    pub after_hold: Vec<String>,
}

/// What an item asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AsksView {
    /// `yes_no`, `time`, `text`, `number`, `choice` or `readback`: the `type` of its answer. A `wish` takes a `yes_no`, and so
    /// does an `address`, or a `text` with another one. `vitals`, `presence`, `sitter` and `training` are done elsewhere.
    #[serde(rename = "type")]
    pub kind: String,
    /// For `choice`: what may be chosen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// For `text`: most characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_chars: Option<usize>,
    /// For `number`: its unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// For `number`: the least that can be meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least: Option<i64>,
    /// For `number`: the most that can be meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<i64>,
    /// For `time`: minutes it must lie before the dose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least_before_min: Option<i64>,
    /// For `readback`: what may be chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choices: Option<ReadbackChoicesView>,
}

impl AsksView {
    fn of(record: &SessionRecord, item: &Item) -> Self {
        let bare = Self {
            kind: item.asks.name().to_owned(),
            options: Vec::new(),
            max_chars: None,
            unit: None,
            least: None,
            most: None,
            at_least_before_min: None,
            choices: None,
        };
        let limits = &record.around.protocol.order_limits;
        match &item.asks {
            Asks::Time { at_least_before_min } => Self {
                at_least_before_min: Some(*at_least_before_min),
                ..bare
            },
            Asks::Text { max_chars, .. } | Asks::Address { max_chars, .. } => Self {
                max_chars: Some(*max_chars),
                ..bare
            },
            Asks::Number {
                unit, least, most, ..
            } => Self {
                unit: Some(unit.clone()),
                least: Some(*least),
                most: Some(*most),
                ..bare
            },
            Asks::Choice { options } => Self {
                options: options.clone(),
                ..bare
            },
            Asks::Readback => Self {
                choices: Some(ReadbackChoicesView {
                    lozenge_count: RangeView::of(limits.lozenge_count),
                    hold_minutes: RangeView::of(limits.hold_minutes),
                    after_hold: [AfterHold::Spit, AfterHold::Swallow]
                        .map(|after_hold| after_hold.name().to_owned())
                        .to_vec(),
                }),
                ..bare
            },
            Asks::YesNo { .. }
            | Asks::Wish
            | Asks::Vitals
            | Asks::Presence
            | Asks::Sitter
            | Asks::Training => bare,
        }
    }
}

/// A checklist item of one actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ItemView {
    /// Its stable key.
    pub key: String,
    /// What the person reads.
    pub text: String,
    /// `week_before`, `day_before`, `day`, `last_hour` or `last_quarter`.
    pub phase: String,
    /// Whose it is: `patient`, `sitter` or `nurse`.
    pub actor: String,
    /// Whether any one of its actors is enough.
    pub any_actor: bool,
    /// What it asks.
    pub asks: AsksView,
    /// Whether it keeps this dose locked.
    pub blocks: bool,
    /// From when it can be answered.
    pub opens_at: DateTime<Utc>,
    /// `open`, `done`, `decided`, `expired`, `not_open` or `not_good`; `answered` in place of the last before coordinators and
    /// managers, who do not see answers. `decided` by the clinic: it need not be done.
    pub status: String,
    /// Until when the clinic's decision holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_until: Option<DateTime<Utc>>,
    /// When the answer that counts was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<DateTime<Utc>>,
    /// Why it is not done, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The status of an item whose answer keeps the dose locked.
pub(super) const NOT_GOOD: &str = "not_good";

/// The checklist, item by item and actor by actor; only `whose`, where one is named.
pub fn checklist(record: &SessionRecord, whose: Option<Actor>, now: Instant) -> Vec<ItemView> {
    let items = record.around.protocol.checklist.iter();
    items
        .flat_map(|item| item.actors.iter().map(move |actor| (item, *actor)))
        .filter(|(_, actor)| whose.is_none_or(|whose| whose == *actor))
        .map(|(item, actor)| item_view(record, item, actor, now))
        .collect()
}

fn item_view(record: &SessionRecord, item: &Item, actor: Actor, now: Instant) -> ItemView {
    let opens_at = preparation::item_opens_at(record, item);
    let open = gate::open_reason(record, item, actor, now);
    let decided = overriding::in_force(record, &item.key, now).filter(|_| open.is_some());
    let status = match open.as_ref().map(|reason| reason.code) {
        None => "done",
        Some(_) if decided.is_some() => "decided",
        Some(ReasonCode::ItemExpired) => "expired",
        Some(ReasonCode::ItemOpen) if now < opens_at => "not_open",
        Some(ReasonCode::ItemOpen | ReasonCode::NoSitter | ReasonCode::SitterNotAccepted) => "open",
        Some(_) => NOT_GOOD,
    };
    ItemView {
        key: item.key.clone(),
        text: item.text.clone(),
        phase: item.phase.name().to_owned(),
        actor: actor.name().to_owned(),
        any_actor: item.any_actor,
        asks: AsksView::of(record, item),
        blocks: item.blocks != Blocks::Never && gate::blocks(record, item),
        opens_at,
        status: status.to_owned(),
        answered_at: gate::latest_answer(record, item, actor).map(|answer| answer.observed_at),
        decided_until: decided.map(|decided| decided.until),
        reason: open.map(|reason| match decided {
            Some(_) => "Your clinic decided that this need not be done.".to_owned(),
            None => reason.message,
        }),
    }
}

/// A dose that was logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DoseView {
    /// T0.
    pub taken_at: DateTime<Utc>,
    /// When the server heard of it.
    pub received_at: DateTime<Utc>,
    /// Codes of the reasons for which it was not open; empty for a dose by the book.
    pub not_open_because: Vec<String>,
}

impl DoseView {
    /// The view of a dose.
    pub fn of(dose: &Dose) -> Self {
        Self {
            taken_at: dose.taken_at,
            received_at: dose.received_at,
            not_open_because: dose.not_open_because.clone(),
        }
    }
}

/// A session in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionRow {
    /// The session.
    pub id: Uuid,
    /// Which of the patient's course, from 1.
    pub ordinal: u32,
    /// `planned` or `unplanned`.
    pub kind: String,
    /// Its state, such as `ready` or `monitoring`.
    pub state: String,
    /// When it is planned.
    pub planned: PlannedView,
    /// When the dose was taken.
    pub dosed_at: Option<DateTime<Utc>>,
    /// When the patient was released.
    pub released_at: Option<DateTime<Utc>>,
    /// Its number in the patient's plan, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_ordinal: Option<u32>,
}

impl SessionRow {
    /// The view of a session.
    pub fn of(session: &Session) -> Self {
        Self {
            id: session.id.uuid(),
            ordinal: session.ordinal,
            kind: session.kind.name().to_owned(),
            state: session.state.name().to_owned(),
            planned: PlannedView::of(&session.planned),
            dosed_at: session.dose.as_ref().map(|dose| dose.taken_at),
            released_at: session.released_at(),
            plan_ordinal: session.slot.map(|slot| slot.ordinal),
        }
    }
}

/// Words for every screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WordsView {
    /// Always shown.
    pub not_watched: String,
    /// With an emergency.
    pub emergency: String,
    /// With thoughts of suicide.
    pub crisis: String,
    /// The number to call.
    pub emergency_number: String,
    /// The number for thoughts of suicide.
    pub crisis_number: String,
    /// What is expected and no alarm.
    pub expected_effects: String,
    /// What a sitter does while waiting.
    pub recovery_position: String,
    /// The clinic's own number.
    pub clinic_phone: String,
}

impl WordsView {
    /// The words of a protocol document and the clinic's number.
    pub fn of(words: &Words, clinic_phone: &str) -> Self {
        Self {
            not_watched: words.not_watched.clone(),
            emergency: words.emergency.clone(),
            crisis: words.crisis.clone(),
            emergency_number: words.emergency_number.clone(),
            crisis_number: words.crisis_number.clone(),
            expected_effects: words.expected_effects.clone(),
            recovery_position: words.recovery_position.clone(),
            clinic_phone: clinic_phone.to_owned(),
        }
    }
}

/// A line of the "something is wrong" list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RedFlagView {
    /// Its key; send it with a call for help.
    pub key: String,
    /// What the person reads.
    pub text: String,
}

/// The "something is wrong" list.
pub fn red_flags(protocol: &bedside_protocol::document::ProtocolDocument) -> Vec<RedFlagView> {
    let flags = protocol.red_flags.iter();
    flags
        .map(|flag| RedFlagView {
            key: flag.key.clone(),
            text: flag.text.clone(),
        })
        .collect()
}
