//! Names between users: what another one can and cannot do.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod processes;

use core::future::Future;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use bytes::BytesMut;
use flow_core::peer::Peer;
use flow_core::providers::machine::broadcast::wire;
use flow_core::providers::machine::hello::{ANSWER_LEN, Answer};
use flow_core::providers::machine::{Directory, MachineConfig, MachineLayer, Names, NamesError, Sharing};
use flow_core::{AllocError, BindError, JoinError, Name, QosSpec, ReadError};

use processes::{Actor, Role, cast, hear, say};

const ROLES: [(&str, Role); 3] = [("stranger", stranger), ("asker", asker), ("joiner", joiner)];

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn config(path: &str) -> MachineConfig {
    MachineConfig::default().directory(path)
}

fn open(path: &str) -> Directory {
    Directory::open(&config(path)).unwrap()
}

fn place() -> (tempfile::TempDir, String) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("flow").to_str().unwrap().to_owned();
    (place, path)
}

/// Tries all it can as another user.
fn stranger(words: &[String]) {
    nix::unistd::setgid(nix::unistd::Gid::from_raw(65_534)).unwrap();
    nix::unistd::setuid(nix::unistd::Uid::from_raw(65_534)).unwrap();
    let path = &*words[0];
    let directory = match Directory::open(&config(path)) {
        Err(error) => return say(format!("open: {error}")),
        Ok(directory) => directory,
    };
    let private = name("private");
    let denied = AllocError::Denied {
        name: private.clone(),
    };
    assert_eq!(directory.candidates(&private).unwrap_err(), denied);
    let denied = BindError::Denied {
        name: private.clone(),
    };
    assert_eq!(directory.publish(&private).unwrap_err(), denied);
    let denied = NamesError::Denied {
        name: private.clone(),
    };
    assert_eq!(
        Names::new(directory.clone()).destroy(&private).unwrap_err(),
        denied
    );
    let socket = UnixStream::connect(&words[1]).unwrap_err();
    assert_eq!(
        socket.kind(),
        std::io::ErrorKind::PermissionDenied,
        "however it learnt the path"
    );

    let everybodys = name("everybodys");
    let mut candidates = directory.candidates(&everybodys).unwrap();
    assert_eq!(candidates.sharing(), Sharing::Everybody);
    let theirs = candidates.paths().next().unwrap().to_path_buf();
    assert_eq!(candidates.owner(&theirs), Some(0));
    UnixStream::connect(&theirs).unwrap();
    candidates.chosen(&theirs);
    candidates.stale(&theirs);
    assert!(theirs.exists(), "only its owner may remove it");
    fs::rename(&theirs, theirs.with_file_name("1-1.sock")).unwrap_err();
    fs::remove_dir_all(Path::new(path).join("names/private")).unwrap_err();
    fs::rename(
        Path::new(path).join("names/private"),
        Path::new(path).join("names/p"),
    )
    .unwrap_err();
    let own = directory.publish(&name("own")).unwrap();
    let too = directory.publish(&everybodys).unwrap();
    say("tried");
    hear();
    drop((own, too));
}

#[test]
#[ignore = "needs the rights of root: cargo xtask setup"]
fn another_user_gets_no_further_than_the_names_sharing_says() {
    cast(&ROLES);
    let (place, path) = place();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    let seat = open(&path).publish(&name("private")).unwrap();
    let own = seat.path().to_str().unwrap().to_owned();
    let stranger = Actor::new("stranger", &[&path, &own]);
    assert!(stranger.line().contains("belongs to user 0"));
    drop(seat);
    fs::remove_dir_all(&path).unwrap();

    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o1777)).unwrap();
    let seat = open(&path).publish(&name("private")).unwrap();
    let shared = Directory::open(&config(&path).sharing(Sharing::Everybody)).unwrap();
    let everybodys = shared.publish(&name("everybodys")).unwrap();
    let own = seat.path().to_str().unwrap().to_owned();
    let mut stranger = Actor::new("stranger", &[&path, &own]);
    assert_eq!(stranger.line(), "tried");
    let theirs = AllocError::Denied { name: name("own") };
    assert_eq!(
        open(&path).candidates(&name("own")).unwrap_err(),
        theirs,
        "nor does root by accident"
    );
    assert_eq!(shared.candidates(&name("everybodys")).unwrap().len(), 2);
    stranger.tell("go");
    stranger.end();
    drop((seat, everybodys));
    std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
    let error = Directory::open(&config(&path)).unwrap_err();
    assert!(
        matches!(error, flow_core::error::LayerError::Foreign { owner: 65_534, .. }),
        "{error}"
    );
}

/// Asks for names as another user: by the layer, and at a socket of which it knows.
fn asker(words: &[String]) {
    nix::unistd::setgid(nix::unistd::Gid::from_raw(65_534)).unwrap();
    nix::unistd::setuid(nix::unistd::Uid::from_raw(65_534)).unwrap();
    block_on(async {
        let layer = MachineLayer::open(config(&words[0])).unwrap();
        let client = layer.attach();
        let denied = client.alloc(&name("private"), QosSpec::DATA, None).await;
        let name = name("private");
        assert_eq!(denied.unwrap_err(), AllocError::Denied { name });
        let mut flow = client
            .alloc(&self::name("everybodys"), QosSpec::DATA, None)
            .await
            .unwrap();
        flow.write("from nobody").await.unwrap();
        let Peer::Process { uid, .. } = *flow.peer() else {
            panic!("{:?}", flow.peer());
        };
        assert_eq!(uid, 0);
        flow.dealloc().await.unwrap();
    });
    // the modes let it in; who it is does not
    let mut stream = UnixStream::connect(&words[1]).unwrap();
    let mut bytes = BytesMut::zeroed(ANSWER_LEN);
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(Answer::decode(&mut bytes), Ok(Some(Answer::Denied)));
    say("tried");
}

