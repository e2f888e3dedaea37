//! Problems as they appear in an OpenAPI description. Only the description uses this type.

use serde::Serialize;
use utoipa::ToSchema;

/// An RFC 9457 problem.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` tells problems apart.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The status.
    pub status: u16,
    /// What is wrong, for people.
    pub detail: String,
    /// What is wrong, for programs: `snake_case`, and never changed.
    pub code: String,
    /// The request, as logs name it.
    pub request_id: String,
    /// The parameter at fault, where `code` is `invalid_parameter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
}
