//! Reboot and shutdown, port 4: a magic word and no reply.

use bytes::Bytes;

use super::{RequestError, Service};

/// What the word on port 4 asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PowerCommand {
    /// Start again.
    Reboot,
    /// Switch off.
    Shutdown,
}

impl PowerCommand {
    /// The magic word.
    #[must_use]
    pub const fn to_bits(self) -> u32 {
        match self {
            Self::Reboot => 0x8007_8007,
            Self::Shutdown => 0xD1E5_529A,
        }
    }

    /// The service that it is.
    #[must_use]
    pub const fn service(self) -> Service {
        match self {
            Self::Reboot => Service::Reboot,
            Self::Shutdown => Service::Shutdown,
        }
    }

    /// The request.
    #[must_use]
    pub fn request(self) -> Bytes {
        Bytes::copy_from_slice(&self.to_bits().to_be_bytes())
    }

    /// What `request` asks for.
    ///
    /// Exactly four bytes are required: the peers read on into stale memory when there are fewer.
    ///
    /// # Errors
    /// Another length, or another word.
    pub fn decode(request: &[u8]) -> Result<Self, RequestError> {
        let bytes = request.try_into().map_err(|_| RequestError::Length {
            expected: 4,
            got: request.len(),
        })?;
        let word = u32::from_be_bytes(bytes);
        [Self::Reboot, Self::Shutdown]
            .into_iter()
            .find(|command| command.to_bits() == word)
            .ok_or(RequestError::UnknownWord { word })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_four_bytes_with_a_magic_word_are_a_command() {
        for command in [PowerCommand::Reboot, PowerCommand::Shutdown] {
            assert_eq!(PowerCommand::decode(&command.request()), Ok(command));
            assert_eq!(command.service().port(), crate::Port::REBOOT);
        }
        let word = 0x8007_8008_u32;
        assert_eq!(
            PowerCommand::decode(&word.to_be_bytes()),
            Err(RequestError::UnknownWord { word })
        );
        for wrong in [&[][..], &[0x80, 0x07, 0x80], &[0x80, 0x07, 0x80, 0x07, 0x00]] {
            let (expected, got) = (4, wrong.len());
            assert_eq!(
                PowerCommand::decode(wrong),
                Err(RequestError::Length { expected, got })
            );
        }
    }
}
