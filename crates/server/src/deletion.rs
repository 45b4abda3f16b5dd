//! The end of an app: nobody can ask for it and nobody is connected once that is answered; a job
//! takes away what it had, a slice at a time, so that everybody else's changes come in between. The
//! store keeps where it is.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use domain::AppId;

use crate::node::Node;

/// The pause after a slice that failed.
const FAILED_PAUSE: Duration = Duration::from_secs(1);

/// Why the sessions of such an app end.
const DELETED: &str = "the app was deleted on the server";

/// Deletes an app: from now on nobody can ask for it. Returns whether it was there.
///
/// # Errors
///
/// When the store fails; nothing is done then.
pub async fn delete(node: &Arc<Node>, app: AppId) -> Result<bool, store::Error> {
    let endpoints = node.store.webhooks(Some(app)).await?;
    if !node.store.delete_app(app, node.clock.now()).await? {
        return Ok(false);
    }
    node.clients.reload(node, app).await?;
    node.token_keys.forget(app);
    node.settings_cache.forget(app);
    for endpoint in endpoints {
        node.webhooks.forget(endpoint.id);
    }
    node.webhooks.forget_wanted(app);
    // Whatever comes of the sessions here, the job is told.
    node.deletion.notify_one();
    while end_sessions(node).await? {}
    Ok(true)
}

/// Starts the job; what a process before left is gone on with.
pub fn start(node: &Arc<Node>) {
    let runner = Arc::clone(node);
    node.tasks.start("deletion", async move {
        loop {
            while !runner.tasks.is_stopping() && again(&runner, end_sessions(&runner).await).await {
            }
            while !runner.tasks.is_stopping()
                && again(&runner, runner.store.purge_app().await).await
            {}
            tokio::select! {
                () = runner.tasks.stopped() => return,
                () = runner.deletion.notified() => {}
            }
        }
    });
}

/// Ends some sessions of deleted apps; returns whether there may be more.
async fn end_sessions(node: &Node) -> Result<bool, store::Error> {
    let ended: HashSet<_> = node.store.end_deleted_sessions().await?.into_iter().collect();
    for inbox in &ended {
        node.hub.revoked(*inbox, DELETED);
    }
    Ok(!ended.is_empty())
}

/// Whether to go on after a slice: if there is more, or after a pause if it failed.
async fn again(node: &Node, slice: Result<bool, store::Error>) -> bool {
    match slice {
        Ok(more) => more,
        Err(store::Error::Closed) => false,
        Err(error) => {
            tracing::warn!(%error, "what a deleted app had could not be taken away; trying again");
            tokio::select! {
                () = node.tasks.stopped() => {}
                () = tokio::time::sleep(FAILED_PAUSE) => {}
            }
            true
        }
    }
}
