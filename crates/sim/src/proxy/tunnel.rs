//! One connection to the proxy: its request, the answer, the tunnel.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tokio_util::task::TaskTracker;

use super::{
    Conduct, State, lock,
    request::{self, Connect, LARGEST_HEAD, Refusal},
    seen::{Answered, SeenConnect},
};

/// What grants a request. A header of it tells the proxies of tests apart from the answers of what
/// is behind them.
const GRANTED: &[u8] = b"HTTP/1.1 200 Connection established\r\nvia: 1.1 proxy\r\n\r\n";
/// What is no HTTP.
const GARBAGE: &[u8] = b"\x15\x03\x01 220 mail.example.org ESMTP\n";
/// How long a client may take to hang up after a refusal.
const FAREWELL: Duration = Duration::from_secs(5);

/// Takes connections until the proxy is stopped.
pub(super) async fn accept(listener: TcpListener, state: Arc<State>, tasks: TaskTracker) {
    let stop = state.stop.clone();
    let listening = async {
        loop {
            match listener.accept().await {
                Ok((client, _)) => {
                    let serving = serve(client, Arc::clone(&state));
                    tasks.spawn(stop.clone().run_until_cancelled_owned(serving));
                }
                // Out of file descriptors, mostly: give the connections time to end.
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    };
    stop.run_until_cancelled(listening).await;
}

async fn serve(mut client: TcpStream, state: Arc<State>) {
    // Small answers must not wait for each other; a socket that cannot do it is only slower.
    let _ = client.set_nodelay(true);
    // An error says that the client has gone, and then the connection is over anyway.
    let _ = talk(&mut client, &state).await;
}

async fn talk(client: &mut TcpStream, state: &State) -> io::Result<()> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(length) = request::head_length(&bytes) {
            break length;
        }
        if bytes.len() > LARGEST_HEAD {
            let why = "the head is larger than 8 KiB";
            let refusal = Refusal { target: String::new(), status: 431, why };
            return refuse(client, state, &refusal, None).await;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let early = bytes.split_off(head);
    match request::read(&bytes, state.user.as_ref()) {
        Ok(connect) => obey(client, state, &connect, &early).await,
        Err(refusal) => refuse(client, state, &refusal, None).await,
    }
}

/// Does about a good request what the script says; `early` is what came behind its head.
async fn obey(
    client: &mut TcpStream,
    state: &State,
    connect: &Connect,
    early: &[u8],
) -> io::Result<()> {
    let keep = |answered| {
        let (target, user) = (connect.target.clone(), connect.user.clone());
        state.recorder.keep(SeenConnect { target, user, answered });
    };
    let pause = match state.conduct() {
        Conduct::Close => {
            keep(Answered::Strangely);
            return Ok(());
        }
        Conduct::Endless => {
            keep(Answered::Strangely);
            client.write_all(b"HTTP/1.1 200 OK\r\nx-endless: ").await?;
            loop {
                client.write_all(&[b'x'; 4096]).await?;
            }
        }
        Conduct::Garbage => {
            keep(Answered::Strangely);
            client.write_all(GARBAGE).await?;
            return farewell(client).await;
        }
        Conduct::Hang => {
            keep(Answered::Never);
            // Reads on, so that the client's end is noticed.
            while client.read(&mut [0; 1024]).await? > 0 {}
            return Ok(());
        }
        Conduct::Refuse(status) => {
            let why = "refused by script";
            let refusal = Refusal { target: connect.target.clone(), status, why };
            return refuse(client, state, &refusal, connect.user.clone()).await;
        }
        Conduct::Slow(pause) => Some(pause),
        Conduct::Tunnel => None,
    };
    let upstream = match state.address(&connect.target) {
        Some(address) => TcpStream::connect(address).await.ok(),
        None => None,
    };
    let Some(mut upstream) = upstream else {
        let why = "the target cannot be reached from here";
        let refusal = Refusal { target: connect.target.clone(), status: 502, why };
        return refuse(client, state, &refusal, connect.user.clone()).await;
    };
    let _ = upstream.set_nodelay(true);
    let cut = lock(&state.tunnels).clone();
    let _open = state.recorder.tunnel();
    keep(Answered::Status(200));
    let tunnel = async {
        match pause {
            None => client.write_all(GRANTED).await?,
            Some(pause) => {
                for byte in GRANTED {
                    client.write_all(&[*byte]).await?;
                    sleep(pause).await;
                }
            }
        }
        upstream.write_all(early).await?;
        copy_bidirectional(client, &mut upstream).await.map(drop)
    };
    cut.run_until_cancelled(tunnel).await.unwrap_or(Ok(()))
}

/// Answers with a status other than 200 and hangs up.
async fn refuse(
    client: &mut TcpStream,
    state: &State,
    refusal: &Refusal,
    user: Option<String>,
) -> io::Result<()> {
    let Refusal { target, status, why } = refusal;
    let (target, answered) = (target.clone(), Answered::Status(*status));
    state.recorder.keep(SeenConnect { target, user, answered });
    let ask = match status {
        405 => "allow: CONNECT\r\n",
        407 => "proxy-authenticate: Basic realm=\"proxy\"\r\n",
        _ => "",
    };
    let answer = format!(
        "HTTP/1.1 {status} Refused\r\n{ask}content-type: text/plain\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{why}",
        why.len()
    );
    client.write_all(answer.as_bytes()).await?;
    farewell(client).await
}

/// Ends the connection once the client has read the answer: closing with unread bytes would reset it
/// and could overtake the answer.
async fn farewell(client: &mut TcpStream) -> io::Result<()> {
    client.shutdown().await?;
    let reading = async {
        while client.read(&mut [0; 1024]).await? > 0 {}
        Ok(())
    };
    tokio::time::timeout(FAREWELL, reading).await.unwrap_or(Ok(()))
}
