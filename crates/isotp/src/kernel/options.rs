//! From an address and a configuration to the kernel's options, or to what the kernel has not.

use core::time::Duration;
use std::vec::Vec;

use can_link::Id;
use can_link::id::EXTENDED_MASK;
use can_link::linux::{FlowControl, IsoTpOptions, IsoTpSupport, LinkLayer, PaddingCheck, TxDl};

use crate::address::{Address, Target};
use crate::backend::Lack;
use crate::config::{
    Config, DEFAULT_MAX_RX_LEN, DEFAULT_N_BR, DEFAULT_TIMEOUT, DEFAULT_WFT_MAX, Duplex, FlowParameters,
    Micros, Role,
};
use crate::data_link::{DEFAULT_FILL, DataLink};
use crate::padding::FrameLength;

/// The kernel's N_As: how long it waits for the echo of a frame.
const N_AS: Duration = Duration::from_secs(2);
/// The kernel's N_Bs and N_Cr.
const N_BS_CR: Duration = Duration::from_secs(1);
/// The longest gap that fits 32 bits of nanoseconds.
const MAX_GAP: Duration = Duration::from_nanos(u32::MAX as u64);

/// What the sockets of one endpoint are opened with.
#[derive(Debug)]
pub(super) struct Options {
    /// Messages between two nodes.
    pub(super) physical: IsoTpOptions,
    /// The identifier of messages to all nodes.
    pub(super) to_all: Id,
    /// Messages to all nodes, where the address accepts them.
    pub(super) from_all: Option<IsoTpOptions>,
}

/// What `address` and `config` ask for and the kernel has not, whatever its interface; empty when it has all.
///
/// A value that is the default is no wish: the kernel's own value is taken for it.
pub(crate) fn lacks(address: &Address, config: &Config, support: &IsoTpSupport) -> Vec<Lack> {
    let (tx, rx) = (address.tx(), address.rx());
    let timer = |timer, got: Micros, default: Duration, fixed: Duration| {
        let asked = got != default && got != fixed;
        let got = got.duration();
        asked.then_some(Lack::Timer { timer, got, fixed })
    };
    let mut lacks = Vec::new();
    if tx.address_byte().is_some() != rx.address_byte().is_some() {
        lacks.push(Lack::OneSidedByte);
    }
    if rx.id_mask() != EXTENDED_MASK {
        lacks.push(Lack::Priority);
    }
    let (min, fill) = (config.padding.min_len(), config.padding.fill());
    match (min, config.data_link) {
        (0, DataLink::Fd { .. }) if fill != DEFAULT_FILL => lacks.push(Lack::Filler { got: fill }),
        (0 | 8, _) => {}
        (got, _) => lacks.push(Lack::PaddingLength { got }),
    }
    lacks.extend(timer("N_As", config.n_as, DEFAULT_TIMEOUT, N_AS));
    lacks.extend(timer("N_Ar", config.n_ar, DEFAULT_TIMEOUT, N_AS));
    lacks.extend(timer("N_Bs", config.n_bs, DEFAULT_TIMEOUT, N_BS_CR));
    lacks.extend(timer("N_Cr", config.n_cr, DEFAULT_TIMEOUT, N_BS_CR));
    if config.n_br != DEFAULT_N_BR || config.wft_max != DEFAULT_WFT_MAX {
        lacks.push(Lack::Waits);
    }
    lacks.extend(config.wait_limit.map(|max| Lack::WaitLimit { max }));
    let gaps = [
        config.forced_gap,
        Some(config.extra_gap.duration()),
        config.forced_rx_gap,
    ];
    let gaps = gaps.into_iter().flatten();
    lacks.extend(gaps.filter(|gap| *gap > MAX_GAP).map(|got| {
        let max = MAX_GAP;
        Lack::Gap { got, max }
    }));
    if config.rate_limit.is_some() {
        lacks.push(Lack::RateLimit);
    }
    if let (FrameLength::Shortest, Some(_)) = config.padding_check.parts() {
        lacks.push(Lack::ShortestFilled);
    }
    if config.duplex == Duplex::Half {
        lacks.push(Lack::HoldingBack);
    }
    if config.role == Role::Listener {
        lacks.push(Lack::SilentListener);
    }
    if config.max_rx_len < DEFAULT_MAX_RX_LEN {
        let max = config.max_rx_len;
        lacks.push(Lack::RefusingEarly { max });
    }
    lacks.extend(support.max_message.and_then(|max| too_long(config, max)));
    if config.flow_parameters == FlowParameters::EachCts && !support.dynamic_flow_control {
        lacks.push(Lack::EveryFlowControl);
    }
    lacks
}

