//! `reveille listen`: a user in the terminal. A device of its own, which remembers who it is and
//! what it holds, so that nothing is shown twice and nothing is missed between two runs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use wire::{
    Ack, AppState, Connect, DeviceInfo, HeldPosition, Message, PlatformName, Position, Purpose,
    ReceiptState, ServerFrame,
};

use super::client::{Incoming, Socket};
use super::peer::{Peer, PeerArgs};
use super::say::{self, Advice, BOLD, DIM};
use crate::config::Environment;
use crate::secret;

/// How long the tokens made here are good for; each connection gets a new one.
const TOKEN_SECONDS: u32 = 24 * 3_600;
/// How long the server may take to answer the first frame.
const FIRST_PATIENCE: Duration = Duration::from_secs(20);
/// Pauses between attempts to come back, the last one again and again.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
];

#[derive(clap::Args)]
pub(super) struct Args {
    /// The user to be
    #[arg(long)]
    user: String,
    /// The id of a device to be, such as phone; without it one is made up, and kept
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    #[command(flatten)]
    peer: PeerArgs,
}

pub(super) async fn run(args: Args, environment: &Environment) -> anyhow::Result<ExitCode> {
    let peer = args.peer.resolve(environment)?;
    let mut device = Device::load(&peer, &args.user, args.device.as_deref())?;
    tokio::select! {
        ended = listen(&peer, &args.user, &mut device) => ended,
        pressed = tokio::signal::ctrl_c() => {
            pressed.context("cannot wait for Ctrl-C")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// One session after the other, until one ends for good.
async fn listen(peer: &Peer, user: &str, device: &mut Device) -> anyhow::Result<ExitCode> {
    let mut was_connected = false;
    let mut failures = 0;
    loop {
        let end = match session(peer, user, device).await {
            Ok(end) => end,
            // The first connection shows what is set up wrong; later ones meet a server that restarts.
            Err(error) if was_connected => End { connected: false, reason: format!("{error:#}") },
            Err(error) => return Err(error),
        };
        was_connected |= end.connected;
        failures = if end.connected { 0 } else { failures + 1 };
        let pause = PAUSES.get(failures).or(PAUSES.last()).copied().unwrap_or_default();
        say::remark(format!("{}; again in {} s", say::plain(&end.reason), pause.as_secs()));
        tokio::time::sleep(pause).await;
    }
}

/// A session that ended and may be followed by another.
struct End {
    connected: bool,
    reason: String,
}

async fn session(peer: &Peer, user: &str, device: &mut Device) -> anyhow::Result<End> {
    let token = peer.user_token(user, TOKEN_SECONDS).await?.token;
    let mut socket = Socket::open(&peer.server, device.connect(token).into()).await?;
    let mut connected = false;
    let mut patience = FIRST_PATIENCE;
    loop {
        match socket.next(patience).await? {
            Incoming::Life => {}
            Incoming::Closed { reason, reconnect: true } => return Ok(End { connected, reason }),
            Incoming::Closed { reason, reconnect: false } => bail!(reason),
            Incoming::Frame(frame) => match *frame {
                ServerFrame::Connected(hello) => {
                    connected = true;
                    // Half as long again as the two pings the protocol asks for.
                    patience = Duration::from_secs(u64::from(hello.ping_interval.max(1)) * 3);
                    device.greeted(hello.device_secret)?;
                    let (user, server) = (say::plain(&hello.user), &peer.server);
                    say::remark(format!("{user} listens at {server}; Ctrl-C ends it"));
                }
                ServerFrame::Error(error) => {
                    say::remark(format!("{}: {}", error.code, say::plain(&error.message)));
                    if !error.reconnect {
                        socket.close().await;
                        bail!(Advice::new(
                            error.message,
                            format!("the server calls it {}", error.code)
                        ));
                    }
                }
                frame => {
                    let taken = device.take(&frame)?;
                    if taken.show == Show::Now {
                        show(&frame)?;
                    }
                    if let Some(position) = taken.ack {
                        socket.send(Ack { position }.into()).await?;
                    }
                }
            },
        }
    }
}

/// What a device must remember.
struct Device {
    path: PathBuf,
    memory: Memory,
}

/// The file of it.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    device: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<HeldPosition>,
}

impl Device {
    /// The device that stands for `user` in this folder, or the one of this id; a new one at the
    /// first time.
    fn load(peer: &Peer, user: &str, id: Option<&str>) -> anyhow::Result<Self> {
        // A device belongs to one user of one app on one server.
        let mut whose = format!("{} {} {user}", peer.server, peer.key.expose());
        if let Some(id) = id {
            // Neither holds a line's end.
            whose.push_str(&format!("\n{id}"));
        }
        let folder = peer.folder.join(".reveille");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let path = folder.join(format!("listen-{}.json", secret::token_hash(&whose)));
        let memory = match secret::read_private(&path)? {
            Some(text) => serde_json::from_str(text.expose()).map_err(|_| {
                let message = format!("{} is not what `listen` wrote", path.display());
                Advice::new(message, "delete it to begin as a new device")
            })?,
            None => Memory {
                device: match id {
                    Some(id) => id.to_owned(),
                    None => format!("terminal-{}", uuid::Uuid::new_v4()),
                },
                secret: None,
                held: None,
            },
        };
        Ok(Self { path, memory })
    }

    fn connect(&self, token: String) -> Connect {
        Connect {
            token: Some(token),
            device: DeviceInfo {
                id: self.memory.device.clone(),
                platform: PlatformName::Other,
                app_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
                locale: None,
                time_zone: None,
            },
            device_secret: self.memory.secret.clone(),
            position: self.memory.held.clone(),
            state: AppState::Foreground,
            purpose: Purpose::App,
            woken_by: None,
            calls: Vec::new(),
        }
    }

    /// Keeps the secret, which is told only until the device has once proven it.
    fn greeted(&mut self, secret: Option<String>) -> anyhow::Result<()> {
        if secret.is_some() {
            self.memory.secret = secret;
            self.save()?;
        }
        Ok(())
    }

    /// Remembers a frame's place in the inbox.
    fn take(&mut self, frame: &ServerFrame) -> anyhow::Result<Taken> {
        let Some(place) = place(frame) else {
            return Ok(Taken { show: Show::Now, ack: None });
        };
        // Sent again, because the last ack did not arrive: acknowledged again, not shown again.
        let held = self.memory.held.as_ref();
        if held.is_some_and(|held| held.epoch == place.epoch && held.offset >= place.offset) {
            return Ok(Taken { show: Show::WasShown, ack: held.cloned() });
        }
        self.memory.held = Some(place.clone());
        self.save()?;
        Ok(Taken { show: Show::Now, ack: Some(place) })
    }

    fn save(&self) -> anyhow::Result<()> {
        Ok(secret::replace_private(&self.path, &serde_json::to_string(&self.memory)?)?)
    }
}

/// What is to be done about a frame.
#[derive(Debug, PartialEq, Eq)]
struct Taken {
    show: Show,
    /// What to acknowledge, if it has a place in the inbox.
    ack: Option<HeldPosition>,
}

/// Whether a frame is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Show {
    Now,
    WasShown,
}

/// The place in the inbox that holding this frame means.
fn place(frame: &ServerFrame) -> Option<HeldPosition> {
    let held = |position: &Position, entry: Option<&String>| HeldPosition {
        epoch: position.epoch.clone(),
        offset: position.offset,
        entry: entry.cloned(),
    };
    match frame {
        ServerFrame::Message(message) => Some(held(&message.position, Some(&message.entry))),
        ServerFrame::Receipt(receipt) => Some(held(&receipt.position, Some(&receipt.entry))),
        ServerFrame::ReadSync(read) => Some(held(&read.position, Some(&read.entry))),
        ServerFrame::Gap(gap) => Some(held(&gap.up_to, None)),
        ServerFrame::Connected(_)
        | ServerFrame::Accepted(_)
        | ServerFrame::Rejected(_)
        | ServerFrame::PushTarget(_)
        | ServerFrame::Typing(_)
        | ServerFrame::CallRing(_)
        | ServerFrame::CallRinging(_)
        | ServerFrame::CallAnswered(_)
        | ServerFrame::CallEnded(_)
        | ServerFrame::CallResumed(_)
        | ServerFrame::CallSignal(_)
        | ServerFrame::Error(_) => None,
    }
}

fn show(frame: &ServerFrame) -> anyhow::Result<()> {
    for text in said(frame) {
        match text {
            Said::Line(text) => say::line(text)?,
            Said::Remark(text) => say::remark(text),
        }
    }
    Ok(())
}

/// What a frame comes to in a terminal.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// What the person waits for.
    Line(String),
    /// What happened besides.
    Remark(String),
}

