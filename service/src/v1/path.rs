//! The parameter of a path, before it is checked.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use super::check::Check;
use super::error::V1Error;
use super::number::Int;

/// The text of the one parameter a v1 path has. It is read by [`super::Check::path_int`], when the
/// endpoint wants it.
#[derive(Clone, Debug)]
pub struct PathText(String);

impl PathText {
    /// The text as it was sent, percent-decoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number it is, for an endpoint that has nothing else to check. `name` is what v1 calls it.
    pub fn int(&self, name: &'static str) -> Result<Int, V1Error> {
        let mut check = Check::new();
        let int = check.path_int(self, name);
        check.finish(|| int)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = V1Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, V1Error> {
        let Ok(parameters) = RawPathParams::from_request_parts(parts, state).await else {
            // Not UTF-8. No number looks like this, so it becomes the 422 it is in v1.
            return Ok(Self(char::REPLACEMENT_CHARACTER.to_string()));
        };
        let first = parameters.iter().next();
        first
            .map(|(_, text)| Self(text.to_owned()))
            .ok_or_else(|| V1Error::internal("the route has no parameter"))
    }
}
