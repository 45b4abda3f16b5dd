//! The audit log: who changed what, from where.

use domain::{AppId, KeyId, Time};

/// An act that is about to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAct {
    /// When it was asked for.
    pub at: Time,
    /// The key of the app that asked; `None`: the operator.
    pub key: Option<KeyId>,
    /// The app that it is about; `None`: none, or one that does not exist yet.
    pub app: Option<AppId>,
    /// From which address.
    pub source: String,
    /// What was asked: the method and the path.
    pub method: String,
    /// The path, without what stands behind the `?`.
    pub path: String,
}

/// An act, as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Its number; later ones are larger.
    pub number: i64,
    /// What was asked, by whom.
    pub asked: NewAct,
    /// What it was answered with; `None`: nobody knows, the server ended in between.
    pub status: Option<u16>,
}
