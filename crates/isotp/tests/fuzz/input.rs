//! What a fuzzer's bytes mean: numbers, choices, addresses, configurations, frames.

use core::time::Duration;

use can_link::frame::FdFlags;
use can_link::{CanFrame, ExtendedId, Id, StandardId};
use isotp::{
    Address, BlockSize, Config, DataLink, Duplex, FlowParameters, FrameLength, Padding, PaddingCheck,
    RateLimit, Role, StMin, TxDl,
};

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

/// Reads bytes; behind their end there are zeros.
#[derive(Debug)]
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub(crate) fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// One of `choices`.
    pub(crate) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        let at = usize::from(self.byte()) % choices.len();
        choices[at].clone()
    }

    /// As many bytes as there are, up to `len`.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// How long something takes: mostly what matters to some timer, sometimes anything.
    pub(crate) fn duration(&mut self) -> Duration {
        let micros = match self.byte() % 12 {
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
            10 => u64::from(self.byte()),
            _ => u64::from(self.word()) * 100,
        };
        Duration::from_micros(micros)
    }

    pub(crate) fn data_link(&mut self) -> DataLink {
        let DataLink::Fd { flags, .. } = DataLink::fd() else {
            unreachable!()
        };
        match self.byte() % 9 {
            0 => DataLink::Classic,
            at => DataLink::Fd {
                tx_dl: TxDl::new([8, 12, 16, 20, 24, 32, 48, 64][usize::from(at) - 1]).unwrap(),
                flags,
            },
        }
    }

    /// A configuration, and what of it a model has to know.
    pub(crate) fn config(&mut self) -> (Config, Known) {
        let padding = match self.byte() % 3 {
            0 => Padding::default(),
            1 => Padding::none(),
            _ => Padding::filled(self.byte()),
        };
        let micros = Duration::from_micros;
        let known = Known {
            role: self.pick(&[Role::Endpoint, Role::Endpoint, Role::Endpoint, Role::Listener]),
            block_size: BlockSize::from_bits(self.byte() % 20),
            st_min: StMin::from_received(self.byte()),
            max_rx_len: self.pick(&[4095, 0, 1, 7, 100, 8300, u32::MAX]),
            forced_gap: self.pick(&[None, None, Some(Duration::ZERO), Some(micros(350))]),
            flow_parameters: self.pick(&[FlowParameters::EachCts, FlowParameters::First]),
        };
        // What is seldom wanted together is seldom tried together.
        let seldom = self.byte();
        let is = |bit: u8| (seldom >> bit) & 3 == 3;
        let limit = RateLimit::new(64_000, Duration::from_millis(10)).unwrap();
        let padded = PaddingCheck::default().length(FrameLength::Padded).fill(Some(1));
        let config = Config::default()
            .data_link(self.data_link())
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
            .wft_max(self.byte() % 4)
            .wait_limit(self.pick(&[None, Some(0), Some(2)]))
            .n_as(self.timeout())
            .n_ar(self.timeout())
            .n_bs(self.timeout())
            .n_br(self.timeout())
            .n_cr(self.timeout());
        (config, known)
    }

    /// A second, or something unreasonable.
    fn timeout(&mut self) -> Duration {
        let second = Duration::from_secs(1);
        self.pick(&[
            second,
            second,
            Duration::ZERO,
            Duration::from_micros(1),
            Duration::MAX,
        ])
    }

    pub(crate) fn id(&mut self) -> Id {
        let bits = self.byte();
        match bits >> 6 {
            0..=2 => StandardId::new(0x700 + u16::from(bits)).unwrap().into(),
            _ => ExtendedId::new(0x18DA_0000 + u32::from(bits)).unwrap().into(),
        }
    }

    /// An address of any mode; sometimes one that also takes functional messages.
    pub(crate) fn address(&mut self) -> Address {
        let standard = |raw| StandardId::new(raw).unwrap();
        let (tx, rx) = (standard(0x7E0), standard(0x7E8));
        let address = match self.byte() % 6 {
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
        if self.flag() {
            address.accepting_functional(standard(0x7DF))
        } else {
            address
        }
    }

    /// Data for a frame: a PCI that could be right, and a few bytes behind it.
    pub(crate) fn pdu(&mut self, next: u8, link: &DataLink) -> Vec<u8> {
        let mut data = match self.byte() % 10 {
            0 => vec![self.byte() % 8],
            1 => vec![0, self.byte() % 64],
            2 => vec![0x10, self.byte()],
            3 => vec![0x10, 0, 0, 0, 0x10 | self.byte(), self.byte()],
            4 => vec![0x10, 0, 0xFF, 0xFF, 0xFF, self.byte()],
            5 | 6 => vec![0x20 | next & 0x0F],
            7 => vec![0x30 | (self.byte() % 4), self.byte() % 20, self.byte()],
            8 => vec![0x30, 0, 0],
            _ => self.take(2).to_vec(),
        };
        let full = link.tx_dl().len();
        let len = match self.byte() % 4 {
            0 | 1 => full,
            2 => data.len(),
            _ => usize::from(self.byte()) % 65,
        };
        data.resize(len.max(data.len()), next);
        data.truncate(64);
        data
    }
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
