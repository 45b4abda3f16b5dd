//! `reveille push apns`: straight to Apple.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use clap::ArgGroup;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use domain::wake::VOIP_LONGEST;
use domain::{Environment as World, Time};
use providers::apns::{
    Alert, Aps, Credential, Environments, Expiration, KeyDetails, Priority, Push, PushType, Sound,
    Topic, key_id_of_file_name,
};
use providers::{Apns, PushToken};
use serde_json::Map;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::input::{self, Source, Texts};
use super::service::Way;
use super::shown::Told;
use super::{Form, Stop};
use crate::cli::say::Advice;
use crate::cli::token::seconds;
use crate::clock::Clock;
use crate::config::{CommandVariable, Environment};
use crate::to_wire;

/// How long Apple keeps the push when nothing is said: this one is to be seen now.
const TTL: Duration = Duration::from_secs(3_600);

#[derive(clap::Args)]
#[command(group(ArgGroup::new("credential").required(true).args(["cert", "key"])))]
pub(super) struct Args {
    /// The certificate with its key, as .p12 or PEM; its password by --password-file, or in
    /// REVEILLE_PUSH_PASSWORD
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// A file with the certificate's password and nothing else
    #[arg(long, value_name = "FILE", requires = "cert")]
    password_file: Option<PathBuf>,
    /// An APNs auth key as Apple named the file, such as AuthKey_ABC123DEFG.p8
    #[arg(long, value_name = "FILE", requires = "team_id")]
    key: Option<PathBuf>,
    /// The key's team
    #[arg(long, value_name = "ID", requires = "key")]
    team_id: Option<String>,
    /// The key's id, where the file's name does not say it
    #[arg(long, value_name = "ID", requires = "key")]
    key_id: Option<String>,
    /// Which of Apple's services the token belongs to; left out, production, or sandbox with a
    /// certificate for it alone
    #[arg(long, value_name = "NAME", value_parser = environments())]
    environment: Option<World>,
    /// The app's bundle id, without a suffix; of an mdm push the certificate's UID
    #[arg(long, value_name = "BUNDLE_ID")]
    topic: String,
    /// The device's token, in hex
    #[arg(long)]
    token: String,
    /// What the push is
    #[arg(long, default_value = "alert", value_parser = push_types())]
    r#type: PushType,
    #[command(flatten)]
    texts: Texts,
    /// `default`, or the name of a sound of the app
    #[arg(long)]
    sound: Option<String>,
    /// The number on the app's icon; 0 takes it away
    #[arg(long, value_name = "NUMBER")]
    badge: Option<u32>,
    /// Which of the app's sets of actions the notification has
    #[arg(long)]
    category: Option<String>,
    /// What notifications are grouped by
    #[arg(long)]
    thread: Option<String>,
    /// The whole payload instead of texts: a file, - for standard input, or the JSON itself
    #[arg(long, value_name = "FILE", value_parser = input::source, conflicts_with_all =
        ["title", "body", "data", "sound", "badge", "category", "thread"])]
    payload: Option<Source>,
    /// Pushes with the same id replace each other
    #[arg(long, value_name = "ID")]
    collapse_id: Option<String>,
    /// 10: at once, 5: as the device's power allows, 1: never wakes it; left out, the most urgent
    /// that the type may have
    #[arg(long, value_parser = priorities())]
    priority: Option<Priority>,
    /// How long Apple keeps it for a device that is away: a number with s, m, h or d, 0 for not at
    /// all; left out, 1h, and 30s of a call
    #[arg(long, value_parser = seconds)]
    ttl: Option<u32>,
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
        config.apns_production = url.clone();
        config.apns_sandbox = url;
    }
    let credential = credential(&args, environment, now)?;
    let world = args.environment.unwrap_or_else(|| match credential.facts().environments {
        Environments::Sandbox => World::Sandbox,
        Environments::Both | Environments::Production => World::Production,
    });
    let push = push_of(&args, now)?;
    let shown = shown(&credential);
    let client = Apns::new(&config, credential, world)?;
    let exchange = if args.way.form.dry_run {
        client.dry_run(&push, now)
    } else {
        client.send(&push, now, || true).await
    };
    Ok(Told::of_exchange(&exchange, shown))
}

