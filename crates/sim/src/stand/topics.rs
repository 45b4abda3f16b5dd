//! What an Android app does at FCM by its SDK: it subscribes to a topic, or leaves it.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::services::Services;
use crate::fcm::is_topic;

/// One app and one topic.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Membership {
    topic: String,
    /// The app's token; without one, that of the first line of the log.
    token: Option<String>,
}

impl Membership {
    /// Reads and checks one.
    pub(super) fn parse(json: &[u8]) -> Result<Self> {
        let membership: Self = serde_json::from_slice(json)
            .context("no topic is named; docs/simulators.md shows how")?;
        ensure!(
            is_topic(&membership.topic),
            "`topic` has to be letters, digits and `-_.~%`, without `/topics/`"
        );
        Ok(membership)
    }

    /// Subscribes.
    pub(super) fn begin(&self, services: &Services) -> Result<()> {
        let token = self.token.as_deref().unwrap_or_else(|| services.fcm_token());
        ensure!(
            services.devices().subscribe(token, &self.topic),
            "`token` is no token of FCM here: take the one of the first line of the log"
        );
        Ok(())
    }

    /// Leaves.
    pub(super) fn end(&self, services: &Services) -> Result<()> {
        let token = self.token.as_deref().unwrap_or_else(|| services.fcm_token());
        ensure!(
            services.devices().unsubscribe(token, &self.topic),
            "`topic` is none that this app has subscribed to"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_asked_for() {
        let check = |json: &str, complaint: Option<&str>| {
            let found = Membership::parse(json.as_bytes()).err().map(|error| format!("{error:#}"));
            match (&found, complaint) {
                (None, None) => {}
                (Some(found), Some(complaint)) if found.contains(complaint) => {}
                (found, _) => panic!("{json}: {found:?}"),
            }
        };
        check(r#"{"topic":"news"}"#, None);
        check(r#"{"topic":"news-_.~%9","token":"d:x"}"#, None);
        check(r#"{"topic":"/topics/news"}"#, Some("`topic`"));
        check(r#"{"topic":""}"#, Some("`topic`"));
        check("{}", Some("missing field `topic`"));
        check(r#"{"topic":"news","tokens":[]}"#, Some("unknown field"));
    }
}
