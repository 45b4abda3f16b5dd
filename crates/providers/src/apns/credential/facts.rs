//! What a credential says about itself, before anything is sent.

use domain::Time;

/// What stands behind the bundle id in the topic of calls.
pub(crate) const VOIP_SUFFIX: &str = ".voip";

/// What a credential says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where it is good.
    pub environments: Environments,
    /// The topics it may push to, by name. Of a key: the bundle ids given with it, none meaning
    /// any; the topics of their other push types go without saying.
    pub topics: Vec<CoveredTopic>,
    /// Apple's team id; of a certificate, the subject's organizational unit.
    pub team: Option<String>,
    /// The key's id.
    pub key_id: Option<String>,
    /// When it expires; keys do not.
    pub not_after: Option<Time>,
    /// The certificate's common name.
    pub subject: Option<String>,
}

impl Facts {
    /// The bundle ids among the topics; that of an app whose calls alone are covered, too.
    pub fn bundle_ids(&self) -> impl Iterator<Item = &str> {
        let of_app = |name: &str| {
            self.topics.iter().any(|topic| topic.kind == TopicKind::App && topic.name == name)
        };
        self.topics.iter().filter_map(move |topic| match topic.kind {
            TopicKind::App => Some(&*topic.name),
            TopicKind::Voip => topic.name.strip_suffix(VOIP_SUFFIX).filter(|name| !of_app(name)),
            TopicKind::Complication | TopicKind::Mdm | TopicKind::Other => None,
        })
    }

    /// Whether a topic of this name is listed.
    pub(super) fn lists(&self, name: &str) -> bool {
        self.topics.iter().any(|topic| topic.name == name)
    }

    /// What to call the credential in a message: the certificate's name, or the key's id.
    pub(super) fn name(&self) -> String {
        self.subject.clone().or_else(|| self.key_id.clone()).unwrap_or_default()
    }
}

/// A topic that a credential covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CoveredTopic {
    /// As in `apns-topic`.
    pub name: String,
    /// What is pushed to it.
    pub kind: TopicKind,
}

/// What is pushed to a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicKind {
    /// Alerts and background pushes; the topic is the bundle id.
    App,
    /// A watch's complication.
    Complication,
    /// The management of devices; the topic is the certificate's UID.
    Mdm,
    /// Something that Apple had not named when this was written.
    Other,
    /// Calls.
    Voip,
}

impl TopicKind {
    /// The word for it: Apple's own where a certificate has one.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Complication => "complication",
            Self::Mdm => "mdm",
            Self::Other => "other",
            Self::Voip => "voip",
        }
    }

    /// The kind that a certificate's word names.
    pub(crate) fn of_word(word: &str) -> Self {
        match word {
            "app" => Self::App,
            "complication" => Self::Complication,
            "voip" => Self::Voip,
            _ => Self::Other,
        }
    }
}

/// Where a credential is good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Environments {
    /// In both: universal certificates, and keys made before 2025.
    #[default]
    Both,
    /// In production only.
    Production,
    /// In the sandbox only: a development certificate, a key made for it.
    Sandbox,
}
