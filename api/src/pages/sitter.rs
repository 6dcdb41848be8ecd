//! A sitter's page at `/s/{token}`: the link is all they need. Forms post below it and answer 303 back to it.
//!
//! Looking never changes anything, so a mail scanner may look as often as it likes. The dose and a call for help are
//! taken from a dead link too, marked as unverified.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use bedside_protocol::answering::{self, CheckedIn};
use bedside_protocol::dosing::DoseReport;
use bedside_protocol::id::DutyId;
use bedside_protocol::record::{Decision, RuleContext, SessionRecord};
use bedside_protocol::refusal::{Fault, Faults, Refusal};
use bedside_protocol::sitting::{CodeAnswer, Trained};
use bedside_protocol::time::minutes;
use bedside_protocol::{measuring, preparation, releasing, sitting};
use bedside_store::DecideError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::dead;
use super::exchange::{Answer, Sent, from_our_page, html, see_other};
use super::form::{self, Entered, Fields};
use super::frame::WallClock;
use super::sitter_answer::item_value;
use super::sitter_preparing::MINUTES_AGO;
use super::sitter_view;
use crate::app::App;
use crate::error::{ApiError, PageError};
use crate::extract::{ClientKey, RequestId};
use crate::links::{self, SitterLink};
use crate::reporting::{self, HelpCall};

/// What became of a form, as it may stand in an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Accepted,
    Trained,
    Here,
    Received,
    Late,
    VitalsToFollow,
    Dose,
    Help,
}

impl Told {
    const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Trained,
        Self::Here,
        Self::Received,
        Self::Late,
        Self::VitalsToFollow,
        Self::Dose,
        Self::Help,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Trained => "read",
            Self::Here => "here",
            Self::Received => "received",
            Self::Late => "late",
            Self::VitalsToFollow => "more",
            Self::Dose => "started",
            Self::Help => "told",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Accepted => "Thank you. Keep this link: the same page guides you on the day.",
            Self::Trained => "All four are right. Thank you for reading.",
            Self::Here => "Thank you. You are marked as here.",
            Self::Received => "Received. Thank you.",
            Self::Late => "Received. It came after its time; the care team sees both times.",
            Self::VitalsToFollow => "Received. Blood pressure and pulse are still to come.",
            Self::Dose => "Recorded. The checks start now: stay in the room.",
            Self::Help => "The care team is being told. Do not wait for them if it is an emergency.",
        }
    }

    fn in_query(query: &str) -> Option<&'static str> {
        let name = query.strip_prefix("done=")?;
        Self::ALL
            .into_iter()
            .find(|told| told.name() == name)
            .map(Self::words)
    }
}

/// A visit by a good link.
struct Visit {
    app: Data<App>,
    link: SitterLink,
    path: String,
}

impl Visit {
    /// Opens the link, or the page for a dead one.
    async fn open(
        app: &Data<App>,
        token: &str,
        request: &HttpRequest,
    ) -> Result<Result<Self, HttpResponse>, PageError> {
        match links::sitter(app, token, RequestId::of(request)).await {
            Ok(link) => Ok(Ok(Self {
                app: app.clone(),
                link,
                path: format!("/s/{token}"),
            })),
            Err(error @ (ApiError::NotFound | ApiError::LinkOver)) => {
                Ok(Err(dead::page(app, "s", token, &error, request)))
            }
            Err(error) => Err(PageError(error)),
        }
    }

    async fn page(&self, status: StatusCode, told: Option<&'static str>, entered: Entered) -> Answer {
        let (sitter, path) = (self.link.sitter, self.path.clone());
        let look = move |record: &SessionRecord, now| {
            let clock = WallClock {
                zone: record.patient.zone,
                now,
            };
            sitter_view::page(record, sitter, clock, &path, told, &entered)
        };
        let page = self
            .app
            .store
            .read_session(self.link.scope(), self.link.session, look)
            .await?
            .flatten();
        page.map(|page| html(status, &page))
            .ok_or(PageError(ApiError::NotFound))
    }

