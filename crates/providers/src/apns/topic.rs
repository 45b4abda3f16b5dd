//! The topic of a push: which app, and which kind of push to it.

use std::fmt;

use domain::Diagnosis;
use http::HeaderValue;

use super::push_type::PushType;
use crate::error::FieldFault;

/// Apple's limit of a bundle id, in characters.
const LONGEST_BUNDLE_ID: usize = 155;

/// The app a push is for and the kind of push, as `apns-topic` says them: the bundle id with the
/// push type's suffix. Cheap to clone.
#[derive(Clone)]
pub struct Topic {
    /// The header's value: ASCII, and ends with the suffix of `push_type`.
    value: HeaderValue,
    /// What it was made for; types with one suffix share their topics.
    push_type: PushType,
}

impl Topic {
    /// The topic of pushes of this type to the app. For [`PushType::Mdm`] the bundle id is the
    /// UID of the management certificate.
    ///
    /// # Errors
    ///
    /// A [`FieldFault`] (912) if this is no bundle id.
    pub fn for_push(bundle_id: &str, push_type: PushType) -> Result<Self, FieldFault> {
        let value = if is_bundle_id(bundle_id) {
            HeaderValue::try_from(format!("{bundle_id}{}", push_type.topic_suffix())).ok()
        } else {
            None
        };
        value.map(|value| Self { value, push_type }).ok_or_else(|| FieldFault {
            field: "topic".into(),
            problem: format!("{bundle_id:?} is not a bundle id"),
            remedy: "Give the app's bundle id, such as com.example.app, without a suffix.",
            diagnosis: Diagnosis::AppMismatch,
        })
    }

    /// The topic as it goes into the header.
    pub fn as_str(&self) -> &str {
        // The constructor takes ASCII only.
        self.value.to_str().unwrap_or_default()
    }

    /// The bundle id in it.
    pub fn bundle_id(&self) -> &str {
        let text = self.as_str();
        text.strip_suffix(self.push_type.topic_suffix()).unwrap_or(text)
    }

    /// The push type it was made for.
    pub const fn push_type(&self) -> PushType {
        self.push_type
    }

    /// Whether pushes of this type go to it. The suffix alone does not say it: a bundle id may
    /// itself end in `.voip`.
    pub fn fits(&self, push_type: PushType) -> bool {
        self.push_type.topic_suffix() == push_type.topic_suffix()
    }

    /// The header's value.
    pub(super) fn header(&self) -> HeaderValue {
        self.value.clone()
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topic({})", self.as_str())
    }
}

/// Bundle ids: letters, digits, hyphens and dots.
pub(super) fn is_bundle_id(id: &str) -> bool {
    (1..=LONGEST_BUNDLE_ID).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_topic_is_a_bundle_id_and_a_suffix() {
        for push_type in PushType::ALL {
            let topic = Topic::for_push("com.example.app", push_type).expect("a bundle id");
            let expected = format!("com.example.app{}", push_type.topic_suffix());
            assert_eq!((topic.as_str(), topic.bundle_id()), (&*expected, "com.example.app"));
            for other in PushType::ALL {
                let same = other.topic_suffix() == push_type.topic_suffix();
                assert_eq!(topic.fits(other), same, "{push_type:?} {other:?}");
            }
        }
        let longest = "a".repeat(LONGEST_BUNDLE_ID);
        assert!(Topic::for_push(&longest, PushType::LiveActivity).is_ok());
        for bad in ["", "com example", "com.example/x", "ä", &"a".repeat(LONGEST_BUNDLE_ID + 1)] {
            let fault = Topic::for_push(bad, PushType::Alert).expect_err(bad);
            assert_eq!(
                (&*fault.field, fault.diagnosis),
                ("topic", Diagnosis::AppMismatch),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_bundle_id_may_end_like_a_suffix() {
        let topic = Topic::for_push("com.example.voip", PushType::Alert).expect("a bundle id");
        assert!(topic.fits(PushType::Background) && !topic.fits(PushType::Voip));
        assert_eq!(topic.bundle_id(), "com.example.voip");
    }

    proptest! {
        #[test]
        fn never_panics(bundle_id in ".*", kind in 0..PushType::ALL.len()) {
            let _ = Topic::for_push(&bundle_id, PushType::ALL[kind]);
        }
    }
}
