//! How fast messages pass a virtual interface, and how well a separation time is kept on it.
//!
//! Our stream is compared with a bare loop that sends and receives the same frames in batches, and with the
//! kernel's own ISO-TP sockets without a pause between frames.
//!
//! `cargo xtask bench isotp` runs it where the kernel has CAN. By hand: `vcan_transfer [INTERFACE]
//! [MESSAGES]`; it wants a CAN FD interface that nobody else uses.
#![cfg_attr(
    target_os = "linux",
    expect(clippy::print_stdout, reason = "a program that prints a table")
)]

#[cfg(target_os = "linux")]
#[path = "../benches/report/mod.rs"]
mod report;

#[cfg(target_os = "linux")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn core::error::Error>> {
    linux::run().await
}

#[cfg(not(target_os = "linux"))]
fn main() -> Result<(), &'static str> {
    Err("CAN sockets are a matter of Linux")
}

#[cfg(target_os = "linux")]
mod linux {
    use core::error::Error;
    use core::time::Duration;
    use std::time::{Instant, SystemTime};

    use bytes::Bytes;
    use can_link::linux::{RawOptions, RawSocket};
    use can_link::{
        CanFrame, CanRx as _, CanRxExt as _, CanTxExt as _, Event, EventBuf, Filter, FilterSet, StandardId,
    };
    use isotp::{
        Address, BytesChannel, Config, DataLink, IsoTpStream, KernelIsoTp, Pci, Prefix, StMin, Target,
    };

    use super::report::Gaps;

    type Result<T> = core::result::Result<T, Box<dyn Error>>;

    /// Bytes of a message.
    const LEN: usize = 4095;
    /// Frames per call in the bare loop, as in ours.
    const BATCH: usize = 32;
    /// How often each is measured, in turn; the middle counts, of rates and of ratios.
    const ROUNDS: usize = 9;

    pub(super) async fn run() -> Result<()> {
        let mut arguments = std::env::args().skip(1);
        let interface = arguments
            .next()
            .or_else(|| std::env::var("VCAN0").ok())
            .unwrap_or_else(|| "vcan0".into());
        let messages = arguments.next().map_or(Ok(30), |count| count.parse())?;
        for (name, link) in [("classic", DataLink::Classic), ("FD-64", DataLink::fd())] {
            println!("{name}: {messages} messages of {LEN} bytes on {interface}, STmin 0");
            let place = Place {
                interface: interface.clone(),
                link,
            };
            let (mut bare, mut ours, mut kernel) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                bare.push(place.bare(messages).await?);
                ours.push(place.ours(messages).await?);
                kernel.push(place.kernel(messages).await?);
            }
            let (of_loop, of_kernel) = (ratio(&ours, &bare), ratio(&ours, &kernel));
            let [bare, ours, kernel] = [bare, ours, kernel].map(middle);
            println!("  a bare loop             {bare:>8.3} MB/s");
            println!("  IsoTpStream             {ours:>8.3} MB/s   x{of_loop:.2} of the loop");
            println!("  kernel, frame_txtime 0  {kernel:>8.3} MB/s   ours x{of_kernel:.2} of it");
        }
        let place = Place {
            interface,
            link: DataLink::Classic,
        };
        for (micros, frames) in [(0, 2000), (100, 1000), (500, 1000), (1_000, 500), (10_000, 100)] {
            println!("{}", place.gaps(Duration::from_micros(micros), frames).await?);
        }
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
    fn clock() -> Instant {
        Instant::now()
    }

    fn middle(mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    }

    /// The middle one of the ratios of measurements made right after each other.
    fn ratio(ours: &[f64], theirs: &[f64]) -> f64 {
        middle(
            ours.iter()
                .zip(theirs)
                .map(|(ours, theirs)| ours / theirs)
                .collect(),
        )
    }

    struct Place {
        interface: String,
        link: DataLink,
    }

    impl Place {
        fn address() -> Result<Address> {
            let id = |raw| StandardId::new(raw).ok_or("an identifier");
            Ok(Address::normal(id(0x7E0)?, id(0x7E8)?)?)
        }

        fn config(&self) -> Config {
            Config::default().data_link(self.link).max_rx_len(1 << 20)
        }

        fn socket(&self) -> Result<RawSocket> {
            let options = RawOptions::new().receive_buffer(1 << 20);
            Ok(options.open(&self.interface)?)
        }

        /// Megabytes a second of messages.
        fn rate(messages: u32, took: Duration) -> f64 {
            f64::from(messages) * f64::from(u32::try_from(LEN).unwrap_or(u32::MAX)) / took.as_secs_f64() / 1e6
        }

        /// The frames of one message: those of its sender, and the one that answers.
        fn frames(&self) -> Result<(Vec<CanFrame>, CanFrame)> {
            let now = tinwire_time::Instant::ZERO;
            let mut ends = [Self::address()?, Self::address()?.reversed()]
                .map(|address| BytesChannel::new(address, self.config()));
            let [a, b] = &mut ends;
            a.send(now, Bytes::from(vec![0x55; LEN]))?;
            let (mut sent, mut answer) = (Vec::new(), None);
            while let Some(frame) = a.poll_transmit(now) {
                a.handle_transmitted(now, &frame);
                b.handle_frame(now, &frame);
                if let Some(control) = b.poll_transmit(now) {
                    b.handle_transmitted(now, &control);
                    a.handle_frame(now, &control);
                    answer = Some(control);
                }
                sent.push(frame);
            }
            Ok((sent, answer.ok_or("an answer")?))
        }

