//! What people type, checked at the edge: names, addresses, telephone numbers, passwords, PINs, times.
//!
//! Every fault of a request comes back at once and names its field. Nothing with a control character passes, so that a
//! line break in a name can never reach a mail header or a page's attribute.

use bedside_protocol::refusal::{Fault, Faults, Refusal};
use bedside_protocol::time::{Instant, Zone};
use chrono::{DateTime, Duration, NaiveDate, NaiveTime, Timelike as _, Utc};
use serde::{Deserialize, Deserializer};

use crate::error::ApiError;

/// Longest name of a person, characters.
pub const NAME_MAX: usize = 100;

/// Longest postal address, characters.
pub const ADDRESS_MAX: usize = 300;

/// Longest e-mail address (RFC 5321 section 4.5.3.1.3, less the brackets).
pub const EMAIL_MAX: usize = 254;

/// Shortest password, characters. Length instead of rules about letters, as NIST SP 800-63B-4 asks (section 3.1.1.2: 8
/// with a second factor, 15 where nothing else slows guessing down; here tries are limited and passwords salted).
pub const PASSWORD_MIN: usize = 12;

/// Longest password, characters.
pub const PASSWORD_MAX: usize = 200;

/// How far from now a time that a client sends may lie, days.
const FARTHEST_DAYS: i64 = 3653;

/// An instant as clients send it: RFC 3339 with `Z` or an offset; kept in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When(pub Instant);

impl When {
    /// Reads RFC 3339.
    pub fn parse(text: &str) -> Option<Self> {
        let at = DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc);
        DateTime::from_timestamp_millis(at.timestamp_millis()).map(Self)
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom("must be a time such as 2026-11-21T15:00:00-05:00 (RFC 3339)")
        })
    }
}

/// A local date as clients send it, `2026-11-21`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(pub NaiveDate);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // Exactly ten characters: chrono also reads years of six digits.
        let date = NaiveDate::parse_from_str(&text, "%Y-%m-%d")
            .ok()
            .filter(|_| text.len() == 10);
        date.map(Self)
            .ok_or_else(|| serde::de::Error::custom("must be a date such as 2026-11-21"))
    }
}

/// A local time of day as clients send it, `13:00` or `13:00:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay(pub NaiveTime);

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = ["%H:%M", "%H:%M:%S"]
            .iter()
            .find_map(|form| NaiveTime::parse_from_str(&text, form).ok());
        // A second of 60 would be a leap second, which nobody plans.
        let time = time.filter(|time| time.nanosecond() == 0);
        time.map(Self)
            .ok_or_else(|| serde::de::Error::custom("must be a time of day such as 13:00"))
    }
}

/// Collects what is wrong with a request.
#[derive(Debug, Default)]
pub struct Checks(Faults);

impl Checks {
    /// Nothing wrong so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fault.
    pub fn fault(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(Fault::new(field, message));
    }

    /// A line of text for people to read: trimmed, 1 to `most` characters, no control characters.
    pub fn line(&mut self, field: &str, text: &str, most: usize) -> String {
        let text = text.trim();
        if text.is_empty() {
            self.fault(field, "must not be empty");
        } else if text.chars().count() > most {
            self.fault(field, format!("must have at most {most} characters"));
        }
        if text.chars().any(is_invisible) {
            self.fault(field, "must not hold line breaks or control characters");
        }
        text.to_owned()
    }

    /// Several lines: like [`Self::line`], and line breaks and tabs are welcome.
    pub fn text(&mut self, field: &str, text: &str, most: usize) -> String {
        let text = text.trim();
        if text.is_empty() {
            self.fault(field, "must not be empty");
        } else if text.chars().count() > most {
            self.fault(field, format!("must have at most {most} characters"));
        }
        if text
            .chars()
            .any(|c| is_invisible(c) && !matches!(c, '\n' | '\r' | '\t'))
        {
            self.fault(field, "must not hold control characters");
        }
        text.to_owned()
    }

    /// An e-mail address: `local@domain` in printable ASCII without spaces, quotes or brackets; the domain has a dot
    /// or is `localhost`. Addresses that RFC 5321 allows beyond that no mailbox of a patient or sitter has.
    pub fn email(&mut self, field: &str, text: &str) -> String {
        let text = text.trim();
        if !is_email(text) {
            self.fault(field, "must be an e-mail address such as ann@example.org");
        }
        text.to_owned()
    }

