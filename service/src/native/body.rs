//! A JSON body as a type.

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http::{is_json, read_body};
use crate::problem::Problem;

/// The body of a request, read as JSON whatever its type is, unless that says it is something else.
///
/// What is no JSON is a 400, `unreadable_body`; JSON of another shape a 422, `invalid_body`; another
/// media type a 415, `unsupported_media_type`. The details of the first two say where and what.
#[derive(Clone, Copy, Debug)]
pub struct JsonBody<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            let detail = "The body must be JSON.";
            return Err(Problem::new(status, "unsupported_media_type", detail));
        }
        let bytes = read_body(body).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| unfit(&bytes, &error))
    }
}

/// The reader of a type takes some values of another shape for broken JSON, so this does not trust it.
fn unfit(bytes: &[u8], error: &serde_json::Error) -> Problem {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(_) => Problem::unprocessable("invalid_body", format!("The body does not fit: {error}.")),
        Err(error) => {
            let detail = format!("The body is not JSON: {error}.");
            Problem::new(StatusCode::BAD_REQUEST, "unreadable_body", detail)
        }
    }
}
