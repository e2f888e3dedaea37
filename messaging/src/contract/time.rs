//! Instants on the wire: strict in what is written, lenient in what is read.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike, Utc};
use serde_json::Value;

/// Epoch numbers beyond this are milliseconds, as the v1 processor's parser decides.
const MILLISECONDS_FROM: f64 = 2e10;

/// ISO 8601 with offset `+00:00`; microseconds only when they are not zero.
///
/// `2026-01-02T03:04:05.678901+00:00`, `2026-01-02T03:04:05+00:00`. Finer fractions are cut off.
#[must_use]
pub fn format_instant(instant: DateTime<Utc>) -> String {
    let form = if instant.nanosecond() / 1_000 == 0 {
        "%Y-%m-%dT%H:%M:%S+00:00"
    } else {
        "%Y-%m-%dT%H:%M:%S%.6f+00:00"
    };
    instant.format(form).to_string()
}

/// Reads an instant as the v1 processor did: a string or an epoch number.
#[must_use]
pub fn parse_value(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::String(text) => parse_instant(text),
        Value::Number(number) => from_epoch(number.as_f64()?),
        _ => None,
    }
}

/// Reads ISO 8601 with `Z` or any offset, `T` or a blank, 0–9 fraction digits; without an offset
/// it is UTC, because that is the clock v1 wrote naive times from. A number is an epoch.
#[must_use]
pub fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return plausible(instant.to_utc());
    }
    for separator in ['T', ' '] {
        for clock in ["%H:%M:%S%.f", "%H:%M"] {
            let naive = format!("%Y-%m-%d{separator}{clock}");
            // `%#z` also takes `+0100` and `+01`, which RFC 3339 does not.
            if let Ok(instant) = DateTime::parse_from_str(text, &format!("{naive}%#z")) {
                return plausible(instant.to_utc());
            }
            if let Ok(instant) = NaiveDateTime::parse_from_str(text, &naive) {
                return plausible(instant.and_utc());
            }
        }
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return plausible(date.and_hms_opt(0, 0, 0)?.and_utc());
    }
    from_epoch(text.parse().ok()?)
}

fn from_epoch(number: f64) -> Option<DateTime<Utc>> {
    let seconds = if number.abs() > MILLISECONDS_FROM { number / 1_000.0 } else { number };
    let micros = (seconds * 1_000_000.0).round();
    // A float beyond the range saturates in the cast, and chrono refuses that value.
    #[expect(clippy::cast_possible_truncation, reason = "saturates, see above")]
    let micros = micros.is_finite().then_some(micros as i64)?;
    plausible(DateTime::from_timestamp_micros(micros)?)
}

/// Years beyond four digits cannot be written back in the form every client reads.
fn plausible(instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (1..=9999).contains(&instant.year()).then_some(instant)
}

/// For `#[serde(with = "time::serde_instant")]`.
pub(super) mod serde_instant {
    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use serde_json::Value;

    pub(crate) fn serialize<S: Serializer>(
        instant: &DateTime<Utc>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format_instant(*instant))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<DateTime<Utc>, D::Error> {
        let value = Value::deserialize(deserializer)?;
        super::parse_value(&value)
            .ok_or_else(|| D::Error::custom(format_args!("{value} is not an instant")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FULL: &str = "2026-01-02T03:04:05.678901+00:00";
    const WHOLE: &str = "2026-01-02T03:04:05+00:00";

    fn rewritten(text: &str) -> Option<String> {
        parse_instant(text).map(format_instant)
    }

    #[test]
    fn microseconds_are_written_only_when_they_are_not_zero() {
        for text in [FULL, WHOLE, "2026-01-02T03:04:05.000001+00:00"] {
            assert_eq!(rewritten(text).as_deref(), Some(text));
        }
        assert_eq!(rewritten("2026-01-02T03:04:05.000000999Z").as_deref(), Some(WHOLE));
        assert_eq!(
            rewritten("2026-01-02T03:04:05.5Z").as_deref(),
            Some("2026-01-02T03:04:05.500000+00:00")
        );
    }

    #[test]
    fn every_spelling_of_an_instant_is_read() {
        for text in [
            "2026-01-02T03:04:05.678901Z",
            "2026-01-02t03:04:05.678901z",
            "2026-01-02 03:04:05.678901Z",
            "2026-01-02T05:34:05.678901+02:30",
            "2026-01-02T01:04:05.678901-0200",
            "2026-01-02T04:04:05.678901+01",
            "2026-01-02T03:04:05.678901",
            "2026-01-02T03:04:05.678901234Z",
            " 2026-01-02T03:04:05.678901+00:00 ",
            "1767323045.678901",
        ] {
            assert_eq!(rewritten(text).as_deref(), Some(FULL), "{text}");
        }
        for text in ["2026-01-02T03:04:05Z", "2026-01-02 03:04:05", "1767323045"] {
            assert_eq!(rewritten(text).as_deref(), Some(WHOLE), "{text}");
        }
        assert_eq!(rewritten("2026-01-02T03:04Z").as_deref(), Some("2026-01-02T03:04:00+00:00"));
        assert_eq!(rewritten("2026-01-02").as_deref(), Some("2026-01-02T00:00:00+00:00"));
    }

    #[test]
    fn epoch_numbers_are_seconds_or_when_huge_milliseconds() {
        for number in [json!(1_767_323_045), json!(1_767_323_045.0), json!(1_767_323_045_000_u64)] {
            assert_eq!(parse_value(&number).map(format_instant).as_deref(), Some(WHOLE));
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in ["", "soon", "2026-13-02T03:04:05Z", "2026-01-02T25:04:05Z", "NaN", "1e300"] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
        for value in
            [json!(null), json!(true), json!([1]), json!(1e300), json!("+12026-01-02T03:04:05Z")]
        {
            assert_eq!(parse_value(&value), None, "{value}");
        }
    }
}
