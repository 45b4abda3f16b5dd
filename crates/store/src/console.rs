//! The console's password and sessions: the part of [`Store`] that keeps them.

use domain::Time;

use crate::model::{ConsoleLimits, ConsoleVisit, Digest};
use crate::{Error, Store};

impl Store {
    /// Signs somebody in who holds what this is the SHA-256 of.
    pub async fn open_console_session(
        &self,
        token: Digest,
        limits: ConsoleLimits,
        now: Time,
    ) -> Result<(), Error> {
        self.sqlite().open_console_session(token, limits, now).await
    }

    /// Whether whoever holds it is signed in; notes that they were here, if they are.
    pub async fn console_session(
        &self,
        token: Digest,
        limits: ConsoleLimits,
        visit: ConsoleVisit,
        now: Time,
    ) -> Result<bool, Error> {
        self.sqlite().console_session(token, limits, visit, now).await
    }

    /// Signs out.
    pub async fn close_console_session(&self, token: Digest) -> Result<(), Error> {
        self.sqlite().close_console_session(token).await
    }

    /// The console's password as a PHC string; `None`: none was set yet.
    pub async fn console_password(&self) -> Result<Option<String>, Error> {
        let hash = self.note("console_password").await?;
        Ok(hash.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// Sets the password, and signs everybody out.
    pub async fn set_console_password(&self, hash: String) -> Result<(), Error> {
        self.sqlite().set_console_password(hash).await
    }
}
