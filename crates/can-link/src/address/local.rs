//! Links of this machine that need no CAN interface.

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use super::AddressError;
use super::query::{DurationText, Query, QueryText, decimal};
use crate::faulty::{FaultConfig, Probability};
use crate::local_bus::QueueLen;
use crate::virtual_bus::Overflow;

/// Frames of a receive queue unless `queue=` tells otherwise.
const DEFAULT_QUEUE: usize = 8_192;
/// Largest `queue=` of a virtual bus.
const MAX_QUEUE: usize = 1 << 20;

/// `virtual:NAME`: a bus inside this process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VirtualAddress {
    /// The bus's name.
    pub name: String,
    /// `own=`: whether own frames come back. Default no.
    pub own: bool,
    /// `queue=N`: frames the receive queue holds. Default 8192.
    pub queue: usize,
    /// `queue=block`: senders wait for this receiver; by default it loses frames, counted.
    pub overflow: Overflow,
}

impl VirtualAddress {
    pub(super) fn parse(body: &str, query: Option<&str>) -> Result<Self, AddressError> {
        if body.is_empty() {
            let (scheme, what, example) = ("virtual", "name", "virtual:NAME");
            return Err(AddressError::Missing {
                scheme,
                what,
                example,
            });
        }
        let query = Query::parse("virtual", query, &["own", "queue"])?;
        let (queue, overflow) = query
            .read("queue", "1 to 1048576 frames, or block", |value| match value {
                "block" => Some((DEFAULT_QUEUE, Overflow::Block)),
                number => queue_len(number).map(|frames| (frames, Overflow::Drop)),
            })?
            .unwrap_or((DEFAULT_QUEUE, Overflow::Drop));
        Ok(Self {
            name: body.into(),
            own: query.flag("own")?.unwrap_or(false),
            queue,
            overflow,
        })
    }
}

impl fmt::Display for VirtualAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "virtual:{}", self.name)?;
        let mut query = QueryText::new(f);
        query.put_flag("own", self.own, false)?;
        match self.overflow {
            Overflow::Block => query.put("queue", "block"),
            Overflow::Drop => query.put_unless("queue", self.queue, DEFAULT_QUEUE),
        }
    }
}

fn queue_len(text: &str) -> Option<usize> {
    decimal(text).filter(|frames| (1..=MAX_QUEUE).contains(frames))
}

/// `bus:NAME`: a bus shared by processes of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusAddress {
    /// The bus's name: 1 to 32 of `A-Z a-z 0-9 . _ -`, not starting with a dot.
    pub name: String,
    /// `own=`: whether own frames come back. Default no.
    pub own: bool,
    /// `queue=`: frames that wait for this member before it loses some, 1 to 65536. Default 8192.
    pub queue: QueueLen,
}

impl BusAddress {
    pub(super) fn parse(body: &str, query: Option<&str>) -> Result<Self, AddressError> {
        if !is_bus_name(body) {
            return Err(AddressError::BusName { name: body.into() });
        }
        let query = Query::parse("bus", query, &["own", "queue"])?;
        Ok(Self {
            name: body.into(),
            own: query.flag("own")?.unwrap_or(false),
            queue: query
                .read("queue", "1 to 65536 frames", |text| {
                    decimal(text).and_then(QueueLen::new)
                })?
                .unwrap_or_default(),
        })
    }
}

/// Whether `name` may become a file name.
pub(crate) fn is_bus_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=32).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(allowed)
}

impl fmt::Display for BusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bus:{}", self.name)?;
        let mut query = QueryText::new(f);
        query.put_flag("own", self.own, false)?;
        query.put_unless("queue", self.queue, QueueLen::default())
    }
}

/// `sim:`: built-in simulated devices, behind a link that misbehaves by a seed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SimAddress {
    /// `loss=`: how often a frame vanishes, 0 to 1. Default never.
    pub loss: Probability,
    /// `delay=`: how long each frame takes. Default no time.
    pub delay: Duration,
    /// `dup=`: how often a frame comes twice, 0 to 1. Default never.
    pub duplicate: Probability,
    /// `corrupt=`: how often a frame is damaged, 0 to 1. Default never.
    pub corrupt: Probability,
    /// `seed=`: decides when. Default 0.
    pub seed: u64,
}

