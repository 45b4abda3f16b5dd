//! Bends the HTTP/2 byte stream where the `h2` crate offers no handle.
//!
//! `h2`'s server cannot change `SETTINGS_MAX_CONCURRENT_STREAMS` on a live connection and sends no GOAWAY with debug
//! data, and APNs does both. The tap sits between `h2` and TLS, follows the frame boundaries (RFC 9113, section 4.1)
//! and at a boundary writes real frames of its own:
//!
//! ```text
//!  h2 ──frames──▶ Tap ──▶ TLS      adds SETTINGS and GOAWAY, drops h2's GOAWAY after ours
//!  h2 ◀──frames── Tap ◀── TLS      takes out the client's ACKs of our SETTINGS, which h2 would call an error
//! ```
//!
//! Simplifying assumption: `h2` itself sends exactly one SETTINGS frame, its first; so the first ACK is for `h2` and
//! the later ones are for the tap.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// RFC 9113, section 4.1: every frame starts with nine octets.
const HEADER: usize = 9;
/// RFC 9113, section 3.4: what a client sends before its first frame.
const CLIENT_PREFACE: usize = 24;
const READ_SIZE: usize = 16 * 1024;

const KIND_SETTINGS: u8 = 4;
const KIND_GOAWAY: u8 = 7;
const FLAG_ACK: u8 = 1;
/// RFC 9113, section 6.5.2.
const MAX_CONCURRENT_STREAMS: u16 = 3;

/// The side of the tap that the connection's task holds: what to write at the next frame boundary.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// Whether `frames` holds something, so that the hot path takes no lock.
    waiting: AtomicBool,
    frames: Mutex<BytesMut>,
    /// SETTINGS of ours that the client has not acknowledged.
    unacknowledged: AtomicU32,
    /// From our own GOAWAY on, those of `h2` are dropped: a second one must not name a higher stream.
    going_away: AtomicBool,
}

impl Control {
    /// Tells the client how many streams it may have open from now on.
    pub(crate) fn limit_streams(&self, max: u32) {
        self.unacknowledged.fetch_add(1, Ordering::Relaxed);
        self.push(KIND_SETTINGS, |frame| {
            frame.put_u16(MAX_CONCURRENT_STREAMS);
            frame.put_u32(max);
        });
    }

    /// Tells the client that streams above `last_stream` were not and will not be processed.
    pub(crate) fn go_away(&self, last_stream: u32, code: u32, debug_data: &[u8]) {
        self.push(KIND_GOAWAY, |frame| {
            frame.put_u32(last_stream);
            frame.put_u32(code);
            frame.put_slice(debug_data);
        });
        self.going_away.store(true, Ordering::Release);
    }

    fn push(&self, kind: u8, payload: impl FnOnce(&mut BytesMut)) {
        let mut body = BytesMut::new();
        payload(&mut body);
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        frames.put_uint(body.len() as u64, 3);
        frames.put_u8(kind);
        frames.put_u8(0);
        frames.put_u32(0);
        frames.put_slice(&body);
        self.waiting.store(true, Ordering::Release);
    }

    fn take_into(&self, staged: &mut BytesMut) {
        if self.waiting.swap(false, Ordering::AcqRel) {
            let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
            staged.unsplit(frames.split());
        }
    }
}

/// A byte stream between `h2` and TLS.
#[derive(Debug)]
pub(crate) struct Tap<IO> {
    io: IO,
    control: Arc<Control>,
    /// The stream limit that the first SETTINGS frame is to name in place of the one given to `h2`.
    first_limit: Option<u32>,
    out: Cursor,
    /// Bytes that go out before anything else of `h2`.
    staged: BytesMut,
    /// Bytes read and not yet handed to `h2`.
    raw: BytesMut,
    /// How many bytes of `raw` belong to a frame that passes.
    passing: usize,
    /// Whether `h2`'s own SETTINGS has been acknowledged.
    first_ack_seen: bool,
}

impl<IO> Tap<IO> {
    /// Wraps `io`; the client will be told `first_limit` in the very first SETTINGS frame.
    pub(crate) fn new(io: IO, control: Arc<Control>, first_limit: u32) -> Self {
        Self {
            io,
            control,
            first_limit: Some(first_limit),
            out: Cursor::default(),
            staged: BytesMut::new(),
            raw: BytesMut::with_capacity(READ_SIZE),
            passing: CLIENT_PREFACE,
            first_ack_seen: false,
        }
    }

    /// Moves whole and partial frames from `raw` into `buf`, without the ACKs that are ours.
    fn hand_over(&mut self, buf: &mut ReadBuf<'_>) {
        while buf.remaining() > 0 && !self.raw.is_empty() {
            if self.passing == 0 {
                if self.raw.len() < HEADER {
                    return;
                }
                let length = length_of(&self.raw);
                if self.raw[3] == KIND_SETTINGS && self.raw[4] & FLAG_ACK != 0 && self.is_our_ack()
                {
                    self.raw.advance(HEADER);
                    continue;
                }
                self.passing = HEADER + length;
            }
            let n = self.passing.min(self.raw.len()).min(buf.remaining());
            buf.put_slice(&self.raw[..n]);
            self.raw.advance(n);
            self.passing -= n;
        }
    }

