//! Remarks about peers, of which a crowd of bad ones would fill any log.

use core::error::Error;
use core::time::Duration;

use tokio::time::Instant;

use crate::units::counted;

/// Remarks in [`WINDOW`]; more of them are counted.
const MAX_REMARKS: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// Lets so many remarks about peers through.
#[derive(Debug)]
pub(crate) struct Crowd {
    window: Instant,
    remarks: u32,
    withheld: u64,
}

impl Crowd {
    pub(crate) fn new() -> Self {
        Self {
            window: Instant::now(),
            remarks: 0,
            withheld: 0,
        }
    }

    /// Whether one more remark may be made; and first, what is to be told of those that were not.
    pub(crate) fn remark(&mut self) -> (Option<String>, bool) {
        let mut told = None;
        if self.window.elapsed() >= WINDOW {
            self.window = Instant::now();
            self.remarks = 0;
            told = self.rest();
        }
        self.remarks += 1;
        let may = self.remarks <= MAX_REMARKS;
        self.withheld += u64::from(!may);
        (told, may)
    }

    /// What is to be told at the end.
    pub(crate) fn rest(&mut self) -> Option<String> {
        let withheld = core::mem::take(&mut self.withheld);
        let were = if withheld == 1 { "was" } else { "were" };
        (withheld > 0).then(|| format!("{} about peers {were} withheld", counted(withheld, "remark")))
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_peers_gets_twenty_remarks_in_ten_seconds() {
        let mut crowd = Crowd::new();
        let made = (0..1_000).filter(|_| crowd.remark() == (None, true)).count();
        assert_eq!(made, 20);
        tokio::time::advance(WINDOW).await;
        let told = Some("980 remarks about peers were withheld".to_owned());
        assert_eq!(crowd.remark(), (told, true));
        assert_eq!(crowd.rest(), None);
        for _ in 0..20 {
            crowd.remark();
        }
        assert_eq!(crowd.rest().as_deref(), Some("1 remark about peers was withheld"));
    }
}
