//! Stories that nobody has captured: our machine and the model of the standard agree on them, too.

use bytes::Bytes;
use can_link::frame::{FdFlags, FdFrame};
use can_link::{CanFrame, StandardId};
use isotp::{Address, RxAddress, TxAddress};
use proptest::prelude::*;

use super::setup::Setup;
use super::standard::Standard;
use super::story::{Stimulus, play};

/// Something that a peer or the user does.
#[derive(Clone, Debug)]
enum Act {
    Single(u8),
    First(u32),
    /// So many consecutive frames, each the one that is due after the one before it.
    Next(u8),
    Consecutive(u8),
    Control(u8, u8, u8),
    Functional(Vec<u8>),
    Raw(Vec<u8>),
    Send(usize, bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (0u8..=15).prop_map(Act::Single),
        3 => prop_oneof![5u32..=200, 4090u32..=4100, 65_000u32..=70_000].prop_map(Act::First),
        10 => Just(Act::Next(1)),
        2 => (2u8..=40).prop_map(Act::Next),
        1 => (0u8..=15).prop_map(Act::Consecutive),
        8 => (prop_oneof![6 => Just(0u8), 2 => Just(1), 1 => 2..=15u8], 0u8..=4, any::<u8>())
            .prop_map(|(status, blocks, gap)| Act::Control(status, blocks, gap)),
        1 => prop::collection::vec(any::<u8>(), 0..=8).prop_map(Act::Functional),
        1 => prop::collection::vec(any::<u8>(), 0..=8).prop_map(Act::Raw),
        4 => (0usize..=300, prop::bool::weighted(0.1)).prop_map(|(len, all)| Act::Send(len, all)),
    ]
}

fn setup() -> impl Strategy<Value = Setup> {
    let layer = prop_oneof![
        Just((None, 8)),
        (0u8..=1, prop::sample::select(vec![8, 12, 16, 24, 64])).prop_map(|(flags, dl)| (Some(flags), dl)),
    ];
    let limits = (
        prop_oneof![Just(20u32), Just(4095), Just(66_000)],
        prop::option::weighted(0.2, 0u8..=3),
        prop::option::weighted(0.2, 0u64..=20_000),
    );
    let lens = prop::sample::select(vec![0usize, 8, 8, 12]);
    (layer, limits, lens, 0u8..=3, prop::bool::weighted(0.1)).prop_map(
        |((fd, tx_dl), (max_rx_len, wait_limit, forced_gap), min_len, block_size, listener)| Setup {
            fd,
            tx_dl,
            min_len,
            block_size,
            max_rx_len,
            wait_limit,
            forced_gap,
            listener,
            ..Setup::default()
        },
    )
}

/// A frame with `pdu`, padded to its kind.
fn frame(id: StandardId, fd: bool, prefix: Option<u8>, pdu: &[u8]) -> CanFrame {
    let data: Vec<u8> = prefix.into_iter().chain(pdu.iter().copied()).collect();
    if fd {
        FdFrame::new(id, &data, FdFlags::NONE).unwrap().into()
    } else {
        CanFrame::data(id, &data[..data.len().min(8)]).unwrap()
    }
}

fn stimuli(acts: &[(u64, Act)], fd: bool, prefix: Option<u8>) -> Vec<(u64, usize, Stimulus)> {
    let (peer, all) = (StandardId::new(0x7E8).unwrap(), StandardId::new(0x7DF).unwrap());
    let room = if fd { 64 } else { 8 } - usize::from(prefix.is_some());
    let (mut now, mut next) = (0, 1u8);
    let mut stimuli = Vec::new();
    for (position, (after, act)) in acts.iter().enumerate() {
        now += after;
        let full = |head: &[u8]| -> Vec<u8> {
            let counted = (0..u8::MAX).take(room - head.len());
            head.iter().copied().chain(counted).collect()
        };
        let pdu = match act {
            Act::Single(len) => full(&[*len])
                .into_iter()
                .take(8 - usize::from(prefix.is_some()))
                .collect(),
            Act::First(len) => {
                next = 1;
                let [a, b, high, low] = len.to_be_bytes();
                if *len <= 4095 {
                    full(&[0x10 | high, low])
                } else {
                    full(&[0x10, 0, a, b, high, low])
                }
            }
            Act::Next(count) => {
                for _ in 0..*count {
                    let pdu = full(&[0x20 | (next & 0x0F)]);
                    stimuli.push((now, position, Stimulus::Frame(frame(peer, fd, prefix, &pdu))));
                    next = next.wrapping_add(1);
                }
                continue;
            }
            Act::Consecutive(number) => full(&[0x20 | number]),
            Act::Control(status, blocks, gap) => vec![0x30 | status, *blocks, *gap],
            Act::Functional(data) | Act::Raw(data) => data.clone(),
            Act::Send(len, functional) => {
                let payload = Bytes::from(vec![0x5A; *len]);
                let functional = *functional;
                stimuli.push((now, position, Stimulus::Send { payload, functional }));
                continue;
            }
        };
        let to_all = matches!(act, Act::Functional(_));
        let id = if to_all { all } else { peer };
        stimuli.push((now, position, Stimulus::Frame(frame(id, fd, prefix, &pdu))));
    }
    stimuli
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_story_ends_as_the_standard_says(
        setup in setup(),
        extended in any::<bool>(),
        acts in prop::collection::vec(
            (prop_oneof![8 => Just(0u64), 2 => 1..=200_000u64, 1 => 900_000..=1_100_000u64], act()),
            1..60,
        ),
    ) {
        let (us, peer) = (StandardId::new(0x7E0).unwrap(), StandardId::new(0x7E8).unwrap());
        let address = if extended {
            Address::asymmetric(
                TxAddress::extended(us, 0x33),
                RxAddress::extended(peer, 0xF1),
            )
        } else {
            Address::asymmetric(TxAddress::normal(us), RxAddress::normal(peer))
        };
        let address = address.unwrap().accepting_functional(StandardId::new(0x7DF).unwrap());
        let stimuli = stimuli(&acts, setup.fd.is_some(), extended.then_some(0xF1));
        let ours = play(address, &setup, &stimuli);
        prop_assert_eq!(ours, Standard::run(address, &setup, &stimuli));
    }
}
