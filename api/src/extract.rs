//! What is taken from a request: a bounded body, the idempotency key, the request's id, the client.
//!
//! No more than [`BODY_MAX_LEN`] bytes of a body are ever held. A fault names the field by its path and never quotes
//! what stood in it.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use aws_lc_rs::digest;
use bedside_protocol::people::Caller;
use bedside_store::Once;
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::error::ApiError;

/// Most bytes of a body; the largest real one (a note of 2,000 characters) has some 8,000.
pub const BODY_MAX_LEN: usize = 64 * 1024;

/// Longest time a body may take to arrive, seconds.
const BODY_WITHIN_S: u64 = 20;

/// Longest idempotency key, characters.
const KEY_MAX_LEN: usize = 200;

/// The id of a request, ours or the caller's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// The id that [`crate::envelope`] gave the request.
    pub fn of(request: &HttpRequest) -> Option<String> {
        request.extensions().get::<Self>().map(|id| id.0.clone())
    }
}

/// The program's state, from a request.
pub fn app_of(request: &HttpRequest) -> Result<Data<App>, ApiError> {
    request.app_data::<Data<App>>().cloned().ok_or(ApiError::Internal)
}

/// Which machine asks, for limits. The address of the last proxy's client where a proxy is trusted; a whole /64 of
/// IPv6 counts as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey(pub String);

impl ClientKey {
    fn of(request: &HttpRequest, trusted_proxy: bool) -> Self {
        let forwarded = request
            .headers()
            .get("x-forwarded-for")
            .filter(|_| trusted_proxy)
            .and_then(|value| value.to_str().ok())
            .and_then(|list| list.rsplit(',').next())
            .and_then(|last| last.trim().parse().ok());
        let address = forwarded.or_else(|| request.peer_addr().map(|peer| peer.ip()));
        Self(match address {
            Some(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_none() => {
                let [a, b, c, d, ..] = v6.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
            Some(address) => address.to_canonical().to_string(),
            None => "unknown".to_owned(),
        })
    }
}

impl FromRequest for ClientKey {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(app_of(request).map(|app| Self::of(request, app.settings.trusted_proxy)))
    }
}

/// The caller's own name for a request, and what the request was.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RepeatKey {
    key: String,
    request_hash: [u8; 32],
}

/// A JSON body, with the idempotency key it came with.
///
/// No body at all counts as `{}`. Unknown fields are refused where `T` says so, which every body does but the dose's.
#[derive(Debug)]
pub struct Body<T> {
    /// What was sent.
    pub value: T,
    repeat: Option<RepeatKey>,
}

impl<T> Body<T> {
    /// The idempotency record of this request, if the caller named it.
    pub fn once(&self, caller: &Caller) -> Option<Once> {
        self.once_for(caller.audit_name())
    }

    /// The same for a caller without an account, by any stable name.
    pub fn once_for(&self, caller_key: String) -> Option<Once> {
        self.repeat.clone().map(|repeat| Once {
            caller_key,
            key: repeat.key,
            request_hash: repeat.request_hash,
        })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let key = idempotency_key(request.headers())?;
            let bytes = read(request.headers(), payload).await?;
            if !bytes.is_empty() && !says_json(request.headers()) {
                return Err(ApiError::UnsupportedMediaType);
            }
            let value = parse(if bytes.is_empty() { b"{}" } else { &bytes })?;
            Ok(Self {
                value,
                repeat: key.map(|key| repeat_key(&request, key, &bytes)),
            })
        })
    }
}

/// A body that is taken whatever it is: too large, cut off or no JSON at all gives nothing and no error.
#[derive(Debug)]
pub struct AnyBody {
    /// The JSON object that was sent, empty if there was none.
    pub fields: serde_json::Map<String, serde_json::Value>,
    repeat: Option<RepeatKey>,
}

impl AnyBody {
    /// The idempotency record of this request, if the caller named it.
    pub fn once(&self, caller: &Caller) -> Option<Once> {
        let caller_key = caller.audit_name();
        self.repeat.clone().map(|repeat| Once {
            caller_key,
            key: repeat.key,
            request_hash: repeat.request_hash,
        })
    }
}

impl FromRequest for AnyBody {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let bytes = read(request.headers(), payload).await.unwrap_or_default();
            let fields = match serde_json::from_slice(&bytes) {
                Ok(serde_json::Value::Object(fields)) => fields,
                _ => serde_json::Map::new(),
            };
            let key = idempotency_key(request.headers()).unwrap_or_default();
            Ok(Self {
                fields,
                repeat: key.map(|key| repeat_key(&request, key, &bytes)),
            })
        })
    }
}

/// The whole body, or why not. Nothing is read beyond the limit.
pub async fn read(headers: &HeaderMap, mut payload: Payload) -> Result<Vec<u8>, ApiError> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BODY_MAX_LEN) {
        return Err(ApiError::TooLarge);
    }
    let collect = async {
        let mut bytes = Vec::with_capacity(announced.unwrap_or(0));
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| malformed("", "the body was cut off"))?;
            if bytes.len() + chunk.len() > BODY_MAX_LEN {
                return Err(ApiError::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    };
    tokio::time::timeout(Duration::from_secs(BODY_WITHIN_S), collect)
        .await
        .map_err(|_| ApiError::TooSlow)?
}

fn says_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let bytes = value.as_bytes();
    let good = (1..=KEY_MAX_LEN).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    let key = value.to_str().ok().filter(|_| good);
    key.map(|key| Some(key.to_owned())).ok_or_else(|| {
        malformed(
            "Idempotency-Key",
            &format!("must be 1 to {KEY_MAX_LEN} visible ASCII characters"),
        )
    })
}

