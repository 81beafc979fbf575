//! Writes a [`Trace`] as a Yul object, smaller and cheaper than the code it was read from.
//!
//! A value that is used once is written where it is used; one that is used more often has a word of
//! memory, which is used again when its value is not. Calldata is read where it lies: the public
//! inputs, the proof, and behind them the key, where it is none of the code.
//!
//! ```text
//! memory: 0x00 sum, point, factor; then both pairings | MODEXP inverse | SLOTS values | TRANSCRIPT
//! ```
//!
//! The transcript is done before values fill the memory it takes.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

use anyhow::{Context, Result, bail, ensure};

use crate::read::Word;
use crate::trace::{Axis, Id, Point, Step, Trace, Value, inverse_power, operands};

/// The sum of points so far; a point to be added lies behind it, its factor behind that.
const SUM: usize = 0x00;
/// The point to be added.
const POINT: usize = 0x40;
/// Input of the inversion: three lengths, base, power, modulus.
const MODEXP: usize = 0x180;
/// Values.
const SLOTS: usize = 0x240;
/// Values that may be kept while the transcript runs.
const EARLY_SLOTS: usize = 16;
/// Hash of the transcript so far, and what is hashed next.
const TRANSCRIPT: usize = SLOTS + 32 * EARLY_SLOTS;
/// First line of every object.
const HEADER: &str = "// Written by `cargo run --release -p pogo-contracts-generate`; do not edit.";
/// Words of stack that an expression may take: the EVM reaches 16 deep.
const MOST_STACK: usize = 11;

/// What the object says of itself when it is called without data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids {
    /// Id of the circuit; of a verifier that takes a key, the hash of the code that holds the keys.
    pub(crate) of: Word,
    /// Id of the SRS.
    pub(crate) srs: Word,
}

/// The object of this name.
///
/// # Errors
/// When the steps are not one transcript, then inversions, then one sum of points and its pairing.
pub(crate) fn object(name: &str, trace: &Trace, ids: Ids, modulus: Word) -> Result<String> {
    let mut writer = Writer::new(trace);
    writer.lines.push(Line::text(format!("let f_q := {}", literal(&modulus))));
    writer.lines.push(Line::text("let success := 1".into()));
    for step in &trace.steps {
        writer.step(step, modulus)?;
    }
    let body = place(&writer.lines, writer.slots)?;
    let Ids { of, srs } = ids;
    let (key, id) = match trace.key_words() {
        0 => (String::new(), "circuit id"),
        words => (format!(", then {words} words of the key"), "hash of the code of StepKeys"),
    };
    Ok(format!(
        "\
{HEADER}
// Calldata: public inputs, then the proof{key}, 32 bytes a word. Returns the word 1, or reverts.
// Without calldata: returns the {id} and the SRS id.
// For RoundVerifier only, which checks lengths, points and scalars before it calls.
object \"{name}\" {{
    code {{
        datacopy(0, dataoffset(\"runtime\"), datasize(\"runtime\"))
        return(0, datasize(\"runtime\"))
    }}
    object \"runtime\" {{
        code {{
            if iszero(calldatasize()) {{
                mstore(0x00, {})
                mstore(0x20, {})
                return(0x00, 0x40)
            }}
{body}            if iszero(and(mload(0x00), success)) {{ revert(0, 0) }}
            return(0x00, 0x20)
        }}
    }}
}}
",
        literal(&of),
        literal(&srs)
    ))
}

/// An object whose code is STOP and then, one behind the other, these parts.
pub(crate) fn data(name: &str, parts: &[(&str, Vec<u8>)]) -> Result<String> {
    let (mut copies, mut texts, mut at) = (String::new(), String::new(), 1);
    for (part, bytes) in parts {
        writeln!(copies, "        datacopy({at:#x}, dataoffset(\"{part}\"), datasize(\"{part}\"))")?;
        writeln!(texts, "    data \"{part}\" hex\"{}\"", hex(bytes))?;
        at += bytes.len();
    }
    Ok(format!("{HEADER}\nobject \"{name}\" {{\n    code {{\n{copies}        return(0, {at:#x})\n    }}\n{texts}}}\n"))
}

/// A line of code, in which slots are numbers yet.
struct Line {
    text: Vec<Piece>,
    defines: Option<usize>,
    hashes: bool,
}

