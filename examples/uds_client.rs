//! A workshop's visit: who are you, what is wrong, and here is your new software (UDS, ISO 14229-1).
//!
//! ```text
//! cargo run -p tinwire-examples --bin uds_client            # all of it, with a simulated car
//! cargo run -p tinwire-examples --bin uds_client -- can0    # a real one, which is only looked at
//! ```
//!
//! [`IsoTpStream`] carries whole messages; the crate `automotive_diag` knows what their first bytes are
//! called. What is in between is here: a response belongs to a request, may be negative, and may take its
//! time.

use core::error::Error;
use core::time::Duration;
use std::io::{self, Write};

use automotive_diag::ByteWrapper::Standard;
use automotive_diag::uds::{
    DtcSubFunction, ResetType, RoutineControlType, UdsCommand, UdsError, UdsErrorByte, UdsSessionType,
};
use bytes::Bytes;
use can_link::{CanLink, StandardId};
use futures::TryStreamExt as _;
use isotp::{Address, Config, IsoTpStream, SendState, StreamError};
use thiserror::Error as ThisError;
use tinwire_sim::ecu::{self, ERASE_MEMORY, Level, MEMORY_START, SELF_TEST, SELF_TEST_TIME};
use tinwire_sim::{World, WorldConfig};
use tokio::time::{self, Instant};

/// How long a response may take. The controller has to begin it within 50 ms (P2); a long one needs some time
/// on the bus.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it may take after the controller said that it will (P2*), and some time on the bus.
const MORE_PATIENCE: Duration = Duration::from_secs(6);
/// The first byte of a negative response.
const NEGATIVE: u8 = 0x7F;
/// What a positive response adds to the service that was asked for.
const POSITIVE: u8 = 0x40;
/// Bit of a subfunction: no positive response is wanted.
const SUPPRESS: u8 = 0x80;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    match std::env::args().nth(1) {
        // Anything that `can_link::open` knows: can0, bus:lab, virtual:demo, ...
        Some(address) => look(can_link::open(&address.parse()?).await?, &mut out).await,
        None => {
            let world = World::start(WorldConfig::seeded(1)).await?;
            look(world.join(), &mut out).await?;
            work(world.join(), &mut out).await
        }
    }
}

/// Reads who the controller is and what it complains about. Changes nothing.
async fn look(link: impl CanLink, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut tester = Tester::new(link, out)?;

    // Service 22: each identifier names a piece of data. Who has no such thing says so, and is asked for the
    // next one.
    for (did, name) in [
        (0xF190_u16, "VIN"),
        (0xF187, "part number"),
        (0xF18C, "serial number"),
        (0xF195, "software version"),
        (0xF1A5, "colour"),
    ] {
        match tester.read_data(did).await {
            Ok(text) => tester.tell(format_args!("{name}: {}", text.escape_ascii()))?,
            Err(AskError::Refused { code, .. }) => tester.tell(format_args!("{name}: {code:?}"))?,
            Err(error) => return Err(error.into()),
        }
    }

    // Service 19: the trouble codes with any of the status bits in the mask; here "failed" and "confirmed".
    for (code, status) in tester.read_troubles(0x09).await? {
        let confirmed = if status & 0x08 == 0 { "" } else { ", confirmed" };
        let present = if status & 0x01 == 0 { "not now" } else { "present" };
        tester.tell(format_args!("trouble {code}: {present}{confirmed}"))?;
    }
    Ok(())
}

