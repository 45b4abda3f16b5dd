//! One request on one stream.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream};
use http::Request;
use tokio::time::timeout;

use super::Answer;
use super::failure::Failure;
use super::pool::Slot;

/// The most of an answer's body that is kept. The providers' answers have some hundred bytes; a
/// front-end's error page is cut.
pub(crate) const LARGEST_BODY: usize = 64 * 1024;

/// How a stream ended.
pub(super) enum StreamEnd {
    /// With an answer.
    Answered(Answer),
    /// Surely unprocessed, and another connection may do better.
    Unprocessed(String),
    /// Surely unprocessed, and another connection will not do better.
    Refused(Failure),
    /// Without an answer after it was written, because of a time-out.
    TimedOut,
    /// Without an answer after it was written.
    Lost(String),
}

/// Writes the request on the slot's connection and reads its answer.
pub(super) async fn exchange(
    slot: &mut Slot,
    request: Request<()>,
    body: Bytes,
    limit: Duration,
) -> StreamEnd {
    let mut sender = slot.connection().sender.clone();
    let (response, mut stream) = match sender.send_request(request, body.is_empty()) {
        Ok(both) => both,
        Err(error) => {
            // The connection is closing or its stream ids are used up: nothing was written.
            return unprocessed(slot, &error);
        }
    };
    // A failure here ends the response as well, with the better reason.
    if !body.is_empty() {
        let _ = stream.send_data(body, true);
    }
    let answered = timeout(limit, async {
        let (head, mut body) = response.await?.into_parts();
        Ok((head, read(&mut body).await?))
    })
    .await;
    match answered {
        Ok(Ok((head, body))) => StreamEnd::Answered(Answer {
            status: head.status,
            headers: head.headers,
            body,
            connection: slot.connection().id,
        }),
        Ok(Err(error)) => end_of(slot, &error),
        Err(_) => StreamEnd::TimedOut,
    }
}

/// Reads an answer's body, up to the limit.
async fn read(body: &mut RecvStream) -> Result<Bytes, h2::Error> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let mut whole = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        let room = LARGEST_BODY - whole.len();
        let (part, _) = chunk.split_at(chunk.len().min(room));
        whole.extend_from_slice(part);
        if part.len() < chunk.len() {
            break; // dropping the stream resets it
        }
        // Fails only if more were released than received.
        let _ = body.flow_control().release_capacity(chunk.len());
    }
    Ok(whole.freeze())
}

/// Sorts the error of a stream that was opened.
fn end_of(slot: &mut Slot, error: &h2::Error) -> StreamEnd {
    if error.is_remote() && error.is_go_away() {
        // Of the streams of a connection, h2 gives this error only to those above the GOAWAY's
        // last stream id, which the server has not processed (RFC 9113, section 6.8).
        return unprocessed(slot, error);
    }
    if error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM) {
        // RFC 9113, section 8.7: not processed, may be retried.
        slot.refused();
        return StreamEnd::Unprocessed(error.to_string());
    }
    if error.is_reset() {
        return StreamEnd::Lost(error.to_string());
    }
    match slot.connection_ended() {
        // The server did not get past TLS, so it cannot have processed anything.
        Some(failure @ Failure::Alert(_)) => StreamEnd::Refused(failure),
        _ => StreamEnd::Lost(error.to_string()),
    }
}

/// Sorts the error of a connection that is ending and did not process the request.
fn unprocessed(slot: &Slot, error: &h2::Error) -> StreamEnd {
    match slot.connection_ended() {
        Some(failure) => StreamEnd::Refused(failure),
        None => StreamEnd::Unprocessed(error.to_string()),
    }
}
