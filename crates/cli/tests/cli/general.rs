//! Verbs about the command itself, and what holds for all verbs.

use std::process::Stdio;

use crate::place::Place;

#[test]
fn version_tells_what_was_built() {
    let ran = Place::new().run(&["version"]).status(0);
    assert!(
        ran.stdout
            .starts_with(concat!("tinwire ", env!("CARGO_PKG_VERSION"), " ("))
    );
    let json = Place::new().run(&["version", "--json"]).status(0).json();
    assert_eq!(json[0]["version"], env!("CARGO_PKG_VERSION"));
    assert!(
        json[0]["links"]
            .as_array()
            .unwrap()
            .iter()
            .any(|link| link == "sim")
    );
}

#[test]
fn completions_are_scripts_for_each_shell() {
    for (shell, needle) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef"),
        ("fish", "complete -c tinwire"),
    ] {
        let ran = Place::new().run(&["completions", shell]).status(0);
        assert!(ran.stdout.contains(needle), "{shell}");
    }
}

#[test]
fn doctor_has_a_fix_for_every_gap() {
    let findings = Place::new().run(&["doctor", "--json"]).status(0).json();
    assert!(findings.len() >= 4);
    for finding in findings {
        if finding["state"] == "gap" {
            assert!(finding["fix"].is_string(), "{finding}");
        }
    }
}

#[test]
fn settings_tell_where_they_come_from() {
    let place = Place::new();
    place.write("tinwire.toml", "link = \"bus:lab\"\n[csp.hosts]\neps = 2\n");
    place.write(
        "config/tinwire/config.toml",
        "link = \"can0\"\nformat = \"text\"\n",
    );
    let ran = place.run(&["config", "show", "--origin"]).status(0);
    assert!(
        ran.stdout.contains("link = \"bus:lab\"  # tinwire.toml"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("config.toml"), "{}", ran.stdout);
    assert!(ran.stdout.contains("csp.hosts.eps = 2"), "{}", ran.stdout);

    let mut command = place.command(&["config", "show", "--json"]);
    let output = command.env("TINWIRE_LINK", "bus:other").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["value"], "bus:other");
    assert_eq!(first["origin"], "TINWIRE_LINK");
}

#[test]
fn a_configuration_nobody_understands_is_a_usage_error() {
    let place = Place::new();
    place.write("tinwire.toml", "lnk = \"can0\"\n");
    let fault = "tinwire.toml, line 1: unknown field `lnk`";
    let ran = place.run(&["can", "dump", "sim:", "-n", "1"]).status(2);
    assert!(ran.stderr.contains(fault), "{}", ran.stderr);
}

#[test]
fn what_tells_of_the_command_itself_goes_on_without_the_configuration() {
    let place = Place::new();
    place.write("tinwire.toml", "lnk = \"can0\"\n");
    let fault = "tinwire.toml, line 1: unknown field `lnk`";
    for words in [&["version"][..], &["completions", "bash"], &["config", "show"]] {
        let ran = place.run(words).status(0);
        assert!(ran.stderr.starts_with(fault), "{words:?}: {}", ran.stderr);
        assert!(!ran.stdout.is_empty(), "{words:?}");
    }
    let ran = place.run(&["doctor"]).status(0);
    assert!(ran.stdout.contains(fault), "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
}

#[test]
fn help_ends_with_examples_and_exits_0() {
    let ran = Place::new().run(&["csp", "ping", "--help"]).status(0);
    assert!(
        ran.stdout.contains("Examples:\n  tinwire csp ping 5"),
        "{}",
        ran.stdout
    );
    Place::new().run(&["--help"]).status(0);
    Place::new().run(&["--version"]).status(0);
}

#[test]
fn examples_on_the_simulation_do_what_they_say() {
    let place = Place::new();
    let verbs = [
        "can dump",
        "csp ping",
        "flow ping",
        "isotp send",
        "demo",
        "doctor",
        "version",
    ];
    let mut done = 0;
    for verb in verbs {
        let words: Vec<_> = verb.split(' ').chain(["--help"]).collect();
        let help = place.run(&words).status(0).stdout;
        let (_, examples) = help.split_once("Examples:\n").unwrap();
        // What names no link uses the simulation; hello is another process.
        let is_simulated = |line: &&str| {
            !["can0", "bus:", "isotpserver:", " hello", " < ", " > "]
                .iter()
                .any(|other| line.contains(other))
        };
        for line in examples.lines().filter(is_simulated) {
            let words: Vec<_> = line
                .trim()
                .split(' ')
                .skip(1)
                .filter(|word| !word.is_empty())
                .collect();
            place
                .run(&[&words[..], &["--deadline", "20s"]].concat())
                .status(0);
            done += 1;
        }
    }
    assert!(done >= 10, "{done} examples");
}

#[test]
fn colours_appear_only_when_asked_for() {
    let plain = Place::new().run(&["doctor"]).status(0);
    assert!(!plain.stdout.contains('\u{1b}'), "not on a pipe");
    let colored = Place::new().run(&["doctor", "--color", "always"]).status(0);
    assert!(colored.stdout.contains('\u{1b}'));
    let place = Place::new();
    let forced = place
        .command(&["doctor"])
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap();
    assert!(forced.stdout.contains(&0x1b));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    let mut child = place
        .command(&["can", "gen", "virtual:x", "-g", "0", "-v", "--seed", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains("error"), "{stderr}");
    assert!(
        stderr.contains("sent"),
        "the closing line comes all the same: {stderr}"
    );
}

#[cfg(unix)]
#[test]
fn under_another_tools_name_the_command_is_that_tool() {
    let place = Place::new();
    for name in ["cangen", "fstrm_capture"] {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tinwire"), place.path().join(name)).unwrap();
    }
    let run = |name: &str, words: &[&str]| {
        let mut command = std::process::Command::new(place.path().join(name));
        command
            .args(words)
            .env("XDG_CONFIG_HOME", place.path())
            .current_dir(place.path())
            .output()
            .unwrap()
    };
    let output = run(
        "cangen",
        &[
            "virtual:x",
            "-n",
            "2",
            "-g",
            "0",
            "-v",
            "-I",
            "42A",
            "-L",
            "1",
            "-D",
            "i",
        ],
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "  x  42A#00\n  x  42A#01\n"
    );
    let output = run("fstrm_capture", &["-t", "x"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Usage: fstrm_capture"));
}
