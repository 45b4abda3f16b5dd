//! Every page and form of the lab: one table, from which the router is made and of which the tests
//! ask each row what it answers to strangers.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;

use super::wall::Lab;
use super::{assets, doing, door, events, messenger, page};

/// The longest body of a request, in bytes: a form with a line of text.
const LONGEST_BODY: usize = 16 * 1024;

/// One method of one path.
#[derive(Debug)]
pub struct Route {
    /// What is done to the path.
    pub method: Method,
    /// The path, its parameters in braces.
    pub path: &'static str,
    serve: fn(MethodFilter) -> MethodRouter<Arc<Lab>>,
}

macro_rules! routes {
    ($($method:ident $path:literal => $serve:path;)+) => {
        /// Every route of the lab.
        pub static ROUTES: &[Route] = &[$(Route {
            method: Method::$method,
            path: $path,
            serve: |method| on(method, $serve),
        }),+];
    };
}

routes! {
    GET "/" => page::start;
    GET "/lab" => page::wall;
    GET "/lab/assets/{name}" => assets::asset;
    GET "/lab/events" => events::events;
    POST "/lab/faults" => doing::fault;
    POST "/lab/phones" => doing::add;
    POST "/lab/phones/{phone}/{action}" => doing::act;
    POST "/lab/send" => doing::send;
    GET "/lab/state" => page::state;
    GET "/messenger" => messenger::door;
    GET "/messenger/" => messenger::start;
    GET "/messenger/{file}" => messenger::file;
    POST "/messenger/token" => messenger::token;
}

/// Serves every row.
pub(super) fn router(lab: Arc<Lab>) -> Router {
    let mut router = Router::new();
    for Route { method, path, serve } in ROUTES {
        let method = MethodFilter::try_from(method.clone());
        router = router.route(path, serve(method.expect("a row has one of the usual methods")));
    }
    router.layer(DefaultBodyLimit::max(LONGEST_BODY)).layer(from_fn(door::guarded)).with_state(lab)
}
