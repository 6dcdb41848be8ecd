//! What each mail says, in words (PROTOCOL.md section 4.8).
//!
//! Guarantees: the text and the HTML of a mail say the same, because both are made from these words; nothing but the
//! notice and the settings goes in, so no name, drug, diagnosis, vital sign or free text can come out (invariant I8);
//! mails to patients and sitters do not even say what kind of thing the task is. Every time is absolute. All words are
//! ASCII, so a mail passes any relay as it is.

use bedside_protocol::case::{Level, OfferEnd};
use bedside_protocol::id::LinkId;
use bedside_protocol::notice::{CaseStep, Message, Notice, Who};
use bedside_protocol::people::OnCallPlace;
use bedside_protocol::roster::Gap;
use bedside_protocol::time::{Instant, Zone};

use super::MailSettings;

/// Most gaps of a roster that one mail spells out.
const GAPS_SAID_MAX: usize = 20;

/// A mail in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) subject: String,
    pub(super) paragraphs: Vec<String>,
    pub(super) facts: Vec<Fact>,
    pub(super) link: Option<Link>,
    pub(super) after_link: Vec<String>,
    /// The messages of a bundle, each with its subject as a heading.
    pub(super) parts: Vec<Self>,
    pub(super) footer: String,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) label: &'static str,
    pub(super) value: String,
}

/// A link and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) label: &'static str,
    pub(super) url: String,
}

/// The words of a notice's mail. `token` gives a link's token.
pub(super) fn words(notice: &Notice, settings: &MailSettings, token: &dyn Fn(LinkId) -> String) -> Words {
    let url = |path: &str, link: LinkId| format!("{}/{path}/{}", settings.public_base_url(), token(link));
    let mut words = of_message(&notice.message, &url);
    words.footer = match notice.to.who {
        Who::Patient(_) | Who::Sitter(_) => format!(
            "This is an automatic message; nobody reads replies. In an emergency call {}.",
            settings.emergency_number()
        ),
        Who::Staff(_) => "This is an automatic message; nobody reads replies.".to_owned(),
    };
    words
}

