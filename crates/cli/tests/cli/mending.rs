//! `fstrm verify`, `fstrm repair`.

use crate::place::Place;

/// A stream without content type: START, two frames, STOP.
const WHOLE: &[u8] = b"\0\0\0\0\0\0\0\x04\0\0\0\x02\0\0\0\x05hello\0\0\0\x02hi\0\0\0\0\0\0\0\x04\0\0\0\x03";

fn place() -> Place {
    let place = Place::new();
    place.write("whole.fstrm", WHOLE);
    place.write("cut.fstrm", &WHOLE[..24]);
    place.write("open.fstrm", &WHOLE[..27]);
    place.write("zeros.fstrm", [&WHOLE[..21], &[0; 50]].concat());
    place.write("junk.fstrm", [WHOLE, b"junk"].concat());
    place.write("start.fstrm", &WHOLE[..7]);
    place.write("text.fstrm", b"some text\n");
    place
}

fn read(place: &Place, name: &str) -> Vec<u8> {
    std::fs::read(place.path().join(name)).unwrap()
}

#[test]
fn verify_tells_clean_truncated_and_malformed_apart() {
    let place = place();
    for (file, status, said) in [
        ("whole.fstrm", 0, "whole.fstrm: clean, 2 frames, 7 bytes\n"),
        (
            "cut.fstrm",
            1,
            "cut.fstrm: truncated, 1 frame, 5 bytes, sound up to byte 21\n",
        ),
        (
            "open.fstrm",
            0,
            "open.fstrm: without STOP, 2 frames, 7 bytes, sound up to byte 27\n",
        ),
        (
            "zeros.fstrm",
            4,
            "zeros.fstrm: malformed, 1 frame, 5 bytes, sound up to byte 21\n",
        ),
        (
            "junk.fstrm",
            4,
            "junk.fstrm: malformed, 2 frames, 7 bytes, sound up to byte 39\n",
        ),
        (
            "start.fstrm",
            1,
            "start.fstrm: truncated, 0 frames, 0 bytes, sound up to byte 0\n",
        ),
        (
            "text.fstrm",
            4,
            "text.fstrm: malformed, 0 frames, 0 bytes, sound up to byte 0\n",
        ),
    ] {
        let ran = place.run(&["fstrm", "verify", file]).status(status);
        assert_eq!(ran.stdout, said);
    }
    place.run(&["fstrm", "verify", "nothing.fstrm"]).status(3);
}

#[test]
fn an_end_without_stop_is_a_remark_and_with_strict_an_error() {
    let place = place();
    let ran = place.run(&["fstrm", "verify", "open.fstrm"]).status(0);
    assert_eq!(
        ran.stderr,
        "open.fstrm: ends without STOP at byte 27; fstrm repair writes it\n\
         1 file: 0 clean, 1 without STOP, 0 truncated, 0 malformed, 0 unreadable; 2 frames\n"
    );
    for verb in ["cat", "info", "dump"] {
        place.run(&["fstrm", verb, "open.fstrm"]).status(0);
    }
    let words = ["fstrm", "verify", "--strict", "open.fstrm"];
    let ran = place.run(&words).status(1);
    assert!(
        ran.stderr.contains("hint: fstrm repair writes it"),
        "{}",
        ran.stderr
    );
    place
        .run(&["fstrm", "verify", "--strict", "whole.fstrm"])
        .status(0);
    let json = place.run(&["fstrm", "verify", "--json", "open.fstrm", "cut.fstrm"]);
    let json = json.status(1).json();
    assert_eq!(
        (&json[0]["end"], &json[0]["is_clean"]),
        (&"eof".into(), &false.into())
    );
}

#[test]
fn verify_says_what_would_help() {
    let place = place();
    let said = place.run(&["fstrm", "verify", "cut.fstrm"]).stderr;
    assert!(
        said.contains("hint: fstrm repair keeps 1 frame and writes STOP"),
        "{said}"
    );
    let said = place.run(&["fstrm", "verify", "zeros.fstrm"]).stderr;
    assert!(
        said.contains("hint: fstrm repair --cut-fault keeps 1 frame, up to byte 21"),
        "{said}"
    );
}

