//! Why a command ended without its result: one sentence, a stable code, an exit status, and what would help.

use core::fmt;
use std::io;
use std::process::ExitCode;

use serde::Serialize;

use crate::stop::Signal;
use crate::units;

/// The stable name of a failure; scripts match on it in the JSON form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// The command line is wrong.
    Usage,
    /// The configuration file or an environment variable is wrong.
    Config,
    /// A name that later versions will know.
    NotInThisVersion,
    /// An address that is no address.
    BadAddress,
    /// The link does not exist, or this machine cannot open it.
    CannotOpen,
    /// The link or stream went away.
    Lost,
    /// The link did not take a frame.
    NotSent,
    /// Nobody answered.
    NoReply,
    /// What was looked for is not there.
    NothingFound,
    /// The time given with `--deadline` is over.
    Deadline,
    /// A signal ended the command before it had a result.
    Interrupted(Signal),
    /// The peer broke the protocol.
    Protocol,
    /// The peer answered no.
    NegativeResponse,
    /// A file or stream is not what it should be.
    Malformed,
    /// A file or stream ends too early.
    Truncated,
    /// A file cannot be read or written.
    File,
    /// With `--strict`: data was lost on our side.
    DataLost,
    /// The reader of standard output went away; not an error.
    PipeClosed,
    /// As a tool of another name would end, with its words and its exit status.
    Imitated(u8),
}

impl Code {
    /// As it stands in JSON; never changes.
    const fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Config => "config",
            Self::NotInThisVersion => "not-in-this-version",
            Self::BadAddress => "bad-address",
            Self::CannotOpen => "cannot-open",
            Self::Lost => "lost",
            Self::NotSent => "not-sent",
            Self::NoReply => "no-reply",
            Self::NothingFound => "nothing-found",
            Self::Deadline => "deadline",
            Self::Interrupted(_) => "interrupted",
            Self::Protocol => "protocol",
            Self::NegativeResponse => "negative-response",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::File => "file",
            Self::DataLost => "data-lost",
            Self::PipeClosed => "pipe-closed",
            Self::Imitated(_) => "imitated",
        }
    }

    /// The exit status it leads to.
    pub(crate) const fn exit(self) -> u8 {
        match self {
            Self::PipeClosed => 0,
            Self::NoReply | Self::NothingFound | Self::Deadline | Self::Truncated => 1,
            Self::Usage | Self::Config | Self::NotInThisVersion | Self::BadAddress => 2,
            Self::CannotOpen | Self::Lost | Self::NotSent | Self::File => 3,
            Self::Protocol | Self::NegativeResponse | Self::Malformed => 4,
            Self::DataLost => 5,
            Self::Interrupted(signal) => signal.exit(),
            Self::Imitated(status) => status,
        }
    }
}

/// The end of a command without its result.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    error: anyhow::Error,
    hint: Option<String>,
}

/// What `--strict` makes of frames that never reached us.
pub(crate) fn data_lost(frames: u64) -> Failure {
    let (frames, were) = (
        units::counted(frames, "frame"),
        if frames == 1 { "was" } else { "were" },
    );
    Failure::new(
        Code::DataLost,
        format!("{frames} {were} lost before they could be shown"),
    )
}

pub(crate) type Result<T = ()> = core::result::Result<T, Failure>;

impl Failure {
    /// A failure told in one sentence.
    pub(crate) fn new(code: Code, message: impl fmt::Display) -> Self {
        Self {
            code,
            error: anyhow::Error::msg(message.to_string()),
            hint: None,
        }
    }

    /// A failure in the words of another tool, and with its exit status.
    pub(crate) fn imitated(status: u8, words: impl fmt::Display) -> Self {
        Self::new(Code::Imitated(status), words)
    }

    /// A failure with the error that caused it.
    pub(crate) fn caused(code: Code, error: impl Into<anyhow::Error>) -> Self {
        Self {
            code,
            error: error.into(),
            hint: None,
        }
    }

