use can_link::StandardId;
use futures::StreamExt as _;

use super::*;
use crate::SendState;

fn address() -> Address {
    let id = |raw| StandardId::new(raw).unwrap();
    Address::normal(id(0x7E0), id(0x7E8)).unwrap()
}

async fn open_virtual(name: &str, address: Address, backend: Backend) -> IsoTp {
    let opened = open(name, address, Config::default(), backend).await;
    opened.unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[tokio::test]
async fn a_link_that_is_no_interface_is_this_librarys_work_and_says_so() {
    let auto = open_virtual("virtual:open-auto", address(), Backend::Auto).await;
    assert_eq!(auto.choice().worker(), Worker::User);
    assert_eq!(auto.choice().why(), [Reason::NoInterface]);
    let asked = open_virtual("virtual:open-auto", address(), Backend::User).await;
    assert_eq!(asked.choice().to_string(), "user: asked for");
    let limits = asked.choice().limits();
    assert_eq!((limits.max_send_functional, limits.max_receive), (7, 4095));
}

#[tokio::test]
async fn an_explicit_choice_is_never_replaced() {
    let refused = async |link: &str, backend| {
        let opened = open(link, address(), Config::default(), backend).await;
        opened.map(drop).unwrap_err().to_string()
    };
    assert_eq!(
        refused("virtual:open-kernel", Backend::Kernel).await,
        "virtual:open-kernel: no kernel backend here: the link is no CAN interface of Linux"
    );
    for (backend, name) in [(Backend::Kernel, "kernel"), (Backend::User, "user")] {
        assert_eq!(
            refused("isotpserver://host:1", backend).await,
            std::format!("isotpserver://host:1: no {name} backend here: the link carries whole messages")
        );
    }
    let text = refused("no-scheme:x", Backend::Auto).await;
    assert!(text.starts_with("unknown scheme"), "{text}");
}

#[tokio::test]
async fn states_messages_and_functional_requests_pass_through_one_face() {
    let mut tester = open_virtual("virtual:open-face", address(), Backend::Auto).await;
    let mut ecu = open_virtual("virtual:open-face", address().reversed(), Backend::User).await;
    let states = tester.start(vec![7; 20]).map(Result::unwrap).collect::<Vec<_>>();
    let (states, received) = tokio::join!(states, ecu.recv());
    assert_eq!(states.first(), Some(&SendState::Queued));
    assert_eq!(states.last(), Some(&SendState::Done));
    assert_eq!(received.unwrap().unwrap(), vec![7; 20]);
    assert_eq!(tester.stats().messages_sent, 1);
    let source = payload::FromIter::new(20, core::iter::repeat(8));
    let (sent, received) = tokio::join!(tester.send_from(source), ecu.recv());
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap(), vec![8; 20]);
    let (sent, received) = tokio::join!(ecu.send_functional(vec![1]), tester.recv_with_target());
    sent.unwrap();
    // In normal addressing without an identifier of their own, functional messages look like others.
    assert_eq!(
        received.unwrap().unwrap(),
        (Target::Physical, Bytes::from_static(&[1]))
    );
    let refused = tester.send_functional(vec![0; 8]).await.unwrap_err();
    assert!(refused.to_string().contains("at most 7"), "{refused}");
}

#[tokio::test]
async fn a_message_under_way_can_be_aborted_and_the_next_begins_clean() {
    let mut tester = open_virtual("virtual:open-abort", address(), Backend::Auto).await;
    let mut sending = tester.start(vec![7; 20]);
    assert_eq!(sending.next().await.unwrap().unwrap(), SendState::Queued);
    assert!(sending.abort());
    let error = sending.next().await.unwrap().unwrap_err();
    assert_eq!(error.n_result(), Some(crate::NResult::Error), "{error}");
    assert!(sending.next().await.is_none());
    drop(sending);
    tester.send(vec![1]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_abort_tells_whether_it_ended_a_message() {
    let mut tester = open_virtual("virtual:open-nobody", address(), Backend::Auto).await;
    assert!(!tester.abort_send(), "there is none");
    futures::SinkExt::feed(&mut tester, Bytes::from(vec![7; 20]))
        .await
        .unwrap();
    assert!(matches!(tester.sending(), Some((_, Some(_), 20))));
    assert!(tester.abort_send());
    assert_eq!((tester.abort_send(), tester.sending()), (false, None));
    let error = futures::SinkExt::flush(&mut tester).await.unwrap_err();
    assert_eq!(error.n_result(), Some(crate::NResult::Error), "{error}");

    let mut peer = can_link::open(&"virtual:open-nobody".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(tester.receiving(), None);
    let first = [0x10, 20, 1, 2, 3, 4, 5, 6];
    let first = can_link::CanFrame::data(StandardId::new(0x7E8).unwrap(), &first).unwrap();
    can_link::CanTxExt::send(&mut peer, first).await.unwrap();
    let read = tokio::time::timeout(core::time::Duration::from_millis(1), tester.recv()).await;
    assert!(read.is_err());
    assert_eq!(tester.receiving(), Some((6, 20)));
}

#[tokio::test]
async fn a_server_is_one_more_worker_behind_the_same_face() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = std::format!("isotpserver://{}", listener.local_addr().unwrap());
    let server = async {
        let (mut io, _) = listener.accept().await.unwrap();
        let mut text = [0; 10];
        io.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"<3e00><77>");
        io.write_all(b"<7E00>\n").await.unwrap();
        io
    };
    let client = async {
        let mut client = open(&link, address(), Config::default(), Backend::Auto)
            .await
            .unwrap();
        assert_eq!(client.choice().worker(), Worker::Server);
        let states = client
            .start(vec![0x3E, 0])
            .map(Result::unwrap)
            .collect::<Vec<_>>();
        assert_eq!(states.await, [SendState::Queued, SendState::Done]);
        // It takes whole messages, so a source is read to its end, or nothing is sent.
        let sevens = |len| payload::FromIter::new(len, [0x77]);
        let short = client.send_from(sevens(2)).await.unwrap_err();
        assert_eq!(short.progress().map(|progress| progress.done), Some(0), "{short}");
        client.send_from(sevens(1)).await.unwrap();
        let answer = client.recv_with_target().await.unwrap().unwrap();
        assert_eq!(answer, (Target::Physical, Bytes::from_static(&[0x7E, 0])));
        let refused = client.send_functional(vec![1]).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "not sent: this link has no functional messages"
        );
        assert_eq!(
            (client.stats().messages_sent, client.stats().messages_received),
            (2, 1)
        );
    };
    tokio::join!(server, client);
}

#[test]
fn opening_can_be_the_work_of_any_thread() {
    const fn is_send<T: Send>(_: &T) {}
    let address = Address::normal(StandardId::new(1).unwrap(), StandardId::new(2).unwrap()).unwrap();
    is_send(&open("bus:x", address, Config::default(), Backend::Auto));
}
