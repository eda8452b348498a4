//! `csp peek`, `csp poke`: memory of a node, in as many requests as it takes.

use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use csp_core::rt::{Answer, Call, Node, ServiceError};
use csp_core::service::cmp::memory::{MAX_LEN, MAX_LEN_64};
use csp_core::service::{Peek as Read, Poke as Write};
use csp_core::{Address, Port};
use serde::Serialize;

use super::ask::{Asking, asking};
use super::diagnosis::Lacking;
use crate::args::csp::memory::{Peek, Poke, Width};
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::output::timestamp;
use crate::units;

/// Bytes of a line of a dump.
const ROW: usize = 16;
/// How often a piece is asked for of a node that has answered before.
///
/// One of libcsp 1.x has ten connections by default and keeps that of each request for a while, so that it
/// passes over some of many requests in a row.
const ATTEMPTS: usize = 3;

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    ts: String,
    node: u16,
    address: String,
    len: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    sim: bool,
}

/// What goes into one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Narrow,
    Wide,
}

impl Form {
    /// Wide where it has to be, or is wanted.
    fn of(width: Width, address: u64, len: u64) -> Result<Self> {
        let end = address
            .checked_add(len)
            .ok_or_else(|| Failure::new(Code::Usage, "the range goes beyond the last address of 64 bits"))?;
        let is_low = end <= 1 << 32;
        match (width.narrow, is_low) {
            (true, false) => Err(Failure::new(
                Code::Usage,
                "the range goes beyond the last address of 32 bits",
            )),
            (false, _) if width.wide || !is_low => Ok(Self::Wide),
            _ => Ok(Self::Narrow),
        }
    }

    fn max(self) -> usize {
        usize::from(match self {
            Self::Narrow => MAX_LEN,
            Self::Wide => MAX_LEN_64,
        })
    }

    fn read(self, address: u64, len: usize) -> Result<Read> {
        let read = match (self, u32::try_from(address)) {
            (Self::Narrow, Ok(address)) => Read::new(address, len),
            _ => Read::new_64(address, len),
        };
        read.map_err(|error| Failure::caused(Code::Usage, error))
    }

    fn write(self, address: u64, data: Bytes) -> Result<Write> {
        let write = match (self, u32::try_from(address)) {
            (Self::Narrow, Ok(address)) => Write::new(address, data),
            _ => Write::new_64(address, data),
        };
        write.map_err(|error| Failure::caused(Code::Usage, error))
    }
}

pub(super) async fn peek(session: &mut Session, args: Peek) -> Result {
    let form = Form::of(args.width, args.address, args.len)?;
    let reading = async |session: &mut Session, node: &mut Asking| read(session, node, form, &args).await;
    asking(session, &args.request, reading).await
}

async fn read(session: &mut Session, asking: &mut Asking, form: Form, args: &Peek) -> Result {
    asking.lacking = Lacking::Memory;
    let node = asking.station.node.clone();
    let mut bar = session.output.progress(args.len);
    let mut data = Vec::new();
    let mut done = 0;
    while done < args.len {
        let left = usize::try_from(args.len - done).unwrap_or(usize::MAX);
        let read = form.read(args.address + done, left.min(form.max()))?;
        let attempts = if done == 0 { 1 } else { ATTEMPTS };
        let asked = ask(&node, (asking.remote, asking.call), read, attempts);
        let answer = asking.answer(session, Port::CMP, asked).await;
        let answer = answer.map_err(|failure| at(failure, args.address + done))?;
        data.extend_from_slice(&answer.value);
        done += u64::try_from(answer.value.len()).unwrap_or_default().max(1);
        bar.show(done, &format!("{done} of {} bytes", args.len));
    }
    bar.clear();
    match args.output.as_deref() {
        Some(path) if path == Path::new("-") => return session.output.raw(&data),
        Some(path) => {
            let written = tokio::fs::write(path, &data).await;
            written.map_err(|error| Failure::caused(Code::File, error).context(path.display()))?;
        }
        None => {}
    }
    let line = Line {
        r#type: "memory",
        ts: timestamp(SystemTime::now()),
        node: asking.remote.to_bits(),
        address: format!("{:x}", args.address),
        len: args.len,
        data: args.output.is_none().then(|| units::hex(&data)),
        sim: asking.is_simulated,
    };
    session.output.either(&line, |_| match &args.output {
        Some(path) => format!(
            "{} written to {}",
            units::counted(args.len, "byte"),
            path.display()
        ),
        None => dump(args.address, &data),
    })
}

/// Asks for a piece until it is answered, `attempts` times at most.
async fn ask(
    node: &Node,
    (remote, call): (Address, Call),
    read: Read,
    attempts: usize,
) -> core::result::Result<Answer<Bytes>, ServiceError> {
    for _ in 1..attempts {
        match node.peek(remote, read, call).await {
            Err(ServiceError::Timeout { .. }) => {}
            answered => return answered,
        }
    }
    node.peek(remote, read, call).await
}

