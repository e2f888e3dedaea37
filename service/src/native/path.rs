//! The parameters of a path.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use uuid::Uuid;

use super::Id;
use crate::problem::Problem;

/// The parameters of a path, by the names that the route gives them.
#[derive(Clone, Debug)]
pub struct PathText(Vec<(String, String)>);

impl PathText {
    /// An id. `None`: it is a number, and no id can be as large.
    ///
    /// # Errors
    /// 422 when it is anything but digits.
    pub fn id(&self, name: &'static str) -> Result<Option<i32>, Problem> {
        let unfit = || Problem::invalid_parameter(name, format!("The {name} must be digits."));
        let number = Id::read(self.text(name)?).ok_or_else(unfit)?;
        Ok(i32::try_from(number).ok())
    }

    /// A UUID.
    ///
    /// # Errors
    /// 422 when it is none.
    pub fn uuid(&self, name: &'static str) -> Result<Uuid, Problem> {
        let unfit = |_| Problem::invalid_parameter(name, format!("The {name} must be a UUID."));
        self.text(name)?.parse().map_err(unfit)
    }

    fn text(&self, name: &'static str) -> Result<&str, Problem> {
        let found = self.0.iter().find(|(found, _)| found == name);
        let missing = || Problem::internal(format!("the route has no parameter {name}"));
        found.map(|(_, text)| text.as_str()).ok_or_else(missing)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let parameters = RawPathParams::from_request_parts(parts, state).await;
        let not_text = |_| Problem::invalid_parameter("path", "The path is not UTF-8.");
        let parameters = parameters.map_err(not_text)?;
        let owned = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
        Ok(Self(parameters.iter().map(owned).collect()))
    }
}
