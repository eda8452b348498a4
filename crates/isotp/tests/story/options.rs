//! The stories' socket options in the words of our types.

use core::time::Duration;

use can_link::frame::FdFlags;
use can_link::linux::{Broadcast, FlowControl, IsoTpOptions, LinkLayer, PaddingCheck, TxDl};
use can_link::{ExtendedId, Id, StandardId};
use testkit::vectors::{Value, hex};

const EFF: u32 = 0x8000_0000;
/// Flags by their names in the stories.
const NAMES: [(&str, u32); 14] = [
    ("LISTEN_MODE", 0x0001),
    ("EXTEND_ADDR", 0x0002),
    ("TX_PADDING", 0x0004),
    ("RX_PADDING", 0x0008),
    ("CHK_PAD_LEN", 0x0010),
    ("CHK_PAD_DATA", 0x0020),
    ("HALF_DUPLEX", 0x0040),
    ("FORCE_TXSTMIN", 0x0080),
    ("FORCE_RXSTMIN", 0x0100),
    ("RX_EXT_ADDR", 0x0200),
    ("WAIT_TX_DONE", 0x0400),
    ("SF_BROADCAST", 0x0800),
    ("CF_BROADCAST", 0x1000),
    ("DYN_FC_PARMS", 0x2000),
];

/// All that option 1 says.
struct Opts {
    flags: u32,
    frame_txtime: u32,
    ext: u8,
    tx_pad: u8,
    rx_pad: u8,
    rx_ext: u8,
}

/// An identifier as an address word has it.
fn identifier(text: &str) -> Option<Id> {
    let word = u32::from_str_radix(text, 16).unwrap();
    if word & EFF != 0 {
        ExtendedId::new(word & !EFF).map(Id::from)
    } else {
        StandardId::new(u16::try_from(word).ok()?).map(Id::from)
    }
}

/// An identifier as a frame has it: with eight digits it has 29 bits.
fn of_frame(text: &str) -> Option<Id> {
    let word = u32::from_str_radix(text, 16).unwrap();
    if text.len() == 8 {
        return ExtendedId::new(word & !EFF).map(Id::from);
    }
    identifier(text)
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().map(|number| u32::try_from(number).unwrap())
}

fn byte(value: &Value, default: u8) -> u8 {
    value.as_u64().map_or(default, |byte| u8::try_from(byte).unwrap())
}

/// The options of a story's socket; `None` where our types cannot say them, with a remark why.
pub(super) fn of(sock: &Value, remarks: &mut Vec<String>) -> Option<IsoTpOptions> {
    let id = |name: &str| of_frame(sock[name].as_str().unwrap());
    build(sock, id("rx"), id("tx"), remarks)
}

/// The same with the address words of a step that binds.
pub(super) fn with_words(sock: &Value, step: &Value, remarks: &mut Vec<String>) -> Option<IsoTpOptions> {
    let id = |name: &str| identifier(step[name].as_str().unwrap());
    build(sock, id("rx"), id("tx"), remarks)
}

fn build(sock: &Value, rx: Option<Id>, tx: Option<Id>, remarks: &mut Vec<String>) -> Option<IsoTpOptions> {
    let names = sock["flags"].as_array().into_iter().flatten();
    let flags = names.map(|name| {
        let known = NAMES.iter().find(|(known, _)| *name == *known);
        known.unwrap_or_else(|| panic!("unknown flag {name}")).1
    });
    let opts = Opts {
        flags: flags.sum(),
        frame_txtime: number(&sock["frame_txtime"]).unwrap_or(50_000),
        ext: byte(&sock["ext"], 0),
        tx_pad: byte(&sock["txpad"], 0xCC),
        rx_pad: byte(&sock["rxpad"], 0xCC),
        rx_ext: byte(&sock["rxext"], 0),
    };
    let tx = tx?;
    // With a broadcast it means nothing, so that any will do.
    let rx = rx.or_else(|| (opts.flags & 0x1800 != 0).then_some(tx))?;
    let mut options = say(IsoTpOptions::new(rx, tx), &opts, remarks)?;
    if let Some(fc) = sock["fc"].as_array() {
        options = options.flow_control(FlowControl {
            block_size: byte(&fc[0], 0),
            st_min: byte(&fc[1], 0),
        });
    }
    if let Some(ll) = sock["ll"].as_array() {
        options = options.link_layer(link_layer([byte(&ll[0], 0), byte(&ll[1], 0), byte(&ll[2], 0)])?);
    }
    let nanos = |value: &Value| number(value).map(|nanos| Duration::from_nanos(nanos.into()));
    if let Some(gap) = nanos(&sock["tx_stmin"]) {
        if opts.flags & 0x80 != 0 {
            options = options.force_tx_st_min(gap);
        } else {
            remarks.push("a gap without its flag means nothing, and cannot be said".into());
        }
    }
    if let Some(gap) = nanos(&sock["rx_stmin"]) {
        options = options.force_rx_st_min(gap);
    }
    Some(options)
}