    /// A telephone number: 5 to 30 of digits, spaces, `+`, `-`, `(`, `)`, at least 3 of them digits.
    pub fn phone(&mut self, field: &str, text: &str) -> String {
        let text = text.trim();
        let known = text
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, ' ' | '+' | '-' | '(' | ')'));
        let digits = text.chars().filter(char::is_ascii_digit).count();
        if !known || digits < 3 || !(5..=30).contains(&text.len()) {
            self.fault(field, "must be a telephone number such as +1 (555) 010-0199");
        }
        text.to_owned()
    }

    /// The code of a state or region (ISO 3166-2), such as `US-NY`; in capitals.
    pub fn region(&mut self, field: &str, code: &str) -> String {
        let code = code.trim().to_ascii_uppercase();
        let is_region = code.split_once('-').is_some_and(|(country, part)| {
            country.len() == 2
                && country.bytes().all(|byte| byte.is_ascii_uppercase())
                && (1..=3).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        if !is_region {
            self.fault(field, "must be the code of a state or region, such as US-NY");
        }
        code
    }

    /// The tag of a language (BCP 47): letters, and what follows with hyphens.
    pub fn language(&mut self, field: &str, tag: &str) -> String {
        let tag = tag.trim();
        let mut parts = tag.split('-');
        let is_language = parts.next().is_some_and(|name| {
            (2..=3).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphabetic())
        }) && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }) && tag.len() <= 35;
        if !is_language {
            self.fault(field, "must be the tag of a language, such as en or es-MX");
        }
        tag.to_owned()
    }

    /// The name of a time zone.
    pub fn zone(&mut self, field: &str, name: &str) -> Zone {
        Zone::named(name).unwrap_or_else(|_| {
            self.fault(
                field,
                "must be the name of an IANA time zone, such as America/New_York",
            );
            Zone::UTC
        })
    }

    /// A password to be set.
    pub fn password(&mut self, field: &str, text: &str) {
        let count = text.chars().count();
        if !(PASSWORD_MIN..=PASSWORD_MAX).contains(&count) {
            self.fault(
                field,
                format!("must have {PASSWORD_MIN} to {PASSWORD_MAX} characters"),
            );
        }
        if text.contains('\0') {
            self.fault(field, "must not hold control characters");
        }
    }

    /// An on-call PIN to be set: six digits, not all the same and not a run up or down.
    pub fn pin(&mut self, field: &str, text: &str) {
        let digits = text.as_bytes();
        if digits.len() != 6 || !digits.iter().all(u8::is_ascii_digit) {
            self.fault(field, "must be six digits");
            return;
        }
        let steps_by = |step: i16| {
            digits
                .windows(2)
                .all(|pair| i16::from(pair[1]) - i16::from(pair[0]) == step)
        };
        if [0, 1, -1].into_iter().any(steps_by) {
            self.fault(field, "is too easy to guess");
        }
    }

    /// A time within ten years of `now`.
    pub fn when(&mut self, field: &str, at: When, now: Instant) -> Instant {
        if (at.0 - now).abs() > Duration::days(FARTHEST_DAYS) {
            self.fault(field, "is more than ten years away");
        }
        at.0
    }

    /// The same for one that may be absent.
    pub fn when_given(&mut self, field: &str, at: Option<When>, now: Instant) -> Option<Instant> {
        at.map(|at| self.when(field, at, now))
    }

    /// Everything that was wrong, as it is.
    pub fn into_faults(self) -> Faults {
        self.0
    }

    /// Everything that was wrong, or nothing.
    pub fn done(self) -> Result<(), ApiError> {
        self.0
            .into_result()
            .map_err(|faults| ApiError::Refused(Refusal::Invalid(faults)))
    }
}

/// Control characters, and the marks that turn the direction of text around.
fn is_invisible(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn is_email(text: &str) -> bool {
    let allowed =
        |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '(' | ')' | ',' | ';' | ':' | '\\');
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= EMAIL_MAX
        && (1..=64).contains(&local.len())
        && local.chars().all(allowed)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && domain.split('.').all(label)
        && (domain.contains('.') || domain.eq_ignore_ascii_case("localhost"))
}

