//! The pages for those who come from another program: every line of Rust in them, and every piece of code in
//! the middle column of their tables, is compiled here, and what can be run is run.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "helpers of tests may panic and print like tests"
)]
#![allow(
    dead_code,
    unused_assignments,
    unused_must_use,
    unused_variables,
    clippy::redundant_clone,
    reason = "a table's cell shows a call and not what is done with its result"
)]

#[path = "coming_from/aioisotp.rs"]
mod aioisotp;
#[path = "coming_from/can_utils_isotp.rs"]
mod can_utils_isotp;
#[path = "coming_from/csp_py.rs"]
mod csp_py;
#[path = "coming_from/fstrm.rs"]
mod fstrm;
#[path = "coming_from/golang_dnstap.rs"]
mod golang_dnstap;
#[path = "coming_from/golang_framestream.rs"]
mod golang_framestream;
#[path = "coming_from/libcsp.rs"]
mod libcsp;
#[path = "coming_from/pyouroboros.rs"]
mod pyouroboros;
#[path = "coming_from/python_can_isotp.rs"]
mod python_can_isotp;
#[path = "coming_from/python_fstrm.rs"]
mod python_fstrm;

/// Panics unless all code of `page` is in `source`.
#[track_caller]
fn compiled(page: &str, source: &str, least: usize) {
    let source = without_layout(source);
    let mut count = 0;
    let mut look = |code: &str| {
        assert!(
            source.contains(without_layout(code).trim_end_matches(',')),
            "on the page but not compiled: {code}"
        );
        count += 1;
    };
    let blocks = page.split("```rust,ignore\n").skip(1);
    let lines = blocks.flat_map(|rest| rest.split("```").next().unwrap().lines());
    for line in lines.map(str::trim) {
        if !line.is_empty() && !line.starts_with("//") {
            look(line);
        }
    }
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    for row in rows.filter(|row| !row.starts_with("---")) {
        let [_, ours, _] = row.trim_end_matches(" |").split(" | ").collect::<Vec<_>>()[..] else {
            panic!("not three columns: {row}");
        };
        // Every other piece between backticks is code; a command line is not Rust.
        let ours = ours.replace(r"\|", "|");
        let code = ours.split('`').skip(1).step_by(2);
        for code in code.filter(|code| !code.starts_with(['-', '$']) && !code.starts_with("tinwire ")) {
            look(code);
        }
    }
    assert!(count >= least, "{count} pieces of code found");
}

/// The code without what rustfmt adds when it breaks a line.
fn without_layout(code: &str) -> String {
    code.split_whitespace()
        .collect::<String>()
        .replace(",)", ")")
        .replace(",}", "}")
}
