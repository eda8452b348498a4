//! What is wrong with an expression, and where.

use alloc::string::String;

use thiserror::Error;

/// Why an expression is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("column {column}: {reason}")]
#[non_exhaustive]
pub struct FilterError {
    /// Where, in characters from 1.
    pub column: usize,
    /// What.
    pub reason: Reason,
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// Longer than [`MAX_LEN`](super::MAX_LEN).
    #[error("expression of more than {max} bytes", max = super::MAX_LEN)]
    TooLong,
    /// Nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("more than {max} parentheses and negations within each other", max = super::MAX_DEPTH)]
    TooDeep,
    /// A character that begins nothing.
    #[error("unexpected character {0:?}")]
    Character(char),
    /// A string without its end.
    #[error("string without a closing quote")]
    Unclosed,
    /// Something else had to stand here.
    #[error("expected {expected}, got {got}")]
    Expected {
        /// What may stand here.
        expected: &'static str,
        /// What stands here.
        got: String,
    },
    /// No such field.
    #[error("no field {got:?}; there are {fields}", fields = super::field::Names)]
    Field {
        /// The word.
        got: String,
    },
    /// The field is not compared so.
    #[error("{field} takes {allowed}, not {got}")]
    Operator {
        /// Name of the field.
        field: &'static str,
        /// Operators that it takes.
        allowed: &'static str,
        /// The operator.
        got: &'static str,
    },
    /// No value of the field.
    #[error("{got:?} is no value of {field}; expected {expected}")]
    Value {
        /// Name of the field.
        field: &'static str,
        /// What its values look like.
        expected: &'static str,
        /// The word.
        got: String,
    },
}
