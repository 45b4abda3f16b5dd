//! Step 1 of the way: takes a message in, or says why not.
//!
//! The WebSocket's `send` and the API's `POST /v1/messages` meet here. Inputs are checked field by
//! field; then one transaction stores the message, its idempotency key and every wake it owes, and
//! only then is it answered.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use domain::{AppId, Epoch, MessageId, Offset, Time, Urgency};
use store::model::{Accept, Accepted, Content, Reach, RecipientFault, Sender};
use tracing::Instrument;
use wire::{FailedRecipient, PushChoice, ServerFrame, UrgencyName, limits};

use crate::http::problem::{Problem, ProblemCode};
use crate::node::Node;
use crate::opaque;
use crate::pushes::check;
use crate::rates::Counted;
use crate::{report, steps, to_wire};

/// The longest a message is kept.
pub const LONGEST_TTL: Duration = Duration::from_secs(30 * 86_400);

/// A message as it came in, from wherever.
#[derive(Debug)]
pub struct Incoming {
    /// The app.
    pub app: AppId,
    /// The user it comes from, if any.
    pub sender: Option<Sender>,
    /// What keeps the sender's ids apart from other senders': the device, or the API key.
    pub sender_key: String,
    /// The sender's own id for it.
    pub client_id: String,
    /// Users.
    pub to: Vec<String>,
    /// Whether users that the app does not have are made.
    pub makes_users: bool,
    /// The conversation.
    pub thread: Option<String>,
    /// Opaque JSON text.
    pub body: Box<serde_json::value::RawValue>,
    /// Seconds it is kept for.
    pub ttl: Option<u32>,
    /// How much the recipient should be bothered.
    pub urgency: UrgencyName,
    /// What a push about it says.
    pub push: Option<PushChoice>,
}

/// A message that was taken in.
#[derive(Debug)]
pub struct Taken {
    /// Its id.
    pub message: MessageId,
    /// When it was accepted first.
    pub at: Time,
    /// Recipients that could not take it.
    pub failed: Vec<FailedRecipient>,
    /// Where the copy for the sender's own devices is, if there are several.
    pub own_copy: Option<(Epoch, Offset)>,
    /// With `ttl: 0`, how many living sessions it went to.
    pub live: Option<u32>,
}

/// Takes a message in.
///
/// # Errors
///
/// A [`Problem`] that names the field and says what to do; nothing is stored then.
pub async fn accept(node: &Arc<Node>, incoming: Incoming) -> Result<Taken, Problem> {
    let step = steps::accept(incoming.app);
    take(node, incoming).instrument(step).await
}

async fn take(node: &Arc<Node>, incoming: Incoming) -> Result<Taken, Problem> {
    check(&incoming)?;
    if let Some(sender) = &incoming.sender {
        count(node, &incoming, &sender.user)?;
    }
    let settings = node.settings(incoming.app).await.map_err(storage_problem)?;
    let now = node.clock.now();
    let ttl = incoming.ttl.unwrap_or(settings.default_ttl_s);
    let message = node.ids.message(incoming.app, &incoming.sender_key, &incoming.client_id);
    if ttl == 0 {
        return live_only(node, &incoming, message, now).await;
    }
    let accept = Accept {
        app: incoming.app,
        message,
        request: request_digest(&incoming),
        recipients: incoming.to,
        makes_users: incoming.makes_users,
        content: Arc::new(Content {
            thread: incoming.thread,
            body: String::from(Box::<str>::from(incoming.body)),
            urgency: match incoming.urgency {
                UrgencyName::Normal => Urgency::Normal,
                UrgencyName::High => Urgency::High,
            },
            wakes: !matches!(incoming.push, Some(PushChoice::None(_))),
            push: match &incoming.push {
                // What a notification says is the app's to decide; its users may ask for silence.
                Some(PushChoice::Content(content))
                    if incoming.sender.is_none() || settings.clients_set_push =>
                {
                    serde_json::to_string(content).ok()
                }
                Some(PushChoice::Content(_) | PushChoice::None(_)) | None => None,
            },
            expires_at: now.plus(Duration::from_secs(u64::from(ttl))),
        }),
        sender: incoming.sender,
        now,
        birth: node.birth(),
    };
    let app = accept.app;
    let (accepted, effects) = node.store.accept(accept).await.map_err(storage_problem)?;
    node.carry_out(effects);
    match accepted {
        Accepted::Stored { at, failed, entries, own_copy, replayed } => {
            if !replayed {
                report::accepted(node, app, message, &entries, at);
            }
            let failed = failed.into_iter().map(failed_recipient).collect();
            Ok(Taken { message, at, failed, own_copy, live: None })
        }
        Accepted::NoRecipient(failed) => Err(no_recipient(&failed)),
        Accepted::IdReused => Err(Problem::new(
            ProblemCode::IdReused,
            "this id was used for another message before; give every message an id of its own, \
             and resend a message unchanged",
        )
        .with_field("id")),
    }
}

