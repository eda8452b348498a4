//! `doctor`: what this machine can do, and the command that closes each gap.
//!
//! [`machine`] looks, [`diagnosis`] judges what was seen, this file prints.

mod diagnosis;
mod machine;

use clap::builder::styling::{AnsiColor, Style};

use self::diagnosis::{Finding, State};
use super::Session;
use crate::failure::{Failure, Result};

#[expect(
    clippy::unused_async,
    reason = "verbs that can be cut short are futures; probing sockets waits"
)]
pub(super) async fn run(session: &mut Session, faults: &[Failure]) -> Result {
    let machine = machine::look();
    let faults = faults.iter().map(|fault| diagnosis::settings(fault.message()));
    for finding in diagnosis::judge(&machine).into_iter().chain(faults) {
        session.output.either(&finding, text)?;
    }
    Ok(())
}

/// What closes the gap when the kernel refuses CAN sockets; nothing where it should have them.
pub(crate) fn kernel_can_fix() -> Option<String> {
    diagnosis::kernel_can(&machine::look()).fix
}

/// `ok   kernel CAN    what was found`, and below it the fix.
fn text(finding: &Finding) -> String {
    let (word, color) = match finding.state {
        State::Ok => ("ok", AnsiColor::Green),
        State::Gap => ("gap", AnsiColor::Yellow),
        State::None => ("-", AnsiColor::BrightBlack),
    };
    let style = Style::new().fg_color(Some(color.into()));
    let mut text = format!("{style}{word:<4}{style:#} {:<18} {}", finding.what, finding.found);
    if let Some(fix) = &finding.fix {
        text.push_str("\n     fix: ");
        text.push_str(fix);
    }
    text
}