/// Method, path and body stand for the request: the same key with any other of them is another request.
fn repeat_key(request: &HttpRequest, key: String, body: &[u8]) -> RepeatKey {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in [request.method().as_str().as_bytes(), request.path().as_bytes()] {
        hash.update(part);
        hash.update(b"\n");
    }
    hash.update(body);
    let mut request_hash = [0_u8; 32];
    request_hash.copy_from_slice(hash.finish().as_ref());
    RepeatKey { key, request_hash }
}

/// Reads JSON; a fault names the field's path.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        fault(if path == "." { "" } else { &path }, error.inner())
    })?;
    json.end().map_err(|error| fault("", &error))?;
    Ok(value)
}

fn malformed(field: &str, message: &str) -> ApiError {
    ApiError::Malformed {
        field: field.to_owned(),
        message: message.to_owned(),
    }
}

/// What serde says, without the part that quotes the value.
fn fault(path: &str, error: &serde_json::Error) -> ApiError {
    if error.is_syntax() || error.is_eof() {
        return malformed("", "is not JSON");
    }
    let text = error.to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(message, _)| message);
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    if let Some(name) = text
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'))
    {
        return malformed(&below(name), "is missing");
    }
    if text.starts_with("unknown field `") {
        return malformed(&safe_path(path), "is not a field of this request");
    }
    if text.starts_with("must ") {
        return malformed(&safe_path(path), text);
    }
    match text.rsplit_once(", expected ") {
        Some((_, expected)) => malformed(&safe_path(path), &format!("must be {}", in_words(expected))),
        None => malformed(&safe_path(path), "is not acceptable here"),
    }
}

/// What serde expected, for somebody who does not read Rust.
fn in_words(expected: &str) -> &str {
    match expected {
        "a boolean" => "true or false",
        "a string" | "a borrowed string" => "text",
        "a sequence" => "a list",
        "a map" => "an object",
        "a UUID string" | "a formatted UUID string" => "a UUID",
        "i64" | "u64" | "i32" | "u32" | "u8" | "usize" => "a whole number",
        _ if expected.starts_with("struct ") => "an object",
        _ => expected,
    }
}

/// A path made of names and indices; what a caller made up as a field's name is repeated only if it is harmless.
fn safe_path(path: &str) -> String {
    let harmless = path.len() <= 100
        && path
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']'));
    if harmless {
        path.to_owned()
    } else {
        "a field of this request".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the faults matter")]
    struct Form {
        answers: BTreeMap<String, bool>,
        vitals: Option<Reading>,
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the faults matter")]
    struct Reading {
        sbp: i64,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        One,
        Two,
    }

    #[test]
    fn a_fault_names_the_path_and_never_quotes_the_value() {
        let cases = [
            ("", "", "is not JSON"),
            ("{", "", "is not JSON"),
            (r#"{"answers":{}} {}"#, "", "is not JSON"),
            ("1", "", "must be an object"),
            ("{}", "answers", "is missing"),
            (
                r#"{"answers":{"a":"Ann Smith"}}"#,
                "answers.a",
                "must be true or false",
            ),
            (r#"{"answers":[]}"#, "answers", "must be an object"),
            (r#"{"answers":{},"vitals":{}}"#, "vitals.sbp", "is missing"),
            (
                r#"{"answers":{},"vitals":{"sbp":1.5}}"#,
                "vitals.sbp",
                "must be a whole number",
            ),
            (
                r#"{"answers":{},"name":1}"#,
                "name",
                "is not a field of this request",
            ),
            (
                r#"{"answers":{},"Ann\nSmith":1}"#,
                "a field of this request",
                "is not a field of this request",
            ),
            (
                r#"{"answers":{},"kind":"x, expected y"}"#,
                "kind",
                "must be `one` or `two`",
            ),
        ];
        for (body, field, message) in cases {
            let error = parse::<Form>(body.as_bytes()).unwrap_err();
            assert_eq!(error, malformed(field, message), "{body}");
        }
    }

    #[test]
    fn an_idempotency_key_is_visible_ascii_of_bounded_length() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("idempotency-key".parse().unwrap(), value.parse().unwrap());
            idempotency_key(&headers)
        };
        assert_eq!(idempotency_key(&HeaderMap::new()), Ok(None));
        assert_eq!(with("a-1"), Ok(Some("a-1".to_owned())));
        assert_eq!(with(&"k".repeat(200)), Ok(Some("k".repeat(200))));
        for wrong in ["", "a b", &"k".repeat(201)] {
            assert!(with(wrong).is_err(), "{wrong}");
        }
    }

    #[actix_web::test]
    async fn a_body_over_the_limit_is_not_read_on() {
        use actix_web::test::TestRequest;
        let large = vec![b' '; BODY_MAX_LEN + 1];
        let (request, mut payload) = TestRequest::post().set_payload(large).to_http_parts();
        let refused = Body::<Form>::from_request(&request, &mut payload).await;
        assert_eq!(refused.unwrap_err(), ApiError::TooLarge);
        let (request, mut payload) = TestRequest::post().set_payload("{}").to_http_parts();
        let refused = Body::<Form>::from_request(&request, &mut payload).await;
        assert_eq!(refused.unwrap_err(), ApiError::UnsupportedMediaType);
        let (request, mut payload) = TestRequest::post()
            .set_payload("{\"observed_at\":")
            .to_http_parts();
        assert!(
            AnyBody::from_request(&request, &mut payload)
                .await
                .unwrap()
                .fields
                .is_empty()
        );
    }
}