/// Whether messages are to be received that are longer than the kernel's limit.
pub(crate) fn too_long(config: &Config, max: usize) -> Option<Lack> {
    let max = u32::try_from(max).unwrap_or(u32::MAX);
    let asked = config.max_rx_len;
    (asked > max).then_some(Lack::LongMessages { asked, max })
}

/// The kernel's options; what they cannot say, [`lacks`] has named before.
pub(super) fn options(address: &Address, config: &Config) -> Option<Options> {
    let (tx, rx) = (address.tx(), address.rx());
    let tx_id = tx.id(Target::Physical);
    let new = |rx_id| {
        let options = IsoTpOptions::new(rx_id, tx_id).frame_txtime(config.extra_gap.duration());
        let options = match (tx.address_byte(), rx.address_byte()) {
            (Some(tx), Some(rx)) if tx == rx => options.ext_address(tx),
            (Some(tx), Some(rx)) => options.ext_addresses(tx, rx),
            _ => options,
        };
        match config.data_link {
            DataLink::Classic => Some(options),
            DataLink::Fd { tx_dl, flags } => {
                let tx_dl = u8::try_from(tx_dl.len()).ok().and_then(TxDl::new)?;
                Some(options.link_layer(LinkLayer::Fd { tx_dl, flags }))
            }
        }
    };
    let mut physical = new(rx.id(Target::Physical)?)?.flow_control(FlowControl {
        block_size: config.block_size.to_bits(),
        st_min: config.st_min.to_bits(),
    });
    if config.flow_parameters == FlowParameters::EachCts {
        physical = physical.dynamic_flow_control();
    }
    if config.padding.min_len() > 0 {
        physical = physical.tx_padding(config.padding.fill());
    }
    if let Some(gap) = config.forced_gap {
        physical = physical.force_tx_st_min(gap);
    }
    if let Some(gap) = config.forced_rx_gap {
        physical = physical.force_rx_st_min(gap);
    }
    if config.duplex == Duplex::Half {
        physical = physical.half_duplex();
    }
    if config.role == Role::Listener {
        physical = physical.listen_only();
    }
    physical = padding_check(physical, config);
    let from_all = match rx.id(Target::Functional) {
        // It must not answer: what is for all nodes is never more than one frame.
        Some(id) => Some(padding_check(new(id)?.listen_only(), config)),
        None => None,
    };
    Some(Options {
        physical,
        to_all: tx.id(Target::Functional),
        from_all,
    })
}

