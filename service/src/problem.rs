//! Errors of native endpoints.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::http::{Failure, UnreadBody};

/// An RFC 9457 problem: `application/problem+json` with `type`, `title`, `status`, `detail`, a
/// stable `code` and the `request_id`. v1 endpoints answer with [`crate::v1::V1Error`] instead.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    /// Which parameter of the request is at fault.
    parameter: Option<&'static str>,
    retry_after: Option<Duration>,
    failure: Option<Failure>,
}

impl Problem {
    /// A problem of this status. `code` is `snake_case`, and what programs compare; `detail` is for
    /// people.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            parameter: None,
            retry_after: None,
            failure: None,
        }
    }

    /// 404.
    pub fn not_found(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 409.
    pub fn conflict(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 422: well-formed, and not to be accepted all the same.
    pub fn unprocessable(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 422: a parameter of the path, the query or a header does not fit. Its name is an additional
    /// member, `parameter`.
    pub fn invalid_parameter(
        parameter: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { parameter: Some(parameter), ..Self::unprocessable("invalid_parameter", detail) }
    }

    /// 413.
    #[must_use]
    pub fn too_large() -> Self {
        let detail = "The body is larger than this server reads.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    }

    /// 503: the client should ask again after this long.
    #[must_use]
    pub fn unavailable(detail: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(retry_after)
    }

    /// Says when the client should ask again. Whole seconds are sent, at least one.
    #[must_use]
    pub fn retry_after(self, after: Duration) -> Self {
        Self { retry_after: Some(after), ..self }
    }

    /// 500: a bug. The cause is logged with the request and never sent.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, "internal", "The server failed to handle this request.").caused_by(cause)
    }

    /// Has the cause logged together with the request. It is never sent.
    #[must_use]
    pub fn caused_by(mut self, cause: impl std::fmt::Display) -> Self {
        self.failure = Some(Failure(cause.to_string().into()));
        self
    }

    /// The body, with the id of the request that it answers.
    pub(crate) fn body(&self, request_id: &str) -> Body {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
        });
        if let Some(parameter) = self.parameter {
            body["parameter"] = parameter.into();
        }
        Body::from(body.to_string())
    }
}

impl IntoResponse for Problem {
    /// Leaves the body to the layer around all routes, which knows the request's id
    /// ([`crate::http::defaults`]).
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status, [(header::CONTENT_TYPE, json)]).into_response();
        if let Some(after) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, retry_after(after));
        }
        if let Some(failure) = self.failure.clone() {
            response.extensions_mut().insert(failure);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<UnreadBody> for Problem {
    fn from(unread: UnreadBody) -> Self {
        match unread {
            UnreadBody::TooLarge => Self::too_large(),
            UnreadBody::Broken => {
                Self::new(StatusCode::BAD_REQUEST, "unreadable_body", "The body broke off.")
            }
        }
    }
}

/// A `Retry-After` in whole seconds. Zero would invite a tight loop, so it is at least one.
pub(crate) fn retry_after(after: Duration) -> HeaderValue {
    HeaderValue::from(after.as_secs().max(1))
}
