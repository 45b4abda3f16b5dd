//! Trouble as JSON: what `POST /trouble` and `--trouble` take.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde::Deserialize;

use super::services::{Name, Services};
use crate::{
    Trouble,
    device::Rate,
    trouble::{Churn, GoAway, Scripted},
};

/// The longest a storm or a delay may last: a day.
const MAX_SECONDS: u64 = 24 * 3600;
/// To how many requests or connections one order may apply.
const MAX_TIMES: usize = 100_000;
/// The longest text of an order.
const MAX_TEXT: usize = 4096;

/// Trouble for one service.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    service: Name,
    /// The only path it is for.
    path: Option<String>,
    trouble: Kind,
}

/// What is to happen. Fields of all are documented in `docs/simulators.md`.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Kind {
    /// Fatal TLS alert on the next connections.
    Alert {
        alert: u8,
        #[serde(default = "once")]
        times: usize,
    },
    /// An answer in place of the service's own, to the next requests.
    Answer {
        status: u16,
        reason: Option<String>,
        retry_after_s: Option<u32>,
        #[serde(default = "once")]
        times: usize,
    },
    /// Who connects more often than that is shut out for a while, everybody together; without
    /// `connections` it ends.
    Churn {
        connections: Option<u32>,
        #[serde(default = "minute")]
        seconds: u64,
        #[serde(default = "minute")]
        block_s: u64,
    },
    /// Ends all trouble.
    Clear {},
    /// Drops the connection of the next requests, unprocessed.
    Close {
        #[serde(default = "once")]
        times: usize,
    },
    /// Processes the next requests, then drops their connections.
    CloseAfterProcessing {
        #[serde(default = "once")]
        times: usize,
    },
    /// Closes the next connections before TLS.
    CloseConnections {
        #[serde(default = "once")]
        times: usize,
    },
    /// Stands still on every connection.
    Freeze {},
    /// The HTML page of a front end, to the next requests.
    FrontEndPage {
        #[serde(default = "once")]
        times: usize,
    },
    /// GOAWAY on the request after the next `after`, over `over` requests that were taken in.
    Goaway {
        #[serde(default)]
        after: usize,
        #[serde(default = "once")]
        over: usize,
        reason: Option<String>,
        #[serde(default)]
        code: u32,
    },
    /// A FIN on the next requests, while reading goes on.
    HalfClose {
        #[serde(default = "once")]
        times: usize,
    },
    /// GOAWAY on connections that are quiet for so long; without `ms` it ends.
    IdleTimeout { ms: Option<u64> },
    /// Delays every answer; 0 ends it.
    Latency { ms: u64 },
    /// At most so many streams per connection, as SETTINGS say; none ends it.
    LimitStreams { streams: Option<u32> },
    /// Lets the next requests pass before what is ordered after this.
    Pass {
        #[serde(default = "once")]
        times: usize,
    },
    /// The service's own 429 to what is above so many requests in so many seconds; without
    /// `requests` it ends.
    Quota {
        requests: Option<u32>,
        #[serde(default = "minute")]
        seconds: u64,
        retry_after_s: Option<u32>,
    },
    /// REFUSED_STREAM on the next requests.
    RefuseStreams {
        #[serde(default = "once")]
        times: usize,
    },
    /// RST_STREAM with this code on the next requests.
    Reset {
        code: u32,
        #[serde(default = "once")]
        times: usize,
    },
    /// One answer to every request for some time.
    Storm { status: u16, reason: Option<String>, retry_after_s: Option<u32>, seconds: u64 },
    /// Ends a freeze.
    Thaw {},
}

fn once() -> usize {
    1
}

fn minute() -> u64 {
    60
}

impl Order {
    /// Reads and checks one.
    pub(super) fn parse(json: &[u8]) -> Result<Self> {
        let order: Self = serde_json::from_slice(json)
            .context("no order for trouble; docs/simulators.md lists them")?;
        order.check()?;
        Ok(order)
    }

    /// Scripts it. What was checked by [`parse`](Self::parse) cannot fail.
    pub(super) fn carry_out(self, services: &Services) {
        let trouble = services.trouble(self.service);
        let trouble = self.path.map_or_else(|| trouble.clone(), |path| trouble.on(&path));
        self.trouble.script(self.service, &trouble);
    }

