//! What a fuzzer's bytes mean: times, addresses, configurations, frames.

use core::time::Duration;

use can_link::frame::FdFlags;
use can_link::{CanFrame, ExtendedId, Id, StandardId};
use isotp::{
    Address, BlockSize, Config, DataLink, Duplex, FlowParameters, FrameLength, Padding, PaddingCheck,
    RateLimit, Role, StMin, TxDl,
};
use testkit::fuzz::Input;

/// What a model of a channel has to know of its configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) role: Role,
    pub(crate) block_size: BlockSize,
    pub(crate) st_min: StMin,
    pub(crate) max_rx_len: u32,
    pub(crate) forced_gap: Option<Duration>,
    pub(crate) flow_parameters: FlowParameters,
}

/// How long something takes: mostly what matters to some timer, sometimes anything.
pub(crate) fn duration(input: &mut Input<'_>) -> Duration {
    let micros = match input.byte() % 12 {
        0 => 0,
        1 => 1,
        2 => 100,
        3 => 900,
        4 => 1_000,
        5 => 20_000,
        6 => 127_000,
        7 => 399_999,
        8 => 1_000_000,
        9 => 10_000_000,
        10 => u64::from(input.byte()),
        _ => u64::from(input.word()) * 100,
    };
    Duration::from_micros(micros)
}

pub(crate) fn data_link(input: &mut Input<'_>) -> DataLink {
    let DataLink::Fd { flags, .. } = DataLink::fd() else {
        unreachable!()
    };
    match input.byte() % 9 {
        0 => DataLink::Classic,
        at => DataLink::Fd {
            tx_dl: TxDl::new([8, 12, 16, 20, 24, 32, 48, 64][usize::from(at) - 1]).unwrap(),
            flags,
        },
    }
}

/// A configuration, and what of it a model has to know.
pub(crate) fn config(input: &mut Input<'_>) -> (Config, Known) {
    let padding = match input.byte() % 3 {
        0 => Padding::default(),
        1 => Padding::none(),
        _ => Padding::filled(input.byte()),
    };
    let micros = Duration::from_micros;
    let known = Known {
        role: input.pick(&[Role::Endpoint, Role::Endpoint, Role::Endpoint, Role::Listener]),
        block_size: BlockSize::from_bits(input.byte() % 20),
        st_min: StMin::from_received(input.byte()),
        max_rx_len: input.pick(&[4095, 0, 1, 7, 100, 8300, u32::MAX]),
        forced_gap: input.pick(&[None, None, Some(Duration::ZERO), Some(micros(350))]),
        flow_parameters: input.pick(&[FlowParameters::EachCts, FlowParameters::First]),
    };
    // What is seldom wanted together is seldom tried together.
    let seldom = input.byte();
    let is = |bit: u8| (seldom >> bit) & 3 == 3;
    let limit = RateLimit::new(64_000, Duration::from_millis(10)).unwrap();
    let padded = PaddingCheck::default().length(FrameLength::Padded).fill(Some(1));
    let config = Config::default()
        .data_link(data_link(input))
        .padding(padding)
        .role(known.role)
        .block_size(known.block_size)
        .st_min(known.st_min)
        .max_rx_len(known.max_rx_len)
        .forced_gap(known.forced_gap)
        .flow_parameters(known.flow_parameters)
        .duplex(if is(0) { Duplex::Half } else { Duplex::Full })
        .rate_limit(is(2).then_some(limit))
        .forced_rx_gap(is(4).then_some(micros(900)))
        .padding_check(if is(6) { padded } else { PaddingCheck::default() })
        .wft_max(input.byte() % 4)
        .wait_limit(input.pick(&[None, Some(0), Some(2)]))
        .n_as(timeout(input))
        .n_ar(timeout(input))
        .n_bs(timeout(input))
        .n_br(timeout(input))
        .n_cr(timeout(input));
    (config, known)
}

/// A second, or something unreasonable.
fn timeout(input: &mut Input<'_>) -> Duration {
    let second = Duration::from_secs(1);
    input.pick(&[
        second,
        second,
        Duration::ZERO,
        Duration::from_micros(1),
        Duration::MAX,
    ])
}

/// An address of any mode; sometimes one that also takes functional messages.
pub(crate) fn address(input: &mut Input<'_>) -> Address {
    let standard = |raw| StandardId::new(raw).unwrap();
    let (tx, rx) = (standard(0x7E0), standard(0x7E8));
    let address = match input.byte() % 6 {
        0 => Address::normal(tx, rx).unwrap(),
        1 => {
            let extended = |raw| ExtendedId::new(raw).unwrap();
            Address::normal(extended(0x18DA_00E0), extended(0x18DA_00E8)).unwrap()
        }
        2 => Address::normal_fixed(0x22, 0x11).unwrap(),
        3 => Address::extended(tx, rx, 0x22, 0x11).unwrap(),
        4 => Address::mixed(tx, rx, 0x33).unwrap(),
        _ => Address::mixed_fixed(0x22, 0x11, 0x33).unwrap(),
    };
    if input.flag() {
        address.accepting_functional(standard(0x7DF))
    } else {
        address
    }
}

/// Data for a frame: a PCI that could be right, and a few bytes behind it.
pub(crate) fn pdu(input: &mut Input<'_>, next: u8, link: &DataLink) -> Vec<u8> {
    let mut data = match input.byte() % 10 {
        0 => vec![input.byte() % 8],
        1 => vec![0, input.byte() % 64],
        2 => vec![0x10, input.byte()],
        3 => vec![0x10, 0, 0, 0, 0x10 | input.byte(), input.byte()],
        4 => vec![0x10, 0, 0xFF, 0xFF, 0xFF, input.byte()],
        5 | 6 => vec![0x20 | next & 0x0F],
        7 => vec![0x30 | (input.byte() % 4), input.byte() % 20, input.byte()],
        8 => vec![0x30, 0, 0],
        _ => input.take(2).to_vec(),
    };
    let full = link.tx_dl().len();
    let len = match input.byte() % 4 {
        0 | 1 => full,
        2 => data.len(),
        _ => usize::from(input.byte()) % 65,
    };
    data.resize(len.max(data.len()), next);
    data.truncate(64);
    data
}

/// A frame of `data`: classic if it can be, unless `fd`; cut to what exists.
pub(crate) fn frame(id: Id, data: &[u8], fd: bool) -> CanFrame {
    if !fd && let Some(frame) = CanFrame::data(id, data) {
        return frame;
    }
    let fits = (0..=data.len()).rev();
    fits.filter_map(|len| CanFrame::fd(id, &data[..len], FdFlags::NONE))
        .next()
        .expect("an empty frame exists")
}
