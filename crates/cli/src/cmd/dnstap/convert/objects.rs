//! Messages from JSON, an object a line, as `docs/dnstap-json.md` describes them.

use core::net::IpAddr;
use core::num::NonZeroU32;
use std::io::{BufRead as _, BufReader, Read as _};

use anyhow::{Context as _, anyhow};
use dnstap_codec::{
    Dnstap, DnstapType, HttpProtocol, Message, MessageType, Policy, PolicyAction, PolicyMatch, SocketFamily,
    SocketProtocol,
};
use fstrm_codec::frame::{FrameConfig, Run};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::cmd::dnstap::printer::Printer;
use crate::cmd::dnstap::source::Item;
use crate::cmd::fstrm::feed;
use crate::failure::{Code, Failure, Result};

/// Bytes of frames that are made before they are given away.
const PIECE_LEN: usize = 128 * 1024;
/// A line has a frame's bytes in hex and as text, and more.
const LINE_PER_FRAME: u64 = 32;

/// Begins to read a file.
pub(super) fn spawn(name: String, max_frame: NonZeroU32, mut printer: Printer, items: mpsc::Sender<Item>) {
    tokio::task::spawn_blocking(move || {
        if let Err(failure) = read(&name, max_frame, &mut printer, &items) {
            let _ = items.blocking_send(fault(failure));
        }
    });
}

fn fault(failure: Failure) -> Item {
    Item::Fault {
        failure,
        has_started: true,
    }
}

fn read(name: &str, max_frame: NonZeroU32, printer: &mut Printer, items: &mpsc::Sender<Item>) -> Result {
    let mut source = BufReader::with_capacity(PIECE_LEN, feed::open(name)?);
    let max_line = u64::from(max_frame.get()) * LINE_PER_FRAME;
    let (mut line, mut wire) = (Vec::new(), Vec::new());
    for number in 1_u64.. {
        line.clear();
        let mut limited = source.by_ref().take(max_line);
        let got = limited
            .read_until(b'\n', &mut line)
            .map_err(|error| Failure::caused(Code::File, error).context(name))?;
        if got > 0 && !line.trim_ascii().is_empty() {
            match payload(&line) {
                Ok(payload) => {
                    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
                    wire.extend_from_slice(&len.to_be_bytes());
                    wire.extend_from_slice(&payload);
                }
                Err(error) => {
                    let failure = Failure::caused(Code::Malformed, error);
                    let failure = failure.context(format_args!("{name}: line {number}"));
                    if items.blocking_send(fault(failure)).is_err() {
                        return Ok(());
                    }
                }
            }
        }
        let is_over = got == 0;
        if (is_over || wire.len() >= PIECE_LEN) && !wire.is_empty() {
            let config = FrameConfig::new().max_data(NonZeroU32::MAX);
            let run = Run::decode(&wire, config).map_err(|error| Failure::caused(Code::Malformed, error))?;
            let give = |piece| items.blocking_send(Item::Piece(piece)).is_ok();
            if !printer.run(&run, PIECE_LEN, give) || !give(printer.take()) {
                return Ok(());
            }
            wire.clear();
        }
        if is_over {
            break;
        }
    }
    Ok(())
}

/// The payload that an object tells of.
fn payload(line: &[u8]) -> anyhow::Result<Vec<u8>> {
    let object: Value = serde_json::from_slice(line)?;
    if let Some(version) = object.get("v").filter(|version| **version != 1) {
        return Err(anyhow!("\"v\" is {version}; 1 is understood"));
    }
    let [identity, version, extra] = ["identity", "version", "extra"].map(|key| octets(&object, key));
    let (identity, version, extra) = (identity?, version?, extra?);
    let fields = object.get("message").map(Fields::read).transpose()?;
    let dnstap = Dnstap {
        identity: identity.as_deref(),
        version: version.as_deref(),
        extra: extra.as_deref(),
        message: fields.as_ref().map(Fields::message).transpose()?,
        dnstap_type: number(&object, "type", |bits| DnstapType::from_bits(bits).name())?
            .map(DnstapType::from_bits)
            .context("\"type\" is missing")?,
    };
    Ok(dnstap.encode())
}

/// What a message borrows, and the object with the rest.
struct Fields<'v> {
    object: &'v Value,
    addresses: [Option<Vec<u8>>; 2],
    zone: Option<Vec<u8>>,
    dns: [Option<Vec<u8>>; 2],
    policy: [Option<Vec<u8>>; 3],
}

impl<'v> Fields<'v> {
    fn read(object: &'v Value) -> anyhow::Result<Self> {
        let policy = object.get("policy").unwrap_or(&Value::Null);
        for side in ["query", "response"] {
            let (text, raw) = (format!("{side}_message"), format!("{side}_message_hex"));
            if object.get(&text).is_some() && object.get(&raw).is_none() {
                return Err(anyhow!(
                    "{text:?} without {raw:?}: a message cannot be made of its text"
                ));
            }
        }
        Ok(Self {
            object,
            addresses: [
                address(object, "query_address")?,
                address(object, "response_address")?,
            ],
            zone: hex(object, "query_zone_hex")?,
            dns: [
                hex(object, "query_message_hex")?,
                hex(object, "response_message_hex")?,
            ],
            policy: [
                octets(policy, "type")?,
                octets(policy, "rule")?,
                octets(policy, "value")?,
            ],
        })
    }