/// Counts what a user sends: each recipient, at the sender and at the recipient.
fn count(node: &Node, incoming: &Incoming, sender: &str) -> Result<(), Problem> {
    let now = node.clock.now();
    let recipients = u32::try_from(incoming.to.len()).unwrap_or(u32::MAX);
    let kind = if incoming.ttl == Some(0) { Counted::Live } else { Counted::Messages };
    node.rates.take(kind, incoming.app, sender, recipients, now)?;
    for user in &incoming.to {
        let taken = node.rates.take(Counted::MessagesTo, incoming.app, user, 1, now);
        taken.map_err(|problem| problem.with_field("to"))?;
    }
    Ok(())
}

/// `ttl: 0`: to whoever is there now, at most once, without a position.
async fn live_only(
    node: &Arc<Node>,
    incoming: &Incoming,
    message: MessageId,
    now: Time,
) -> Result<Taken, Problem> {
    let mut failed = Vec::new();
    let mut live = 0;
    for user in &incoming.to {
        let from = incoming.sender.as_ref().map(|sender| sender.user.clone());
        let reach = node.store.reach(incoming.app, user.clone(), from).await;
        let inbox = match reach.map_err(storage_problem)? {
            Reach::Open(inbox) => inbox,
            Reach::Blocked => continue,
            Reach::Unknown => {
                failed.push((user.clone(), RecipientFault::UnknownUser));
                continue;
            }
        };
        let frame = ServerFrame::Message(wire::Message {
            position: to_wire::no_position(),
            entry: String::new(),
            id: message.to_string(),
            from: incoming.sender.as_ref().map(|sender| sender.user.clone()),
            thread: incoming.thread.clone(),
            body: incoming.body.clone(),
            sent_at: to_wire::time(now),
            expires_at: to_wire::time(now),
            own_copy_to: None,
            missed_call: None,
        });
        live += node.hub.tell(inbox, &frame, |_| true);
    }
    if failed.len() == incoming.to.len() {
        return Err(no_recipient(&failed));
    }
    let failed = failed.into_iter().map(failed_recipient).collect();
    Ok(Taken { message, at: now, failed, own_copy: None, live: Some(live) })
}

fn failed_recipient((user, fault): (String, RecipientFault)) -> FailedRecipient {
    FailedRecipient { user, code: fault.as_str().to_owned() }
}

fn no_recipient(failed: &[(String, RecipientFault)]) -> Problem {
    match failed.first() {
        Some((user, RecipientFault::InboxFull)) => Problem::new(
            ProblemCode::InboxFull,
            format!(
                "the inbox of {user:?} is full; send again once a device of theirs has connected"
            ),
        ),
        Some((user, RecipientFault::UnknownUser)) => Problem::new(
            ProblemCode::UnknownUser,
            format!("the app has no user {user:?}; make a user token for them first"),
        ),
        None => Problem::invalid_field("to", "name at least one user"),
    }
    .with_field("to")
}

