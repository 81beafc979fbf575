//! Runs the verifier on symbols: what remains is the values it computes, as a graph, and the few
//! steps that are more than arithmetic.
//!
//! Memory is followed word by word, so nothing of it is left; equal values are one node. Every
//! statement must be one that is known here: another version of snark-verifier is refused. A value
//! read wrong makes the contract refuse true proofs, which a test would see; what must not be lost is
//! a condition, so the only ones there are, precompiles and the pairing's result, are all listed in
//! `condition`.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};

use crate::read::{Expression, Statement, Word};

/// Number of a value.
pub(crate) type Id = usize;

/// A value: a constant, a word of calldata, or computed modulo the scalar modulus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    /// A constant.
    Constant(Word),
    /// A word of the key, which lies behind the proof.
    Key(usize),
    /// The word of calldata at this byte.
    Calldata(usize),
    /// The hash that challenge number so-and-so is reduced from.
    Hash(usize),
    /// A challenge.
    Challenge(usize),
    /// The negative.
    Negative(Id),
    /// A sum.
    Sum(Id, Id),
    /// A product.
    Product(Id, Id),
    /// The inverse.
    Inverse(Id),
    /// x or y of what the n-th step on points computed.
    Coordinate(usize, Axis),
}

/// A coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Axis {
    /// The first.
    X,
    /// The second.
    Y,
}

/// x and y of a point.
pub(crate) type Point = [Id; 2];

/// More than arithmetic, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Hashes words, and the byte 1 behind them if `one`, to the next challenge.
    Challenge { words: Vec<Id>, one: bool },
    /// Inverts a value.
    Inverse(Id),
    /// Multiplies a point.
    Multiply(Point, Id),
    /// Adds two points.
    Add(Point, Point),
    /// Checks that the product of two pairings is one: (G1 x, y, G2 x1, x0, y1, y0) twice.
    Pairing(Vec<Id>),
}

/// What the verifier does.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// All values.
    pub(crate) values: Vec<Value>,
    /// All steps.
    pub(crate) steps: Vec<Step>,
    known: HashMap<Value, Id>,
    memory: HashMap<usize, Id>,
    names: HashMap<String, Id>,
    /// Where the byte 1 stands, once stored.
    one: Option<usize>,
    modulus: Word,
    /// Which constant stands for which word of the key.
    marks: HashMap<Word, usize>,
    challenges: usize,
    points: usize,
    accepted: bool,
}

impl Trace {
    /// Runs the statements. Constants that are `marks` stand for words of the key.
    ///
    /// # Errors
    /// On any statement that snark-verifier 0.2.7 does not write, and when a word of the key is not used.
    pub(crate) fn run(statements: &[Statement], modulus: Word, marks: HashMap<Word, usize>) -> Result<Self> {
        let mut trace = Self { modulus, marks, ..Self::default() };
        for statement in statements {
            trace.statement(statement).with_context(|| format!("{statement:?}"))?;
        }
        ensure!(trace.accepted, "the verifier ends without looking at the pairing");
        for word in 0..trace.marks.len() {
            ensure!(trace.known.contains_key(&Value::Key(word)), "word {word} of the key is not used");
        }
        trace.join_inverses();
        Ok(trace)
    }

    /// Words of the key; none where the key is part of the code.
    pub(crate) fn key_words(&self) -> usize {
        self.marks.len()
    }

    /// Inverts the product of all values that need no other inverse: `1 / a = b c / (a b c)`. Where
    /// one is zero the others are lost, which takes a challenge that happens to be a root of one.
    fn join_inverses(&mut self) {
        let bases =
            self.steps.iter().filter_map(|step| if let Step::Inverse(base) = step { Some(*base) } else { None });
        let bases: Vec<Id> = bases.filter(|&base| !self.needs_inverse(base)).collect();
        let Some(product) = bases.iter().copied().reduce(|left, right| self.put(Value::Product(left, right))) else {
            return;
        };
        let inverses: Vec<Option<Id>> =
            bases.iter().map(|&base| self.known.get(&Value::Inverse(base)).copied()).collect();
        let first = self.steps.iter().position(|step| matches!(step, Step::Inverse(_))).unwrap_or(0);
        self.steps.retain(|step| !matches!(step, Step::Inverse(base) if bases.contains(base)));
        self.steps.insert(first, Step::Inverse(product));
        let joint = self.put(Value::Inverse(product));
        for (number, inverse) in inverses.into_iter().enumerate() {
            let others = bases.iter().enumerate().filter(|&(other, _)| other != number).map(|(_, &base)| base);
            let others = others.reduce(|left, right| self.put(Value::Product(left, right)));
            if let (Some(inverse), Some(others)) = (inverse, others) {
                self.values[inverse] = Value::Product(joint, others);
            }
        }
    }

