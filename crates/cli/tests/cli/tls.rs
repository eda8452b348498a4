//! Certificates that are read again at a hangup.

use crate::fstrm_capture::Capturing;
use crate::place::Place;

const STREAM: &[u8] = include_bytes!("../../../../examples/data/unbound.fstrm");

/// A certificate that vouches for itself, and its key.
fn identify(place: &Place, name: &str) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    place.write(&format!("{name}.crt"), made.cert.pem());
    place.write(&format!("{name}.key"), made.signing_key.serialize_pem());
}

fn copy(place: &Place, from: &str, to: &str) {
    for suffix in ["crt", "key"] {
        let [from, to] = [from, to].map(|name| place.path().join(format!("{name}.{suffix}")));
        std::fs::copy(from, to).unwrap();
    }
}

/// Sends a file to whoever shows the certificate that is trusted.
fn send(place: &Place, port: &str, trusted: &str, status: i32) {
    let to = format!("tls://localhost:{port}");
    let trusted = format!("{trusted}.crt");
    let words = ["fstrm", "replay", "--tls-ca", &trusted, "day.fstrm", &to];
    place.run(&words).status(status);
}

/// The command takes the place of a certificate at a hangup, and keeps it where the next one is none.
fn reloads(words: &[&str]) {
    let place = Place::new();
    place.write("day.fstrm", STREAM);
    identify(&place, "first");
    identify(&place, "second");
    copy(&place, "first", "shown");
    let tls = ["--tls-cert", "shown.crt", "--tls-key", "shown.key"];
    let mut command = place.command(&[words, &tls].concat());
    // What is shown is none of this story.
    command.stdout(std::process::Stdio::null());
    let mut listening = Capturing::start(command);
    let line = listening.hears("listening on ");
    let (_, port) = line.trim_end().rsplit_once(':').unwrap();
    send(&place, port, "first", 0);
    copy(&place, "second", "shown");
    send(&place, port, "first", 0);
    listening.signal("HUP");
    listening.hears("shown.crt: read again");
    send(&place, port, "second", 0);
    send(&place, port, "first", 3);
    place.write("shown.crt", "nothing");
    listening.signal("HUP");
    listening.hears("shown.crt: no certificate in it");
    send(&place, port, "second", 0);
    listening.signal("TERM");
    listening.end().status(0);
}

#[test]
fn a_capture_shows_its_new_certificate_after_a_hangup() {
    let dnstap = "protobuf:dnstap.Dnstap";
    reloads(&["fstrm", "capture", "-t", dnstap, "-w", "out", "tls://localhost:0"]);
}

#[test]
fn a_relay_shows_its_new_certificate_after_a_hangup() {
    reloads(&["fstrm", "relay", "tls://localhost:0", "file:out"]);
}

#[test]
fn who_listens_shows_the_new_certificate_after_a_hangup() {
    reloads(&["dnstap", "listen", "tls://localhost:0"]);
    reloads(&["dnstap", "top", "--interval", "1h", "tls://localhost:0"]);
    reloads(&["fstrm", "cat", "tls://localhost:0"]);
}
