//! The WebSocket close codes, as a table.

/// Why the server closes a WebSocket. The last frame before it is an `error` that says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// 1001: the server goes away; connect again.
    GoingAway,
    /// 4400: a frame was not understood, or came out of order.
    BadFrame,
    /// 4401: the token or the device secret is not valid; get a new one.
    Unauthorized,
    /// 4403: known, but not allowed (no secret where one is required, revoked).
    Forbidden,
    /// 4408: no first frame in time, or no sign of life.
    TimedOut,
    /// 4409: the same device connected again; do not connect again.
    Replaced,
    /// 4413: a frame larger than the limit.
    TooLarge,
    /// 4429: too slow a reader, too many frames, or too many tokens and secrets from one address that
    /// were not good; connect again after a pause.
    TooSlow,
    /// 4500: a fault of the server; connect again after a pause.
    Internal,
}

impl CloseCode {
    /// Every code.
    pub const ALL: [Self; 9] = [
        Self::GoingAway,
        Self::BadFrame,
        Self::Unauthorized,
        Self::Forbidden,
        Self::TimedOut,
        Self::Replaced,
        Self::TooLarge,
        Self::TooSlow,
        Self::Internal,
    ];

    /// The number on the wire.
    pub const fn number(self) -> u16 {
        match self {
            Self::GoingAway => 1001,
            Self::BadFrame => 4400,
            Self::Unauthorized => 4401,
            Self::Forbidden => 4403,
            Self::TimedOut => 4408,
            Self::Replaced => 4409,
            Self::TooLarge => 4413,
            Self::TooSlow => 4429,
            Self::Internal => 4500,
        }
    }

    /// Whether connecting again, with the same credentials, can help.
    pub const fn reconnect(self) -> bool {
        match self {
            Self::GoingAway | Self::TimedOut | Self::TooSlow | Self::Internal => true,
            Self::BadFrame
            | Self::Unauthorized
            | Self::Forbidden
            | Self::Replaced
            | Self::TooLarge => false,
        }
    }
}
