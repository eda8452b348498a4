//! What a relay of dnstap does to runs: chooses messages, and hides who asked.

use core::num::NonZeroU32;

use dnstap_codec::Dnstap;
use dnstap_codec::anonymize::{Anonymizer, Report};
use dnstap_codec::filter::Filter;
use fstrm_codec::OwnedRun;
use fstrm_codec::frame::FrameConfig;
use serde::Serialize;

use crate::failure::{Code, Failure, Result};
use crate::units;

/// A filter, and an anonymizer behind it. Without either, frames are only counted.
#[derive(Debug)]
pub(in crate::cmd) struct Sieve {
    filter: Option<Filter>,
    anonymizer: Option<Anonymizer>,
    passed: u64,
    filtered: u64,
    undecodable: u64,
    report: Report,
    /// The frame at hand, anonymized.
    payload: Vec<u8>,
}

/// What became of frames.
#[derive(Debug, Serialize)]
pub(super) struct Sifted {
    /// Frames that were passed on.
    passed: u64,
    /// Messages that were not wanted.
    filtered: u64,
    /// Frames that are no dnstap message.
    undecodable: u64,
    /// Whether those were dropped.
    #[serde(skip)]
    is_strict: bool,
    /// What was hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<Changed>,
}

/// What an anonymizer changed.
#[derive(Debug, Serialize)]
struct Changed {
    addresses: u64,
    client_subnets: u64,
    /// Other EDNS options.
    options: u64,
    /// DNS messages that could not be read to their end.
    unread: u64,
}

impl Sifted {
    /// Frames that were wanted, perhaps, and lost.
    pub(super) const fn dropped(&self) -> u64 {
        if self.is_strict { self.undecodable } else { 0 }
    }

    /// What follows the frames and bytes that came.
    pub(super) fn text(&self) -> String {
        let mut text = match (self.is_strict, self.undecodable) {
            (true, dropped) => format!(", {} shown, {dropped} dropped as no dnstap", self.passed),
            (false, 0) => String::new(),
            (false, passed) => format!(", {passed} not understood"),
        };
        if let Some(changed) = &self.changed {
            let Changed {
                addresses,
                client_subnets,
                options,
                unread,
            } = changed;
            let (addresses, subnets) = (
                units::counted(*addresses, "address"),
                units::counted(*client_subnets, "client subnet"),
            );
            text = format!("{text}; {addresses}, {subnets}");
            if *options > 0 {
                text = format!("{text}, {}", units::counted(*options, "other option"));
            }
            text.push_str(" changed");
            if *unread > 0 {
                let unread = units::counted(*unread, "DNS message");
                text = format!("{text}, {unread} not read to the end");
            }
        }
        text
    }
}

impl Sieve {
    pub(in crate::cmd) fn new(filter: Option<Filter>, anonymizer: Option<Anonymizer>) -> Self {
        Self {
            filter,
            anonymizer,
            passed: 0,
            filtered: 0,
            undecodable: 0,
            report: Report::default(),
            payload: Vec::new(),
        }
    }

    /// Whether what cannot be understood is dropped: nobody knows what it holds.
    const fn is_strict(&self) -> bool {
        self.filter.is_some() || self.anonymizer.is_some()
    }

    /// Frames that were kept back, by reason; none where everything is passed on.
    pub(super) fn kept_back(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        let counts = [("filtered", self.filtered), ("undecodable", self.undecodable)];
        self.is_strict().then_some(counts).into_iter().flatten()
    }

    pub(super) fn sifted(&self) -> Sifted {
        let report = &self.report;
        let changed = self.anonymizer.as_ref().map(|_| Changed {
            addresses: report.addresses,
            client_subnets: report.client_subnets,
            options: report.options,
            unread: report.unread,
        });
        Sifted {
            passed: self.passed,
            filtered: self.filtered,
            undecodable: self.undecodable,
            is_strict: self.is_strict(),
            changed,
        }
    }

    /// What is left of a run; the run itself where all of it is.
    pub(super) fn sift(&mut self, run: OwnedRun) -> Result<Option<OwnedRun>> {
        if !self.is_strict() {
            let frames = run.as_run();
            let bad = frames.iter().filter(|payload| Dnstap::decode(payload).is_err());
            self.undecodable += u64::try_from(bad.count()).unwrap_or(u64::MAX);
            self.passed += run.frames();
            return Ok(Some(run));
        }
        let mut wire = Vec::with_capacity(run.as_wire().len());
        let mut left = 0;
        for payload in run.as_run().iter() {
            if let Some(payload) = self.frame(payload) {
                let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
                wire.extend_from_slice(&len.to_be_bytes());
                wire.extend_from_slice(payload);
                left += 1;
            }
        }
        self.passed += left;
        if left == 0 {
            return Ok(None);
        }
        if self.anonymizer.is_none() && left == run.frames() {
            return Ok(Some(run));
        }
        // They were within the limit of whoever read them.
        let unlimited = FrameConfig::new().max_data(NonZeroU32::MAX);
        OwnedRun::decode(wire.into(), unlimited)
            .map(Some)
            .map_err(|error| Failure::caused(Code::Malformed, error))
    }

    /// What is left of a frame. A message is of one byte at least, and so is what is left.
    fn frame<'a>(&'a mut self, payload: &'a [u8]) -> Option<&'a [u8]> {
        let Ok(dnstap) = Dnstap::decode(payload) else {
            self.undecodable += 1;
            return None;
        };
        if self
            .filter
            .as_ref()
            .is_some_and(|filter| !filter.matches(&dnstap))
        {
            self.filtered += 1;
            return None;
        }
        let Some(anonymizer) = &self.anonymizer else {
            return Some(payload);
        };
        self.payload.clear();
        let Ok(report) = anonymizer.apply(payload, &mut self.payload) else {
            self.undecodable += 1;
            return None;
        };
        self.report.addresses += report.addresses;
        self.report.client_subnets += report.client_subnets;
        self.report.options += report.options;
        self.report.unread += report.unread;
        Some(&self.payload)
    }
}
