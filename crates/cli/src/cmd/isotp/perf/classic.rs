//! What isotpperf prints, byte for byte: a bar that is drawn over with each frame, and a line for a message.

use isotp::StMin;

use super::meter::{FrameKind, Measured, Shown};

/// Letters in the bar.
const BARS: u64 = 50;
/// Columns that its message about silence takes.
const COLUMNS: usize = 78;

/// What a frame adds to the output.
pub(super) fn text(shown: &Shown) -> String {
    let mut text = String::new();
    if let Some((received, len)) = shown.progress {
        let percent = u64::from(received) * 100 / u64::from(len.max(1));
        let full = percent * BARS / 100;
        let bar: String = (0..BARS).map(|at| if at < full { 'X' } else { '.' }).collect();
        let width = len.to_string().len();
        text.push_str(&format!("\r {percent:3}% |{bar}| {received:width$}/{len} "));
    }
    if let Some(measured) = &shown.measured {
        text.push_str(&line(measured));
    }
    text
}

/// What a second of silence adds.
pub(super) fn timed_out() -> String {
    format!("\r{:<COLUMNS$}", " (transmission timed out)")
}

fn line(measured: &Measured) -> String {
    let FrameKind {
        is_fd,
        has_brs,
        can_dl,
    } = measured.frame;
    let kind = if is_fd { "CAN-FD" } else { "CAN2.0" };
    let brs = if has_brs { '*' } else { ' ' };
    let bits = measured.st_min_bits;
    let st_min = match StMin::from_bits(bits).map(StMin::gap) {
        None => "STmin: invalid   )".to_owned(),
        Some(_) if bits < 0x80 => format!("STmin:{bits:3} msec)"),
        Some(gap) => format!("STmin:{:3} usec)", gap.as_micros()),
    };
    let (len, took) = (measured.len, measured.between);
    let speed = match u64::try_from(took.as_millis()).unwrap_or(u64::MAX) {
        0 => "(no time available)     ".to_owned(),
        millis => format!(
            "{}.{:06}s => {} byte/s",
            took.as_secs(),
            took.subsec_micros(),
            u64::from(len) * 1000 / millis
        ),
    };
    let block_size = measured.block_size;
    format!("\r{kind} {can_dl:02}{brs} (BS:{block_size:2} # {st_min} : {len} byte in {speed}\n")
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn measured(len: u32, millis: u64, st_min_bits: u8) -> Measured {
        Measured {
            len,
            took: Duration::ZERO,
            between: Duration::from_millis(millis),
            frames_take: None,
            must_take: None,
            frames: 2,
            frame: FrameKind {
                is_fd: false,
                has_brs: false,
                can_dl: 8,
            },
            block_size: 5,
            st_min_bits,
        }
    }

    #[test]
    fn a_message_is_a_line_over_the_bar() {
        let shown = Shown {
            progress: Some((6, 100)),
            ..Shown::default()
        };
        assert_eq!(
            text(&shown),
            "\r   6% |XXX...............................................|   6/100 "
        );
        assert_eq!(
            line(&measured(100, 280, 0x14)),
            "\rCAN2.0 08  (BS: 5 # STmin: 20 msec) : 100 byte in 0.280000s => 357 byte/s\n"
        );
        assert_eq!(
            line(&measured(7, 0, 0xF5)),
            "\rCAN2.0 08  (BS: 5 # STmin:500 usec) : 7 byte in (no time available)     \n"
        );
        let fd = Measured {
            frame: FrameKind {
                is_fd: true,
                has_brs: true,
                can_dl: 64,
            },
            ..measured(7, 1, 0xFF)
        };
        assert!(line(&fd).starts_with("\rCAN-FD 64* (BS: 5 # STmin: invalid   ) : 7 byte"));
    }
}
