//! Stories of kernel sockets and of can-utils, which need a kernel: here they are read only.

use testkit::vectors::{Tally, Value};

use super::{frame, payload};
use crate::command::Command;

/// Steps that are about a socket and say nothing that could be read here.
const OF_SOCKETS: [&str; 15] = [
    "bind",
    "close",
    "connect",
    "epollet",
    "error",
    "getopt",
    "getsockname",
    "poll",
    "recvmsg",
    "send-returned",
    "setopt",
    "setup",
    "sh",
    "so_error",
    "wait",
];

/// Reads an entry of `kernel-socket`.
pub(crate) fn socket(entry: &Value, tally: &mut Tally) {
    for result in entry["results"].as_array().unwrap() {
        assert!(!result["kernels"].as_array().unwrap().is_empty(), "{entry}");
        for step in result["trace"].as_array().unwrap() {
            match step["op"].as_str().unwrap() {
                "in" | "out" => drop(frame(step["frame"].as_str().unwrap())),
                "send" | "send-blocking" => drop(payload(&step["payload"])),
                "recv" => assert!(
                    step["payload"].is_string() || step["errno"].is_string(),
                    "{entry}"
                ),
                op => assert!(OF_SOCKETS.contains(&op), "{entry}: unknown step {op}"),
            }
        }
    }
    tally.remark("needs a kernel: cargo xtask vcan");
}

/// Reads an entry of `canutils`.
pub(crate) fn tools(entry: &Value, tally: &mut Tally) {
    let sender = Command::parse(entry["send_cmd"].as_str().unwrap());
    assert!(!sender.message(&entry["stdin"]).is_empty(), "{entry}");
    if let Some(line) = entry["recv_cmd"].as_str() {
        let _read = Command::parse(line);
    }
    for step in entry["candump"].as_array().unwrap() {
        assert_eq!(step["op"], "bus", "{entry}");
        let frames = step["head"].as_array().into_iter().flatten();
        for text in frames.chain(step.get("frame")) {
            let _read = frame(text.as_str().unwrap());
        }
    }
    tally.remark("needs a kernel: cargo xtask vcan");
}
