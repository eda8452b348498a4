//! Ports that send back what comes to them, plain or over RDP.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;

use csp_core::rt::{Connection, Listener, Node, RecvError};
use csp_core::{Flags, Port, SocketConfig};
use futures::future::select_all;
use tokio::task::JoinSet;

use crate::failure::{Code, Failure, Result};

/// How long a plain connection, which has no end, may be silent.
const IDLE: Duration = Duration::from_secs(10);

/// What was sent back, and what there was no way for.
#[derive(Debug, Default)]
pub(super) struct Counts {
    echoed: AtomicU64,
    unsent: AtomicU64,
}

impl Counts {
    pub(super) fn echoed(&self) -> u64 {
        self.echoed.load(Ordering::Relaxed)
    }

    pub(super) fn unsent(&self) -> u64 {
        self.unsent.load(Ordering::Relaxed)
    }
}

pub(super) struct Echo {
    listeners: Vec<Listener>,
    /// One for each connection; the node bounds their number.
    tasks: JoinSet<()>,
    counts: Arc<Counts>,
}

impl Echo {
    pub(super) fn open(node: &Node, ports: &[Port]) -> Result<Self> {
        let listen = |&port| node.listen(port, SocketConfig::default());
        let listeners: core::result::Result<_, _> = ports.iter().map(listen).collect();
        Ok(Self {
            listeners: listeners.map_err(|error| Failure::caused(Code::Usage, error).context("--echo"))?,
            tasks: JoinSet::new(),
            counts: Arc::default(),
        })
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Serves, without an end. Dropping the future loses nothing.
    pub(super) async fn run(&mut self) {
        if self.listeners.is_empty() {
            return core::future::pending().await;
        }
        loop {
            let accepts = self
                .listeners
                .iter_mut()
                .map(|listener| Box::pin(listener.accept()));
            tokio::select! {
                (accepted, ..) = select_all(accepts) => match accepted {
                    Ok(connection) => {
                        self.tasks.spawn(serve(connection, Arc::clone(&self.counts)));
                    }
                    // The node has stopped, which it tells itself.
                    Err(_) => return core::future::pending().await,
                },
                Some(_) = self.tasks.join_next() => {}
            }
        }
    }
}

/// Sends back until the connection is over, or silent for long.
async fn serve(mut connection: Connection, counts: Arc<Counts>) {
    let mut has_end = false;
    loop {
        let message = match connection.recv_timeout(IDLE).await {
            Ok(message) => message,
            Err(RecvError::Timeout { .. }) if has_end => continue,
            Err(_) => return,
        };
        has_end = message.header.flags.contains(Flags::RDP);
        let counter = match connection.send(message.payload).await {
            Ok(()) => &counts.echoed,
            Err(_) => &counts.unsent,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
