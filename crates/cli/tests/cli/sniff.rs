//! `csp sniff`

use crate::csp::words;
use crate::place::Place;

/// A packet of version 2 in three frames, one of another protocol among them, a frame too many, a packet
/// with a frame missing, one that is never finished.
const PASS: &str = "\
(1000.000000) can0 0181A282#5716EFC04B4CC89E
(1000.000100) can0 123#0102
(1000.000200) can0 0181A284#206B621A6B51AAA3
(1000.000300) can0 0181A289#DF
(1000.001000) can0 0181A284#206B621A6B51AAA3
(1000.002000) can0 0181A282#5716EFC04B4CC89E
(1000.003000) can0 0181A28C#DF
(1000.100000) can0 0181A282#5716EFC04B4CC89E
";

/// A packet of version 1 in three frames, and the first frames of two more.
const VERSION_1: &str = "\
(1.000000) can0 01B80800#83759700000B2D1A
(1.000100) can0 01BC0400#2362DF1BCA9E16C5
(1.000200) can0 01BC0000#C3
(1.100000) can0 01B80801#83759700000B2D1A
(1.200000) can0 01B80802#83759700000B2D1A
";

#[test]
fn packets_are_put_together_and_what_makes_none_is_told_with_the_reason() {
    let place = Place::new();
    place.write("pass.log", PASS);
    let ran = place.run(&words("csp sniff log:pass.log")).status(0);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "(000.000000) log:pass.log R 5573:63 > 3085:46 critical - [13]: \
             4B 4C C8 9E 20 6B 62 1A 6B 51 AA A3 DF",
            "(000.000700) log:pass.log sender 5: discarded: a frame without a first one",
            "(000.002700) log:pass.log sender 5: discarded: frame counter 3 in place of 1",
            "(000.099700) log:pass.log sender 5: discarded: the next frame did not come in time",
        ]
    );
    assert_eq!(
        ran.stderr,
        "1 packet, 3 discarded (1 frame missing or out of order, 1 no first frame, 1 unfinished), 1 frame of \
         other protocols, 0 dropped\n"
    );
}

#[test]
fn the_lines_of_json_keep_their_fields() {
    let place = Place::new();
    place.write("pass.log", PASS);
    let ran = place.run(&words("csp sniff log:pass.log -n 1 -j")).status(0);
    assert_eq!(
        ran.stdout,
        concat!(
            r#"{"v":1,"type":"packet","ts":"1970-01-01T00:16:40.000300000Z","link":"log:pass.log","#,
            r#""dir":"rx","version":2,"src":5573,"src_port":63,"dst":3085,"dst_port":46,"#,
            r#""priority":"critical","flags":[],"broadcast":false,"encrypted":false,"len":13,"#,
            r#""data":"4b4cc89e206b621a6b51aaa3df"}"#,
            "\n"
        )
    );
    let ran = place.run(&words("csp sniff log:pass.log -j")).status(0);
    let summary = ran.json_errors().pop().unwrap();
    assert_eq!((&summary["packets"], &summary["frames"]), (&1.into(), &7.into()));
    assert_eq!(summary["discarded_by"]["unfinished"], 1);
    assert_eq!(ran.json()[1]["type"], "discarded");
}

#[test]
fn the_other_header_version_is_noticed() {
    let place = Place::new();
    place.write("old.log", VERSION_1);
    let ran = place.run(&words("csp sniff log:old.log")).status(0);
    assert!(
        ran.stderr.contains(
            "these are packets of header version 1: add ,v1 to the interface\n0 packets, 5 discarded"
        ),
        "{}",
        ran.stderr
    );
    let ran = place.run(&words("csp sniff log:old.log,v1")).status(0);
    assert!(
        ran.stdout
            .starts_with("(000.000000) log:old.log R 1:23 > 23:22 norm - [11]: 2D 1A")
    );
    assert!(
        ran.stderr.starts_with("1 packet, 2 discarded (2 unfinished)"),
        "{}",
        ran.stderr
    );
}

#[test]
fn traffic_of_other_protocols_keeps_no_sniffer_from_being_idle() {
    let ran = Place::new().run(&words("csp sniff sim: -T 300")).status(0);
    assert!(
        ran.stderr.starts_with("0 packets, 0 discarded, "),
        "{}",
        ran.stderr
    );
    assert!(
        !ran.stderr.contains(" 0 frames of other"),
        "they came: {}",
        ran.stderr
    );
}

#[test]
fn nodes_and_ports_choose_what_is_shown() {
    let place = Place::new();
    place.write("old.log", VERSION_1);
    for (filter, packets) in [
        ("--node 1", 1),
        ("--node 24", 0),
        ("--port 22", 1),
        ("--node 23 --port 24", 0),
    ] {
        let line = format!("csp sniff log:old.log,v1 -j {filter}");
        let ran = place.run(&words(&line)).status(0);
        assert_eq!(ran.json_errors()[0]["packets"], packets, "{filter}");
    }
}

#[cfg(unix)]
#[test]
fn a_request_and_its_reply_are_seen_with_their_meaning() {
    let place = Place::new();
    let _node = place.start(&words("csp node -i bus:lab --addr 2/8"));
    let mut sniff = place.command(&words("csp sniff bus:lab -n 2 -j"));
    let sniff = sniff.spawn().unwrap();
    // It listens some time after its start: asked until it has heard enough.
    let (asked, heard) = std::thread::scope(|scope| {
        let heard = scope.spawn(|| crate::place::finish(sniff));
        let mut asked = 0;
        while !heard.is_finished() {
            place.run(&words("csp ident 2 -i bus:lab -t 20s")).status(0);
            asked += 1;
        }
        (asked, heard.join().unwrap().status(0))
    });
    assert!(asked > 0);
    let lines = heard.json();
    let packets: Vec<_> = lines.iter().filter(|line| line["type"] == "packet").collect();
    assert!(packets.iter().all(|packet| packet["crc"] == "ok"), "{packets:?}");
    let kinds: Vec<_> = packets
        .iter()
        .filter_map(|packet| packet["kind"].as_str())
        .collect();
    assert!(kinds.contains(&"ident reply"), "{kinds:?}");
}

/// Its reader does not read: the pipe fills, then its queue, and then frames are lost.
///
/// A node keeps the bus, and packets come from before the sniffer until all is sent, so that silence means
/// the end however slow the machine is.
#[cfg(unix)]
#[test]
fn a_strict_sniffer_fails_when_it_lost_frames() {
    // Each is a packet of one frame.
    const PACKETS: &str = "-I 0181A283 -e -L 8 -D 5716EFC04B4CC89E";
    let place = Place::new();
    let start = |line: &str| place.start(&words(&format!("{line} --deadline 100s")));
    let _host = start("csp node -i bus:lab --addr 2/8 -q");
    let heartbeat = start(&format!("can gen bus:lab {PACKETS} -g 20 -v"));
    let sniffers =
        ["--strict", "-q"].map(|more| start(&format!("csp sniff bus:lab?queue=16 -T 3s -j {more}")));
    let flood = format!("can gen bus:lab -g 0 -n 20000 {PACKETS}");
    place.run(&words(&flood)).status(0);
    heartbeat.signal("INT");
    heartbeat.end().status(0);
    let [strict, lenient] = sniffers;
    let strict = strict.end().status(5);
    let errors = strict.json_errors();
    assert!(errors[0]["dropped"].as_u64().unwrap() > 0, "{errors:?}");
    assert_eq!(errors[1]["error"]["code"], "data-lost");
    lenient.end().status(0);
}
