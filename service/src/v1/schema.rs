//! v1's error answers as they appear in an OpenAPI description. Only the description uses these
//! types.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The answer to a request that the endpoint refuses.
#[derive(Debug, Serialize, ToSchema)]
pub struct Refusal {
    /// Why.
    pub detail: String,
}

/// The answer to a request that does not fit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HTTPValidationError)]
pub struct HttpValidationError {
    /// One item per problem.
    pub detail: Vec<ValidationError>,
}

/// One problem of a request.
#[derive(Debug, Serialize, ToSchema)]
pub struct ValidationError {
    /// Where it is.
    pub loc: Vec<LocationItem>,
    /// What it is, as a sentence.
    pub msg: String,
    /// What it is, as a word.
    #[serde(rename = "type")]
    pub kind: String,
    /// The value that does not fit.
    pub input: Value,
}

/// A name, or a place in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum LocationItem {
    /// A part of the request, a parameter or a field.
    Name(String),
    /// A place in a list, or a character of the body.
    Index(usize),
}
