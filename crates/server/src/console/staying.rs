//! What comes bit by bit ends with the session of whoever follows it.
//!
//! ```text
//!   signed out, a new password ──▶ is the session still there? ── no ──▶ the end
//!   every so often, before a bit ─▶ ▲                          ── yes ─▶ on
//! ```
//!
//! A stream that nothing is written to has its signs of life, which are bits too: so it is asked
//! about without a timer of its own.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use store::model::ConsoleVisit;
use tokio::sync::watch;

use super::session::{LIMITS, Visitor};
use crate::accept::storage_problem;
use crate::clock::Stopwatch;
use crate::node::Node;

/// How long a session is taken to be there that nobody has ended.
const PAUSE: Duration = Duration::from_secs(30);

struct Following {
    node: Arc<Node>,
    visitor: Visitor,
    bits: BodyDataStream,
    signed_out: watch::Receiver<()>,
    since_asked: Stopwatch,
}

/// The same answer, which ends once its visitor is signed in no more.
pub(super) fn while_signed_in(node: Arc<Node>, visitor: Visitor, answer: Response) -> Response {
    let (parts, body) = answer.into_parts();
    let (bits, since_asked) = (body.into_data_stream(), node.clock.stopwatch());
    let mut signed_out = node.signed_out.subscribe();
    // They may have signed out since they were let in: it is asked at once.
    signed_out.mark_changed();
    let following = Following { node, visitor, bits, signed_out, since_asked };
    let bits = stream::unfold(following, |mut following| async {
        let bit = following.next().await?;
        Some((bit, following))
    });
    Response::from_parts(parts, Body::from_stream(bits))
}

impl Following {
    async fn next(&mut self) -> Option<Result<Bytes, axum::Error>> {
        loop {
            let bit = tokio::select! {
                biased;
                changed = self.signed_out.changed() => {
                    changed.ok()?;
                    None
                }
                bit = pin!(self.bits.next()) => Some(bit?),
            };
            let is_due = bit.is_none() || self.since_asked.elapsed() >= PAUSE;
            if is_due && !self.is_signed_in().await {
                return None;
            }
            if bit.is_some() {
                return bit;
            }
        }
    }

    /// A page that is left open is no reason to stay signed in.
    async fn is_signed_in(&mut self) -> bool {
        self.since_asked = self.node.clock.stopwatch();
        let (session, now) = (self.visitor.session(), self.node.clock.now());
        let found = self.node.store.console_session(session, LIMITS, ConsoleVisit::Page, now).await;
        found.unwrap_or_else(|error| {
            // Logged there. The page comes again.
            let _told = storage_problem(error);
            false
        })
    }
}
