//! Where frames go to, by word: a stream or a broker.

use core::fmt;

use fstrm_codec::ContentType;
use fstrm_codec::endpoint::Endpoint;
use tokio::sync::mpsc;

use super::{Output, OutputConfig, Settings, endpoint};
use crate::broker::{Freighter, Target, Watch};
use crate::failure::Result;

/// The other end of an output.
#[derive(Clone, Debug)]
pub(crate) enum Goal {
    Stream(Endpoint),
    /// A broker, and its figures once it is open.
    Broker(Box<Target>, Watch),
}

impl Goal {
    /// Reads a word.
    pub(crate) fn read(word: &str) -> Result<Self> {
        if Target::is_meant(word) {
            word.parse()
                .map(|target| Self::Broker(Box::new(target), Watch::default()))
        } else {
            endpoint(word).map(Self::Stream)
        }
    }

    /// The stream's, if it is one.
    pub(crate) const fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::Stream(endpoint) => Some(endpoint),
            Self::Broker(..) => None,
        }
    }

    /// The broker's, if it is one.
    pub(crate) const fn broker(&self) -> Option<&Watch> {
        match self {
            Self::Stream(_) => None,
            Self::Broker(_, watch) => Some(watch),
        }
    }

    /// Whether both name the same place, however it is reached.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Stream(one), Self::Stream(other)) => one.place == other.place,
            (Self::Broker(one, _), Self::Broker(other, _)) => one.to_string() == other.to_string(),
            _ => false,
        }
    }

    /// Opens it for a stream of that content type.
    pub(crate) async fn open(
        &self,
        settings: &Settings,
        config: OutputConfig,
        content_type: Option<&ContentType>,
        told: &mpsc::Sender<String>,
    ) -> Result<Output> {
        match self {
            Self::Stream(endpoint) => Output::open(endpoint, settings, config, content_type, told).await,
            Self::Broker(target, watch) => {
                let freighter = Freighter {
                    target: (**target).clone(),
                    content_type: content_type.cloned(),
                    watch: watch.clone(),
                };
                Ok(Output::carried(self.to_string(), config, freighter, told))
            }
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(endpoint) => endpoint.fmt(f),
            Self::Broker(target, _) => target.fmt(f),
        }
    }
}
