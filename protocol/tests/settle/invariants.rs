//! What holds after any calls whatever.
//!
//! Random calls alone hardly leave the first states, so most actions do what fits where a candidate
//! stands; and every test demands that each state and end was really reached. An [`Observer`] keeps
//! its own books from the events, and compares.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use pogo_protocol::attest::{Address, Sign};
use pogo_protocol::cell::{Cell, Kind};
use pogo_protocol::model::TraceMode;
use pogo_protocol::record::Head;
use pogo_protocol::settle::{Amount, Beacon, CandidateId, Event, Reason, SettleError, Settlement, Slash, Status};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::world::{
    LEAVES, MINER, RIVAL, RULES, SEGMENTS, STAKES, STEPS, STRANGER, World, digests, segment_root, slices,
};

type Action = (u8, u8, u8, u8);
type Reached = RefCell<BTreeSet<String>>;

/// Runs `property` on the same random actions every time, and returns what it reached.
fn run(cases: u32, property: impl Fn(&[Action], &Reached)) -> BTreeSet<String> {
    let reached = Reached::default();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let actions = prop::collection::vec(any::<Action>(), 30..70);
    let verdict = runner.run(&actions, |actions| {
        property(&actions, &reached);
        Ok(())
    });
    verdict.unwrap();
    reached.into_inner()
}

fn expect_reached(reached: &BTreeSet<String>, expected: &[&str]) {
    let missing: Vec<_> = expected.iter().filter(|label| !reached.contains(**label)).collect();
    assert!(missing.is_empty(), "never reached: {missing:?} of {reached:?}");
}

/// States, ends and refusals that tasks of every mode reach.
const EVERYWHERE: [&str; 44] = [
    "Funded",
    "Staked",
    "Exiting",
    "Unstaked",
    "Withdrawn",
    "Committed",
    "Seeded 0",
    "Seeded 1",
    "Proven 0",
    "Proven 1",
    "Attested",
    "DisputeOpened 0",
    "DisputeOpened 1",
    "DisputeAnswered 0",
    "Disputed 0",
    "Disputed 1",
    "Resampled 1",
    "Finalized 0",
    "Finalized 1",
    "Lapsed(NoQuorum) 0",
    "Lapsed(NoQuorum) 1",
    "Lapsed(NoImprovement) 0",
    "Rejected(NoSeed) 0",
    "Rejected(NoSeed) 1",
    "Rejected(NoProof) 0",
    "Rejected(NoProof) 1",
    "Rejected(Unanswered) 0",
    "Rejected(Unanswered) 1",
    "AttesterSlashed",
    "refused Time",
    "refused TooEarly",
    "refused TooLate",
    "refused Status",
    "refused Beacon",
    "refused Proof",
    "refused ProofCount",
    "refused Bond",
    "refused DuplicateVote",
    "refused DuplicateDispute",
    "refused NotDisputed",
    "refused NotEquivocation",
    "refused Unbonded",
    "refused Nothing",
    "refused Sender",
];

/// What trace mode `challenged` adds.
const CHALLENGED: [&str; 12] = [
    "Drawn 0",
    "Drawn 1",
    "Disclosed 0",
    "Disclosed 1",
    "SegmentAnswered 0",
    "CellOfAsked 0",
    "Rejected(NoDisclosure) 0",
    "Rejected(NoDisclosure) 1",
    "Rejected(NoSecondSeed) 0",
    "Rejected(UnansweredSegment) 0",
    "refused Roots",
    "refused NoSuchCell",
];

fn check_any_calls(cases: u32, world: fn() -> World) -> BTreeSet<String> {
    run(cases, |actions, reached| {
        let mut observer = Observer::new(world(), reached);
        actions.iter().for_each(|&action| observer.act(action));
        observer.everything_ends();
    })
}

