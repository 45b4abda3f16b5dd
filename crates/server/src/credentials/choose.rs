//! Which credential carries a push, decided before anything is sent.

use std::sync::{Arc, PoisonError};

use domain::{AppId, CredentialId, Diagnosis, Environment, Refusal, RetryRule, TargetKind};
use providers::webpush::{self, Subscription};
use providers::{Apns, Fcm, WebPush, apns};
use store::model::{Settings, Target};

use super::{ApnsEntry, Chosen, Client, Clients, FcmEntry, Traffic, WebpushEntry};
use crate::circuits::{CircuitKey, Circuits, Place};

impl Clients {
    /// The client for a target: of the app's credentials that cover it the newest one that is not
    /// refused; if all are, the newest.
    ///
    /// # Errors
    ///
    /// A refusal with code 901, 904, 905 or 912 that says what to upload.
    pub fn choose(
        &self,
        circuits: &Circuits,
        target: &Target,
        app: AppId,
        settings: &Settings,
        traffic: Traffic,
    ) -> Result<Chosen, Refusal> {
        let clients = self.of(app);
        match target.kind {
            TargetKind::Fcm => {
                let keys = clients.fcm.iter().map(|entry| (entry, Place::Fcm));
                let (entry, circuit) = first_believed(circuits, keys, |entry| entry.id)
                    .ok_or_else(|| {
                        refusal(
                            Diagnosis::NotConfigured,
                            "no_credential",
                            "Upload the Firebase project's service account key (JSON) for this app.",
                        )
                    })?;
                let client = Client::Fcm(self.fcm_client(entry, traffic)?);
                Ok(Chosen { client, circuit })
            }
            TargetKind::Apns | TargetKind::ApnsVoip => {
                let environment = settings.policy.environment(target.environment, target.learned);
                let bundle = bundle_id(&clients.apns, target)?;
                let topic = |push_type| {
                    apns::Topic::for_push(&bundle, push_type).map_err(|fault| {
                        refusal(Diagnosis::AppMismatch, "bad_topic", &fault.to_string())
                    })
                };
                let (topic, voip_topic) =
                    (topic(apns::PushType::Alert)?, topic(apns::PushType::Voip)?);
                let voip = target.kind == TargetKind::ApnsVoip;
                let wanted = if voip { &voip_topic } else { &topic };
                let covering = covering(&clients.apns, wanted, environment)?;
                let keys = covering.into_iter().map(|entry| (entry, Place::Apns(environment)));
                let (entry, circuit) =
                    first_believed(circuits, keys, |entry| entry.id).ok_or_else(no_apns)?;
                let client = self.apns_client(entry, environment, traffic)?;
                Ok(Chosen { client: Client::Apns { client, topic, voip_topic }, circuit })
            }
            TargetKind::Webpush => {
                let entry = vapid(&clients.webpush, target)?;
                let client = Client::Webpush(self.webpush_client(entry, traffic)?);
                let origin = Subscription::parse(target.token.as_bytes())
                    .map(|subscription| Arc::from(subscription.origin().to_string()));
                let place = Place::Webpush(origin.unwrap_or_else(|_| Arc::from("")));
                Ok(Chosen { client, circuit: CircuitKey { credential: entry.id, place } })
            }
        }
    }

    /// Everywhere a credential is used that can be probed.
    pub fn places(&self, app: AppId, credential: CredentialId) -> Vec<Place> {
        let clients = self.of(app);
        if let Some(entry) = clients.apns.iter().find(|entry| entry.id == credential) {
            let both = [Environment::Production, Environment::Sandbox];
            let good = |environment: &Environment| {
                entry.credential.check_environment(*environment).is_ok()
            };
            return both.into_iter().filter(good).map(Place::Apns).collect();
        }
        let fcm = clients.fcm.iter().any(|entry| entry.id == credential);
        if fcm { vec![Place::Fcm] } else { Vec::new() }
    }

    /// Whether a credential could be opened.
    pub fn is_open(&self, app: AppId, credential: CredentialId) -> bool {
        self.of(app).ids().contains(&credential)
    }

