//! Flows by name: a service that gives every packet back, and a client that asks it for a flow.
//!
//! ```text
//! cargo run -p tinwire-examples --bin flow_echo
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use core::error::Error;

use flow_core::{LocalLayer, LocalProvider, Name, QosSpec};
use futures::StreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("{}", story("hello").await?);
    Ok(())
}

async fn story(text: &str) -> Result<String, Box<dyn Error>> {
    let layer = LocalLayer::new();
    let name = Name::new("echo")?;

    // A name is bound before anybody can ask for a flow to it.
    let service = layer.attach();
    service.bind(&name)?;
    tokio::spawn(serve(service));

    let client = layer.attach();
    let mut flow = client.alloc(&name, QosSpec::DATA, None).await?;
    flow.write(text.to_owned()).await?;
    let reply = flow.read_packet().await?;
    flow.dealloc().await?;
    Ok(String::from_utf8(reply.to_vec())?)
}

/// Each flow has a task, so that one slow client keeps nobody waiting.
async fn serve(service: LocalProvider) {
    while let Ok(flow) = service.accept(None).await {
        let (reader, writer) = flow.split();
        tokio::spawn(reader.forward(writer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_said_comes_back() {
        assert_eq!(story("hello").await.unwrap(), "hello");
    }
}
