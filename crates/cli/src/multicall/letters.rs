//! The letters of the isotp tools, read as `getopt` reads them.

use std::ffi::OsString;

use super::Guise;
use crate::failure::{Failure, Result};

/// What a tool takes.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) guise: Guise,
    pub(super) verb: &'static str,
    /// Its letters; those with a colon have a value.
    letters: &'static str,
    /// Exit status where a letter is wrong, and where one is missing.
    wrong: u8,
    missing: u8,
}

pub(super) const TOOLS: [Tool; 6] = [
    Tool {
        name: "isotpsend",
        guise: Guise::Isotpsend,
        verb: "send",
        letters: "s:d:x:p:P:t:f:D:l:g:bSCL:i:",
        wrong: 0,
        missing: 1,
    },
    Tool {
        name: "isotprecv",
        guise: Guise::Isotprecv,
        verb: "recv",
        letters: "s:d:x:p:P:b:m:w:f:lFL:",
        wrong: 0,
        missing: 1,
    },
    Tool {
        name: "isotpserver",
        guise: Guise::Isotpserver,
        verb: "serve",
        letters: "l:s:d:x:p:P:b:m:w:t:L:v",
        wrong: 0,
        missing: 1,
    },
    Tool {
        name: "isotpdump",
        guise: Guise::Isotpdump,
        verb: "dump",
        letters: "s:d:b:ax:X:ct:u",
        wrong: 0,
        missing: 0,
    },
    Tool {
        name: "isotpsniffer",
        guise: Guise::Isotpsniffer,
        verb: "dump",
        letters: "s:d:x:X:h:ct:f:Li",
        wrong: 0,
        missing: 1,
    },
    Tool {
        name: "isotpperf",
        guise: Guise::Isotpperf,
        verb: "perf",
        letters: "s:d:x:X:",
        wrong: 0,
        missing: 0,
    },
];

/// What was typed: letters with their values, and the rest.
#[derive(Debug, Default)]
pub(super) struct Found {
    letters: Vec<(char, Option<OsString>)>,
    rest: Vec<OsString>,
}

impl Found {
    fn has(&self, letter: char) -> bool {
        self.letters.iter().any(|(found, _)| *found == letter)
    }
}

impl Tool {
    /// Reads the words. Letters may stand together, values behind them or as the next word; what is neither
    /// may stand anywhere.
    pub(super) fn read(&self, words: &[OsString]) -> Result<Found> {
        let mut found = Found::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.to_str() {
                Some("--") => found.rest.extend(words.by_ref().cloned()),
                Some(text) if text.len() > 1 && text.starts_with('-') => {
                    self.cluster(&mut found, &text[1..], &mut words)?;
                }
                _ => found.rest.push(word.clone()),
            }
        }
        let reads_nobody = found.has('S') || found.has('C');
        let has_port = found.has('l') || self.guise != Guise::Isotpserver;
        let is_complete =
            found.has('s') && (found.has('d') || reads_nobody) && has_port && found.rest.len() == 1;
        if is_complete {
            Ok(found)
        } else {
            Err(self.usage(self.missing, ""))
        }
    }

    fn cluster<'a>(
        &self,
        found: &mut Found,
        cluster: &str,
        words: &mut impl Iterator<Item = &'a OsString>,
    ) -> Result {
        let mut letters = cluster.chars();
        while let Some(letter) = letters.next() {
            let at = self.letters.find(letter).filter(|_| letter != ':');
            let Some(at) = at else {
                let complaint = format!("{}: invalid option -- '{letter}'\n", self.name);
                return Err(self.usage(self.wrong, &complaint));
            };
            if self
                .letters
                .get(at + 1..)
                .is_none_or(|rest| !rest.starts_with(':'))
            {
                found.letters.push((letter, None));
                continue;
            }
            let value = match letters.as_str() {
                "" => words.next().cloned(),
                glued => Some(glued.into()),
            };
            let Some(value) = value else {
                let complaint = format!("{}: option requires an argument -- '{letter}'\n", self.name);
                return Err(self.usage(self.wrong, &complaint));
            };
            found.letters.push((letter, Some(value)));
            return Ok(());
        }
        Ok(())
    }

    fn usage(&self, status: u8, complaint: &str) -> Failure {
        let (name, verb) = (self.name, self.verb);
        let text = format!(
            "{complaint}Usage: {name} [options] <CAN interface>; any link does, and its letters are told by \
             tinwire isotp {verb} --help"
        );
        Failure::imitated(status, text)
    }

    /// The same in the letters of the verb.
    pub(super) fn translate(&self, found: Found) -> Vec<OsString> {
        let mut words = Vec::new();
        let is_sniffer = self.guise == Guise::Isotpsniffer;
        if is_sniffer {
            words.push("--reassemble".into());
        }
        let has_own_byte = found.has('X');
        for (letter, value) in found.letters {
            let joined = |flag: &str| {
                let mut word = OsString::from(flag);
                word.push(value.clone().unwrap_or_default());
                word
            };
            match letter {
                'h' if is_sniffer => words.push(joined("--head=")),
                // CAN FD is always understood, and what is malformed ends nothing.
                'L' | 'i' if is_sniffer => {}
                'x' if is_sniffer && !has_own_byte => words.extend([joined("-x"), joined("-X")]),
                letter => words.push(joined(&format!("-{letter}"))),
            }
        }
        words.push("--".into());
        words.extend(found.rest);
        words
    }
}
