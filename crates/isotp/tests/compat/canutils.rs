//! can-utils: `isotpsend` and `isotprecv`, which are thin around the kernel's socket.

use std::process::Stdio;

use can_link::Id;
use isotp::{Address, Target};
use testkit::compat::Report;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::{Bench, Bus, Peer, Setup, Told, soon};

#[derive(Debug)]
pub(crate) struct CanUtils {
    interface: String,
    options: Vec<String>,
    receiver: Option<(Child, Lines<BufReader<ChildStdout>>)>,
    sender: Option<Child>,
}

impl CanUtils {
    pub(crate) fn on(bus: Bus) -> Bench<Self> {
        let report = Report::can_utils("isotpsend and isotprecv");
        let peer = Self {
            interface: bus.place(),
            options: Vec::new(),
            receiver: None,
            sender: None,
        };
        Bench { bus, peer, report }
    }

    /// A program with its options, then those of the endpoint.
    fn command(&self, words: &[&str]) -> Command {
        let (program, options) = words.split_first().unwrap();
        let mut command = Command::new(program);
        command.args(options).args(&self.options).arg(&self.interface);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.kill_on_drop(true);
        command
    }
}

/// The options for the other end of `address`.
fn ids(address: &Address) -> Vec<String> {
    let other = address.reversed();
    let (tx, rx) = (other.tx(), other.rx());
    let mut options = vec![
        String::from("-s"),
        text(tx.id(Target::Physical)),
        String::from("-d"),
        text(rx.id(Target::Physical).unwrap()),
    ];
    if let (Some(tx), Some(rx)) = (tx.address_byte(), rx.address_byte()) {
        options.extend([String::from("-x"), format!("{tx:02X}:{rx:02X}")]);
    }
    options
}

fn text(id: Id) -> String {
    match id {
        Id::Standard(id) => format!("{:03X}", id.as_raw()),
        Id::Extended(id) => format!("{:08X}", id.as_raw()),
    }
}

/// Waits until some ISO-TP socket of the kernel receives this identifier.
async fn receives(id: Id) {
    let (list, id) = match id {
        Id::Standard(id) => ("rcvlist_sff", u32::from(id.as_raw())),
        Id::Extended(id) => ("rcvlist_eff", id.as_raw()),
    };
    // device, identifier, mask, two pointers, matches, and who asked: "isotpe" would be a sender's echo.
    let is_there = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let raw = words.get(1).and_then(|word| u32::from_str_radix(word, 16).ok());
        words.last() == Some(&"isotp") && raw.is_some_and(|raw| raw & 0x1FFF_FFFF == id)
    };
    let listens = || {
        let text = std::fs::read_to_string(format!("/proc/net/can/{list}")).unwrap();
        text.lines().any(is_there)
    };
    while !listens() {
        tokio::time::sleep(core::time::Duration::from_millis(5)).await;
    }
}

impl Peer for CanUtils {
    fn overflow(&self) -> Told {
        Told::As("Message too long")
    }

    fn no_flow_control(&self) -> Told {
        Told::As("Communication error on send")
    }

    fn no_rest(&self) -> Told {
        Told::As("Connection timed out")
    }

    async fn open(&mut self, setup: &Setup) {
        self.options = ids(&setup.mode.ours);
        if setup.tx_dl > 8 {
            self.options
                .extend([String::from("-L"), format!("72:{}:0", setup.tx_dl)]);
        }
        if let Some(filler) = setup.padding {
            self.options
                .extend([String::from("-p"), format!("{filler:02X}:{filler:02X}")]);
        }
        let (block_size, st_min) = (format!("{:X}", setup.block_size), format!("{:X}", setup.st_min));
        // It fills a buffer before it writes to a pipe, unless told otherwise.
        let line_by_line = ["stdbuf", "-oL", "isotprecv"];
        let options = ["-l", "-b", &block_size, "-m", &st_min];
        let mut receiver = self.command(&[&line_by_line[..], &options].concat());
        let mut receiver = receiver.spawn().unwrap();
        let lines = BufReader::new(receiver.stdout.take().unwrap()).lines();
        soon("isotprecv", receives(setup.mode.ours.tx().id(Target::Physical))).await;
        self.receiver = Some((receiver, lines));
    }

    async fn send(&mut self, message: &[u8]) {
        let mut sender = self.command(&["isotpsend", "-b"]).spawn().unwrap();
        let pairs: Vec<_> = message.iter().map(|byte| format!("{byte:02X}")).collect();
        let mut stdin = sender.stdin.take().unwrap();
        stdin.write_all(pairs.join(" ").as_bytes()).await.unwrap();
        self.sender = Some(sender);
    }

    async fn sent(&mut self) -> Result<(), String> {
        let sender = self.sender.take().unwrap();
        let output = soon("isotpsend", sender.wait_with_output()).await.unwrap();
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8(output.stderr).unwrap();
        Err(said.trim().trim_start_matches("write: ").to_owned())
    }

    async fn received(&mut self) -> Vec<u8> {
        let (_, lines) = self.receiver.as_mut().unwrap();
        let line = soon("isotprecv", lines.next_line()).await.unwrap().unwrap();
        testkit::vectors::hex(&line)
    }

    async fn trouble(&mut self) -> String {
        panic!("isotprecv tells nothing beside messages")
    }

    async fn close(&mut self) {
        let (mut receiver, _) = self.receiver.take().unwrap();
        receiver.kill().await.unwrap();
    }
}
