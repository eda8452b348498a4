//! Kafka: produces to the partitions of a topic, acknowledged by all replicas in sync.
//!
//! One request is under way per partition, so that a request that is tried again cannot be overtaken. What
//! came in the meantime goes with the next one: the slower the broker, the larger the requests.

mod partitioner;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use rskafka::chrono::DateTime;
use rskafka::client::error::{Error, ProtocolError, RequestError};
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use rskafka::record::Record;
use rskafka::{BackoffConfig, BackoffError, ConnectionError};

use super::address::{Sasl, Target};
use super::driver::{Core, End, Turn};
use super::package::Message;
use super::stats::DropReason;
use super::tls;
use crate::failure::{Code, Failure, Result};

/// Largest payload unless the address says otherwise. Brokers take batches of 1048588 bytes by default
/// (`message.max.bytes`), with what is around the payload.
const MAX_PAYLOAD: usize = 1_000_000;
/// What a record's own fields and headers are reckoned to take.
const RECORD: usize = 512;
/// How TLS begins to say that a broker is not who we trust: to the library an error like any other.
const STRANGER: &str = "invalid peer certificate";
/// The library's own attempts, before the connection is given up and we begin anew.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LAST_BACKOFF: Duration = Duration::from_secs(1);

/// Serves one connection from its beginning to its end.
pub(super) async fn serve(target: &Target, core: &mut Core) -> Result<End> {
    let connecting = tokio::time::timeout(target.timeout, connect(target));
    let mut lanes = match connecting.await {
        Ok(Ok(lanes)) => lanes,
        Ok(Err(trouble)) => return trouble.end(target, core),
        Err(_) => return Ok(End::Lost("no broker answered in time".to_owned())),
    };
    core.connected(target, target.max.unwrap_or(MAX_PAYLOAD));
    let relay = core.relay.clone();
    let count = lanes.len();
    let mut requests = FuturesUnordered::new();
    loop {
        while let Some(message) = core.next_message() {
            let lane = partitioner::partition(message.key.as_deref(), count);
            let entry = (message.number, record(message, &relay));
            if let Some(lane) = lanes.get_mut(lane) {
                lane.waiting.push_back(entry);
            }
        }
        for (index, lane) in lanes.iter_mut().enumerate() {
            if let Some(batch) = lane.next_batch() {
                requests.push(produce(index, Arc::clone(&lane.client), batch));
            }
        }
        let answered = async {
            match requests.next().await {
                Some(answered) => answered,
                None => core::future::pending().await,
            }
        };
        let answered = match core.turn(answered).await? {
            Turn::Again => continue,
            Turn::End(end) => return Ok(end),
            Turn::Answer(answered) => answered,
        };
        let Some(lane) = lanes.get_mut(answered.lane) else {
            continue;
        };
        lane.is_busy = false;
        match answered.result {
            Ok(()) => {
                for (number, _) in &answered.batch {
                    core.stored(*number, false);
                }
            }
            Err(error) if is_too_large(&error) => match answered.batch.as_slice() {
                [(number, _)] => core.refused(*number, DropReason::TooLarge),
                batch => lane.split(batch),
            },
            Err(error) => return Trouble::from(error).end(target, core),
        }
    }
}

/// A partition, and what is to be written to it.
#[derive(Debug)]
struct Lane {
    client: Arc<PartitionClient>,
    waiting: VecDeque<(u64, Record)>,
    is_busy: bool,
    /// Bytes of a request of more than one record.
    max_batch: usize,
}

type Batch = Vec<(u64, Record)>;

