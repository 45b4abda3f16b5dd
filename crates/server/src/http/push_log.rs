//! The push log: what was done and why, in pages or as a whole.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::{Diagnosis, MessageId, PushId, WakeId};
use futures_util::stream;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::{Value, json};
use store::log::{Cursor, MAX_LIMIT, Order, Place, Query, Record, Step, Trace};
use tokio::sync::broadcast::error::RecvError;
use wire::http::Page;

use super::auth::AppKey;
use super::body::{Params, limit, time};
use super::problem::{Problem, ProblemCode};
use crate::accept::storage_problem;
use crate::node::Node;
use crate::{from_wire, report, to_wire};

/// Records in one answer when nothing is said.
const LIMIT: usize = 100;

/// So many may follow the log at once.
const FOLLOWERS: usize = 64;

/// What records are wanted, and which page of them; all given must hold.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    user: Option<String>,
    device: Option<String>,
    message: Option<String>,
    push: Option<String>,
    wake: Option<String>,
    call: Option<String>,
    code: Option<u16>,
    step: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

/// The same without pages: serde refuses unknown fields only of a flat struct.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WantedWhole {
    user: Option<String>,
    device: Option<String>,
    message: Option<String>,
    push: Option<String>,
    wake: Option<String>,
    call: Option<String>,
    code: Option<u16>,
    step: Option<String>,
    since: Option<String>,
    until: Option<String>,
}

/// The same without times either.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WantedLive {
    user: Option<String>,
    device: Option<String>,
    message: Option<String>,
    push: Option<String>,
    wake: Option<String>,
    call: Option<String>,
    code: Option<u16>,
    step: Option<String>,
}

impl From<WantedLive> for Wanted {
    fn from(live: WantedLive) -> Self {
        let WantedLive { user, device, message, push, wake, call, code, step } = live;
        Self { user, device, message, push, wake, call, code, step, ..Self::default() }
    }
}

impl From<WantedWhole> for Wanted {
    fn from(whole: WantedWhole) -> Self {
        let WantedWhole { user, device, message, push, wake, call, code, step, since, until } =
            whole;
        let (limit, after) = (Some(MAX_LIMIT), None);
        Self { user, device, message, push, wake, call, code, step, since, until, limit, after }
    }
}

/// `GET /v1/push-log`: newest first.
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Page<wire::http::Record>>, Problem> {
    let query = query(&node, &key, wanted).await?;
    let page = node.log.query(query).await.map_err(storage_problem)?;
    Ok(Json(Page {
        items: page.records.into_iter().map(shown).collect(),
        next: page.next.map(|cursor| cursor.to_string()),
    }))
}

/// `GET /v1/push-log/export`: all of it, oldest first, one JSON object a line.
///
/// What goes wrong after the first line cuts the answer off, so that a part is not taken for all.
pub(super) async fn export(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Params(wanted): Params<WantedWhole>,
) -> Result<Response, Problem> {
    let now = node.clock.now();
    let mut query = query(&node, &key, wanted.into()).await?;
    query.order = Order::OldestFirst;
    // It ends, whatever is written meanwhile.
    query.until = Some(query.until.map_or(now, |until| until.min(now)));
    let first = node.log.query(query.clone()).await.map_err(storage_problem)?;
    let pages = stream::try_unfold(Next::Have(query, first), move |next| {
        let node = Arc::clone(&node);
        async move {
            let (query, page) = match next {
                Next::End => return Ok(None),
                Next::Have(query, page) => (query, page),
                Next::Ask(query) => {
                    let page = node.log.query(query.clone()).await?;
                    (query, page)
                }
            };
            let next = match page.next {
                Some(after) => Next::Ask(Query { after: Some(after), ..query }),
                None => Next::End,
            };
            Ok::<_, store::Error>(Some((lines(page.records), next)))
        }
    });
    Ok(([(CONTENT_TYPE, "application/jsonl")], Body::from_stream(pages)).into_response())
}

