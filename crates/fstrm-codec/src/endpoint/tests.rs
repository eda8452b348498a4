use core::time::Duration;
use std::format;
use std::string::{String, ToString};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Longer than anything here takes; a test that waits so long has failed.
const LIMIT: Duration = Duration::from_secs(20);

fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

async fn listen(text: &str) -> Listener {
    Listener::bind(&endpoint(text), ListenConfig::new())
        .await
        .unwrap()
}

/// A byte there, a byte back.
async fn talk(listener: &mut Listener) -> Peer {
    let dialer = Dialer::new(&listener.local_endpoint(), DialConfig::new()).unwrap();
    let (there, here) = tokio::join!(listener.accept(), dialer.dial());
    let ((mut there, peer), mut here) = (there.unwrap(), here.unwrap());
    here.write_all(b"a").await.unwrap();
    assert_eq!(there.read_u8().await.unwrap(), b'a');
    there.write_all(b"b").await.unwrap();
    assert_eq!(here.read_u8().await.unwrap(), b'b');
    peer
}

#[tokio::test]
async fn a_port_of_the_systems_choice_is_told_and_reached() {
    let mut listener = listen("tcp://:0").await;
    let local = listener.local_endpoint().to_string();
    assert!(local.starts_with("tcp://:") && local != "tcp://:0", "{local}");
    let peer = talk(&mut listener).await;
    assert!(peer.address().unwrap().ip().is_loopback());
}

#[tokio::test]
async fn a_socket_open_to_all_tells_ipv4_peers_under_their_ipv4_address() {
    let mut listener = listen("listen+tcp://*:0").await;
    let Place::Tcp(address) = listener.local_endpoint().place else {
        panic!("not TCP");
    };
    let dialer = Dialer::new(
        &endpoint(&format!("tcp://127.0.0.1:{}", address.port)),
        DialConfig::new(),
    )
    .unwrap();
    let (there, here) = tokio::join!(listener.accept(), dialer.dial());
    here.unwrap();
    let peer = there.unwrap().1.to_string();
    assert!(peer.starts_with("tcp 127.0.0.1:"), "{peer}");
}

#[tokio::test]
async fn a_name_is_looked_up() {
    let mut listener = listen("tcp://localhost:0").await;
    talk(&mut listener).await;
}

#[tokio::test]
async fn nobody_there_is_told_with_the_endpoint() {
    let listener = listen("tcp://:0").await;
    let gone = listener.local_endpoint();
    drop(listener);
    let error = Dialer::new(&gone, DialConfig::new())
        .unwrap()
        .dial()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert!(error.to_string().starts_with(&gone.to_string()), "{error}");
}

#[tokio::test]
async fn an_endpoint_that_does_not_fit_the_use_is_named() {
    for (text, reason) in [
        ("dial+tcp://:1", "it says dial+"),
        ("file:x", "it is no socket"),
        ("-", "it is no socket"),
    ] {
        let error = Listener::bind(&endpoint(text), ListenConfig::new())
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{text} cannot be listened on ({reason})")
        );
    }
    for (text, reason) in [
        ("listen+tcp://:1", "it says listen+"),
        ("tcp://:0", "it names no machine, or no port"),
        ("file:x", "it is no socket"),
    ] {
        let error = Dialer::new(&endpoint(text), DialConfig::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{text} cannot be connected to ({reason})")
        );
    }
}

