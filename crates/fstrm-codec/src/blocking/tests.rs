use core::num::NonZeroU64;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::string::ToString;
use std::thread;
use std::vec::Vec;

use super::*;
use crate::endpoint::{DialConfig, Dialer};
use crate::queue::{self, Policy};
use crate::{ControlFrame, FileReader};

/// A collector of one connection in plain std: answers READY, reads to STOP, answers that.
fn collector() -> (Dialer, JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = std::format!("tcp://{}", listener.local_addr().unwrap());
    let dialer = Dialer::new(&address.parse().unwrap(), DialConfig::new()).unwrap();
    let collect = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
        stream.write_all(&[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1]).unwrap();
        let mut reader = FileReader::new(stream.try_clone().unwrap(), crate::Config::new()).unwrap();
        let mut frames = Vec::new();
        while let Some(payload) = reader.next_frame().unwrap() {
            frames.push(payload.to_vec());
        }
        stream.write_all(ControlFrame::finish().as_bytes()).unwrap();
        frames
    });
    (dialer, collect)
}

#[test]
fn threads_without_a_runtime_send_to_one_collector() {
    let (dialer, collect) = collector();
    let queue = queue::Config::new().max_frames(NonZeroU64::new(10).unwrap());
    let sender = Sender::spawn(dialer, Config::new().queue(queue)).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|thread_number| {
            let sender = sender.clone();
            thread::spawn(move || {
                for number in 0..500 {
                    let payload = std::format!("{thread_number} {number}");
                    sender.send(payload.into()).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    sender.flush().unwrap();
    assert_eq!(sender.stats().frames.sent, 2000);
    let report = sender.close();
    assert!(report.is_complete() && report.finished);
    assert_eq!(collect.join().unwrap().len(), 2000);
}

#[test]
fn dropping_the_last_handle_waits_until_all_is_sent() {
    let (dialer, collect) = collector();
    let sender = Sender::spawn(dialer, Config::new()).unwrap();
    sender
        .send_run(OwnedRun::encode([&b"a"[..], b"b"], crate::FrameConfig::new()).unwrap())
        .unwrap();
    drop(sender);
    assert_eq!(collect.join().unwrap(), [b"a", b"b"]);
}

#[test]
fn a_closed_sender_takes_nothing() {
    let (dialer, collect) = collector();
    let sender = Sender::spawn(dialer, Config::new().policy(Policy::DropNewest)).unwrap();
    let other = sender.clone();
    assert_eq!(
        other
            .try_send(&Bytes::from_static(b"x"))
            .map(|receipt| receipt.queued),
        Ok(1)
    );
    drop(collect);
    assert!(other.close().is_complete());
    assert_eq!(sender.send(Bytes::from_static(b"y")), Err(SendError::Closed));
    assert_eq!(sender.flush(), Ok(()));
}

#[tokio::test]
async fn what_cannot_be_is_refused_within_a_runtime_too() {
    let (dialer, _) = collector();
    let unidirectional = crate::Config::new().mode(crate::Mode::Unidirectional);
    let config = Config::new()
        .handshake(unidirectional)
        .delivery(queue::Delivery::Confirmed);
    let error = Sender::spawn(dialer, config).unwrap_err();
    assert!(error.to_string().contains("confirms nothing"), "{error}");
}
