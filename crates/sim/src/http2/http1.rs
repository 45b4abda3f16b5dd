//! A connection that agreed on HTTP/1.1: hyper reads and writes it, all else is the same.
//!
//! What only HTTP/2 has becomes its next of kin: a GOAWAY, a refused, a reset and a swallowed stream
//! are a connection that ends without an answer, and so is one that is half closed.

use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio_rustls::server::TlsStream;

use super::{
    Session, Shared, Verdict,
    connection::{MAX_BODY, record, unanswered},
    wire::Wire,
};
use crate::trouble::RequestTrouble;

/// Why a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection ends here by script")]
struct Abort;

/// Serves one connection to its end.
pub(super) async fn serve(stream: TlsStream<Wire>, number: u64, shared: &Shared) {
    let (session, _) = shared.service.open(None);
    let session = Mutex::new(session);
    let service = service_fn(|request| process(request, number, shared, &session));
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let mut frozen = shared.trouble.frozen();
    loop {
        if *frozen.borrow_and_update() {
            // An error says that the service is gone, and then this task is ended anyway.
            let _ = frozen.wait_for(|frozen| !frozen).await;
        }
        tokio::select! {
            // The client hung up or broke the protocol, or a script ended the connection.
            _ = &mut serving => return,
            _ = frozen.changed() => {}
        }
    }
}

/// Reads, judges, records, waits if held, answers.
async fn process(
    request: Request<Incoming>,
    number: u64,
    shared: &Shared,
    session: &Mutex<Session<'_>>,
) -> Result<Response<Full<Bytes>>, Abort> {
    let now = || shared.service.now();
    let trouble = shared.trouble.for_request(request.uri().path(), now);
    match trouble {
        Some(
            RequestTrouble::CloseUnprocessed
            | RequestTrouble::GoAway(_)
            | RequestTrouble::HalfClose
            | RequestTrouble::Swallow,
        ) => {
            unanswered(shared, (number, 0), &request, "the connection was closed by script");
            return Err(Abort);
        }
        Some(RequestTrouble::RefuseStream) => {
            unanswered(shared, (number, 0), &request, "refused by script");
            shared.recorder.refused_stream();
            return Err(Abort);
        }
        None
        | Some(
            RequestTrouble::Answer(_)
            | RequestTrouble::CloseAfterProcessing
            | RequestTrouble::Reset(_),
        ) => {}
    }
    let (request, body) = request.into_parts();
    let body = read(body).await?;
    let vanishes = matches!(trouble, Some(RequestTrouble::CloseAfterProcessing));
    let verdict = match trouble {
        Some(RequestTrouble::Reset(_)) => {
            let request = Request::from_parts(request, ());
            unanswered(shared, (number, 0), &request, "reset by script");
            return Err(Abort);
        }
        Some(RequestTrouble::Answer(scripted)) => scripted.into_verdict(),
        _ => session.lock().unwrap_or_else(PoisonError::into_inner).judge(&request, &body),
    };
    record(shared, (number, 0), request, body, &verdict);
    if vanishes {
        return Err(Abort);
    }
    shared.trouble.before_answer().await;
    Ok(answer(verdict))
}

fn answer(verdict: Verdict) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(verdict.body));
    *response.status_mut() = verdict.status;
    *response.headers_mut() = verdict.headers;
    response
}

/// Reads a body, up to a little over [`MAX_BODY`].
async fn read(mut body: Incoming) -> Result<Bytes, Abort> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // The client broke off.
        let frame = frame.map_err(|_| Abort)?;
        if let Some(piece) = frame.data_ref() {
            whole.extend_from_slice(piece);
        }
        if whole.len() > MAX_BODY {
            break;
        }
    }
    Ok(whole.freeze())
}
