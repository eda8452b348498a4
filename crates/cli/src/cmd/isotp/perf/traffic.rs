//! The messages that are measured, where we send or receive them ourselves.

use core::time::Duration;
use std::collections::BTreeMap;

use bytes::Bytes;
use can_link::address::LinkAddress;
use isotp::{Address, Config, IsoTp, StreamError};
use tokio::task::JoinHandle;

use super::MESSAGES;
use crate::args::isotp::perf::{Perf, Role};
use crate::cmd::Session;
use crate::cmd::isotp::endpoint::{self, Opening};
use crate::failure::Result;
use crate::links::AnyLink;

/// What went wrong, and how often.
pub(super) type Trouble = BTreeMap<String, u64>;

/// Our own ends, each in a task.
pub(super) struct Traffic {
    sender: Option<JoinHandle<Trouble>>,
    receiver: Option<JoinHandle<()>>,
    trouble: Trouble,
}

impl Traffic {
    pub(super) async fn start(
        session: &mut Session,
        args: &Perf,
        link: &LinkAddress,
        address: Address,
        config: Config,
    ) -> Result<Self> {
        let mut traffic = Self {
            sender: None,
            receiver: None,
            trouble: Trouble::new(),
        };
        // The receiver first: who is not there does not answer.
        if matches!(args.role, Role::Recv | Role::Both) {
            let other = endpoint::reversed(&args.endpoint, address)?;
            let Opening { isotp, .. } =
                endpoint::open_on(session, &args.endpoint, link, other, config).await?;
            traffic.receiver = Some(tokio::spawn(receive(isotp)));
        }
        if matches!(args.role, Role::Send | Role::Both) {
            let Opening { isotp, .. } =
                endpoint::open_on(session, &args.endpoint, link, address, config).await?;
            let len = usize::try_from(args.dummy).unwrap_or(usize::MAX);
            let message: Bytes = (1..=u8::MAX).cycle().take(len).collect::<Vec<_>>().into();
            let count = args.count.unwrap_or(MESSAGES);
            traffic.sender = Some(tokio::spawn(send(isotp, message, count)));
        }
        Ok(traffic)
    }

    /// Completes when all was sent, and what is on its way had time to arrive. Never where we do not send.
    pub(super) async fn settled(&mut self, settle: Duration) {
        let Some(sender) = &mut self.sender else {
            return core::future::pending().await;
        };
        if !sender.is_finished() {
            self.trouble = sender.await.unwrap_or_default();
        }
        tokio::time::sleep(settle).await;
    }

    /// Ends it; what went wrong with messages of ours.
    pub(super) async fn end(mut self) -> Trouble {
        if let Some(receiver) = self.receiver.take() {
            receiver.abort();
        }
        if let Some(sender) = self.sender.take()
            && !sender.is_finished()
        {
            sender.abort();
        }
        self.trouble
    }
}

async fn send(mut isotp: IsoTp<AnyLink>, message: Bytes, count: u64) -> Trouble {
    let mut trouble = Trouble::new();
    for _ in 0..count {
        if let Err(error) = isotp.send(message.clone()).await {
            let is_over = matches!(error, StreamError::Link(_) | StreamError::NotSent(_));
            *trouble.entry(error.to_string()).or_default() += 1;
            if is_over {
                break;
            }
        }
    }
    trouble
}

/// Takes whatever comes; what is wrong with it the sender learns, and whoever watches.
async fn receive(mut isotp: IsoTp<AnyLink>) {
    while let Some(item) = isotp.recv().await {
        if let Err(StreamError::Link(_)) = item {
            return;
        }
    }
}