fn of_message(message: &Message, url: &dyn Fn(&str, LinkId) -> String) -> Words {
    match message {
        Message::PatientTask {
            due_at,
            zone,
            overdue,
        } => task(*due_at, *zone, *overdue).saying("Open your app to see it."),
        Message::SitterTask {
            due_at,
            zone,
            overdue,
            link,
        } => task(*due_at, *zone, *overdue)
            .linking("Open your page", url("s", *link))
            .adding("The page is for you only. Please do not forward this message."),
        Message::SitterInvitation {
            planned_at,
            zone,
            link,
        } => Words::about(format!("Can you help on {}?", day(*zone, *planned_at)))
            .saying(format!(
                "Somebody you know asks for your help on {}.",
                zone.long(*planned_at)
            ))
            .saying("Your page says what it is about. Please read it and answer there, yes or no.")
            .linking("Open your page", url("s", *link))
            .adding("The page is for you only. Please do not forward this message."),
        Message::SitterChanged { planned_at, zone } => {
            Words::about(format!("Please check your plan for {}", day(*zone, *planned_at)))
                .saying(format!(
                    "Something in your plan for {} has changed.",
                    zone.long(*planned_at)
                ))
                .saying("Open your app to see it.")
        }
        Message::CaseNeedsYou {
            code,
            level,
            needed_by,
            zone,
            since,
            step,
            link,
        } => Words::about(format!(
            "[{}] Case {code} needs you by {}",
            level.name(),
            zone.clock_24h(*needed_by)
        ))
        .saying(why_now(*step))
        .stating("Case", code.clone())
        .stating("Level", format!("{} ({})", level.name(), meaning(*level)))
        .stating("Open since", moment(*zone, *since))
        .stating("Needed by", moment(*zone, *needed_by))
        .linking("Open the case", url("c", *link))
        .adding("This link alone does not take the case. Take it on its page with your PIN; until then others are told."),
        Message::CaseTaken {
            code,
            level,
            at,
            zone,
        } => Words::about(format!("[{}] Case {code} is taken", level.name())).saying(format!(
            "Case {code} was taken at {}. You need not do anything.",
            moment(*zone, *at)
        )),
        Message::HandOverOffered {
            code,
            level,
            until,
            zone,
            link,
        } => Words::about(format!(
            "[{}] Case {code} is offered to you until {}",
            level.name(),
            zone.clock_24h(*until)
        ))
        .saying("Whoever has this case hands it over to you. Until you accept it, it stays with them.")
        .stating("Case", code.clone())
        .stating("Level", format!("{} ({})", level.name(), meaning(*level)))
        .stating("Accept by", moment(*zone, *until))
        .linking("Open the case", url("c", *link))
        .adding("This link alone does not accept the case. Accept or decline it on its page with your PIN."),
        Message::HandOverEnded {
            code,
            level,
            end,
            yours,
            at,
            zone,
        } => Words::about(format!("[{}] Case {code}: {}", level.name(), handed(*end, *yours)))
            .saying(format!("{} ({})", how_handed(*end), moment(*zone, *at)))
            .saying(if *yours {
                format!("Case {code} is yours.")
            } else {
                format!("Case {code} is not yours. You need not do anything.")
            }),
        Message::CaseClosed {
            code,
            level,
            at,
            zone,
        } => Words::about(format!("[{}] Case {code} is closed", level.name())).saying(format!(
            "Case {code} was closed at {}. You need not do anything.",
            moment(*zone, *at)
        )),
        Message::NobodyOnCall { code, at, zone } => {
            Words::about(format!("Nobody is on call for case {code}"))
                .saying(format!(
                    "At {} case {code} found nobody on a step of the on-call list. The next step was told at once.",
                    moment(*zone, *at)
                ))
                .saying("Please see that the case is taken, and fill the on-call list.")
        }
        Message::ContactUnreachable { code, at, zone } => {
            Words::about(format!("Mail to a contact for case {code} fails"))
                .saying(format!(
                    "At {} mail about case {code} to one of its contacts could not be delivered. The next step of its list, if there is one, was told at once.",
                    moment(*zone, *at)
                ))
                .saying("Please see that the case is taken, and correct the address on the on-call list.")
        }
        Message::AddressRefused {
            recipient,
            notice,
            at,
            zone,
        } => Words::about("An address is refused")
            .saying(format!(
                "At {} a mail server refused an address for good. What is sent there does not arrive.",
                moment(*zone, *at)
            ))
            .saying("Please look the message up in the message log and correct the address. Until then every message to it is still tried.")
            .stating("Recipient", kind_of(*recipient).to_owned())
            .stating("Message", notice.to_string()),
        Message::WatchIncomplete { at, zone } => Words::about("The program needs a look")
            .saying(format!(
                "At {} the program found that it would have forgotten something it has to look after. What it could mend is mended.",
                moment(*zone, *at)
            ))
            .saying("Please have whoever runs it look at its health page and its log, and look through your open cases."),
        Message::ForInformation { subject, at, zone } => Words::about("For your information")
            .saying(format!(
                "At {} something was noted that needs nobody today. Look at it when you work your list.",
                moment(*zone, *at)
            ))
            .stating("About", format!("{} {}", subject.kind(), subject.id())),
        Message::RosterGaps { gaps, zone } => {
            let words = Words::about("Somebody is missing on call")
                .saying("The roster has gaps. In the times below nobody is on call who is needed:");
            let more = gaps.len().saturating_sub(GAPS_SAID_MAX);
            let rest = (more > 0).then(|| format!("And {more} more after that."));
            gaps.iter()
                .take(GAPS_SAID_MAX)
                .map(|gap| stretch(*zone, gap))
                .chain(rest)
                .fold(words, Words::saying)
                .saying("Please fill the roster. Until then nothing can be planned or begun in these times.")
        }
        Message::SessionUnstaffed {
            session,
            planned_at,
            gaps,
            zone,
        } => {
            let words = Words::about("A planned session lacks somebody on call").saying(format!(
                "A session is planned for {}, and the roster has nobody on call for it who is needed:",
                zone.long(*planned_at)
            ));
            gaps.iter()
                .map(|gap| stretch(*zone, gap))
                .fold(words, Words::saying)
                .saying("Please fill the roster or have the session moved. As it stands it cannot begin.")
                .stating("Session", session.to_string())
        }
        Message::RosterUnreadable { at, zone } => Words::about("The roster cannot be read")
            .saying(format!(
                "At {} the program found that it cannot read your roster. Until it is set anew, the on-call list alone says who is told.",
                moment(*zone, *at)
            ))
            .saying("Please see that the right people stand on the on-call list, and set the roster anew."),
        Message::Bundle { parts } => {
            let mut words = Words::about(format!("{} messages for you", parts.len()))
                .saying(format!("This mail holds {} messages.", parts.len()));
            words.parts = parts.iter().map(|part| of_message(part, url)).collect();
            words
        }
        Message::AccountLink {
            link,
            expires_at,
            zone,
        } => Words::about("Set your password")
            .saying("An account was made for you. Choose your password on this page.")
            .linking("Set your password", url("account", *link))
            .adding(format!(
                "The link works once and until {}. Please do not forward this message.",
                zone.long(*expires_at)
            )),
        Message::OnCallTest {
            answer_by,
            zone,
            link,
        } => Words::about(format!(
            "Can you be reached? Please answer by {}",
            zone.clock_24h(*answer_by)
        ))
        .saying("You are on call. This message asks whether alarms reach you.")
        .stating("Answer by", moment(*zone, *answer_by))
        .linking("Open the page", url("t", *link))
        .adding("Press the button on the page. Opening it alone answers nothing."),
        Message::OnCallSilent {
            place,
            asked_at,
            zone,
        } => Words::about("Somebody on call does not answer")
            .saying(format!(
                "A test message was sent to the {} at {} and is not answered.",
                on_call_as(*place),
                moment(*zone, *asked_at)
            ))
            .saying("Please call them, or put somebody else on call. Until nurse and backup have answered nothing can be begun."),
        Message::Drill { at, zone } => Words::about("Daily test: alarms reach you")
            .saying(format!(
                "This is the test of {}. It went the way of every alarm: a time came, the program decided, and this mail left.",
                moment(*zone, *at)
            ))
            .saying("You need not do anything. If this message stops coming, alarms may not come either."),
        Message::Test { at, zone } => Words::about("Test message").saying(format!(
            "This is a test of the mail path, asked for at {}. You need not do anything.",
            moment(*zone, *at)
        )),
    }
}

