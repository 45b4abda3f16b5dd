//! Answers "why did my push not arrive?" for a user, a device or a message.
//!
//! ```text
//!   store: devices, targets, wakes ──┐
//!   clients, circuits: credentials ──┼─▶ facts ─▶ domain::explain ─▶ rules ─▶ say: sentences
//!   push log: last pushes, wakings ──┘
//! ```
//!
//! It looks and changes nothing. The rules and their order are in [`domain::explain`].

mod gather;
mod say;

use std::collections::HashMap;

use domain::explain::{Rule, Verdict, judge, worst};
use domain::{AppId, CredentialId, InboxId, MessageId, Offset};
use store::log::{Record, Step};
use store::model::{Credential, Device, DeviceIdentity, Settings};
use wire::http::{Conclusion, DeviceExplained, Explanation, Finding};

use self::say::About;
use crate::accept::storage_problem;
use crate::http::problem::{Problem, ProblemCode};
use crate::node::Node;
use crate::to_wire;

/// What somebody asks about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// All devices of a user.
    User(String),
    /// One device.
    Device(String),
    /// A message, at everybody it was sent to.
    Message(MessageId),
}

/// Explains.
///
/// # Errors
///
/// A [`Problem`] when the app has no such thing, or the store fails.
pub async fn explain(node: &Node, app: AppId, subject: Subject) -> Result<Explanation, Problem> {
    let look = Look::new(node, app).await?;
    let (mut timeline, mut is_kept) = (Vec::new(), true);
    let devices = match subject {
        Subject::User(user) => {
            let inbox = node.store.user(app, user.clone()).await.map_err(storage_problem)?;
            let inbox = inbox.ok_or_else(|| {
                Problem::new(ProblemCode::UnknownUser, "the app has no such user")
                    .with_field("user")
            })?;
            look.inbox(inbox, None).await?
        }
        Subject::Device(name) => {
            let found = node.store.device_by_name(app, name).await.map_err(storage_problem)?;
            let found = found.ok_or_else(|| {
                Problem::new(ProblemCode::NotFound, "the app has no such device")
                    .with_field("device")
            })?;
            look.device(&found).await?
        }
        Subject::Message(message) => {
            let places = node.store.find_message(app, message).await.map_err(storage_problem)?;
            let records = node.log.timeline(app, message).await.map_err(storage_problem)?;
            if places.is_none() && records.is_empty() {
                return Err(Problem::new(
                    ProblemCode::NotFound,
                    "the app has no such message on record",
                )
                .with_field("message"));
            }
            // What the store has forgotten since the log may still have.
            let places = places.unwrap_or_else(|| accepted_at(&records));
            is_kept = !places.is_empty();
            timeline = records.into_iter().map(crate::http::shown).collect();
            let mut devices = Vec::new();
            for (inbox, offset) in places {
                devices.extend(look.inbox(inbox, Some(offset)).await?);
            }
            devices
        }
    };
    let of_message = !timeline.is_empty();
    Ok(Explanation {
        at: to_wire::time(look.now),
        conclusion: if is_kept { conclusion(&devices, of_message) } else { forgotten() },
        devices: devices.into_iter().map(|judged| judged.shown).collect(),
        timeline,
    })
}

/// A device that was judged.
struct Judged {
    worst: Option<Rule>,
    shown: DeviceExplained,
}

/// What is the same for all devices of an app.
struct Look<'a> {
    node: &'a Node,
    app: AppId,
    settings: std::sync::Arc<Settings>,
    credentials: HashMap<CredentialId, Credential>,
    now: domain::Time,
}

impl<'a> Look<'a> {
    async fn new(node: &'a Node, app: AppId) -> Result<Self, Problem> {
        let settings = node.settings(app).await.map_err(storage_problem)?;
        let credentials = node.store.credentials(Some(app)).await.map_err(storage_problem)?;
        let credentials = credentials.into_iter().map(|found| (found.id, found)).collect();
        Ok(Self { node, app, settings, credentials, now: node.clock.now() })
    }

    /// All devices of a user; of a message, with its place.
    async fn inbox(&self, inbox: InboxId, place: Option<Offset>) -> Result<Vec<Judged>, Problem> {
        let devices = self.node.store.devices(inbox).await.map_err(storage_problem)?;
        let mut judged = Vec::new();
        for device in devices {
            let name = device.name.clone();
            let found = self.node.store.device_by_name(self.app, name).await;
            // One that was removed a moment ago is nobody's any more.
            if let Some(identity) = found.map_err(storage_problem)? {
                judged.push(self.judged(device, &identity, place).await?);
            }
        }
        Ok(judged)
    }

