//! How fast frames pass a virtual interface: one system call a frame against batches, beside cangen and
//! candump.
//!
//! `cargo xtask bench` runs it where the kernel has CAN. By hand: `vcan_throughput [INTERFACE] [FRAMES]`; it
//! wants an interface that nobody else uses, root for its receive buffers, and can-utils.
#![cfg_attr(
    target_os = "linux",
    expect(clippy::print_stdout, reason = "a program that prints a table")
)]

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
    use std::os::fd::{AsFd as _, AsRawFd as _};
    use std::process::{Command, Stdio};
    use std::time::Instant;

    use can_link::linux::{RawOptions, RawSocket};
    use can_link::record::{self, MAX_DATAGRAM_LEN, RECORD_LEN};
    use can_link::{CanFrame, CanRxExt as _, CanTxExt as _, EventBuf, StandardId};
    use nix::sys::socket::{MsgFlags, recv, send};

    type Result<T> = core::result::Result<T, Box<dyn Error>>;

    /// Kernel memory for one received frame, generously.
    const BYTES_PER_FRAME: usize = 1024;
    const BATCH: usize = 64;

    pub(super) async fn run() -> Result<()> {
        let mut arguments = std::env::args().skip(1);
        let interface = arguments
            .next()
            .or_else(|| std::env::var("VCAN0").ok())
            .unwrap_or_else(|| "vcan0".into());
        // Whole batches.
        let count = arguments.next().map_or(Ok(20_000), |count| count.parse())?;
        let count = usize::next_multiple_of(count, BATCH);

        println!("send, {count} frames on {interface}");
        let cangen = rate(count, || cangen(&interface, count))?;
        line("cangen", cangen, cangen);
        let plain = rate(count, || plain_send(&interface, count))?;
        line("one send(2) a frame", plain, cangen);
        let single = timed(count, single_send(&interface, count)).await?;
        line("CanTx::send", single, cangen);
        let batched = timed(count, batched_send(&interface, count)).await?;
        line("CanTx::send_all of 64", batched, cangen);

        println!("receive, {count} frames that are queued already");
        let candump = per_second(count, candump(&interface, count).await?);
        line("candump", candump, candump);
        let plain = Queue::filled(&interface, count).await?.plain(count)?;
        line("one recv(2) a frame", plain, candump);
        let single = Queue::filled(&interface, count).await?.single(count).await?;
        line("CanRx::recv", single, candump);
        let batched = Queue::filled(&interface, count).await?.batched(count).await?;
        line("CanRx::recv_many of 64", batched, candump);
        Ok(())
    }

    fn line(what: &str, rate: f64, peer: f64) {
        println!("  {what:<24} {rate:>10.0} frames/s  x{:.2}", rate / peer);
    }

    fn per_second(count: usize, took: Duration) -> f64 {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        f64::from(count) / took.as_secs_f64()
    }

    fn rate(count: usize, work: impl FnOnce() -> Result<()>) -> Result<f64> {
        let begin = Instant::now();
        work()?;
        Ok(per_second(count, begin.elapsed()))
    }

    async fn timed(count: usize, work: impl Future<Output = Result<()>>) -> Result<f64> {
        let begin = Instant::now();
        work.await?;
        Ok(per_second(count, begin.elapsed()))
    }

    fn frame() -> Result<CanFrame> {
        let id = StandardId::new(0x123).ok_or("an identifier")?;
        Ok(CanFrame::data(id, &[0x11; 8]).ok_or("a frame")?)
    }

    fn cangen(interface: &str, count: usize) -> Result<()> {
        let line = format!("{interface} -g 0 -I 123 -L 8 -D 1111111111111111 -n {count}");
        run_tool("cangen", &line)
    }

    fn run_tool(tool: &str, line: &str) -> Result<()> {
        let status = Command::new(tool).args(line.split(' ')).status()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("{tool} {line}: {status}").into())
        }
    }

    fn plain_send(interface: &str, count: usize) -> Result<()> {
        let socket = RawOptions::new().open(interface)?;
        let mut datagram = [0; MAX_DATAGRAM_LEN];
        let len = record::encode(&frame()?, &mut datagram);
        let datagram = datagram.get(..len).unwrap_or_default();
        for _ in 0..count {
            send(socket.as_fd().as_raw_fd(), datagram, MsgFlags::empty())?;
        }
        Ok(())
    }

    async fn single_send(interface: &str, count: usize) -> Result<()> {
        let (_, mut tx) = RawOptions::new().open(interface)?.split();
        let frame = frame()?;
        for _ in 0..count {
            tx.send(frame.clone()).await?;
        }
        Ok(())
    }

    async fn batched_send(interface: &str, count: usize) -> Result<()> {
        let (_, mut tx) = RawOptions::new().open(interface)?.split();
        let frames = vec![frame()?; BATCH];
        for _ in 0..count / BATCH {
            tx.send_all(&frames).await?;
        }
        Ok(())
    }

    /// How long candump takes for what its socket holds: it is stopped while the frames are sent.
    async fn candump(interface: &str, count: usize) -> Result<Duration> {
        let line = format!("-L -r {} -n {count} {interface}", count * BYTES_PER_FRAME);
        let mut dump = Command::new("candump")
            .args(line.split(' '))
            .stdout(Stdio::null())
            .spawn()?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        run_tool("kill", &format!("-STOP {}", dump.id()))?;
        batched_send(interface, count).await?;
        let begin = Instant::now();
        run_tool("kill", &format!("-CONT {}", dump.id()))?;
        dump.wait()?;
        Ok(begin.elapsed())
    }

    /// A socket that holds frames.
    struct Queue(RawSocket);

    impl Queue {
        async fn filled(interface: &str, count: usize) -> Result<Self> {
            let socket = RawOptions::new()
                .receive_buffer(count * BYTES_PER_FRAME)
                .open(interface)?;
            batched_send(interface, count).await?;
            Ok(Self(socket))
        }

        fn plain(self, count: usize) -> Result<f64> {
            let mut buffer = [0; RECORD_LEN];
            rate(count, || {
                for _ in 0..count {
                    recv(self.0.as_fd().as_raw_fd(), &mut buffer, MsgFlags::empty())?;
                }
                Ok(())
            })
        }

        async fn single(mut self, count: usize) -> Result<f64> {
            let work = async {
                for _ in 0..count {
                    self.0.recv().await?;
                }
                Ok(())
            };
            timed(count, work).await
        }

        async fn batched(mut self, count: usize) -> Result<f64> {
            let mut out = EventBuf::with_capacity(BATCH);
            let work = async {
                let mut received = 0;
                while received < count {
                    received += self.0.recv_many(&mut out, BATCH).await?;
                    out.clear();
                }
                Ok(())
            };
            timed(count, work).await
        }
    }
}
