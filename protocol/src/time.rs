//! Time as the clinic means it: instants in UTC, and local date + time + zone for what is planned.
//!
//! A planned moment keeps its local date, time and IANA zone beside the instant. A local time that a clock change
//! skips becomes the first valid minute after the gap; one that happens twice is its first occurrence.

use std::fmt;

use chrono::{
    DateTime, Duration, LocalResult, NaiveDate, NaiveTime, Offset as _, TimeZone as _, Timelike as _, Utc,
};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// A point in time, UTC, whole milliseconds (what both databases keep).
pub type Instant = DateTime<Utc>;

/// `minutes` as a span of time.
pub fn minutes(minutes: i64) -> Duration {
    Duration::seconds(minutes.saturating_mul(60))
}

/// `seconds` as a span of time.
pub fn seconds(seconds: i64) -> Duration {
    Duration::seconds(seconds)
}

/// How far ahead of the clock a time may be that another host wrote down: no two clocks are the same. One that is further
/// ahead was written by a clock that was wrong.
pub const AHEAD_MAX: Duration = Duration::minutes(5);

/// Text that is not the name of an IANA time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an IANA time zone, such as America/New_York")]
pub struct NotAZone;

/// An IANA time zone by name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

impl Zone {
    /// UTC.
    pub const UTC: Self = Self(Tz::UTC);

    /// The zone with this IANA name.
    pub fn named(name: &str) -> Result<Self, NotAZone> {
        name.parse().map(Self).map_err(|_| NotAZone)
    }

    /// The IANA name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The instant of a local date and time: a gap gives the first valid minute after it, a fold its first occurrence.
    pub fn resolve(self, on: NaiveDate, at: NaiveTime) -> Instant {
        let local = on.and_time(at);
        match self.0.from_local_datetime(&local) {
            LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => time.with_timezone(&Utc),
            LocalResult::None => self.first_valid_minute_after(local),
        }
    }

    /// The longest gap in the IANA data is one whole day (Pacific islands that crossed the date line).
    fn first_valid_minute_after(self, local: chrono::NaiveDateTime) -> Instant {
        let whole_minute = local
            .with_second(0)
            .and_then(|t| t.with_nanosecond(0))
            .unwrap_or(local);
        (1..=2 * 24 * 60)
            .find_map(|minute| {
                self.0
                    .from_local_datetime(&(whole_minute + minutes(minute)))
                    .earliest()
            })
            .map_or_else(|| local.and_utc(), |time| time.with_timezone(&Utc))
    }

    /// What the clocks do on a local day, if they change on it.
    pub fn clock_change_on(self, on: NaiveDate) -> Option<ClockChange> {
        let second_before = |day: NaiveDate| self.resolve(day, NaiveTime::MIN) - seconds(1);
        let (from, to) = (second_before(on), second_before(on.succ_opt()?));
        let by_seconds = self.offset_s(to) - self.offset_s(from);
        if by_seconds == 0 {
            return None;
        }
        let (mut before_s, mut after_s) = (0, (to - from).num_seconds());
        while after_s - before_s > 1 {
            let middle_s = before_s + (after_s - before_s) / 2;
            if self.offset_s(from + seconds(middle_s)) == self.offset_s(from) {
                before_s = middle_s;
            } else {
                after_s = middle_s;
            }
        }
        Some(ClockChange {
            at: from + seconds(after_s),
            by_minutes: i64::from(by_seconds / 60),
        })
    }

    /// Whether a local time happens twice on a day.
    pub fn happens_twice(self, on: NaiveDate, at: NaiveTime) -> bool {
        matches!(
            self.0.from_local_datetime(&on.and_time(at)),
            LocalResult::Ambiguous(..)
        )
    }

    /// The time between two instants as calendar and wall clock show it: a week is seven days, also over a clock change.
    pub fn by_the_wall(self, from: Instant, to: Instant) -> Duration {
        to.with_timezone(&self.0).naive_local() - from.with_timezone(&self.0).naive_local()
    }

    fn offset_s(self, at: Instant) -> i32 {
        at.with_timezone(&self.0).offset().fix().local_minus_utc()
    }

    /// The local date of an instant.
    pub fn date_of(self, at: Instant) -> NaiveDate {
        at.with_timezone(&self.0).date_naive()
    }

    /// The local time of day of an instant.
    pub fn time_of(self, at: Instant) -> NaiveTime {
        at.with_timezone(&self.0).time()
    }