    fn needs_inverse(&self, id: Id) -> bool {
        let value = self.values[id];
        matches!(value, Value::Inverse(_)) || operands(value).into_iter().any(|operand| self.needs_inverse(operand))
    }

    fn statement(&mut self, statement: &Statement) -> Result<()> {
        match statement {
            Statement::Assign(name, value) => match (name.as_str(), value) {
                ("success", Expression::Name(value)) if value == "true" => Ok(()),
                ("success", Expression::Call(and, arguments)) if and == "and" => self.condition(arguments),
                ("success", _) => bail!("success is set"),
                ("f_p", Expression::Number(_)) => Ok(()),
                ("f_q", Expression::Number(value)) => {
                    ensure!(*value == self.modulus, "another scalar modulus");
                    Ok(())
                }
                _ => {
                    let value = self.value(value)?;
                    self.names.insert(name.clone(), value);
                    Ok(())
                }
            },
            Statement::Do(Expression::Call(store, arguments)) => match (store.as_str(), &arguments[..]) {
                ("mstore", [at, value]) => {
                    let value = self.value(value)?;
                    self.memory.insert(address(at)?, value);
                    Ok(())
                }
                ("mstore8", [at, value]) => {
                    ensure!(address(value)? == 1, "another byte than 1");
                    self.one = Some(address(at)?);
                    Ok(())
                }
                _ => bail!("unknown call"),
            },
            Statement::Do(_) => bail!("unknown statement"),
        }
    }

    /// `and(condition, success)`.
    fn condition(&mut self, arguments: &[Expression]) -> Result<()> {
        let [Expression::Call(function, arguments), Expression::Name(success)] = arguments else {
            bail!("no condition")
        };
        ensure!(success == "success", "success is dropped");
        match (function.as_str(), &arguments[..]) {
            // RoundVerifier checks the points of the proof before it calls.
            ("validate_ec_point", [x, y]) => {
                let values = [self.value(x)?, self.value(y)?].map(|id| self.values[id]);
                ensure!(
                    matches!(values, [Value::Calldata(x), Value::Calldata(y)] if y == x + 32),
                    "no point of the proof"
                );
                Ok(())
            }
            ("eq", [Expression::Call(call, arguments), one]) => {
                ensure!(address(one)? == 1, "not compared with 1");
                match (call.as_str(), &arguments[..]) {
                    ("staticcall", [_, contract, input, length, output, size]) => {
                        let [contract, input, length, output, size] =
                            [contract, input, length, output, size].map(address).map(|at| at.unwrap_or(usize::MAX));
                        self.precompile(contract, (input, length), (output, size))
                    }
                    ("mload", [at]) => {
                        let pairing = self.load(address(at)?)?;
                        let paired = matches!(self.steps.last(), Some(Step::Pairing(_)));
                        let result = Value::Coordinate(self.points - 1, Axis::X);
                        ensure!(paired && self.values[pairing] == result, "no pairing");
                        self.accepted = true;
                        Ok(())
                    }
                    _ => bail!("unknown condition"),
                }
            }
            _ => bail!("unknown condition"),
        }
    }