    /// Lets a rule decide. A refused form comes back with its faults and all that was entered.
    async fn decide<T, F>(
        &self,
        form: &str,
        fields: Fields,
        rule: F,
        told: impl FnOnce(T) -> Option<Told>,
    ) -> Answer
    where
        F: FnMut(&SessionRecord, &mut RuleContext<'_>) -> Result<(Decision<SessionRecord>, T), Refusal>
            + Send
            + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
    {
        match self
            .app
            .store
            .decide_session(self.link.scope(), self.link.session, None, rule)
            .await
        {
            Ok(done) => Ok(self.back(told(done.value))),
            Err(DecideError::Refused(refusal)) => self.refused(form, fields, &refusal).await,
            Err(DecideError::NotFound) => self.refused(form, fields, &Refusal::NotFound).await,
            Err(DecideError::Busy) => {
                let mut entered = Entered::refused(form, fields, &Refusal::NotFound);
                entered.refused = Some("We are very busy. Nothing is lost: please press again.".to_owned());
                self.page(StatusCode::SERVICE_UNAVAILABLE, None, entered).await
            }
            Err(other) => Err(other.into()),
        }
    }

    async fn refused(&self, form: &str, fields: Fields, refusal: &Refusal) -> Answer {
        let status = ApiError::from(refusal.clone()).status();
        self.page(status, None, Entered::refused(form, fields, refusal))
            .await
    }

    fn back(&self, told: Option<Told>) -> HttpResponse {
        back(&self.path, told)
    }
}

fn back(path: &str, told: Option<Told>) -> HttpResponse {
    match told {
        Some(told) => see_other(&format!("{path}?done={}", told.name())),
        None => see_other(path),
    }
}

/// Opens the visit of a form that must come from our own page.
async fn arrive(
    app: &Data<App>,
    token: &str,
    request: &HttpRequest,
) -> Result<Result<Visit, HttpResponse>, PageError> {
    from_our_page(request, &app.settings.public_base_url)?;
    Visit::open(app, token, request).await
}

/// `GET /s/{token}`
pub async fn show(app: Data<App>, token: web::Path<String>, request: HttpRequest) -> Answer {
    let visit = match Visit::open(&app, &token, &request).await? {
        Ok(visit) => visit,
        Err(dead) => return Ok(dead),
    };
    visit
        .page(
            StatusCode::OK,
            Told::in_query(request.query_string()),
            Entered::default(),
        )
        .await
}

/// `POST /s/{token}/accept`
pub async fn accept(app: Data<App>, token: web::Path<String>, request: HttpRequest, sent: Sent) -> Answer {
    let visit = match arrive(&app, &token, &request).await? {
        Ok(visit) => visit,
        Err(dead) => return Ok(dead),
    };
    let fields = sent.fields()?;
    let (is_adult, may_be_contacted) = (fields.ticked("is_adult"), fields.ticked("may_be_contacted"));
    let rule = move |record: &SessionRecord, context: &mut RuleContext<'_>| {
        Ok((sitting::accept(record, is_adult, may_be_contacted, context)?, ()))
    };
    visit
        .decide("accept", fields, rule, |()| Some(Told::Accepted))
        .await
}

/// `POST /s/{token}/decline`
pub async fn decline(app: Data<App>, token: web::Path<String>, request: HttpRequest) -> Answer {
    let visit = match arrive(&app, &token, &request).await? {
        Ok(visit) => visit,
        Err(dead) => return Ok(dead),
    };
    let rule =
        |record: &SessionRecord, context: &mut RuleContext<'_>| Ok((sitting::decline(record, context)?, ()));
    visit.decide("decline", Fields::default(), rule, |()| None).await
}

/// `POST /s/{token}/training`
pub async fn train(app: Data<App>, token: web::Path<String>, request: HttpRequest, sent: Sent) -> Answer {
    let visit = match arrive(&app, &token, &request).await? {
        Ok(visit) => visit,
        Err(dead) => return Ok(dead),
    };
    let fields = sent.fields()?;
    let answers: BTreeMap<String, String> = fields.choices("answers.");
    let rule = move |record: &SessionRecord, context: &mut RuleContext<'_>| {
        sitting::train(record, &answers, context)
    };
    // Wrong answers are on record, and the page shows what to read again.
    visit
        .decide("training", fields, rule, |trained| {
            (trained == Trained::Done).then_some(Told::Trained)
        })
        .await
}

