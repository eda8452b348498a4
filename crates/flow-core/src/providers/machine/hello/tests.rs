use proptest::prelude::*;

use super::*;

fn qos() -> impl Strategy<Value = QosSpec> {
    any::<(u32, u64, u8, u32, u32, bool, u32, u32)>().prop_map(
        |(delay, bandwidth, nines, loss, ber, order, gap, time)| {
            let order = if order || loss == 0 {
                Order::Kept
            } else {
                Order::Any
            };
            QosSpec::RAW
                .with_delay(Bound::from_millis(delay))
                .with_bandwidth(bandwidth)
                .with_availability(nines)
                .with_loss(Tolerance::from_bits(loss))
                .with_ber(Tolerance::from_bits(ber))
                .with_order(order)
                .with_max_gap(Bound::from_millis(gap))
                .with_timeout(PeerTimeout::from_millis(time))
        },
    )
}

fn window() -> impl Strategy<Value = Window> {
    any::<(u32, u32, u32)>().prop_map(|(packets, bytes, longest)| Window {
        packets,
        bytes,
        longest,
    })
}

fn hello() -> impl Strategy<Value = Hello> {
    let patience = proptest::sample::select(&[Patience::Now, Patience::Waits][..]);
    (patience, "[^\0]{1,60}", qos(), window()).prop_map(|(patience, name, qos, window)| Hello {
        patience,
        name: Name::new(&name).unwrap(),
        qos,
        window,
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        (qos(), window()).prop_map(|(qos, window)| Answer::Accepted { qos, window }),
        proptest::sample::select(&[Answer::NotNow, Answer::Unknown, Answer::Denied, Answer::Malformed][..]),
        any::<u32>().prop_map(|max| Answer::Busy { max }),
        any::<u32>().prop_map(|max| Answer::Full { max }),
        (proptest::sample::select(&FIELDS[..]), any::<u64>(), any::<u64>())
            .prop_map(|(field, asked, has)| Answer::Qos(QosError { field, asked, has })),
    ]
}

#[test]
fn a_hello_is_on_the_wire_as_documented() {
    let mut out = BytesMut::new();
    let (packets, bytes, longest) = (256, 1 << 20, 3);
    let hello = Hello {
        patience: Patience::Waits,
        name: Name::new("echo").unwrap(),
        qos: QosSpec::DATA,
        window: Window {
            packets,
            bytes,
            longest,
        },
    };
    hello.encode(&mut out);
    let wanted = [
        &b"TWF1\x02\x04\0\0"[..],
        &[0xe8, 3, 0, 0], // delay: 1000 ms
        &[0; 8],
        &[0; 1],
        &[0; 4],
        &[0; 4],
        &[1],
        &[0xd0, 7, 0, 0],
        &[0xc0, 0xd4, 1, 0],
        &[0, 1, 0, 0, 0, 0, 16, 0, 3, 0, 0, 0],
        b"echo",
    ];
    assert_eq!(out, wanted.concat());
}

#[test]
fn something_else_is_seen_by_its_first_bytes() {
    let magic = |got| Err(HelloError::Magic { got });
    assert_eq!(Hello::decode(&mut BytesMut::from("GET / HTTP")), magic(*b"GET "));
    assert_eq!(Hello::decode(&mut BytesMut::from("TX")), magic(*b"TX\0\0"));
    assert_eq!(Hello::decode(&mut BytesMut::from("TWF")), Ok(None));
}

proptest! {
    #[test]
    fn a_hello_comes_back_whole_or_not(hello in hello(), cut in any::<prop::sample::Index>()) {
        let mut bytes = BytesMut::new();
        hello.encode(&mut bytes);
        prop_assert!(bytes.len() <= MAX_HELLO_LEN);
        let mut part = BytesMut::from(&bytes[..cut.index(bytes.len())]);
        prop_assert_eq!(Hello::decode(&mut part), Ok(None));
        prop_assert_eq!(Hello::decode(&mut bytes), Ok(Some(hello)));
        prop_assert!(bytes.is_empty());
    }

    #[test]
    fn an_answer_comes_back_whole_or_not(answer in answer(), cut in any::<prop::sample::Index>()) {
        let mut bytes = BytesMut::new();
        answer.encode(&mut bytes);
        prop_assert_eq!(bytes.len(), ANSWER_LEN);
        let mut part = BytesMut::from(&bytes[..cut.index(bytes.len())]);
        prop_assert_eq!(Answer::decode(&mut part), Ok(None));
        prop_assert_eq!(Answer::decode(&mut bytes), Ok(Some(answer)));
    }

    #[test]
    fn any_bytes_are_a_hello_or_an_error(tail in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = BytesMut::from(&[&MAGIC[..], &tail].concat()[..]);
        let _ = Answer::decode(&mut bytes.clone());
        if let Ok(Some(hello)) = Hello::decode(&mut bytes) {
            let mut again = BytesMut::new();
            hello.encode(&mut again);
            prop_assert!(again.len() <= MAX_HELLO_LEN);
        }
    }
}
