//! The sitter's part before the dose: their own items as they open, "I am here", the read-back, and the dose.

use bedside_protocol::checklist::{Actor, AnswerValue};
use bedside_protocol::document::{Asks, Item};
use bedside_protocol::gate::{self, ReasonCode};
use bedside_protocol::overriding;
use bedside_protocol::preparation::item_opens_at;
use bedside_protocol::record::SessionRecord;
use bedside_protocol::session::SessionState;
use bedside_protocol::sitter::{Sitter, SitterState};
use bedside_protocol::sitting::{presence_opens_at, stays_until};
use bedside_protocol::time::{Instant, minutes};
use bedside_protocol::vitals::Phase;

use super::form::{Choices, Entered, VitalsFields};
use super::frame::{WallClock, count};
use super::sitter_view::OrderText;

/// Minutes a sitter may say a dose was ago.
pub const MINUTES_AGO: [i64; 9] = [0, 5, 10, 15, 20, 30, 45, 60, 90];

/// Before the dose.
#[derive(Debug)]
pub struct Preparing {
    /// The one thing, in a line.
    pub headline: String,
    /// `Saturday, November 21`.
    pub day: String,
    /// When to be there.
    pub from: String,
    /// The planned time.
    pub planned: String,
    /// Until about when.
    pub until: String,
    /// Whether the session is on hold.
    pub held: bool,
    /// Whether the order is another one than at the last dose.
    pub order_changed: bool,
    /// The dose, where the patient's screen is unlocked or was.
    pub dose: Option<DoseCard>,
    /// Steps that can be done now, the first of which is the one thing.
    pub open: Vec<Step>,
    /// What is done, and can be changed.
    pub done: Vec<Step>,
    /// What opens later: text and time.
    pub later: Vec<(String, String)>,
    /// The dose button for what already happened, wherever it is not at the top.
    pub dose_late: Option<DoseCard>,
    /// The dose was unlocked and none was logged: whether it was taken is the one thing to know.
    pub not_logged: bool,
}

/// "The lozenge is in the mouth now".
#[derive(Debug)]
pub struct DoseCard {
    /// What is ordered.
    pub order: Option<OrderText>,
    /// The version of the order that is shown; goes along with the dose.
    pub order_version: Option<u32>,
    /// Minutes ago, with its words.
    pub ago: Vec<(i64, String)>,
}

/// One item of the sitter's.
#[derive(Debug)]
pub struct Step {
    /// The item's key; the form posts to `checklist/<key>`, `present` or `vitals`.
    pub key: String,
    /// What is asked.
    pub text: String,
    /// What was answered, or why it is open again.
    pub state: Option<String>,
    /// How it is answered.
    pub form: StepForm,
}

/// How an item is answered.
#[derive(Debug)]
pub enum StepForm {
    /// Two buttons.
    YesNo,
    /// The code on the patient's phone.
    Code(CodeForm),
    /// Choosing what was ordered.
    Readback {
        /// The order, to be read.
        order: OrderText,
        /// What is chosen from.
        groups: Vec<Choices>,
    },
    /// Blood pressure and pulse.
    Vitals(VitalsFields),
    /// A moment, local.
    Time {
        /// As it was typed.
        value: String,
        /// What is wrong with it.
        fault: Option<String>,
    },
    /// A short text.
    Text {
        /// As it was typed.
        value: String,
        /// Most characters.
        max_chars: usize,
        /// What is wrong with it.
        fault: Option<String>,
    },
    /// One of some choices.
    Choice(Choices),
    /// A whole number in a unit.
    Number {
        /// The unit.
        unit: String,
        /// As it was typed.
        value: String,
        /// What is wrong with it.
        fault: Option<String>,
    },
    /// Reading the page and answering its questions.
    Training {
        /// The parts to be read.
        parts: Vec<Part>,
        /// Whether they are to be read once more.
        again: bool,
        /// The questions.
        questions: Vec<Choices>,
    },
    /// Nothing to send now, and why.
    Nothing(String),
}

/// A part of the page that a sitter reads first.
#[derive(Debug)]
pub struct Part {
    /// Its heading.
    pub heading: String,
    /// Its text.
    pub text: String,
}

/// The four digits.
#[derive(Debug)]
pub struct CodeForm {
    /// What was wrong with the last try.
    pub fault: Option<String>,
}

