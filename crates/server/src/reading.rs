//! What users have read: marks by frame or by HTTP, on their way to the store.

use std::sync::Arc;

use domain::{Epoch, MessageId, Offset};
use store::model::{ReadDone, ReadWhat, Reading};
use wire::limits;

use crate::accept::{check_name, storage_problem};
use crate::http::problem::{Problem, ProblemCode};
use crate::node::Node;
use crate::report::SessionReport;

/// Notes what the user of a device has read: the senders and the user's other devices learn of it.
///
/// # Errors
///
/// A [`Problem`] that names the field.
pub async fn read(
    node: &Arc<Node>,
    report: &SessionReport,
    read: wire::Read,
) -> Result<(), Problem> {
    let what = what(read)?;
    let reading = Reading { inbox: report.inbox, what, now: node.clock.now() };
    let (done, effects) = node.store.read_mark(reading).await.map_err(storage_problem)?;
    node.carry_out(effects);
    match done {
        ReadDone::Noted(messages) => {
            report.read(node, messages);
            Ok(())
        }
        ReadDone::OtherEpoch => Err(Problem::new(
            ProblemCode::Conflict,
            "the position is of another epoch; connect again and read from there",
        )
        .with_field("up_to")),
        ReadDone::AboveHead => Err(Problem::new(
            ProblemCode::AckAboveHead,
            "up_to lies above the newest entry; mark only what was delivered",
        )
        .with_field("up_to")),
    }
}

fn what(read: wire::Read) -> Result<ReadWhat, Problem> {
    match (read.thread, read.up_to) {
        (Some(_), _) | (_, Some(_)) if !read.messages.is_empty() => Err(Problem::invalid_field(
            "messages",
            "give either `thread` with `up_to`, or `messages`",
        )),
        (Some(thread), Some(up_to)) => {
            check_name("thread", &thread)?;
            let epoch: i64 = up_to.epoch.parse().map_err(|_| {
                Problem::invalid_field("up_to.epoch", "give the epoch as the server gave it")
            })?;
            if up_to.offset < 0 {
                return Err(Problem::invalid_field("up_to.offset", "give 0 or more"));
            }
            let (epoch, up_to) = (Epoch::from_number(epoch), Offset::from_number(up_to.offset));
            Ok(ReadWhat::Thread { thread, epoch, up_to })
        }
        (Some(_), None) => Err(Problem::invalid_field("up_to", "give it together with `thread`")),
        (None, Some(_)) => Err(Problem::invalid_field("thread", "give it together with `up_to`")),
        (None, None) => messages(&read.messages).map(ReadWhat::Messages),
    }
}

fn messages(ids: &[String]) -> Result<Vec<MessageId>, Problem> {
    let most = limits::READ_MESSAGES;
    if ids.is_empty() {
        return Err(Problem::invalid_field(
            "messages",
            "give `thread` with `up_to`, or the ids of messages",
        ));
    }
    if ids.len() > most {
        let detail = format!("{} messages are named, {most} are allowed; mark in parts", ids.len());
        return Err(Problem::invalid_field("messages", detail));
    }
    let parsed = ids.iter().map(|id| {
        MessageId::parse(id).ok_or_else(|| {
            Problem::invalid_field("messages", "give ids as the server gave them, `msg_…`")
        })
    });
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(epoch: &str, offset: i64) -> wire::Position {
        wire::Position { epoch: epoch.to_owned(), offset }
    }

    #[test]
    fn one_of_the_two_and_whole() {
        let thread = || Some("t".to_owned());
        let id = MessageId::from_bits(7).to_string();
        let good =
            wire::Read { thread: thread(), up_to: Some(position("5", 3)), ..wire::Read::default() };
        let expected = ReadWhat::Thread {
            thread: "t".to_owned(),
            epoch: Epoch::from_number(5),
            up_to: Offset::from_number(3),
        };
        assert_eq!(what(good.clone()), Ok(expected));
        let ids = wire::Read { messages: vec![id.clone()], ..wire::Read::default() };
        assert_eq!(what(ids), Ok(ReadWhat::Messages(vec![MessageId::from_bits(7)])));
        let refused = [
            (wire::Read::default(), "messages"),
            (wire::Read { messages: vec![id.clone()], ..good.clone() }, "messages"),
            (wire::Read { up_to: None, ..good.clone() }, "up_to"),
            (wire::Read { thread: None, ..good.clone() }, "thread"),
            (wire::Read { thread: Some("x".repeat(129)), ..good.clone() }, "thread"),
            (wire::Read { up_to: Some(position("new", 3)), ..good.clone() }, "up_to.epoch"),
            (wire::Read { up_to: Some(position("5", -1)), ..good }, "up_to.offset"),
            (wire::Read { messages: vec!["5".to_owned()], ..wire::Read::default() }, "messages"),
            (wire::Read { messages: vec![id; 101], ..wire::Read::default() }, "messages"),
        ];
        for (read, field) in refused {
            let problem = what(read).unwrap_err();
            assert_eq!(problem.field(), Some(field), "{problem:?}");
        }
    }
}
