//! Asks a host of somebody else's choosing whether it is there: its name resolves, it takes a
//! connection, its certificate is trusted, and it answers something.
//!
//! The question is `HEAD /`, past the guard and through the proxy as every call to such a host. It
//! goes to no tenant's URL, and has neither the method nor the headers of an event, so that nobody
//! can take it for one; whatever is answered shows that somebody is there.

use std::time::Duration;

use domain::Time;
use domain::explain::Verdict;
use providers::Origin;
use providers::outbound::{Client, NoAnswer};
use wire::http::Check;

use super::{Checked, sentence};
use crate::credentials::ClientError;
use crate::node::Node;

/// How long a host may take: whoever asks waits for the slowest.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks hosts, over connections of its own: each name is resolved and each certificate looked at
/// anew.
pub(super) struct Asker(Result<Client, ClientError>);

/// What came of asking.
pub(super) struct Reached {
    /// What time it is there, if the answer says.
    pub(super) date: Option<Time>,
    /// Why there was no answer, and what to do.
    trouble: Option<(String, String)>,
}

impl Asker {
    pub(super) fn new(node: &Node) -> Self {
        Self(node.clients.outbound_within(PATIENCE))
    }

    pub(super) async fn ask(&self, origin: &Origin) -> Reached {
        let client = match &self.0 {
            Ok(client) => client,
            Err(error) => {
                let remedy = "See the server's log, and start it anew.".to_owned();
                return Reached { date: None, trouble: Some((error.to_string(), remedy)) };
            }
        };
        match client.reach(origin).await {
            Ok(answer) => Reached { date: answer.date(), trouble: None },
            Err(no_answer) => Reached { date: None, trouble: Some(trouble(no_answer)) },
        }
    }
}

impl Reached {
    /// The same as a check.
    pub(super) fn check(&self, checked: Checked) -> Check {
        match &self.trouble {
            None => checked.ok("It is reached, and its certificate is trusted."),
            Some((problem, remedy)) => {
                let text = format!("It is not reached: {problem}.");
                checked.found(Verdict::Failure, text, Some(remedy.clone()))
            }
        }
    }
}

/// Why there is no answer, and what to do about it.
fn trouble(no_answer: NoAnswer) -> (String, String) {
    match no_answer {
        NoAnswer::NotAllowed { problem, remedy, .. }
        | NoAnswer::NotSent { problem, remedy, .. } => (problem, sentence(remedy)),
        NoAnswer::Unknown { problem, .. } => (
            format!("there is no answer: {problem}"),
            "Check that the host is up and answers HTTPS requests.".to_owned(),
        ),
        NoAnswer::Url { problem } => (problem, "Give another URL.".to_owned()),
    }
}
