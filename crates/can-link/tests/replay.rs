//! A log file on the way into a codec: `log:FILE`, opened, as a stream of records.

use std::path::{Path, PathBuf};

use can_link::candump::{Log, LogItem, Message, Reading};
use can_link::record::{self, RECORD_LEN};
use can_link::{CanFrame, RecordStream};
use tokio::io::AsyncReadExt;

fn log() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/can-link/candump.log")
}

/// The log's traffic that fits a record.
fn frames(text: &str) -> Vec<CanFrame> {
    Log::new(text, Reading::Strict)
        .filter_map(|item| match item {
            LogItem::Line(line) => Some(line.message),
            _ => None,
        })
        .filter_map(|message| match message {
            Message::Frame(CanFrame::Xl(_)) | Message::Error(_) => None,
            Message::Frame(frame) => Some(frame),
        })
        .collect()
}

#[tokio::test]
async fn a_log_becomes_the_records_of_its_frames() -> Result<(), Box<dyn core::error::Error>> {
    let file = log();
    let address = format!("log:{}?speed=0", file.display()).parse()?;
    let mut stream = RecordStream::new(can_link::open(&address).await?);
    let mut got = Vec::new();
    let mut record = [0; RECORD_LEN];
    while stream.read_exact(&mut record).await.is_ok() {
        got.push(record::decode_record(&record)?);
    }
    let expected = frames(&std::fs::read_to_string(&file)?);
    assert_eq!(got.len(), 26, "15 classic and 11 FD frames");
    assert_eq!(got, expected);
    let stats = stream.stats();
    assert_eq!((stats.bus_errors, stats.xl_frames, stats.bad_input), (21, 4, 0));
    Ok(())
}

/// The log's last frame comes one second after its first, at ten times the speed within a tenth of that.
#[tokio::test(start_paused = true)]
async fn a_log_takes_as_long_as_it_took() -> Result<(), Box<dyn core::error::Error>> {
    let address = format!("log:{}?speed=10", log().display()).parse()?;
    let mut stream = RecordStream::new(can_link::open(&address).await?);
    let start = tokio::time::Instant::now();
    stream.read_to_end(&mut Vec::new()).await?;
    let passed = start.elapsed().as_millis();
    assert_eq!(
        passed, 102,
        "1014.341 ms at a tenth, rounded up to tokio's milliseconds"
    );
    Ok(())
}
