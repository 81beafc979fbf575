//! Attacks on a round, by the ids of the book's security chapter, each run end to end on a small
//! round: what the attacker does is really done, and what must stop it really looks.
//!
//! [`ATTACKS`] is the registry. `pogo attack all` prints it with what was seen, and the tests hold
//! what is seen to what is declared here. Read [`ground`] and [`mine`] first: the round that all
//! attacks are run on, and the miner who may lie at every step.

mod court;
pub mod files;
pub mod ground;
pub mod mine;
mod momenta;
mod rates;
mod roots;
mod rules;
mod states;

use std::cmp::Ordering;

pub use ground::Ground;
pub use rates::{Rate, detection};

/// An attack could not be run to its end.
pub type Failed = Box<dyn std::error::Error + Send + Sync>;

/// How far an attack comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Refused or slashed: by the proof, by a dispute that has no answer, by a rule or by a codec.
    Stopped,
    /// Accepted by the proof and by every rule. Only replay and audit show it, and no cell names it.
    Shown,
    /// Nothing sees it.
    Unseen,
}

/// What was seen of an attack.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// How far it came.
    pub fate: Fate,
    /// What was said against it.
    pub why: String,
    /// How often a random draw catches it, where one looks.
    pub rate: Option<Rate>,
}

/// An attack of the book.
pub struct Attack {
    /// Id in the book: D1 to D18.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What the attacker does here.
    pub does: &'static str,
    /// Who must stop it.
    pub stopped_by: &'static str,
    /// How far it comes today.
    pub fate: Fate,
    attempt: fn(&Ground) -> Result<Seen, Failed>,
}

impl Attack {
    /// Runs it.
    ///
    /// # Errors
    /// [`Failed`] when it did not come to an end; that says nothing about the attack.
    pub fn run(&self, ground: &Ground) -> Result<Seen, Failed> {
        (self.attempt)(ground)
    }

    /// Whether it came as far as is declared, farther, or less far.
    pub fn compare(&self, seen: &Seen) -> Ordering {
        seen.fate.cmp(&self.fate)
    }
}

/// The attack with this id, in any case.
pub fn find(id: &str) -> Option<&'static Attack> {
    ATTACKS.iter().find(|attack| attack.id.eq_ignore_ascii_case(id))
}

use Fate::Stopped;

/// All attacks of the book.
pub const ATTACKS: [Attack; 18] = [
    Attack {
        id: "D1",
        name: "states interpolated to a stolen model",
        does: "walks from the first weights to a stolen model in a straight line, with the codes of honest steps",
        stopped_by: "update relation",
        fate: Stopped,
        attempt: states::interpolated,
    },
    Attack {
        id: "D2",
        name: "real steps only where somebody looks",
        does: "leaves out every fourth step and hopes that none of its cells is drawn",
        stopped_by: "draw after the commitment",
        fate: Stopped,
        attempt: states::skipped,
    },
    Attack {
        id: "D3",
        name: "batches picked by the miner",
        does: "trains in the best of several orders that are not its own, and records their batches",
        stopped_by: "input and loss cells",
        fate: Stopped,
        attempt: momenta::picked_batches,
    },
    Attack {
        id: "D4",
        name: "first weights chosen",
        does: "starts from weights that are not those of the seed",
        stopped_by: "head of the settlement, init cells",
        fate: Stopped,
        attempt: rules::chosen_start,
    },
    Attack {
        id: "D5",
        name: "two chains spliced",
        does: "goes on from the middle of another chain, or claims its final state",
        stopped_by: "update relation, both ends",
        fate: Stopped,
        attempt: states::spliced,
    },
    Attack {
        id: "D6",
        name: "states made up after the challenge",
        does: "commits to roots of nothing, and opens real states when it knows the cells",
        stopped_by: "roots in the commitment",
        fate: Stopped,
        attempt: states::made_up_later,
    },
    Attack {
        id: "D7",
        name: "fabricated gradient",
        does: "copies another miner's model by momenta that were never a gradient",
        stopped_by: "momentum cells",
        fate: Stopped,
        attempt: momenta::fabricated,
    },
    Attack {
        id: "D8",
        name: "one edited leaf",
        does: "adds one to one weight of one step; every attester but one is its friend",
        stopped_by: "dispute",
        fate: Stopped,
        attempt: states::one_leaf,
    },
    Attack {
        id: "D9",
        name: "hiding in a tolerance",
        does: "moves one weight of every leaf by the smallest amount there is, 2^-24, in one step",
        stopped_by: "equality",
        fate: Stopped,
        attempt: states::smallest_edits,
    },
    Attack {
        id: "D10",
        name: "grinding",
        does: "looks for a byte of the commitment that is free to change, puts a salt into each field of a record, \
               and one where a state has no leaf",
        stopped_by: "link, peak and vacant cells",
        fate: Stopped,
        attempt: roots::grinding,
    },
    Attack {
        id: "D11",
        name: "false attestations",
        does: "sends unsigned, unbonded, doubled, copied and contradictory attestations",
        stopped_by: "settlement, signatures",
        fate: Stopped,
        attempt: rules::false_attestations,
    },
    Attack {
        id: "D12",
        name: "withheld data",
        does: "keeps the leaf of a cell to itself while all stake is for it",
        stopped_by: "dispute",
        fate: Stopped,
        attempt: rules::withheld,
    },
    Attack {
        id: "D13",
        name: "evaluation data known before",
        does: "prepares for a third of the records before it commits",
        stopped_by: "draw for each attester",
        fate: Stopped,
        attempt: rules::prepared_records,
    },
    Attack {
        id: "D14",
        name: "useless work",
        does: "commits to a round of zero updates, which obey every relation",
        stopped_by: "the loss has to fall",
        fate: Stopped,
        attempt: rules::zero_updates,
    },
    Attack {
        id: "D15",
        name: "overflow and rounding",
        does: "takes words, codes, scales and exponents to and over their edges",
        stopped_by: "ranges of every value",
        fate: Stopped,
        attempt: roots::edges,
    },
    Attack {
        id: "D16",
        name: "second preimages in trees",
        does: "passes nodes for leaves, doubles leaves, moves counts and shapes",
        stopped_by: "tags, depths, counts",
        fate: Stopped,
        attempt: roots::second_preimages,
    },
    Attack {
        id: "D17",
        name: "another batch with the same codes",
        does: "records the loss of a batch that it did not train on",
        stopped_by: "link cells",
        fate: Stopped,
        attempt: momenta::another_batch,
    },
    Attack {
        id: "D18",
        name: "hostile files",
        does: "cuts, extends and flips every artifact, and sends noise and lengths of 2^32 - 1",
        stopped_by: "strict codecs",
        fate: Stopped,
        attempt: files::hostile,
    },
];

impl Seen {
    fn stopped(why: impl Into<String>) -> Self {
        Self { fate: Stopped, why: why.into(), rate: None }
    }

    fn unseen(why: impl Into<String>) -> Self {
        Self { fate: Fate::Unseen, why: why.into(), rate: None }
    }

    /// Stopped when every one of these attempts came to nothing, else unseen by the first that did not.
    fn all_held(attempts: &[(&'static str, bool)]) -> Self {
        match attempts.iter().find(|(_, held)| !held) {
            None => Self::stopped(format!("{} attempts, none of which comes to anything", attempts.len())),
            Some((attempt, _)) => Self::unseen(*attempt),
        }
    }
}
