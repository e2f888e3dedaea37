//! Ids in JSON: strings in native bodies, numbers in those of v1, integers here.

use serde::{Deserialize, Deserializer, Serializer, de};

#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Number(i32),
    Text(String),
}

impl Id {
    fn number<E: de::Error>(self) -> Result<i32, E> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Text(text) => {
                text.parse().map_err(|_| E::custom(format_args!("{text:?} is not an id")))
            }
        }
    }
}

pub(super) fn serialize<S: Serializer>(id: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    Id::deserialize(deserializer)?.number()
}

/// The same where there may be none.
pub(super) mod optional {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Id;

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(
        id: &Option<i32>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match id {
            Some(id) => super::serialize(id, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<i32>, D::Error> {
        Option::<Id>::deserialize(deserializer)?.map(Id::number).transpose()
    }
}
