//! A program that sends numbered frames with the library, as many as it has leave for.

use core::num::NonZeroU64;
use core::ops::Range;
use core::time::Duration;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use fstrm_codec::endpoint::{DialConfig, Dialer, Endpoint, Place as Where};
use fstrm_codec::queue::{self, Delivery, Policy};
use fstrm_codec::sender::{self, Report};
use fstrm_codec::{ContentType, FrameConfig, OwnedRun, blocking};

use crate::peer::LIMIT;
use crate::place::Place;
use crate::{FRAMES, TYPE};

/// Bytes of a payload; the number is in the first eight.
pub(crate) const PAYLOAD: usize = 60;
/// Frames that are offered at a time, half of them one by one and half as a run; leave is given likewise.
const PIECE: u64 = 1_000;

pub(crate) struct Producer {
    sender: blocking::Sender,
    leave: mpsc::Sender<u64>,
    done: mpsc::Receiver<u64>,
    thread: JoinHandle<()>,
}

impl Producer {
    pub(crate) fn start(place: &Place, policy: Policy, delivery: Delivery) -> Self {
        let endpoint = Endpoint::new(Where::Unix(place.path().join("s")));
        let dialer = Dialer::new(&endpoint, DialConfig::new()).unwrap();
        let queue = queue::Config::new()
            .max_bytes(NonZeroU64::new(256 << 10).unwrap())
            .window_bytes(1 << 20)
            .policy(policy)
            .delivery(delivery);
        let config = sender::Config::new()
            .queue(queue)
            .content_type(ContentType::new(TYPE).unwrap())
            .backoff(Duration::from_millis(5), Duration::from_millis(100))
            .shutdown_timeout(LIMIT);
        let sender = blocking::Sender::spawn(dialer, config).unwrap();
        let (leave, leaves) = mpsc::channel();
        let (tell, done) = mpsc::channel();
        let offering = sender.clone();
        let produce = move || {
            let mut next = 0;
            for end in leaves {
                offer(&offering, next..end);
                next = end;
                // Who does not wait for it does not hear it.
                let _ = tell.send(end);
            }
        };
        let thread = thread::spawn(produce);
        Self {
            sender,
            leave,
            done,
            thread,
        }
    }

    /// Lets it offer frames up to this number, and does not wait for it.
    pub(crate) fn may_offer(&self, end: u64) {
        self.leave.send(end).unwrap();
    }

    /// Waits until all frames up to this number are offered.
    pub(crate) fn offer(&self, end: u64) {
        self.may_offer(end);
        while self.done.recv_timeout(LIMIT).expect("an offer does not wait") < end {}
    }

    pub(crate) fn offer_and_flush(&self, end: u64) {
        self.offer(end);
        self.sender.flush().unwrap();
    }

    /// Whether it has more than there is room for, and nothing has moved for a moment.
    pub(crate) fn is_stuck(&self) -> bool {
        let before = self.sender.stats().frames;
        thread::sleep(Duration::from_millis(20));
        let after = self.sender.stats().frames;
        after.queued_bytes > 128 << 10 && (after.offered, after.sent) == (before.offered, before.sent)
    }

    /// Offers what is left, and ends the stream.
    pub(crate) fn finish(self) -> Report {
        self.may_offer(FRAMES);
        drop(self.leave);
        self.thread.join().unwrap();
        self.sender.close()
    }
}

fn offer(sender: &blocking::Sender, numbers: Range<u64>) {
    let payload = |number: u64| {
        let mut payload = [0xA5; PAYLOAD];
        payload[..8].copy_from_slice(&number.to_be_bytes());
        payload
    };
    let mut begin = numbers.start;
    while begin < numbers.end {
        let (middle, end) = (begin + PIECE / 2, begin + PIECE);
        for number in begin..middle {
            sender.send(payload(number).to_vec().into()).unwrap();
        }
        let payloads: Vec<_> = (middle..end).map(payload).collect();
        let run = OwnedRun::encode(payloads.iter().map(|payload| &payload[..]), FrameConfig::new());
        sender.send_run(run.unwrap()).unwrap();
        begin = end;
    }
}
