//! What a receiver demands of packets.

use crate::{DropReason, Flags};

/// What a receiver thinks of a protection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Need {
    /// It may be there.
    #[default]
    Optional,
    /// Packets without it are dropped.
    Required,
    /// Packets with it are dropped.
    Prohibited,
}

/// The protections that a receiver requires and prohibits (SEC-7).
///
/// By default all are optional. What lacks something required, or has something prohibited, is dropped with a
/// reason. libcsp knows the same options, without enforcing those that prohibit; its number is told with
/// each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub(crate) crc32: Need,
    pub(crate) hmac: Need,
    pub(crate) rdp: Need,
    pub(crate) xtea: Need,
}

impl Needs {
    /// The CRC32 trailer: `CSP_SO_CRC32REQ` 0x0040, `CSP_SO_CRC32PROHIB` 0x0080. Default optional.
    ///
    /// libcsp 1.6 takes packets without it even where it is required.
    #[must_use]
    pub const fn crc32(mut self, need: Need) -> Self {
        self.crc32 = need;
        self
    }

    /// The HMAC trailer: `CSP_SO_HMACREQ` 0x0004, `CSP_SO_HMACPROHIB` 0x0008. Default optional.
    #[must_use]
    pub const fn hmac(mut self, need: Need) -> Self {
        self.hmac = need;
        self
    }

    /// The RDP trailer: `CSP_SO_RDPREQ` 0x0001, `CSP_SO_RDPPROHIB` 0x0002. Default optional.
    #[must_use]
    pub const fn rdp(mut self, need: Need) -> Self {
        self.rdp = need;
        self
    }

    /// The XTEA encryption of libcsp 1.x: `CSP_SO_XTEAREQ` 0x0010, `CSP_SO_XTEAPROHIB` 0x0020. Default
    /// optional.
    ///
    /// Where the flag is a reserved bit ([`XteaFlag`](crate::XteaFlag), version 2) nothing is encrypted:
    /// there a requirement is never met, and nothing is prohibited.
    #[must_use]
    pub const fn xtea(mut self, need: Need) -> Self {
        self.xtea = need;
        self
    }

    /// What a connection that sends with `flags` requires of replies (section 8).
    pub(crate) const fn of_replies(flags: Flags) -> Self {
        const fn need(used: bool) -> Need {
            if used { Need::Required } else { Need::Optional }
        }
        Self {
            crc32: need(flags.contains(Flags::CRC32)),
            hmac: need(flags.contains(Flags::HMAC)),
            rdp: need(flags.contains(Flags::RDP)),
            xtea: need(flags.contains(Flags::XTEA)),
        }
    }

    /// Why a packet with `flags`, encrypted or not, is not acceptable, if it is not.
    pub(crate) fn refusal(self, flags: Flags, encrypted: bool) -> Option<DropReason> {
        let (crc32, hmac, rdp) = (Flags::CRC32, Flags::HMAC, Flags::RDP);
        [
            (self.xtea, encrypted, DropReason::EncryptionRequired),
            (self.crc32, flags.contains(crc32), DropReason::ChecksumRequired),
            (
                self.hmac,
                flags.contains(hmac),
                DropReason::AuthenticationRequired,
            ),
            (self.rdp, flags.contains(rdp), DropReason::RdpRequired),
        ]
        .into_iter()
        .find_map(|(need, there, missing)| match (need, there) {
            (Need::Required, false) => Some(missing),
            (Need::Prohibited, true) => Some(DropReason::Prohibited),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_trailer_is_named_and_a_prohibited_one_refused() {
        let needs = Needs::default()
            .crc32(Need::Required)
            .hmac(Need::Required)
            .rdp(Need::Prohibited);
        let all = Flags::CRC32 | Flags::HMAC;
        assert_eq!(needs.refusal(all, false), None);
        assert_eq!(
            needs.refusal(Flags::HMAC, false),
            Some(DropReason::ChecksumRequired)
        );
        assert_eq!(
            needs.refusal(Flags::CRC32, false),
            Some(DropReason::AuthenticationRequired)
        );
        assert_eq!(
            needs.refusal(all | Flags::RDP, false),
            Some(DropReason::Prohibited)
        );
        let rdp = Needs::default().rdp(Need::Required);
        assert_eq!(rdp.refusal(Flags::NONE, false), Some(DropReason::RdpRequired));
    }

    #[test]
    fn encryption_is_judged_by_whether_there_is_any_and_not_by_a_flag() {
        let needed = Needs::default().xtea(Need::Required);
        assert_eq!(
            needed.refusal(Flags::XTEA, false),
            Some(DropReason::EncryptionRequired)
        );
        assert_eq!(needed.refusal(Flags::XTEA, true), None);
        let prohibited = Needs::default().xtea(Need::Prohibited);
        assert_eq!(prohibited.refusal(Flags::XTEA, false), None);
        assert_eq!(
            prohibited.refusal(Flags::XTEA, true),
            Some(DropReason::Prohibited)
        );
    }
}