#[test]
fn invariants_hold_after_any_calls_and_every_state_is_reached() {
    let more = ["Lapsed(RoundOver) 0", "EvaluationDisputed", "EvaluationAnswered", "refused NoVote"];
    expect_reached(&check_any_calls(160, World::new), &[&EVERYWHERE[..], &more].concat());
}

#[test]
fn invariants_hold_in_mode_challenged_and_every_state_is_reached() {
    expect_reached(&check_any_calls(120, World::challenged), &[&EVERYWHERE[..], &CHALLENGED].concat());
}

/// Ends and disputes that an honest miner meets in every mode.
const OF_AN_HONEST_MINER: [&str; 8] = [
    "Finalized 0",
    "Finalized 1",
    "Lapsed(NoQuorum) 0",
    "Lapsed(NoQuorum) 1",
    "Resampled 1",
    "Disputed 0",
    "DisputeAnswered 0",
    "DisputeAnswered 1",
];

fn check_honest_miner(cases: u32, world: fn() -> World) -> BTreeSet<String> {
    run(cases, |actions, reached| {
        let mut observer = Observer::new(world(), reached);
        let id = observer.commit(MINER, 1);
        actions.iter().for_each(|&action| observer.harass(id, action));
        while !observer.world.status(id).is_end() {
            observer.world.now += RULES.answer_window;
            observer.honest_miner(id);
        }
        let status = observer.world.status(id);
        assert!(!matches!(status, Status::Rejected(_)), "{status:?}");
        let least = RULES.bond - RULES.fee + observer.books[&id].disputes * RULES.dispute_bond;
        assert!(observer.world.credit(MINER) >= least);
    })
}

#[test]
fn honest_miner_keeps_its_bond_whatever_is_voted_and_disputed() {
    expect_reached(&check_honest_miner(120, World::new), &OF_AN_HONEST_MINER);
}

#[test]
fn honest_miner_keeps_its_bond_in_mode_challenged_too() {
    let expected = [&OF_AN_HONEST_MINER[..], &["SegmentAnswered 0", "CellOfAsked 0"]].concat();
    expect_reached(&check_honest_miner(40, World::challenged), &expected);
}

/// A world, and books about it that are kept from its events alone.
struct Observer<'a> {
    world: World,
    reached: &'a Reached,
    salt: u64,
    paid_in: Amount,
    paid_out: Amount,
    burned: Amount,
    block: u64,
    stakes: BTreeMap<Address, Amount>,
    stakes_before_block: BTreeMap<Address, Amount>,
    deposited: BTreeMap<Address, Amount>,
    returned_and_slashed: BTreeMap<Address, Amount>,
    books: BTreeMap<CandidateId, Book>,
    heads: Vec<Head>,
}

/// What was seen of one candidate.
#[derive(Clone, Default)]
struct Book {
    stakes: BTreeMap<Address, Amount>,
    round: u64,
    progress: (u8, u8),
    end: Option<Status>,
    /// In trace mode `challenged` the beacon that drew segments, and whether they were disclosed.
    drawn: Option<[u8; 32]>,
    disclosed: bool,
    beacon: Option<[u8; 32]>,
    beacon_block: u64,
    window: u64,
    open: BTreeMap<Cell, u64>,
    /// Segments that disputes asked for, each with the last block for disputes about its cells.
    asked: BTreeMap<u32, u64>,
    /// Disputes in all ballots.
    disputes: Amount,
}

impl Book {
    /// Whether nothing keeps the candidate from an end without fault.
    fn is_over(&self, now: u64) -> bool {
        now > self.window && self.open.is_empty() && self.asked.values().all(|&last| now > last)
    }
}

impl<'a> Observer<'a> {
    fn new(world: World, reached: &'a Reached) -> Self {
        let stakes: BTreeMap<_, _> = world.keys.iter().map(|key| key.address()).zip(STAKES).collect();
        Self {
            reached,
            salt: 1,
            paid_in: STAKES.iter().sum(),
            paid_out: 0,
            burned: 0,
            block: 1,
            stakes_before_block: BTreeMap::new(),
            deposited: stakes.clone(),
            stakes,
            returned_and_slashed: BTreeMap::new(),
            books: BTreeMap::new(),
            heads: Vec::new(),
            world,
        }
    }

