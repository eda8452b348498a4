//! What isotpsend and isotprecv did, done by our backends, and by ours and the tools together.

use core::time::Duration;
use std::process::Stdio;

use bytes::Bytes;
use can_link::link::{CanRxExt as _, Echo};
use can_link::linux::{Broadcast, IsoTpOptions, RawOptions, RawSocket};
use isotp::{Backend, IsoTp, KernelIsoTp, OpenError, StreamError, Target};
use sha2::{Digest as _, Sha256};
use testkit::vectors::{Value, hex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command as Process};

use super::command::{Cast, Command};
use super::{frame, patience, quiet, text};
use crate::kernel::soon;

/// What every version of the tools has room for.
const TOOL_MAX: usize = 4095;

/// Who plays a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Player {
    Ours(Backend),
    Tool,
}

/// Sends what the story sends; `Err` as the tool's exit status tells it.
enum Sender {
    Stream(Box<IsoTp>),
    Socket(Box<KernelIsoTp>),
    Tool(String),
}

enum Receiver {
    Stream(Box<IsoTp>),
    /// It prints what it gets, when it has all of it.
    Tool(Child),
}

/// Tells the story of `entry` with these players; false when one of them cannot play in it.
pub(crate) async fn play(
    interface: &str,
    entry: &Value,
    sender: Player,
    receiver: Player,
) -> Result<bool, String> {
    let line = |name: &str| entry[name].as_str().map(|line| line.replace("vcan0", interface));
    let send_line = line("send_cmd").unwrap();
    let sending = Command::parse(&send_line);
    let receive_line = line("recv_cmd");
    let wants_socket = sending.cast == Some(Cast::Many);
    match sender {
        // Frames without an answer are the kernel's own invention.
        Player::Ours(Backend::User) if wants_socket => return Ok(false),
        // Not every version of the tool has these flags.
        Player::Tool if sending.cast.is_some() || sending.times > 1 => return Ok(false),
        _ => {}
    }
    let once = |line: &String| Command::parse(line).times == 1;
    if receiver == Player::Tool && !receive_line.as_ref().is_some_and(once) {
        return Ok(false);
    }
    let message = sending.message(&entry["stdin"]);
    if message.len() > TOOL_MAX && (sender == Player::Tool || receiver == Player::Tool) {
        return Ok(false);
    }
    let mut tap = RawOptions::new().own_messages(Echo::On).open(interface).unwrap();
    let mut receiver = match &receive_line {
        Some(line) => Some(listen(interface, line, receiver).await?),
        None => None,
    };
    let mut sender = match sender {
        Player::Tool => Sender::Tool(send_line.clone()),
        Player::Ours(_) if wants_socket => {
            let tx = sending.address.tx().id(Target::Physical);
            let options = IsoTpOptions::new(tx, tx).broadcast(Broadcast::ConsecutiveFrames);
            let socket = KernelIsoTp::bind(interface, options, tx).map_err(|error| error.to_string())?;
            Sender::Socket(Box::new(socket))
        }
        Player::Ours(backend) => {
            let config = sending.config;
            let opened = isotp::open(interface, sending.address, config, backend).await;
            Sender::Stream(Box::new(opened.map_err(|error: OpenError| error.to_string())?))
        }
    };
    let mut sent = Ok(());
    for _ in 0..sending.times {
        let work = async {
            let received = receive(&mut receiver, &message);
            let (sent, received) = tokio::join!(sender.send(&message, sending.cast), received);
            (sent, received)
        };
        let done = tokio::time::timeout(3 * patience(), work).await;
        let (outcome, received) = done.map_err(|_elapsed| "nothing happened")?;
        sent = outcome;
        received?;
        if matches!(sender, Sender::Tool(_)) {
            // It repeats itself.
            break;
        }
    }
    let rc = if sent.is_ok() { 0 } else { 255 };
    if entry["send_rc"] != rc {
        return Err(format!("sending: {sent:?}"));
    }
    drop(sender);
    same_frames(&mut tap, entry["candump"].as_array().unwrap()).await?;
    Ok(true)
}