fn stretch(zone: Zone, gap: &Gap) -> String {
    let (from, until) = (zone.long(gap.from), zone.long(gap.until));
    format!("No {} from {from} until {until}.", gap.needed.who())
}

fn task(due_at: Instant, zone: Zone, overdue: bool) -> Words {
    let clock = zone.clock_12h(due_at);
    if overdue {
        Words::about(format!("Your task was due at {clock}")).saying(format!(
            "Your task was due on {}. Please do it now.",
            zone.long(due_at)
        ))
    } else {
        Words::about(format!("You have a task at {clock}"))
            .saying(format!("You have a task on {}.", zone.long(due_at)))
    }
}

/// `Saturday, November 21`.
fn day(zone: Zone, at: Instant) -> String {
    zone.date_of(at).format("%A, %B %-d").to_string()
}

/// `14:20 EST on Saturday, November 21`: for the care team.
fn moment(zone: Zone, at: Instant) -> String {
    format!("{} on {}", zone.clock_24h(at), day(zone, at))
}

fn kind_of(recipient: Who) -> &'static str {
    match recipient {
        Who::Patient(_) => "a patient",
        Who::Sitter(_) => "a sitter",
        Who::Staff(_) => "a member of staff",
    }
}

fn on_call_as(place: OnCallPlace) -> &'static str {
    match place {
        OnCallPlace::Nurse => "nurse on call",
        OnCallPlace::Backup => "backup on call",
        OnCallPlace::AfterHours => "after-hours contact",
        _ => "person on call",
    }
}

fn meaning(level: Level) -> &'static str {
    match level {
        Level::P1 => "act now",
        Level::P2 => "act soon",
        Level::P3 => "today",
        Level::Info => "for your information",
    }
}

fn why_now(step: CaseStep) -> &'static str {
    match step {
        CaseStep::Opened => "A new case needs somebody to take it.",
        CaseStep::NobodyTookIt => "Nobody has taken this case yet.",
        CaseStep::NewSignal => "Something new and urgent joined this case. It must be taken again.",
        CaseStep::AcknowledgementRanOut => {
            "This case was taken, and then nothing more was recorded. It must be taken again."
        }
        CaseStep::GivenBack => "This case was given back. Somebody else must take it.",
    }
}

fn handed(end: OfferEnd, yours: bool) -> &'static str {
    match (end, yours) {
        (OfferEnd::Accepted, false) => "handed over",
        (_, true) => "still with you",
        (_, false) => "no longer offered to you",
    }
}

fn how_handed(end: OfferEnd) -> &'static str {
    match end {
        OfferEnd::Accepted => "The case was handed over and accepted.",
        OfferEnd::Declined => "The case was offered and not accepted: the answer was no.",
        OfferEnd::Withdrawn => "The offer of the case was taken back.",
        OfferEnd::RanOut => "The case was offered and nobody accepted it in time.",
    }
}

impl Words {
    fn about(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            paragraphs: Vec::new(),
            facts: Vec::new(),
            link: None,
            after_link: Vec::new(),
            parts: Vec::new(),
            footer: String::new(),
        }
    }

    fn saying(mut self, paragraph: impl Into<String>) -> Self {
        self.paragraphs.push(paragraph.into());
        self
    }

    fn stating(mut self, label: &'static str, value: String) -> Self {
        self.facts.push(Fact { label, value });
        self
    }

    fn linking(mut self, label: &'static str, url: String) -> Self {
        self.link = Some(Link { label, url });
        self
    }

    fn adding(mut self, paragraph: impl Into<String>) -> Self {
        self.after_link.push(paragraph.into());
        self
    }
}
