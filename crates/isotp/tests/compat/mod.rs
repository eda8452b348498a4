//! Our stack against somebody else's, over any bus: what is tried, and the lines that
//! `docs/COMPATIBILITY.md` is made of.

mod bus;
#[cfg(all(feature = "linux", target_os = "linux"))]
mod canutils;
mod failures;
#[cfg(all(feature = "linux", target_os = "linux"))]
mod kernel;
mod matrix;
mod mode;
mod python;
mod watch;

use core::fmt::Write;
use core::time::Duration;

use bytes::Bytes;
use can_link::Link;
use isotp::{Config, DataLink, IsoTpStream, TxDl};
use testkit::compat::{Direction, Outcome, Report};
pub(crate) use testkit::peer::soon;

pub(crate) use bus::Bus;
#[cfg(all(feature = "linux", target_os = "linux"))]
pub(crate) use canutils::CanUtils;
#[cfg(all(feature = "linux", target_os = "linux"))]
pub(crate) use kernel::Kernel;
pub(crate) use mode::Mode;
pub(crate) use python::{Aioisotp, CanIsoTp};

/// What a peer is told to be at the other end.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) mode: Mode,
    /// 8 means classic frames.
    pub(crate) tx_dl: usize,
    /// What its flow controls shall say.
    pub(crate) block_size: u8,
    pub(crate) st_min: u8,
    pub(crate) padding: Option<u8>,
    /// The longest message it takes, if it has a limit to set.
    pub(crate) max_len: usize,
    /// How many WAITs in a row it obeys, if it has a limit to set.
    pub(crate) waits: u8,
    pub(crate) listens: bool,
    /// N_Bs and N_Cr of both sides, if they can be set: long, because the machine may be busy.
    pub(crate) patience: Duration,
    /// Which of the ways that the peer can be used in.
    pub(crate) kind: &'static str,
}

impl Setup {
    pub(crate) fn new(mode: Mode) -> Self {
        Self {
            mode,
            tx_dl: 8,
            block_size: 0,
            st_min: 0,
            padding: None,
            max_len: 4095,
            waits: 0,
            listens: false,
            patience: Duration::from_secs(20),
            kind: "",
        }
    }

    /// Our own configuration that goes with it.
    pub(crate) fn config(&self) -> Config {
        let max_len = u32::try_from(self.max_len).unwrap();
        let config = Config::default().max_rx_len(max_len).data_link(self.data_link());
        config.n_bs(self.patience).n_cr(self.patience)
    }

    fn data_link(&self) -> DataLink {
        match DataLink::fd() {
            DataLink::Fd { flags, .. } if self.tx_dl > 8 => DataLink::Fd {
                tx_dl: TxDl::new(self.tx_dl).unwrap(),
                flags,
            },
            _ => DataLink::Classic,
        }
    }

    /// With the standard's timeouts, where they are to be seen.
    fn impatient(&self) -> Self {
        Self {
            patience: isotp::config::DEFAULT_TIMEOUT,
            ..self.clone()
        }
    }
}

/// How a peer tells that it could not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// By this name.
    As(&'static str),
    /// Only in its log, with these words; it never ends the message.
    Logged(&'static str),
    /// Not at all; it never ends the message.
    Never,
}

/// Somebody else's ISO-TP.
pub(crate) trait Peer {
    /// What it says when it got OVFLW.
    fn overflow(&self) -> Told;
    /// What it says when it got no flow control.
    fn no_flow_control(&self) -> Told;
    /// What it says when the rest of a message does not come.
    fn no_rest(&self) -> Told;
    /// Whether it can fill its frames.
    fn can_pad(&self) -> bool {
        true
    }

    /// Makes an endpoint at the other end of our address.
    async fn open(&mut self, setup: &Setup);
    /// Begins to send.
    async fn send(&mut self, message: &[u8]);
    /// How that ended.
    async fn sent(&mut self) -> Result<(), String>;
    /// The next received message.
    async fn received(&mut self) -> Vec<u8>;
    /// What went wrong beside sending, or was logged.
    async fn trouble(&mut self) -> String;
    /// Gives the endpoint up.
    async fn close(&mut self);
}

/// A peer, the bus between us, and what becomes of it.
#[derive(Debug)]
pub(crate) struct Bench<P> {
    pub(crate) bus: Bus,
    pub(crate) peer: P,
    pub(crate) report: Report,
}

impl<P: Peer> Bench<P> {
    /// Our end.
    pub(crate) async fn ours(&self, setup: &Setup, config: Config) -> IsoTpStream<Link> {
        IsoTpStream::new(self.bus.join().await, setup.mode.ours, config).unwrap()
    }

    /// One message from us to the peer.
    pub(crate) async fn give(&mut self, ours: &mut IsoTpStream<Link>, len: usize) {
        let message = payload(len);
        let (sent, received) =
            tokio::join!(soon("our end", ours.send(message.clone())), self.peer.received());
        sent.unwrap_or_else(|error| panic!("{len} bytes to the peer: {error}"));
        assert_eq!(received, message, "{len} bytes to the peer");
    }

    /// One message from the peer to us.
    pub(crate) async fn take(&mut self, ours: &mut IsoTpStream<Link>, len: usize) {
        let message = payload(len);
        self.peer.send(&message).await;
        let here = async {
            let received = soon("a message", ours.recv()).await.unwrap();
            received.map_err(|error| error.to_string())
        };
        let (received, ()) = futures::future::try_join(here, self.peer.sent())
            .await
            .unwrap_or_else(|error| panic!("{len} bytes from the peer: {error}"));
        assert_eq!(received, message, "{len} bytes from the peer");
    }

    pub(crate) fn works(&self, direction: Direction, feature: &str, remark: &str) {
        self.report.row(direction, feature, Outcome::Works, remark);
    }
}

pub(crate) fn payload(len: usize) -> Bytes {
    (0..len)
        .map(|i| u8::try_from((i + i / 256) % 256).unwrap())
        .collect()
}

/// `1, 7 and 8 bytes`
pub(crate) fn in_bytes(lengths: &[usize]) -> String {
    let mut text = String::new();
    for (at, len) in lengths.iter().enumerate() {
        let before = match at {
            0 => "",
            at if at + 1 == lengths.len() => " and ",
            _ => ", ",
        };
        write!(text, "{before}{len}").unwrap();
    }
    text + if lengths == [1] { " byte" } else { " bytes" }
}
