//! The Web Push services that browsers have named. Which they are is known from the push targets
//! alone: a browser brings its own.

use domain::explain::Verdict;
use futures_util::future::join_all;
use providers::Origin;
use wire::http::Check;

use super::reach::Asker;
use super::{Checked, clock};
use crate::node::Node;

/// So many are asked, those with the most targets: there are four vendors, and any number of
/// servers of UnifiedPush.
const MOST: usize = 5;

/// Asks each, and compares its clock.
pub(super) async fn check(node: &Node) -> Result<Vec<Check>, store::Error> {
    let used = node.store.webpush_services(MOST).await?;
    // One that cannot be read was never pushed to either.
    let origins = used.iter().filter_map(|origin| Origin::of_url(origin).ok());
    let asker = Asker::new(node);
    let asked = origins.map(|origin| check_one(node, &asker, origin));
    Ok(join_all(asked).await.into_iter().flatten().collect())
}

async fn check_one(node: &Node, asker: &Asker, origin: Origin) -> Vec<Check> {
    let host = origin.to_string();
    let host = host.strip_prefix("https://").unwrap_or(&host);
    let about = |check: Check| Check { about: Some(host.to_owned()), ..check };
    if !node.clients.config().webpush_hosts.has(origin.host()) {
        let text = "Devices have it as their push service, and it is not among those allowed here.";
        let remedy = "If it is meant, add its host to webpush.allowed_hosts.".to_owned();
        return vec![about(Checked::Reach.found(Verdict::Warning, text, Some(remedy)))];
    }
    let reached = asker.ask(&origin).await;
    let mut checks = vec![about(reached.check(Checked::Reach))];
    checks.extend(reached.date.map(|theirs| clock(node.clock.now(), theirs, host)));
    checks
}
