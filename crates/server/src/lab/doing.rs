//! What the forms do.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use sim::phone::Platform;

use super::action::Action;
use super::fault::{Fault, Service};
use super::form::{Fields, Wants};
use super::sending::What;
use super::wall::Lab;
use crate::http::problem::Problem;

/// Letters of a user of another phone.
const LONGEST_USER: usize = 20;

/// `POST /lab/phones/{phone}/{action}`.
pub(super) async fn act(
    State(lab): State<Arc<Lab>>,
    Path((phone, action)): Path<(String, String)>,
    wants: Wants,
) -> Response {
    let done = match Action::parse(&action) {
        Ok(action) => lab.act(&phone, action).await,
        Err(problem) => lab.phone(&phone).and(Err(problem)),
    };
    wants.answer(&lab, done.map(|()| format!("#phone-{phone}")))
}

/// `POST /lab/phones`: `user` and `platform`.
pub(super) async fn add(State(lab): State<Arc<Lab>>, wants: Wants, fields: Fields) -> Response {
    let done = add_phone(&lab, fields).await;
    wants.answer(&lab, done)
}

async fn add_phone(lab: &Lab, fields: Fields) -> Result<String, Problem> {
    let fields = fields.only(&["user", "platform"])?;
    let user = fields.get("user")?.trim().to_lowercase();
    let fits = (1..=LONGEST_USER).contains(&user.len())
        && user.bytes().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    if !fits {
        let detail = format!("give a name of 1 to {LONGEST_USER} letters (a to z) or digits");
        return Err(Problem::invalid_field("user", detail));
    }
    let platform = match fields.get("platform")? {
        "android" => Platform::Android,
        "browser" => Platform::Web,
        "iphone" => Platform::Ios,
        _ => {
            let detail = "give one of android, iphone and browser";
            return Err(Problem::invalid_field("platform", detail));
        }
    };
    let phone = lab.install(&user, platform).await?;
    lab.open_app(&phone).await;
    Ok(String::new())
}

/// `POST /lab/send`: `from` (a phone), `to` (a user), `what`, and `text` but for a call.
pub(super) async fn send(State(lab): State<Arc<Lab>>, wants: Wants, fields: Fields) -> Response {
    let done = send_it(&lab, fields).await;
    wants.answer(&lab, done)
}

async fn send_it(lab: &Lab, fields: Fields) -> Result<String, Problem> {
    let fields = fields.only(&["from", "to", "what", "text"])?;
    let what = What::parse(fields.get("what")?)?;
    lab.send(fields.get("from")?, fields.get("to")?, what, fields.find("text")).await?;
    Ok(String::new())
}

/// `POST /lab/faults`: `service` and `fault`.
pub(super) async fn fault(State(lab): State<Arc<Lab>>, wants: Wants, fields: Fields) -> Response {
    let done = set_fault(&lab, fields);
    wants.answer(&lab, done)
}

fn set_fault(lab: &Lab, fields: Fields) -> Result<String, Problem> {
    let fields = fields.only(&["service", "fault"])?;
    let service = Service::parse(fields.get("service")?)?;
    let fault = Fault::parse(fields.get("fault")?)?;
    lab.wall().faults.set(lab.world(), service, fault);
    lab.touch();
    Ok("#services".to_owned())
}
