//! Who may do what: sessions, and the two locks that a seed and a key open.

use core::fmt;
use core::time::Duration;

use tinwire_time::Instant;

use super::code::ResponseCode;
use crate::random::Random;

/// Wrong keys in a row, after which a delay begins; each further one begins it anew.
pub const MAX_ATTEMPTS: u8 = 3;
/// What the key is made of, besides the seed.
const SECRET: u32 = u32::from_be_bytes(*b"TINW");

/// The diagnostic session: what the controller is ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Session {
    /// 01: after power-on, and 5 s after the last request.
    #[default]
    Default,
    /// 02: new software is written.
    Programming,
    /// 03: adjustments and tests of a workshop.
    Extended,
}

impl Session {
    /// The number on the wire.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        match self {
            Self::Default => 0x01,
            Self::Programming => 0x02,
            Self::Extended => 0x03,
        }
    }

    /// The session of a number on the wire.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x01 => Some(Self::Default),
            0x02 => Some(Self::Programming),
            0x03 => Some(Self::Extended),
            _ => None,
        }
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Programming => "programming",
            Self::Extended => "extended",
        })
    }
}

/// A lock of its own, opened in its own session; any change of session shuts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Seed by 01, key by 02, in the extended session: writing of settings.
    Diagnostic,
    /// Seed by 11, key by 12, in the programming session: writing of software.
    Programming,
}

impl Level {
    /// The subfunction that asks for its seed; the next number sends its key.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        match self {
            Self::Diagnostic => 0x01,
            Self::Programming => 0x11,
        }
    }

    /// The only session that it is opened in.
    #[must_use]
    pub const fn session(self) -> Session {
        match self {
            Self::Diagnostic => Session::Extended,
            Self::Programming => Session::Programming,
        }
    }
}

/// The key to a seed: the seed exclusive-or `54494E57`, rotated left by the level's number, as 32 bits.
///
/// ```
/// use tinwire_sim::ecu::{Level, key};
///
/// assert_eq!(key(Level::Diagnostic, [0, 0, 0, 0]), [0xA8, 0x92, 0x9C, 0xAE]);
/// ```
#[must_use]
pub const fn key(level: Level, seed: [u8; 4]) -> [u8; 4] {
    let mixed = u32::from_be_bytes(seed) ^ SECRET;
    match level {
        Level::Diagnostic => mixed.rotate_left(0x01),
        Level::Programming => mixed.rotate_left(0x11),
    }
    .to_be_bytes()
}

/// What it takes to read, write or start something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Nobody may.
    Never,
    /// Any session in which the service itself exists.
    Free,
    /// This session.
    In(Session),
    /// The level's session, and its key.
    Unlocked(Level),
}

/// The locks.
#[derive(Debug)]
pub(super) struct Security {
    random: Random,
    lockout: Duration,
    unlocked: Option<Level>,
    /// Given out, and waiting for its key.
    seed: Option<(Level, [u8; 4])>,
    failures: u8,
    /// No seeds before this.
    barred_until: Option<Instant>,
}

impl Security {
    pub(super) const fn seeded(seed: u64, lockout: Duration) -> Self {
        Self {
            random: Random::seeded(seed),
            lockout,
            unlocked: None,
            seed: None,
            failures: 0,
            barred_until: None,
        }
    }

    pub(super) const fn unlocked(&self) -> Option<Level> {
        self.unlocked
    }

    /// Shuts the locks. Wrong keys are not forgotten: a reset would be a way to try more of them.
    pub(super) const fn lock(&mut self) {
        self.unlocked = None;
        self.seed = None;
    }

    /// A new seed, or the one given out before; all zeros where the level is open already.
    pub(super) fn request_seed(&mut self, now: Instant, level: Level) -> Result<[u8; 4], ResponseCode> {
        if self.barred_until.is_some_and(|until| now < until) {
            return Err(ResponseCode::RequiredTimeDelayNotExpired);
        }
        if self.unlocked == Some(level) {
            return Ok([0; 4]);
        }
        let seed = match self.seed {
            Some((of, seed)) if of == level => seed,
            _ => self.fresh(),
        };
        self.seed = Some((level, seed));
        Ok(seed)
    }

    /// Each seed is for one key only.
    pub(super) fn send_key(&mut self, now: Instant, level: Level, got: [u8; 4]) -> Result<(), ResponseCode> {
        let seed = match self.seed.take() {
            Some((of, seed)) if of == level => seed,
            _ => return Err(ResponseCode::RequestSequenceError),
        };
        if got == key(level, seed) {
            self.unlocked = Some(level);
            self.failures = 0;
            return Ok(());
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures < MAX_ATTEMPTS {
            return Err(ResponseCode::InvalidKey);
        }
        // One more attempt after the delay, not three.
        self.failures = MAX_ATTEMPTS - 1;
        self.barred_until = Some(now + self.lockout);
        Err(ResponseCode::ExceededNumberOfAttempts)
    }

    /// Whether `access` is given in `session`.
    pub(super) fn permit(&self, session: Session, access: Access) -> Result<(), ResponseCode> {
        let needed = match access {
            Access::Never => return Err(ResponseCode::RequestOutOfRange),
            Access::Free => return Ok(()),
            Access::In(needed) => needed,
            Access::Unlocked(level) => level.session(),
        };
        match access {
            _ if session != needed => Err(ResponseCode::RequestOutOfRange),
            Access::Unlocked(level) if self.unlocked != Some(level) => {
                Err(ResponseCode::SecurityAccessDenied)
            }
            _ => Ok(()),
        }
    }

    /// Never zero, which would say that the level is open.
    fn fresh(&mut self) -> [u8; 4] {
        let [high, low] = [self.random.next_u16(), self.random.next_u16()];
        (u32::from(high) << 16 | u32::from(low)).max(1).to_be_bytes()
    }
}