/// Tests the controller and gives it new software.
async fn work(link: impl CanLink, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut tester = Tester::new(link, out)?;

    // Sessions but the default one end when the tester is silent for 5 s, so that nobody leaves a car on the
    // road that still believes to be in a workshop.
    tester.enter(UdsSessionType::Extended).await?;
    tester
        .control_routine(RoutineControlType::StartRoutine, SELF_TEST)
        .await?;
    let end = Instant::now() + SELF_TEST_TIME;
    while Instant::now() < end {
        tester.still_here().await?;
        time::sleep(Duration::from_secs(1)).await;
    }
    let result = tester
        .control_routine(RoutineControlType::RequestRoutineResult, SELF_TEST)
        .await?;
    let verdict = if *result == [0x00] { "passed" } else { "failed" };
    tester.tell(format_args!("self-test {verdict}"))?;

    // Software is written in a session of its own, and not by everybody. Without the key the controller says
    // no, and that is no error of the transport: the next request is answered as ever.
    tester.enter(UdsSessionType::Programming).await?;
    if let Err(refused) = tester.erase().await {
        tester.tell(format_args!("erase: {refused}"))?;
    }
    tester.unlock(Level::Programming).await?;
    tester.erase().await?;

    let image: Vec<u8> = (0..4096_u32).map(|at| (at % 251).to_le_bytes()[0]).collect();
    let crc = tester.download(MEMORY_START, &image).await?;
    let verdict = if crc == ecu::checksum(&image) {
        "intact"
    } else {
        "damaged"
    };
    tester.tell(format_args!("checksum {crc:08X}: {verdict}"))?;

    tester
        .ask(UdsCommand::ECUReset, &[ResetType::HardReset.into()])
        .await?;
    tester.tell(format_args!("reset"))?;
    Ok(())
}

/// Why a question has no answer.
#[derive(Debug, ThisError)]
enum AskError {
    /// The controller says no. `code` is `Extended` where the standard has no name for it.
    #[error("{command:?} was refused: {code:?}")]
    Refused { command: UdsCommand, code: UdsErrorByte },
    #[error("{command:?}: no response")]
    NoResponse { command: UdsCommand },
    /// A positive response that is too short for what it shall say.
    #[error("{command:?}: malformed response {response:?}")]
    Malformed { command: UdsCommand, response: Bytes },
    #[error(transparent)]
    Transport(#[from] StreamError),
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// A conversation with one controller, told to `out`.
struct Tester<'a, L, W> {
    stream: IsoTpStream<L>,
    out: &'a mut W,
}

impl<'a, L: CanLink, W: Write> Tester<'a, L, W> {
    /// The engine's controller has these two identifiers in every car.
    fn new(link: L, out: &'a mut W) -> Result<Self, Box<dyn Error>> {
        let (request, response) = StandardId::new(0x7E0)
            .zip(StandardId::new(0x7E8))
            .ok_or("11 bits")?;
        let address = Address::normal(request, response)?;
        Ok(Self {
            stream: IsoTpStream::new(link, address, Config::default())?,
            out,
        })
    }

