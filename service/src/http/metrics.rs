//! Rate, errors and duration of each route.

use std::sync::OnceLock;
use std::time::Duration;

use axum::extract::MatchedPath;
use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram};

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "DELETE", "PATCH", "other"];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The metrics of one route, by method: `http_requests_total{method,route,status}`, where the
/// status is a class such as `2xx`, and `http_request_duration_seconds{method,route}`. The route is
/// the pattern that matched, never the path of the request, so that a scan for random paths cannot
/// fill the memory.
///
/// Handles are looked up once and kept: composing their labels for each request would cost more
/// than counting.
#[derive(Default)]
pub(super) struct RouteMetrics {
    by_method: [OnceLock<Handles>; METHODS.len()],
}

struct Handles {
    requests: [Counter; CLASSES.len()],
    duration: Histogram,
}

impl RouteMetrics {
    pub(super) fn record(
        &self,
        method: &Method,
        route: Option<&MatchedPath>,
        status: StatusCode,
        took: Duration,
    ) {
        let other = METHODS.len() - 1;
        let index = METHODS.iter().position(|name| *name == method.as_str()).unwrap_or(other);
        let handles = self.by_method[index].get_or_init(|| {
            let route = route.map_or("unmatched", MatchedPath::as_str);
            Handles::new(METHODS[index], route)
        });
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        handles.requests[class].increment(1);
        handles.duration.record(took);
    }
}

impl Handles {
    fn new(method: &'static str, route: &str) -> Self {
        let count = |class: &'static str| {
            metrics::counter!(
                "http_requests_total",
                "method" => method, "route" => route.to_owned(), "status" => class
            )
        };
        Self {
            requests: CLASSES.map(count),
            duration: metrics::histogram!(
                "http_request_duration_seconds",
                "method" => method, "route" => route.to_owned()
            ),
        }
    }
}
