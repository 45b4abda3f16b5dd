//! One line of the log.

use std::borrow::Cow;
use std::sync::Arc;

use domain::{
    AppId, AttemptId, CallId, DeviceNumber, InboxId, MessageId, Offset, PushId, Time, WakeId,
};

/// The longest `detail` that is kept; a longer one is replaced by its length.
pub const MAX_DETAIL_BYTES: usize = 64 * 1024;

/// One line of the log: what was done or decided, for whom, and why.
///
/// Whoever writes one keeps secrets and message texts out of `detail`: the log shows what it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Time,
    /// Where on the way of the data.
    pub step: Step,
    /// The stable reason word.
    pub reason: Cow<'static, str>,
    /// The app.
    pub app: AppId,
    /// The inbox of the user whom it is about; `None`: a direct push to more than one, or to a
    /// target that is no device's.
    pub inbox: Option<InboxId>,
    /// The user's name.
    pub user: Option<Arc<str>>,
    /// The device.
    pub device: Option<DeviceName>,
    /// The wake.
    pub wake: Option<WakeId>,
    /// The attempt, one push.
    pub attempt: Option<AttemptId>,
    /// The message, where it is about one alone.
    pub message: Option<MessageId>,
    /// The call.
    pub call: Option<CallId>,
    /// The direct push.
    pub push: Option<PushId>,
    /// The diagnosis code of a refused push.
    pub code: Option<u16>,
    /// Which entries of the inbox it covers. An accept covers the entry it stored, by which a
    /// message's timeline finds what was done later for many messages at once.
    pub offsets: Option<Covered>,
    /// Request, answer, timing: JSON text, at most [`MAX_DETAIL_BYTES`].
    pub detail: Option<String>,
}

impl Record {
    /// A record with the fields that every one has.
    pub fn new(
        at: Time,
        app: AppId,
        inbox: impl Into<Option<InboxId>>,
        step: Step,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            at,
            step,
            reason: reason.into(),
            app,
            inbox: inbox.into(),
            user: None,
            device: None,
            wake: None,
            attempt: None,
            message: None,
            call: None,
            push: None,
            code: None,
            offsets: None,
            detail: None,
        }
    }

    /// Replaces a detail that is too long.
    pub(super) fn bounded(mut self) -> Self {
        let length = self.detail.as_ref().map_or(0, String::len);
        if length > MAX_DETAIL_BYTES {
            self.detail = Some(format!(r#"{{"left_out_bytes":{length}}}"#));
        }
        self
    }
}

/// A device by its number and by the id its client chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceName {
    /// The store's number.
    pub number: DeviceNumber,
    /// The client's own id.
    pub id: Arc<str>,
}

/// A run of offsets: behind `after`, up to and with `up_to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The offset before the first one covered.
    pub after: Offset,
    /// The last one covered.
    pub up_to: Offset,
}

impl Covered {
    /// The one entry at `offset`.
    pub const fn one(offset: Offset) -> Self {
        Self { after: Offset::from_number(offset.number() - 1), up_to: offset }
    }
}

/// A step of the way of the data, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// A message or call was taken in.
    Accept,
    /// It was decided who is to get it, and how.
    Route,
    /// A living session delivered, was acknowledged, was suspected or ended.
    Session,
    /// A wake was opened, claimed, moved, parked or closed.
    Wake,
    /// A request to a provider, with its answer.
    Push,
    /// What an attempt came to: token, circuit, next rung.
    Settle,
}

impl Step {
    /// Every step, in the order of the way.
    pub const ALL: [Self; 6] =
        [Self::Accept, Self::Route, Self::Session, Self::Wake, Self::Push, Self::Settle];

    /// The word used in the API and the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Route => "route",
            Self::Session => "session",
            Self::Wake => "wake",
            Self::Push => "push",
            Self::Settle => "settle",
        }
    }

    /// The step of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == word)
    }

    /// The number it has in the picture of the way, as module docs and the console show it.
    pub const fn number(self) -> &'static str {
        match self {
            Self::Accept => "1",
            Self::Route => "2",
            Self::Session => "3a",
            Self::Wake | Self::Push => "3b",
            Self::Settle => "4",
        }
    }
}
