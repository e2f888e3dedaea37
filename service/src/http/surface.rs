//! Answers without a handler, in the shape of the surface that was asked.

use std::fmt::Display;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::prefixes::without_prefix;
use crate::problem::Problem;
use crate::v1::V1Error;

/// Which clients a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    /// Those that know v1's answers.
    V1,
    /// Those that read problems: everything below `/v1`, which no v1 API has.
    Native,
}

impl Surface {
    pub(super) fn of(path: &str) -> Self {
        match without_prefix(path).strip_prefix("/v1") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Self::Native,
            _ => Self::V1,
        }
    }

    pub(super) fn not_found(self) -> Response {
        match self {
            Self::V1 => V1Error::not_found("Not Found").into_response(),
            Self::Native => {
                Problem::not_found("not_found", "There is no such path.").into_response()
            }
        }
    }

    pub(super) fn method_not_allowed(self) -> Response {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        match self {
            Self::V1 => V1Error::refused(status, "Method Not Allowed").into_response(),
            Self::Native => {
                let detail = "The path does not have this method.";
                Problem::new(status, "method_not_allowed", detail).into_response()
            }
        }
    }

    pub(super) fn too_large(self) -> Response {
        match self {
            Self::V1 => V1Error::too_large().into_response(),
            Self::Native => Problem::too_large().into_response(),
        }
    }

    pub(super) fn timed_out(self) -> Response {
        let status = StatusCode::REQUEST_TIMEOUT;
        match self {
            Self::V1 => V1Error::refused(status, "Request Timeout").into_response(),
            Self::Native => Problem::new(status, "request_timeout", "The request took too long.")
                .into_response(),
        }
    }

    pub(super) fn failed(self, cause: impl Display) -> Response {
        match self {
            Self::V1 => V1Error::internal(cause).into_response(),
            Self::Native => Problem::internal(cause).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Surface;

    #[test]
    fn everything_below_v1_is_native_with_and_without_a_prefix() {
        for path in ["/v1", "/v1/", "/v1/workers/1", "/experience/v1/x", "/status/v1"] {
            assert_eq!(Surface::of(path), Surface::Native, "{path}");
        }
        for path in ["/", "", "/v1x", "/server/v1", "/worker/v1/x", "/statusx/v1", "/status/status"]
        {
            assert_eq!(Surface::of(path), Surface::V1, "{path}");
        }
    }
}
