//! How a frame is told from another: by the string field `type`.
//!
//! serde's tagged enums buffer what they parse, and a buffered message body would be parsed and
//! printed again; so the tag is read first and the frame then parsed straight from the text, with
//! its body kept as the bytes the sender wrote.

use serde::Deserialize;

/// How much of a text is shown at either end when it is too long to be read, in characters.
const SHOWN: usize = 150;

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
            Self::UnknownType(kind) => write!(
                f,
                "`type` is {kind:?}, which this server does not know; see the list of frames in docs/protocol.md"
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
        .map_err(|error| FrameError::NoType(shortened(&error.to_string())))
}

/// Parses a frame of a known `type`.
pub(crate) fn parse<'a, T: Deserialize<'a>>(
    kind: &'static str,
    text: &'a str,
) -> Result<T, FrameError> {
    serde_json::from_str(text)
        .map_err(|error| FrameError::Malformed { kind, detail: shortened(&error.to_string()) })
}

/// A text without its middle, if it is long: the reader's words repeat what they found, which may
/// be a whole frame, and end with the place.
pub(crate) fn shortened(text: &str) -> String {
    let start = text.char_indices().nth(SHOWN).map_or(text.len(), |(at, _)| at);
    let end = text.char_indices().nth_back(SHOWN).map_or(0, |(at, _)| at);
    match (text.get(..start), text.get(end..)) {
        (Some(first), Some(last)) if start < end => format!("{first} … {last}"),
        _ => text.to_owned(),
    }
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
                    _ => Err(crate::FrameError::UnknownType(crate::frame::shortened(&kind))),
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
