//! Whether an answer is one of those that are described: every answer of these tests is looked at.

use server::http::routes::{ROUTES, Route};

use super::rig::Answer;

/// The route of a request, if there is one.
pub(super) fn route(method: &str, path: &str) -> Option<&'static Route> {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |route: &&Route| {
        let own: Vec<&str> = route.path.split('/').collect();
        let same = |(own, given): (&&str, &&str)| own == given || own.starts_with('{');
        route.method == method && own.len() == parts.len() && own.iter().zip(&parts).all(same)
    };
    // What stands in the path itself comes before its parameters.
    let found = ROUTES.iter().filter(fits);
    found.min_by_key(|route| route.path.matches('{').count())
}

/// Fails unless the route's row says that it may be answered like that.
#[track_caller]
pub(super) fn check(method: &str, path: &str, answer: &Answer) {
    let Some(route) = route(method, path) else { return };
    let what = format!("{method} {path}: {} {}", answer.status, answer.body);
    if (100..400).contains(&answer.status) {
        let described = route.answers.iter().any(|answers| answers.status == answer.status);
        assert!(described, "{what} is not among the answers of its row");
        return;
    }
    let code = answer.body["code"].as_str().unwrap_or_else(|| panic!("{what} is no problem"));
    let described = route.refusals().into_iter().find(|refusal| refusal.as_str() == code);
    let described = described.unwrap_or_else(|| panic!("{what} is not among its refusals"));
    assert_eq!(described.status().as_u16(), answer.status, "{what}");
}
