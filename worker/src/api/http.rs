//! One request and its answer.

use std::time::Duration;

use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ApiError;

const CONNECT: Duration = Duration::from_secs(2);
/// From the first byte of a request to the last of its answer.
const REQUEST: Duration = Duration::from_secs(10);
/// How often a request may be sent elsewhere.
const REDIRECTS: usize = 3;
/// The statuses by which the API says no for good, on either surface. Whatever else there is comes from what is before it,
/// such as a gateway that lets nobody through for a minute.
const REFUSALS: [StatusCode; 5] = [
    StatusCode::BAD_REQUEST,
    StatusCode::NOT_FOUND,
    StatusCode::CONFLICT,
    StatusCode::GONE,
    StatusCode::UNPROCESSABLE_ENTITY,
];
/// How much of an answer that is not the API's goes into an error, in characters.
const EXCERPT: usize = 200;

/// The API's address and connections to it.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: Client,
    /// Without the slash at its end.
    base: String,
}

impl Http {
    pub(super) fn try_new(address: &str, verify_tls: bool) -> Result<Self, ApiError> {
        let unusable = |reason: String| ApiError::Address { address: address.to_owned(), reason };
        let url = Url::parse(address.trim()).map_err(|error| unusable(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(unusable("it is not of the form http://host:port/path".to_owned()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(unusable("it has more than a path after the host".to_owned()));
        }
        let client = Client::builder()
            .user_agent(concat!("manman-worker/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(REQUEST)
            .redirect(Policy::custom(redirect))
            .danger_accept_invalid_certs(!verify_tls)
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Self { client, base: url.as_str().trim_end_matches('/').to_owned() })
    }

    /// A request to a path of the API, whatever prefix the API is under.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }
}

/// Only redirects that keep method and body: the others would make a read of a command.
fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let keeps = [StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT];
    if keeps.contains(&attempt.status()) && attempt.previous().len() <= REDIRECTS {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

/// Sends a request and reads the answer.
pub(super) async fn ask<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, ApiError> {
    let (status, body) = exchange(request).await?;
    serde_json::from_slice(&body).map_err(|error| {
        ApiError::Unexpected(format!("{status} with an unknown body ({error}): {}", excerpt(&body)))
    })
}

/// Sends a request whose answer says nothing but that it is done.
pub(super) async fn tell(request: RequestBuilder) -> Result<(), ApiError> {
    exchange(request).await.map(drop)
}

async fn exchange(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), ApiError> {
    // The address is the same for all, and may have a password in it.
    let unreachable = |error: reqwest::Error| ApiError::Unreachable(error.without_url());
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let body = response.bytes().await.map_err(unreachable)?.to_vec();
    if status.is_success() { Ok((status, body)) } else { Err(failure(status, &body)) }
}

/// An error body: v1's has `detail`, a text or a list; a native one has `code` as well.
#[derive(Deserialize)]
struct Refusal {
    detail: Value,
    code: Option<String>,
}

fn failure(status: StatusCode, body: &[u8]) -> ApiError {
    let refusal = serde_json::from_slice::<Refusal>(body)
        .ok()
        .filter(|refusal| refusal.detail.is_string() || refusal.detail.is_array());
    let detail = refusal.as_ref().map_or_else(|| excerpt(body), |refusal| text(&refusal.detail));
    let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    if status.is_server_error() || passing.contains(&status) {
        return ApiError::Unavailable { status: status.as_u16(), detail };
    }
    match refusal {
        Some(Refusal { code, .. })
            if REFUSALS.contains(&status) && !is_no_such_path(status, code.as_deref(), &detail) =>
        {
            ApiError::Refused { status: status.as_u16(), code, detail }
        }
        // A gateway's page, an older server, a wrong path in the address: the API itself has refused nothing.
        Some(_) | None => ApiError::Unexpected(format!("{status} {detail}")),
    }
}

/// Whether the answer is the one for a path that the API does not have, on either surface.
fn is_no_such_path(status: StatusCode, code: Option<&str>, detail: &str) -> bool {
    status == StatusCode::NOT_FOUND
        && code.map_or(detail == "Not Found", |code| code == "not_found")
}

fn text(detail: &Value) -> String {
    detail.as_str().map_or_else(|| detail.to_string(), str::to_owned)
}

fn excerpt(body: &[u8]) -> String {
    String::from_utf8_lossy(body).trim().chars().take(EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> ApiError {
        failure(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn a_refusal_of_either_surface_is_understood() {
        let v1 = refused(409, r#"{"detail":"Worker 6 was already closed"}"#);
        assert_eq!(v1.to_string(), "refused: 409 Worker 6 was already closed");
        assert_eq!((v1.refused_with(), v1.code()), (Some(409), None));
        let native =
            refused(409, r#"{"title":"Conflict","code":"worker_taken_over","detail":"x"}"#);
        assert_eq!(native.code(), Some("worker_taken_over"));
        let unprocessable = refused(422, r#"{"detail":[{"type":"missing"}]}"#);
        assert_eq!(unprocessable.to_string(), r#"refused: 422 [{"type":"missing"}]"#);
        assert!(!unprocessable.is_worth_retrying());
    }

    #[test]
    fn what_passes_by_itself_is_unavailable() {
        for status in [408, 429, 500, 502, 503, 504] {
            let error = refused(status, "<html>");
            assert!(matches!(error, ApiError::Unavailable { .. }), "{error}");
            assert!(error.is_worth_retrying());
        }
    }

    #[test]
    fn the_answer_of_another_server_is_no_refusal() {
        for (status, body) in [
            (404, r#"{"detail":"Not Found"}"#),
            (404, r#"{"detail":"There is no such path.","code":"not_found"}"#),
            (405, r#"{"detail":"Method Not Allowed"}"#),
            (404, "default backend - 404"),
            (403, "<html>Forbidden</html>"),
            (401, r#"{"detail":"Not authenticated"}"#),
            (403, r#"{"detail":"Forbidden","code":"forbidden"}"#),
            (413, r#"{"detail":"Content Too Large"}"#),
            (409, r#"{"message":"Conflict"}"#),
            (400, r#"{"detail":null}"#),
            (410, ""),
            (302, ""),
        ] {
            let error = refused(status, body);
            assert!(matches!(error, ApiError::Unexpected(_)), "{error}");
            assert!(error.is_worth_retrying());
        }
        for body in
            [r#"{"detail":"Instance not found"}"#, r#"{"detail":"x","code":"worker_not_found"}"#]
        {
            let unknown = refused(404, body);
            assert!(matches!(unknown, ApiError::Refused { .. }), "{unknown}");
        }
    }

    #[test]
    fn an_address_that_cannot_work_is_named() {
        for address in ["manman:8001", "ftp://manman", "", "http://manman?a=b", "/workerdal"] {
            let error = Http::try_new(address, true).unwrap_err();
            assert!(matches!(error, ApiError::Address { .. }), "{error}");
        }
    }
}
