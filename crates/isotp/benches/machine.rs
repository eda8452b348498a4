//! The machine alone against python-can-isotp's `TransportLayerLogic`: messages handed from one endpoint to
//! another in memory, without a bus, a timer or a task.
//!
//! Run with `cargo xtask bench isotp`. Both are measured in turn in one run, and what counts is the ratio.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(clippy::print_stdout, reason = "a benchmark prints")]
#![allow(missing_docs, reason = "benchmarks are not an interface")]

use core::hint::black_box;
use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Instant as Clock;

use bytes::Bytes;
use can_link::StandardId;
use isotp::{Address, BytesChannel, Config, DataLink};
use tinwire_time::Instant;

/// How often each side is measured, in turn, and how long; the middle counts, of rates and of ratios.
const ROUNDS: usize = 7;
const SECONDS: f64 = 0.4;
/// Messages between two looks at the clock.
const ROUND: usize = 64;

fn main() {
    if env::args()
        .skip(1)
        .any(|word| !word.starts_with('-') && !"machine".contains(&*word))
    {
        return;
    }
    println!(
        "an idle endpoint: {} bytes and no heap",
        size_of::<BytesChannel>()
    );
    let python = python();
    if python.is_none() {
        println!("python-can-isotp is not installed (cargo xtask setup): no ratios");
    }
    for (name, link, len) in [
        ("classic, 7 bytes", DataLink::Classic, 7),
        ("classic, 4095 bytes", DataLink::Classic, 4095),
        ("FD-64, 62 bytes", DataLink::fd(), 62),
        ("FD-64, 4095 bytes", DataLink::fd(), 4095),
    ] {
        let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let rate = machine(link, len);
            ours.push(rate);
            if let Some(python) = &python {
                let peer = peer(python, link, len);
                theirs.push(peer);
                ratios.push(rate / peer);
            }
        }
        let rate = middle(ours);
        let megabytes = rate * f64::from(u32::try_from(len).unwrap()) / 1e6;
        print!("{name:<20} {rate:>11.0} messages/s {megabytes:>7.1} MB/s");
        if python.is_some() {
            let (theirs, ratio) = (middle(theirs), middle(ratios));
            print!("   python-can-isotp {theirs:>6.0} messages/s   x{ratio:.0}");
        }
        println!();
    }
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap()
}

/// Messages per second from one channel to another.
fn machine(link: DataLink, len: usize) -> f64 {
    let id = |raw| StandardId::new(raw).unwrap();
    let address = Address::normal(id(0x7E0), id(0x7E8)).unwrap();
    let config = Config::default().data_link(link);
    let mut sender = BytesChannel::new(address, config);
    let mut receiver = BytesChannel::new(address.reversed(), config);
    let payload: Bytes = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let now = Instant::ZERO;
    let (mut count, begin) = (0, spent());
    while spent() - begin < SECONDS {
        for _ in 0..ROUND {
            sender.send(now, payload.clone()).unwrap();
            let message = loop {
                pass(&mut sender, &mut receiver, now);
                pass(&mut receiver, &mut sender, now);
                if let Some((_, message)) = receiver.take_received(now) {
                    break message;
                }
            };
            assert!(black_box(message) == payload);
            count += 1;
        }
    }
    f64::from(count) / (spent() - begin)
}

/// Seconds that the processor has worked for this thread, so that a busy machine does not matter; where the
/// system does not tell, seconds.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn spent() -> f64 {
    static BEGIN: LazyLock<Clock> = LazyLock::new(Clock::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanos.map_or_else(|| BEGIN.elapsed().as_secs_f64(), |nanos| nanos / 1e9)
}

/// Carries what one end has to send to the other one, as a driver does.
fn pass(from: &mut BytesChannel, to: &mut BytesChannel, now: Instant) {
    while let Some(frame) = from.poll_transmit(now) {
        from.handle_transmitted(now, &frame);
        while let Some(event) = from.poll_event() {
            black_box(event);
        }
        to.handle_frame(now, &frame);
        while let Some(event) = to.poll_event() {
            black_box(event);
        }
    }
}

/// The same by python-can-isotp.
fn peer(python: &PathBuf, link: DataLink, len: usize) -> f64 {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/machine.py");
    let mut command = Command::new(python);
    command.arg(script);
    command.args([
        link.tx_dl().len().to_string(),
        len.to_string(),
        SECONDS.to_string(),
    ]);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse().unwrap_or_else(|_| {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        unreachable!("no figure from python-can-isotp: {why}")
    })
}

/// The Python that has it, where `cargo xtask setup` puts it.
fn python() -> Option<PathBuf> {
    let named = env::var_os("TINWIRE_PYTHON").map(PathBuf::from);
    named.or_else(|| {
        let own = env::current_exe().ok()?;
        let place = |above: &std::path::Path| above.join("venv/bin/python");
        own.ancestors().map(place).find(|path| path.is_file())
    })
}
