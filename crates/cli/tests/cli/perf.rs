//! `isotp perf`.

use crate::place::Place;

/// Two messages of 20 bytes, STmin 5 ms: the second one hurries.
const LOG: &str = "\
(10.000000) can0 7E0#1014010203040506
(10.001000) can0 7E8#300005
(10.002000) can0 7E0#210708090A0B0C0D
(10.007500) can0 7E0#220E0F1011121314
(10.010000) can0 7E0#1014010203040506
(10.011000) can0 7E8#300005
(10.012000) can0 7E0#210708090A0B0C0D
(10.015000) can0 7E0#220E0F1011121314
";

fn place() -> Place {
    let place = Place::new();
    place.write("flash.log", LOG);
    place
}

#[test]
fn a_gap_shorter_than_asked_for_is_found_and_is_status_1() {
    let words = ["isotp", "perf", "log:flash.log", "-s", "7E0", "-d", "7E8"];
    let ran = place().run(&words).status(1);
    assert!(
        ran.stderr.contains("1 gap shorter than the separation time"),
        "{}",
        ran.stderr
    );
    for expected in [
        "20 bytes in 4 frames, 7.500 ms, 2666 B/s; BS 0, STmin 05",
        "7E0 -> 7E8: 2 messages, 40 bytes, 0 broke off, 0 frames dropped",
        "gaps        2 with STmin 5.000 ms: 1 shorter (by up to 2.000 ms)",
        "min 3.000 ms",
    ] {
        assert!(ran.stdout.contains(expected), "{expected}: {}", ran.stdout);
    }
}

#[test]
fn throughput_is_compared_with_what_the_bit_rate_allows() {
    let words = "isotp perf log:flash.log -s 7E0 -d 7E8 -n 1 --bitrate 500k --json";
    let ran = place().run(&words.split(' ').collect::<Vec<_>>()).status(0);
    let lines = ran.json();
    assert_eq!(
        (&lines[0]["type"], &lines[0]["len"]),
        (&"transfer".into(), &20.into())
    );
    let report = &lines[1];
    let number = |name: &str| report[name].as_u64().unwrap();
    assert_eq!((number("messages"), number("bitrate")), (1, 500_000));
    // Four frames of 74 to 130 bits take about 0.9 ms.
    assert!((20_000..26_000).contains(&number("max_bytes_per_s")), "{report}");
    // One gap of 5 ms has to be kept.
    assert!(
        (3_200..3_500).contains(&number("allowed_bytes_per_s")),
        "{report}"
    );
    assert!(number("bytes_per_s") < number("allowed_bytes_per_s"));
    let gap = &report["gaps"][0];
    assert_eq!((&gap["st_min_us"], &gap["shorter"]), (&5_000.into(), &0.into()));
    // The frame's own time is not part of the gap.
    assert!(gap["min_us"].as_u64().unwrap() < 5_300, "{gap}");
}

#[test]
fn both_ends_and_who_watches_share_a_bus() {
    let words = "isotp perf virtual:bench --role both -n 3 -D 300 -b 4 -m F5 --json \
                 --timer N_Bs=30s --timer N_Cr=30s";
    let ran = Place::new().run(&words.split(' ').collect::<Vec<_>>());
    let lines = ran.json();
    let report = lines.last().unwrap();
    assert_eq!(
        (&report["type"], &report["messages"]),
        (&"report".into(), &3.into()),
        "{ran:#?}"
    );
    assert_eq!((&report["bytes"], &report["broken"]), (&900.into(), &0.into()));
    let gap = &report["gaps"][0];
    assert_eq!(
        (&gap["st_min_us"], &gap["shorter"]),
        (&500.into(), &0.into()),
        "{report}"
    );
    // 42 frames in blocks of 4.
    assert_eq!(gap["count"], 3 * (42 - 11));
    assert_eq!(ran.status, Some(0));
}

#[test]
fn who_is_not_answered_is_told() {
    let words = "isotp perf virtual:bench --role send -n 2 -D 20 --timer N_Bs=20ms";
    let ran = Place::new().run(&words.split(' ').collect::<Vec<_>>()).status(1);
    assert!(
        ran.stderr
            .contains("2 x sending failed after 6 of 20 bytes: N_TIMEOUT_Bs"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("no message was seen"), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let place = place();
    place.run(&["isotp", "perf", "sim:", "--role", "both"]).status(2);
    place
        .run(&["isotp", "perf", "log:flash.log", "--role", "send"])
        .status(2);
    place
        .run(&["isotp", "perf", "virtual:x", "--bitrate", "fast"])
        .status(2);
    place
        .run(&["isotp", "perf", "virtual:x", "--for", "10ms"])
        .status(1);
}

#[cfg(unix)]
#[test]
fn under_isotpperfs_name_it_prints_isotpperfs_lines() {
    let place = place();
    let ran = crate::place::finish(
        place
            .tool("isotpperf", &["-s", "7E0", "-d", "7E8", "log:flash.log"])
            .spawn()
            .unwrap(),
    )
    .status(0);
    let dots = |full: usize| format!("{}{}", "X".repeat(full), ".".repeat(50 - full));
    let message = |took: &str, rate: u32| {
        format!(
            "\r  30% |{0}|  6/20 \r  30% |{0}|  6/20 \r  65% |{1}| 13/20 \r 100% |{2}| 20/20 \
             \rCAN2.0 08  (BS: 0 # STmin:  5 msec) : 20 byte in {took}s => {rate} byte/s\n",
            dots(15),
            dots(32),
            dots(50)
        )
    };
    assert_eq!(ran.stdout, message("0.007500", 2857) + &message("0.005000", 4000));
    assert_eq!(ran.stderr, "");
}