fn padding_check(options: IsoTpOptions, config: &Config) -> IsoTpOptions {
    match config.padding_check.parts() {
        (FrameLength::Any, None) => options,
        (FrameLength::Any, Some(fill)) => options.rx_padding(fill, PaddingCheck::Content),
        (FrameLength::Padded, None) => options.rx_padding(DEFAULT_FILL, PaddingCheck::Length),
        (FrameLength::Padded, Some(fill)) => options.rx_padding(fill, PaddingCheck::LengthAndContent),
        (FrameLength::Shortest, _) => options.rx_unpadded(),
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use can_link::StandardId;
    use can_link::frame::Dlc;

    use super::*;
    use crate::address::{RxAddress, TxAddress};
    use crate::data_link::Padding;
    use crate::rate::RateLimit;

    fn id(raw: u16) -> StandardId {
        StandardId::new(raw).unwrap()
    }

    fn normal() -> Address {
        Address::normal(id(0x7E0), id(0x7E8)).unwrap()
    }

    fn newest() -> IsoTpSupport {
        IsoTpSupport::new(Some(8300), true)
    }

    #[track_caller]
    fn check(address: &Address, config: &Config, expected: &[Lack], text: &str) {
        let lacks = lacks(address, config, &newest());
        assert_eq!(lacks, expected);
        let texts: Vec<_> = lacks.iter().map(ToString::to_string).collect();
        assert_eq!(texts.join("; "), text);
    }

    #[test]
    fn the_kernel_has_all_that_the_defaults_ask_for() {
        check(&normal(), &Config::default(), &[], "");
        check(&normal(), &Config::default().data_link(DataLink::fd()), &[], "");
        check(&normal(), &Config::default().padding(Padding::none()), &[], "");
        check(&normal(), &Config::default().n_as(N_AS), &[], "");
        check(&normal(), &Config::default().max_rx_len(8300), &[], "");
    }

    #[test]
    fn what_the_kernel_has_not_is_named_with_its_range_and_unit() {
        let second = Duration::from_secs(1);
        let (got, fixed) = (Duration::from_millis(150), second);
        let timer = |timer| Lack::Timer { timer, got, fixed };
        let config = Config::default().n_bs(got).n_cr(got);
        check(
            &normal(),
            &config,
            &[timer("N_Bs"), timer("N_Cr")],
            "N_Bs other than 1000 ms (150 ms asked); N_Cr other than 1000 ms (150 ms asked)",
        );
        let checks = crate::PaddingCheck::default().fill(Some(0));
        let config = Config::default()
            .rate_limit(Some(RateLimit::new(50_000, second).unwrap()))
            .padding_check(checks.length(FrameLength::Shortest));
        check(
            &normal(),
            &config,
            &[Lack::RateLimit, Lack::ShortestFilled],
            "a rate limit; the filler of frames that are as short as possible (it checks padded ones)",
        );
        let config = Config::default().wait_limit(Some(3)).wft_max(0);
        check(
            &normal(),
            &config,
            &[Lack::Waits, Lack::WaitLimit { max: 3 }],
            "WAIT while the user is slow (it never sends it); \
             a limit of received WAITs (3 asked, it takes any number)",
        );
        let long = Padding::at_least(Dlc::exact(12).unwrap(), 0);
        check(
            &normal(),
            &Config::default().data_link(DataLink::fd()).padding(long),
            &[Lack::PaddingLength { got: 12 }],
            "padding to 12 bytes (it pads to 8 or not at all)",
        );
        let gap = 5 * second;
        check(
            &normal(),
            &Config::default().forced_gap(Some(gap)),
            &[Lack::Gap {
                got: gap,
                max: MAX_GAP,
            }],
            "a gap of 5000 ms between frames (at most 4294.967295 ms)",
        );
        check(
            &normal(),
            &Config::default().max_rx_len(8301),
            &[Lack::LongMessages {
                asked: 8301,
                max: 8300,
            }],
            "messages of 8301 bytes (it receives at most 8300)",
        );
    }

    #[test]
    fn an_address_byte_in_one_direction_only_cannot_be_told_to_the_kernel() {
        let address = Address::asymmetric(TxAddress::normal(id(1)), RxAddress::mixed(id(2), 0x99)).unwrap();
        assert_eq!(
            lacks(&address, &Config::default(), &newest()),
            [Lack::OneSidedByte]
        );
        assert!(Lack::OneSidedByte.is_total());
    }

    #[test]
    fn what_the_kernel_does_a_little_differently_is_named_but_can_be_chosen() {
        let fixed = Address::normal_fixed(0x33, 0xF1).unwrap();
        let config = Config::default().role(Role::Listener).max_rx_len(100);
        let old = IsoTpSupport::new(None, false);
        let lacks = lacks(&fixed, &config, &old);
        let (max, expected) = (100, Lack::EveryFlowControl);
        assert_eq!(
            lacks,
            [
                Lack::Priority,
                Lack::SilentListener,
                Lack::RefusingEarly { max },
                expected
            ]
        );
        assert!(lacks.iter().all(|lack| !lack.is_total()));
    }

    #[test]
    fn functional_messages_have_sockets_of_their_own() {
        let options = options(&normal(), &Config::default()).unwrap();
        assert_eq!(
            (options.to_all, options.from_all.is_none()),
            (id(0x7E0).into(), true)
        );
        let options = super::options(&normal().accepting_functional(id(0x7DF)), &Config::default()).unwrap();
        assert!(options.from_all.is_some());
    }
}
