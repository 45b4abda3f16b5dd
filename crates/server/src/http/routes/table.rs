//! The table itself, in the order of `docs/api.md`.
//!
//! A row is: who may ask, with the scope that a key of an app needs for it, the method, the path,
//! the parameters behind the `?` (nothing for none, `*` for any), what it is for, and the function
//! that answers. A `GET` needs the scope `Read`; what sends, `Send`; all else, `Admin`.

use axum::routing::on;
use domain::KeyScope;
use http::Method;

use super::{Caller, Query, Route};
use crate::http::{
    apps, audit, calls, connect, credentials, doctor, events, explain, hushes, me, messages,
    metrics, push_log, pushes, settings, test_push, token_keys, topics, users, webhooks,
};

macro_rules! routes {
    ($(#[$doc:meta])* $table:ident; $(
        $caller:ident $(($scope:ident))? $method:ident $path:literal [$($query:tt)*]
            $summary:literal => $serve:path;
    )+) => {
        $(#[$doc])*
        pub static $table: &[Route] = &[$(Route {
            method: Method::$method,
            path: $path,
            caller: Caller::$caller$((KeyScope::$scope))?,
            query: query!($($query)*),
            summary: $summary,
            serve: |method| on(method, $serve),
        }),+];
    };
}

macro_rules! query {
    () => { Query::None };
    (*) => { Query::Ignored };
    ($($name:ident),+) => { Query::Named(&[$(stringify!($name)),+]) };
}

routes! {
    /// Every route of the internal address, which is for whoever runs the server: no key is asked
    /// for.
    INTERNAL;

    Anybody GET "/healthz" [*] "Whether the process runs" => connect::health;
    Anybody GET "/readyz" [*] "Whether the process takes requests" => connect::ready;
    Anybody GET "/metrics" [*] "What Prometheus asks for" => metrics::show;
}

routes! {
    /// Every route.
    ROUTES;

    // For whoever watches over the process.
    Anybody GET "/healthz" [*] "Whether the process runs" => connect::health;
    Anybody GET "/readyz" [*] "Whether the process takes requests" => connect::ready;

    // For the operator.
    Admin POST "/v1/apps" [] "Make an app" => apps::create;
    Admin GET "/v1/apps" [] "List the apps" => apps::list;
    Admin GET "/v1/audit-log" [app, limit, after] "List who changed what" => audit::list;
    Admin GET "/v1/doctor" [] "Look whether all is as it should be" => doctor::examine;

    // For the operator and the app's back end.
    OwnApp(Read) GET "/v1/apps/{app}" [] "Show an app" => apps::show;
    OwnApp(Admin) POST "/v1/apps/{app}/keys" [] "Make another key of an app" => apps::create_key;
    OwnApp(Read) GET "/v1/apps/{app}/keys" [] "List the keys of an app" => apps::list_keys;
    OwnApp(Admin) DELETE "/v1/apps/{app}/keys/{key}" [] "Take a key back" => apps::delete_key;
    OwnApp(Read) GET "/v1/apps/{app}/settings" [] "Show the settings" => settings::show;
    OwnApp(Admin) PATCH "/v1/apps/{app}/settings" [] "Change settings" => settings::change;
    OwnApp(Admin) POST "/v1/apps/{app}/credentials" []
        "Upload a credential of a push service" => credentials::upload;
    OwnApp(Read) GET "/v1/apps/{app}/credentials" [] "List the credentials" => credentials::list;
    OwnApp(Admin) DELETE "/v1/apps/{app}/credentials/{credential}" []
        "Delete a credential" => credentials::delete;
    OwnApp(Admin) POST "/v1/apps/{app}/credentials/{credential}/probe" []
        "Ask the push service whether it believes a credential" => credentials::probe;
    OwnApp(Admin) POST "/v1/apps/{app}/token-keys" []
        "Add a key that user tokens are signed with" => token_keys::create;
    OwnApp(Read) GET "/v1/apps/{app}/token-keys" [] "List the token keys" => token_keys::list;
    OwnApp(Admin) DELETE "/v1/apps/{app}/token-keys/{key}" []
        "Delete a token key" => token_keys::delete;
    OwnApp(Admin) POST "/v1/apps/{app}/webhooks" [] "Make a webhook" => webhooks::create;
    OwnApp(Read) GET "/v1/apps/{app}/webhooks" [] "List the webhooks" => webhooks::list;
    OwnApp(Read) GET "/v1/apps/{app}/webhooks/{webhook}" [] "Show a webhook" => webhooks::show;
    OwnApp(Admin) PATCH "/v1/apps/{app}/webhooks/{webhook}" []
        "Change a webhook" => webhooks::change;
    OwnApp(Admin) DELETE "/v1/apps/{app}/webhooks/{webhook}" []
        "Delete a webhook" => webhooks::delete;
    OwnApp(Admin) POST "/v1/apps/{app}/webhooks/{webhook}/rotate" []
        "Give a webhook a new secret" => webhooks::rotate;
    OwnApp(Admin) POST "/v1/apps/{app}/webhooks/{webhook}/test" []
        "Send a webhook an event now" => webhooks::test;
    OwnApp(Admin) POST "/v1/apps/{app}/webhooks/{webhook}/replay" []
        "Send a webhook events again" => webhooks::replay;
    OwnApp(Read) GET "/v1/apps/{app}/webhooks/{webhook}/deliveries" [state, limit, after]
        "List what a webhook was sent" => webhooks::deliveries;

    // For the app's back end.
    App(Admin) POST "/v1/users/{user}/tokens" [] "Make a token of a user" => users::create_token;
    App(Admin) DELETE "/v1/users/{user}/tokens" []
        "Take a user's tokens back" => users::revoke_tokens;
    App(Read) GET "/v1/users/{user}/devices" [] "List the devices of a user" => users::devices;
    App(Admin) DELETE "/v1/users/{user}/devices/{device}" []
        "Remove a device" => users::remove_device;
    App(Read) GET "/v1/users/{user}/mutes" [] "List what a user has muted" => hushes::user_mutes;
    App(Admin) PUT "/v1/users/{user}/mutes/{thread}" [] "Mute a thread of a user" => hushes::mute;
    App(Admin) DELETE "/v1/users/{user}/mutes/{thread}" [] "Take a mute back" => hushes::unmute;
    App(Read) GET "/v1/users/{user}/blocks" []
        "List whom a user has blocked" => hushes::user_blocks;
    App(Admin) PUT "/v1/users/{user}/blocks/{blocked}" []
        "Block somebody for a user" => hushes::block;
    App(Admin) DELETE "/v1/users/{user}/blocks/{blocked}" [] "Take a block back" => hushes::unblock;
    App(Admin) PUT "/v1/users/{user}/devices/{device}/targets/{kind}" []
        "Register a push target of a device" => users::put_target;
    App(Admin) DELETE "/v1/users/{user}/devices/{device}/targets/{kind}" []
        "Remove a push target of a device" => users::delete_target;
    App(Send) POST "/v1/messages" [] "Send a message" => messages::create;
    App(Read) GET "/v1/messages/{message}/timeline" []
        "Show what became of a message" => messages::timeline;
    App(Read) GET "/v1/push-log"
        [user, device, message, push, wake, call, code, step, since, until, limit, after]
        "List what was pushed and why" => push_log::list;
    App(Read) GET "/v1/push-log/export"
        [user, device, message, push, wake, call, code, step, since, until]
        "Export what was pushed and why" => push_log::export;
    App(Read) GET "/v1/explain" [user, device, message]
        "Explain why a push does not arrive" => explain::explain;
    App(Send) POST "/v1/pushes" [] "Push to users, devices, targets or topics" => pushes::create;
    App(Read) GET "/v1/pushes" [limit, after] "List the pushes" => pushes::list;
    App(Read) GET "/v1/pushes/{push}" [] "Show a push" => pushes::show;
    App(Read) GET "/v1/pushes/{push}/deliveries" [limit, after]
        "List the deliveries of a push" => pushes::deliveries;
    App(Send) POST "/v1/pushes/{push}/cancel" [] "Cancel a push" => pushes::cancel;
    App(Send) POST "/v1/pushes/{push}/pause" [] "Pause a push" => pushes::pause;
    App(Send) POST "/v1/pushes/{push}/resume" [] "Resume a push" => pushes::resume;
    App(Read) GET "/v1/topics" [limit, after] "List the topics" => topics::list;
    App(Read) GET "/v1/topics/{topic}/devices" [limit, after]
        "List the devices of a topic" => topics::devices;
    App(Send) POST "/v1/topics/{topic}/devices" [] "Put devices into a topic" => topics::add;
    App(Send) DELETE "/v1/topics/{topic}/devices" []
        "Take devices out of a topic" => topics::remove;
    App(Send) PUT "/v1/topics/{topic}/devices/{device}" []
        "Put a device into a topic" => topics::put;
    App(Send) DELETE "/v1/topics/{topic}/devices/{device}" []
        "Take a device out of a topic" => topics::take;
    App(Send) DELETE "/v1/topics/{topic}" [] "Delete a topic" => topics::delete;
    App(Read) GET "/v1/events" [limit, after, wait]
        "List what happened, or wait for it" => events::list;

    // For apps on devices.
    FirstFrame GET "/v1/connect" [*] "Open a session over a WebSocket" => connect::connect;
    AnyKey GET "/v1/webpush-key" []
        "Show the key that browsers subscribe with" => credentials::webpush_key;
    Device GET "/v1/me/inbox" [epoch, after, limit] "Read what waits" => me::inbox;
    Device POST "/v1/me/ack" [] "Acknowledge what was read" => me::ack;
    Device POST "/v1/me/read" [] "Mark messages as read" => me::read_mark;
    Device GET "/v1/me/mutes" [] "List what its user has muted" => hushes::my_mutes;
    Device PUT "/v1/me/mutes/{thread}" [] "Mute a thread of its user" => hushes::mute_mine;
    Device DELETE "/v1/me/mutes/{thread}" [] "Take a mute of its user back" => hushes::unmute_mine;
    Device GET "/v1/me/blocks" [] "List whom its user has blocked" => hushes::my_blocks;
    Device PUT "/v1/me/blocks/{user}" [] "Block somebody for its user" => hushes::block_mine;
    Device DELETE "/v1/me/blocks/{user}" [] "Take a block of its user back" => hushes::unblock_mine;
    Device PUT "/v1/me/targets/{kind}" [] "Register a push target of its own" => me::put_target;
    Device DELETE "/v1/me/targets/{kind}" [] "Remove a push target of its own" => me::delete_target;
    Device GET "/v1/me/topics" [] "List the topics that it is in" => topics::mine;
    Device PUT "/v1/me/topics/{topic}" [] "Join a topic" => topics::put_me;
    Device DELETE "/v1/me/topics/{topic}" [] "Leave a topic" => topics::take_me;
    Device POST "/v1/me/test-push" []
        "Push to itself, to see whether it arrives" => test_push::send;
    Device GET "/v1/me/test-push/{push}" []
        "Show what became of a test push" => test_push::show;
    Device POST "/v1/me/test-push/{push}/received" []
        "Say that a test push has arrived" => test_push::received;
    Device DELETE "/v1/me/device" [] "Sign out" => me::sign_out;
    Device GET "/v1/me/calls/{call}" [after] "Show a call and its signals" => calls::show;
    Device POST "/v1/me/calls/{call}/ringing" [] "Say that a call rings" => calls::ringing;
    Device POST "/v1/me/calls/{call}/signal" []
        "Send the other side of a call a signal" => calls::signal;
    Device POST "/v1/me/calls/{call}/answer" [] "Answer a call" => calls::answer;
    Device POST "/v1/me/calls/{call}/reject" [] "Reject a call" => calls::reject;
    Device POST "/v1/me/calls/{call}/cancel" [] "Cancel a call" => calls::cancel;
    Device POST "/v1/me/calls/{call}/end" [] "End a call" => calls::end;
}
