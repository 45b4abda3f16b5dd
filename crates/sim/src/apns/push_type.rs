//! The push types, from "Sending notification requests to APNs": for each its name, its topic, how
//! urgent it may be, who may send it, and which of an app's tokens it goes to.

use crate::device::{ApnsTokenKind, Priority, PushType};

/// What Apple says of a push type.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) push_type: PushType,
    /// `apns-push-type`.
    pub(super) name: &'static str,
    /// What follows the bundle id in `apns-topic`.
    suffix: &'static str,
    /// The priorities that its description names.
    pub(super) priorities: &'static [Priority],
    pub(super) needs: Needs,
    pub(super) token: ApnsTokenKind,
}

/// The credential that a push type needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Needs {
    Any,
    /// The topic is in the certificate alone.
    Certificate,
    /// Apple says so.
    Key,
    /// Apple shows it with a key only, and does not say so.
    ProbablyKey,
}

const ANY: &[Priority] = &[Priority::High, Priority::Normal, Priority::Low];
const EITHER: &[Priority] = &[Priority::High, Priority::Normal];

/// Every push type, by name.
const ROWS: [Row; 11] = [
    row(PushType::Alert, "alert", "", ANY, Needs::Any, ApnsTokenKind::App),
    row(
        PushType::Background,
        "background",
        "",
        &[Priority::Normal],
        Needs::Any,
        ApnsTokenKind::App,
    ),
    row(
        PushType::Complication,
        "complication",
        ".complication",
        ANY,
        Needs::Any,
        ApnsTokenKind::Complication,
    ),
    row(
        PushType::Controls,
        "controls",
        ".push-type.controls",
        ANY,
        Needs::ProbablyKey,
        ApnsTokenKind::Controls,
    ),
    row(
        PushType::FileProvider,
        "fileprovider",
        ".pushkit.fileprovider",
        ANY,
        Needs::Any,
        ApnsTokenKind::FileProvider,
    ),
    row(
        PushType::LiveActivity,
        "liveactivity",
        ".push-type.liveactivity",
        ANY,
        Needs::Key,
        ApnsTokenKind::LiveActivity,
    ),
    row(
        PushType::Location,
        "location",
        ".location-query",
        EITHER,
        Needs::Key,
        ApnsTokenKind::Location,
    ),
    row(PushType::Mdm, "mdm", "", ANY, Needs::Certificate, ApnsTokenKind::Mdm),
    row(
        PushType::PushToTalk,
        "pushtotalk",
        ".voip-ptt",
        ANY,
        Needs::ProbablyKey,
        ApnsTokenKind::PushToTalk,
    ),
    row(PushType::Voip, "voip", ".voip", &[Priority::High], Needs::Any, ApnsTokenKind::Voip),
    row(
        PushType::Widgets,
        "widgets",
        ".push-type.widgets",
        ANY,
        Needs::ProbablyKey,
        ApnsTokenKind::Widgets,
    ),
];

const fn row(
    push_type: PushType,
    name: &'static str,
    suffix: &'static str,
    priorities: &'static [Priority],
    needs: Needs,
    token: ApnsTokenKind,
) -> Row {
    Row { push_type, name, suffix, priorities, needs, token }
}

/// The push type of that name.
pub(super) fn named(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

/// What `apns-topic` names.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    /// As sent.
    pub(super) full: String,
    /// How many bytes of it are the bundle id.
    bundle_id_bytes: usize,
    /// The push type that the suffix stands for; `None` without one.
    pub(super) kind: Option<&'static Row>,
}

impl Topic {
    pub(super) fn parse(full: &str) -> Self {
        let suffixed = ROWS.iter().filter(|row| !row.suffix.is_empty());
        let kind = suffixed.into_iter().find(|row| full.ends_with(row.suffix));
        let bundle_id_bytes = full.len() - kind.map_or(0, |row| row.suffix.len());
        Self { full: full.to_owned(), bundle_id_bytes, kind }
    }

    pub(super) fn bundle_id(&self) -> &str {
        self.full.get(..self.bundle_id_bytes).unwrap_or_default()
    }

    /// Whether a push of this type goes to this topic.
    pub(super) fn fits(&self, row: &Row) -> bool {
        match self.kind {
            Some(kind) => kind.push_type == row.push_type,
            None => row.suffix.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_a_bundle_id_and_a_suffix() {
        let check = |full: &str, bundle_id: &str, kind: Option<PushType>| {
            let topic = Topic::parse(full);
            assert_eq!(topic.bundle_id(), bundle_id, "{full}");
            assert_eq!(topic.kind.map(|row| row.push_type), kind, "{full}");
        };
        check("com.example.app", "com.example.app", None);
        check("com.example.voip.app", "com.example.voip.app", None);
        check("com.example.app.voip", "com.example.app", Some(PushType::Voip));
        check("com.example.app.voip-ptt", "com.example.app", Some(PushType::PushToTalk));
        check(".voip", "", Some(PushType::Voip));
    }
}
