//! The process's environment: the variables whose names begin with `REVEILLE_`, read once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use super::error::Fault;
use super::nearest::nearest;
use super::options;
use super::raw::Origin;

/// The variables of ours, as the process found them at its start.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
}

/// Variables that are no options of the server but serve the commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandVariable {
    /// The authorities to trust beside the system's.
    Ca,
    /// The configuration file.
    Config,
    /// The key that commands show the server.
    Key,
    /// The password of the certificate that `push` pushes with.
    PushPassword,
    /// The server that they talk to.
    Server,
}

impl CommandVariable {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Ca, Self::Config, Self::Key, Self::PushPassword, Self::Server];

    /// Its name in the environment.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ca => "REVEILLE_CA",
            Self::Config => "REVEILLE_CONFIG",
            Self::Key => "REVEILLE_KEY",
            Self::PushPassword => "REVEILLE_PUSH_PASSWORD",
            Self::Server => "REVEILLE_SERVER",
        }
    }
}

impl Environment {
    /// The environment of this process.
    #[expect(clippy::disallowed_methods, reason = "this is the one door that the ban speaks of")]
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| name.into_string().ok().map(|name| (name, value)))
            .collect()
    }

    /// The value of a variable of the commands; one that is empty counts as not set.
    ///
    /// # Errors
    /// When the value is not UTF-8.
    pub fn command(&self, variable: CommandVariable) -> Result<Option<&str>, Fault> {
        self.value(variable.name())
    }

    /// The value of a variable; one that is empty counts as not set, as a compose file leaves it.
    pub(crate) fn value(&self, name: &str) -> Result<Option<&str>, Fault> {
        let Some(value) = self.variables.get(name).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        value.to_str().map(Some).ok_or_else(|| Fault {
            place: Origin::Environment(name.to_owned()),
            name: name.to_owned(),
            problem: "is not UTF-8".to_owned(),
            remedy: "set it to a UTF-8 text".to_owned(),
        })
    }

    /// Variables that look like ours and are not: a misspelt name must not pass for its default.
    pub(crate) fn strangers(&self) -> Vec<Fault> {
        let names: Vec<String> = options::ALL
            .iter()
            .map(|row| row.variable())
            .chain(CommandVariable::ALL.map(|variable| variable.name().to_owned()))
            .collect();
        self.variables
            .iter()
            .filter(|(name, value)| !names.contains(name) && !is_service_link(name, value))
            .map(|(name, _)| Fault {
                place: Origin::Environment(name.clone()),
                name: name.clone(),
                problem: "is not the variable of any option".to_owned(),
                remedy: match nearest(name, names.iter().map(String::as_str)) {
                    Some(meant) => format!("did you mean {meant}? Else unset it"),
                    None => "unset it; `reveille config explain` lists the options".to_owned(),
                },
            })
            .collect()
    }
}

/// Takes the variables of ours and leaves all others.
impl FromIterator<(String, OsString)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, OsString)>>(variables: I) -> Self {
        let ours = variables.into_iter().filter(|(name, _)| name.starts_with("REVEILLE_"));
        Self { variables: ours.collect() }
    }
}

/// Names only: values may be secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// Whether Kubernetes put the variable there: it gives every pod the addresses of all services
/// in variables that begin with the service's name, and a service called `reveille` is likely.
/// <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>
fn is_service_link(name: &str, value: &OsString) -> bool {
    let is_address = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.to_str().is_some_and(|value| value.starts_with(scheme)));
    let in_port_group = name.split_once("_PORT_").is_some_and(|(_, rest)| {
        let number = rest.split('_').next().unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && is_address)
        || in_port_group
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect()
    }

    #[test]
    fn a_misspelt_variable_is_named_with_the_one_meant() {
        let seen = environment(&[("REVEILLE_LISEN", "x"), ("PATH", "/bin")]).strangers();
        assert_eq!(seen.len(), 1);
        assert_eq!(
            seen[0].to_string(),
            "REVEILLE_LISEN is not the variable of any option; did you mean REVEILLE_LISTEN? Else unset it"
        );
    }

    #[test]
    fn what_kubernetes_adds_is_left_alone() {
        let seen = environment(&[
            ("REVEILLE_SERVICE_HOST", "10.0.0.1"),
            ("REVEILLE_SERVICE_PORT", "7300"),
            ("REVEILLE_SERVICE_PORT_HTTP", "7300"),
            ("REVEILLE_PORT", "tcp://10.0.0.1:7300"),
            ("REVEILLE_PORT_7300_TCP_ADDR", "10.0.0.1"),
        ]);
        assert_eq!(seen.strangers(), []);
        assert_eq!(environment(&[("REVEILLE_PORT", "7300")]).strangers().len(), 1);
    }

    #[test]
    fn debug_shows_names_and_no_value() {
        let seen = environment(&[("REVEILLE_KEY", "hidden")]);
        assert_eq!(format!("{seen:?}"), r#"{"REVEILLE_KEY"}"#);
        assert_eq!(seen.command(CommandVariable::Key), Ok(Some("hidden")));
        assert_eq!(seen.command(CommandVariable::Server), Ok(None));
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        assert_eq!(environment(&[("REVEILLE_KEY", "")]).command(CommandVariable::Key), Ok(None));
    }
}
