//! How an outcome becomes an answer: status, the replay header, entity tags.

use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bedside_protocol::refusal::Refusal;
use bedside_store::Done;
use serde::Serialize;

use crate::error::{ApiError, CHANGED_MEANWHILE};

/// What an answer to an earlier request carries.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// 200 with a body.
pub fn ok<T: Serialize>(body: &T) -> HttpResponse {
    HttpResponse::Ok().json(body)
}

/// The outcome of a decision; a replayed one says so.
pub fn done<T: Serialize>(done: &Done<T>) -> HttpResponse {
    done_with(StatusCode::OK, done)
}

/// Says that an answer is one to an earlier request with the same key.
pub fn mark_replayed(answer: &mut HttpResponse) {
    let headers = answer.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
}

/// The same with another status.
pub fn done_with<T: Serialize>(status: StatusCode, done: &Done<T>) -> HttpResponse {
    let mut answer = HttpResponse::build(status);
    if done.replayed {
        answer.insert_header((REPLAYED, "true"));
    }
    answer.json(&done.value)
}

/// A body with its tag, or 304 when the caller has it. The body is an object whose first field is the time of the answer;
/// the tag is made of the rest, which does not change by itself.
pub fn tagged<T: Serialize>(request: &HttpRequest, body: &T) -> Result<HttpResponse, ApiError> {
    let bytes = serde_json::to_vec(body).map_err(|error| ApiError::internal(&error))?;
    let rest_at = bytes.iter().position(|byte| *byte == b',').unwrap_or(0);
    let hash = digest::digest(&digest::SHA256, bytes.get(rest_at..).unwrap_or_default());
    let tag = format!(
        "\"{}\"",
        URL_SAFE_NO_PAD.encode(hash.as_ref().get(..16).unwrap_or_default())
    );
    if names(request, &IF_NONE_MATCH, &tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    Ok(HttpResponse::Ok()
        .insert_header((ETAG, tag))
        .content_type(ContentType::json())
        .body(bytes))
}

/// A body tagged with its version.
pub fn versioned<T: Serialize>(body: &T, version: u64) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((ETAG, version_tag(version)))
        .json(body)
}

/// Lets an edit of `what` through if `If-Match` names the version that stands.
pub fn only_of_version(
    request: &HttpRequest,
    what: &'static str,
) -> impl Fn(u64) -> Result<(), Refusal> + Send + 'static {
    let is_version = matches_version(request);
    move |version| {
        if is_version(version) {
            return Ok(());
        }
        let message = format!("the {what} was changed meanwhile");
        Err(Refusal::wrong_state(CHANGED_MEANWHILE, message))
    }
}

/// Whether `If-Match` names this version.
fn matches_version(request: &HttpRequest) -> impl Fn(u64) -> bool + Send + 'static {
    let given: Option<String> = request
        .headers()
        .get(IF_MATCH)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    move |version| {
        given
            .as_deref()
            .is_some_and(|given| names_tag(given, &version_tag(version)))
    }
}

fn version_tag(version: u64) -> String {
    format!("\"{version}\"")
}

fn names(request: &HttpRequest, header: &actix_web::http::header::HeaderName, tag: &str) -> bool {
    let given = request.headers().get_all(header);
    given
        .filter_map(|value| value.to_str().ok())
        .any(|given| names_tag(given, tag))
}

fn names_tag(given: &str, tag: &str) -> bool {
    given
        .split(',')
        .map(str::trim)
        .any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[derive(Serialize)]
    struct Timed {
        now: &'static str,
        rest: u32,
    }

    #[test]
    fn a_body_is_not_sent_again_to_who_has_it() {
        let answer = |request: TestRequest, now, rest| {
            tagged(&request.to_http_request(), &Timed { now, rest }).unwrap()
        };
        let first = answer(TestRequest::get(), "10:00", 1);
        assert_eq!(first.headers().get("content-type").unwrap(), "application/json");
        let tag = first.headers().get(ETAG).unwrap().to_str().unwrap().to_owned();
        let given_by = |given: &str| TestRequest::get().insert_header((IF_NONE_MATCH, given));
        for given in [
            tag.clone(),
            format!("\"x\", {tag}"),
            format!("W/{tag}"),
            "*".to_owned(),
        ] {
            let again = answer(given_by(&given), "10:01", 1);
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{given}");
            assert_eq!(again.headers().get(ETAG).unwrap(), tag.as_str());
        }
        assert_eq!(answer(given_by(&tag), "10:00", 2).status(), StatusCode::OK);
    }

    #[test]
    fn an_edit_names_the_version_it_is_for() {
        let request = |given: Option<&str>| {
            let request = TestRequest::put();
            match given {
                Some(given) => request.insert_header((IF_MATCH, given)).to_http_request(),
                None => request.to_http_request(),
            }
        };
        assert!(matches_version(&request(Some("\"7\"")))(7));
        assert!(!matches_version(&request(Some("\"6\"")))(7));
        assert!(!matches_version(&request(Some("7")))(7));
        assert!(!matches_version(&request(None))(7));
    }
}
