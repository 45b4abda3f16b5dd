//! `reveille health`: whether a server takes requests, by the exit code.
//!
//! For what watches over a process and has no HTTP client at hand, as in the container.

use std::path::PathBuf;
use std::process::ExitCode;

use super::client::ServerAddress;
use super::flags::OptionFlags;
use super::peer::server_address;
use super::say::{self, Advice};
use crate::config::Environment;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The server; without it REVEILLE_SERVER, then where the configuration lets it listen
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The configuration file; without it REVEILLE_CONFIG, then reveille.toml in this folder
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) async fn run(args: Args, environment: &Environment) -> anyhow::Result<ExitCode> {
    let config = OptionFlags::default().read(args.config.clone(), environment)?.resolve()?;
    let server = server_address(args.server, args.config, environment)?;
    let itself = server == ServerAddress::of_listener(config.listen);
    if itself && config.tls.certificate_file.is_some() {
        // The commands speak no TLS: whoever checks the certificate is a client from outside.
        if !server.answers().await {
            let problem = format!("no server takes connections at {}", server.authority());
            return Err(Advice::new(problem, "start it with `reveille serve`").into());
        }
        say::line("takes connections; by TLS, so its readiness was not asked for")?;
        return Ok(ExitCode::SUCCESS);
    }
    let _: serde_json::Value = server.get_open("/readyz").await?;
    say::line("ready")?;
    Ok(ExitCode::SUCCESS)
}
