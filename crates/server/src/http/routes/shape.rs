//! What goes in and out of a route, as far as a description of the API says it.

use schemars::{JsonSchema, Schema, SchemaGenerator};

/// The shape of some JSON: that of a type of the crate `wire`.
#[derive(Clone, Copy, Debug)]
pub struct Shape(fn(&mut SchemaGenerator) -> Schema);

impl Shape {
    /// That of a type.
    pub const fn of<T: JsonSchema>() -> Self {
        Self(SchemaGenerator::subschema_for::<T>)
    }

    /// Its schema, whose parts the generator keeps.
    pub fn schema(self, generator: &mut SchemaGenerator) -> Schema {
        (self.0)(generator)
    }
}

/// The body of a request.
#[derive(Clone, Copy, Debug)]
pub struct Takes {
    /// What it says.
    pub shape: Shape,
    /// Whether a request without one is good too.
    pub may_be_left_out: bool,
}

/// An answer to a request that was good.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    /// The HTTP status.
    pub status: u16,
    /// What comes with it.
    pub content: Content,
}

/// What comes with an answer.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// JSON that somebody else's standard describes.
    AnyJson,
    /// Server-sent events, each a JSON object.
    EventStream(Shape),
    /// A file of this media type.
    File(&'static str),
    /// A page for a browser.
    Html,
    /// A JSON object.
    Json(Shape),
    /// One JSON object a line.
    JsonLines(Shape),
    /// Nothing.
    None,
    /// Text for other programs.
    Text,
}
