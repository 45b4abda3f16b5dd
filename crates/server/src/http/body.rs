//! The body of a request: JSON, declared as such, within the limit, and understood to the last
//! field. And the parameters behind the `?`, those of a list's pages among them.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Query, Request};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use domain::Time;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use hyper::body::Body as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use wire::http::Page;
use wire::limits;

use super::problem::{Problem, ProblemCode};
use crate::from_wire;
use crate::node::Node;

/// How long a body may be on its way: enough for the largest over a poor line, and no place to
/// wait in for ever.
const ARRIVAL: Duration = Duration::from_secs(30);

/// Items in one answer when nothing is said, and at most.
const LIMITS: (usize, usize) = (100, 1_000);

/// A JSON body; as an `Option`, one that may be left out.
pub(super) struct Body<T>(pub(super) T);

/// The parameters behind the `?`.
pub(super) struct Params<T>(pub(super) T);

/// Which part of a list is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Part {
    /// Items at most.
    pub(super) limit: Option<usize>,
    /// `next` of the page before.
    pub(super) after: Option<String>,
}

impl Part {
    /// How many items, 1 to 1000.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        limit(self.limit, LIMITS)
    }

    /// The number behind which the part begins; 0 when nothing is said.
    pub(super) fn after_number(&self) -> Result<i64, Problem> {
        let Some(text) = &self.after else { return Ok(0) };
        let number = text.parse().ok().filter(|number| *number >= 0);
        number.ok_or_else(not_a_next)
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Node>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, node: &Arc<Node>) -> Result<Self, Problem> {
        let declared = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let json = declared.is_some_and(|declared| {
            let kind = declared.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("application/json")
        });
        if !json {
            return Err(Problem::new(
                ProblemCode::UnsupportedMediaType,
                "send the body as JSON with `Content-Type: application/json`",
            ));
        }
        let bytes = tokio::time::timeout(ARRIVAL, Bytes::from_request(request, node)).await;
        let bytes = bytes.map_err(|_| incomplete())?.map_err(unreadable)?;
        parse(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned> OptionalFromRequest<Arc<Node>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, node: &Arc<Node>) -> Result<Option<Self>, Problem> {
        if request.body().is_end_stream() && !request.headers().contains_key(CONTENT_TYPE) {
            return Ok(None);
        }
        <Self as FromRequest<Arc<Node>>>::from_request(request, node).await.map(Some)
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Node>> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Problem> {
        let params = Query::<T>::from_request_parts(parts, node).await;
        params.map(|Query(params)| Self(params)).map_err(|error| unexpected(&error))
    }
}

/// How many items are wanted, from the usual and the largest number.
pub(super) fn limit(given: Option<usize>, (usual, most): (usize, usize)) -> Result<usize, Problem> {
    let limit = given.unwrap_or(usual);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::invalid_field("limit", format!("give 1 to {most}")))
}

/// A time behind the `?`, in RFC 3339.
pub(super) fn time(field: &'static str, text: Option<String>) -> Result<Option<Time>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let time = text.parse().map(from_wire::time);
    let example = "give a time such as 2026-11-27T08:30:00Z";
    time.map(Some).map_err(|_| Problem::invalid_field(field, example))
}

/// A page of up to `limit` items, made of one more where there is more.
pub(super) fn page<T, U>(
    mut found: Vec<T>,
    limit: usize,
    shown: impl FnMut(T) -> U,
    next: impl FnOnce(&U) -> String,
) -> Page<U> {
    let more = found.len() > limit;
    found.truncate(limit);
    let items: Vec<U> = found.into_iter().map(shown).collect();
    let next = if more { items.last().map(next) } else { None };
    Page { items, next }
}

/// An `after` that no page gave.
pub(super) fn not_a_next() -> Problem {
    Problem::invalid_field("after", "give `next` of the page before")
}

/// Refuses parameters on the way to a route that takes none.
pub(super) async fn no_parameters(request: Request, next: Next) -> Result<Response, Problem> {
    let given = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    match given.map(|Query(given)| given.into_iter().next()) {
        Ok(None) => Ok(next.run(request).await),
        Ok(Some((name, _))) => Err(Problem::invalid_field(
            name,
            "the path takes no parameters behind `?`; say it in the body, or leave it out",
        )),
        Err(error) => Err(unexpected(&error)),
    }
}

