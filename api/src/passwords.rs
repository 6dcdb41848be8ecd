//! Passwords and PINs: argon2id, hashed outside every transaction, a few at a time.
//!
//! An address that no account has costs the same as one with a wrong password, so that the time tells nothing.

use std::sync::Arc;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use bedside_store::Keys;
use tokio::sync::Semaphore;

use crate::error::ApiError;

/// OWASP's password storage cheat sheet: argon2id with 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Hashes at one time; each takes 19 MiB and a core for some tens of milliseconds.
const AT_ONCE: usize = 2;

/// Callers that may wait for a turn; the next one is told that we are busy.
const WAITING_MAX: usize = 64;

/// A hash nobody's password has, of the same cost.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$YmVkc2lkZS1ub2JvZHkh$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes and checks passwords.
#[derive(Clone)]
pub struct Passwords {
    keys: Keys,
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Passwords {
    /// A hasher that draws its salts from `keys`.
    pub fn new(keys: Keys) -> Self {
        Self {
            keys,
            places: Arc::new(Semaphore::new(WAITING_MAX)),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// A hash to keep, as a PHC string.
    pub async fn hash(&self, secret: String) -> Result<String, ApiError> {
        let mut salt = [0_u8; 16];
        self.keys.random(&mut salt);
        self.in_turn(move || {
            let argon2 = argon2()?;
            let hash = argon2.hash_password_with_salt(secret.as_bytes(), &salt).ok()?;
            Some(hash.to_string())
        })
        .await?
        .ok_or(ApiError::Internal)
    }

    /// Whether `secret` is the one that was hashed. Without a hash it is not, and takes as long.
    pub async fn is_right(&self, secret: String, hash: Option<String>) -> Result<bool, ApiError> {
        self.in_turn(move || {
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
            let right = argon2()
                .is_some_and(|argon2| argon2.verify_password(secret.as_bytes(), hash.as_str()).is_ok());
            known && right
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = self
            .places
            .clone()
            .try_acquire_owned()
            .map_err(|_| ApiError::Busy)?;
        let turn = self
            .turns
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| ApiError::Busy)?;
        tokio::task::spawn_blocking(move || {
            // Held until the work is done, even when nobody waits for it any more.
            let _held = (place, turn);
            work()
        })
        .await
        .map_err(|fault| ApiError::internal(&fault))
    }
}

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn a_password_is_right_for_its_own_hash_only() {
        let passwords = Passwords::new(Keys::from_master([9; 32]));
        let hash = passwords.hash("correct horse battery".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_ne!(
            hash,
            passwords.hash("correct horse battery".to_owned()).await.unwrap()
        );
        let right = |secret: &str, hash: Option<String>| passwords.is_right(secret.to_owned(), hash);
        assert!(right("correct horse battery", Some(hash.clone())).await.unwrap());
        assert!(!right("wrong", Some(hash)).await.unwrap());
        assert!(!right("", None).await.unwrap());
        assert!(!right("wrong", Some("not a hash".to_owned())).await.unwrap());
        assert!(argon2::password_hash::phc::PasswordHash::new(NOBODY).is_ok());
    }
}
