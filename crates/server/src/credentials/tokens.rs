//! Provider tokens of Apple's keys: kept sealed, and shared by all credentials of one key.
//!
//! Apple counts how often a key's token is renewed (429 `TooManyProviderTokenUpdates`), so a
//! restart goes on with the token there was, and two apps with one key sign one token.

use std::sync::Arc;

use domain::{CredentialId, Environment};
use providers::apns::{Credential, ProviderToken};
use store::model::SealedToken;

use super::{ApnsEntry, Clients};
use crate::node::Node;

/// Seeds the tokens that were in use in the last life.
///
/// # Errors
///
/// When the store cannot be read. A token that does not open is left out: another is signed.
pub(super) async fn take_over(node: &Node) -> Result<(), store::Error> {
    for kept in node.store.provider_tokens().await? {
        let context = store::token_context(kept.credential, kept.environment.as_str());
        let Ok(plain) = node.master_key.open(&context, &kept.sealed) else { continue };
        let token = std::str::from_utf8(&plain).ok().and_then(ProviderToken::parse);
        let entries = node.clients.keys(|entry| entry.id == kept.credential);
        if let (Some(token), Some(entry)) = (token, entries.first()) {
            let now = node.clock.now();
            entry.credential.seed_provider_token(kept.environment, token, now);
        }
    }
    Ok(())
}

/// Keeps each token that the key signs or takes over, and passes it on to the other credentials of
/// the key, until the credential is gone. Begins with a token that another one has.
pub(super) fn keep(node: &Arc<Node>, id: CredentialId, credential: &Credential) {
    let Some(mut tokens) = credential.provider_tokens() else { return };
    for entry in node.clients.keys(|entry| same_key(&entry.credential, credential)) {
        let Some(others) = entry.credential.provider_tokens() else { continue };
        for environment in ENVIRONMENTS {
            let token = others.borrow().of(environment).cloned();
            if let Some(token) = token {
                credential.seed_provider_token(environment, token, node.clock.now());
            }
        }
    }
    let keeper = Arc::clone(node);
    node.tasks.start("provider tokens", async move {
        let mut kept = [None, None];
        loop {
            for (environment, kept) in ENVIRONMENTS.into_iter().zip(&mut kept) {
                let token = tokens.borrow_and_update().of(environment).cloned();
                if *kept != token {
                    *kept = token.clone();
                    if let Some(token) = token {
                        keeper.clients.pass_on(&keeper, id, environment, &token);
                        store(&keeper, id, environment, &token).await;
                    }
                }
            }
            if keeper.tasks.is_stopping() {
                return;
            }
            tokio::select! {
                () = keeper.tasks.stopped() => {} // once more: the last one is to be kept
                // The last handle of the credential is gone.
                changed = tokens.changed() => if changed.is_err() { return },
            }
        }
    });
}

const ENVIRONMENTS: [Environment; 2] = [Environment::Production, Environment::Sandbox];

async fn store(node: &Node, id: CredentialId, environment: Environment, token: &ProviderToken) {
    let context = store::token_context(id, environment.as_str());
    let sealed = match node.master_key.seal(&context, token.expose().as_bytes()) {
        Ok(sealed) => sealed,
        Err(error) => {
            tracing::error!(%error, credential.id = %id, "a provider token could not be sealed");
            return;
        }
    };
    let issued_at = token.issued_at();
    let sealed = SealedToken { credential: id, environment, sealed, issued_at };
    if let Err(error) = node.store.set_provider_token(sealed).await {
        // It serves all the same; only the next life will sign another one.
        tracing::warn!(%error, credential.id = %id, "a provider token could not be kept");
    }
}

impl Clients {
    /// Gives a token to the other credentials of the key that signed it.
    fn pass_on(
        &self,
        node: &Node,
        id: CredentialId,
        environment: Environment,
        token: &ProviderToken,
    ) {
        let Some(from) = self.keys(|entry| entry.id == id).into_iter().next() else { return };
        let same =
            |entry: &ApnsEntry| entry.id != id && same_key(&entry.credential, &from.credential);
        for entry in self.keys(same) {
            entry.credential.seed_provider_token(environment, token.clone(), node.clock.now());
        }
    }

    /// The APNs credentials of all apps that are wanted.
    fn keys(&self, wanted: impl Fn(&ApnsEntry) -> bool) -> Vec<Arc<ApnsEntry>> {
        let apps = self.apps.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let entries = apps.values().flat_map(|clients| &clients.apns);
        entries.filter(|entry| wanted(entry)).cloned().collect()
    }
}

/// Whether two credentials say that they are of one key; whether it is true shows when a token is
/// seeded.
fn same_key(one: &Credential, other: &Credential) -> bool {
    let (one, other) = (one.facts(), other.facts());
    one.key_id.is_some() && one.key_id == other.key_id && one.team == other.team
}
