//! The page for users of golang-dnstap, dnstap-ldns and dnstap-read.

use core::error::Error;
use core::num::NonZeroU32;
use core::time::Duration;
use std::path::PathBuf;

use dnstap_codec::dns::Question;
use dnstap_codec::filter::Filter;
use dnstap_codec::text::{Printer, Style};
use dnstap_codec::{CONTENT_TYPE, Dnstap, MessageType};
use fstrm_codec::endpoint::{DialConfig, Dialer, Listener};
use fstrm_codec::frame::Oversize;
use fstrm_codec::queue::Policy;
use fstrm_codec::rotate::Now;
use fstrm_codec::store::{Folder, Store};
use fstrm_codec::{
    Collector, Config, ContentType, FileReader, FileWriter, FstrmReader, FstrmWriter, Sender, collector,
    sender, store,
};
use tokio::io::DuplexStream;

type Failure = Box<dyn Error + Send + Sync>;
type Outcome = Result<(), Failure>;

const CAPTURE: &[u8] = include_bytes!("../../data/unbound.fstrm");

#[test]
fn the_page_is_compiled() {
    let page = include_str!("../../../docs/coming-from/golang-dnstap.md");
    super::compiled(page, include_str!("golang_dnstap.rs"), 50);
}

/// Needs a file of that name.
mod script {
    use std::io::Write as _;

    use dnstap_codec::Dnstap;
    use dnstap_codec::text::{Printer, Style};
    use fstrm_codec::{Config, FileReader};

    use super::Outcome;

    fn script() -> Outcome {
        let mut input = FileReader::open("day.fstrm", Config::new())?;
        let mut printer = Printer::new(Style::Quiet);
        let mut text = Vec::new();
        while let Some(frame) = input.next_frame()? {
            match Dnstap::decode(frame) {
                Ok(dnstap) => printer.print(&dnstap, &mut text),
                Err(error) => eprintln!("{error}"), // the next frame is not affected
            }
        }
        std::io::stdout().write_all(&text)?;
        Ok(())
    }
}

fn config() -> Result<Config, Failure> {
    let dnstap = ContentType::from_static(CONTENT_TYPE).ok_or("too long")?;
    let config = Config::new().content_type(dnstap);
    Ok(config)
}

#[test]
fn every_style_prints_every_message() -> Outcome {
    let mut input = FileReader::new(CAPTURE, config()?)?;
    let mut printers = [
        Printer::new(Style::Quiet),
        Printer::new(Style::Dated),
        Printer::new(Style::Bind),
        Printer::new(Style::Yaml),
        Printer::new(Style::Json),
    ];
    let mut texts = [const { Vec::new() }; 5];
    while let Some(frame) = input.next_frame()? {
        let dnstap = Dnstap::decode(frame)?;
        for (printer, text) in printers.iter_mut().zip(&mut texts) {
            printer.print(&dnstap, text);
        }
    }
    let lines = texts.map(|text| text.iter().filter(|byte| **byte == b'\n').count());
    assert_eq!((lines[0], lines[1], lines[2], lines[4]), (20, 20, 20, 20));
    assert!(Dnstap::decode(b"no dnstap").is_err());
    Ok(())
}

#[test]
fn messages() -> Outcome {
    let mut input = FileReader::new(CAPTURE, config()?)?;
    let frame = input.next_frame()?.ok_or("empty")?;
    let message = Dnstap::decode(frame)?.message.ok_or("no message")?;
    assert_eq!(message.message_type, MessageType::ClientQuery);
    assert_eq!(message.query_ip().ok_or("no address")?.to_string(), "127.0.0.1");
    message.query_time();
    message.latency_nanos();
    let dns = message.query_message.ok_or("no query")?;
    assert_eq!(
        Question::decode(dns)?.ok_or("no question")?.to_string(),
        "A a.local.test."
    );
    let again = Dnstap::new(message).encode();
    let frame = &again[..];
    assert_eq!(Dnstap::decode(frame)?.message, Some(message));
    let refused = Dnstap::decode(frame).is_err();
    assert!(!refused);
    assert!(
        !"qtype==AAAA && rcode!=0"
            .parse::<Filter>()?
            .matches(&Dnstap::new(message))
    );
    while let Some(frame) = input.next_frame()? {}
    Ok(())
}

#[test]
fn settings() -> Outcome {
    let limit = Duration::from_secs(5);
    let config = config()?;
    Config::new().max_data(NonZeroU32::MIN);
    Config::new().oversize(Oversize::Skip);
    collector::Config::new()
        .handshake_timeout(limit)
        .idle_timeout(Some(limit));
    sender::Config::new().backoff(Duration::from_millis(10), limit);
    sender::Config::new().coalesce_delay(Duration::from_millis(100));
    sender::Config::new().policy(Policy::DropOldest);
    DialConfig::new().connect_timeout(limit);
    Ok(())
}

fn files(now: Now) -> Outcome {
    let (config, dnstap) = (
        config()?,
        ContentType::from_static(CONTENT_TYPE).ok_or("too long")?,
    );
    FileReader::open("day.fstrm", config.clone())?;
    FileWriter::create_new("new.fstrm", Some(&dnstap))?;
    Store::open(Folder, PathBuf::from("day.fstrm"), store::Config::new(), now)?;
    Ok(())
}

async fn sockets(conn: DuplexStream, others: [DuplexStream; 2], listener: Listener) -> Outcome {
    let (config, limit) = (config()?, Duration::from_secs(5));
    FstrmReader::open(conn, config.clone()).await?;
    let [conn, other] = others;
    FstrmReader::open(conn, config.clone().handshake_timeout(limit)).await?;
    let conn = other;
    FstrmWriter::open(conn, config.clone()).await?;

    let (collector, batches) = Collector::spawn(collector::Config::new().stream(config.clone()));
    collector.listen(listener);
    collector.poll_event();
    collector.close().await;

    let dialer = Dialer::new(&"tcp://collector:6000".parse()?, DialConfig::new())?;
    let sender = Sender::spawn(dialer, sender::Config::new().handshake(config))?;
    sender.stats();
    sender.poll_event();
    Ok(())
}
