//! The keys that prove user tokens: an app's own, and key sets that its back end publishes.
//!
//! Keys are read from the store when first needed and after each change. A key set is fetched
//! through the guarded client, remembered for some minutes, and fetched anew when a token names a
//! key that is not in it; a host that is away stops nobody whose key is known.

use std::sync::Arc;
use std::time::Duration;

use domain::{AppId, Time, TokenKeyId};
use jsonwebtoken::DecodingKey;
use providers::outbound;
use store::model::{TokenKey, TokenKeySource};
use wire::http::TokenAlgorithm;

use super::jwt::{self, Proven, SetKey, Unproven};
use crate::accept::storage_problem;
use crate::http::problem::{Problem, ProblemCode};
use crate::node::Node;
use crate::remembered::Remembered;

/// How long a key set is believed to be whole.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// How long one is used whose host is away.
const USABLE: Duration = Duration::from_secs(24 * 3_600);
/// The pause between two fetches of a set that has not the key a token names, or is away.
const PAUSE: Duration = Duration::from_secs(30);

/// Every app's token keys, as far as they were needed.
pub struct TokenKeys {
    client: outbound::Client,
    known: Remembered<Arc<[Arc<Entry>]>>,
}

/// A key of an app.
struct Entry {
    id: TokenKeyId,
    algorithm: TokenAlgorithm,
    audience: String,
    proof: Proof,
}

/// What proves a token.
enum Proof {
    /// One key.
    Key(Arc<[SetKey]>),
    /// One fetch at a time.
    Set { url: String, known: tokio::sync::Mutex<KeySet> },
}

/// A key set, as it was last seen.
#[derive(Default)]
struct KeySet {
    keys: Arc<[SetKey]>,
    fetched_at: Option<Time>,
    tried_at: Option<Time>,
}

impl TokenKeys {
    /// No app's keys yet; `client` fetches key sets.
    pub fn new(client: outbound::Client) -> Self {
        Self { client, known: Remembered::default() }
    }

    /// Forgets an app's keys, after a change.
    pub fn forget(&self, app: AppId) {
        self.known.forget(app);
    }

    /// Fetches a key set, to see that there is one.
    ///
    /// # Errors
    ///
    /// What is wrong, in words.
    pub async fn fetch(&self, url: &str, algorithm: TokenAlgorithm) -> Result<Vec<SetKey>, String> {
        let answer = self.client.get(url).await.map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("its host answered {}, 200 is needed", answer.status));
        }
        if answer.cut {
            return Err("it is larger than 64 KiB".to_owned());
        }
        jwt::key_set(&answer.body, algorithm)
    }

    /// Checks a token by the keys of the app that it names.
    pub(super) async fn prove(
        &self,
        node: &Node,
        token: &str,
        unproven: &Unproven,
        now: Time,
    ) -> Result<Proven, Problem> {
        let entries = self.of(node, unproven.app).await?;
        if entries.is_empty() {
            return Err(jwt::refused(
                "the app has no token keys; add the one that signs with \
                 POST /v1/apps/{app}/token-keys",
            ));
        }
        let mut away = None;
        let of_kind = entries.iter().filter(|entry| entry.algorithm == unproven.algorithm);
        for entry in of_kind {
            let keys: Arc<[SetKey]> = match &entry.proof {
                Proof::Key(key) => Arc::clone(key),
                Proof::Set { url, known } => {
                    let mut known = known.lock().await;
                    let named = unproven.key_id.as_deref();
                    if known.is_due(named, now) {
                        known.tried_at = Some(now);
                        match self.fetch(url, entry.algorithm).await {
                            Ok(keys) => {
                                known.keys = keys.into();
                                known.fetched_at = Some(now);
                            }
                            Err(why) => {
                                tracing::warn!(token_key.id = %entry.id, app.id = %unproven.app, why, "a key set is not to be had");
                            }
                        }
                    }
                    if known.is_usable(now) {
                        known.named(named)
                    } else {
                        away = Some(entry.id);
                        continue;
                    }
                }
            };
            for key in keys.iter() {
                let proven = jwt::prove(token, &key.key, entry.algorithm, &entry.audience, now)?;
                if let Some(proven) = proven {
                    return Ok(proven);
                }
            }
        }
        Err(match away {
            Some(key) => Problem::new(
                ProblemCode::Unavailable,
                format!("the key set of the token key {key} is not to be had now; try again"),
            )
            .with_retry_after(PAUSE),
            None => jwt::refused("none of the app's token keys has signed it"),
        })
    }

    async fn of(&self, node: &Node, app: AppId) -> Result<Arc<[Arc<Entry>]>, Problem> {
        let asked = match self.known.look(app) {
            Ok(entries) => return Ok(entries),
            Err(asked) => asked,
        };
        let keys = node.store.token_keys(app).await.map_err(storage_problem)?;
        let entries: Arc<[_]> =
            keys.into_iter().filter_map(|key| entry(node, key)).map(Arc::new).collect();
        // An app that does not exist is not worth remembering: anybody can name one.
        if !entries.is_empty() {
            self.known.keep(app, asked, Arc::clone(&entries));
        }
        Ok(entries)
    }
}

