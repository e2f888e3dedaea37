//! Finding all that is wrong with a request, the way pydantic does.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

use super::body::{Content, JsonBody};
use super::error::V1Error;
use super::fields::Fields;
use super::number::{self, Int};
use super::path::PathText;
use super::query::QueryText;

/// One problem of a request: an item of a 422 answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Invalid {
    /// pydantic's name for the problem, such as `missing`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where it is: `["body", "commands", 0]`.
    pub loc: Vec<Loc>,
    /// pydantic's sentence about it.
    pub msg: &'static str,
    /// The value that does not fit; for a missing field, the object that lacks it.
    pub input: Value,
    /// What exactly is wrong with broken JSON. Other problems have no such key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx: Option<Value>,
}

/// A step on the way to a problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Loc {
    /// A part of the request, a parameter or a field.
    Name(Cow<'static, str>),
    /// A place in a list, or a character of the body.
    Index(usize),
}

/// What is wrong with a value, without where it is.
pub(super) type Fault = (&'static str, &'static str);

pub(super) const MISSING: Fault = ("missing", "Field required");
pub(super) const STRING_TYPE: Fault = ("string_type", "Input should be a valid string");
pub(super) const LIST_TYPE: Fault = ("list_type", "Input should be a valid list");
const NOT_AN_OBJECT: Fault = (
    "model_attributes_type",
    "Input should be a valid dictionary or object to extract fields from",
);

impl Invalid {
    /// The body is not JSON, at this character.
    pub(super) fn broken_json(position: usize, error: &'static str) -> Self {
        Self {
            kind: "json_invalid",
            loc: vec![Loc::Name("body".into()), Loc::Index(position)],
            msg: "JSON decode error",
            input: json!({}),
            ctx: Some(json!({"error": error})),
        }
    }
}

/// Gathers the problems of one request. Read parameters in the order path, query, body: that is the
/// order of the items.
///
/// Each reading gives `None` where it found a problem; [`Check::finish`] turns that into the 422.
#[derive(Debug, Default)]
#[must_use = "problems are only reported by `finish`"]
pub struct Check {
    problems: Vec<Invalid>,
}

impl Check {
    /// No problems yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The path's parameter as a whole number. `name` is what v1 calls it, which may differ from
    /// the route's name.
    pub fn path_int(&mut self, path: &PathText, name: &'static str) -> Option<Int> {
        self.text_int("path", name, path.as_str())
    }

    /// A whole number of the query, or the default.
    pub fn query_int(
        &mut self,
        query: &QueryText,
        name: &'static str,
        default: i64,
    ) -> Option<Int> {
        match query.last(name) {
            None => Some(Int::from(default)),
            Some(text) => self.text_int("query", name, &text),
        }
    }

    /// A switch of the query, or the default.
    pub fn query_bool(
        &mut self,
        query: &QueryText,
        name: &'static str,
        default: bool,
    ) -> Option<bool> {
        let Some(text) = query.last(name) else {
            return Some(default);
        };
        let value = number::bool_word(&text);
        if value.is_none() {
            let loc = vec![Loc::Name("query".into()), Loc::Name(name.into())];
            self.add(number::BOOL_PARSING, loc, Value::from(text));
        }
        value
    }

    /// The fields of the body. A body that is absent or not an object is one problem; its fields
    /// are none then.
    pub fn body<'a>(&'a mut self, body: &'a JsonBody) -> Fields<'a> {
        let fault = match body.content() {
            Content::Json(whole @ Value::Object(object)) => {
                return Fields::new(self, Some((whole, object)));
            }
            Content::Absent | Content::Json(Value::Null) => (MISSING, Value::Null),
            Content::Json(other) => (NOT_AN_OBJECT, other.clone()),
            Content::Text(text) => (NOT_AN_OBJECT, Value::from(text.as_str())),
        };
        self.add(fault.0, vec![Loc::Name("body".into())], fault.1);
        Fields::new(self, None)
    }

    /// Adds a problem that only the endpoint knows, such as a number out of its range.
    pub fn note(&mut self, problem: Invalid) {
        self.problems.push(problem);
    }

    /// Puts together what was read, or answers 422 with every problem that was found.
    ///
    /// `read` is called when there is no problem, so each `Option` that came out of this check has
    /// a value then.
    pub fn finish<T>(self, read: impl FnOnce() -> Option<T>) -> Result<T, V1Error> {
        if !self.problems.is_empty() {
            return Err(V1Error::Invalid(self.problems));
        }
        read().ok_or_else(|| V1Error::internal("a value is absent and its check found no problem"))
    }

    fn text_int(&mut self, part: &'static str, name: &'static str, text: &str) -> Option<Int> {
        match number::int_of_text(text) {
            Ok(int) => Some(int),
            Err(fault) => {
                let loc = vec![Loc::Name(part.into()), Loc::Name(name.into())];
                self.add(fault, loc, Value::from(text));
                None
            }
        }
    }

    pub(super) fn add(&mut self, (kind, msg): Fault, loc: Vec<Loc>, input: Value) {
        self.problems.push(Invalid { kind, loc, msg, input, ctx: None });
    }
}
