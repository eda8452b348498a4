//! Messages a second.

/// Seconds that are kept.
const SECONDS: u64 = 64;

/// Queries and responses in each of the last seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    places: [Second; 64],
    first: Option<u64>,
    newest: u64,
    late: u64,
    untimed: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Second {
    second: u64,
    queries: u64,
    responses: u64,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            places: [Second::default(); 64],
            first: None,
            newest: 0,
            late: 0,
            untimed: 0,
        }
    }
}

impl Rates {
    /// Longest window, in seconds.
    pub const MAX_WINDOW: u64 = SECONDS - 1;

    pub(super) fn add(&mut self, second: Option<u64>, is_query: bool) {
        match second {
            Some(second) => self.add_many(second, u64::from(is_query), u64::from(!is_query)),
            None => self.untimed += 1,
        }
    }

    fn add_many(&mut self, second: u64, queries: u64, responses: u64) {
        self.first = Some(self.first.map_or(second, |first| first.min(second)));
        self.newest = self.newest.max(second);
        let place = usize::try_from(second % SECONDS).unwrap_or(0);
        let Some(place) = self.places.get_mut(place) else {
            return;
        };
        if place.second > second {
            self.late += queries + responses;
            return;
        }
        if place.second < second {
            *place = Second {
                second,
                ..Second::default()
            };
        }
        place.queries += queries;
        place.responses += responses;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let counted = other
            .places
            .iter()
            .filter(|place| place.queries + place.responses > 0);
        for place in counted {
            self.add_many(place.second, place.queries, place.responses);
        }
        self.first = match (self.first, other.first) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.late += other.late;
        self.untimed += other.untimed;
    }

    /// Queries and responses a second, on average over the `window` seconds up to and without the one of
    /// `now`, at most [`MAX_WINDOW`](Self::MAX_WINDOW), and no longer than messages have been coming.
    ///
    /// Without `now`, the second of the newest message is the last of the window.
    #[must_use]
    pub fn per_second(&self, now: Option<u64>, window: u64) -> (f64, f64) {
        let Some(first) = self.first else {
            return (0.0, 0.0);
        };
        let end = now.unwrap_or_else(|| self.newest.saturating_add(1));
        let span = window
            .clamp(1, Self::MAX_WINDOW)
            .min(end.saturating_sub(first))
            .max(1);
        let start = end.saturating_sub(span);
        let of_window = self
            .places
            .iter()
            .filter(|place| (start..end).contains(&place.second));
        let (queries, responses) = of_window.fold((0, 0), |(queries, responses), place| {
            (queries + place.queries, responses + place.responses)
        });
        (ratio(queries, span), ratio(responses, span))
    }

    /// Messages more than a window older than others that came before them; in no rate.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// Messages without a time; in no rate.
    #[must_use]
    pub const fn untimed(&self) -> u64 {
        self.untimed
    }
}

/// A quotient, exact below 2^32 of each, and near enough above.
fn ratio(count: u64, seconds: u64) -> f64 {
    let float = |number: u64| u32::try_from(number).map_or_else(|_| f64::from(u32::MAX), f64::from);
    let high = float(count >> 32) * 4_294_967_296.0;
    (high + float(count & 0xffff_ffff)) / float(seconds)
}
