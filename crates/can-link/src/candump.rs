//! The texts of candump: frames, log lines, screen lines and filters.
//!
//! Everything written is what candump (can-utils v2025.01) writes, byte for byte. Reading takes what
//! canplayer takes, except that by default it refuses what canplayer would silently change: surplus data
//! bytes, a standard identifier above 7FF, a remote length of 9 ([`Reading`]).
//!
//! | text | module |
//! |---|---|
//! | frames, `123#1122`, `123#R3`, `123##4AA`, `00123#80:03:00000000#41` | [`Message`], [`parse_frame`] |
//! | log lines, `(1700000000.000001) can0 123#1122` | [`LogLine`], [`LogText`] |
//! | whole logs | [`Log`], [`LogReader`] |
//! | lines for people, `  can0  123   [2]  11 22` | [`ScreenLine`], [`ScreenText`] |
//! | error reports for people | [`error_details`] |
//! | filters, `123:7FF`, `#1FFFFFFF`, `j` | [`parse_filters`], [`FilterText`] |

mod errors;
mod filter;
mod frame;
mod hex;
mod log;
mod reader;
mod screen;
mod time;

pub use errors::error_details;
#[cfg(feature = "tokio")]
pub(crate) use filter::parse_filter;
pub use filter::{FilterText, FilterTextError, parse_filters};
pub use frame::{FrameText, FrameTextError, Message, Reading, parse_frame};
pub use log::{Direction, LineError, LogLine, LogText};
#[cfg(feature = "std")]
pub use reader::LogReader;
pub use reader::{BadLine, Log, LogItem, MAX_LINE_LEN};
pub use screen::{ScreenLine, ScreenText};
pub use time::{Elapsed, LogTime, Precision};
