//! The fields of a JSON object, read with pydantic's leniency.

use serde_json::{Map, Value};

use super::check::{Check, Fault, LIST_TYPE, Loc, MISSING, STRING_TYPE};
use super::number::{self, Int};

/// Reads fields of the body and notes what does not fit. Unknown fields are ignored.
///
/// Every method returns `None` where it noted a problem, and only there.
#[derive(Debug)]
pub struct Fields<'a> {
    check: &'a mut Check,
    /// The body, once as it is quoted in problems and once to look into. `None`: the body itself
    /// was the problem.
    body: Option<(&'a Value, &'a Map<String, Value>)>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(
        check: &'a mut Check,
        body: Option<(&'a Value, &'a Map<String, Value>)>,
    ) -> Self {
        Self { check, body }
    }

    /// A text. Numbers are not taken for one.
    pub fn string(&mut self, name: &'static str) -> Option<String> {
        let value = self.required(name)?;
        let text = string(value);
        self.note(name, value, text)
    }

    /// A text, `null` or absent.
    pub fn optional_string(&mut self, name: &'static str) -> Option<Option<String>> {
        match self.find(name)? {
            None | Some(Value::Null) => Some(None),
            Some(value) => self.note(name, value, string(value)).map(Some),
        }
    }

    /// A whole number; also a text that is one, a fraction without a remainder, or a truth value.
    pub fn int(&mut self, name: &'static str) -> Option<Int> {
        let value = self.required(name)?;
        self.note(name, value, number::int_of_json(value))
    }

    /// As [`Fields::int`], `null` or absent.
    pub fn optional_int(&mut self, name: &'static str) -> Option<Option<Int>> {
        match self.find(name)? {
            None | Some(Value::Null) => Some(None),
            Some(value) => self.note(name, value, number::int_of_json(value)).map(Some),
        }
    }

    /// A truth value, a word for one, 0 or 1; the default if absent. `null` is a problem.
    pub fn bool_or(&mut self, name: &'static str, default: bool) -> Option<bool> {
        match self.find(name)? {
            None => Some(default),
            Some(value) => self.note(name, value, number::bool_of_json(value)),
        }
    }

    /// A list of texts, which may be empty.
    pub fn strings(&mut self, name: &'static str) -> Option<Vec<String>> {
        let value = self.required(name)?;
        let Value::Array(items) = value else {
            return self.note(name, value, Err(LIST_TYPE));
        };
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match string(item) {
                Ok(text) => texts.push(text),
                Err(fault) => {
                    let mut loc = body_loc(name);
                    loc.push(Loc::Index(index));
                    self.check.add(fault, loc, item.clone());
                }
            }
        }
        (texts.len() == items.len()).then_some(texts)
    }

    /// Outer `None`: there is no object to look into, which is noted already.
    fn find(&self, name: &str) -> Option<Option<&'a Value>> {
        self.body.map(|(_, object)| object.get(name))
    }

    fn required(&mut self, name: &'static str) -> Option<&'a Value> {
        let (whole, object) = self.body?;
        let value = object.get(name);
        if value.is_none() {
            self.check.add(MISSING, body_loc(name), whole.clone());
        }
        value
    }

    fn note<T>(&mut self, name: &'static str, value: &Value, read: Result<T, Fault>) -> Option<T> {
        read.map_err(|fault| self.check.add(fault, body_loc(name), value.clone())).ok()
    }
}

fn string(value: &Value) -> Result<String, Fault> {
    value.as_str().map(str::to_owned).ok_or(STRING_TYPE)
}

fn body_loc(name: &'static str) -> Vec<Loc> {
    vec![Loc::Name("body".into()), Loc::Name(name.into())]
}
