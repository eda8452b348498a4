//! The one face of all who carry whole messages.

use bytes::Bytes;
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use isotp::{SendError, StreamError};

/// What code can ask for that does not care who works.
pub(crate) trait Messages:
    Stream<Item = Result<Bytes, StreamError>> + Sink<Bytes, Error = StreamError> + Unpin
{
}

impl<T> Messages for T where
    T: Stream<Item = Result<Bytes, StreamError>> + Sink<Bytes, Error = StreamError> + Unpin
{
}

fn message(len: u8) -> Bytes {
    (0..len).collect()
}

/// What holds for each of them; `peer` is at the other end of the bus.
pub(crate) async fn talks(mut us: impl Messages, peer: &mut impl Messages) {
    for len in [1, 7, 8, 200] {
        let (sent, received) = tokio::join!(us.send(message(len)), peer.next());
        sent.unwrap();
        assert_eq!(received.unwrap().unwrap(), message(len));
        let (sent, received) = tokio::join!(peer.send(message(len)), us.next());
        sent.unwrap();
        assert_eq!(received.unwrap().unwrap(), message(len));
    }
    // What cannot be sent is told at once, and the next one is not affected.
    let refused = us.feed(Bytes::new()).await.unwrap_err();
    assert!(
        matches!(refused, StreamError::NotSent(SendError::Empty)),
        "{refused}"
    );
    let feeding = async {
        for len in [30, 3, 100] {
            us.feed(message(len)).await.unwrap();
        }
        us.flush().await.unwrap();
        us.flush().await.unwrap();
    };
    let reading = async {
        for len in [30, 3, 100] {
            assert_eq!(peer.next().await.unwrap().unwrap(), message(len));
        }
    };
    tokio::join!(feeding, reading);
    us.close().await.unwrap();
}
