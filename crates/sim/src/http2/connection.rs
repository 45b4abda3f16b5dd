//! One HTTP/2 connection: takes streams, judges them, answers.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream::FuturesUnordered};
use h2::{Reason, RecvStream, server::SendResponse};
use http::{Request, Response, request};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::{
    Session, Shared, Verdict,
    seen::{Fate, SeenPush},
    tap::{Control, Tap},
};
use crate::trouble::{GoAway, RequestTrouble, Scripted};

/// Above any limit that is announced: `h2` is not to refuse streams by itself, the limit changes.
const H2_STREAMS: u32 = 1 << 20;
/// The most a request body may hold before the rest is left unread; above every vendor's limit.
pub(super) const MAX_BODY: usize = 64 * 1024;
const WINDOW: u32 = 1 << 20;
/// How long a client may take to go after a GOAWAY.
const FAREWELL: Duration = Duration::from_secs(5);

/// What the requests of a connection share.
struct Connection<'a> {
    shared: &'a Shared,
    number: u64,
    control: Arc<Control>,
    state: Mutex<State<'a>>,
}

struct State<'a> {
    session: Session<'a>,
    /// How many streams the client may have open.
    limit: u32,
    open: u32,
    /// Set once GOAWAY was said: streams above it are not processed.
    last_stream: Option<u32>,
    /// The highest stream that was taken for processing.
    highest: u32,
}

/// Why a connection ends at once.
struct Abort;

pub(super) async fn serve(stream: TlsStream<TcpStream>, number: u64, shared: &Shared) {
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).cloned();
    let (session, limit) = shared.service.open(certificate.as_ref());
    let control = Arc::new(Control::default());
    let state = State { session, limit, open: 0, last_stream: None, highest: 0 };
    let connection =
        Connection { shared, number, control: control.clone(), state: Mutex::new(state) };
    let handshake = h2::server::Builder::new()
        .max_concurrent_streams(H2_STREAMS)
        .initial_connection_window_size(WINDOW)
        .initial_window_size(WINDOW)
        .handshake::<_, Bytes>(Tap::new(stream, control, limit));
    let Ok(mut h2) = handshake.await else {
        return shared.recorder.failed_handshake();
    };

    let mut frozen = shared.trouble.frozen();
    let mut at_work = FuturesUnordered::new();
    // Streams that came after GOAWAY: kept untouched, as a server that is going away leaves them.
    let mut unprocessed = Vec::new();
    loop {
        if *frozen.borrow_and_update() {
            // An error says that the service is gone, and then this task is ended anyway.
            let _ = frozen.wait_for(|frozen| !frozen).await;
        }
        tokio::select! {
            biased;
            stream = h2.accept() => match stream {
                Some(Ok((request, respond))) => match connection.take(request, respond) {
                    Taken::Process(job) => at_work.push(connection.process(job)),
                    Taken::Leave(respond) => unprocessed.push(respond),
                    Taken::Done => {}
                    Taken::Abort => return,
                },
                // The client hung up, or broke the protocol and `h2` has said so.
                Some(Err(_)) | None => return,
            },
            Some(done) = at_work.next(), if !at_work.is_empty() => {
                if let ControlFlow::Break(Abort) = done {
                    return;
                }
            }
            _ = frozen.changed() => {}
        }
        if at_work.is_empty() && connection.state().last_stream.is_some() {
            break;
        }
    }
    // What is answered goes out, then the connection ends; `h2`'s own GOAWAY is dropped by the tap.
    for mut respond in unprocessed {
        respond.send_reset(Reason::REFUSED_STREAM);
    }
    h2.graceful_shutdown();
    let farewell = async { while let Some(Ok(_)) = h2.accept().await {} };
    // A client that does not go is dropped.
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

/// A request that is to be processed.
struct Job {
    request: request::Parts,
    body: RecvStream,
    respond: SendResponse<Bytes>,
    trouble: Option<RequestTrouble>,
}

#[expect(clippy::large_enum_variant, reason = "taken apart at once; a box would cost each request")]
enum Taken {
    Process(Job),
    Leave(SendResponse<Bytes>),
    Done,
    Abort,
}

