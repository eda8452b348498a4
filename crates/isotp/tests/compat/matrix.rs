//! What works: every form of address, length, frame and flow control that a peer knows, both ways.

use core::future::poll_fn;
use core::time::Duration;

use can_link::Link;
use futures::SinkExt;
use isotp::stream::MAX_WAITING;
use isotp::{BlockSize, Config, FlowStatus, IsoTpStream, Padding, Role, StMin};
use testkit::compat::Direction::{Both, FromPeer, ToPeer};
use testkit::compat::Outcome;

use super::watch::{Sender, Watch};
use super::{Bench, Mode, Peer, Setup, in_bytes, payload, soon};

/// A classic message of one first and fourteen consecutive frames.
const LEN: usize = 100;
const FRAMES: u32 = 14;

impl<P: Peer> Bench<P> {
    /// Messages of these lengths, both ways, as one row for each direction.
    pub(crate) async fn both_ways(&mut self, feature: &str, setup: &Setup, lengths: &[usize]) {
        self.both_ways_with(feature, setup, setup.config(), lengths).await;
    }

    async fn both_ways_with(&mut self, feature: &str, setup: &Setup, config: Config, lengths: &[usize]) {
        let remark = in_bytes(lengths);
        self.peer.open(setup).await;
        let mut ours = self.ours(setup, config).await;
        for len in lengths {
            self.give(&mut ours, *len).await;
        }
        self.works(ToPeer, feature, &remark);
        for len in lengths {
            self.take(&mut ours, *len).await;
        }
        self.works(FromPeer, feature, &remark);
        drop(ours);
        self.peer.close().await;
    }

    /// Each of these ways to address.
    pub(crate) async fn addresses(&mut self, modes: Vec<Mode>, setup: &Setup, lengths: &[usize]) {
        for mode in modes {
            let feature = format!("address: {}", mode.name);
            let setup = Setup {
                mode,
                ..setup.clone()
            };
            self.both_ways(&feature, &setup, lengths).await;
        }
    }

    /// CAN FD frames of up to these lengths.
    pub(crate) async fn fd(&mut self, frames: &[usize], setup: &Setup, lengths: &[usize]) {
        for tx_dl in frames {
            let setup = Setup {
                tx_dl: *tx_dl,
                ..setup.clone()
            };
            let feature = format!("CAN FD: frames of up to {tx_dl:2} bytes");
            self.both_ways(&feature, &setup, lengths).await;
        }
    }

    /// Each block size with each separation time: the receiver's word is obeyed.
    pub(crate) async fn flow_control(&mut self, setup: &Setup) {
        for (block_size, st_min) in [(0, 0), (1, 0), (8, 0), (0, 0x01), (8, 0x01), (0, 0xF5), (8, 0xF5)] {
            let told = StMin::from_bits(st_min).unwrap();
            let blocks = if block_size == 0 {
                1
            } else {
                FRAMES.div_ceil(block_size.into())
            };
            let gaps = told.gap() * (FRAMES - blocks);
            let feature = format!("flow control: block size {block_size}, STmin {st_min:#04X}");
            for (sender, direction) in [(Sender::Us, ToPeer), (Sender::Peer, FromPeer)] {
                let theirs = Setup {
                    block_size,
                    st_min,
                    ..setup.clone()
                };
                let config = setup
                    .config()
                    .st_min(told)
                    .block_size(BlockSize::from_bits(block_size));
                self.peer.open(&theirs).await;
                let watch = Watch::start(&self.bus, setup.mode.ours, sender).await;
                let mut ours = self.ours(setup, config).await;
                match sender {
                    Sender::Us => self.give(&mut ours, LEN).await,
                    Sender::Peer => self.take(&mut ours, LEN).await,
                }
                let transfer = watch.transfer(FRAMES as usize).await;
                assert_eq!(transfer.consecutive.len(), FRAMES as usize, "{feature}");
                assert_eq!(transfer.controls.len(), blocks as usize, "{feature}");
                assert!(
                    transfer.duration() >= gaps,
                    "{feature}: {:?} are too short for gaps of {gaps:?}",
                    transfer.duration()
                );
                let frames = format!("{FRAMES} consecutive frames");
                let remark = match (blocks, gaps) {
                    (1, Duration::ZERO) => frames,
                    (1, gaps) => format!("{frames} in no less than {gaps:?}"),
                    (blocks, Duration::ZERO) => format!("{frames} in {blocks} blocks"),
                    (blocks, gaps) => format!("{frames} in {blocks} blocks, in no less than {gaps:?}"),
                };
                self.works(direction, &feature, &remark);
                drop(ours);
                self.peer.close().await;
            }
        }
    }

    /// Frames as long as what they hold, and frames filled to 8 bytes.
    pub(crate) async fn padding(&mut self, setup: &Setup, lengths: &[usize]) {
        let (flow_control, full) = (3, 8);
        let bare = setup.config().padding(Padding::none());
        self.both_ways_with("padding: none", setup, bare, lengths).await;
        self.shortest(Sender::Us, setup, bare, flow_control).await;
        let filled = setup.config().padding(Padding::filled(0x55));
        if !self.peer.can_pad() {
            self.both_ways_with("padding: 0x55 from us", setup, filled, lengths)
                .await;
            return;
        }
        let setup = Setup {
            padding: Some(0xAA),
            ..setup.clone()
        };
        let feature = "padding: 0x55 from us, 0xAA from peer";
        self.both_ways_with(feature, &setup, filled, lengths).await;
        self.shortest(Sender::Us, &setup, filled, full).await;
        self.shortest(Sender::Peer, &setup, filled, full).await;
    }

