//! Parts of requests: what reads need beyond [`service::v1`].

use axum::http::HeaderMap;
use serde_json::{Value, json};
use service::v1::{Int, Invalid, Loc, V1Error};

use crate::freshness::MIN_POSITION_HEADER;
use crate::{Position, QueryError};

/// The position that the request demands, if it does.
pub(crate) fn min_position(headers: &HeaderMap) -> Result<Option<Position>, QueryError> {
    let Some(value) = headers.get(MIN_POSITION_HEADER) else {
        return Ok(None);
    };
    match value.to_str().ok().and_then(|text| text.trim().parse().ok()) {
        Some(number) => Ok(Some(Position(number))),
        None => {
            let text = String::from_utf8_lossy(value.as_bytes());
            Err(QueryError::NotAPosition(text.into_owned()))
        }
    }
}

/// 422: this text is not a number.
pub(crate) fn not_a_number(part: &'static str, name: &'static str, text: &str) -> V1Error {
    V1Error::Invalid(vec![Invalid {
        kind: "int_parsing",
        loc: vec![Loc::Name(part.into()), Loc::Name(name.into())],
        msg: "Input should be a valid integer, unable to parse string as an integer",
        input: Value::from(text),
        ctx: None,
    }])
}

/// 422: this number of the query is below `least`. `msg` says so, as pydantic would.
pub(crate) fn too_small(name: &'static str, number: Int, least: i64, msg: &'static str) -> Invalid {
    out_of_range("greater_than_equal", name, number, msg, json!({"ge": least}))
}

/// 422: this number of the query is above `most`. `msg` says so, as pydantic would.
pub(crate) fn too_large(name: &'static str, number: Int, most: i64, msg: &'static str) -> Invalid {
    out_of_range("less_than_equal", name, number, msg, json!({"le": most}))
}

fn out_of_range(
    kind: &'static str,
    name: &'static str,
    number: Int,
    msg: &'static str,
    bound: Value,
) -> Invalid {
    Invalid {
        kind,
        loc: vec![Loc::Name("query".into()), Loc::Name(name.into())],
        msg,
        input: Value::from(number.saturated().to_string()),
        ctx: Some(bound),
    }
}

/// 422: this word of the query is none of those it could be, which `msg` lists.
pub(crate) fn no_such_word(name: &'static str, word: &str, msg: &'static str) -> Invalid {
    Invalid {
        kind: "enum",
        loc: vec![Loc::Name("query".into()), Loc::Name(name.into())],
        msg,
        input: Value::from(word),
        ctx: Some(json!({"expected": msg.trim_start_matches("Input should be ")})),
    }
}
