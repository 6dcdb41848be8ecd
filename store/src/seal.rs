//! Sealed columns: AES-256-GCM, bound to the table, column and row they stand in.
//!
//! A sealed value that was copied to another row, or changed by a bit, does not open. Form: one byte of version, the
//! 12-byte nonce, the cipher text with its 16-byte tag.

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::DatabaseError;
use crate::keys::{CryptoFailure, Keys};

const VERSION: u8 = 1;

/// Where a sealed value stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub table: &'static str,
    pub column: &'static str,
    pub row: &'a str,
}

impl Place<'_> {
    fn associated_data(&self) -> Aad<Vec<u8>> {
        Aad::from(format!("{}|{}|{}", self.table, self.column, self.row).into_bytes())
    }

    /// The fault of a value here that does not open or does not parse.
    pub(crate) fn corrupt(&self) -> DatabaseError {
        DatabaseError::Corrupt {
            table: self.table,
            row: self.row.to_owned(),
        }
    }
}

/// Seals bytes.
pub(crate) fn seal(keys: &Keys, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, CryptoFailure> {
    let mut nonce = [0_u8; NONCE_LEN];
    keys.random(&mut nonce);
    let mut sealed = Vec::with_capacity(1 + NONCE_LEN + plain.len() + 16);
    sealed.push(VERSION);
    sealed.extend_from_slice(&nonce);
    let mut body = plain.to_vec();
    keys.sealing()
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            place.associated_data(),
            &mut body,
        )
        .map_err(|_| CryptoFailure)?;
    sealed.append(&mut body);
    Ok(sealed)
}

/// Opens bytes. `None` when they were not sealed with these keys for this place.
pub(crate) fn open(keys: &Keys, place: Place<'_>, sealed: &[u8]) -> Option<Vec<u8>> {
    let (version, rest) = sealed.split_first()?;
    if *version != VERSION {
        return None;
    }
    let (nonce, body) = rest.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut body = body.to_vec();
    let plain = keys
        .sealing()
        .open_in_place(nonce, place.associated_data(), &mut body)
        .ok()?;
    let length = plain.len();
    body.truncate(length);
    Some(body)
}

/// Seals a value's JSON.
pub(crate) fn seal_json<T: Serialize>(
    keys: &Keys,
    place: Place<'_>,
    value: &T,
) -> Result<Vec<u8>, DatabaseError> {
    let json = serde_json::to_vec(value).map_err(|_| place.corrupt())?;
    Ok(seal(keys, place, &json)?)
}

/// Opens a value's JSON.
pub(crate) fn open_json<T: DeserializeOwned>(
    keys: &Keys,
    place: Place<'_>,
    sealed: &[u8],
) -> Result<T, DatabaseError> {
    let json = open(keys, place, sealed).ok_or_else(|| place.corrupt())?;
    serde_json::from_slice(&json).map_err(|_| place.corrupt())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place<'static> = Place {
        table: "patients",
        column: "profile_sealed",
        row: "p1",
    };

    #[test]
    fn a_sealed_value_opens_in_its_own_place_and_nowhere_else() {
        let keys = Keys::from_master([4; 32]);
        let sealed = seal(&keys, HERE, b"Ann Smith").unwrap();
        assert_eq!(open(&keys, HERE, &sealed).unwrap(), b"Ann Smith");
        assert_ne!(
            sealed,
            seal(&keys, HERE, b"Ann Smith").unwrap(),
            "never the same twice"
        );
        assert!(!sealed.windows(3).any(|window| window == b"Ann"));
        for elsewhere in [
            Place {
                table: "accounts",
                ..HERE
            },
            Place {
                column: "email_sealed",
                ..HERE
            },
            Place { row: "p2", ..HERE },
        ] {
            assert_eq!(open(&keys, elsewhere, &sealed), None);
        }
        assert_eq!(open(&Keys::from_master([5; 32]), HERE, &sealed), None);
    }

    #[test]
    fn a_damaged_value_does_not_open() {
        let keys = Keys::from_master([4; 32]);
        let sealed = seal(&keys, HERE, b"Ann Smith").unwrap();
        for length in 0..sealed.len() {
            assert_eq!(open(&keys, HERE, &sealed[..length]), None);
        }
        for position in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[position] ^= 1;
            assert_eq!(open(&keys, HERE, &damaged), None);
        }
    }
}
