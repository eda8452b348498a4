//! `bench flow`: the speeds that flows have to reach, in a process and between two.

use super::{bars, judge, measure};
use crate::failure::{Failure, Result};

pub(crate) fn run(arguments: &[String]) -> Result {
    if !arguments.is_empty() {
        return Err(Failure::usage("bench flow takes no arguments"));
    }
    judge(&measure(&mut bars("flow-core"))?)
}