fn credential(args: &Args, environment: &Environment, now: Time) -> Result<Credential, Stop> {
    let Some(path) = &args.key else {
        let path = args.cert.as_deref().context("there is neither --cert nor --key")?;
        let file = input::credential("--cert", path)?;
        let password = password(args.password_file.as_deref(), environment)?;
        return Ok(Credential::parse_p12(&file, &password, now)?);
    };
    let file = input::credential("--key", path)?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let key_id = args.key_id.as_deref().or_else(|| key_id_of_file_name(name));
    // The file first: what it is matters more than what it is called.
    let details = KeyDetails {
        key_id: key_id.unwrap_or(NO_ID),
        team_id: args.team_id.as_deref().unwrap_or_default(),
        ..KeyDetails::default()
    };
    let credential = Credential::parse_p8(&file, &details)?;
    if key_id.is_none() {
        let problem = format!("--key: the name {name:?} does not say the key's id");
        let hint = "give it with --key-id; it is in Apple's developer portal, on the key's page";
        return Err(Stop::Usage(Advice::new(problem, hint).into()));
    }
    Ok(credential)
}

/// Stands for a key id while only the file is looked at.
const NO_ID: &str = "0000000000";

fn password(file: Option<&Path>, environment: &Environment) -> anyhow::Result<Zeroizing<String>> {
    if let Some(path) = file {
        return input::password(path);
    }
    let value = environment.command(CommandVariable::PushPassword);
    let value = value.map_err(|fault| anyhow::anyhow!("{fault}"))?;
    Ok(Zeroizing::new(value.unwrap_or_default().to_owned()))
}

fn push_of(args: &Args, now: Time) -> Result<Push, Stop> {
    let push_type = args.r#type;
    let (usual, most_urgent) = match push_type {
        PushType::Voip => (VOIP_LONGEST, Priority::Immediate),
        // No type is without one.
        other => (TTL, other.priorities().first().copied().unwrap_or(Priority::Considerate)),
    };
    let ttl = args.ttl.map_or(usual, |ttl| Duration::from_secs(u64::from(ttl)));
    Ok(Push {
        device_token: PushToken::new(args.token.trim()),
        topic: Topic::for_push(&args.topic, push_type)?,
        push_type,
        priority: args.priority.unwrap_or(most_urgent),
        expiration: match ttl {
            Duration::ZERO => Expiration::Once,
            ttl => Expiration::At(now.plus(ttl)),
        },
        collapse_id: args.collapse_id.clone(),
        id: Uuid::new_v4(),
        payload: payload(args)?,
    })
}

fn payload(args: &Args) -> Result<Bytes, Stop> {
    if let Some(source) = &args.payload {
        return Ok(source.read("--payload")?);
    }
    let Texts { title, body, .. } = &args.texts;
    let alert = (title.is_some() || body.is_some()).then(|| Alert {
        title: title.clone(),
        body: body.clone(),
        ..Alert::default()
    });
    let aps = Aps {
        alert,
        badge: args.badge,
        sound: args.sound.clone().map(Sound::Named),
        thread_id: args.thread.clone(),
        category: args.category.clone(),
        content_available: args.r#type == PushType::Background,
        ..Aps::default()
    };
    let data: Map<_, _> =
        args.texts.data()?.into_iter().map(|(key, text)| (key, text.into())).collect();
    Ok(aps.payload(&data)?)
}

/// The credential in a few words.
fn shown(credential: &Credential) -> String {
    let facts = credential.facts();
    let world = match facts.environments {
        Environments::Both => "production and sandbox",
        Environments::Production => "production only",
        Environments::Sandbox => "sandbox only",
    };
    let team = facts.team.as_deref().unwrap_or("(unknown)");
    match (&facts.subject, &facts.key_id) {
        (None, Some(key)) => format!("key {key} of team {team}"),
        (subject, _) => {
            let subject = subject.as_deref().unwrap_or_default();
            let until = facts.not_after.map_or_else(String::new, |end| {
                format!(", until {}", to_wire::time(end).strftime("%Y-%m-%d"))
            });
            format!("certificate {subject:?} of team {team}, {world}{until}")
        }
    }
}

fn environments() -> impl TypedValueParser<Value = World> {
    let names = [World::Production, World::Sandbox].map(World::as_str);
    PossibleValuesParser::new(names)
        .try_map(|name| World::parse(&name).ok_or("no environment of Apple's"))
}

fn push_types() -> impl TypedValueParser<Value = PushType> {
    PossibleValuesParser::new(PushType::ALL.map(PushType::as_str)).try_map(|name| {
        PushType::ALL.into_iter().find(|one| one.as_str() == name).ok_or("no push type")
    })
}

fn priorities() -> impl TypedValueParser<Value = Priority> {
    const ALL: [Priority; 3] = [Priority::Immediate, Priority::Considerate, Priority::PowerFirst];
    PossibleValuesParser::new(ALL.map(Priority::as_str)).try_map(|name| {
        ALL.into_iter().find(|one| one.as_str() == name).ok_or("no priority of Apple's")
    })
}