    /// Whether an app has a credential for APNs.
    pub fn has_apns(&self, app: AppId) -> bool {
        !self.of(app).apns.is_empty()
    }

    /// The public key that browsers of an app subscribe with: the newest credential's.
    pub fn webpush_key(&self, app: AppId) -> Option<String> {
        self.of(app).webpush.first().map(|entry| entry.key.public_key().to_owned())
    }

    /// Whether a browser of an app may have subscribed with this key.
    pub fn has_webpush_key(&self, app: AppId, public_key: &str) -> bool {
        self.of(app).webpush.iter().any(|entry| entry.key.public_key() == public_key)
    }

    /// Whether the app has another credential for the same place that is not refused.
    pub fn has_another(&self, circuits: &Circuits, app: AppId, key: &CircuitKey) -> bool {
        let clients = self.of(app);
        let believed = |credential: CredentialId| {
            let other = CircuitKey { credential, place: key.place.clone() };
            credential != key.credential
                && !circuits.open(&other).is_some_and(|open| open.diagnosis.is_credential_fault())
        };
        match &key.place {
            Place::Apns(environment) => clients.apns.iter().any(|entry| {
                believed(entry.id) && entry.credential.check_environment(*environment).is_ok()
            }),
            Place::Fcm => clients.fcm.iter().any(|entry| believed(entry.id)),
            Place::Webpush(_) => false,
        }
    }

    /// The refusal of a browser's subscription whose push service the operator does not allow, or
    /// that plainly leads inside.
    pub fn refuses_endpoint(&self, subscription: &str) -> Option<Refusal> {
        let subscription = Subscription::parse(subscription.as_bytes()).ok()?;
        webpush::check_endpoint(&self.config, &subscription).err()
    }

    /// Whether pushes to such a target would fail as things stand: the code, and what to do.
    pub fn would_fail(
        &self,
        circuits: &Circuits,
        app: AppId,
        kind: TargetKind,
        app_id: Option<&str>,
    ) -> Option<(Diagnosis, String)> {
        let target = Target {
            kind,
            token: String::new(),
            environment: None,
            learned: None,
            app_id: app_id.map(str::to_owned),
            suspect_since: None,
            registered_at: domain::Time::EPOCH,
        };
        let chosen = self.choose(circuits, &target, app, &Settings::default(), Traffic::Wake);
        chosen.err().map(|refusal| (refusal.diagnosis, refusal.remedy))
    }

    pub(super) fn apns_client(
        &self,
        entry: &ApnsEntry,
        environment: Environment,
        traffic: Traffic,
    ) -> Result<Apns, Refusal> {
        let mut clients = entry.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&(environment, traffic)) {
            return Ok(client.clone());
        }
        let client = Apns::new(&self.config, entry.credential.clone(), environment)
            .map_err(|error| refusal(Diagnosis::CertificateError, "client", &error.to_string()))?;
        clients.insert((environment, traffic), client.clone());
        Ok(client)
    }

    fn webpush_client(&self, entry: &WebpushEntry, traffic: Traffic) -> Result<WebPush, Refusal> {
        let mut clients = entry.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&traffic) {
            return Ok(client.clone());
        }
        let client = WebPush::new(&self.config, entry.key.clone(), entry.subject.clone())
            .map_err(|error| refusal(Diagnosis::CertificateError, "client", &error.to_string()))?;
        clients.insert(traffic, client.clone());
        Ok(client)
    }

    pub(super) fn fcm_client(&self, entry: &FcmEntry, traffic: Traffic) -> Result<Fcm, Refusal> {
        let mut clients = entry.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&traffic) {
            return Ok(client.clone());
        }
        let client = Fcm::new(&self.config, entry.account.clone())
            .map_err(|error| refusal(Diagnosis::CertificateError, "client", &error.to_string()))?;
        clients.insert(traffic, client.clone());
        Ok(client)
    }
}

