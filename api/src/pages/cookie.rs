//! Cookies of pages: who proved what, until when, under a MAC of this installation. Nothing is kept on the server.
//!
//! A cookie names one purpose, so that the one from a case's PIN never opens the worklist. It is `HttpOnly` and
//! `SameSite=Strict`, so no other site's form brings it along, and `Secure` wherever pages are reached over TLS.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};
use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bedside_protocol::id::{CaseId, ClinicId, PersonId};
use bedside_protocol::time::{Instant, minutes};
use serde::{Deserialize, Serialize};

use crate::app::App;

/// The cookie of a member of staff who logged in.
pub const STAFF: &str = "bedside_staff";

/// The cookie of a case's page after the PIN.
pub const CASE: &str = "bedside_case";

/// A log-in on the pages lasts a shift, minutes. Whether the account is still open is asked at every request.
const STAFF_GOOD_FOR_MIN: i64 = 8 * 60;

/// A case's page stays open so long after the PIN, minutes.
const CASE_GOOD_FOR_MIN: i64 = 30;

/// Longest cookie that is looked at.
const COOKIE_MAX_LEN: usize = 1024;

/// What a cookie proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum Proof {
    /// Logged in with the password.
    Staff {
        /// The clinic.
        clinic: ClinicId,
        /// Who.
        person: PersonId,
    },
    /// Gave their PIN on one case's page.
    Case {
        /// The clinic.
        clinic: ClinicId,
        /// Who.
        person: PersonId,
        /// The case.
        case: CaseId,
    },
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    #[serde(flatten)]
    proof: Proof,
    until: i64,
}

fn key(app: &App) -> hmac::Key {
    let seed = hmac::Key::new(hmac::HMAC_SHA256, &app.store.keys().access_token_seed());
    hmac::Key::new(
        hmac::HMAC_SHA256,
        hmac::sign(&seed, b"bedside page cookies 1").as_ref(),
    )
}

/// A cookie that proves something below `path`.
pub fn bake(app: &App, name: &'static str, path: &str, proof: Proof) -> Cookie<'static> {
    let good_for_min = match proof {
        Proof::Staff { .. } => STAFF_GOOD_FOR_MIN,
        Proof::Case { .. } => CASE_GOOD_FOR_MIN,
    };
    let until = app.store.clocks().machine_now() + minutes(good_for_min);
    let value = sealed(&key(app), proof, until);
    Cookie::build(name, value)
        .path(path.to_owned())
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(app.settings.is_https())
        .finish()
}

/// The same cookie, taken away.
pub fn gone(app: &App, name: &'static str, path: &str) -> Cookie<'static> {
    let mut cookie = Cookie::build(name, "")
        .path(path.to_owned())
        .secure(app.settings.is_https())
        .finish();
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Strict);
    cookie.make_removal();
    cookie
}

/// What a request's cookie proves now.
pub fn proof(app: &App, request: &HttpRequest, name: &str) -> Option<Proof> {
    let cookie = request.cookie(name)?;
    opened(&key(app), cookie.value(), app.store.clocks().machine_now())
}

fn sealed(key: &hmac::Key, proof: Proof, until: Instant) -> String {
    let sealed = Sealed {
        proof,
        until: until.timestamp_millis(),
    };
    let body = serde_json::to_vec(&sealed).unwrap_or_default();
    let mac = hmac::sign(key, &body);
    format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(&body),
        URL_SAFE_NO_PAD.encode(mac.as_ref())
    )
}

fn opened(key: &hmac::Key, value: &str, now: Instant) -> Option<Proof> {
    if value.len() > COOKIE_MAX_LEN {
        return None;
    }
    let (body, mac) = value.split_once('.')?;
    let (body, mac) = (
        URL_SAFE_NO_PAD.decode(body).ok()?,
        URL_SAFE_NO_PAD.decode(mac).ok()?,
    );
    constant_time::verify_slices_are_equal(hmac::sign(key, &body).as_ref(), &mac).ok()?;
    let sealed: Sealed = serde_json::from_slice(&body).ok()?;
    (now.timestamp_millis() < sealed.until).then_some(sealed.proof)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_cookie_proves_its_one_thing_until_its_time_and_under_its_own_key_only() {
        let key = |byte: u8| hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32]);
        let proof = Proof::Case {
            clinic: Uuid::from_u128(1).into(),
            person: Uuid::from_u128(2).into(),
            case: Uuid::from_u128(3).into(),
        };
        let now: Instant = "2026-11-21T12:00:00Z".parse().unwrap();
        let value = sealed(&key(1), proof, now + minutes(30));
        assert_eq!(opened(&key(1), &value, now + minutes(29)), Some(proof));
        assert_eq!(opened(&key(1), &value, now + minutes(30)), None);
        assert_eq!(opened(&key(2), &value, now), None);
        let (body, mac) = value.split_once('.').unwrap();
        let mut other = URL_SAFE_NO_PAD.decode(body).unwrap();
        other[10] ^= 1;
        let changed = format!("{}.{mac}", URL_SAFE_NO_PAD.encode(other));
        for wrong in [changed.as_str(), "", ".", body, &"a".repeat(5000)] {
            assert_eq!(opened(&key(1), wrong, now), None);
        }
    }
}
