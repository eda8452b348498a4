//! Stories that were recorded with kernel sockets, told again to our kernel backend on a virtual interface.
//!
//! A step is a stimulus (a frame, a message to send, time), or something that must be seen next. The stories
//! speak of raw system calls; what our face has no words for is a remark and not a pass.

mod actor;
mod command;
mod notation;
mod options;
pub(crate) mod tools;

use core::time::Duration;
use std::collections::VecDeque;
use std::process::Command;
use std::time::{Instant, SystemTime};

use can_link::link::{CanRxExt as _, CanTxExt as _, Echo, Origin};
use can_link::linux::{RawOptions, RawSocket};
use isotp::KernelIsoTp;
use testkit::vectors::Value;

use actor::{Actor, Given};
pub(crate) use notation::{frame, payload, text};

use crate::kernel::slowness;

/// How long nothing must happen until we say that nothing happens.
fn quiet() -> Duration {
    Duration::from_millis(3) * slowness()
}

/// How long we wait for what must happen.
fn patience() -> Duration {
    Duration::from_millis(1500) * slowness()
}

/// What became of a story.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Steps that were compared with what our backend did.
    pub(crate) compared: usize,
    /// What our face has no words for, or does differently on purpose.
    pub(crate) remarks: Vec<String>,
    /// Whether a transfer may still be under way.
    pub(crate) unfinished: bool,
}

/// A bus, somebody who injects frames and sees all of them, and the sockets of one story.
struct Stage<'a> {
    interface: &'a str,
    tap: RawSocket,
    actors: Vec<Option<Actor>>,
    seen: VecDeque<(SystemTime, String)>,
    /// Frames of the sockets that were taken from `seen`, and where others came between them.
    sent: Vec<Option<(SystemTime, String)>>,
    outcome: Outcome,
}

/// Tells the story of `entry` as `trace` has it; an error is where it went another way.
pub(crate) async fn tell(interface: &str, entry: &Value, trace: &[Value]) -> Result<Outcome, String> {
    let socks = entry["socks"]
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![entry["sock"].clone()]);
    let tap = RawOptions::new().own_messages(Echo::On).open(interface).unwrap();
    let mut stage = Stage {
        interface,
        tap,
        actors: Vec::new(),
        seen: VecDeque::new(),
        sent: Vec::new(),
        outcome: Outcome::default(),
    };
    for sock in &socks {
        let bound = sock["bind"] != false;
        let actor = match options::of(sock, &mut stage.outcome.remarks) {
            Some(options) if bound => {
                let socket = KernelIsoTp::bind(interface, options, crate::kernel::id(0x7DF));
                Some(Actor::new(socket.map_err(|error| error.to_string())?, sock))
            }
            None if bound => return Ok(stage.outcome),
            _ => None,
        };
        stage.actors.push(actor);
    }
    for step in trace {
        stage
            .step(step, &socks[0])
            .await
            .map_err(|what| format!("{step}: {what}"))?;
    }
    stage.nothing_more().await?;
    if !entry["timing"].is_null() {
        stage.gaps(trace, &socks[0])?;
    }
    stage.outcome.unfinished |= stage.actors.iter().flatten().any(Actor::is_busy);
    Ok(stage.outcome)
}

