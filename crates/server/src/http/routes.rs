//! Which paths there are, for whom, and what each is for: one table, from which the router is made,
//! so that there is no route without a row. What is said elsewhere about the routes, and what is
//! tested of each of them, goes by the same rows.
//!
//! ```text
//!   table.rs ─▶ ROUTES ─┬─▶ router()
//!                       └─▶ who may call what, docs/api.md, the description of the API
//! ```

mod refusals;
mod shape;
mod table;

use std::sync::Arc;

use axum::middleware::from_fn;
use axum::routing::{MethodFilter, MethodRouter};
use axum::{Extension, Router};
use domain::KeyScope;
use http::Method;

use super::body;
use super::problem::ProblemCode;
use crate::node::Node;

pub use shape::{Answers, Content, Shape, Takes};
pub use table::{INTERNAL, ROUTES};

/// One method of one path.
#[derive(Debug)]
pub struct Route {
    /// What is done to the path.
    pub method: Method,
    /// The path, its parameters in braces.
    pub path: &'static str,
    /// Who may ask.
    pub caller: Caller,
    /// What may stand behind the `?`.
    pub query: Query,
    /// What it is for, in a few words.
    pub summary: &'static str,
    /// The operation's name, which no other has.
    pub name: &'static str,
    /// The body that it takes.
    pub takes: Option<Takes>,
    /// What it answers when all is well.
    pub answers: &'static [Answers],
    /// The refusals that are particular to it, by name; [`Route::refusals`] has all.
    pub problems: &'static [ProblemCode],
    /// Puts the function that answers under a method.
    serve: fn(MethodFilter) -> MethodRouter<Arc<Node>>,
}

/// Who a route is for. Each but the first two is an extractor of `auth.rs`, which refuses all others;
/// it finds this among the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Whoever reaches the port.
    Anybody,
    /// Whoever proves to be a device's user in the first frame of a WebSocket.
    FirstFrame,
    /// The operator.
    Admin,
    /// The back end of an app, which sees its own app, by a key with this scope.
    App(KeyScope),
    /// The back end of the app that the path names, by a key with this scope, or the operator.
    OwnApp(KeyScope),
    /// The back end of an app, one of its users or one of its devices.
    AnyKey,
    /// A device, by its secret alone or beside its user's token.
    Device,
}

impl Caller {
    /// Who that is, in words.
    pub fn words(self) -> String {
        let key = |scope: KeyScope| {
            format!("the app's back end, by a key with the scope `{}`", scope.as_str())
        };
        match self {
            Self::Anybody => "anybody".to_owned(),
            Self::FirstFrame => "anybody; the first frame says who".to_owned(),
            Self::Admin => "the operator".to_owned(),
            Self::App(scope) => key(scope),
            Self::OwnApp(scope) => format!("{}, or the operator", key(scope)),
            Self::AnyKey => "any key of the app: its back end's, a user's, a device's".to_owned(),
            Self::Device => "a device".to_owned(),
        }
    }
}

/// What a route takes behind the `?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// Anything, and reads none of it: what looks after the process may add its own, and so may a
    /// browser's WebSocket.
    Ignored,
    /// These parameters and no other.
    Named(&'static [&'static str]),
    /// Nothing: a misspelt parameter is not taken for its default there either.
    None,
}

/// Serves every row.
pub(super) fn router() -> Router<Arc<Node>> {
    serving(ROUTES)
}

/// Serves every row of the internal address.
pub(super) fn internal_router() -> Router<Arc<Node>> {
    serving(INTERNAL)
}

fn serving(routes: &'static [Route]) -> Router<Arc<Node>> {
    routes.iter().fold(Router::new(), |router, route| router.route(route.path, route.served()))
}

impl Route {
    fn served(&self) -> MethodRouter<Arc<Node>> {
        let method = MethodFilter::try_from(self.method.clone());
        let served = (self.serve)(method.expect("a row has one of the methods of RFC 9110"));
        let served = served.route_layer(Extension(self.caller));
        match self.query {
            Query::None => served.route_layer(from_fn(body::no_parameters)),
            Query::Ignored | Query::Named(_) => served,
        }
    }
}
