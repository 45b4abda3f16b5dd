//! Credentials, and the tokens got with them; what is secret comes and goes sealed.

use domain::policy::Router;
use domain::{AppId, CredentialId, Environment, EventType, Time};
use rusqlite::{Connection, params};

use super::Sqlite;
use super::relane::Scope;
use super::rows::{At, word};
use super::writer::Tx;
use crate::Error;
use crate::credentials::{credential_context, token_context};
use crate::model::{Credential, Effects, NewCredential, SealedToken};

impl Sqlite {
    pub(crate) async fn add_credential(
        &self,
        new: NewCredential,
    ) -> Result<(Option<Credential>, Effects), Error> {
        self.with_effects(move |tx, fx| tx.add_credential(&new, fx)).await
    }

    pub(crate) async fn remove_credential(
        &self,
        app: AppId,
        credential: CredentialId,
        now: Time,
    ) -> Result<(bool, Effects), Error> {
        self.with_effects(move |tx, fx| tx.remove_credential(app, credential, now, fx)).await
    }

    pub(crate) async fn credentials(&self, app: Option<AppId>) -> Result<Vec<Credential>, Error> {
        self.readers.read(move |conn| credentials(conn, app)).await
    }

    pub(crate) async fn believed(&self, credential: CredentialId, at: Time) -> Result<(), Error> {
        self.writer
            .change(move |tx| {
                // Attempts that end together may be noted in any order.
                tx.run(
                    "UPDATE credentials SET believed_at = MAX(COALESCE(believed_at, ?2), ?2)
                     WHERE id = ?1",
                    params![credential.number(), At(at)],
                )?;
                Ok(())
            })
            .await
    }

    pub(crate) async fn recovered(&self, app: AppId, now: Time) -> Result<Effects, Error> {
        self.effects(move |tx, fx| tx.begin_relane(app, Scope::Parked, now, fx)).await
    }

    pub(crate) async fn announce_expiry(
        &self,
        credential: CredentialId,
        days: u16,
        body: serde_json::Value,
        now: Time,
    ) -> Result<bool, Error> {
        self.writer.change(move |tx| tx.announce_expiry(credential, days, &body, now)).await
    }

    pub(crate) async fn provider_tokens(&self) -> Result<Vec<SealedToken>, Error> {
        self.readers.read(provider_tokens).await
    }

    pub(crate) async fn set_provider_token(&self, token: SealedToken) -> Result<(), Error> {
        self.writer.change(move |tx| tx.set_provider_token(&token)).await
    }

    /// Seals everything that is sealed anew, in one transaction.
    pub(crate) async fn reseal(
        &self,
        mut seal: impl FnMut(&str, &[u8]) -> Result<Vec<u8>, String> + Send + 'static,
        note: &'static str,
    ) -> Result<usize, Error> {
        self.writer.change(move |tx| tx.reseal(&mut seal, note)).await
    }
}

