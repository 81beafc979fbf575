//! Reads the assembly that snark-verifier writes: straight-line code over constant addresses.
//!
//! ```text
//! statement  = "{" statement* "}" | "let"? name (":=" expression)? | expression
//! expression = number | name | name "(" expression, .. ")"
//! ```

use anyhow::{Context, Result, bail, ensure};

/// A 256-bit number, big-endian.
pub(crate) type Word = [u8; 32];

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    /// A literal.
    Number(Word),
    /// A variable.
    Name(String),
    /// A call of a built-in or of a function.
    Call(String, Vec<Expression>),
}

/// A statement; blocks are flattened, as names are not reused across them with another meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    /// `let name := value` or `name := value`.
    Assign(String, Expression),
    /// A call for its effect.
    Do(Expression),
}

/// All statements of the verifier, from `let success` to where it reverts or returns.
pub(crate) fn statements(solidity: &str) -> Result<Vec<Statement>> {
    let start = solidity.find("let success := true").context("no start of the verifier")?;
    let end = solidity.find("// Revert if anything fails").context("no end of the verifier")?;
    let mut tokens = Tokens { rest: &solidity[start..end] };
    let mut statements = Vec::new();
    while let Some(token) = tokens.peek() {
        match token {
            "{" | "}" => {
                tokens.next()?;
            }
            // The only function checks a point; its calls are read as what they mean.
            "function" => tokens.skip_function()?,
            "let" => {
                tokens.next()?;
                let name = tokens.next()?;
                if tokens.peek() == Some(":=") {
                    tokens.expect(":=")?;
                    statements.push(Statement::Assign(name.into(), tokens.expression()?));
                }
            }
            _ => match tokens.expression()? {
                Expression::Name(name) => {
                    tokens.expect(":=")?;
                    statements.push(Statement::Assign(name, tokens.expression()?));
                }
                call => statements.push(Statement::Do(call)),
            },
        }
    }
    Ok(statements)
}

struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn peek(&self) -> Option<&'a str> {
        let rest = self.rest.trim_start();
        let first = rest.chars().next()?;
        let word = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let length = if word > 0 {
            word
        } else if rest.starts_with(":=") || rest.starts_with("->") {
            2
        } else {
            first.len_utf8()
        };
        Some(&rest[..length])
    }

    fn next(&mut self) -> Result<&'a str> {
        let token = self.peek().context("the verifier ends early")?;
        self.rest = &self.rest.trim_start()[token.len()..];
        Ok(token)
    }

    fn expect(&mut self, expected: &str) -> Result<()> {
        let got = self.next()?;
        ensure!(got == expected, "expected {expected}, got {got}");
        Ok(())
    }

    fn skip_function(&mut self) -> Result<()> {
        while self.next()? != "{" {}
        let mut depth = 1;
        while depth > 0 {
            match self.next()? {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
        }
        Ok(())
    }

    fn expression(&mut self) -> Result<Expression> {
        let token = self.next()?;
        if token.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(Expression::Number(number(token)?));
        }
        if self.peek() != Some("(") {
            return Ok(Expression::Name(token.into()));
        }
        self.expect("(")?;
        let mut arguments = Vec::new();
        while self.peek() != Some(")") {
            if !arguments.is_empty() {
                self.expect(",")?;
            }
            arguments.push(self.expression()?);
        }
        self.expect(")")?;
        Ok(Expression::Call(token.into(), arguments))
    }
}

fn number(token: &str) -> Result<Word> {
    let (digits, radix) = token.strip_prefix("0x").map_or((token, 10), |digits| (digits, 16));
    let mut word = [0; 32];
    for digit in digits.chars() {
        let mut carry = digit.to_digit(radix).with_context(|| format!("not a number: {token}"))?;
        for byte in word.iter_mut().rev() {
            let value = u32::from(*byte) * radix + carry;
            *byte = value as u8;
            carry = value >> 8;
        }
        if carry > 0 {
            bail!("more than 256 bits: {token}");
        }
    }
    Ok(word)
}
