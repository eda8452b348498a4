//! A picture in one call: SFP cuts a blob into packets and puts it together again.
//!
//! ```text
//! cargo run -p tinwire-examples --bin csp_blob
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use core::error::Error;
use core::time::Duration;

use bytes::Bytes;
use csp_core::rt::{BlobError, Node, pair};
use csp_core::{
    Address, Config, ConnectConfig, InterfaceConfig, InterfaceName, Netmask, Port, SocketConfig, Switch,
};

/// No picture is longer; what a packet announces is not believed.
const LIMIT: u32 = 100_000;
/// How long nothing may come before it is given up.
const QUIET: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let picture = vec![0x7F; 20_000];
    let got = take_picture(&picture, LIMIT).await??;
    println!("a picture of {} bytes", got.len());
    Ok(())
}

/// Asks a camera, which has `picture`, for one of at most `limit` bytes.
async fn take_picture(picture: &[u8], limit: u32) -> Result<Result<Bytes, BlobError>, Box<dyn Error>> {
    let (left, right) = pair();
    let (ground, camera) = (Node::spawn(Config::default()), Node::spawn(Config::default()));
    ground.attach(interface(1), left)?;
    camera.attach(interface(2), right)?;
    let port = Port::new(10).ok_or("at most 63")?;

    let mut listener = camera.listen(port, SocketConfig::default())?;
    let serving = async {
        let mut connection = listener.accept().await?;
        connection.recv().await?;
        connection.send_blob(picture).await?;
        // As long as the other one may need for it.
        connection.flush(QUIET).await?;
        Ok::<_, Box<dyn Error>>(())
    };
    let asking = async {
        // Without RDP one lost packet would end the blob.
        let by_rdp = ConnectConfig::default().rdp(Switch::On);
        let to = Address::new(2).ok_or("at most 16383")?;
        let mut connection = ground.connect(to, port, by_rdp).await?;
        connection.send("cheese").await?;
        Ok::<_, Box<dyn Error>>(connection.recv_blob(limit, QUIET).await)
    };
    let (served, got) = tokio::join!(serving, asking);
    let got = got?;
    if got.is_ok() {
        served?;
    }
    Ok(got)
}

fn interface(own: u16) -> InterfaceConfig {
    let name = InterfaceName::new("LINK").expect("four letters");
    let address = Address::new(own).expect("at most 16383");
    InterfaceConfig::new(name, address, Netmask::new(8).expect("8 of 14 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_picture_arrives_whole() {
        let picture: Vec<u8> = (0..=250).cycle().take(20_000).collect();
        let got = take_picture(&picture, LIMIT).await.unwrap();
        assert!(got.unwrap() == picture);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_too_long_is_refused_by_its_first_packet() {
        let refused = take_picture(&[0; 20_000], 19_999).await.unwrap();
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("20000") && refused.contains("19999"),
            "{refused}"
        );
    }
}
