//! More clients than a task may serve in one go.

use super::*;

/// More than the budget of a task, which is 128.
const CLIENTS: usize = 160;

#[test]
fn a_round_begins_anywhere_and_leaves_nobody_out() {
    let mut all = [1, 2, 3];
    let mut round = |first| in_turn(&mut all, first).map(|client| *client).collect::<Vec<_>>();
    assert_eq!(round(0), [1, 2, 3]);
    assert_eq!(round(2), [3, 1, 2]);
    assert_eq!(round(4), [2, 3, 1]);
    assert_eq!(in_turn(&mut [0; 0], 7).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn clients_that_always_have_something_to_read_keep_nobody_from_being_read() {
    let config = ServerConfig::default().max_clients(CLIENTS).max_len(1 << 24);
    let mut scene = Scene::new(config);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(scene.client().await);
    }
    let mut last = clients.pop().unwrap();
    let written = Arc::new(AtomicUsize::new(0));
    for mut client in clients {
        let written = Arc::clone(&written);
        // One message that has no end.
        tokio::spawn(async move {
            client.write_all(b"<").await.unwrap();
            for _ in 0..1000 {
                client.write_all(&[b'0'; PIPE]).await.unwrap();
                written.fetch_add(1, Ordering::Relaxed);
            }
            client
        });
    }
    last.write_all(b"<zz>").await.unwrap();
    let malformed = |event: &ServerEvent| matches!(event, ServerEvent::Malformed { .. });
    scene.event(malformed).await;
    // It is the first of a round after as many rounds as there are clients, at the latest.
    let written = written.load(Ordering::Relaxed);
    assert!(
        written < CLIENTS * CLIENTS,
        "{written} pieces of others were read before"
    );
}
