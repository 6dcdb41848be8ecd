//! The forms of who has a case: reached, closed, given back, handed over. The same by link and by log-in.

use actix_web::HttpRequest;
use actix_web::web::{self, Data};
use bedside_protocol::case::Outcome;
use bedside_protocol::refusal::{Fault, Faults, Refusal};

use super::case::Visit;
use super::case_calls;
use super::exchange::{Answer, Sent, from_our_page};
use super::form::Fields;
use crate::app::App;
use crate::casework::CaseAct;

/// The forms of who has the case; the same by link and by log-in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Press {
    Contacted,
    Resolve,
    GiveBack,
    HandOver,
    Withdraw,
    Call,
}

async fn pressed(visit: Visit, press: Press, fields: Fields) -> Answer {
    match press {
        Press::Contacted => {
            visit
                .act("contacted", fields, |by| CaseAct::Contacted { by })
                .await
        }
        Press::GiveBack => {
            visit
                .act("give-back", fields, |by| CaseAct::GiveBack { by })
                .await
        }
        Press::Withdraw => visit.act("withdraw", fields, |by| CaseAct::Decline { by }).await,
        Press::Call => visit.log_call(fields, case_calls::entered).await,
        Press::HandOver => {
            let Some(to) = fields.text("to").and_then(|to| to.parse().ok()) else {
                let refusal = Refusal::invalid("to", "choose somebody");
                return visit.refused("hand-over", fields, &refusal).await;
            };
            visit
                .act("hand-over", fields, |by| CaseAct::Offer { by, to })
                .await
        }
        Press::Resolve => {
            let (outcome, note) = match closing(&fields) {
                Ok(closing) => closing,
                Err(faults) if visit.reader.is_some() => {
                    return visit.refused("resolve", fields, &Refusal::Invalid(faults)).await;
                }
                // Who it is comes first; what was entered is carried along.
                Err(_) => (Outcome::NotReached, String::new()),
            };
            visit
                .act("resolve", fields, |by| CaseAct::Resolve { by, outcome, note })
                .await
        }
    }
}

/// Outcome and note of the closing form, or everything wrong with it.
fn closing(fields: &Fields) -> Result<(Outcome, String), Faults> {
    let chosen = fields.text("outcome");
    let outcome = Outcome::ALL
        .into_iter()
        .find(|outcome| Some(outcome.name()) == chosen);
    let note: String = fields
        .text("note")
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect();
    let mut faults = Faults::default();
    if outcome.is_none() {
        faults.push(Fault::new("outcome", "choose how it ended"));
    }
    if note.trim().is_empty() {
        faults.push(Fault::new("note", "say in a few words how the case ended"));
    }
    match outcome {
        Some(outcome) if faults.0.is_empty() => Ok((outcome, note)),
        _ => Err(faults),
    }
}

pub(super) async fn press_by_link(
    app: Data<App>,
    token: &str,
    request: &HttpRequest,
    sent: Sent,
    press: Press,
) -> Answer {
    from_our_page(request, &app.settings.public_base_url)?;
    match Visit::by_link(&app, token, request).await? {
        Ok(visit) => pressed(visit, press, sent.fields()?).await,
        Err(other) => Ok(other),
    }
}

pub(super) async fn press_logged_in(
    app: Data<App>,
    id: &str,
    request: &HttpRequest,
    sent: Sent,
    press: Press,
) -> Answer {
    from_our_page(request, &app.settings.public_base_url)?;
    match Visit::by_log_in(&app, id, request).await? {
        Ok(visit) => pressed(visit, press, sent.fields()?).await,
        Err(other) => Ok(other),
    }
}

/// `POST /c/{token}/contacted`
pub async fn contacted(app: Data<App>, token: web::Path<String>, request: HttpRequest, sent: Sent) -> Answer {
    press_by_link(app, &token, &request, sent, Press::Contacted).await
}

/// `POST /c/{token}/resolve`
pub async fn resolve(app: Data<App>, token: web::Path<String>, request: HttpRequest, sent: Sent) -> Answer {
    press_by_link(app, &token, &request, sent, Press::Resolve).await
}

/// `POST /c/{token}/give-back`
pub async fn give_back(app: Data<App>, token: web::Path<String>, request: HttpRequest, sent: Sent) -> Answer {
    press_by_link(app, &token, &request, sent, Press::GiveBack).await
}

/// `POST /cases/{id}/contacted`
pub async fn contacted_logged_in(
    app: Data<App>,
    id: web::Path<String>,
    request: HttpRequest,
    sent: Sent,
) -> Answer {
    press_logged_in(app, &id, &request, sent, Press::Contacted).await
}

/// `POST /cases/{id}/resolve`
pub async fn resolve_logged_in(
    app: Data<App>,
    id: web::Path<String>,
    request: HttpRequest,
    sent: Sent,
) -> Answer {
    press_logged_in(app, &id, &request, sent, Press::Resolve).await
}

/// `POST /cases/{id}/give-back`
pub async fn give_back_logged_in(
    app: Data<App>,
    id: web::Path<String>,
    request: HttpRequest,
    sent: Sent,
) -> Answer {
    press_logged_in(app, &id, &request, sent, Press::GiveBack).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_closed_with_an_outcome_and_a_note_and_every_lack_is_named_at_once() {
        let (outcome, note) = closing(&Fields::of(&[
            ("outcome", "reached_well"),
            ("note", "Spoke to Ben.\u{0}\r\nAll well."),
        ]))
        .unwrap();
        assert_eq!(
            (outcome, note.as_str()),
            (Outcome::ReachedWell, "Spoke to Ben.\nAll well.")
        );
        let faults = closing(&Fields::of(&[("outcome", "won"), ("note", " ")])).unwrap_err();
        let named: Vec<_> = faults.0.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(named, ["outcome", "note"]);
    }
}