/// What a sitter who said yes does before the dose.
pub fn preparing(record: &SessionRecord, sitter: &Sitter, clock: WallClock, entered: &Entered) -> Preparing {
    let planned = record.session.planned.at;
    let from = presence_opens_at(record);
    let (mut open, mut done, mut later) = (Vec::new(), Vec::new(), Vec::new());
    let own = record
        .around
        .protocol
        .checklist
        .iter()
        .filter(|item| item.actors.contains(&Actor::Sitter));
    // Whoever sees this page has said yes.
    let own = own.filter(|item| item.asks != Asks::Sitter);
    for item in own.filter(|item| record.session.state.takes_preparation() && asked(record, item)) {
        let opens = item_opens_at(record, item);
        if clock.now < opens {
            later.push((item.text.clone(), clock.at(opens)));
        } else if gate::open_reason(record, item, Actor::Sitter, clock.now).is_some()
            && overriding::in_force(record, &item.key, clock.now).is_none()
        {
            open.push((item.any_actor, step(record, sitter, item, clock, entered)));
        } else {
            done.push(step(record, sitter, item, clock, entered));
        }
    }
    // What the patient may do just as well comes after what only the sitter can do.
    open.sort_by_key(|(any_actor, _)| *any_actor);
    let open: Vec<Step> = open.into_iter().map(|(_, step)| step).collect();
    let order = record
        .order
        .as_ref()
        .map(|order| OrderText::of(&order.content.instruction));
    let card = || DoseCard {
        order: order.clone(),
        order_version: record.order.as_ref().map(|order| order.version),
        ago: MINUTES_AGO.iter().map(|ago| (*ago, ago_words(*ago))).collect(),
    };
    let unlocked = gate::unlocked_until(record, clock.now).is_some();
    let not_logged = !unlocked
        && matches!(
            record.session.state,
            SessionState::Ready { unlocked_at: Some(_) } | SessionState::Unverified { .. }
        );
    // A dose is never refused, but a button that is not needed yet would only be pressed by mistake.
    let (dose, dose_late) = if unlocked {
        (Some(card()), None)
    } else {
        (None, (not_logged || clock.now >= from).then(card))
    };
    let held = matches!(record.session.state, SessionState::Held { .. });
    Preparing {
        headline: headline(record, clock, &open, (unlocked, not_logged), held, from),
        day: clock.day(planned),
        from: clock.zone.clock_12h(from),
        planned: clock.at_with_zone(planned),
        until: clock.zone.clock_12h(stays_until(record)),
        held,
        order_changed: record.order_changed(),
        dose,
        open,
        done,
        later,
        dose_late,
        not_logged,
    }
}

fn headline(
    record: &SessionRecord,
    clock: WallClock,
    open: &[Step],
    (unlocked, not_logged): (bool, bool),
    held: bool,
    from: Instant,
) -> String {
    let name = &record.patient.first_name;
    if held {
        return "The session is on hold. Please wait.".to_owned();
    }
    if unlocked {
        return format!("{name} can take the lozenge now.");
    }
    if not_logged {
        return format!("Has {name} taken the lozenge?");
    }
    match open.len() {
        0 if clock.now >= from => {
            format!("Your part is done. Wait until {name} opens the dose on their own phone.")
        }
        0 => format!("Nothing to do now. Be there at {}.", clock.at(from)),
        1 => "One thing to do now.".to_owned(),
        more => format!(
            "{} to do now. The first:",
            count(i64::try_from(more).unwrap_or(i64::MAX), "thing")
        ),
    }
}

/// An item that anybody may do and somebody has done is not asked again; one that never blocks still is.
fn asked(record: &SessionRecord, item: &Item) -> bool {
    gate::blocks(record, item) || item.blocks == bedside_protocol::document::Blocks::Never
}

fn ago_words(ago: i64) -> String {
    match ago {
        0 => "Just now".to_owned(),
        60 => "About an hour ago".to_owned(),
        90 => "An hour and a half ago".to_owned(),
        ago => format!("About {} ago", count(ago, "minute")),
    }
}

