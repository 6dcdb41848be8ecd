//! The hand-over on a case's page: what is shown of it, and its forms, by link and by log-in.

use actix_web::HttpRequest;
use actix_web::web::{self, Data};
use bedside_protocol::case::{Case, OfferEnd, Taken};
use bedside_protocol::desk::CaseWorkers;
use bedside_protocol::id::PersonId;

use super::case::{Entry, enter_by_link, enter_logged_in};
use super::case_forms::{Press, press_by_link, press_logged_in};
use super::case_view::{About, Reader, Way};
use super::exchange::{Answer, Sent};
use super::form::{Choices, Entered};
use super::frame::WallClock;
use crate::app::App;
use crate::extract::ClientKey;

/// An offer as those see it who do not have the case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// To whom.
    pub to: String,
    /// Whether that is the reader; by a link, the one it was sent to.
    pub to_reader: bool,
    /// Whether the roster offered it.
    pub at_shift_change: bool,
    /// By when it is to be accepted.
    pub until: String,
}

/// The hand-over as whoever has the case sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOver {
    /// To whom it is offered, and until when.
    pub waits: Option<(String, String)>,
    /// How the last offer ended.
    pub ended: Option<String>,
    /// To whom it can be offered.
    pub to: Choices,
}

/// The offer that waits, for a reader who does not have the case.
pub fn offered(taken: &Taken, clock: WallClock, way: &Way) -> Option<Offered> {
    let offer = taken.open_offer()?;
    let reader = match way.reader {
        Reader::Staff(person) => Some(person),
        Reader::Link => way.addressee,
    };
    Some(Offered {
        to: offer.to_name.clone(),
        to_reader: reader == Some(offer.to),
        at_shift_change: offer.at_shift_change,
        until: clock.at_24h(offer.until),
    })
}

/// The hand-over for who has the case.
pub fn hand_over(
    about: About<'_>,
    case: &Case,
    clock: WallClock,
    workers: &CaseWorkers,
    entered: &Entered,
) -> HandOver {
    let taken = case.state.taken();
    let waits = taken.and_then(Taken::open_offer);
    let ended = taken.and_then(|taken| {
        let offer = taken.offer.as_ref()?;
        let how = match offer.ended? {
            OfferEnd::Accepted => return None,
            OfferEnd::Declined => "said no",
            OfferEnd::Withdrawn => "is not asked any more",
            OfferEnd::RanOut => "did not accept in time",
        };
        Some(format!("{} {how}. The case is still yours.", offer.to_name))
    });
    HandOver {
        waits: waits.map(|offer| (offer.to_name.clone(), clock.at_24h(offer.until))),
        ended,
        to: Choices::new(
            "hand-over-to",
            "to",
            "To whom?",
            others(about, workers, taken.map(|taken| taken.by)),
            entered.of("hand-over"),
        ),
    }
}

/// Every case worker on call but the reader, each once.
fn others(about: About<'_>, workers: &CaseWorkers, reader: Option<PersonId>) -> Vec<(String, String)> {
    let mut people: Vec<(String, String)> = Vec::new();
    for person in about
        .around()
        .on_call
        .iter()
        .filter(|it| Some(it.person) != reader && workers.contains(&it.person))
    {
        let id = person.person.to_string();
        if !people.iter().any(|(known, _)| *known == id) {
            let place = person.place.name().replace('_', " ");
            people.push((id, format!("{} ({place})", person.name)));
        }
    }
    people
}

/// `POST /c/{token}/hand-over`
pub async fn offer(app: Data<App>, token: web::Path<String>, request: HttpRequest, sent: Sent) -> Answer {
    press_by_link(app, &token, &request, sent, Press::HandOver).await
}

/// `POST /c/{token}/withdraw`
pub async fn withdraw(app: Data<App>, token: web::Path<String>, request: HttpRequest, sent: Sent) -> Answer {
    press_by_link(app, &token, &request, sent, Press::Withdraw).await
}

/// `POST /c/{token}/accept`, with the PIN of the one the mail was sent to.
pub async fn accept(
    app: Data<App>,
    token: web::Path<String>,
    request: HttpRequest,
    client: ClientKey,
    sent: Sent,
) -> Answer {
    enter_by_link(app, &token, &request, &client, sent, Entry::Accept).await
}

/// `POST /c/{token}/decline`, with the PIN of the one the mail was sent to.
pub async fn decline(
    app: Data<App>,
    token: web::Path<String>,
    request: HttpRequest,
    client: ClientKey,
    sent: Sent,
) -> Answer {
    enter_by_link(app, &token, &request, &client, sent, Entry::Decline).await
}

/// `POST /cases/{id}/hand-over`
pub async fn offer_logged_in(
    app: Data<App>,
    id: web::Path<String>,
    request: HttpRequest,
    sent: Sent,
) -> Answer {
    press_logged_in(app, &id, &request, sent, Press::HandOver).await
}

/// `POST /cases/{id}/withdraw`
pub async fn withdraw_logged_in(
    app: Data<App>,
    id: web::Path<String>,
    request: HttpRequest,
    sent: Sent,
) -> Answer {
    press_logged_in(app, &id, &request, sent, Press::Withdraw).await
}

/// `POST /cases/{id}/accept`
pub async fn accept_logged_in(app: Data<App>, id: web::Path<String>, request: HttpRequest) -> Answer {
    enter_logged_in(app, &id, &request, Entry::Accept).await
}

/// `POST /cases/{id}/decline`
pub async fn decline_logged_in(app: Data<App>, id: web::Path<String>, request: HttpRequest) -> Answer {
    enter_logged_in(app, &id, &request, Entry::Decline).await
}