    fn is_our_ack(&mut self) -> bool {
        if !self.first_ack_seen {
            self.first_ack_seen = true;
            return false;
        }
        self.control
            .unacknowledged
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
            .is_ok()
    }
}

impl<IO: AsyncWrite + Unpin> Tap<IO> {
    /// Writes what was staged, after taking our own frames if `h2`'s stream stands at a frame boundary.
    fn poll_staged(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.first_limit.is_none() && self.out.at_boundary() {
            self.control.take_into(&mut self.staged);
        }
        while !self.staged.is_empty() {
            let n = ready!(Pin::new(&mut self.io).poll_write(cx, &self.staged))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.staged.advance(n);
        }
        Poll::Ready(Ok(()))
    }

    /// Stages `h2`'s first SETTINGS with our stream limit in it; says how many bytes of `buf` that took.
    fn stage_first_settings(&mut self, buf: &[u8], limit: u32) -> usize {
        let length = (HEADER + length_of(buf)).min(buf.len());
        self.staged.extend_from_slice(&buf[..length]);
        for parameter in self.staged[HEADER..].chunks_exact_mut(6) {
            if parameter[..2] == MAX_CONCURRENT_STREAMS.to_be_bytes() {
                parameter[2..].copy_from_slice(&limit.to_be_bytes());
            }
        }
        length
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Tap<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let filled = buf.filled().len();
        loop {
            this.hand_over(buf);
            if buf.filled().len() > filled || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            this.raw.reserve(READ_SIZE);
            let n =
                ready!(tokio_util::io::poll_read_buf(Pin::new(&mut this.io), cx, &mut this.raw))?;
            if n == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Tap<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_staged(cx))?;
        if buf.len() >= HEADER
            && let Some(limit) = this.first_limit.take()
        {
            return Poll::Ready(Ok(this.stage_first_settings(buf, limit)));
        }
        let mut length = buf.len();
        if this.control.going_away.load(Ordering::Acquire) {
            match this.out.find_goaway(buf) {
                Some((0, dropped)) => return Poll::Ready(Ok(dropped)),
                Some((start, _)) => length = start,
                None => {}
            }
        }
        let n = ready!(Pin::new(&mut this.io).poll_write(cx, &buf[..length]))?;
        this.out.advance(&buf[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_staged(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_staged(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Where a byte stream stands between two frame boundaries.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    header: [u8; HEADER],
    have: usize,
    /// Payload bytes of the current frame still to come.
    left: usize,
}

impl Cursor {
    fn at_boundary(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    fn advance(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let n = self.step(bytes);
            bytes = &bytes[n..];
        }
    }

    /// Goes on to the next boundary or to the end of `bytes`; says how many bytes that took.
    fn step(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        if self.left == 0 {
            taken = (HEADER - self.have).min(bytes.len());
            self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            if self.have < HEADER {
                return taken;
            }
            self.have = 0;
            self.left = length_of(&self.header);
        }
        let payload = self.left.min(bytes.len() - taken);
        self.left -= payload;
        taken + payload
    }

    /// Start and length of the first GOAWAY frame that begins in `bytes`.
    fn find_goaway(mut self, bytes: &[u8]) -> Option<(usize, usize)> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if self.at_boundary() && rest.len() >= HEADER && rest[3] == KIND_GOAWAY {
                return Some((at, (HEADER + length_of(rest)).min(rest.len())));
            }
            at += self.step(rest);
        }
        None
    }
}

/// The payload length that a frame header names.
fn length_of(header: &[u8]) -> usize {
    usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: usize) -> Vec<u8> {
        let mut bytes = vec![0, 0, payload as u8, kind, 0, 0, 0, 0, 0];
        bytes.resize(HEADER + payload, 0xaa);
        bytes
    }

    #[test]
    fn the_cursor_finds_boundaries_whatever_the_pieces() {
        let bytes = [frame(0, 5), frame(1, 0), frame(0, 40)].concat();
        for piece in 1..bytes.len() {
            let mut cursor = Cursor::default();
            let mut boundaries = Vec::new();
            let mut at = 0;
            for chunk in bytes.chunks(piece) {
                let mut rest = chunk;
                while !rest.is_empty() {
                    let n = cursor.step(rest);
                    at += n;
                    rest = &rest[n..];
                    if cursor.at_boundary() {
                        boundaries.push(at);
                    }
                }
            }
            assert_eq!(boundaries, [14, 23, 72], "pieces of {piece}");
        }
    }

    #[test]
    fn a_goaway_is_found_behind_other_frames() {
        let bytes = [frame(0, 5), frame(KIND_GOAWAY, 8), frame(0, 1)].concat();
        assert_eq!(Cursor::default().find_goaway(&bytes), Some((14, 17)));
        assert_eq!(Cursor::default().find_goaway(&bytes[14..]), Some((0, 17)));
        assert_eq!(Cursor::default().find_goaway(&bytes[31..]), None);
    }
}