fn step(record: &SessionRecord, sitter: &Sitter, item: &Item, clock: WallClock, entered: &Entered) -> Step {
    let form_name = format!("checklist/{}", item.key);
    let back = entered.of(&form_name);
    let form = match &item.asks {
        Asks::YesNo { .. } | Asks::Wish => StepForm::YesNo,
        Asks::Training => training(record, sitter, clock.now, item, entered.of("training")),
        Asks::Sitter => StepForm::Nothing("You said yes. Thank you.".to_owned()),
        Asks::Number { unit, .. } => StepForm::Number {
            unit: unit.clone(),
            value: back.map(|back| back.value("value")).unwrap_or_default(),
            fault: back.and_then(|back| back.fault("value").or_else(|| back.fault("value.number"))),
        },
        Asks::Presence => StepForm::Code(code_form(record, sitter, clock, entered)),
        Asks::Vitals => StepForm::Vitals(VitalsFields::new(
            "vitals",
            "",
            false,
            &record.around.protocol.vitals.input_sanity,
            entered,
        )),
        Asks::Readback => readback(record, back),
        Asks::Time { .. } => StepForm::Time {
            value: back.map(|back| back.value("value")).unwrap_or_default(),
            fault: back.and_then(|back| back.fault("value")),
        },
        Asks::Text { max_chars, .. } | Asks::Address { max_chars, .. } => StepForm::Text {
            value: back.map(|back| back.value("value")).unwrap_or_default(),
            max_chars: *max_chars,
            fault: back.and_then(|back| back.fault("value")),
        },
        Asks::Choice { options } => {
            let options = options
                .iter()
                .map(|option| (option.clone(), option.replace('_', " ")));
            StepForm::Choice(Choices::new(
                &item.key,
                "value",
                &item.text,
                options.collect(),
                back,
            ))
        }
    };
    Step {
        key: item.key.clone(),
        text: item.text.clone(),
        state: state_words(record, sitter, item, clock),
        form,
    }
}

/// The page to read and its questions; after wrong answers only the parts that hold the right ones, and once all are right the
/// page alone.
fn training(
    record: &SessionRecord,
    sitter: &Sitter,
    now: Instant,
    item: &Item,
    back: Option<&Entered>,
) -> StepForm {
    let asked = gate::open_reason(record, item, Actor::Sitter, now).is_some();
    let training = &record.around.protocol.training;
    let again = !sitter.read_again.is_empty();
    let wrong = |part: &str| {
        let mut questions = training.questions.iter();
        questions.any(|it| it.part == part && sitter.read_again.contains(&it.key))
    };
    let parts = training.page.iter().filter(|part| !again || wrong(&part.key));
    let questions = training.questions.iter().filter(|_| asked);
    let questions = questions.map(|question| {
        let options = question
            .options
            .iter()
            .map(|option| (option.key.clone(), option.text.clone()));
        let (id, name) = (
            format!("training-{}", question.key),
            format!("answers.{}", question.key),
        );
        Choices::new(&id, &name, &question.text, options.collect(), back)
    });
    StepForm::Training {
        parts: parts
            .map(|part| Part {
                heading: part.heading.clone(),
                text: part.text.clone(),
            })
            .collect(),
        again,
        questions: questions.collect(),
    }
}

/// The form for the four digits. The last wrong try is on record, so it shows however the page was opened.
pub fn code_form(record: &SessionRecord, sitter: &Sitter, clock: WallClock, entered: &Entered) -> CodeForm {
    let name = &record.patient.first_name;
    let blocked = sitter.code_blocked_until.filter(|until| clock.now < *until);
    let fault = if let Some(until) = blocked {
        Some(format!(
            "Too many wrong codes. Look at {name}'s phone and try again at {}.",
            clock.at(until)
        ))
    } else if let Some(back) = entered.of("present") {
        back.fault("code")
    } else if sitter.wrong_codes > 0 {
        Some(format!(
            "That was not the code. Look again at the four digits on {name}'s phone."
        ))
    } else {
        None
    };
    CodeForm { fault }
}

