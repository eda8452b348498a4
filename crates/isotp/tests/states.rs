//! What a channel makes of every row of the specification's tables: the sender (ch. 7), the receiver (ch. 8),
//! and unexpected and malformed PDUs (ch. 9).
//!
//! The tables are kept as `states/*.txt`, and printed. Chapter 9's are also asserted row by row, with every
//! running transfer followed to its end.
#![cfg(feature = "alloc")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what is wrong by panicking, and prints its tables"
)]

#[path = "states/bench.rs"]
mod bench;
#[path = "states/faults.rs"]
mod faults;
#[path = "states/moves.rs"]
mod moves;

use testkit::snapshot::assert_snapshot;

fn keep(name: &str, text: &str) {
    println!("{text}");
    assert_snapshot(
        format!("{}/tests/states/{name}.txt", env!("CARGO_MANIFEST_DIR")),
        text,
    );
}