#[derive(Clone)]
enum Piece {
    Text(String),
    Slot(usize),
}

impl Line {
    fn text(text: String) -> Self {
        Self { text: vec![Piece::Text(text)], defines: None, hashes: false }
    }
}

/// Code of a value, and the stack it takes.
struct Code {
    text: Vec<Piece>,
    stack: usize,
}

impl Code {
    fn text(text: String) -> Self {
        Self { text: vec![Piece::Text(text)], stack: 1 }
    }

    fn slot(slot: usize) -> Self {
        Self { text: vec![Piece::Text("mload(".into()), Piece::Slot(slot), Piece::Text(")".into())], stack: 1 }
    }

    /// `function(left, right, f_q)`; the right operand is computed first, on less stack.
    fn operation(function: &str, left: Code, right: Code) -> Self {
        let (left, right) = if left.stack > right.stack { (right, left) } else { (left, right) };
        let stack = (left.stack + 2).max(right.stack + 1);
        let text = |text: &str| vec![Piece::Text(text.into())];
        Self {
            text: [text(&format!("{function}(")), left.text, text(", "), right.text, text(", f_q)")].concat(),
            stack,
        }
    }

    fn negative(self) -> Self {
        let text = |text: &str| vec![Piece::Text(text.into())];
        Self { text: [text("sub(f_q, "), self.text, text(")")].concat(), stack: self.stack + 1 }
    }
}

struct Writer<'a> {
    trace: &'a Trace,
    /// Where in calldata the key starts: behind all that snark-verifier reads.
    key: usize,
    uses: Vec<usize>,
    lines: Vec<Line>,
    kept: HashMap<Id, usize>,
    slots: usize,
    challenges: usize,
    inverted: bool,
    points: usize,
    /// Coordinates of what lies at [`SUM`] and at [`POINT`].
    sum: Option<usize>,
    point: Option<usize>,
}

impl<'a> Writer<'a> {
    fn new(trace: &'a Trace) -> Self {
        let uses = uses(trace);
        let ends = trace.values.iter().map(|&value| if let Value::Calldata(at) = value { at + 32 } else { 0 });
        Self {
            trace,
            key: ends.max().unwrap_or(0),
            uses,
            lines: Vec::new(),
            kept: HashMap::new(),
            slots: 0,
            challenges: 0,
            inverted: false,
            points: 0,
            sum: None,
            point: None,
        }
    }

    fn step(&mut self, step: &Step, modulus: Word) -> Result<()> {
        match step {
            Step::Challenge { words, one } => self.challenge(words, *one),
            Step::Inverse(base) => self.inverse(*base, modulus),
            Step::Multiply(point, factor) => self.multiply(*point, *factor),
            Step::Add(left, right) => self.add(*left, *right),
            Step::Pairing(words) => self.pairing(words),
        }
    }

    /// Calldata is copied behind the hash of what was absorbed before.
    fn challenge(&mut self, words: &[Id], one: bool) -> Result<()> {
        let (&first, rest) = words.split_first().context("an empty hash")?;
        match self.trace.values[first] {
            Value::Constant(_) | Value::Key(_) if self.challenges == 0 => {
                let digest = self.code(first)?;
                self.store(TRANSCRIPT, digest);
            }
            Value::Hash(hash) if hash + 1 == self.challenges => {}
            _ => bail!("the transcript is not a chain"),
        }
        let start = rest.first().and_then(|&id| self.calldata(id));
        for (i, &id) in rest.iter().enumerate() {
            let at = self.calldata(id).with_context(|| format!("{:?} is absorbed", self.trace.values[id]))?;
            ensure!(Some(at) == start.map(|start| start + 32 * i), "the proof is not absorbed in order");
        }
        if let Some(start) = start {
            self.line(format!("calldatacopy({:#x}, {start:#x}, {:#x})", TRANSCRIPT + 32, 32 * rest.len()));
        }
        let length = 32 * words.len();
        if one {
            self.line(format!("mstore8({:#x}, 1)", TRANSCRIPT + length));
        }
        self.store(TRANSCRIPT, Code::text(format!("keccak256({TRANSCRIPT:#x}, {:#x})", length + usize::from(one))));
        let challenge = Value::Challenge(self.challenges);
        if let Some(id) = self.trace.values.iter().position(|&value| value == challenge) {
            self.keep(id, Code::text(format!("mod(mload({TRANSCRIPT:#x}), f_q)")));
        }
        if let Some(line) = self.lines.last_mut() {
            line.hashes = true;
        }
        self.challenges += 1;
        Ok(())
    }

