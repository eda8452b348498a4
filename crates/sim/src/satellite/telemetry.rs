//! What a station measures: a port that answers every packet with one line of figures, and one that answers
//! with all that was kept of them.

use core::fmt::Write as _;
use core::time::Duration;

use csp_core::rt::{Connection, Listener};
use csp_core::{Message, Port};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::Station;
use crate::random::Random;

/// The port of the telemetry.
///
/// Any packet asks; the answer is a line of `name=value` pairs. Plain packets and connections both do.
pub const TELEMETRY_PORT: u8 = 10;
/// The port of what was kept of the telemetry.
///
/// Any packet asks; the answer is a blob by SFP, a line for each of the last [`LOG_LINES`] minutes. Ask over
/// RDP: without, one lost packet loses the blob.
pub const LOG_PORT: u8 = 11;
/// Lines of the blob.
pub const LOG_LINES: i64 = 120;

/// A reader that asks nothing for so long is let go.
const QUIET: Duration = Duration::from_secs(60);
/// Readers of one station at once; a further one waits.
const MAX_READERS: usize = 8;

/// A figure that swings slowly around its mean.
struct Figure {
    name: &'static str,
    mean: i64,
    swing: i64,
}

const fn figure(name: &'static str, mean: i64, swing: i64) -> Figure {
    Figure { name, mean, swing }
}

fn figures(station: &str) -> &'static [Figure] {
    match station {
        "obc" => {
            const {
                &[
                    figure("temperature_mc", 21_500, 1_500),
                    figure("boots", 17, 0),
                    figure("mode", 2, 0),
                ]
            }
        }
        "eps" => {
            const {
                &[
                    figure("battery_mv", 7_910, 120),
                    figure("current_ma", 342, 60),
                    figure("solar_mw", 4_180, 900),
                ]
            }
        }
        "adcs" => {
            const {
                &[
                    figure("rate_x_mdps", 3, 12),
                    figure("rate_y_mdps", -5, 12),
                    figure("rate_z_mdps", 1, 12),
                ]
            }
        }
        "radio" => {
            const {
                &[
                    figure("rssi_dbm", -97, 6),
                    figure("temperature_mc", 33_250, 2_000),
                ]
            }
        }
        _ => const { &[figure("frames", 64, 0), figure("detector_mc", -12_000, 400)] },
    }
}

/// What a port answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Feed {
    Telemetry,
    Log,
}

impl Feed {
    pub(super) const ALL: [Self; 2] = [Self::Telemetry, Self::Log];

    pub(super) fn port(self) -> Port {
        let bits = match self {
            Self::Telemetry => TELEMETRY_PORT,
            Self::Log => LOG_PORT,
        };
        Port::new(bits).expect("10 and 11 are ports")
    }
}

/// What `station` measured in `second` of its node's time: the same seed measures the same.
fn line(station: Station, seed: u64, second: i64) -> String {
    let mut random = Random::seeded(seed ^ second.cast_unsigned() << 8 ^ u64::from(station.address));
    let mut line = format!("{} t={second}", station.name);
    for Figure { name, mean, swing } in figures(station.name) {
        let noise = i64::from(random.next_u16()) * 2 * swing / i64::from(u16::MAX);
        let _ = write!(line, " {name}={}", mean - swing + noise);
    }
    line
}

/// A line for each full minute up to `second`, the oldest first; the first ones from before the simulation.
fn log(station: Station, seed: u64, second: i64) -> String {
    let minute = second / 60;
    let minutes = (minute - LOG_LINES + 1)..=minute;
    minutes
        .map(|minute| line(station, seed, minute * 60) + "\n")
        .collect()
}

/// Answers whoever connects until the node stops.
pub(super) async fn serve(station: Station, seed: u64, feed: Feed, mut listener: Listener) {
    let mut readers = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if readers.len() < MAX_READERS => match accepted {
                Ok(connection) => readers.push(read(station, seed, feed, connection)),
                Err(_) => return,
            },
            Some(()) = readers.next(), if !readers.is_empty() => {}
        }
    }
}

/// Answers one reader, as long as it asks in time and takes the answers.
async fn read(station: Station, seed: u64, feed: Feed, mut connection: Connection) {
    while let Ok(Message { received_at, .. }) = connection.recv_timeout(QUIET).await {
        let second = i64::try_from(received_at.as_micros() / 1_000_000).unwrap_or(i64::MAX);
        let told = match feed {
            Feed::Telemetry => connection.send(line(station, seed, second)).await.is_ok(),
            Feed::Log => connection.send_blob(log(station, seed, second)).await.is_ok(),
        };
        if !told {
            return;
        }
    }
}
