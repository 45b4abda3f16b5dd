//! `reveille push --device`: through a running server, to a device that it knows, followed until
//! the push service has spoken.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use wire::Media;
use wire::http::{
    App, DeliveryState, Page, PriorityName, Push, PushCall, PushCreate, PushDelivery, PushKindName,
    PushTo, Record,
};

use super::input::Texts;
use super::shown::{Told, Word};
use super::{Form, Stop};
use crate::cli::peer::{Peer, PeerArgs, path_segment};
use crate::cli::say::Advice;
use crate::cli::token::seconds;
use crate::clock::Clock;
use crate::config::Environment;
use crate::to_wire;

/// How often the server is asked how the push stands.
const LOOK: Duration = Duration::from_millis(200);
/// How long a call rings.
const RINGING: SignedDuration = SignedDuration::from_secs(30);

#[derive(clap::Args)]
#[group(id = "stored")]
pub(super) struct Args {
    // An option for clap alone: a push service in its place does without.
    /// The device, by the id that its app gave it
    #[arg(long, required = true)]
    device: Option<String>,
    /// The app's id; left out, the one that the key belongs to
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    /// What the push is; of a call the title is the caller's name
    #[arg(long, default_value = "alert", value_parser = kinds())]
    r#type: PushKindName,
    #[command(flatten)]
    texts: Texts,
    /// `default`, the name of a sound of the app, or `none`
    #[arg(long)]
    sound: Option<String>,
    /// The number on the app's icon, on iOS
    #[arg(long, value_name = "NUMBER")]
    badge: Option<u32>,
    /// Which of the app's sets of actions the notification has, on iOS
    #[arg(long)]
    category: Option<String>,
    /// What iOS groups notifications by
    #[arg(long)]
    thread: Option<String>,
    /// A later push with the same id replaces it
    #[arg(long, value_name = "ID")]
    collapse_id: Option<String>,
    /// Whether it may wake the phone
    #[arg(long, value_parser = priorities())]
    priority: Option<PriorityName>,
    /// How long it is of use, and the server tries: a number with s, m, h or d; left out, one day
    #[arg(long, value_parser = seconds)]
    ttl: Option<u32>,
    /// How long to wait for the push service's word: a number with s, m, h or d
    #[arg(long, default_value = "15s", value_parser = seconds)]
    wait: u32,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    peer: PeerArgs,
}

impl Args {
    pub(super) const fn form(&self) -> Form {
        self.form
    }
}

pub(super) async fn push(args: Args, environment: &Environment) -> Result<Told, Stop> {
    let (form, wait) = (args.form, Duration::from_secs(u64::from(args.wait)));
    let (create, app, peer) = (create(&args)?, args.app, args.peer.resolve(environment)?);
    if form.dry_run {
        return Ok(Told::of_request(request(&peer, &create)));
    }
    if let Some(app) = &app {
        check_app(&peer, app).await?;
    }
    let push: Push = peer.post("/v1/pushes", &create).await.map_err(Stop::Failed)?;
    follow(&peer, push, wait).await.map_err(Stop::Failed)
}

fn create(args: &Args) -> anyhow::Result<PushCreate> {
    let data = args.texts.data()?.into_iter().map(|(key, text)| (key, text.into()));
    let data: Map<String, Value> = data.collect();
    let Texts { title, body, .. } = args.texts.clone();
    let is_call = args.r#type == PushKindName::Voip;
    let call = is_call.then(|| PushCall {
        id: uuid::Uuid::new_v4().to_string(),
        rings_until: to_wire::time(Clock::system().now())
            .saturating_add(RINGING)
            .unwrap_or(jiff::Timestamp::MAX),
        caller_name: title.clone().unwrap_or_else(|| "Reveille".to_owned()),
        caller_handle: None,
        media: Media::Audio,
    });
    Ok(PushCreate {
        to: PushTo { devices: args.device.iter().cloned().collect(), ..PushTo::default() },
        id: None,
        kind: args.r#type,
        title: title.filter(|_| !is_call),
        subtitle: None,
        body,
        texts: Default::default(),
        image: None,
        sound: args.sound.clone(),
        badge: args.badge,
        thread: args.thread.clone(),
        category: args.category.clone(),
        action: None,
        open: None,
        data,
        call,
        ttl: args.ttl,
        collapse_id: args.collapse_id.clone(),
        priority: args.priority,
        send_at: None,
        rate: None,
        apns: Map::new(),
        fcm: Map::new(),
        webpush: Map::new(),
    })
}

