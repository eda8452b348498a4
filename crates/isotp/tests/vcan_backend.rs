//! Who does the work on a real interface, why, and within which limits.
#![cfg(all(feature = "linux", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]
#![allow(dead_code, reason = "each test file uses its part of the shared helpers")]

mod face;
mod kernel;

use core::time::Duration;
use std::process::Command;

use can_link::LinkError;
use can_link::linux::IsoTpSupport;
use futures::StreamExt;
use isotp::backend::{Lack, Reason, Worker};
use isotp::{
    Address, Backend, BlockSize, Config, IsoTp, KernelIsoTp, NResult, OpenError, SendError, SendState,
    StreamError, Target,
};

use kernel::{address, id, interface, payload, soon, user, variable};

async fn open(address: Address, config: Config, backend: Backend) -> Result<IsoTp, OpenError> {
    isotp::open(&interface(), address, config, backend).await
}

/// What this kernel does differently from what the defaults ask for.
fn differences() -> Vec<Reason> {
    let support = IsoTpSupport::ask().unwrap();
    let lack = (!support.dynamic_flow_control).then_some(Lack::EveryFlowControl);
    lack.into_iter().map(Reason::KernelLacks).collect()
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn auto_takes_the_kernel_where_that_can_do_all_and_says_what_is_missing_elsewhere() {
    let opened = open(address(0x500), Config::default(), Backend::Auto)
        .await
        .unwrap();
    println!("{}", opened.choice());
    let differences = differences();
    if differences.is_empty() {
        assert_eq!(opened.choice().worker(), Worker::Kernel);
        assert_eq!(opened.choice().why(), [Reason::KernelSuffices]);
    } else {
        assert_eq!(opened.choice().worker(), Worker::User);
        assert_eq!(opened.choice().why(), differences);
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn what_the_kernel_cannot_do_makes_auto_take_this_library_and_an_explicit_wish_fail() {
    let config = Config::default().n_bs(Duration::from_millis(250));
    let opened = open(address(0x501), config, Backend::Auto).await.unwrap();
    assert_eq!(opened.choice().worker(), Worker::User);
    let text = opened.choice().to_string();
    assert!(
        text.starts_with("user: kernel cannot: N_Bs other than 1000 ms (250 ms asked)"),
        "{text}"
    );
    drop(opened);
    let error = open(address(0x501), config, Backend::Kernel).await.unwrap_err();
    assert!(matches!(error, OpenError::KernelLacks { .. }), "{error}");
    let huge = Config::default().max_rx_len(2_000_000);
    let error = open(address(0x501), huge, Backend::Kernel)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("messages of 2000000 bytes (it receives at most "),
        "{error}"
    );
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_kernel_that_was_asked_for_lists_what_it_does_differently() {
    let opened = open(address(0x502), Config::default(), Backend::Kernel)
        .await
        .unwrap();
    assert_eq!(opened.choice().worker(), Worker::Kernel);
    let expected: Vec<_> = [Reason::Asked].into_iter().chain(differences()).collect();
    assert_eq!(opened.choice().why(), expected);
    let fixed = Address::normal_fixed(0x50, 0x51).unwrap();
    let opened = open(fixed, Config::default(), Backend::Kernel).await.unwrap();
    assert!(
        opened
            .choice()
            .why()
            .contains(&Reason::KernelLacks(Lack::Priority))
    );
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn the_limits_are_the_kernels_own_and_true_to_the_byte() {
    let mut kernel = open(address(0x503), Config::default(), Backend::Kernel)
        .await
        .unwrap();
    let limits = kernel.choice().limits();
    println!("{limits:?}, {:?}", IsoTpSupport::ask().unwrap());
    assert!([8200, 8300, 66_000].contains(&limits.max_send), "{limits:?}");
    assert_eq!((limits.max_receive, limits.max_send_functional), (4095, 7));
    // The kernel sends as fast as the processor can; blocks keep the receiver's socket from overflowing.
    let config = Config::default().max_rx_len(u32::try_from(limits.max_send).unwrap());
    let blocks = config.block_size(BlockSize::from_bits(64));
    let mut peer = user(address(0x503).reversed(), blocks);
    let message = payload(limits.max_send);
    let (sent, received) = tokio::join!(
        soon("the longest message", kernel.send(message.clone())),
        soon("the longest message", peer.recv())
    );
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap(), message);
    let error = kernel.send(payload(limits.max_send + 1)).await.unwrap_err();
    let (len, max) = (limits.max_send + 1, limits.max_send);
    assert!(
        matches!(error, StreamError::NotSent(e) if e == SendError::TooLong { len, max }),
        "{error}"
    );
    assert_eq!(kernel.stats().messages_sent, 1);
    drop((kernel, peer));

    let mut kernel = open(address(0x503), blocks, Backend::Kernel).await.unwrap();
    assert_eq!(kernel.choice().limits().max_receive, limits.max_send);
    let mut peer = user(address(0x503).reversed(), Config::default());
    let (sent, received) = tokio::join!(
        soon("the longest message", peer.send(message.clone())),
        soon("the longest message", kernel.recv())
    );
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap(), message);
    let over = peer.send(payload(limits.max_send + 1));
    let error = soon("an overflow", over).await.unwrap_err();
    assert_eq!(error.n_result(), Some(NResult::BufferOvflw), "{error}");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn states_come_from_both_backends_in_the_same_words() {
    for (base, backend) in [(0x504, Backend::Kernel), (0x505, Backend::User)] {
        let mut ours = open(address(base), Config::default(), backend).await.unwrap();
        let mut peer = user(address(base).reversed(), Config::default());
        let states = ours.start(payload(100)).map(Result::unwrap).collect::<Vec<_>>();
        let (states, received) = tokio::join!(soon("the end", states), soon("a message", peer.recv()));
        assert_eq!(received.unwrap().unwrap(), payload(100));
        let milestones: Vec<_> = states
            .into_iter()
            .filter(|state| !matches!(state, SendState::Progress { .. }))
            .collect();
        assert_eq!(
            milestones,
            [SendState::Queued, SendState::Started, SendState::Done],
            "{backend:?}"
        );
        let states = ours.start(payload(3)).map(Result::unwrap).collect::<Vec<_>>();
        let states = soon("the end", states).await;
        assert_eq!(states, [SendState::Queued, SendState::Done], "{backend:?}");
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn functional_messages_go_and_come_through_both_backends() {
    let tester = Address::asymmetric(
        isotp::TxAddress::normal(id(0x506)).with_functional_id(id(0x5DF)),
        isotp::RxAddress::normal(id(0x50E)),
    )
    .unwrap();
    let ecu = address(0x506).reversed().accepting_functional(id(0x5DF));
    for (asking, answering) in [
        (Backend::Kernel, Backend::User),
        (Backend::User, Backend::Kernel),
        (Backend::Kernel, Backend::Kernel),
    ] {
        let mut tester = open(tester, Config::default(), asking).await.unwrap();
        let mut ecu = open(ecu, Config::default(), answering).await.unwrap();
        for _ in 0..2 {
            soon("a request", tester.send_functional(payload(7)))
                .await
                .unwrap();
            let (target, message) = soon("a request", ecu.recv_with_target()).await.unwrap().unwrap();
            assert_eq!((target, message), (Target::Functional, payload(7)), "{asking:?}");
            let (sent, answer) = tokio::join!(
                soon("the end of the answer", ecu.send(payload(90))),
                soon("an answer", tester.recv())
            );
            sent.unwrap();
            assert_eq!(answer.unwrap().unwrap(), payload(90));
        }
        let error = tester.send_functional(payload(8)).await.unwrap_err();
        let (len, max) = (8, 7);
        assert!(
            matches!(error, StreamError::NotSent(e) if e == SendError::FunctionalTooLong { len, max }),
            "{error}"
        );
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_functional_message_of_several_frames_is_neither_answered_nor_delivered() {
    let ecu = address(0x507).reversed().accepting_functional(id(0x5DE));
    let mut ecu = KernelIsoTp::open(&interface(), &ecu, &Config::default()).unwrap();
    let mut raw = kernel::link();
    let frame = |id, data: &[u8]| can_link::CanFrame::data(id, data).unwrap();
    use can_link::link::CanTxExt as _;
    for data in [
        [0x10, 0x0A, 1, 2, 3, 4, 5, 6].as_slice(),
        &[0x21, 7, 8, 9, 10],
        &[0x02, 0x3E, 0x80],
    ] {
        raw.send(frame(id(0x5DE), data)).await.unwrap();
    }
    let (target, message) = soon("a message", ecu.recv_with_target()).await.unwrap().unwrap();
    assert_eq!(
        (target, &message[..]),
        (Target::Functional, [0x3E, 0x80].as_slice())
    );
    assert_eq!(ecu.stats().ignored_functional, 1);
    raw.send(frame(id(0x508), &[])).await.unwrap();
    use can_link::link::CanRxExt as _;
    let answers = async {
        let mut answers = 0;
        loop {
            let received = raw.recv_frame().await.unwrap().unwrap();
            match received.frame.id() {
                can_link::Id::Standard(seen) if seen == id(0x508) => return answers,
                can_link::Id::Standard(seen) if seen == id(0x50F) => answers += 1,
                _ => {}
            }
        }
    };
    assert_eq!(soon("the last frame", answers).await, 0, "it was answered");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_missing_interface_is_named_and_a_classic_one_refuses_can_fd() {
    for backend in [Backend::Auto, Backend::Kernel, Backend::User] {
        let opened = isotp::open("no-such-if", address(0x510), Config::default(), backend).await;
        let error = opened.unwrap_err();
        assert!(
            matches!(error, OpenError::Link(LinkError::NotFound { .. })),
            "{backend:?}: {error}"
        );
    }
    let fd = Config::default().data_link(isotp::DataLink::fd());
    let classic = variable("VCAN_CLASSIC");
    let opened = isotp::open(&classic, address(0x510), fd, Backend::Kernel).await;
    let error = opened.unwrap_err().to_string();
    assert!(error.contains("carries no CAN FD"), "{error}");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn an_interface_that_goes_down_is_told_and_all_goes_on_when_it_is_up() {
    let ip = |arguments: &str| {
        let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
        assert!(status.success(), "ip {arguments}");
    };
    ip("link add dev vcan-updown type vcan");
    ip("link set vcan-updown up");
    let mut kernel = KernelIsoTp::open("vcan-updown", &address(0x511), &Config::default()).unwrap();
    let mut other = KernelIsoTp::open("vcan-updown", &address(0x511).reversed(), &Config::default()).unwrap();
    ip("link set vcan-updown down");
    let error = soon("the news", kernel.recv()).await.unwrap().unwrap_err();
    assert_eq!(error.n_result(), Some(NResult::Error), "{error}");
    assert!(soon("a send", kernel.send(payload(3))).await.is_err());
    ip("link set vcan-updown up");
    while kernel.send(payload(3)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    loop {
        match soon("a message", other.recv()).await.unwrap() {
            Ok(message) => break assert_eq!(message, payload(3)),
            Err(error) => println!("{error}"),
        }
    }
    ip("link del vcan-updown");
    let gone = async {
        while let Some(item) = kernel.recv().await {
            println!("{}", item.unwrap_err());
        }
    };
    soon("the end", gone).await;
    assert!(kernel.send(payload(3)).await.is_err());
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn the_kernel_has_the_face_of_all() {
    let mut peer = user(address(0x520).reversed(), Config::default());
    soon(
        "bare",
        face::talks(kernel::kernel(&address(0x520), &Config::default()), &mut peer),
    )
    .await;
    let opened = open(address(0x520), Config::default(), Backend::Kernel)
        .await
        .unwrap();
    soon("behind the face of all", face::talks(opened, &mut peer)).await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn an_abort_ends_what_the_kernel_has_not_begun() {
    let mut alone = kernel::kernel(&address(0x521), &Config::default());
    assert!(!alone.abort_send(), "there is none");
    futures::SinkExt::feed(&mut alone, payload(20)).await.unwrap();
    assert!(alone.abort_send());
    let error = futures::SinkExt::flush(&mut alone).await.unwrap_err();
    assert_eq!(error.n_result(), Some(NResult::Error), "{error}");
    futures::SinkExt::feed(&mut alone, payload(20)).await.unwrap();
    let flushed = tokio::time::timeout(Duration::from_millis(100), futures::SinkExt::flush(&mut alone)).await;
    assert!(flushed.is_err(), "nobody answers");
    assert!(alone.sending().is_some());
    assert!(!alone.abort_send(), "it has begun");
}
