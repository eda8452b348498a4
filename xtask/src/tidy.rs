//! `tidy`: the rules of the house that no compiler checks.

mod budgets;
mod directions;
mod facts;
mod sources;

use crate::failure::{Failure, Result};
use crate::workspace::Workspace;

pub(crate) fn run() -> Result {
    let workspace = Workspace::load()?;
    let mut complaints = sources::check(&workspace)?;
    complaints.extend(directions::check(&workspace));
    complaints.extend(facts::check(&workspace));
    complaints.extend(budgets::check(&workspace)?);
    for complaint in &complaints {
        println!("{complaint}");
    }
    match complaints.len() {
        0 => Ok(()),
        count => Err(Failure::new(format!("tidy: {count} complaints"))),
    }
}
