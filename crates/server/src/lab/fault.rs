//! Faults of the push services, by switch.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use sim::Trouble;
use sim::trouble::Scripted;
use sim::world::{PROJECT, World};

use crate::http::problem::Problem;

/// How long a fault lasts: until it is switched off, or the demo is forgotten over night.
const LASTING: Duration = Duration::from_secs(24 * 3_600);

/// How late a slow service answers.
const LATENCY: Duration = Duration::from_secs(3);

/// Requests that are hung up on, one each; more than anybody sends.
const ALL: usize = 1_000_000;

/// A push service of the lab's world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Apple's.
    Apns,
    /// Google's.
    Fcm,
    /// The browsers'.
    Webpush,
}

/// What is wrong with a push service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// It answers 503.
    Down,
    /// It hangs up on every request.
    Dropped,
    /// Nothing.
    #[default]
    None,
    /// It takes the server's credential for a wrong one.
    Refused,
    /// It answers late.
    Slow,
    /// It answers 429.
    Throttled,
}

/// The faults that are on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    apns: Fault,
    fcm: Fault,
    webpush: Fault,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 3] = [Self::Apns, Self::Fcm, Self::Webpush];

    /// The word of it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::Fcm => "fcm",
            Self::Webpush => "webpush",
        }
    }

    /// What people call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Apns => "APNs",
            Self::Fcm => "FCM",
            Self::Webpush => "Web Push",
        }
    }

    /// The service of a word.
    ///
    /// # Errors
    ///
    /// When nobody knows it.
    pub fn parse(word: &str) -> Result<Self, Problem> {
        Self::ALL
            .into_iter()
            .find(|service| service.as_str() == word)
            .ok_or_else(|| Problem::invalid_field("service", "give one of apns, fcm and webpush"))
    }
}

impl Fault {
    /// Every fault, in the order in which they are offered.
    pub const ALL: [Self; 6] =
        [Self::None, Self::Down, Self::Throttled, Self::Slow, Self::Refused, Self::Dropped];

    /// The word of it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Dropped => "dropped",
            Self::None => "none",
            Self::Refused => "refused",
            Self::Slow => "slow",
            Self::Throttled => "throttled",
        }
    }

    /// What people call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Down => "Down",
            Self::Dropped => "Hangs up",
            Self::None => "Works",
            Self::Refused => "Refuses the key",
            Self::Slow => "Slow",
            Self::Throttled => "Throttles",
        }
    }

    /// The fault of a word.
    ///
    /// # Errors
    ///
    /// When nobody knows it.
    pub fn parse(word: &str) -> Result<Self, Problem> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == word).ok_or_else(|| {
            let words = Self::ALL.map(Self::as_str).join(", ");
            Problem::invalid_field("fault", format!("give one of {words}"))
        })
    }
}

impl Faults {
    /// What is wrong with a service.
    pub(super) const fn of(self, service: Service) -> Fault {
        match service {
            Service::Apns => self.apns,
            Service::Fcm => self.fcm,
            Service::Webpush => self.webpush,
        }
    }

    /// Switches one on, or all of a service off.
    pub(super) fn set(&mut self, world: &World, service: Service, fault: Fault) {
        let (place, trouble) = match service {
            Service::Apns => (&mut self.apns, world.apns().trouble().clone()),
            Service::Fcm => (&mut self.fcm, world.fcm().trouble().clone()),
            Service::Webpush => {
                // The lab's world has one.
                let Some(webpush) = world.webpush() else { return };
                (&mut self.webpush, webpush.trouble().clone())
            }
        };
        *place = fault;
        trouble.clear();
        begin(service, fault, &trouble);
    }
}

fn begin(service: Service, fault: Fault, trouble: &Trouble) {
    // Google's token endpoint is another service than the one that takes pushes.
    let pushes = match service {
        Service::Fcm => trouble.on(&format!("/v1/projects/{PROJECT}/messages:send")),
        Service::Apns | Service::Webpush => trouble.clone(),
    };
    match fault {
        Fault::None => {}
        Fault::Slow => trouble.latency(LATENCY),
        Fault::Dropped => pushes.close_next(ALL),
        Fault::Down | Fault::Refused | Fault::Throttled => {
            if let Some(answer) = answer(service, fault) {
                pushes.answer_for(LASTING, &answer);
            }
        }
    }
}

/// What a service answers, in its vendor's words.
fn answer(service: Service, fault: Fault) -> Option<Scripted> {
    let soon = HeaderValue::from_static("2");
    Some(match (fault, service) {
        (Fault::None | Fault::Slow | Fault::Dropped, _) => return None,
        (Fault::Down, Service::Apns) => {
            Scripted::apns(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable")
        }
        (Fault::Down, Service::Fcm) => {
            Scripted::fcm(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", Some("UNAVAILABLE"))
                .header(RETRY_AFTER, soon)
        }
        (Fault::Down, Service::Webpush) => {
            Scripted::status(StatusCode::SERVICE_UNAVAILABLE).header(RETRY_AFTER, soon)
        }
        (Fault::Throttled, Service::Apns) => {
            Scripted::apns(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests")
        }
        (Fault::Throttled, Service::Fcm) => Scripted::fcm(
            StatusCode::TOO_MANY_REQUESTS,
            "RESOURCE_EXHAUSTED",
            Some("QUOTA_EXCEEDED"),
        )
        .header(RETRY_AFTER, soon),
        (Fault::Throttled, Service::Webpush) => {
            Scripted::status(StatusCode::TOO_MANY_REQUESTS).header(RETRY_AFTER, soon)
        }
        (Fault::Refused, Service::Apns) => {
            Scripted::apns(StatusCode::FORBIDDEN, "InvalidProviderToken")
        }
        (Fault::Refused, Service::Fcm) => {
            Scripted::fcm(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", None)
        }
        (Fault::Refused, Service::Webpush) => Scripted::status(StatusCode::UNAUTHORIZED),
    })
}