    /// How long the shortest frame of a transfer is, flow controls included.
    async fn shortest(&mut self, sender: Sender, setup: &Setup, config: Config, expected: usize) {
        self.peer.open(setup).await;
        let watch = Watch::start(&self.bus, setup.mode.ours, sender).await;
        let mut ours = self.ours(setup, config).await;
        match sender {
            Sender::Us => self.give(&mut ours, LEN).await,
            Sender::Peer => self.take(&mut ours, LEN).await,
        }
        assert_eq!(watch.transfer(FRAMES as usize).await.shortest, expected);
        drop(ours);
        self.peer.close().await;
    }

    /// Two messages that cross.
    pub(crate) async fn duplex(&mut self, setup: &Setup) {
        self.peer.open(setup).await;
        let ours = self.ours(setup, setup.config()).await;
        let (mut sink, mut source) = futures::StreamExt::split(ours);
        let (to, from) = (payload(1500), payload(900));
        self.peer.send(&from).await;
        let (sent, there, here) = tokio::join!(
            soon("our end", sink.send(to.clone())),
            self.peer.received(),
            soon("a message", futures::StreamExt::next(&mut source))
        );
        sent.unwrap();
        assert_eq!((there, here.unwrap().unwrap()), (to.to_vec(), from));
        self.peer.sent().await.unwrap();
        self.works(
            Both,
            "duplex: two messages at once",
            "1500 bytes to the peer, 900 from it",
        );
        drop((sink, source));
        self.peer.close().await;
    }

    /// Our reader is slow, and the peer is made to wait.
    pub(crate) async fn wait(&mut self, setup: &Setup) {
        const WAITS: usize = 3;
        let setup = Setup {
            waits: 10,
            ..setup.clone()
        };
        let mut ours = self.slow_reader(&setup, WAITS).await;
        self.slow_reader_reads(&mut ours).await;
        self.peer.sent().await.unwrap();
        let remark = format!("our reader is slow: {WAITS} WAITs, then the message");
        self.works(FromPeer, "flow control: WAIT", &remark);
        drop(ours);
        self.peer.close().await;
    }

    /// The same with a peer that was told to take no WAIT: it complains, and obeys nevertheless.
    pub(crate) async fn refused_wait(&mut self, setup: &Setup, complaint: &str) {
        let mut ours = self.slow_reader(setup, 1).await;
        assert_eq!(self.peer.trouble().await, complaint);
        self.slow_reader_reads(&mut ours).await;
        self.peer.sent().await.unwrap();
        let feature = "flow control: WAIT, with the peer's default that allows none";
        let remark =
            format!("{complaint} there at each WAIT; the message arrives if that takes less than N_Bs");
        self.report.row(FromPeer, feature, Outcome::PeerDiffers, &remark);
        drop(ours);
        self.peer.close().await;
    }

    /// A reader of ours that has let the peer wait so often.
    async fn slow_reader(&mut self, setup: &Setup, waits: usize) -> IsoTpStream<Link> {
        let config = setup.config().n_br(Duration::from_millis(100)).wft_max(200);
        self.peer.open(setup).await;
        let watch = Watch::start(&self.bus, setup.mode.ours, Sender::Peer).await;
        let mut ours = self.ours(setup, config).await;
        for _ in 0..=MAX_WAITING {
            self.peer.send(&payload(5)).await;
            self.peer.sent().await.unwrap();
        }
        self.peer.send(&payload(LEN)).await;
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        soon("WAITs", async {
            while watch.count(FlowStatus::Wait) < waits {
                // Whoever wants to send moves the reception too, and takes nothing from it.
                poll_fn(|cx| ours.poll_ready_unpin(cx)).await.unwrap();
                ticks.tick().await;
            }
        })
        .await;
        ours
    }

    async fn slow_reader_reads(&self, ours: &mut IsoTpStream<Link>) {
        for len in core::iter::repeat_n(5, MAX_WAITING + 1).chain([LEN]) {
            let message = soon("a message", ours.recv()).await.unwrap().unwrap();
            assert_eq!(message, payload(len));
        }
    }

    /// Our listener follows what the peer sends to another endpoint of ours.
    pub(crate) async fn our_listener(&mut self, setup: &Setup) {
        self.peer.open(setup).await;
        let mut listener = self.ours(setup, setup.config().role(Role::Listener)).await;
        let mut ours = self.ours(setup, setup.config()).await;
        let (_, heard) = tokio::join!(self.take(&mut ours, LEN), soon("the listener", listener.recv()));
        assert_eq!(heard.unwrap().unwrap(), payload(LEN));
        self.works(
            FromPeer,
            "listening: our listener",
            "follows a transfer between the peer and us",
        );
        drop((ours, listener));
        self.peer.close().await;
    }

    /// The peer's listener follows what we send to ourselves.
    pub(crate) async fn their_listener(&mut self, setup: &Setup) {
        let listens = Setup {
            listens: true,
            ..setup.clone()
        };
        self.peer.open(&listens).await;
        let mut ours = self.ours(setup, setup.config()).await;
        let other = Setup {
            mode: Mode {
                ours: setup.mode.ours.reversed(),
                ..setup.mode.clone()
            },
            ..setup.clone()
        };
        let mut other = self.ours(&other, setup.config()).await;
        let (_, got) = tokio::join!(self.give(&mut ours, LEN), soon("a message", other.recv()));
        assert_eq!(got.unwrap().unwrap(), payload(LEN));
        self.works(
            ToPeer,
            "listening: the peer's listener",
            "follows a transfer between two of ours",
        );
        drop((ours, other));
        self.peer.close().await;
    }
}
