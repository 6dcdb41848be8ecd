//! Identifiers: UUIDv7, one type per kind of thing, so that a duty's id cannot be handed in where a case's is meant.
//!
//! Nothing here reads a clock or a random source: [`Ids`] is given both, which keeps every rule a function of its
//! arguments. Phones may create ids offline; the server takes any well-formed UUID.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::Instant;

/// Text that is not a UUID where an identifier is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct NotAnId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The UUID behind the identifier.
            pub fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                Uuid::try_parse(text).map(Self).map_err(|_| NotAnId)
            }
        }
    )*};
}

ids! {
    /// A clinic: the boundary no caller reads across.
    ClinicId,
    /// A patient or a member of staff (one log-in).
    PersonId,
    /// A signed order.
    OrderId,
    /// One lozenge session.
    SessionId,
    /// A sitter of one session.
    SitterId,
    /// One answer to a checklist item.
    AnswerId,
    /// One answer to a check-in.
    CheckInId,
    /// One blood-pressure and pulse reading.
    ReadingId,
    /// Something one person owes by a time.
    DutyId,
    /// A case the care team must take.
    CaseId,
    /// One message to one address.
    NoticeId,
    /// A link that was sent to somebody.
    LinkId,
    /// A stretch of time in which no worker was watching.
    GapId,
    /// One line of a lozenge ledger.
    LedgerEntryId,
    /// One version of a patient's limits.
    LimitsId,
    /// A telephone call that somebody of the care team made.
    CallId,
    /// A plan of a patient's course, through all its versions.
    PlanId,
    /// One signed version of a plan.
    SignedPlanId,
    /// A hold of a patient's course.
    CourseHoldId,
    /// A clinician's review of a course.
    ReviewId,
    /// One answered questionnaire.
    ScoreId,
    /// A clinician's review of a score.
    ScoreReviewId,
    /// A result of an instrument that was asked elsewhere.
    ExternalResultId,
    /// One answer to a text that a patient consents to.
    ConsentId,
    /// Addresses and numbers as they were confirmed once.
    ContactsId,
    /// A clinician's screening of a patient.
    ScreeningId,
    /// That a patient was brought over from elsewhere.
    ImportId,
}

/// Where new identifiers come from: an instant and a source of random bytes, both handed in.
pub struct Ids<'a> {
    unix_ms: u64,
    given: u16,
    random: &'a mut dyn FnMut(&mut [u8]),
}

impl<'a> Ids<'a> {
    /// Identifiers stamped with `now`, filled from `random` (which must overwrite the whole slice).
    pub fn new(now: Instant, random: &'a mut dyn FnMut(&mut [u8])) -> Self {
        Self {
            unix_ms: u64::try_from(now.timestamp_millis()).unwrap_or(0),
            given: 0,
            random,
        }
    }

    /// A fresh identifier. Those of one decision sort in the order in which they were made: a counter stands between the time and
    /// the random bits (RFC 9562 section 6.2, method 1).
    pub fn fresh<T: From<Uuid>>(&mut self) -> T {
        let mut bytes = [0_u8; 10];
        (self.random)(&mut bytes);
        let [high, low] = self.given.to_be_bytes();
        (bytes[0], bytes[1]) = (high & 0x0f, low);
        self.given = self.given.wrapping_add(1);
        T::from(uuid::Builder::from_unix_timestamp_millis(self.unix_ms, &bytes).into_uuid())
    }

    /// Four characters that are hard to mishear on the telephone: no 0/O, 1/I/L, 5/S, 8/B, 2/Z.
    pub fn case_code(&mut self) -> String {
        const ALPHABET: &[u8; 24] = b"34679ACDEFGHJKMNPQRTUVWX";
        let mut bytes = [0_u8; 8];
        (self.random)(&mut bytes);
        let mut number = u64::from_le_bytes(bytes);
        let base = ALPHABET.len() as u64;
        (0..4)
            .map(|_| {
                let digit = usize::try_from(number % base).unwrap_or(0);
                number /= base;
                char::from(ALPHABET[digit])
            })
            .collect()
    }

    /// Four decimal digits: the code on the patient's phone that the sitter types.
    pub fn presence_code(&mut self) -> String {
        let mut bytes = [0_u8; 8];
        (self.random)(&mut bytes);
        format!("{:04}", u64::from_le_bytes(bytes) % 10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_seven_and_carry_the_instant_they_were_given() {
        let now = Instant::from_timestamp_millis(1_800_000_000_123).unwrap();
        let mut byte = 0_u8;
        let mut random = |bytes: &mut [u8]| {
            byte = byte.wrapping_add(1);
            bytes.fill(byte);
        };
        let mut ids = Ids::new(now, &mut random);
        let (a, b): (DutyId, DutyId) = (ids.fresh(), ids.fresh());
        assert!(a < b, "in the order in which they were made");
        assert_eq!(a.uuid().get_version_num(), 7);
        let (seconds, nanoseconds) = a.uuid().get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanoseconds / 1_000_000), (1_800_000_000, 123));
        assert_eq!(a.to_string().parse::<DutyId>(), Ok(a));
        assert_eq!("x".parse::<DutyId>(), Err(NotAnId));
        assert_eq!(ids.case_code().len(), 4);
        assert!(ids.presence_code().bytes().all(|byte| byte.is_ascii_digit()));
    }
}
