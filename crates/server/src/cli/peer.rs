//! The server that commands talk to, and the key they show it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::http::{UserToken, UserTokenCreate};

use super::client::ServerAddress;
use super::flags::{OptionFlags, config_file, folder_of};
use super::say::Advice;
use crate::config::{CommandVariable, Environment};
use crate::secret::{APP_KEY_FILE, KeyKind, KeyText, load_key};

#[derive(clap::Args)]
pub(super) struct PeerArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// The key of the app; without it REVEILLE_KEY, then app.key beside the configuration file
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

/// Where the server is, and whom to take for it.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ServerArgs {
    /// The server; without it REVEILLE_SERVER, then where the configuration lets it listen
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// A PEM file of certificate authorities to trust beside the system's, for an https URL;
    /// without it REVEILLE_CA
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The configuration file; without it REVEILLE_CONFIG, then reveille.toml in this folder
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ServerArgs {
    /// The configuration file, if one is named.
    pub(super) const fn config(&self) -> Option<&PathBuf> {
        self.config.as_ref()
    }

    /// The server of the URL, or of REVEILLE_SERVER, or of the configuration.
    pub(super) fn find(&self, environment: &Environment) -> anyhow::Result<ServerAddress> {
        let ca = match &self.ca {
            Some(file) => Some(file.clone()),
            None => variable(CommandVariable::Ca, environment)?.map(PathBuf::from),
        };
        let named = match &self.server {
            Some(url) => Some(url.clone()),
            None => variable(CommandVariable::Server, environment)?,
        };
        let configuration = || {
            let raw = OptionFlags::default().read(self.config.clone(), environment)?;
            anyhow::Ok(raw.resolve()?)
        };
        let Some(url) = named else {
            return ServerAddress::of_config(&configuration()?, ca.as_deref());
        };
        let server = ServerAddress::parse(&url, ca.as_deref())?;
        match configuration() {
            Ok(config) if server.is_door_of(&config) => {
                ServerAddress::of_config(&config, ca.as_deref())
            }
            // What is wrong with the configuration here is no matter of a server elsewhere.
            Ok(_) | Err(_) => Ok(server),
        }
    }
}

fn variable(name: CommandVariable, environment: &Environment) -> anyhow::Result<Option<String>> {
    let value = environment.command(name).map_err(|fault| anyhow::anyhow!("{fault}"))?;
    Ok(value.map(str::to_owned))
}

/// A server and an app's key for it.
pub(super) struct Peer {
    /// The server.
    pub(super) server: ServerAddress,
    /// The app's key.
    pub(super) key: KeyText,
    /// The folder of the configuration file, where commands keep what they must remember.
    pub(super) folder: PathBuf,
}

impl PeerArgs {
    /// How the server is found.
    pub(super) const fn server(&self) -> &ServerArgs {
        &self.server
    }

    /// Finds server and key.
    pub(super) fn resolve(self, environment: &Environment) -> anyhow::Result<Peer> {
        let file = config_file(self.server.config.clone(), environment)?;
        let folder = folder_of(file.as_deref());
        let server = self.server.find(environment)?;
        let named = match self.key {
            Some(key) => Some(key),
            None => variable(CommandVariable::Key, environment)?,
        };
        let key = match named {
            Some(key) => KeyText::parse_kind(key.trim(), KeyKind::App)?,
            None => key_of_file(&folder.join(APP_KEY_FILE))?,
        };
        Ok(Peer { server, key, folder })
    }
}

fn key_of_file(path: &Path) -> anyhow::Result<KeyText> {
    load_key(path, KeyKind::App).with_context(|| {
        Advice::new(
            "there is no key to show the server",
            "give one with --key or REVEILLE_KEY, or make an app with `reveille init`",
        )
    })
}

impl Peer {
    /// Posts to the server with the app's key.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.server.post(path, &self.key, body).await
    }

    /// Asks the server with the app's key.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.server.get(path, &self.key).await
    }

    /// A new token of a user.
    pub(super) async fn user_token(&self, user: &str, ttl: u32) -> anyhow::Result<UserToken> {
        let path = format!("/v1/users/{}/tokens", path_segment(user));
        self.post(&path, &UserTokenCreate { ttl: Some(ttl), ..UserTokenCreate::default() }).await
    }
}

/// A text as one segment of a path: all but the unreserved letters of RFC 3986 in their `%` form.
pub(super) fn path_segment(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut segment, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                segment.push(char::from(byte));
            }
            other => segment.push_str(&format!("%{other:02X}")),
        }
        segment
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn resolved(args: PeerArgs, variables: &[(&str, &str)]) -> anyhow::Result<Peer> {
        let environment = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
            .collect();
        args.resolve(&environment)
    }

    #[test]
    fn users_stay_inside_their_segment() {
        for (user, expected) in [
            ("alice", "alice"),
            ("+4930/1", "%2B4930%2F1"),
            ("a?#%", "a%3F%23%25"),
            ("ü", "%C3%BC"),
        ] {
            assert_eq!(path_segment(user), expected);
        }
    }

    #[test]
    fn flags_win_over_variables_and_those_over_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("reveille.toml");
        std::fs::write(&file, "listen = \"0.0.0.0:9000\"\n").unwrap();
        let keys = [(); 3].map(|()| KeyText::generate(KeyKind::App));
        crate::secret::write_private(&folder.path().join(APP_KEY_FILE), keys[0].expose()).unwrap();
        let args = |server: Option<&str>, key: Option<&KeyText>| PeerArgs {
            server: ServerArgs {
                server: server.map(str::to_owned),
                config: Some(file.clone()),
                ..ServerArgs::default()
            },
            key: key.map(|key| key.expose().to_owned()),
        };
        let peer = resolved(args(None, None), &[]).unwrap();
        assert_eq!(peer.server.to_string(), "http://127.0.0.1:9000");
        assert_eq!((peer.key.hash(), peer.folder.as_path()), (keys[0].hash(), folder.path()));
        let variables = [("REVEILLE_SERVER", "http://one:1"), ("REVEILLE_KEY", keys[1].expose())];
        let peer = resolved(args(None, None), &variables).unwrap();
        assert_eq!(
            (peer.server.to_string(), peer.key.hash()),
            ("http://one:1".into(), keys[1].hash())
        );
        let peer = resolved(args(Some("http://two:2"), Some(&keys[2])), &variables).unwrap();
        assert_eq!(
            (peer.server.to_string(), peer.key.hash()),
            ("http://two:2".into(), keys[2].hash())
        );
    }

    #[test]
    fn a_missing_key_says_where_one_comes_from() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("reveille.toml");
        std::fs::write(&file, "").unwrap();
        let server = ServerArgs { config: Some(file), ..ServerArgs::default() };
        let args = PeerArgs { server, key: None };
        let Err(error) = resolved(args, &[]) else { panic!("a key came from nowhere") };
        assert!(error.downcast_ref::<Advice>().is_some(), "{error:?}");
    }
}
