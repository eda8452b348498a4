//! Nodes on more than one thread, in real time: nobody waits for ever, and nothing is lost or doubled.

use super::*;
use crate::{Stage, Switch, Verdict};

/// Far longer than anything here takes on any machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Port 10 of `node` sends back what it gets.
fn echo(node: &Node) {
    let config = SocketConfig::default().backlog(64);
    let mut listener = node.listen(port(10), config).unwrap();
    tokio::spawn(async move {
        while let Ok(mut connection) = listener.accept().await {
            tokio::spawn(async move {
                while let Ok(request) = connection.recv().await {
                    if connection.send(request.payload).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_of_both_kinds_get_their_own_answers() {
    let many = || Config::default().port_max_bind(port(16)).max_connections(200);
    let (one, two) = two_nodes(many(), many()).await;
    echo(&two);
    let clients = (0..40_u8).map(|n| {
        let one = one.clone();
        tokio::spawn(async move {
            let rdp = if n % 2 == 0 { Switch::On } else { Switch::Off };
            let config = ConnectConfig::default().rdp(rdp);
            let mut client = one.connect(address(2), port(10), config).await.unwrap();
            for m in 0..100 {
                client.send(vec![n, m]).await.unwrap();
                assert_eq!(client.recv().await.unwrap().payload, [n, m][..]);
            }
            client.close(PATIENCE).await.unwrap();
        })
    });
    let clients: Vec<_> = clients.collect();
    for client in clients {
        timeout(PATIENCE, client).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn senders_that_are_given_up_at_any_moment_leave_a_turn_for_the_others() {
    let (one, two) = two_nodes(Config::default().transmit_queue(1), Config::default()).await;
    let mut listener = two.listen(port(10), SocketConfig::default()).unwrap();
    let connecting = one.connect(address(2), port(10), ConnectConfig::default().rdp(Switch::On));
    let (client, server) = futures::future::join(connecting, listener.accept()).await;
    let (client, mut server) = (client.unwrap(), server.unwrap());
    let senders = (0..8_u8).map(|n| {
        let sender = client.sender();
        tokio::spawn(async move {
            let mut sent = 0_u32;
            for m in 0..200_u8 {
                // Given up after that many turns of the scheduler, if not done before.
                let mut turns = m % 7;
                let giving_up = futures::future::poll_fn(|cx| {
                    if turns == 0 {
                        return Poll::Ready(());
                    }
                    turns -= 1;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                });
                tokio::select! {
                    biased;
                    done = sender.send(vec![n, m]) => {
                        done.unwrap();
                        sent += 1;
                    }
                    () = giving_up => {}
                }
            }
            sender.send(vec![n, u8::MAX]).await.unwrap();
            sent + 1
        })
    });
    let senders: Vec<_> = senders.collect();
    let reading = async {
        let (mut got, mut ended) = (0_u32, 0);
        let mut last = [None; 8];
        while ended < 8 {
            let payload = server.recv().await.unwrap().payload;
            let (n, m) = (usize::from(payload[0]), payload[1]);
            assert!(last[n] < Some(m), "in order, and each once");
            last[n] = Some(m);
            got += 1;
            ended += u8::from(m == u8::MAX);
        }
        got
    };
    let got = timeout(PATIENCE, reading).await.unwrap();
    let sent = futures::future::join_all(senders).await;
    assert_eq!(sent.into_iter().map(Result::unwrap).sum::<u32>(), got);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn filters_come_and_go_while_packets_pass() {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    echo(&two);
    let changing = {
        let two = two.clone();
        tokio::spawn(async move {
            for _ in 0..200 {
                let filter = two.filter(Stage::Incoming, |_, packet| async move {
                    tokio::task::yield_now().await;
                    Some(packet)
                });
                tokio::task::yield_now().await;
                let other = two.filter_now(Stage::Outgoing, |_, packet| Verdict::Pass(packet));
                tokio::task::yield_now().await;
                drop((filter, other));
            }
        })
    };
    let none = ConnectConfig::default();
    let mut client = one.connect(address(2), port(10), none).await.unwrap();
    let exchange = async {
        for n in 0..500_u16 {
            client.send(n.to_be_bytes().to_vec()).await.unwrap();
            assert_eq!(client.recv().await.unwrap().payload, n.to_be_bytes()[..]);
        }
    };
    timeout(PATIENCE, exchange).await.unwrap();
    changing.await.unwrap();
}

#[test]
fn whoever_waits_is_told_when_the_runtime_of_the_node_ends() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let node = runtime.block_on(async { Node::spawn(Config::default()) });
    let mut listener = node.listen(port(10), SocketConfig::default()).unwrap();
    let mut notices = node.notices();
    let waiting = std::thread::spawn(move || {
        let another = tokio::runtime::Builder::new_current_thread().build().unwrap();
        another.block_on(async {
            let accepted = listener.accept().await;
            (accepted.map(drop), notices.recv().await.is_none())
        })
    });
    drop(runtime);
    assert_eq!(waiting.join().unwrap(), (Err(RecvError::Closed), true));
    assert!(matches!(
        node.listen(port(11), SocketConfig::default()),
        Err(CallError::Stopped)
    ));
}

#[tokio::test]
async fn a_link_that_panics_stops_its_node_and_whoever_waits_is_told() {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    let incoming =
        futures::stream::poll_fn(|_| -> Poll<Option<io::Result<Incoming>>> { panic!("a fault of the link") });
    let name = InterfaceName::new("BAD").unwrap();
    let bad = InterfaceConfig::new(name, address(100), Netmask::new(8).unwrap());
    let mut socket = one.bind(port(9), SocketConfig::default()).unwrap();
    one.attach(
        bad,
        Joined(
            Box::pin(futures::sink::drain().sink_map_err(|never| match never {})),
            incoming,
        ),
    )
    .unwrap();
    let told = timeout(PATIENCE, socket.recv_from()).await.unwrap();
    assert_eq!(told, Err(RecvError::Closed));
    assert!(
        two.listen(port(9), SocketConfig::default()).is_ok(),
        "others go on"
    );
}
