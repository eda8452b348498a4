//! A bar on standard error, where that is a terminal.

use core::time::Duration;
use std::io::{IsTerminal as _, Write as _};

use tokio::time::Instant;

/// Columns of the bar itself.
const WIDTH: usize = 30;
/// Redrawing more often nobody sees.
const INTERVAL: Duration = Duration::from_millis(80);
/// What is done sooner needs no bar.
const DELAY: Duration = Duration::from_millis(300);

/// How far something is; invisible where nobody watches.
#[derive(Debug)]
pub(crate) struct Progress {
    is_seen: bool,
    total: u64,
    drawn: Option<Instant>,
    start: Instant,
}

impl Progress {
    /// A bar that is full at `total`.
    pub(super) fn new(is_wanted: bool, total: u64) -> Self {
        Self {
            is_seen: is_wanted && std::io::stderr().is_terminal(),
            total,
            drawn: None,
            start: Instant::now(),
        }
    }

    /// Draws the bar again, if it is time to.
    pub(crate) fn show(&mut self, done: u64, what: &str) {
        let now = Instant::now();
        let is_due = match self.drawn {
            Some(drawn) => now.duration_since(drawn) >= INTERVAL,
            None => now.duration_since(self.start) >= DELAY,
        };
        if self.is_seen && is_due {
            self.drawn = Some(now);
            let elapsed = now.duration_since(self.start);
            // Nobody is left to be told when that fails.
            let _ = write!(
                anstream::stderr(),
                "\r\x1b[K{}",
                line(done, self.total, elapsed, what)
            );
        }
    }

    /// Takes the bar away.
    pub(crate) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let _ = write!(anstream::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn line(done: u64, total: u64, elapsed: Duration, what: &str) -> String {
    let share = |of: u64| {
        done.min(total)
            .saturating_mul(of)
            .checked_div(total)
            .unwrap_or(of)
    };
    let full = usize::try_from(share(u64::try_from(WIDTH).unwrap_or_default())).unwrap_or_default();
    let bar = "#".repeat(full) + &".".repeat(WIDTH.saturating_sub(full));
    let left = elapsed
        .as_secs()
        .saturating_mul(total.saturating_sub(done))
        .checked_div(done)
        .filter(|_| done > 0);
    let left = left.map_or_else(String::new, |left| format!(", {left} s left"));
    format!("[{bar}] {:3} %  {what}{left}", share(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_tells_share_and_time_left() {
        let seconds = Duration::from_secs;
        assert_eq!(
            line(50, 200, seconds(10), "50 of 200"),
            "[#######.......................]  25 %  50 of 200, 30 s left"
        );
        assert!(line(0, 200, seconds(1), "").ends_with("  0 %  "));
        assert!(line(0, 0, seconds(1), "").contains("100 %"));
        assert!(line(300, 200, seconds(1), "").contains("100 %"));
    }
}
