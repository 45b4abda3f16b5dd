//! The page `docs/protocol.md`, held to the shapes that there are.

use std::path::Path;

use wire::push::Kind;
use wire::{CallEndReason, ClientFrame, CloseCode, ServerFrame, limits};

use crate::golden::pretty;

#[test]
fn the_page_has_every_frame_in_its_table() {
    let client = section("## Frames from the client");
    assert_eq!(first_column(&client, "| `"), ClientFrame::TYPES.to_vec());
    let server = section("## Frames from the server");
    assert_eq!(first_column(&server, "| `"), ServerFrame::TYPES.to_vec());
}

#[test]
fn the_page_has_every_close_code_and_whether_to_come_back() {
    let section = section("## Close codes");
    let rows = section.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let code: u16 = cells.next()?.parse().ok()?;
        Some((code, cells.nth(1)?.starts_with("yes")))
    });
    let codes = CloseCode::ALL.into_iter().map(|code| (code.number(), code.reconnect()));
    assert_eq!(rows.collect::<Vec<_>>(), codes.collect::<Vec<_>>());
}

#[test]
fn the_page_has_the_words_and_limits_of_the_code() {
    let page = page();
    for kind in [Kind::Message, Kind::Call, Kind::CallEnded, Kind::Missed, Kind::Push, Kind::Test] {
        assert!(page.contains(&format!("`{}`", kind.as_str())), "{kind:?}");
    }
    for reason in [
        CallEndReason::AnsweredElsewhere,
        CallEndReason::Busy,
        CallEndReason::Cancelled,
        CallEndReason::Declined,
        CallEndReason::HungUp,
        CallEndReason::Lost,
        CallEndReason::Unanswered,
    ] {
        let word = pretty(&reason).trim().replace('"', "`");
        assert!(page.contains(&word), "{word}");
    }
    for (what, number) in [
        ("a frame", limits::FRAME_BYTES),
        ("a body", limits::BODY_BYTES),
        ("a signal", limits::SIGNAL_BYTES),
    ] {
        let number = format!("{},{:03} bytes", number / 1_000, number % 1_000);
        assert!(page.contains(&number), "{what}: {number}");
    }
    assert!(page.contains(&format!("1 to {} users", limits::RECIPIENTS)));
    assert!(page.contains(&format!("at most {} bytes", limits::CALLER_BYTES)));
    assert!(page.contains(wire::SUBPROTOCOL) && page.contains(wire::CONNECT_PATH));
}

#[test]
fn the_frames_shown_are_frames() {
    let page = page();
    let blocks: Vec<&str> = page.split("```json\n").skip(1).collect();
    assert!(!blocks.is_empty(), "the page shows none");
    for block in blocks {
        let frame = block.split("```").next().unwrap_or_default();
        let error = match (ClientFrame::parse(frame), ServerFrame::parse(frame)) {
            (Ok(_), _) | (_, Ok(_)) => continue,
            (Err(client), Err(server)) => format!("{client}; {server}"),
        };
        panic!("{frame} is no frame: {error}");
    }
}

fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    std::fs::read_to_string(page).expect("docs/protocol.md")
}

/// The text from a heading to the next of its rank.
fn section(heading: &str) -> String {
    let page = page();
    let (_, rest) = page.split_once(&format!("{heading}\n")).expect(heading);
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

/// What stands first in the rows of a section's first table.
fn first_column<'a>(section: &'a str, row: &str) -> Vec<&'a str> {
    let rows = section.lines().skip_while(|line| !line.starts_with("|---"));
    let rows = rows.skip(1).take_while(|line| line.starts_with('|'));
    rows.filter_map(|line| line.strip_prefix(row)?.split('`').next()).collect()
}
