//! Users, what proves them, and the keys that their tokens are signed with.

use domain::{AppId, InboxId, MaySend, Time, TokenKeyId};
use rusqlite::{Connection, OptionalExtension, params};

use super::Sqlite;
use super::rows::{At, word};
use super::writer::Tx;
use crate::Error;
use crate::model::{
    Digest, NewTokenKey, TokenKey, TokenKeySource, UserListed, UserRecord, UserToken, UsersQuery,
};

/// `token_keys.source`.
const PUBLIC_KEY: &str = "public_key";
const SECRET: &str = "secret";
const JWKS_URL: &str = "jwks_url";

impl Sqlite {
    pub(crate) async fn add_token_key(&self, new: NewTokenKey) -> Result<Option<TokenKey>, Error> {
        self.writer.change(move |tx| tx.add_token_key(&new)).await
    }

    pub(crate) async fn token_keys(&self, app: AppId) -> Result<Vec<TokenKey>, Error> {
        self.readers.read(move |conn| token_keys(conn, app)).await
    }

    pub(crate) async fn remove_token_key(
        &self,
        app: AppId,
        key: TokenKeyId,
    ) -> Result<bool, Error> {
        self.writer
            .change(move |tx| {
                let removed = tx.run(
                    "DELETE FROM token_keys WHERE id = ?1 AND app = ?2",
                    [key.number(), app.number()],
                )?;
                Ok(removed > 0)
            })
            .await
    }

    pub(crate) async fn add_user_token(
        &self,
        hash: Digest,
        inbox: InboxId,
        may_send: MaySend,
        expires_at: Time,
    ) -> Result<(), Error> {
        self.writer
            .change(move |tx| {
                tx.run(
                    "INSERT INTO user_tokens (hash, inbox, may_send, expires_at)
                     VALUES (?1, ?2, ?3, ?4)",
                    params![&hash[..], inbox.number(), may_send.as_str(), At(expires_at)],
                )?;
                Ok(())
            })
            .await
    }

    pub(crate) async fn user_token(&self, hash: Digest) -> Result<Option<UserToken>, Error> {
        self.readers.read(move |conn| user_token(conn, hash)).await
    }

    pub(crate) async fn users(&self, query: UsersQuery) -> Result<Vec<UserListed>, Error> {
        self.readers.read(move |conn| users(conn, &query)).await
    }

    pub(crate) async fn user_record(
        &self,
        app: AppId,
        user: String,
    ) -> Result<Option<UserRecord>, Error> {
        self.readers.read(move |conn| user_record(conn, app, &user)).await
    }

    pub(crate) async fn revoke_user_tokens(&self, inbox: InboxId, now: Time) -> Result<(), Error> {
        self.writer
            .change(move |tx| {
                tx.run("DELETE FROM user_tokens WHERE inbox = ?1", [inbox.number()])?;
                tx.run(
                    "UPDATE inboxes SET revoked_at = MAX(COALESCE(revoked_at, ?2), ?2)
                     WHERE id = ?1",
                    params![inbox.number(), At(now)],
                )?;
                Ok(())
            })
            .await
    }
}

impl Tx<'_> {
    fn add_token_key(&self, new: &NewTokenKey) -> Result<Option<TokenKey>, Error> {
        let app = new.app.number();
        if !self.is_app(new.app)? {
            return Ok(None);
        }
        let (source, material) = match &new.source {
            TokenKeySource::PublicKey(pem) => (PUBLIC_KEY, pem.as_bytes()),
            TokenKeySource::Secret(sealed) => (SECRET, sealed.as_slice()),
            TokenKeySource::JwksUrl(url) => (JWKS_URL, url.as_bytes()),
        };
        self.run(
            "INSERT INTO token_keys (app, name, algorithm, audience, source, material, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![app, new.name, new.algorithm, new.audience, source, material, At(new.now)],
        )?;
        Ok(Some(TokenKey {
            id: TokenKeyId::from_number(self.last_id()),
            app: new.app,
            name: new.name.clone(),
            algorithm: new.algorithm.clone(),
            audience: new.audience.clone(),
            source: new.source.clone(),
            created_at: new.now,
        }))
    }

    /// Seals the shared secrets anew.
    pub(super) fn reseal_token_keys(
        &self,
        again: &mut impl FnMut(&str, &[u8]) -> Result<Vec<u8>, Error>,
    ) -> Result<(), Error> {
        // A restore without the master key has left some without a secret.
        let secrets = self.all(
            "SELECT id, app, material FROM token_keys WHERE source = ?1 AND length(material) > 0",
            [SECRET],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?)),
        )?;
        for (id, app, sealed) in secrets {
            let context = crate::token_key_context(AppId::from_number(app));
            let sealed = again(&context, &sealed)?;
            self.run("UPDATE token_keys SET material = ?2 WHERE id = ?1", params![id, sealed])?;
        }
        Ok(())
    }
}