    fn precompile(&mut self, contract: usize, input: (usize, usize), output: (usize, usize)) -> Result<()> {
        ensure!(!self.accepted, "a call behind the pairing");
        let words = (0..input.1 / 32).map(|i| self.load(input.0 + 32 * i)).collect::<Result<Vec<_>>>()?;
        let point = self.points;
        let results = match (contract, &words[..], output.1) {
            (5, &[base_length, power_length, modulus_length, base, power, modulus], 0x20) => {
                for length in [base_length, power_length, modulus_length] {
                    ensure!(self.constant(length)? == small(0x20), "modexp of another length");
                }
                ensure!(
                    self.constant(power)? == inverse_power(self.modulus) && self.constant(modulus)? == self.modulus,
                    "modexp is no inverse"
                );
                self.steps.push(Step::Inverse(base));
                vec![Value::Inverse(base)]
            }
            (6, &[x, y, u, v], 0x40) => {
                self.steps.push(Step::Add([x, y], [u, v]));
                vec![Value::Coordinate(point, Axis::X), Value::Coordinate(point, Axis::Y)]
            }
            (7, &[x, y, factor], 0x40) => {
                self.steps.push(Step::Multiply([x, y], factor));
                vec![Value::Coordinate(point, Axis::X), Value::Coordinate(point, Axis::Y)]
            }
            (8, words, 0x20) if words.len() == 12 => {
                self.steps.push(Step::Pairing(words.to_vec()));
                vec![Value::Coordinate(point, Axis::X)]
            }
            _ => bail!("unknown precompile"),
        };
        self.points += usize::from(contract != 5);
        for (i, result) in results.into_iter().enumerate() {
            let id = self.put(result);
            self.memory.insert(output.0 + 32 * i, id);
        }
        Ok(())
    }

    fn value(&mut self, expression: &Expression) -> Result<Id> {
        match expression {
            Expression::Number(word) => Ok(self.put(Value::Constant(*word))),
            Expression::Name(name) => self.names.get(name).copied().context("unknown name"),
            Expression::Call(function, arguments) => match (function.as_str(), &arguments[..]) {
                ("mload", [at]) => self.load(address(at)?),
                ("calldataload", [at]) => Ok(self.put(Value::Calldata(address(at)?))),
                ("keccak256", [at, length]) => self.hash(address(at)?, address(length)?),
                ("mod", [value, modulus]) => {
                    is_modulus(modulus)?;
                    let id = self.value(value)?;
                    match self.values[id] {
                        // RoundVerifier checks that the scalars of the proof are reduced.
                        Value::Calldata(_) => Ok(id),
                        Value::Hash(number) => Ok(self.put(Value::Challenge(number))),
                        _ => bail!("a reduction of neither calldata nor a hash"),
                    }
                }
                ("sub", [modulus, value]) => {
                    is_modulus(modulus)?;
                    let id = self.value(value)?;
                    Ok(self.put(Value::Negative(id)))
                }
                ("addmod", [left, right, modulus]) => {
                    is_modulus(modulus)?;
                    let (left, right) = (self.value(left)?, self.value(right)?);
                    Ok(self.put(Value::Sum(left, right)))
                }
                ("mulmod", [left, right, modulus]) => {
                    is_modulus(modulus)?;
                    let (left, right) = (self.value(left)?, self.value(right)?);
                    let one = Value::Constant(small(1));
                    Ok(match (self.values[left] == one, self.values[right] == one) {
                        (true, _) => right,
                        (_, true) => left,
                        _ => self.put(Value::Product(left, right)),
                    })
                }
                _ => bail!("unknown function"),
            },
        }
    }

    fn hash(&mut self, at: usize, length: usize) -> Result<Id> {
        let one = length % 32 == 1;
        ensure!(one || length.is_multiple_of(32), "hash of {length} bytes");
        ensure!(!one || self.one == Some(at + length - 1), "another last byte than 1");
        let words = (0..length / 32).map(|i| self.load(at + 32 * i)).collect::<Result<Vec<_>>>()?;
        self.steps.push(Step::Challenge { words, one });
        self.challenges += 1;
        Ok(self.put(Value::Hash(self.challenges - 1)))
    }

    fn load(&self, at: usize) -> Result<Id> {
        self.memory.get(&at).copied().with_context(|| format!("nothing stored at {at:#x}"))
    }

    fn constant(&self, id: Id) -> Result<Word> {
        match self.values[id] {
            Value::Constant(word) => Ok(word),
            _ => bail!("not a constant"),
        }
    }

    fn put(&mut self, value: Value) -> Id {
        let value = match value {
            Value::Constant(word) => self.marks.get(&word).map_or(value, |&index| Value::Key(index)),
            _ => value,
        };
        if let Some(&id) = self.known.get(&value) {
            return id;
        }
        self.values.push(value);
        self.known.insert(value, self.values.len() - 1);
        self.values.len() - 1
    }
}

fn is_modulus(expression: &Expression) -> Result<()> {
    ensure!(*expression == Expression::Name("f_q".into()), "not modulo f_q");
    Ok(())
}

