use alloc::string::ToString;
use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::link::Echo;
use crate::virtual_bus::Overflow;

fn parse(text: &str) -> LinkAddress {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let error = text.parse::<LinkAddress>().expect_err(text);
    assert_eq!(error.to_string(), expected, "{text}");
}

#[test]
fn every_form_is_written_back_as_it_is_usually_written() {
    for text in [
        "socketcan:vcan0",
        "socketcan:any",
        "socketcan:can0?fd=0&xl=1&own=1&loopback=0&err=40&filter=123:7FF,00000123~1FFFFFFF&join=1\
         &rcvbuf=4096&sndbuf=0&send_timeout=250ms&bus_off=wait&reconnect=never",
        "virtual:bus1",
        "virtual:bus1?own=1&queue=2",
        "virtual:bus1?queue=block",
        "bus:lab-1.x_2",
        "bus:lab?own=1&queue=16",
        "sim:",
        "sim:?loss=0.25&delay=2ms&dup=1&corrupt=0.5&seed=7",
        "log:-",
        "log:/tmp/a file.log?speed=0.5",
        "slcan:/dev/ttyACM0@500000",
        "slcan:COM3@83300?baud=921600&data_bitrate=2000000&listen_only=1&open=0&ack=1&timestamp=1",
        "slcan:/dev/ttyACM0@123456?btr=031C",
        "slcan://adapter:3333@500000",
        "serial:/dev/ttyUSB0?baud=9600",
        "socketcand://host:29536/can0",
        "socketcand://[::1]:1234/can0?mode=bcm&connect_timeout=500ms",
        "cannelloni://host:20000",
        "cannelloni://host:20001?listen=20002&bind=127.0.0.1&flush=1500us&mtu=1400&sort=1&peer_check=0",
        "cannelloni+tcp://host:20000",
        "cannelloni+tcp-listen://0.0.0.0:20000",
        "mcast://239.74.163.2:43113",
        "mcast://[ff15:7079:7468:6f6e:6465:6d6f:6d63:6173]:43113?ttl=3&fd=0&iface=eth0&own=1",
        "tinwire://host:7777/lab",
        "isotpserver://host:5000",
    ] {
        assert_eq!(parse(text).to_string(), text);
    }
}

#[test]
fn a_bare_name_is_an_interface() {
    assert_eq!(
        parse("can0"),
        LinkAddress::SocketCan(SocketCanAddress::new("can0"))
    );
    assert_eq!(
        parse("can0?filter=123:7FF"),
        parse("socketcan:can0?filter=123:7FF")
    );
    refused(
        "sim",
        "\"sim\" alone is the name of a scheme; write sim:, or socketcan:sim for an interface of that name",
    );
}

#[test]
fn defaults_are_those_of_the_grammar() {
    let LinkAddress::SocketCan(can) = parse("can0") else {
        panic!()
    };
    assert_eq!(
        (can.fd, can.own, can.loopback),
        (FdMode::Auto, Echo::Off, Loopback::On)
    );
    assert_eq!(can.filter_set(), crate::FilterSet::default());
    let LinkAddress::Virtual(bus) = parse("virtual:x") else {
        panic!()
    };
    assert_eq!((bus.queue, bus.overflow), (8192, Overflow::Drop));
    let LinkAddress::Slcan(slcan) = parse("slcan:/dev/ttyACM0") else {
        panic!()
    };
    assert_eq!((slcan.baud, slcan.bit_rate), (115_200, None));
    let LinkAddress::SocketCand(server) = parse("socketcand://host/can0") else {
        panic!()
    };
    assert_eq!(
        (server.endpoint.port, server.connect_timeout),
        (29_536, Duration::from_secs(10))
    );
    let LinkAddress::Cannelloni(peer) = parse("cannelloni://host") else {
        panic!()
    };
    assert_eq!(
        (peer.endpoint.port, peer.listen, peer.mtu),
        (20_000, 20_000, 1500)
    );
    let LinkAddress::Multicast(group) = parse("mcast://239.74.163.2") else {
        panic!()
    };
    assert_eq!(
        (group.port, group.ttl, group.fd, group.own),
        (43_113, 1, true, false)
    );
}

#[test]
fn filters_join_and_error_mask_become_one_set() {
    let LinkAddress::SocketCan(can) = parse("can0?filter=1~7FF,2~7FF&join=1&err=0") else {
        panic!()
    };
    let set = can.filter_set();
    assert_eq!(set.join(), crate::filter::Join::All);
    assert_eq!(set.filters().len(), 2);
    assert_eq!(set.errors(), crate::error_frame::ErrorClasses::NONE);
}

#[test]
fn a_misspelt_word_is_recognised() {
    refused(
        "socketcam:can0",
        "unknown scheme \"socketcam\" (did you mean \"socketcan\"?)",
    );
    refused(
        "foo:bar",
        "unknown scheme \"foo\"; known: socketcan virtual bus sim log slcan serial socketcand cannelloni \
         cannelloni+tcp cannelloni+tcp-listen mcast tinwire isotpserver",
    );
    refused(
        "socketcan:can0?onw=1",
        "socketcan: unknown key \"onw\" (did you mean \"own\"?)",
    );
    refused(
        "virtual:x?frob=1",
        "virtual: unknown key \"frob\"; known: own queue",
    );
    refused("tinwire://h:1/x?a=1", "tinwire: unknown key \"a\"; it has none");
}

