//! Routines: what the controller is told to do by a number of its own.

use core::time::Duration;

use tinwire_time::Instant;

use super::Ecu;
use super::access::{Access, Level, Session};
use super::code::ResponseCode;
use super::service::{Outcome, Reply, nothing_more};

/// The routine that erases program memory: all of it, or `44`, four bytes of address, four of length.
pub const ERASE_MEMORY: u16 = 0xFF00;
/// The routine that tells whether the memory holds a program as a whole: 00 yes, 01 no.
pub const CHECK_DEPENDENCIES: u16 = 0xFF01;
/// The routine that runs on its own, for [`SELF_TEST_TIME`]: 00 passed, 01 running, 02 stopped.
pub const SELF_TEST: u16 = 0x0201;
/// How long it runs.
pub const SELF_TEST_TIME: Duration = Duration::from_secs(3);

const START: u8 = 0x01;
const STOP: u8 = 0x02;
const RESULT: u8 = 0x03;

/// A run of [`SELF_TEST`].
#[derive(Debug)]
pub(super) enum SelfTest {
    Until(Instant),
    Stopped,
}

impl Ecu {
    pub(super) fn control_routine(&mut self, now: Instant, subfunction: u8, rest: &[u8]) -> Outcome {
        let [high, low, option @ ..] = rest else {
            return Err(ResponseCode::WrongLength);
        };
        let routine = u16::from_be_bytes([*high, *low]);
        let access = match routine {
            ERASE_MEMORY | CHECK_DEPENDENCIES => Access::Unlocked(Level::Programming),
            SELF_TEST => Access::In(Session::Extended),
            _ => Access::Never,
        };
        self.security.permit(self.session, access)?;
        let body = |status: &[u8]| [&[subfunction, *high, *low], status].concat();
        match (routine, subfunction) {
            (ERASE_MEMORY, START) => {
                self.standing()?;
                self.memory.erase(option)?;
                Ok(Reply::Later(self.config.erase_time, body(&[0x00])))
            }
            (CHECK_DEPENDENCIES, START) => {
                nothing_more(option)?;
                Ok(body(&[u8::from(!self.memory.is_complete())]).into())
            }
            (SELF_TEST, START | STOP | RESULT) => {
                nothing_more(option)?;
                let status = self.control_self_test(now, subfunction)?;
                Ok(body(status.as_slice()).into())
            }
            _ => Err(ResponseCode::SubFunctionNotSupported),
        }
    }

    /// The status, where the result is asked for.
    fn control_self_test(&mut self, now: Instant, subfunction: u8) -> Result<Option<u8>, ResponseCode> {
        let running = matches!(self.self_test, Some(SelfTest::Until(end)) if now < end);
        match (subfunction, &self.self_test) {
            (START, _) if !running => {
                self.self_test = Some(SelfTest::Until(now + SELF_TEST_TIME));
                Ok(None)
            }
            (STOP, _) if running => {
                self.self_test = Some(SelfTest::Stopped);
                Ok(None)
            }
            (RESULT, Some(SelfTest::Until(_))) => Ok(Some(u8::from(running))),
            (RESULT, Some(SelfTest::Stopped)) => Ok(Some(0x02)),
            _ => Err(ResponseCode::RequestSequenceError),
        }
    }
}
