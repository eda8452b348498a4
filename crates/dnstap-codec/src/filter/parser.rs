//! From words to an expression.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::error::{FilterError, Reason};
use super::field::Field;
use super::glob::Glob;
use super::lexer::{Lexer, Operator, Token};
use super::test::{Addresses, Names, Numbers, Test, Texts};
use super::value::{self, Labels, Network};
use super::{Expression, MAX_DEPTH, MAX_LEN};

pub(super) fn parse(text: &str) -> Result<Expression, FilterError> {
    if text.len() > MAX_LEN {
        return Err(FilterError {
            column: 1,
            reason: Reason::TooLong,
        });
    }
    let mut parser = Parser::new(text)?;
    let expression = parser.any(0)?;
    match parser.token {
        Token::End => Ok(expression),
        _ => Err(parser.expected("&&, || or the end")),
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    /// The next token, and where it stands.
    token: Token,
    column: usize,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Result<Self, FilterError> {
        let mut lexer = Lexer::new(text);
        let (token, column) = lexer.next()?;
        Ok(Self { lexer, token, column })
    }

    fn advance(&mut self) -> Result<Token, FilterError> {
        let (next, column) = self.lexer.next()?;
        self.column = column;
        Ok(core::mem::replace(&mut self.token, next))
    }

    fn error(&self, reason: Reason) -> FilterError {
        FilterError {
            column: self.column,
            reason,
        }
    }

    fn expected(&self, expected: &'static str) -> FilterError {
        self.error(Reason::Expected {
            expected,
            got: self.token.shown(),
        })
    }

    /// `a || b || c`
    fn any(&mut self, depth: usize) -> Result<Expression, FilterError> {
        let mut parts = vec![self.all(depth)?];
        while self.token == Token::Or {
            self.advance()?;
            parts.push(self.all(depth)?);
        }
        Ok(single(parts).unwrap_or_else(Expression::Or))
    }

    /// `a && b && c`
    fn all(&mut self, depth: usize) -> Result<Expression, FilterError> {
        let mut parts = vec![self.one(depth)?];
        while self.token == Token::And {
            self.advance()?;
            parts.push(self.one(depth)?);
        }
        Ok(single(parts).unwrap_or_else(Expression::And))
    }

    /// `!a`, `(a)` or a test.
    fn one(&mut self, depth: usize) -> Result<Expression, FilterError> {
        if depth > MAX_DEPTH {
            return Err(self.error(Reason::TooDeep));
        }
        match &self.token {
            Token::Not => {
                self.advance()?;
                let inner = self.one(depth + 1)?;
                Ok(Expression::Not(Box::new(inner)))
            }
            Token::Open => {
                self.advance()?;
                let inner = self.any(depth + 1)?;
                if self.token != Token::Close {
                    return Err(self.expected("&&, || or )"));
                }
                self.advance()?;
                Ok(inner)
            }
            Token::Word(word) => {
                let Some((field, name)) = Field::named(word) else {
                    return Err(self.error(Reason::Field { got: word.clone() }));
                };
                self.test(field, name).map(Expression::Test)
            }
            _ => Err(self.expected("a field, ! or (")),
        }
    }

    /// What follows a field's name, which is the token that was read.
    fn test(&mut self, field: Field, name: &'static str) -> Result<Test, FilterError> {
        self.advance()?;
        let Token::Compare(operator) = self.token else {
            return Ok(present(field));
        };
        let (allowed, is_allowed) = field.takes(operator);
        if !is_allowed {
            return Err(self.error(Reason::Operator {
                field: name,
                allowed,
                got: operator.sign(),
            }));
        }
        let values = self.values(field, operator)?;
        Words { field, name, values }.test(operator)
    }

    /// The values behind an operator, each with its column; reads on behind them.
    fn values(&mut self, field: Field, operator: Operator) -> Result<Vec<(String, usize)>, FilterError> {
        self.value()?;
        let close = match self.token {
            Token::OpenSet if operator == Operator::In => Token::CloseSet,
            Token::Open if operator == Operator::In => Token::Close,
            _ => return Ok(vec![self.word(field)?]),
        };
        let mut values = Vec::new();
        loop {
            self.value()?;
            values.push(self.word(field)?);
            match &self.token {
                Token::Comma => {}
                token if *token == close => {
                    self.advance()?;
                    return Ok(values);
                }
                _ => return Err(self.expected("a comma or the end of the list")),
            }
        }
    }

    /// Makes the next value the token.
    fn value(&mut self) -> Result<(), FilterError> {
        (self.token, self.column) = self.lexer.value()?;
        Ok(())
    }

    /// Takes the token, which is a value.
    fn word(&mut self, field: Field) -> Result<(String, usize), FilterError> {
        let column = self.column;
        match self.advance()? {
            Token::Word(word) | Token::Text(word) => Ok((word, column)),
            other => Err(FilterError {
                column,
                reason: Reason::Expected {
                    expected: field.example(),
                    got: other.shown(),
                },
            }),
        }
    }
}

/// The only part, or all of them.
fn single(mut parts: Vec<Expression>) -> Result<Expression, Vec<Expression>> {
    match (parts.pop(), parts.is_empty()) {
        (Some(only), true) => Ok(only),
        (last, _) => {
            parts.extend(last);
            Err(parts)
        }
    }
}

/// A field's name alone.
const fn present(field: Field) -> Test {
    match field {
        Field::Fact(fact) => Test::Fact(fact),
        Field::Number(field) => Test::Number(field, Numbers::Any),
        Field::Bytes(field) => Test::Bytes(field, Texts::Any),
        Field::Address(field) => Test::Address(field, Addresses::Any),
        Field::Name(field) => Test::Name(field, Names::Any),
    }
}

/// The words that a field is compared with.
struct Words {
    field: Field,
    name: &'static str,
    values: Vec<(String, usize)>,
}

impl Words {
    fn test(self, operator: Operator) -> Result<Test, FilterError> {
        let is_not = operator == Operator::Unequal;
        Ok(match self.field {
            Field::Fact(fact) => Test::Fact(fact),
            Field::Number(field) => {
                let numbers = self.each(|word| value::number(field, word))?;
                // Where an operator takes one value, the parser has read one.
                let bound = numbers.first().copied().unwrap_or_default();
                let wanted = match operator {
                    Operator::Less => Numbers::Less(bound),
                    Operator::AtMost => Numbers::AtMost(bound),
                    Operator::More => Numbers::More(bound),
                    Operator::AtLeast => Numbers::AtLeast(bound),
                    _ if is_not => Numbers::NoneOf(numbers),
                    _ => Numbers::OneOf(numbers),
                };
                Test::Number(field, wanted)
            }
            Field::Bytes(field) => {
                let texts = self.each(|word| Some(word.as_bytes().to_vec()))?;
                let wanted = match operator {
                    Operator::Glob => Texts::Glob(Glob(texts.concat())),
                    _ if is_not => Texts::NoneOf(texts),
                    _ => Texts::OneOf(texts),
                };
                Test::Bytes(field, wanted)
            }
            Field::Address(field) => {
                let networks = self.each(Network::parse)?;
                let wanted = if is_not {
                    Addresses::NoneOf(networks)
                } else {
                    Addresses::OneOf(networks)
                };
                Test::Address(field, wanted)
            }
            Field::Name(field) if operator == Operator::Glob => {
                let pattern = self.each(|word| Some(word.trim_end_matches('.').to_ascii_lowercase()))?;
                Test::Name(field, Names::Glob(Glob(pattern.concat().into_bytes())))
            }
            Field::Name(field) => {
                let mut names = self.each(Labels::parse)?;
                let wanted = match operator {
                    Operator::Under => Names::Under(names.pop().unwrap_or(Labels(Vec::new()))),
                    _ if is_not => Names::NoneOf(names),
                    _ => Names::OneOf(names),
                };
                Test::Name(field, wanted)
            }
        })
    }

    fn each<T>(&self, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, FilterError> {
        let value = |(word, column): &(String, usize)| {
            read(word).ok_or_else(|| FilterError {
                column: *column,
                reason: Reason::Value {
                    field: self.name,
                    expected: self.field.example(),
                    got: word.to_string(),
                },
            })
        };
        self.values.iter().map(value).collect()
    }
}
