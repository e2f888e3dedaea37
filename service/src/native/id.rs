//! Ids as text.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// The id of something that events name: decimal text in JSON, as large as a column of ids allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type, ToSchema)]
#[sqlx(transparent)]
#[schema(value_type = String, pattern = "^[0-9]+$", examples("6"))]
pub struct Id(pub i32);

impl Id {
    /// The id that a text stands for: digits alone. `None` if it stands for none.
    pub(super) fn read(text: &str) -> Option<i64> {
        let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // Beyond 64 bits it is as unknown as the largest number.
        is_decimal.then(|| text.parse().unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id as a string of digits")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Id, E> {
                let id = Id::read(text).and_then(|number| i32::try_from(number).ok());
                id.map(Id).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
