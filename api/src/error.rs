//! Errors as HTTP: one mapping, from every refusal and fault to one problem document (RFC 9457).
//!
//! Nothing here quotes what a person typed, and what is unknown is logged once and answered without detail. Something
//! that is missing, that belongs to another clinic and that the caller's role may not see give the same answer.

use std::fmt::Write as _;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use bedside_protocol::refusal::{Change, Fault, Refusal};
use bedside_store::{DatabaseError, DecideError, StoreError};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// What a person is told besides, wherever help may be what they were looking for.
pub const EMERGENCY_WORDS: &str =
    "If you think it is an emergency, call 911. Thoughts of suicide: call or text 988.";

/// The name under which an edit that was made for another version is refused inside the transaction.
pub const CHANGED_MEANWHILE: &str = "changed-meanwhile";

/// Seconds after which a caller who met a full queue may try again.
const BUSY_RETRY_AFTER_S: u64 = 2;

/// Seconds after which a caller who met a database that is away may try again: the pool's longest pause.
const OUTAGE_RETRY_AFTER_S: u64 = 5;

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// There is no such thing, or not for this caller.
    #[error("not found")]
    NotFound,
    /// No log-in, or one that ran out.
    #[error("not logged in")]
    Unauthenticated,
    /// A log-in with a wrong password, an unknown address or a locked account: all look alike.
    #[error("the log-in failed")]
    LogInFailed,
    /// A rule said no.
    #[error(transparent)]
    Refused(Refusal),
    /// The body or a header cannot be read; the field is a path such as `answers.time_of_meal`.
    #[error("{field}: {message}")]
    Malformed {
        /// Where; empty for the whole body.
        field: String,
        /// What is wrong there.
        message: String,
    },
    /// The body is larger than is read.
    #[error("the body is too large")]
    TooLarge,
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The body is not JSON by its own account.
    #[error("unsupported media type")]
    UnsupportedMediaType,
    /// The idempotency key came before, with another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// `If-Match` is missing or does not name the present version.
    #[error("the thing was changed meanwhile")]
    PreconditionFailed,
    /// Too many tries.
    #[error("too many requests")]
    TooManyRequests {
        /// Seconds to wait.
        retry_after_s: u64,
    },
    /// A link that was good once.
    #[error("the link is no longer good")]
    LinkOver,
    /// Too much is waiting already.
    #[error("busy")]
    Busy,
    /// The database is away or has no room; logged where it was found. Nothing was written.
    #[error("nothing can be written down just now")]
    Unavailable,
    /// The database was migrated beneath this program: another version of it answers.
    #[error("being upgraded")]
    BeingUpgraded,
    /// Our fault; logged where it was found.
    #[error("internal error")]
    Internal,
}

/// A problem document (RFC 9457). `type` is stable; `detail` is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:bedside:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// In two or three words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// In words for the person.
    pub detail: String,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FieldFault>,
    /// Why the dose is not open, every reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<crate::views::ReasonView>,
    /// What was changed since the version that the caller read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeView>,
    /// Who took the case first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_name: Option<String>,
    /// When they took it, or signed the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    /// The request, as it stands in our logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// One thing wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldFault {
    /// The field's path in what was sent.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

/// One field that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChangeView {
    /// The field.
    pub field: String,
    /// What it was.
    #[schema(value_type = Object)]
    pub was: serde_json::Value,
    /// What it is.
    #[schema(value_type = Object)]
    pub is: serde_json::Value,
}

impl From<Change> for ChangeView {
    fn from(change: Change) -> Self {
        Self {
            field: change.field,
            was: change.was,
            is: change.is,
        }
    }
}

impl From<Fault> for FieldFault {
    fn from(fault: Fault) -> Self {
        Self {
            field: fault.field,
            message: fault.message,
        }
    }
}

