//! Shared secrets that sign user tokens. Public keys are whole since they were taken, and a key set's
//! host may be away for as long as its keys are known.

use domain::explain::Verdict;
use store::model::{TokenKey, TokenKeySource};
use wire::http::Check;

use super::Checked;
use crate::node::Node;

/// Looks whether each opens.
pub(super) async fn check(node: &Node) -> Result<Vec<Check>, store::Error> {
    let mut checks = Vec::new();
    for app in node.store.apps().await? {
        for key in node.store.token_keys(app.id).await? {
            let TokenKeySource::Secret(sealed) = &key.source else { continue };
            let about = format!("{} of {}", key.id, key.app);
            checks.push(Check { about: Some(about), ..check_one(node, &key, sealed) });
        }
    }
    Ok(checks)
}

fn check_one(node: &Node, key: &TokenKey, sealed: &[u8]) -> Check {
    let failed = |text: String| {
        let remedy = "Delete it and add it again: DELETE and POST …/token-keys.".to_owned();
        Checked::TokenKey.found(Verdict::Failure, text, Some(remedy))
    };
    if sealed.is_empty() {
        return failed(
            "Its secret was lost with the master key: the tokens that it signs are refused."
                .to_owned(),
        );
    }
    match node.master_key.open(&store::token_key_context(key.app), sealed) {
        Ok(_) => Checked::TokenKey.ok("Its shared secret opens."),
        Err(error) => failed(format!("The tokens that it signs are refused: {error}.")),
    }
}
