//! The page for users of python fstrm.

use core::error::Error;
use core::num::NonZeroU32;
use core::time::Duration;

use bytes::Bytes;
use fstrm_codec::codec::{OwnedFrame, PushCodec};
use fstrm_codec::control::{BuildError, ControlLimit, DecodeError, Strictness};
use fstrm_codec::endpoint::{DialConfig, Dialer, ListenConfig, Listener};
use fstrm_codec::file::{ReadError, Sequences};
use fstrm_codec::frame::{Beginning, EncodeError, FrameErrorKind, Oversize};
use fstrm_codec::handshake::HandshakeError;
use fstrm_codec::{
    Collector, Config, ContentType, ControlFrame, ControlType, End, FileReader, FrameConfig, FstrmReader,
    FstrmWriter, ReaderMachine, Sender, WriterMachine, collector, sender,
};
use tinwire_time::Instant;
use tokio::net::TcpStream;

type Failure = Box<dyn Error + Send + Sync>;
type Outcome = Result<(), Failure>;

#[test]
fn the_page_is_compiled() {
    let page = include_str!("../../../docs/coming-from/python-fstrm.md");
    super::compiled(page, include_str!("python_fstrm.rs"), 80);
}

mod script {
    use bytes::Bytes;
    use fstrm_codec::{Config, ContentType, End, FstrmReader, FstrmWriter};
    use futures::{SinkExt, StreamExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::{Failure, Outcome};

    #[tokio::test]
    async fn script() -> Outcome {
        let plaintext = ContentType::from_static(b"plaintext").ok_or("too long")?;
        let config = Config::new().content_type(plaintext);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;

        let server = async {
            let (socket, _) = listener.accept().await?;
            let mut reader = FstrmReader::open(socket, config.clone()).await?; // READY, ACCEPT, START
            while let Some(payload) = reader.next().await {
                println!("{} bytes", payload?.len());
            }
            Ok::<_, Failure>(reader.end_of_stream())
        };
        let client = async {
            let socket = TcpStream::connect(address).await?;
            let mut writer = FstrmWriter::open(socket, config.clone()).await?; // READY, ACCEPT, START
            writer.send(Bytes::from_static(b"some data...")).await?;
            writer.finish().await?; // STOP, FINISH
            Ok(())
        };
        let (end, ()) = tokio::try_join!(server, client)?;
        assert_eq!(end, Some(End::Stop));
        Ok(())
    }
}

fn config() -> Config {
    Config::new().content_type(ContentType::from_static(b"plaintext").unwrap())
}

#[tokio::test]
async fn many_clients_and_one_that_outlives_its_server() -> Outcome {
    let config = config();
    let listener = Listener::bind(&"tcp://127.0.0.1:0".parse()?, ListenConfig::new()).await?;
    let dialer = Dialer::new(&listener.local_endpoint(), DialConfig::new())?;
    let (collector, mut batches) = Collector::spawn(collector::Config::new().stream(config.clone()));
    collector.listen(listener);

    let sender = Sender::spawn(dialer, sender::Config::new().handshake(config))?;
    sender.send(Bytes::from_static(b"some data...")).await?;
    let batch = batches.next().await.ok_or("closed")?;
    for payload in batch.run.payloads() {
        println!("{} bytes from {}", payload.len(), batch.peer);
    }
    batch.confirm(); // FINISH may be sent, once STOP has come
    assert!(sender.close().await.is_complete());
    Ok(())
}

#[test]
fn codec() -> Outcome {
    let mut codec = PushCodec::new(FrameConfig::new().beginning(Beginning::Any));
    let data = b"\0\0\0\x05hel";
    let types = [&b"plaintext"[..]];

    codec.append(data);
    assert!(!codec.process()?);
    assert_eq!((codec.pending_bytes(), codec.buffered()), (2, 7));
    codec.reset();
    assert!(!codec.append_and_process(data)?);
    assert_eq!(codec.decode()?, None);
    codec.append(b"lo");
    while let Some(frame) = codec.decode()? {
        seen(frame);
    }
    while let Some(frame) = codec.decode()? {}

    let ready = ControlFrame::build(ControlType::Ready, types, ControlLimit::Narrow)?;
    ControlFrame::build(ControlType::Accept, types, ControlLimit::Narrow)?;
    let start = ControlFrame::start(Some(b"plaintext"))?;
    for frame in [&ready, &start, &ControlFrame::stop(), &ControlFrame::finish()] {
        assert!(codec.append_and_process(frame.as_bytes())?);
        seen(codec.decode()?.ok_or("a control frame")?);
    }
    assert_eq!(codec.encode_data(b"some data...")?.len(), 16);
    assert_eq!(codec.encode_data(b"").unwrap_err(), EncodeError::EmptyFrame);
    let refused = ControlFrame::build(ControlType::Stop, types, ControlLimit::Narrow).unwrap_err();
    assert!(matches!(refused, BuildError::TooManyContentTypes { .. }));
    Ok(())
}

fn seen(frame: OwnedFrame) {
    match frame {
        OwnedFrame::Data(payload) => assert_eq!(payload, "hello"),
        OwnedFrame::Control(control) => {
            assert_ne!(control.as_control().control_type(), ControlType::Unknown(9));
            control.as_control().content_types();
        }
        OwnedFrame::Skipped { len } => panic!("a frame of {len} bytes"),
    }
}

#[test]
fn every_result_is_a_value() {
    assert_eq!(ControlType::Accept.to_bits(), 1);
    let numbers = [
        ControlType::Start,
        ControlType::Stop,
        ControlType::Ready,
        ControlType::Finish,
    ]
    .map(ControlType::to_bits);
    assert_eq!(numbers, [2, 3, 4, 5]);

    let failed = |wire: &[u8]| {
        let mut codec = PushCodec::new(FrameConfig::new().beginning(Beginning::Any));
        let error = codec.append_and_process(wire).unwrap_err();
        assert!(codec.process().is_err(), "an error latches");
        match error {
            fstrm_codec::codec::CodecError::Frame(error) => error.kind,
            error => panic!("{error}"),
        }
    };
    let control = |wire: &[u8]| match failed(wire) {
        FrameErrorKind::Control(error) => error,
        error => panic!("{error}"),
    };
    assert!(matches!(failed(&[0xff; 4]), FrameErrorKind::DataTooLong { .. }));
    assert!(matches!(
        control(b"\0\0\0\0\0\0\0\x03\0\0\x04"),
        DecodeError::Length { .. }
    ));
    let field = b"\0\0\0\0\0\0\0\x0c\0\0\0\x04\0\0\0\x02\0\0\0\0";
    assert!(matches!(control(field), DecodeError::Field { .. }));
    let rest = b"\0\0\0\0\0\0\0\x08\0\0\0\x04\0\0\0\x01";
    assert!(matches!(control(rest), DecodeError::Short { .. }));

    let mut codec = PushCodec::default();
    codec.append(b"\0\0\0\0\0\0\0\x04\0\0\0\0"); // type 0
    codec.append(b"\0\0\0\0\0\0\0\x0c\0\0\0\x04\0\0\0\x01\0\0\0\0"); // READY with an empty content type
    let Ok(Some(OwnedFrame::Control(control))) = codec.decode() else {
        panic!("not a control frame");
    };
    assert_eq!(control.as_control().control_type(), ControlType::Unknown(0));
    let Ok(Some(OwnedFrame::Control(control))) = codec.decode() else {
        panic!("not a control frame");
    };
    assert_eq!(control.as_control().content_types().collect::<Vec<_>>(), [b""]);
}

#[test]
fn settings() {
    let limit = Duration::from_secs(1);
    let config = config();
    config
        .clone()
        .handshake_timeout(limit)
        .finish_timeout(limit)
        .idle_timeout(Some(limit));
    FrameConfig::new().max_data(NonZeroU32::MAX);
    FrameConfig::new().oversize(Oversize::Skip);
    FrameConfig::new().strictness(Strictness::Lenient);
}

fn files() -> Result<(), ReadError> {
    FileReader::open("two.fstrm", Config::new())?.sequences(Sequences::Concatenated);
    Ok(())
}

#[test]
fn without_a_socket() -> Outcome {
    let (now, config) = (Instant::ZERO, config());
    WriterMachine::new(config.clone(), now)?;
    let mut machine = ReaderMachine::new(config.clone(), now)?;
    let mut codec = PushCodec::default();
    codec.append(
        ControlFrame::build(ControlType::Ready, [&b"plaintext"[..]], ControlLimit::Narrow)?.as_bytes(),
    );
    let frame = codec.decode()?.ok_or("READY")?;
    machine.handle_frame(now, &frame.as_frame());
    let answer = machine.poll_transmit().ok_or("no answer")?;
    assert_eq!(answer.control_type(), ControlType::Accept);
    machine.poll_event();
    Ok(())
}

async fn sockets(socket: TcpStream, other: TcpStream, config: Config) -> Outcome {
    let reader = FstrmReader::open(socket, config.clone()).await?;
    reader.content_type();
    let socket = other;
    FstrmWriter::open(socket, config.clone()).await?;
    Ok(())
}

fn ends(end: End, error: &HandshakeError) {
    match end {
        End::Truncated { offset, missing } => {}
        End::Stop | End::Eof => {}
    }
    let wrong = matches!(
        error,
        HandshakeError::NoCommonType { .. } | HandshakeError::WrongType { .. }
    );
}
