//! The files beside the pages, embedded in the binary. Each is named by its content, so that a
//! browser keeps it until there is another one.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::console::assets::{STYLE, kept, sum};

/// One file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asset {
    /// The console's style: one look everywhere.
    Style,
    /// What the lab has beside it.
    Lab,
    /// What makes the wall lively.
    Script,
}

impl Asset {
    const ALL: [Self; 3] = [Self::Style, Self::Lab, Self::Script];

    /// Where it is, for the templates.
    pub(super) fn path(self) -> String {
        format!("/lab/assets/{}", self.name())
    }

    fn name(self) -> String {
        let (stem, end, sum) = match self {
            Self::Style => ("style", "css", const { sum(STYLE.as_bytes()) }),
            Self::Lab => ("lab", "css", const { sum(LAB.as_bytes()) }),
            Self::Script => ("lab", "js", const { sum(SCRIPT.as_bytes()) }),
        };
        format!("{stem}-{sum:016x}.{end}")
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Style => STYLE,
            Self::Lab => LAB,
            Self::Script => SCRIPT,
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Style | Self::Lab => "text/css; charset=utf-8",
            Self::Script => "text/javascript; charset=utf-8",
        }
    }
}

const LAB: &str = include_str!("../../assets/lab/lab.css");
const SCRIPT: &str = concat!(
    include_str!("../../assets/console/become.js"),
    include_str!("../../assets/lab/lab.js"),
);

/// `GET /lab/assets/{name}`.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    let Some(asset) = Asset::ALL.into_iter().find(|asset| asset.name() == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    kept(asset.content_type(), asset.text())
}