/// Checks every field.
fn check(incoming: &Incoming) -> Result<(), Problem> {
    check_client_id("id", &incoming.client_id)?;
    if incoming.to.is_empty() {
        return Err(Problem::invalid_field("to", "name at least one user"));
    }
    if incoming.to.len() > limits::RECIPIENTS {
        return Err(Problem::new(
            ProblemCode::TooManyRecipients,
            format!(
                "{} users are named, {} are allowed; send in parts",
                incoming.to.len(),
                limits::RECIPIENTS
            ),
        )
        .with_field("to"));
    }
    for user in &incoming.to {
        check_name("to", user)?;
    }
    if let Some(thread) = &incoming.thread {
        check_name("thread", thread)?;
    }
    let body = incoming.body.get().len();
    if body > limits::BODY_BYTES {
        return Err(Problem::new(
            ProblemCode::BodyTooLarge,
            format!(
                "body has {body} bytes, {} are allowed; send a link to what is larger",
                limits::BODY_BYTES
            ),
        )
        .with_field("body"));
    }
    opaque::check("body", incoming.body.get())?;
    if incoming.ttl.is_some_and(|ttl| Duration::from_secs(u64::from(ttl)) > LONGEST_TTL) {
        let most = LONGEST_TTL.as_secs();
        return Err(Problem::invalid_field("ttl", format!("at most {most} seconds (30 days)")));
    }
    if let Some(PushChoice::Content(content)) = &incoming.push {
        check_content(content).map_err(|problem| problem.within("push").of_push())?;
    }
    Ok(())
}

/// Checks what a push about a message says.
fn check_content(content: &wire::push::Content) -> Result<(), Problem> {
    let wire::push::Content { title, body, sound, badge, image, category, open, data } = content;
    for (field, text, most) in [
        ("title", title, limits::PUSH_TEXT_BYTES),
        ("body", body, limits::PUSH_TEXT_BYTES),
        ("sound", sound, limits::PUSH_TEXT_BYTES),
    ] {
        let length = text.as_ref().map_or(0, String::len);
        if length > most {
            let detail = format!("{length} bytes, {most} are allowed");
            return Err(Problem::invalid_field(field, detail));
        }
    }
    check::badge(*badge)?;
    image.clone().map(check::image).transpose()?;
    check::short("category", category.clone(), limits::NAME_BYTES)?;
    check::short("open", open.clone(), limits::URL_BYTES)?;
    check::data(data.clone())?;
    Ok(())
}

/// Checks a sender's own id: 1 to 128 printable ASCII characters.
pub fn check_client_id(field: &'static str, id: &str) -> Result<(), Problem> {
    let good = (1..=limits::NAME_BYTES).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_graphic());
    if good {
        return Ok(());
    }
    Err(Problem::invalid_field(field, "give 1 to 128 printable ASCII characters, best a UUID"))
}

/// Checks the name of a user, device or thread: 1 to 128 bytes without control characters.
pub fn check_name(field: &'static str, name: &str) -> Result<(), Problem> {
    let good =
        (1..=limits::NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control);
    if good {
        return Ok(());
    }
    Err(Problem::invalid_field(field, "give 1 to 128 bytes without control characters"))
}

/// A hash of the whole request, recipients included: the same id with another one is refused.
fn request_digest(incoming: &Incoming) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(bytes);
    };
    for user in &incoming.to {
        part(user.as_bytes());
    }
    part(b"");
    part(incoming.thread.as_deref().unwrap_or_default().as_bytes());
    part(incoming.body.get().as_bytes());
    part(incoming.ttl.map(|ttl| ttl.to_string()).unwrap_or_default().as_bytes());
    part(serde_json::to_string(&incoming.urgency).unwrap_or_default().as_bytes());
    part(serde_json::to_string(&incoming.push).unwrap_or_default().as_bytes());
    let mut sum = [0; 32];
    for (to, from) in sum.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    sum
}

/// What a failure of the store is to whoever asked; the log is told here.
pub fn storage_problem(error: store::Error) -> Problem {
    match error {
        error @ store::Error::Full => {
            tracing::error!(%error, "nothing more can be stored");
            Problem::new(
                ProblemCode::StorageFull,
                "the server's disk is full; nothing was stored, send again later with the same id",
            )
        }
        store::Error::Closed => {
            Problem::unavailable("the server is stopping; send again", Duration::from_secs(1))
        }
        error @ (store::Error::Newer { .. }
        | store::Error::InUse { .. }
        | store::Error::File { .. }
        | store::Error::Database(_)) => {
            tracing::error!(%error, "the store failed");
            Problem::internal()
        }
    }
}
