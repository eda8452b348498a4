//! The thread that runs a network.

use alloc::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use can_link::LinkError;
use can_link::link::CanLink;

use crate::backend::OpenError;
use crate::network::Network;

/// A thread with a runtime of its own, which ends with the network. Each handle keeps one of these, behind
/// what keeps the network: whoever drops the last one waits for the thread, unless it is that thread.
#[derive(Debug)]
pub(super) struct Runner(Option<JoinHandle<()>>);

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take()
            && thread.thread().id() != thread::current().id()
        {
            // A thread that panicked has ended too.
            let _ = thread.join();
        }
    }
}

/// Makes a link on a thread of its own, and runs a network on it there.
pub(super) fn run<L, E, F>(make: F) -> Result<(Network, Arc<Runner>), E>
where
    L: CanLink,
    E: From<OpenError> + Send + 'static,
    F: AsyncFnOnce() -> Result<L, E> + Send + 'static,
{
    let (reply, made) = mpsc::sync_channel(1);
    let failed = |error| OpenError::from(LinkError::io("starting a thread", error));
    let serve = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return drop(reply.send(Err(failed(error).into()))),
        };
        runtime.block_on(async {
            match make().await {
                Ok(link) => {
                    let (network, driver) = Network::with_driver(link);
                    // The one who waits for this may be gone only with its thread.
                    let _ = reply.send(Ok(network));
                    driver.await;
                }
                Err(error) => drop(reply.send(Err(error))),
            }
        });
    };
    let thread = thread::Builder::new().name("isotp".into()).spawn(serve);
    let runner = Arc::new(Runner(Some(thread.map_err(failed)?)));
    // A thread that answers nothing has panicked while it made the link.
    let network = made
        .recv()
        .unwrap_or_else(|_| Err(OpenError::from(LinkError::Closed).into()))?;
    Ok((network, runner))
}
