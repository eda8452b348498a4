use proptest::prelude::*;

use super::*;

/// What nothing surpasses.
const IDEAL: QosSpec = QosSpec::RAW
    .with_delay(Bound::from_millis(0))
    .with_bandwidth(u64::MAX)
    .with_availability(u8::MAX)
    .with_loss(Tolerance::NONE)
    .with_ber(Tolerance::NONE)
    .with_max_gap(Bound::from_millis(0))
    .with_timeout(PeerTimeout::from_millis(1));

fn any_qos() -> impl Strategy<Value = QosSpec> {
    let numbers = (
        any::<u32>(),
        any::<u64>(),
        any::<u8>(),
        any::<u32>(),
        any::<u32>(),
    );
    (numbers, 0..3u32, 0..3u32, any::<bool>()).prop_map(
        |((delay, bandwidth, availability, max_gap, timeout), loss, ber, in_order)| {
            QosSpec::RAW
                .with_delay(Bound::from_millis(delay))
                .with_bandwidth(bandwidth)
                .with_availability(availability)
                .with_loss(Tolerance::from_bits(loss))
                .with_ber(Tolerance::from_bits(ber))
                .with_order(if in_order { Order::Kept } else { Order::Any })
                .with_max_gap(Bound::from_millis(max_gap))
                .with_timeout(PeerTimeout::from_millis(timeout))
        },
    )
}

/// The eight fields in the order of the peer's structure.
fn fields(qos: &QosSpec) -> (u32, u64, u8, u32, u32, bool, u32, u32) {
    (
        qos.delay().to_bits(),
        qos.bandwidth(),
        qos.availability(),
        qos.loss().to_bits(),
        qos.ber().to_bits(),
        qos.order() == Order::Kept,
        qos.max_gap().to_bits(),
        qos.timeout().to_bits(),
    )
}

#[test]
fn the_presets_are_those_of_the_peer() {
    const MAX: u32 = u32::MAX;
    let expected = [
        (MAX, 0, 0, 1, 1, false, MAX, 120_000),
        (MAX, 0, 0, 1, 0, false, MAX, 120_000),
        (MAX, 0, 0, 1, 0, true, MAX, 120_000),
        (100, u64::MAX, 3, 1, 0, true, 100, 120_000),
        (50, 100_000, 5, 1, 0, true, 50, 120_000),
        (1_000, 0, 0, 0, 0, true, 2_000, 120_000),
    ];
    assert_eq!(QosSpec::PRESETS.map(|(_, qos)| fields(&qos)), expected);
    assert_eq!(
        fields(&QosSpec::BROADCAST),
        (MAX, 0, 0, MAX, MAX, false, MAX, 0),
        "what flow_join reports"
    );
}

#[test]
fn no_loss_implies_order() {
    // the peer gives a raw flow to loss = 0 alone (spec ch. 3)
    assert_eq!(QosSpec::RAW.with_loss(Tolerance::NONE).order(), Order::Kept);
    assert_eq!(QosSpec::RAW.order(), Order::Any);
}

#[test]
fn what_cannot_be_given_is_refused_by_the_field_that_fails() {
    use QosField::{Availability, Bandwidth, Ber, Delay, InOrder, Loss, MaxGap, Timeout};
    let raw = QosSpec::RAW.with_timeout(PeerTimeout::OFF);
    let cases = [
        (
            raw.with_delay(Bound::from_millis(9)),
            Delay,
            9,
            u64::from(u32::MAX),
        ),
        (raw.with_bandwidth(8), Bandwidth, 8, 0),
        (raw.with_availability(3), Availability, 3, 0),
        (raw.with_loss(Tolerance::NONE), Loss, 0, 1),
        (raw.with_ber(Tolerance::NONE), Ber, 0, 1),
        (raw.with_order(Order::Kept), InOrder, 1, 0),
        (
            raw.with_max_gap(Bound::from_millis(9)),
            MaxGap,
            9,
            u64::from(u32::MAX),
        ),
        (raw.with_timeout(PeerTimeout::from_millis(9)), Timeout, 9, 0),
    ];
    for (asked, field, wanted, has) in cases {
        let error = QosError {
            field,
            asked: wanted,
            has,
        };
        assert_eq!(raw.grant(&asked), Err(error));
        assert!(IDEAL.grant(&asked).is_ok(), "{field:?}");
    }
    assert_eq!(
        std::format!("{}", raw.grant(&QosSpec::VOICE).unwrap_err()),
        "cannot give the quality asked: delay (ms) of 50, has 4294967295"
    );
}