    /// Says what was being done.
    pub(crate) fn context(self, doing: impl fmt::Display) -> Self {
        Self {
            error: self.error.context(doing.to_string()),
            ..self
        }
    }

    /// Says what would help.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// What standard output answered.
    pub(crate) fn stdout(error: io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::BrokenPipe => Code::PipeClosed,
            _ => Code::File,
        };
        Self::caused(code, error).context("writing to standard output")
    }

    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn exit(&self) -> ExitCode {
        ExitCode::from(self.code.exit())
    }

    /// Whether there is nothing to say: nobody reads, or the tool that is imitated says nothing.
    pub(crate) fn is_silent(&self) -> bool {
        match self.code {
            Code::PipeClosed => true,
            Code::Imitated(_) => self.message().is_empty(),
            _ => false,
        }
    }

    /// One line with the chain of causes; the hint on a second one.
    pub(crate) fn text(&self) -> String {
        if let Code::Imitated(_) = self.code {
            return self.error.to_string();
        }
        let mut text = format!("error: {}", self.message());
        if let Some(hint) = &self.hint {
            text.push_str("\nhint: ");
            text.push_str(hint);
        }
        text
    }

    /// In one line, with the hint, for a remark: nothing has failed.
    pub(crate) fn remark(&self) -> String {
        let mut text = self.message();
        if let Some(hint) = &self.hint {
            text.push_str("; ");
            text.push_str(hint);
        }
        text
    }

    /// One JSON object on one line.
    pub(crate) fn json(&self) -> String {
        #[derive(Serialize)]
        struct Line<'a> {
            v: u8,
            error: Body<'a>,
        }
        #[derive(Serialize)]
        struct Body<'a> {
            code: &'static str,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            hint: Option<&'a str>,
        }
        let message = self.message();
        let line = Line {
            v: 1,
            error: Body {
                code: self.code.name(),
                message: &message,
                hint: self.hint.as_deref(),
            },
        };
        serde_json::to_string(&line).unwrap_or_else(|_| self.code.name().to_owned())
    }

    /// The chain on one line. A cause whose words its effect has repeated already is left out.
    pub(crate) fn message(&self) -> String {
        let mut message = String::new();
        for cause in self.error.chain() {
            let cause = cause.to_string().replace('\n', " ");
            if message.ends_with(&cause) {
                continue;
            }
            if !message.is_empty() {
                message.push_str(": ");
            }
            message.push_str(&cause);
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_with_its_causes_and_a_hint() {
        let failure = Failure::caused(Code::CannotOpen, io::Error::other("no such device"))
            .context("opening can0")
            .hint("sudo ip link set can0 up");
        assert_eq!(
            failure.text(),
            "error: opening can0: no such device\nhint: sudo ip link set can0 up"
        );
        assert_eq!(
            failure.json(),
            concat!(
                r#"{"v":1,"error":{"code":"cannot-open","message":"opening can0: no such device","#,
                r#""hint":"sudo ip link set can0 up"}}"#
            )
        );
    }

    #[test]
    fn a_cause_that_was_told_already_is_not_told_twice() {
        let error = anyhow::Error::msg("no route").context("sending: no route");
        assert_eq!(
            Failure::caused(Code::NotSent, error).text(),
            "error: sending: no route"
        );
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let failure = Failure::stdout(io::ErrorKind::BrokenPipe.into());
        assert_eq!(failure.code(), Code::PipeClosed);
        assert_eq!(failure.code().exit(), 0);
    }

    #[test]
    fn codes_are_lower_case_words_with_hyphens() {
        for code in [
            Code::Usage,
            Code::NotInThisVersion,
            Code::NoReply,
            Code::PipeClosed,
        ] {
            assert!(code.name().chars().all(|c| c.is_ascii_lowercase() || c == '-'));
        }
    }
}