/// The request to the server; what it makes of it for the push service is its own to say.
fn request(peer: &Peer, create: &PushCreate) -> Value {
    json!({
        "method": "POST",
        "scheme": "http",
        "host": peer.server.authority(),
        "path": "/v1/pushes",
        "headers": { "content-type": "application/json" },
        "body": create,
    })
}

/// Refuses to push with the key of another app than was meant.
async fn check_app(peer: &Peer, app: &str) -> Result<(), Stop> {
    let path = format!("/v1/apps/{}", path_segment(app));
    let found: anyhow::Result<App> = peer.get(&path).await;
    let wrong = |error: anyhow::Error| {
        let hint = "name the app by its id, app_…, and give its key with --key or REVEILLE_KEY";
        Stop::Failed(error.context(Advice::new("--app: the key is not known as that app's", hint)))
    };
    found.map(drop).map_err(wrong)
}

/// Waits until the push is settled, or cannot be within `wait`, and tells how it stands.
async fn follow(peer: &Peer, push: Push, wait: Duration) -> anyhow::Result<Told> {
    let until = to_wire::time(Clock::system().now().plus(wait));
    let path = format!("/v1/pushes/{}/deliveries?limit=1", push.id);
    let delivery = loop {
        let page: Page<PushDelivery> = peer.get(&path).await?;
        let delivery = page.items.into_iter().next();
        let is_late = to_wire::time(Clock::system().now()) >= until;
        if is_late || delivery.as_ref().is_none_or(|delivery| is_settled(delivery, until)) {
            break delivery;
        }
        tokio::time::sleep(LOOK).await;
    };
    let log = format!("/v1/push-log?step=push&push={}&limit=1", push.id);
    let records: Page<Record> = peer.get(&log).await?;
    Ok(told(push, delivery, records.items.into_iter().next()))
}

/// Whether nothing more happens to a delivery until then.
fn is_settled(delivery: &PushDelivery, until: jiff::Timestamp) -> bool {
    match delivery.state {
        DeliveryState::Accepted
        | DeliveryState::Cancelled
        | DeliveryState::Expired
        | DeliveryState::Refused => true,
        DeliveryState::Sending => false,
        DeliveryState::Waiting => {
            delivery.refused > 0 && delivery.due_at.is_none_or(|due| due > until)
        }
    }
}

/// How the push stands at its one device.
fn told(push: Push, delivery: Option<PushDelivery>, record: Option<Record>) -> Told {
    let Some(delivery) = delivery else {
        let told = Told::of_record(push.id, Word::Unknown, record);
        return told.because(None, Some("the server has no delivery of it".to_owned()));
    };
    let said = |text: &str| Some(text.to_owned());
    let (outcome, why) = match delivery.state {
        DeliveryState::Accepted => (Word::Accepted, None),
        DeliveryState::Cancelled => (Word::Refused, said("it was cancelled")),
        DeliveryState::Expired => (Word::Refused, said("its ttl was over")),
        DeliveryState::Refused => (Word::Refused, delivery.reason),
        DeliveryState::Sending => (Word::Unknown, said("it is on its way")),
        DeliveryState::Waiting if delivery.refused > 0 => (Word::Refused, delivery.reason),
        DeliveryState::Waiting => (Word::Unknown, said("it waits for its turn")),
    };
    let told = Told::of_record(push.id.clone(), outcome, record).because(delivery.code, why);
    match delivery.state {
        DeliveryState::Accepted
        | DeliveryState::Cancelled
        | DeliveryState::Expired
        | DeliveryState::Refused => told,
        DeliveryState::Sending | DeliveryState::Waiting => {
            let when = delivery
                .due_at
                .map_or_else(|| "once something has changed".to_owned(), |due| format!("at {due}"));
            let (id, end) = (push.id, push.expires_at);
            told.followed_by(format!(
                "the server tries again {when}, until {end}; POST /v1/pushes/{id}/cancel ends it"
            ))
        }
    }
}

fn kinds() -> impl TypedValueParser<Value = PushKindName> {
    PossibleValuesParser::new(["alert", "background", "voip"]).map(|name| match name.as_str() {
        "background" => PushKindName::Background,
        "voip" => PushKindName::Voip,
        _ => PushKindName::Alert,
    })
}

fn priorities() -> impl TypedValueParser<Value = PriorityName> {
    PossibleValuesParser::new(["high", "normal"]).map(|name| match name.as_str() {
        "high" => PriorityName::High,
        _ => PriorityName::Normal,
    })
}
