use core::time::Duration;

use can_link::{CanFrame, CanTxExt as _, VirtualBus};
use isotp::{DataLink, Target};

use super::*;
use crate::ecu::{Level, VIN, key};

fn tester_address() -> Address {
    Address::normal(standard_id(REQUEST_ID), standard_id(RESPONSE_ID)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_vin_comes_over_the_bus_in_several_frames() {
    let bus = VirtualBus::new();
    let controller = tokio::spawn(serve(Ecu::default(), bus.join()));
    let mut tester = IsoTpStream::new(bus.join(), tester_address(), Config::default()).unwrap();
    tester.send(vec![0x22, 0xF1, 0x90]).await.unwrap();
    let response = tester.recv().await.unwrap().unwrap();
    assert_eq!(response.strip_prefix(&[0x62, 0xF1, 0x90]), Some(VIN.as_bytes()));
    assert_eq!(
        bus.stats().frames,
        5,
        "request, first frame, flow control, two consecutive frames"
    );
    controller.abort();
}

#[tokio::test(start_paused = true)]
async fn with_can_fd_the_vin_is_one_frame() {
    let bus = VirtualBus::new();
    let config = Config::default().data_link(DataLink::fd());
    let address = Address::normal_fixed(0x33, 0xF1).unwrap();
    let controller = tokio::spawn(serve_at(
        Ecu::default(),
        bus.join(),
        Address::normal_fixed(0xF1, 0x33).unwrap(),
        config,
    ));
    let mut tester = IsoTpStream::new(bus.join(), address, config).unwrap();
    tester.send(vec![0x22, 0xF1, 0x90]).await.unwrap();
    assert_eq!(tester.recv().await.unwrap().unwrap()[3..], *VIN.as_bytes());
    tester.send_functional(vec![0x3E, 0x00]).await.unwrap();
    assert_eq!(tester.recv().await.unwrap().unwrap(), [0x7E, 0x00][..]);
    assert_eq!(bus.stats().frames, 4);
    controller.abort();
}

#[tokio::test(start_paused = true)]
async fn over_the_bus_too_what_takes_longer_is_announced() {
    let bus = VirtualBus::new();
    let mut ecu = Ecu::default();
    ecu.handle_request(Instant::ZERO, &[0x10, 0x02], Target::Physical);
    ecu.handle_request(Instant::ZERO, &[0x27, 0x11], Target::Physical);
    let seed = core::iter::from_fn(|| ecu.poll_transmit()).last().unwrap();
    let key = key(Level::Programming, seed[2..].try_into().unwrap());
    ecu.handle_request(
        Instant::ZERO,
        &[&[0x27, 0x12][..], &key].concat(),
        Target::Physical,
    );
    ecu.poll_transmit();
    let controller = tokio::spawn(serve(ecu, bus.join()));
    let mut tester = IsoTpStream::new(bus.join(), tester_address(), Config::default()).unwrap();
    let start = time::Instant::now();
    tester.send(vec![0x31, 0x01, 0xFF, 0x00]).await.unwrap();
    let mut answers = Vec::new();
    for _ in 0..3 {
        let answer = tester.recv().await.unwrap().unwrap();
        answers.push((start.elapsed().as_millis(), answer.to_vec()));
    }
    assert_eq!(
        answers,
        [
            (25, vec![0x7F, 0x31, 0x78]),
            (2525, vec![0x7F, 0x31, 0x78]),
            (3000, vec![0x71, 0x01, 0xFF, 0x00, 0x00])
        ]
    );
    controller.abort();
}

#[tokio::test(start_paused = true)]
async fn a_transfer_that_breaks_off_does_not_end_the_service() {
    let bus = VirtualBus::new();
    let controller = tokio::spawn(serve(Ecu::default(), bus.join()));
    let mut intruder = bus.join();
    let first = CanFrame::data(standard_id(REQUEST_ID), &[0x10, 0x20, 1, 2, 3, 4, 5, 6]).unwrap();
    intruder.send(first).await.unwrap();
    time::sleep(Duration::from_secs(3)).await;
    let mut tester = IsoTpStream::new(bus.join(), tester_address(), Config::default()).unwrap();
    tester.send(vec![0x3E, 0x00]).await.unwrap();
    assert_eq!(tester.recv().await.unwrap().unwrap(), [0x7E, 0x00][..]);
    controller.abort();
}

#[tokio::test(start_paused = true)]
async fn a_request_of_many_frames_does_not_lose_its_session_on_the_way() {
    let bus = VirtualBus::new();
    let controller = tokio::spawn(serve(Ecu::default(), bus.join()));
    // 17 consecutive frames, half a second apart, come for longer than S3.
    let slow = Config::default().forced_gap(Some(Duration::from_millis(500)));
    let mut tester = IsoTpStream::new(bus.join(), tester_address(), slow).unwrap();
    tester.send(vec![0x10, 0x03]).await.unwrap();
    tester.recv().await.unwrap().unwrap();
    let long = [&[0x2E, 0x01, 0x01][..], &[0; 120]].concat();
    tester.send(long).await.unwrap();
    assert_eq!(
        tester.recv().await.unwrap().unwrap(),
        [0x7F, 0x2E, 0x13][..],
        "too long for this identifier, but the service is there"
    );
    time::sleep(Duration::from_secs(6)).await;
    tester.send(vec![0x2E, 0x01, 0x01, 0, 0]).await.unwrap();
    assert_eq!(tester.recv().await.unwrap().unwrap(), [0x7F, 0x2E, 0x7F][..]);
    controller.abort();
}
