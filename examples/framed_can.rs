//! A protocol of one's own on CAN with nothing but tokio-util: `Framed` over a `RecordStream`.
//!
//! The protocol: a thermometer sends its readings, tenths of a degree as i16, with identifier 0x2A0.
//!
//! ```text
//! cargo run -p tinwire-examples --bin framed_can
//! cargo run -p tinwire-examples --bin framed_can -- can0    (and: cansend can0 2A0#00D7)
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use core::error::Error;
use std::io;

use bytes::{Buf as _, BufMut as _, BytesMut};
use can_link::record::{RECORD_LEN, decode_record, encode_record};
use can_link::{CanFrame, CanLink, RecordStream, StandardId, VirtualBus};
use futures::{SinkExt, StreamExt};
use tokio_util::codec::{Decoder, Encoder, Framed};

/// Degrees Celsius.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reading(f32);

struct Thermometer {
    id: StandardId,
}

impl Decoder for Thermometer {
    type Item = Reading;
    type Error = io::Error;

    /// Takes records until one is a reading; the bus carries other things too.
    fn decode(&mut self, source: &mut BytesMut) -> io::Result<Option<Reading>> {
        while let Some(record) = source.first_chunk::<RECORD_LEN>() {
            let frame = decode_record(record);
            source.advance(RECORD_LEN);
            match frame {
                Ok(CanFrame::Data(data)) if data.id() == self.id.into() => {
                    if let [high, low] = *data.data() {
                        let tenths = i16::from_be_bytes([high, low]);
                        return Ok(Some(Reading(f32::from(tenths) / 10.0)));
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

impl Encoder<Reading> for Thermometer {
    type Error = io::Error;

    #[expect(clippy::cast_possible_truncation, reason = "a float saturates")]
    fn encode(&mut self, Reading(degrees): Reading, sink: &mut BytesMut) -> io::Result<()> {
        let tenths = (degrees * 10.0).round() as i16;
        let record = CanFrame::data(self.id, &tenths.to_be_bytes()).and_then(|frame| encode_record(&frame));
        sink.put_slice(&record.ok_or(io::ErrorKind::InvalidInput)?);
        Ok(())
    }
}

fn framed<L: CanLink>(link: L) -> Result<Framed<RecordStream<L>, Thermometer>, &'static str> {
    let id = StandardId::new(0x2A0).ok_or("11 bits")?;
    Ok(Framed::new(RecordStream::new(link), Thermometer { id }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if let Some(address) = std::env::args().nth(1) {
        let mut readings = framed(can_link::open(&address.parse()?).await?)?;
        while let Some(Reading(degrees)) = readings.next().await.transpose()? {
            println!("{degrees} °C");
        }
        return Ok(());
    }
    for Reading(degrees) in story().await? {
        println!("{degrees} °C");
    }
    Ok(())
}

/// A thermometer and a listener on one virtual bus.
async fn story() -> Result<Vec<Reading>, Box<dyn Error>> {
    let bus = VirtualBus::new();
    let (mut thermometer, listener) = (framed(bus.join())?, framed(bus.join())?);
    for degrees in [21.5, 21.4, -3.0] {
        thermometer.send(Reading(degrees)).await?;
    }
    let readings = listener.take(3).collect::<Vec<_>>().await;
    Ok(readings.into_iter().collect::<io::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn readings_arrive_as_they_were_sent() {
        assert_eq!(
            story().await.unwrap(),
            [Reading(21.5), Reading(21.4), Reading(-3.0)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_reading_is_passed_over() {
        use can_link::CanTxExt as _;

        let bus = VirtualBus::new();
        let (mut stranger, mut listener) = (bus.join(), framed(bus.join()).unwrap());
        let (other, id) = (StandardId::new(0x123).unwrap(), StandardId::new(0x2A0).unwrap());
        stranger
            .send(CanFrame::data(other, &[0, 1]).unwrap())
            .await
            .unwrap();
        stranger.send(CanFrame::data(id, &[0]).unwrap()).await.unwrap();
        stranger.send(CanFrame::remote(id, 2).unwrap()).await.unwrap();
        stranger
            .send(CanFrame::data(id, &[0, 0xD7]).unwrap())
            .await
            .unwrap();
        assert_eq!(listener.next().await.unwrap().unwrap(), Reading(21.5));
    }
}
