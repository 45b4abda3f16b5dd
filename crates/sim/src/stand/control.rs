//! The endpoint that takes orders for trouble, on loopback alone.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | where everything is: the first line of the log |
//! | `POST /trouble` | 204, or 400 with `{"error":"…"}` |
//!
//! `POST /trouble` insists on `application/json`: no web page can send that to another origin
//! without asking first, and nobody here says yes.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
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

use super::{order::Order, services::Services};

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
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                    match accepted {
                        Ok((stream, _)) => connections.push(connection(stream, services, started)),
                        // Out of file descriptors, mostly: give the connections time to end.
                        Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                    }
                }
                Some(()) = connections.next(), if !connections.is_empty() => {}
            }
        }
    }
}

async fn connection(stream: TcpStream, services: &Services, started: &Value) {
    let service = service_fn(|request| async move {
        Ok::<_, Infallible>(answer(request, services, started).await)
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
    services: &Services,
    started: &Value,
) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => reply(StatusCode::OK, Some(started)),
        (&Method::POST, "/trouble") => match take_order(request).await {
            Ok(order) => {
                order.carry_out(services);
                reply(StatusCode::NO_CONTENT, None)
            }
            Err((status, error)) => reply(status, Some(&json!({ "error": error }))),
        },
        (_, "/" | "/trouble") => {
            let error = json!({ "error": "use GET / or POST /trouble" });
            reply(StatusCode::METHOD_NOT_ALLOWED, Some(&error))
        }
        _ => {
            let error = json!({ "error": "there are / and /trouble here, nothing else" });
            reply(StatusCode::NOT_FOUND, Some(&error))
        }
    }
}

/// Reads an order, or says with which status it is refused.
async fn take_order(request: Request<Incoming>) -> Result<Order, (StatusCode, String)> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    if !essence.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        let error = "send the order as `content-type: application/json`";
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, error.to_owned()));
    }
    let body = Limited::new(request.into_body(), MAX_BODY).collect();
    let body = tokio::time::timeout(PATIENCE, body).await;
    let Ok(Ok(body)) = body else {
        let error = format!("send an order of at most {MAX_BODY} bytes, all of it within 10 s");
        return Err((StatusCode::PAYLOAD_TOO_LARGE, error));
    };
    Order::parse(&body.to_bytes()).map_err(|error| (StatusCode::BAD_REQUEST, format!("{error:#}")))
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