impl Stage<'_> {
    fn remark(&mut self, what: &str) {
        self.outcome.remarks.push(what.to_owned());
    }

    /// The socket that a step is about; `None` where a story has it unbound, which no value of ours is.
    fn actor(&mut self, step: &Value) -> Option<&mut Actor> {
        let number = usize::try_from(step["sock"].as_u64().unwrap_or(0)).unwrap();
        self.actors[number].as_mut()
    }

    async fn step(&mut self, step: &Value, sock: &Value) -> Result<(), String> {
        match step["op"].as_str().unwrap() {
            "in" => self.inject(step["frame"].as_str().unwrap()).await?,
            "out" => self.expect_frame(step["frame"].as_str().unwrap()).await?,
            "wait" => {
                tokio::time::sleep(Duration::from_micros(step["us"].as_u64().unwrap())).await;
                return Ok(());
            }
            "sh" => {
                // One of the tools is not on every system.
                let line = step["cmd"].as_str().unwrap().replace("ifconfig ", "ip link set ");
                let status = Command::new("sh").args(["-c", &line]).status().unwrap();
                assert!(status.success(), "{line}");
                return Ok(());
            }
            "bind" => return self.bind(step, sock),
            "close" => return self.close().await,
            "setopt" => return self.set_option(step),
            "getopt" | "getsockname" | "connect" => {
                self.remark("reading options and names back is not part of the face");
                return Ok(());
            }
            "recv" | "recvmsg" if self.actor(step).is_some() => self.receive(step).await?,
            "epollet" => self.edges(step).await?,
            _ if self.actor(step).is_none() => {
                self.remark("a socket that is not bound cannot be had");
                return Ok(());
            }
            "send" => self.send(step).await?,
            "send-blocking" => {
                let message = payload(&step["payload"]);
                self.actor(step).unwrap().give_when_possible(message);
                return Ok(());
            }
            "send-returned" => self.returned(step).await?,
            "error" => self.claim(step, &step["errno"]).await?,
            "so_error" if step["errno"] == 0 => {
                let actor = self.actor(step).unwrap();
                actor.look().await;
                if let Some(error) = actor.errors.front() {
                    return Err(format!("{error} is pending"));
                }
            }
            "so_error" => self.claim(step, &step["errno"]).await?,
            "poll" => self.poll(step).await?,
            unknown => panic!("unknown step {unknown}"),
        }
        self.outcome.compared += 1;
        Ok(())
    }

    /// Gives a frame to the bus, and goes on when everybody has it.
    async fn inject(&mut self, text: &str) -> Result<(), String> {
        self.tap
            .send(frame(text))
            .await
            .map_err(|error| error.to_string())?;
        self.sent.push(None);
        while !self.next_frame(patience()).await {}
        Ok(())
    }

    /// Takes a frame from the bus; true when it is our own, or none came in time.
    async fn next_frame(&mut self, window: Duration) -> bool {
        let Ok(received) = tokio::time::timeout(window, self.tap.recv_frame()).await else {
            return true;
        };
        let received = received.unwrap().unwrap();
        if received.origin == Origin::Own {
            return true;
        }
        self.seen.push_back((received.time.host, text(&received.frame)));
        false
    }

    async fn expect_frame(&mut self, expected: &str) -> Result<(), String> {
        let deadline = Instant::now() + patience();
        while self.seen.is_empty() && Instant::now() < deadline {
            // Somebody has to move the messages that wait.
            for actor in self.actors.iter_mut().flatten() {
                actor.push_on().await;
            }
            self.next_frame(quiet()).await;
        }
        let (time, got) = self.seen.pop_front().ok_or("no frame came")?;
        if got != expected {
            return Err(format!("{got} came"));
        }
        self.sent.push(Some((time, got)));
        Ok(())
    }

    async fn receive(&mut self, step: &Value) -> Result<(), String> {
        let cut = step["op"] == "recvmsg" || !step["ret"].is_null();
        let actor = self.actor(step).unwrap();
        let remark = match step["errno"].as_str() {
            None => {
                let expected = payload(&step["payload"]);
                let Some(got) = actor.message().await else {
                    // The same message again: it was looked at with MSG_PEEK before.
                    if actor.last.as_ref() == Some(&expected) {
                        self.remark("MSG_PEEK: a message is taken once");
                        return Ok(());
                    }
                    return Err("no message came".into());
                };
                let is_cut = got.starts_with(&expected) && got.len() > expected.len();
                if got != expected && !is_cut {
                    return Err(format!("{got:02x?} came"));
                }
                (is_cut || cut).then_some("a short buffer: messages always come whole")
            }
            Some("EAGAIN") => {
                actor.look().await;
                if let Some(message) = actor.inbox.front() {
                    return Err(format!("{message:02x?} came"));
                }
                None
            }
            Some("EINVAL") => Some("flags of recv are not part of the face"),
            Some("EADDRNOTAVAIL") if actor.is_over() => None,
            Some(_) => return self.claim(step, &step["errno"]).await,
        };
        self.outcome.remarks.extend(remark.map(str::to_owned));
        Ok(())
    }

    async fn send(&mut self, step: &Value) -> Result<(), String> {
        let message = payload(&step["payload"]);
        let len = message.len();
        let actor = self.actor(step).unwrap();
        if actor.waits {
            let got = actor.send(message).await;
            return same(&got, &step["ret"], len);
        }
        match step["ret"].as_str() {
            None | Some("EINVAL" | "ENETDOWN") => {
                let given = actor.give(message, patience()).await;
                same(&given.result(), &step["ret"], len)
            }
            Some("EAGAIN") => match actor.give(message, quiet()).await {
                Given::Busy => Ok(()),
                other => Err(format!("{other:?}")),
            },
            Some("EADDRNOTAVAIL") => match actor.give(message, patience()).await {
                Given::Failed("ENODEV") => Ok(()),
                other => Err(format!("{other:?}")),
            },
            // An error of what was before. Ours tells it apart from this message, which would be sent.
            Some(_) => {
                self.remark("an error of another message does not swallow this one");
                self.claim(step, &step["ret"]).await
            }
        }
    }

    async fn returned(&mut self, step: &Value) -> Result<(), String> {
        let actor = self.actor(step).unwrap();
        let (got, len) = actor.returned().await;
        same(&got, &step["ret"], len)
    }

    /// The error must be there, or come.
    async fn claim(&mut self, step: &Value, name: &Value) -> Result<(), String> {
        let name = name.as_str().unwrap();
        let actor = self.actor(step).unwrap();
        let deadline = Instant::now() + patience();
        while !actor.claim(name) {
            if Instant::now() > deadline || actor.has_failed_once(name) {
                if actor.has_failed_once(name) {
                    self.remark("one message fails once: the interface was down before the timeout");
                    return Ok(());
                }
                return Err(format!("{name} did not come, but {:?}", actor.errors));
            }
            actor.look().await;
        }
        Ok(())
    }

    async fn poll(&mut self, step: &Value) -> Result<(), String> {
        let actor = self.actor(step).unwrap();
        actor.look().await;
        let got = [
            ("IN", !actor.inbox.is_empty()),
            ("OUT", !actor.is_busy()),
            ("ERR", !actor.errors.is_empty()),
        ];
        let got: Vec<_> = got
            .into_iter()
            .filter(|(_, is)| *is)
            .map(|(name, _)| name)
            .collect();
        let expected: Vec<_> = step["events"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        // A message that has failed is over for us, although the kernel may wait for its timer.
        if got == expected || (expected == ["ERR"] && got == ["OUT", "ERR"]) {
            return Ok(());
        }
        Err(format!("{got:?}"))
    }

    /// An event for the end of a transfer, and none before.
    async fn edges(&mut self, step: &Value) -> Result<(), String> {
        let len = usize::try_from(step["ret"].as_u64().unwrap()).unwrap();
        let error = step["tries"][0][1].as_str();
        let actor = self.actor(step).unwrap();
        let given = actor.give(crate::kernel::payload(len), patience()).await;
        same(&given.result(), &step["ret"], len)?;
        let second = actor.give(crate::kernel::payload(1), quiet()).await;
        if !matches!(second, Given::Busy) {
            return Err(format!("the second message: {second:?}"));
        }
        match error {
            None => self.inject("7E8#300000").await?,
            Some("EMSGSIZE") => self.inject("7E8#320000").await?,
            Some(_) => {}
        }
        if let Some(error) = error {
            self.claim(step, &Value::from(error)).await?;
        }
        let last = self.actor(step).unwrap().give(vec![1].into(), patience()).await;
        same(&last.result(), &Value::from(1), 1)
    }

    fn bind(&mut self, step: &Value, sock: &Value) -> Result<(), String> {
        let expected = step["result"].as_str().unwrap();
        if self.actors[0].as_ref().is_some_and(|actor| !actor.is_over()) {
            self.remark("a bound socket has no bind");
            return same(&Err("EINVAL".into()), &step["result"], 0);
        }
        let plain = step["family"] == 29 && step["len"].as_u64().is_some_and(|len| len >= 16);
        let (Some(interface), true) = (step["ifc"].as_str(), plain) else {
            self.remark("addresses have one form, and interfaces a name");
            return Ok(());
        };
        let interface = if interface == "vcan0" {
            self.interface
        } else {
            interface
        };
        let Some(options) = options::with_words(sock, step, &mut self.outcome.remarks) else {
            self.outcome.compared += 1;
            let refused = "identifiers that are none cannot be built";
            self.remark(refused);
            return if expected == "ok" {
                Err(refused.into())
            } else {
                Ok(())
            };
        };
        let bound = KernelIsoTp::bind(interface, options, crate::kernel::id(0x7DF));
        self.outcome.compared += 1;
        match (bound, expected) {
            (Ok(socket), "ok") => {
                self.actors[0] = Some(Actor::new(socket, sock));
                Ok(())
            }
            (Err(_), error) if error != "ok" => Ok(()),
            (bound, _) => Err(format!("{bound:?}")),
        }
    }

    /// Closing must not take the runtime's time, whatever is under way.
    async fn close(&mut self) -> Result<(), String> {
        let began = Instant::now();
        self.actors.clear();
        self.actors.push(None);
        let took = began.elapsed();
        self.outcome.compared += 1;
        self.outcome.unfinished = true;
        if took > Duration::from_millis(50) * slowness() {
            return Err(format!("closing took {took:?}"));
        }
        Ok(())
    }

    /// What the kernel refuses cannot be built, or is refused before it is asked.
    fn set_option(&mut self, step: &Value) -> Result<(), String> {
        let said = options::from_bytes(step);
        let accepted = step["result"] == "ok";
        match said {
            None if accepted => self.remark("the kernel takes what means nothing, and our types have not"),
            None => self.outcome.compared += 1,
            Some(_) if step["result"] == "EISCONN" => self.remark("a bound socket has no options to set"),
            Some(_) if !accepted => self.remark("refused at a level that the types do not let be chosen"),
            Some(options) => {
                self.outcome.compared += 1;
                let bound = KernelIsoTp::bind(self.interface, options, crate::kernel::id(0x7DF));
                bound.map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    /// Nothing may come that the story does not tell.
    async fn nothing_more(&mut self) -> Result<(), String> {
        for actor in self.actors.iter_mut().flatten() {
            actor.look().await;
            if let Some(message) = actor.inbox.front() {
                return Err(format!("the end: {message:02x?} came"));
            }
            if let Some(error) = actor.errors.front() {
                return Err(format!("the end: {error} came"));
            }
        }
        while !self.next_frame(quiet()).await {}
        match self.seen.pop_front() {
            Some((_, frame)) => Err(format!("the end: {frame} came")),
            None => Ok(()),
        }
    }

    /// Gaps between consecutive frames are never shorter than what was asked for; how much longer they are
    /// says something about this machine.
    fn gaps(&mut self, trace: &[Value], sock: &Value) -> Result<(), String> {
        let Some(least) = options::least_gap(trace, sock) else {
            return Ok(());
        };
        let consecutive = |at: &Option<(SystemTime, String)>| match at {
            Some((time, frame))
                if frame
                    .split_once('#')
                    .is_some_and(|(_, data)| data.starts_with('2')) =>
            {
                Some(*time)
            }
            _ => None,
        };
        for pair in self.sent.windows(2) {
            let (Some(first), Some(second)) = (consecutive(&pair[0]), consecutive(&pair[1])) else {
                continue;
            };
            let gap = second.duration_since(first).unwrap_or_default();
            if gap < least {
                return Err(format!("a gap of {gap:?}; at least {least:?} was asked for"));
            }
            self.outcome.compared += 1;
        }
        Ok(())
    }
}

fn same(got: &Result<usize, String>, expected: &Value, len: usize) -> Result<(), String> {
    let agrees = match got {
        Ok(sent) => *sent == len && expected.as_u64() == u64::try_from(len).ok(),
        Err(name) => expected.as_str() == Some(name),
    };
    if agrees { Ok(()) } else { Err(format!("{got:?}")) }
}