#[test]
fn a_key_is_given_once_and_with_a_value() {
    refused("can0?own=1&own=0", "socketcan: key \"own\" is given twice");
    refused("can0?fd", "socketcan: key \"fd\" has no value; write fd=VALUE");
    refused("can0?fd=", "socketcan: key \"fd\" has no value; write fd=VALUE");
    refused(
        "can0?bus_off=stop",
        "socketcan: bus_off=stop: expected fail or wait",
    );
    refused(
        "can0?send_timeout=5",
        "socketcan: send_timeout=5: expected a time such as 500us, 100ms or 2s",
    );
    refused("can0?fd=yes", "socketcan: fd=yes: expected 0 or 1");
    refused(
        "bus:x?queue=%zz",
        "bus: queue=%zz: not percent-encoded UTF-8; a percent sign is written %25",
    );
    assert_eq!(parse("can0?filter=123%3A7FF"), parse("can0?filter=123:7FF"));
}

#[test]
fn a_bad_body_tells_what_would_be_right() {
    refused(
        "socketcan:averyverylongname",
        "socketcan: interface name \"averyverylongname\" is longer than 15 bytes",
    );
    refused("socketcan:", "socketcan: no interface; write socketcan:can0");
    refused("", "socketcan: no interface; write socketcan:can0");
    refused(
        "socketcan:a/b",
        "socketcan: \"a/b\" is not an interface name (no blanks, slashes or colons)",
    );
    refused(
        "mcast://10.0.0.1",
        "mcast: 10.0.0.1 is not a multicast address (224.0.0.0/4 or ff00::/8)",
    );
    refused(
        "socketcand://host:29536",
        "socketcand: no channel; write socketcand://host:port/can0",
    );
    refused(
        "socketcand:host/can0",
        "socketcand: no // before the host; write socketcand://host:port/can0",
    );
    refused(
        "socketcand:///can0",
        "socketcand: no host; write socketcand://host:port/can0",
    );
    refused("cannelloni://host:70000", "port 70000 is not in 1\u{2013}65535");
    refused("isotpserver://host:0", "port 0 is not in 1\u{2013}65535");
    refused(
        "isotpserver://host",
        "isotpserver: no port; write isotpserver://host:port",
    );
    refused(
        "sim:echo",
        "sim: unexpected \"echo\"; write sim: or sim:?loss=0.01",
    );
    refused(
        "bus:../x",
        "bus: \"../x\" is not a bus name (1 to 32 of A-Z a-z 0-9 . _ -, not starting with a dot)",
    );
}

#[test]
fn an_odd_slcan_rate_names_the_known_ones() {
    let known = "10000 20000 50000 100000 125000 250000 500000 750000/800000 1000000 83300, or use btr=";
    refused(
        "slcan:/dev/ttyACM0@123456",
        &alloc::format!("slcan: 123456 bit/s has no S command; known: {known}"),
    );
    refused(
        "slcan:/dev/ttyACM0@115200",
        &alloc::format!(
            "slcan: 115200 bit/s has no S command; known: {known}; \
             the serial line's speed is written ?baud=115200"
        ),
    );
}

#[test]
fn replay_speed_scales_and_zero_does_not_wait() {
    let second = Duration::from_secs(1);
    assert_eq!(
        ReplaySpeed::new(2.0).unwrap().due(second),
        Duration::from_millis(500)
    );
    assert_eq!(ReplaySpeed::UNPACED.due(second), Duration::ZERO);
    assert_eq!(ReplaySpeed::new(-1.0), None);
    assert_eq!(ReplaySpeed::new(f64::NAN), None);
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_read_is_read_again(
        scheme in "(socketcan|sim|bus|slcan|cannelloni|mcast|[a-z+]{0,9}):?",
        body in "/{0,2}[a-z0-9:./@\\[\\]-]{0,12}",
        query in "(\\?(fd|own|loss|queue|baud|seed|[a-z]{1,4})=[a-z0-9%.]{0,4})?",
    ) {
        if let Ok(address) = [scheme, body, query].concat().parse::<LinkAddress>() {
            let written = address.to_string();
            prop_assert_eq!(written.parse::<LinkAddress>(), Ok(address));
        }
    }

    #[test]
    fn values_survive_percent_encoding(name in "[^\\p{White_Space}\\p{Cc}/:&?]{1,3}") {
        prop_assume!(name != "." && name != "..");
        let LinkAddress::Multicast(mut group) = parse("mcast://239.1.1.1") else { panic!() };
        group.interface = Some(name);
        let address = LinkAddress::Multicast(group);
        prop_assert_eq!(address.to_string().parse::<LinkAddress>(), Ok(address));
    }
}
