use alloc::string::ToString;
use std::prelude::rust_2024::*;

use proptest::prelude::*;

use super::*;

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn refusal(text: &str) -> String {
    text.parse::<Address>().unwrap_err().to_string()
}

#[test]
fn what_has_no_scheme_of_the_house_is_a_name_of_this_machine() {
    for name in ["echo", "a:b", "http://x?y=z", "cspx:1:2", "Grüße?", "local"] {
        let parsed = address(name);
        assert_eq!((parsed.scheme(), parsed.target()), (LOCAL, name));
    }
    assert_eq!(address("local:csp:5:20?if=CAN").target(), "csp:5:20?if=CAN");
}

#[test]
fn the_query_begins_at_the_last_question_mark_and_is_percent_encoded() {
    let parsed = address("isotp:bus:demo?fd=1?tx=7E0&rx=7E8");
    assert_eq!(parsed.target(), "bus:demo?fd=1");
    assert_eq!(
        (parsed.value("tx"), parsed.value("rx")),
        (Some("7E0"), Some("7E8"))
    );
    assert_eq!(parsed.value("fd"), None);
    let parsed = address("fstrm:unix:/run/x?type=a%26b%3d%C3%BC");
    assert_eq!(parsed.value("type"), Some("a&b=ü"));
}

#[test]
fn each_wrong_part_is_named() {
    assert_eq!(refusal(""), "a name has at least one byte");
    assert_eq!(refusal("local:"), "a name has at least one byte");
    assert_eq!(refusal("csp:"), "\"csp:\" of what? For example csp:5:20?if=CAN");
    assert_eq!(
        refusal("csp:?if=CAN"),
        "\"csp:\" of what? For example csp:5:20?if=CAN"
    );
    for part in ["if", "if=", "=CAN", ""] {
        let expected = format!("\"{part}\" in the query is not key=value");
        assert_eq!(refusal(&format!("csp:5:20?{part}")), expected);
    }
    assert_eq!(refusal("csp:5:20?if=A&if=B"), "\"if\" is given twice");
    for value in ["%", "%4", "%zz", "%ff", "%+1"] {
        let expected = format!("\"{value}\" is not percent-encoded UTF-8");
        assert_eq!(refusal(&format!("csp:5:20?if={value}")), expected);
    }
}

#[test]
fn a_provider_takes_its_own_scheme_and_the_keys_it_knows() {
    let parsed = address("csp:5:20?if=CAN&x=1");
    let check = |scheme, known: &[&str]| parsed.expect(scheme, known, "if").map_err(|e| e.to_string());
    assert_eq!(
        check("isotp", &["if", "x"]),
        Err("this provider takes \"isotp:\", got \"csp:\"".into())
    );
    assert_eq!(check("csp", &["if"]), Err("unknown key \"x\"; known: if".into()));
    assert_eq!(check("csp", &["if", "x"]), Ok(()));
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same(
        scheme in prop::sample::select(&["csp", "isotp", "fstrm"][..]),
        target in "[^?\0]{1,20}",
        query in prop::collection::btree_map("\\PC{1,5}", "\\PC{1,5}", 0..4),
    ) {
        let made = Address { scheme: scheme.into(), target, query: query.into_iter().collect() };
        prop_assert_eq!(made.to_string().parse::<Address>(), Ok(made));
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        if let Ok(parsed) = text.parse::<Address>() {
            prop_assert_eq!(parsed.to_string().parse::<Address>(), Ok(parsed));
        }
    }
}