    /// `14:20 EDT`: what a mail to the care team says, never without its zone.
    pub fn clock_24h(self, at: Instant) -> String {
        at.with_timezone(&self.0).format("%H:%M %Z").to_string()
    }

    /// `3:00 PM`: what a mail to a patient says.
    pub fn clock_12h(self, at: Instant) -> String {
        at.with_timezone(&self.0).format("%-I:%M %p").to_string()
    }

    /// `Saturday, November 21, 2026 at 3:00 PM EST`.
    pub fn long(self, at: Instant) -> String {
        at.with_timezone(&self.0)
            .format("%A, %B %-d, %Y at %-I:%M %p %Z")
            .to_string()
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Zone {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::named(&name).map_err(serde::de::Error::custom)
    }
}

/// The clocks of a zone change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockChange {
    /// When.
    pub at: Instant,
    /// Minutes forward; negative when the clocks go back.
    pub by_minutes: i64,
}

/// A planned moment: what was agreed (date, time, zone) and the instant it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Local date.
    pub on: NaiveDate,
    /// Local time of day.
    pub time: NaiveTime,
    /// The zone both are in.
    pub zone: Zone,
    /// The instant they mean by the rules of this module.
    pub at: Instant,
}

impl Planned {
    /// The planned moment at a local date and time.
    pub fn new(on: NaiveDate, time: NaiveTime, zone: Zone) -> Self {
        Self {
            on,
            time,
            zone,
            at: zone.resolve(on, time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> Instant {
        text.parse().unwrap()
    }

    #[test]
    fn a_local_time_resolves_by_the_written_rule() {
        let cases = [
            // zone, date, time, instant
            (
                "America/New_York",
                "2026-11-21",
                "09:00:00",
                "2026-11-21T14:00:00Z",
            ),
            // spring: 02:30 does not exist, 03:00 EDT is the first valid minute
            (
                "America/New_York",
                "2026-03-08",
                "02:30:00",
                "2026-03-08T07:00:00Z",
            ),
            // autumn: 01:30 happens twice, the first is EDT
            (
                "America/New_York",
                "2026-11-01",
                "01:30:00",
                "2026-11-01T05:30:00Z",
            ),
            // a gap of half an hour
            (
                "Australia/Lord_Howe",
                "2026-10-04",
                "02:15:00",
                "2026-10-03T15:30:00Z",
            ),
            // a whole day that never was
            ("Pacific/Apia", "2011-12-30", "10:00:00", "2011-12-30T10:00:00Z"),
        ];
        for (zone, on, time, expected) in cases {
            let planned = Planned::new(
                on.parse().unwrap(),
                time.parse().unwrap(),
                Zone::named(zone).unwrap(),
            );
            assert_eq!(planned.at, instant(expected), "{zone} {on} {time}");
        }
    }

    #[test]
    fn on_every_zone_and_every_day_of_a_year_a_daily_time_is_one_strictly_later_instant() {
        for zone in chrono_tz::TZ_VARIANTS {
            let zone = Zone(zone);
            for time in ["00:00:00", "01:30:00", "02:30:00", "09:00:00"] {
                let time: NaiveTime = time.parse().unwrap();
                let mut previous: Option<Instant> = None;
                for on in NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().iter_days().take(366) {
                    let at = zone.resolve(on, time);
                    assert!(
                        previous.is_none_or(|previous| previous < at),
                        "{zone:?} {on} {time}"
                    );
                    let shown = zone.time_of(at);
                    assert!(
                        shown >= time || zone.date_of(at) > on,
                        "{zone:?} {on} {time} became {shown}"
                    );
                    previous = Some(at);
                }
            }
        }
    }

    #[test]
    fn a_zone_is_read_and_written_by_its_name() {
        assert_eq!(Zone::named("Mars/Olympus"), Err(NotAZone));
        let json = serde_json::to_string(&Zone::named("Europe/Madrid").unwrap()).unwrap();
        assert_eq!(json, "\"Europe/Madrid\"");
        assert!(serde_json::from_str::<Zone>("\"Nowhere\"").is_err());
        let at = instant("2026-11-21T19:20:00Z");
        let zone = Zone::named("America/New_York").unwrap();
        assert_eq!(
            (zone.clock_24h(at), zone.clock_12h(at)),
            ("14:20 EST".into(), "2:20 PM".into())
        );
    }
}