fn token_keys(conn: &Connection, app: AppId) -> Result<Vec<TokenKey>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT id, app, name, algorithm, audience, source, material, created_at
         FROM token_keys WHERE app = ?1 ORDER BY id",
    )?;
    let rows = statement.query_map([app.number()], |row| {
        let material: Vec<u8> = row.get(6)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(TokenKey {
            id: TokenKeyId::from_number(row.get(0)?),
            app: AppId::from_number(row.get(1)?),
            name: row.get(2)?,
            algorithm: row.get(3)?,
            audience: row.get(4)?,
            source: word(row, 5, |word| match word {
                PUBLIC_KEY => Some(TokenKeySource::PublicKey(text(&material))),
                SECRET => Some(TokenKeySource::Secret(material.clone())),
                JWKS_URL => Some(TokenKeySource::JwksUrl(text(&material))),
                _ => None,
            })?,
            created_at: row.get::<_, At>(7)?.0,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn user_token(conn: &Connection, hash: Digest) -> Result<Option<UserToken>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT i.app, i.id, i.user, t.may_send, t.expires_at FROM user_tokens t
         JOIN inboxes i ON i.id = t.inbox
         JOIN apps a ON a.id = i.app AND a.deleted_at IS NULL WHERE t.hash = ?1",
    )?;
    let token = statement.query_row([&hash[..]], |row| {
        Ok(UserToken {
            app: AppId::from_number(row.get(0)?),
            inbox: InboxId::from_number(row.get(1)?),
            user: row.get(2)?,
            may_send: word(row, 3, MaySend::parse)?,
            expires_at: row.get::<_, At>(4)?.0,
        })
    });
    Ok(token.optional()?)
}

/// A range of the index of names: nobody is looked at who is not wanted.
fn users(conn: &Connection, query: &UsersQuery) -> Result<Vec<UserListed>, Error> {
    let UsersQuery { app, prefix, device, after, limit } = query;
    let mut statement = conn.prepare_cached(
        "SELECT i.user, i.created_at,
                (SELECT COUNT(*) FROM devices d WHERE d.inbox = i.id),
                (SELECT COUNT(*) FROM devices d WHERE d.inbox = i.id AND EXISTS
                    (SELECT 1 FROM sessions s WHERE s.device = d.id AND s.suspect = 0))
         FROM inboxes i
         WHERE i.app = ?1 AND i.user >= ?2 AND (?3 IS NULL OR i.user < ?3)
           AND (?4 IS NULL OR i.user > ?4)
           AND (?5 IS NULL OR i.id = (SELECT inbox FROM devices WHERE app = ?1 AND name = ?5))
         ORDER BY i.user LIMIT ?6",
    )?;
    let limit = i64::try_from(*limit).unwrap_or(i64::MAX);
    // Who comes behind the last page is behind the prefix too.
    let from = after.as_ref().filter(|after| *after > prefix).unwrap_or(prefix);
    let values = params![app.number(), from, behind(prefix), after, device, limit];
    let rows = statement.query_map(values, |row| {
        Ok(UserListed {
            user: row.get(0)?,
            created_at: row.get::<_, At>(1)?.0,
            devices: row.get(2)?,
            live: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The first text behind all that begin with `prefix`; `None`: there is none.
fn behind(prefix: &str) -> Option<String> {
    let mut letters: Vec<char> = prefix.chars().collect();
    while let Some(last) = letters.pop() {
        // Between the two lie the surrogates, which are no letters.
        let next =
            if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

fn user_record(conn: &Connection, app: AppId, user: &str) -> Result<Option<UserRecord>, Error> {
    let mut statement =
        conn.prepare_cached("SELECT id, revoked_at FROM inboxes WHERE app = ?1 AND user = ?2")?;
    let record = statement.query_row(params![app.number(), user], |row| {
        Ok(UserRecord {
            inbox: InboxId::from_number(row.get(0)?),
            revoked_at: row.get::<_, Option<At>>(1)?.map(|at| at.0),
        })
    });
    Ok(record.optional()?)
}

#[cfg(test)]
mod tests {
    use super::behind;

    #[test]
    fn what_is_behind_a_prefix_is_behind_all_that_begin_so() {
        let table = [
            ("", None),
            ("a", Some("b")),
            ("ab", Some("ac")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
            ("\u{d7ff}", Some("\u{e000}")),
        ];
        for (prefix, expected) in table {
            assert_eq!(behind(prefix).as_deref(), expected, "{prefix:?}");
        }
        assert!("ab\u{10ffff}\u{10ffff}" < behind("ab").expect("one").as_str());
    }
}
