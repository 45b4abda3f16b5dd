//! A message's form on the wire, made once and completed for each device.
//!
//! <https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send>
//!
//! ```text
//!   {"message":{   "token":"…"   ,"data":{…},"android":{…}}}
//!   └── start ──┘ └─ target ──┘ └────────── rest ─────────┘
//! ```

use std::fmt;
use std::io::Write;

use bytes::Bytes;

use super::message::check::{Size, check};
use super::message::{Content, Message, Target};
use crate::error::FieldFault;

/// The start of a request that delivers.
const DELIVER: &str = "{\"message\":{";
/// The start of a request that only asks.
const VALIDATE: &str = "{\"validate_only\":true,\"message\":{";

/// A message without its target, checked and in its form on the wire: for a device only the
/// target is added.
pub struct Template {
    /// The start of the body.
    start: &'static str,
    /// The body after the target, with its comma and closing braces.
    rest: String,
    /// The same for records, if there is something in it that they may not hold.
    masked_rest: Option<String>,
    /// How large it is: topics take less than devices.
    size: Size,
}

/// A message in its form on the wire.
#[derive(Clone)]
pub struct Encoded {
    /// The body. The token and the app's texts are in it, so `Debug` shows its length only.
    pub body: Bytes,
    /// The body with the token masked, for records.
    pub masked: Bytes,
}

/// Checks a message against Google's rules and gives its form on the wire.
///
/// # Errors
///
/// A [`FieldFault`] naming the field by its path: 911 for the token, 913 for the rest.
pub fn encode(message: &Message) -> Result<Encoded, FieldFault> {
    // The target first: a device that cannot be pushed to is told from a push that cannot be sent.
    message.target.check()?;
    Template::new(&message.content)?.complete(&message.target)
}

impl Template {
    /// Checks what a message says against Google's rules.
    ///
    /// # Errors
    ///
    /// A [`FieldFault`] (913) naming the field by its path.
    pub fn new(content: &Content) -> Result<Self, FieldFault> {
        let size = check(content)?;
        let start = if content.validate_only { VALIDATE } else { DELIVER };
        let masked_rest = content.masked().as_ref().map(rest).transpose()?;
        Ok(Self { start, rest: rest(content)?, masked_rest, size })
    }

    /// Completes the message for a target.
    ///
    /// # Errors
    ///
    /// A [`FieldFault`] naming the field: 911 for a token that is none, 913 for a topic or
    /// condition that is none, and for a message that is too large for topics.
    pub fn encode(&self, target: &Target) -> Result<Encoded, FieldFault> {
        target.check()?;
        self.complete(target)
    }

    /// Completes the message for a target that was checked.
    fn complete(&self, target: &Target) -> Result<Encoded, FieldFault> {
        match target {
            Target::Condition(_) | Target::Topic(_) => self.size.check_for_topic()?,
            Target::Fid(_) | Target::Token(_) => {}
        }
        // One buffer for the body and what the record shows of it: a broadcast makes millions.
        let masked_rest = self.masked_rest.as_deref().unwrap_or(&self.rest);
        let frame = self.start.len() + "\"condition\":\"\"".len();
        let body = frame + target.expose().len() + self.rest.len();
        let masked = frame + "sha256:0123456789ab".len() + masked_rest.len();
        let mut buffer = Vec::with_capacity(body + masked);
        self.write(&mut buffer, target, &self.rest)?;
        let body = buffer.len();
        match target.secret() {
            Some(token) => {
                let hash = token.hash();
                write!(buffer, "{}\"{}\":\"{hash}\"{masked_rest}", self.start, target.field())
                    .map_err(|error| unwritten(&error))?;
            }
            None => self.write(&mut buffer, target, masked_rest)?,
        }
        let buffer = Bytes::from(buffer);
        Ok(Encoded { body: buffer.slice(..body), masked: buffer.slice(body..) })
    }

    /// Writes a body with the target as it is.
    fn write(&self, buffer: &mut Vec<u8>, target: &Target, rest: &str) -> Result<(), FieldFault> {
        write!(buffer, "{}\"{}\":", self.start, target.field())
            .map_err(|error| unwritten(&error))?;
        serde_json::to_writer(&mut *buffer, target.expose()).map_err(|error| unwritten(&error))?;
        buffer.extend_from_slice(rest.as_bytes());
        Ok(())
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").field("size", &self.size).finish_non_exhaustive()
    }
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// The body after the target.
fn rest(content: &Content) -> Result<String, FieldFault> {
    let fields = serde_json::to_string(content).map_err(|error| unwritten(&error))?;
    // The fields follow the target in the same object; there is always one, `android`.
    Ok(format!(",{}}}", fields.strip_prefix('{').unwrap_or(&fields)))
}

/// JSON that could not be written; memory takes whatever is written to it, so none is known.
fn unwritten(error: &dyn fmt::Display) -> FieldFault {
    FieldFault::payload("message", error.to_string(), "Report this with the push's record.")
}

#[cfg(test)]
mod tests;
