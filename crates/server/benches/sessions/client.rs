//! The least client that speaks WebSocket, so that the server's share of two cores is the larger.
//!
//! It masks with zeros, which RFC 6455 section 5.3 lets a client do badly, and checks nothing of the
//! answer but its status.

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Opcodes of RFC 6455 section 5.2.
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// Where sessions are asked for.
pub(super) const PATH: &str = "/v1/connect";

/// What a WebSocket runs over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A WebSocket.
pub(super) struct Client {
    stream: Box<dyn Stream>,
    read: Vec<u8>,
}

impl Client {
    /// Asks for the server's WebSocket.
    ///
    /// # Errors
    ///
    /// When the server does not switch to it.
    pub(super) async fn open(stream: Box<dyn Stream>) -> Result<Self> {
        let mut client = Self { stream, read: Vec::new() };
        let request = format!(
            "GET {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: cmV2ZWlsbGUgYmVuY2ghIQ==\r\n\r\n"
        );
        client.stream.write_all(request.as_bytes()).await?;
        client.stream.flush().await?;
        let end = loop {
            let end = client.read.windows(4).position(|window| window == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None => client.more().await?,
            }
        };
        ensure!(client.read.starts_with(b"HTTP/1.1 101"), "the server did not switch to WebSocket");
        client.read.drain(..end);
        Ok(client)
    }

    /// Writes one frame of text.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub(super) async fn send(&mut self, text: &str) -> Result<()> {
        self.write(TEXT, text.as_bytes()).await
    }

    /// The next frame of text; pings are answered. Nothing is lost if it is dropped while waiting.
    ///
    /// # Errors
    ///
    /// When the connection ends.
    pub(super) async fn next(&mut self) -> Result<String> {
        loop {
            let Some((opcode, from, to)) = head(&self.read)? else {
                self.more().await?;
                continue;
            };
            match opcode {
                TEXT => {
                    let text = std::str::from_utf8(&self.read[from..to])?.to_owned();
                    self.read.drain(..to);
                    return Ok(text);
                }
                PING => {
                    self.read.drain(..to);
                    self.write(PONG, &[]).await?;
                }
                CLOSE => bail!("closed: {}", String::from_utf8_lossy(&self.read[from..to])),
                other => bail!("a frame with opcode {other}"),
            }
        }
    }

    async fn more(&mut self) -> Result<()> {
        self.read.reserve(1_024);
        let read = self.stream.read_buf(&mut self.read).await?;
        ensure!(read > 0, "the server closed the connection");
        Ok(())
    }

    async fn write(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        let mut frame = vec![0x80 | opcode];
        match u16::try_from(payload.len()).context("a frame of more than 65535 bytes")? {
            short @ 0..=125 => frame.push(0x80 | u8::try_from(short)?),
            long => {
                frame.push(0x80 | 126);
                frame.extend(long.to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.stream.write_all(&frame).await?;
        Ok(self.stream.flush().await?)
    }
}

/// The first frame of what was read: its opcode, and where its payload begins and ends; `None`: it
/// is not all there.
fn head(read: &[u8]) -> Result<Option<(u8, usize, usize)>> {
    let [first, second, rest @ ..] = read else { return Ok(None) };
    let (from, length) = match *second {
        short @ 0..=125 => (2, usize::from(short)),
        126 => match rest {
            [high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
            _ => return Ok(None),
        },
        _ => bail!("a frame that is masked or larger than 64 KiB"),
    };
    let to = from + length;
    Ok((read.len() >= to).then_some((first & 0x0F, from, to)))
}
