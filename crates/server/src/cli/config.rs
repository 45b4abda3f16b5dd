//! `reveille config`: is the configuration right, and what is there to configure?

use std::path::PathBuf;
use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};

use super::flags::OptionFlags;
use super::say::{self, Advice, BOLD, GOOD};
use crate::config::options::{self, OptionRow};
use crate::config::{Environment, Origin, RawConfig, reference};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Say whether the configuration is right, and what differs from the defaults
    Check(FileArgs),
    /// Print a configuration file with every option at its default
    Defaults,
    /// Say what an option is for, its value and where that comes from; without a name, all values
    Explain {
        /// The option, such as session.ack_deadline_ms
        name: Option<String>,
        #[command(flatten)]
        file: FileArgs,
    },
}

#[derive(clap::Args)]
struct FileArgs {
    /// The configuration file; without it REVEILLE_CONFIG, then reveille.toml in this folder
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: Args, environment: &Environment) -> anyhow::Result<ExitCode> {
    match args.what {
        What::Check(file) => check(&file.read(environment)?)?,
        What::Defaults => say::line(reference::defaults_file().trim_end())?,
        What::Explain { name: None, file } => {
            say::line(values(&file.read(environment)?, options::ALL))?;
        }
        What::Explain { name: Some(name), file } => {
            let row = options::named(&name).map_err(|nearest| {
                let hint = match nearest {
                    Some(meant) => format!("did you mean {meant}?"),
                    None => "`reveille config explain` lists the options".to_owned(),
                };
                Advice::new(format!("{name} is not an option"), hint)
            })?;
            explain(&file.read(environment)?, row)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl FileArgs {
    fn read(self, environment: &Environment) -> anyhow::Result<RawConfig> {
        OptionFlags::default().read(self.config, environment)
    }
}

fn check(raw: &RawConfig) -> anyhow::Result<()> {
    raw.resolve()?;
    say::line(format!("{GOOD}the configuration is right{GOOD:#}"))?;
    let changed: Vec<_> =
        options::ALL.iter().copied().filter(|row| raw.origin(row) != Origin::Default).collect();
    if changed.is_empty() {
        return say::line("every option is at its default");
    }
    say::line(values(raw, &changed))
}

fn explain(raw: &RawConfig, row: &OptionRow) -> anyhow::Result<()> {
    let in_file = match row.section_and_key() {
        (Some(section), key) => format!("{key}, in the section [{section}]"),
        (None, key) => format!("{key}, above the first section"),
    };
    let flag =
        row.flag().map_or_else(|| "none: it is a secret".to_owned(), |flag| format!("--{flag}"));
    let unset = || "not set".to_owned();
    say::line(format!("{BOLD}{}{BOLD:#}\n{}\n", row.name, row.about))?;
    let facts = [
        ("value", format!("{} ({})", raw.shown(row).unwrap_or_else(unset), raw.origin(row))),
        ("default", row.default.map_or_else(unset, str::to_owned)),
        ("values", reference::values(row).replace('`', "")),
        ("holds after", format!("a {}", row.change.word())),
        ("in the file", in_file),
        ("variable", row.variable()),
        ("flag", flag),
    ];
    for (name, fact) in facts {
        say::line(format!("{name:<12} {}", say::plain(&fact)))?;
    }
    Ok(())
}

/// Options, their values and where those come from.
fn values(raw: &RawConfig, rows: &[&OptionRow]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    for row in rows {
        let value = raw.shown(row).unwrap_or_else(|| "not set".to_owned());
        table.add_row([row.name.to_owned(), say::plain(&value), raw.origin(row).to_string()]);
    }
    table.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>().join("\n")
}
