//! The way in: the password set for the first time, signing in and out.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use http::HeaderMap;
use http::header::{RETRY_AFTER, SET_COOKIE};
use serde::Deserialize;

use super::frame::{Done, Frame, Sent, Unsigned, page};
use super::guesses::Held;
use super::password;
use super::routes::is_page;
use super::session::{self, FORGET, Token};
use crate::accept::storage_problem;
use crate::node::Node;

/// The first page.
const START: &str = "/console/apps";

/// What a wrong password is answered.
const NOT_IT: &str = "This is not the password.";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    to: String,
    done: String,
}

#[derive(Template)]
#[template(path = "console/setup.html")]
struct Setup {
    frame: Frame,
    problem: Option<(&'static str, String)>,
    least: usize,
    code_file: String,
}

impl Setup {
    /// For the template: whether a field is at fault.
    fn is_wrong(&self, field: &str) -> bool {
        self.problem.as_ref().is_some_and(|(wrong, _)| *wrong == field)
    }
}

#[derive(Template)]
#[template(path = "console/login.html")]
struct Login {
    frame: Frame,
    problem: Option<String>,
    to: String,
}

/// `GET /console`.
pub(super) async fn start(State(node): State<Arc<Node>>) -> Response {
    match node.store.console_password().await {
        Ok(Some(_)) => Redirect::to(START).into_response(),
        Ok(None) => Redirect::to("/console/setup").into_response(),
        Err(error) => storage_problem(error).into_response(),
    }
}

/// `GET /console/setup`.
pub(super) async fn setup(State(node): State<Arc<Node>>) -> Response {
    let config = node.config();
    if !password::may_be_set(&config.data_dir) {
        return Redirect::to("/console/login").into_response();
    }
    page(StatusCode::OK, &setup_page(&node, None))
}

fn setup_page(node: &Node, problem: Option<(&'static str, String)>) -> Setup {
    let code_file = node.config().data_dir.join(password::CODE_FILE);
    Setup {
        frame: Frame::open("Set the console's password"),
        problem,
        least: password::LEAST,
        code_file: code_file.display().to_string(),
    }
}

/// `POST /console/setup`.
pub(super) async fn set_up(State(node): State<Arc<Node>>, sent: Unsigned) -> Response {
    let again = |field, text: String| {
        page(StatusCode::UNPROCESSABLE_ENTITY, &setup_page(&node, Some((field, text))))
    };
    let (data_dir, now) = (node.config().data_dir.clone(), node.clock.now());
    if let Err(held) = node.guesses.may_guess(sent.address, now) {
        return held_off(held, &setup_page(&node, Some(("code", held.text("codes")))));
    }
    if !password::is_code(&data_dir, sent.fields.get("code").trim()) {
        node.guesses.was_wrong(sent.address, now);
        return again("code", "This is not the code in the file.".to_owned());
    }
    let chosen = sent.fields.get("password");
    let letters = chosen.chars().count();
    if letters < password::LEAST || chosen.len() > password::MOST {
        let text =
            format!("It has {letters} letters; give {} or more, a few words do.", password::LEAST);
        return again("password", text);
    }
    if chosen != sent.fields.get("again") {
        return again("again", "The two are not the same.".to_owned());
    }
    let chosen = chosen.to_owned();
    let hash = node.tasks.work("password", move || password::hash(&chosen)).await.flatten();
    let Some(hash) = hash else {
        return crate::http::problem::Problem::internal().into_response();
    };
    if let Err(error) = node.store.set_console_password(hash).await {
        return storage_problem(error).into_response();
    }
    node.signed_out.send_replace(());
    if let Err(error) = password::forget_code(&data_dir) {
        tracing::error!(%error, "the file of the console's code cannot be removed; remove it");
    }
    to_login(Done::PasswordSet)
}

/// `GET /console/login`.
pub(super) async fn login(State(node): State<Arc<Node>>, Query(asked): Query<Asked>) -> Response {
    match node.store.console_password().await {
        Ok(Some(_)) => {}
        Ok(None) => return Redirect::to("/console/setup").into_response(),
        Err(error) => return storage_problem(error).into_response(),
    }
    let frame = Frame::open("Sign in").after(Done::parse(&asked.done));
    page(StatusCode::OK, &Login { frame, problem: None, to: asked.to })
}

/// `POST /console/login`.
pub(super) async fn sign_in(State(node): State<Arc<Node>>, sent: Unsigned) -> Response {
    let form = |problem: String| {
        let (frame, to) = (Frame::open("Sign in"), sent.fields.get("to").to_owned());
        Login { frame, problem: Some(problem), to }
    };
    let again = |problem: &str| page(StatusCode::UNPROCESSABLE_ENTITY, &form(problem.to_owned()));
    let hash = match node.store.console_password().await {
        Ok(Some(hash)) => hash,
        Ok(None) => return Redirect::to("/console/setup").into_response(),
        Err(error) => return storage_problem(error).into_response(),
    };
    let given = sent.fields.get("password").to_owned();
    if given.len() > password::MOST {
        return again(NOT_IT);
    }
    let turn = match node.guesses.turn(sent.address, &node.clock).await {
        Ok(turn) => turn,
        Err(held) => return held_off(held, &form(held.text("passwords"))),
    };
    let tried = move || {
        let _turn = turn;
        password::matches(&given, &hash)
    };
    if node.tasks.work("password", tried).await != Some(true) {
        return again(NOT_IT);
    }
    node.guesses.was_right(sent.address);
    let (token, now) = (Token::generate(), node.clock.now());
    if let Err(error) = node.store.open_console_session(token.hash(), session::LIMITS, now).await {
        return storage_problem(error).into_response();
    }
    let to = inside(sent.fields.get("to"));
    with_cookie(Redirect::to(to).into_response(), token.cookie(&sent.headers))
}

/// The form again, for whoever has to wait before what they give is looked at.
fn held_off(held: Held, form: &impl Template) -> Response {
    let mut response = page(StatusCode::TOO_MANY_REQUESTS, form);
    response.headers_mut().insert(RETRY_AFTER, held.retry_after_s().into());
    response
}

/// `POST /console/logout`.
pub(super) async fn sign_out(State(node): State<Arc<Node>>, sent: Sent) -> Response {
    if let Err(error) = node.store.close_console_session(sent.visitor.session()).await {
        return storage_problem(error).into_response();
    }
    node.signed_out.send_replace(());
    with_cookie(to_login(Done::SignedOut), Some(FORGET))
}

fn to_login(done: Done) -> Response {
    Redirect::to(&format!("/console/login?done={}", done.as_str())).into_response()
}

/// Where to go on: a page of the console, and nowhere else.
fn inside(to: &str) -> &str {
    // A browser takes `\` for `/`, and what follows `//` for another host.
    let is_plain = to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let path = to.split_once('?').map_or(to, |(path, _)| path);
    if is_plain && !to.contains("//") && is_page(path) { to } else { START }
}

fn with_cookie(mut response: Response, cookie: Option<http::HeaderValue>) -> Response {
    let headers: &mut HeaderMap = response.headers_mut();
    headers.extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_on_inside_the_console_alone() {
        for (to, goes) in [
            ("/console/apps/app_1/settings", "/console/apps/app_1/settings"),
            (
                "/console/apps/a%20b/users/%2B49@x/devices/d?x",
                START, // No such page.
            ),
            ("/console/apps/a%20b/users/%2B49@x=1;y,z", "/console/apps/a%20b/users/%2B49@x=1;y,z"),
            (
                "/console/apps/app_1/users?q=a%26b&after=c+d",
                "/console/apps/app_1/users?q=a%26b&after=c+d",
            ),
            // They take forms alone.
            ("/console/logout", START),
            ("/console/apps/app_1/delete", "/console/apps/app_1/delete"),
            ("/console/apps/app_1/webhooks/whk_1/test", START),
            ("/console", START),
            ("/console/apps/..", START),
            ("/console/apps?to=//evil.example", START),
            ("/console//evil.example", START),
            ("/console/apps/\u{e4}", START),
            ("/console/apps\t", START),
            ("", START),
            ("/v1/apps", START),
            ("//evil.example/console/", START),
            ("https://evil.example/console/", START),
            ("/console/\\evil.example", START),
            ("/console/a?b=c\r\nSet-Cookie: x", START),
        ] {
            assert_eq!(inside(to), goes, "{to}");
        }
    }
}
