//! The smallest client that the commands need: one request of JSON on one connection, and the
//! WebSocket. Over TLS where the server's URL is https, or the server of this configuration speaks
//! TLS itself; one behind a proxy is asked behind it.

mod trust;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use http::{Method, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_util::either::Either;
use wire::{ClientFrame, CloseCode, FrameError, Problem, ServerFrame};

use self::trust::Trust;
use super::say::{self, Advice};
use crate::config::Config;
use crate::secret::KeyText;

/// Longer than any answer of a healthy server takes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// No answer that a command asks for is larger.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// Where a server is, `http://host[:port]`, or `https` and whom to take for it.
#[derive(Clone, Debug)]
pub(super) struct ServerAddress {
    /// Without brackets, should it be an IPv6 address.
    host: String,
    port: u16,
    /// `None`: it speaks plain HTTP.
    tls: Option<Trust>,
}

impl ServerAddress {
    /// Reads a URL; `ca` has authorities to trust beside the system's if it is https.
    pub(super) fn parse(url: &str, ca: Option<&Path>) -> anyhow::Result<Self> {
        let wrong = |problem: &str| {
            let shown = say::plain(url);
            Advice::new(
                format!("the server {shown:?} {problem}"),
                "write it as https://host:port or http://host:port, such as http://127.0.0.1:7300",
            )
        };
        let uri: Uri = url.parse().map_err(|_| wrong("is not a URL"))?;
        let (usual_port, is_secure) = match uri.scheme_str() {
            Some("http") => (80, false),
            Some("https") => (443, true),
            Some(_) | None => bail!(wrong("does not begin with https:// or http://")),
        };
        if uri.path() != "/" || uri.query().is_some() {
            bail!(wrong("has a path"));
        }
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(|| wrong("has no host"))?;
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => usual_port,
            Some(_) => authority.port_u16().ok_or_else(|| wrong("has a port that is none"))?,
            None => bail!(wrong("names a user")),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = is_secure.then(|| Trust::new(ca, None)).transpose()?;
        Ok(Self { host, port, tls })
    }

    /// The address of the server of a configuration, on this machine; `ca` as for
    /// [`ServerAddress::parse`].
    pub(super) fn of_config(config: &Config, ca: Option<&Path>) -> anyhow::Result<Self> {
        let certificate = config.tls.certificate_file.as_deref();
        let tls = certificate.map(|file| Trust::new(ca, Some(file))).transpose()?;
        Ok(Self { tls, ..Self::of_listener(config.listen) })
    }

    /// Whether it is the TLS of the server of a configuration that is meant.
    pub(super) fn is_door_of(&self, config: &Config) -> bool {
        let own = Self::of_listener(config.listen);
        self.tls.is_some()
            && config.tls.certificate_file.is_some()
            && self.authority() == own.authority()
    }

    /// The address of a server on this machine that listens on `address`, without TLS.
    fn of_listener(address: SocketAddr) -> Self {
        // One that listens on all addresses is reached on the loopback.
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self { host: ip.to_string(), port: address.port(), tls: None }
    }

    /// Whether anything accepts connections there.
    pub(super) async fn answers(&self) -> bool {
        timeout(ANSWER_TIMEOUT, self.dial()).await.is_ok_and(|stream| stream.is_ok())
    }

    /// Asks with a key and reads the JSON of the answer.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &KeyText,
    ) -> anyhow::Result<T> {
        self.ask(Method::GET, path, Some(key), Bytes::new()).await
    }