#[test]
fn a_flow_reports_what_it_has_even_if_less_was_asked() {
    let has = IDEAL.grant(&QosSpec::RAW).unwrap();
    assert_eq!(
        (has.loss(), has.ber(), has.order(), has.timeout()),
        (
            Tolerance::NONE,
            Tolerance::NONE,
            Order::Kept,
            PeerTimeout::DEFAULT
        )
    );
}

#[test]
fn who_says_nothing_of_the_timeout_has_none_where_there_is_none() {
    let deaf = IDEAL.with_timeout(PeerTimeout::OFF);
    assert_eq!(deaf.grant(&QosSpec::RAW).unwrap().timeout(), PeerTimeout::OFF);
    let asked = QosSpec::RAW.with_timeout(PeerTimeout::from_millis(500));
    assert_eq!(deaf.grant(&asked).unwrap_err().field, QosField::Timeout);
}

#[test]
fn a_text_is_a_preset_and_what_differs_from_it() {
    assert_eq!("".parse(), Ok(QosSpec::RAW));
    for (name, qos) in QosSpec::PRESETS {
        assert_eq!(name.parse(), Ok(qos));
        assert_eq!(name.replace('_', "-").parse(), Ok(qos), "as people type it");
    }
    let qos = QosSpec::VOICE
        .with_delay(Bound::from_millis(1))
        .with_bandwidth(2)
        .with_availability(3)
        .with_loss(Tolerance::from_bits(4))
        .with_ber(Tolerance::from_bits(5))
        .with_max_gap(Bound::from_millis(6))
        .with_timeout(PeerTimeout::from_millis(7));
    assert_eq!(
        "voice,delay=1,bw=2,avail=3,loss=4,ber=5,gap=6,timeout=7".parse(),
        Ok(qos)
    );
    assert_eq!("in-order".parse(), Ok(QosSpec::RAW.with_order(Order::Kept)));
}

#[test]
fn a_text_that_is_no_quality_says_which_word() {
    let unknown = |word| Err(ParseQosError::UnknownWord { word });
    assert_eq!(
        "loss=0,data".parse::<QosSpec>(),
        unknown(2),
        "a preset comes first"
    );
    assert_eq!("jitter=3".parse::<QosSpec>(), unknown(1));
    assert_eq!("raw,".parse::<QosSpec>(), unknown(2));
    let field = QosField::Availability;
    assert_eq!(
        "avail=256".parse::<QosSpec>(),
        Err(ParseQosError::BadNumber { field })
    );
    let text = std::format!("{}", "nice".parse::<QosSpec>().unwrap_err());
    assert!(
        text.contains("a preset (raw, raw-no-errors, best-effort, video, voice, data; only as the first)"),
        "{text}"
    );
}

proptest! {
    #[test]
    fn what_is_granted_satisfies_what_was_asked(has in any_qos(), asked in any_qos()) {
        match has.grant(&asked) {
            Ok(granted) => {
                prop_assert!(granted.delay() <= asked.delay() && granted.max_gap() <= asked.max_gap());
                prop_assert!(granted.bandwidth() >= asked.bandwidth());
                prop_assert!(granted.availability() >= asked.availability());
                prop_assert!(granted.loss().is_none() || !asked.loss().is_none());
                prop_assert!(granted.ber().is_none() || !asked.ber().is_none());
                prop_assert!(granted.order() == Order::Kept || asked.order() == Order::Any);
                let unsaid = asked.timeout() == PeerTimeout::DEFAULT && has.timeout() == PeerTimeout::OFF;
                prop_assert_eq!(granted.timeout(), if unsaid { PeerTimeout::OFF } else { asked.timeout() });
            }
            Err(error) => prop_assert_ne!(error.asked, error.has),
        }
    }

    #[test]
    fn whoever_has_a_quality_can_give_it(qos in any_qos()) {
        let granted = qos.grant(&qos);
        prop_assert_eq!(granted.map(|granted| fields(&granted)), Ok(fields(&qos)));
    }

    #[test]
    fn no_text_panics(text in "[a-z=,0-9-]{0,40}") {
        let _ = text.parse::<QosSpec>();
    }
}
