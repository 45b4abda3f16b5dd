//! The trouble of push services.

use std::sync::Arc;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use sim::Trouble as Script;
use sim::trouble::{GoAway, Scripted};
use sim::world::World;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::evidence::Service;
use crate::plan::Trouble;

/// More connections than anybody opens while nothing can be reached.
const ALL: usize = 100_000;

/// What a client may be told by a service that is about to stop.
const REASON: &str = "Shutdown";
/// TLS alert `internal_error`.
const INTERNAL_ERROR: u8 = 80;

/// The script of one service.
fn script(world: &World, service: Service) -> Option<Script> {
    match service {
        Service::Apple => Some(world.apns().trouble().clone()),
        Service::Google => Some(world.fcm().trouble().clone()),
        Service::Browsers => world.webpush().map(|it| it.trouble().clone()),
    }
}

/// Begins a trouble; one that lasts is ended by a task.
pub(super) fn begin(
    world: &Arc<World>,
    service: Service,
    trouble: Trouble,
    ending: &mut JoinSet<()>,
) {
    let Some(script) = script(world, service) else { return };
    match trouble {
        Trouble::Unavailable(count) => script.answer_next(count, &fault(service, 503)),
        Trouble::TooMany(count) => {
            let answer = fault(service, 429).header(RETRY_AFTER, HeaderValue::from_static("1"));
            script.answer_next(count, &answer);
        }
        Trouble::BadGateway(count) => script.answer_next(count, &Scripted::front_end_502()),
        Trouble::Storm(millis) => {
            let lasting = Duration::from_millis(millis.into());
            script.answer_for(lasting, &fault(service, 500));
        }
        Trouble::Outage(_) => {
            script.close_next(ALL);
            script.close_connections(ALL);
        }
        Trouble::Alert(count) => {
            script.alert_next(count, INTERNAL_ERROR);
            // A service whose connections stand has no handshake to refuse.
            script.close_next(1);
        }
        Trouble::GoAway(after) => script.go_away_after(after, &GoAway::plain()),
        Trouble::GoAwayWithReason(after) => {
            script.go_away_after(after, &GoAway::reason(REASON));
        }
        Trouble::RefuseStreams(count) => script.refuse_streams(count),
        Trouble::LimitStreams(most, _) => script.limit_streams(most),
        Trouble::Close(count) => script.close_next(count),
        Trouble::HalfClose(count) => script.half_close_next(count),
        Trouble::CloseAfterProcessing(count) => script.close_after_processing(count),
        Trouble::Stall(_) => script.hold(),
        Trouble::Freeze(_) => script.freeze(),
    }
    let Some(lasts) = trouble.lasts() else { return };
    ending.spawn(async move {
        sleep(lasts).await;
        match trouble {
            Trouble::Outage(_) => script.clear(),
            Trouble::LimitStreams(..) => script.lift_stream_limit(),
            Trouble::Stall(_) => script.release(),
            Trouble::Freeze(_) => script.thaw(),
            // Ends by itself, or is spent.
            _ => {}
        }
    });
}

/// All trouble of all services is over.
pub(super) fn end_all(world: &World) {
    for service in [Service::Apple, Service::Google, Service::Browsers] {
        if let Some(script) = script(world, service) {
            script.clear();
        }
    }
}

/// A fault in the service's own words.
fn fault(service: Service, status: u16) -> Scripted {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match (service, status) {
        (Service::Apple, 429) => Scripted::apns(code, "TooManyRequests"),
        (Service::Apple, 503) => Scripted::apns(code, "ServiceUnavailable"),
        (Service::Apple, _) => Scripted::apns(code, "InternalServerError"),
        (Service::Google, 429) => Scripted::fcm(code, "RESOURCE_EXHAUSTED", Some("QUOTA_EXCEEDED")),
        (Service::Google, 503) => Scripted::fcm(code, "UNAVAILABLE", Some("UNAVAILABLE")),
        (Service::Google, _) => Scripted::fcm(code, "INTERNAL", Some("INTERNAL")),
        (Service::Browsers, _) => Scripted::status(code),
    }
}
