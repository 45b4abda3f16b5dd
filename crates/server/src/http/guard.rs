//! Around every request: what is logged inside carries its route, a panic becomes a problem, both are
//! counted, and no answer is kept by a cache.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use tracing::Instrument;

use super::problem::Problem;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::tasks::Tasks;

/// What the guard counts with.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    tasks: Tasks,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl Guard {
    pub(super) fn of(node: &Node) -> Self {
        let (tasks, clock) = (node.tasks.clone(), node.clock.clone());
        Self { tasks, metrics: Arc::clone(&node.metrics), clock }
    }
}

/// Serves one request.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let began = guard.clock.stopwatch();
    // The route, not the path: paths hold users' names.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let method = request.method().clone();
    let span = tracing::error_span!("request", http.method = %method, http.route = route);
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = answer.instrument(span.clone()).await.unwrap_or_else(|panic| {
        // Goes on in a task of the node, which counts and logs it like every other one's.
        guard.tasks.start("request", async move { resume_unwind(panic) });
        Problem::internal().into_response()
    });
    let status = response.status();
    guard.metrics.requested(&method, route, status.as_u16(), began.elapsed());
    // What is behind these two was logged where it happened.
    let was_told =
        [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::INSUFFICIENT_STORAGE].contains(&status);
    if status.is_server_error() && !was_told {
        span.in_scope(|| tracing::warn!(http.status = status.as_u16(), "a request was put off"));
    }
    // Answers hold keys, messages and states that are old a moment later; only files say otherwise.
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().entry(CACHE_CONTROL).or_insert(no_store);
    response
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    async fn breaks() -> &'static str {
        panic!("on purpose")
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_for_its_request_alone_and_is_counted() {
        let tasks = Tasks::default();
        let (clock, metrics) = (Clock::system(), Arc::new(Metrics::new(domain::Time::EPOCH)));
        let watched = Guard { tasks: tasks.clone(), metrics, clock };
        let app = Router::new()
            .route("/breaks", get(breaks))
            .route("/works", get(|| async { "fine" }))
            .layer(from_fn_with_state(watched, guard));
        let app = TowerToHyperService::new(app);
        let ask = |path: &str| app.call(Request::get(path).body(Body::empty()).unwrap());
        let broken = ask("/breaks").await.unwrap();
        assert_eq!(broken.status().as_u16(), 500);
        assert_eq!(broken.headers()["content-type"], "application/problem+json");
        let body = broken.into_body().collect().await.unwrap().to_bytes();
        let problem: wire::Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem.code, "internal");
        assert!(!problem.detail.contains("on purpose"), "{}", problem.detail);
        let fine = ask("/works").await.unwrap();
        assert_eq!(
            (fine.status().as_u16(), &fine.headers()["cache-control"]),
            (200, &HeaderValue::from_static("no-store"))
        );
        tasks.stop();
        tasks.ended().await;
        assert_eq!(tasks.panics(), 1);
    }
}
