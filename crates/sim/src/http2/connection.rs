//! One HTTP/2 connection: takes streams, judges them, answers.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream::FuturesUnordered};
use h2::{Reason, RecvStream, server::SendResponse};
use http::{HeaderMap, Method, Request, Response, Uri, header::HOST, request, uri::Authority};
use tokio_rustls::server::TlsStream;

use super::{
    Farewell, Session, Shared, Verdict,
    seen::{Fate, SeenPush, Sighting, Unanswered},
    tap::{Control, Tap},
    wire::{Hangup, Wire},
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
    hangup: Hangup,
    state: Mutex<State<'a>>,
}

struct State<'a> {
    session: Session<'a>,
    /// How many streams the service grants.
    granted: u32,
    /// The most that a script lets it grant.
    ceiling: Option<u32>,
    /// How many streams the client was told it may have open.
    limit: u32,
    open: u32,
    /// Set once GOAWAY was said: streams above it are not processed.
    last_stream: Option<u32>,
    /// The highest stream that was taken for processing.
    highest: u32,
    /// Set once the sending side was closed: nothing is processed any more.
    half_closed: bool,
}

/// Why a connection ends at once.
struct Abort;

pub(super) async fn serve(stream: TlsStream<Wire>, number: u64, shared: &Shared) {
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).cloned();
    let hangup = stream.get_ref().0.hangup();
    let (session, granted) = shared.service.open(certificate.as_ref());
    let control = Arc::new(Control::default());
    let mut stream_limit = shared.trouble.stream_limit();
    let ceiling = *stream_limit.borrow_and_update();
    let limit = ceiling.unwrap_or(u32::MAX).min(granted);
    let state = State {
        session,
        granted,
        ceiling,
        limit,
        open: 0,
        last_stream: None,
        highest: 0,
        half_closed: false,
    };
    let state = Mutex::new(state);
    let connection = Connection { shared, number, control: control.clone(), hangup, state };
    let handshake = h2::server::Builder::new()
        .max_concurrent_streams(H2_STREAMS)
        .initial_connection_window_size(WINDOW)
        .initial_window_size(WINDOW)
        .handshake::<_, Bytes>(Tap::new(stream, control, limit));
    let mut h2 = match handshake.await {
        Ok(h2) => h2,
        Err(error) => {
            let (at, why) = (shared.service.now(), error.to_string());
            let sighting = || Sighting::HandshakeFailed { at, connection: number, why };
            return shared.recorder.failed_handshake(sighting);
        }
    };

    let mut frozen = shared.trouble.frozen();
    let mut idle = shared.trouble.idle();
    let mut at_work = FuturesUnordered::new();
    // Streams that stay untouched: what came after GOAWAY or behind a closed door, and what a
    // script lets lie.
    let mut unprocessed = Vec::new();
    loop {
        if *frozen.borrow_and_update() {
            // An error says that the service is gone, and then this task is ended anyway.
            let _ = frozen.wait_for(|frozen| !frozen).await;
        }
        // Counted anew from whatever happened last.
        let end_of_quiet = idle.borrow_and_update().clone();
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
            go_away = quiet(end_of_quiet), if at_work.is_empty() => {
                connection.say_go_away(&mut connection.state(), &go_away);
            }
            _ = frozen.changed() => {}
            _ = idle.changed() => {}
            _ = stream_limit.changed() => {
                connection.limit_streams(*stream_limit.borrow_and_update());
            }
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

/// Waits until a connection has been quiet for too long; for ever if none is.
async fn quiet(end: Option<(Duration, GoAway)>) -> GoAway {
    let Some((after, go_away)) = end else { return std::future::pending().await };
    tokio::time::sleep(after).await;
    go_away
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
        if state.last_stream.is_some() || state.half_closed {
            self.unanswered(&request, stream, "the connection was ending");
            return Taken::Leave(respond);
        }
        if state.open >= state.limit {
            self.unanswered(&request, stream, "REFUSED_STREAM: above the stream limit");
            self.shared.recorder.refused_stream();
            respond.send_reset(Reason::REFUSED_STREAM);
            return Taken::Done;
        }
        let now = || self.shared.service.now();
        let trouble = self.shared.trouble.for_request(request.uri().path(), now);
        match trouble {
            Some(RequestTrouble::CloseUnprocessed) => {
                self.unanswered(&request, stream, "the connection was closed by script");
                return Taken::Abort;
            }
            Some(RequestTrouble::GoAway(go_away)) => {
                self.unanswered(&request, stream, "GOAWAY by script");
                self.say_go_away(&mut state, &go_away);
                return Taken::Leave(respond);
            }
            Some(RequestTrouble::HalfClose) => {
                self.unanswered(&request, stream, "the connection was half closed by script");
                state.half_closed = true;
                self.hangup.half_close();
                return Taken::Leave(respond);
            }
            Some(RequestTrouble::RefuseStream) => {
                self.unanswered(&request, stream, "REFUSED_STREAM by script");
                self.shared.recorder.refused_stream();
                respond.send_reset(Reason::REFUSED_STREAM);
                return Taken::Done;
            }
            Some(RequestTrouble::Swallow) => {
                self.unanswered(&request, stream, "left unprocessed by script");
                return Taken::Leave(respond);
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

    /// Tells those who watch of a request that is given no answer.
    fn unanswered<B>(&self, request: &Request<B>, stream: u32, why: &'static str) {
        unanswered(self.shared, (self.number, stream), request, why);
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
        let mut verdict = match trouble {
            Some(RequestTrouble::Reset(code)) => {
                self.state().open -= 1;
                let request = Request::from_parts(request, ());
                self.unanswered(&request, stream, "reset by script");
                respond.send_reset(Reason::from(code));
                return ControlFlow::Continue(());
            }
            Some(RequestTrouble::Answer(scripted)) => scripted.into_verdict(),
            _ => self.state().session.judge(&request, &body),
        };
        if request.method == Method::HEAD {
            // RFC 9110, section 9.3.2.
            verdict.body = Bytes::new();
        }
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
        if let Some(Farewell::InPlace(debug_data)) = verdict.go_away {
            // The stream gets no answer: it is above the last one processed, which is none.
            state.highest = 0;
            self.say_go_away(&mut state, &GoAway { code: 0, debug_data });
            return;
        }
        if let Some(granted) = verdict.streams {
            state.granted = granted;
            self.tell_limit(&mut state);
        }
        let mut response = Response::new(());
        *response.status_mut() = verdict.status;
        *response.headers_mut() = verdict.headers;
        // An error says that the client has reset the stream or gone; there is nobody to answer then.
        if let Ok(mut body) = respond.send_response(response, verdict.body.is_empty())
            && !verdict.body.is_empty()
        {
            let _ = body.send_data(verdict.body, true);
        }
        if let Some(Farewell::AfterAnswer(go_away)) = verdict.go_away {
            self.say_go_away(&mut state, &go_away);
        }
    }

    /// Takes over what a script allows.
    fn limit_streams(&self, ceiling: Option<u32>) {
        let mut state = self.state();
        state.ceiling = ceiling;
        self.tell_limit(&mut state);
    }

    /// Tells the client how many streams it may have, if that has changed.
    fn tell_limit(&self, state: &mut State<'_>) {
        let limit = state.ceiling.unwrap_or(u32::MAX).min(state.granted);
        if limit != state.limit {
            state.limit = limit;
            self.control.limit_streams(limit);
        }
    }

    fn say_go_away(&self, state: &mut State<'_>, go_away: &GoAway) {
        if state.last_stream.is_none() {
            state.last_stream = Some(state.highest);
            self.control.go_away(state.highest, go_away.code, &go_away.debug_data);
            self.shared.recorder.went_away(|| Sighting::GoAway {
                at: self.shared.service.now(),
                connection: self.number,
                last_stream: state.highest,
                go_away: go_away.clone(),
            });
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
        authority: authority(&request.uri, &request.headers),
        path: request.uri.path().to_owned(),
        headers: request.headers,
        token: verdict.token.clone(),
        payload,
        status: verdict.status,
        reason: verdict.reason.clone(),
        why: verdict.why.clone(),
        answer: verdict.body.clone(),
        id: verdict.id.clone(),
        fate: verdict.fate,
    });
}

/// Tells those who watch of a request that is given no answer; `place` is its connection and stream.
pub(super) fn unanswered<B>(
    shared: &Shared,
    place: (u64, u32),
    request: &Request<B>,
    why: &'static str,
) {
    shared.recorder.unanswered(|| Unanswered {
        at: shared.service.now(),
        connection: place.0,
        stream: place.1,
        method: request.method().clone(),
        authority: authority(request.uri(), request.headers()),
        path: request.uri().path().to_owned(),
        why,
    });
}

/// The host that was asked for; empty if the request does not say.
fn authority(uri: &Uri, headers: &HeaderMap) -> String {
    let host = || headers.get(HOST).and_then(|host| host.to_str().ok());
    uri.authority().map(Authority::as_str).or_else(host).unwrap_or_default().to_owned()
}

impl Scripted {
    pub(super) fn into_verdict(self) -> Verdict {
        Verdict {
            status: self.status,
            headers: self.headers,
            body: self.body,
            reason: None,
            why: Some("answered by script".into()),
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
