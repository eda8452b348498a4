//! Who is bound to which name, who waits for a request, and which requests wait: sans-IO.
//!
//! ```text
//!            bound accept is free              taken by the accept
//! Waiting <----------------------> Offered ------------------------> Done
//!            the accept was dropped
//! ```
//!
//! An accept that waits is *offered* a request and woken; only when it comes for it, is the request taken. So
//! an accept that is dropped loses nothing, and nobody who comes late overtakes one that waits.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::task::Waker;

use super::asker::Asker;
use crate::error::{AllocError, BindError};
use crate::name::Name;
use crate::qos::QosSpec;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ProviderId(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RequestId(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AcceptId(u64);

/// A request for a flow of type `F`.
#[derive(Debug)]
struct Request<F> {
    name: Name,
    qos: QosSpec,
    asker: Asker,
    state: State<F>,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum State<F> {
    Waiting,
    Offered(AcceptId),
    Done(Result<F, AllocError>),
}

/// An accept that waits.
#[derive(Debug)]
struct Accept {
    provider: ProviderId,
    offered: Option<RequestId>,
    waker: Option<Waker>,
}

/// Wakers to be woken once the registry is not locked any more.
#[must_use = "somebody would sleep on"]
#[derive(Debug, Default)]
pub(super) struct Wakers(Vec<Waker>);

impl Wakers {
    pub(super) fn wake(self) {
        self.0.into_iter().for_each(Waker::wake);
    }
}

#[derive(Debug)]
pub(super) struct Registry<F> {
    max_names: usize,
    backlog: usize,
    next: u64,
    names: BTreeMap<Name, BTreeSet<ProviderId>>,
    requests: BTreeMap<RequestId, Request<F>>,
    accepts: BTreeMap<AcceptId, Accept>,
}

impl<F> Registry<F> {
    pub(super) const fn new(max_names: usize, backlog: usize) -> Self {
        Self {
            max_names,
            backlog,
            next: 0,
            names: BTreeMap::new(),
            requests: BTreeMap::new(),
            accepts: BTreeMap::new(),
        }
    }

    const fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) const fn attach(&mut self) -> ProviderId {
        ProviderId(self.number())
    }

    pub(super) fn names(&self) -> usize {
        self.names.len()
    }

    /// Requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.requests.values().filter(|request| request.waits()).count()
    }

    /// Binds `provider` to a name.
    pub(super) fn bind(&mut self, provider: ProviderId, name: &Name) -> Result<Wakers, BindError> {
        let max = self.max_names;
        if !self.names.contains_key(name) && self.names.len() >= max {
            return Err(BindError::Full { max });
        }
        self.names.entry(name.clone()).or_default().insert(provider);
        Ok(self.offer())
    }

    /// Takes `provider` off a name. Returns `None` when it was not bound.
    pub(super) fn unbind(&mut self, provider: ProviderId, name: &Name) -> Option<Wakers> {
        let bound = self.names.get_mut(name)?;
        if !bound.remove(&provider) {
            return None;
        }
        let unknown = bound.is_empty();
        if unknown {
            self.names.remove(name);
        }
        let mut wakers = Wakers::default();
        for request in self.requests.values_mut().filter(|request| request.name == *name) {
            if let State::Offered(accept) = request.state
                && let Some(accept) = self.accepts.get_mut(&accept)
                && accept.provider == provider
            {
                accept.offered = None;
                request.state = State::Waiting;
            }
            if unknown && request.waits() {
                request.state = State::Done(Err(AllocError::UnknownName { name: name.clone() }));
                wakers.0.extend(request.waker.take());
            }
        }
        // accepts that have no name to wait for any more have to say so
        let left = self.names.values().any(|bound| bound.contains(&provider));
        let accepts = self
            .accepts
            .values_mut()
            .filter(|accept| !left && accept.provider == provider);
        wakers.0.extend(accepts.filter_map(|accept| accept.waker.take()));
        wakers.0.extend(self.offer().0);
        Some(wakers)
    }

    /// Takes `provider` off all its names.
    pub(super) fn detach(&mut self, provider: ProviderId) -> Wakers {
        let bound: Vec<_> = self.names.keys().cloned().collect();
        let wakers = bound.iter().filter_map(|name| self.unbind(provider, name));
        Wakers(wakers.flat_map(|wakers| wakers.0).collect())
    }

    /// Whether anybody is bound to `name`.
    #[cfg(unix)]
    pub(super) fn is_known(&self, name: &Name) -> bool {
        self.names.contains_key(name)
    }

    /// Whether somebody waits in accept who would get a request for `name` at once.
    #[cfg(unix)]
    pub(super) fn is_awaited(&self, name: &Name) -> bool {
        self.names.get(name).is_some_and(|bound| {
            self.accepts
                .values()
                .any(|accept| accept.offered.is_none() && bound.contains(&accept.provider))
        })
    }

    /// Whether `provider` is bound to any name.
    pub(super) fn is_bound(&self, provider: ProviderId) -> bool {
        self.names.values().any(|bound| bound.contains(&provider))
    }

    /// Asks for a flow to `name`.
    pub(super) fn request(
        &mut self,
        name: &Name,
        qos: QosSpec,
        asker: Asker,
    ) -> Result<(RequestId, Wakers), AllocError> {
        if !self.names.contains_key(name) {
            return Err(AllocError::UnknownName { name: name.clone() });
        }
        let (max, name) = (self.backlog, name.clone());
        let waiting = self
            .requests
            .values()
            .filter(|request| request.waits() && request.name == name);
        if waiting.count() >= max {
            return Err(AllocError::Busy { name, max });
        }
        let id = RequestId(self.number());
        let request = Request {
            name,
            qos,
            asker,
            state: State::Waiting,
            waker: None,
        };
        self.requests.insert(id, request);
        Ok((id, self.offer()))
    }

    /// What became of a request; waits when nothing has.
    pub(super) fn poll_request(&mut self, id: RequestId, waker: &Waker) -> Option<Result<F, AllocError>> {
        let request = self.requests.get_mut(&id)?;
        if request.waits() {
            request.waker = Some(waker.clone());
            return None;
        }
        match self.requests.remove(&id)?.state {
            State::Done(result) => Some(result),
            State::Waiting | State::Offered(_) => None,
        }
    }

    /// Takes a request back. Returns the flow if somebody has accepted it already, and what was still
    /// waiting.
    pub(super) fn withdraw(&mut self, id: RequestId) -> Withdrawn<F> {
        match self.requests.remove(&id).map(|request| request.state) {
            Some(State::Done(Ok(flow))) => Withdrawn::Accepted(flow),
            Some(State::Offered(accept)) => {
                if let Some(accept) = self.accepts.get_mut(&accept) {
                    accept.offered = None; // it is woken for nothing, and keeps its place
                }
                Withdrawn::Waiting(self.offer())
            }
            Some(State::Waiting) => Withdrawn::Waiting(Wakers::default()),
            Some(State::Done(Err(_))) | None => Withdrawn::Nothing,
        }
    }

    /// Waits for a request on behalf of `provider`.
    pub(super) fn listen(&mut self, provider: ProviderId) -> (AcceptId, Wakers) {
        let id = AcceptId(self.number());
        let accept = Accept {
            provider,
            offered: None,
            waker: None,
        };
        self.accepts.insert(id, accept);
        (id, self.offer())
    }

    /// Takes the request that is offered to an accept, which is over thereby, and settles it with the flow
    /// that `make` gives it; waits when there is none.
    pub(super) fn poll_accept<T>(
        &mut self,
        id: AcceptId,
        waker: &Waker,
        make: impl FnOnce(&Name, QosSpec, &Asker) -> (F, T),
    ) -> Option<(T, Wakers)> {
        let accept = self.accepts.get_mut(&id)?;
        let Some(request) = accept.offered.and_then(|request| self.requests.get_mut(&request)) else {
            accept.waker = Some(waker.clone());
            return None;
        };
        let (theirs, ours) = make(&request.name, request.qos, &request.asker);
        request.state = State::Done(Ok(theirs));
        let wakers = Wakers(request.waker.take().into_iter().collect());
        self.accepts.remove(&id);
        Some((ours, wakers))
    }

    /// An accept waits no more; what was offered to it is offered to the next.
    pub(super) fn leave(&mut self, id: AcceptId) -> Wakers {
        let offered = self.accepts.remove(&id).and_then(|accept| accept.offered);
        match offered.and_then(|request| self.requests.get_mut(&request)) {
            Some(request) => {
                request.state = State::Waiting;
                self.offer()
            }
            None => Wakers::default(),
        }
    }

    /// Offers the requests that wait, oldest first, to the accepts that are free, oldest first.
    fn offer(&mut self) -> Wakers {
        let mut wakers = Wakers::default();
        let mut free: BTreeMap<_, _> = self
            .accepts
            .iter_mut()
            .filter(|(_, accept)| accept.offered.is_none())
            .collect();
        for (request_id, request) in &mut self.requests {
            if free.is_empty() {
                break;
            }
            if !matches!(request.state, State::Waiting) {
                continue;
            }
            let bound = self.names.get(&request.name);
            let taker = free
                .iter()
                .find(|(_, accept)| bound.is_some_and(|bound| bound.contains(&accept.provider)));
            let Some(accept_id) = taker.map(|(id, _)| **id) else {
                continue;
            };
            if let Some(accept) = free.remove(&accept_id) {
                accept.offered = Some(*request_id);
                wakers.0.extend(accept.waker.take());
                request.state = State::Offered(accept_id);
            }
        }
        wakers
    }
}

/// What taking a request back came to.
#[derive(Debug)]
pub(super) enum Withdrawn<F> {
    /// Nobody had accepted it.
    Waiting(Wakers),
    /// Somebody had, and has the other end of this flow.
    Accepted(F),
    /// It was over already.
    Nothing,
}

impl<F> Request<F> {
    const fn waits(&self) -> bool {
        matches!(self.state, State::Waiting | State::Offered(_))
    }
}

#[cfg(test)]
mod tests;