impl Lane {
    fn next_batch(&mut self) -> Option<Batch> {
        if self.is_busy || self.waiting.is_empty() {
            return None;
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some((_, record)) = self.waiting.front() {
            bytes += record.value.as_ref().map_or(0, Vec::len) + RECORD;
            if bytes > self.max_batch && !batch.is_empty() {
                break;
            }
            batch.extend(self.waiting.pop_front());
        }
        self.is_busy = true;
        Some(batch)
    }

    /// The broker takes less at once than we thought.
    fn split(&mut self, batch: &[(u64, Record)]) {
        self.max_batch /= 2;
        for entry in batch.iter().rev() {
            self.waiting.push_front(entry.clone());
        }
    }
}

/// What became of a request.
struct Answered {
    lane: usize,
    batch: Batch,
    result: core::result::Result<(), Error>,
}

async fn produce(lane: usize, client: Arc<PartitionClient>, batch: Batch) -> Answered {
    let records = batch.iter().map(|(_, record)| record.clone()).collect();
    let result = client.produce(records, Compression::NoCompression).await;
    Answered {
        lane,
        batch,
        result: result.map(drop),
    }
}

fn is_too_large(error: &Error) -> bool {
    matches!(
        error,
        Error::ServerError {
            protocol_error: ProtocolError::MessageTooLarge | ProtocolError::RecordListTooLarge,
            ..
        }
    )
}

fn record(message: &Message, relay: &str) -> Record {
    let headers: BTreeMap<_, _> = message
        .labels(relay)
        .map(|(name, value)| (name.to_owned(), value.into_bytes()))
        .collect();
    let since = message.taken.duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    Record {
        key: message.key.as_ref().map(|key| key.to_vec()),
        value: Some(message.payload.to_vec()),
        headers,
        timestamp: DateTime::from_timestamp_micros(micros).unwrap_or_default(),
    }
}

/// Why something did not succeed.
enum Trouble {
    /// The library's word; most of it heals with time.
    Kafka(Error),
    /// Of the topic that is to be made.
    Making(Error),
    /// Nothing heals it.
    Final(Failure),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Kafka(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Final(failure)
    }
}

impl Trouble {
    /// What nobody can mend by waiting ends the relay, unless it has worked before.
    fn end(self, target: &Target, core: &Core) -> Result<End> {
        let error = match self {
            Self::Final(failure) => return Err(failure.context(target)),
            Self::Kafka(error) => {
                let why = reason(&error);
                if is_final(&error, &why) && !core.has_stored() {
                    return Err(Failure::new(Code::CannotOpen, why).context(target));
                }
                return Ok(End::Lost(why));
            }
            Self::Making(error) => error,
        };
        let why = reason(&error);
        // Some brokers, and some that only look like Kafka, have no controller that makes topics.
        let is_final = is_final(&error, &why) || matches!(error, Error::InvalidResponse(_));
        let why = format!("making the topic: {why}");
        if is_final && !core.has_stored() {
            return Err(Failure::new(Code::CannotOpen, why)
                .context(target)
                .hint("make it with the broker's own tools"));
        }
        Ok(End::Lost(why))
    }
}

/// Whether waiting mends it.
fn is_final(error: &Error, why: &str) -> bool {
    match error {
        Error::ServerError { protocol_error, .. } => matches!(
            protocol_error,
            ProtocolError::TopicAuthorizationFailed
                | ProtocolError::ClusterAuthorizationFailed
                | ProtocolError::UnknownTopicOrPartition
                | ProtocolError::InvalidTopicException
                | ProtocolError::InvalidPartitions
                | ProtocolError::InvalidReplicationFactor
                | ProtocolError::PolicyViolation
        ),
        // The broker does not know what we want of it.
        Error::Request(RequestError::NoVersionMatch { .. }) => true,
        // The library keeps a refused login to itself, but for its words. What it says of a connection
        // that broke is no refusal.
        _ => {
            why.contains(STRANGER)
                || (why.contains("Sasl handshake failed") && !why.contains("Cannot read/write data"))
        }
    }
}

/// What the library says, without how often it has tried.
fn reason(error: &Error) -> String {
    match error {
        Error::RetryFailed(BackoffError::DeadlineExceded { source, .. })
        | Error::Connection(ConnectionError::RetryFailed(BackoffError::DeadlineExceded { source, .. })) => {
            source.to_string()
        }
        Error::ServerError {
            protocol_error,
            error_message: Some(words),
            ..
        } => format!("{protocol_error}: {words}"),
        Error::ServerError { protocol_error, .. } => protocol_error.to_string(),
        other => other.to_string(),
    }
}

async fn connect(target: &Target) -> core::result::Result<Vec<Lane>, Trouble> {
    let backoff = BackoffConfig {
        init_backoff: FIRST_BACKOFF,
        max_backoff: LAST_BACKOFF,
        base: 2.0,
        // Well before our own patience ends, so that we learn the reason.
        deadline: Some(target.timeout / 4),
    };
    let mut builder = ClientBuilder::new(target.hosts.clone())
        .client_id("tinwire")
        .backoff_config(backoff);
    if target.tls.required {
        builder = builder.tls_config(tls::client(&target.tls)?);
    }
    if let Some(user) = &target.login.user {
        let password = target.login.password()?.unwrap_or_default();
        let credentials = Credentials::new(user.clone(), password);
        builder = builder.sasl_config(match target.sasl {
            Sasl::Plain => SaslConfig::Plain(credentials),
            Sasl::ScramSha256 => SaslConfig::ScramSha256(credentials),
            Sasl::ScramSha512 => SaslConfig::ScramSha512(credentials),
        });
    }
    let client = builder.build().await?;
    let max_batch = target.max.unwrap_or(MAX_PAYLOAD).max(MAX_PAYLOAD);
    let mut lanes = Vec::new();
    for partition in partitions(target, &client).await? {
        let client = client.partition_client(&target.name, partition, UnknownTopicHandling::Retry);
        lanes.push(Lane {
            client: Arc::new(client.await?),
            waiting: VecDeque::new(),
            is_busy: false,
            max_batch,
        });
    }
    Ok(lanes)
}

/// The partitions to write to, at least one.
async fn partitions(target: &Target, client: &Client) -> core::result::Result<Vec<i32>, Trouble> {
    let found = client
        .list_topics()
        .await?
        .into_iter()
        .find(|topic| topic.name == target.name);
    let partitions = match found {
        Some(topic) => topic.partitions.into_iter().collect(),
        None if target.create => {
            let timeout = i32::try_from(target.timeout.as_millis()).unwrap_or(i32::MAX);
            let controller = client.controller_client().map_err(Trouble::Making)?;
            // -1: as many replicas as the cluster's default says.
            match controller
                .create_topic(&target.name, target.partitions, -1, timeout)
                .await
            {
                Ok(()) => {}
                Err(Error::ServerError {
                    protocol_error: ProtocolError::TopicAlreadyExists,
                    ..
                }) => {}
                Err(error) => return Err(Trouble::Making(error)),
            }
            (0..target.partitions).collect()
        }
        None => {
            let failure = Failure::new(Code::CannotOpen, format!("no topic {:?}", target.name));
            return Err(failure.hint("create=true makes one").into());
        }
    };
    match target.partition {
        None => Ok(partitions),
        Some(partition) if partitions.contains(&partition) => Ok(vec![partition]),
        Some(partition) => {
            let what = format!("no partition {partition}; there are {}", partitions.len());
            Err(Failure::new(Code::CannotOpen, what).into())
        }
    }
}