    async fn device(&self, identity: &DeviceIdentity) -> Result<Vec<Judged>, Problem> {
        let devices = self.node.store.devices(identity.inbox).await.map_err(storage_problem)?;
        match devices.into_iter().find(|device| device.number == identity.device) {
            Some(device) => Ok(vec![self.judged(device, identity, None).await?]),
            None => Ok(Vec::new()),
        }
    }

    async fn judged(
        &self,
        device: Device,
        identity: &DeviceIdentity,
        place: Option<Offset>,
    ) -> Result<Judged, Problem> {
        let gathered = gather::facts(self, &device, identity).await.map_err(storage_problem)?;
        let rules = judge(&gathered.facts, self.now);
        let about = About { gathered: &gathered, now: self.now };
        let findings = rules.iter().map(|rule| Finding {
            verdict: rule.verdict().as_str().to_owned(),
            rule: rule.as_str().to_owned(),
            text: about.text(*rule),
            remedy: about.remedy(*rule),
        });
        let shown = DeviceExplained {
            device: device.name.clone(),
            user: identity.user.clone(),
            platform: to_wire::platform(device.platform),
            acknowledged: place.map(|offset| device.cursor >= offset),
            findings: findings.collect(),
        };
        Ok(Judged { worst: worst(&rules), shown })
    }
}

/// The one thing to fix: of a message, only at devices that lack it.
fn conclusion(devices: &[Judged], of_message: bool) -> Conclusion {
    if devices.is_empty() {
        return no_device();
    }
    let lacking = devices.iter().filter(|device| device.shown.acknowledged != Some(true));
    let in_trouble = lacking.filter_map(|device| Some((device.worst?, device)));
    // The first of the worst.
    let found = in_trouble.min_by_key(|(rule, _)| std::cmp::Reverse(rule.verdict()));
    if let Some((rule, device)) = found {
        let mut findings = device.shown.findings.iter();
        let finding = findings.find(|finding| finding.rule == rule.as_str());
        return Conclusion {
            verdict: rule.verdict().as_str().to_owned(),
            rule: Some(rule.as_str().to_owned()),
            device: Some(device.shown.device.clone()),
            text: finding.map_or_else(String::new, |finding| finding.text.clone()),
            remedy: finding.and_then(|finding| finding.remedy.clone()),
        };
    }
    let all_have_it = devices.iter().all(|device| device.shown.acknowledged == Some(true));
    let text = match (of_message, all_have_it) {
        (true, true) => "Every device of the recipients has acknowledged the message.",
        (true, false) => "The message is on its way, and nothing stands in it.",
        (false, _) => "Nothing stands in the way of a push.",
    };
    good(text)
}

/// Of a message too old to be found at its recipients.
fn forgotten() -> Conclusion {
    good("Where the message went is not known any more; its timeline has what is left of it.")
}

fn good(text: &str) -> Conclusion {
    Conclusion {
        verdict: Verdict::Ok.as_str().to_owned(),
        rule: None,
        device: None,
        text: text.to_owned(),
        remedy: None,
    }
}

/// Where a message was accepted, by the records of it.
fn accepted_at(records: &[Record]) -> Vec<(InboxId, Offset)> {
    let accepts = records.iter().filter(|record| record.step == Step::Accept);
    accepts.filter_map(|accept| Some((accept.inbox?, accept.offsets?.up_to))).collect()
}

fn no_device() -> Conclusion {
    Conclusion {
        verdict: Rule::NoDevice.verdict().as_str().to_owned(),
        rule: Some(Rule::NoDevice.as_str().to_owned()),
        device: None,
        text: say::NO_DEVICE.to_owned(),
        remedy: Some(say::LET_CONNECT.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use domain::Time;
    use store::log::Covered;

    use super::*;

    #[test]
    fn where_a_message_went_is_read_from_its_accepts_alone() {
        let (app, inbox) = (AppId::from_number(1), InboxId::from_number(7));
        let record = |step, offset| {
            let mut record = Record::new(Time::EPOCH, app, inbox, step, "accepted");
            record.offsets = Some(Covered::one(Offset::from_number(offset)));
            record
        };
        let records = [record(Step::Accept, 3), record(Step::Push, 9)];
        assert_eq!(accepted_at(&records), [(inbox, Offset::from_number(3))]);
        assert_eq!(accepted_at(&records[1..]), []);
    }

    #[test]
    fn a_message_that_is_not_found_any_more_blames_nobody() {
        assert_eq!((&*forgotten().verdict, forgotten().rule), ("ok", None));
        assert_eq!(conclusion(&[], false).rule.as_deref(), Some("no_device"));
    }
}
