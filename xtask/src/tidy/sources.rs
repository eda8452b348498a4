//! Source files: how long, how wide, and what a module may not be called.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::tally::LEFT_TO_XTASK;
use crate::workspace::Workspace;
use crate::{test, vcan};

/// Lines of a file, tests included, at which it has to be split.
const HARD_LIMIT: usize = 600;
/// Lines without tests that a file should stay below; longer ones are listed.
const AIM: usize = 300;
/// Characters in a line. A line with an address in it may be longer.
const WIDTH: usize = 110;
/// Names that say nothing about what is in there, and so invite everything.
const EMPTY_NAMES: [&str; 7] = ["util", "utils", "common", "helper", "helpers", "types", "misc"];
/// Terms of the field that are two words; any other module is named with one.
const TERMS: [&str; 6] = [
    "content_type",
    "data_link",
    "error_frame",
    "flow_control",
    "local_bus",
    "virtual_bus",
];

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut files = Vec::new();
    collect(&workspace.root, &mut files)?;
    files.sort();
    let mut complaints = Vec::new();
    for path in &files {
        let text = fs::read_to_string(path).map_err(|error| Failure::at(path, &error))?;
        let name = workspace.relative(path);
        complaints.extend(complain(name, &text));
        let (lines, is_test) = (without_tests(&text), is_test(name));
        if lines > AIM && !is_test && text.lines().count() <= HARD_LIMIT {
            println!(
                "note: {}: {lines} lines without tests, aim at {AIM}",
                name.display()
            );
        }
    }
    println!("sources: {} files", files.len());
    Ok(complaints)
}

/// All Rust files, but those that are built or hidden.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result {
    for entry in fs::read_dir(directory).map_err(|error| Failure::at(directory, &error))? {
        let path = entry.map_err(|error| Failure::at(directory, &error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn complain(name: &Path, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let shown = name.display();
    let count = text.lines().count();
    if count > HARD_LIMIT {
        complaints.push(format!(
            "{shown}: {count} lines; split it, {HARD_LIMIT} is the limit"
        ));
    }
    for (number, line) in (1..).zip(text.lines()) {
        let width = line.chars().count();
        if width > WIDTH && !line.contains("://") {
            complaints.push(format!(
                "{shown}:{number}: {width} characters wide, {WIDTH} is the limit"
            ));
        }
    }
    for (number, line) in (1..)
        .zip(text.lines())
        .filter(|(_, line)| line.trim_start().starts_with("#[ignore"))
    {
        if !(line.contains(LEFT_TO_XTASK) && is_run_by_xtask(name)) {
            complaints.push(format!(
                "{shown}:{number}: nothing runs it, or its reason does not name what does"
            ));
        }
    }
    if is_module(name) && name.ends_with("mod.rs") {
        complaints.push(format!(
            "{shown}: lay it beside its folder, under the folder's name"
        ));
    }
    let parts = name.with_extension("");
    for part in parts.components().map(|part| part.as_os_str().to_string_lossy()) {
        if EMPTY_NAMES.contains(&&*part) {
            complaints.push(format!(
                "{shown}: {part} is no name for a module; say what is in there"
            ));
        }
        if is_module(name) && part.contains('_') && !TERMS.contains(&&*part) {
            complaints.push(format!(
                "{shown}: {part} is two words; one, or a term of the field"
            ));
        }
    }
    complaints
}

/// Lines above the file's own tests.
fn without_tests(text: &str) -> usize {
    text.lines().take_while(|line| *line != "#[cfg(test)]").count()
}

/// Whether the kernel run or the peer run takes the ignored tests of a file.
fn is_run_by_xtask(name: &Path) -> bool {
    let mut parts = name.components().map(|part| part.as_os_str().to_string_lossy());
    let target = parts.by_ref().skip_while(|part| part != "tests").nth(1);
    let is_run = |target: &str| {
        [vcan::PREFIX, test::PEER_PREFIX]
            .iter()
            .any(|prefix| target.starts_with(prefix))
    };
    target.is_some_and(|target| is_run(&target))
}

/// Tests, examples and benchmarks are stories and may have a title.
fn is_module(name: &Path) -> bool {
    name.components().any(|part| part.as_os_str() == "src")
}

fn is_test(name: &Path) -> bool {
    name.components().any(|part| part.as_os_str() == "tests") || name.ends_with("tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_at_the_limit_passes_and_one_line_more_does_not() {
        let name = Path::new("crates/isotp/src/rx.rs");
        assert!(complain(name, &"x\n".repeat(HARD_LIMIT)).is_empty());
        assert_eq!(complain(name, &"x\n".repeat(HARD_LIMIT + 1)).len(), 1);
    }

    #[test]
    fn a_wide_line_is_found_unless_it_holds_an_address() {
        let name = Path::new("crates/isotp/src/rx.rs");
        let wide = "x".repeat(WIDTH + 1);
        assert_eq!(complain(name, &format!("a\n{wide}\n")).len(), 1);
        assert!(complain(name, &format!("// https://example.org/{wide}\n")).is_empty());
        assert!(
            complain(name, &"ä".repeat(WIDTH)).is_empty(),
            "characters count, not bytes"
        );
    }

    #[test]
    fn a_module_has_to_say_what_is_in_it() {
        assert_eq!(complain(Path::new("crates/isotp/src/util.rs"), "").len(), 1);
        assert_eq!(complain(Path::new("crates/isotp/src/common.rs"), "").len(), 1);
        assert!(complain(Path::new("crates/isotp/src/commonality.rs"), "").is_empty());
    }

    #[test]
    fn a_module_lies_beside_its_folder() {
        assert_eq!(complain(Path::new("crates/isotp/src/rx/mod.rs"), "").len(), 1);
        assert!(complain(Path::new("crates/isotp/src/rx.rs"), "").is_empty());
        // the only way to share code between integration tests
        assert!(complain(Path::new("crates/isotp/tests/peer/mod.rs"), "").is_empty());
    }

    #[test]
    fn a_module_is_one_word_or_a_term_of_the_field() {
        assert!(complain(Path::new("crates/can-link/src/virtual_bus/port.rs"), "").is_empty());
        assert_eq!(
            complain(Path::new("crates/can-link/src/frame_stuff.rs"), "").len(),
            1
        );
        assert!(complain(Path::new("crates/can-link/tests/bad_input.rs"), "").is_empty());
    }

    #[test]
    fn an_ignored_test_that_nothing_runs_is_found() {
        let kernel = "#[ignore = \"needs vcan: cargo xtask vcan\"]\n";
        assert!(complain(Path::new("crates/isotp/tests/vcan_loss.rs"), kernel).is_empty());
        assert!(complain(Path::new("crates/isotp/tests/vcan_loss/half.rs"), kernel).is_empty());
        assert_eq!(complain(Path::new("crates/isotp/tests/loss.rs"), kernel).len(), 1);
        assert_eq!(
            complain(Path::new("crates/isotp/tests/peer_fstrm.rs"), "#[ignore]\n").len(),
            1
        );
        assert_eq!(
            complain(
                Path::new("crates/isotp/tests/loss.rs"),
                "#[ignore = \"an hour\"]\n"
            )
            .len(),
            1
        );
    }

    #[test]
    fn tests_do_not_count_towards_the_aim() {
        assert_eq!(without_tests("a\nb\n#[cfg(test)]\nmod tests {}\n"), 2);
        assert!(is_test(Path::new("crates/isotp/tests/loss.rs")));
        assert!(is_test(Path::new("crates/isotp/src/rx/tests.rs")));
    }
}
