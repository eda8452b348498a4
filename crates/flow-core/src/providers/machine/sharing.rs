//! Which users may use a name.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Which users may ask for a name and be bound to it. The superuser is a user like any other here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// The user to whom it belongs, alone.
    #[default]
    User,
    /// All members of the group with this number. They trust each other: each can remove what another made.
    Group(u32),
    /// Every user of the machine.
    Everybody,
}

impl Sharing {
    /// Whether a process of this user and these groups may be at the other end of a flow.
    /// [`Sharing::User`] is this process's own user.
    #[must_use]
    pub fn admits(self, uid: u32, gids: &[u32]) -> bool {
        match self {
            Self::User => uid == tinwire_place::own_uid(),
            Self::Group(gid) => gids.contains(&gid),
            Self::Everybody => true,
        }
    }

    /// The mode of the directory of such a name. In everybody's, each may remove only what is theirs.
    pub(super) const fn directory_mode(self) -> u32 {
        match self {
            Self::User => 0o700,
            Self::Group(_) => 0o2770,
            Self::Everybody => 0o1777,
        }
    }

    /// The mode of a socket or file in it.
    pub(super) const fn file_mode(self) -> u32 {
        match self {
            Self::User => 0o600,
            Self::Group(_) => 0o660,
            Self::Everybody => 0o666,
        }
    }

    /// The sharing that a directory shows by its mode and group.
    pub(super) fn of(directory: &Metadata) -> Self {
        let mode = directory.mode();
        match (mode & 0o007, mode & 0o070) {
            (0o007, _) => Self::Everybody,
            (_, 0o070) => Self::Group(directory.gid()),
            _ => Self::User,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_user_a_member_or_everybody_is_admitted() {
        let own = tinwire_place::own_uid();
        assert!(Sharing::User.admits(own, &[]));
        assert!(!Sharing::User.admits(own + 1, &[0]));
        assert!(Sharing::Group(7).admits(own + 1, &[5, 7]));
        assert!(!Sharing::Group(7).admits(own, &[5]), "not even the own user");
        assert!(Sharing::Everybody.admits(own + 1, &[]));
    }
}