impl Tx<'_> {
    fn add_credential(
        &mut self,
        new: &NewCredential,
        fx: &mut Effects,
    ) -> Result<Option<Credential>, Error> {
        let app = new.app.number();
        if !self.is_app(new.app)? {
            return Ok(None);
        }
        let before = self.router(new.app)?;
        self.run(
            "INSERT INTO credentials (app, kind, facts, sealed, not_after, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![app, new.kind, new.facts, new.sealed, new.not_after.map(At), At(new.now)],
        )?;
        let id = CredentialId::from_number(self.last_id());
        self.credentials_changed(new.app, before, new.now, fx)?;
        Ok(Some(Credential {
            id,
            app: new.app,
            kind: new.kind.clone(),
            facts: new.facts.clone(),
            sealed: new.sealed.clone(),
            created_at: new.now,
            not_after: new.not_after,
            believed_at: None,
            announced: None,
        }))
    }

    fn remove_credential(
        &mut self,
        app: AppId,
        id: CredentialId,
        now: Time,
        fx: &mut Effects,
    ) -> Result<bool, Error> {
        let before = self.router(app)?;
        let removed = self.run(
            "DELETE FROM credentials WHERE id = ?1 AND app = ?2",
            [id.number(), app.number()],
        )? > 0;
        if removed {
            self.run("DELETE FROM provider_tokens WHERE credential = ?1", [id.number()])?;
            self.credentials_changed(app, before, now, fx)?;
        }
        Ok(removed)
    }

    /// What waited for a credential looks again; where it is the first one for APNs or the last,
    /// every device's route may be another one.
    fn credentials_changed(
        &mut self,
        app: AppId,
        before: Router,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        self.cache.apns.remove(&app);
        let scope = if self.router(app)? == before { Scope::Parked } else { Scope::All };
        self.begin_relane(app, scope, now, fx)
    }

    fn announce_expiry(
        &self,
        id: CredentialId,
        days: u16,
        body: &serde_json::Value,
        now: Time,
    ) -> Result<bool, Error> {
        let app = self.one(
            "UPDATE credentials SET announced = ?2
             WHERE id = ?1 AND (announced IS NULL OR announced > ?2) RETURNING app",
            params![id.number(), days],
            |row| row.get(0).map(AppId::from_number),
        )?;
        let Some(app) = app else { return Ok(false) };
        self.add_event(app, None, EventType::CredentialExpiring, body, now)?;
        Ok(true)
    }

    fn set_provider_token(&self, token: &SealedToken) -> Result<(), Error> {
        // A credential may be gone by the time its token is renewed.
        self.run(
            "INSERT INTO provider_tokens (credential, environment, sealed, issued_at)
             SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM credentials WHERE id = ?1)
             ON CONFLICT (credential, environment) DO UPDATE SET
                sealed = excluded.sealed, issued_at = excluded.issued_at",
            params![
                token.credential.number(),
                token.environment.as_str(),
                token.sealed,
                At(token.issued_at)
            ],
        )?;
        Ok(())
    }

    fn reseal(
        &self,
        seal: &mut impl FnMut(&str, &[u8]) -> Result<Vec<u8>, String>,
        note: &str,
    ) -> Result<usize, Error> {
        let mut count = 0;
        let mut again = |context: &str, sealed: &[u8]| {
            count += 1;
            seal(context, sealed).map_err(Error::Database)
        };
        for (id, app, sealed) in self.all("SELECT id, app, sealed FROM credentials", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
        })? {
            let sealed = again(&credential_context(AppId::from_number(app)), &sealed)?;
            self.run("UPDATE credentials SET sealed = ?2 WHERE id = ?1", params![id, sealed])?;
        }
        let tokens =
            self.all("SELECT credential, environment, sealed FROM provider_tokens", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, Vec<u8>>(2)?))
            })?;
        for (credential, environment, sealed) in tokens {
            let context = token_context(CredentialId::from_number(credential), &environment);
            let sealed = again(&context, &sealed)?;
            self.run(
                "UPDATE provider_tokens SET sealed = ?3 WHERE credential = ?1 AND environment = ?2",
                params![credential, environment, sealed],
            )?;
        }
        self.reseal_token_keys(&mut again)?;
        self.reseal_webhooks(&mut again)?;
        let known: Option<Vec<u8>> =
            self.one("SELECT value FROM meta WHERE key = ?1", [note], |row| row.get(0))?;
        if let Some(known) = known {
            let known = again(note, &known)?;
            self.run("UPDATE meta SET value = ?2 WHERE key = ?1", params![note, known])?;
        }
        Ok(count)
    }
}

/// The credentials of one app, or of all; newest first.
fn credentials(conn: &Connection, app: Option<AppId>) -> Result<Vec<Credential>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT id, app, kind, facts, sealed, created_at, not_after, believed_at, announced
         FROM credentials WHERE ?1 IS NULL OR app = ?1 ORDER BY id DESC",
    )?;
    let rows = statement.query_map([app.map(AppId::number)], |row| {
        Ok(Credential {
            id: CredentialId::from_number(row.get(0)?),
            app: AppId::from_number(row.get(1)?),
            kind: row.get(2)?,
            facts: row.get(3)?,
            sealed: row.get(4)?,
            created_at: row.get::<_, At>(5)?.0,
            not_after: row.get::<_, Option<At>>(6)?.map(|at| at.0),
            believed_at: row.get::<_, Option<At>>(7)?.map(|at| at.0),
            announced: row.get(8)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn provider_tokens(conn: &Connection) -> Result<Vec<SealedToken>, Error> {
    let mut statement = conn
        .prepare_cached("SELECT credential, environment, sealed, issued_at FROM provider_tokens")?;
    let rows = statement.query_map([], |row| {
        Ok(SealedToken {
            credential: CredentialId::from_number(row.get(0)?),
            environment: word(row, 1, Environment::parse)?,
            sealed: row.get(2)?,
            issued_at: row.get::<_, At>(3)?.0,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
