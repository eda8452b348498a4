//! Lines for people against those of log2long (can-utils 2020.11), which shares them with candump.

use can_link::candump::{Log, LogItem, Reading, ScreenLine, ScreenText};

const LOG: &str = include_str!("vectors/can-link/candump.log");
const LOG2LONG: &str = include_str!("golden/log2long-2020.11.txt");

#[test]
fn a_log_reads_as_log2long_prints_it() {
    let mut text = ScreenText::new().ascii().indented();
    let mut lines = Log::new(LOG, Reading::Strict);
    let mut checked = 0;
    for expected in LOG2LONG.lines() {
        let Some(LogItem::Line(line)) = lines.next() else {
            panic!("the log ends before {expected}");
        };
        // Error reports always have eight bytes here; that of an old driver had four.
        if expected.contains("[4]") && expected.ends_with("ERRORFRAME") {
            continue;
        }
        let time = line.time.to_string();
        let printed = text.line(ScreenLine {
            time: &time,
            interface: line.interface,
            message: &line.message,
            direction: None,
        });
        // log2long starts at the margin, candump one blank to the right of it
        assert_eq!(printed.to_string(), format!(" {expected}"));
        checked += 1;
    }
    assert_eq!(checked, 44, "log2long stops at the first CAN XL frame");
}
