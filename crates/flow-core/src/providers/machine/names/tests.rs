use alloc::vec;
use core::time::Duration;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process;

use super::*;
use crate::error::AllocError;

struct Place {
    directory: Directory,
    names: Names,
    place: tempfile::TempDir,
}

fn place() -> Place {
    let place = tempfile::tempdir().unwrap();
    let config = MachineConfig::default().directory(place.path().join("flow"));
    let directory = Directory::open(&config).unwrap();
    let names = Names::new(directory.clone());
    Place {
        directory,
        names,
        place,
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

impl Place {
    /// A program of this name, which does nothing.
    fn program(&self, name: &str) -> PathBuf {
        let path = self.place.path().join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn bindings(&self, program: &str) -> Bindings {
        let config = MachineConfig::default().program(program);
        Bindings::new(&self.directory, &config)
    }
}

#[test]
fn a_created_name_stays_and_is_known_though_nobody_accepts() {
    let place = place();
    let echo = name("echo");
    let settings = NameSettings::default().balance(Balance::SpillOver);
    place.names.create(&echo, settings).unwrap();
    let again = place.names.create(&echo, settings).unwrap_err();
    assert_eq!(again, NamesError::Exists { name: echo.clone() });
    assert!(place.directory.candidates(&echo).unwrap().is_empty());
    drop(place.directory.publish(&echo).unwrap());
    let listed = place.names.list().unwrap();
    let info = &listed[0];
    assert_eq!((listed.len(), &info.name, info.created), (1, &echo, true));
    assert_eq!((info.balance, info.sharing), (Balance::SpillOver, Sharing::User));
    assert_eq!(info.accepters, []);
    place.names.destroy(&echo).unwrap();
    assert_eq!(place.names.list().unwrap(), []);
    let unknown = NamesError::UnknownName { name: echo.clone() };
    assert_eq!(place.names.destroy(&echo).unwrap_err(), unknown);
}

#[test]
fn who_accepts_is_listed_with_its_program() {
    let place = place();
    let seat = place.directory.publish(&name("echo")).unwrap();
    let listed = place.names.list().unwrap();
    assert_eq!((listed.len(), listed[0].created), (1, false));
    let accepter = &listed[0].accepters[0];
    assert_eq!(accepter.pid, process::id());
    if cfg!(target_os = "linux") {
        let program = accepter.program.as_ref().unwrap();
        assert!(program.to_str().unwrap().starts_with("flow_core"), "{program:?}");
    }
    drop(seat);
    assert_eq!(place.names.list().unwrap(), []);
}

#[test]
fn a_name_bound_by_a_process_can_be_created_and_keeps_its_binding() {
    let place = place();
    let seat = place.directory.publish(&name("echo")).unwrap();
    place
        .names
        .create(&name("echo"), NameSettings::default())
        .unwrap();
    let shared = NameSettings::default().sharing(Sharing::Everybody);
    place.names.create(&name("echo"), shared).unwrap_err();
    drop(seat);
    assert!(place.names.list().unwrap()[0].created, "it stays now");
}

#[test]
fn a_destroyed_name_goes_with_the_last_who_has_bound_it_itself() {
    let place = place();
    let seat = place.directory.publish(&name("echo")).unwrap();
    place
        .names
        .create(&name("echo"), NameSettings::default())
        .unwrap();
    place.names.destroy(&name("echo")).unwrap();
    assert_eq!(place.directory.candidates(&name("echo")).unwrap().len(), 1);
    drop(seat);
    place.directory.candidates(&name("echo")).unwrap_err();
}

#[test]
fn only_a_regular_file_that_may_be_executed_is_a_program() {
    let place = place();
    let echo = name("echo");
    place.names.create(&echo, NameSettings::default()).unwrap();
    let bind = |path: &Path| place.names.bind_program(path, &echo, Start::ByHand);
    let plain = place.program("plain");
    fs::set_permissions(&plain, Permissions::from_mode(0o644)).unwrap();
    for wrong in [place.place.path(), &plain, &place.place.path().join("missing")] {
        let error = bind(wrong).unwrap_err();
        assert!(
            matches!(&error, NamesError::Program { path, .. } if path == wrong),
            "{error}"
        );
    }
    bind(&place.program("echo")).unwrap();
    let unknown = place
        .names
        .bind_program(&place.program("echo"), &name("other"), Start::ByHand);
    assert_eq!(
        unknown.unwrap_err(),
        NamesError::UnknownName { name: name("other") }
    );
}

#[test]
fn a_process_is_bound_by_the_base_name_of_its_program() {
    let place = place();
    let (echo, time) = (name("echo"), name("Time"));
    for name in [&echo, &time] {
        place.names.create(name, NameSettings::default()).unwrap();
    }
    let (mut ours, mut other) = (place.bindings("server"), place.bindings("client"));
    assert_eq!((ours.poll(), other.poll()), (None, None));
    let server = place.program("server");
    place.names.bind_program(&server, &echo, Start::ByHand).unwrap();
    assert_eq!(ours.poll().unwrap().iter().collect::<Vec<_>>(), [&echo]);
    assert_eq!((ours.poll(), other.poll()), (None, None), "told once");
    place.names.bind_program(&server, &time, Start::ByHand).unwrap();
    assert_eq!(ours.poll().unwrap().len(), 2);
    assert!(place.names.unbind_program(&server, &echo).unwrap());
    assert!(
        !place.names.unbind_program(&server, &echo).unwrap(),
        "not any more"
    );
    assert_eq!(ours.poll().unwrap().iter().collect::<Vec<_>>(), [&time]);
    place.names.destroy(&time).unwrap();
    assert!(ours.poll().unwrap().is_empty());
}

#[test]
fn a_process_is_bound_by_its_number() {
    let place = place();
    let echo = name("echo");
    place.names.create(&echo, NameSettings::default()).unwrap();
    let mut bindings = place.bindings("any");
    place.names.bind_process(process::id(), &echo).unwrap();
    assert_eq!(bindings.poll().unwrap().iter().collect::<Vec<_>>(), [&echo]);
    assert!(place.names.unbind_process(process::id(), &echo).unwrap());
    assert!(bindings.poll().unwrap().is_empty());
    let none = i32::MAX.unsigned_abs();
    let error = place.names.bind_process(none, &echo).unwrap_err();
    assert_eq!(error, NamesError::Process { pid: none });
}

#[tokio::test(start_paused = true)]
async fn a_change_is_seen_within_a_second() {
    let place = place();
    let echo = name("echo");
    place.names.create(&echo, NameSettings::default()).unwrap();
    let mut bindings = place.bindings("any");
    let early = tokio::time::timeout(Duration::from_millis(700), bindings.changed()).await;
    early.unwrap_err();
    place.names.bind_process(process::id(), &echo).unwrap();
    let seen = tokio::time::timeout(Duration::from_secs(1), bindings.changed()).await;
    assert_eq!(seen.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nobody_accepts_for_is_unreachable_and_told_why() {
    let place = place();
    let echo = name("echo");
    let unknown = place.directory.reach(&echo).await.unwrap_err();
    assert_eq!(unknown, AllocError::UnknownName { name: echo.clone() });
    place.names.create(&echo, NameSettings::default()).unwrap();
    let reason = async || place.directory.reach(&echo).await.unwrap_err().to_string();
    assert!(reason().await.contains("no process is bound"));

    let server = place.program("server");
    place.names.bind_program(&server, &echo, Start::ByHand).unwrap();
    assert!(
        reason().await.contains("no process is bound"),
        "it is not to be started"
    );
    let auto = Start::Auto {
        args: vec!["-x".into()],
    };
    place.names.bind_program(&server, &echo, auto).unwrap();
    assert!(reason().await.contains("has not bound it"));
    fs::remove_file(&server).unwrap();
    assert!(reason().await.contains("does not start"));

    let _seat = place.directory.publish(&echo).unwrap();
    assert_eq!(place.directory.reach(&echo).await.unwrap().len(), 1);
}