    /// Makes a call, books what it did, and checks everything. A refused call changes nothing.
    fn call(
        &mut self,
        paid: Amount,
        call: impl FnOnce(&mut Settlement, u64) -> Result<Event, SettleError>,
    ) -> Option<Event> {
        let seen = |s: &Settlement| (s.bank().clone(), s.candidates().clone(), s.head(), s.round());
        let before = seen(&self.world.settlement);
        match call(&mut self.world.settlement, self.world.now) {
            Ok(event) => {
                self.paid_in += paid;
                self.book(event);
                self.check();
                Some(event)
            }
            Err(error) => {
                assert!(before == seen(&self.world.settlement), "{error} changed something");
                let name = format!("{error:?}");
                let end = name.find([' ', '(']).unwrap_or(name.len());
                self.reached.borrow_mut().insert(format!("refused {}", &name[..end]));
                None
            }
        }
    }

    fn book(&mut self, event: Event) {
        let now = self.world.now;
        if now > self.block {
            self.block = now;
            self.stakes_before_block = self.stakes.clone();
        }
        let label = match event {
            Event::Funded(_) => "Funded".into(),
            Event::Staked(attester, amount) => {
                *self.stakes.entry(attester).or_default() += amount;
                *self.deposited.entry(attester).or_default() += amount;
                "Staked".into()
            }
            Event::Exiting(attester, unlock) => {
                assert!(unlock >= now + RULES.exit_delay);
                self.stakes.insert(attester, 0);
                "Exiting".into()
            }
            Event::Unstaked(attester, amount) => {
                *self.returned_and_slashed.entry(attester).or_default() += amount;
                "Unstaked".into()
            }
            Event::Withdrawn(_, amount) => {
                self.paid_out += amount;
                "Withdrawn".into()
            }
            Event::AttesterSlashed(attester, slash) => {
                self.stakes.insert(attester, 0);
                *self.returned_and_slashed.entry(attester).or_default() += slash.rewarded + slash.burned;
                self.book_slash(slash);
                "AttesterSlashed".into()
            }
            Event::Committed(id, beacon_block) => {
                assert!(beacon_block > now);
                let (stakes, round) = (self.stakes_before_block.clone(), self.world.settlement.round());
                let window = beacon_block + RULES.seed_window;
                let book = Book { stakes, round, beacon_block, window, ..Book::default() };
                assert!(self.books.insert(id, book).is_none());
                "Committed".into()
            }
            Event::Drawn(id, beacon) => {
                let book = self.open(id);
                assert!(now > book.beacon_block && now <= book.window && book.drawn.is_none());
                (book.drawn, book.window) = (Some(beacon), now + RULES.prove_window);
                self.label("Drawn", id)
            }
            Event::Disclosed(id, beacon_block) => {
                let book = self.open(id);
                assert!(book.drawn.is_some() && !book.disclosed && now <= book.window && beacon_block > now);
                (book.disclosed, book.beacon_block) = (true, beacon_block);
                book.window = beacon_block + RULES.seed_window;
                self.label("Disclosed", id)
            }
            Event::Seeded(id, beacon) => {
                let challenged = self.world.spec.trace == TraceMode::Challenged;
                let book = self.open(id);
                assert_eq!(book.disclosed, challenged);
                assert!(now > book.beacon_block && now <= book.window && book.beacon.is_none());
                (book.beacon, book.window) = (Some(beacon), now + RULES.prove_window);
                self.label("Seeded", id)
            }
            Event::Proven(id) => {
                let book = self.open(id);
                assert!(now <= book.window);
                book.window = now + RULES.attest_window;
                self.label("Proven", id)
            }
            Event::Attested(id, attester, vote) => {
                let book = self.open(id);
                assert!(now <= book.window);
                assert!(vote.weight > 0 && vote.weight <= book.stakes[&attester], "more than the snapshot");
                "Attested".into()
            }
            Event::DisputeOpened(id, cell, deadline) => {
                let segment = cell.step / self.world.spec.checkpoint_every;
                let book = self.open(id);
                let asked = cell.kind.is_of_step() && book.asked.get(&segment).is_some_and(|&last| now <= last);
                assert!((now <= book.window || asked) && deadline >= now + RULES.answer_window);
                assert!(book.open.insert(cell, deadline).is_none());
                book.disputes += 1;
                let label = if now <= book.window { "DisputeOpened" } else { "CellOfAsked" };
                self.label(label, id)
            }
            Event::DisputeAnswered(id, cell) => {
                let book = self.open(id);
                assert!(book.open.remove(&cell).is_some_and(|deadline| now <= deadline));
                let segment = cell.kind == Kind::Disclosure;
                if segment {
                    assert_eq!(book.asked.insert(cell.index, now + RULES.answer_window), None);
                }
                self.label(if segment { "SegmentAnswered" } else { "DisputeAnswered" }, id)
            }
            Event::EvaluationDisputed(.., deadline) => {
                assert!(deadline >= now + RULES.answer_window);
                "EvaluationDisputed".into()
            }
            Event::EvaluationAnswered(id, attester, cell) => {
                assert!(now <= self.world.candidate(id).evaluations[&(attester, cell)].deadline);
                "EvaluationAnswered".into()
            }
            Event::Disputed(id) => {
                let evaluations = self.world.candidate(id).open_evaluations().count();
                let book = self.open(id);
                assert!(now > book.window && (evaluations > 0 || !book.is_over(now)));
                self.label("Disputed", id)
            }
            Event::Resampled(id, beacon_block) => {
                let book = self.open(id);
                assert!(beacon_block > now && book.is_over(now));
                (book.drawn, book.disclosed, book.beacon, book.beacon_block) = (None, false, None, beacon_block);
                book.asked.clear();
                book.window = beacon_block + RULES.seed_window;
                self.label("Resampled", id)
            }
            Event::Finalized(id, head) => {
                assert_eq!(self.world.candidate(id).open_evaluations().count(), 0);
                let book = self.open(id).clone();
                assert!(book.is_over(now));
                assert_eq!(book.round, self.heads.len() as u64, "one finalized candidate a round");
                self.heads.push(head);
                let (tally, total) = (self.world.candidate(id).tally(), self.world.candidate(id).total);
                assert!(tally.positive * 3 > total * 2 && tally.improved * 2 > tally.positive + tally.negative);
                self.label("Finalized", id)
            }
            Event::Lapsed(id, lapse) => {
                let book = self.open(id);
                assert!(book.is_over(now));
                self.label(&format!("Lapsed({lapse:?})"), id)
            }
            Event::Rejected(id, reason, slash) => {
                self.check_evidence(id, reason, slash);
                self.book_slash(slash);
                let name = match reason {
                    Reason::Unanswered(cell) if cell.kind == Kind::Disclosure => "UnansweredSegment".into(),
                    Reason::Unanswered(_) => "Unanswered".into(),
                    Reason::NoSeed if self.open(id).disclosed => "NoSecondSeed".into(),
                    _ => format!("{reason:?}"),
                };
                self.label(&format!("Rejected({name})"), id)
            }
        };
        self.reached.borrow_mut().insert(label);
    }

