//! Flows over CSP.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use core::time::Duration;

use csp_core::rt::{self, pair};
use csp_core::{
    Address, Config, ConnectConfig, Flags, InterfaceConfig, InterfaceName, Need, Needs, Netmask, Port,
    SocketConfig, Stage, Switch, Verdict, hmac, rdp,
};
use flow_core::peer::Peer;
use flow_core::providers::csp::{CspConfig, CspProvider};
use flow_core::qos::{Bound, Order, PeerTimeout, QosField, Tolerance};
use flow_core::{AcceptError, AllocError, BindError, Flow, Name, Provider, QosSpec, ReadError, WriteError};

const SHORT: Duration = Duration::from_millis(500);

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn node(own: u16, link: rt::PairEnd, config: Config) -> rt::Node {
    let node = rt::Node::spawn(config);
    let interface = InterfaceName::new("PAIR").unwrap();
    let interface = InterfaceConfig::new(interface, Address::new(own).unwrap(), Netmask::new(8).unwrap());
    node.attach(interface, link).unwrap();
    node
}

/// Providers on nodes 1 and 2.
fn two() -> (CspProvider, CspProvider) {
    let (left, right) = pair();
    let one = CspProvider::new(node(1, left, Config::default()));
    let two = CspProvider::new(node(2, right, Config::default()));
    (one, two)
}