fn said(frame: &ServerFrame) -> Vec<Said> {
    match frame {
        ServerFrame::Message(message) => {
            let from = message.from.as_deref().unwrap_or("(back end)");
            let time = local_time(message.sent_at);
            let (from, text) = (say::plain(from), say::plain(&text_of(message)));
            vec![Said::Line(format!("{DIM}{time}{DIM:#}  {BOLD}{from}{BOLD:#}  {text}"))]
        }
        ServerFrame::Receipt(receipt) => {
            let rows = receipt.receipts.iter().map(|row| {
                let state = match row.state {
                    ReceiptState::Delivered => "has",
                    ReceiptState::Read => "has read",
                    ReceiptState::Expired => "never got",
                };
                Said::Remark(format!("{} {state} {}", say::plain(&row.user), say::plain(&row.id)))
            });
            rows.collect()
        }
        ServerFrame::Gap(_) => {
            let text = "older messages are gone for good: they expired, or the inbox was full";
            vec![Said::Remark(text.to_owned())]
        }
        ServerFrame::CallRing(ring) => {
            let from = say::plain(&ring.caller_name);
            vec![Said::Line(format!("{BOLD}{from}{BOLD:#} calls; a terminal cannot answer"))]
        }
        ServerFrame::CallEnded(_) => vec![Said::Line("the call is over".to_owned())],
        ServerFrame::Connected(_)
        | ServerFrame::ReadSync(_)
        | ServerFrame::Accepted(_)
        | ServerFrame::Rejected(_)
        | ServerFrame::PushTarget(_)
        | ServerFrame::Typing(_)
        | ServerFrame::CallRinging(_)
        | ServerFrame::CallAnswered(_)
        | ServerFrame::CallResumed(_)
        | ServerFrame::CallSignal(_)
        | ServerFrame::Error(_) => Vec::new(),
    }
}

