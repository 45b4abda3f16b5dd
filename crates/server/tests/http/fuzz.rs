//! Requests and frames that nobody thought of, over real sockets: what goes further than a body's
//! parser. Whatever comes, the server answers, nothing panics, and a refusal says what to do.

use std::cell::RefCell;
use std::path::Path;

use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;

use super::rig::{Answer, Device, Server, Session};

/// The longest text of a refusal, in characters.
const LONGEST_DETAIL: usize = 810;

/// A request of a tenant: a line with method and path, then the body.
async fn asked(server: &Server, device: &Device, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (line, body) = text.split_once('\n').unwrap_or((&text, ""));
    let Some((method, path)) = line.split_once(' ') else { return };
    let Ok(method) = Method::from_bytes(method.as_bytes()) else { return };
    // What is no path, our own client does not write.
    let Some(uri) = path.parse::<Uri>().ok().filter(|uri| uri.authority().is_none()) else {
        return;
    };
    // What goes the way of a tunnel or of another protocol is not the API's.
    if method == Method::CONNECT || !path.starts_with("/v1/") || path.starts_with("/v1/connect") {
        return;
    }
    let key = match path.split('/').nth(2) {
        Some("me") => &device.secret,
        Some("apps") => &server.admin,
        _ => &server.app.1,
    };
    let request = Request::builder()
        .method(method.clone())
        .uri(uri)
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    let Ok(request) = request else { return };
    check(&method, path, &server.send(request).await);
}

/// A refusal is the asker's fault and says what to do about it.
fn check(method: &Method, path: &str, answer: &Answer) {
    let Answer { status, body, .. } = answer;
    assert!(*status < 500, "{method} {path}: {status} {body}");
    if *status < 400 || *method == Method::HEAD {
        return;
    }
    let detail = body["detail"].as_str().unwrap_or_default().chars().count();
    assert!((1..=LONGEST_DETAIL).contains(&detail), "{method} {path}: {body}");
    if *status == 422 {
        assert!(body["field"].is_string(), "{method} {path}: {body}");
    }
}

/// A frame of a client that is connected: text, or binary where it is none.
async fn said(session: &mut Session, bytes: &[u8]) -> Result<(), Option<u16>> {
    let message = match std::str::from_utf8(bytes) {
        Ok(text) => Message::text(text),
        Err(_) => Message::binary(bytes.to_vec()),
    };
    for heard in session.poke(message).await? {
        if heard["type"] == "error" {
            let detail = heard["message"].as_str().unwrap_or_default().chars().count();
            assert!((1..=LONGEST_DETAIL).contains(&detail), "{heard}");
        }
    }
    Ok(())
}

/// The golden files of a folder of the crate `wire`, as `name`, text.
fn goldens(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/goldens").join(folder);
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    // The order of a folder is the machine's.
    files.sort();
    let name = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
    files
        .into_iter()
        .map(|path| (name(&path), std::fs::read_to_string(&path).expect("a file")))
        .collect()
}

