//! A car's controller that answers diagnostic requests.
//!
//! [`Ecu`] is the pure part, without link and clock: requests and times go in, responses come out.
//! [`serve`] puts it on a bus. It behaves as ISO 14229-1 (UDS) says, in this part of it:
//!
//! | request | sessions | what it does |
//! |---|---|---|
//! | `10` session control | all | 01 default, 02 programming, 03 extended |
//! | `11` reset | all | 01 hard, 02 key off and on, 03 soft |
//! | `14` clear trouble codes | 1, 3 | `FFFFFF` all, or one |
//! | `19` read trouble codes | 1, 3 | 01 how many by status, 02 which by status, 0A all that are known |
//! | `22` read data | all | up to 16 identifiers at once; VIN is `F190` |
//! | `27` security access | 2, 3 | 01 and 02 in session 3, 11 and 12 in session 2; see [`key`] |
//! | `2E` write data | 2, 3 | `0101`; with [`Level::Diagnostic`] VIN, with [`Level::Programming`] `F15A` |
//! | `31` routine control | 2, 3 | [`SELF_TEST`]; in session 2 [`ERASE_MEMORY`], [`CHECK_DEPENDENCIES`] |
//! | `34` request download | 2 | with [`Level::Programming`], into memory that is erased |
//! | `36` transfer data | 2 | blocks numbered from 1, of up to [`MAX_BLOCK_LEN`] with service and number |
//! | `37` transfer exit | 2 | tells the CRC-32 of what came |
//! | `3E` tester present | all | 00 |
//!
//! Any session but the default ends 5 s after the last request (S3), and every change of session shuts what a
//! key had opened and ends what was under way.
//!
//! What lasts longer than P2, as erasing does, is announced with `7F SID 78` and again every 2.5 s. Requests
//! meanwhile are answered with `7F SID 21`. Bit 7 of a subfunction suppresses its positive response, unless
//! "response pending" was told before. Who was asked together with all others keeps to itself what it cannot
//! do.
//!
//! Over CAN it listens to 7E0 and answers with 7E8, and to all with 7DF, as OBD-II lays down; or as
//! [`serve_at`] is told.

mod access;
mod code;
mod config;
mod data;
mod driver;
mod memory;
mod routine;
mod service;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::vec::Vec;

pub use access::{Access, Level, MAX_ATTEMPTS, Session, key};
pub use code::{ResponseCode, negative_response};
pub use config::{EcuConfig, Engine, Stats};
pub use data::{Record, STATUS_AVAILABILITY, TroubleCode, VIN, VIN_DID};
pub(crate) use driver::standard_id;
pub use driver::{FUNCTIONAL_ID, REQUEST_ID, RESPONSE_ID, ServeError, serve, serve_at};
use isotp::Target;
pub use memory::{MAX_BLOCK_LEN, MEMORY_LEN, MEMORY_START, checksum};
pub use routine::{CHECK_DEPENDENCIES, ERASE_MEMORY, SELF_TEST, SELF_TEST_TIME};
pub use service::MAX_DIDS;
use tinwire_time::{Instant, Timer};

use self::access::Security;
use self::memory::Memory;
use self::routine::SelfTest;
use self::service::Reply;

/// P2: within this a response begins, or "response pending" is told.
pub const P2: Duration = Duration::from_millis(50);
/// P2*: within this after each "response pending".
pub const P2_STAR: Duration = Duration::from_secs(5);
/// S3: after this without a request the default session is back.
pub const S3: Duration = Duration::from_secs(5);
/// The longest response, which is what ISO-TP's usual receiver takes.
pub const MAX_RESPONSE_LEN: usize = 4095;
/// Responses kept for whoever sends them. Requests that come while there are so many are dropped and
/// counted.
pub const MAX_RESPONSES: usize = 8;

const NEGATIVE: u8 = 0x7F;
const POSITIVE: u8 = 0x40;
/// Bit of a subfunction: no positive response is wanted.
const SUPPRESS: u8 = 0x80;
const TESTER_PRESENT: u8 = 0x3E;

/// A request that takes its time.
#[derive(Debug)]
struct Job {
    asked: Asked,
    due: Instant,
    /// When to tell that it takes longer.
    pending: Instant,
    body: Vec<u8>,
}