/// The text that `send` puts into a body, else the body's JSON.
fn text_of(message: &Message) -> String {
    #[derive(Deserialize)]
    struct TextBody {
        text: String,
    }
    if let Some(call) = &message.missed_call {
        return format!("missed call from {}", call.caller_name);
    }
    match serde_json::from_str(message.body.get()) {
        Ok(TextBody { text }) => text,
        Err(_) => message.body.get().to_owned(),
    }
}

/// As the person at this terminal reads it; nothing is decided by it.
fn local_time(at: jiff::Timestamp) -> String {
    at.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::ServerAddress;
    use crate::secret::{KeyKind, KeyText};

    fn peer(folder: &std::path::Path) -> Peer {
        Peer {
            server: ServerAddress::parse("http://127.0.0.1:7300", None).unwrap(),
            key: KeyText::generate(KeyKind::App),
            folder: folder.to_owned(),
        }
    }

    fn message(epoch: &str, offset: i64) -> ServerFrame {
        let text = format!(
            r#"{{"type":"message","position":{{"epoch":"{epoch}","offset":{offset}}},"entry":"ent_{offset}",
                "id":"msg_1","body":{{"text":"hello"}},"sent_at":"2026-01-01T00:00:00Z",
                "expires_at":"2026-01-02T00:00:00Z"}}"#
        );
        ServerFrame::parse(&text).unwrap()
    }

    #[test]
    fn a_device_remembers_who_it_is_and_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let peer = peer(folder.path());
        let mut device = Device::load(&peer, "alice", None).unwrap();
        device.greeted(Some("rvl_device_x".to_owned())).unwrap();
        let held = device.take(&message("1", 3)).unwrap().ack.unwrap();
        assert_eq!((held.offset, held.entry.as_deref()), (3, Some("ent_3")));

        let again = Device::load(&peer, "alice", None).unwrap();
        let first = again.connect("token".to_owned());
        assert_eq!(first.device.id, device.memory.device);
        assert_eq!(first.device_secret.as_deref(), Some("rvl_device_x"));
        assert_eq!(first.position, Some(held));
        let other = Device::load(&peer, "bob", None).unwrap();
        assert_ne!(other.memory.device, device.memory.device);
        let mut phone = Device::load(&peer, "alice", Some("phone")).unwrap();
        phone.greeted(Some("rvl_device_y".to_owned())).unwrap();
        let again = Device::load(&peer, "alice", Some("phone")).unwrap().connect("t".to_owned());
        assert_eq!(again.device.id, "phone");
        assert_eq!(again.device_secret.as_deref(), Some("rvl_device_y"));
    }

    #[test]
    fn what_is_held_is_acknowledged_again_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut device = Device::load(&peer(folder.path()), "alice", None).unwrap();
        for (epoch, offset, show, expected) in [
            ("1", 5, Show::Now, 5),
            ("1", 5, Show::WasShown, 5),
            ("1", 4, Show::WasShown, 5),
            ("1", 6, Show::Now, 6),
            ("2", 1, Show::Now, 1),
        ] {
            let taken = device.take(&message(epoch, offset)).unwrap();
            let ack = taken.ack.unwrap();
            assert_eq!((taken.show, ack.epoch.as_str(), ack.offset), (show, epoch, expected));
        }
    }

    #[test]
    fn a_body_is_shown_as_its_text_or_as_its_json() {
        let body = |body: &str| {
            let ServerFrame::Message(mut message) = message("1", 1) else { panic!("no message") };
            message.body = serde_json::value::RawValue::from_string(body.to_owned()).unwrap();
            text_of(&message)
        };
        assert_eq!(body(r#"{"text":"hello"}"#), "hello");
        assert_eq!(body(r#"{"text":1}"#), r#"{"text":1}"#);
        assert_eq!(body("null"), "null");
    }

    #[test]
    fn what_a_sender_wrote_cannot_take_over_the_terminal() {
        let ServerFrame::Message(mut message) = message("1", 1) else { panic!("no message") };
        message.from = Some("eve\u{1b}[2J".to_owned());
        let said = said(&ServerFrame::Message(message));
        let [Said::Line(line)] = said.as_slice() else { panic!("{said:?}") };
        let shown = anstream::adapter::strip_str(line).to_string();
        assert!(shown.ends_with("  eve\\u{1b}[2J  hello"), "{shown}");
    }

    #[test]
    fn a_file_of_something_else_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let peer = peer(folder.path());
        let device = Device::load(&peer, "alice", None).unwrap();
        secret::replace_private(&device.path, "{}").unwrap();
        let Err(error) = Device::load(&peer, "alice", None) else {
            panic!("took {{}} for a memory")
        };
        assert!(error.to_string().ends_with("is not what `listen` wrote"), "{error}");
    }
}