fn readback(record: &SessionRecord, back: Option<&Entered>) -> StepForm {
    let Some(order) = &record.order else {
        return StepForm::Nothing("There is no signed order yet. The clinic must sign one.".to_owned());
    };
    let instruction = &order.content.instruction;
    let limits = &record.around.protocol.order_limits;
    let numbers = |list: Vec<u32>, of: &str| {
        list.into_iter()
            .map(|number| (number.to_string(), count(number, of)))
            .collect()
    };
    let lozenges = plausible(&[1, 2, 3, 4], instruction.lozenge_count, limits.lozenge_count);
    let hold = plausible(
        &[5, 10, 15, 20, 30],
        instruction.hold_minutes,
        limits.hold_minutes,
    );
    let then = vec![
        ("spit".to_owned(), "Spit it out".to_owned()),
        ("swallow".to_owned(), "Swallow it".to_owned()),
    ];
    StepForm::Readback {
        order: OrderText::of(instruction),
        groups: vec![
            Choices::new(
                "lozenges",
                "lozenge_count",
                "How many lozenges?",
                numbers(lozenges, "lozenge"),
                back,
            ),
            Choices::new(
                "hold",
                "hold_minutes",
                "Held under the tongue for how long?",
                numbers(hold, "minute"),
                back,
            ),
            Choices::new("then", "after_hold", "And then?", then, back),
        ],
    }
}

/// The usual choices that the clinic's range allows and the ordered one, from small to large whatever was ordered.
fn plausible(usual: &[u32], ordered: u32, range: bedside_protocol::document::Range) -> Vec<u32> {
    let mut list: Vec<u32> = usual
        .iter()
        .copied()
        .filter(|number| range.contains(*number))
        .collect();
    list.push(ordered);
    list.sort_unstable();
    list.dedup();
    list
}

fn state_words(record: &SessionRecord, sitter: &Sitter, item: &Item, clock: WallClock) -> Option<String> {
    if overriding::in_force(record, &item.key, clock.now).is_some() {
        return Some("The clinic decided that this need not be done.".to_owned());
    }
    let reason = gate::open_reason(record, item, Actor::Sitter, clock.now);
    let code = reason.as_ref().map(|reason| reason.code);
    match (&item.asks, code) {
        (Asks::Presence, Some(ReasonCode::ItemExpired)) => {
            Some("You said so a while ago. Please type the code on their phone once more.".to_owned())
        }
        (Asks::Training, _) if !sitter.read_again.is_empty() => Some(format!(
            "{} not right. Nothing is lost: read this part again, then answer all of them once more.",
            match sitter.read_again.len() {
                1 => "One answer was".to_owned(),
                more => format!("{more} answers were"),
            }
        )),
        (Asks::Training, Some(ReasonCode::ItemExpired)) => {
            Some("It is some time since you read this. Please read it once more.".to_owned())
        }
        (Asks::Training, None) => {
            let at = gate::trained_at(record)?;
            Some(format!("You read this on {}.", clock.day(at)))
        }
        (Asks::Presence, None) => match sitter.state {
            SitterState::Present { at } => Some(format!("You said so at {}.", clock.at(at))),
            _ => None,
        },
        (Asks::Vitals, _) => {
            let last = record.readings.iter().rev().find(|reading| reading.phase == Phase::BeforeDose)?;
            let at = clock.at(last.observed_at);
            let limits = &record.around.protocol.vitals.pre_dose;
            Some(match code {
                Some(ReasonCode::VitalsOverLimit) => {
                    let again = last.observed_at + minutes(limits.retry_after_min);
                    format!(
                        "The reading of {at} is outside the clinic's limits. Let them rest, and measure again at {}.",
                        clock.at(again)
                    )
                }
                Some(_) => format!("The reading of {at} is too old. Please measure again."),
                None => format!("Measured at {at}."),
            })
        }
        (Asks::Readback, Some(ReasonCode::ReadbackWrong)) => Some(
            "What was chosen is not what was ordered. Nothing is lost: read the order again, slowly, and choose again."
                .to_owned(),
        ),
        (Asks::Readback, Some(ReasonCode::OrderChanged)) => {
            Some("The order has changed since you read it. Please read it again.".to_owned())
        }
        (Asks::YesNo { .. }, Some(ReasonCode::ItemNotGood)) => {
            Some("You answered no. When that has changed, answer again.".to_owned())
        }
        _ => {
            let answer = gate::latest_answer(record, item, Actor::Sitter)?;
            let at = clock.at(answer.received_at);
            match &answer.value {
                AnswerValue::YesNo(value) => Some(format!("You answered {} at {at}.", if *value { "yes" } else { "no" })),
                AnswerValue::Cleared => None,
                _ => Some(format!("You answered at {at}.")),
            }
        }
    }
}
