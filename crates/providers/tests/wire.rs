//! A push service played by hand, frame by frame (RFC 9113), for what no well-behaved server does.

use domain::{Environment, Time};
use providers::apns::{Credential, Expiration, KeyDetails, Priority, Push, PushType, Topic};
use providers::{Apns, Config, PushToken};
use sim::pki::{ApnsKey, Ca};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use uuid::Uuid;

use crate::rig::{APP, acceptor, config, soon};

/// Frame types (RFC 9113, section 6).
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
/// The flags END_STREAM and ACK, which share a bit.
pub(crate) const END_STREAM: u8 = 1;
/// The flag END_HEADERS.
pub(crate) const END_HEADERS: u8 = 4;

/// What a client sends before its first frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// SETTINGS_MAX_CONCURRENT_STREAMS, 100.
const HUNDRED_STREAMS: [u8; 6] = [0, 3, 0, 0, 0, 100];
/// `:status: 200`, the static table's entry 8 (RFC 7541, appendix A).
const STATUS_200: [u8; 1] = [0x88];

/// A listener that waits for the client.
pub(crate) struct Wire {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    /// Points at it.
    pub(crate) config: Config,
}

impl Wire {
    /// Listens on loopback.
    pub(crate) async fn start() -> Self {
        let ca = Ca::generate("Test").expect("makes an authority");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let url = format!("https://{}", listener.local_addr().expect("an address"));
        let config = config(&ca, |config, url| config.apns_production = url, &url);
        Self { listener, acceptor: acceptor(&ca, &["h2"]), config }
    }

    /// A client with a fresh key.
    pub(crate) fn client(&self) -> Apns {
        let key = ApnsKey::generate().expect("makes a key");
        let ApnsKey { key_id, team_id, .. } = &key;
        let details = KeyDetails { key_id, team_id, ..KeyDetails::default() };
        let credential = Credential::parse_p8(key.pem().as_bytes(), &details).expect("a good key");
        Apns::new(&self.config, credential, Environment::Production).expect("a good credential")
    }

    /// The next connection, once both sides have said their SETTINGS.
    pub(crate) async fn accept(&self) -> Peer {
        soon(async {
            let (tcp, _) = self.listener.accept().await.expect("a connection");
            let mut io = self.acceptor.accept(tcp).await.expect("TLS");
            let mut preface = vec![0; PREFACE.len()];
            io.read_exact(&mut preface).await.expect("a preface");
            assert_eq!(preface, PREFACE);
            let mut peer = Peer { io };
            peer.send(SETTINGS, 0, 0, &HUNDRED_STREAMS).await;
            peer
        })
        .await
    }
}

/// A frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A request.
pub(crate) struct Request {
    pub(crate) stream: u32,
    /// The header block, as encoded.
    pub(crate) block: Vec<u8>,
}

/// The service's end of a connection.
pub(crate) struct Peer {
    pub(crate) io: TlsStream<TcpStream>,
}

impl Peer {
    /// The next frame; `None` once the client has closed.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        soon(async {
            let mut head = [0; 9];
            self.io.read_exact(&mut head).await.ok()?;
            let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
            let length = usize::try_from(u32::from_be_bytes([0, l0, l1, l2])).expect("24 bits");
            let mut payload = vec![0; length];
            self.io.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff;
            Some(Frame { kind, flags, stream, payload })
        })
        .await
    }

    /// Reads up to the end of the next request; acknowledges SETTINGS and answers PINGs meanwhile.
    pub(crate) async fn request(&mut self) -> Request {
        let mut block = Vec::new();
        loop {
            let frame = self.frame().await.expect("the client has not closed");
            match frame.kind {
                SETTINGS if frame.flags & END_STREAM == 0 => {
                    self.send(SETTINGS, END_STREAM, 0, &[]).await;
                }
                PING if frame.flags & END_STREAM == 0 => self.pong(&frame).await,
                HEADERS => {
                    assert_eq!(frame.flags & END_HEADERS, END_HEADERS, "one frame");
                    block = frame.payload;
                }
                DATA if frame.flags & END_STREAM != 0 => {
                    return Request { stream: frame.stream, block };
                }
                _ => {}
            }
        }
    }

    /// Answers a PING.
    pub(crate) async fn pong(&mut self, ping: &Frame) {
        self.send(PING, END_STREAM, 0, &ping.payload).await;
    }

    /// Answers a request with 200.
    pub(crate) async fn accept(&mut self, request: &Request) {
        self.send(HEADERS, END_STREAM | END_HEADERS, request.stream, &STATUS_200).await;
    }

    /// Sends a frame.
    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let [_, l0, l1, l2] = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let [s0, s1, s2, s3] = stream.to_be_bytes();
        let mut frame = vec![l0, l1, l2, kind, flags, s0, s1, s2, s3];
        frame.extend(payload);
        self.io.write_all(&frame).await.expect("the client reads");
        self.io.flush().await.expect("the client reads");
    }

    /// Reads until the client has closed.
    pub(crate) async fn wait_closed(mut self) {
        while self.frame().await.is_some() {}
    }
}

/// Some time.
pub(crate) fn now() -> Time {
    Time::from_millis(1_800_000_000_000)
}

/// A good push.
pub(crate) fn push() -> Push {
    Push {
        device_token: PushToken::new("ab".repeat(32)),
        topic: Topic::for_push(APP, PushType::Background).expect("a bundle id"),
        push_type: PushType::Background,
        priority: Priority::Considerate,
        expiration: Expiration::Once,
        collapse_id: None,
        id: Uuid::new_v4(),
        payload: br#"{"aps":{"content-available":1}}"#.as_slice().into(),
    }
}

/// A ring.
pub(crate) fn voip() -> Push {
    Push {
        topic: Topic::for_push(APP, PushType::Voip).expect("a bundle id"),
        push_type: PushType::Voip,
        priority: Priority::Immediate,
        payload: br#"{"aps":{}}"#.as_slice().into(),
        ..push()
    }
}
