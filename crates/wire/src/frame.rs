//! How a frame is told from another: by the string field `type`.
//!
//! serde's tagged enums buffer what they parse, and a buffered message body would be parsed and
//! printed again; so the tag is read first and the frame then parsed straight from the text, with
//! its body kept as the bytes the sender wrote.

use serde::Deserialize;

/// The longest text of an error, in characters.
const LONGEST_DETAIL: usize = 300;

/// Why a text is not a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Not a JSON object with a string `type`.
    NoType(String),
    /// A `type` nobody knows; clients of a later version may send it.
    UnknownType(String),
    /// A known `type` with a field missing or of the wrong kind.
    Malformed {
        /// The frame's type.
        kind: &'static str,
        /// What is wrong and where.
        detail: String,
    },
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoType(detail) => write!(
                f,
                "the frame is not a JSON object with a string field `type`: {detail}; \
                 send one JSON object per text frame"
            ),
            // Cut once more: a control character is shown as up to eight.
            Self::UnknownType(kind) => write!(
                f,
                "`type` is {}, which this server does not know; see the list of frames in docs/protocol.md",
                shortened(&format!("{kind:?}"), LONGEST_DETAIL)
            ),
            Self::Malformed { kind, detail } => {
                write!(f, "the frame `{kind}` is malformed: {detail}")
            }
        }
    }
}

impl std::error::Error for FrameError {}

/// The tag, read before the frame.
#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow)]
    r#type: std::borrow::Cow<'a, str>,
}

/// Reads a frame's `type`.
pub(crate) fn tag(text: &str) -> Result<String, FrameError> {
    serde_json::from_str::<Tag<'_>>(text)
        .map(|tag| tag.r#type.into_owned())
        .map_err(|error| FrameError::NoType(shortened(&error.to_string(), LONGEST_DETAIL)))
}

/// Parses a frame of a known `type`.
pub(crate) fn parse<'a, T: Deserialize<'a>>(
    kind: &'static str,
    text: &'a str,
) -> Result<T, FrameError> {
    serde_json::from_str(text).map_err(|error| {
        let detail = shortened(&error.to_string(), LONGEST_DETAIL);
        FrameError::Malformed { kind, detail }
    })
}

/// A `type` that nobody knows, to be shown.
pub(crate) fn unknown(kind: &str) -> FrameError {
    FrameError::UnknownType(shortened(kind, LONGEST_DETAIL))
}

/// A text of at most `most` characters and the three that stand for its middle: what is wrong with
/// an input is said in the reader's words, which repeat what they found, perhaps all of it, and end
/// with the place.
pub fn shortened(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let (first, last) = (text.chars().take(most / 2), text.chars().skip(length - most / 2));
    first.chain(" … ".chars()).chain(last).collect()
}

/// Declares the frames of one direction: the enum, its parser and its writer.
macro_rules! frames {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $tag:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, serde::Serialize)]
        #[serde(tag = "type")]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $tag)] $variant($variant),)*
        }

        impl $name {
            /// The `type` of every frame of this direction.
            pub const TYPES: &'static [&'static str] = &[$($tag),*];

            /// This frame's `type`.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $tag,)* }
            }

            /// Parses one text frame. Unknown fields are ignored, so that apps in stores survive
            /// upgrades of the server and the other way round.
            pub fn parse(text: &str) -> Result<Self, crate::FrameError> {
                let kind = crate::frame::tag(text)?;
                match kind.as_str() {
                    $($tag => crate::frame::parse($tag, text).map(Self::$variant),)*
                    _ => Err(crate::frame::unknown(&kind)),
                }
            }

            /// The text of this frame.
            pub fn to_text(&self) -> String {
                serde_json::to_string(self).unwrap_or_default()
            }
        }

        $(impl From<$variant> for $name {
            fn from(frame: $variant) -> Self { Self::$variant(frame) }
        })*
    };
}
pub(crate) use frames;
