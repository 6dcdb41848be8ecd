//! Pages as HTTP: their headers, the redirect after a form, the forms' bodies, and where a form came from.
//!
//! GET and HEAD show and never change anything; a POST acts and answers 303 back to a GET. Nothing personal and no code
//! ever stands in an address.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, LOCATION, ORIGIN, REFERRER_POLICY,
};
use actix_web::{FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder, web};
use askama::Template;

use super::form::Fields;
use crate::error::{ApiError, PageError};
use crate::extract::read;

/// What a page may load: our own style sheet. Forms go to us, nobody frames us.
const CSP: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What a handler of a page gives back.
pub type Answer = Result<HttpResponse, PageError>;

/// A page.
pub fn html(status: StatusCode, page: &impl Template) -> HttpResponse {
    match page.render() {
        Ok(body) => headed(HttpResponse::build(status))
            .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
            .body(body),
        Err(fault) => {
            ApiError::internal(&fault);
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// Back to a GET, after a form was acted upon.
pub fn see_other(path: &str) -> HttpResponse {
    headed(HttpResponse::SeeOther())
        .insert_header((LOCATION, path))
        .finish()
}

fn headed(mut answer: HttpResponseBuilder) -> HttpResponseBuilder {
    answer
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_SECURITY_POLICY, CSP))
        .insert_header((REFERRER_POLICY, "no-referrer"));
    answer
}

/// A form as it was sent. Too large, cut off or of another kind, it has no fields but a reason.
#[derive(Debug)]
pub struct Sent(Result<Fields, ApiError>);

impl Sent {
    /// The fields, or why they cannot be read.
    pub fn fields(self) -> Result<Fields, PageError> {
        self.0.map_err(PageError)
    }

    /// The fields, or none: for the dose and for help, which are never refused.
    pub fn whatever_came(self) -> Fields {
        self.0.unwrap_or_default()
    }
}

impl FromRequest for Sent {
    type Error = PageError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, PageError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (headers, payload) = (request.headers().clone(), payload.take());
        Box::pin(async move {
            let arrived = read(&headers, payload).await.map_err(|error| match error {
                ApiError::Malformed { .. } => unreadable(),
                error => error,
            });
            Ok(Self(arrived.and_then(|bytes| parse(&headers, &bytes))))
        })
    }
}

fn parse(headers: &HeaderMap, bytes: &[u8]) -> Result<Fields, ApiError> {
    if bytes.is_empty() {
        return Ok(Fields::default());
    }
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(unreadable());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable())?;
    let pairs = web::Query::<Vec<(String, String)>>::from_query(text).map_err(|_| unreadable())?;
    Ok(Fields(pairs.into_inner()))
}

fn unreadable() -> ApiError {
    ApiError::Malformed {
        field: String::new(),
        message: "This form cannot be read. Go back to the page and send it again.".to_owned(),
    }
}

/// Refuses a form that another site sent.
///
/// Our own pages send no referrer, which makes browsers say `Origin: null`; then `Sec-Fetch-Site` decides, and without
/// it the cookies do, which never come along from another site.
pub fn from_our_page(request: &HttpRequest, public_base_url: &str) -> Result<(), PageError> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let site_is_ours = header("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin_is_ours = header(ORIGIN.as_str()).is_none_or(|origin| {
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        let own = public_base_url
            .split_once("://")
            .map_or(public_base_url, |(_, host)| host);
        origin == "null" || Some(host) == header(HOST.as_str()) || host == own
    });
    if site_is_ours && origin_is_ours {
        Ok(())
    } else {
        Err(PageError(ApiError::Malformed {
            field: String::new(),
            message: "This form came from another site. Open the link from your mail and send it there."
                .to_owned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::extract::BODY_MAX_LEN;

    #[test]
    fn a_form_of_another_site_is_refused_and_our_own_is_not_whatever_the_browser_says_of_itself() {
        let base = "https://bedside.example";
        let ours = |headers: &[(&str, &str)]| {
            let mut request = TestRequest::post().insert_header(("host", "127.0.0.1:8080"));
            for header in headers {
                request = request.insert_header((header.0.to_owned(), header.1.to_owned()));
            }
            from_our_page(&request.to_http_request(), base).is_ok()
        };
        for good in [
            &[][..],
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
            &[("origin", "http://127.0.0.1:8080")],
            &[
                ("origin", "https://bedside.example"),
                ("sec-fetch-site", "same-origin"),
            ],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(ours(good), "{good:?}");
        }
        for bad in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("origin", "null"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://evil.example")],
            &[("origin", "https://bedside.example.evil.example")],
            &[("sec-fetch-site", "same-site")],
        ] {
            assert!(!ours(bad), "{bad:?}");
        }
    }

    #[actix_web::test]
    async fn a_form_is_read_within_limits_and_what_cannot_be_read_has_no_fields_but_a_reason() {
        let sent = async |request: TestRequest| {
            let (request, mut payload) = request.to_http_parts();
            Sent::from_request(&request, &mut payload).await.unwrap().0
        };
        let form = |body: &'static str| {
            TestRequest::post()
                .insert_header((CONTENT_TYPE, "application/x-www-form-urlencoded"))
                .set_payload(body)
        };
        let fields = sent(form("answers.a=yes&note=two+words%0A&note=last"))
            .await
            .unwrap();
        assert_eq!(
            (fields.text("answers.a"), fields.text("note")),
            (Some("yes"), Some("last"))
        );
        assert_eq!(sent(TestRequest::post()).await, Ok(Fields::default()));
        assert!(sent(TestRequest::post().set_payload("a=b")).await.is_err());
        let large = TestRequest::post().set_payload(vec![b'a'; BODY_MAX_LEN + 1]);
        assert_eq!(sent(large).await, Err(ApiError::TooLarge));
    }
}
