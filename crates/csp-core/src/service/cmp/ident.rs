//! Who a node is (code 1).

use alloc::string::String;

use bytes::{Bytes, BytesMut};

use super::{Code, put_text, text};
use crate::service::ReplyError;

/// Length of a reply, and of the request that libcsp's client sends.
pub const LEN: usize = 93;

const HOSTNAME_LEN: usize = 20;
const MODEL_LEN: usize = 30;
const REVISION_LEN: usize = 20;
const DATE_LEN: usize = 12;
const TIME_LEN: usize = 9;

/// Who a node is: five texts that its maker chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// Its name; up to 19 bytes are told.
    pub hostname: String,
    /// What it is; up to 29 bytes are told.
    pub model: String,
    /// Of which version; up to 19 bytes are told.
    pub revision: String,
    /// The day it was built, in the peers `Jan  1 2024`; up to 11 bytes are told.
    pub date: String,
    /// The time it was built, in the peers `12:34:56`; up to 8 bytes are told.
    pub time: String,
}

impl Identity {
    /// A node called `hostname`, the other texts empty.
    #[must_use]
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            ..Self::default()
        }
    }

    /// What the node is.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = model.into();
        self
    }

    /// Its version.
    #[must_use]
    pub fn revision(mut self, revision: impl Into<String>) -> Self {
        self.revision = revision.into();
        self
    }

    /// When it was built: day and time, as texts.
    #[must_use]
    pub fn built(mut self, date: impl Into<String>, time: impl Into<String>) -> Self {
        self.date = date.into();
        self.time = time.into();
        self
    }

    /// The reply that tells it.
    #[must_use]
    pub fn reply(&self) -> Bytes {
        let mut reply = Code::Identity.reply(LEN);
        put_text(&mut reply, &self.hostname, HOSTNAME_LEN);
        put_text(&mut reply, &self.model, MODEL_LEN);
        put_text(&mut reply, &self.revision, REVISION_LEN);
        put_text(&mut reply, &self.date, DATE_LEN);
        put_text(&mut reply, &self.time, TIME_LEN);
        reply.freeze()
    }

    /// The identity in `reply`.
    ///
    /// # Errors
    /// It is not a reply to an identity request, or not of [`LEN`] bytes.
    pub fn decode(reply: &[u8]) -> Result<Self, ReplyError> {
        let mut body = Code::Identity.body_of(reply, LEN)?;
        let mut field = |len| {
            let (field, rest) = body.split_at_checked(len).unwrap_or_default();
            body = rest;
            text(field)
        };
        Ok(Self {
            hostname: field(HOSTNAME_LEN),
            model: field(MODEL_LEN),
            revision: field(REVISION_LEN),
            date: field(DATE_LEN),
            time: field(TIME_LEN),
        })
    }
}

/// The request, with room for the reply as libcsp's client sends it.
#[must_use]
pub fn request() -> Bytes {
    let mut request: BytesMut = Code::Identity.request(LEN);
    request.resize(LEN, 0);
    request.freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_texts_are_cut_to_their_fields() {
        let long = "x".repeat(40);
        let identity = Identity::new(&*long)
            .model(&*long)
            .revision(&*long)
            .built(&*long, &*long);
        let told = Identity::decode(&identity.reply()).unwrap();
        let lens = [
            &told.hostname,
            &told.model,
            &told.revision,
            &told.date,
            &told.time,
        ]
        .map(String::len);
        assert_eq!(lens, [19, 29, 19, 11, 8]);
    }

    proptest! {
        #[test]
        fn an_identity_that_fits_comes_back_as_it_was(
            hostname in "[ -~]{0,19}", model in "[ -~]{0,29}", revision in "[ -~]{0,19}",
            date in "[ -~]{0,11}", time in "[ -~]{0,8}",
        ) {
            let identity = Identity::new(hostname).model(model).revision(revision).built(date, time);
            prop_assert_eq!(identity.reply().len(), LEN);
            prop_assert_eq!(Identity::decode(&identity.reply()), Ok(identity));
        }
    }
}