    fn inverse(&mut self, base: Id, modulus: Word) -> Result<()> {
        if !self.inverted {
            for i in 0..3 {
                self.line(format!("mstore({:#x}, 0x20)", MODEXP + 32 * i));
            }
            self.store(MODEXP + 0x80, Code::text(literal(&inverse_power(modulus))));
            self.store(MODEXP + 0xa0, Code::text("f_q".into()));
            self.inverted = true;
        }
        let code = self.code(base)?;
        self.store(MODEXP + 0x60, code);
        let id = self.trace.values.iter().position(|&value| value == Value::Inverse(base)).context("no inverse")?;
        let slot = self.slot(id);
        let text = vec![
            Piece::Text(format!("success := and(staticcall(gas(), 5, {MODEXP:#x}, 0xc0, ")),
            Piece::Slot(slot),
            Piece::Text(", 0x20), success)".into()),
        ];
        self.lines.push(Line { text, defines: Some(slot), hashes: false });
        Ok(())
    }

    fn multiply(&mut self, point: Point, factor: Id) -> Result<()> {
        let at = if self.sum.is_none() { SUM } else { POINT };
        ensure!(self.point.is_none(), "two products at once");
        self.put_point(at, point)?;
        let factor = self.code(factor)?;
        self.store(at + 0x40, factor);
        self.line(format!("success := and(staticcall(gas(), 7, {at:#x}, 0x60, {at:#x}, 0x40), success)"));
        *(if at == SUM { &mut self.sum } else { &mut self.point }) = Some(self.points);
        self.points += 1;
        Ok(())
    }

    fn add(&mut self, left: Point, right: Point) -> Result<()> {
        ensure!(self.is_result(left, self.sum), "not added to the sum");
        if !self.is_result(right, self.point) {
            ensure!(self.point.is_none(), "a product is not added");
            self.put_point(POINT, right)?;
        }
        self.line(format!("success := and(staticcall(gas(), 6, {SUM:#x}, 0x80, {SUM:#x}, 0x40), success)"));
        (self.sum, self.point) = (Some(self.points), None);
        self.points += 1;
        Ok(())
    }

    fn pairing(&mut self, words: &[Id]) -> Result<()> {
        ensure!(self.is_result([words[0], words[1]], self.sum) && self.point.is_none(), "the sum is not paired");
        for (i, &word) in words.iter().enumerate().skip(2) {
            let code = self.code(word)?;
            self.store(SUM + 32 * i, code);
        }
        self.line(format!("success := and(staticcall(gas(), 8, {SUM:#x}, 0x180, {SUM:#x}, 0x20), success)"));
        Ok(())
    }

    fn is_result(&self, point: Point, step: Option<usize>) -> bool {
        let [x, y] = point.map(|id| self.trace.values[id]);
        step.is_some_and(|step| x == Value::Coordinate(step, Axis::X) && y == Value::Coordinate(step, Axis::Y))
    }

    fn put_point(&mut self, at: usize, [x, y]: Point) -> Result<()> {
        match (self.trace.values[x], self.trace.values[y], self.calldata(x), self.calldata(y)) {
            (.., Some(start), Some(next)) if next == start + 32 => {
                self.line(format!("calldatacopy({at:#x}, {start:#x}, 0x40)"));
            }
            (Value::Constant(x), Value::Constant(y), ..) => {
                self.store(at, Code::text(literal(&x)));
                self.store(at + 32, Code::text(literal(&y)));
            }
            _ => bail!("a point from neither the proof nor the key"),
        }
        Ok(())
    }

    /// Code of a value; what is kept, or too deep for the stack, is stored in lines before.
    fn code(&mut self, id: Id) -> Result<Code> {
        if let Some(&slot) = self.kept.get(&id) {
            return Ok(Code::slot(slot));
        }
        if let Some(at) = self.calldata(id) {
            return Ok(Code::text(format!("calldataload({at:#x})")));
        }
        let code = match self.trace.values[id] {
            Value::Constant(word) => return Ok(Code::text(literal(&word))),
            Value::Negative(of) => self.code(of)?.negative(),
            Value::Sum(left, right) => self.operation("addmod", left, right)?,
            Value::Product(left, right) => self.operation("mulmod", left, right)?,
            value => bail!("{value:?} is used before it is computed"),
        };
        if self.uses[id] == 1 && code.stack <= MOST_STACK {
            return Ok(code);
        }
        let slot = self.keep(id, code);
        Ok(Code::slot(slot))
    }

