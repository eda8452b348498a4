use std::path::Path;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyEvent;
use tinwire_sim::resolver::Resolver;

use super::*;
use crate::cmd::dnstap::top::figures::{Queue, Stream};
use crate::cmd::dnstap::top::meter::{Clock, Meter};

/// Figures of a thousand messages that are made up.
fn figures() -> Figures {
    let mut meter = Meter::new("unix:/run/dnstap.sock".into(), Clock::Messages, None, 10);
    for payload in Resolver::seeded(7).take(1000) {
        meter.handle_frame(None, &payload);
    }
    let stream = |number: u64, is_open| Stream {
        name: format!("unix #{number}"),
        is_open,
        frames: 500,
        bytes: 50_000,
        frames_per_second: 250.0,
        bytes_per_second: 25_000.0,
        dropped: number,
    };
    Figures {
        streams: vec![stream(0, true), stream(1, false)],
        queue: Some(Queue { bytes: 1, limit: 8 }),
        ..meter.figures(Duration::ZERO, None, None)
    }
}

fn drawn(view: &View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view.draw(frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let rows = buffer.content().chunks(usize::from(width));
    let rows = rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
    rows.map(|row| row.trim_end().to_owned() + "\n").collect()
}

/// Compares with a picture that is kept beside this file.
fn assert_drawn(view: &View, width: u16, height: u16, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cmd/dnstap/top/screen/pictures");
    let kept = std::fs::read_to_string(path.join(name)).unwrap_or_default();
    let drawn = drawn(view, width, height);
    assert!(drawn == kept, "{name} is now\n{drawn}");
}

fn with_figures() -> View {
    let mut view = View::default();
    view.take(figures());
    view
}

#[test]
fn a_picture_fits_terminals_of_several_sizes() {
    let view = with_figures();
    assert_drawn(&view, 80, 24, "80x24.txt");
    assert_drawn(&view, 132, 48, "132x48.txt");
    assert_drawn(&view, 60, 40, "60x40.txt");
}

#[test]
fn the_smallest_terminals_still_show_what_was_dropped() {
    let view = with_figures();
    for (width, height) in [(40, 12), (20, 3), (80, 2)] {
        assert!(
            drawn(&view, width, height).contains("dropped 0"),
            "{width}x{height}"
        );
    }
    // No size is too small to draw.
    for (width, height) in [(1, 1), (0, 0), (3, 40), (300, 1)] {
        let _ = drawn(&view, width.max(1), height.max(1));
    }
}

#[test]
fn a_held_picture_stays_but_for_what_was_dropped() {
    let mut view = with_figures();
    view.press(Key::Freeze);
    let before = drawn(&view, 80, 24);
    assert!(before.contains("FROZEN"));
    let mut later = figures();
    later.dropped = 3;
    later.seconds = 99.0;
    view.take(later);
    assert_eq!(drawn(&view, 80, 24), before.replace("dropped 0 ", "dropped 3 "));
    view.press(Key::Freeze);
    assert!(!drawn(&view, 80, 24).contains("FROZEN"));
}

#[test]
fn names_are_sorted_and_the_keys_explained() {
    let mut view = with_figures();
    let by_count = drawn(&view, 132, 48);
    view.press(Key::Sort);
    let by_name = drawn(&view, 132, 48);
    assert!(by_name.contains("(by name)") && by_name != by_count);
    view.press(Key::Help);
    let help = drawn(&view, 80, 24);
    assert!(help.contains("hold the picture") && help.contains("dropped 0"));
    view.remark("#3: no START in time".into());
    assert!(drawn(&view, 100, 24).contains("no START in time"));
}

#[test]
fn keys_mean_what_the_foot_says() {
    let key = |code, modifiers| meaning(&Event::Key(KeyEvent::new(code, modifiers)));
    let plain = |letter| key(KeyCode::Char(letter), KeyModifiers::NONE);
    assert_eq!(
        ['q', ' ', 's', '?', 'x'].map(plain),
        [
            Some(Key::Quit),
            Some(Key::Freeze),
            Some(Key::Sort),
            Some(Key::Help),
            None
        ]
    );
    assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Key::Quit));
    assert_eq!(plain('c'), None);
    assert_eq!(meaning(&Event::Resize(80, 24)), Some(Key::Redraw));
}

/// The screen and a panic, on a terminal of their own.
#[cfg(target_os = "linux")]
mod panicking {
    use std::fs::File;
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    use nix::pty::{Winsize, openpty};
    use nix::sys::termios::tcgetattr;

    use super::super::Screen;
    use crate::stop::{Hangup, Stop};

    const WORDS: &str = "something went wrong";
    /// Tells one test that it is the other one's child.
    const ON_ITS_OWN: &str = "ON_A_TERMINAL_OF_ITS_OWN";

    #[test]
    #[should_panic(expected = "something went wrong")]
    fn half_of_the_next_test() {
        // Nobody's terminal is taken over who runs all tests.
        assert!(std::env::var_os(ON_ITS_OWN).is_some(), "{WORDS}");
        // As in the command, whose runtime outlives the panic of a task.
        let runtime = Box::leak(Box::new(tokio::runtime::Runtime::new().unwrap()));
        let _here = runtime.enter();
        let stop = Stop::listen(None, Hangup::Leave);
        // Nobody drops it: the hook alone gives the terminal back.
        core::mem::forget(Screen::open(&stop).unwrap());
        panic!("{WORDS}");
    }

    #[test]
    fn a_panic_gives_the_terminal_back_before_it_is_told() {
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(Some(&size), None).unwrap();
        let line = File::from(pty.slave);
        let before = tcgetattr(&line).unwrap();
        let end = || Stdio::from(line.try_clone().unwrap());
        let here = module_path!().split_once("::").unwrap().1;
        let half = format!("{here}::half_of_the_next_test");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &half, "--nocapture"])
            .env(ON_ITS_OWN, "yes")
            .env("TERM", "xterm")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let mut user = File::from(pty.master);
        let mut seen = String::new();
        let mut piece = [0; 4096];
        while !seen.contains("test result: ") {
            let len = user.read(&mut piece).unwrap();
            seen.push_str(&String::from_utf8_lossy(&piece[..len]));
        }
        child.wait().unwrap();
        let order = ["\x1b[?1049h", "\x1b[?1049l", WORDS].map(|what| seen.find(what));
        assert!(order.is_sorted() && order[0].is_some(), "{order:?} in {seen:?}");
        let after = tcgetattr(&line).unwrap();
        assert_eq!(after.local_flags, before.local_flags);
        assert_eq!(after.output_flags, before.output_flags);
    }
}
