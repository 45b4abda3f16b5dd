//! Who speaks: user tokens, opaque or signed by the app's back end.
//!
//! ```text
//!   rvl_user_… ──▶ its hash in the store ───────────────────────────────┐
//!   a JWT ──▶ jwt: which app? ──▶ keys: that app's token keys ──▶ jwt:   ├─▶ Speaker
//!             (not believed yet)  (public, shared, or a key set's)  prove ┘
//! ```
//!
//! A user whom a signed token names is made if the app does not have them yet: the back end that
//! signs vouches for them. Read first: [`authenticate`].

#[cfg(test)]
mod fuzz;
pub mod jwt;
pub mod keys;

use domain::{AppId, InboxId, MaySend, Time};

use crate::accept::storage_problem;
use crate::http::problem::{Problem, ProblemCode};
use crate::node::Node;
use crate::secret::{KeyKind, KeyText};

/// The longest user token, in bytes.
const LONGEST: usize = 4096;

/// Whom a user token speaks for.
#[derive(Clone, Debug)]
pub struct Speaker {
    /// The app.
    pub app: AppId,
    /// The user's inbox.
    pub inbox: InboxId,
    /// To whom they may send.
    pub may_send: MaySend,
    /// When the token ends.
    pub expires_at: Time,
}

/// Whom a user token speaks for.
///
/// # Errors
///
/// A [`Problem`] that says what is wrong with the token.
pub async fn authenticate(node: &Node, token: &str) -> Result<Speaker, Problem> {
    if is_signed(token) { by_signature(node, token).await } else { by_hash(node, token).await }
}

/// Whether a token is one that a back end signed, by its looks.
pub fn is_signed(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

async fn by_hash(node: &Node, token: &str) -> Result<Speaker, Problem> {
    let key = KeyText::parse_kind(token, KeyKind::User).map_err(|error| Problem::from(&error))?;
    let found = node.store.user_token(*key.hash().as_bytes()).await.map_err(storage_problem)?;
    let token = found.ok_or_else(|| {
        Problem::new(
            ProblemCode::Unauthorized,
            "the user token is unknown or was taken back; get a new one from the app's back end",
        )
    })?;
    if token.expires_at <= node.clock.now() {
        return Err(jwt::expired());
    }
    let store::model::UserToken { app, inbox, may_send, expires_at, user: _ } = token;
    Ok(Speaker { app, inbox, may_send, expires_at })
}

async fn by_signature(node: &Node, token: &str) -> Result<Speaker, Problem> {
    if token.len() > LONGEST {
        let length = token.len();
        return Err(jwt::refused(&format!("it has {length} bytes, {LONGEST} are allowed")));
    }
    let unproven = jwt::read(token)?;
    let now = node.clock.now();
    let proven = node.token_keys.prove(node, token, &unproven, now).await?;
    let app = unproven.app;
    let known = node.store.user_record(app, proven.user.clone()).await.map_err(storage_problem)?;
    let inbox = match known {
        Some(user) => {
            // Without a time of issue nobody can tell that it is newer than the taking back.
            if user.revoked_at.is_some_and(|at| proven.issued_at.is_none_or(|it| it <= at)) {
                return Err(jwt::refused(
                    "it was taken back; get a new one, with the claim `iat`, \
                     from the app's back end",
                ));
            }
            user.inbox
        }
        None => {
            let made = node.store.ensure_user(app, proven.user, now).await;
            made.map_err(storage_problem)?.ok_or_else(Problem::internal)?
        }
    };
    let jwt::Proven { may_send, expires_at, .. } = proven;
    Ok(Speaker { app, inbox, may_send, expires_at })
}
