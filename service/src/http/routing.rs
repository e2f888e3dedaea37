//! Answers where no handler is found: v1's (the v1 wire contract), and problems below `/v1`.

use axum::Router;
use axum::body::Body;
use axum::extract::OriginalUri;
use axum::http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

use super::edge::EdgeLayer;
use super::limits::Limits;
use super::surface::Surface;

/// Puts the defaults of this module around a finished router.
///
/// Unknown path: 404. Known path with another method, HEAD and OPTIONS included: 405 with `Allow`.
/// A slash too many: 307 to the path without it, if there is one. Everything else of [`Limits`],
/// ids, metrics and panics as the parent module says. Install the metrics recorder before the first
/// request.
pub fn defaults(router: Router, limits: &Limits) -> Router {
    let routes = router.clone();
    let (refusing, searching) = (routes.clone(), routes.clone());
    router
        .method_not_allowed_fallback(async move |OriginalUri(uri): OriginalUri| {
            method_not_allowed(refusing, uri).await
        })
        .fallback(async move |OriginalUri(uri): OriginalUri| unmatched(searching, &uri).await)
        .layer(EdgeLayer::new(routes, limits))
}

/// 405, naming the first method of the path as v1 does.
pub(super) async fn method_not_allowed(routes: Router, uri: Uri) -> Response {
    let surface = Surface::of(uri.path());
    let answer = probe(routes, uri).await;
    let allowed = answer.headers().get(header::ALLOW);
    let first = allowed
        .and_then(|methods| methods.to_str().ok()?.split(',').next())
        .and_then(|method| HeaderValue::from_str(method.trim()).ok());
    let mut response = surface.method_not_allowed();
    if let Some(method) = first {
        response.headers_mut().insert(header::ALLOW, method);
    }
    response
}

/// 307 to the path without its trailing slashes if that is known, else 404.
async fn unmatched(routes: Router, uri: &Uri) -> Response {
    let not_found = || Surface::of(uri.path()).not_found();
    match without_slash(uri) {
        Some(uri) => {
            let target = HeaderValue::from_str(&uri.to_string());
            match (probe(routes, uri).await.status(), target) {
                (StatusCode::NOT_FOUND, _) | (_, Err(_)) => not_found(),
                // Relative, so that it is right behind a proxy that speaks TLS or another host
                // name.
                (_, Ok(target)) => {
                    let location = [(header::LOCATION, target)];
                    (StatusCode::TEMPORARY_REDIRECT, location).into_response()
                }
            }
        }
        None => not_found(),
    }
}

fn without_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let trimmed = path.trim_end_matches('/');
    // A path that starts with two slashes would send the client to another host.
    if trimmed.len() == path.len() || trimmed.is_empty() || trimmed.starts_with("//") {
        return None;
    }
    match uri.query() {
        Some(query) => format!("{trimmed}?{query}").parse().ok(),
        None => trimmed.parse().ok(),
    }
}

/// Asks for a path with a method that no route has: 404 means there is no such path, 405 names the
/// methods it does have.
async fn probe(routes: Router, uri: Uri) -> Response {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::TRACE;
    *request.uri_mut() = uri;
    match routes.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
