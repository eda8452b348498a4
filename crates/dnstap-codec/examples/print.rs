//! Prints a file of dnstap messages: `print quiet|dated|bind|yaml|json FILE`.

use core::error::Error;
use std::io::{Write as _, stdout};
use std::path::Path;

use dnstap_codec::Dnstap;
use dnstap_codec::text::{Printer, Style};
use fstrm_codec::{Config, FileReader};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let style = match words.next().as_deref() {
        Some("quiet") => Style::Quiet,
        Some("dated") => Style::Dated,
        Some("bind") => Style::Bind,
        Some("yaml") => Style::Yaml,
        Some("json") => Style::Json,
        _ => return Err("usage: print quiet|dated|bind|yaml|json FILE".into()),
    };
    let path = words.next().ok_or("no file")?;
    let mut reader = FileReader::open(Path::new(&path), Config::new())?;
    let mut printer = Printer::new(style);
    let (mut text, mut unreadable) = (Vec::new(), 0_u64);
    while let Some(frame) = reader.next_frame()? {
        match Dnstap::decode(frame) {
            Ok(dnstap) => printer.print(&dnstap, &mut text),
            // One frame that is no dnstap message is no reason to stop.
            Err(_) => unreadable += 1,
        }
        if text.len() > 1 << 16 {
            stdout().write_all(&text)?;
            text.clear();
        }
    }
    stdout().write_all(&text)?;
    if unreadable > 0 {
        return Err(format!("{unreadable} frames are no dnstap messages").into());
    }
    Ok(())
}