#[tokio::test]
async fn a_closure_connects() {
    async fn over<C: Connect>(mut connect: C) -> C::Io {
        connect.connect().await.unwrap()
    }
    let (one, mut other) = Connection::pair(64);
    let mut ends = Some(one);
    let mut io = over(move || {
        let end = ends.take().ok_or_else(|| io::ErrorKind::ConnectionRefused.into());
        async move { end }
    })
    .await;
    io.write_all(b"x").await.unwrap();
    assert_eq!(other.read_u8().await.unwrap(), b'x');
}

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tap.sock");
        let text = format!("unix:{}", path.display());
        (directory, path, text)
    }

    async fn bind(text: &str) -> Result<Listener, EndpointError> {
        Listener::bind(&endpoint(text), ListenConfig::new()).await
    }

    #[tokio::test]
    async fn a_peer_on_this_machine_is_told_by_process_and_user() {
        let (_directory, _, text) = place();
        let mut listener = listen(&text).await;
        let Peer::Unix { pid, uid } = talk(&mut listener).await else {
            panic!("not a Unix socket");
        };
        if cfg!(target_os = "linux") {
            assert_eq!(pid, i32::try_from(std::process::id()).ok());
        }
        assert!(uid.is_some());
    }

    #[tokio::test]
    async fn the_socket_of_a_dead_process_is_taken_over() {
        let (_directory, path, text) = place();
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "as after a kill");
        talk(&mut bind(&text).await.unwrap()).await;
    }

    #[tokio::test]
    async fn the_socket_of_a_live_process_stays_with_it() {
        let (_directory, path, text) = place();
        let mut first = bind(&text).await.unwrap();
        let error = bind(&text).await.unwrap_err();
        assert!(matches!(error, EndpointError::InUse { .. }), "{error}");
        // The probe was a caller that left.
        first.accept().await.unwrap();
        talk(&mut first).await;
        drop(first);
        assert!(!path.exists(), "removed by its owner");
    }

    #[tokio::test]
    async fn of_many_that_start_at_once_over_a_dead_socket_one_listens() {
        let (_directory, path, text) = place();
        drop(UnixListener::bind(&path).unwrap());
        let mut starting = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let text = text.clone();
            starting.spawn(async move { bind(&text).await });
        }
        let mut listeners = starting.join_all().await;
        listeners.retain(Result::is_ok);
        assert_eq!(listeners.len(), 1);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let (_directory, path, text) = place();
        fs::write(&path, "precious").unwrap();
        let error = bind(&text).await.unwrap_err();
        assert!(matches!(error, EndpointError::NotASocket { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_link_to_a_file_is_left_alone() {
        let (directory, path, text) = place();
        let precious = directory.path().join("precious");
        fs::write(&precious, "precious").unwrap();
        std::os::unix::fs::symlink(&precious, &path).unwrap();
        let error = bind(&text).await.unwrap_err();
        assert!(matches!(error, EndpointError::NotASocket { .. }), "{error}");
        assert!(path.is_symlink() && precious.exists());
    }

    #[tokio::test]
    async fn the_permissions_are_those_that_are_asked_for() {
        let (_directory, path, text) = place();
        let _listener = Listener::bind(&endpoint(&text), ListenConfig::new().mode(0o620))
            .await
            .unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o620);
    }

    #[tokio::test]
    async fn a_path_too_long_for_a_socket_is_an_error() {
        let text = format!("unix:/tmp/{}", "d".repeat(200));
        let error = io::Error::from(bind(&text).await.unwrap_err());
        assert!(error.to_string().contains("ddd: "), "{error}");
    }

    #[tokio::test]
    async fn a_socket_that_somebody_removes_is_made_anew() {
        let (_directory, path, text) = place();
        let mut listener = bind(&text).await.unwrap();
        fs::remove_file(&path).unwrap();
        let told = tokio::time::timeout(LIMIT, listener.accept()).await.unwrap();
        assert!(told.unwrap_err().to_string().ends_with("made anew"));
        talk(&mut listener).await;
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_that_another_process_replaced_is_told_and_left_to_it() {
        let (_directory, path, text) = place();
        let mut listener = bind(&text).await.unwrap();
        fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        let told = tokio::time::timeout(LIMIT, listener.accept()).await.unwrap();
        assert!(told.unwrap_err().to_string().contains("another process"));
        drop(listener);
        assert!(path.exists());
        drop(other);
    }

    #[tokio::test]
    async fn looking_after_the_socket_goes_on_over_dropped_accepts() {
        let (_directory, path, text) = place();
        let mut listener = bind(&text).await.unwrap();
        fs::remove_file(&path).unwrap();
        let looking = async {
            loop {
                let short = Duration::from_millis(50);
                if let Ok(told) = tokio::time::timeout(short, listener.accept()).await {
                    break told.unwrap_err();
                }
            }
        };
        let told = tokio::time::timeout(LIMIT, looking).await.unwrap();
        assert!(told.to_string().ends_with("made anew"), "{told}");
    }

    #[tokio::test]
    async fn a_socket_that_was_handed_over_is_known_for_what_it_is_and_not_removed() {
        let (_directory, path, text) = place();
        let made = OwnedFd::from(UnixListener::bind(&path).unwrap());
        let mut listener = Listener::adopt(made, ListenConfig::new()).unwrap();
        assert_eq!(listener.local_endpoint().to_string(), text);
        talk(&mut listener).await;
        drop(listener);
        assert!(path.exists());

        let made = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = made.local_addr().unwrap().port();
        let mut listener = Listener::adopt(made.into(), ListenConfig::new()).unwrap();
        assert_eq!(
            listener.local_endpoint().to_string(),
            format!("tcp://127.0.0.1:{port}")
        );
        talk(&mut listener).await;
    }

    #[tokio::test]
    async fn what_is_no_listening_socket_is_not_taken() {
        let file = tempfile::tempfile().unwrap();
        Listener::adopt(file.into(), ListenConfig::new()).unwrap_err();
    }
}
