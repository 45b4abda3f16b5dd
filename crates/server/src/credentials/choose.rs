//! Which credential carries a push, decided before anything is sent.

use std::sync::PoisonError;

use domain::{AppId, Diagnosis, Environment, Refusal, RetryRule, TargetKind, TokenVerdict};
use providers::{Apns, apns};
use store::model::{Settings, Target};

use super::{ApnsEntry, Client, Clients};

impl Clients {
    /// The client for a target: the app's newest credential that covers it.
    ///
    /// # Errors
    ///
    /// A refusal with code 901, 904, 905 or 912 that says what to upload.
    pub fn choose(
        &self,
        target: &Target,
        app: AppId,
        settings: &Settings,
    ) -> Result<Client, Refusal> {
        let clients = self.of(app);
        match target.kind {
            TargetKind::Fcm => clients.fcm.first().cloned().map(Client::Fcm).ok_or_else(|| {
                refusal(
                    Diagnosis::NotConfigured,
                    "no_credential",
                    "Upload the Firebase project's service account key (JSON) for this app.",
                )
            }),
            TargetKind::Apns | TargetKind::ApnsVoip => {
                let environment = environment(target, settings);
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
                let entry = covering(&clients.apns, wanted, environment)?;
                let client = self.apns_client(entry, environment)?;
                Ok(Client::Apns { client, topic, voip_topic })
            }
            TargetKind::Webpush => Err(refusal(
                Diagnosis::NotConfigured,
                "no_credential",
                "Web push is not served by this version.",
            )),
        }
    }

    /// Whether pushes to such a target would fail as things stand: the code, and what to do.
    pub fn would_fail(
        &self,
        app: AppId,
        kind: TargetKind,
        app_id: Option<&str>,
    ) -> Option<(Diagnosis, String)> {
        let target = Target {
            kind,
            token: String::new(),
            environment: None,
            app_id: app_id.map(str::to_owned),
            registered_at: domain::Time::EPOCH,
        };
        let chosen = self.choose(&target, app, &Settings::default());
        chosen.err().map(|refusal| (refusal.diagnosis, refusal.remedy))
    }

    fn apns_client(&self, entry: &ApnsEntry, environment: Environment) -> Result<Apns, Refusal> {
        let mut clients = entry.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&environment) {
            return Ok(client.clone());
        }
        let client = Apns::new(&self.config, entry.credential.clone(), environment)
            .map_err(|error| refusal(Diagnosis::CertificateError, "client", &error.to_string()))?;
        clients.insert(environment, client.clone());
        Ok(client)
    }
}

/// The setting decides, then what the device declared; production is the usual case.
fn environment(target: &Target, settings: &Settings) -> Environment {
    if settings.sandbox_to_production {
        return Environment::Production;
    }
    target.environment.unwrap_or(Environment::Production)
}

/// The bundle id of a target: what the device said, or the only one the credentials name.
fn bundle_id(entries: &[ApnsEntry], target: &Target) -> Result<String, Refusal> {
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

/// The newest credential that covers the topic in that environment.
fn covering<'a>(
    entries: &'a [ApnsEntry],
    topic: &apns::Topic,
    environment: Environment,
) -> Result<&'a ApnsEntry, Refusal> {
    if entries.is_empty() {
        return Err(no_apns());
    }
    let of_topic: Vec<&ApnsEntry> =
        entries.iter().filter(|entry| entry.credential.covers(topic)).collect();
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
    of_topic
        .into_iter()
        .find(|entry| entry.credential.check_environment(environment).is_ok())
        .ok_or_else(|| match environment {
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
        })
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
    Refusal {
        diagnosis,
        scope: diagnosis.scope(),
        retry: RetryRule::WhenChanged,
        token: TokenVerdict::Keep,
        status: None,
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
    }
}
