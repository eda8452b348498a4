//! Entries of the group `isotpserver`.

use bytes::Bytes;
use can_link::frame::FdFlags;
use isotp::isotpserver::ServerEvent;
use isotp::{Address, Config, DataLink, NResult, Padding, Pci, Prefix, TxDl};
use testkit::vectors::{Tally, Value, hex};

use super::scene::{Peer, Scene, play};
use super::{Manner, strict_messages};
use crate::peer::frame;
use crate::peer::story::matches_frames;

/// What the connections and the bus were left with.
struct Outcome {
    out: Vec<String>,
    taken: Vec<Bytes>,
    got: Vec<String>,
    closed: bool,
    events: Vec<ServerEvent>,
}

impl Outcome {
    fn malformed(&self) -> usize {
        let is_malformed = |event: &&ServerEvent| matches!(event, ServerEvent::Malformed { .. });
        self.events.iter().filter(is_malformed).count()
    }

    /// The names of the failures that were told.
    fn failures(&self) -> Vec<NResult> {
        let failure = |event: &ServerEvent| match event {
            ServerEvent::SendFailed { error, .. } | ServerEvent::ReceiveFailed(error) => error.n_result(),
            _ => None,
        };
        self.events.iter().filter_map(failure).collect()
    }
}

pub(super) fn check(entry: &Value, address: Address, tally: &mut Tally) {
    if entry.get("sf").is_some() {
        return two_clients(entry, address, tally);
    }
    match entry.get("desc").map(|desc| desc.as_str().unwrap()) {
        None => conversation(entry, address, tally),
        Some(desc) if desc.starts_with("isotpserver ") => with_options(entry, desc, address),
        Some(desc) => long_reception(entry, desc, address, tally),
    }
}

/// A client's text, or frames of the other end.
fn conversation(entry: &Value, address: Address, tally: &mut Tally) {
    for key in entry.as_object().unwrap().keys() {
        let known = ["id", "tcp_in", "can_in", "can_out", "tcp_out", "tcp_closed"];
        assert!(known.contains(&key.as_str()), "{entry}: unknown key {key}");
    }
    let text = Some(&entry["tcp_in"]).filter(|text| !text.is_null()).map(text);
    let injected: Vec<_> = entry["can_in"].as_array().unwrap().iter().collect();
    let out: Vec<_> = entry["can_out"].as_array().unwrap().iter().collect();
    let is_answered = out
        .iter()
        .any(|step| step.get("count").is_some() || is_consecutive(step));
    // Nothing tells whether somebody took the message but that it went on.
    let peer = match text {
        Some(_) if is_answered || entry["tcp_closed"] == false => Peer::Takes,
        _ => Peer::Silent,
    };
    let run = |manner: Manner| {
        play(async {
            let scene = Scene::new(manner, address, peer, manner.endpoint());
            let mut client = scene.client().await;
            if let Some(text) = &text {
                client.write(text).await;
            }
            let frames = injected.iter().map(|text| frame(text.as_str().unwrap()));
            scene.inject(frames).await;
            scene.settle().await;
            Outcome {
                out: scene.out(),
                taken: scene.taken(),
                got: vec![client.got()],
                closed: client.is_closed(),
                events: scene.events(),
            }
        })
    };
    let [imitating, strict] = Manner::BOTH.map(run);

    assert!(
        matches_frames(&out, &imitating.out),
        "{entry}: {:#?}",
        imitating.out
    );
    assert_eq!(entry["tcp_out"], imitating.got[0], "{entry}");
    assert_eq!(entry["tcp_closed"], imitating.closed, "{entry}");
    assert_eq!(imitating.failures().is_empty(), !imitating.closed, "{entry}");

    assert!(!strict.closed, "{entry}: {:?}", strict.events);
    assert_eq!(strict.got, imitating.got, "{entry}");
    assert_eq!(strict.failures(), imitating.failures(), "{entry}");
    if imitating.closed {
        let result = strict.failures()[0].name();
        tally.remark(format!(
            "strict: the connection stays when a transfer fails, here with {result}"
        ));
        assert_eq!(strict.out, imitating.out, "{entry}");
    } else if let Some(text) = &text {
        assert_eq!(strict.taken, strict_messages(text), "{entry}");
        if strict.out != imitating.out {
            tally.remark("strict: text that is not even hex is no message, and told as malformed");
            assert!(strict.malformed() > 0, "{entry}");
        }
    } else {
        assert_eq!(strict.out, imitating.out, "{entry}");
    }
}

/// Text as it is, or a run of two characters between a head and a tail.
fn text(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return String::from(text);
    }
    let part = |name: &str| value[name].as_str().unwrap();
    let (head, tail) = (part("head"), part("tail"));
    let len = usize::try_from(value["len"].as_u64().unwrap()).unwrap();
    let pair = &head[1..3];
    let mut text = String::from(&head[..1]);
    text.extend(pair.chars().cycle().take(len - 1 - tail.len()));
    text.push_str(tail);
    assert!(text.starts_with(head), "{value}");
    text
}

