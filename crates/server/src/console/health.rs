//! What of an app needs somebody: credentials, circuits, webhooks, switches.

use std::time::Duration;

use super::records::minute;

use domain::Diagnosis;
use domain::explain::ENDS_SOON;
use wire::http::{CircuitName, Credential, CredentialKind, Settings, Webhook, WebhookStateName};

/// Something that needs somebody.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// How much.
    pub(super) need: Need,
    /// What.
    pub(super) text: String,
    /// Where it is put right.
    pub(super) to: String,
    /// What is there.
    pub(super) label: &'static str,
}

/// How much something needs somebody; the worst is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// It does not work now.
    Stopped,
    /// It works, and something was lost that can be had again.
    GivenUp,
    /// It works, and will not.
    Soon,
}

impl Need {
    /// What stands before it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Stopped => "Stopped",
            Self::GivenUp => "Given up",
            Self::Soon => "Soon",
        }
    }
}

impl Trouble {
    /// For the template: whether something stands still.
    pub(super) fn is_bad(&self) -> bool {
        self.need == Need::Stopped
    }
}

/// How a credential fares.
pub(super) struct Fares {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) ends: String,
    pub(super) believed: String,
    pub(super) places: Vec<Place>,
}

/// The same in one place.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) is_open: bool,
    /// Why nothing goes.
    pub(super) why: String,
}

impl Fares {
    pub(super) fn of(credential: &Credential, now: jiff::Timestamp) -> Self {
        let places = credential.places.iter().map(|place| Place {
            name: place.place.clone(),
            is_open: place.circuit == CircuitName::Open,
            why: place.code.map(coded).unwrap_or_default(),
        });
        Self {
            kind: kind(credential.kind),
            id: credential.id.clone(),
            ends: match credential.ends_at {
                None => "does not end".to_owned(),
                Some(end) if end <= now => format!("ended on {}", day(end)),
                Some(end) => format!("ends on {}", day(end)),
            },
            believed: credential.believed_at.map_or_else(
                || "no push with it was taken yet".to_owned(),
                |at| format!("a push was taken on {}", minute(at)),
            ),
            places: places.collect(),
        }
    }
}

/// All of it, the worst first.
pub(super) fn troubles(
    app: &str,
    credentials: &[Credential],
    webhooks: &[Webhook],
    settings: &Settings,
    now: jiff::Timestamp,
) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    let mut tell = |need, text, section: &str, label| {
        let to = format!("/console/apps/{app}/{section}");
        troubles.push(Trouble { need, text, to, label });
    };
    if settings.push_enabled == Some(false) {
        let text = "Push is switched off: every push is answered with 902, and wakes wait.";
        tell(Need::Stopped, text.to_owned(), "settings", "Push settings");
    }
    if credentials.is_empty() {
        let text = "There is no credential: every push is answered with 901, and wakes wait.";
        tell(Need::Stopped, text.to_owned(), "credentials", "Credentials");
    }
    for credential in credentials {
        let name = format!("{} ({})", kind(credential.kind), credential.id);
        match credential.ends_at {
            Some(end) if end <= now => {
                tell(
                    Need::Stopped,
                    format!("{name} ended on {} (903).", day(end)),
                    "credentials",
                    "Credentials",
                );
            }
            Some(end)
                if Duration::try_from(end.duration_since(now))
                    .is_ok_and(|left| left < ENDS_SOON) =>
            {
                let text = format!("{name} ends on {}. Upload another one beside it.", day(end));
                tell(Need::Soon, text, "credentials", "Credentials");
            }
            Some(_) | None => {}
        }
        for place in credential.places.iter().filter(|place| place.circuit == CircuitName::Open) {
            let since = place.open_since.map(minute).unwrap_or_default();
            let why = place.code.map(coded).unwrap_or_default();
            let text = format!(
                "No push goes to {} with {name} since {since}: {why}. The push service is asked again by itself.",
                place.place
            );
            tell(Need::Stopped, text, "credentials", "Credentials");
        }
    }
    for webhook in webhooks {
        let (name, section) = (host(&webhook.url), format!("webhooks/{}", webhook.id));
        if webhook.state == WebhookStateName::Gone {
            let text =
                format!("The webhook to {name} is off: it answered 410, it wants no more events.");
            tell(Need::Stopped, text, &section, "The webhook");
        } else if let Some(until) = webhook.paused_until {
            let text = format!(
                "The webhook to {name} takes no events and is left in peace until {}; {}.",
                minute(until),
                waits(webhook.waiting)
            );
            tell(Need::Stopped, text, &section, "The webhook");
        }
        if webhook.parked > 0 {
            let events = match webhook.parked {
                1 => "1 event".to_owned(),
                parked => format!("{parked} events"),
            };
            let text =
                format!("The webhook to {name} did not take {events}; send them again from there.");
            tell(Need::GivenUp, text, &section, "The webhook");
        }
    }
    troubles.sort_by_key(|trouble| trouble.need);
    troubles
}