impl<'a> Connection<'a> {
    /// Decides whether a new stream is processed at all.
    fn take(&self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Taken {
        let stream = respond.stream_id().as_u32();
        let mut state = self.state();
        if state.last_stream.is_some() {
            return Taken::Leave(respond);
        }
        if state.open >= state.limit {
            self.shared.recorder.refused_stream();
            respond.send_reset(Reason::REFUSED_STREAM);
            return Taken::Done;
        }
        let trouble = self.shared.trouble.for_request();
        match trouble {
            Some(RequestTrouble::CloseUnprocessed) => return Taken::Abort,
            Some(RequestTrouble::GoAway(go_away)) => {
                self.say_go_away(&mut state, &go_away);
                return Taken::Leave(respond);
            }
            Some(RequestTrouble::RefuseStream) => {
                self.shared.recorder.refused_stream();
                respond.send_reset(Reason::REFUSED_STREAM);
                return Taken::Done;
            }
            None
            | Some(
                RequestTrouble::Answer(_)
                | RequestTrouble::CloseAfterProcessing
                | RequestTrouble::Reset(_),
            ) => {}
        }
        state.open += 1;
        state.highest = stream;
        let (request, body) = request.into_parts();
        Taken::Process(Job { request, body, respond, trouble })
    }

    /// Reads, judges, records, waits if held, answers.
    async fn process(&self, job: Job) -> ControlFlow<Abort> {
        let Job { request, body, mut respond, trouble } = job;
        let Some(body) = read(body).await else {
            // The client took its request back.
            self.state().open -= 1;
            return ControlFlow::Continue(());
        };
        let stream = respond.stream_id().as_u32();
        let vanishes = matches!(trouble, Some(RequestTrouble::CloseAfterProcessing));
        let verdict = match trouble {
            Some(RequestTrouble::Reset(code)) => {
                self.state().open -= 1;
                respond.send_reset(Reason::from(code));
                return ControlFlow::Continue(());
            }
            Some(RequestTrouble::Answer(scripted)) => scripted.into_verdict(),
            _ => self.state().session.judge(&request, &body),
        };
        record(self.shared, (self.number, stream), request, body, &verdict);
        if vanishes {
            return ControlFlow::Break(Abort);
        }
        self.shared.trouble.before_answer().await;
        self.answer(respond, verdict);
        ControlFlow::Continue(())
    }

    fn answer(&self, mut respond: SendResponse<Bytes>, verdict: Verdict) {
        let mut state = self.state();
        state.open -= 1;
        if let Some(debug_data) = verdict.go_away {
            // The stream gets no answer: it is above the last one processed, which is none.
            state.highest = 0;
            self.say_go_away(&mut state, &GoAway { code: 0, debug_data });
            return;
        }
        if let Some(limit) = verdict.streams
            && limit != state.limit
        {
            state.limit = limit;
            self.control.limit_streams(limit);
        }
        drop(state);
        let mut response = Response::new(());
        *response.status_mut() = verdict.status;
        *response.headers_mut() = verdict.headers;
        // An error says that the client has reset the stream or gone; there is nobody to answer then.
        if let Ok(mut body) = respond.send_response(response, verdict.body.is_empty())
            && !verdict.body.is_empty()
        {
            let _ = body.send_data(verdict.body, true);
        }
    }

    fn say_go_away(&self, state: &mut State<'_>, go_away: &GoAway) {
        if state.last_stream.is_none() {
            state.last_stream = Some(state.highest);
            self.control.go_away(state.highest, go_away.code, &go_away.debug_data);
        }
    }

    fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a request with what was decided; `place` is its connection and stream.
pub(super) fn record(
    shared: &Shared,
    place: (u64, u32),
    request: request::Parts,
    payload: Bytes,
    verdict: &Verdict,
) {
    shared.recorder.request(verdict.status, || SeenPush {
        at: shared.service.now(),
        connection: place.0,
        stream: place.1,
        method: request.method,
        path: request.uri.path().to_owned(),
        headers: request.headers,
        token: verdict.token.clone(),
        payload,
        status: verdict.status,
        reason: verdict.reason.clone(),
        answer: verdict.body.clone(),
        id: verdict.id.clone(),
        fate: verdict.fate,
    });
}

impl Scripted {
    pub(super) fn into_verdict(self) -> Verdict {
        Verdict {
            status: self.status,
            headers: self.headers,
            body: self.body,
            reason: None,
            token: String::new(),
            id: None,
            fate: Fate::Refused,
            streams: None,
            go_away: None,
        }
    }
}

/// Reads a body, up to a little over [`MAX_BODY`]; `None` if the client broke off.
async fn read(mut body: RecvStream) -> Option<Bytes> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece.ok()?;
        // The window belongs to this stream; an error says that it is gone.
        let _ = body.flow_control().release_capacity(piece.len());
        if first.is_empty() {
            first = piece;
        } else {
            rest.extend_from_slice(&piece);
        }
        if first.len() + rest.len() > MAX_BODY {
            break;
        }
    }
    if rest.is_empty() {
        return Some(first);
    }
    let mut whole = BytesMut::from(first.as_ref());
    whole.unsplit(rest);
    Some(whole.freeze())
}
