//! The keys that Apple knows, from "Establishing a token-based connection to APNs".

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{TokenUpdates, session::MIN_REFRESH_S};
use crate::{device::Environment, pki::ApnsKey};

/// A provider's key as Apple knows it.
#[derive(Clone, Debug)]
pub struct KnownKey {
    /// Ten characters, the JWT's `kid`.
    pub key_id: String,
    /// Ten characters, the JWT's `iss`.
    pub team_id: String,
    /// Its family; a connection keeps to one.
    pub kind: KeyKind,
    /// The environments it is good for.
    pub environments: KeyEnvironments,
    /// The apps it may push to.
    pub topics: KeyTopics,
    /// The id of the key that may take its place on a live connection; Apple has this for
    /// topic-specific keys.
    pub related: Option<String>,
    /// Uncompressed P-256 point.
    pub(super) public_key: Vec<u8>,
}

impl KnownKey {
    /// A key for both environments that may push to these bundle ids, as if they were all of the
    /// team's.
    pub fn new(key: &ApnsKey, bundle_ids: &[&str]) -> Self {
        Self {
            key_id: key.key_id.clone(),
            team_id: key.team_id.clone(),
            kind: KeyKind::Team,
            environments: KeyEnvironments::Both,
            topics: KeyTopics::These(bundle_ids.iter().map(ToString::to_string).collect()),
            related: None,
            public_key: key.public_key.clone(),
        }
    }

    /// The same key as one made for a single environment and all of the team's apps.
    #[must_use]
    pub fn team_scoped(self, environment: Environment) -> Self {
        let environments = KeyEnvironments::Only(environment);
        Self { kind: KeyKind::TeamScoped, environments, ..self }
    }

    /// The same key as one made for a single environment and listed apps.
    #[must_use]
    pub fn topic_specific(self, environment: Environment) -> Self {
        let environments = KeyEnvironments::Only(environment);
        Self { kind: KeyKind::TopicSpecific, environments, ..self }
    }

    /// Whether this key may follow the other on a connection.
    pub(super) fn may_follow(&self, first: &Self) -> bool {
        let names = |one: &Self, other: &Self| one.related.as_ref() == Some(&other.key_id);
        self.key_id == first.key_id
            || self.kind == first.kind && (names(self, first) || names(first, self))
    }
}

/// The families of keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyKind {
    /// Made before 2025: both environments, all of the team's apps.
    Team,
    /// One environment, all of the team's apps.
    TeamScoped,
    /// One environment, up to 400 listed apps.
    TopicSpecific,
}

/// The environments a key is good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyEnvironments {
    /// Keys made before 2025.
    Both,
    /// Keys made for one environment.
    Only(Environment),
}

/// The apps a key may push to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeyTopics {
    /// Whatever it asks for; for load.
    Any,
    /// These bundle ids with all their suffixes.
    These(Vec<String>),
}

impl KeyTopics {
    pub(super) fn cover(&self, bundle_id: &str) -> bool {
        match self {
            Self::Any => true,
            Self::These(bundle_ids) => bundle_ids.iter().any(|it| it == bundle_id),
        }
    }
}

/// All keys, by id. Connections look only when they meet a token that is new to them.
#[derive(Debug, Default)]
pub(super) struct Keys {
    known: RwLock<HashMap<String, Arc<KnownKey>>>,
    /// When the latest token of each key was issued, if that counts.
    latest: Option<Mutex<HashMap<String, i64>>>,
    /// Grows with each key that is revoked, so that connections notice without a lock.
    revocations: AtomicU64,
}

impl Keys {
    pub(super) fn new(keys: Vec<KnownKey>, updates: TokenUpdates) -> Self {
        let known = keys.into_iter().map(|key| (key.key_id.clone(), Arc::new(key))).collect();
        let latest = match updates {
            TokenUpdates::OfConnection => None,
            TokenUpdates::OfKey => Some(Mutex::default()),
        };
        Self { known: RwLock::new(known), latest, revocations: AtomicU64::new(0) }
    }

    /// Notes that a token of this key came to a connection that did not know it; false if that is
    /// too soon after another.
    pub(super) fn renew(&self, key_id: &str, issued_at: i64) -> bool {
        let Some(latest) = &self.latest else { return true };
        let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
        let last = latest.entry(key_id.to_owned()).or_insert(issued_at);
        let passes = *last == issued_at || issued_at >= last.saturating_add(MIN_REFRESH_S);
        if passes {
            *last = issued_at;
        }
        passes
    }

    pub(super) fn find(&self, key_id: &str) -> Option<Arc<KnownKey>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(key_id).cloned()
    }

    pub(super) fn set(&self, key: KnownKey) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(key.key_id.clone(), Arc::new(key));
    }

    pub(super) fn revoke(&self, key_id: &str) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(key_id);
        self.revocations.fetch_add(1, Ordering::Release);
    }

    pub(super) fn revocations(&self) -> u64 {
        self.revocations.load(Ordering::Acquire)
    }
}
