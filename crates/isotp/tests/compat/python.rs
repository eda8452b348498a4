//! The peers in Python: what the scripts in `tests/python` do for us.

use std::path::{Path, PathBuf};

use can_link::Id;
use isotp::Target;
use serde_json::{Value, json};
use testkit::compat::Report;
use testkit::peer::{Python, Script};

use super::{Bench, Bus, Peer, Setup, Told};

/// python-can-isotp: its user-space stacks and its wrapper of the kernel's socket.
#[derive(Debug)]
pub(crate) struct CanIsoTp {
    script: Script,
    is_socket: bool,
}

/// aioisotp.
#[derive(Debug)]
pub(crate) struct Aioisotp(Script);

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/python")
        .join(name)
}

/// What a script told of the end of sending.
async fn sent(script: &mut Script) -> Result<(), String> {
    let news = script.next(&["sent", "failed"]).await;
    if news.word == "sent" {
        Ok(())
    } else {
        Err(news.rest)
    }
}

async fn received(script: &mut Script) -> Vec<u8> {
    testkit::vectors::hex(&script.wait_for("received").await)
}

fn hex(message: &[u8]) -> String {
    message.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl CanIsoTp {
    /// Its own stack.
    pub(crate) async fn on(bus: Bus) -> Bench<Self> {
        let script = Script::start(Python::Main, &script("canisotp.py"), &[&bus.place()]).await;
        let version = script.versions("can-isotp", &["python-can"]);
        Self::bench(script, bus, "python-can-isotp", version)
    }

    /// The kernel's, by its `isotp.socket`.
    pub(crate) async fn socket_on(bus: Bus) -> Bench<Self> {
        let script = Script::start(Python::Main, &script("canisotp.py"), &[&bus.place()]).await;
        let version = script.versions("can-isotp", &[]);
        let mut bench = Self::bench(script, bus, "python-can-isotp, isotp.socket", version);
        bench.peer.is_socket = true;
        bench
    }

    fn bench(script: Script, bus: Bus, peer: &str, version: String) -> Bench<Self> {
        let report = Report {
            peer: peer.to_owned(),
            version,
            over: bus.over(),
        };
        let peer = Self {
            script,
            is_socket: false,
        };
        Bench { bus, peer, report }
    }

    pub(crate) async fn end(self) {
        self.script.end().await;
    }

    /// Sends a single frame to all.
    pub(crate) async fn send_functional(&mut self, message: &[u8]) {
        self.script.order("functional", &hex(message)).await;
    }

    fn says(&self, stack: &'static str, socket: &'static str) -> Told {
        Told::As(if self.is_socket { socket } else { stack })
    }
}

impl Peer for CanIsoTp {
    fn overflow(&self) -> Told {
        self.says("OverflowError", "EMSGSIZE")
    }

    fn no_flow_control(&self) -> Told {
        self.says("FlowControlTimeoutError", "ECOMM")
    }

    fn no_rest(&self) -> Told {
        self.says("ConsecutiveFrameTimeoutError", "ETIMEDOUT")
    }

    async fn open(&mut self, setup: &Setup) {
        let kind = match setup.kind {
            "" if self.is_socket => "socket",
            "" => "stack",
            kind => kind,
        };
        let milliseconds = u64::try_from(setup.patience.as_millis()).unwrap();
        let params = json!({
            "stmin": setup.st_min,
            "blocksize": setup.block_size,
            "tx_data_length": setup.tx_dl,
            "can_fd": setup.tx_dl > 8,
            "bitrate_switch": setup.tx_dl > 8,
            "max_frame_size": setup.max_len,
            "wftmax": setup.waits,
            "tx_padding": setup.padding,
            "listen_mode": setup.listens,
            "rx_flowcontrol_timeout": milliseconds,
            "rx_consecutive_frame_timeout": milliseconds,
        });
        let told = json!({"kind": kind, "address": setup.mode.theirs, "params": params});
        self.script.order("open", &told.to_string()).await;
        self.script.wait_for("opened").await;
    }

    async fn send(&mut self, message: &[u8]) {
        self.script.order("send", &hex(message)).await;
    }

    async fn sent(&mut self) -> Result<(), String> {
        sent(&mut self.script).await
    }

    async fn received(&mut self) -> Vec<u8> {
        received(&mut self.script).await
    }

    async fn trouble(&mut self) -> String {
        self.script.wait_for("error").await
    }

    async fn close(&mut self) {
        self.script.order("close", "").await;
        self.script.wait_for("closed").await;
        assert_eq!(self.script.forget(), [], "told by the peer and not asked for");
    }
}

impl Aioisotp {
    pub(crate) async fn on(bus: Bus) -> Bench<Self> {
        let script = Script::start(Python::Aioisotp, &script("aio.py"), &[&bus.place()]).await;
        let report = Report {
            peer: String::from("aioisotp"),
            version: script.versions("aioisotp", &["python-can"]),
            over: bus.over(),
        };
        Bench {
            bus,
            peer: Self(script),
            report,
        }
    }

    pub(crate) async fn end(self) {
        self.0.end().await;
    }

    /// Sends a single frame to any identifier.
    pub(crate) async fn send_functional(&mut self, id: u16, message: &[u8]) {
        self.0
            .order("functional", &format!("{id:03X} {}", hex(message)))
            .await;
    }
}

impl Peer for Aioisotp {
    fn overflow(&self) -> Told {
        Told::Logged("Buffer overflow/abort")
    }

    fn no_flow_control(&self) -> Told {
        Told::Never
    }

    fn no_rest(&self) -> Told {
        Told::Never
    }

    fn can_pad(&self) -> bool {
        false
    }

    async fn open(&mut self, setup: &Setup) {
        let number = |id: Id| match id {
            Id::Standard(id) => Value::from(id.as_raw()),
            Id::Extended(id) => Value::from(id.as_raw()),
        };
        let told = json!({
            "kind": setup.kind,
            "rxid": number(setup.mode.ours.tx().id(Target::Physical)),
            "txid": setup.mode.ours.rx().id(Target::Physical).map(number),
            "params": {"block_size": setup.block_size, "st_min": setup.st_min, "max_wft": setup.waits},
        });
        self.0.order("open", &told.to_string()).await;
        self.0.wait_for("opened").await;
    }

    async fn send(&mut self, message: &[u8]) {
        self.0.order("send", &hex(message)).await;
    }

    async fn sent(&mut self) -> Result<(), String> {
        sent(&mut self.0).await
    }

    async fn received(&mut self) -> Vec<u8> {
        received(&mut self.0).await
    }

    async fn trouble(&mut self) -> String {
        let news = self.0.next(&["error", "log"]).await;
        news.rest
    }

    async fn close(&mut self) {
        self.0.order("close", "").await;
        self.0.wait_for("closed").await;
    }
}
