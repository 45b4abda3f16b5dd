//! The flags of `serve` that come from the options table, and the choice of the file.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command};

use crate::config::options::{self, OptionRow};
use crate::config::{CommandVariable, Environment, FILE_NAME, RawConfig, Sources, reference};

/// The options given as flags.
#[derive(Debug, Default)]
pub(super) struct OptionFlags(Vec<(&'static OptionRow, String)>);

impl OptionFlags {
    /// The configuration of these flags, the environment and the file.
    pub(super) fn read(
        self,
        file: Option<PathBuf>,
        environment: &Environment,
    ) -> anyhow::Result<RawConfig> {
        Ok(self.sources(file, environment)?.read()?)
    }

    /// Where that configuration is read from.
    pub(super) fn sources(
        self,
        file: Option<PathBuf>,
        environment: &Environment,
    ) -> anyhow::Result<Sources> {
        let file = config_file(file, environment)?;
        Ok(Sources { file, environment: environment.clone(), flags: self.0 })
    }
}

/// The configuration file: the one named by flag or variable, else the one in the current folder.
pub(super) fn config_file(
    flag: Option<PathBuf>,
    environment: &Environment,
) -> anyhow::Result<Option<PathBuf>> {
    if flag.is_some() {
        return Ok(flag);
    }
    let variable = environment.command(CommandVariable::Config);
    match variable.map_err(|fault| anyhow::anyhow!("{fault}"))? {
        Some(path) => Ok(Some(PathBuf::from(path))),
        None => Ok(Some(PathBuf::from(FILE_NAME)).filter(|path| path.is_file())),
    }
}

/// The folder of the configuration file, where an app's key lies too.
pub(super) fn folder_of(file: Option<&Path>) -> PathBuf {
    match file.and_then(Path::parent) {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

impl clap::Args for OptionFlags {
    fn augment_args(command: Command) -> Command {
        options::ALL.iter().fold(command, |command, row| match row.flag() {
            Some(flag) => command.arg(arg(row, flag)),
            None => command,
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for OptionFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = options::ALL
            .iter()
            .filter(|row| row.flag().is_some())
            .filter_map(|row| matches.get_one::<String>(row.name).map(|text| (*row, text.clone())));
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn arg(row: &'static OptionRow, flag: String) -> Arg {
    let default = row.default.map_or(String::new(), |text| format!(", default {text}"));
    let about = row.about.trim_end_matches('.');
    let heading = match row.section_and_key().0 {
        Some(section) => format!("Options of {section}"),
        None => "Options of the server".to_owned(),
    };
    Arg::new(row.name)
        .long(flag)
        .value_name("VALUE")
        .allow_hyphen_values(true)
        .help(format!("{about} [{}{default}]", reference::values(row).replace('`', "")))
        .help_heading(heading)
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;

    fn flags(line: &[&str]) -> Vec<(&'static str, String)> {
        let command = OptionFlags::augment_args(Command::new("test").no_binary_name(true));
        let matches = command.try_get_matches_from(line).unwrap();
        let OptionFlags(given) = OptionFlags::from_arg_matches(&matches).unwrap();
        given.into_iter().map(|(row, text)| (row.name, text)).collect()
    }

    #[test]
    fn flags_are_the_rows_that_were_given() {
        assert_eq!(flags(&[]), []);
        assert_eq!(
            flags(&["--listen", "[::1]:1", "--store-batch=-3"]),
            [("listen", "[::1]:1".to_owned()), ("store.batch", "-3".to_owned())]
        );
    }

    #[test]
    fn the_folder_of_a_file() {
        assert_eq!(folder_of(None), Path::new("."));
        assert_eq!(folder_of(Some(Path::new("reveille.toml"))), Path::new("."));
        assert_eq!(folder_of(Some(Path::new("/etc/reveille.toml"))), Path::new("/etc"));
    }
}