/// What of a request decides how it is answered.
#[derive(Clone, Copy, Debug)]
struct Asked {
    service: u8,
    target: Target,
    /// No positive response is wanted.
    is_suppressed: bool,
    /// "Response pending" was told: then there is a last word, whatever it is.
    is_announced: bool,
}

/// A controller's diagnostic server, without I/O.
///
/// After each [`handle_request`](Self::handle_request) and [`handle_timeout`](Self::handle_timeout), take
/// responses from [`poll_transmit`](Self::poll_transmit) until there is none, tell of each that it was sent,
/// and ask [`poll_timeout`](Self::poll_timeout) anew. Its memory is bounded by its records and trouble codes,
/// [`MEMORY_LEN`], and [`MAX_RESPONSES`] responses.
///
/// ```
/// use isotp::Target;
/// use tinwire_sim::ecu::Ecu;
/// use tinwire_time::Instant;
///
/// let mut ecu = Ecu::default();
/// ecu.handle_request(Instant::ZERO, &[0x22, 0xF1, 0x90], Target::Physical);
/// let response = ecu.poll_transmit().unwrap();
/// assert_eq!(response[..3], [0x62, 0xF1, 0x90]);
/// assert_eq!(response[3..], *b"TW1WRES1MXECU0001");
///
/// ecu.handle_request(Instant::ZERO, &[0x34, 0x00], Target::Physical);
/// assert_eq!(ecu.poll_transmit().unwrap(), [0x7F, 0x34, 0x7F]); // not in this session
/// ```
#[derive(Debug)]
pub struct Ecu {
    config: EcuConfig,
    engine: Engine,
    records: BTreeMap<u16, Record>,
    troubles: Vec<TroubleCode>,
    session: Session,
    s3: Timer,
    security: Security,
    memory: Memory,
    self_test: Option<SelfTest>,
    job: Option<Job>,
    /// Deaf until then.
    booted: Instant,
    responses: VecDeque<Vec<u8>>,
    stats: Stats,
}

impl Default for Ecu {
    /// As [`EcuConfig`] has it by default, with a VIN, a serial number and the like, and three trouble codes.
    fn default() -> Self {
        Self::new(EcuConfig::default())
    }
}