/// What is wrong with which parameter.
fn unexpected(error: &QueryRejection) -> Problem {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        // What axum's extractor reports the place with.
        if let Some(error) =
            error.downcast_ref::<serde_path_to_error::Error<serde::de::value::Error>>()
        {
            let mut place = error.path().to_string();
            // One that is missing or repeated belongs to all of them: serde's words have its name.
            if place == "." {
                let words = error.inner().to_string();
                place = words.split('`').nth(1).unwrap_or("?").to_owned();
            }
            let detail = format!("the parameters behind `?` are not as expected: {error}");
            return Problem::new(ProblemCode::InvalidField, detail).with_field(place);
        }
        cause = error.source();
    }
    Problem::new(ProblemCode::InvalidField, "the parameters behind `?` cannot be read")
}

/// Parses a JSON body; the error says where.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let malformed = |place: String, error: serde_json::Error| {
        if !error.is_data() {
            // Line and column are the place.
            let detail = match bytes.is_empty() {
                true => "the body is empty; send an object as docs/api.md shows it".to_owned(),
                false => format!("the body is no JSON; check where a JSON reader stops: {error}"),
            };
            return Problem::new(ProblemCode::MalformedJson, detail);
        }
        if place == "." {
            let detail = format!("the body is not what this path takes: {error}");
            return Problem::new(ProblemCode::MalformedJson, detail);
        }
        let detail = format!("`{place}` is not what this path takes: {error}");
        Problem::new(ProblemCode::MalformedJson, detail).with_field(place)
    };
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let place = error.path().to_string();
        malformed(place, error.into_inner())
    })?;
    json.end().map_err(|error| malformed(".".to_owned(), error))?;
    Ok(value)
}

fn unreadable(error: BytesRejection) -> Problem {
    if error.status() == http::StatusCode::PAYLOAD_TOO_LARGE {
        let most = limits::HTTP_BODY_BYTES;
        return Problem::new(
            ProblemCode::BodyTooLarge,
            format!("the body has more than {most} bytes; send less at once"),
        );
    }
    incomplete()
}

fn incomplete() -> Problem {
    Problem::new(ProblemCode::MalformedJson, "the body did not arrive whole; send it again")
}

#[cfg(test)]
mod tests {
    use wire::http::{AppCreate, MessageCreate};

    use super::*;

    #[test]
    fn what_is_wrong_with_a_body_is_said_with_its_place() {
        let table = [
            ("", "the body is empty; send an object"),
            ("hello", "the body is no JSON; check where a JSON reader stops: expected value"),
            (r#"{"name": "a""#, "the body is no JSON; check where a JSON reader stops: EOF"),
            ("[]", "the body is not what this path takes: invalid length"),
            ("{}", "the body is not what this path takes: missing field `name`"),
            (r#"{"name": 7}"#, "`name` is not what this path takes: invalid type"),
            (r#"{"name": "a", "nme": 1}"#, "`nme` is not what this path takes: unknown field"),
            (
                r#"{"name": "a"} x"#,
                "the body is no JSON; check where a JSON reader stops: trailing",
            ),
        ];
        for (text, says) in table {
            let problem = parse::<AppCreate>(text.as_bytes()).map(|_| ()).unwrap_err();
            assert_eq!(problem.code(), ProblemCode::MalformedJson, "{text}");
            assert!(problem.detail().starts_with(says), "{text}: {}", problem.detail());
        }
        let nested = br#"{"to": ["a", 1], "body": 1}"#;
        let problem = parse::<MessageCreate>(nested).map(|_| ()).unwrap_err();
        assert!(problem.detail().contains("to[1]"), "{}", problem.detail());
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read is asked")]
    struct Asked {
        limit: Option<usize>,
        user: String,
    }

    #[test]
    fn a_parameter_that_is_wrong_is_named() {
        let check = |query: &str, field: &str| {
            let uri = format!("http://a/?{query}").parse().unwrap();
            let error = Query::<Asked>::try_from_uri(&uri).unwrap_err();
            let problem = wire::Problem::from(unexpected(&error));
            assert_eq!(problem.field.as_deref(), Some(field), "{query}: {}", problem.detail);
        };
        check("user=a&limit=many", "limit");
        check("user=a&limit=1&limit=?", "limit");
        check("user=a&user=b", "user");
        check("limit=1", "user");
        check("user=a&usr=b", "usr");
    }
}
