//! The endpoint that takes orders for trouble and lets browsers subscribe, on loopback alone.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | where everything is: the first line of the log |
//! | `GET /messages` | the latest messages of Web Push as their browsers read them |
//! | `POST /devices` | 204: a device is away, back, or its token dead |
//! | `POST /subscribe` | 201 with a subscription |
//! | `POST /topics`, `DELETE /topics` | 204: an Android app has subscribed to a topic, or left it |
//! | `POST /trouble` | 204 |
//!
//! What is refused is answered with `{"error":"…"}`.
//! What changes something insists on `application/json`: no web page can send that to another origin without
//! asking first, and nobody here says yes. Whatever is asked has to be asked of this machine by
//! name, see [`host`].

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{
    browser::{self, Wish},
    devices::Change,
    host,
    order::Order,
    services::Services,
    topics::Membership,
};

/// More than any order needs.
const MAX_BODY: usize = 16 * 1024;
/// How many connections are served at once; those above wait to be accepted.
const MAX_CONNECTIONS: usize = 16;
/// How long a client may take for the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// The listening endpoint.
pub(super) struct Control {
    listener: TcpListener,
    address: SocketAddr,
}

impl Control {
    pub(super) async fn listen(port: u16) -> Result<Self> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(wanted).await;
        let listener = listener.with_context(|| {
            format!("could not listen on {wanted}; choose another port with --control-port")
        })?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`.
    pub(super) async fn serve(
        self,
        services: &Services,
        started: &Value,
        stop: &CancellationToken,
    ) {
        let bound = self.address.ip();
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                    match accepted {
                        Ok((stream, _)) => {
                            connections.push(connection(stream, bound, services, started));
                        }
                        // Out of file descriptors, mostly: give the connections time to end.
                        Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                    }
                }
                Some(()) = connections.next(), if !connections.is_empty() => {}
            }
        }
    }
}

async fn connection(stream: TcpStream, bound: IpAddr, services: &Services, started: &Value) {
    let service = service_fn(|request| async move {
        Ok::<_, Infallible>(answer(request, bound, services, started).await)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    // The client hung up or sent nonsense; the next one is served all the same.
    let _ = serving.await;
}

async fn answer(
    request: Request<Incoming>,
    bound: IpAddr,
    services: &Services,
    started: &Value,
) -> Response<Full<Bytes>> {
    match answered(request, bound, services, started).await {
        Ok((status, json)) => reply(status, json.as_ref()),
        Err(Refusal(status, error)) => reply(status, Some(&json!({ "error": error }))),
    }
}

async fn answered(
    request: Request<Incoming>,
    bound: IpAddr,
    services: &Services,
    started: &Value,
) -> Result<(StatusCode, Option<Value>), Refusal> {
    if !host::is_ours(request.uri(), request.headers(), bound) {
        let error = "`host` names another machine, as the request of a web page would: use \
                     localhost, 127.0.0.1 or the address this listens on";
        return Err(Refusal(StatusCode::MISDIRECTED_REQUEST, error.to_owned()));
    }
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => Ok((StatusCode::OK, Some(started.clone()))),
        (&Method::GET, "/messages") => Ok((StatusCode::OK, Some(browser::messages(services)))),
        (&Method::POST, "/devices") => {
            Change::parse(&take(request).await?)?.carry_out(services)?;
            Ok((StatusCode::NO_CONTENT, None))
        }
        (&Method::POST, "/subscribe") => {
            let subscription = Wish::parse(&take(request).await?)?.fulfil(services)?;
            Ok((StatusCode::CREATED, Some(subscription.to_json())))
        }
        (&Method::DELETE, "/topics") => {
            Membership::parse(&take(request).await?)?.end(services)?;
            Ok((StatusCode::NO_CONTENT, None))
        }
        (&Method::POST, "/topics") => {
            Membership::parse(&take(request).await?)?.begin(services)?;
            Ok((StatusCode::NO_CONTENT, None))
        }
        (&Method::POST, "/trouble") => {
            Order::parse(&take(request).await?)?.carry_out(services);
            Ok((StatusCode::NO_CONTENT, None))
        }
        (_, "/" | "/devices" | "/messages" | "/subscribe" | "/topics" | "/trouble") => {
            let error = "use GET /, GET /messages, POST /devices, POST /subscribe, POST or DELETE \
                         /topics, or POST /trouble";
            Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, error.to_owned()))
        }
        _ => {
            let error = "there are /, /devices, /messages, /subscribe, /topics and /trouble here, \
                         nothing else";
            Err(Refusal(StatusCode::NOT_FOUND, error.to_owned()))
        }
    }
}

/// How a request is refused: with which status, and why.
struct Refusal(StatusCode, String);

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self(StatusCode::BAD_REQUEST, format!("{error:#}"))
    }
}

/// Reads the JSON of a request.
async fn take(request: Request<Incoming>) -> Result<Bytes, Refusal> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    if !essence.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        let error = "send JSON, as `content-type: application/json`";
        return Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, error.to_owned()));
    }
    let body = Limited::new(request.into_body(), MAX_BODY).collect();
    let body = tokio::time::timeout(PATIENCE, body).await;
    let Ok(Ok(body)) = body else {
        let error = format!("send JSON of at most {MAX_BODY} bytes, all of it within 10 s");
        return Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, error));
    };
    Ok(body.to_bytes())
}

fn reply(status: StatusCode, json: Option<&Value>) -> Response<Full<Bytes>> {
    let body = json.map_or_else(Bytes::new, |json| Bytes::from(json.to_string()));
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    if json.is_some() {
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    response
}
