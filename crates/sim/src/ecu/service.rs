//! The services: what each does, in the order in which ISO 14229-1 has requests checked.

use core::time::Duration;
use std::vec::Vec;

use tinwire_time::Instant;

use super::access::{Access, Level, Session};
use super::code::ResponseCode;
use super::data::{self, SESSION_DID, STATUS_AVAILABILITY};
use super::memory::MAX_BLOCK_LEN;
use super::{Asked, Ecu, Engine, P2, P2_STAR, SUPPRESS};

/// Identifiers that one request may ask for.
pub const MAX_DIDS: usize = 16;
/// Trouble codes are those of SAE J2012.
const J2012_FORMAT: u8 = 0x00;

/// The rest of a positive response, behind the service.
pub(super) enum Reply {
    Now(Vec<u8>),
    /// After a time, which the tester is told when it is long.
    Later(Duration, Vec<u8>),
}

impl From<Vec<u8>> for Reply {
    fn from(body: Vec<u8>) -> Self {
        Self::Now(body)
    }
}

pub(super) type Outcome = Result<Reply, ResponseCode>;

/// In which sessions there is a service, and what it takes besides.
struct Terms {
    sessions: &'static [Session],
    level: Option<Level>,
    shape: Shape,
}

/// Whether a subfunction follows the service.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Subfunction,
    Plain,
}

const EVERYWHERE: &[Session] = &[Session::Default, Session::Programming, Session::Extended];
const BUT_PROGRAMMING: &[Session] = &[Session::Default, Session::Extended];
const BUT_DEFAULT: &[Session] = &[Session::Programming, Session::Extended];

const fn terms(service: u8) -> Option<Terms> {
    let (sessions, shape) = match service {
        0x10 | 0x11 | 0x3E => (EVERYWHERE, Shape::Subfunction),
        0x14 => (BUT_PROGRAMMING, Shape::Plain),
        0x19 => (BUT_PROGRAMMING, Shape::Subfunction),
        0x22 => (EVERYWHERE, Shape::Plain),
        0x27 | 0x31 => (BUT_DEFAULT, Shape::Subfunction),
        0x2E => (BUT_DEFAULT, Shape::Plain),
        0x34 | 0x36 | 0x37 => (&[Session::Programming] as &[_], Shape::Plain),
        _ => return None,
    };
    let level = match service {
        0x34 | 0x36 | 0x37 => Some(Level::Programming),
        _ => None,
    };
    Some(Terms {
        sessions,
        level,
        shape,
    })
}

impl Ecu {
    pub(super) fn serve(&mut self, now: Instant, asked: &mut Asked, rest: &[u8]) -> Outcome {
        let terms = terms(asked.service).ok_or(ResponseCode::ServiceNotSupported)?;
        if !terms.sessions.contains(&self.session) {
            return Err(ResponseCode::ServiceNotSupportedInActiveSession);
        }
        if let Some(level) = terms.level {
            self.security.permit(self.session, Access::Unlocked(level))?;
        }
        if terms.shape == Shape::Plain {
            return match asked.service {
                0x14 => self.clear_troubles(rest),
                0x22 => self.read_data(rest),
                0x2E => self.write_data(rest),
                0x34 => self.request_download(rest),
                0x36 => self
                    .memory
                    .transfer(rest)
                    .map(|counter| [counter].to_vec().into()),
                _ => self
                    .memory
                    .exit(rest)
                    .map(|crc| crc.to_be_bytes().to_vec().into()),
            };
        }
        let [subfunction, rest @ ..] = rest else {
            return Err(ResponseCode::WrongLength);
        };
        asked.is_suppressed = subfunction & SUPPRESS != 0;
        let subfunction = subfunction & !SUPPRESS;
        match asked.service {
            0x10 => self.control_session(subfunction, rest),
            0x11 => self.reset(now, subfunction, rest),
            0x19 => self.read_troubles(subfunction, rest),
            0x27 => self.access_security(now, subfunction, rest),
            0x31 => self.control_routine(now, subfunction, rest),
            _ => tester_present(subfunction, rest),
        }
    }

    fn control_session(&mut self, subfunction: u8, rest: &[u8]) -> Outcome {
        let session = Session::from_bits(subfunction).ok_or(ResponseCode::SubFunctionNotSupported)?;
        nothing_more(rest)?;
        if session == Session::Programming {
            self.standing()?;
        }
        self.enter(session);
        // Milliseconds, and tens of them.
        let [p2, p2_star] = [P2.as_millis(), P2_STAR.as_millis() / 10]
            .map(|time| u16::try_from(time).unwrap_or(u16::MAX).to_be_bytes());
        Ok([&[subfunction][..], &p2, &p2_star].concat().into())
    }

    fn reset(&mut self, now: Instant, subfunction: u8, rest: &[u8]) -> Outcome {
        if !(1..=3).contains(&subfunction) {
            return Err(ResponseCode::SubFunctionNotSupported);
        }
        nothing_more(rest)?;
        self.enter(Session::Default);
        self.booted = now + self.config.boot_time;
        Ok([subfunction].to_vec().into())
    }

