//! The parameters of a query.

use std::fmt::Display;
use std::ops::RangeInclusive;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::Id;
use crate::problem::Problem;

/// The parameters of a query. Those that nobody asks for are ignored; one given twice counts as given
/// last.
#[derive(Clone, Debug)]
pub struct QueryText(Vec<(String, String)>);

impl QueryText {
    /// The text of a parameter, if it is there.
    pub fn text(&self, name: &str) -> Option<&str> {
        let last = self.0.iter().rev().find(|(found, _)| found == name);
        last.map(|(_, text)| text.as_str())
    }

    /// An id, if it is there. `Some(None)`: it is a number, and no id can be as large.
    ///
    /// # Errors
    /// 422 when it is anything but digits.
    pub fn id(&self, name: &'static str) -> Result<Option<Option<i32>>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = Id::read(text).ok_or_else(|| unfit(name, "digits"))?;
        Ok(Some(i32::try_from(number).ok()))
    }

    /// A whole number within a range, if it is there.
    ///
    /// # Errors
    /// 422 when it is none, or not within the range.
    pub fn number(
        &self,
        name: &'static str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<i64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        let (least, most) = (range.start(), range.end());
        let expected = || format!("a whole number from {least} to {most}");
        number.map(Some).ok_or_else(|| unfit(name, expected()))
    }

    /// `true` or `false`, if it is there.
    ///
    /// # Errors
    /// 422 when it is another word.
    pub fn flag(&self, name: &'static str) -> Result<Option<bool>, Problem> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(unfit(name, "true or false")),
        }
    }

    /// One of these words, if it is there.
    ///
    /// # Errors
    /// 422 when it is another one.
    pub fn word(
        &self,
        name: &'static str,
        words: &[&'static str],
    ) -> Result<Option<&'static str>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let found = words.iter().copied().find(|word| *word == text);
        found.map(Some).ok_or_else(|| unfit(name, words.join(" or ")))
    }
}

fn unfit(name: &'static str, expected: impl Display) -> Problem {
    Problem::invalid_parameter(name, format!("The parameter {name} must be {expected}."))
}

impl<S: Send + Sync> FromRequestParts<S> for QueryText {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let pairs = axum::extract::Query::from_request_parts(parts, state).await;
        let not_text = |_| Problem::invalid_parameter("query", "The query is not UTF-8.");
        pairs.map(|axum::extract::Query(pairs)| Self(pairs)).map_err(not_text)
    }
}