pub(super) async fn poke(session: &mut Session, args: Poke) -> Result {
    let data = bytes_of(&args.data).await?;
    let len = u64::try_from(data.len()).unwrap_or(u64::MAX);
    if data.is_empty() {
        return Err(Failure::new(Code::Usage, "there are no bytes to write"));
    }
    let form = Form::of(args.width, args.address, len)?;
    let writing =
        async |session: &mut Session, node: &mut Asking| write(session, node, form, &args, &data).await;
    asking(session, &args.request, writing).await
}

async fn write(session: &mut Session, asking: &mut Asking, form: Form, args: &Poke, data: &[u8]) -> Result {
    let len = u64::try_from(data.len()).unwrap_or(u64::MAX);
    asking.lacking = Lacking::Memory;
    let node = asking.station.node.clone();
    let mut bar = session.output.progress(len);
    let mut done = 0;
    for part in data.chunks(form.max()) {
        let write = form.write(args.address + done, Bytes::copy_from_slice(part))?;
        let asked = node.poke(asking.remote, &write, asking.call);
        let answer = asking.answer(session, Port::CMP, asked).await;
        answer.map_err(|failure| at(failure, args.address + done))?;
        done += u64::try_from(part.len()).unwrap_or_default();
        bar.show(done, &format!("{done} of {len} bytes"));
    }
    bar.clear();
    let line = Line {
        r#type: "written",
        ts: timestamp(SystemTime::now()),
        node: asking.remote.to_bits(),
        address: format!("{:x}", args.address),
        len,
        data: None,
        sim: asking.is_simulated,
    };
    session.output.either(&line, |_| {
        format!("{} written at {:#x}", units::counted(len, "byte"), args.address)
    })
}

fn at(failure: Failure, address: u64) -> Failure {
    failure.context(format_args!("at {address:#x}"))
}

/// Bytes in hex, or those of a file.
async fn bytes_of(words: &[String]) -> Result<Vec<u8>> {
    if let [word] = words
        && let Some(path) = word.strip_prefix('@')
    {
        let read = tokio::fs::read(path).await;
        return read.map_err(|error| Failure::caused(Code::File, error).context(path));
    }
    units::hex_bytes(&words.join(" "))
        .map_err(|error| Failure::new(Code::Usage, error).hint("write bytes in hex, or @FILE"))
}

/// Lines of an address, sixteen bytes, and the letters among them.
fn dump(address: u64, data: &[u8]) -> String {
    let row = |(row, bytes): (usize, &[u8])| {
        let at = address + u64::try_from(row * ROW).unwrap_or_default();
        let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let letter = |&byte: &u8| {
            if byte.is_ascii_graphic() || byte == b' ' {
                char::from(byte)
            } else {
                '.'
            }
        };
        let letters: String = bytes.iter().map(letter).collect();
        format!("{at:08x}  {:<47}  |{letters}|", hex.join(" "))
    };
    let rows: Vec<_> = data.chunks(ROW).enumerate().map(row).collect();
    rows.join("\n")
}

#[cfg(test)]
mod tests {
    use csp_core::service::{Origin, Platform, Refusal, Service, Services};
    use csp_core::{Config, Flags};

    use super::*;

    const ANY: Width = Width {
        wide: false,
        narrow: false,
    };

    #[test]
    fn addresses_above_32_bits_take_the_wide_form() {
        assert_eq!(Form::of(ANY, 0xFFFF_FFFF, 1).unwrap(), Form::Narrow);
        assert_eq!(Form::of(ANY, 0xFFFF_FFFF, 2).unwrap(), Form::Wide);
        let narrow = Width { narrow: true, ..ANY };
        assert_eq!(Form::of(narrow, 0xFFFF_FFFF, 2).unwrap_err().code().exit(), 2);
        let wide = Width { wide: true, ..ANY };
        assert_eq!(Form::of(wide, 0, 2).unwrap(), Form::Wide);
        assert!(Form::of(ANY, u64::MAX, 2).is_err());
    }

    /// Memory that answers every third question.
    struct Busy(usize);

    impl Platform for Busy {
        fn peek(&mut self, _: &Origin, _: u64, data: &mut [u8]) -> core::result::Result<(), Refusal> {
            self.0 += 1;
            if !self.0.is_multiple_of(3) {
                return Err(Refusal::Refused);
            }
            data.fill(7);
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_passes_over_a_question_is_asked_again_and_not_for_ever() {
        let config = Config::default().services(Services::none().on(Service::Peek));
        let node = Node::spawn(config.platform(Busy(0)));
        let whom = (Address::LOOPBACK, Call::default().flags(Flags::CRC32));
        let read = Read::new(0, 4).unwrap();
        assert_eq!(ask(&node, whom, read, ATTEMPTS).await.unwrap().value, [7; 4][..]);
        let silent = ask(&node, whom, read, ATTEMPTS - 1).await;
        assert!(matches!(silent, Err(ServiceError::Timeout { .. })));
    }

    #[test]
    fn a_dump_has_letters_beside_sixteen_bytes() {
        let data: Vec<u8> = (0x41..0x52).collect();
        assert_eq!(
            dump(0x2000_0000, &data),
            "20000000  41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f 50  |ABCDEFGHIJKLMNOP|\n\
             20000010  51                                               |Q|"
        );
    }
}