    fn label(&self, event: &str, id: CandidateId) -> String {
        format!("{event} {}", self.world.candidate(id).ballot)
    }

    /// The book of a candidate that has not ended.
    fn open(&mut self, id: CandidateId) -> &mut Book {
        let book = self.books.get_mut(&id).unwrap();
        assert_eq!(book.end, None, "an event after the end");
        book
    }

    fn book_slash(&mut self, slash: Slash) {
        assert!(slash.burned - slash.rewarded <= 1);
        self.burned += slash.burned;
    }

    /// No slash without its evidence.
    fn check_evidence(&mut self, id: CandidateId, reason: Reason, slash: Slash) {
        let now = self.world.now;
        let book = self.open(id).clone();
        assert_eq!(slash.rewarded + slash.burned, RULES.bond);
        match reason {
            Reason::NoSeed => {
                assert!(book.beacon.is_none() && book.drawn.is_some() == book.disclosed && now > book.window);
            }
            Reason::NoDisclosure => assert!(book.drawn.is_some() && !book.disclosed && now > book.window),
            Reason::NoProof => assert!(book.beacon.is_some() && book.progress.1 == 3 && now > book.window),
            Reason::Unanswered(cell) => assert!(now > book.open[&cell]),
        }
    }

    /// The invariants of every state.
    fn check(&mut self) {
        let settlement = &self.world.settlement;
        assert_eq!(settlement.bank().balance, settlement.held());
        assert_eq!(settlement.bank().balance, self.paid_in - self.paid_out - self.burned);
        assert_eq!(settlement.bank().burned, self.burned);
        assert_eq!(settlement.round(), self.heads.len() as u64);
        assert!(self.heads.last().is_none_or(|&head| head == settlement.head()));
        for (id, candidate) in settlement.candidates() {
            let book = self.books.get_mut(id).unwrap();
            assert_eq!(candidate.total, book.stakes.values().sum());
            let tally = candidate.tally();
            assert!(tally.positive + tally.negative <= candidate.total);
            assert!(candidate.progress() >= book.progress, "the status goes back");
            book.progress = candidate.progress();
            assert_eq!(candidate.beacon, book.beacon);
            assert_eq!(candidate.drawn.as_ref().map(|drawn| drawn.0), book.drawn);
            assert_eq!(candidate.segments.is_some(), book.disclosed);
            assert!(book.end.is_none_or(|end| end == candidate.status));
            if candidate.status.is_end() {
                book.end = Some(candidate.status);
                let evaluations: Amount = candidate.open_evaluations().map(|(_, dispute)| dispute.bond).sum();
                assert_eq!(candidate.bonds(), evaluations, "a bond at an end");
            }
        }
        for (attester, stake) in &settlement.bank().stakes {
            let gone = self.returned_and_slashed.get(attester).copied().unwrap_or(0);
            assert_eq!(stake.slashable() + gone, self.deposited[attester]);
            assert_eq!(stake.active, self.stakes[attester]);
        }
    }

