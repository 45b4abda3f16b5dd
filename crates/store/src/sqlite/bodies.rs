//! What the text columns hold, where it is more than text: our own JSON, seen by nobody else.

use domain::{InboxId, Offset};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::model::ReceiptState;

/// What a send was answered, as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) at: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) failed: Vec<(String, String)>,
    pub(super) entries: Vec<(i64, i64)>,
    /// Epoch and offset of the sender's own copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) own_copy: Option<(i64, i64)>,
}

/// The body column of an own copy.
#[derive(Serialize, Deserialize)]
pub(super) struct CopyBody {
    pub(super) to: Vec<String>,
    pub(super) body: String,
}

/// A row of the body column of a receipt.
#[derive(Serialize, Deserialize)]
pub(super) struct ReceiptBody {
    pub(super) message: u128,
    pub(super) user: String,
    /// Left out by versions that knew only delivered ones.
    #[serde(default = "delivered")]
    pub(super) state: String,
    pub(super) at: i64,
}

/// The body column of what was read on another device.
#[derive(Serialize, Deserialize)]
pub(super) struct ReadBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) thread: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) up_to: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) messages: Vec<u128>,
}

/// The body column of a missed call.
#[derive(Serialize, Deserialize)]
pub(super) struct MissedBody {
    pub(super) call: u128,
    pub(super) caller_name: String,
    pub(super) video: bool,
}

fn delivered() -> String {
    ReceiptState::Delivered.as_str().to_owned()
}

pub(super) fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Database(error.to_string()))
}

pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Database(error.to_string()))
}

/// A place of a stored answer.
pub(super) fn entry_place((inbox, at): (i64, i64)) -> (InboxId, Offset) {
    (InboxId::from_number(inbox), Offset::from_number(at))
}
