use clap::Parser;
use fstrm_codec::endpoint::Dialer;
use fstrm_codec::{End, FileWriter, FstrmWriter};
use futures::SinkExt as _;

use super::*;

#[derive(Parser)]
struct Words {
    #[command(flatten)]
    stream: StreamArgs,
    words: Vec<String>,
}

/// Opens the inputs that a command line names.
async fn open(line: &[&str]) -> (Inputs, Settings) {
    let words = Words::try_parse_from([&["test"], line].concat()).unwrap();
    let endpoints: Vec<_> = words.words.iter().map(|word| endpoint(word).unwrap()).collect();
    let settings = Settings::new(&words.stream, &endpoints, &[]).unwrap();
    let inputs = Inputs::open(&endpoints, &settings).await.unwrap();
    (inputs, settings)
}

/// What comes until the inputs have ended: payloads, and how streams ended.
async fn all(inputs: &mut Inputs) -> (Vec<String>, Vec<End>) {
    let (mut payloads, mut ends) = (Vec::new(), Vec::new());
    while let Some(arrival) = inputs.next().await {
        match arrival {
            Arrival::Parcel(parcel) => {
                let texts = parcel
                    .run
                    .payloads()
                    .map(|it| String::from_utf8_lossy(&it).into_owned());
                payloads.extend(texts);
                parcel.ticket.confirm();
            }
            Arrival::Ended { end, .. } => ends.push(end),
            other => panic!("{other:?}"),
        }
    }
    (payloads, ends)
}

fn write(path: &Path, payloads: &[&str]) {
    let mut writer = FileWriter::create_new(path, None).unwrap();
    for payload in payloads {
        writer.write_frame(payload.as_bytes()).unwrap();
    }
    writer.finish().unwrap();
}

async fn send(to: &Endpoint, settings: &Settings, payloads: &[&'static str]) {
    let io = Dialer::new(to, settings.dial.clone())
        .unwrap()
        .dial()
        .await
        .unwrap();
    let mut writer = FstrmWriter::open(io, Config::new()).await.unwrap();
    for payload in payloads {
        writer.send((*payload).into()).await.unwrap();
    }
    writer.finish().await.unwrap();
}

#[test]
fn what_exists_is_a_file_whatever_it_looks_like() {
    assert_eq!(
        endpoint("day.fstrm").unwrap().place,
        Place::File("day.fstrm".into())
    );
    assert_eq!(endpoint("unix:x").unwrap().place, Place::Unix("x".into()));
    let failure = endpoint("tcp://host").unwrap_err();
    assert_eq!(
        failure.message(),
        "tcp://host: \"host\" has no port; write tcp://host:6000"
    );
}

#[tokio::test]
async fn files_are_read_one_after_the_other_to_their_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    write(&one, &["a", "b"]);
    write(&two, &["c"]);
    let (mut inputs, _) = open(&[one.to_str().unwrap(), two.to_str().unwrap()]).await;
    let (payloads, ends) = all(&mut inputs).await;
    assert_eq!(payloads, ["a", "b", "c"]);
    assert_eq!(ends, [End::Stop, End::Stop]);
}

#[tokio::test]
async fn a_socket_that_listens_goes_on_until_it_is_stopped() {
    let (mut inputs, settings) = open(&["tcp://:0"]).await;
    let to = inputs.listening()[0].clone();
    let senders = async {
        send(&to, &settings, &["a"]).await;
        send(&to, &settings, &["b"]).await;
    };
    let mut payloads = Vec::new();
    let reading = async {
        while payloads.len() < 2 {
            if let Some(Arrival::Parcel(parcel)) = inputs.next().await {
                payloads.extend(parcel.run.payloads());
                parcel.ticket.confirm();
            }
        }
        // FINISH goes out beside.
        core::future::pending::<()>().await;
    };
    tokio::select! {
        () = senders => {}
        () = reading => {}
    }
    assert_eq!(payloads, ["a", "b"]);
    inputs.stop();
    let (payloads, _) = all(&mut inputs).await;
    assert!(payloads.is_empty());
}

#[tokio::test]
async fn a_stream_that_is_dialed_ends_with_its_writer() {
    let mut listener =
        fstrm_codec::endpoint::Listener::bind(&endpoint("tcp://:0").unwrap(), ListenConfig::new())
            .await
            .unwrap();
    let word = format!("dial+{}", listener.local_endpoint());
    let (mut inputs, _) = open(&[&word]).await;
    let writing = async {
        let (io, _) = listener.accept().await.unwrap();
        let mut writer = FstrmWriter::open(io, Config::new()).await.unwrap();
        writer.send("a".into()).await.unwrap();
        writer.finish().await.unwrap();
    };
    let ((), (payloads, ends)) = tokio::join!(writing, all(&mut inputs));
    assert_eq!(payloads, ["a"]);
    assert_eq!(ends, [End::Stop]);
}

#[tokio::test]
async fn nobody_to_dial_is_a_failure_and_the_end() {
    let (mut inputs, _) = open(&["dial+unix:/nowhere/at/all"]).await;
    let Some(Arrival::Failed(failure)) = inputs.next().await else {
        panic!("no failure");
    };
    assert!(
        failure.message().contains("/nowhere/at/all"),
        "{}",
        failure.message()
    );
    assert!(inputs.next().await.is_none());
}

#[cfg(feature = "tls")]
#[test]
fn listening_on_tls_without_a_certificate_names_the_flags() {
    let words = Words::try_parse_from(["test", "tls://:0"]).unwrap();
    let endpoints = [endpoint("tls://:0").unwrap()];
    let failure = Settings::new(&words.stream, &endpoints, &[]).unwrap_err();
    assert!(failure.text().contains("--tls-cert"), "{}", failure.text());
    // To send there needs none.
    let dialed = [endpoint("dial+tls://host:1").unwrap()];
    let named = ["test", "--tls-dangerously-trust-anyone"];
    Settings::new(&Words::try_parse_from(named).unwrap().stream, &dialed, &[]).unwrap();
}