    /// Calls of a stranger alone bring every candidate to its end.
    fn everything_ends(&mut self) {
        let ids: Vec<_> = self.books.keys().copied().collect();
        for id in ids {
            for _ in 0..10 {
                self.settle_late(id);
            }
            assert!(self.world.status(id).is_end(), "{:?}", self.world.status(id));
            let open: Vec<_> = self.world.candidate(id).open_evaluations().collect();
            for (about, dispute) in open {
                self.world.now = self.world.now.max(dispute.deadline + 1);
                self.call(0, |s, now| s.expire_evaluation(now, id, about));
            }
            assert_eq!(self.world.candidate(id).bonds(), 0);
        }
        let settlement = &self.world.settlement;
        assert_eq!(settlement.bank().held(), settlement.bank().balance);
    }

    fn commit(&mut self, miner: Address, salt: u64) -> CandidateId {
        let commitment = self.world.commitment(salt);
        match self.call(RULES.bond, |s, now| s.commit(now, miner, commitment, RULES.bond)) {
            Some(Event::Committed(id, _)) => id,
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the end of whatever the candidate waits for, and settles.
    fn settle_late(&mut self, id: CandidateId) {
        let candidate = self.world.candidate(id);
        let evaluations = candidate.open_evaluations().map(|(_, dispute)| dispute.deadline);
        let disputes = candidate.awaited(self.world.now).map(|(_, dispute)| dispute.deadline).chain(evaluations);
        let disputes = disputes.max().unwrap_or(0);
        let after = if candidate.status == Status::Disputed { disputes } else { candidate.deadline };
        self.world.now = self.world.now.max(after + 1);
        self.call(0, |s, now| s.settle(now, id, STRANGER));
    }

    fn act(&mut self, (kind, a, b, c): Action) {
        let ids: Vec<_> = self.books.keys().copied().collect();
        let Some(&id) = ids.get(usize::from(a) % ids.len().max(1)) else {
            self.commit(MINER, 0);
            return;
        };
        let attester = self.world.keys[usize::from(b) % 5].address();
        match kind % 16 {
            0..=9 => self.advance(id, b, c),
            10 => self.new_candidate(b),
            11 => drop(match c % 4 {
                0 | 1 => self.call(60, |s, now| s.stake(now, attester, 60)),
                2 => self.call(0, |s, now| s.exit(now, attester)),
                _ => self.call(0, |s, now| s.unstake(now, attester)),
            }),
            12 => {
                let account = [MINER, RIVAL, STRANGER, attester][usize::from(c) % 4];
                self.call(0, |s, _| s.withdraw(account));
            }
            13 if b % 2 == 0 => self.equivocate(id, usize::from(b) % 4, c),
            13 => {
                self.world.now += u64::from(c);
                self.call(Amount::from(c), |s, _| s.fund(Amount::from(c)));
            }
            14 => self.doubt_an_evaluation(id, attester, c),
            _ => self.misuse(id, b, c),
        }
    }

    /// Disputes a cell of an evaluation; proves one that is open, or waits too long.
    fn doubt_an_evaluation(&mut self, id: CandidateId, attester: Address, c: u8) {
        let about = (attester, Cell::new(Kind::Loss, 0, u32::from(c / 4) % 3));
        if c % 4 < 3 {
            self.call(RULES.dispute_bond, |s, now| s.dispute_evaluation(now, id, STRANGER, about, RULES.dispute_bond));
        }
        let open = self.world.candidate(id).open_evaluations().next();
        let about = open.map_or(about, |(about, _)| about);
        if c % 4 == 2 {
            let statement = self.world.settlement.evaluation_statement(id, about.0, about.1);
            let proof = statement.map_or([0; 32], |statement| statement.digest());
            self.call(0, |s, now| s.answer_evaluation(now, id, about, &proof));
        }
        if c % 4 == 3 {
            self.call(0, |s, now| s.expire_evaluation(now, id, about));
        }
    }

    fn new_candidate(&mut self, b: u8) {
        self.salt += 1;
        self.commit([MINER, RIVAL][usize::from(b) % 2], self.salt);
    }

    /// What fits where the candidate stands; sometimes nothing is done in time.
    fn advance(&mut self, id: CandidateId, b: u8, c: u8) {
        let (now, candidate) = (self.world.now, self.world.candidate(id).clone());
        let in_time = now <= candidate.deadline;
        match candidate.status {
            Status::Committed | Status::Disclosed if in_time && !b.is_multiple_of(8) => {
                let block = candidate.beacon_block;
                self.world.now = now.max(block + 1);
                self.call(0, |s, now| s.draw_seed(now, id, Beacon { block, value: [c; 32] }));
            }
            Status::Drawn if in_time && !b.is_multiple_of(8) => self.disclose(id, candidate.context.miner),
            Status::Seeded if in_time && !b.is_multiple_of(8) => {
                let proofs = self.world.proofs(id);
                self.call(0, |s, now| s.prove(now, id, &slices(&proofs)));
            }
            Status::Proven if in_time && candidate.votes.is_empty() => self.vote_by_mood(id, b, c),
            Status::Proven if in_time && b.is_multiple_of(2) => {
                // Often in the last block, so that the window is over before the answer is due.
                self.world.now = if b % 8 > 2 { candidate.deadline } else { now + u64::from(b % 4) };
                self.dispute(id, c);
            }
            Status::Proven if in_time && b % 8 == 1 => self.answer_first(id),
            Status::Disputed if !b.is_multiple_of(4) => {
                self.answer_first(id);
                let asked = self.cell_of_asked(id, c);
                asked.into_iter().for_each(|cell| self.dispute_cell(id, cell));
                self.call(0, |s, now| s.settle(now, id, STRANGER));
            }
            status if status.is_end() => self.new_candidate(b),
            _ => self.settle_late(id),
        }
    }

    fn vote_by_mood(&mut self, id: CandidateId, b: u8, c: u8) {
        for attester in 0..4 {
            let stubborn = self.world.candidate(id).ballot == 0 || b.is_multiple_of(4);
            let negative = stubborn && b % 4 == 1 || b % 4 == 2 && attester == 0 || b.is_multiple_of(8) && stubborn;
            let sign = if negative { Sign::Negative(self.cell(id, c)) } else { Sign::Positive };
            let loss = if b % 16 == 3 { 1000 } else { 999 };
            let signed = self.world.signed(id, attester, sign, loss);
            self.call(0, |s, now| s.attest(now, id, &signed));
        }
    }

    fn dispute(&mut self, id: CandidateId, c: u8) {
        self.dispute_cell(id, self.cell(id, c));
    }

    fn dispute_cell(&mut self, id: CandidateId, cell: Cell) {
        self.call(RULES.dispute_bond, |s, now| s.dispute(now, id, RIVAL, cell, RULES.dispute_bond));
    }

    fn disclose(&mut self, id: CandidateId, sender: Address) {
        let roots = self.world.roots(id);
        let proofs = digests(&self.world.settlement.disclosure_statements(id, &roots).unwrap());
        self.call(0, |s, now| s.disclose(now, id, sender, &roots, &slices(&proofs)));
    }

    fn answer_first(&mut self, id: CandidateId) {
        let open = self.world.candidate(id).open_disputes().min_by_key(|(_, dispute)| dispute.deadline);
        let Some((cell, _)) = open else { return };
        if cell.kind == Kind::Disclosure {
            let (miner, roots) = (self.world.candidate(id).context.miner, [segment_root(cell.index)]);
            let proofs = digests(&self.world.settlement.segment_statements(id, cell.index, &roots).unwrap());
            self.call(0, |s, now| s.answer_segment(now, id, miner, cell.index, &roots, &slices(&proofs)));
        } else {
            let proof = self.world.settlement.answer_statement(id, cell).unwrap().digest();
            self.call(0, |s, now| s.answer(now, id, cell, &proof));
        }
    }

    fn equivocate(&mut self, id: CandidateId, attester: usize, c: u8) {
        let first = self.world.signed(id, attester, Sign::Positive, 900);
        let second = self.world.signed(id, attester, Sign::Positive, 900 + u64::from(c % 2));
        self.call(0, |s, now| s.report_equivocation(now, STRANGER, id, [&first, &second]));
    }

    /// A call that may be wrong in its time, its state or its arguments.
    fn misuse(&mut self, id: CandidateId, b: u8, c: u8) {
        let block = self.world.candidate(id).beacon_block + u64::from(b / 8 % 2);
        let signed = self.world.signed(id, usize::from(c) % 5, Sign::Positive, 900);
        let (cell, miner) = (self.cell(id, c), self.world.candidate(id).context.miner);
        let statements = self.world.proofs(id).len();
        match b % 11 {
            0 => self.call(0, |s, now| s.draw_seed(now, id, Beacon { block, value: [c; 32] })),
            1 => self.call(0, |s, now| s.prove(now, id, &vec![&b"no proof"[..]; statements])),
            2 => self.call(0, |s, now| s.prove(now, id, &[])),
            3 => self.call(0, |s, now| s.attest(now, id, &signed)),
            4 => self.call(1, |s, now| s.dispute(now, id, RIVAL, cell, 1)),
            5 => self.call(0, |s, now| s.answer(now, id, cell, b"no proof")),
            6 => self.call(0, |s, now| s.settle(now, id, STRANGER)),
            7 => self.call(0, |s, now| s.disclose(now, id, STRANGER, &[], &[])),
            8 => self.call(0, |s, now| s.disclose(now, id, miner, &[1.into()], &[b"no proof"])),
            9 => self.call(0, |s, now| s.answer_segment(now, id, miner, cell.index, &[1.into()], &[b"no proof"])),
            _ => self.call(0, |s, now| s.settle(now.saturating_sub(1), id, STRANGER)),
        };
    }

    /// Votes, disputes and equivocations; then some blocks in which the miner may act once.
    fn harass(&mut self, id: CandidateId, (kind, a, b, c): Action) {
        let candidate = self.world.candidate(id).clone();
        match kind % 4 {
            _ if !matches!(candidate.status, Status::Proven | Status::Disputed) => {}
            0 | 1 if candidate.votes.is_empty() => self.vote_by_mood(id, b, c),
            0 | 1 => (0..4).for_each(|i| self.dispute(id, c.wrapping_add(i))),
            2 => self.equivocate(id, usize::from(b) % 4, u8::from(c % 8 == 1)),
            _ => self.misuse(id, 3 + b % 3, c),
        }
        self.world.now += u64::from(a % (RULES.answer_window as u8 + 1));
        self.honest_miner(id);
    }

    /// One act a visit: seed, disclose, prove, answer the first dispute, or settle.
    fn honest_miner(&mut self, id: CandidateId) {
        let (now, candidate) = (self.world.now, self.world.candidate(id).clone());
        match candidate.status {
            Status::Committed | Status::Disclosed if now > candidate.beacon_block => {
                let beacon = Beacon { block: candidate.beacon_block, value: [now as u8; 32] };
                self.call(0, |s, now| s.draw_seed(now, id, beacon)).unwrap();
            }
            Status::Drawn | Status::Seeded => self.advance(id, 1, 0),
            Status::Proven | Status::Disputed if candidate.open_disputes().next().is_some() => {
                self.answer_first(id);
                self.call(0, |s, now| s.settle(now, id, STRANGER));
            }
            Status::Proven if now > candidate.deadline => drop(self.call(0, |s, now| s.settle(now, id, MINER))),
            Status::Disputed => drop(self.call(0, |s, now| s.settle(now, id, MINER))),
            _ => {}
        }
    }
    /// Some cell of the round; in trace mode `challenged` often a segment, or a cell of one that is disclosed.
    fn cell(&self, id: CandidateId, c: u8) -> Cell {
        let (high, low) = (u32::from(c) / LEAVES, u32::from(c) % LEAVES);
        match &self.world.candidate(id).segments {
            Some(known) if low < 3 => {
                let mut all = (high..high + SEGMENTS).map(|segment| segment % SEGMENTS);
                let other = all.find(|segment| !known.hold(2 * segment));
                Cell::segment(other.unwrap_or(high % SEGMENTS))
            }
            Some(known) if low < 7 => {
                let drawn = cell_of(known.drawn[high as usize % known.drawn.len()], c);
                self.cell_of_asked(id, c).filter(|_| low < 5).unwrap_or(drawn)
            }
            _ if c < 128 => Cell::update(high % STEPS, low),
            _ => Cell::quantize(low),
        }
    }

    /// A cell of the segment that was disclosed last in answer to a dispute.
    fn cell_of_asked(&self, id: CandidateId, c: u8) -> Option<Cell> {
        let segment = self.world.candidate(id).segments.as_ref()?.later.last()?;
        Some(cell_of(*segment, c))
    }
}

/// A cell of the first step of a segment.
fn cell_of(segment: u32, c: u8) -> Cell {
    Cell::new([Kind::Update, Kind::Link, Kind::Product, Kind::Loss][usize::from(c) % 4], 2 * segment, 0)
}
