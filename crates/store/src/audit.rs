//! Who changed what: the part of [`Store`] that keeps the audit log.

use domain::AppId;

use crate::model::{Act, NewAct};
use crate::{Error, Store};

impl Store {
    /// Writes an act down before it is done; its number.
    pub async fn audit(&self, act: NewAct) -> Result<i64, Error> {
        self.sqlite().audit(act).await
    }

    /// Notes what an act was answered with.
    pub async fn audit_answered(&self, number: i64, status: u16) -> Result<(), Error> {
        self.sqlite().audit_answered(number, status).await
    }

    /// Acts, newest first: of all apps or one, those before this number.
    pub async fn audit_log(
        &self,
        app: Option<AppId>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Act>, Error> {
        self.sqlite().audit_log(app, before, limit).await
    }
}
