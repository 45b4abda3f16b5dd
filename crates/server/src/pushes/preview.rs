//! A push as it would be sent, rendered when it comes in: what a push service would refuse never
//! costs a round trip, and its sender learns of it at once.

use domain::delivery::PushKind;
use domain::{AppId, ProviderId, PushId, TargetKind, Time};
use providers::{FieldFault, apns, fcm};

use super::address::Destination;
use super::check::Times;
use super::content::{Content, Overrides, Texts};
use super::render::apns::Topics;
use super::render::{self, Fault, Parts};
use crate::http::problem::Problem;
use crate::ids::Ids;

/// A push that came in, before it is stored.
#[derive(Clone, Copy, Debug)]
pub struct Preview<'a> {
    /// Names that are keyed hashes.
    pub ids: &'a Ids,
    /// The app.
    pub app: AppId,
    /// The push.
    pub push: PushId,
    /// What it is.
    pub kind: PushKind,
    /// What it says.
    pub content: &'a Content,
    /// A topic or condition of FCM's among its targets.
    pub fcm_topic: Option<&'a Destination>,
    /// The app's sound.
    pub sound: &'a str,
    /// When it goes out and when it is over.
    pub times: Times,
}

/// The push services.
#[derive(Clone, Copy, Debug)]
enum Service {
    Apns,
    Fcm,
    Webpush,
}

impl Service {
    const ALL: [Self; 3] = [Self::Apns, Self::Fcm, Self::Webpush];

    /// What the request calls its override, and the API its targets.
    const fn name(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::Fcm => "fcm",
            Self::Webpush => "webpush",
        }
    }

    /// What of its override is at fault, from the request's own name of it on: as much of the
    /// service's path as was given.
    fn overridden(self, overrides: &Overrides, of_service: &str) -> String {
        let (given, path) = match self {
            Self::Apns => (&overrides.apns, apns_path(of_service)),
            Self::Fcm => (&overrides.fcm, of_service),
            Self::Webpush => (&overrides.webpush, of_service),
        };
        let mut name = self.name().to_owned();
        let mut given = Some(given);
        for part in path.split('.') {
            let Some(value) = given.and_then(|given| given.get(part)) else { break };
            name.push_str(&format!(".{part}"));
            given = value.as_object();
        }
        name
    }
}

/// Where in the override a field of a push to Apple is, whose type has other names.
fn apns_path(field: &str) -> &str {
    match field {
        "collapse_id" => "headers.apns-collapse-id",
        "expiration" => "headers.apns-expiration",
        "priority" => "headers.apns-priority",
        // The topic is that of the type.
        "push_type" | "topic" => "headers.apns-push-type",
        other => other,
    }
}

impl Preview<'_> {
    /// Renders it for each push service in each language, and lets the service's own check see it.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names the field: `invalid_field` in an override, else `push_refused`.
    pub fn check(&self) -> Result<(), Problem> {
        let tags = self.content.translations.keys().map(|tag| Some(tag.as_str()));
        for locale in std::iter::once(None).chain(tags) {
            for service in Service::ALL {
                self.render(service, locale, self.content)
                    .map_err(|fault| self.problem(service, locale, fault))?;
            }
        }
        Ok(())
    }

    fn render(
        &self,
        service: Service,
        locale: Option<&str>,
        content: &Content,
    ) -> Result<(), Fault> {
        let Times { send_at, expires_at } = self.times;
        // The longest text that the time of a claim can have: with all its digits.
        let at = Time::from_micros(send_at.as_seconds() * 1_000_000 + 999_999);
        let parts = Parts {
            ids: self.ids,
            app: self.app,
            push: self.push,
            kind: self.kind,
            content,
            // FCM's message is then one for every phone, whose parts are what a device gets.
            platform: None,
            locale,
            sound: self.sound,
            provider: ProviderId::from_bits(0),
            at,
            expires_at,
        };
        match service {
            Service::Apns => {
                let targets: &[TargetKind] = match self.kind {
                    PushKind::Alert | PushKind::Background => &[TargetKind::Apns],
                    PushKind::Voip => &[TargetKind::ApnsVoip, TargetKind::Apns],
                };
                for target in targets {
                    let topics = Topics {
                        app: apns::Topic::for_push("any", apns::PushType::Alert)?,
                        voip: apns::Topic::for_push("any", apns::PushType::Voip)?,
                    };
                    let push = render::apns::push(&parts, *target, "00", topics, send_at)?;
                    apns::encode(&push)?;
                }
            }
            Service::Fcm => {
                let any = Destination::Token("any".to_owned());
                // FCM takes less to a topic than to a device.
                for to in std::iter::once(&any).chain(self.fcm_topic) {
                    fcm::encode(&render::fcm::message(&parts, to, send_at)?)?;
                }
            }
            Service::Webpush => {
                render::webpush::push(&parts, send_at)?;
            }
        }
        Ok(())
    }

    fn problem(&self, service: Service, locale: Option<&str>, fault: Fault) -> Problem {
        let fault = match fault {
            Fault::Override { field, problem } => return Problem::invalid_field(field, problem),
            Fault::Rule(fault) => fault,
        };
        // The override is at fault if all is well without it.
        let plain = Content { overrides: Overrides::default(), ..self.content.clone() };
        let overridden = self.render(service, locale, &plain).is_ok();
        let FieldFault { field: of_service, problem, remedy, diagnosis: _ } = fault;
        let field = if overridden {
            service.overridden(&self.content.overrides, &of_service)
        } else {
            largest(self.content, locale)
        };
        let language = locale.map(|tag| format!(" in the language {tag}")).unwrap_or_default();
        let detail =
            format!("as {} would get it{language}, {of_service}: {problem}", service.name());
        Problem::push_refused(field, &detail, remedy)
    }
}

/// What takes the most room of what a sender can change.
fn largest(content: &Content, locale: Option<&str>) -> String {
    let data = serde_json::to_string(&content.data).map_or(0, |text| text.len());
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let translated = locale.and_then(|tag| Some((tag, content.translations.get(tag)?)));
    let mut sizes = vec![
        ("data".to_owned(), data),
        ("open".to_owned(), length(&content.open)),
        ("image".to_owned(), length(&content.image)),
    ];
    let mut add = |place: &str, texts: &Texts| {
        let fields =
            [("title", &texts.title), ("subtitle", &texts.subtitle), ("body", &texts.body)];
        sizes.extend(fields.map(|(field, text)| (format!("{place}{field}"), length(text))));
    };
    match translated {
        Some((tag, texts)) => add(&format!("texts.{tag}."), texts),
        None => add("", &content.texts),
    }
    let largest = sizes.into_iter().max_by_key(|(_, size)| *size);
    largest.map_or_else(|| "data".to_owned(), |(field, _)| field)
}

#[cfg(test)]
mod tests;