/// A vital sign as sent: what no cuff shows (negative, huge) becomes a value that the plausibility check refuses.
pub fn measured(value: i64) -> u32 {
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(checks: Checks) -> Vec<String> {
        match checks.done() {
            Ok(()) => Vec::new(),
            Err(ApiError::Refused(Refusal::Invalid(faults))) => {
                faults.0.into_iter().map(|fault| fault.field).collect()
            }
            Err(other) => vec![other.to_string()],
        }
    }

    #[test]
    fn a_name_is_trimmed_bounded_and_without_control_characters() {
        let mut checks = Checks::new();
        assert_eq!(checks.line("name", "  Zoë Ann ", NAME_MAX), "Zoë Ann");
        assert!(fields(checks).is_empty());
        for wrong in [
            "",
            "  ",
            "Ann\r\nBcc: x@y.org",
            "Ann\0",
            "a\u{202E}b",
            &"x".repeat(10_000),
        ] {
            let mut checks = Checks::new();
            checks.line("name", wrong, NAME_MAX);
            assert_eq!(fields(checks), ["name"]);
        }
    }

    #[test]
    fn an_address_is_one_a_mailbox_could_have() {
        for good in [
            "ann@example.org",
            "a.b+c@mail.example.co.uk",
            "nurse@localhost",
            "x_y'z@1and1.com",
        ] {
            assert!(is_email(good), "{good}");
        }
        let long = format!("{}@example.org", "x".repeat(250));
        for wrong in [
            "",
            "ann",
            "@example.org",
            "ann@",
            "a@b",
            "a@b@c.org",
            "a b@c.org",
            "ann@exa mple.org",
            "ann@-x.org",
            "ann@x..org",
            ".ann@x.org",
            "a..n@x.org",
            "ann@x.org\r\n",
            "ann@x.org\r\nBcc: y@z.org",
            "zoë@x.org",
            "\"ann\"@x.org",
            "ann@[127.0.0.1]",
            "<ann@x.org>",
            &long,
        ] {
            assert!(!is_email(wrong), "{wrong}");
        }
    }

    #[test]
    fn telephone_numbers_passwords_and_pins_have_their_form() {
        let phone = |text: &str| {
            let mut checks = Checks::new();
            checks.phone("phone", text);
            fields(checks).is_empty()
        };
        assert!(phone("+1 (555) 010-0199") && phone("01234"));
        assert!(!phone("123") && !phone("call me") && !phone("+1\r\n555") && !phone("+++++"));
        let pin = |text: &str| {
            let mut checks = Checks::new();
            checks.pin("pin", text);
            fields(checks).is_empty()
        };
        assert!(pin("407193") && pin("112233"));
        for wrong in ["", "12345", "1234567", "40719a", "000000", "123456", "987654"] {
            assert!(!pin(wrong), "{wrong}");
        }
        let mut checks = Checks::new();
        checks.password("password", "short");
        checks.password("password", &"x".repeat(201));
        assert_eq!(fields(checks), ["password", "password"]);
    }

    #[test]
    fn a_region_and_a_language_have_their_codes() {
        let mut checks = Checks::new();
        assert_eq!(checks.region("region", " us-ny "), "US-NY");
        assert_eq!(checks.language("language", "es-MX"), "es-MX");
        checks.region("region", "ES-M");
        checks.language("language", "en");
        assert!(fields(checks).is_empty());
        for wrong in ["", "NY", "New York", "US-", "US-NEWY", "U5-NY", "US_NY"] {
            let mut checks = Checks::new();
            checks.region("region", wrong);
            assert_eq!(fields(checks), ["region"], "{wrong}");
        }
        for wrong in ["", "e", "English", "en_US", "en-", "e1"] {
            let mut checks = Checks::new();
            checks.language("language", wrong);
            assert_eq!(fields(checks), ["language"], "{wrong}");
        }
    }

    #[test]
    fn a_day_and_a_time_of_day_are_plain() {
        let day = |text: &str| {
            serde_json::from_value::<Day>(text.into())
                .map(|day| day.0.to_string())
                .ok()
        };
        assert_eq!(day("2026-11-21"), Some("2026-11-21".to_owned()));
        for wrong in [
            "",
            "2026-02-30",
            "21.11.2026",
            "+12026-11-21",
            "2026-11-21T00:00:00Z",
        ] {
            assert_eq!(day(wrong), None, "{wrong}");
        }
        let time = |text: &str| {
            serde_json::from_value::<TimeOfDay>(text.into())
                .map(|time| time.0.to_string())
                .ok()
        };
        assert_eq!(
            (time("13:05"), time("09:00:30")),
            (Some("13:05:00".into()), Some("09:00:30".into()))
        );
        for wrong in ["", "25:00", "1pm", "13:05:60", "13:05:00.5"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_time_is_rfc_3339_and_within_ten_years() {
        let now: Instant = "2026-11-21T12:00:00Z".parse().unwrap();
        let at = When::parse("2026-11-21T07:00:00.1239-05:00").unwrap();
        assert_eq!(at.0, now + Duration::milliseconds(123));
        for wrong in [
            "2026-11-21",
            "2026-11-21T07:00:00",
            "yesterday",
            "1e9",
            "+12026-11-21T07:00:00Z",
        ] {
            assert_eq!(When::parse(wrong), None, "{wrong}");
        }
        let mut checks = Checks::new();
        for far in [
            "1900-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "2016-11-01T00:00:00Z",
        ] {
            checks.when("taken_at", When::parse(far).unwrap(), now);
        }
        assert_eq!(fields(checks), ["taken_at", "taken_at", "taken_at"]);
    }
}
