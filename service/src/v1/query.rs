//! The query, before it is checked.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Query};
use axum::http::Uri;
use axum::http::request::Parts;

/// The parameters of the query, read by [`super::Check::query_int`] and
/// [`super::Check::query_bool`].
#[derive(Clone, Debug)]
pub struct QueryText(Uri);

impl QueryText {
    /// The text of a parameter. One given twice counts as given last; one without a value is empty.
    pub fn last(&self, name: &str) -> Option<String> {
        self.0.query()?;
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&self.0).ok()?;
        let last = pairs.into_iter().rev().find(|(found, _)| found == name);
        last.map(|(_, text)| text)
    }
}

impl<S: Sync> FromRequestParts<S> for QueryText {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.uri.clone()))
    }
}
