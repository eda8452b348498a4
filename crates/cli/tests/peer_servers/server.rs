//! What a server is to these tests.

use std::path::Path;
use std::process::Command;

use testkit::compat::Report;

use crate::place::Place;
use crate::servers::collector::{Collector, FILE, Line, lines, wait_for_lines};
use crate::servers::daemon::Daemon;
use crate::servers::dns::Question;
use crate::servers::{debian_version, zone};

/// Where a server finds what to do.
pub(crate) const CONFIGURATION: &str = "server.conf";

/// A server, as far as they differ. All of them call themselves `ours`.
pub(crate) struct Server {
    pub(crate) peer: &'static str,
    pub(crate) package: &'static str,
    /// The program and its words.
    pub(crate) command: &'static [&'static str],
    /// A configuration in this folder for this port, with all of dnstap for the socket `tap`.
    pub(crate) configuration: fn(&Path, u16) -> String,
    /// What it calls a query and a response.
    pub(crate) kinds: [&'static str; 2],
    /// What it has an answer to.
    pub(crate) questions: &'static [Question],
    /// What each of its messages tells, beside the port: JSON pointers and values.
    pub(crate) tells: &'static [(&'static str, &'static str)],
    /// What it says when it has seen that its collector is gone, if from then on it keeps what it would send.
    pub(crate) keeps_from: Option<&'static str>,
}

impl Server {
    pub(crate) fn start(&self, place: &Place) -> Daemon {
        self.start_with(place, self.configuration)
    }

    pub(crate) fn start_with(&self, place: &Place, configuration: impl Fn(&Path, u16) -> String) -> Daemon {
        place.write("zone", zone::FILE);
        let log = place.path().join("server.log");
        Daemon::start(&log, zone::READY, |port| {
            place.write(CONFIGURATION, configuration(place.path(), port));
            let mut command = Command::new(self.command[0]);
            command.args(&self.command[1..]).current_dir(place.path());
            command
        })
    }

    /// What a collector's file ought to say of these questions.
    pub(crate) fn lines(&self, questions: &[Question]) -> Vec<Line> {
        lines(self.kinds, questions)
    }

    /// Asks, and sees that each question and its answer came, in order, and that the stream ended as it
    /// should.
    #[track_caller]
    pub(crate) fn check(&self, place: &Place, collector: Collector, daemon: Daemon) {
        daemon.client().ask(self.questions);
        let expected = self.lines(self.questions);
        assert_eq!(wait_for_lines(place, FILE, expected.len()), expected);
        daemon.stop();
        let summary = collector.stop();
        assert_eq!(summary["ended"]["stop"], 1, "{summary}");
        place.run(&["fstrm", "verify", FILE]).status(0);
    }

    pub(crate) fn report(&self, over: &str) -> Report {
        Report {
            peer: self.peer.into(),
            version: debian_version(self.package),
            over: over.into(),
        }
    }
}
