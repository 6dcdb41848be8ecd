//! Setting one's password by the link of a mail, once: only the button uses the link up, never a look.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use bedside_protocol::id::PersonId;
use bedside_protocol::people::Caller;
use bedside_protocol::record::LinkTarget;
use bedside_protocol::refusal::Refusal;
use bedside_store::{AccountKind, Scope, StoredLink};

use super::dead;
use super::exchange::{Answer, Sent, from_our_page, html, see_other};
use super::form::{Entered, Fields};
use super::frame::Frame;
use crate::accounts;
use crate::app::App;
use crate::error::{ApiError, PageError};
use crate::extract::{ClientKey, RequestId};
use crate::links::{self, Opened};
use crate::parse::PASSWORD_MIN;

/// The page.
#[derive(Debug, Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    path: String,
    /// Whether the account is a member of staff's, who has a PIN besides.
    staff: bool,
    /// Whether it is set.
    done: bool,
    password_min: usize,
    password_fault: Option<String>,
    again_fault: Option<String>,
    pin_fault: Option<String>,
}

impl AccountPage {
    fn of(app: &App, token: &str, staff: bool, done: bool, entered: &Entered) -> Self {
        Self {
            frame: Frame::of("Password", &app.protocol),
            path: format!("/account/{token}"),
            staff,
            done,
            password_min: PASSWORD_MIN,
            password_fault: entered.fault("password"),
            again_fault: entered.fault("password_again"),
            pin_fault: entered.fault("pin"),
        }
    }
}

async fn is_staff(app: &App, link: &StoredLink, person: PersonId) -> Result<Option<bool>, PageError> {
    let account = app
        .store
        .find_account(Scope::of(link.clinic, Caller::System), person)
        .await?;
    Ok(account
        .filter(|account| account.active)
        .map(|account| account.kind == AccountKind::Staff))
}

/// The page of a link, or the one for a dead link. One that was just used says so.
async fn page(
    app: &App,
    token: &str,
    request: &HttpRequest,
    status: StatusCode,
    entered: &Entered,
) -> Result<HttpResponse, PageError> {
    let dead = |error: &ApiError| Ok(dead::page(app, "account", token, error, request));
    let (link, good) = match links::open(app, token).await {
        Ok(Opened::Good(link)) => (link, true),
        Ok(Opened::Over(link)) => (link, false),
        Err(error @ ApiError::NotFound) => return dead(&error),
        Err(error) => return Err(PageError(error)),
    };
    let LinkTarget::Account { person } = link.target else {
        return dead(&ApiError::NotFound);
    };
    let Some(staff) = is_staff(app, &link, person).await? else {
        return dead(&ApiError::LinkOver);
    };
    let just_set = link.used_at.is_some() && request.query_string() == "done=set";
    if good || just_set {
        Ok(html(status, &AccountPage::of(app, token, staff, !good, entered)))
    } else {
        dead(&ApiError::LinkOver)
    }
}

/// `GET /account/{token}`
pub async fn show(app: Data<App>, token: web::Path<String>, request: HttpRequest) -> Answer {
    page(&app, &token, &request, StatusCode::OK, &Entered::default()).await
}

/// `POST /account/{token}`
pub async fn set(
    app: Data<App>,
    token: web::Path<String>,
    request: HttpRequest,
    client: ClientKey,
    sent: Sent,
) -> Answer {
    from_our_page(&request, &app.settings.public_base_url)?;
    let fields = sent.fields()?;
    let password = fields.raw("password").unwrap_or_default().to_owned();
    if fields.raw("password_again") != Some(password.as_str()) {
        let refusal = Refusal::invalid(
            "password_again",
            "the two passwords are not the same; type both again",
        );
        return refused(&app, &token, &request, &refusal).await;
    }
    let pin = fields.text("pin").map(str::to_owned);
    let request_id = RequestId::of(&request);
    match accounts::set_by_link(&app, &token, password, pin, &client, request_id.as_deref()).await {
        Ok(_) => Ok(see_other(&format!("/account/{}?done=set", *token))),
        Err(ApiError::Refused(refusal)) => refused(&app, &token, &request, &refusal).await,
        Err(ApiError::TooManyRequests { .. }) => {
            let slower = Refusal::invalid("password", "too many tries from here; wait a minute");
            refused(&app, &token, &request, &slower).await
        }
        Err(error @ (ApiError::NotFound | ApiError::LinkOver)) => {
            Ok(dead::page(&app, "account", &token, &error, &request))
        }
        Err(error) => Err(PageError(error)),
    }
}

/// The form again with its faults. Passwords and PINs are the one thing that is not kept.
async fn refused(app: &App, token: &str, request: &HttpRequest, refusal: &Refusal) -> Answer {
    let entered = Entered::refused("account", Fields::default(), refusal);
    page(app, token, request, StatusCode::UNPROCESSABLE_ENTITY, &entered).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_the_rule_asks_staff_for_a_pin_and_keeps_no_secret() {
        let page = |staff, done, fault: Option<&str>| {
            let page = AccountPage {
                frame: Frame::bare("Password"),
                path: "/account/token".into(),
                staff,
                done,
                password_min: PASSWORD_MIN,
                password_fault: fault.map(str::to_owned),
                again_fault: None,
                pin_fault: None,
            };
            page.render().unwrap()
        };
        let staff = page(true, false, Some("Must have more characters."));
        assert!(
            staff.contains(&format!("At least {PASSWORD_MIN} characters")) && staff.contains("name=\"pin\"")
        );
        assert!(staff.contains("id=\"password-fault\"") && !staff.contains("value=\""));
        super::super::keep_for_a_look("account", &staff);
        assert!(!page(false, false, None).contains("name=\"pin\""));
        assert!(page(true, true, None).contains("Your password is set."));
    }
}
