//! `config show`: every setting, and where it comes from.

use serde::Serialize;
use serde_json::Value;

use super::Session;
use crate::failure::Result;
use crate::settings::{Origin, Setting};

/// One setting as it is printed: the text is a line of the configuration file.
#[derive(Serialize)]
struct Line {
    key: String,
    value: Value,
    origin: String,
}

impl Line {
    fn new(key: impl Into<String>, value: impl Into<Value>, origin: &Origin) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
            origin: origin.to_string(),
        }
    }

    fn of(key: &str, setting: &Setting<String>) -> Self {
        Self::new(key, setting.value.as_str(), &setting.origin)
    }
}

pub(super) fn show(session: &mut Session, with_origin: bool) -> Result {
    let settings = &session.settings;
    let (format, color) = (&settings.format, &settings.color);
    let mut lines = vec![
        Line::of("link", &settings.link),
        Line::new("format", format.value.to_string(), &format.origin),
        Line::new("color", color.value.to_string(), &color.origin),
    ];
    lines.extend(
        settings
            .csp_iface
            .iter()
            .map(|iface| Line::of("csp.iface", iface)),
    );
    lines.extend(
        settings
            .csp_hosts
            .iter()
            .map(|(name, node)| Line::new(format!("csp.hosts.{name}"), node.value, &node.origin)),
    );
    for line in lines {
        session.output.either(&line, |line| {
            let Line { key, value, origin } = line;
            if with_origin {
                format!("{key} = {value}  # {origin}")
            } else {
                format!("{key} = {value}")
            }
        })?;
    }
    Ok(())
}
