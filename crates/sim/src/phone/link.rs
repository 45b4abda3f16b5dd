//! The app's WebSocket: opening it, and one frame in or out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use wire::{ClientFrame, Connect, Connected, ServerFrame};

use super::network::{Radio, Wire};

/// Longer than any step of a healthy server takes, even on a busy machine.
const STEP: Duration = Duration::from_secs(10);

/// A living session's connection.
pub(crate) struct Link {
    socket: WebSocketStream<Wire>,
}

/// A session that stands.
pub(crate) struct Session {
    pub(crate) link: Box<Link>,
    /// The first frame of the server.
    pub(crate) connected: Connected,
}

/// Why there is no session.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Nobody answered, or not in our language.
    Unreachable(String),
    /// The server said no.
    Refused {
        /// The stable word of the `error` frame.
        code: String,
        /// Whether connecting again with the same credentials can help.
        reconnect: bool,
    },
}

/// What reading gave.
#[derive(Debug)]
pub(crate) enum Read {
    /// A frame that this client knows.
    Frame(Box<ServerFrame>),
    /// A frame of a later version, or one that is malformed: the text says which.
    Strange(String),
    /// The connection is over.
    Closed {
        /// The close code, if the server sent one.
        code: Option<u16>,
    },
}

impl Link {
    /// Connects, sends the first frame and waits for `connected`.
    pub(crate) async fn open(
        radio: Arc<Radio>,
        server: SocketAddr,
        connect: Connect,
    ) -> Result<Session, Refusal> {
        match timeout(STEP, Self::shake_hands(&radio, server, connect)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Refusal::Unreachable(format!("no `connected` within {STEP:?}"))),
        }
    }

    async fn shake_hands(
        radio: &Arc<Radio>,
        server: SocketAddr,
        connect: Connect,
    ) -> Result<Session, Refusal> {
        let unreachable = |error: Error| Refusal::Unreachable(error.to_string());
        let stream =
            radio.connect(server).await.map_err(|error| Refusal::Unreachable(error.to_string()))?;
        let mut request = format!("ws://{server}{}", wire::CONNECT_PATH)
            .into_client_request()
            .map_err(unreachable)?;
        request
            .headers_mut()
            .insert("sec-websocket-protocol", http::HeaderValue::from_static(wire::SUBPROTOCOL));
        let (socket, _) =
            tokio_tungstenite::client_async(request, stream).await.map_err(unreachable)?;
        let mut link = Self { socket };
        link.write(&connect.into()).await.map_err(Refusal::Unreachable)?;
        match link.read().await {
            Read::Frame(frame) => match *frame {
                ServerFrame::Connected(connected) => {
                    Ok(Session { link: Box::new(link), connected })
                }
                ServerFrame::Error(error) => {
                    Err(Refusal::Refused { code: error.code, reconnect: error.reconnect })
                }
                other => {
                    let kind = other.kind();
                    Err(Refusal::Unreachable(format!("the first frame was `{kind}`")))
                }
            },
            other => Err(Refusal::Unreachable(format!("expected `connected`, read {other:?}"))),
        }
    }

    /// The next frame. May be dropped and called again: no bytes are lost.
    pub(crate) async fn read(&mut self) -> Read {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    return match ServerFrame::parse(&text) {
                        Ok(frame) => Read::Frame(Box::new(frame)),
                        Err(error) => Read::Strange(error.to_string()),
                    };
                }
                Some(Ok(Message::Close(close))) => {
                    return Read::Closed { code: close.map(|close| close.code.into()) };
                }
                // The library answers pings by itself while it is read.
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Read::Closed { code: None },
            }
        }
    }

    /// The next frame, if one has arrived already.
    pub(crate) fn read_now(&mut self) -> Option<Read> {
        self.read().now_or_never()
    }

    /// Writes one frame. An error means that the connection is over.
    pub(crate) async fn write(&mut self, frame: &ClientFrame) -> Result<(), String> {
        let message = Message::Text(frame.to_text().into());
        match timeout(STEP, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("the server took nothing for {STEP:?}")),
        }
    }
}
