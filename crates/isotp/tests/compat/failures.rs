//! What fails: both sides say so, and go on.

use core::time::Duration;

use isotp::{NResult, StreamError};
use testkit::compat::Direction::{FromPeer, ToPeer};
use testkit::compat::Outcome;

use super::watch::{Sender, Watch};
use super::{Bench, Peer, Setup, Told, payload, soon};

/// How long a peer is given to say that it gave up: more than any timeout of the standard.
const LONGER_THAN_A_TIMEOUT: Duration = Duration::from_millis(1500);

/// The same for the tables.
const WATCHED: &str = "1.5 s later";

impl<P: Peer> Bench<P> {
    /// Messages that are too long for the receiver.
    pub(crate) async fn overflow_from_peer(&mut self, setup: &Setup) {
        self.peer.open(setup).await;
        let mut ours = self.ours(setup, setup.config().max_rx_len(100)).await;
        self.peer.send(&payload(101)).await;
        let refused = soon("a report", ours.recv()).await;
        assert!(matches!(
            refused,
            Some(Err(StreamError::Refused { len: 101, max: 100 }))
        ));
        self.told("failure: OVFLW from us", self.peer.overflow(), setup)
            .await;
        self.take(&mut ours, 100).await;
        drop(ours);
        self.peer.close().await;
    }

    /// The same the other way, with a peer that takes messages of `max` bytes.
    pub(crate) async fn overflow_to_peer(&mut self, setup: &Setup, max: usize, trouble: Option<&str>) {
        let setup = Setup {
            max_len: max,
            ..setup.clone()
        };
        self.peer.open(&setup).await;
        let mut ours = self.ours(&setup, setup.config()).await;
        let error = soon("a failure", ours.send(payload(max + 1))).await.unwrap_err();
        assert_eq!(error.n_result(), Some(NResult::BufferOvflw), "{error}");
        let mut remark = format!("{} bytes are refused: N_BUFFER_OVFLW here", max + 1);
        if let Some(trouble) = trouble {
            assert_eq!(self.peer.trouble().await, trouble);
            remark.push_str(&format!(", {trouble} there"));
        }
        self.give(&mut ours, 100).await;
        self.works(
            ToPeer,
            "failure: OVFLW from peer",
            &(remark + "; the next message arrives"),
        );
        drop(ours);
        self.peer.close().await;
    }

    /// A receiver that is not there.
    pub(crate) async fn silence(&mut self, setup: &Setup) {
        let setup = &setup.impatient();
        self.peer.open(setup).await;
        self.peer.send(&payload(20)).await;
        self.told("failure: no flow control", self.peer.no_flow_control(), setup)
            .await;
        let mut ours = self.ours(setup, setup.config()).await;
        self.take(&mut ours, 20).await;
        self.peer.close().await;
        let error = soon("a timeout", ours.send(payload(20))).await.unwrap_err();
        assert_eq!(error.n_result(), Some(NResult::TimeoutBs), "{error}");
        self.peer.open(setup).await;
        self.give(&mut ours, 20).await;
        let remark = "N_TIMEOUT_Bs here; the next message arrives";
        self.works(ToPeer, "failure: no flow control", remark);
        drop(ours);
        self.peer.close().await;
    }

    /// A message that we break off.
    pub(crate) async fn broken_off(&mut self, setup: &Setup) {
        let slow = Setup {
            st_min: 0x32,
            ..setup.impatient()
        };
        self.peer.open(&slow).await;
        let watch = Watch::start(&self.bus, setup.mode.ours, Sender::Us).await;
        let mut ours = self.ours(setup, setup.config()).await;
        tokio::select! {
            sent = ours.send(payload(100)) => panic!("sent at once: {sent:?}"),
            _ = watch.transfer(2) => {}
        }
        ours.abort_send();
        let feature = "failure: a message without its end";
        match self.peer.no_rest() {
            Told::As(name) => {
                assert_eq!(self.peer.trouble().await, name);
                let remark = format!("broken off by us; {name} there; the next message arrives");
                self.works(ToPeer, feature, &remark);
            }
            Told::Logged(_) | Told::Never => {
                let remark = "broken off by us; the peer does not tell; the next message arrives";
                self.report.row(ToPeer, feature, Outcome::PeerDiffers, remark);
            }
        }
        self.give(&mut ours, 20).await;
        drop(ours);
        self.peer.close().await;
    }

    /// What the peer said to a message of its own that failed. One that never ends it is made anew.
    async fn told(&mut self, feature: &str, told: Told, setup: &Setup) {
        match told {
            Told::As(name) => {
                assert_eq!(self.failure().await, name);
                self.works(
                    FromPeer,
                    feature,
                    &format!("{name} there; the next message arrives"),
                );
                return;
            }
            Told::Logged(words) => {
                assert_eq!(self.peer.trouble().await, words);
                let never = tokio::time::timeout(LONGER_THAN_A_TIMEOUT, self.peer.sent()).await;
                assert!(never.is_err(), "it ended after all: {never:?}");
                let remark = format!(
                    "logs \"{words}\", and the message has not ended {WATCHED}; a new connection works"
                );
                self.report.row(FromPeer, feature, Outcome::PeerFails, &remark);
            }
            Told::Never => {
                let never = tokio::time::timeout(LONGER_THAN_A_TIMEOUT, self.peer.sent()).await;
                assert!(never.is_err(), "it ended after all: {never:?}");
                let remark = format!("the message has not ended {WATCHED}; a new connection works");
                self.report.row(FromPeer, feature, Outcome::PeerFails, &remark);
            }
        }
        self.peer.close().await;
        self.peer.open(setup).await;
    }

    /// The name of the peer's failure, which some tell beside the end of sending.
    async fn failure(&mut self) -> String {
        let failed = self.peer.sent().await.unwrap_err();
        if failed == "BlockingSendFailure" {
            self.peer.trouble().await
        } else {
            failed
        }
    }
}
