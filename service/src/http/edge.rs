//! The one layer around every route.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, OriginalUri, Request};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use futures::FutureExt;
use futures::future::BoxFuture;
use http_body_util::Limited;
use tower::{Layer, Service};

use super::limits::Limits;
use super::metrics::RouteMetrics;
use super::request_id::{self, RequestId};
use super::routing::method_not_allowed;
use super::surface::Surface;
use crate::problem::Problem;
use crate::telemetry::panic_text;

/// Why a request failed, for the log. An answer carries it as an extension; it never reaches the
/// client.
#[derive(Clone, Debug)]
pub struct Failure(pub Arc<str>);

#[derive(Clone)]
pub(super) struct EdgeLayer {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    /// The routes without this layer, to ask which methods a path has.
    routes: Router,
}

impl EdgeLayer {
    pub(super) fn new(routes: Router, limits: &Limits) -> Self {
        let limits = limits.clone();
        Self { shared: Arc::new(Shared { limits, routes }) }
    }
}

impl<S> Layer<S> for EdgeLayer {
    type Service = Edge<S>;

    fn layer(&self, inner: S) -> Edge<S> {
        Edge { inner, shared: Arc::clone(&self.shared), metrics: Arc::default() }
    }
}

/// axum makes one of these per route and method, which is what lets each keep its own metrics.
#[derive(Clone)]
pub(super) struct Edge<S> {
    inner: S,
    shared: Arc<Shared>,
    metrics: Arc<RouteMetrics>,
}

impl<S> Service<Request> for Edge<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let started = Instant::now();
        let id = RequestId::of(request.headers());
        request.extensions_mut().insert(id.clone());
        let mut seen = Seen {
            method: request.method().clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
            surface: Surface::of(request.uri().path()),
            id,
        };
        let step = self.next_step(request, &seen);
        let shared = Arc::clone(&self.shared);
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move {
            let mut response = match step {
                Step::Answer(response) => response,
                Step::RefuseMethod(uri) => method_not_allowed(shared.routes.clone(), uri).await,
                Step::Route(answer) => {
                    let answer = AssertUnwindSafe(answer).catch_unwind();
                    match tokio::time::timeout(shared.limits.request, answer).await {
                        Ok(Ok(Ok(response))) => response,
                        Ok(Err(panic)) => panicked(seen.surface, panic.as_ref()),
                        Err(_) => seen.surface.timed_out(),
                    }
                }
            };
            seen.finish(&mut response);
            let took = started.elapsed();
            metrics.record(&seen.method, seen.route.as_ref(), response.status(), took);
            seen.log(&response, took);
            let id = seen.id.into_header();
            response.headers_mut().insert(request_id::HEADER, id);
            Ok(response)
        })
    }
}

enum Step<F> {
    Answer(Response),
    RefuseMethod(Uri),
    Route(F),
}

impl<S: Service<Request>> Edge<S> {
    fn next_step(&mut self, request: Request, seen: &Seen) -> Step<S::Future> {
        // axum answers HEAD on every GET route; v1 does not (the v1 wire contract).
        if seen.method == Method::HEAD && seen.route.is_some() {
            // A nested route sees its path without the prefix.
            let original = request.extensions().get::<OriginalUri>();
            let uri = original.map_or(request.uri(), |OriginalUri(uri)| uri);
            return Step::RefuseMethod(uri.clone());
        }
        let limit = self.shared.limits.body_bytes;
        let size = request.body().size_hint();
        if size.lower() > limit {
            return Step::Answer(seen.surface.too_large());
        }
        // A body that announced its size cannot grow beyond it: hyper stops reading there.
        let request = match size.upper() {
            Some(upper) if upper <= limit => request,
            _ => {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                request.map(|body| Body::new(Limited::new(body, limit)))
            }
        };
        Step::Route(self.inner.call(request))
    }
}

/// What is remembered of a request until its answer is there.
struct Seen {
    method: Method,
    route: Option<MatchedPath>,
    surface: Surface,
    id: RequestId,
}

impl Seen {
    /// Brings answers made by axum itself into our shape, and tells a problem which request it
    /// belongs to.
    fn finish(&mut self, response: &mut Response) {
        if self.tell(response) {
            return;
        }
        let json = HeaderValue::from_static("application/json");
        if response.status() == StatusCode::PAYLOAD_TOO_LARGE
            && response.headers().get(header::CONTENT_TYPE) != Some(&json)
        {
            *response = self.surface.too_large();
            self.tell(response);
        }
    }

    /// Whether the answer is a problem; it has its body then.
    fn tell(&self, response: &mut Response) -> bool {
        let problem = response.extensions_mut().remove::<Problem>();
        if let Some(problem) = &problem {
            *response.body_mut() = problem.body(self.id.as_str());
        }
        problem.is_some()
    }

    fn log(&self, response: &Response, took: std::time::Duration) {
        let status = response.status().as_u16();
        let route = self.route.as_ref().map_or("unmatched", MatchedPath::as_str);
        let (method, request_id) = (self.method.as_str(), self.id.as_str());
        tracing::debug!(
            request_id,
            method,
            route,
            status,
            ?took,
            "{method} {route} answered {status}"
        );
        if let Some(Failure(cause)) = response.extensions().get::<Failure>() {
            let cause = cause.as_ref();
            if status == 503 {
                tracing::warn!(request_id, method, route, cause, "{method} {route} is unavailable");
            } else {
                tracing::error!(request_id, method, route, cause, "{method} {route} failed");
            }
        }
    }
}

/// The panic hook has the place and the backtrace; this ties it to a request.
fn panicked(surface: Surface, panic: &(dyn Any + Send)) -> Response {
    surface.failed(format!("panicked: {}", panic_text(panic)))
}