    fn message(&self) -> anyhow::Result<Message<'_>> {
        let object = self.object;
        let kind = number(object, "type", |bits| MessageType::from_bits(bits).name())?;
        let [query_address, response_address] = self.addresses.each_ref().map(Option::as_deref);
        let [query_message, response_message] = self.dns.each_ref().map(Option::as_deref);
        let (query_time_sec, query_time_nsec) = time(object, "query_time")?;
        let (response_time_sec, response_time_nsec) = time(object, "response_time")?;
        Ok(Message {
            socket_family: number(object, "socket_family", |bits| {
                SocketFamily::from_bits(bits).name()
            })?
            .map(SocketFamily::from_bits),
            socket_protocol: number(object, "socket_protocol", |bits| {
                SocketProtocol::from_bits(bits).name()
            })?
            .map(SocketProtocol::from_bits),
            query_address,
            response_address,
            query_port: port(object, "query_port")?,
            response_port: port(object, "response_port")?,
            query_time_sec,
            query_time_nsec,
            query_message,
            query_zone: self.zone.as_deref(),
            response_time_sec,
            response_time_nsec,
            response_message,
            policy: object
                .get("policy")
                .map(|policy| self.policy(policy))
                .transpose()?,
            http_protocol: number(object, "http_protocol", |bits| {
                HttpProtocol::from_bits(bits).name()
            })?
            .map(HttpProtocol::from_bits),
            ..Message::new(MessageType::from_bits(
                kind.context("\"message.type\" is missing")?,
            ))
        })
    }

    fn policy(&self, object: &Value) -> anyhow::Result<Policy<'_>> {
        let [policy_type, rule, value] = self.policy.each_ref().map(Option::as_deref);
        Ok(Policy {
            policy_type,
            rule,
            action: number(object, "action", |bits| PolicyAction::from_bits(bits).name())?
                .map(PolicyAction::from_bits),
            matched: number(object, "match", |bits| PolicyMatch::from_bits(bits).name())?
                .map(PolicyMatch::from_bits),
            value,
        })
    }
}

fn text<'v>(object: &'v Value, key: &str) -> anyhow::Result<Option<&'v str>> {
    let value = object.get(key);
    value
        .map(|value| value.as_str().with_context(|| format!("{key:?} is no string")))
        .transpose()
}

/// A number by its name, or as a string.
fn number(object: &Value, key: &str, name: fn(i32) -> Option<&'static str>) -> anyhow::Result<Option<i32>> {
    let Some(word) = text(object, key)? else {
        return Ok(None);
    };
    let named = (0..64).find(|bits| name(*bits) == Some(word));
    let number = named.or_else(|| word.parse().ok());
    number
        .map(Some)
        .with_context(|| format!("{key:?}: {word:?} is unknown"))
}

fn port(object: &Value, key: &str) -> anyhow::Result<Option<u32>> {
    let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
    let value = object.get(key);
    value
        .map(|value| number(value).with_context(|| format!("{key:?} is no port")))
        .transpose()
}

/// Seconds and nanoseconds: as fields of their own, which are there when the time does not say the same.
fn time(object: &Value, key: &str) -> anyhow::Result<(Option<u64>, Option<u32>)> {
    let field = |end: &str| -> anyhow::Result<Option<u64>> {
        let key = format!("{key}_{end}");
        let number = object
            .get(&key)
            .map(|value| value.as_u64().with_context(|| format!("{key:?}")));
        number.transpose()
    };
    let (second, nanos) = (field("sec")?, field("nsec")?);
    if second.is_some() || nanos.is_some() {
        let nanos = nanos.map(u32::try_from).transpose();
        return Ok((second, nanos.with_context(|| format!("{key:?}"))?));
    }
    let Some(word) = text(object, key)? else {
        return Ok((None, None));
    };
    let time: jiff::Timestamp = word.parse().with_context(|| format!("{key:?}"))?;
    let second = u64::try_from(time.as_second()).with_context(|| format!("{key:?} is before 1970"))?;
    Ok((Some(second), Some(u32::try_from(time.subsec_nanosecond())?)))
}

/// A string, or the hex beside it where it is no UTF-8.
fn octets(object: &Value, key: &str) -> anyhow::Result<Option<Vec<u8>>> {
    match hex(object, &format!("{key}_hex"))? {
        Some(bytes) => Ok(Some(bytes)),
        None => Ok(text(object, key)?.map(|text| text.as_bytes().to_vec())),
    }
}

fn address(object: &Value, key: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(word) = text(object, key)? else {
        return Ok(None);
    };
    if word.is_empty() {
        return Ok(Some(Vec::new()));
    }
    if let Some(digits) = word.strip_prefix('?') {
        return unhex(digits).map(Some).with_context(|| format!("{key:?}"));
    }
    let address: IpAddr = word.parse().with_context(|| format!("{key:?}"))?;
    Ok(Some(match address {
        IpAddr::V4(four) => four.octets().to_vec(),
        IpAddr::V6(sixteen) => sixteen.octets().to_vec(),
    }))
}

fn hex(object: &Value, key: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let digits = text(object, key)?;
    digits
        .map(|digits| unhex(digits).with_context(|| format!("{key:?}")))
        .transpose()
}

/// Bytes of hexadecimal digits.
pub(in crate::cmd::dnstap) fn unhex(digits: &str) -> anyhow::Result<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(anyhow!("an odd number of hexadecimal digits"));
    }
    let byte = |pair: &[u8; 2]| {
        let digits = core::str::from_utf8(pair)
            .ok()
            .filter(|pair| !pair.starts_with('+'))?;
        u8::from_str_radix(digits, 16).ok()
    };
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.context("expected hexadecimal digits")
}