impl ApiError {
    /// One fault of one field that was read but is not acceptable.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Refused(Refusal::invalid(field, message))
    }

    /// The database failed: an outage may be over soon, anything else is our fault. Logged here, answered without detail;
    /// that the database was migrated beneath it the store logs by itself.
    fn database(fault: &DatabaseError) -> Self {
        if matches!(fault, DatabaseError::OtherSchema { .. }) {
            return Self::BeingUpgraded;
        }
        if !fault.is_outage() {
            return Self::internal(fault);
        }
        tracing::error!(error = %chain(fault), "the database is away or has no room");
        Self::Unavailable
    }

    /// Something of ours failed: logged here, answered without detail.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %chain(error), "internal error");
        Self::Internal
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound | Self::Refused(Refusal::NotFound) => StatusCode::NOT_FOUND,
            Self::Unauthenticated | Self::LogInFailed => StatusCode::UNAUTHORIZED,
            Self::Refused(Refusal::Invalid(_) | Refusal::MeasureAgain(_)) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Refused(
                Refusal::Locked(_)
                | Refusal::WrongState { .. }
                | Refusal::AlreadyTaken { .. }
                | Refusal::Outdated { .. },
            )
            | Self::KeyReused => StatusCode::CONFLICT,
            Self::Malformed { .. } => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::LinkOver => StatusCode::GONE,
            Self::Busy | Self::Unavailable | Self::BeingUpgraded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The stable name, the last part of the problem's `type`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound | Self::Refused(Refusal::NotFound) => "not-found",
            Self::Unauthenticated => "unauthenticated",
            Self::LogInFailed => "log-in-failed",
            Self::Refused(Refusal::Invalid(_)) => "invalid",
            Self::Refused(Refusal::MeasureAgain(_)) => "measure-again",
            Self::Refused(Refusal::Locked(_)) => "dose-locked",
            Self::Refused(Refusal::WrongState { code, .. }) => code,
            Self::Refused(Refusal::AlreadyTaken { .. }) => "already-taken",
            Self::Refused(Refusal::Outdated { .. }) => "changed-meanwhile",
            Self::KeyReused => "idempotency-key-reused",
            Self::Malformed { .. } => "malformed",
            Self::TooLarge => "too-large",
            Self::TooSlow => "too-slow",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::PreconditionFailed => "precondition-failed",
            Self::TooManyRequests { .. } => "too-many-requests",
            Self::LinkOver => "link-over",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::BeingUpgraded => "being-upgraded",
            Self::Internal => "internal",
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::NotFound | Self::Refused(Refusal::NotFound) => "Not found",
            Self::Unauthenticated => "Not logged in",
            Self::LogInFailed => "Log-in failed",
            Self::Refused(Refusal::Invalid(_)) => "Not acceptable as sent",
            Self::Refused(Refusal::MeasureAgain(_)) => "Please measure again",
            Self::Refused(Refusal::Locked(_)) => "The dose is not open yet",
            Self::Refused(Refusal::WrongState { .. }) => "Not possible now",
            Self::Refused(Refusal::AlreadyTaken { .. }) => "Already taken",
            Self::KeyReused => "Idempotency key used before",
            Self::Malformed { .. } => "Cannot be read",
            Self::TooLarge => "Too large",
            Self::TooSlow => "Too slow",
            Self::UnsupportedMediaType => "Not JSON",
            Self::PreconditionFailed | Self::Refused(Refusal::Outdated { .. }) => "Changed meanwhile",
            Self::TooManyRequests { .. } => "Too many requests",
            Self::LinkOver => "This link is over",
            Self::Busy => "Busy",
            Self::Unavailable => "Not possible just now",
            Self::BeingUpgraded => "Being upgraded",
            Self::Internal => "Our fault",
        }
    }

    /// What the person is told.
    pub fn detail(&self) -> String {
        match self {
            Self::NotFound | Self::Refused(Refusal::NotFound) => "There is no such thing.".to_owned(),
            Self::Unauthenticated => format!("Please log in. {EMERGENCY_WORDS}"),
            Self::LogInFailed => format!(
                "Clinic, address or password is wrong. After several tries an account rests for a while. \
                 {EMERGENCY_WORDS}"
            ),
            Self::Refused(Refusal::WrongState { message, .. }) => message.clone(),
            Self::Refused(Refusal::AlreadyTaken { by_name, .. }) => {
                format!("{by_name} has taken this case already.")
            }
            Self::Refused(Refusal::Outdated { version, .. }) => {
                format!("Version {version} is in force now; what is different is listed.")
            }
            Self::Refused(Refusal::Locked(_)) => {
                "The dose is not open yet; every reason is listed.".to_owned()
            }
            Self::Refused(Refusal::Invalid(faults) | Refusal::MeasureAgain(faults)) => faults.to_string(),
            Self::Malformed { field, message } if field.is_empty() => message.clone(),
            Self::Malformed { field, message } => format!("{field}: {message}"),
            Self::TooLarge => format!("A body may have {} bytes.", crate::extract::BODY_MAX_LEN),
            Self::TooSlow => "The body did not arrive in time.".to_owned(),
            Self::UnsupportedMediaType => "Send JSON, with the content type application/json.".to_owned(),
            Self::KeyReused => "This Idempotency-Key came with another request before.".to_owned(),
            Self::PreconditionFailed => {
                "Read it again and send the ETag you were given as If-Match.".to_owned()
            }
            Self::TooManyRequests { .. } => format!("Please wait and try again. {EMERGENCY_WORDS}"),
            Self::LinkOver => format!("This link is no longer good. {EMERGENCY_WORDS}"),
            Self::Busy => "Please try again in a moment.".to_owned(),
            Self::Unavailable => {
                format!("We cannot write this down just now. Please try again in a moment. {EMERGENCY_WORDS}")
            }
            Self::BeingUpgraded => {
                format!("The program is being upgraded. Please try again in a moment. {EMERGENCY_WORDS}")
            }
            Self::Internal => "Something went wrong on our side and was logged.".to_owned(),
        }
    }

    fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests { retry_after_s } => Some(*retry_after_s),
            Self::Busy | Self::BeingUpgraded => Some(BUSY_RETRY_AFTER_S),
            Self::Unavailable => Some(OUTAGE_RETRY_AFTER_S),
            _ => None,
        }
    }

    /// The problem document.
    pub fn problem(&self, request_id: Option<&str>) -> Problem {
        let faults = match self {
            Self::Refused(Refusal::Invalid(faults) | Refusal::MeasureAgain(faults)) => {
                faults.0.iter().cloned().map(FieldFault::from).collect()
            }
            Self::Malformed { field, message } if !field.is_empty() => {
                vec![FieldFault {
                    field: field.clone(),
                    message: message.clone(),
                }]
            }
            _ => Vec::new(),
        };
        let reasons = match self {
            Self::Refused(Refusal::Locked(reasons)) => {
                reasons.iter().map(crate::views::ReasonView::of).collect()
            }
            _ => Vec::new(),
        };
        let (by_name, at) = match self {
            Self::Refused(Refusal::AlreadyTaken { by_name, at, .. }) => (Some(by_name.clone()), Some(*at)),
            Self::Refused(Refusal::Outdated { at, .. }) => (None, Some(*at)),
            _ => (None, None),
        };
        let changes = match self {
            Self::Refused(Refusal::Outdated { changes, .. }) => {
                changes.iter().cloned().map(ChangeView::from).collect()
            }
            _ => Vec::new(),
        };
        Problem {
            kind: format!("urn:bedside:problem:{}", self.code()),
            title: self.title().to_owned(),
            status: self.status().as_u16(),
            detail: self.detail(),
            faults,
            reasons,
            changes,
            by_name,
            at,
            request_id: request_id.map(str::to_owned),
        }
    }

    /// The whole answer.
    pub fn answer(&self, request_id: Option<&str>) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status());
        if let Some(retry_after_s) = self.retry_after_s() {
            answer.insert_header((RETRY_AFTER, retry_after_s.to_string()));
        }
        match self {
            Self::Unauthenticated | Self::LogInFailed => {
                answer.insert_header((WWW_AUTHENTICATE, "Bearer"));
            }
            // What is left of the body is not read.
            Self::TooLarge | Self::TooSlow => {
                answer.insert_header((CONNECTION, "close"));
            }
            _ => {}
        }
        let body = serde_json::to_vec(&self.problem(request_id)).unwrap_or_default();
        answer
            .insert_header((CONTENT_TYPE, "application/problem+json"))
            .body(body)
    }
}