/// A flow of this quality from node 1 to port 10 of node 2.
async fn flows(qos: QosSpec) -> ((CspProvider, CspProvider), Flow, Flow) {
    let (one, two) = two();
    two.bind(&name("csp:*:10")).unwrap();
    let to = name("csp:2:10");
    let mut ours = one.alloc(&to, qos, None).await.unwrap();
    ours.write("first").await.unwrap(); // without RDP this is what makes the flow known
    let mut theirs = two.accept(None).await.unwrap();
    assert_eq!(theirs.read_packet().await.unwrap(), "first");
    ((one, two), ours, theirs)
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_decides_on_the_options_and_both_ends_report_what_they_have() {
    let reliable = |qos: QosSpec| {
        (
            qos.loss().is_none(),
            qos.order() == Order::Kept,
            qos.ber().is_none(),
        )
    };
    for (asked, has, timeout) in [
        (QosSpec::RAW, (false, false, false), PeerTimeout::OFF),
        (QosSpec::RAW_NO_ERRORS, (false, false, true), PeerTimeout::OFF),
        (
            QosSpec::BEST_EFFORT,
            (true, true, true),
            PeerTimeout::from_millis(120_000),
        ),
        (
            QosSpec::RAW.with_loss(Tolerance::NONE),
            (true, true, false),
            PeerTimeout::from_millis(120_000),
        ),
    ] {
        let (_providers, mut ours, mut theirs) = flows(asked).await;
        assert_eq!(reliable(ours.qos()), has, "{asked:?}");
        assert_eq!(reliable(theirs.qos()), has, "{asked:?}");
        assert_eq!(ours.qos().timeout(), timeout, "{asked:?}");
        theirs.write("back").await.unwrap();
        assert_eq!(ours.read_packet().await.unwrap(), "back");
        assert_eq!(theirs.name().as_str(), "csp:*:10");
        assert_eq!(ours.peer(), &Peer::Csp { address: 2, port: 10 });
        assert!(matches!(theirs.peer(), Peer::Csp { address: 1, .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn what_csp_cannot_promise_is_refused_by_name() {
    let (one, two) = two();
    for (asked, field) in [
        (QosSpec::DATA, QosField::Delay),
        (QosSpec::VOICE, QosField::Delay),
        (QosSpec::RAW.with_bandwidth(1), QosField::Bandwidth),
        (
            QosSpec::RAW.with_timeout(PeerTimeout::from_millis(500)),
            QosField::Timeout,
        ),
    ] {
        let error = one.alloc(&name("csp:2:10"), asked, None).await.unwrap_err();
        let AllocError::Qos(error) = error else {
            panic!("{error}")
        };
        assert_eq!(error.field, field);
    }
    let links = QosSpec::RAW
        .with_delay(Bound::from_millis(800))
        .with_max_gap(Bound::from_millis(900));
    let config = CspConfig::default().links(links);
    let promising = CspProvider::with_config(one.node().clone(), config);
    two.bind(&name("csp:*:10")).unwrap();
    let flow = promising
        .alloc(&name("csp:2:10"), QosSpec::DATA, None)
        .await
        .unwrap();
    assert_eq!(flow.qos().delay(), Bound::from_millis(800));
    assert!(flow.qos().loss().is_none());
}

#[tokio::test(start_paused = true)]
async fn with_rdp_the_end_is_waited_for_and_seen_and_nothing_is_lost_on_a_bad_link() {
    let (providers, mut ours, theirs) = flows(QosSpec::BEST_EFFORT).await;
    let mut count = 0_u64;
    let _bad = providers.1.node().filter_now(Stage::Incoming, move |_, packet| {
        count += 1;
        if count.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60 < 2 {
            Verdict::Drop
        } else {
            Verdict::Pass(packet)
        }
    });
    let patience = Duration::from_secs(600);
    let reads = async {
        let mut theirs = theirs;
        for number in 0..100_u32 {
            let packet = theirs.read_packet_timeout(patience).await;
            let packet = packet.unwrap_or_else(|e| panic!("{number}: {e}"));
            assert_eq!(packet, number.to_be_bytes()[..]);
        }
        theirs.read_packet_timeout(patience).await.unwrap_err()
    };
    let writes = async {
        for number in 0..100_u32 {
            ours.write(number.to_be_bytes().to_vec()).await.unwrap();
        }
        ours.dealloc_within(Duration::from_secs(60)).await
    };
    let (end, dealloc) = tokio::join!(reads, writes);
    assert_eq!((end, dealloc), (ReadError::Deallocated, Ok(())));
}

#[tokio::test(start_paused = true)]
async fn with_frct_nothing_is_lost_on_a_bad_link_without_rdp() {
    let (one, two) = two();
    let mut count = 0_u64;
    let _bad = two.node().filter_now(Stage::Incoming, move |_, packet| {
        count += 1;
        if count.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60 < 2 {
            Verdict::Drop
        } else {
            Verdict::Pass(packet)
        }
    });
    two.bind(&name("csp:*:10?frct=reliable")).unwrap();
    let asked = QosSpec::RAW_NO_ERRORS.with_loss(Tolerance::NONE);
    let mut ours = one
        .alloc(&name("csp:2:10?frct=reliable"), asked, None)
        .await
        .unwrap();
    let patience = Duration::from_secs(600);
    let reads = async {
        let mut theirs = two.accept(None).await.unwrap();
        assert!(theirs.qos().loss().is_none() && theirs.qos().order() == Order::Kept);
        for number in 0..200_u32 {
            let packet = theirs.read_packet_timeout(patience).await;
            let packet = packet.unwrap_or_else(|e| panic!("{number}: {e}"));
            assert_eq!(packet, number.to_be_bytes()[..]);
        }
        let status = two.node().status();
        assert!(status.rdp.is_empty(), "{:?}", status.rdp);
    };
    let writes = async {
        for number in 0..200_u32 {
            ours.write(number.to_be_bytes().to_vec()).await.unwrap();
        }
        ours.dealloc_within(patience).await.unwrap();
    };
    tokio::join!(reads, writes);
    let refused = one
        .alloc(&name("csp:2:10?frct=ordered"), asked, None)
        .await
        .unwrap_err();
    assert!(matches!(refused, AllocError::Qos(error) if error.field == QosField::Loss));
}

#[tokio::test(start_paused = true)]
async fn with_rdp_a_silent_peer_is_noticed() {
    let (providers, mut ours, mut theirs) = flows(QosSpec::BEST_EFFORT).await;
    let _dark = [&providers.0, &providers.1]
        .map(|provider| provider.node().filter_now(Stage::Incoming, |_, _| Verdict::Drop));
    assert_eq!(ours.read_packet().await.unwrap_err(), ReadError::PeerGone);
    assert_eq!(ours.write("x").await.unwrap_err(), WriteError::PeerGone);
    assert_eq!(theirs.read_packet().await.unwrap_err(), ReadError::PeerGone);
}

#[tokio::test(start_paused = true)]
async fn without_rdp_nobody_hears_of_the_end_and_the_next_flow_is_another() {
    let (providers, ours, mut theirs) = flows(QosSpec::RAW).await;
    ours.dealloc().await.unwrap();
    let late = theirs.read_packet_timeout(SHORT).await.unwrap_err();
    assert_eq!(late, ReadError::TimedOut);
    let mut ours = providers
        .0
        .alloc(&name("csp:2:10"), QosSpec::RAW, None)
        .await
        .unwrap();
    ours.write("again").await.unwrap();
    let mut next = providers.1.accept(None).await.unwrap();
    assert_eq!(next.read_packet().await.unwrap(), "again");
    assert_eq!(
        theirs.read_packet_timeout(SHORT).await.unwrap_err(),
        ReadError::TimedOut
    );
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_cannot_be_made_says_why() {
    let (one, two) = two();
    let alloc = async |text: &str, qos| one.alloc(&name(text), qos, None).await.unwrap_err();
    let nobody = alloc("csp:2:10", QosSpec::BEST_EFFORT).await;
    assert!(matches!(&nobody, AllocError::Unreachable { .. }), "{nobody}");
    let no_node = one
        .alloc(&name("csp:9:10"), QosSpec::BEST_EFFORT, Some(SHORT))
        .await
        .unwrap_err();
    assert!(matches!(&no_node, AllocError::TimedOut), "{no_node}");
    let said = |error: AllocError| match error {
        AllocError::Address { reason } | AllocError::Unreachable { reason, .. } => reason,
        error => panic!("{error}"),
    };
    let other = alloc("csp:2:10?if=CAN", QosSpec::RAW).await;
    assert_eq!(&*said(other), "no interface CAN; there are: LOOP, PAIR");
    let other = alloc("csp:9000:10?if=PAIR", QosSpec::RAW).await;
    assert_eq!(&*said(other), "no route leads to address 9000 by interface PAIR");
    assert_eq!(
        &*said(alloc("csp:*:10", QosSpec::RAW).await),
        "a flow goes to one node; write csp:5:20"
    );
    one.alloc(&name("csp:2:10?if=PAIR"), QosSpec::RAW, None)
        .await
        .unwrap();
    let reason = |error| match error {
        BindError::Address { reason } => reason,
        error => panic!("{error}"),
    };
    let taken = two.node().listen(Port::new(10).unwrap(), SocketConfig::default());
    assert!(reason(two.bind(&name("csp:*:10")).unwrap_err()).contains("in use"));
    drop(taken);
    let foreign = reason(two.bind(&name("csp:1:10")).unwrap_err());
    assert_eq!(&*foreign, "1 is no address of this node; write csp:*:10");
    two.bind(&name("csp:2:10")).unwrap();
    two.bind(&name("csp:2:10")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn letting_go_of_a_port_frees_it_and_ends_the_wait_for_flows() {
    let (_one, two) = two();
    assert_eq!(two.accept(None).await.unwrap_err(), AcceptError::NoName);
    two.bind(&name("csp:*:10")).unwrap();
    let late = two.accept(Some(SHORT)).await.unwrap_err();
    assert_eq!(late, AcceptError::TimedOut);
    let (accepted, unbound) = tokio::join!(two.accept(None), async { two.unbind(&name("csp:*:10")) });
    assert_eq!((accepted.unwrap_err(), unbound), (AcceptError::NoName, true));
    assert!(!two.unbind(&name("csp:*:10")));
    tokio::task::yield_now().await; // the task that listened ends
    two.bind(&name("csp:*:10")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_packet_that_no_interface_takes_is_refused_at_once() {
    let (_providers, mut ours, _theirs) = flows(QosSpec::RAW).await;
    let max = ours.max_packet();
    let refused = ours.write(vec![0; max + 1]).await.unwrap_err();
    assert_eq!(refused, WriteError::TooLong { len: max + 1, max });
    ours.write(vec![0; max]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn keys_and_what_is_demanded_are_the_providers_configuration() {
    let (left, right) = pair();
    let keyed = || Config::default().hmac_key(hmac::Key::from_pass_phrase(b"secret"));
    let hmac = ConnectConfig::default().hmac(Switch::On);
    let demanding = SocketConfig::default().needs(Needs::default().hmac(Need::Required));
    let one = node(1, left, keyed());
    let plain = CspProvider::new(one.clone());
    let sealed = CspProvider::with_config(one, CspConfig::default().connect(hmac));
    let two = node(2, right, keyed());
    let two = CspProvider::with_config(two, CspConfig::default().socket(demanding));
    two.bind(&name("csp:*:10")).unwrap();
    let to = name("csp:2:10");
    let mut dropped = plain.alloc(&to, QosSpec::RAW, None).await.unwrap();
    dropped.write("unsealed").await.unwrap();
    let mut ours = sealed.alloc(&to, QosSpec::RAW, None).await.unwrap();
    ours.write("sealed").await.unwrap();
    let mut theirs = two.accept(None).await.unwrap();
    assert_eq!(theirs.read_packet().await.unwrap(), "sealed");
}

#[tokio::test(start_paused = true)]
async fn the_other_end_may_be_any_program_that_speaks_csp() {
    let (one, two) = two();
    let port = Port::new(11).unwrap();
    let mut listener = two.node().listen(port, SocketConfig::default()).unwrap();
    let mut flow = one
        .alloc(&name("csp:2:11"), QosSpec::RAW_NO_ERRORS, None)
        .await
        .unwrap();
    flow.write("hello").await.unwrap();
    let mut connection = listener.accept().await.unwrap();
    assert_eq!(connection.flags(), Some(Flags::CRC32));
    assert_eq!(connection.recv().await.unwrap().payload, "hello");
    connection.send("").await.unwrap(); // no packet of a flow
    connection.send("hello yourself").await.unwrap();
    assert_eq!(flow.read_packet().await.unwrap(), "hello yourself");

    one.bind(&name("csp:*:12")).unwrap();
    let config = ConnectConfig::default().rdp_options(rdp::Options::default());
    let port = Port::new(12).unwrap();
    let connecting = two.node().connect(Address::new(1).unwrap(), port, config);
    let (connection, flow) = tokio::join!(connecting, one.accept(None));
    connection.unwrap().send("from outside").await.unwrap();
    assert_eq!(flow.unwrap().read_packet().await.unwrap(), "from outside");
}