/// `GET /v1/push-log/live`: what is written from now on.
pub(super) async fn live(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Params(wanted): Params<WantedLive>,
) -> Result<Response, Problem> {
    // Before it is asked what is wanted: nothing written meanwhile is missed.
    let records = node.log.follow();
    if node.log.followers() > FOLLOWERS {
        let detail =
            format!("{FOLLOWERS} follow the log already; end one of them, or ask for pages");
        return Err(Problem::new(ProblemCode::Unavailable, detail));
    }
    let query = query(&node, &key, wanted.into()).await?;
    let events = stream::unfold((node, query, records), |(node, query, mut records)| async move {
        let event = loop {
            let heard = tokio::select! {
                heard = records.recv() => heard,
                () = node.tasks.stopped() => return None,
            };
            match heard {
                Ok(record) if query.wants(&record) => {
                    let record = shown(Arc::unwrap_or_clone(record));
                    break Event::default().event("record").json_data(record);
                }
                Ok(_) => {}
                Err(RecvError::Lagged(records)) => {
                    break Event::default().event("missed").json_data(json!({"records": records}));
                }
                Err(RecvError::Closed) => return None,
            }
        };
        Some((event, (node, query, records)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// What of an export comes next.
enum Next {
    Have(Query, store::log::Page),
    Ask(Query),
    End,
}

fn lines(records: Vec<Record>) -> Bytes {
    let mut text = Vec::new();
    for record in records {
        // Nothing in a record is a map with keys that are no strings, the one thing that fails.
        if serde_json::to_writer(&mut text, &shown(record)).is_ok() {
            text.push(b'\n');
        }
    }
    text.into()
}

async fn query(node: &Node, key: &AppKey, wanted: Wanted) -> Result<Query, Problem> {
    let device = match wanted.device {
        None => None,
        Some(name) => {
            let found = node.store.device_by_name(key.app, name).await.map_err(storage_problem)?;
            let unknown = || Problem::new(ProblemCode::NotFound, "the app has no such device");
            Some(found.ok_or_else(|| unknown().with_field("device"))?.device)
        }
    };
    let (inbox, user) = match wanted.user {
        None => (None, None),
        Some(user) => {
            match node.store.user(key.app, user.clone()).await.map_err(storage_problem)? {
                Some(inbox) => (Some(inbox), None),
                // Gone from the store, perhaps not from the log.
                None => (None, Some(user)),
            }
        }
    };
    let trace = match wanted.message {
        None => None,
        Some(text) => Some(trace(node, key, &text).await?),
    };
    if wanted.code.is_some_and(|code| Diagnosis::from_code(code).is_none()) {
        return Err(Problem::invalid_field("code", "give a code from 901 to 905 or 911 to 913"));
    }
    let step = wanted.step.map(|word| {
        Step::parse(&word).ok_or_else(|| {
            let words = Step::ALL.map(Step::as_str).join(", ");
            Problem::invalid_field("step", format!("give one of {words}"))
        })
    });
    let after = wanted.after.map(|text| {
        Cursor::parse(&text)
            .ok_or_else(|| Problem::invalid_field("after", "give `next` of the page before"))
    });
    let limit = limit(wanted.limit, (LIMIT, MAX_LIMIT))?;
    let push = wanted.push.map(|text| {
        PushId::parse(&text)
            .ok_or_else(|| Problem::invalid_field("push", "give a direct push's id, `psh_…`"))
    });
    let wake = wanted.wake.map(|text| {
        WakeId::parse(&text)
            .ok_or_else(|| Problem::invalid_field("wake", "give a wake's id, `wak_…`"))
    });
    let call = wanted.call.map(|text| from_wire::call_id(&text));
    Ok(Query {
        app: key.app,
        inbox,
        user,
        device,
        wake: wake.transpose()?,
        call: call.transpose()?,
        push: push.transpose()?,
        trace,
        code: wanted.code,
        steps: step.transpose()?.into_iter().collect(),
        since: time("since", wanted.since)?,
        until: time("until", wanted.until)?,
        after: after.transpose()?,
        limit,
        order: Order::NewestFirst,
    })
}

async fn trace(node: &Node, key: &AppKey, text: &str) -> Result<Trace, Problem> {
    let message = MessageId::parse(text)
        .ok_or_else(|| Problem::invalid_field("message", "give a message's id, `msg_…`"))?;
    let places = node.store.find_message(key.app, message).await.map_err(storage_problem)?;
    let places = places.unwrap_or_default();
    let places = places.into_iter().map(|(inbox, offset)| Place { inbox, offset }).collect();
    Ok(Trace { message, places })
}

/// A record as the API shows it.
pub(crate) fn shown(record: Record) -> wire::http::Record {
    let sentence = report::sentence(record.step, &record.reason);
    // Written here as JSON; a line that is not is shown without.
    let detail = record.detail.as_deref().and_then(|detail| serde_json::from_str(detail).ok());
    let remedy = detail.as_ref().and_then(|detail: &Value| detail.get("remedy")?.as_str());
    wire::http::Record {
        at: to_wire::time(record.at),
        step: record.step.as_str().to_owned(),
        sentence: remedy.unwrap_or(sentence).to_owned(),
        reason: record.reason.into_owned(),
        user: record.user.map(|user| user.to_string()),
        device: record.device.map(|device| device.id.to_string()),
        wake: record.wake.map(|wake| wake.to_string()),
        attempt: record.attempt.map(|attempt| attempt.to_string()),
        message: record.message.map(|message| message.to_string()),
        call: record.call.map(to_wire::call_id),
        push: record.push.map(|push| push.to_string()),
        code: record.code,
        detail,
    }
}
