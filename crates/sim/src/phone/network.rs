//! The phone's network: it can drop, stall and return.
//!
//! ```text
//!            ┌── stalled ──▶ Stalled   nothing passes either way; TCP knows nothing of it
//!   On ──────┤     ◀── On ─┘           what waited goes on
//!            └── off ──────▶ Off       every connection fails on the phone's side at once
//!                  ◀── On ─┘
//! ```
//!
//! No end of a connection is told to the server while there is no network to tell it by: what the
//! phone has given up stays open as the server sees it, until the network is back. A server that
//! waits for a FIN waits for ever, as it does in life.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::journal::lock;

/// How the phone's network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// There is none: flight mode, a tunnel.
    Off,
    /// As it should be.
    On,
    /// It seems to be there, and nothing passes.
    Stalled,
}

/// What all connections of one phone go through.
pub(crate) struct Radio {
    inner: Mutex<Inner>,
    network: watch::Sender<Network>,
}

struct Inner {
    network: Network,
    /// Grows whenever the network is lost; a connection of an earlier one is dead.
    generation: u64,
    /// Who waits for a connection to do something.
    waiting: Vec<Waker>,
    /// What the phone has given up and cannot tell the other side.
    given_up: Vec<TcpStream>,
}

impl Radio {
    /// A network that works.
    pub(crate) fn new() -> Self {
        let (network, given_up) = (Network::On, Vec::new());
        let inner = Inner { network, generation: 0, waiting: Vec::new(), given_up };
        Self { inner: Mutex::new(inner), network: watch::Sender::new(network) }
    }

    /// Changes it.
    pub(crate) fn set(&self, network: Network) {
        let (waiting, _told) = {
            let mut inner = lock(&self.inner);
            inner.generation += u64::from(network == Network::Off);
            inner.network = network;
            // The ends of what was given up are told as soon as they can be.
            let told = match network {
                Network::On => std::mem::take(&mut inner.given_up),
                Network::Off | Network::Stalled => Vec::new(),
            };
            (std::mem::take(&mut inner.waiting), told)
        };
        for waker in waiting {
            waker.wake();
        }
        self.network.send_replace(network);
    }

    /// How it is now.
    pub(crate) fn network(&self) -> Network {
        *self.network.borrow()
    }

    /// Learns of every change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Network> {
        self.network.subscribe()
    }

    /// Opens a connection; while the network stalls this takes as long as it stalls.
    pub(crate) async fn connect(self: &Arc<Self>, to: SocketAddr) -> io::Result<Wire> {
        let mut network = self.subscribe();
        // The sender lives in `self`, so the wait cannot fail.
        let _ = network.wait_for(|now| *now != Network::Stalled).await;
        let generation = lock(&self.inner).generation;
        if self.network() == Network::Off {
            return Err(io::Error::new(io::ErrorKind::NetworkUnreachable, "the network is off"));
        }
        let stream = TcpStream::connect(to).await?;
        // Every frame is a whole message; waiting for more bytes would only add latency.
        let _ = stream.set_nodelay(true);
        Ok(Wire { stream: Some(stream), radio: Arc::clone(self), generation })
    }
}

/// One connection.
pub(crate) struct Wire {
    /// Taken when the connection is given up.
    stream: Option<TcpStream>,
    radio: Arc<Radio>,
    generation: u64,
}

impl Wire {
    /// Does something with the stream if the network lets it; else waits, or fails for good.
    fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        act: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let mut inner = lock(&self.radio.inner);
        if inner.generation != self.generation {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the network went away",
            )));
        }
        let polled = match (&mut self.stream, inner.network) {
            (Some(stream), Network::On) => act(Pin::new(stream), context),
            (Some(_), Network::Off | Network::Stalled) | (None, _) => Poll::Pending,
        };
        // A change of the network has to be seen too.
        if polled.is_pending() && !inner.waiting.iter().any(|one| one.will_wake(context.waker())) {
            inner.waiting.push(context.waker().clone());
        }
        polled
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut inner = lock(&self.radio.inner);
        if inner.network != Network::On {
            inner.given_up.extend(self.stream.take());
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(context, |stream, context| stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(context, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(context, AsyncWrite::poll_shutdown)
    }
}
