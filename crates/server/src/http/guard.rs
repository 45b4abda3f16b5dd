//! Around every request: what is logged inside carries its route, a panic becomes a problem and is
//! counted, and no answer is kept by a cache.

use std::panic::{AssertUnwindSafe, resume_unwind};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use tracing::Instrument;

use super::problem::Problem;
use crate::tasks::Tasks;

/// Serves one request.
pub(super) async fn guard(State(tasks): State<Tasks>, request: Request, next: Next) -> Response {
    // The route, not the path: paths hold users' names.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let span = tracing::error_span!("request", http.method = %request.method(), http.route = route);
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = answer.instrument(span.clone()).await.unwrap_or_else(|panic| {
        // Goes on in a task of the node, which counts and logs it like every other one's.
        tasks.start("request", async move { resume_unwind(panic) });
        Problem::internal().into_response()
    });
    let status = response.status();
    // What is behind these two was logged where it happened.
    let was_told =
        [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::INSUFFICIENT_STORAGE].contains(&status);
    if status.is_server_error() && !was_told {
        span.in_scope(|| tracing::warn!(http.status = status.as_u16(), "a request was put off"));
    }
    // Answers hold keys, messages and states that are old a moment later.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
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
        let app = Router::new()
            .route("/breaks", get(breaks))
            .route("/works", get(|| async { "fine" }))
            .layer(from_fn_with_state(tasks.clone(), guard));
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
