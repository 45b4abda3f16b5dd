//! What a path names.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::{Problem, ProblemCode};
use crate::node::Node;

/// The parameters of a path, decoded: a text, or a tuple of texts in their order.
pub(super) struct Named<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Node>> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Problem> {
        let named = Path::<T>::from_request_parts(parts, node).await;
        named.map(|Path(named)| Self(named)).map_err(|_| {
            Problem::new(
                ProblemCode::NotFound,
                "a name in the path is not UTF-8 behind its percent signs; encode it anew",
            )
        })
    }
}