impl Ecu {
    /// A controller as it leaves the factory.
    #[must_use]
    pub fn new(config: EcuConfig) -> Self {
        Self {
            config,
            engine: Engine::default(),
            records: data::factory_records(),
            troubles: data::factory_troubles(),
            session: Session::default(),
            s3: Timer::stopped(),
            security: Security::seeded(config.seed, config.lockout),
            memory: Memory::factory(),
            self_test: None,
            job: None,
            booted: Instant::ZERO,
            responses: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// Sets what a data identifier reads; nobody may write it.
    #[must_use]
    pub fn with_data(self, did: u16, data: impl Into<Vec<u8>>) -> Self {
        self.with_record(did, Record::new(data))
    }

    /// Sets what a data identifier stands for. `F186` is the session at hand, whatever is set.
    #[must_use]
    pub fn with_record(mut self, did: u16, record: Record) -> Self {
        self.records.insert(did, record);
        self
    }

    /// Sets all trouble codes that the controller knows.
    #[must_use]
    pub fn with_troubles(self, troubles: impl Into<Vec<TroubleCode>>) -> Self {
        Self {
            troubles: troubles.into(),
            ..self
        }
    }

    /// Makes the cell of program memory at `address` refuse to be written.
    #[must_use]
    pub fn with_worn_cell(mut self, address: u32) -> Self {
        self.memory.wear(address);
        self
    }

    /// Starts or stops the engine.
    pub const fn set_engine(&mut self, engine: Engine) {
        self.engine = engine;
    }

    /// The session at hand.
    #[must_use]
    pub const fn session(&self) -> Session {
        self.session
    }

    /// The lock that is open.
    #[must_use]
    pub const fn unlocked(&self) -> Option<Level> {
        self.security.unlocked()
    }

    /// The program memory, from [`MEMORY_START`] on.
    #[must_use]
    pub fn memory(&self) -> &[u8] {
        self.memory.cells()
    }

    /// Counters since it left the factory.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// A request that came, to this controller or to all.
    pub fn handle_request(&mut self, now: Instant, request: &[u8], target: Target) {
        self.handle_timeout(now);
        self.stats.requests += 1;
        let Some((&service, rest)) = request.split_first() else {
            self.stats.empty += 1;
            return;
        };
        if now < self.booted {
            self.stats.unheard += 1;
            return;
        }
        if self.responses.len() >= MAX_RESPONSES {
            self.stats.dropped += 1;
            return;
        }
        let mut asked = Asked {
            service,
            target,
            is_suppressed: false,
            is_announced: false,
        };
        if self.job.is_some() {
            match request {
                // Other controllers are kept in their sessions with it; this one is not to be bothered.
                [TESTER_PRESENT, SUPPRESS] => self.stats.suppressed += 1,
                _ => self.respond(asked, Err(ResponseCode::BusyRepeatRequest)),
            }
            return;
        }
        self.s3.stop();
        match self.serve(now, &mut asked, rest) {
            Ok(Reply::Now(body)) => self.finish(now, asked, Ok(body)),
            Ok(Reply::Later(after, body)) => {
                self.job = Some(Job {
                    asked,
                    due: now + after,
                    pending: now + P2 / 2,
                    body,
                });
            }
            Err(code) => self.finish(now, asked, Err(code)),
        }
    }

    /// A request is coming in, of which the last part is not there yet: the session does not end meanwhile.
    pub fn handle_reception(&mut self, now: Instant) {
        self.keep_session(now);
    }

    /// A response was sent as a whole, or failed to be: S3 counts from here.
    pub fn handle_transmitted(&mut self, now: Instant) {
        self.keep_session(now);
    }

    /// The next response.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.responses.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let job = self.job.as_ref().map(|job| job.due.min(job.pending));
        job.into_iter().chain(self.s3.deadline()).min()
    }

    /// Ends what is due. Early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(job) = self.job.take_if(|job| job.due <= now) {
            self.finish(now, job.asked, Ok(job.body));
        }
        if let Some(job) = self.job.as_mut().filter(|job| job.pending <= now) {
            job.asked.is_announced = true;
            // At least 0.3 P2* apart, and well within it.
            job.pending = now + P2_STAR / 2;
            let response = [
                NEGATIVE,
                job.asked.service,
                ResponseCode::ResponsePending.to_bits(),
            ];
            self.stats.pending += 1;
            self.queue(response.to_vec());
        }
        if self.s3.fire(now) {
            self.enter(Session::Default);
        }
    }

    /// The last word on a request.
    fn finish(&mut self, now: Instant, asked: Asked, outcome: Result<Vec<u8>, ResponseCode>) {
        self.respond(asked, outcome);
        if self.session != Session::Default {
            self.s3.start(now + S3);
        }
    }

    fn respond(&mut self, asked: Asked, outcome: Result<Vec<u8>, ResponseCode>) {
        let outcome = outcome.and_then(|body| match body.len() < MAX_RESPONSE_LEN {
            true => Ok(body),
            false => Err(ResponseCode::ResponseTooLong),
        });
        let functional = asked.target == Target::Functional;
        match outcome {
            Ok(_) if asked.is_suppressed && !asked.is_announced => self.stats.suppressed += 1,
            Ok(body) => {
                self.stats.positive += 1;
                self.queue([&[asked.service | POSITIVE], body.as_slice()].concat());
            }
            Err(code) if functional && code.is_silent_when_functional() && !asked.is_announced => {
                self.stats.passed_over += 1;
            }
            Err(code) => {
                self.stats.negative += 1;
                self.queue([NEGATIVE, asked.service, code.to_bits()].to_vec());
            }
        }
    }

    fn queue(&mut self, response: Vec<u8>) {
        if self.responses.len() < MAX_RESPONSES {
            self.responses.push_back(response);
        } else {
            self.stats.dropped += 1;
        }
    }

    fn keep_session(&mut self, now: Instant) {
        if self.s3.is_running() {
            self.s3.start(now + S3);
        }
    }

    /// Any change of session shuts the locks, and ends what was begun in it.
    fn enter(&mut self, session: Session) {
        self.session = session;
        self.security.lock();
        self.memory.abandon();
        self.self_test = None;
    }
}

#[cfg(test)]
mod tests;