fn address(expression: &Expression) -> Result<usize> {
    let Expression::Number(word) = expression else { bail!("not a number") };
    let (high, low) = word.split_at(28);
    ensure!(high.iter().all(|&byte| byte == 0), "no address");
    Ok(low.iter().fold(0, |value, &byte| value << 8 | usize::from(byte)))
}

/// What a value is computed from.
pub(crate) fn operands(value: Value) -> Vec<Id> {
    match value {
        Value::Negative(of) => vec![of],
        Value::Sum(left, right) | Value::Product(left, right) => vec![left, right],
        _ => Vec::new(),
    }
}

/// The power that inverts: the modulus less 2.
pub(crate) fn inverse_power(modulus: Word) -> Word {
    let mut power = modulus;
    let mut borrow = 2;
    for byte in power.iter_mut().rev() {
        let (value, under) = byte.overflowing_sub(borrow);
        *byte = value;
        borrow = u8::from(under);
    }
    power
}

/// A small number as a word.
pub(crate) fn small(value: u8) -> Word {
    let mut word = [0; 32];
    word[31] = value;
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::statements;

    fn run(body: &str) -> Result<Trace> {
        run_marked(body, HashMap::new())
    }

    fn run_marked(body: &str, marks: HashMap<Word, usize>) -> Result<Trace> {
        let source = format!("let success := true\nlet f_q := 13\n{body}\n// Revert if anything fails");
        Trace::run(&statements(&source)?, small(13), marks)
    }

    /// A pairing of twelve times the word at this address, and the look at its result.
    fn pairing(of: usize) -> String {
        let words: String = (0..12).map(|i| format!("mstore({}, mload({of}))\n", 0x800 + 32 * i)).collect();
        words
            + "success := and(eq(staticcall(gas(), 0x8, 0x800, 0x180, 0x800, 0x20), 1), success)\n\
               success := and(eq(mload(0x800), 1), success)"
    }

    fn refused(body: &str) -> String {
        run(body).expect_err("refused").root_cause().to_string()
    }

    #[test]
    fn a_verifier_that_looks_at_no_pairing_is_refused() {
        assert!(refused("mstore(0x80, mod(calldataload(0), f_q))").contains("without looking at the pairing"));
    }

    #[test]
    fn a_condition_that_drops_success_is_refused() {
        let condition = "success := and(eq(staticcall(gas(), 0x6, 0, 0x80, 0, 0x40), 1), other)";
        assert!(refused(condition).contains("success is dropped"));
        assert!(refused("success := 1").contains("success is set"));
    }

    #[test]
    fn unknown_code_is_refused() {
        assert_eq!(refused("sstore(0, 1)"), "unknown call");
        assert_eq!(refused("mstore(0, xor(1, 2))"), "unknown function");
        assert_eq!(refused("mstore(0, mload(0x20))"), "nothing stored at 0x20");
        assert_eq!(refused("mstore(0, addmod(1, 2, 3))"), "not modulo f_q");
    }

    #[test]
    fn inverses_that_need_no_other_are_joined() {
        let modexp = |at: usize, base: &str| {
            let words = ["0x20", "0x20", "0x20", base, "11", "13"].into_iter().enumerate();
            let stores: String = words.map(|(i, word)| format!("mstore({}, {word})\n", at + 32 * i)).collect();
            format!("{stores}success := and(eq(staticcall(gas(), 0x5, {at}, 0xc0, {at}, 0x20), 1), success)\n")
        };
        let body = modexp(0, "calldataload(0)") + &modexp(0x200, "calldataload(0x20)") + &modexp(0x400, "mload(0)");
        let trace = run(&(body + &pairing(0x400))).expect("known code");
        assert_eq!(trace.steps.iter().filter(|step| matches!(step, Step::Inverse(_))).count(), 2);
    }

    #[test]
    fn marks_are_read_as_the_key_and_all_of_them_have_to_be_used() {
        let body = "mstore(0, mulmod(7, calldataload(0), f_q))\n".to_owned() + &pairing(0);
        let trace = run_marked(&body, HashMap::from([(small(7), 0)])).expect("known code");
        assert_eq!(trace.key_words(), 1);
        assert!(trace.values.contains(&Value::Key(0)) && !trace.values.contains(&Value::Constant(small(7))));
        let unused = run_marked(&body, HashMap::from([(small(7), 0), (small(8), 1)]));
        assert_eq!(unused.expect_err("refused").to_string(), "word 1 of the key is not used");
    }
}