async fn listen(interface: &str, line: &str, player: Player) -> Result<Receiver, String> {
    let command = Command::parse(line);
    let Player::Ours(backend) = player else {
        let mut words = line.split(' ');
        let child = Process::new(words.next().unwrap())
            .args(words)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| error.to_string())?;
        soon("isotprecv to listen", listens(interface)).await;
        return Ok(Receiver::Tool(child));
    };
    let config = command.config.max_rx_len(8000);
    let opened = isotp::open(interface, command.address, config, backend).await;
    Ok(Receiver::Stream(Box::new(
        opened.map_err(|error: OpenError| error.to_string())?,
    )))
}

/// Waits until an ISO-TP socket of the kernel listens on this interface.
async fn listens(interface: &str) {
    let is_there = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        words.first() == Some(&interface) && words.last() == Some(&"isotp")
    };
    let listed = |list: &str| {
        let text = std::fs::read_to_string(format!("/proc/net/can/{list}")).unwrap();
        text.lines().any(is_there)
    };
    while !listed("rcvlist_sff") && !listed("rcvlist_eff") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn receive(receiver: &mut Option<Receiver>, message: &Bytes) -> Result<(), String> {
    let got = match receiver {
        None => return Ok(()),
        Some(Receiver::Stream(stream)) => {
            let item = stream.recv().await.ok_or("the link ended")?;
            item.map_err(|error| error.to_string())?
        }
        // It ends with its message, which is looked at when it has.
        Some(Receiver::Tool(child)) => {
            let mut stdout = child.stdout.take().ok_or("one message per isotprecv")?;
            let mut printed = String::new();
            stdout
                .read_to_string(&mut printed)
                .await
                .map_err(|error| error.to_string())?;
            hex(printed.trim()).into()
        }
    };
    if got == *message {
        Ok(())
    } else {
        Err(format!("{} bytes came", got.len()))
    }
}

impl Sender {
    async fn send(&mut self, message: &Bytes, cast: Option<Cast>) -> Result<(), String> {
        let sent: Result<(), StreamError> = match self {
            Self::Stream(stream) if cast == Some(Cast::Single) => {
                stream.send_functional(message.clone()).await
            }
            Self::Stream(stream) => stream.send(message.clone()).await,
            Self::Socket(socket) => socket.send(message.clone()).await,
            Self::Tool(line) => return run(line, message).await,
        };
        sent.map_err(|error| error.to_string())
    }
}

async fn run(line: &str, message: &Bytes) -> Result<(), String> {
    let mut words = line.split(' ');
    let mut child = Process::new(words.next().unwrap())
        .args(words)
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| error.to_string())?;
    let digits: String = message.iter().map(|byte| format!("{byte:02X} ")).collect();
    // It does not read what it makes up itself.
    let _unread = child.stdin.take().unwrap().write_all(digits.as_bytes()).await;
    let status = child.wait().await.map_err(|error| error.to_string())?;
    status.success().then_some(()).ok_or_else(|| status.to_string())
}

/// The frames on the bus are those of the story, in its order.
async fn same_frames(tap: &mut RawSocket, expected: &[Value]) -> Result<(), String> {
    let normal = |step: &Value| text(&frame(step.as_str().unwrap()));
    let total: u64 = expected
        .iter()
        .map(|step| step["count"].as_u64().unwrap_or(1))
        .sum();
    let mut seen = Vec::new();
    while u64::try_from(seen.len()).unwrap() < total {
        let Ok(received) = tokio::time::timeout(patience(), tap.recv_frame()).await else {
            break;
        };
        let received = received.map_err(|error| error.to_string())?;
        seen.push(text(&received.ok_or("the link ended")?.frame));
    }
    if let Ok(Ok(Some(more))) = tokio::time::timeout(quiet(), tap.recv_frame()).await {
        return Err(format!("{} came, too", text(&more.frame)));
    }
    let mut rest = seen.as_slice();
    for step in expected {
        let Some(count) = step["count"].as_u64() else {
            let (first, after) = rest.split_first().ok_or("frames are missing")?;
            if *first != normal(&step["frame"]) {
                return Err(format!("{first} came for {step}"));
            }
            rest = after;
            continue;
        };
        let (run, after) = rest
            .split_at_checked(usize::try_from(count).unwrap())
            .ok_or_else(|| format!("{} of {count} frames", rest.len()))?;
        let digest = Sha256::digest(run.join("\n").as_bytes());
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        if step["sha256"] != digest {
            return Err(format!("other frames: {:?} .. {:?}", run.first(), run.last()));
        }
        rest = after;
    }
    Ok(())
}
