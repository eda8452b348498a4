//! What udsoncan asks the simulated controller, and the lines that `docs/COMPATIBILITY.md` is made of.

use core::time::Duration;
use std::path::Path;

use can_link::Link;
use serde_json::{Value, json};
use testkit::compat::{Direction, Outcome, Report};
use testkit::peer::{Python, Script};
use tinwire_sim::ecu::{Ecu, EcuConfig, serve};

/// Longer than P2, so that "response pending" is told; not so long as to be told twice.
const ERASING: Duration = Duration::from_millis(300);

/// Serves the controller on `link` while udsoncan goes through all its questions.
///
/// `place` is what its bus is opened by; `kind` is the connection, and `stack` what that stands on.
pub(crate) async fn asks(link: Link, place: &str, over: String, kind: &str, stack: &[&str]) {
    let ecu = Ecu::new(EcuConfig::default().erase_time(ERASING));
    let served = tokio::spawn(serve(ecu, link));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/uds.py");
    let mut script = Script::start(Python::Main, &script, &[place, kind]).await;
    let report = Report {
        peer: format!("udsoncan, {}", connection(kind)),
        version: script.versions("udsoncan", stack),
        over,
    };
    for (step, feature, expected) in steps() {
        script.order(step, "").await;
        let answer: Value = serde_json::from_str(&script.wait_for("answer").await).unwrap();
        assert_eq!(answer, expected, "{step}");
        report.row(Direction::Both, feature, Outcome::Works, &remark(&answer));
    }
    script.end().await;
    served.abort();
}

fn connection(kind: &str) -> &'static str {
    match kind {
        "socket" => "IsoTPSocketConnection",
        _ => "PythonIsoTpConnection",
    }
}

/// What is asked, in this order.
fn steps() -> [(&'static str, &'static str, Value); 9] {
    let vin = "TW1WRES1MXECU0001";
    [
        (
            "session",
            "10 session control",
            json!({"p2": 0.05, "p2_star": 5.0}),
        ),
        ("vin", "22 read data: VIN, in several frames", json!(vin)),
        (
            "several",
            "22 read data: three identifiers",
            json!([vin, "TW-1042-A", "TINWIRE"]),
        ),
        ("trouble", "19 read trouble codes", json!(["030100", "056200"])),
        ("clear", "14 clear trouble codes", json!([])),
        ("present", "3E tester present", json!(true)),
        ("refused", "negative response", json!("RequestOutOfRange")),
        (
            "written",
            "27 security access, 2E write data",
            json!("TW1WRES1MXECU0002"),
        ),
        (
            "download",
            "31 erase, 34 36 37 download",
            json!({"response pending": 1, "blocks": 3, "checksum": true}),
        ),
    ]
}

/// An answer as the tables tell it.
fn remark(answer: &Value) -> String {
    match answer {
        Value::String(text) => text.clone(),
        Value::Bool(true) => String::from("positive"),
        Value::Array(list) if list.is_empty() => String::from("none left"),
        Value::Array(list) => {
            let texts: Vec<_> = list.iter().map(remark).collect();
            texts.join(", ")
        }
        Value::Object(fields) => {
            let texts: Vec<_> = fields
                .iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            texts.join(", ")
        }
        other => other.to_string(),
    }
}