/// Joins layers as another user: by the provider, and at a socket of which it knows.
fn joiner(words: &[String]) {
    nix::unistd::setgid(nix::unistd::Gid::from_raw(65_534)).unwrap();
    nix::unistd::setuid(nix::unistd::Uid::from_raw(65_534)).unwrap();
    // the modes let it in; who it is does not
    let mut stream = UnixStream::connect(&words[1]).unwrap();
    stream.write_all(b"TWB1\xff\xff\xff\0\x07\0\0\0private").unwrap();
    let mut bytes = BytesMut::zeroed(wire::ANSWER_LEN);
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(wire::Answer::decode(&mut bytes), Ok(Some(wire::Answer::Denied)));
    block_on(async {
        let layer = MachineLayer::open(config(&words[0])).unwrap();
        let client = layer.attach();
        let denied = client.join(&name("private"), None).await.unwrap_err();
        assert_eq!(denied, JoinError::Denied);
        let mut flow = client.join(&name("everybodys"), None).await.unwrap();
        flow.write("from nobody").await.unwrap();
        assert_eq!(flow.read_packet().await.unwrap(), "from root");
        say("heard");
        // of a layer that this user began, none but itself and those it lets in are members
        let _own = client.join(&name("own"), None).await.unwrap();
        say("own");
        tokio::task::spawn_blocking(hear).await.unwrap();
        flow.dealloc().await.unwrap();
    });
}

#[test]
#[ignore = "needs the rights of root: cargo xtask setup"]
fn another_user_joins_the_layers_that_are_everybodys_and_no_others() {
    cast(&ROLES);
    let (place, path) = place();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o1777)).unwrap();
    block_on(async {
        let layer = MachineLayer::open(config(&path)).unwrap();
        let root = layer.attach();
        let mut private = root.join(&name("private"), None).await.unwrap();
        let shared = MachineLayer::open(config(&path).sharing(Sharing::Everybody)).unwrap();
        let mut everybodys = shared.attach().join(&name("everybodys"), None).await.unwrap();
        // a layer that is private, at a socket that is not
        let seats = fs::read_dir(Path::new(&path).join("layers/private")).unwrap();
        let mut seats = seats.map(|seat| seat.unwrap().path());
        let socket = seats.find(|seat| seat.extension().is_some_and(|end| end == "sock"));
        let open = format!("{path}/open.sock");
        fs::hard_link(socket.unwrap(), &open).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o666)).unwrap();
        let joiner = Actor::new("joiner", &[&path, &open]);
        assert_eq!(everybodys.read_packet().await.unwrap(), "from nobody");
        everybodys.write("from root").await.unwrap();
        let joiner = tokio::task::spawn_blocking(move || {
            assert_eq!((joiner.line(), joiner.line()), ("heard".into(), "own".into()));
            joiner
        });
        let mut joiner = joiner.await.unwrap();
        let theirs = root.join(&name("own"), None).await;
        assert_eq!(
            theirs.unwrap_err(),
            JoinError::Denied,
            "nor does root by accident"
        );
        joiner.tell("go");
        tokio::task::spawn_blocking(|| joiner.end()).await.unwrap();
        assert_eq!(layer.stats().broadcast.denied, 1);
        assert_eq!(private.try_read_packet(), Err(ReadError::WouldBlock));
    });
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
#[ignore = "needs the rights of root: cargo xtask setup"]
fn another_user_is_refused_at_the_socket_and_welcome_where_all_are() {
    cast(&ROLES);
    let (place, path) = place();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o1777)).unwrap();
    block_on(async {
        let layer = MachineLayer::open(config(&path)).unwrap();
        let server = layer.attach();
        server.bind(&name("private")).unwrap();
        let candidates = layer.directory().candidates(&name("private")).unwrap();
        let socket = candidates.paths().next().unwrap().to_path_buf();
        let shared = MachineLayer::open(config(&path).sharing(Sharing::Everybody)).unwrap();
        let everybody = shared.attach();
        everybody.bind(&name("everybodys")).unwrap();
        // a name that is private, at a socket that is not
        let words = [path.clone(), format!("{}/open.sock", path)];
        fs::hard_link(&socket, &words[1]).unwrap();
        fs::set_permissions(&words[1], Permissions::from_mode(0o666)).unwrap();
        let actor = tokio::task::spawn_blocking({
            let actor = Actor::new("asker", &[&words[0], &words[1]]);
            move || {
                assert_eq!(actor.line(), "tried");
                actor.end();
            }
        });
        let mut flow = everybody.accept(None).await.unwrap();
        assert_eq!(flow.read_packet().await.unwrap(), "from nobody");
        let Peer::Process { uid, .. } = *flow.peer() else {
            panic!("{:?}", flow.peer());
        };
        assert_eq!(uid, 65_534);
        actor.await.unwrap();
        assert_eq!((layer.stats().denied, layer.stats().flows), (1, 0));
    });
}
