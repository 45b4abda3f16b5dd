//! The way to a push service: at its vendor's or elsewhere, whom to trust, through which proxy.

use std::path::PathBuf;

use anyhow::bail;
use http::Uri;
use providers::Roots;
use providers::outbound::Proxy;

use super::{Form, Stop, input, words};
use crate::cli::say::Advice;
use crate::config::{Environment, options};

/// Where a push goes out, and how it is shown.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Way {
    /// The push service's place instead of the vendor's: a simulator, a test host; https://host:port
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A certificate authority to trust beside the system's, as PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The HTTP proxy to go through, http://host:port; without it, and for one that wants a
    /// password, REVEILLE_OUTBOUND_PROXY_URL and REVEILLE_OUTBOUND_NO_PROXY
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    #[command(flatten)]
    pub(super) form: Form,
}

impl Way {
    /// The configuration of a client, at the vendor's so far.
    pub(super) fn config(&self, environment: &Environment) -> Result<providers::Config, Stop> {
        let roots = match &self.ca {
            None => Roots::system(),
            Some(path) => {
                let pem = input::Source::File(path.clone()).read("--ca")?;
                Roots::with_extra(&pem).map_err(|error| wrong(&error, "--ca"))?
            }
        };
        let mut config = providers::Config::new(roots);
        config.proxy = self.proxy(environment)?;
        Ok(config)
    }

    /// Where the push service is, if not at its vendor's.
    pub(super) fn url(&self) -> anyhow::Result<Option<Uri>> {
        self.url.as_deref().map(|text| base_url("--url", text)).transpose()
    }

    fn proxy(&self, environment: &Environment) -> Result<Option<Proxy>, Stop> {
        if let Some(url) = &self.proxy {
            // Every user of a machine sees the command lines of all.
            if url.contains('@') {
                let hint = "put the URL into the variable REVEILLE_OUTBOUND_PROXY_URL";
                let problem = "--proxy: there is a user name in it";
                return Err(Stop::Usage(Advice::new(problem, hint).into()));
            }
            return Ok(Some(Proxy::parse(url).map_err(|error| wrong(&error, "--proxy"))?));
        }
        let value = |row: &options::OptionRow| {
            let value = environment.value(&row.variable());
            value.map_err(|fault| Stop::Usage(anyhow::anyhow!("{fault}")))
        };
        let Some(url) = value(&options::OUTBOUND_PROXY_URL)? else { return Ok(None) };
        let entries = value(&options::OUTBOUND_NO_PROXY)?.unwrap_or_default();
        let entries = entries.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Ok(Some(Proxy::parse(url)?.except(entries)?))
    }
}

/// Reads the URL of a place: `https://host[:port]`.
fn base_url(flag: &'static str, text: &str) -> anyhow::Result<Uri> {
    let url = url(flag, text)?;
    if url.path() != "/" || url.query().is_some() {
        let problem = format!("{flag}: there is something after the place");
        bail!(Advice::new(problem, "write it as https://host:port, without a path"));
    }
    Ok(url)
}

/// Reads an `https` URL.
pub(super) fn url(flag: &'static str, text: &str) -> anyhow::Result<Uri> {
    let url = text.parse::<Uri>().ok().filter(|url| {
        let authority = url.authority();
        url.scheme_str() == Some("https")
            && authority.is_some_and(|authority| !authority.as_str().contains('@'))
    });
    let wrong =
        || Advice::new(format!("{flag}: not an https URL"), "write it as https://host:port");
    Ok(url.ok_or_else(wrong)?)
}

/// What is wrong with a setting, by the flag that gave it.
pub(super) fn wrong(error: &providers::Error, flag: &'static str) -> Stop {
    let (problem, remedy) = match error {
        providers::Error::Config { problem, remedy, .. } => (problem.clone(), *remedy),
        providers::Error::Credential(fault) => (fault.to_string(), fault.remedy()),
    };
    Stop::Usage(Advice::new(format!("{flag}: {problem}"), words::typed(remedy)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_no_path_and_no_password() {
        for (text, good) in [
            ("https://127.0.0.1:8443", true),
            ("https://push.example", true),
            ("https://push.example/", true),
            ("http://push.example", false),
            ("https://push.example/3/device", false),
            ("https://push.example/?a", false),
            ("https://me:secret@push.example", false),
            ("push.example", false),
            ("", false),
        ] {
            assert_eq!(base_url("--url", text).is_ok(), good, "{text}");
        }
    }

    fn proxy(flag: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<Proxy>, Stop> {
        let form = Form { dry_run: false, json: false };
        let way = Way { url: None, ca: None, proxy: flag.map(str::to_owned), form };
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.into()));
        way.proxy(&variables.collect())
    }

    #[test]
    fn a_password_of_the_proxy_is_not_taken_from_the_command_line() {
        let variable = ("REVEILLE_OUTBOUND_PROXY_URL", "http://me:secret@proxy.example:3128");
        assert!(proxy(None, &[]).unwrap().is_none());
        assert!(proxy(Some("http://proxy.example:3128"), &[]).unwrap().is_some());
        assert!(proxy(None, &[variable]).unwrap().is_some());
        let no_proxy = ("REVEILLE_OUTBOUND_NO_PROXY", "not a host");
        for wrong in [
            proxy(Some(variable.1), &[]),
            proxy(Some("proxy.example"), &[]),
            proxy(None, &[variable, no_proxy]),
        ] {
            let Err(Stop::Usage(error)) = wrong else { panic!("{wrong:?}") };
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}
