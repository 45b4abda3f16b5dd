//! Every page and form of the console: one table, from which the router is made and of which the
//! tests ask each row what it answers to strangers.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Extension, Router};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method};

use super::api::Api;
use super::{
    apps, assets, broadcasts, credentials, deletion, devices, entry, keys, overview, push_log,
    settings, timeline, users, webhook, webhooks,
};
use crate::node::Node;

/// Who a page is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Whoever reaches the address.
    Anybody,
    /// Who is signed in.
    SignedIn,
}

/// One method of one path.
#[derive(Debug)]
pub struct Route {
    /// What is done to the path.
    pub method: Method,
    /// The path, its parameters in braces.
    pub path: &'static str,
    /// Who it is for.
    pub whom: For,
    serve: fn(MethodFilter) -> MethodRouter<Arc<Node>>,
}

macro_rules! routes {
    ($($whom:ident $method:ident $path:literal => $serve:path;)+) => {
        /// Every route of the console.
        pub static ROUTES: &[Route] = &[$(Route {
            method: Method::$method,
            path: $path,
            whom: For::$whom,
            serve: |method| on(method, $serve),
        }),+];
    };
}

routes! {
    Anybody GET "/console" => entry::start;
    Anybody GET "/console/assets/{name}" => assets::asset;
    Anybody GET "/console/setup" => entry::setup;
    Anybody POST "/console/setup" => entry::set_up;
    Anybody GET "/console/login" => entry::login;
    Anybody POST "/console/login" => entry::sign_in;
    SignedIn POST "/console/logout" => entry::sign_out;
    SignedIn GET "/console/apps" => apps::list;
    SignedIn POST "/console/apps" => apps::create;
    SignedIn GET "/console/apps/{app}" => overview::show;
    SignedIn GET "/console/apps/{app}/delete" => deletion::show;
    SignedIn POST "/console/apps/{app}/delete" => deletion::delete;
    SignedIn GET "/console/apps/{app}/users" => users::list;
    SignedIn GET "/console/apps/{app}/users/{user}" => users::show;
    SignedIn POST "/console/apps/{app}/users/{user}/mutes" => users::mute;
    SignedIn POST "/console/apps/{app}/users/{user}/unmute" => users::unmute;
    SignedIn POST "/console/apps/{app}/users/{user}/sign-out" => users::sign_out;
    SignedIn POST "/console/apps/{app}/users/{user}/devices/{device}/delete" => devices::delete;
    SignedIn POST "/console/apps/{app}/users/{user}/devices/{device}/targets/{kind}/delete"
        => devices::delete_target;
    SignedIn POST "/console/apps/{app}/users/{user}/devices/{device}/test-push" => devices::test;
    SignedIn GET "/console/apps/{app}/users/{user}/devices/{device}/test-push/{push}"
        => devices::watch;
    SignedIn GET "/console/apps/{app}/push-log" => push_log::show;
    SignedIn GET "/console/apps/{app}/push-log/live" => push_log::live;
    SignedIn GET "/console/apps/{app}/messages/{message}" => timeline::message;
    SignedIn GET "/console/apps/{app}/calls/{call}" => timeline::call;
    SignedIn GET "/console/apps/{app}/broadcasts" => broadcasts::list;
    SignedIn GET "/console/apps/{app}/broadcasts/{push}" => broadcasts::show;
    SignedIn POST "/console/apps/{app}/broadcasts/{push}/pause" => broadcasts::pause;
    SignedIn POST "/console/apps/{app}/broadcasts/{push}/resume" => broadcasts::resume;
    SignedIn POST "/console/apps/{app}/broadcasts/{push}/cancel" => broadcasts::cancel;
    SignedIn GET "/console/apps/{app}/webhooks" => webhooks::list;
    SignedIn POST "/console/apps/{app}/webhooks" => webhooks::create;
    SignedIn GET "/console/apps/{app}/webhooks/{webhook}" => webhook::show;
    SignedIn POST "/console/apps/{app}/webhooks/{webhook}/change" => webhook::change;
    SignedIn POST "/console/apps/{app}/webhooks/{webhook}/on" => webhook::switch_on;
    SignedIn POST "/console/apps/{app}/webhooks/{webhook}/off" => webhook::switch_off;
    SignedIn POST "/console/apps/{app}/webhooks/{webhook}/rotate" => webhook::rotate;
    SignedIn POST "/console/apps/{app}/webhooks/{webhook}/test" => webhook::test;
    SignedIn POST "/console/apps/{app}/webhooks/{webhook}/replay" => webhook::replay;
    SignedIn POST "/console/apps/{app}/webhooks/{webhook}/delete" => webhook::delete;
    SignedIn GET "/console/apps/{app}/keys" => keys::show;
    SignedIn POST "/console/apps/{app}/keys" => keys::create;
    SignedIn POST "/console/apps/{app}/keys/{key}/delete" => keys::delete;
    SignedIn GET "/console/apps/{app}/credentials" => credentials::show;
    SignedIn POST "/console/apps/{app}/credentials" => credentials::upload;
    SignedIn POST "/console/apps/{app}/credentials/{credential}/probe" => credentials::probe;
    SignedIn POST "/console/apps/{app}/credentials/{credential}/delete" => credentials::delete;
    SignedIn GET "/console/apps/{app}/settings" => settings::show;
    SignedIn POST "/console/apps/{app}/settings" => settings::change;
}

/// Whether this is the path of something that can be looked at.
pub(super) fn is_page(path: &str) -> bool {
    let is = |route: &Route| {
        let (mut there, mut wanted) = (path.split('/'), route.path.split('/'));
        let alike = wanted.by_ref().all(|wanted| {
            there.next().is_some_and(|there| match wanted.starts_with('{') {
                true => !matches!(there, "" | "." | ".."),
                false => there == wanted,
            })
        });
        alike && there.next().is_none()
    };
    let mut pages = ROUTES.iter().filter(|route| route.method == Method::GET);
    path.starts_with("/console/") && pages.any(is)
}

/// Serves every row; `api` is the router of the HTTP API.
pub(crate) fn router(api: Router) -> Router<Arc<Node>> {
    let mut router = Router::new();
    for Route { method, path, serve, .. } in ROUTES {
        let method = MethodFilter::try_from(method.clone());
        router = router.route(path, serve(method.expect("a row has one of the usual methods")));
    }
    router.layer(Extension(Api::new(api))).layer(from_fn(guarded))
}

async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    keep_to_itself(response.headers_mut());
    response
}

/// What a browser is told about every page: that it loads nothing from elsewhere, runs no script
/// that is not a file of ours, stands in nobody's frame, and that others are told nothing of it.
/// A page that needs more says so itself.
pub(crate) fn keep_to_itself(headers: &mut HeaderMap) {
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
         connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