impl SimAddress {
    /// The faults that were asked for.
    #[must_use]
    pub fn faults(&self) -> FaultConfig {
        FaultConfig::seeded(self.seed)
            .loss(self.loss)
            .delay(self.delay)
            .duplicate(self.duplicate)
            .corrupt(self.corrupt)
    }

    pub(super) fn parse(body: &str, query: Option<&str>) -> Result<Self, AddressError> {
        if !body.is_empty() {
            let (scheme, what, example) = ("sim", body.into(), "sim: or sim:?loss=0.01");
            return Err(AddressError::Unexpected {
                scheme,
                what,
                example,
            });
        }
        let query = Query::parse("sim", query, &["loss", "delay", "dup", "corrupt", "seed"])?;
        let probability = |key| {
            let parse = |text: &str| text.parse().ok().and_then(Probability::new);
            query.read(key, "a probability from 0 to 1, such as 0.01", parse)
        };
        Ok(Self {
            loss: probability("loss")?.unwrap_or_default(),
            delay: query.duration("delay")?.unwrap_or_default(),
            duplicate: probability("dup")?.unwrap_or_default(),
            corrupt: probability("corrupt")?.unwrap_or_default(),
            seed: query
                .number("seed", "a whole number", 0..=u64::MAX)?
                .unwrap_or_default(),
        })
    }
}

impl fmt::Display for SimAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sim:")?;
        let mut query = QueryText::new(f);
        query.put_unless("loss", self.loss.value(), 0.0)?;
        if !self.delay.is_zero() {
            query.put("delay", DurationText(self.delay))?;
        }
        query.put_unless("dup", self.duplicate.value(), 0.0)?;
        query.put_unless("corrupt", self.corrupt.value(), 0.0)?;
        query.put_unless("seed", self.seed, 0)
    }
}

/// How fast a log is replayed, as a factor of the speed it was recorded at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReplaySpeed(f64);

impl ReplaySpeed {
    /// As fast as it was recorded.
    pub const RECORDED: Self = Self(1.0);
    /// Without any waiting; written `speed=0`.
    pub const UNPACED: Self = Self(0.0);

    /// A factor, or `None` unless it is 0 (no waiting) or from 0.001 to 1000.
    #[must_use]
    pub fn new(factor: f64) -> Option<Self> {
        (factor == 0.0 || (0.001..=1000.0).contains(&factor)).then_some(Self(factor))
    }

    /// How long after the first line one is due that was recorded `recorded` after it.
    #[must_use]
    pub fn due(self, recorded: Duration) -> Duration {
        if self.0 == 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(recorded.as_secs_f64() / self.0).unwrap_or(Duration::MAX)
    }
}

/// `log:FILE`: the replay of a log, receive-only.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LogAddress {
    /// The file; `-` is standard input.
    pub file: String,
    /// `speed=`: 2 is twice as fast as recorded, 0 does not wait at all. Default 1.
    pub speed: ReplaySpeed,
}

impl LogAddress {
    pub(super) fn parse(body: &str, query: Option<&str>) -> Result<Self, AddressError> {
        if body.is_empty() {
            let (scheme, what, example) = ("log", "file", "log:FILE, or log:- for standard input");
            return Err(AddressError::Missing {
                scheme,
                what,
                example,
            });
        }
        let query = Query::parse("log", query, &["speed"])?;
        let speed = query.read("speed", "0, or a factor from 0.001 to 1000", |text| {
            text.parse().ok().and_then(ReplaySpeed::new)
        })?;
        Ok(Self {
            file: body.into(),
            speed: speed.unwrap_or(ReplaySpeed::RECORDED),
        })
    }
}

impl fmt::Display for LogAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log:{}", self.file)?;
        QueryText::new(f).put_unless("speed", self.speed.0, 1.0)
    }
}
