//! Keys: one 32-byte master secret, from which the sealing key, the link key and the blind-index key are derived.
//!
//! Nothing secret about a link is stored: its token is derived from its id, so a mail can be sent again byte for byte
//! and a stolen database opens no page.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_lc_rs::{constant_time, hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bedside_protocol::id::{ClinicId, LinkId};
use zeroize::Zeroizing;

/// Bytes of a link token's mac: 128 bits, which nobody guesses, and short enough not to be broken by a mail program.
const LINK_MAC_LEN: usize = 16;

/// Longest token that is looked at; a real one is 55 characters.
const LINK_TOKEN_MAX: usize = 80;

/// The derived keys. Cheap to clone; never printed.
#[derive(Clone)]
pub struct Keys(Arc<Derived>);

struct Derived {
    sealing: LessSafeKey,
    links: hmac::Key,
    blind_index: hmac::Key,
    access_tokens: Zeroizing<[u8; 32]>,
    random: SystemRandom,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// The cryptographic library refused: a value is too long to be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic library failed")]
pub struct CryptoFailure;

impl Keys {
    /// The keys that follow from a master secret.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "the lengths are fixed and the algorithms accept them: it cannot panic"
    )]
    pub fn from_master(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        let master = hkdf::Salt::new(hkdf::HKDF_SHA256, b"bedside master 1").extract(bytes.as_slice());
        let derive = |label: &'static [u8]| {
            let mut key = Zeroizing::new([0_u8; 32]);
            master
                .expand(&[label], hkdf::HKDF_SHA256)
                .and_then(|okm| okm.fill(key.as_mut_slice()))
                .expect("32 bytes is the length of the hash");
            key
        };
        let sealing =
            UnboundKey::new(&AES_256_GCM, derive(b"sealing").as_slice()).expect("the key has 256 bits");
        Self(Arc::new(Derived {
            sealing: LessSafeKey::new(sealing),
            links: hmac::Key::new(hmac::HMAC_SHA256, derive(b"links").as_slice()),
            blind_index: hmac::Key::new(hmac::HMAC_SHA256, derive(b"blind index").as_slice()),
            access_tokens: derive(b"access tokens"),
            random: system_random(),
        }))
    }

    /// A new master secret, to be kept by the operator.
    pub fn generate() -> [u8; 32] {
        let mut bytes = [0_u8; 32];
        fill(&system_random(), &mut bytes);
        bytes
    }

    /// The token of a link: the id's 32 hex digits, a dot, and the mac in URL-safe base 64.
    pub fn link_token(&self, id: LinkId) -> String {
        let mac = hmac::sign(&self.0.links, id.uuid().as_bytes());
        let mac = mac.as_ref().get(..LINK_MAC_LEN).unwrap_or_default();
        format!("{}.{}", id.uuid().simple(), URL_SAFE_NO_PAD.encode(mac))
    }

    /// The link a token was made for. `None` for anything this server did not make; compared in constant time.
    pub fn open_link_token(&self, token: &str) -> Option<LinkId> {
        if token.len() > LINK_TOKEN_MAX {
            return None;
        }
        let (id, mac) = token.split_once('.')?;
        if id.len() != 32 {
            return None;
        }
        let uuid = uuid::Uuid::try_parse(id).ok()?;
        let given = URL_SAFE_NO_PAD.decode(mac).ok()?;
        let expected = hmac::sign(&self.0.links, uuid.as_bytes());
        let expected = expected.as_ref().get(..LINK_MAC_LEN)?;
        constant_time::verify_slices_are_equal(expected, &given).ok()?;
        Some(LinkId::from(uuid))
    }

    /// What an e-mail address is found by while it is sealed: an HMAC over clinic and address, trimmed, in lower case.
    pub fn blind_index(&self, clinic: ClinicId, email: &str) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0.blind_index);
        context.update(clinic.uuid().as_bytes());
        context.update(email.trim().to_lowercase().as_bytes());
        context.sign().as_ref().to_vec()
    }

    /// The Ed25519 seed of the API's access tokens: the same in every process with this master secret.
    pub fn access_token_seed(&self) -> [u8; 32] {
        *self.0.access_tokens
    }

    /// Fills `bytes` from the system's random source: the one source of ids, codes and nonces.
    pub fn random(&self, bytes: &mut [u8]) {
        fill(&self.0.random, bytes);
    }

    pub(crate) fn sealing(&self) -> &LessSafeKey {
        &self.0.sealing
    }
}

#[expect(clippy::disallowed_methods, reason = "the one random source of the program")]
fn system_random() -> SystemRandom {
    SystemRandom::new()
}

#[expect(
    clippy::expect_used,
    reason = "a system without random numbers can neither seal nor make ids; stop"
)]
fn fill(random: &SystemRandom, bytes: &mut [u8]) {
    random.fill(bytes).expect("the system's random source answers");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(n: u128) -> LinkId {
        LinkId::from(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn a_link_token_opens_with_its_own_key_only_and_survives_no_change() {
        let (ours, theirs) = (Keys::from_master([1; 32]), Keys::from_master([2; 32]));
        let token = ours.link_token(link(7));
        assert_eq!(
            token,
            ours.link_token(link(7)),
            "a second mail carries the same link"
        );
        assert_eq!(ours.open_link_token(&token), Some(link(7)));
        assert_eq!(theirs.open_link_token(&token), None);
        for position in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[position] = if changed[position] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(ours.open_link_token(&changed), None, "{changed}");
        }
        for wrong in [
            "",
            ".",
            "x.y",
            &token[..40],
            &format!("{token}A"),
            &format!("{token}{token}"),
        ] {
            assert_eq!(ours.open_link_token(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_address_is_found_whatever_its_case_and_only_in_its_clinic() {
        let keys = Keys::from_master([3; 32]);
        let (here, there) = (
            ClinicId::from(uuid::Uuid::from_u128(1)),
            ClinicId::from(uuid::Uuid::from_u128(2)),
        );
        assert_eq!(
            keys.blind_index(here, " Ann@Example.ORG "),
            keys.blind_index(here, "ann@example.org")
        );
        assert_ne!(
            keys.blind_index(here, "ann@example.org"),
            keys.blind_index(there, "ann@example.org")
        );
    }
}
