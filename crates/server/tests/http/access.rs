//! Who may call what: every route of the table, asked by every kind of caller.

mod askers;

use http::Method;
use serde_json::json;
use server::http::routes::{Caller, Query, ROUTES, Route};

use self::askers::{Asker, Askers, Place};
use super::paths::{filled, nowhere, parameters};
use super::rig::{Server, text};

/// What becomes of somebody who asks.
#[derive(Clone, Copy, Debug)]
enum Becomes {
    LetIn,
    /// The status and the problem's code.
    Refused(u16, &'static str),
}

const UNPROVEN: Becomes = Becomes::Refused(401, "unauthorized");
const EXPIRED: Becomes = Becomes::Refused(401, "token_expired");
const LACKS_SCOPE: Becomes = Becomes::Refused(403, "forbidden");
const WRONG_KIND: Becomes = Becomes::Refused(403, "wrong_key_kind");

/// The table: what a route that is for `caller` answers `asker`.
fn expected(caller: Caller, asker: Asker) -> Becomes {
    use Asker::*;
    match caller {
        // Whoever opens a session proves it in its first frame; sessions.rs has that.
        Caller::Anybody | Caller::FirstFrame => Becomes::LetIn,
        Caller::Admin => match asker {
            Admin => Becomes::LetIn,
            Nobody | Nonsense | UnknownAdmin | SignedUser => UNPROVEN,
            App | OneScope(_) | OtherApp | RemovedApp | UnknownApp => WRONG_KIND,
            User | OtherAppsUser | ExpiredUser | RevokedUser => WRONG_KIND,
            Device | OtherUsersDevice | OtherAppsDevice => WRONG_KIND,
            RemovedDevice | UnknownDevice => WRONG_KIND,
            DeviceAndUser | DeviceAndOtherUser | DeviceAndExpiredUser => WRONG_KIND,
        },
        Caller::App(scope) => match asker {
            OneScope(own) => {
                if own == scope {
                    Becomes::LetIn
                } else {
                    LACKS_SCOPE
                }
            }
            // The other app too: it sees what is its own, see strangers.rs.
            App | OtherApp => Becomes::LetIn,
            Nobody | Nonsense | SignedUser | RemovedApp | UnknownApp => UNPROVEN,
            Admin | UnknownAdmin => WRONG_KIND,
            User | OtherAppsUser | ExpiredUser | RevokedUser => WRONG_KIND,
            Device | OtherUsersDevice | OtherAppsDevice => WRONG_KIND,
            RemovedDevice | UnknownDevice => WRONG_KIND,
            DeviceAndUser | DeviceAndOtherUser | DeviceAndExpiredUser => WRONG_KIND,
        },
        Caller::OwnApp(scope) => match asker {
            OneScope(own) => {
                if own == scope {
                    Becomes::LetIn
                } else {
                    LACKS_SCOPE
                }
            }
            Admin | App => Becomes::LetIn,
            OtherApp => Becomes::Refused(404, "not_found"),
            Nobody | Nonsense | SignedUser => UNPROVEN,
            UnknownAdmin | RemovedApp | UnknownApp => UNPROVEN,
            User | OtherAppsUser | ExpiredUser | RevokedUser => WRONG_KIND,
            Device | OtherUsersDevice | OtherAppsDevice => WRONG_KIND,
            RemovedDevice | UnknownDevice => WRONG_KIND,
            DeviceAndUser | DeviceAndOtherUser | DeviceAndExpiredUser => WRONG_KIND,
        },
        Caller::AnyKey => match asker {
            App | OneScope(_) | OtherApp => Becomes::LetIn,
            User | OtherAppsUser | SignedUser => Becomes::LetIn,
            Device | OtherUsersDevice | OtherAppsDevice => Becomes::LetIn,
            // The user's token is a key of the app, whatever stands beside it.
            DeviceAndUser | DeviceAndOtherUser => Becomes::LetIn,
            ExpiredUser | DeviceAndExpiredUser => EXPIRED,
            Nobody | Nonsense | RemovedApp | UnknownApp => UNPROVEN,
            RevokedUser | RemovedDevice | UnknownDevice => UNPROVEN,
            Admin | UnknownAdmin => WRONG_KIND,
        },
        Caller::Device => match asker {
            // Each as itself: no route of these names another device.
            Device | OtherUsersDevice | OtherAppsDevice | DeviceAndUser => Becomes::LetIn,
            DeviceAndOtherUser => Becomes::Refused(403, "forbidden"),
            DeviceAndExpiredUser => EXPIRED,
            Nobody | Nonsense | RemovedDevice | UnknownDevice => UNPROVEN,
            // The token is right and not enough: the device must show its secret.
            User | OtherAppsUser | SignedUser | ExpiredUser | RevokedUser => UNPROVEN,
            Admin | UnknownAdmin => WRONG_KIND,
            App | OneScope(_) | OtherApp | RemovedApp | UnknownApp => WRONG_KIND,
        },
    }
}

/// The route's path with this app's id; whatever else it names is nowhere.
fn path(route: &Route, app: &str) -> String {
    filled(route.path, |name| match name {
        "app" => app.to_owned(),
        _ => nowhere(name).to_owned(),
    })
}

#[tokio::test]
async fn every_route_lets_in_whom_it_is_for_and_nobody_else() {
    let place = Place::start().await;
    let (server, mut askers) = (&place.server, Askers::make(&place).await);
    let mut line = server.line().await;
    for route in ROUTES {
        let path = path(route, &server.app.0);
        for asker in Asker::ALL {
            let what = format!("{} {path} by {asker:?}", route.method);
            let answer = line.send(askers.request(asker, &route.method, &path)).await;
            let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
            match expected(route.caller, asker) {
                Becomes::Refused(status, expected) => {
                    assert_eq!((answer.status, &*code), (status, expected), "{what}");
                    let challenge = answer.headers.get("www-authenticate").is_some();
                    assert_eq!(challenge, status == 401, "{what}");
                    let detail = text(&answer.body["detail"]);
                    let named = asker.prefix().is_some_and(|prefix| detail.contains(prefix));
                    assert!(expected != "wrong_key_kind" || named, "{what}: {detail}");
                }
                Becomes::LetIn => {
                    let status = answer.status;
                    assert!(![401, 403].contains(&status) && status < 500, "{what}: {status}");
                    // What names nothing that is missing, and needs no body, works.
                    let whole = parameters(route.path).iter().all(|name| *name == "app");
                    if whole && route.method == Method::GET {
                        let works = match (route.caller, route.path) {
                            (Caller::FirstFrame, _) => 426,
                            // Somebody or something has to be named.
                            (_, "/v1/explain") => 422,
                            _ => 200,
                        };
                        assert_eq!(status, works, "{what}: {}", answer.body);
                    }
                }
            }
        }
        // Whoever was let in has perhaps signed out.
        if route.caller == Caller::Device && route.method == Method::DELETE {
            askers = Askers::make(&place).await;
        }
    }
    place.server.stop().await;
}

#[tokio::test]
async fn a_parameter_that_a_path_does_not_take_is_refused_by_its_name() {
    let place = Place::start().await;
    let (server, askers) = (&place.server, Askers::make(&place).await);
    for route in ROUTES {
        let asker = match route.caller {
            Caller::Anybody | Caller::FirstFrame => Asker::Nobody,
            Caller::Admin => Asker::Admin,
            Caller::AnyKey | Caller::App(_) | Caller::OwnApp(_) => Asker::App,
            Caller::Device => Asker::Device,
        };
        let path = path(route, &server.app.0);
        let what = format!("{} {path}", route.method);
        let odd = format!("{path}?nonsense=1");
        let answer = server.send(askers.request(asker, &route.method, &odd)).await;
        let taken = match route.query {
            Query::Ignored => {
                let plain = server.send(askers.request(asker, &route.method, &path)).await;
                assert_eq!((answer.status, answer.body), (plain.status, plain.body), "{what}");
                continue;
            }
            Query::None => &[],
            Query::Named(names) => names,
        };
        let detail = answer.refused(422, "invalid_field", Some("nonsense"));
        // serde says what it knows instead: one of `limit`, `after`.
        let known = detail.split_once("expected ").map_or("", |(_, known)| known);
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        assert_eq!(known, taken, "{what}: {detail}");
    }
    place.server.stop().await;
}

#[tokio::test]
async fn a_key_that_was_taken_back_is_gone_from_then_on_and_no_other() {
    let server = Server::start().await;
    let (app, key) = &server.app;
    let path = format!("/v1/apps/{app}/keys");
    let body = json!({ "name": "second" });
    let second = server.ask(Method::POST, &path, key, Some(body)).await.is(201);
    let (id, second) = (text(&second["id"]), text(&second["key"]));
    server.ask(Method::GET, &path, &second, None).await.is(200);
    server.ask(Method::DELETE, &format!("{path}/{id}"), key, None).await.is(204);
    server.ask(Method::GET, &path, &second, None).await.refused(401, "unauthorized", None);
    server.ask(Method::GET, &path, key, None).await.is(200);
    let gone = server.ask(Method::DELETE, &format!("{path}/{id}"), key, None).await;
    gone.refused(404, "not_found", None);
    server.stop().await;
}
