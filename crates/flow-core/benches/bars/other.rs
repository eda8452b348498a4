//! The other process: reads what comes, or sends it back.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use flow_core::providers::machine::{MachineConfig, MachineLayer};
use flow_core::{Flow, Name};

/// The name whose packets are read.
pub(crate) const SINK: &str = "sink";
/// The name whose packets come back.
pub(crate) const ECHO: &str = "echo";
/// A packet for the sink that is answered.
pub(crate) const ASK: &[u8] = b"?";
/// Says that this process is the other one, and where.
const PLACE: &str = "TINWIRE_BARS_PLACE";

/// A process that ends with its guard.
pub(crate) struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it, and waits until its names are bound.
pub(crate) fn start(place: &Path) -> Other {
    let mut child = Command::new(env::current_exe().unwrap())
        .env(PLACE, place)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    assert_eq!(line, "bound\n");
    Other(child)
}

/// Is the other process if that is what this one was started for.
pub(crate) fn plays() -> bool {
    let Some(place) = env::var_os(PLACE) else {
        return false;
    };
    super::bare::serve(Path::new(&place));
    super::one_thread().block_on(async {
        let layer = MachineLayer::open(MachineConfig::default().directory(&place)).unwrap();
        let server = layer.attach();
        for name in [SINK, ECHO] {
            server.bind(&Name::new(name).unwrap()).unwrap();
        }
        println!("bound");
        loop {
            let flow = server.accept(None).await.unwrap();
            tokio::spawn(async move {
                if flow.name().as_str() == ECHO {
                    echo(flow).await;
                } else {
                    sink(flow).await;
                }
            });
        }
    })
}

async fn sink(mut flow: Flow) {
    while let Ok(packet) = flow.read_packet().await {
        if packet == ASK {
            flow.write(ASK).await.unwrap();
        }
    }
}

async fn echo(mut flow: Flow) {
    while let Ok(packet) = flow.read_packet().await {
        flow.write(packet).await.unwrap();
    }
}