    /// Asks what anybody may, and reads the JSON of the answer.
    pub(super) async fn get_open<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.ask(Method::GET, path, None, Bytes::new()).await
    }

    /// Posts JSON with a key and reads the JSON of the answer.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &KeyText,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.ask(Method::POST, path, Some(key), serde_json::to_vec(body)?.into()).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        key: Option<&KeyText>,
        body: Bytes,
    ) -> anyhow::Result<T> {
        let asked = format!("{method} {path}");
        let mut request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.authority())
            .header(CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            let mut bearer = HeaderValue::try_from(format!("Bearer {}", key.expose()))?;
            bearer.set_sensitive(true);
            request = request.header(AUTHORIZATION, bearer);
        }
        let request = request.body(Full::new(body))?;
        let (parts, body) = timeout(ANSWER_TIMEOUT, self.exchange(request))
            .await
            .with_context(|| format!("{self} did not answer in {ANSWER_TIMEOUT:?}"))??;
        if parts.status.is_success() {
            let strange = || format!("{self} answered {asked} with something else than asked");
            return serde_json::from_slice(&body).with_context(strange);
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(Problem { detail, code, status, diagnosis, r#type: link, .. }) => {
                let diagnosis = diagnosis.map(|code| format!(", {code}")).unwrap_or_default();
                bail!(Advice::new(detail, format!("{code}{diagnosis} (HTTP {status}), see {link}")))
            }
            Err(_) => bail!(Advice::new(
                format!("{self} answered {asked} with HTTP {}", parts.status.as_u16()),
                "check that it is a Reveille server, and name another with --server if not",
            )),
        }
    }

    async fn exchange(
        &self,
        request: http::Request<Full<Bytes>>,
    ) -> anyhow::Result<(http::response::Parts, Bytes)> {
        let stream = self.connect().await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let answer = async {
            let answer = sender.send_request(request).await.with_context(|| {
                Advice::new(
                    format!("{self} does not answer as an HTTP server does"),
                    "write https:// if it speaks TLS itself, and check that it is a Reveille server",
                )
            });
            let (parts, body) = answer?.into_parts();
            let body = Limited::new(body, LARGEST_ANSWER).collect().await;
            let body = body.map_err(|error| anyhow::anyhow!("{error}"))?;
            anyhow::Ok((parts, body.to_bytes()))
        };
        // The connection does the reading and writing; what the answer needs of it may come with
        // its end.
        tokio::pin!(answer, connection);
        tokio::select! {
            answer = &mut answer => answer,
            ended = &mut connection => {
                ended?;
                answer.await
            }
        }
    }

    async fn connect(&self) -> anyhow::Result<Stream> {
        let stream = self.dial().await?;
        Ok(match &self.tls {
            None => Either::Left(stream),
            Some(trust) => {
                Either::Right(trust.connect(&self.to_string(), &self.host, stream).await?)
            }
        })
    }

    async fn dial(&self) -> anyhow::Result<TcpStream> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.with_context(|| {
            Advice::new(
                format!("no server answers at {self}"),
                "start it with `reveille serve`, whose log says why if it does not, or name another with --server",
            )
        })?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// `host:port`.
    pub(super) fn authority(&self) -> String {
        match self.host.parse::<Ipv6Addr>() {
            Ok(ip) => format!("[{ip}]:{}", self.port),
            Err(_) => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

/// A connection to a server.
type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// A WebSocket to a server.
pub(super) struct Socket(WebSocketStream<Stream>);

/// What comes out of a WebSocket.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A frame that this version knows.
    Frame(Box<ServerFrame>),
    /// A sign of life without meaning: a ping, or a frame of a later version.
    Life,
    /// The end.
    Closed {
        /// What the server said about it.
        reason: String,
        /// Whether connecting again can help.
        reconnect: bool,
    },
}

impl Socket {
    /// Connects and sends the first frame.
    pub(super) async fn open(server: &ServerAddress, first: ClientFrame) -> anyhow::Result<Self> {
        let scheme = if server.tls.is_some() { "wss" } else { "ws" };
        let url = format!("{scheme}://{}{}", server.authority(), wire::CONNECT_PATH);
        let mut request = url.into_client_request()?;
        let protocol = HeaderValue::from_static(wire::SUBPROTOCOL);
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        let limits = WebSocketConfig::default().max_message_size(Some(LARGEST_ANSWER));
        let upgraded = async {
            let stream = server.connect().await?;
            tokio_tungstenite::client_async_with_config(request, stream, Some(limits))
                .await
                .with_context(|| format!("{server} does not take the WebSocket"))
        };
        let (socket, _) = timeout(ANSWER_TIMEOUT, upgraded)
            .await
            .with_context(|| format!("{server} did not answer in {ANSWER_TIMEOUT:?}"))??;
        let mut socket = Self(socket);
        socket.send(first).await?;
        Ok(socket)
    }

    /// Sends a frame.
    pub(super) async fn send(&mut self, frame: ClientFrame) -> anyhow::Result<()> {
        self.0.send(Message::text(frame.to_text())).await.context("the connection is lost")
    }

    /// The next thing the server says; a connection silent for longer than `patience` is lost.
    pub(super) async fn next(&mut self, patience: Duration) -> anyhow::Result<Incoming> {
        let lost = |reason: String| Incoming::Closed { reason, reconnect: true };
        let message = match timeout(patience, self.0.next()).await {
            Err(_) => return Ok(lost("the server is silent".to_owned())),
            Ok(None) => return Ok(lost("the connection ended".to_owned())),
            Ok(Some(Err(error))) => return Ok(lost(error.to_string())),
            Ok(Some(Ok(message))) => message,
        };
        match message {
            Message::Text(text) => match ServerFrame::parse(&text) {
                Ok(frame) => Ok(Incoming::Frame(Box::new(frame))),
                Err(FrameError::UnknownType(_)) => Ok(Incoming::Life),
                Err(error @ (FrameError::NoType(_) | FrameError::Malformed { .. })) => {
                    Err(error).context("the server sent a frame that cannot be read")
                }
            },
            Message::Close(None) => Ok(lost("the server closed the connection".to_owned())),
            Message::Close(Some(close)) => Ok(closed(close.code.into(), &close.reason)),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {
                Ok(Incoming::Life)
            }
        }
    }

    /// Says goodbye; one that does not arrive is missed by nobody.
    pub(super) async fn close(mut self) {
        let _ = timeout(Duration::from_secs(1), self.0.close(None)).await;
    }
}

fn closed(number: u16, reason: &str) -> Incoming {
    let known = CloseCode::ALL.into_iter().find(|code| code.number() == number);
    let reason = match (known, reason) {
        (Some(CloseCode::Replaced), _) => {
            "the same device is connected from elsewhere: another `listen` for this user".to_owned()
        }
        (_, "") => format!("the server closed the connection with code {number}"),
        (_, reason) => format!("{reason} ({number})"),
    };
    // Codes of a later version, and the protocol's own, are worth another try.
    Incoming::Closed { reason, reconnect: known.is_none_or(CloseCode::reconnect) }
}

#[cfg(test)]
mod tests;
