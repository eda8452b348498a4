//! `fstrm dump`, and the command as `fstrm_dump`.

use crate::place::Place;

const START: &[u8] = b"\0\0\0\0\0\0\0\x0d\0\0\0\x02\0\0\0\x01\0\0\0\x01t";
const FRAMES: &[u8] = b"\0\0\0\x05a\"\\\n\xff\0\0\0\x02hi";
const STOP: &[u8] = b"\0\0\0\0\0\0\0\x04\0\0\0\x03";

const AROUND: &str = "\
FSTRM_CONTROL_START.
FSTRM_CONTROL_FIELD_CONTENT_TYPE (1 bytes).
 \"t\"
Data frame (5) bytes.
Data frame (2) bytes.
";

fn with_files() -> Place {
    let place = Place::new();
    place.write("whole", [START, FRAMES, STOP].concat());
    place.write("open", [START, FRAMES].concat());
    place.write("cut", [START, FRAMES, b"\0\0\0\x05wo"].concat());
    place.write("bad", [START, FRAMES, b"\0\0\0\0\0\0\0\x01\x01"].concat());
    place.write("none", b"");
    place
}

#[test]
fn payloads_go_out_and_what_is_around_them_beside() {
    let ran = with_files().run(&["fstrm", "dump", "whole"]).status(0);
    assert_eq!(ran.stdout, " \"a\\\"\\\\\\x0a\\xff\"\n \"hi\"\n");
    let end = "FSTRM_CONTROL_STOP.\n2 frames, 7 bytes, 0 dropped\n";
    assert_eq!(ran.stderr, format!("{AROUND}{end}"));
}

#[test]
fn quiet_leaves_payloads_and_counts() {
    let ran = with_files().run(&["fstrm", "dump", "-q", "whole"]).status(0);
    assert_eq!(ran.stdout.lines().count(), 2);
    assert_eq!(ran.stderr, "2 frames, 7 bytes, 0 dropped\n");
}

#[test]
fn json_is_one_object_per_data_frame() {
    let place = with_files();
    let lines = place.run(&["fstrm", "dump", "--json", "whole"]).status(0).json();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["data"], &lines[1]["offset"]),
        (&"61225c0aff".into(), &30.into())
    );
    place.run(&["fstrm", "dump", "--json", "whole", "copy"]).status(2);
}

#[test]
fn a_copy_is_sound_however_the_input_ends() {
    for (name, status) in [("whole", 0), ("open", 0), ("cut", 1), ("bad", 4)] {
        let place = with_files();
        place.run(&["fstrm", "dump", name, "copy"]).status(status);
        let copy = std::fs::read(place.path().join("copy")).unwrap();
        assert_eq!(copy, [START, FRAMES, STOP].concat(), "{name}");
    }
}

#[test]
fn streams_one_behind_the_other_are_shown_and_copied() {
    let place = with_files();
    let plain = b"\0\0\0\0\0\0\0\x04\0\0\0\x02\0\0\0\x02yo";
    let two = [START, FRAMES, STOP, plain, STOP].concat();
    place.write("two", &two);
    let ran = place.run(&["fstrm", "dump", "two", "copy"]).status(0);
    assert_eq!(ran.stdout, " \"a\\\"\\\\\\x0a\\xff\"\n \"hi\"\n \"yo\"\n");
    let stop = "FSTRM_CONTROL_STOP.\n";
    let second = format!("FSTRM_CONTROL_START.\nData frame (2) bytes.\n{stop}");
    let end = "3 frames, 9 bytes, 0 dropped\n";
    assert_eq!(ran.stderr, format!("{AROUND}{stop}{second}{end}"));
    assert_eq!(std::fs::read(place.path().join("copy")).unwrap(), two);
    let lines = place.run(&["fstrm", "dump", "--json", "two"]).status(0).json();
    assert_eq!(lines.len(), 3);
    place.write("junk", [START, FRAMES, STOP, b"?"].concat());
    let ran = place.run(&["fstrm", "dump", "-q", "junk"]).status(0);
    assert_eq!(ran.stdout.lines().count(), 2);
    let ran = place.run(&["fstrm", "dump", "junk"]).status(0);
    assert!(
        ran.stderr.contains("junk: 1 byte behind STOP is no stream"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_copy_replaces_nothing_unless_told_and_never_its_input() {
    let place = with_files();
    let ran = place.run(&["fstrm", "dump", "whole", "none"]).status(3);
    assert!(ran.stderr.contains("--force"), "{}", ran.stderr);
    place
        .run(&["fstrm", "dump", "--force", "whole", "none"])
        .status(0);
    place
        .run(&["fstrm", "dump", "--force", "whole", "whole"])
        .status(2);
    let whole = std::fs::read(place.path().join("whole")).unwrap();
    assert_eq!(whole, [START, FRAMES, STOP].concat());
    assert_eq!(std::fs::read(place.path().join("none")).unwrap(), whole);
}

#[cfg(unix)]
fn as_the_tool(place: &Place, words: &[&str]) -> (Option<i32>, String, String) {
    let output = place.tool("fstrm_dump", words).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[cfg(unix)]
#[test]
fn the_tool_tells_every_end_as_stop_and_leaves_backslashes_alone() {
    let place = with_files();
    for name in ["whole", "open", "cut"] {
        let (status, stdout, stderr) = as_the_tool(&place, &[name, "copy"]);
        assert_eq!(
            (status, stdout.as_str()),
            (Some(0), " \"a\\\"\\\\x0a\\xff\"\n \"hi\"\n")
        );
        assert_eq!(stderr, format!("{AROUND}FSTRM_CONTROL_STOP.\n"), "{name}");
        let copy = std::fs::read(place.path().join("copy")).unwrap();
        assert_eq!(copy, [START, FRAMES, STOP].concat(), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn the_tool_ends_at_the_first_stop() {
    let place = with_files();
    let whole = [START, FRAMES, STOP].concat();
    place.write("two", [whole.as_slice(), &whole].concat());
    let (status, stdout, stderr) = as_the_tool(&place, &["two", "copy"]);
    assert_eq!((status, stdout.lines().count()), (Some(0), 2));
    assert_eq!(stderr, format!("{AROUND}FSTRM_CONTROL_STOP.\n"));
    assert_eq!(std::fs::read(place.path().join("copy")).unwrap(), whole);
}

#[cfg(unix)]
#[test]
fn the_tool_exits_1_in_its_own_words() {
    let place = with_files();
    let opening = "Error: fstrm_reader_open() failed.\n";
    for name in ["none", "missing", "--help", "."] {
        assert_eq!(
            as_the_tool(&place, &[name]),
            (Some(1), String::new(), opening.into()),
            "{name}"
        );
    }
    let (status, _, stderr) = as_the_tool(&place, &["bad"]);
    assert_eq!(
        (status, stderr),
        (Some(1), format!("{AROUND}Error: fstrm_reader_read() failed.\n"))
    );
    let (status, _, stderr) = as_the_tool(&place, &["whole", "no/such/folder"]);
    assert!(
        status == Some(1) && stderr.ends_with("Error: fstrm_writer_open() failed.\n"),
        "{stderr}"
    );
    let (status, _, stderr) = as_the_tool(&place, &[]);
    assert!(
        status == Some(1) && stderr.starts_with("Usage: fstrm_dump <INPUT FILE>"),
        "{stderr}"
    );
}
