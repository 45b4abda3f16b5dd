//! The server's HTTP API, as the back end of the world's app calls it.

use std::time::Duration;

use anyhow::Result;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::sleep;
use wire::http::{CredentialUpload, Settings, Timeline, UserToken};

use super::{World, read};
use crate::phone::{Phone, http as client};

impl World {
    /// The admin key, `rvl_admin_…`.
    pub fn admin_key(&self) -> &str {
        &self.admin_key
    }

    /// The app's key, `rvl_app_…`.
    pub fn app_key(&self) -> &str {
        &self.app_key
    }

    /// The app's id, `app_…`.
    pub fn app_id(&self) -> &str {
        &self.app.id
    }

    /// One request with any key; the answer's status and JSON.
    ///
    /// # Errors
    /// When there is no answer; never for a status.
    pub async fn api(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value)> {
        let bearer = format!("Bearer {key}");
        client::request(self.address(), method, path, &[("authorization", &bearer)], body).await
    }

    /// One request with the app's key that has to succeed.
    ///
    /// # Errors
    /// When there is no answer, it is not 2xx, or it has another shape than `T`.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T> {
        let answer = self.api(method.clone(), path, &self.app_key, body).await?;
        read(&format!("{method} {path}"), answer)
    }

    /// A token for a user, who is made if need be. `ttl`: seconds, or the server's default.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn user_token(&self, user: &str, ttl: Option<u32>) -> Result<UserToken> {
        let body = ttl.map_or_else(|| json!({}), |ttl| json!({ "ttl": ttl }));
        self.call(Method::POST, &format!("/v1/users/{user}/tokens"), Some(&body)).await
    }

    /// Gives `phone` a user token that has run out by now and that the server has to refuse. (For a
    /// phone that knows it has run out see [`Phone::expire_token`].)
    ///
    /// # Errors
    /// When the server gives no token.
    pub async fn give_spent_token(&self, phone: &Phone) -> Result<()> {
        let token = self.user_token(phone.user(), Some(1)).await?;
        let left = token.expires_at.duration_since(jiff::Timestamp::now());
        // Its end is a time, so there is no event to wait for.
        sleep(Duration::try_from(left).unwrap_or_default()).await;
        phone.use_token(&token.token);
        Ok(())
    }

    /// Changes settings of the app.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn set(&self, settings: &Settings) -> Result<()> {
        let path = format!("/v1/apps/{}/settings", self.app.id);
        let body = serde_json::to_value(settings)?;
        let answer = self.api(Method::PATCH, &path, &self.admin_key, Some(&body)).await?;
        read::<Value>(&path, answer).map(drop)
    }

    /// Uploads a credential to the app.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn upload(&self, credential: &CredentialUpload) -> Result<Value> {
        let path = format!("/v1/apps/{}/credentials", self.app.id);
        let body = serde_json::to_value(credential)?;
        let answer = self.api(Method::POST, &path, &self.admin_key, Some(&body)).await?;
        read(&path, answer)
    }

    /// What was uploaded for Apple's push services.
    pub fn apple_credential(&self) -> &CredentialUpload {
        &self.apple
    }

    /// What was uploaded for Google's.
    pub fn google_credential(&self) -> &CredentialUpload {
        &self.google
    }

    /// The devices of a user as the server sees them.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn devices_of(&self, user: &str) -> Result<Vec<wire::http::Device>> {
        let path = format!("/v1/users/{user}/devices");
        let page: wire::http::Page<wire::http::Device> =
            self.call(Method::GET, &path, None).await?;
        Ok(page.items)
    }

    /// The newest push-log records of one device.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn push_log(&self, phone: &Phone) -> Result<Vec<wire::http::Record>> {
        let path =
            format!("/v1/push-log?user={}&device={}&limit=100", phone.user(), phone.device_id());
        let page: wire::http::Page<wire::http::Record> =
            self.call(Method::GET, &path, None).await?;
        Ok(page.items)
    }

    /// What happened to one message.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn timeline(&self, message: &str) -> Result<Timeline> {
        self.call(Method::GET, &format!("/v1/messages/{message}/timeline"), None).await
    }
}
