//! The table itself, in the order of `docs/api.md`.
//!
//! A row is: who may ask, with the scope that a key of an app needs for it, the method, the path,
//! the parameters behind the `?` (nothing for none, `*` for any), what it is for, and the function
//! that answers. A `GET` needs the scope `Read`; what sends, `Send`; all else, `Admin`.
//!
//! Below it stands what goes in and out, as a function is written: the operation's name, which
//! clients made from the description of the API have for it, the type of its body (with a `?` if
//! it may be left out), the statuses it succeeds with and what comes with each, and the problems
//! that are particular to it; those that any request may get follow from the rest, see
//! `refusals.rs`.

use axum::routing::on;
use domain::KeyScope;
use http::Method;
use wire::PushTarget;
use wire::http::*;

use super::shape::{Answers, Content, Shape, Takes};
use super::{Caller, Query, Route};
use crate::http::problem::ProblemCode;
use crate::http::{
    apps, audit, calls, connect, credentials, description, doctor, events, explain, hushes, me,
    messages, metrics, push_log, pushes, sdk, settings, statistics, test_push, token_keys, topics,
    users, webhooks,
};

macro_rules! routes {
    ($(#[$doc:meta])* $table:ident; $(
        $caller:ident $(($scope:ident))? $method:ident $path:literal [$($query:tt)*]
            $summary:literal => $serve:path,
            $name:ident($($takes:tt)*) -> $(($status:literal $($content:tt)*))+ $(| $problem:ident)*;
    )+) => {
        $(#[$doc])*
        pub static $table: &[Route] = &[$(Route {
            method: Method::$method,
            path: $path,
            caller: Caller::$caller$((KeyScope::$scope))?,
            query: query!($($query)*),
            summary: $summary,
            name: stringify!($name),
            takes: takes!($($takes)*),
            answers: &[$(Answers { status: $status, content: content!($($content)*) }),+],
            problems: &[$(ProblemCode::$problem),*],
            serve: |method| on(method, $serve),
        }),+];
    };
}

macro_rules! query {
    () => { Query::None };
    (*) => { Query::Ignored };
    ($($name:ident),+) => { Query::Named(&[$(stringify!($name)),+]) };
}

macro_rules! takes {
    () => {
        None
    };
    ($body:ident) => {
        Some(Takes { shape: Shape::of::<$body>(), may_be_left_out: false })
    };
    ($body:ident ?) => {
        Some(Takes { shape: Shape::of::<$body>(), may_be_left_out: true })
    };
}

macro_rules! content {
    () => {
        Content::None
    };
    (any) => {
        Content::AnyJson
    };
    (page) => {
        Content::Html
    };
    (text) => {
        Content::Text
    };
    (stream $event:ty) => {
        Content::EventStream(Shape::of::<$event>())
    };
    (file $media_type:path) => {
        Content::File($media_type)
    };
    (lines $line:ty) => {
        Content::JsonLines(Shape::of::<$line>())
    };
    ($answer:ty) => {
        Content::Json(Shape::of::<$answer>())
    };
}

routes! {
    /// Every route of the internal address, which is for whoever runs the server: no key is asked
    /// for.
    INTERNAL;

    Anybody GET "/healthz" [*] "Whether the process runs" => connect::health,
        check_health() -> (200 Health);
    Anybody GET "/readyz" [*] "Whether the process takes requests" => connect::ready,
        check_readiness() -> (200 Health);
    Anybody GET "/metrics" [*] "What Prometheus asks for" => metrics::show,
        show_metrics() -> (200 text);
}

routes! {
    /// Every route.
    ROUTES;

    // For whoever writes a client.
    Anybody GET "/v1/openapi.json" [] "Describe this API, as OpenAPI 3.1" => description::openapi,
        describe() -> (200 any);
    Anybody GET "/v1/reference" [] "Show that description as a page" => description::reference,
        show_reference() -> (200 page);
    Anybody GET "/sdk/reveille.js" [*] "Load the client for browsers" => sdk::client,
        load_client() -> (200 file sdk::SCRIPT) (304);
    Anybody GET "/sdk/reveille.d.ts" [*] "Load the types of that client" => sdk::types,
        load_client_types() -> (200 file sdk::TYPES) (304);
    Anybody GET "/sdk/reveille-sw.js" [*] "Load its service worker" => sdk::worker,
        load_service_worker() -> (200 file sdk::SCRIPT) (304);

    // For whoever watches over the process.
    Anybody GET "/healthz" [*] "Whether the process runs" => connect::health,
        health() -> (200 Health);
    Anybody GET "/readyz" [*] "Whether the process takes requests" => connect::ready,
        ready() -> (200 Health) | Unavailable;

    // For the operator.
    Admin POST "/v1/apps" [] "Make an app" => apps::create,
        create_app(AppCreate) -> (201 App) | InvalidField;
    Admin GET "/v1/apps" [] "List the apps" => apps::list,
        list_apps() -> (200 Page<App>);
    Admin DELETE "/v1/apps/{app}" [name] "Delete an app and all it has" => apps::delete,
        delete_app() -> (204) | InvalidField | NotFound;
    Admin GET "/v1/audit-log" [app, limit, after] "List who changed what" => audit::list,
        list_acts() -> (200 Page<Act>) | InvalidField;
    Admin GET "/v1/doctor" [] "Look whether all is as it should be" => doctor::examine,
        examine() -> (200 Examination);

    // For the operator and the app's back end.
    OwnApp(Read) GET "/v1/apps/{app}" [] "Show an app" => apps::show,
        show_app() -> (200 App);
    OwnApp(Admin) POST "/v1/apps/{app}/keys" [] "Make another key of an app" => apps::create_key,
        create_key(KeyCreate) -> (201 Key) | InvalidField;
    OwnApp(Read) GET "/v1/apps/{app}/keys" [] "List the keys of an app" => apps::list_keys,
        list_keys() -> (200 Page<Key>);
    OwnApp(Admin) DELETE "/v1/apps/{app}/keys/{key}" [] "Take a key back" => apps::delete_key,
        delete_key() -> (204) | NotFound;
    OwnApp(Read) GET "/v1/apps/{app}/settings" [] "Show the settings" => settings::show,
        show_settings() -> (200 Settings);
    OwnApp(Admin) PATCH "/v1/apps/{app}/settings" [] "Change settings" => settings::change,
        change_settings(Settings) -> (200 Settings) | InvalidField;
    OwnApp(Admin) POST "/v1/apps/{app}/credentials" []
        "Upload a credential of a push service" => credentials::upload,
        upload_credential(CredentialUpload) -> (201 Credential) | CredentialRefused | InvalidField;
    OwnApp(Read) GET "/v1/apps/{app}/credentials" [] "List the credentials" => credentials::list,
        list_credentials() -> (200 Page<Credential>);
    OwnApp(Admin) DELETE "/v1/apps/{app}/credentials/{credential}" []
        "Delete a credential" => credentials::delete,
        delete_credential() -> (204) | NotFound;
    OwnApp(Admin) POST "/v1/apps/{app}/credentials/{credential}/probe" []
        "Ask the push service whether it believes a credential" => credentials::probe,
        probe_credential() -> (200 Credential) | NotFound;
    OwnApp(Admin) POST "/v1/apps/{app}/token-keys" []
        "Add a key that user tokens are signed with" => token_keys::create,
        create_token_key(TokenKeyCreate) -> (201 TokenKey) | Conflict | InvalidField;
    OwnApp(Read) GET "/v1/apps/{app}/token-keys" [] "List the token keys" => token_keys::list,
        list_token_keys() -> (200 Page<TokenKey>);
    OwnApp(Admin) DELETE "/v1/apps/{app}/token-keys/{key}" []
        "Delete a token key" => token_keys::delete,
        delete_token_key() -> (204) | NotFound;
    OwnApp(Admin) POST "/v1/apps/{app}/webhooks" [] "Make a webhook" => webhooks::create,
        create_webhook(WebhookCreate) -> (201 Webhook) | Conflict | InvalidField;
    OwnApp(Read) GET "/v1/apps/{app}/webhooks" [] "List the webhooks" => webhooks::list,
        list_webhooks() -> (200 Page<Webhook>);
    OwnApp(Read) GET "/v1/apps/{app}/webhooks/{webhook}" [] "Show a webhook" => webhooks::show,
        show_webhook() -> (200 Webhook) | NotFound;
    OwnApp(Admin) PATCH "/v1/apps/{app}/webhooks/{webhook}" []
        "Change a webhook" => webhooks::change,
        change_webhook(WebhookChange) -> (200 Webhook) | InvalidField | NotFound;
    OwnApp(Admin) DELETE "/v1/apps/{app}/webhooks/{webhook}" []
        "Delete a webhook" => webhooks::delete,
        delete_webhook() -> (204) | NotFound;
    OwnApp(Admin) POST "/v1/apps/{app}/webhooks/{webhook}/rotate" []
        "Give a webhook a new secret" => webhooks::rotate,
        rotate_webhook_secret(WebhookRotate?) -> (200 Webhook) | InvalidField | NotFound;
    OwnApp(Admin) POST "/v1/apps/{app}/webhooks/{webhook}/test" []
        "Send a webhook an event now" => webhooks::test,
        test_webhook() -> (202 Event) | NotFound;
    OwnApp(Admin) POST "/v1/apps/{app}/webhooks/{webhook}/replay" []
        "Send a webhook events again" => webhooks::replay,
        replay_events(WebhookReplay) -> (202 WebhookReplayed) | InvalidField | NotFound;
    OwnApp(Read) GET "/v1/apps/{app}/webhooks/{webhook}/deliveries" [state, limit, after]
        "List what a webhook was sent" => webhooks::deliveries,
        list_webhook_deliveries() -> (200 Page<WebhookDelivery>) | InvalidField | NotFound;
    OwnApp(Read) GET "/v1/apps/{app}/statistics" [since, until, step]
        "Count what happened over time" => statistics::show,
        show_statistics() -> (200 Statistics) | InvalidField;

    // For the app's back end.
    App(Read) GET "/v1/users" [prefix, device, limit, after] "List the users" => users::list,
        list_users() -> (200 Page<User>) | InvalidField;
    App(Admin) POST "/v1/users/{user}/tokens" [] "Make a token of a user" => users::create_token,
        create_user_token(UserTokenCreate?) -> (201 UserToken) | InvalidField;
    App(Admin) DELETE "/v1/users/{user}/tokens" []
        "Take a user's tokens back" => users::revoke_tokens,
        revoke_user_tokens() -> (204) | UnknownUser;
    App(Read) GET "/v1/users/{user}/devices" [] "List the devices of a user" => users::devices,
        list_devices() -> (200 Page<Device>) | UnknownUser;
    App(Admin) DELETE "/v1/users/{user}/devices/{device}" []
        "Remove a device" => users::remove_device,
        remove_device() -> (204) | NotFound;
    App(Read) GET "/v1/users/{user}/mutes" [] "List what a user has muted" => hushes::user_mutes,
        list_mutes() -> (200 Page<Mute>) | UnknownUser;
    App(Admin) PUT "/v1/users/{user}/mutes/{thread}" [] "Mute a thread of a user" => hushes::mute,
        mute() -> (204) | Conflict | InvalidField | UnknownUser;
    App(Admin) DELETE "/v1/users/{user}/mutes/{thread}" [] "Take a mute back" => hushes::unmute,
        unmute() -> (204) | UnknownUser;
    App(Read) GET "/v1/users/{user}/blocks" []
        "List whom a user has blocked" => hushes::user_blocks,
        list_blocks() -> (200 Page<Block>) | UnknownUser;
    App(Admin) PUT "/v1/users/{user}/blocks/{blocked}" []
        "Block somebody for a user" => hushes::block,
        block() -> (204) | Conflict | InvalidField | UnknownUser;
    App(Admin) DELETE "/v1/users/{user}/blocks/{blocked}" [] "Take a block back" => hushes::unblock,
        unblock() -> (204) | UnknownUser;
    App(Admin) PUT "/v1/users/{user}/devices/{device}/targets/{kind}" []
        "Register a push target of a device" => users::put_target,
        put_target(TargetPut) -> (200 PushTarget) | InvalidField | NotFound;
    App(Admin) DELETE "/v1/users/{user}/devices/{device}/targets/{kind}" []
        "Remove a push target of a device" => users::delete_target,
        delete_target() -> (204) | InvalidField | NotFound;
    App(Send) POST "/v1/users/{user}/devices/{device}/test-push" []
        "Push to a device, to see whether it arrives" => users::send_test,
        send_device_test_push() -> (202 TestPush) | NoTarget | NotFound | RateLimited;
    App(Read) GET "/v1/users/{user}/devices/{device}/test-push/{push}" []
        "Show what became of a test push to a device" => users::show_test,
        show_device_test_push() -> (200 TestPush) | NotFound;
    App(Send) POST "/v1/messages" [] "Send a message" => messages::create,
        send_message(MessageCreate) -> (200 MessageAccepted) | BodyTooLarge | IdReused | InboxFull
            | InvalidField | TooManyRecipients | UnknownUser;
    App(Read) GET "/v1/messages/{message}/timeline" []
        "Show what became of a message" => messages::timeline,
        show_timeline() -> (200 Timeline) | NotFound;
    App(Read) GET "/v1/push-log"
        [user, device, message, push, wake, call, code, step, since, until, limit, after]
        "List what was pushed and why" => push_log::list,
        list_push_log() -> (200 Page<Record>) | InvalidField | NotFound;
    App(Read) GET "/v1/push-log/export"
        [user, device, message, push, wake, call, code, step, since, until]
        "Export what was pushed and why" => push_log::export,
        export_push_log() -> (200 lines Record) | InvalidField | NotFound;
    App(Read) GET "/v1/push-log/live" [user, device, message, push, wake, call, code, step]
        "Follow what is pushed and why" => push_log::live,
        follow_push_log() -> (200 stream Record) | InvalidField | NotFound | Unavailable;
    App(Read) GET "/v1/explain" [user, device, message]
        "Explain why a push does not arrive" => explain::explain,
        explain() -> (200 Explanation) | InvalidField | NotFound | UnknownUser;
    App(Send) POST "/v1/pushes" [] "Push to users, devices, targets or topics" => pushes::create,
        create_push(PushCreate) -> (202 Push) | BodyTooLarge | IdReused | InvalidField | NoTarget
            | NotFound | PushRefused | TooManyRecipients | UnknownUser;
    App(Read) GET "/v1/pushes" [broadcasts, limit, after] "List the pushes" => pushes::list,
        list_pushes() -> (200 Page<Push>) | InvalidField;
    App(Read) GET "/v1/pushes/{push}" [] "Show a push" => pushes::show,
        show_push() -> (200 Push) | NotFound;
    App(Read) GET "/v1/pushes/{push}/deliveries" [limit, after]
        "List the deliveries of a push" => pushes::deliveries,
        list_deliveries() -> (200 Page<PushDelivery>) | InvalidField | NotFound;
    App(Send) POST "/v1/pushes/{push}/cancel" [] "Cancel a push" => pushes::cancel,
        cancel_push() -> (200 Push) | Conflict | NotFound;
    App(Send) POST "/v1/pushes/{push}/pause" [] "Pause a push" => pushes::pause,
        pause_push() -> (200 Push) | Conflict | NotFound;
    App(Send) POST "/v1/pushes/{push}/resume" [] "Resume a push" => pushes::resume,
        resume_push() -> (200 Push) | Conflict | NotFound;
    App(Read) GET "/v1/topics" [limit, after] "List the topics" => topics::list,
        list_topics() -> (200 Page<Topic>) | InvalidField;
    App(Read) GET "/v1/topics/{topic}/devices" [limit, after]
        "List the devices of a topic" => topics::devices,
        list_topic_devices() -> (200 Page<TopicDevice>) | InvalidField | NotFound;
    App(Send) POST "/v1/topics/{topic}/devices" [] "Put devices into a topic" => topics::add,
        add_to_topic(TopicChange) -> (200 TopicChanged) | InvalidField;
    App(Send) DELETE "/v1/topics/{topic}/devices" []
        "Take devices out of a topic" => topics::remove,
        remove_from_topic(TopicChange) -> (200 TopicChanged) | InvalidField | NotFound;
    App(Send) PUT "/v1/topics/{topic}/devices/{device}" []
        "Put a device into a topic" => topics::put,
        put_into_topic() -> (204) | InvalidField | NotFound;
    App(Send) DELETE "/v1/topics/{topic}/devices/{device}" []
        "Take a device out of a topic" => topics::take,
        take_out_of_topic() -> (204) | NotFound;
    App(Send) DELETE "/v1/topics/{topic}" [] "Delete a topic" => topics::delete,
        delete_topic() -> (204) | NotFound;
    App(Read) GET "/v1/events" [limit, after, wait]
        "List what happened, or wait for it" => events::list,
        list_events() -> (200 Page<Event>) | InvalidField;

    // For apps on devices.
    FirstFrame GET "/v1/connect" [*] "Open a session over a WebSocket" => connect::connect,
        connect() -> (101) | Forbidden | UpgradeRequired;
    AnyKey GET "/v1/webpush-key" []
        "Show the key that browsers subscribe with" => credentials::webpush_key,
        show_webpush_key() -> (200 WebpushKey) | NotFound;
    Device GET "/v1/me/inbox" [epoch, after, limit] "Read what waits" => me::inbox,
        read_inbox() -> (200 InboxPage) | InvalidField;
    Device POST "/v1/me/ack" [] "Acknowledge what was read" => me::ack,
        ack(AckPost) -> (200 Acked) | AckAboveHead | Conflict | InvalidField | NotFound;
    Device POST "/v1/me/read" [] "Mark messages as read" => me::read_mark,
        mark_read(ReadPost) -> (204) | AckAboveHead | Conflict | InvalidField;
    Device GET "/v1/me/mutes" [] "List what its user has muted" => hushes::my_mutes,
        list_my_mutes() -> (200 Page<Mute>);
    Device PUT "/v1/me/mutes/{thread}" [] "Mute a thread of its user" => hushes::mute_mine,
        mute_mine() -> (204) | Conflict | InvalidField;
    Device DELETE "/v1/me/mutes/{thread}" [] "Take a mute of its user back" => hushes::unmute_mine,
        unmute_mine() -> (204);
    Device GET "/v1/me/blocks" [] "List whom its user has blocked" => hushes::my_blocks,
        list_my_blocks() -> (200 Page<Block>);
    Device PUT "/v1/me/blocks/{user}" [] "Block somebody for its user" => hushes::block_mine,
        block_mine() -> (204) | Conflict | InvalidField;
    Device DELETE "/v1/me/blocks/{user}" [] "Take a block of its user back" => hushes::unblock_mine,
        unblock_mine() -> (204);
    Device PUT "/v1/me/targets/{kind}" [] "Register a push target of its own" => me::put_target,
        put_my_target(TargetPut) -> (200 PushTarget) | InvalidField;
    Device DELETE "/v1/me/targets/{kind}" [] "Remove a push target of its own" => me::delete_target,
        delete_my_target() -> (204) | InvalidField;
    Device GET "/v1/me/topics" [] "List the topics that it is in" => topics::mine,
        list_my_topics() -> (200 Page<OwnTopic>);
    Device PUT "/v1/me/topics/{topic}" [] "Join a topic" => topics::put_me,
        join_topic() -> (204) | InvalidField;
    Device DELETE "/v1/me/topics/{topic}" [] "Leave a topic" => topics::take_me,
        leave_topic() -> (204);
    Device POST "/v1/me/test-push" []
        "Push to itself, to see whether it arrives" => test_push::send,
        send_test_push() -> (202 TestPush) | NoTarget | RateLimited;
    Device GET "/v1/me/test-push/{push}" []
        "Show what became of a test push" => test_push::show,
        show_test_push() -> (200 TestPush) | NotFound;
    Device POST "/v1/me/test-push/{push}/received" []
        "Say that a test push has arrived" => test_push::received,
        receive_test_push() -> (204) | NotFound;
    Device DELETE "/v1/me/device" [] "Sign out" => me::sign_out,
        sign_out() -> (204);
    Device GET "/v1/me/calls/{call}" [after] "Show a call and its signals" => calls::show,
        show_call() -> (200 CallShown) | InvalidField | NotFound;
    Device POST "/v1/me/calls/{call}/ringing" [] "Say that a call rings" => calls::ringing,
        ring_call() -> (204) (200 CallTold) | Forbidden | InvalidField | NotFound;
    Device POST "/v1/me/calls/{call}/signal" []
        "Send the other side of a call a signal" => calls::signal,
        signal_call(CallSignalPost) -> (204) (200 CallTold) | BodyTooLarge | InvalidField
            | NotFound;
    Device POST "/v1/me/calls/{call}/answer" [] "Answer a call" => calls::answer,
        answer_call(CallAnswerPost?) -> (204) (200 CallTold) | BodyTooLarge | Forbidden
            | InvalidField | NotFound;
    Device POST "/v1/me/calls/{call}/reject" [] "Reject a call" => calls::reject,
        reject_call(CallRejectPost?) -> (204) (200 CallTold) | Forbidden | InvalidField | NotFound;
    Device POST "/v1/me/calls/{call}/cancel" [] "Cancel a call" => calls::cancel,
        cancel_call() -> (204) (200 CallTold) | Forbidden | InvalidField | NotFound;
    Device POST "/v1/me/calls/{call}/end" [] "End a call" => calls::end,
        end_call() -> (204) (200 CallTold) | Forbidden | InvalidField | NotFound;
}