    fn operation(&mut self, function: &str, left: Id, right: Id) -> Result<Code> {
        let left = self.code(left)?;
        let right = self.code(right)?;
        Ok(Code::operation(function, left, right))
    }

    fn keep(&mut self, id: Id, code: Code) -> usize {
        let slot = self.slot(id);
        let mut text = vec![Piece::Text("mstore(".into()), Piece::Slot(slot), Piece::Text(", ".into())];
        text.extend(code.text);
        text.push(Piece::Text(")".into()));
        self.lines.push(Line { text, defines: Some(slot), hashes: false });
        slot
    }

    fn slot(&mut self, id: Id) -> usize {
        self.kept.insert(id, self.slots);
        self.slots += 1;
        self.slots - 1
    }

    fn store(&mut self, at: usize, code: Code) {
        let mut text = vec![Piece::Text(format!("mstore({at:#x}, "))];
        text.extend(code.text);
        text.push(Piece::Text(")".into()));
        self.lines.push(Line { text, defines: None, hashes: false });
    }

    fn line(&mut self, text: String) {
        self.lines.push(Line::text(text));
    }

    /// Where in calldata a value lies.
    fn calldata(&self, id: Id) -> Option<usize> {
        match self.trace.values[id] {
            Value::Calldata(at) => Some(at),
            Value::Key(index) => Some(self.key + 32 * index),
            _ => None,
        }
    }
}

/// How often each value is used by what the steps need.
fn uses(trace: &Trace) -> Vec<usize> {
    let mut uses = vec![0; trace.values.len()];
    let mut pending = Vec::new();
    for step in &trace.steps {
        let ids = match step {
            Step::Challenge { .. } => Vec::new(),
            Step::Inverse(base) => vec![*base],
            Step::Multiply(point, factor) => vec![point[0], point[1], *factor],
            Step::Add(left, right) => [*left, *right].concat(),
            Step::Pairing(words) => words.clone(),
        };
        pending.extend(ids);
    }
    while let Some(id) = pending.pop() {
        if uses[id] == 0 {
            pending.extend(operands(trace.values[id]));
        }
        uses[id] += 1;
    }
    uses
}

/// Gives every slot an address from where it is defined to where it is last used.
fn place(lines: &[Line], slots: usize) -> Result<String> {
    let mut last = vec![0; slots];
    for (number, line) in lines.iter().enumerate() {
        for piece in &line.text {
            if let Piece::Slot(slot) = piece {
                last[*slot] = number;
            }
        }
    }
    let transcript_end = lines.iter().rposition(|line| line.hashes).unwrap_or(0);
    let mut free: BTreeSet<usize> = (0..slots).collect();
    let mut places = vec![None; slots];
    let mut body = String::new();
    for (number, line) in lines.iter().enumerate() {
        // The line reads before it writes, so a value that it uses last makes room for its own.
        let used = line.text.iter().filter_map(|piece| if let Piece::Slot(slot) = piece { Some(*slot) } else { None });
        for slot in used.filter(|&slot| Some(slot) != line.defines && last[slot] == number).collect::<BTreeSet<_>>() {
            free.extend(places[slot]);
        }
        if let Some(slot) = line.defines {
            let place = free.pop_first().context("no free slot")?;
            ensure!(number > transcript_end || place < EARLY_SLOTS, "a value is kept inside the transcript");
            places[slot] = Some(place);
            if last[slot] == number {
                free.insert(place);
            }
        }
        body.push_str("            ");
        for piece in &line.text {
            match piece {
                Piece::Text(text) => body.push_str(text),
                Piece::Slot(slot) => {
                    write!(body, "{:#x}", SLOTS + 32 * places[*slot].context("a value is used before it is kept")?)?
                }
            }
        }
        body.push('\n');
    }
    Ok(body)
}

/// A word as a literal.
fn literal(word: &Word) -> String {
    let digits = hex(word);
    let digits = digits.trim_start_matches('0');
    format!("0x{}", if digits.is_empty() { "0" } else { digits })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