    fn clear_troubles(&mut self, rest: &[u8]) -> Outcome {
        let group = <[u8; 3]>::try_from(rest).map_err(|_| ResponseCode::WrongLength)?;
        if !data::exists(&self.troubles, group) {
            return Err(ResponseCode::RequestOutOfRange);
        }
        self.standing()?;
        data::clear(&mut self.troubles, group);
        Ok(Vec::new().into())
    }

    fn read_troubles(&self, subfunction: u8, rest: &[u8]) -> Outcome {
        let head = [subfunction, STATUS_AVAILABILITY];
        let mask = match (subfunction, rest) {
            (0x01 | 0x02, [mask]) => *mask,
            (0x0A, []) => {
                let all = data::listed(self.troubles.iter());
                return Ok(head.into_iter().chain(all).collect::<Vec<_>>().into());
            }
            (0x01 | 0x02 | 0x0A, _) => return Err(ResponseCode::WrongLength),
            _ => return Err(ResponseCode::SubFunctionNotSupported),
        };
        let matching = data::matching(&self.troubles, mask);
        let body: Vec<_> = if subfunction == 0x01 {
            let count = u16::try_from(matching.count()).unwrap_or(u16::MAX);
            let count = [J2012_FORMAT].into_iter().chain(count.to_be_bytes());
            head.into_iter().chain(count).collect()
        } else {
            head.into_iter().chain(data::listed(matching)).collect()
        };
        Ok(body.into())
    }

    /// Those of the identifiers that exist; it is an error when none does.
    fn read_data(&self, rest: &[u8]) -> Outcome {
        let (dids, odd) = rest.as_chunks::<2>();
        if dids.is_empty() || dids.len() > MAX_DIDS || !odd.is_empty() {
            return Err(ResponseCode::WrongLength);
        }
        let session = [self.session.to_bits()];
        let mut body = Vec::new();
        for did in dids {
            let data = match u16::from_be_bytes(*did) {
                SESSION_DID => &session[..],
                other => match self.records.get(&other) {
                    Some(record) => match self.security.permit(self.session, record.read) {
                        Ok(()) => &record.data[..],
                        Err(ResponseCode::RequestOutOfRange) => continue,
                        Err(code) => return Err(code),
                    },
                    None => continue,
                },
            };
            body.extend_from_slice(did);
            body.extend_from_slice(data);
        }
        match body.is_empty() {
            true => Err(ResponseCode::RequestOutOfRange),
            false => Ok(body.into()),
        }
    }

    fn write_data(&mut self, rest: &[u8]) -> Outcome {
        let [high, low, data @ ..] = rest else {
            return Err(ResponseCode::WrongLength);
        };
        if data.is_empty() {
            return Err(ResponseCode::WrongLength);
        }
        let did = u16::from_be_bytes([*high, *low]);
        let record = self.records.get_mut(&did).filter(|_| did != SESSION_DID);
        let record = record.ok_or(ResponseCode::RequestOutOfRange)?;
        self.security.permit(self.session, record.write)?;
        if data.len() != record.data.len() {
            return Err(ResponseCode::WrongLength);
        }
        record.data.copy_from_slice(data);
        Ok([*high, *low].to_vec().into())
    }

    fn access_security(&mut self, now: Instant, subfunction: u8, rest: &[u8]) -> Outcome {
        let levels = [Level::Diagnostic, Level::Programming];
        let level = levels
            .into_iter()
            .find(|level| subfunction == level.to_bits() || subfunction == level.to_bits() + 1)
            .ok_or(ResponseCode::SubFunctionNotSupported)?;
        if self.session != level.session() {
            return Err(ResponseCode::SubFunctionNotSupportedInActiveSession);
        }
        if subfunction == level.to_bits() {
            nothing_more(rest)?;
            let seed = self.security.request_seed(now, level)?;
            return Ok([&[subfunction][..], &seed].concat().into());
        }
        let key = <[u8; 4]>::try_from(rest).map_err(|_| ResponseCode::WrongLength)?;
        self.security.send_key(now, level, key)?;
        Ok([subfunction].to_vec().into())
    }

    fn request_download(&mut self, rest: &[u8]) -> Outcome {
        self.memory.request_download(rest)?;
        // The length of the longest block takes two bytes.
        let [high, low] = MAX_BLOCK_LEN.to_be_bytes();
        Ok([0x20, high, low].to_vec().into())
    }

    /// The engine must stand.
    pub(super) fn standing(&self) -> Result<(), ResponseCode> {
        match self.engine {
            Engine::Off => Ok(()),
            Engine::Running => Err(ResponseCode::ConditionsNotCorrect),
        }
    }
}

fn tester_present(subfunction: u8, rest: &[u8]) -> Outcome {
    if subfunction != 0 {
        return Err(ResponseCode::SubFunctionNotSupported);
    }
    nothing_more(rest)?;
    Ok([0x00].to_vec().into())
}

pub(super) const fn nothing_more(rest: &[u8]) -> Result<(), ResponseCode> {
    match rest {
        [] => Ok(()),
        _ => Err(ResponseCode::WrongLength),
    }
}
