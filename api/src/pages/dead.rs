//! What a link that opens nothing shows: the emergency numbers, and a call for help that is taken as far as it goes.
//!
//! A link that was genuine raises a case, marked as unverified; one that never was raises none. The answer is the same,
//! so that nobody learns which links exist.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use bedside_protocol::people::Caller;
use bedside_protocol::record::LinkTarget;
use bedside_store::{AccountKind, Scope, StoredLink};

use super::exchange::{Answer, Sent, html, see_other};
use super::frame::Frame;
use crate::app::App;
use crate::auth::scope;
use crate::error::{ApiError, PageError};
use crate::extract::{ClientKey, RequestId};
use crate::limits::Limited;
use crate::links::{self, Opened};
use crate::reporting::{self, HelpCall};

/// Longest token that is put into a form's address.
const TOKEN_MAX_LEN: usize = 200;

/// A page with nothing on it but help.
#[derive(Debug, Template)]
#[template(path = "dead.html")]
pub struct DeadPage {
    /// Emergency words and numbers.
    pub frame: Frame,
    /// In one line.
    pub heading: &'static str,
    /// In some words.
    pub text: String,
    /// What became of a call for help.
    pub told: Option<&'static str>,
    /// Where a call for help goes.
    pub help: Option<String>,
}

/// What is said after a call for help, whatever the link was.
pub const HELP_TAKEN: &str =
    "If this link or address is known here, the care team is being told now. Do not wait for them: call.";

/// What is said to somebody who presses again and again.
pub const HELP_LIMITED: &str = "There were too many presses from here in a short time. Please call.";

/// What became of a call for help, by the fixed names that may stand in an address.
pub fn told_in(query: &str) -> Option<&'static str> {
    match query {
        "done=told" => Some(HELP_TAKEN),
        "done=wait" => Some(HELP_LIMITED),
        _ => None,
    }
}

/// The page of a link that opens nothing, of the kind whose pages begin with `/{kind}/`.
pub fn page(app: &App, kind: &str, token: &str, error: &ApiError, request: &HttpRequest) -> HttpResponse {
    let (status, heading, text) = match error {
        ApiError::LinkOver => (
            StatusCode::GONE,
            "This link is no longer good.",
            "It was used, replaced, or its time is over. If you got a newer mail, open the link in that one.",
        ),
        _ => (
            StatusCode::NOT_FOUND,
            "This link does not open anything.",
            "Perhaps it was cut off. Open it again from the mail, or copy all of it.",
        ),
    };
    let page = DeadPage {
        frame: Frame::of("Link", &app.protocol),
        heading,
        text: text.to_owned(),
        told: told_in(request.query_string()),
        help: Some(format!("/{kind}/{}/help", harmless(token))),
    };
    html(status, &page)
}

/// A token as it may stand in an address; one that cannot be ours is not repeated.
fn harmless(token: &str) -> &str {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if !token.is_empty() && token.len() <= TOKEN_MAX_LEN && token.bytes().all(plain) {
        token
    } else {
        "unknown"
    }
}

/// `POST /{kind}/{token}/help` of the pages that stand for nobody's session: a case's, an account's and a test message's.
pub async fn help_behind(
    app: Data<App>,
    token: Path<String>,
    request: HttpRequest,
    client: ClientKey,
    sent: Sent,
) -> Answer {
    let kind = request.path().split('/').nth(1).unwrap_or_default();
    let call = HelpCall::new(None, sent.whatever_came().text("note"));
    help(&app, kind, &token, call, &client, &request).await
}

/// A call for help by a link that opens nothing.
pub async fn help(
    app: &App,
    kind: &str,
    token: &str,
    call: HelpCall,
    client: &ClientKey,
    request: &HttpRequest,
) -> Answer {
    let path = format!("/{kind}/{}", harmless(token));
    if app
        .limits
        .take(Limited::Help, &client.0, app.store.clocks().machine_now())
        .is_err()
    {
        return Ok(see_other(&format!("{path}?done=wait")));
    }
    match links::open(app, token).await {
        Ok(Opened::Good(link) | Opened::Over(link)) => raise(app, &link, call, request).await?,
        Err(ApiError::NotFound) => {}
        Err(error) => return Err(PageError(error)),
    }
    Ok(see_other(&format!("{path}?done=told")))
}

/// Raises the case of a genuine link: of its session, or of the patient whose account it is. A link of staff raises none:
/// it says nothing about whom to help.
async fn raise(app: &App, link: &StoredLink, call: HelpCall, request: &HttpRequest) -> Result<(), PageError> {
    let caller = Caller::Unverified { link: Some(link.id) };
    let scope = scope(link.clinic, caller, RequestId::of(request).as_deref());
    match link.target {
        LinkTarget::Sitter { session, .. } => {
            reporting::help_by_sitter(app, scope, session, call, None).await?;
        }
        LinkTarget::Account { person } => {
            let account = app
                .store
                .find_account(Scope::of(link.clinic, Caller::System), person)
                .await?;
            if account.is_some_and(|account| account.kind == AccountKind::Patient) {
                reporting::help_of_patient(app, scope, person, None, call, None).await?;
            }
        }
        LinkTarget::Case { .. } | LinkTarget::Reached { .. } => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_cannot_be_ours_is_not_repeated() {
        assert_eq!(harmless("0af.A-_b"), "0af.A-_b");
        for strange in ["", "a/b", "a\"b", "a b", "%2e", "ü", &"a".repeat(300)] {
            assert_eq!(harmless(strange), "unknown");
        }
    }

    #[test]
    fn a_dead_link_shows_numbers_and_a_call_for_help() {
        let page = DeadPage {
            frame: Frame::bare("Link"),
            heading: "This link is no longer good.",
            text: String::new(),
            told: told_in("done=told"),
            help: Some("/s/unknown/help".to_owned()),
        };
        let page = page.render().unwrap();
        for needed in ["tel:911", "tel:988", "action=\"/s/unknown/help\"", HELP_TAKEN] {
            assert!(page.contains(needed), "{needed}");
        }
        super::super::keep_for_a_look("dead", &page);
    }
}