/// The key that a browser subscribed with: the one the device named, else the newest.
fn vapid<'a>(
    entries: &'a [Arc<WebpushEntry>],
    target: &Target,
) -> Result<&'a Arc<WebpushEntry>, Refusal> {
    let newest = entries.first().ok_or_else(|| {
        refusal(
            Diagnosis::NotConfigured,
            "no_credential",
            "Add a VAPID key pair for this app: POST a credential of the kind webpush_vapid.",
        )
    })?;
    let Some(wanted) = &target.app_id else { return Ok(newest) };
    entries.iter().find(|entry| entry.key.public_key() == wanted).ok_or_else(|| {
        refusal(
            Diagnosis::AppMismatch,
            "key_is_gone",
            "The browser subscribed with a VAPID key that this app has no more; it must subscribe anew.",
        )
    })
}

/// The first entry whose credential is not refused where it would be used, else the first.
fn first_believed<'a, E>(
    circuits: &Circuits,
    entries: impl Iterator<Item = (&'a E, Place)>,
    id: impl Fn(&E) -> CredentialId,
) -> Option<(&'a E, CircuitKey)> {
    let mut first = None;
    for (entry, place) in entries {
        let key = CircuitKey { credential: id(entry), place };
        let refused = circuits.open(&key).is_some_and(|open| open.diagnosis.is_credential_fault());
        if !refused {
            return Some((entry, key));
        }
        first.get_or_insert((entry, key));
    }
    first
}

/// The bundle id of a target: what the device said, or the only one the credentials name.
fn bundle_id(entries: &[Arc<ApnsEntry>], target: &Target) -> Result<String, Refusal> {
    if let Some(app_id) = &target.app_id {
        return Ok(app_id.clone());
    }
    let mut bundles: Vec<&str> =
        entries.iter().flat_map(|entry| entry.credential.facts().bundle_ids()).collect();
    bundles.sort_unstable();
    bundles.dedup();
    match bundles[..] {
        [only] => Ok(only.to_owned()),
        _ if entries.is_empty() => Err(no_apns()),
        _ => Err(refusal(
            Diagnosis::AppMismatch,
            "no_app_id",
            "Register the push token with its bundle id (`app_id`): the credentials name none or several.",
        )),
    }
}

/// The credentials that cover the topic in that environment, newest first; at least one.
fn covering<'a>(
    entries: &'a [Arc<ApnsEntry>],
    topic: &apns::Topic,
    environment: Environment,
) -> Result<Vec<&'a Arc<ApnsEntry>>, Refusal> {
    if entries.is_empty() {
        return Err(no_apns());
    }
    let of_topic: Vec<_> = entries.iter().filter(|entry| entry.credential.covers(topic)).collect();
    if of_topic.is_empty() {
        return Err(refusal(
            Diagnosis::AppMismatch,
            "topic_not_covered",
            &format!(
                "No APNs credential of this app covers {}; upload one that does, or correct the bundle ids of the key.",
                topic.bundle_id()
            ),
        ));
    }
    let good: Vec<_> = of_topic
        .into_iter()
        .filter(|entry| entry.credential.check_environment(environment).is_ok())
        .collect();
    if good.is_empty() {
        return Err(match environment {
            Environment::Production => refusal(
                Diagnosis::ProductionCertificateRequired,
                "development_certificate",
                "Upload a production certificate: the one there is for development builds only.",
            ),
            Environment::Sandbox => refusal(
                Diagnosis::CertificateError,
                "production_certificate",
                "Upload a certificate for the sandbox: the one there is for production only.",
            ),
        });
    }
    Ok(good)
}

fn no_apns() -> Refusal {
    refusal(
        Diagnosis::NotConfigured,
        "no_credential",
        "Upload an APNs key (.p8) or certificate (.p12) for this app.",
    )
}

/// A refusal before anything was sent: only a change cures it.
fn refusal(diagnosis: Diagnosis, reason: &str, remedy: &str) -> Refusal {
    Refusal::unsent(diagnosis, RetryRule::WhenChanged, reason, remedy)
}
