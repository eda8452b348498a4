//! `demo`: one walk through every protocol, on simulated devices.
//!
//! Each part is a file: it does something, and tells what came of it in a text and in JSON.

mod car;
mod dns;
mod flow;
mod satellite;

use std::time::Instant;

use serde::Serialize;
use tinwire_sim::{World, WorldConfig};

use super::Session;
use crate::failure::{Code, Failure, Result};
use crate::units;

/// What came of one part.
trait Part: Serialize {
    /// A headline, and indented lines below it.
    fn text(&self) -> String;
}

/// The closing line.
#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    sim: bool,
    seed: u64,
    /// Frames that were on the simulated bus.
    frames: u64,
    dropped: u64,
    duration_ms: u64,
}

pub(super) async fn run(session: &mut Session, seed: u64) -> Result {
    let start = Instant::now();
    if !session.output.is_json() {
        session
            .output
            .text("A satellite, a car and a DNS resolver: all simulated, no hardware needed.")?;
    }
    let world = World::start(WorldConfig::seeded(seed))
        .await
        .map_err(|error| Failure::caused(Code::CannotOpen, error))?;
    show(session, &satellite::visit(&world).await?)?;
    show(session, &car::visit(&world).await?)?;
    show(session, &dns::visit()?)?;
    show(session, &flow::visit(&world).await?)?;
    let bus = world.bus().stats();
    let summary = Summary {
        r#type: "summary",
        sim: true,
        seed,
        frames: bus.frames,
        dropped: bus.dropped,
        duration_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    session.output.either(&summary, |summary| {
        format!(
            "bus: {} frames, {} dropped, {}\n\n{}",
            summary.frames,
            summary.dropped,
            units::shown(start.elapsed()),
            "Go on with: tinwire csp ping eps, tinwire isotp send 22F190, tinwire can dump, tinwire doctor"
        )
    })
}

fn show(session: &mut Session, part: &impl Part) -> Result {
    session.output.either(part, Part::text)?;
    session.output.flush()
}
