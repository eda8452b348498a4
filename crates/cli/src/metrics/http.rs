//! As much HTTP as it takes.

use core::time::Duration;
use std::io;
use std::sync::Arc;

use fstrm_codec::endpoint::Listener;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Page;

/// Connections at a time; who comes on top is sent away.
const MAX_CONNECTIONS: usize = 16;
/// Longest request.
const MAX_REQUEST: usize = 8 * 1024;
/// From the connection to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) type Render = dyn Fn(&mut Page) + Send + Sync;

/// Answers whoever connects.
pub(super) async fn serve(mut listener: Listener, render: Arc<impl Fn(&mut Page) + Send + Sync + 'static>) {
    let render: Arc<Render> = render;
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // A listener that fails pauses by itself.
        let Ok((connection, _)) = listener.accept().await else {
            continue;
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            continue;
        };
        let render = Arc::clone(&render);
        tokio::spawn(async move {
            // Who is too slow, or leaves, has no claim to an answer.
            let _ = timeout(PATIENCE, answer(connection, &*render)).await;
            drop(permit);
        });
    }
}

/// One request, one answer.
pub(super) async fn answer<S>(mut connection: S, render: &Render) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = Vec::with_capacity(1024);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < MAX_REQUEST {
        if connection.read_buf(&mut request).await? == 0 {
            break;
        }
    }
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (status, body) = match (words.next(), words.next()) {
        (Some(b"GET"), Some(path)) if is_metrics(path) => {
            let mut page = Page::default();
            render(&mut page);
            ("200 OK", page.into_text())
        }
        (Some(b"GET"), Some(b"/")) => ("200 OK", "The figures are at /metrics.\n".to_owned()),
        (Some(b"GET"), Some(_)) => ("404 Not Found", "The figures are at /metrics.\n".to_owned()),
        _ => (
            "405 Method Not Allowed",
            "GET /metrics is all there is.\n".to_owned(),
        ),
    };
    let head = format!(
        "HTTP/1.0 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).await?;
    connection.write_all(body.as_bytes()).await?;
    connection.shutdown().await
}

fn is_metrics(path: &[u8]) -> bool {
    path == b"/metrics" || path.starts_with(b"/metrics?")
}