    fn tell(&mut self, line: core::fmt::Arguments<'_>) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    /// Sends a request and waits for its response: what follows the service.
    async fn ask(&mut self, command: UdsCommand, parameters: &[u8]) -> Result<Bytes, AskError> {
        let request = [&[command.into()], parameters].concat();
        // Done when the last frame is on the bus. A failure is of this message only.
        self.stream.send(request).await?;
        self.answer(command).await
    }

    /// The response to a request that was sent.
    async fn answer(&mut self, command: UdsCommand) -> Result<Bytes, AskError> {
        let mut deadline = Instant::now() + PATIENCE;
        loop {
            let received = time::timeout_at(deadline, self.stream.recv()).await;
            let Ok(Some(response)) = received else {
                return Err(AskError::NoResponse { command });
            };
            let response = response?;
            match *response {
                [NEGATIVE, service, code] if service == u8::from(command) => {
                    match UdsErrorByte::from(code) {
                        // Heard, and being done: that is no refusal, but a reason to wait for longer.
                        Standard(UdsError::RequestCorrectlyReceivedResponsePending) => {
                            self.tell(format_args!("  {command:?} takes longer"))?;
                            deadline = Instant::now() + MORE_PATIENCE;
                        }
                        code => return Err(AskError::Refused { command, code }),
                    }
                }
                [service, ..] if service == u8::from(command) | POSITIVE => return Ok(response.slice(1..)),
                // The late response to a request that was given up.
                _ => {}
            }
        }
    }

    async fn enter(&mut self, session: UdsSessionType) -> Result<(), AskError> {
        let command = UdsCommand::DiagnosticSessionControl;
        let response = self.ask(command, &[session.into()]).await?;
        // The session, and the controller's own P2 in milliseconds and P2* in tens of them.
        let &[_, a, b, c, d] = &*response else {
            return Err(AskError::Malformed { command, response });
        };
        let [p2, p2_star] = [[a, b], [c, d]].map(u16::from_be_bytes);
        self.tell(format_args!(
            "{session:?} session: responses begin within {p2} ms, or within {p2_star}0 ms if announced"
        ))?;
        Ok(())
    }

    /// Keeps the session. Nothing comes back, so nothing is waited for.
    async fn still_here(&mut self) -> Result<(), AskError> {
        let request = vec![UdsCommand::TesterPresent.into(), SUPPRESS];
        self.stream.send(request).await?;
        Ok(self.tell(format_args!("  tester present"))?)
    }

    async fn read_data(&mut self, did: u16) -> Result<Bytes, AskError> {
        let command = UdsCommand::ReadDataByIdentifier;
        let response = self.ask(command, &did.to_be_bytes()).await?;
        match response.strip_prefix(&did.to_be_bytes()) {
            Some(data) => Ok(response.slice_ref(data)),
            None => Err(AskError::Malformed { command, response }),
        }
    }

    /// Trouble codes as they are printed in manuals, and their status.
    async fn read_troubles(&mut self, mask: u8) -> Result<Vec<(String, u8)>, AskError> {
        let command = UdsCommand::ReadDTCInformation;
        let parameters = [DtcSubFunction::ReportDtcByStatusMask.into(), mask];
        let response = self.ask(command, &parameters).await?;
        // The subfunction and the status bits that are kept at all; then four bytes for each code.
        let [_, _, troubles @ ..] = &*response else {
            return Err(AskError::Malformed { command, response });
        };
        let (troubles, []) = troubles.as_chunks::<4>() else {
            return Err(AskError::Malformed { command, response });
        };
        let troubles = troubles.iter().map(|&[high, low, failure, status]| {
            let system = ["P", "C", "B", "U"].get(usize::from(high >> 6)).unwrap_or(&"?");
            (
                format!("{system}{:02X}{low:02X}-{failure:02X}", high & 0x3F),
                status,
            )
        });
        Ok(troubles.collect())
    }

    async fn control_routine(
        &mut self,
        control: RoutineControlType,
        routine: u16,
    ) -> Result<Bytes, AskError> {
        let command = UdsCommand::RoutineControl;
        let [high, low] = routine.to_be_bytes();
        let response = self.ask(command, &[control.into(), high, low]).await?;
        self.tell(format_args!("{control:?} {routine:04X}"))?;
        // What follows the echo of the three bytes is the routine's own.
        match response.get(3..) {
            Some(status) => Ok(response.slice_ref(status)),
            None => Err(AskError::Malformed { command, response }),
        }
    }

    /// Erasing takes seconds: the controller announces that, see [`answer`](Self::answer).
    async fn erase(&mut self) -> Result<Bytes, AskError> {
        self.control_routine(RoutineControlType::StartRoutine, ERASE_MEMORY)
            .await
    }

    /// Asks for a seed and sends the key to it. How the one is made of the other is each maker's secret.
    async fn unlock(&mut self, level: Level) -> Result<(), AskError> {
        let command = UdsCommand::SecurityAccess;
        let response = self.ask(command, &[level.to_bits()]).await?;
        let &[_, a, b, c, d] = &*response else {
            return Err(AskError::Malformed { command, response });
        };
        let key = ecu::key(level, [a, b, c, d]);
        self.ask(command, &[&[level.to_bits() + 1], &key[..]].concat())
            .await?;
        Ok(self.tell(format_args!("unlocked"))?)
    }

    /// Writes `image` from `address` on, in blocks of the size that the controller asks for; its checksum.
    async fn download(&mut self, address: u32, image: &[u8]) -> Result<u32, AskError> {
        // No compression; four bytes of address, four of length.
        let len = u32::try_from(image.len()).unwrap_or(u32::MAX);
        let place = [address.to_be_bytes(), len.to_be_bytes()].concat();
        let command = UdsCommand::RequestDownload;
        let response = self.ask(command, &[&[0x00, 0x44], &place[..]].concat()).await?;
        // How many bytes the number has, in the upper half of one; then the longest request that is taken,
        // with its service and its counter.
        let max = match &*response {
            [_, number @ ..] => number.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)),
            [] => 0,
        };
        if max < 3 {
            return Err(AskError::Malformed { command, response });
        }

