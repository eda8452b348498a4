//! The façade between processes: each test is one process of its own, and starts others.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

use core::time::Duration;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio, id};

use flow_core::Peer;
use flow_core::blocking::{
    BIND_AUTO, Error, LoadBalancePolicy, bind_process, bind_program, create_name, destroy_name, flow_accept,
    flow_alloc, flow_join, list_names, unbind_process, unbind_program,
};

const LONG: Option<Duration> = Some(Duration::from_secs(60));

/// Whether this process is the one that a test started for itself.
fn is_child() -> bool {
    env::var_os("FLOWS_CHILD").is_some()
}

/// A process that runs the test `name` of this file as its own, in `directory`.
fn child(name: &str, directory: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env("FLOWS_CHILD", "1")
        .env("TINWIRE_FLOW_DIR", directory)
        // what a harness within a harness prints would be counted with the tests
        .stdout(Stdio::null());
    command
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Reads what the process prints until it has said `word`.
fn until(process: &mut Child, word: &str) {
    let output = process.stdout.as_mut().unwrap();
    let said = BufReader::new(output)
        .lines()
        .any(|line| line.is_ok_and(|line| line.contains(word)));
    assert!(said, "it ended without saying {word}");
}

#[test]
fn oecho_server() {
    if !is_child() {
        return;
    }
    bind_process(id(), "oecho").unwrap();
    println!("\nbound");
    let f = flow_accept(LONG).unwrap();
    assert!(matches!(f.peer().unwrap(), Peer::Process { pid, .. } if pid != id()));
    let line = f.readline().unwrap();
    f.writeline(&line).unwrap();
    f.dealloc().unwrap();
}

#[test]
fn oecho_client() {
    if !is_child() {
        return;
    }
    let f = flow_alloc("oecho", None, LONG).unwrap();
    f.writeline("Hello, PyOuroboros! – ¡Hola!").unwrap();
    assert_eq!(f.readline().unwrap(), "Hello, PyOuroboros! – ¡Hola!");
    assert!(matches!(f.readline(), Err(Error::FlowDownException(_))));
}

#[test]
fn two_processes_echo() {
    let directory = directory();
    let mut server = child("oecho_server", directory.path());
    let mut server = server.stdout(Stdio::piped()).spawn().unwrap();
    until(&mut server, "bound");
    assert!(
        child("oecho_client", directory.path())
            .status()
            .unwrap()
            .success()
    );
    assert!(server.wait().unwrap().success());
}

#[test]
fn server_without_a_name() {
    if !is_child() {
        return;
    }
    // as a timeout of nothing else would be: a name may come at any time
    assert_eq!(flow_accept(Some(Duration::ZERO)), Err(Error::TimeoutError));
    println!("\naccepts");
    let f = flow_accept(LONG).unwrap();
    assert_eq!(f.name().unwrap().as_str(), "late");
    let line = f.readline().unwrap();
    f.writeline(&line).unwrap();
    f.dealloc().unwrap();
}

#[test]
fn who_binds_the_server() {
    if !is_child() {
        return;
    }
    let server = env::var("FLOWS_SERVER").unwrap().parse().unwrap();
    create_name("late", LoadBalancePolicy::RoundRobin).unwrap();
    bind_process(server, "late").unwrap();
    // the server looks for its names every now and then, and nobody is reached before that
    let f = loop {
        match flow_alloc("late", None, LONG) {
            Ok(f) => break f,
            Err(Error::FlowException(_)) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    f.writeline("found").unwrap();
    assert_eq!(f.readline().unwrap(), "found");
}

#[test]
fn who_accepts_before_any_name_is_bound_waits_for_one() {
    let directory = directory();
    let mut server = child("server_without_a_name", directory.path());
    let mut server = server.stdout(Stdio::piped()).spawn().unwrap();
    until(&mut server, "accepts");
    let mut binder = child("who_binds_the_server", directory.path());
    let binder = binder.env("FLOWS_SERVER", server.id().to_string());
    assert!(binder.status().unwrap().success());
    assert!(server.wait().unwrap().success());
}

#[test]
fn hasty_client() {
    if is_child() {
        let f = flow_alloc("oecho", None, LONG).unwrap();
        for line in 0..100 {
            f.writeline(&line.to_string()).unwrap();
        }
    }
}

#[test]
fn a_process_that_writes_and_exits_at_once_has_written() {
    let directory = directory();
    let mut server = child("patient_server", directory.path());
    let mut server = server.stdout(Stdio::piped()).spawn().unwrap();
    until(&mut server, "bound");
    assert!(
        child("hasty_client", directory.path())
            .status()
            .unwrap()
            .success()
    );
    assert!(server.wait().unwrap().success());
}

#[test]
fn patient_server() {
    if !is_child() {
        return;
    }
    bind_process(id(), "oecho").unwrap();
    println!("\nbound");
    let f = flow_accept(LONG).unwrap();
    for line in 0..100 {
        assert_eq!(f.readline().unwrap(), line.to_string());
    }
    let end = f.readline().unwrap_err();
    assert_eq!(
        end.errno().unwrap().name(),
        "EFLOWDOWN",
        "it let go and did not die: {end}"
    );
}

#[test]
fn member() {
    if !is_child() {
        return;
    }
    let f = flow_join("chat", None, LONG).unwrap();
    assert_eq!(f.peer().unwrap(), Peer::Broadcast);
    println!("\njoined");
    let mut input = std::io::stdin().lines();
    assert!(input.next().is_some(), "all have joined");
    f.writeline(&format!("hello from {}", id())).unwrap();
    f.set_rcv_timeout(LONG).unwrap();
    let heard = [f.readline().unwrap(), f.readline().unwrap()];
    assert!(heard.iter().all(|line| line.starts_with("hello from ")));
    assert_ne!(heard.first(), heard.last());
    assert!(
        !heard.contains(&format!("hello from {}", id())),
        "nobody hears himself"
    );
    println!("\nheard all");
    assert!(input.next().is_none(), "all have heard all");
}

#[test]
fn three_processes_chat() {
    let directory = directory();
    let mut members: Vec<_> = (0..3)
        .map(|_| {
            let mut member = child("member", directory.path());
            let mut member = member
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            until(&mut member, "joined");
            member
        })
        .collect();
    for member in &mut members {
        member.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }
    for member in &mut members {
        until(member, "heard all");
    }
    for mut member in members {
        drop(member.stdin.take());
        assert!(member.wait().unwrap().success());
    }
}

#[test]
fn names_of_a_process() {
    if !is_child() {
        return;
    }
    let program = env::current_exe().unwrap();
    create_name("my_name", LoadBalancePolicy::SpillOver).unwrap();
    assert!(matches!(
        create_name("my_name", LoadBalancePolicy::RoundRobin),
        Err(Error::NameError(_))
    ));
    bind_program(&program, "my_name", BIND_AUTO, &["-l"]).unwrap();
    assert!(matches!(
        bind_program(&program, "my_name", 0o200, &[]),
        Err(Error::BindError(_))
    ));
    assert!(matches!(
        bind_program("/nowhere/server", "my_name", 0, &[]),
        Err(Error::BindError(_))
    ));
    bind_process(std::os::unix::process::parent_id(), "my_name").unwrap();
    let names = list_names().unwrap();
    let [name] = &*names else {
        panic!("{names:?}");
    };
    assert_eq!(
        (name.name.as_str(), name.balance),
        ("my_name", LoadBalancePolicy::SpillOver)
    );
    assert_eq!((name.programs.len(), name.processes.len()), (1, 1));
    unbind_process(std::os::unix::process::parent_id(), "my_name").unwrap();
    unbind_program(&program, "my_name").unwrap();
    assert!(matches!(
        unbind_program(&program, "my_name"),
        Err(Error::BindError(_))
    ));
    assert!(matches!(
        unbind_process(id(), "my_name"),
        Err(Error::BindError(_))
    ));
    destroy_name("my_name").unwrap();
    assert!(matches!(destroy_name("my_name"), Err(Error::NameError(_))));
    assert!(matches!(destroy_name(""), Err(Error::ValueError(_))));
    assert!(list_names().unwrap().is_empty());
}

#[test]
fn names_are_created_bound_listed_and_destroyed() {
    let directory = directory();
    assert!(
        child("names_of_a_process", directory.path())
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn no_directory() {
    if is_child() {
        let error = bind_process(id(), "x").unwrap_err();
        assert_eq!(error.errno().unwrap().name(), "EIRMD", "{error}");
        assert_eq!(
            std::io::Error::from(error).kind(),
            std::io::ErrorKind::ConnectionRefused
        );
    }
}

#[test]
fn a_directory_that_is_not_to_be_had_is_an_error_and_no_exit() {
    let directory = directory();
    let missing = directory.path().join("not/here");
    assert!(child("no_directory", &missing).status().unwrap().success());
}
