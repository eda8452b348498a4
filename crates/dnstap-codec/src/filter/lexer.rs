//! Words, strings and signs.

use alloc::string::{String, ToString};

use super::error::{FilterError, Reason};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Text(String),
    Compare(Operator),
    Open,
    Close,
    OpenSet,
    CloseSet,
    Comma,
    And,
    Or,
    Not,
    End,
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
    Glob,
    Under,
    In,
}

impl Operator {
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Glob => "~",
            Self::Under => "under",
            Self::In => "in",
        }
    }
}

impl Token {
    /// As it is shown in an error.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(word) => alloc::format!("{word:?}"),
            Self::Text(_) => "a string".to_string(),
            Self::Compare(operator) => operator.sign().to_string(),
            Self::Open => "(".to_string(),
            Self::Close => ")".to_string(),
            Self::OpenSet => "{".to_string(),
            Self::CloseSet => "}".to_string(),
            Self::Comma => ",".to_string(),
            Self::And => "&&".to_string(),
            Self::Or => "||".to_string(),
            Self::Not => "!".to_string(),
            Self::End => "the end".to_string(),
        }
    }
}

/// Takes tokens from the front of a text.
pub(super) struct Lexer<'t> {
    text: &'t str,
    rest: &'t str,
}

/// Signs, the longer ones first.
const SIGNS: [(&str, Token); 17] = [
    ("&&", Token::And),
    ("||", Token::Or),
    ("==", Token::Compare(Operator::Equal)),
    ("!=", Token::Compare(Operator::Unequal)),
    ("<=", Token::Compare(Operator::AtMost)),
    (">=", Token::Compare(Operator::AtLeast)),
    ("=~", Token::Compare(Operator::Glob)),
    ("=", Token::Compare(Operator::Equal)),
    ("<", Token::Compare(Operator::Less)),
    (">", Token::Compare(Operator::More)),
    ("~", Token::Compare(Operator::Glob)),
    ("!", Token::Not),
    ("(", Token::Open),
    (")", Token::Close),
    ("{", Token::OpenSet),
    ("}", Token::CloseSet),
    (",", Token::Comma),
];

/// Words that are signs.
const WORDS: [(&str, Token); 5] = [
    ("and", Token::And),
    ("or", Token::Or),
    ("not", Token::Not),
    ("in", Token::Compare(Operator::In)),
    ("under", Token::Compare(Operator::Under)),
];

fn is_word(letter: char) -> bool {
    !letter.is_whitespace() && !letter.is_control() && !"()!&|<>={}~,\"'".contains(letter)
}

impl<'t> Lexer<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, rest: text }
    }

    /// The column of what is left, from 1.
    pub(super) fn column(&self) -> usize {
        let before = self.text.len() - self.rest.len();
        self.text.get(..before).map_or(0, |text| text.chars().count()) + 1
    }

    fn error(&self, reason: Reason) -> FilterError {
        FilterError {
            column: self.column(),
            reason,
        }
    }

    /// The next token and its column.
    pub(super) fn next(&mut self) -> Result<(Token, usize), FilterError> {
        self.rest = self.rest.trim_start();
        let column = self.column();
        let token = self.take()?;
        Ok((token, column))
    }

    /// A value: a word is one even where it reads like a sign.
    pub(super) fn value(&mut self) -> Result<(Token, usize), FilterError> {
        self.rest = self.rest.trim_start();
        let column = self.column();
        if self.rest.starts_with(is_word) {
            return Ok((Token::Word(self.word()), column));
        }
        let token = self.take()?;
        Ok((token, column))
    }

    fn word(&mut self) -> String {
        let end = self
            .rest
            .find(|letter| !is_word(letter))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        word.to_string()
    }

    fn take(&mut self) -> Result<Token, FilterError> {
        let Some(first) = self.rest.chars().next() else {
            return Ok(Token::End);
        };
        if first == '"' || first == '\'' {
            return self.quoted(first);
        }
        if is_word(first) {
            let word = self.word();
            let sign = WORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word));
            return Ok(sign.map_or(Token::Word(word), |(_, token)| token.clone()));
        }
        for (sign, token) in &SIGNS {
            if let Some(rest) = self.rest.strip_prefix(sign) {
                self.rest = rest;
                return Ok(token.clone());
            }
        }
        Err(self.error(Reason::Character(first)))
    }

    /// A string. A backslash before a quote or another one is not part of it; before anything else it is, as
    /// in the names that the printers show.
    fn quoted(&mut self, quote: char) -> Result<Token, FilterError> {
        let mut text = String::new();
        let mut letters = self.rest.char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            if letter == quote {
                self.rest = self.rest.get(at + 1..).unwrap_or_default();
                return Ok(Token::Text(text));
            }
            if letter == '\\' {
                match letters.next() {
                    Some((_, next @ ('\\' | '"' | '\''))) => text.push(next),
                    Some((_, next)) => text.extend([letter, next]),
                    None => break,
                }
            } else {
                text.push(letter);
            }
        }
        Err(self.error(Reason::Unclosed))
    }
}
