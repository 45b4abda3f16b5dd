//! The page `docs/protocol.md`, held to the shapes that there are.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};
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

/// Fields and words of the tables that no golden file has, which shows each frame once.
const UNSHOWN: [(&str, &str); 6] = [
    ("accepted", "inbox_full"),
    ("accepted", "send"),
    ("call.reject", "declined"),
    ("error", "field"),
    ("read", "messages"),
    ("state", "foreground"),
];

#[test]
fn the_page_has_every_field_of_a_frame_and_no_other() {
    for (heading, folder) in [
        ("## Frames from the client", "frames/client"),
        ("## Frames from the server", "frames/server"),
    ] {
        let goldens = goldens(folder);
        for (frame, cell) in rows(&section(heading)) {
            let frame = code(&frame)[0].to_owned();
            let same = || goldens.iter().filter(|golden| golden["type"] == *frame);
            let fields: BTreeSet<&str> = same().flat_map(Map::keys).map(String::as_str).collect();
            let fields: Vec<&str> = fields.into_iter().filter(|field| *field != "type").collect();
            // These two have a section of their own.
            let cell = match frame.as_str() {
                "connect" | "connected" => section("## Connect"),
                _ => cell,
            };
            let named = code(&cell);
            for field in fields {
                let named = named.iter().any(|it| it.split('.').next() == Some(field))
                    || cell.contains(&format!("\"{field}\""));
                assert!(named, "`{field}` of `{frame}` is not in docs/protocol.md");
            }
            if cell.contains('\n') {
                continue;
            }
            let mut there = BTreeSet::new();
            same().for_each(|golden| words(&Value::Object(golden.clone()), &mut there));
            for word in named {
                let unshown = UNSHOWN.contains(&(&frame, word));
                assert!(there.contains(word) || unshown, "`{frame}` has no `{word}`");
            }
        }
    }
}

#[test]
fn the_page_has_every_field_and_kind_of_a_push_and_no_other() {
    let rows = rows(&section("## What arrives in the push handler"));
    let named = rows.iter().flat_map(|(name, _)| code(name));
    let goldens = goldens("push/object");
    let fields = goldens.iter().flat_map(Map::keys).map(String::as_str);
    assert_eq!(named.collect::<BTreeSet<_>>(), fields.collect(), "docs/protocol.md on the left");
    let kinds = rows.iter().find(|(name, _)| name == "`kind`").map(|(_, kinds)| code(kinds));
    let mut kinds = kinds.expect("a row of it");
    let mut known = goldens.iter().filter_map(|it| it["kind"].as_str()).collect::<Vec<_>>();
    kinds.sort_unstable();
    known.sort_unstable();
    assert_eq!(kinds, known, "docs/protocol.md on the left");
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

/// The first two cells of the rows of a section's first table.
fn rows(section: &str) -> Vec<(String, String)> {
    let rows = section.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let cells = rows.filter_map(|line| {
        let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
        Some((cells.next()?.to_owned(), cells.next()?.to_owned()))
    });
    cells.collect()
}

/// What stands between backticks.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The objects of a folder of golden files.
fn goldens(folder: &str) -> Vec<Map<String, Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens").join(folder);
    let files = std::fs::read_dir(folder).expect("golden files");
    let texts = files.map(|file| std::fs::read_to_string(file.expect("a file").path()));
    texts.map(|text| serde_json::from_str(&text.expect("text")).expect("an object")).collect()
}

/// Keys and texts, however deep.
fn words(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.keys().cloned());
            fields.values().for_each(|value| words(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| words(item, found)),
        Value::String(text) => _ = found.insert(text.clone()),
        Value::Bool(_) | Value::Null | Value::Number(_) => {}
    }
}