impl KeySet {
    /// Whether it should be fetched for a token that names a key.
    fn is_due(&self, named: Option<&str>, now: Time) -> bool {
        if self.tried_at.is_some_and(|at| now.since(at) < PAUSE) {
            return false;
        }
        let is_fresh = self.fetched_at.is_some_and(|at| now.since(at) < FRESH);
        !is_fresh || named.is_some_and(|name| !self.has(name))
    }

    fn is_usable(&self, now: Time) -> bool {
        self.fetched_at.is_some_and(|at| now.since(at) < USABLE)
    }

    fn has(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(name))
    }

    /// The keys that may have signed a token: the one it names, or all if it names none.
    fn named(&self, name: Option<&str>) -> Arc<[SetKey]> {
        match name {
            None => Arc::clone(&self.keys),
            Some(name) => {
                let fits = |key: &&SetKey| key.id.as_deref().is_none_or(|id| id == name);
                self.keys.iter().filter(fits).cloned().collect()
            }
        }
    }
}

/// A stored key as it is used; one that cannot be read is logged and left out.
fn entry(node: &Node, key: TokenKey) -> Option<Entry> {
    let opened = open(node, &key);
    let (algorithm, proof) = opened
        .inspect_err(|why| {
            tracing::error!(token_key.id = %key.id, app.id = %key.app, why, "a token key cannot be used");
        })
        .ok()?;
    Some(Entry { id: key.id, algorithm, audience: key.audience, proof })
}

fn open(node: &Node, key: &TokenKey) -> Result<(TokenAlgorithm, Proof), String> {
    let algorithm = TokenAlgorithm::parse(&key.algorithm)
        .ok_or_else(|| format!("{:?} is no algorithm", key.algorithm))?;
    let one = |key| Proof::Key(Arc::new([SetKey { id: None, key }]));
    let proof = match &key.source {
        TokenKeySource::PublicKey(pem) => one(jwt::public_key(pem, algorithm)?),
        TokenKeySource::Secret(sealed) => {
            let context = store::token_key_context(key.app);
            let secret = node.master_key.open(&context, sealed);
            let secret = secret.map_err(|error| error.to_string())?;
            one(DecodingKey::from_secret(&secret))
        }
        TokenKeySource::JwksUrl(url) => {
            Proof::Set { url: url.clone(), known: tokio::sync::Mutex::default() }
        }
    };
    Ok((algorithm, proof))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Time = Time::from_millis(1_800_000_000_000);

    #[test]
    fn a_set_is_fetched_when_old_or_when_a_key_is_not_in_it_and_not_too_often() {
        let key = |id: &str| SetKey {
            id: Some(id.to_owned()),
            key: DecodingKey::from_secret(b"0123456789abcdef0123456789abcdef"),
        };
        let at = |seconds: u64| NOON.plus(Duration::from_secs(seconds));
        let never = KeySet::default();
        let fetched =
            KeySet { keys: Arc::new([key("a")]), fetched_at: Some(NOON), tried_at: Some(NOON) };
        let away = KeySet { fetched_at: None, tried_at: Some(NOON), ..KeySet::default() };
        for (set, named, now, due, usable) in [
            (&never, None, at(0), true, false),
            (&fetched, Some("a"), at(31), false, true),
            (&fetched, None, at(31), false, true),
            (&fetched, Some("b"), at(29), false, true),
            (&fetched, Some("b"), at(30), true, true),
            (&fetched, Some("a"), at(600), true, true),
            (&fetched, Some("a"), at(86_399), true, true),
            (&fetched, Some("a"), at(86_400), true, false),
            (&away, Some("a"), at(29), false, false),
            (&away, Some("a"), at(30), true, false),
        ] {
            let seconds = NOON.until(now).as_secs();
            assert_eq!(set.is_due(named, now), due, "due: {named:?} after {seconds} s");
            assert_eq!(set.is_usable(now), usable, "usable: {named:?} after {seconds} s");
        }
        assert_eq!(fetched.named(Some("b")).len(), 0);
        assert_eq!(fetched.named(Some("a")).len(), 1);
        assert_eq!(fetched.named(None).len(), 1);
    }
}
