//! Which refusals a route answers with: those of its row, and those that follow from who asks and
//! what is asked with.

use std::collections::BTreeSet;

use super::{Caller, Query, Route};
use crate::http::problem::ProblemCode;

impl Route {
    /// Every refusal that the route may answer with, by name.
    pub fn refusals(&self) -> Vec<ProblemCode> {
        let mut all: BTreeSet<&str> = self.problems.iter().map(|code| code.as_str()).collect();
        all.extend(self.usual().into_iter().map(ProblemCode::as_str));
        ProblemCode::ALL.into_iter().filter(|code| all.contains(code.as_str())).collect()
    }

    /// Those that its row need not name.
    fn usual(&self) -> Vec<ProblemCode> {
        use ProblemCode::*;
        let mut usual = vec![Internal];
        if !matches!(self.caller, Caller::Anybody | Caller::FirstFrame) {
            usual.extend([RateLimited, StorageFull, Unauthorized, Unavailable, WrongKeyKind]);
        }
        match self.caller {
            Caller::Admin | Caller::Anybody | Caller::FirstFrame => {}
            // A key without the scope.
            Caller::App(_) => usual.push(Forbidden),
            // Another app's key.
            Caller::OwnApp(_) => usual.extend([Forbidden, NotFound]),
            Caller::AnyKey => usual.push(TokenExpired),
            // Token and secret of two users.
            Caller::Device => usual.extend([Forbidden, TokenExpired]),
        }
        if self.takes.is_some() {
            usual.extend([BodyTooLarge, MalformedJson, UnsupportedMediaType]);
        }
        // A parameter that nobody knows.
        if self.query != Query::Ignored {
            usual.push(InvalidField);
        }
        // A name that is no text behind its percent signs.
        if self.path.contains('{') {
            usual.push(NotFound);
        }
        usual
    }
}
