//! Speeds that have to be reached, for benchmarks.
//!
//! What counts is the work of the processor for the thread, and the best of some rounds, or the middle one
//! where things are measured in turn: so a busy machine does not matter much. Nothing here fails;
//! `cargo xtask bench` makes a table of the lines and judges.

use std::env;
use std::sync::LazyLock;
use std::time::Instant;

/// How often a thing is measured, and for how long each time.
pub const ROUNDS: usize = 10;
/// See [`ROUNDS`].
pub const SECONDS: f64 = 0.2;

/// Whether the arguments of this benchmark choose it: none do, or `bars`.
#[must_use]
pub fn is_asked_for() -> bool {
    let mut words = env::args().skip(1).filter(|word| !word.starts_with('-'));
    words.all(|word| "bars".contains(&*word))
}

/// Units of work in a second, in the best of the rounds; `work` does some and tells how many.
pub fn best(mut work: impl FnMut() -> u32) -> f64 {
    let mut round = || {
        let (mut count, begin) = (0.0, spent());
        loop {
            count += f64::from(work());
            let time = spent() - begin;
            if time >= SECONDS {
                return count / time;
            }
        }
    };
    (0..ROUNDS).map(|_| round()).fold(0.0, f64::max)
}

/// Rates that were measured in turn, round by round: what slows the machine down slows all of them.
#[derive(Clone, Debug)]
pub struct Rounds<const N: usize>([[f64; N]; ROUNDS]);

impl<const N: usize> Rounds<N> {
    /// Measures; each of `all` gives the rate of one round.
    pub fn measure(mut all: [&mut dyn FnMut() -> f64; N]) -> Self {
        Self(core::array::from_fn(|_| all.each_mut().map(|rate| rate())))
    }

    /// The rate of number `one`, in the middle of the rounds.
    #[must_use]
    pub fn rate(&self, one: usize) -> f64 {
        self.middle(|rates| rates.get(one).copied())
    }

    /// How many times the rate of number `other` that of `one` is, in the middle of the rounds.
    #[must_use]
    pub fn ratio(&self, one: usize, other: usize) -> f64 {
        self.middle(|rates| Some(rates.get(one)? / rates.get(other)?))
    }

    fn middle(&self, figure: impl Fn(&[f64; N]) -> Option<f64>) -> f64 {
        let mut figures: Vec<_> = self.0.iter().filter_map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(ROUNDS / 2).copied().unwrap_or(f64::NAN)
    }
}

/// Units of work in a second, in one round; `ready` comes before each piece of work and is not counted.
pub fn round(mut ready: impl FnMut(), mut work: impl FnMut() -> u32) -> f64 {
    let (mut count, mut time) = (0.0, 0.0);
    while time < SECONDS {
        ready();
        let begin = spent();
        count += f64::from(work());
        time += spent() - begin;
    }
    count / time
}

/// Seconds that the processor has worked for this thread; where the system does not tell, seconds.
fn spent() -> f64 {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanos.map_or_else(|| BEGIN.elapsed().as_secs_f64(), |nanos| nanos / 1e9)
}

/// A figure that has to be reached.
#[derive(Clone, Copy, Debug)]
pub struct Bar<'a> {
    name: &'a str,
    unit: &'a str,
    least: f64,
}

impl<'a> Bar<'a> {
    /// `least`: what has to be reached; 0 where there is no such thing.
    #[must_use]
    pub const fn new(name: &'a str, unit: &'a str, least: f64) -> Self {
        Self { name, unit, least }
    }

    /// Prints what was reached, as a line with tabs.
    pub fn reached(self, figure: f64) {
        let Self { name, unit, least } = self;
        println!("bar\t{name}\t{figure}\t{least}\t{unit}");
    }
}