    fn check(&self) -> Result<()> {
        let path = self.path.as_deref().unwrap_or("/");
        ensure!(
            path.starts_with('/') && path.len() <= MAX_TEXT,
            "`path` must begin with a slash and have at most {MAX_TEXT} bytes"
        );
        match &self.trouble {
            Kind::Alert { times, .. }
            | Kind::Close { times }
            | Kind::CloseAfterProcessing { times }
            | Kind::CloseConnections { times }
            | Kind::FrontEndPage { times }
            | Kind::HalfClose { times }
            | Kind::Pass { times }
            | Kind::RefuseStreams { times }
            | Kind::Reset { times, .. } => at_most("times", *times, MAX_TIMES),
            Kind::Answer { status, reason, times, .. } => {
                at_most("times", *times, MAX_TIMES)?;
                check_answer(*status, reason.as_deref())
            }
            Kind::Churn { seconds, block_s, .. } => {
                ensure!(*seconds > 0, "`seconds` is 0; give at least 1");
                at_most("seconds", *seconds, MAX_SECONDS)?;
                at_most("block_s", *block_s, MAX_SECONDS)
            }
            Kind::Goaway { after, over, reason, .. } => {
                at_most("after", *after, MAX_TIMES)?;
                ensure!(*over > 0, "`over` counts the request that meets the GOAWAY: at least 1");
                at_most("over", *over, MAX_TIMES)?;
                at_most("reason", reason.as_deref().map_or(0, str::len), MAX_TEXT)
            }
            Kind::IdleTimeout { ms } => {
                ensure!(*ms != Some(0), "`ms` is 0; give at least 1, or leave it out to end it");
                at_most("ms", ms.unwrap_or_default(), MAX_SECONDS * 1000)
            }
            Kind::Latency { ms } => at_most("ms", *ms, MAX_SECONDS * 1000),
            Kind::Quota { seconds, .. } => {
                ensure!(*seconds > 0, "`seconds` is 0; give at least 1");
                at_most("seconds", *seconds, MAX_SECONDS)
            }
            Kind::Storm { status, reason, seconds, .. } => {
                at_most("seconds", *seconds, MAX_SECONDS)?;
                check_answer(*status, reason.as_deref())
            }
            Kind::Clear {} | Kind::Freeze {} | Kind::LimitStreams { .. } | Kind::Thaw {} => Ok(()),
        }
    }
}

impl Kind {
    fn script(self, service: Name, trouble: &Trouble) {
        match self {
            Self::Alert { alert, times } => trouble.alert_next(times, alert),
            Self::Answer { status, reason, retry_after_s, times } => {
                trouble.answer_next(times, &answer(service, status, reason, retry_after_s));
            }
            Self::Churn { connections, seconds, block_s } => {
                let (within, block) = (Duration::from_secs(seconds), Duration::from_secs(block_s));
                let rule = connections.map(|connections| Churn { connections, within, block });
                trouble.limit_churn(rule);
            }
            Self::Clear {} => trouble.clear(),
            Self::Close { times } => trouble.close_next(times),
            Self::CloseAfterProcessing { times } => trouble.close_after_processing(times),
            Self::CloseConnections { times } => trouble.close_connections(times),
            Self::Freeze {} => trouble.freeze(),
            Self::FrontEndPage { times } => {
                trouble.answer_next(times, &Scripted::front_end_502());
            }
            Self::Goaway { after, over, reason, code } => {
                let go_away = reason.map_or_else(GoAway::plain, |reason| GoAway::reason(&reason));
                trouble.go_away_over(after, over, &GoAway { code, ..go_away });
            }
            Self::HalfClose { times } => trouble.half_close_next(times),
            Self::IdleTimeout { ms: Some(ms) } => {
                trouble.end_idle(Duration::from_millis(ms), &idle_timeout(service));
            }
            Self::IdleTimeout { ms: None } => trouble.keep_idle(),
            Self::Latency { ms } => trouble.latency(Duration::from_millis(ms)),
            Self::LimitStreams { streams: Some(streams) } => trouble.limit_streams(streams),
            Self::LimitStreams { streams: None } => trouble.lift_stream_limit(),
            Self::Pass { times } => trouble.pass(times),
            Self::Quota { requests: Some(pushes), seconds, retry_after_s } => {
                let rate = Rate { pushes, within: Duration::from_secs(seconds) };
                let reason = Some(too_many(service).to_owned());
                let status = StatusCode::TOO_MANY_REQUESTS.as_u16();
                trouble.limit_rate(rate, &answer(service, status, reason, retry_after_s));
            }
            Self::Quota { requests: None, .. } => trouble.lift_quota(),
            Self::RefuseStreams { times } => trouble.refuse_streams(times),
            Self::Reset { code, times } => trouble.reset_next(times, code),
            Self::Storm { status, reason, retry_after_s, seconds } => {
                let answer = answer(service, status, reason, retry_after_s);
                trouble.answer_for(Duration::from_secs(seconds), &answer);
            }
            Self::Thaw {} => trouble.thaw(),
        }
    }
}

/// Apple has a word for it, the others close without one.
fn idle_timeout(service: Name) -> GoAway {
    match service {
        Name::Apns | Name::ApnsSandbox => GoAway::reason("IdleTimeout"),
        Name::Fcm | Name::Webpush => GoAway::plain(),
    }
}

/// The service's word for too many requests.
fn too_many(service: Name) -> &'static str {
    match service {
        Name::Apns | Name::ApnsSandbox => "TooManyRequests",
        Name::Fcm => "QUOTA_EXCEEDED",
        Name::Webpush => "too many requests",
    }
}

fn at_most<T: PartialOrd + std::fmt::Display>(field: &str, value: T, most: T) -> Result<()> {
    ensure!(value <= most, "`{field}` is {value}; give at most {most}");
    Ok(())
}

