//! The clients of the services.

use core::future::{Future as _, poll_fn};
use core::pin::{Pin, pin};
use core::task::Poll;
use core::time::Duration;
use std::boxed::Box;
use std::string::String;

use bytes::{Bytes, BytesMut};
use tokio::time::Sleep;

use super::call::{Asked, FEW, MANY};
use super::{Answer, Call, Node, ServiceError};
use crate::service::cmp::{clock, ident, stats};
use crate::service::{
    Counters, Identity, Peek, Poke, PowerCommand, ReplyError, SetRoute, Timestamp, figure, ping, ps,
};
use crate::{Address, InterfaceName, Port};

/// # Services of other nodes
///
/// Every question is a connection of its own, so any number can be under way at once.
impl Node {
    /// Asks `remote` who it is.
    ///
    /// # Errors
    /// No answer, or another than asked for: see [`ServiceError`].
    ///
    /// # Cancel safety
    /// A dropped future may have sent the request; its reply is then dropped.
    pub async fn identify(&self, remote: Address, call: Call) -> Result<Answer<Identity>, ServiceError> {
        self.call_service((remote, Port::CMP), call, ident::request(), Identity::decode)
            .await
    }

    /// Asks everybody under a broadcast address who they are.
    ///
    /// The answers are collected for as long as `call`'s timeout says, from now on.
    ///
    /// # Errors
    /// Nothing could be sent.
    ///
    /// # Cancel safety
    /// A dropped future may have sent the request; its replies are then dropped.
    pub async fn identify_all(&self, broadcast: Address, call: Call) -> Result<Identities, ServiceError> {
        let until = Box::pin(tokio::time::sleep(call.timeout));
        let asked = self
            .ask(broadcast, Port::CMP, call, ident::request(), MANY)
            .await?;
        Ok(Identities { asked, until })
    }

    /// Sends a ping that nobody waits to be answered.
    ///
    /// # Errors
    /// The request could not be sent: see [`ServiceError`].
    ///
    /// # Cancel safety
    /// A dropped future may or may not have sent the request.
    pub async fn ping_unheard(&self, remote: Address, call: Call) -> Result<(), ServiceError> {
        self.tell(remote, Port::PING, call, Bytes::from_static(ping::NO_REPLY))
            .await
    }

