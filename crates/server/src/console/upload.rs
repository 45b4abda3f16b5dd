//! A form with a file (RFC 7578).

use std::sync::Arc;

use axum::extract::multipart::Field;
use axum::extract::{FromRequest, FromRequestParts, Multipart, Request};
use axum::response::{IntoResponse, Response};

use super::frame::{Fields, refuse_foreign};
use super::session::{self, Visitor};
use crate::node::Node;

/// A form of ours with a file, sent by whom it was given to.
pub(super) struct Uploaded {
    /// Who sent it.
    pub(super) visitor: Visitor,
    /// What it says.
    pub(super) fields: Fields,
    /// The file, if one was chosen.
    pub(super) file: Option<File>,
}

/// A file as it came.
#[derive(Debug, Default)]
pub(super) struct File {
    /// Its name where it comes from.
    pub(super) name: String,
    /// What is in it.
    pub(super) bytes: Vec<u8>,
}

impl FromRequest<Arc<Node>> for Uploaded {
    type Rejection = Response;

    async fn from_request(request: Request, node: &Arc<Node>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, node).await?;
        let ours = session::is_ours(&parts.headers);
        let request = Request::from_parts(parts, body);
        let multipart = Multipart::from_request(request, node).await;
        let mut multipart = multipart.map_err(IntoResponse::into_response)?;
        let (mut fields, mut file) = (Vec::new(), None);
        // The whole is bounded by the limit of bodies.
        while let Some(field) = multipart.next_field().await.map_err(IntoResponse::into_response)? {
            match field.file_name().map(str::to_owned) {
                Some(name) => file = read_file(name, field).await?.or(file),
                None => {
                    let name = field.name().unwrap_or_default().to_owned();
                    fields.push((name, field.text().await.map_err(IntoResponse::into_response)?));
                }
            }
        }
        let fields = Fields::new(fields);
        if !ours || !session::is_theirs(&visitor, fields.get("csrf")) {
            return Err(refuse_foreign(&visitor));
        }
        Ok(Self { visitor, fields, file })
    }
}

/// A browser sends a file without name and content where none was chosen.
async fn read_file(name: String, field: Field<'_>) -> Result<Option<File>, Response> {
    let bytes = field.bytes().await.map_err(IntoResponse::into_response)?;
    Ok((!bytes.is_empty()).then(|| File { name, bytes: bytes.to_vec() }))
}
