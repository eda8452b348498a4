//! `isotp serve`.

use core::time::Duration;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use crate::place::{Place, Running};

const VIN: &str = "<62F1905457315752455331";

/// Starts a server on a free port; with it, where it listens.
fn serve(place: &Place, words: &[&str]) -> (Running, String) {
    let words = [&["isotp", "serve", "-l", "0", "--deadline", "60s"], words].concat();
    let server = place.start(&words);
    let first = server.first.trim_end();
    let listen = first.rsplit_once(' ').unwrap().1.to_owned();
    assert!(listen.starts_with("127.0.0.1:"), "{first}");
    (server, listen)
}

fn connect(listen: &str) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(listen).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    BufReader::new(stream)
}

fn line(client: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    line
}

#[test]
fn every_client_gets_the_answer_to_the_request_of_one() {
    let place = Place::new();
    let (_server, listen) = serve(&place, &["sim:"]);
    let mut clients = [connect(&listen), connect(&listen)];
    // The second one is known to be there when it has an answer of its own.
    clients[1].get_mut().write_all(b"<3e00>").unwrap();
    assert_eq!(line(&mut clients[1]), "<7E00>\n");
    clients[0].get_mut().write_all(b"<22f190>").unwrap();
    let mut lines = clients.each_mut().map(line);
    if lines[0] == "<7E00>\n" {
        lines[0] = line(&mut clients[0]);
    }
    assert!(lines[0].starts_with(VIN), "{lines:?}");
    assert_eq!(lines[0], lines[1]);
}

#[test]
fn isotp_send_reaches_a_bus_by_way_of_it() {
    let place = Place::new();
    let (_server, listen) = serve(&place, &["sim:"]);
    let link = format!("isotpserver://{listen}");
    let ran = place.run(&["isotp", "send", "--link", &link, "22F190"]).status(0);
    assert!(ran.stdout.starts_with("62 F1 90"), "{}", ran.stdout);
}

#[cfg(unix)]
#[test]
fn interrupted_it_ends_with_its_counts() {
    let place = Place::new();
    let (server, listen) = serve(&place, &["sim:", "-v"]);
    let mut client = connect(&listen);
    client.get_mut().write_all(b"junk\n<3E00><1z>\n<3E00>").unwrap();
    assert_eq!(line(&mut client), "<7E00>\n");
    assert_eq!(line(&mut client), "<7E00>\n");
    server.signal("INT");
    let ran = server.end().status(0);
    assert!(ran.stdout.contains("TCP>CAN <3E00>\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("CAN>TCP <7E00>\n"), "{}", ran.stdout);
    let closing = "1 client, 2 messages to the bus, 2 from it, 0 failed, 2 malformed, 0 missed, 0 frames \
                   dropped\n";
    assert!(ran.stderr.ends_with(closing), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("client 1: no message: 4 bytes outside"),
        "{}",
        ran.stderr
    );
    assert_eq!(line(&mut client), "", "the connection ends with the server");
}

#[cfg(unix)]
#[test]
fn a_failed_transfer_is_told_on_both_streams_and_closes_nothing_unless_asked() {
    for imitate in [false, true] {
        let place = Place::new();
        let words = "isotp serve -l 0 virtual:nobody --timer N_Bs=50ms --json --deadline 60s";
        let mut words: Vec<_> = words.split(' ').collect();
        words.extend(imitate.then_some("--imitate"));
        let mut server = place.start(&words);
        let json = |line: &str| -> serde_json::Value { serde_json::from_str(line).unwrap() };
        assert_eq!(json(&server.first)["backend"], "user");
        let ready = json(&server.line());
        assert_eq!((&ready["v"], &ready["type"]), (&1.into(), &"ready".into()));
        let mut client = connect(ready["listen"].as_str().unwrap());
        client.get_mut().write_all(b"<0102030405060708090A>").unwrap();
        let failed = loop {
            let line = json(&server.line());
            if line["type"] == "send-failed" {
                break line;
            }
        };
        assert_eq!(
            (&failed["client"], &failed["n_result"]),
            (&1.into(), &"N_TIMEOUT_Bs".into())
        );
        if !imitate {
            let short = Some(Duration::from_millis(50));
            client.get_mut().set_read_timeout(short).unwrap();
        }
        match client.read(&mut [0; 8]) {
            Ok(length) => assert_eq!((length, imitate), (0, true)),
            Err(error) => {
                let is_silence = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                assert!(is_silence && !imitate, "{error}");
            }
        }
        server.signal("TERM");
        let errors = server.end().status(0).json_errors();
        let error = errors[0]["error"]["message"].as_str().unwrap();
        assert!(
            error.contains("client 1: sending failed after 6 of 10 bytes: N_TIMEOUT_Bs"),
            "{error}"
        );
        assert_eq!(errors.last().unwrap()["failed"], 1);
    }
}

#[cfg(unix)]
#[test]
fn under_the_originals_name_it_takes_its_letters_and_has_its_manners() {
    let place = Place::new();
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port().to_string()
    };
    let mut recv = place
        .command(&[
            "isotp",
            "recv",
            "-s",
            "456",
            "-d",
            "123",
            "bus:o",
            "--deadline",
            "60s",
        ])
        .spawn()
        .unwrap();
    place.wait_for_bus("o");
    let words = ["-l", &port, "-s123", "-d", "456", "-p", "CC:", "-v", "bus:o"];
    let mut server = place.tool("isotpserver", &words).spawn().unwrap();
    let address = format!("127.0.0.1:{port}");
    let mut client = loop {
        match TcpStream::connect(&address) {
            Ok(client) => break client,
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    // Until the receiver is there, nobody takes it.
    while recv.try_wait().unwrap().is_none() {
        client.write_all(b"<0x11>").unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(crate::place::finish(recv).status(0).stdout, "00 11\n");
    server.kill().unwrap();
    server.wait().unwrap();

    let wrong = place
        .tool("isotpserver", &["-s", "123", "-d", "456", "bus:o"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    let wrong = place.tool("isotpserver", &["-q"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let ran = Place::new()
        .run(&["isotp", "serve", "-l", &port, "sim:"])
        .status(3);
    assert!(
        ran.stderr.contains("-l 0 takes a port that is free"),
        "{}",
        ran.stderr
    );
}
