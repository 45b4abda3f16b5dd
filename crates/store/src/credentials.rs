//! Credentials: the part of [`Store`] that looks after them.

use domain::{AppId, CredentialId, Time};

use crate::model::{Credential, Effects, NewCredential, SealedToken};
use crate::{Error, Store};

impl Store {
    /// Keeps a credential whose secret part the caller has sealed; what waited for it looks again.
    /// `None`: no such app.
    pub async fn add_credential(
        &self,
        new: NewCredential,
    ) -> Result<(Option<Credential>, Effects), Error> {
        self.sqlite().add_credential(new).await
    }

    /// The credentials of an app, or of all; newest first.
    pub async fn credentials(&self, app: Option<AppId>) -> Result<Vec<Credential>, Error> {
        self.sqlite().credentials(app).await
    }

    /// Takes a credential away; returns whether there was one.
    pub async fn remove_credential(
        &self,
        app: AppId,
        credential: CredentialId,
        now: Time,
    ) -> Result<(bool, Effects), Error> {
        self.sqlite().remove_credential(app, credential, now).await
    }

    /// A push service has taken a credential; call it at most once a minute for each.
    pub async fn believed(&self, credential: CredentialId, at: Time) -> Result<(), Error> {
        self.sqlite().believed(credential, at).await
    }

    /// A push service takes an app's credential again: what waited for that looks again.
    pub async fn recovered(&self, app: AppId, now: Time) -> Result<Effects, Error> {
        self.sqlite().recovered(app, now).await
    }

    /// Writes the event that a credential ends in `days` days or less, once for each such number;
    /// returns whether it was written.
    pub async fn announce_expiry(
        &self,
        credential: CredentialId,
        days: u16,
        body: serde_json::Value,
        now: Time,
    ) -> Result<bool, Error> {
        self.sqlite().announce_expiry(credential, days, body, now).await
    }

    /// The provider tokens that were in use.
    pub async fn provider_tokens(&self) -> Result<Vec<SealedToken>, Error> {
        self.sqlite().provider_tokens().await
    }

    /// Keeps a provider token, instead of the one before.
    pub async fn set_provider_token(&self, token: SealedToken) -> Result<(), Error> {
        self.sqlite().set_provider_token(token).await
    }

    /// Seals everything that is sealed anew, in one transaction: `seal` gets the context and what
    /// is sealed there, and gives what shall be; like every change it may run twice, and only the
    /// last run counts. Returns how many values there were.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] with what `seal` said; nothing is changed then.
    pub async fn reseal(
        &self,
        seal: impl FnMut(&str, &[u8]) -> Result<Vec<u8>, String> + Send + 'static,
        note: &'static str,
    ) -> Result<usize, Error> {
        self.sqlite().reseal(seal, note).await
    }

    /// Looks at some more devices whose routes or waiting wakes a change of settings or credentials
    /// may have touched; returns whether there are more.
    pub async fn relane(&self, now: Time) -> Result<(bool, Effects), Error> {
        self.sqlite().relane(now).await
    }
}

/// What a sealed credential is bound to: its table, column and app.
pub fn credential_context(app: AppId) -> String {
    format!("credentials/sealed/{app}")
}

/// What a sealed provider token is bound to: its table, column and row.
pub fn token_context(credential: CredentialId, environment: &str) -> String {
    format!("provider_tokens/sealed/{credential}/{environment}")
}