/// What of a webhook waits that is left in peace: what was tried is counted, what came since not.
fn waits(tried: u64) -> String {
    match tried {
        0 => "what comes meanwhile waits".to_owned(),
        1 => "1 event was tried and waits, with all that came since".to_owned(),
        tried => format!("{tried} events were tried and wait, with all that came since"),
    }
}

/// What a credential is called.
pub(super) const fn kind(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::ApnsKey => "Apple: key",
        CredentialKind::ApnsCertificate => "Apple: certificate",
        CredentialKind::FcmServiceAccount => "Google: service account",
        CredentialKind::WebpushVapid => "Browsers: VAPID key pair",
    }
}

/// What a diagnosis code means.
pub(super) fn meaning(code: u16) -> &'static str {
    Diagnosis::from_code(code).map_or("", Diagnosis::meaning)
}

/// A code with what it means.
fn coded(code: u16) -> String {
    format!("{code} {}", meaning(code))
}

/// A day, for people.
pub(super) fn day(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// Whom a URL leads to. The rest of it may be a secret of its own.
pub(super) fn host(url: &str) -> &str {
    let behind = url.split_once("://").map_or(url, |(_, behind)| behind);
    behind.split(['/', '?', '#']).next().unwrap_or(behind)
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use wire::http::CredentialPlace;

    use super::*;

    const NOW: &str = "2026-11-27T12:00:00Z";

    fn at(text: &str) -> jiff::Timestamp {
        text.parse().unwrap()
    }

    fn credential() -> Credential {
        Credential {
            id: "crd_1".to_owned(),
            kind: CredentialKind::ApnsCertificate,
            facts: std::collections::BTreeMap::new(),
            warnings: Vec::new(),
            probes: Vec::new(),
            places: Vec::new(),
            created_at: at("2026-01-01T00:00:00Z"),
            ends_at: None,
            believed_at: None,
        }
    }

    fn webhook() -> Webhook {
        Webhook {
            id: "whk_1".to_owned(),
            url: "https://hooks.example.com/secret-path".to_owned(),
            events: vec!["*".to_owned()],
            description: String::new(),
            state: WebhookStateName::On,
            waiting: 0,
            parked: 0,
            paused_until: None,
            secret: None,
            old_secret_until: None,
            created_at: at("2026-01-01T00:00:00Z"),
        }
    }

    /// What is told, each with how much it needs somebody.
    fn told(
        credentials: &[Credential],
        webhooks: &[Webhook],
        settings: &Settings,
    ) -> Vec<(Need, String)> {
        let troubles = troubles("app_1", credentials, webhooks, settings, at(NOW));
        troubles.into_iter().map(|trouble| (trouble.need, trouble.text)).collect()
    }

    #[test]
    fn what_is_in_order_is_not_told() {
        let later = Credential { ends_at: Some(at("2027-11-27T12:00:00Z")), ..credential() };
        let places = vec![CredentialPlace {
            place: "fcm".to_owned(),
            circuit: CircuitName::Closed,
            code: None,
            open_since: None,
            probe_at: None,
        }];
        let used = Credential { places, ..credential() };
        let off = Webhook { state: WebhookStateName::Off, ..webhook() };
        assert_eq!(told(&[later, used], &[webhook(), off], &Settings::default()), []);
    }

    #[test]
    fn each_trouble_is_told_what_stands_still_first() {
        let soon = Credential { ends_at: Some(at("2026-12-20T12:00:00Z")), ..credential() };
        let ended = Credential { ends_at: Some(at("2026-11-27T11:00:00Z")), ..credential() };
        let open = CredentialPlace {
            place: "apns production".to_owned(),
            circuit: CircuitName::Open,
            code: Some(904),
            open_since: Some(at("2026-11-27T11:30:00Z")),
            probe_at: Some(at("2026-11-27T12:01:00Z")),
        };
        let stopped = Credential { places: vec![open], ..credential() };
        let gone = Webhook { state: WebhookStateName::Gone, ..webhook() };
        let paused =
            Webhook { paused_until: Some(at("2026-11-27T12:05:00Z")), waiting: 7, ..webhook() };
        let parked = Webhook { parked: 3, ..webhook() };
        let off = Settings { push_enabled: Some(false), ..Settings::default() };
        let both = told(&[soon.clone(), stopped.clone()], &[], &Settings::default());
        let needs =
            |told: &[(Need, String)]| told.iter().map(|(need, _)| *need).collect::<Vec<_>>();
        assert_eq!(needs(&both), [Need::Stopped, Need::Soon]);
        let lost = told(from_ref(&soon), from_ref(&parked), &Settings::default());
        assert_eq!(needs(&lost), [Need::GivenUp, Need::Soon]);
        let first = Webhook { waiting: 1, ..paused.clone() };
        let none = Webhook { waiting: 0, ..paused.clone() };
        for (name, told, need, says) in [
            ("off", told(&[credential()], &[], &off), Need::Stopped, "902"),
            ("none", told(&[], &[], &Settings::default()), Need::Stopped, "901"),
            ("soon", told(&[soon], &[], &Settings::default()), Need::Soon, "2026-12-20"),
            ("ended", told(&[ended], &[], &Settings::default()), Need::Stopped, "(903)"),
            (
                "stopped",
                told(&[stopped], &[], &Settings::default()),
                Need::Stopped,
                "apns production",
            ),
            ("gone", told(&[credential()], &[gone], &Settings::default()), Need::Stopped, "410"),
            (
                "paused",
                told(&[credential()], &[paused], &Settings::default()),
                Need::Stopped,
                "7 events were tried and wait, with all",
            ),
            (
                "first",
                told(&[credential()], &[first], &Settings::default()),
                Need::Stopped,
                "1 event was tried and waits, with",
            ),
            (
                "none",
                told(&[credential()], &[none], &Settings::default()),
                Need::Stopped,
                "what comes meanwhile waits",
            ),
            (
                "parked",
                told(&[credential()], &[parked], &Settings::default()),
                Need::GivenUp,
                "not take 3 events",
            ),
        ] {
            let [(needs, text)] = &told[..] else { panic!("{name}: {told:?}") };
            assert_eq!(*needs, need, "{name}");
            assert!(text.contains(says) && !text.contains("secret-path"), "{name}: {text}");
        }
    }

    #[test]
    fn of_a_url_only_the_host_is_told() {
        for (url, name) in [
            ("https://hooks.example.com/reveille?token=1", "hooks.example.com"),
            ("https://hooks.example.com:8443", "hooks.example.com:8443"),
            ("", ""),
        ] {
            assert_eq!(host(url), name);
        }
    }
}
