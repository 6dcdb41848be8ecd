//! Around every request: its id, one line in the log, the security headers, and the id inside problem documents.
//!
//! The log names the route's pattern, never its path: a path may hold a link's token or a session's id. A handler that
//! panics is logged and answered as an internal error; the connection lives on.

use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _, ResponseError as _};
use bedside_store::Stopwatch;
use futures_util::FutureExt as _;

use crate::app::App;
use crate::docs::DOCS_CSP;
use crate::error::{ApiError, PageError};
use crate::extract::RequestId;

/// Longest request id of a caller's own that is kept.
const REQUEST_ID_MAX: usize = 64;

/// What a JSON answer may load: nothing.
const JSON_CSP: &str = "default-src 'none'; frame-ancestors 'none'";

/// The middleware.
pub async fn wrap(
    app: Data<App>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (began, began_at) = (Stopwatch::start(), app.store.clocks().machine_now());
    let id = own_id(&request).unwrap_or_else(|| fresh_id(&app));
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let outcome = AssertUnwindSafe(next.call(request)).catch_unwind().await;
    let Ok(answer) = outcome else {
        tracing::error!(request_id = %id, "a handler panicked");
        app.metrics
            .answered(None, &method, ApiError::Internal.status(), began.elapsed());
        return Err(ApiError::Internal.into());
    };
    let answer = answer?;
    let mut answer = with_id_in_problem(answer, &id);
    let route = answer.request().match_pattern();
    app.metrics
        .answered(route.as_deref(), &method, answer.status(), began.elapsed());
    let route = route.unwrap_or_else(|| "-".to_owned());
    set_headers(&mut answer, &route, &id);
    let ms = (app.store.clocks().machine_now() - began_at).num_milliseconds();
    tracing::info!(%method, %route, status = answer.status().as_u16(), ms, request_id = %id, "request");
    Ok(answer)
}

/// The caller's own id, if it is harmless to repeat.
fn own_id(request: &ServiceRequest) -> Option<String> {
    let id = request.headers().get("x-request-id")?.to_str().ok()?;
    let harmless = (1..=REQUEST_ID_MAX).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    harmless.then(|| id.to_owned())
}

fn fresh_id(app: &App) -> String {
    let mut bytes = [0_u8; 12];
    app.store.keys().random(&mut bytes);
    bytes.iter().fold(String::with_capacity(24), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}

/// Rebuilds a problem document with the request's id in it; an error of the framework's own becomes one of ours.
fn with_id_in_problem(answer: ServiceResponse<BoxBody>, id: &str) -> ServiceResponse<BoxBody> {
    let Some(error) = answer.response().error() else {
        return answer;
    };
    if error.as_error::<PageError>().is_some() {
        return answer;
    }
    let rebuilt = match error.as_error::<ApiError>() {
        Some(error) => error.answer(Some(id)),
        None => as_ours(error).answer(Some(id)),
    };
    answer.into_response(rebuilt)
}

fn as_ours(error: &Error) -> ApiError {
    let status = error.as_response_error().status_code();
    if status.is_server_error() {
        tracing::error!(%status, "the framework failed");
        ApiError::Internal
    } else if status == ApiError::NotFound.status_code() {
        ApiError::NotFound
    } else {
        ApiError::Malformed {
            field: String::new(),
            message: "the request cannot be read".to_owned(),
        }
    }
}

/// Headers that a handler set stand; pages bring their own policy.
fn set_headers(answer: &mut ServiceResponse<BoxBody>, route: &str, id: &str) {
    let policy = if route.starts_with("/docs") {
        DOCS_CSP
    } else {
        JSON_CSP
    };
    let headers = answer.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, policy),
    ] {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
}