/// An error and what caused it, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(line, ": {cause}");
        source = cause.source();
    }
    line
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    /// Without the request's id, which [`crate::envelope`] puts in.
    fn error_response(&self) -> HttpResponse {
        self.answer(None)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound => Self::NotFound,
            Refusal::WrongState {
                code: CHANGED_MEANWHILE,
                ..
            } => Self::PreconditionFailed,
            other => Self::Refused(other),
        }
    }
}

impl From<DecideError> for ApiError {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::Refused(refusal) => refusal.into(),
            DecideError::KeyReused => Self::KeyReused,
            DecideError::NotFound => Self::NotFound,
            DecideError::Busy => Self::Busy,
            DecideError::Database(fault) => Self::database(&fault),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::Busy,
            StoreError::Database(fault) => Self::database(&fault),
        }
    }
}

/// The same error on a page: shown in words a person reads, always with the emergency numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct PageError(pub ApiError);

impl<E> From<E> for PageError
where
    ApiError: From<E>,
{
    fn from(error: E) -> Self {
        Self(ApiError::from(error))
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.0.status()
    }

    fn error_response(&self) -> HttpResponse {
        crate::pages::error_page(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use bedside_protocol::gate::{Reason, ReasonCode};
    use bedside_protocol::refusal::Faults;

    use super::*;

    fn reason() -> Reason {
        Reason {
            code: ReasonCode::WatchDown,
            item: None,
            actor: None,
            message: "We cannot watch over you now.".to_owned(),
        }
    }

    #[test]
    fn every_error_has_its_status_and_its_stable_name() {
        let at = "2026-11-21T12:00:00Z".parse().unwrap();
        let faults = || Faults(vec![Fault::new("sbp", "must be from 60 to 260")]);
        let taken = Refusal::AlreadyTaken {
            by: uuid::Uuid::from_u128(1).into(),
            by_name: "Nora Nurse".to_owned(),
            at,
        };
        let outdated = Refusal::Outdated {
            version: 3,
            by: uuid::Uuid::from_u128(1).into(),
            at,
            changes: Vec::new(),
        };
        let table: Vec<(ApiError, u16, &str)> = vec![
            (Refusal::NotFound.into(), 404, "not-found"),
            (Refusal::Invalid(faults()).into(), 422, "invalid"),
            (Refusal::MeasureAgain(faults()).into(), 422, "measure-again"),
            (Refusal::Locked(vec![reason()]).into(), 409, "dose-locked"),
            (
                Refusal::wrong_state("not-running", "there is nothing to release").into(),
                409,
                "not-running",
            ),
            (
                Refusal::wrong_state(CHANGED_MEANWHILE, "").into(),
                412,
                "precondition-failed",
            ),
            (taken.into(), 409, "already-taken"),
            (outdated.into(), 409, "changed-meanwhile"),
            (DecideError::NotFound.into(), 404, "not-found"),
            (DecideError::Refused(Refusal::NotFound).into(), 404, "not-found"),
            (DecideError::KeyReused.into(), 409, "idempotency-key-reused"),
            (DecideError::Busy.into(), 503, "busy"),
            (
                DecideError::Database(DatabaseError::Panicked).into(),
                500,
                "internal",
            ),
            (StoreError::Busy.into(), 503, "busy"),
            (
                StoreError::Database(DatabaseError::Unavailable(None)).into(),
                503,
                "unavailable",
            ),
            (
                StoreError::Database(DatabaseError::Panicked).into(),
                500,
                "internal",
            ),
            (
                StoreError::Database(DatabaseError::OtherSchema {
                    unknown: vec!["9999".to_owned()],
                    missing: Vec::new(),
                })
                .into(),
                503,
                "being-upgraded",
            ),
            (ApiError::Unauthenticated, 401, "unauthenticated"),
            (ApiError::LogInFailed, 401, "log-in-failed"),
            (
                ApiError::Malformed {
                    field: String::new(),
                    message: String::new(),
                },
                400,
                "malformed",
            ),
            (ApiError::TooLarge, 413, "too-large"),
            (ApiError::TooSlow, 408, "too-slow"),
            (ApiError::UnsupportedMediaType, 415, "unsupported-media-type"),
            (ApiError::PreconditionFailed, 412, "precondition-failed"),
            (
                ApiError::TooManyRequests { retry_after_s: 3 },
                429,
                "too-many-requests",
            ),
            (ApiError::LinkOver, 410, "link-over"),
        ];
        for (error, status, code) in table {
            assert_eq!(
                (error.status().as_u16(), error.code()),
                (status, code),
                "{error:?}"
            );
            let problem = error.problem(Some("r1"));
            assert_eq!(problem.kind, format!("urn:bedside:problem:{code}"));
            assert_eq!(
                (problem.status, problem.request_id.as_deref()),
                (status, Some("r1"))
            );
            assert!(!problem.title.is_empty());
        }
    }

    #[test]
    fn a_problem_says_what_the_caller_needs_to_go_on() {
        let locked = ApiError::from(Refusal::Locked(vec![reason()])).problem(None);
        assert_eq!(locked.reasons[0].code, "watch-down");
        let invalid = ApiError::invalid("email", "must be an e-mail address").problem(None);
        assert_eq!(invalid.faults[0].field, "email");
        let busy = ApiError::Busy.answer(None);
        assert_eq!(busy.headers().get(RETRY_AFTER).unwrap(), "2");
        assert_eq!(
            busy.headers().get(CONTENT_TYPE).unwrap(),
            "application/problem+json"
        );
        assert_eq!(
            ApiError::TooLarge.answer(None).headers().get(CONNECTION).unwrap(),
            "close"
        );
        for error in [
            ApiError::Unauthenticated,
            ApiError::LogInFailed,
            ApiError::LinkOver,
        ] {
            assert!(error.detail().contains("911") && error.detail().contains("988"));
        }
    }
}
