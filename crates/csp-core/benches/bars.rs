//! What has to be reached: exchanges between two nodes of a process, and checksums.
//!
//! Run with `cargo xtask bench csp`, which makes a table of the lines. With the name of an interpreter in
//! `TINWIRE_CSP_PY` that can import csp-py, its figure of the same run is beside ours.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(clippy::print_stdout, reason = "a benchmark prints")]
#![allow(clippy::disallowed_methods, reason = "a benchmark starts the application")]
#![allow(missing_docs, reason = "benchmarks are not an interface")]

mod nodes;

use std::env;
use std::ffi::OsStr;
use std::process::Command;

use csp_core::rt::PingConfig;
use csp_core::{Flags, crc};
use nodes::{Machines, SIZE, address, exchange, one_thread, two_nodes};
use testkit::bar::{self, Bar};

/// Exchanges between two looks at the clock.
const EXCHANGES: u32 = 1_000;
/// Bytes of a checksum: no packet is longer.
const LEN: usize = 2042;

fn main() {
    if !bar::is_asked_for() {
        return;
    }
    let runtime = one_thread();
    let (one, _two) = runtime.block_on(async { two_nodes() });
    let requests = bar::best(|| {
        runtime.block_on(exchange(&one, Flags::NONE, EXCHANGES));
        EXCHANGES
    });
    Bar::new("request and reply, handles", "exchanges/s", 300_000.0).reached(requests);
    let pings = bar::best(|| {
        runtime.block_on(async {
            for _ in 0..EXCHANGES {
                one.ping(address(2), PingConfig::default()).await.unwrap();
            }
        });
        EXCHANGES
    });
    Bar::new("ping, handles", "exchanges/s", 300_000.0).reached(pings);
    let mut machines = Machines::new();
    let exchanges = bar::best(|| {
        machines.exchange(EXCHANGES);
        EXCHANGES
    });
    Bar::new("request and reply, machines", "exchanges/s", 500_000.0).reached(exchanges);
    let data: Vec<u8> = (0..LEN).map(|at| (at % 251).to_be_bytes()[7]).collect();
    let sums = bar::best(|| {
        for _ in 0..EXCHANGES {
            core::hint::black_box(crc::checksum(core::hint::black_box(&data)));
        }
        EXCHANGES
    });
    Bar::new("CRC32C, 2042 bytes", "GB/s", 1.0).reached(sums * LEN as f64 / 1e9);
    if let Some(python) = env::var_os("TINWIRE_CSP_PY") {
        let theirs = csp_py(&python);
        Bar::new("request and reply, csp-py", "exchanges/s", 0.0).reached(theirs);
        Bar::new("request and reply, to csp-py", "times", 10.0).reached(requests / theirs);
        Bar::new("ping, to csp-py", "times", 10.0).reached(pings / theirs);
    }
}

/// The best of some runs, as with ours.
fn csp_py(python: &OsStr) -> f64 {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/csppy.py");
    let rates = (0..bar::ROUNDS).map(|_| {
        let mut command = Command::new(python);
        command.args([script, &SIZE.to_string(), &bar::SECONDS.to_string()]);
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    });
    rates.fold(0.0, f64::max)
}
