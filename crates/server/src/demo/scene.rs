//! The scenes, as a closed set.

use anyhow::Result;

use super::stage::Stage;
use super::{calls, messages, trouble, wakes};

/// A scene of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    LivePhone,
    SuspendedAndroid,
    SuspendedIphone,
    Burst,
    BackgroundIgnored,
    DeadSocket,
    ExpiredToken,
    CallAnswered,
    CallUnanswered,
    TokenGone,
    ServerKilled,
    CallCancelled,
}

impl Scene {
    pub(super) const ALL: [Self; 12] = [
        Self::LivePhone,
        Self::SuspendedAndroid,
        Self::SuspendedIphone,
        Self::Burst,
        Self::BackgroundIgnored,
        Self::DeadSocket,
        Self::ExpiredToken,
        Self::CallAnswered,
        Self::CallUnanswered,
        Self::TokenGone,
        Self::ServerKilled,
        // After the restart: it needs a server without a connection to Apple.
        Self::CallCancelled,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::LivePhone => "message to a live phone",
            Self::SuspendedAndroid => "message to a suspended Android phone",
            Self::SuspendedIphone => "message to a suspended iPhone",
            Self::Burst => "ten messages in a burst to a suspended phone",
            Self::BackgroundIgnored => "a phone that ignores background pushes",
            Self::DeadSocket => "a phone whose socket is dead but not closed",
            Self::ExpiredToken => "a woken phone whose user token has expired",
            Self::CallAnswered => "call to a suspended iPhone, answered",
            Self::CallUnanswered => "call that nobody answers",
            Self::CallCancelled => "call cancelled while the push still waits",
            Self::TokenGone => "a token that Apple says is gone",
            Self::ServerKilled => "server killed between accepting and pushing",
        }
    }

    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::LivePhone => "delivered over the socket, receipt, no push",
            Self::SuspendedAndroid => "FCM data message, wakes, message, ack, receipt",
            Self::SuspendedIphone => "APNs background push, wakes, message, ack, receipt",
            Self::Burst => "one push, ten messages, in order",
            Self::BackgroundIgnored => "alert after the climbing time, extension drains, receipt",
            Self::DeadSocket => "woken after the ack deadline",
            Self::ExpiredToken => "drains with its device secret, receipt",
            Self::CallAnswered => "VoIP push with the name, answered, second device stops",
            Self::CallUnanswered => "unanswered to both, missed call waiting",
            Self::CallCancelled => "no VoIP push",
            Self::TokenGone => "dropped, 911, the other device woken",
            Self::ServerKilled => "after the restart woken, message",
        }
    }

    /// Plays it; returns what was seen, or what broke.
    pub(super) async fn play(self, stage: &Stage) -> Result<String> {
        match self {
            Self::LivePhone => messages::live(stage).await,
            Self::SuspendedAndroid => messages::android(stage).await,
            Self::SuspendedIphone => messages::iphone(stage).await,
            Self::Burst => messages::burst(stage).await,
            Self::BackgroundIgnored => wakes::background_ignored(stage).await,
            Self::DeadSocket => wakes::dead_socket(stage).await,
            Self::ExpiredToken => wakes::expired_token(stage).await,
            Self::CallAnswered => calls::answered(stage).await,
            Self::CallUnanswered => calls::unanswered(stage).await,
            Self::CallCancelled => calls::cancelled(stage).await,
            Self::TokenGone => trouble::token_gone(stage).await,
            Self::ServerKilled => trouble::server_killed(stage).await,
        }
    }
}
