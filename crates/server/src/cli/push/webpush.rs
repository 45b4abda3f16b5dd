//! `reveille push webpush`: straight to a browser's push service.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use http::Uri;
use providers::outbound::Guard;
use providers::webpush::{Push, Subject, Subscription, Urgency, VapidKey};
use providers::{Config, WebPush};
use serde_json::{Map, Value, json};

use super::input::{self, Source, Texts};
use super::service::Way;
use super::shown::Told;
use super::{Form, Stop};
use crate::cli::token::seconds;
use crate::clock::Clock;
use crate::config::{Environment, options};

#[derive(clap::Args)]
pub(super) struct Args {
    /// The VAPID private key that the browser subscribed with: base64url as web-push tools print
    /// it, or PEM
    #[arg(long, value_name = "FILE")]
    vapid: PathBuf,
    /// Whom the push service may ask about it: mailto:push@example.org, or an https URL
    #[arg(long, value_name = "URL")]
    subject: String,
    /// The browser's PushSubscription by JSON.stringify: a file, - for standard input, or the JSON
    /// itself
    #[arg(long, value_name = "FILE", value_parser = input::source)]
    subscription: Source,
    #[command(flatten)]
    texts: Texts,
    /// The whole payload instead of texts: a file, - for standard input, or the JSON itself; with
    /// neither, the service worker is woken with nothing
    #[arg(long, value_name = "FILE", value_parser = input::source,
        conflicts_with_all = ["title", "body", "data"])]
    payload: Option<Source>,
    /// How long it is kept for a browser that is away: a number with s, m, h or d
    #[arg(long, default_value = "1h", value_parser = seconds)]
    ttl: u32,
    /// How urgent it is for a device that saves power
    #[arg(long, default_value = "high", value_parser = urgencies())]
    urgency: Urgency,
    /// A push with the same topic that still waits is replaced
    #[arg(long)]
    topic: Option<String>,
    #[command(flatten)]
    way: Way,
}

impl Args {
    pub(super) const fn form(&self) -> Form {
        self.way.form
    }
}

pub(super) async fn push(args: Args, environment: &Environment) -> Result<Told, Stop> {
    let now = Clock::system().now();
    let mut config = args.way.config(environment)?;
    let place = args.way.url()?;
    reach(&mut config, place.as_ref(), environment)?;
    let key = VapidKey::parse(&input::credential("--vapid", &args.vapid)?)?;
    let subject = Subject::parse(&args.subject)?;
    let push = push_of(&args, place.as_ref())?;
    let shown = format!("VAPID key {}, {}", key.public_key(), subject.as_str());
    let client = WebPush::new(&config, key, subject)?;
    let exchange = if args.way.form.dry_run {
        client.dry_run(&push)
    } else {
        client.send(&push, now, || true).await
    };
    Ok(Told::of_exchange(&exchange, shown))
}

/// Whom the push may reach. Any push service, because it was named by whoever typed the command;
/// and inside of a private network only what is said by `--url` or the variable of the server's
/// option: a subscription comes from a browser, which may say anything.
fn reach(config: &mut Config, place: Option<&Uri>, environment: &Environment) -> Result<(), Stop> {
    config.webpush_hosts = config.webpush_hosts.clone().and(["*"])?;
    let allowed = environment.value(&options::OUTBOUND_ALLOW_PRIVATE.variable());
    let allowed = allowed.map_err(|fault| Stop::Usage(anyhow::anyhow!("{fault}")))?;
    let allowed = allowed.unwrap_or_default().split(',').map(str::trim);
    let place = place
        .and_then(Uri::authority)
        .map(|authority| format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(443)));
    let allowed = allowed.filter(|entry| !entry.is_empty()).chain(place.as_deref());
    config.guard = Guard::allowing(allowed)?;
    Ok(())
}

fn push_of(args: &Args, place: Option<&Uri>) -> Result<Push, Stop> {
    let json = args.subscription.read("--subscription")?;
    let subscription = match place {
        None => Subscription::parse(&json)?,
        Some(place) => Subscription::parse(&elsewhere(&json, place)?)?,
    };
    Ok(Push {
        subscription,
        ttl: Duration::from_secs(u64::from(args.ttl)),
        urgency: args.urgency,
        topic: args.topic.clone(),
        payload: payload(args)?,
    })
}

/// The subscription with its endpoint's path at another place.
fn elsewhere(json: &[u8], place: &Uri) -> Result<Vec<u8>, Stop> {
    // It is read once as it is, so that what is wrong with it is named as ever.
    Subscription::parse(json)?;
    let mut subscription: Value = serde_json::from_slice(json).context("--subscription")?;
    let endpoint: Option<Uri> =
        subscription["endpoint"].as_str().and_then(|endpoint| endpoint.parse().ok());
    let path = endpoint.as_ref().and_then(|url| url.path_and_query());
    let (place, path) = (place.to_string(), path.map_or("/", |path| path.as_str()));
    subscription["endpoint"] = format!("{}{path}", place.trim_end_matches('/')).into();
    Ok(subscription.to_string().into_bytes())
}

/// The payload as given, or in the form of the server's own pushes.
fn payload(args: &Args) -> anyhow::Result<Option<Bytes>> {
    if let Some(source) = &args.payload {
        return Ok(Some(source.read("--payload")?));
    }
    let Texts { title, body, .. } = &args.texts;
    let mut payload = Map::new();
    if title.is_some() || body.is_some() {
        let mut notification = Map::new();
        for (key, text) in [("title", title), ("body", body)] {
            notification.extend(text.clone().map(|text| (key.to_owned(), text.into())));
        }
        payload.insert("notification".to_owned(), notification.into());
    }
    let data = args.texts.data()?;
    if !data.is_empty() {
        payload.insert("data".to_owned(), json!(data));
    }
    Ok((!payload.is_empty()).then(|| Value::Object(payload).to_string().into()))
}

fn urgencies() -> impl TypedValueParser<Value = Urgency> {
    const ALL: [Urgency; 4] = [Urgency::VeryLow, Urgency::Low, Urgency::Normal, Urgency::High];
    PossibleValuesParser::new(ALL.map(Urgency::as_str)).try_map(|name| {
        ALL.into_iter().find(|one| one.as_str() == name).ok_or("no urgency of Web Push")
    })
}
