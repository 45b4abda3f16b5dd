//! The WebSocket, with the patience of a server: a client that does not read is closed.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::SinkExt;
use wire::{CloseCode, ServerFrame};

use super::{Ending, too_large};
use crate::http::problem::{Problem, ProblemCode};
use crate::to_wire;

/// One WebSocket.
pub(super) struct Socket {
    /// Boxed, so that what holds it can be moved, and held, for little.
    socket: Box<WebSocket>,
    /// How long one write may take; a reader slower than that resumes from its cursor.
    patience: Duration,
}

impl Socket {
    pub(super) const fn new(socket: Box<WebSocket>, patience: Duration) -> Self {
        Self { socket, patience }
    }

    /// The next message.
    pub(super) async fn receive(&mut self) -> Result<Message, Ending> {
        match self.socket.recv().await {
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(failed(error)),
            None => Err(Ending::Gone),
        }
    }

    /// Writes one frame.
    pub(super) async fn send(&mut self, frame: &ServerFrame) -> Result<(), Ending> {
        self.write(Message::Text(frame.to_text().into())).await
    }

    /// Takes one frame into the buffer; it is written by the next flush at the latest.
    pub(super) async fn feed(&mut self, frame: &ServerFrame) -> Result<(), Ending> {
        let message = Message::Text(frame.to_text().into());
        match tokio::time::timeout(self.patience, self.socket.feed(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ending::Gone),
            Err(_) => Err(too_slow()),
        }
    }

    /// Writes what was fed.
    pub(super) async fn flush(&mut self) -> Result<(), Ending> {
        match tokio::time::timeout(self.patience, self.socket.flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ending::Gone),
            Err(_) => Err(too_slow()),
        }
    }

    /// Asks for a sign of life.
    pub(super) async fn ping(&mut self) -> Result<(), Ending> {
        self.write(Message::Ping(bytes::Bytes::new())).await
    }

    /// The last words and the close frame, as far as the client still listens.
    pub(super) async fn close(&mut self, code: CloseCode, problem: &Problem) {
        let error = to_wire::error(problem, code.reconnect());
        if self.send(&error.into()).await.is_ok() {
            // A close frame's reason holds at most 123 bytes; the words were in the frame before.
            let reason = problem.code().as_str().into();
            let frame = CloseFrame { code: code.number(), reason };
            // Gone already is closed as well.
            let _gone = self.write(Message::Close(Some(frame))).await;
        }
    }

    async fn write(&mut self, message: Message) -> Result<(), Ending> {
        match tokio::time::timeout(self.patience, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ending::Gone),
            Err(_) => Err(too_slow()),
        }
    }
}

fn too_slow() -> Ending {
    Ending::Close(
        CloseCode::TooSlow,
        Problem::new(
            ProblemCode::Unavailable,
            "the connection takes nothing more; connect again and resume",
        ),
    )
}

/// A frame too large for the WebSocket itself is worth a word; anything else is a broken line.
fn failed(error: axum::Error) -> Ending {
    use tokio_tungstenite::tungstenite::Error as WsError;
    use tokio_tungstenite::tungstenite::error::CapacityError;
    match error.into_inner().downcast::<WsError>().map(|error| *error) {
        Ok(WsError::Capacity(CapacityError::MessageTooLong { size, .. })) => too_large(size),
        Ok(_) | Err(_) => Ending::Gone,
    }
}