#[test]
fn http_request() {
    let runtime = Runtime::new().expect("a runtime");
    let (server, device) = runtime.block_on(async {
        let server = Server::start().await;
        let device = server.device("alice", "phone").await;
        server.target(&device, "fcm", "token").await;
        (server, device)
    });
    let app = server.app.0.clone();
    let routes = [
        ("app_create", "POST /v1/apps".to_owned()),
        ("key_create", format!("POST /v1/apps/{app}/keys")),
        ("settings_change", format!("PATCH /v1/apps/{app}/settings")),
        ("credential_upload", format!("POST /v1/apps/{app}/credentials")),
        ("user_token_create", "POST /v1/users/alice/tokens".to_owned()),
        ("target_put", "PUT /v1/users/alice/devices/phone/targets/fcm".to_owned()),
        ("target_put", "PUT /v1/me/targets/apns".to_owned()),
        ("message_create", "POST /v1/messages".to_owned()),
        ("push_create", "POST /v1/pushes".to_owned()),
        ("push_create_voip", "POST /v1/pushes".to_owned()),
        ("topic_change", "POST /v1/topics/news/devices".to_owned()),
        ("topic_change", "DELETE /v1/topics/news/devices".to_owned()),
        ("ack_post", "POST /v1/me/ack".to_owned()),
        (
            "call_answer_post",
            "POST /v1/me/calls/0192f0a1-7b3c-7d4e-8f50-61728394a5b6/answer".to_owned(),
        ),
        (
            "call_reject_post",
            "POST /v1/me/calls/0192f0a1-7b3c-7d4e-8f50-61728394a5b6/reject".to_owned(),
        ),
        (
            "call_signal_post",
            "POST /v1/me/calls/0192f0a1-7b3c-7d4e-8f50-61728394a5b6/signal".to_owned(),
        ),
    ];
    let goldens = goldens("http");
    let mut examples: Vec<_> = routes
        .iter()
        .map(|(name, line)| {
            let body = goldens.iter().find(|(found, _)| found == name).map(|(_, text)| text);
            format!("{line}\n{}", body.expect("a golden file")).into_bytes()
        })
        .collect();
    let direct = json!({ "to": { "users": ["alice"] }, "title": "Hi", "data": { "a": 1 } });
    examples.push(format!("POST /v1/pushes\n{direct}").into());
    for line in [
        "GET /v1/pushes?limit=10&after=psh_0192f0a17b3c7d4e8f5061728394a5b6",
        "GET /v1/push-log?limit=5&user=alice&code=911",
        "GET /v1/events?after=0&limit=10",
        "GET /v1/topics?limit=2&after=news",
        "GET /v1/users/alice/devices",
        "GET /v1/me/inbox?epoch=1&offset=0&limit=10",
        "PUT /v1/topics/news/devices/phone",
        "DELETE /v1/apps/app_1/keys/key_1",
    ] {
        examples.push(line.into());
    }
    fuzz::run(
        "http_request",
        |bytes: &[u8]| runtime.block_on(asked(&server, &device, bytes)),
        examples,
    );
    runtime.block_on(server.stop());
}

#[test]
fn http_frame() {
    let runtime = Runtime::new().expect("a runtime");
    let server = runtime.block_on(Server::start());
    let token = runtime.block_on(server.token("alice"));
    let number = RefCell::new(0);
    let connected = async || {
        let mut session = Session::open(server.address).await;
        *number.borrow_mut() += 1;
        // A device of its own each time, whose secret is not needed then.
        let device = json!({ "id": format!("phone-{}", number.borrow()), "platform": "ios" });
        session.say(json!({ "type": "connect", "token": token, "device": device })).await;
        assert_eq!(session.hear().await["type"], "connected");
        session
    };
    let session = RefCell::new(Some(runtime.block_on(connected())));
    let mut examples: Vec<Vec<u8>> =
        goldens("frames/client").into_iter().map(|(_, text)| text.into()).collect();
    let send: Value = json!({ "type": "send", "id": "0192f0a1-7b3c-7d4e-8f50-61728394a5b6", "to": ["alice"], "body": { "a": 1 } });
    examples.push(send.to_string().into());
    let entry = |bytes: &[u8]| {
        runtime.block_on(async {
            // Taken out for as long as it is busy; a run that fails leaves none behind.
            let taken = session.borrow_mut().take();
            let mut talking = match taken {
                Some(talking) => talking,
                None => connected().await,
            };
            if let Err(code) = said(&mut talking, bytes).await {
                let known = |code| wire::CloseCode::ALL.iter().any(|it| it.number() == code);
                assert!(code.is_none_or(known), "closed with {code:?}");
                talking = connected().await;
            }
            session.replace(Some(talking));
        });
    };
    fuzz::run("http_frame", entry, examples);
    drop(session);
    runtime.block_on(server.stop());
}
