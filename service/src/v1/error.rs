//! v1's error answers.

use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

use super::check::Invalid;
use crate::http::Failure;
use crate::problem::retry_after;

/// An error in v1's shape.
#[derive(Clone, Debug, thiserror::Error)]
pub enum V1Error {
    /// The endpoint says no: `{"detail": "<text>"}`.
    #[error("{status}: {detail}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// The text of the answer.
        detail: Cow<'static, str>,
    },
    /// The request does not fit: 422 and one item per problem.
    #[error("the request does not fit in {} places", .0.len())]
    Invalid(Vec<Invalid>),
    /// Something we depend on is away: 503 with `Retry-After`. v1 had no such answer; its shape is
    /// v1's.
    #[error("unavailable: {detail}")]
    Unavailable {
        /// The text of the answer.
        detail: Cow<'static, str>,
        /// When the client should ask again.
        retry_after: Duration,
        /// What happened, for the log.
        cause: Option<Failure>,
    },
    /// A bug: 500 and v1's plain text. The cause is logged and not sent.
    #[error("internal error")]
    Internal(Failure),
}

impl V1Error {
    /// A refusal with this status and text.
    pub fn refused(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        Self::Refused { status, detail }
    }

    /// 400.
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::NOT_FOUND, detail)
    }

    /// 409.
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::CONFLICT, detail)
    }

    /// 410.
    pub fn gone(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::GONE, detail)
    }

    /// 413.
    pub fn too_large() -> Self {
        Self::refused(StatusCode::PAYLOAD_TOO_LARGE, "Content Too Large")
    }

    /// 503. The cause is logged with the request.
    pub fn unavailable(
        detail: impl Into<Cow<'static, str>>,
        retry_after: Duration,
        cause: impl Display,
    ) -> Self {
        Self::Unavailable {
            detail: detail.into(),
            retry_after,
            cause: Some(Failure(cause.to_string().into())),
        }
    }

    /// 500. The cause is logged with the request.
    pub fn internal(cause: impl Display) -> Self {
        Self::Internal(Failure(cause.to_string().into()))
    }
}

impl IntoResponse for V1Error {
    fn into_response(self) -> Response {
        match self {
            Self::Refused { status, detail } => {
                (status, Json(json!({"detail": detail}))).into_response()
            }
            Self::Invalid(items) => {
                let body = Json(json!({"detail": items}));
                (StatusCode::UNPROCESSABLE_ENTITY, body).into_response()
            }
            Self::Unavailable { detail, retry_after: after, cause } => {
                let after = [(header::RETRY_AFTER, retry_after(after))];
                let body = Json(json!({"detail": detail}));
                let response = (StatusCode::SERVICE_UNAVAILABLE, after, body).into_response();
                with_failure(response, cause)
            }
            Self::Internal(cause) => {
                let text = HeaderValue::from_static("text/plain; charset=utf-8");
                let kind = [(header::CONTENT_TYPE, text)];
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                let response = (status, kind, "Internal Server Error").into_response();
                with_failure(response, Some(cause))
            }
        }
    }
}

fn with_failure(mut response: Response, cause: Option<Failure>) -> Response {
    if let Some(cause) = cause {
        response.extensions_mut().insert(cause);
    }
    response
}
