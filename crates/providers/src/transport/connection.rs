//! One HTTP/2 connection: opening it, driving it, noticing that it is dead.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::ConnectionId;
use super::connect::{Endpoint, Timeouts, connect};
use super::failure::{Failure, alert_in};
use super::goaway::debug_data;

/// The largest head of an answer, in HPACK's count (RFC 9113, section 6.5.2).
const LARGEST_HEAD: u32 = 32 * 1024;

/// What requests need of a connection; the pool and every request in flight hold it.
pub(super) struct Connection {
    /// Its name in the pool.
    pub(super) id: ConnectionId,
    /// Opens streams. Cloned for each request, because a clone is never refused for a stream that
    /// another request still waits to open; the pool has counted the streams already.
    pub(super) sender: SendRequest<Bytes>,
    /// What is known about it.
    pub(super) facts: Arc<Facts>,
}

/// What is known about a connection, for both halves of it. The I/O half must not hold the other
/// one: h2 closes a connection when its last sender is gone.
#[derive(Default)]
pub(super) struct Facts {
    /// What is in the server's header table.
    pub(super) header_table: HeaderTable,
    /// How many answers showed that the server believed the credential.
    pub(super) believed: AtomicUsize,
    /// Requests in flight, for the choice of the PING interval only.
    pub(super) in_flight: AtomicUsize,
    /// The TLS alert that ended it, if one did.
    alert: OnceLock<u8>,
}

/// Which headers stand in a connection's HPACK table (RFC 7541), one bit each; whoever builds
/// requests chooses the bits.
#[derive(Clone, Default)]
pub(crate) struct HeaderTable(Arc<AtomicU8>);

impl HeaderTable {
    /// Whether the header of this bit was sent before; from now on it was. Two requests that are
    /// built at once may be written the other way round: then one name is spelled out once more.
    pub(crate) fn has(&self, bit: u8) -> bool {
        self.0.fetch_or(bit, Ordering::Relaxed) & bit != 0
    }
}

impl Connection {
    /// The server's word against the whole connection, if it gave one: an alert, or a GOAWAY
    /// whose debug data `refuses` says is a refusal.
    pub(super) fn refusal(&self, refuses: fn(&[u8]) -> bool) -> Option<Failure> {
        if let Some(alert) = self.facts.alert.get() {
            return Some(Failure::Alert(*alert));
        }
        // A handle that is asked whether it is ready returns the connection's error, debug data
        // included, without opening a stream.
        let mut sender = self.sender.clone();
        match sender.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(error)) => {
                let debug = debug_data(&error);
                refuses(&debug).then_some(Failure::GoAway(debug))
            }
            Poll::Ready(Ok(())) | Poll::Pending => None,
        }
    }
}

/// Connects and waits for the server's SETTINGS, so that no request is written to a connection
/// that the server is about to refuse, and none against a stream limit not yet known.
///
/// Returns the handle and the future that must be polled for as long as the connection lives.
pub(super) async fn open(
    id: ConnectionId,
    endpoint: &Endpoint,
    tls: &TlsConnector,
    timeouts: Timeouts,
    refuses: fn(&[u8]) -> bool,
) -> Result<(Arc<Connection>, Driver), Failure> {
    let io = connect(endpoint, tls, timeouts.connect).await?;
    let facts = Arc::new(Facts::default());
    let io = Watched { io, facts: Arc::clone(&facts) };
    let handshake = h2::client::Builder::new()
        // None until SETTINGS arrive; then h2 holds the server's limit or "no limit".
        .initial_max_send_streams(0)
        .enable_push(false)
        // Answers are small; a generous window spares WINDOW_UPDATE frames.
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 24)
        // Not all servers are of the operator's choosing: what they answer is kept in records.
        .max_header_list_size(LARGEST_HEAD)
        .handshake::<_, Bytes>(io)
        .await;
    let (sender, mut h2) = match (handshake, facts.alert.get()) {
        (Ok(both), _) => both,
        (Err(_), Some(alert)) => return Err(Failure::Alert(*alert)),
        (Err(error), None) => return Err(Failure::Handshake(error.to_string().into())),
    };
    let connection = Arc::new(Connection { id, sender, facts });
    let settled = std::future::poll_fn(|cx| match Pin::new(&mut h2).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err("closed before SETTINGS".to_owned())),
        Poll::Ready(Err(error)) => Poll::Ready(Err(error.to_string())),
        Poll::Pending if h2.max_concurrent_send_streams() > 0 => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    })
    .await;
    if let Err(problem) = settled {
        return Err(connection
            .refusal(refuses)
            .unwrap_or_else(|| Failure::Handshake(problem.into())));
    }
    let driver = Driver::new(h2, Arc::clone(&connection.facts), timeouts);
    Ok((connection, driver))
}

