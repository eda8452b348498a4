//! The text that Prometheus reads.

use core::fmt::{Display, Write as _};

/// What a figure does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

/// A page in the text exposition format. Figures of one name have to be added one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    /// The name whose head was written last.
    current: &'static str,
}

impl Page {
    /// A figure that only grows; its name ends with `_total`.
    pub(crate) fn counter(
        &mut self,
        name: &'static str,
        help: &str,
        labels: &[(&str, &str)],
        value: impl Display,
    ) {
        self.sample(Kind::Counter, name, help, labels, value);
    }

    /// A figure that goes up and down.
    pub(crate) fn gauge(
        &mut self,
        name: &'static str,
        help: &str,
        labels: &[(&str, &str)],
        value: impl Display,
    ) {
        self.sample(Kind::Gauge, name, help, labels, value);
    }

    fn sample(
        &mut self,
        kind: Kind,
        name: &'static str,
        help: &str,
        labels: &[(&str, &str)],
        value: impl Display,
    ) {
        if self.current != name {
            self.current = name;
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            let _ = write!(
                self.text,
                "# HELP {name} {}\n# TYPE {name} {kind}\n",
                escaped(help, false)
            );
        }
        self.text.push_str(name);
        let mut before = '{';
        for (label, value) in labels {
            let _ = write!(self.text, "{before}{label}=\"{}\"", escaped(value, true));
            before = ',';
        }
        if before == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// Backslashes and line ends escaped, and quotes where the text stands in some.
fn escaped(text: &str, is_quoted: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if is_quoted {
        text.replace('"', "\\\"")
    } else {
        text
    }
}
