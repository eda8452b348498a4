use clap::{Command, CommandFactory as _, Parser as _};

use super::*;

/// Every command of the tree with its path.
fn walk(command: &Command, path: &str, visit: &mut impl FnMut(&str, &Command)) {
    visit(path, command);
    for sub in command.get_subcommands() {
        walk(sub, &format!("{path} {}", sub.get_name()), visit);
    }
}

/// The commands in a help text's examples: lines that begin with two blanks and `tinwire`; what follows two
/// blanks is a remark, and quotes keep words together.
fn examples(help: &str) -> Vec<Vec<String>> {
    help.lines()
        .filter_map(|line| line.strip_prefix("  tinwire "))
        .map(|line| line.split("  ").next().unwrap().trim())
        .map(|line| {
            let mut words = vec!["tinwire".to_owned()];
            for (index, part) in line.split('\'').enumerate() {
                if index % 2 == 1 {
                    words.push(part.to_owned());
                } else {
                    words.extend(part.split_whitespace().map(str::to_owned));
                }
            }
            words
        })
        .collect()
}

#[test]
fn the_tree_has_no_contradiction() {
    Cli::command().debug_assert();
}

#[test]
fn every_verb_ends_its_help_with_examples_that_parse() {
    let mut checked = 0;
    walk(&Cli::command(), "tinwire", &mut |path, command| {
        if command.has_subcommands() && path != "tinwire" {
            return;
        }
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let examples = examples(&help);
        assert!(!examples.is_empty(), "{path} has no example");
        for words in examples {
            let line = words.join(" ");
            assert!(
                path == "tinwire" || line.starts_with(path),
                "{path} shows {line:?}"
            );
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{line:?} does not parse: {error}");
            }
            checked += 1;
        }
    });
    assert!(checked >= 8, "only {checked} examples were found");
}

/// Where no terminal tells its width, clap breaks lines at 100 columns.
#[test]
fn the_last_part_of_a_help_fits_its_width() {
    walk(&Cli::command(), "tinwire", &mut |path, command| {
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        for line in help.lines() {
            assert!(line.chars().count() < 100, "{path}: {line}");
        }
    });
}

#[test]
fn the_help_of_every_filter_lists_all_fields() {
    let mut helped = 0;
    walk(&Cli::command(), "tinwire", &mut |path, command| {
        if !command
            .get_arguments()
            .any(|argument| argument.get_long() == Some("where"))
        {
            return;
        }
        helped += 1;
        let help = command
            .get_after_long_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        for field in dnstap_codec::filter::fields() {
            let name = field.names.join(", ");
            assert!(help.contains(&format!("  {name} ")), "{path}: {name}");
        }
        for line in help.lines() {
            assert!(line.chars().count() < 100, "{path}: {line}");
        }
    });
    assert_eq!(helped, 6);
}

#[test]
fn json_and_format_agree() {
    let cli = Cli::try_parse_from(["tinwire", "version", "--json"]).unwrap();
    assert_eq!(cli.global.format_flag(), Some((Format::Json, "--json")));
    let cli = Cli::try_parse_from(["tinwire", "-o", "text", "version"]).unwrap();
    assert_eq!(cli.global.format_flag(), Some((Format::Text, "--format")));
    assert!(Cli::try_parse_from(["tinwire", "version", "--json", "-o", "text"]).is_err());
}

#[test]
fn a_deadline_needs_a_unit() {
    let cli = Cli::try_parse_from(["tinwire", "doctor", "--deadline", "30s"]).unwrap();
    assert_eq!(cli.global.deadline, Some(Duration::from_secs(30)));
    assert!(Cli::try_parse_from(["tinwire", "doctor", "--deadline", "30"]).is_err());
}

#[test]
fn the_commands_that_the_page_for_libcsp_shows_parse() {
    let page = include_str!("../../../../docs/coming-from/libcsp.md");
    let mut checked = 0;
    for shown in page.split('`').filter(|code| code.starts_with("tinwire ")) {
        let parts = shown.split('"').enumerate();
        let words = parts.flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![part],
        });
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("{shown}: {error}");
        }
        checked += 1;
    }
    assert!(checked >= 20, "{checked} commands found");
}
