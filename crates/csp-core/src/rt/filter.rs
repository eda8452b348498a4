//! Filters that may wait.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::boxed::Box;
use std::sync::Arc;
use std::vec::Vec;

use tinwire_time::Instant;

use super::node::Node;
use super::shared::{Shared, State};
use crate::{Asked, FilterContext, FilterId, OutsideConfig, Packet, Stage, Ticket, Verdict};

type Judging = Pin<Box<dyn Future<Output = Verdict> + Send>>;
type Judge = Box<dyn FnMut(FilterContext, Packet) -> Judging + Send>;

/// A filter that may wait, with the driver.
pub(super) struct Seated {
    id: FilterId,
    config: OutsideConfig,
    judge: Judge,
}

/// A packet that one of them looks at.
struct Case {
    ticket: Ticket,
    filter: FilterId,
    until: Instant,
    judging: Judging,
}

/// The filters that may wait. The driver polls them, outside of the lock.
#[derive(Default)]
pub(super) struct Court {
    seated: Vec<Seated>,
    asked: Vec<Asked>,
    cases: Vec<Case>,
    verdicts: Vec<(Ticket, Verdict)>,
}

impl Court {
    /// Lets the filters get on with what they were asked; true when there are verdicts.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let Self {
            seated,
            asked,
            cases,
            verdicts,
        } = self;
        for Asked {
            ticket,
            filter,
            context,
            packet,
            ..
        } in asked.drain(..)
        {
            // One that was taken out meanwhile has no say.
            if let Some(seat) = seated.iter_mut().find(|seat| seat.id == filter) {
                cases.push(Case {
                    ticket,
                    filter,
                    until: context.now + seat.config.timeout,
                    judging: (seat.judge)(context, packet),
                });
            }
        }
        cases.retain_mut(|case| match case.judging.as_mut().poll(cx) {
            Poll::Ready(verdict) => {
                verdicts.push((case.ticket, verdict));
                false
            }
            Poll::Pending => true,
        });
        !verdicts.is_empty()
    }

    /// Tells the machine the verdicts, and takes what it asks; true when it does.
    pub(super) fn exchange(&mut self, now: Instant, state: &mut State) -> bool {
        for (ticket, verdict) in self.verdicts.drain(..) {
            state.node.handle_verdict(now, ticket, verdict);
            state.wake_room();
        }
        self.seated.append(&mut state.filters);
        while let Some(asked) = state.node.poll_filter() {
            self.asked.push(asked);
        }
        !self.asked.is_empty()
    }

    /// Drops the filters that were taken out, and what came too late to matter. Not under the lock: they are
    /// the user's.
    pub(super) fn tidy(&mut self, now: Instant, retired: &[FilterId]) {
        self.seated.retain(|seat| !retired.contains(&seat.id));
        self.cases
            .retain(|case| case.until > now && !retired.contains(&case.filter));
    }
}

/// A filter in a running node. Dropping it takes it out, and what waits for it goes on as if it had never
/// been there.
#[derive(Debug)]
#[must_use = "dropping it takes the filter out"]
pub struct Filter {
    shared: Arc<Shared>,
    id: Option<FilterId>,
}

impl Filter {
    /// Leaves the filter in for as long as the node runs.
    pub fn keep(mut self) {
        self.id = None;
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let mut state = self.shared.lock();
            let now = state.tick();
            state.node.remove_filter(now, id);
            if !state.stopped {
                state.retired.push(id);
            }
            state.wake_room();
            state.collect();
            state.wake_task();
        }
    }
}

impl Node {
    /// Shows packets to `filter`, which may wait before it lets them pass, changes or drops them.
    ///
    /// It is asked by the node's task, which it must not hold up otherwise. It may look at several packets at
    /// once (16; one second each: [`filter_with`](Self::filter_with)); they go on in the order they came.
    /// `None` drops. What panics in it ends the node. A [`Node`] that it holds keeps the node running.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use csp_core::{Config, Stage};
    /// # use csp_core::rt::Node;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let node = Node::spawn(Config::default());
    /// let slow = node.filter(Stage::Incoming, |_, packet| async move {
    ///     tokio::time::sleep(Duration::from_millis(250)).await;
    ///     Some(packet)
    /// });
    /// # drop(slow); }
    /// ```
    pub fn filter<F, R>(&self, stage: Stage, filter: F) -> Filter
    where
        F: FnMut(FilterContext, Packet) -> R + Send + 'static,
        R: Future<Output: Into<Verdict>> + Send + 'static,
    {
        self.filter_with(stage, OutsideConfig::default(), filter)
    }

    /// As [`filter`](Self::filter), with limits of its own.
    pub fn filter_with<F, R>(&self, stage: Stage, config: OutsideConfig, mut filter: F) -> Filter
    where
        F: FnMut(FilterContext, Packet) -> R + Send + 'static,
        R: Future<Output: Into<Verdict>> + Send + 'static,
    {
        let judge: Judge = Box::new(move |context, packet| {
            let judging = filter(context, packet);
            Box::pin(async move { judging.await.into() })
        });
        let mut state = self.shared().lock();
        let id = state.node.filter_outside(stage, config);
        if state.stopped {
            // Nobody would ever take it out, and it may hold a handle of the node.
            drop(state);
            return self.seated(id);
        }
        state.filters.push(Seated { id, config, judge });
        state.wake_task();
        drop(state);
        self.seated(id)
    }

    /// Shows packets to `filter`, which decides at once.
    ///
    /// It is called, and dropped, while the node is locked: it must neither use nor hold a handle of this
    /// node. [`filter`](Self::filter) may.
    ///
    /// # Panics
    /// Not here, but in the filter, when it uses a handle of its own node, which would wait for ever.
    pub fn filter_now<F>(&self, stage: Stage, filter: F) -> Filter
    where
        F: FnMut(&FilterContext, Packet) -> Verdict + Send + 'static,
    {
        let id = self.shared().lock().node.filter(stage, filter);
        self.seated(id)
    }

    fn seated(&self, id: FilterId) -> Filter {
        Filter {
            shared: Arc::clone(self.shared()),
            id: Some(id),
        }
    }
}