fn is_consecutive(step: &Value) -> bool {
    let frame = frame(step["frame"].as_str().unwrap());
    let pci = Pci::decode_padded(frame.payload(), Prefix::None, 0);
    matches!(pci, Ok((Pci::ConsecutiveFrame { .. }, _)))
}

/// Two clients, and a short and a long message for them.
fn two_clients(entry: &Value, address: Address, tally: &mut Tally) {
    let texts = |name: &str| -> Vec<String> {
        let list = entry[name].as_array().unwrap().iter();
        list.map(|text| text.as_str().unwrap().into()).collect()
    };
    let (short, long, answers) = (texts("sf"), texts("seg"), texts("fc_frames"));
    for manner in Manner::BOTH {
        play(async {
            let scene = Scene::new(manner, address, Peer::Silent, manner.endpoint());
            let clients = [scene.client().await, scene.client().await];
            for expected in [&short, &long] {
                let message = strict_messages(&expected[0]).remove(0);
                assert!(scene.send(message.into()).await, "{entry}");
                scene.settle().await;
                assert_eq!(
                    clients.each_ref().map(|client| client.got()).as_slice(),
                    expected.as_slice()
                );
            }
            // The original answers once for each client.
            assert_eq!(answers.len(), clients.len(), "{entry}");
            assert_eq!(scene.out(), answers[..1], "{entry}: {manner:?}");
        });
    }
    tally.remark("both: one endpoint serves all clients, so one flow control is sent and not one for each");
}

/// Options of the command line, and a message of so many bytes.
fn with_options(entry: &Value, desc: &str, address: Address) {
    let (options, length) = desc.split_once(", ").unwrap();
    let mut words = options.split(' ').skip(1);
    let mut config = Config::default().padding(Padding::none());
    while let Some(flag) = words.next() {
        let value = words.next().unwrap();
        config = match flag {
            "-L" => config.data_link(data_link(value)),
            "-p" => config.padding(Padding::filled(hex(value.strip_suffix(':').unwrap())[0])),
            unknown => panic!("{entry}: unknown option {unknown}"),
        };
    }
    let frames: Vec<_> = entry["can_out"].as_array().unwrap().iter().collect();
    let expected: Vec<&str> = frames.iter().map(|text| text.as_str().unwrap()).collect();
    let first = frame(expected[0]);
    let Ok((Pci::SingleFrame { len }, data)) = Pci::decode(first.payload(), Prefix::None) else {
        panic!("{entry}: not a single frame");
    };
    assert_eq!(length, format!("{len} bytes"), "{entry}");
    let digits: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
    for manner in Manner::BOTH {
        play(async {
            let scene = Scene::new(manner, address, Peer::Takes, config);
            scene.client().await.write(&format!("<{digits}>")).await;
            scene.settle().await;
            assert_eq!(scene.out(), expected, "{entry}: {manner:?}");
        });
    }
}

fn data_link(value: &str) -> DataLink {
    let numbers: Vec<usize> = value.split(':').map(|number| number.parse().unwrap()).collect();
    match numbers[..] {
        [16, 8, 0] => DataLink::Classic,
        [72, tx_dl, flags] => DataLink::Fd {
            tx_dl: TxDl::new(tx_dl).unwrap(),
            flags: FdFlags::from_bits(u8::try_from(flags).unwrap()),
        },
        _ => panic!("{value}"),
    }
}

/// A message of so many bytes from the bus, of which the text's ends are known.
fn long_reception(entry: &Value, desc: &str, address: Address, tally: &mut Tally) {
    let len: usize = desc
        .split_once("-byte PDU arrives from CAN")
        .and_then(|(len, _)| len.parse().ok())
        .unwrap_or_else(|| panic!("{entry}: unknown story"));
    let message: Bytes = (0..len)
        .map(|i| u8::try_from((i + i / 256) % 256).unwrap())
        .collect();
    let run = |manner: Manner| {
        play(async {
            let scene = Scene::new(manner, address, Peer::Silent, manner.endpoint());
            let client = scene.client().await;
            let sent = scene.send(message.clone()).await;
            scene.settle().await;
            (sent, client.got(), client.is_closed(), scene.events())
        })
    };
    let (sent, got, closed, _) = run(Manner::Imitating);
    assert!(sent, "{entry}");
    assert_eq!(entry["tcp_out_len"], got.len(), "{entry}");
    assert_eq!(entry["tcp_closed"], closed, "{entry}");
    let end = |name: &str| entry.get(name).map_or("", |end| end.as_str().unwrap());
    assert!(
        got.starts_with(end("head")) && got.ends_with(end("tail")),
        "{entry}"
    );
    let (strictly_sent, strict, strictly_closed, events) = run(Manner::Strict);
    assert_eq!((strict, strictly_closed), (got, false), "{entry}");
    assert_eq!(strictly_sent, !closed, "{entry}");
    if closed {
        let refused = |event: &ServerEvent| match event {
            ServerEvent::ReceiveFailed(error) => error.n_result() == Some(NResult::BufferOvflw),
            _ => false,
        };
        assert!(events.iter().any(refused), "{entry}: {events:?}");
        tally.remark("strict: what is too long for a line is refused with OVFLW, and the connection stays");
    }
}
