//! Any bytes as the content of a data frame.

use dnstap_codec::Dnstap;
use dnstap_codec::anonymize::{Addresses, Anonymizer, Sides};
use dnstap_codec::packet::{Packet, Ports};
use dnstap_codec::stats::{Config, Stats};
use dnstap_codec::text::{Printer, Style};

/// Reading never panics, what was read is written and read again, and nothing that is done with it panics or
/// breaks a line.
pub(crate) fn run(bytes: &[u8]) {
    let mut patched = bytes.to_vec();
    let anonymizer = Anonymizer::new(Addresses::keyed([7; 16])).sides(Sides::Both);
    let report = anonymizer.patch(&mut patched);
    let Ok(dnstap) = Dnstap::decode(bytes) else {
        assert!(report.is_err());
        return;
    };
    let again = dnstap.encode();
    assert_eq!(Dnstap::decode(&again), Ok(dnstap));
    assert_eq!(again.len(), dnstap.encoded_len());
    assert!(report.is_ok() && Dnstap::decode(&patched).is_ok());
    for style in [Style::Quiet, Style::Dated, Style::Bind, Style::Yaml, Style::Json] {
        let mut text = Vec::new();
        Printer::new(style).print(&dnstap, &mut text);
        assert!(core::str::from_utf8(&text).is_ok());
        assert!(text.ends_with(b"\n"));
        if style != Style::Yaml {
            assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1);
        }
    }
    let mut packet = Vec::new();
    if let Some(message) = &dnstap.message {
        Packet::of(message, Ports::AsTold).for_each(|each| each.encode(&mut packet));
    }
    let mut stats = Stats::new(Config::new().top(4).outstanding(8));
    stats.handle_message(None, &dnstap);
    assert!(stats.snapshot(None, 4).messages <= 1);
}
