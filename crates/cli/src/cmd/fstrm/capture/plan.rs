//! From words to listeners, a store and a collector's configuration.

use core::num::NonZeroU32;
use std::path::Path;
use std::time::SystemTime;

use fstrm_codec::collector::{self, Overflow};
use fstrm_codec::endpoint::{Endpoint, Host, HostPort, ListenConfig, Listener, Place};
use fstrm_codec::frame::{DEFAULT_MAX_DATA_LEN, FrameConfig, Oversize};
use fstrm_codec::rotate::{Now, Period, Rotation};
use fstrm_codec::store::{self, Folder, InProgress, Store, Sync};
use fstrm_codec::{Config, ContentType};
use jiff::tz::TimeZone;

use super::former::{self, Former};
use super::names::Pattern;
use crate::args::fstrm::{Capture, Fsync, Handshake};
use crate::cmd::fstrm::feed::blocking;
use crate::cmd::streams::{self, Certificates};
use crate::failure::{Code, Failure, Result};
use crate::service;

/// What `fstrm_capture -b` is without a number, or with one that is none.
const USUAL_BUFFER: u32 = 262_144;

pub(super) fn content_type(args: &Capture) -> Result<ContentType> {
    ContentType::new(args.content_type.clone().into_bytes())
        .ok_or_else(|| Failure::new(Code::Usage, "the content type is too long; 256 bytes are allowed"))
}

/// The longest frame, and what becomes of a longer one.
fn limits(args: &Capture) -> (NonZeroU32, Oversize) {
    let Some(buffer) = args.buffer_size else {
        return (args.max_frame, Oversize::Refuse);
    };
    let buffer = u32::try_from(buffer).ok().filter(|buffer| *buffer > 0);
    // A buffer that holds no frame at all still lets one of a byte through.
    let max = buffer.unwrap_or(USUAL_BUFFER).saturating_sub(4);
    (NonZeroU32::new(max).unwrap_or(NonZeroU32::MIN), Oversize::Skip)
}

/// Every place that was named or handed over, listened on.
pub(super) async fn listeners(args: &Capture) -> Result<(Vec<Listener>, Certificates)> {
    let mut endpoints = args.streams.clone();
    endpoints.extend(args.unix.clone().map(|path| Endpoint::new(Place::Unix(path))));
    if let (Some(address), Some(port)) = (args.tcp, args.port) {
        let host = Host::Named(address.to_string());
        endpoints.push(Endpoint::new(Place::Tcp(HostPort { host, port })));
    }
    let mut config = ListenConfig::new();
    if let Some(mode) = args.mode {
        config = config.mode(mode);
    }
    let mut certificates = Certificates::default();
    if let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) {
        (config, certificates) =
            streams::identified(config, certificate, key, args.tls_client_ca.as_deref())?;
    }
    let mut listeners = service::sockets(&config)?;
    if endpoints.is_empty() && listeners.is_empty() {
        let failure = Failure::new(Code::Usage, "nowhere to listen");
        return Err(failure.hint("name a STREAM, for example unix:/run/dnstap.sock or tcp://:6000"));
    }
    for endpoint in endpoints {
        let listener = Listener::bind(&endpoint, config.clone()).await;
        listeners.push(listener.map_err(|error| Failure::caused(Code::CannotOpen, error))?);
    }
    Ok((listeners, certificates))
}

/// The file, created or gone on with.
pub(super) async fn store(args: &Capture, content_type: ContentType) -> Result<Store> {
    let mut rotation = Rotation::new();
    if let Some(split) = args.split {
        rotation = rotation.period(if args.align {
            Period::Aligned(split)
        } else {
            Period::SinceOpening(split)
        });
    }
    if let Some(size) = args.split_size {
        rotation = rotation.max_len(size);
    }
    let config = store::Config::new()
        .content_type(content_type)
        .limits(FrameConfig::new().max_data(limits(args).0.max(DEFAULT_MAX_DATA_LEN)))
        .rotation(rotation)
        .in_progress(if args.part {
            InProgress::Part
        } else {
            InProgress::FinalName
        })
        .sync(match args.fsync {
            None => Sync::Never,
            Some(Fsync::Rotate) => Sync::OnRotate,
            Some(Fsync::Write) => Sync::EachFlush,
            Some(Fsync::Interval(interval)) => Sync::Interval(interval),
        })
        .flush_interval(args.flush);
    let zone = match (args.gmtime, args.localtime) {
        (true, _) => Some(TimeZone::UTC),
        (_, true) => Some(TimeZone::system()),
        _ => None,
    };
    let path = args.write.clone();
    let pattern = zone.map(|zone| Pattern::new(&path, zone)).transpose()?;
    // A file that is gone on with is read through first.
    blocking(move || {
        let opened = if path == Path::new("-") {
            Store::stream(std::io::stdout(), "-", config, now())
        } else if let Some(pattern) = pattern {
            Store::open(Folder, pattern, config, now())
        } else {
            Store::open(Folder, path, config, now())
        };
        opened.map_err(|error| Failure::caused(Code::File, error))
    })
    .await
}

/// Files of earlier captures under the same name that somebody should mend.
pub(super) async fn former(args: &Capture) -> Vec<Former> {
    let (pattern, has_letters) = (args.write.clone(), args.gmtime || args.localtime);
    if pattern == Path::new("-") {
        return Vec::new();
    }
    let found = blocking(move || Ok(former::find(&pattern, has_letters)));
    found.await.unwrap_or_default()
}

pub(super) fn collector(args: &Capture, content_type: ContentType) -> collector::Config {
    let (max, oversize) = limits(args);
    let stream = Config::new()
        .content_type(content_type)
        .max_data(max)
        .oversize(oversize);
    let mut config = collector::Config::new()
        .stream(stream)
        .idle_timeout(args.idle)
        .overflow(if args.refuse {
            Overflow::Refuse
        } else {
            Overflow::Wait
        })
        .handshake(match args.handshake {
            Handshake::Bidirectional => collector::Handshake::Bidirectional,
            Handshake::Unidirectional => collector::Handshake::Unidirectional,
            Handshake::Either => collector::Handshake::Either,
        });
    if let Some(max) = args.max_connections {
        config = config.max_connections(max);
    }
    config
}

/// The store's clock begins with the store.
fn now() -> Now {
    Now {
        at: tinwire_time::Instant::default(),
        wall: SystemTime::now(),
    }
}