/// The I/O half of a connection. Ends when the connection does.
///
/// ```text
///   quiet ──interval passed, requests in flight or long idle──▶ PING sent ──answer──▶ quiet
///                                                                   └──time-out──▶ dead
/// ```
pub(super) struct Driver {
    /// The protocol.
    h2: h2::client::Connection<Watched, Bytes>,
    /// Sends PINGs; `None` never happens with a fresh connection and switches PINGs off.
    ping: Option<PingPong>,
    /// Whether a PING is unanswered.
    ping_sent: bool,
    /// When to send a PING, or to give up on the one sent.
    timer: Pin<Box<Sleep>>,
    /// When the timer was last set for an idle connection; requests bring it forward from there.
    quiet_since: Instant,
    /// The intervals.
    timeouts: Timeouts,
    /// How busy it is.
    facts: Arc<Facts>,
    /// The server's stream limit as last returned.
    announced: usize,
}

/// What a [`Driver`] reports.
pub(super) enum Event {
    /// The server announced another stream limit.
    Limit(usize),
    /// The connection is over; the text says how.
    Over(String),
}

impl Driver {
    /// A driver for a connection whose SETTINGS have arrived.
    fn new(
        mut h2: h2::client::Connection<Watched, Bytes>,
        facts: Arc<Facts>,
        timeouts: Timeouts,
    ) -> Self {
        let ping = h2.ping_pong();
        let announced = h2.max_concurrent_send_streams();
        Self {
            h2,
            ping,
            ping_sent: false,
            timer: Box::pin(sleep(timeouts.keep_alive_idle)),
            quiet_since: Instant::now(),
            timeouts,
            facts,
            announced,
        }
    }

    /// The server's stream limit.
    pub(super) const fn announced(&self) -> usize {
        self.announced
    }

    /// Moves bytes until something must be told.
    pub(super) async fn event(&mut self) -> Event {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// One turn: bytes, then the limit, then the PING.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            match Pin::new(&mut self.h2).poll(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(Event::Over("closed".to_owned())),
                Poll::Ready(Err(error)) => return Poll::Ready(Event::Over(error.to_string())),
                Poll::Pending => {}
            }
            let limit = self.h2.max_concurrent_send_streams();
            if limit != self.announced {
                self.announced = limit;
                return Poll::Ready(Event::Limit(limit));
            }
            match ready!(self.poll_ping(cx)) {
                PingTurn::Sent => {} // the protocol must be polled again to write it
                PingTurn::Dead => {
                    return Poll::Ready(Event::Over("no answer to a PING".to_owned()));
                }
            }
        }
    }

    /// Sends the PING that is due, takes its answer, or gives up on it.
    fn poll_ping(&mut self, cx: &mut Context<'_>) -> Poll<PingTurn> {
        loop {
            let Some(ping) = &mut self.ping else { return Poll::Pending };
            if self.ping_sent {
                match ping.poll_pong(cx) {
                    Poll::Ready(Ok(_)) => {
                        self.ping_sent = false;
                        self.quiet_since = Instant::now();
                        let next = self.quiet_since + self.interval();
                        self.timer.as_mut().reset(next);
                    }
                    // The connection is ending; polling it tells how.
                    Poll::Ready(Err(_)) => return Poll::Pending,
                    Poll::Pending => {
                        ready!(self.timer.as_mut().poll(cx));
                        return Poll::Ready(PingTurn::Dead);
                    }
                }
                continue;
            }
            let due = self.timer.deadline().min(Instant::now() + self.interval());
            if due < self.timer.deadline() {
                // Requests came onto an idle connection.
                self.timer.as_mut().reset(due);
            }
            ready!(self.timer.as_mut().poll(cx));
            let interval = self.interval();
            if self.quiet_since.elapsed() < interval {
                // Set while requests were in flight, and they are over.
                let next = self.quiet_since + interval;
                self.timer.as_mut().reset(next);
                continue;
            }
            let Some(ping) = &mut self.ping else { return Poll::Pending };
            if ping.send_ping(Ping::opaque()).is_err() {
                return Poll::Pending;
            }
            self.ping_sent = true;
            let give_up = Instant::now() + self.timeouts.keep_alive;
            self.timer.as_mut().reset(give_up);
            return Poll::Ready(PingTurn::Sent);
        }
    }

    /// How long the connection may stay untested now.
    fn interval(&self) -> std::time::Duration {
        if self.facts.in_flight.load(Ordering::Relaxed) > 0 {
            self.timeouts.keep_alive_busy
        } else {
            self.timeouts.keep_alive_idle
        }
    }
}

/// What became of a PING's turn.
enum PingTurn {
    /// It waits to be written.
    Sent,
    /// It was not answered in time.
    Dead,
}

/// A TLS stream that remembers the alert it ended with: `h2` keeps only the error's text.
pub(super) struct Watched {
    /// The stream.
    io: TlsStream<TcpStream>,
    /// Where the alert goes.
    facts: Arc<Facts>,
}

impl Watched {
    /// Notes the alert, if the error is one.
    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            if let Some(alert) = alert_in(error) {
                let _ = self.facts.alert.set(alert); // the first one counts
            }
        })
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.io).poll_read(cx, buf));
        Poll::Ready(self.note(result))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.io).poll_write(cx, buf));
        Poll::Ready(self.note(result))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs));
        Poll::Ready(self.note(result))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.io).poll_flush(cx));
        Poll::Ready(self.note(result))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
        Poll::Ready(self.note(result))
    }
}