fn check_answer(status: u16, reason: Option<&str>) -> Result<()> {
    ensure!((200..=599).contains(&status), "`status` is {status}; give one from 200 to 599");
    at_most("reason", reason.map_or(0, str::len), MAX_TEXT)
}

/// An answer in the service's own shape; without a reason it has no body.
fn answer(
    service: Name,
    status: u16,
    reason: Option<String>,
    retry_after_s: Option<u32>,
) -> Scripted {
    // Checked when the order was read.
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let answer = match (service, reason) {
        (_, None) => Scripted::status(status),
        (Name::Apns | Name::ApnsSandbox, Some(reason)) => Scripted::apns(status, &reason),
        (Name::Fcm, Some(reason)) => Scripted::fcm(status, canonical(status), Some(&reason)),
        (Name::Webpush, Some(reason)) => {
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            Scripted::new(status, reason).header(CONTENT_TYPE, plain)
        }
    };
    match retry_after_s {
        None => answer,
        Some(seconds) => answer.header(RETRY_AFTER, HeaderValue::from(seconds)),
    }
}

/// Google's canonical word for a status.
fn canonical(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        503 => "UNAVAILABLE",
        _ => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(trouble: &str, complaint: Option<&str>) {
        let json = format!(r#"{{"service":"apns","trouble":{trouble}}}"#);
        let found = Order::parse(json.as_bytes()).err().map(|error| format!("{error:#}"));
        match (found, complaint) {
            (None, None) => {}
            (Some(found), Some(complaint)) => assert!(found.contains(complaint), "{json}: {found}"),
            (found, _) => panic!("{json}: {found:?}"),
        }
    }

    #[test]
    fn what_an_order_may_say() {
        for good in [
            r#"{"kind":"alert","alert":45}"#,
            r#"{"kind":"answer","status":503,"reason":"ServiceUnavailable","times":3}"#,
            r#"{"kind":"churn","connections":5,"seconds":10,"block_s":30}"#,
            r#"{"kind":"churn"}"#,
            r#"{"kind":"clear"}"#,
            r#"{"kind":"close"}"#,
            r#"{"kind":"close_after_processing"}"#,
            r#"{"kind":"close_connections","times":2}"#,
            r#"{"kind":"freeze"}"#,
            r#"{"kind":"front_end_page"}"#,
            r#"{"kind":"goaway","after":10,"over":5,"reason":"Shutdown"}"#,
            r#"{"kind":"half_close"}"#,
            r#"{"kind":"idle_timeout","ms":200}"#,
            r#"{"kind":"idle_timeout"}"#,
            r#"{"kind":"latency","ms":200}"#,
            r#"{"kind":"limit_streams","streams":1}"#,
            r#"{"kind":"limit_streams"}"#,
            r#"{"kind":"pass","times":100}"#,
            r#"{"kind":"quota","requests":10,"seconds":60,"retry_after_s":30}"#,
            r#"{"kind":"quota","requests":0}"#,
            r#"{"kind":"quota"}"#,
            r#"{"kind":"refuse_streams"}"#,
            r#"{"kind":"reset","code":2}"#,
            r#"{"kind":"storm","status":429,"seconds":30,"retry_after_s":5}"#,
            r#"{"kind":"thaw"}"#,
        ] {
            check(good, None);
        }
        for (bad, complaint) in [
            (r#"{"kind":"rain"}"#, "unknown variant"),
            (r#"{"kind":"clear","times":1}"#, "unknown field"),
            (r#"{"kind":"churn","connections":5,"seconds":0}"#, "`seconds`"),
            (r#"{"kind":"churn","connections":5,"block_s":86401}"#, "`block_s`"),
            (r#"{"kind":"close","times":100001}"#, "`times`"),
            (r#"{"kind":"answer","status":99}"#, "`status`"),
            (r#"{"kind":"goaway","over":0}"#, "`over`"),
            (r#"{"kind":"idle_timeout","ms":0}"#, "`ms`"),
            (r#"{"kind":"idle_timeout","ms":86400001}"#, "`ms`"),
            (r#"{"kind":"latency","ms":86400001}"#, "`ms`"),
            (r#"{"kind":"quota","requests":1,"seconds":0}"#, "`seconds`"),
            (r#"{"kind":"quota","requests":1,"seconds":86401}"#, "`seconds`"),
            (r#"{"kind":"storm","status":429,"seconds":86401}"#, "`seconds`"),
            (r#"{"kind":"storm","status":429}"#, "`seconds`"),
            (r#"{"kind":"alert","alert":256}"#, "256"),
        ] {
            check(bad, Some(complaint));
        }
        let no_path = br#"{"service":"fcm","path":"token","trouble":{"kind":"clear"}}"#;
        assert!(Order::parse(no_path).is_err());
        let nobody = br#"{"service":"hms","trouble":{"kind":"clear"}}"#;
        assert!(Order::parse(nobody).is_err());
    }
}
