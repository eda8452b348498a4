use std::boxed::Box;
use std::string::ToString;

use super::*;
use crate::error::{ReadLineError, WriteLineError};
use crate::name::Name;
use crate::qos::{QosError, QosField};
use crate::queue::TooSmall;

fn name() -> Name {
    Name::new("echo").unwrap()
}

fn reason() -> Box<str> {
    "no such thing".into()
}

/// Checks the number of each variant, all of which have to be there, that its words are of this house, and
/// that its I/O error says the same.
macro_rules! check {
    ($($error:ident { $($variant:ident $fields:tt => $number:literal $errno:literal)* })*) => {$(
        let _all: fn(&$error) = |error| match error { $($error::$variant { .. } => ()),* };
        $({
            let error = $error::$variant $fields;
            let (errno, text) = (error.errno(), error.to_string());
            assert_eq!((errno.number(), errno.name()), ($number, $errno), "{error:?}");
            assert!(!text.ends_with('.') && !text.starts_with(char::is_uppercase), "{text}");
            #[cfg(feature = "std")]
            {
                let io = std::io::Error::from(error);
                assert_eq!((io.kind(), io.to_string()), (errno.kind(), text));
                assert_ne!(io.kind(), std::io::ErrorKind::Other);
            }
        })*
    )*};
}

#[test]
fn every_error_has_exactly_one_number() {
    let (max, field) = (3, QosField::Loss);
    let qos = QosError {
        field,
        asked: 0,
        has: 1,
    };
    check! {
        AllocError {
            UnknownName { name: name() } => 1007 "ENAME"
            Qos (qos) => 95 "ENOTSUP"
            Busy { name: name(), max } => 11 "EAGAIN"
            Unreachable { name: name(), reason: reason() } => 1003 "EIPCP"
            Address { reason: reason() } => 22 "EINVAL"
            Denied { name: name() } => 1009 "EAUTH"
            Full { max } => 12 "ENOMEM"
            TimedOut {} => 110 "ETIMEDOUT"
        }
        AcceptError {
            NoName {} => 1007 "ENAME"
            Full { max } => 12 "ENOMEM"
            Layer { reason: reason() } => 1002 "EIRMD"
            TimedOut {} => 110 "ETIMEDOUT"
        }
        JoinError {
            Unsupported {} => 95 "ENOTSUP"
            Full { max } => 12 "ENOMEM"
            Unreachable { reason: reason() } => 1003 "EIPCP"
            Address { reason: reason() } => 22 "EINVAL"
            Denied {} => 1009 "EAUTH"
            TimedOut {} => 110 "ETIMEDOUT"
        }
        BindError {
            Full { max } => 12 "ENOMEM"
            Address { reason: reason() } => 22 "EINVAL"
            Denied { name: name() } => 1009 "EAUTH"
            Layer { reason: reason() } => 1002 "EIRMD"
        }
        DeallocError {
            Unread { packets: 1 } => 110 "ETIMEDOUT"
            Discarded {} => 1005 "EFLOWDOWN"
        }
        SetError {
            AlreadyMember {} => 1 "EPERM"
            NoQueue {} => 22 "EINVAL"
        }
    }
}

#[test]
fn reading_and_writing_fail_with_one_number_each() {
    check! {
        ReadError {
            Deallocated {} => 1005 "EFLOWDOWN"
            PeerGone {} => 1006 "EFLOWPEER"
            Reset {} => 104 "ECONNRESET"
            Down {} => 1005 "EFLOWDOWN"
            WriteOnly {} => 1 "EPERM"
            TooSmall (TooSmall { need: 9, got: 8 }) => 90 "EMSGSIZE"
            WouldBlock {} => 11 "EAGAIN"
            TimedOut {} => 110 "ETIMEDOUT"
        }
        WriteError {
            Empty {} => 22 "EINVAL"
            TooLong { len: 9, max: 8 } => 90 "EMSGSIZE"
            Closed {} => 1000 "ENOTALLOC"
            Deallocated {} => 1005 "EFLOWDOWN"
            PeerGone {} => 1006 "EFLOWPEER"
            Reset {} => 104 "ECONNRESET"
            Down {} => 1005 "EFLOWDOWN"
            ReadOnly {} => 1 "EPERM"
            PeerNotReading {} => 1 "EPERM"
            WouldBlock {} => 11 "EAGAIN"
            TimedOut {} => 110 "ETIMEDOUT"
        }
        ReadLineError {
            Read (ReadError::TimedOut) => 110 "ETIMEDOUT"
            TooLong { max: 8 } => 90 "EMSGSIZE"
            NotUtf8 { valid_up_to: 3 } => 22 "EINVAL"
        }
        WriteLineError {
            Write (WriteError::TimedOut) => 110 "ETIMEDOUT"
            TooLong { len: 9, max: 8 } => 90 "EMSGSIZE"
            LineEnd { at: 3 } => 22 "EINVAL"
        }
        FlowError {
            Read (ReadError::WouldBlock) => 11 "EAGAIN"
            Write (WriteError::PeerGone) => 1006 "EFLOWPEER"
        }
    }
}

#[cfg(feature = "std")]
#[test]
fn a_layer_that_is_not_there_has_a_number_too() {
    let path = std::path::PathBuf::from("flow");
    let source = std::io::Error::from(std::io::ErrorKind::NotFound);
    check! {
        LayerError {
            NoDirectory { reason: reason() } => 1002 "EIRMD"
            Directory { path: path.clone(), source } => 1002 "EIRMD"
            Foreign { path: path.clone(), owner: 7 } => 1009 "EAUTH"
            Open { path, mode: 0o777 } => 1009 "EAUTH"
        }
    }
}

#[test]
fn the_numbers_are_those_of_the_peer() {
    let numbers = [
        1, 9, 11, 12, 22, 90, 95, 104, 110, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009,
    ];
    assert_eq!(Errno::ALL.map(Errno::number), numbers);
    for errno in Errno::ALL {
        assert_eq!(Errno::from_number(errno.number()), Some(errno));
        assert_eq!(Errno::from_number(-errno.number()), Some(errno));
    }
    for none in [0, 2, 999, 1010, i32::MIN] {
        assert_eq!(Errno::from_number(none), None);
    }
    assert_eq!(Errno::FlowDown.to_string(), "EFLOWDOWN (1005)");
}
