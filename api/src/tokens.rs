//! Access tokens: signed, short-lived, and checked against our own machine clock.
//!
//! The signing key follows from the installation's master secret, so that every API process opens every token. What a
//! token says cannot be taken back, which is why it is good for minutes only; what can be taken back is the refresh
//! token in the database.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{self, SHA256_OUTPUT_LEN};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use bedside_protocol::id::{ClinicId, PersonId};
use bedside_protocol::people::StaffRole;
use bedside_protocol::time::{Instant, minutes};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

/// How long an access token is good for, minutes (RFC 6819 section 5.1.5.3: short).
pub const ACCESS_GOOD_FOR_MIN: i64 = 15;

/// Who issued it; another installation's token differs by its key, not by this.
const ISSUER: &str = "bedside";

/// For whom.
const AUDIENCE: &str = "bedside-api";

/// Tokens that are remembered as genuine; a busy clinic has some hundred within a quarter of an hour.
const KNOWN_MAX: usize = 10_000;

/// Longest token that is looked at.
const TOKEN_MAX_LEN: usize = 4096;

/// Who is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Person {
    /// A patient.
    Patient,
    /// A member of staff.
    Staff {
        /// What they are.
        roles: Vec<StaffRole>,
    },
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    /// The account.
    pub sub: PersonId,
    /// Its clinic.
    pub clinic: ClinicId,
    /// What it is.
    #[serde(flatten)]
    pub person: Person,
    /// Issued at, seconds since 1970.
    iat: i64,
    /// Good until, seconds since 1970.
    exp: i64,
}

/// Why a token was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFault {
    /// It is ours and its time is over.
    Expired(Box<Claims>),
    /// It is not one of ours.
    NotOurs,
}

/// The signing key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the access-token key cannot be used")]
pub struct BadTokenKey;

/// Makes and opens access tokens.
///
/// A signature takes longer to check than most answers to make. So what a genuine token says is remembered under the token's
/// hash while there is room, its time is asked at each use, and a phone that asks again is not checked by signature again.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    known: Mutex<HashMap<[u8; SHA256_OUTPUT_LEN], Claims>>,
}