        let command = UdsCommand::TransferData;
        let mut progress = Progress::of(image.len());
        // The first block has the number 1, and after 255 comes 0.
        for (number, block) in (1_usize..).zip(image.chunks(max - 2)) {
            let counter = number.to_le_bytes()[0];
            let request = [&[command.into(), counter], block].concat();
            let mut sending = self.stream.start(request);
            while let Some(state) = sending.try_next().await? {
                if let SendState::Progress { sent, .. } = state {
                    progress.show(usize::try_from(sent).unwrap_or(usize::MAX), self.out)?;
                }
            }
            drop(sending);
            self.answer(command).await?;
            progress.done += block.len();
            progress.show(0, self.out)?;
        }

        // The end is told too, and this controller answers with the CRC-32 of all that it got.
        let command = UdsCommand::RequestTransferExit;
        let response = self.ask(command, &[]).await?;
        match <[u8; 4]>::try_from(&*response) {
            Ok(crc) => Ok(u32::from_be_bytes(crc)),
            Err(_) => Err(AskError::Malformed { command, response }),
        }
    }
}

/// How far a download got.
struct Progress {
    len: usize,
    /// Bytes of blocks that were confirmed.
    done: usize,
    /// Tenths that were told.
    told: usize,
}

impl Progress {
    const fn of(len: usize) -> Self {
        Self {
            len,
            done: 0,
            told: 0,
        }
    }

    /// Tells each tenth once; `sent` bytes of the next block are on the bus.
    fn show(&mut self, sent: usize, out: &mut impl Write) -> io::Result<()> {
        let done = self.done.saturating_add(sent).min(self.len);
        let tenths = 10 * done / self.len.max(1);
        if tenths > self.told {
            self.told = tenths;
            writeln!(out, "  {}0 % of {} bytes", tenths, self.len)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use can_link::VirtualBus;

    use super::*;

    async fn told(world: &World) -> String {
        let mut out = Vec::new();
        look(world.join(), &mut out).await.unwrap();
        work(world.join(), &mut out).await.unwrap();
        String::from_utf8(out).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_visit_goes_as_it_is_told() {
        let world = World::start(WorldConfig::seeded(1)).await.unwrap();
        let story = told(&world).await;
        let mut lines = story.lines();
        for expected in [
            "VIN: TW1WRES1MXECU0001",
            "colour: RequestOutOfRange",
            "trouble P0301-00: present, confirmed",
            "trouble P0562-00: not now, confirmed",
            "Extended session: responses begin within 50 ms, or within 5000 ms if announced",
            "  tester present",
            "self-test passed",
            "erase: RoutineControl was refused: SecurityAccessDenied",
            "unlocked",
            "  RoutineControl takes longer",
            "StartRoutine FF00",
            "  100 % of 4096 bytes",
            "checksum D465F907: intact",
            "reset",
        ] {
            assert!(
                lines.any(|line| line == expected),
                "{expected:?} is missing or out of place in:\n{story}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_answers_on_an_empty_bus() {
        let bus = VirtualBus::new();
        let error = look(bus.join(), &mut Vec::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "ReadDataByIdentifier: no response");
    }
}
