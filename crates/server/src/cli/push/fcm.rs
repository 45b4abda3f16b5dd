//! `reveille push fcm`: straight to Google.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgGroup;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use providers::fcm::{Android, Content, Message, Notification, Priority, ServiceAccount, Target};
use providers::{Fcm, PushToken};

use super::input::{self, Texts};
use super::service::{self, Way};
use super::shown::Told;
use super::{Form, Stop};
use crate::cli::token::seconds;
use crate::clock::Clock;
use crate::config::Environment;

#[derive(clap::Args)]
#[command(group(ArgGroup::new("target").required(true).args(["token", "fid", "topic", "condition"])))]
pub(super) struct Args {
    /// The service account's key, a JSON file of the Firebase console
    #[arg(long, value_name = "FILE")]
    service_account: PathBuf,
    /// The registration token of one installation of the app
    #[arg(long)]
    token: Option<String>,
    /// The Firebase installation id of one
    #[arg(long)]
    fid: Option<String>,
    /// A topic of Firebase's: its name alone
    #[arg(long)]
    topic: Option<String>,
    /// A condition over such topics: "'a' in topics && !('b' in topics)"
    #[arg(long)]
    condition: Option<String>,
    #[command(flatten)]
    texts: Texts,
    /// The URL of a picture
    #[arg(long, value_name = "URL")]
    image: Option<String>,
    /// Whether it may wake the phone
    #[arg(long, default_value = "high", value_parser = priorities())]
    priority: Priority,
    /// How long Google keeps it for a phone that is away: a number with s, m, h or d
    #[arg(long, default_value = "1h", value_parser = seconds)]
    ttl: u32,
    /// Stored pushes with the same key replace each other
    #[arg(long, value_name = "KEY")]
    collapse_key: Option<String>,
    /// Let Google check the message and deliver it to nobody
    #[arg(long)]
    validate_only: bool,
    /// Where access tokens are asked for instead of at Google's; https://host:port/path
    #[arg(long, value_name = "URL")]
    oauth_url: Option<String>,
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
    if let Some(url) = args.way.url()? {
        config.fcm = url;
    }
    if let Some(url) = &args.oauth_url {
        config.oauth = Some(service::url("--oauth-url", url)?);
    }
    let file = input::credential("--service-account", &args.service_account)?;
    let account = ServiceAccount::parse(&file)?;
    let shown = format!("service account {}", account.client_email());
    let dry_run = args.way.form.dry_run;
    let message = message(args)?;
    // The account may name another place than Google's for its access tokens, which the file alone
    // does not get to choose.
    let client =
        Fcm::new(&config, account).map_err(|error| service::wrong(&error, "--oauth-url"))?;
    let exchange =
        if dry_run { client.dry_run(&message) } else { client.send(&message, now, || true).await };
    Ok(Told::of_exchange(&exchange, shown))
}

fn message(args: Args) -> anyhow::Result<Message> {
    let data = args.texts.data()?;
    let Texts { title, body, .. } = args.texts;
    let image = args.image;
    let is_shown = title.is_some() || body.is_some() || image.is_some();
    let target = match (args.token, args.fid, args.topic, args.condition) {
        (Some(token), ..) => Target::Token(PushToken::new(token.trim())),
        (None, Some(fid), ..) => Target::Fid(PushToken::new(fid.trim())),
        (None, None, Some(topic), _) => Target::Topic(topic),
        // clap has seen to it that there is one.
        (None, None, None, condition) => Target::Condition(condition.unwrap_or_default()),
    };
    let android = Android {
        priority: args.priority,
        ttl: Some(Duration::from_secs(u64::from(args.ttl))),
        collapse_key: args.collapse_key,
        ..Android::default()
    };
    let content = Content {
        data,
        notification: is_shown.then_some(Notification { title, body, image }),
        android,
        validate_only: args.validate_only,
        ..Content::default()
    };
    Ok(Message { target, content })
}

fn priorities() -> impl TypedValueParser<Value = Priority> {
    PossibleValuesParser::new(["high", "normal"]).map(|name| match name.as_str() {
        "high" => Priority::High,
        _ => Priority::Normal,
    })
}