    /// Asks `remote` for its list of processes, a text for people.
    ///
    /// It may come in several packets: it is complete when nothing more has come for [`Call::quiet`]. At most
    /// 64 KiB are collected.
    ///
    /// # Errors
    /// No answer: see [`ServiceError`].
    ///
    /// # Cancel safety
    /// A dropped future may have sent the request; its replies are then dropped.
    pub async fn processes(&self, remote: Address, call: Call) -> Result<Answer<String>, ServiceError> {
        let limit = call.timeout;
        let first = async {
            let mut asked = self
                .ask(remote, Port::PS, call, Bytes::from_static(ps::REQUEST), MANY)
                .await?;
            let reply = asked.connection.recv().await?;
            Ok::<_, ServiceError>((asked, reply))
        };
        let late = Err(ServiceError::Timeout { limit });
        let (mut asked, first) = tokio::time::timeout(limit, first).await.unwrap_or(late)?;
        let mut text = BytesMut::from(&*first.payload);
        let mut packets = 1;
        while text.len() < ps::MAX_TEXT_LEN && packets < ps::MAX_TEXT_LEN {
            match asked.connection.recv_timeout(call.quiet).await {
                Ok(more) => text.extend_from_slice(&more.payload),
                Err(_) => break,
            }
            packets += 1;
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(asked.answer(&first, text))
    }

    /// Asks `remote` for the bytes of memory that it has free.
    ///
    /// # Errors
    /// No answer, or another than asked for: see [`ServiceError`].
    ///
    /// # Cancel safety
    /// A dropped future may have sent the request; its reply is then dropped.
    pub async fn memory_free(&self, remote: Address, call: Call) -> Result<Answer<u32>, ServiceError> {
        self.figure(remote, Port::MEMFREE, call).await
    }

    /// Asks `remote` for the packet buffers that it has free.
    ///
    /// # Errors
    /// No answer, or another than asked for: see [`ServiceError`].
    ///
    /// # Cancel safety
    /// A dropped future may have sent the request; its reply is then dropped.
    pub async fn buffers_free(&self, remote: Address, call: Call) -> Result<Answer<u32>, ServiceError> {
        self.figure(remote, Port::BUF_FREE, call).await
    }

    /// Asks `remote` how long it has been up, in whole seconds.
    ///
    /// # Errors
    /// No answer, or another than asked for: see [`ServiceError`].
    ///
    /// # Cancel safety
    /// A dropped future may have sent the request; its reply is then dropped.
    pub async fn uptime(&self, remote: Address, call: Call) -> Result<Answer<Duration>, ServiceError> {
        let seconds = |reply: &[u8]| figure::decode(reply).map(|seconds| Duration::from_secs(seconds.into()));
        self.call_service((remote, Port::UPTIME), call, Bytes::new(), seconds)
            .await
    }

    /// Asks `remote` for the counters of its interface `interface`.
    ///
    /// # Errors
    /// No answer, as when it has no such interface, or another than asked for: see [`ServiceError`].
    ///
    /// # Cancel safety
    /// A dropped future may have sent the request; its reply is then dropped.
    pub async fn interface_stats(
        &self,
        remote: Address,
        interface: InterfaceName,
        call: Call,
    ) -> Result<Answer<Counters>, ServiceError> {
        self.manage(remote, call, stats::request(interface), Counters::decode)
            .await
    }

    /// Asks `remote` to add a route. Libcsp 2.x and we do; see [`set_route_v1`](Self::set_route_v1).
    ///
    /// # Errors
    /// No answer, as when it is not allowed, or another than asked for: see [`ServiceError`].
    ///
    /// # Cancel safety
    /// A dropped future may have sent the request, and the route may be added.
    pub async fn set_route(
        &self,
        remote: Address,
        route: &SetRoute,
        call: Call,
    ) -> Result<Answer<()>, ServiceError> {
        let request = route.request();
        let confirm = |reply: &[u8]| SetRoute::confirm(&request, reply);
        self.manage(remote, call, request.clone(), confirm).await
    }

    /// Asks `remote` to add a route in the form of libcsp 1.6, with one-byte addresses.
    ///
    /// # Errors
    /// The route has no such form ([`SetRoute::request_v1`]). No answer, as when it is not allowed, or
    /// another than asked for: see [`ServiceError`].
    ///
    /// # Cancel safety
    /// A dropped future may have sent the request, and the route may be added.
    pub async fn set_route_v1(
        &self,
        remote: Address,
        route: &SetRoute,
        call: Call,
    ) -> Result<Answer<()>, ServiceError> {
        let request = route.request_v1()?;
        let confirm = |reply: &[u8]| SetRoute::confirm(&request, reply);
        self.manage(remote, call, request.clone(), confirm).await
    }

    /// Reads memory of `remote`.
    ///
    /// # Errors
    /// No answer, as when it is not allowed, or another than asked for: see [`ServiceError`].
    ///
    /// # Cancel safety
    /// A dropped future may have sent the request; its reply is then dropped.
    pub async fn peek(&self, remote: Address, peek: Peek, call: Call) -> Result<Answer<Bytes>, ServiceError> {
        let data = |reply: &[u8]| peek.data(reply).map(Bytes::copy_from_slice);
        self.manage(remote, call, peek.request(), data).await
    }

    /// Writes memory of `remote`.
    ///
    /// # Errors
    /// No answer, as when it is not allowed, or another than asked for: see [`ServiceError`].
    ///
    /// # Cancel safety
    /// A dropped future may have sent the request, and the memory may be written.
    pub async fn poke(&self, remote: Address, poke: &Poke, call: Call) -> Result<Answer<()>, ServiceError> {
        let confirm = |reply: &[u8]| poke.confirm(reply);
        self.manage(remote, call, poke.request(), confirm).await
    }

    /// Asks `remote` for its time.
    ///
    /// It was read there between [`Answer::rtt`] ago and now; as long as nobody knows better, half of that.
    ///
    /// # Errors
    /// No answer, or another than asked for: see [`ServiceError`].
    ///
    /// # Cancel safety
    /// A dropped future may have sent the request; its reply is then dropped.
    pub async fn clock(&self, remote: Address, call: Call) -> Result<Answer<Timestamp>, ServiceError> {
        self.manage(remote, call, clock::request(None), Timestamp::decode)
            .await
    }

    /// Sets the clock of `remote`, which answers with its time then.
    ///
    /// A time in second 0 cannot be set: it only reads the clock.
    ///
    /// # Errors
    /// No answer, as when it is not allowed, or another than asked for: see [`ServiceError`].
    ///
    /// # Cancel safety
    /// A dropped future may have sent the request, and the clock may be set.
    pub async fn set_clock(
        &self,
        remote: Address,
        time: Timestamp,
        call: Call,
    ) -> Result<Answer<Timestamp>, ServiceError> {
        self.manage(remote, call, clock::request(Some(time)), Timestamp::decode)
            .await
    }

    /// Asks `remote` to start again. Nothing tells whether it does: there is no reply.
    ///
    /// # Errors
    /// The request could not be sent: see [`ServiceError`].
    ///
    /// # Cancel safety
    /// A dropped future may or may not have sent the request.
    pub async fn reboot(&self, remote: Address, call: Call) -> Result<(), ServiceError> {
        self.tell(remote, Port::REBOOT, call, PowerCommand::Reboot.request())
            .await
    }

    /// Asks `remote` to switch off. Nothing tells whether it does: there is no reply.
    ///
    /// # Errors
    /// The request could not be sent: see [`ServiceError`].
    ///
    /// # Cancel safety
    /// A dropped future may or may not have sent the request.
    pub async fn shutdown(&self, remote: Address, call: Call) -> Result<(), ServiceError> {
        self.tell(remote, Port::REBOOT, call, PowerCommand::Shutdown.request())
            .await
    }

    async fn figure(&self, remote: Address, port: Port, call: Call) -> Result<Answer<u32>, ServiceError> {
        let request = Bytes::from_static(figure::REQUEST);
        self.call_service((remote, port), call, request, figure::decode)
            .await
    }

    async fn manage<T>(
        &self,
        remote: Address,
        call: Call,
        request: Bytes,
        decode: impl FnOnce(&[u8]) -> Result<T, ReplyError>,
    ) -> Result<Answer<T>, ServiceError> {
        self.call_service((remote, Port::CMP), call, request, decode)
            .await
    }

    /// Sends a request that is not answered.
    async fn tell(
        &self,
        remote: Address,
        port: Port,
        call: Call,
        request: Bytes,
    ) -> Result<(), ServiceError> {
        let limit = call.timeout;
        let sent = self.ask(remote, port, call, request, FEW);
        let late = Err(ServiceError::Timeout { limit });
        tokio::time::timeout(limit, sent).await.unwrap_or(late).map(drop)
    }
}

/// The answers to [`Node::identify_all`], as they come.
#[derive(Debug)]
pub struct Identities {
    asked: Asked,
    until: Pin<Box<Sleep>>,
}

impl Identities {
    /// The next answer, or what came in the place of one; `None` when the time is up.
    ///
    /// # Cancel safety
    /// A dropped future has taken nothing.
    pub async fn next(&mut self) -> Option<Answer<Result<Identity, ReplyError>>> {
        let reply = {
            let mut recv = pin!(self.asked.connection.recv());
            let until = &mut self.until;
            poll_fn(|cx| match recv.as_mut().poll(cx) {
                Poll::Ready(reply) => Poll::Ready(reply.ok()),
                Poll::Pending => until.as_mut().poll(cx).map(|()| None),
            })
            .await?
        };
        Some(self.asked.answer(&reply, Identity::decode(&reply.payload)))
    }
}
