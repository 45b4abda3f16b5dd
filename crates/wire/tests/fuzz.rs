//! Entry points for frames and push payloads.

use std::collections::BTreeMap;
use std::path::Path;

use wire::push::Payload;
use wire::{ClientFrame, FrameError, ServerFrame};

/// The longest text that says what is wrong with a frame, in characters: it goes back to the client.
const LONGEST_ERROR: usize = 450;

/// A text frame of a client.
fn of_client(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match ClientFrame::parse(&text) {
        Ok(frame) => {
            assert!(ClientFrame::TYPES.contains(&frame.kind()));
            let written = frame.to_text();
            let again = ClientFrame::parse(&written).expect("what is written reads back");
            assert_eq!(again.to_text(), written);
        }
        Err(error) => check_error(&error),
    }
}

/// A text frame of a server, as virtual phones read it.
fn of_server(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match ServerFrame::parse(&text) {
        Ok(frame) => {
            let written = frame.to_text();
            let again = ServerFrame::parse(&written).expect("what is written reads back");
            assert_eq!(again.to_text(), written);
        }
        Err(error) => check_error(&error),
    }
}

/// What a phone's push handler gets.
fn payload(bytes: &[u8]) {
    // What belongs neither to a wake nor to a push is nobody's on FCM.
    if let Ok(payload) = serde_json::from_slice::<Payload>(bytes)
        && (payload.wake.is_some() || payload.push.is_some())
    {
        let data = payload.to_fcm_data();
        let again = Payload::from_fcm_data(&data).expect("what is written reads back");
        assert_eq!(again.to_fcm_data(), data);
    }
    if let Ok(data) = serde_json::from_slice::<BTreeMap<String, String>>(bytes)
        && let Some(payload) = Payload::from_fcm_data(&data)
    {
        assert_eq!(Payload::from_fcm_data(&payload.to_fcm_data()), Some(payload));
    }
}

/// An error says what to do, in few words.
fn check_error(error: &FrameError) {
    let text = error.to_string();
    let length = text.chars().count();
    assert!((1..=LONGEST_ERROR).contains(&length), "{length} characters: {text:.200}");
}

/// The golden files of a folder.
fn goldens(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    // The order of a folder is the machine's.
    files.sort();
    files.into_iter().map(|file| std::fs::read(file).expect("a file")).collect()
}

#[test]
fn client_frame() {
    fuzz::run("client_frame", of_client, goldens("frames/client"));
}

#[test]
fn server_frame() {
    fuzz::run("server_frame", of_server, goldens("frames/server"));
}

#[test]
fn push_payload() {
    let examples = [goldens("push/object"), goldens("push/fcm")].concat();
    fuzz::run("push_payload", payload, examples);
}
