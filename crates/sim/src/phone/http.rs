//! The smallest HTTP client that the extension, the app's sign-out and the test world need:
//! one request of JSON on one HTTP/1.1 connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Longer than any answer of a healthy server takes, even on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends one request and reads the whole answer. The body is `Null` if it was empty, and a string
/// if it was not JSON.
///
/// # Errors
/// When the server could not be reached or did not answer in time; never for an HTTP status.
pub(crate) async fn request(
    server: SocketAddr,
    method: http::Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Result<(u16, Value)> {
    let connecting = async {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    request_over(connecting, server, method, path, headers, body).await
}

/// The same over a connection of the caller's making.
pub(crate) async fn request_over<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    connecting: impl Future<Output = io::Result<S>>,
    server: SocketAddr,
    method: http::Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Result<(u16, Value)> {
    let exchange = async {
        let stream = connecting.await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut request = http::Request::builder()
            .method(method.clone())
            .uri(path)
            .header("host", server.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let payload = match body {
            None => Bytes::new(),
            Some(value) => {
                request = request.header("content-type", "application/json");
                Bytes::from(value.to_string())
            }
        };
        let request = request.body(Full::new(payload))?;
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let bytes = response.into_body().collect().await?.to_bytes();
            anyhow::Ok((status, bytes))
        };
        // The connection does the reading and writing; it ends by itself after the answer.
        tokio::pin!(answer, connection);
        tokio::select! {
            answer = &mut answer => answer,
            ended = &mut connection => {
                ended?;
                answer.await
            }
        }
    };
    let what = || format!("{method} {path} at {server}");
    let (status, bytes) = tokio::time::timeout(TIMEOUT, exchange)
        .await
        .with_context(|| format!("{}: no answer within {TIMEOUT:?}", what()))?
        .with_context(what)?;
    let value = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()))
    };
    Ok((status, value))
}