        /// The frames of messages, sent and received in batches by nobody who looks at them.
        async fn bare(&self, messages: u32) -> Result<f64> {
            let (frames, answer) = self.frames()?;
            let (mut a, mut b) = (self.socket()?, self.socket()?);
            let (to_a, to_b) = (answer.id(), frames.first().ok_or("a frame")?.id());
            a.set_filters(&FilterSet::any([Filter::id(to_a)]))?;
            b.set_filters(&FilterSet::any([Filter::id(to_b)]))?;
            let begin = clock();
            for _ in 0..messages {
                let (first, rest) = frames.split_at(1);
                exchange(&mut a, &mut b, first).await?;
                exchange(&mut b, &mut a, core::slice::from_ref(&answer)).await?;
                for batch in rest.chunks(BATCH) {
                    exchange(&mut a, &mut b, batch).await?;
                }
            }
            Ok(Self::rate(messages, begin.elapsed()))
        }

        async fn ours(&self, messages: u32) -> Result<f64> {
            let address = Self::address()?;
            let mut a = IsoTpStream::new(self.socket()?, address, self.config())?;
            let mut b = IsoTpStream::new(self.socket()?, address.reversed(), self.config())?;
            let payload = Bytes::from(vec![0x55; LEN]);
            let begin = clock();
            let send = async {
                for _ in 0..messages {
                    a.send(payload.clone()).await?;
                }
                Result::Ok(())
            };
            let receive = async {
                for _ in 0..messages {
                    let message = b.recv().await.ok_or("the link ended")??;
                    assert_eq!(message.len(), LEN);
                }
                Result::Ok(())
            };
            tokio::try_join!(send, receive)?;
            Ok(Self::rate(messages, begin.elapsed()))
        }

        async fn kernel(&self, messages: u32) -> Result<f64> {
            let (address, config) = (Self::address()?, Config::default().data_link(self.link));
            let mut a = KernelIsoTp::open(&self.interface, &address, &config)?;
            let mut b = KernelIsoTp::open(&self.interface, &address.reversed(), &config)?;
            let payload = Bytes::from(vec![0x55; LEN]);
            let begin = clock();
            let send = async {
                for _ in 0..messages {
                    a.send(payload.clone()).await?;
                }
                Result::Ok(())
            };
            let receive = async {
                for _ in 0..messages {
                    b.recv().await.ok_or("the socket ended")??;
                }
                Result::Ok(())
            };
            tokio::try_join!(send, receive)?;
            Ok(Self::rate(messages, begin.elapsed()))
        }

        /// The gaps of one message, by the kernel's time stamps on a socket that only watches.
        async fn gaps(&self, asked: Duration, frames: usize) -> Result<Gaps> {
            let address = Self::address()?;
            let receiver = self.config().st_min(StMin::at_least(asked));
            let mut a = IsoTpStream::new(self.socket()?, address, self.config())?;
            let mut b = IsoTpStream::new(self.socket()?, address.reversed(), receiver)?;
            let mut watcher = self.socket()?;
            watcher.set_filters(&FilterSet::any([Filter::id(address.tx().id(Target::Physical))]))?;
            let message = Bytes::from(vec![0; 6 + 7 * frames]);
            let send = async { Result::Ok(a.send(message).await?) };
            let receive = async { Result::Ok(b.recv().await.ok_or("the link ended")??) };
            let watch = watch(&mut watcher, asked, frames);
            let ((), _message, gaps) = tokio::try_join!(send, receive, watch)?;
            Ok(gaps)
        }
    }

    /// Sends a batch and receives it.
    async fn exchange(from: &mut RawSocket, to: &mut RawSocket, batch: &[CanFrame]) -> Result<()> {
        from.send_all(batch).await?;
        let mut events = EventBuf::with_capacity(BATCH);
        let mut received = 0;
        while received < batch.len() {
            received += to.recv_many(&mut events, BATCH).await?;
            events.clear();
        }
        Ok(())
    }

    async fn watch(socket: &mut RawSocket, asked: Duration, frames: usize) -> Result<Gaps> {
        let mut gaps = Gaps::new(asked);
        let mut before: Option<SystemTime> = None;
        let mut events = EventBuf::with_capacity(BATCH);
        let mut seen = 0;
        while seen < frames {
            socket.recv_many(&mut events, BATCH).await?;
            for event in events.drain(..) {
                let Event::Frame(received) = event else { continue };
                let decoded = Pci::decode(received.frame.payload(), Prefix::None);
                if let Ok((Pci::ConsecutiveFrame { .. }, _)) = decoded {
                    let now = received.time.host;
                    if let Some(before) = before.replace(now) {
                        gaps.add(now.duration_since(before).unwrap_or_default());
                    }
                    seen += 1;
                }
            }
        }
        Ok(gaps)
    }
}