/// `None` where the flags mean something that no type of ours has.
fn say(mut options: IsoTpOptions, opts: &Opts, remarks: &mut Vec<String>) -> Option<IsoTpOptions> {
    let has = |bits: u32| opts.flags & bits == bits;
    if opts.flags & !0x3FFF != 0 || has(0x1800) {
        return None;
    }
    options = match (has(0x2), has(0x200)) {
        (true, true) => options.ext_addresses(opts.ext, opts.rx_ext),
        (true, false) => options.ext_address(opts.ext),
        (false, true) => {
            remarks.push("an address byte in one direction only means nothing, and cannot be said".into());
            options
        }
        (false, false) => options,
    };
    if has(0x4) {
        options = options.tx_padding(opts.tx_pad);
    }
    options = match (has(0x8), has(0x10), has(0x20)) {
        (true, true, true) => options.rx_padding(opts.rx_pad, PaddingCheck::LengthAndContent),
        (true, true, false) => options.rx_padding(opts.rx_pad, PaddingCheck::Length),
        (true, false, true) => options.rx_padding(opts.rx_pad, PaddingCheck::Content),
        (false, true, false) => options.rx_unpadded(),
        (false, false, true) => {
            remarks.push("a check of content that refuses every frame cannot be said".into());
            return None;
        }
        (_, false, false) => options,
        (false, true, true) => return None,
    };
    let switches = [
        (0x1, IsoTpOptions::listen_only as fn(IsoTpOptions) -> IsoTpOptions),
        (0x40, IsoTpOptions::half_duplex),
        (0x800, |options| options.broadcast(Broadcast::SingleFrame)),
        (0x1000, |options| options.broadcast(Broadcast::ConsecutiveFrames)),
        (0x2000, IsoTpOptions::dynamic_flow_control),
    ];
    for (bit, switch) in switches {
        if has(bit) {
            options = switch(options);
        }
    }
    // Zero is not none but "as before", which is the default here.
    if opts.frame_txtime != 0 {
        let time = Duration::from_nanos(opts.frame_txtime.into());
        options = options.frame_txtime(if opts.frame_txtime == u32::MAX {
            Duration::ZERO
        } else {
            time
        });
    }
    Some(options)
}

fn link_layer(bytes: [u8; 3]) -> Option<LinkLayer> {
    match bytes {
        [16, 8, 0] => Some(LinkLayer::Classic),
        [72, tx_dl, flags] => {
            let known = FdFlags::from_bits(flags);
            let tx_dl = TxDl::new(tx_dl)?;
            (known.to_bits() == flags).then_some(LinkLayer::Fd { tx_dl, flags: known })
        }
        _ => None,
    }
}

/// What the bytes of one option say; `None` where that is nothing that our types have.
pub(super) fn from_bytes(step: &Value) -> Option<IsoTpOptions> {
    let data = hex(step["data"].as_str().unwrap());
    let id = |raw| StandardId::new(raw).unwrap();
    let options = IsoTpOptions::new(id(0x7E8), id(0x7E0));
    let word = |at: usize| Some(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?));
    match (step["name"].as_u64().unwrap(), data.len()) {
        (1, 12) => {
            let opts = Opts {
                flags: word(0)?,
                frame_txtime: word(4)?,
                ext: data[8],
                tx_pad: data[9],
                rx_pad: data[10],
                rx_ext: data[11],
            };
            say(options, &opts, &mut Vec::new())
        }
        (2, 3) => Some(options.flow_control(FlowControl {
            block_size: data[0],
            st_min: data[1],
        })),
        (3, 4) => Some(options.force_tx_st_min(Duration::from_nanos(word(0)?.into()))),
        (4, 4) => Some(options.force_rx_st_min(Duration::from_nanos(word(0)?.into()))),
        (5, 3) => link_layer([data[0], data[1], data[2]]).map(|layer| options.link_layer(layer)),
        _ => None,
    }
}

/// The least time between consecutive frames: what the flow control asks for, or what is forced, and the
/// pause before each frame.
pub(super) fn least_gap(trace: &[Value], sock: &Value) -> Option<Duration> {
    let pause = Duration::from_nanos(number(&sock["frame_txtime"]).unwrap_or(50_000).into());
    if let Some(forced) = number(&sock["tx_stmin"]) {
        return Some(Duration::from_nanos(forced.into()) + pause);
    }
    let answer = trace.iter().find(|step| step["op"] == "in")?;
    let data = answer["frame"].as_str()?.split_once('#')?.1;
    let st_min = hex(data).get(2).copied()?;
    let st_min = isotp::StMin::from_received(st_min).gap();
    Some(st_min + pause)
}
