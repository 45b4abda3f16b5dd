//! An HTTP proxy of these tests' own, written from RFC 9110, section 9.3.6.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use providers::outbound::Proxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::rig::PATIENCE;

/// What the proxy does about a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// Opens the tunnel, whatever name was asked for, to this address.
    Tunnel(SocketAddr),
    /// Opens the tunnel to the address if `Proxy-Authorization` is this, else answers 407.
    Asks(SocketAddr, &'static str),
    /// Answers these bytes and closes.
    Says(&'static [u8]),
    /// Never answers.
    Silent,
}

/// A proxy on loopback.
pub(crate) struct ProxyServer {
    pub(crate) addr: SocketAddr,
    /// The request heads that came.
    heads: Arc<Mutex<Vec<String>>>,
    /// How many of them were answered or left unanswered, and how many tunnels ended.
    ended: watch::Sender<usize>,
    _tasks: JoinSet<()>,
}

impl ProxyServer {
    /// Starts one.
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens on loopback");
        let addr = listener.local_addr().expect("an address");
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let ended = watch::Sender::default();
        let mut tasks = JoinSet::new();
        let (noted, over) = (Arc::clone(&heads), ended.clone());
        tasks.spawn(async move {
            let mut tunnels = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (noted, over) = (Arc::clone(&noted), over.clone());
                tunnels.spawn(async move {
                    serve(tcp, manner, &noted).await;
                    over.send_modify(|ended| *ended += 1);
                });
            }
        });
        Self { addr, heads, ended, _tasks: tasks }
    }

    /// The client's side of it.
    pub(crate) fn proxy(&self) -> Proxy {
        Proxy::parse(&format!("http://{}", self.addr)).expect("a good URL")
    }

    /// The same with a user.
    pub(crate) fn proxy_as(&self, user: &str) -> Proxy {
        Proxy::parse(&format!("http://{user}@{}", self.addr)).expect("a good URL")
    }

    /// The request heads that came.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("not poisoned").clone()
    }

    /// Waits until so many connections to it are over.
    pub(crate) async fn wait_ended(&self, count: usize) {
        let mut ended = self.ended.subscribe();
        let waiting = ended.wait_for(|ended| *ended >= count);
        tokio::time::timeout(PATIENCE, waiting).await.expect("in time").expect("it lives");
    }
}

/// One connection.
async fn serve(mut tcp: TcpStream, manner: Manner, heads: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match tcp.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).expect("a head is text");
    heads.lock().expect("not poisoned").push(head.clone());
    let to = match manner {
        Manner::Tunnel(to) => to,
        Manner::Asks(to, wanted) => {
            let line = format!("Proxy-Authorization: {wanted}\r\n");
            if !head.contains(&line) {
                let answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno";
                let _ = tcp.write_all(answer).await;
                return;
            }
            to
        }
        Manner::Says(bytes) => {
            let _ = tcp.write_all(bytes).await;
            return;
        }
        Manner::Silent => {
            // Until the client gives up.
            let _ = tcp.read_u8().await;
            return;
        }
    };
    let Ok(mut upstream) = TcpStream::connect(to).await else { return };
    // In two pieces, as networks do.
    for piece in [b"HTTP/1.1 200 Conn".as_slice(), b"ection established\r\nVia: 1.1 test\r\n\r\n"] {
        if tcp.write_all(piece).await.is_err() || tcp.flush().await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
    let _ = copy_bidirectional(&mut tcp, &mut upstream).await;
}
