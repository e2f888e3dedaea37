//! Instants as v1 writes them: ISO 8601 with microseconds, which are left out when they are zero.

use std::fmt;

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::{Serialize, Serializer};

/// `2026-01-02T03:04:05.678901+00:00`, as values have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iso(pub DateTime<Utc>);

/// `2026-01-02T03:04:05.678901`, as the texts of errors have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WithoutOffset(pub DateTime<Utc>);

impl fmt::Display for Iso {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}+00:00", WithoutOffset(self.0))
    }
}

impl fmt::Display for WithoutOffset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.0.naive_utc();
        let (year, month, day) = (at.year(), at.month(), at.day());
        let (hour, minute, second) = (at.hour(), at.minute(), at.second());
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        // Columns hold microseconds; what is finer is cut off there too.
        match at.nanosecond() % 1_000_000_000 / 1_000 {
            0 => Ok(()),
            micros => write!(formatter, ".{micros:06}"),
        }
    }
}

impl Serialize for Iso {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// For a field: `#[serde(serialize_with = "service::v1::time::iso")]`.
pub fn iso<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    Iso(*at).serialize(serializer)
}

/// As [`iso`], for a field that may be `null`.
pub fn iso_option<S: Serializer>(
    at: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    at.map(Iso).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use serde::Serialize;

    use super::WithoutOffset;

    #[derive(Serialize)]
    struct Times {
        #[serde(serialize_with = "super::iso")]
        at: DateTime<Utc>,
        #[serde(serialize_with = "super::iso_option")]
        end: Option<DateTime<Utc>>,
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn instants_have_microseconds_only_when_there_are_some() {
        for (given, written) in [
            ("2026-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.678901+00:00"),
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
            ("2026-01-02T03:04:05.5+01:00", "2026-01-02T02:04:05.500000+00:00"),
            ("2026-01-02T03:04:05.000000999Z", "2026-01-02T03:04:05+00:00"),
        ] {
            let end = Some(at(given));
            let json = serde_json::to_value(Times { at: at(given), end }).unwrap();
            assert_eq!(json, serde_json::json!({"at": written, "end": written}));
        }
    }

    #[test]
    fn an_absent_instant_is_null() {
        let times = Times { at: at("2026-01-02T03:04:05Z"), end: None };
        assert!(serde_json::to_value(times).unwrap()["end"].is_null());
    }

    #[test]
    fn texts_have_no_offset() {
        let text = WithoutOffset(at("2026-01-02T03:04:05.678901Z")).to_string();
        assert_eq!(text, "2026-01-02T03:04:05.678901");
    }
}
