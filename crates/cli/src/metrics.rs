//! Figures for Prometheus, on request.
//!
//! One page of text over HTTP/1.0, made anew for each who asks. Whoever asks slowly, too much or too often
//! meets a limit, and holds nobody up. Not here: what the figures are, which is a closure of each command.

mod brokers;
mod http;
mod page;
mod streams;

use std::sync::Arc;

use fstrm_codec::endpoint::{Endpoint, ListenConfig, Listener, Place};
use tokio::task::JoinHandle;

pub(crate) use self::brokers::brokers;
pub(crate) use self::page::Page;
pub(crate) use self::streams::{Relayed, collected, relayed};
use crate::failure::{Code, Failure, Result};
use crate::output::Output;

/// `:PORT` on loopback, `*:PORT` on every address, `HOST:PORT`.
pub(crate) fn address(text: &str) -> core::result::Result<Endpoint, String> {
    let wrong = || format!("{text:?} is no address; write :9187 (this machine), *:9187 (all) or HOST:PORT");
    let endpoint: Endpoint = format!("tcp://{text}").parse().map_err(|_| wrong())?;
    match endpoint.place {
        Place::Tcp(_) => Ok(endpoint),
        _ => Err(wrong()),
    }
}

/// Answers for as long as it lives.
#[derive(Debug)]
pub(crate) struct Exporter {
    place: Endpoint,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Listens, and renders the page for each who asks.
    pub(crate) async fn bind(
        address: &Endpoint,
        render: impl Fn(&mut Page) + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = Listener::bind(address, ListenConfig::new().backlog(64)).await;
        let listener = listener.map_err(|error| {
            Failure::caused(Code::CannotOpen, error).context("listening for who collects metrics")
        })?;
        let place = listener.local_endpoint();
        let task = tokio::spawn(http::serve(listener, Arc::new(render)));
        Ok(Self { place, task })
    }

    /// Says where the page is: a port of 0 has become one by now.
    pub(crate) fn tell(&self, output: &Output) {
        #[derive(serde::Serialize)]
        struct Line {
            r#type: &'static str,
            url: String,
        }
        let Place::Tcp(place) = &self.place.place else {
            return;
        };
        let shown = place.to_string();
        let host = if shown.starts_with(':') { "127.0.0.1" } else { "" };
        let line = Line {
            r#type: "metrics",
            url: format!("http://{host}{shown}/metrics"),
        };
        output.remark(&line, |line| format!("metrics on {}", line.url));
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests;