/// `POST /s/{token}/present`
pub async fn present(app: Data<App>, token: web::Path<String>, request: HttpRequest, sent: Sent) -> Answer {
    let visit = match arrive(&app, &token, &request).await? {
        Ok(visit) => visit,
        Err(dead) => return Ok(dead),
    };
    let fields = sent.fields()?;
    let code = fields.text("code").unwrap_or_default().to_owned();
    if code.len() != 4 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        // A slip of the thumb is not a wrong code.
        return visit
            .refused(
                "present",
                fields,
                &Refusal::invalid("code", "type the four digits"),
            )
            .await;
    }
    let rule =
        move |record: &SessionRecord, context: &mut RuleContext<'_>| sitting::present(record, &code, context);
    // A wrong code is on record, and the page shows it beside the field.
    visit
        .decide("present", fields, rule, |answer| {
            (answer == CodeAnswer::Right).then_some(Told::Here)
        })
        .await
}

/// `POST /s/{token}/checklist/{item}`
pub async fn answer_item(
    app: Data<App>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    sent: Sent,
) -> Answer {
    let (token, key) = path.into_inner();
    let visit = match arrive(&app, &token, &request).await? {
        Ok(visit) => visit,
        Err(dead) => return Ok(dead),
    };
    let fields = sent.fields()?;
    let (form, entered) = (format!("checklist/{key}"), fields.clone());
    let rule = move |record: &SessionRecord, context: &mut RuleContext<'_>| {
        let item = record.around.protocol.item(&key).ok_or(Refusal::NotFound)?;
        let value = item_value(item, &entered, record.patient.zone)?;
        preparation::answer(record, &key, value, None, context)
    };
    // A wrong read-back or a "no" is on record, and the page shows what follows from it.
    visit
        .decide(&form, fields, rule, |answered| {
            (answered == preparation::Answered::Done).then_some(Told::Received)
        })
        .await
}

/// `POST /s/{token}/vitals`
pub async fn measure(app: Data<App>, token: web::Path<String>, request: HttpRequest, sent: Sent) -> Answer {
    let visit = match arrive(&app, &token, &request).await? {
        Ok(visit) => visit,
        Err(dead) => return Ok(dead),
    };
    let fields = sent.fields()?;
    let reading = match fields.reading("") {
        Ok(Some(reading)) => reading,
        Ok(None) => {
            let missing = ["sbp", "dbp", "hr"].map(|field| Fault::new(field, "is missing"));
            return visit
                .refused("vitals", fields, &Refusal::Invalid(Faults(missing.into())))
                .await;
        }
        Err(faults) => return visit.refused("vitals", fields, &Refusal::Invalid(faults)).await,
    };
    let rule = move |record: &SessionRecord, context: &mut RuleContext<'_>| {
        measuring::measure(record, reading, context)
    };
    visit
        .decide("vitals", fields, rule, |_| Some(Told::Received))
        .await
}

/// `POST /s/{token}/check-ins/{duty}`: recorded for the check the form was made for, however old the page.
pub async fn check_in(
    app: Data<App>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    sent: Sent,
) -> Answer {
    let (token, duty) = path.into_inner();
    let visit = match arrive(&app, &token, &request).await? {
        Ok(visit) => visit,
        Err(dead) => return Ok(dead),
    };
    let fields = sent.fields()?;
    let form_name = format!("check-ins/{duty}");
    let Ok(duty) = duty.parse::<DutyId>() else {
        return visit.refused(&form_name, fields, &Refusal::NotFound).await;
    };
    let filled = match form::check_in(&fields, duty) {
        Ok(filled) => filled,
        Err(refusal) => return visit.refused(&form_name, fields, &refusal).await,
    };
    let rule = move |record: &SessionRecord, context: &mut RuleContext<'_>| {
        answering::answer(record, filled.clone(), context)
    };
    visit.decide(&form_name, fields, rule, said_of).await
}

