//! The page of a test message: who is on call says that messages reach them. A look says nothing; only the button does.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use bedside_protocol::people::Caller;

use super::dead;
use super::exchange::{Answer, from_our_page, html, see_other};
use super::frame::Frame;
use crate::app::App;
use crate::auth::scope;
use crate::error::{ApiError, PageError};
use crate::extract::RequestId;
use crate::links;

/// The page.
#[derive(Debug, Template)]
#[template(path = "reached.html")]
struct ReachedPage {
    frame: Frame,
    path: String,
    /// Whether the button was pressed just now.
    done: bool,
}

fn dead_or(
    app: &App,
    token: &str,
    error: ApiError,
    request: &HttpRequest,
) -> Result<HttpResponse, PageError> {
    match error {
        ApiError::NotFound | ApiError::LinkOver => Ok(dead::page(app, "t", token, &error, request)),
        error => Err(PageError(error)),
    }
}

/// `GET /t/{token}`
pub async fn show(app: Data<App>, token: web::Path<String>, request: HttpRequest) -> Answer {
    if let Err(error) = links::reached(&app, &token).await {
        return dead_or(&app, &token, error, &request);
    }
    let page = ReachedPage {
        frame: Frame::of("On call", &app.protocol),
        path: format!("/t/{token}"),
        done: request.query_string() == "done=yes",
    };
    Ok(html(StatusCode::OK, &page))
}

/// `POST /t/{token}`
pub async fn say(app: Data<App>, token: web::Path<String>, request: HttpRequest) -> Answer {
    from_our_page(&request, &app.settings.public_base_url)?;
    let (clinic, person) = match links::reached(&app, &token).await {
        Ok(found) => found,
        Err(error) => return dead_or(&app, &token, error, &request),
    };
    // The link proves that the mail arrived, which is all that is asked; it proves nothing about who pressed.
    let caller = Caller::Unverified { link: None };
    let scope = scope(clinic, caller, RequestId::of(&request).as_deref());
    app.store.note_reached(scope, clinic, person).await?;
    Ok(see_other(&format!("/t/{token}?done=yes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_for_one_press_and_says_when_it_was_heard() {
        let page = |done| {
            let page = ReachedPage {
                frame: Frame::bare("On call"),
                path: "/t/token".into(),
                done,
            };
            page.render().unwrap()
        };
        let asked = page(false);
        assert!(asked.contains("action=\"/t/token\"") && asked.contains("method=\"post\""));
        super::super::keep_for_a_look("reached", &asked);
        let heard = page(true);
        assert!(heard.contains("We know now that messages reach you.") && !heard.contains("<form"));
    }
}
