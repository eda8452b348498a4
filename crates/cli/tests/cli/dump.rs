//! `isotp dump`.

use crate::place::Place;

/// A request, an answer in several frames, tester present to all, and what does not belong.
const TALK: &str = "\
(10.000000) can0 7E0#0322F190CCCCCCCC
(10.001000) can0 7E8#101462F190545731
(10.001500) can0 7E0#300005
(10.006500) can0 7E8#2157524553314D58
(10.007000) can0 100#1122
(10.008000) can0 7DF#023E80
(10.011500) can0 7E8#2245435530303031
";

fn place() -> Place {
    let place = Place::new();
    place.write("talk.log", TALK);
    place
}

#[test]
fn frames_of_the_pair_are_lines_and_no_others() {
    let words = "isotp dump log:talk.log -s 7E0 -d 7E8 -t z -a -u";
    let ran = place().run(&words.split(' ').collect::<Vec<_>>()).status(0);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{lines:#?}");
    assert_eq!(
        lines[0],
        "(0.000000)  log:talk.log  7E0  [8]  [SF] ln: 3    data: 22 F1 90 CC CC CC CC  -  '\"......' - [SRQ] \
         ReadDataByIdentifier"
    );
    assert_eq!(
        lines[2],
        "(0.001500)  log:talk.log  7E0  [3]  [FC] FC: 0 = CTS # BS: 0 = off # STmin: 0x05 = 5 ms"
    );
    assert_eq!(ran.stderr, "5 frames, 0 bad, 0 dropped\n");
}

#[test]
fn json_has_what_a_frame_means() {
    let words = "isotp dump log:talk.log -s 7E0 -d 7E8 -b 7DF --json -u";
    let ran = place().run(&words.split(' ').collect::<Vec<_>>()).status(0);
    let lines = ran.json();
    assert_eq!(lines.len(), 6);
    let kinds: Vec<_> = lines.iter().map(|line| line["pci"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["sf", "ff", "fc", "cf", "sf", "cf"]);
    assert_eq!(lines[0]["uds"]["name"], "ReadDataByIdentifier");
    assert_eq!(
        (&lines[1]["len"], &lines[1]["data"]),
        (&20.into(), &"62f190545731".into())
    );
    assert_eq!(
        (&lines[2]["status"], &lines[2]["st_min_us"]),
        (&"cts".into(), &5000.into())
    );
    assert_eq!(
        (&lines[3]["sn"], &lines[3]["from"]),
        (&1.into(), &"destination".into())
    );
    assert_eq!(lines[4]["from"], "broadcast");
    assert_eq!(lines[5]["ts"], "1970-01-01T00:00:10.011500000Z");
    assert_eq!(ran.json_errors()[0]["messages"], 3);
}

#[test]
fn whole_messages_are_put_together_without_a_word_on_the_bus() {
    let words = "isotp dump log:talk.log -s 7E0 -d 7E8 -b 7DF --reassemble";
    let words: Vec<_> = words.split(' ').collect();
    let ran = place().run(&words).status(0);
    let expected = "\u{20}log:talk.log  7E0  [3]  22 F1 90  - '\"..'
 log:talk.log  7DF  [2]  3E 80  - '>.'
 log:talk.log  7E8  [20]  62 F1 90 54 57 31 57 52 45 53 31 4D 58 45 43 55 30 30 30 31  - \
                    'b..TW1WRES1MXECU0001'
";
    assert_eq!(ran.stdout, expected);
    assert_eq!(ran.stderr, "3 messages, 0 failed; 6 frames, 0 bad, 0 dropped\n");
    let lines = place()
        .run(&[&words[..], &["--json", "-n", "3"]].concat())
        .status(0)
        .json();
    assert_eq!(
        (&lines[2]["len"], &lines[2]["frames"], &lines[2]["duration_us"]),
        (&20.into(), &3.into(), &10_500.into())
    );
}

#[test]
fn what_is_not_whole_is_told_and_strict_makes_it_a_failure() {
    let place = Place::new();
    place.write(
        "torn.log",
        "(1.0) can0 7E0#1010010203040506\n(1.1) can0 7E0#2207080910111213\n(1.2) can0 7E0#40\n"
            .replace(".0)", ".000000)")
            .replace(".1)", ".100000)")
            .replace(".2)", ".200000)"),
    );
    let words = [
        "isotp",
        "dump",
        "log:torn.log",
        "-s",
        "7E0",
        "-d",
        "7E8",
        "--reassemble",
    ];
    let ran = place.run(&words).status(0);
    assert!(ran.stderr.contains("6 of 16 bytes: N_WRONG_SN"), "{}", ran.stderr);
    assert!(
        ran.stderr
            .ends_with("0 messages, 1 failed; 3 frames, 1 bad, 0 dropped\n"),
        "{}",
        ran.stderr
    );
    let ran = place.run(&[&words[..], &["--strict"]].concat()).status(4);
    assert!(
        ran.stderr.contains("1 frame out of place, 1 message not whole"),
        "{}",
        ran.stderr
    );
}

#[test]
fn half_a_pair_and_a_pair_of_one_are_refused() {
    let place = place();
    let ran = place
        .run(&["isotp", "dump", "log:talk.log", "-s", "7E0"])
        .status(2);
    assert!(ran.stderr.contains("-s and -d belong together"), "{}", ran.stderr);
    place
        .run(&["isotp", "dump", "log:talk.log", "-s", "7E0", "-d", "7E0"])
        .status(2);
    place
        .run(&["isotp", "dump", "log:talk.log", "-X", "11"])
        .status(2);
}