impl Tokens {
    /// Tokens signed with the Ed25519 key of this seed.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, BadTokenKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| BadTokenKey)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| BadTokenKey)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        // The library would read the system's clock; `open` goes by ours.
        validation.validate_exp = false;
        validation.leeway = 0;
        Ok(Self {
            encoding: EncodingKey::from_ed_der(pkcs8.as_ref()),
            decoding: DecodingKey::from_ed_der(pair.public_key().as_ref()),
            validation,
            known: Mutex::default(),
        })
    }

    /// A token, and until when it is good. `now` is the machine clock.
    pub fn issue(
        &self,
        sub: PersonId,
        clinic: ClinicId,
        person: Person,
        now: Instant,
    ) -> Result<(String, Instant), BadTokenKey> {
        let expires_at = now + minutes(ACCESS_GOOD_FOR_MIN);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub,
            clinic,
            person,
            iat: now.timestamp(),
            exp: expires_at.timestamp(),
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.encoding)
            .map_err(|_| BadTokenKey)?;
        Ok((token, expires_at))
    }

    /// What a token says. `now` is the machine clock.
    pub fn open(&self, token: &str, now: Instant) -> Result<Claims, TokenFault> {
        if token.len() > TOKEN_MAX_LEN {
            return Err(TokenFault::NotOurs);
        }
        let claims = self.genuine(token, now)?;
        if claims.exp <= now.timestamp() {
            return Err(TokenFault::Expired(Box::new(claims)));
        }
        Ok(claims)
    }

    /// What a token of ours says, live or expired.
    fn genuine(&self, token: &str, now: Instant) -> Result<Claims, TokenFault> {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        if let Some(claims) = self.known().get(&hash) {
            return Ok(claims.clone());
        }
        let opened = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation);
        let claims = opened.map_err(|_| TokenFault::NotOurs)?.claims;
        self.remember(hash, &claims, now);
        Ok(claims)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<[u8; SHA256_OUTPUT_LEN], Claims>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, hash: [u8; SHA256_OUTPUT_LEN], claims: &Claims, now: Instant) {
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.retain(|_, claims| claims.exp > now.timestamp());
        }
        if known.len() < KNOWN_MAX && claims.exp > now.timestamp() {
            known.insert(hash, claims.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> (PersonId, ClinicId) {
        (uuid::Uuid::from_u128(1).into(), uuid::Uuid::from_u128(2).into())
    }

    #[test]
    fn a_token_is_good_until_our_clock_says_otherwise() {
        let tokens = Tokens::from_seed(&[7; 32]).unwrap();
        let (sub, clinic) = person();
        // A year for which the system's clock would have said "expired" or "far away".
        for issued_at in ["2001-01-01T00:00:00Z", "2088-01-01T00:00:00Z"] {
            let now: Instant = issued_at.parse().unwrap();
            let (token, until) = tokens.issue(sub, clinic, Person::Patient, now).unwrap();
            assert_eq!(until, now + minutes(ACCESS_GOOD_FOR_MIN));
            let claims = tokens.open(&token, until - chrono::Duration::seconds(1)).unwrap();
            assert_eq!(
                (claims.sub, claims.clinic, &claims.person),
                (sub, clinic, &Person::Patient)
            );
            assert_eq!(
                tokens.open(&token, until),
                Err(TokenFault::Expired(Box::new(claims)))
            );
        }
    }

    #[test]
    fn a_token_of_another_key_or_with_a_changed_letter_is_not_ours() {
        let (ours, theirs) = (
            Tokens::from_seed(&[7; 32]).unwrap(),
            Tokens::from_seed(&[8; 32]).unwrap(),
        );
        let (sub, clinic) = person();
        let now: Instant = "2026-11-21T12:00:00Z".parse().unwrap();
        let staff = Person::Staff {
            roles: vec![StaffRole::Nurse],
        };
        let (token, _) = theirs.issue(sub, clinic, staff, now).unwrap();
        assert_eq!(ours.open(&token, now), Err(TokenFault::NotOurs));
        assert_eq!(ours.open("", now), Err(TokenFault::NotOurs));
        assert_eq!(ours.open(&"a.".repeat(4000), now), Err(TokenFault::NotOurs));
        let (token, _) = ours.issue(sub, clinic, Person::Patient, now).unwrap();
        let payload_at = token.find('.').unwrap() + 5;
        let mut changed = token.clone().into_bytes();
        changed[payload_at] = if changed[payload_at] == b'A' { b'B' } else { b'A' };
        assert_eq!(
            ours.open(&String::from_utf8(changed).unwrap(), now),
            Err(TokenFault::NotOurs)
        );
    }

    #[test]
    fn a_token_without_a_required_claim_or_of_another_algorithm_is_not_ours() {
        let tokens = Tokens::from_seed(&[7; 32]).unwrap();
        let now: Instant = "2026-11-21T12:00:00Z".parse().unwrap();
        let header = Header::new(Algorithm::EdDSA);
        let (sub, clinic) = person();
        let whole = serde_json::json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": sub, "clinic": clinic, "kind": "patient", "iat": 0,
            "exp": now.timestamp() + 60,
        });
        let sign =
            |claims: &serde_json::Value| jsonwebtoken::encode(&header, claims, &tokens.encoding).unwrap();
        assert!(tokens.open(&sign(&whole), now).is_ok());
        for missing in ["iss", "aud", "sub", "clinic", "kind", "exp"] {
            let mut claims = whole.clone();
            claims.as_object_mut().unwrap().remove(missing);
            assert_eq!(
                tokens.open(&sign(&claims), now),
                Err(TokenFault::NotOurs),
                "{missing}"
            );
        }
        let none = "eyJhbGciOiJub25lIn0.e30.";
        assert_eq!(tokens.open(none, now), Err(TokenFault::NotOurs));
    }
}
