//! `serve --dev`: for whoever writes an app against this server.
//!
//! Reachable from phones in the same network, with an app to begin with, and strict about unknown
//! fields in frames: what a released server ignores is a misspelt field here.

use std::net::{Ipv4Addr, SocketAddr};

use domain::KeyScopes;
use serde_json::Value;
use wire::ClientFrame;

use crate::node::{Node, StartError};
use crate::secret::{APP_KEY_FILE, KeyKind, KeyText, write_private};

/// The name of the app to begin with.
const APP: &str = "dev";

/// Fields whose inside is the app's own business.
const OPAQUE: [&str; 4] = ["answer", "body", "offer", "push"];

/// Where to listen: on every interface, where the configuration says this machine alone.
pub fn listen(configured: SocketAddr) -> SocketAddr {
    if configured.ip().is_loopback() {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, configured.port()))
    } else {
        configured
    }
}

/// Makes an app to begin with, if there is none; its key goes to a file of mode 0600.
///
/// # Errors
///
/// When the store or the key's file cannot be written.
pub async fn prepare(node: &Node) -> Result<(), StartError> {
    if node.store.apps().await?.is_empty() {
        let now = node.clock.now();
        let app = node.store.add_app(APP.to_owned(), now).await?;
        let key = KeyText::generate(KeyKind::App);
        node.store
            .add_key(app.id, APP.to_owned(), KeyScopes::ALL, *key.hash().as_bytes(), now)
            .await?;
        let file = node.config().data_dir.join(APP_KEY_FILE);
        write_private(&file, key.expose())?;
        tracing::info!(app.id = %app.id, key_file = %file.display(), "made an app to begin with");
    }
    let port = node.config().listen.port();
    tracing::info!(
        "phones in the same network reach this server at this machine's address, port {port}"
    );
    Ok(())
}

/// The first field of a frame that nobody knows, as a path.
pub fn unknown_field(text: &str, frame: &ClientFrame) -> Option<String> {
    let said: Value = serde_json::from_str(text).ok()?;
    let known = serde_json::to_value(frame).ok()?;
    missing(&said, &known, "")
}

/// A field of `said` that is not in `known`. A `null` may stand for a field left out.
fn missing(said: &Value, known: &Value, at: &str) -> Option<String> {
    let (Value::Object(said), Value::Object(known)) = (said, known) else { return None };
    said.iter().filter(|(_, value)| !value.is_null()).find_map(|(name, value)| {
        let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        match known.get(name) {
            None => Some(path),
            Some(_) if OPAQUE.contains(&name.as_str()) => None,
            Some(inner) => missing(value, inner, &path),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_field_is_found_and_what_is_opaque_is_let_be() {
        let table = [
            (r#"{"type":"state","state":"background"}"#, None),
            (r#"{"type":"state","state":"background","stat":1}"#, Some("stat")),
            (
                r#"{"type":"ack","position":{"epoch":"1","offset":2,"entri":"x"}}"#,
                Some("position.entri"),
            ),
            (r#"{"type":"send","id":"a","to":["b"],"body":{"anything":1},"thread":null}"#, None),
            (r#"{"type":"send","id":"a","to":["b"],"body":1,"ttI":5}"#, Some("ttI")),
        ];
        for (text, expected) in table {
            let frame = ClientFrame::parse(text).unwrap();
            assert_eq!(unknown_field(text, &frame).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn only_a_loopback_address_is_opened() {
        let loopback: SocketAddr = "127.0.0.1:7300".parse().unwrap();
        assert_eq!(listen(loopback).to_string(), "0.0.0.0:7300");
        let chosen: SocketAddr = "192.0.2.1:7300".parse().unwrap();
        assert_eq!(listen(chosen), chosen);
    }
}
