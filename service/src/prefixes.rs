//! One API under several root paths.

use axum::Router;

use crate::health;

/// The prefixes of the earlier generations.
pub const PREFIXES: [&str; 3] = ["/experience", "/workerdal", "/status"];

/// The path without the prefix it may have; whatever is left begins with a slash or is empty.
pub(crate) fn without_prefix(path: &str) -> &str {
    let mut rests = PREFIXES.iter().filter_map(|prefix| path.strip_prefix(prefix));
    rests.find(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(path)
}

/// An API at `/` and, with the same handlers, under each prefix; `/health` too is found under each
/// prefix.
///
/// Programs of the earlier generations call `/experience/…`, `/workerdal/…` and `/status/status/…`. A
/// prefix is a whole segment: `/experiences` is not `/experience`. `/health` at the root is part of
/// [`health::router`], not of this.
pub fn mount<S>(api: &Router<S>, prefixes: &[&str]) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    prefixes.iter().fold(api.clone(), |router, prefix| {
        router.nest(prefix, api.clone().merge(health::v1_router()))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode, header};
    use axum::routing::get;

    use super::{Router, mount};
    use crate::http::testing::{Answer, send};
    use crate::http::{Limits, defaults};

    async fn ask(prefix: &str, method: Method, path: &str) -> Answer {
        let api = Router::new().route("/status/worker/{id}", get(|| async { "worker" }));
        let router = defaults(mount(&api, &[prefix]), &Limits::default());
        send(&router, method, path, "").await
    }

    #[tokio::test]
    async fn an_api_answers_at_the_root_and_under_each_prefix() {
        for path in ["/status/worker/1", "/status/status/worker/1", "/status/health"] {
            let answer = ask("/status", Method::GET, path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
        }
    }

    #[tokio::test]
    async fn a_prefix_is_a_whole_segment() {
        for path in ["/dalx/status/worker/1", "/dal", "/dal/", "/dal/nothing", "/da/health"] {
            let answer = ask("/dal", Method::GET, path).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn redirects_and_refusals_keep_the_prefix() {
        let answer = ask("/dal", Method::GET, "/dal/status/worker/1/?a=b").await;
        assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(answer.headers[header::LOCATION], "/dal/status/worker/1?a=b");
        let answer = ask("/dal", Method::POST, "/dal/status/worker/1").await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers[header::ALLOW], "GET");
    }
}
