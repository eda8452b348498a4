//! A service that gives every packet back, under the name `echo`.

use flow_core::error::AcceptError;
use flow_core::{BindError, LocalLayer, Name, NameError};
use futures::StreamExt as _;
use thiserror::Error;
use tokio::task::JoinSet;

/// The name of the service.
pub const NAME: &str = "echo";
/// Flows served at once; a further one waits until one of them ends.
const MAX_FLOWS: usize = 256;

/// Why the service does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EchoError {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The layer does not take the name.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// The running service. It stops when it is dropped, and its flows end.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// use flow_core::{LocalLayer, Name, Provider, QosSpec};
/// use tinwire_sim::echo::{self, Echo};
///
/// let layer = LocalLayer::new();
/// let _service = Echo::launch(&layer)?;
/// let client = layer.attach();
/// let mut flow = client.alloc(&Name::new(echo::NAME)?, QosSpec::DATA, None).await?;
/// flow.write("hello").await?;
/// assert_eq!(flow.read_packet().await?, "hello");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Echo {
    /// Aborted when this is dropped, and with it the tasks of its flows.
    _task: JoinSet<()>,
}

impl Echo {
    /// Starts the service in `layer`.
    ///
    /// # Errors
    /// When the layer does not take the name.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn launch(layer: &LocalLayer) -> Result<Self, EchoError> {
        let name = Name::new(NAME)?;
        let provider = layer.attach();
        provider.bind(&name)?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut flows = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = provider.accept(None), if flows.len() < MAX_FLOWS => match accepted {
                        Ok(flow) => {
                            let (reader, writer) = flow.split();
                            flows.spawn(async move {
                                // A flow that fails has ended; the other side is told by its own end.
                                let _ = reader.forward(writer).await;
                            });
                        }
                        Err(AcceptError::NoName) => return,
                        Err(_) => {}
                    },
                    Some(_) = flows.join_next() => {}
                }
            }
        });
        Ok(Self { _task: task })
    }
}

#[cfg(test)]
mod tests {
    use flow_core::{AllocError, Flow, QosSpec};

    use super::*;

    async fn flow(layer: &LocalLayer) -> Flow {
        let name = Name::new(NAME).unwrap();
        layer.attach().alloc(&name, QosSpec::DATA, None).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn packets_come_back_whole_and_in_order() {
        let layer = LocalLayer::new();
        let _service = Echo::launch(&layer).unwrap();
        let mut flow = flow(&layer).await;
        for packet in ["one", "two"] {
            flow.write(packet).await.unwrap();
        }
        assert_eq!(flow.read_packet().await.unwrap(), "one");
        assert_eq!(flow.read_packet().await.unwrap(), "two");
    }

    #[tokio::test(start_paused = true)]
    async fn many_clients_are_served_at_once_and_one_that_leaves_hurts_nobody() {
        let layer = LocalLayer::new();
        let _service = Echo::launch(&layer).unwrap();
        let mut flows = Vec::new();
        for _ in 0..20 {
            flows.push(flow(&layer).await);
        }
        drop(flows.remove(3));
        for flow in &mut flows {
            flow.write("x").await.unwrap();
            assert_eq!(flow.read_packet().await.unwrap(), "x");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_was_dropped_is_not_there_any_more() {
        let layer = LocalLayer::new();
        drop(Echo::launch(&layer).unwrap());
        tokio::task::yield_now().await;
        let name = Name::new(NAME).unwrap();
        let refused = layer.attach().alloc(&name, QosSpec::DATA, None).await;
        assert!(
            matches!(refused, Err(AllocError::UnknownName { .. })),
            "{refused:?}"
        );
    }
}
