//! Which constraints of a step circuit are needed: each for which a grid breaks it alone and claims what is
//! false, so that a circuit without it would accept a lie.
//!
//! What a circuit shows is a function of its witness: all honest provers come from the same openings to the
//! same roots and public inputs. So the claim of a grid is false where the honest grid of its witness is
//! refused, or comes to other roots or public inputs. An adversary commits to what it alters: a root that
//! follows from a lie does not count as what refuses it.

use std::collections::{BTreeMap, BTreeSet};

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use pogo_circuits::circuit::{Gridded, instances};
use pogo_circuits::grid::{Advice, Assignment, Cell, Fixed, Grid, Origin, field};
use pogo_circuits::step::StepCircuit;
use pogo_circuits::testing::checker::{Checker, Constraint, Reference, copies};
use pogo_circuits::testing::reading::number;
use pogo_protocol::fixed::LEAF;
use rayon::prelude::*;

/// Something added to an assignment, by number.
pub(crate) type Change = (usize, Fr);
/// The same by the name of the assignment, its number among those of the name, and a small integer.
pub(crate) type Lie = [(&'static str, usize, i128)];

/// The constant 0 of a step circuit.
const ZERO: Cell = Cell { column: Advice::Value, row: 0 };
/// Bits of the ranges that limbs are looked up in, by number.
const LIMBS: [(u64, u32); 6] = [(1, 1), (2, 9), (3, 11), (12, 3), (13, 5), (14, 6)];
/// Limbs that follow a lie about a shift, and hide it.
const BEYOND: [&str; 2] = ["right shift beyond 32", "left shift beyond 31"];
/// In a lie: minus what stands there.
pub(crate) const NOTHING: i128 = i128::MIN;
/// Elements of a row of words.
const ELEMENTS: usize = 8;

/// What an adversary who commits to the outcome is not held by: comparisons of roots.
pub(crate) fn is_root(constraint: &Constraint) -> bool {
    matches!(constraint, Constraint::Copy("digest", _) | Constraint::Copy("sum of products", "difference"))
}

/// A circuit with a true witness, but for roots that it need not stand under.
pub(crate) struct Needed<'a> {
    circuit: &'a StepCircuit,
    honest: Reference<'a>,
    classes: BTreeMap<Class, Vec<usize>>,
    /// Cells of roots that are compared.
    roots: Vec<Cell>,
    /// Inputs that say how something is shown, not what.
    choices: BTreeSet<usize>,
}

/// Assignments of one kind: where their values come from, what they stand for, their column and copy.
type Class = (Origin, &'static str, Advice, Option<Constraint>);

/// What became of a lie.
pub(crate) struct Outcome {
    lie: Vec<Change>,
    /// The lie, where it breaks a wanted constraint alone.
    pub(crate) found: Option<Vec<Change>>,
    /// The sides of the one equality that it breaks, if it is one.
    unequal: Option<(Cell, Cell)>,
}

impl<'a> Needed<'a> {
    pub(crate) fn new(checker: &'a Checker, circuit: &'a StepCircuit) -> Self {
        let honest = Reference::new(checker, circuit.grid());
        let grid = honest.grid();
        let compared = grid.copies.iter().filter(|&&(cell, of)| is_root(&honest.copy(cell, of)));
        let roots = compared.flat_map(|&(cell, of)| [cell, of]).collect();
        let labels = if named(grid, "number of a class").next().is_some() { LEAF } else { 0 };
        let inputs = |name| named(grid, name).filter(|&at| grid.assignments[at].origin == Origin::Input);
        let choices = inputs("chosen class").skip(labels).chain(inputs("dither wraps")).collect();
        let (bound, mut classes) = (copies(grid), BTreeMap::<Class, Vec<usize>>::new());
        for (at, &Assignment { cell, origin, name }) in grid.assignments.iter().enumerate() {
            classes.entry((origin, name, cell.column, bound.get(&cell).cloned())).or_default().push(at);
        }
        Self { circuit, classes, roots, choices, honest }
    }

    fn grid(&self) -> &Grid {
        self.honest.grid()
    }

    /// All constraints of the circuit: a gate that no altered cell breaks has no row in it.
    pub(crate) fn constraints(&self, checker: &Checker) -> BTreeSet<Constraint> {
        let everywhere: Vec<_> = (0..self.grid().assignments.len()).map(|at| (at, Fr::from(at as u64 + 3))).collect();
        let broken = checker.broken(&self.circuit.tampered_grid(&everywhere), &instances(self.grid()));
        let held = |constraint: &Constraint| !matches!(constraint, Constraint::Gate(_)) || broken.contains(constraint);
        checker.constraints(self.grid()).into_iter().filter(held).collect()
    }

    /// Whether the public input of a row is not what a product is compared at, where the tiles are such that
    /// another point shows nothing.
    pub(crate) fn point(&self, row: usize, factor: Fr, point: Fr, wanted: &mut BTreeSet<Constraint>) {
        let elements: Vec<usize> = named(self.grid(), "packed words").take(LEAF * ELEMENTS).collect();
        let (Some(limb), Some(copy)) = (self.public_input(row), named(self.grid(), "point").nth(row)) else { return };
        let [.., second, first] = elements[..] else { return };
        for (altered, public) in [(limb, Some((row, -Fr::ONE))), (copy, None)] {
            let lie = [(altered, Fr::ONE), (first, point + factor), (second, -Fr::ONE)];
            self.alone(&lie, public, wanted).map(|found| wanted.remove(&found));
        }
    }

    /// Takes from the wanted constraints public inputs, and those that one altered cell breaks alone.
    pub(crate) fn take_plain(&self, wanted: &mut BTreeSet<Constraint>) {
        for &(_, row) in &self.grid().publics {
            self.alone(&[], Some((row, Fr::ONE)), wanted).map(|found| wanted.remove(&found));
        }
        self.take(self.alterations(false, &[1], wanted), wanted);
    }

    /// Searches for lies that break a wanted constraint alone, and takes it from them.
    pub(crate) fn search(&self, lies: &[&Lie], wanted: &mut BTreeSet<Constraint>) -> Vec<Vec<Change>> {
        let (first, mut found) = (self.alterations(false, &[1, -1], &BTreeSet::new()), Vec::new());
        for changes in [&[-1][..], &[1, 2, 512, 1 << 20, 1 << 28]] {
            let outcomes = self.take(self.alterations(true, changes, wanted), wanted);
            found.extend(outcomes.into_iter().filter_map(|outcome| outcome.found));
        }
        let named: Vec<_> = lies
            .iter()
            .filter_map(|lie| self.lie(lie))
            .chain(first)
            .chain(self.alterations(false, &[1], wanted))
            .collect();
        let hidden: Vec<_> = named.into_par_iter().flat_map(|lie| self.variants(lie)).collect();
        let (hidden, plain): (Vec<_>, Vec<_>) = hidden.into_iter().unzip();
        let mut pool: BTreeMap<_, (Vec<Change>, (Cell, Cell), bool)> = BTreeMap::new();
        for (Outcome { lie, found: new, unequal }, plain) in self.take(hidden, wanted).into_iter().zip(plain) {
            found.extend(new);
            let Some((cell, of)) = unequal else { continue };
            let zero = lie != plain;
            pool.entry((self.honest.copy(cell, of), plain.clone(), zero)).or_insert((plain, (cell, of), zero));
        }
        for (lie, pair, zero) in pool.into_values() {
            let grid = self.circuit.tampered_grid(&lie);
            let open =
                self.classes.iter().filter(|(class, _)| class.3.as_ref().is_some_and(|copy| wanted.contains(copy)));
            let compared = self.grid().assignments.iter().rposition(|a| a.cell == pair.0).unwrap_or(0);
            let near = open.flat_map(|(_, members)| {
                let [lie, pair] = [lie[0].0, compared].map(|place| members.partition_point(|&at| at < place));
                let last = members.len() - 1;
                BTreeSet::from([lie.min(last), pair.saturating_sub(1), pair.saturating_sub(2)].map(|i| members[i]))
            });
            let near: Vec<usize> = near.collect();
            let mended = near.into_par_iter().filter_map(|at| self.mended(&lie, &grid, (pair, zero), at)).collect();
            found.extend(self.take(mended, wanted).into_iter().filter_map(|outcome| outcome.found));
        }
        found
    }

    /// Takes from the wanted constraints those that these lies break alone.
    pub(crate) fn take(&self, lies: Vec<Vec<Change>>, wanted: &mut BTreeSet<Constraint>) -> Vec<Outcome> {
        let open: &BTreeSet<_> = wanted;
        let judge = |lie: Vec<Change>| {
            let grid = self.circuit.tampered_grid(&lie);
            (self.alone_in(&grid, &lie, None, open), self.unequal(&grid), lie)
        };
        let outcomes: Vec<_> = lies.into_par_iter().map(judge).collect();
        let outcome = |(alone, unequal, lie): (Option<Constraint>, _, Vec<Change>)| {
            let found = alone.filter(|alone| wanted.remove(alone)).map(|_| lie.clone());
            Outcome { lie, found, unequal }
        };
        outcomes.into_iter().map(outcome).collect()
    }

    /// A lie in a line: name, number among those of the name, change.
    pub(crate) fn line(&self, lie: &[Change]) -> String {
        let assignments = &self.grid().assignments;
        let change = |&(at, change): &Change| {
            let name = assignments[at].name;
            let nth = assignments[..at].iter().filter(|a| a.name == name).count();
            let change = if field(small(change)) == change { small(change).to_string() } else { format!("{change:?}") };
            format!("{name} #{nth} {change}")
        };
        lie.iter().map(change).collect::<Vec<_>>().join("; ")
    }

    /// The lie of a line; none where the circuit has no such assignment.
    pub(crate) fn parse(&self, line: &str) -> Option<Vec<Change>> {
        let change = |part: &str| {
            let (name, rest) = part.split_once(" #")?;
            let (nth, change) = rest.split_once(' ')?;
            Some((named(self.grid(), name).nth(nth.parse().ok()?)?, element(change)?))
        };
        line.split("; ").map(change).collect()
    }

    /// Altered first (and last) members of every class, but for copies that are known to be needed.
    fn alterations(&self, last: bool, changes: &[i128], wanted: &BTreeSet<Constraint>) -> Vec<Vec<Change>> {
        let open = |copy: &Option<Constraint>| copy.as_ref().is_none_or(|copy| wanted.contains(copy));
        let classes = self.classes.iter().filter(|((_, _, _, copy), _)| open(copy));
        let members = classes.flat_map(|(_, members)| {
            let last = if last { members.len() - 1 } else { 0 };
            BTreeSet::from([members[0], members[last]])
        });
        // A factor `1 + bit (2^32 - 1)` of a power is 2 with this instead of the bit.
        let doubling = Option::<Fr>::from(field((1 << 32) - 1).invert()).filter(|_| last && !self.is_choosing());
        let changes: Vec<Fr> = changes.iter().map(|&change| field(change)).chain(doubling).collect();
        members.flat_map(|at| changes.iter().map(move |&change| vec![(at, change)]).collect::<Vec<_>>()).collect()
    }

    /// A lie by the numbers of its assignments; none where the circuit has no such assignment.
    fn lie(&self, lie: &Lie) -> Option<Vec<Change>> {
        let grid = self.grid();
        let own = |at: &usize| {
            grid.assignments[*at].origin != Origin::Copied && grid.assignments[*at].cell.column != Advice::Value
        };
        let place = |name, nth| named(grid, name).filter(own).nth(nth);
        let change =
            |at: usize, change| if change == NOTHING { -grid.value(grid.assignments[at].cell) } else { field(change) };
        lie.iter().map(|&(name, nth, by)| place(name, nth).map(|at| (at, change(at, by)))).collect()
    }

    /// A lie, and the same with numbers that it puts out of range set to 0, or what hides a shift as it was; each
    /// with what is mended, which has its numbers as they follow.
    fn variants(&self, lie: Vec<Change>) -> Vec<(Vec<Change>, Vec<Change>)> {
        let grid = self.circuit.tampered_grid(&lie);
        let value = |grid: &Grid, at: usize| grid.value(grid.assignments[at].cell);
        let mut zero = lie.clone();
        let derived = |at: &usize| grid.assignments[*at].origin == Origin::Derived;
        let limbs: Vec<usize> = (0..grid.assignments.len())
            .filter(derived)
            .filter(|&at| {
                grid.assignments[at].cell.column == Advice::Digit
                    && limb(&grid, grid.assignments[at].cell.row).is_some()
            })
            .collect();
        let first = |&i: &usize| grid.fixed_value(Fixed::Factor, grid.assignments[limbs[i]].cell.row) == Fr::ZERO;
        let starts: Vec<usize> = (0..limbs.len()).filter(first).chain([limbs.len()]).collect();
        for number in starts.windows(2).map(|ends| &limbs[ends[0]..ends[1]]) {
            let beyond = |&&at: &&usize| {
                let bits = limb(&grid, grid.assignments[at].cell.row).expect("a limb");
                self::number(value(&grid, at)).is_none_or(|value| value >> bits != 0)
            };
            let own = number.iter().all(|at| lie.iter().all(|change| change.0 != *at));
            if own && number.iter().any(|at| beyond(&at)) {
                zero.extend(number.iter().map(|&at| (at, -value(&grid, at))));
            }
        }
        let mut still = lie.clone();
        let hides = BEYOND.iter().flat_map(|name| named(&grid, name)).filter(|at| limbs.contains(at));
        still.extend(
            hides.map(|at| (at, value(self.grid(), at) - value(&grid, at))).filter(|change| change.1 != Fr::ZERO),
        );
        // The element of a product's result that anybody may choose.
        let free = named(&grid, "packed words").filter(|&at| grid.assignments[at].origin == Origin::Input);
        let sums = Constraint::Copy("sum of products", "sum of elements");
        let sums = grid.copies.iter().find(|&&(cell, of)| self.honest.copy(cell, of) == sums);
        let free = sums.zip(free.take(LEAF * ELEMENTS).last());
        let free = free.and_then(|(&sums, at)| self.mended(&lie, &grid, (sums, false), at));
        let mut variants = vec![(lie.clone(), lie.clone())];
        variants.extend((zero != lie).then_some((zero, lie.clone())));
        variants.extend(
            [Some(still).filter(|still| *still != lie), free].into_iter().flatten().map(|lie| (lie.clone(), lie)),
        );
        variants
    }

    /// The two sides of the one equality that a grid breaks beside those of roots.
    fn unequal(&self, grid: &Grid) -> Option<(Cell, Cell)> {
        let mut pairs = grid.copies.iter().filter(|&&(cell, of)| grid.value(cell) != grid.value(of));
        let mut pairs = pairs.by_ref().filter(|&&(cell, of)| !is_root(&self.honest.copy(cell, of)));
        let pair = *pairs.next()?;
        pairs.next().is_none().then_some(pair)
    }

    /// A lie, and another altered assignment that makes both cells equal, or the second one zero, where they
    /// depend on it linearly.
    fn mended(
        &self,
        lie: &[Change],
        grid: &Grid,
        ((cell, of), zero): ((Cell, Cell), bool),
        at: usize,
    ) -> Option<Vec<Change>> {
        let gap = |grid: &Grid| if zero { grid.value(of) } else { grid.value(of) - grid.value(cell) };
        let with = |change| [lie, &[(at, change)]].concat();
        let slope = Option::<Fr>::from((gap(grid) - gap(&self.circuit.tampered_grid(&with(Fr::ONE)))).invert())?;
        let change = gap(grid) * slope;
        // Circuits that choose a value take integers only.
        (!self.is_choosing() || field(small(change)) == change).then(|| with(change))
    }

    /// The wanted constraint that the grid with these changes, under its public inputs or with one of them
    /// changed, breaks alone; none where what it claims is true, or is no statement.
    fn alone(&self, lie: &[Change], public: Option<Change>, wanted: &BTreeSet<Constraint>) -> Option<Constraint> {
        self.alone_in(&self.circuit.tampered_grid(lie), lie, public, wanted)
    }

    fn alone_in(
        &self,
        grid: &Grid,
        lie: &[Change],
        public: Option<Change>,
        wanted: &BTreeSet<Constraint>,
    ) -> Option<Constraint> {
        let mut publics = instances(grid);
        public.into_iter().for_each(|(row, change)| publics[row] += change);
        let altered: Vec<Cell> = lie.iter().map(|&(at, _)| self.grid().assignments[at].cell).collect();
        let alone = only(self.honest.broken_beside(grid, &publics, &altered)).filter(|alone| wanted.contains(alone))?;
        let whole = only(self.honest.broken(grid, &publics))? == alone;
        (whole && self.is_false(lie, public, (grid, &publics), &alone)).then_some(alone)
    }

    fn is_false(&self, lie: &[Change], public: Option<Change>, shown: (&Grid, &[Fr]), alone: &Constraint) -> bool {
        let own = public.and_then(|(row, change)| Some((self.public_input(row)?, change)));
        let claimed = self.circuit.tampered_grid(&self.claims(lie.iter().copied().chain(own)));
        let publics = instances(&claimed);
        let broken = self.honest.broken(&claimed, &publics);
        let out_of_range = broken.iter().any(|constraint| matches!(constraint, Constraint::Lookup(_)));
        let stated = |&(cell, row): &(Cell, usize)| match self.public_input(row) {
            Some(_) => true,
            None if cell == ZERO => shown.1[row] == Fr::ZERO,
            None => !out_of_range || publics[row] == self.grid().value(cell),
        };
        let refused = broken.iter().any(|constraint| is_root(alone) || !is_root(constraint));
        let roots = |grid: &Grid| self.roots.iter().map(|&cell| grid.value(cell)).collect::<Vec<_>>();
        let differs = roots(shown.0) != roots(&claimed) || shown.1 != publics;
        (refused || differs) && self.grid().publics.iter().all(stated)
    }

    /// Whether a public input is the constant 0.
    pub(crate) fn is_zero(&self, row: usize) -> bool {
        self.grid().publics.contains(&(ZERO, row))
    }

    /// Whether a public input is computed from cells, or cells from it.
    pub(crate) fn is_read(&self, row: usize) -> bool {
        let own = |cell: Cell| self.grid().publics.contains(&(cell, row));
        self.public_input(row).is_none() || self.grid().copies.iter().any(|&(_, of)| own(of))
    }

    /// Whether the circuit chooses one of 64 values, which it takes for integers.
    fn is_choosing(&self) -> bool {
        named(self.grid(), "chosen class").next().is_some()
    }

    /// Number of the assignment of a public input, where it is one of the witness.
    fn public_input(&self, row: usize) -> Option<usize> {
        let (cell, _) = *self.grid().publics.iter().find(|public| public.1 == row)?;
        let digit = Cell { column: Advice::Digit, ..cell };
        self.grid().assignments.iter().position(|input| input.cell == digit && input.origin == Origin::Input)
    }

    /// What the grid with these changes claims, as changes of the witness: numbers in their digits, padding at
    /// its place, and no choice, as nobody claims one.
    fn claims(&self, changes: impl Iterator<Item = Change>) -> Vec<Change> {
        let (grid, mut total) = (self.grid(), BTreeMap::<usize, Fr>::new());
        let claimed = |at: &usize| grid.assignments[*at].origin == Origin::Input && !self.choices.contains(at);
        for (at, change) in changes.filter(|(at, _)| claimed(at)) {
            *total.entry(at).or_default() += change;
        }
        let mut carry = 0;
        for at in (0..grid.assignments.len()).rev().filter(claimed) {
            let cell = grid.assignments[at].cell;
            let lower =
                limb(grid, cell.row).filter(|&bits| grid.fixed_value(Fixed::Factor, cell.row) == Fr::from(1 << bits));
            let change = total.entry(at).or_default();
            *change += field(std::mem::take(&mut carry));
            if let Some(bits) = lower {
                let value = grid.integer(cell) + small(*change);
                *change = field(value.rem_euclid(1 << bits) - grid.integer(cell));
                carry = value.div_euclid(1 << bits);
            }
        }
        let marks: Vec<usize> = named(grid, "padding mark").filter(claimed).collect();
        for marks in marks.chunks(LEAF) {
            let mark = |at: usize| grid.integer(grid.assignments[at].cell);
            let count: i128 = marks.iter().map(|at| mark(*at) + small(total[at])).sum();
            for (place, &at) in (0..).zip(marks).filter(|_| (0..=LEAF as i128).contains(&count)) {
                total.insert(at, field(i128::from(place < count) - mark(at)));
            }
        }
        total.into_iter().filter(|(_, change)| *change != Fr::ZERO).collect()
    }
}

/// The one constraint that is broken, beside those of roots that follow.
fn only(broken: BTreeSet<Constraint>) -> Option<Constraint> {
    let (roots, others): (Vec<_>, Vec<_>) = broken.into_iter().partition(is_root);
    match (&others[..], &roots[..]) {
        ([other], _) => Some(other.clone()),
        ([], [root]) => Some(root.clone()),
        _ => None,
    }
}

/// A field element: a decimal number, or 64 hexadecimal digits after 0x.
fn element(text: &str) -> Option<Fr> {
    let Some(digits) = text.strip_prefix("0x") else { return text.parse().ok().map(field) };
    let digit = |value: Fr, digit: char| Some(value * Fr::from(16) + Fr::from(u64::from(digit.to_digit(16)?)));
    digits.chars().try_fold(Fr::ZERO, digit)
}

/// Numbers of the assignments of this name.
fn named<'a>(grid: &'a Grid, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    (0..grid.assignments.len()).filter(move |&at| grid.assignments[at].name == name)
}

/// Bits of the limb of a row.
fn limb(grid: &Grid, row: usize) -> Option<u32> {
    let range = number(grid.fixed_value(Fixed::Range, row))?;
    LIMBS.iter().find(|(limb, _)| *limb == range).map(|(_, bits)| *bits)
}

/// A signed integer below `2^64` in magnitude.
fn small(value: Fr) -> i128 {
    let natural = |value| number(value).map(i128::from);
    natural(value).or_else(|| natural(-value).map(|magnitude| -magnitude)).unwrap_or(0)
}
