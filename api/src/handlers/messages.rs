//! The log of messages, for the care team: what was sent to whom and how far it is. Never what it says, never an address.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get, web};
use bedside_protocol::id::{PersonId, SessionId};
use bedside_store::{MESSAGES_MAX, MessageFilter, MessagePage};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::answer::ok;
use crate::app::App;
use crate::auth::Staff;
use crate::error::{ApiError, Problem};
use crate::parse::Checks;
use crate::views::MessageListView;

/// Messages on a page when none are asked for.
const MESSAGES_DEFAULT: u32 = 50;

/// Which page of the log.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "it only stands in the document; the query is read by `page_of`"
)]
pub struct MessagesQuery {
    /// `waiting` (being sent included), `sent`, `failed` or `dropped`; all without it.
    state: Option<String>,
    /// Only messages older than this one: `next` of the page before.
    before: Option<Uuid>,
    /// Messages on a page, 1 to 200; 50 without it.
    limit: Option<u32>,
}

fn page_of(request: &HttpRequest) -> Result<MessagePage, ApiError> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map_err(|_| ApiError::invalid("state", "must be a query such as state=failed"))?;
    let mut page = MessagePage {
        filter: MessageFilter::All,
        before: None,
        limit: MESSAGES_DEFAULT,
    };
    let mut checks = Checks::new();
    for (name, value) in pairs.into_inner() {
        match name.as_str() {
            "state" => match MessageFilter::named(&value) {
                Some(filter) => page.filter = filter,
                None => checks.fault("state", "must be waiting, sent, failed or dropped"),
            },
            "before" => match value.parse() {
                Ok(before) => page.before = Some(before),
                Err(_) => checks.fault("before", "must be the id of a message"),
            },
            "limit" => match value.parse() {
                Ok(limit) if (1..=MESSAGES_MAX).contains(&limit) => page.limit = limit,
                _ => checks.fault("limit", format!("must be 1 to {MESSAGES_MAX}")),
            },
            _ => {}
        }
    }
    checks.done()?;
    Ok(page)
}

/// The messages of a session, newest first. Every look is kept in the audit trail.
#[utoipa::path(tag = "messages", params(MessagesQuery), responses(
    (status = 200, body = MessageListView), (status = 404, body = Problem), (status = 422, body = Problem),
))]
#[get("/v1/sessions/{id}/messages")]
pub async fn of_session(
    app: Data<App>,
    staff: Staff,
    request: HttpRequest,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let page = page_of(&request)?;
    let found = app
        .store
        .list_session_messages(staff.scope(), SessionId::from(*id), page)
        .await?
        .ok_or(ApiError::NotFound)?;
    Ok(ok(&MessageListView::of(found, page.limit)))
}

/// The messages of a patient that belong to none of their sessions, newest first. Every look is kept in the audit trail.
#[utoipa::path(tag = "messages", params(MessagesQuery), responses(
    (status = 200, body = MessageListView), (status = 404, body = Problem), (status = 422, body = Problem),
))]
#[get("/v1/patients/{id}/messages")]
pub async fn of_patient(
    app: Data<App>,
    staff: Staff,
    request: HttpRequest,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let page = page_of(&request)?;
    let found = app
        .store
        .list_patient_messages(staff.scope(), PersonId::from(*id), page)
        .await?
        .ok_or(ApiError::NotFound)?;
    Ok(ok(&MessageListView::of(found, page.limit)))
}

/// The clinic's messages, newest first. Every look is kept in the audit trail.
#[utoipa::path(tag = "messages", params(MessagesQuery), responses(
    (status = 200, body = MessageListView), (status = 422, body = Problem),
))]
#[get("/v1/messages")]
pub async fn of_clinic(app: Data<App>, staff: Staff, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let page = page_of(&request)?;
    let found = app
        .store
        .list_clinic_messages(staff.scope(), staff.clinic, page)
        .await?;
    Ok(ok(&MessageListView::of(found, page.limit)))
}
