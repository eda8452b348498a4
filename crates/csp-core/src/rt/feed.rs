//! What many readers see, each in its own time.

use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::vec::Vec;

use super::waiters::{Wakes, note};

/// How far a reader can be behind.
const MAX_BEHIND: usize = 64;

/// The readers of one kind of news. Who is not read by anybody costs nothing.
#[derive(Debug)]
pub(super) struct Feeds<T>(Vec<Feed<T>>);

#[derive(Debug)]
struct Feed<T> {
    number: u64,
    items: VecDeque<T>,
    lost: u64,
    reader: Option<Waker>,
}

impl<T> Default for Feeds<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone> Feeds<T> {
    pub(super) fn join(&mut self, number: u64) {
        self.0.push(Feed {
            number,
            items: VecDeque::new(),
            lost: 0,
            reader: None,
        });
    }

    pub(super) fn leave(&mut self, number: u64) {
        self.0.retain(|feed| feed.number != number);
    }

    /// A reader that is too far behind misses the oldest.
    pub(super) fn push(&mut self, item: &T, wakes: &mut Wakes) {
        for feed in &mut self.0 {
            if feed.items.len() >= MAX_BEHIND {
                feed.items.pop_front();
                feed.lost = feed.lost.wrapping_add(1);
            }
            feed.items.push_back(item.clone());
            wakes.extend(feed.reader.take());
        }
    }

    pub(super) fn wake(&mut self, wakes: &mut Wakes) {
        wakes.extend(self.0.iter_mut().filter_map(|feed| feed.reader.take()));
    }

    pub(super) fn poll_next(&mut self, number: u64, cx: &Context<'_>) -> Poll<T> {
        let Some(feed) = self.0.iter_mut().find(|feed| feed.number == number) else {
            return Poll::Pending;
        };
        match feed.items.pop_front() {
            Some(item) => Poll::Ready(item),
            None => {
                note(&mut feed.reader, cx);
                Poll::Pending
            }
        }
    }

    pub(super) fn lost(&self, number: u64) -> u64 {
        self.0
            .iter()
            .find(|feed| feed.number == number)
            .map_or(0, |feed| feed.lost)
    }
}