/// `POST /s/{token}/release`
pub async fn release(app: Data<App>, token: web::Path<String>, request: HttpRequest, sent: Sent) -> Answer {
    let visit = match arrive(&app, &token, &request).await? {
        Ok(visit) => visit,
        Err(dead) => return Ok(dead),
    };
    let fields = sent.fields()?;
    let answers = match fields.answers() {
        Ok(answers) => answers,
        Err(faults) => return visit.refused("release", fields, &Refusal::Invalid(faults)).await,
    };
    let rule = move |record: &SessionRecord, context: &mut RuleContext<'_>| {
        releasing::release_by_sitter(record, answers.clone(), None, context)
    };
    visit.decide("release", fields, rule, said_of).await
}

/// What is said of an answer; where it calls for help or releases, the page itself says so.
fn said_of(checked_in: CheckedIn) -> Option<Told> {
    match checked_in {
        CheckedIn::Well | CheckedIn::Noted => Some(Told::Received),
        CheckedIn::VitalsToFollow => Some(Told::VitalsToFollow),
        CheckedIn::Late => Some(Told::Late),
        CheckedIn::ActNow | CheckedIn::Released => None,
    }
}

/// `POST /s/{token}/leave`
pub async fn leave(app: Data<App>, token: web::Path<String>, request: HttpRequest) -> Answer {
    let visit = match Visit::open(&app, &token, &request).await? {
        Ok(visit) => visit,
        Err(dead) => return Ok(dead),
    };
    let rule =
        |record: &SessionRecord, context: &mut RuleContext<'_>| Ok((sitting::leave(record, context)?, ()));
    visit.decide("leave", Fields::default(), rule, |()| None).await
}

/// `POST /s/{token}/dose`: never refused, whatever came.
pub async fn log_dose(app: Data<App>, token: web::Path<String>, request: HttpRequest, sent: Sent) -> Answer {
    let link = match links::sitter_even_over(&app, &token, RequestId::of(&request)).await {
        Ok(link) => link,
        Err(error @ ApiError::NotFound) => return Ok(dead::page(&app, "s", &token, &error, &request)),
        Err(error) => return Err(PageError(error)),
    };
    let (_, patient) = app
        .store
        .find_session_owner(link.session)
        .await?
        .ok_or(PageError(ApiError::NotFound))?;
    let fields = sent.whatever_came();
    let ago = fields
        .text("minutes_ago")
        .and_then(|text| text.parse().ok())
        .filter(|ago| MINUTES_AGO.contains(ago));
    let now = app.store.clocks().clinical_now();
    let report = DoseReport {
        observed_at: ago.filter(|ago| *ago > 0).map(|ago| now - minutes(ago)),
        device_now: None,
        shown_order_version: fields.text("order_version").and_then(|text| text.parse().ok()),
    };
    reporting::log_dose(&app, link.scope(), patient, Some(link.session), report, None).await?;
    Ok(back(&format!("/s/{}", *token), Some(Told::Dose)))
}

/// `POST /s/{token}/help`: by a good link for its session; by a dead one unverified, within limits.
pub async fn help(
    app: Data<App>,
    token: web::Path<String>,
    request: HttpRequest,
    client: ClientKey,
    sent: Sent,
) -> Answer {
    let fields = sent.whatever_came();
    let call = HelpCall::new(fields.text("flag"), fields.text("note"));
    let link = match links::sitter_even_over(&app, &token, RequestId::of(&request)).await {
        Ok(link) if link.good => link,
        Ok(_) | Err(ApiError::NotFound) => {
            return dead::help(&app, "s", &token, call, &client, &request).await;
        }
        Err(error) => return Err(PageError(error)),
    };
    reporting::help_by_sitter(&app, link.scope(), link.session, call, None).await?;
    Ok(back(&format!("/s/{}", *token), Some(Told::Help)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_fixed_list_is_taken_from_an_address() {
        assert_eq!(
            Told::in_query("done=here"),
            Some("Thank you. You are marked as here.")
        );
        for other in ["", "done=", "done=<b>", "here", "done=here&done=late"] {
            assert_eq!(Told::in_query(other), None, "{other}");
        }
    }
}
