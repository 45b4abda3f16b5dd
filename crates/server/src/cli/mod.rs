//! The command line `reveille`: one command per file.

mod backup;
mod client;
mod config;
mod demo;
mod doctor;
mod explain;
mod flags;
mod health;
mod init;
mod keys;
mod listen;
mod peer;
mod push;
mod say;
mod send;
mod serve;
mod sim;
mod token;
mod webhooks;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Environment;

pub use say::report;

/// Gets messages and calls to people whose app the phone has put to sleep.
#[derive(Parser)]
#[command(name = "reveille", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Copy the database into a folder, also while the server runs
    Backup(backup::BackupArgs),
    /// Check the configuration, or learn about its options
    Config(config::Args),
    /// Show the whole way on this machine: a server, simulated push services, phones that sleep
    Demo(demo::Args),
    /// Look whether configuration, database, keys, push services and webhooks are as they should be
    Doctor(doctor::Args),
    /// Say why a push to a user, a device or of a message does not arrive, and what to fix
    Explain(explain::Args),
    /// Say whether a server takes requests, for what watches over it
    Health(health::Args),
    /// Start in a new folder: a configuration, the admin key, an app and its key
    Init(init::Args),
    /// Change the master key
    Keys(keys::Args),
    /// Be a user in this terminal: show what arrives, and acknowledge it
    Listen(listen::Args),
    /// Send one push, straight to a push service or to a stored device, and say what became of it
    Push(push::Args),
    /// Bring a backup back into a new data folder
    Restore(backup::RestoreArgs),
    /// Send a message as the app's back end
    Send(send::Args),
    /// Run the server
    Serve(serve::Args),
    /// Be Apple's and Google's push services, strict ones, for a client of your own
    Sim(sim::Args),
    /// Make a user token, for a user's app to connect with
    Token(token::Args),
    /// See an app's events in this terminal
    Webhooks(webhooks::Args),
}

impl Cli {
    /// The command line of this process; a wrong one is explained and ends the process.
    pub fn of_process() -> Self {
        Self::parse()
    }

    /// Does what the command says.
    ///
    /// # Errors
    /// What went wrong, to be shown by [`report`].
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let environment = Environment::of_process();
        match self.command {
            Command::Backup(args) => backup::backup(args, &environment),
            Command::Config(args) => config::run(args, &environment),
            Command::Demo(args) => wait(demo::run(args)),
            Command::Doctor(args) => wait(doctor::run(args, &environment)),
            Command::Explain(args) => wait(explain::run(args, &environment)),
            Command::Health(args) => wait(health::run(args, &environment)),
            Command::Init(args) => wait(init::run(args, &environment)),
            Command::Keys(args) => wait(keys::run(args, &environment)),
            Command::Listen(args) => wait(listen::run(args, &environment)),
            Command::Push(args) => wait(push::run(args, &environment)),
            Command::Restore(args) => backup::restore(args, &environment),
            Command::Send(args) => wait(send::run(args, &environment)),
            Command::Serve(args) => wait(serve::run(args, &environment)),
            Command::Sim(args) => wait(sim::run(args)),
            Command::Token(args) => wait(token::run(args, &environment)),
            Command::Webhooks(args) => wait(webhooks::run(args, &environment)),
        }
    }
}

fn wait(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::config::options;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_has_its_flag_and_help_but_for_secrets() {
        let mut command = Cli::command();
        let serve = command.find_subcommand_mut("serve").unwrap();
        let help = serve.render_long_help().to_string();
        for row in options::ALL {
            match row.flag() {
                Some(flag) => assert!(help.contains(&format!("--{flag} ")), "{}", row.name),
                None => assert!(!help.contains(&row.name.replace('_', "-")), "{}", row.name),
            }
        }
    }
}