#[test]
fn nobody_is_told_to_cut_off_a_frame_that_is_only_long() {
    let place = place();
    place.write("long.fstrm", WHOLE);
    for verb in ["verify", "repair"] {
        let ran = place.run(&["fstrm", verb, "--max-frame", "4", "long.fstrm"]);
        let said = ran.status(4).stderr;
        assert!(
            said.contains("hint: --max-frame") && !said.contains("--cut-fault"),
            "{said}"
        );
    }
    assert_eq!(read(&place, "long.fstrm"), WHOLE);
}

#[test]
fn the_worst_of_several_files_decides() {
    let ran = place()
        .run(&["fstrm", "verify", "-j", "text.fstrm", "cut.fstrm", "whole.fstrm"])
        .status(4);
    let lines = ran.json();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        (&lines[0]["end"], &lines[0]["offset"]),
        (&"malformed".into(), &0.into())
    );
    assert_eq!(
        (&lines[1]["offset"], &lines[1]["missing"]),
        (&21.into(), &1.into())
    );
    assert_eq!((&lines[2]["is_clean"], &lines[2]["v"]), (&true.into(), &1.into()));
    let summary: serde_json::Value = ran
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .find(|line: &serde_json::Value| line["type"] == "summary")
        .unwrap();
    assert_eq!((&summary["clean"], &summary["malformed"]), (&1.into(), &1.into()));
}

#[test]
fn repair_makes_a_cut_file_clean() {
    let place = place();
    let ran = place
        .run(&["fstrm", "repair", "--keep-tail", "tail", "cut.fstrm"])
        .status(0);
    assert_eq!(ran.stdout, "cut.fstrm: 1 frame kept, 3 bytes cut, STOP written\n");
    assert_eq!(read(&place, "tail"), &WHOLE[21..24]);
    assert_eq!(read(&place, "cut.fstrm"), [&WHOLE[..21], &WHOLE[27..]].concat());
    place.run(&["fstrm", "verify", "cut.fstrm"]).status(0);
    let ran = place
        .run(&["fstrm", "repair", "-j", "cut.fstrm", "open.fstrm"])
        .status(0);
    assert_eq!(ran.json()[0]["is_changed"], false);
    assert_eq!(read(&place, "open.fstrm"), WHOLE);
}

#[test]
fn repair_cuts_a_fault_only_when_told() {
    let place = place();
    let ran = place.run(&["fstrm", "repair", "zeros.fstrm"]).status(4);
    assert!(ran.stderr.contains("--cut-fault"), "{}", ran.stderr);
    assert_eq!(read(&place, "zeros.fstrm").len(), 71);
    place
        .run(&["fstrm", "repair", "--cut-fault", "zeros.fstrm", "junk.fstrm"])
        .status(0);
    place
        .run(&["fstrm", "verify", "zeros.fstrm", "junk.fstrm"])
        .status(0);
    place.run(&["fstrm", "repair", "start.fstrm"]).status(1);
    assert_eq!(read(&place, "start.fstrm"), &WHOLE[..7]);
}

#[test]
fn a_repaired_copy_leaves_the_file_alone_and_overwrites_nothing() {
    let place = place();
    place
        .run(&["fstrm", "repair", "cut.fstrm", "-w", "out.fstrm"])
        .status(0);
    assert_eq!(read(&place, "cut.fstrm"), &WHOLE[..24]);
    place.run(&["fstrm", "verify", "out.fstrm"]).status(0);
    let ran = place
        .run(&["fstrm", "repair", "cut.fstrm", "-w", "whole.fstrm"])
        .status(3);
    assert!(ran.stderr.contains("whole.fstrm"), "{}", ran.stderr);
    assert_eq!(read(&place, "whole.fstrm"), WHOLE);
    place
        .run(&["fstrm", "repair", "text.fstrm", "-w", "none.fstrm"])
        .status(4);
    assert!(!place.path().join("none.fstrm").exists());
    place
        .run(&["fstrm", "repair", "cut.fstrm", "open.fstrm", "-w", "o"])
        .status(2);
}
