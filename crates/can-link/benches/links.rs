//! Frames per second through the links, and what `RecordStream` costs beside a plain channel.
//!
//! Run with `cargo xtask bench`. Figures are ratios of this run; nothing asserts on time.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(missing_docs, reason = "benchmarks are not an interface")]

use std::io;

use bytes::{Buf, BufMut, BytesMut};
use can_link::record::{self, RECORD_LEN};
use can_link::virtual_bus::{Overflow, PortConfig, VirtualPort};
use can_link::{CanFrame, CanRxExt, CanTxExt, EventBuf, Hub, RecordStream, StandardId, VirtualBus};
use divan::Bencher;
use divan::counter::ItemsCount;
use futures::{SinkExt, StreamExt};
use tokio::runtime::Runtime;
use tokio_util::codec::{Decoder, Encoder, Framed};

/// Frames per iteration.
const FRAMES: u64 = 10_000;
const BATCH: usize = 64;

fn main() {
    divan::main();
}

fn frame() -> CanFrame {
    CanFrame::data(StandardId::new(0x123).unwrap(), &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

/// Two ports on a bus that never loses, so that every iteration moves the same number of frames.
fn ports() -> (VirtualPort, VirtualPort) {
    let bus = VirtualBus::new();
    let config = PortConfig::default().overflow(Overflow::Block).receive_queue(256);
    (bus.join_with(config), bus.join_with(config))
}

/// The plainest thing that could carry frames between two tasks.
#[divan::bench]
fn plain_channel(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        runtime.block_on(async {
            let (tx, mut rx) = tokio::sync::mpsc::channel(256);
            let sender = tokio::spawn(async move {
                for _ in 0..FRAMES {
                    tx.send(frame()).await.unwrap();
                }
            });
            for _ in 0..FRAMES {
                divan::black_box(rx.recv().await.unwrap());
            }
            sender.await.unwrap();
        });
    });
}

#[divan::bench]
fn virtual_bus_one_by_one(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        runtime.block_on(async {
            let (mut tx, mut rx) = ports();
            let sender = tokio::spawn(async move {
                for _ in 0..FRAMES {
                    tx.send(frame()).await.unwrap();
                }
                tx.flush().await.unwrap();
            });
            for _ in 0..FRAMES {
                divan::black_box(rx.recv_frame().await.unwrap());
            }
            sender.await.unwrap();
        });
    });
}

#[divan::bench]
fn virtual_bus_batched(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        runtime.block_on(async {
            let (mut tx, mut rx) = ports();
            let sender = tokio::spawn(async move {
                let batch = vec![frame(); BATCH];
                let mut left = usize::try_from(FRAMES).unwrap();
                while left > 0 {
                    let part = left.min(BATCH);
                    tx.send_all(batch.get(..part).unwrap()).await.unwrap();
                    left -= part;
                }
                tx.flush().await.unwrap();
            });
            receive_batched(&mut rx).await;
            sender.await.unwrap();
        });
    });
}

async fn receive_batched(rx: &mut VirtualPort) {
    let mut events = EventBuf::new();
    let mut seen = 0;
    while seen < FRAMES {
        seen += u64::try_from(rx.recv_many(&mut events, BATCH).await.unwrap()).unwrap();
        events.drain(..).for_each(|event| drop(divan::black_box(event)));
    }
}

#[divan::bench]
fn hub_port_to_bus(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        runtime.block_on(async {
            let (tx, mut rx) = ports();
            let mut port = Hub::new(tx.into_link()).join();
            let sender = tokio::spawn(async move {
                for _ in 0..FRAMES {
                    port.send(frame()).await.unwrap();
                }
                port.flush().await.unwrap();
            });
            receive_batched(&mut rx).await;
            sender.await.unwrap();
        });
    });
}

/// Every record is one frame.
struct Frames;

impl Decoder for Frames {
    type Item = CanFrame;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<CanFrame>> {
        let Some(record) = bytes.first_chunk::<RECORD_LEN>() else {
            return Ok(None);
        };
        let frame = record::decode_record(record).map_err(io::Error::other)?;
        bytes.advance(RECORD_LEN);
        Ok(Some(frame))
    }
}

impl Encoder<CanFrame> for Frames {
    type Error = io::Error;

    fn encode(&mut self, frame: CanFrame, bytes: &mut BytesMut) -> io::Result<()> {
        bytes.put_slice(&record::encode_record(&frame).unwrap());
        Ok(())
    }
}

/// Stock `Framed` at both ends.
#[divan::bench]
fn framed_over_record_stream(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        runtime.block_on(async {
            let (tx, rx) = ports();
            let mut tx = Framed::new(RecordStream::new(tx), Frames);
            let mut rx = Framed::new(RecordStream::new(rx), Frames);
            let sender = tokio::spawn(async move {
                for _ in 0..FRAMES {
                    tx.feed(frame()).await.unwrap();
                }
                tx.flush().await.unwrap();
            });
            for _ in 0..FRAMES {
                divan::black_box(rx.next().await.unwrap().unwrap());
            }
            sender.await.unwrap();
        });
    });
}
