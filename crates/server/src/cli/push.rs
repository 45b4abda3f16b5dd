//! `reveille push`: one push, and what became of it. Straight to a push service with a credential
//! file, past every server; or to a device that the server knows, through its API.
//!
//! ```text
//!   apns, fcm, webpush: file, token, texts ─▶ providers ──▶ Exchange ─┐
//!                                                                     ├─▶ Told ─▶ text or JSON
//!   stored: device, texts ─▶ the server's API ─▶ its push log ────────┘
//! ```

mod apns;
mod fcm;
mod input;
mod service;
mod shown;
mod stored;
mod webpush;
mod words;

use std::process::ExitCode;

use domain::{Diagnosis, Refusal, RetryRule};
use providers::{CredentialFault, FieldFault};

use self::shown::{Told, Word};
use super::say;
use crate::config::Environment;

/// The command line was wrong; what clap itself ends with.
const USAGE: u8 = 2;

#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Exit code: 0 the push service accepted it, or would be asked to (--dry-run); \
                  1 it was refused, or what became of it is not known; 2 the command line is wrong."
)]
pub(super) struct Args {
    #[command(subcommand)]
    service: Option<Service>,
    #[command(flatten)]
    stored: stored::Args,
}

/// A push service that is spoken to directly.
#[derive(clap::Subcommand)]
enum Service {
    /// Straight to Apple, with a certificate or a key
    Apns(Box<apns::Args>),
    /// Straight to Google, with a service account
    Fcm(Box<fcm::Args>),
    /// Straight to a browser's push service, with a VAPID key
    Webpush(Box<webpush::Args>),
}

/// How a push is made and shown.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Form {
    /// Print what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object instead of a text
    #[arg(long)]
    json: bool,
}

/// Why there is nothing to tell of a push, or but that it was never sent.
#[derive(Debug)]
enum Stop {
    /// The server that was asked could not be, or refused to take the push.
    Failed(anyhow::Error),
    /// The credential or the target is no good, as was seen before anything was sent.
    Refused(Box<Refusal>),
    /// The command line is wrong.
    Usage(anyhow::Error),
}

pub(super) async fn run(args: Args, environment: &Environment) -> anyhow::Result<ExitCode> {
    let (form, told) = match args.service {
        Some(Service::Apns(args)) => (args.form(), apns::push(*args, environment).await),
        Some(Service::Fcm(args)) => (args.form(), fcm::push(*args, environment).await),
        Some(Service::Webpush(args)) => (args.form(), webpush::push(*args, environment).await),
        None => (args.stored.form(), stored::push(args.stored, environment).await),
    };
    let told = match told {
        Ok(told) => told,
        Err(Stop::Refused(refusal)) => Told::unsent(*refusal),
        Err(Stop::Failed(error)) => return Err(error),
        Err(Stop::Usage(error)) => return Ok(wrong_usage(&error)),
    };
    if form.json {
        say::line(told.json()?)?;
    } else {
        say::line(told.text())?;
    }
    Ok(match told.outcome() {
        Word::Accepted | Word::NotSent => ExitCode::SUCCESS,
        Word::Refused | Word::Unknown => ExitCode::FAILURE,
    })
}

/// Shows what is wrong with the command line.
fn wrong_usage(error: &anyhow::Error) -> ExitCode {
    say::report(error);
    ExitCode::from(USAGE)
}

impl From<CredentialFault> for Stop {
    fn from(fault: CredentialFault) -> Self {
        Self::unsent(fault.diagnosis(), fault.to_string(), fault.remedy())
    }
}

impl From<FieldFault> for Stop {
    fn from(fault: FieldFault) -> Self {
        Self::Refused(Box::new(fault.into_refusal()))
    }
}

impl From<providers::Error> for Stop {
    fn from(error: providers::Error) -> Self {
        match error {
            providers::Error::Credential(fault) => fault.into(),
            error @ providers::Error::Config { .. } => Self::Usage(error.into()),
        }
    }
}

/// Where nothing else is said, what cannot be read or understood is the command line's fault.
impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Usage(error)
    }
}

impl Stop {
    /// A push that was refused here.
    fn unsent(diagnosis: Diagnosis, reason: String, remedy: &str) -> Self {
        let refusal = Refusal::unsent(diagnosis, RetryRule::WhenChanged, reason, remedy);
        Self::Refused(Box::new(refusal))
    }
}
