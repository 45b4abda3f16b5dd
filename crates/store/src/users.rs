//! Users and what proves them: the part of [`Store`] that looks after them.

use domain::{AppId, InboxId, MaySend, Time, TokenKeyId};

use crate::model::{Digest, NewTokenKey, TokenKey, UserListed, UserRecord, UserToken, UsersQuery};
use crate::{Error, Store};

impl Store {
    /// Keeps what an app's user tokens are signed with. `None`: no such app.
    pub async fn add_token_key(&self, new: NewTokenKey) -> Result<Option<TokenKey>, Error> {
        self.sqlite().add_token_key(new).await
    }

    /// The token keys of an app, oldest first.
    pub async fn token_keys(&self, app: AppId) -> Result<Vec<TokenKey>, Error> {
        self.sqlite().token_keys(app).await
    }

    /// Takes a token key away; returns whether there was one.
    pub async fn remove_token_key(&self, app: AppId, key: TokenKeyId) -> Result<bool, Error> {
        self.sqlite().remove_token_key(app, key).await
    }

    /// The inbox of a user, made if the user is new. `None`: no such app.
    pub async fn ensure_user(
        &self,
        app: AppId,
        user: String,
        now: Time,
    ) -> Result<Option<InboxId>, Error> {
        self.sqlite().ensure_user(app, user, now).await
    }

    /// The inbox of a user.
    pub async fn user(&self, app: AppId, user: String) -> Result<Option<InboxId>, Error> {
        Ok(self.user_record(app, user).await?.map(|user| user.inbox))
    }

    /// Users of an app by their names.
    pub async fn users(&self, query: UsersQuery) -> Result<Vec<UserListed>, Error> {
        self.sqlite().users(query).await
    }

    /// A user, as far as tokens go.
    pub async fn user_record(&self, app: AppId, user: String) -> Result<Option<UserRecord>, Error> {
        self.sqlite().user_record(app, user).await
    }

    /// Keeps an opaque user token's hash.
    pub async fn add_user_token(
        &self,
        hash: Digest,
        inbox: InboxId,
        may_send: MaySend,
        expires_at: Time,
    ) -> Result<(), Error> {
        self.sqlite().add_user_token(hash, inbox, may_send, expires_at).await
    }

    /// Whom an opaque user token speaks for, expired ones included.
    pub async fn user_token(&self, hash: Digest) -> Result<Option<UserToken>, Error> {
        self.sqlite().user_token(hash).await
    }

    /// Takes all of a user's tokens back, opaque and signed.
    pub async fn revoke_user_tokens(&self, inbox: InboxId, now: Time) -> Result<(), Error> {
        self.sqlite().revoke_user_tokens(inbox, now).await
    }
}

/// What the sealed shared secret of a token key is bound to: its table, column and app.
pub fn token_key_context(app: AppId) -> String {
    format!("token_keys/material/{app}")
}
