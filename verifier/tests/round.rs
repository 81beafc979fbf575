//! A round is held to its spec, and its circuits to each other, before a proof is looked at.

use std::collections::BTreeSet;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use pogo_protocol::cell::Unprovable;
use pogo_protocol::codec::scalar_bytes;
use pogo_protocol::commitment::Commitment;
use pogo_protocol::disclosure::Disclosure;
use pogo_protocol::model::{Exponents, Schedule, Spec, TraceMode};
use pogo_protocol::statement::{CircuitKind, Context};
use pogo_verifier::round::{Public, verify};
use pogo_verifier::{Error, Setup};

fn public() -> Public {
    let data_root = Fr::from(5u64);
    let spec = Spec {
        name: "round".into(),
        layers: vec![70, 66, 5],
        batch: 64,
        steps: 3,
        checkpoint_every: 1,
        learning_rate: 1,
        schedule: Schedule::Constant,
        warmup: 0,
        seed: 1,
        trace: TraceMode::Every,
        data_root: scalar_bytes(&data_root),
    };
    let context = Context { chain_id: 1, contract: [0; 20], task: [0; 32], round: 0, miner: [0; 20] };
    let root = Fr::from(7u64);
    let commitment = Commitment {
        parent_root: root,
        parent_exponents: Fr::ZERO,
        steps_root: root,
        state_root: root,
        exponents: Exponents { weights: vec![20; 2], activations: vec![-20], errors: vec![-30; 2] },
        quantized_root: root,
        data_root,
        spec_hash: spec.hash(),
        steps: spec.steps,
        quantized_exponents: vec![20; 2],
    };
    let (tree_depth, steps_depth, trace_depth) = (18, 12, 24);
    Public {
        spec,
        context,
        commitment,
        records: 640,
        seeded: false,
        beacon: [3; 32],
        disclosure: None,
        samples: 8,
        tree_depth,
        steps_depth,
        trace_depth,
    }
}

/// The round without a statement or a proof.
fn verdict(public: &Public) -> Result<(), Error> {
    verify(Setup::Development, public, &[], &[])
}

/// The round of another spec.
fn of(spec: Spec) -> Public {
    let commitment = Commitment { spec_hash: spec.hash(), ..public().commitment };
    Public { spec, commitment, ..public() }
}

#[test]
fn a_traced_round_has_statements_of_every_circuit_that_its_cells_need() {
    let untraced = of(Spec { trace: TraceMode::None, ..public().spec });
    assert_eq!(verdict(&untraced), Err(Error::Count { artifact: "statement", expected: 1, got: 0 }));
    let Err(Error::Count { artifact: "statement", expected, got: 0 }) = verdict(&public()) else {
        panic!("no statement is too few");
    };
    // One each of round, link, input, weights, activation, momentum, blank, scale and vacant; 3 losses and 6
    // errors a proof; 8 products; peaks of all four circuits, which this beacon draws.
    assert_eq!(expected, 9 + 3 + 2 + 8 + 4);
    // And one of init cells, where the round starts from its seed.
    let seeded = Error::Count { artifact: "statement", expected: expected + 1, got: 0 };
    assert_eq!(verdict(&Public { seeded: true, ..public() }), Err(seeded));
}

#[test]
fn a_challenged_round_discloses_its_drawn_segments_first() {
    let mut challenged = of(Spec { trace: TraceMode::Challenged, checkpoint_every: 2, steps: 12, ..public().spec });
    challenged.commitment.steps = 12;
    let refused = Err(Error::Commitment { field: "disclosure" });
    assert_eq!(verdict(&challenged), refused);
    let disclosed = |roots| Public {
        disclosure: Some(Disclosure { beacon: [4; 32], roots: vec![Fr::from(9u64); roots] }),
        ..challenged.clone()
    };
    let proofs = 2; // 6 segments of 2 records, 8 records a proof
    for roots in [0, proofs - 1, proofs + 1] {
        assert_eq!(verdict(&disclosed(roots)), refused, "{roots} roots");
    }
    let count = |public: &Public| match verdict(public) {
        Err(Error::Count { artifact: "statement", expected, got: 0 }) => expected,
        verdict => panic!("{verdict:?}"),
    };
    assert!(count(&disclosed(proofs)) > proofs);
    // Nothing is disclosed of rounds of other modes.
    let disclosure = disclosed(proofs).disclosure;
    for trace in [TraceMode::None, TraceMode::Every] {
        let other = of(Spec { trace, ..public().spec });
        assert_eq!(verdict(&Public { disclosure: disclosure.clone(), ..other }), refused);
    }
}

#[test]
fn exponents_of_a_start_come_with_later_rounds_only_and_those_of_the_end_are_those_of_the_model() {
    let refused = |field, commitment, round| {
        let context = Context { round, ..public().context };
        assert_eq!(verdict(&Public { commitment, context, ..public() }), Err(Error::Commitment { field }));
    };
    let honest = public().commitment;
    refused("parent exponents", Commitment { parent_exponents: Fr::from(3u64), ..honest.clone() }, 0);
    refused("parent exponents", honest.clone(), 1);
    let exponents = Exponents { weights: vec![20], activations: vec![], errors: vec![-30] };
    refused("exponents", Commitment { exponents, ..honest }, 0);
}

#[test]
fn rounds_with_cells_that_no_statement_claims_are_refused() {
    for records in [0, 63, (1 << 24) + 1, u32::MAX] {
        let refused = Error::Unprovable(Unprovable::Records { least: 64, got: records });
        assert_eq!(verdict(&Public { records, ..public() }), Err(refused));
    }
    let small = of(Spec { batch: 32, ..public().spec });
    assert_eq!(verdict(&small), Err(Error::Unprovable(Unprovable::Batch(32))));
    let classes = of(Spec { layers: vec![70, 66, 65], ..public().spec });
    assert_eq!(verdict(&classes), Err(Error::Unprovable(Unprovable::Classes(65))));
    for public in [Public { records: 64, ..public() }, of(Spec { layers: vec![70, 66, 64], ..public().spec })] {
        assert!(matches!(verdict(&public), Err(Error::Count { artifact: "statement", .. })));
    }
}

#[test]
fn circuits_are_all_different_and_of_one_srs() {
    for setup in [Setup::Development, Setup::Ceremony] {
        let parsed = CircuitKind::ALL.map(|kind| setup.description(kind).expect("the embedded bytes parse"));
        let ids: BTreeSet<[u8; 32]> = parsed.iter().map(|description| description.id()).collect();
        let setups: BTreeSet<[u8; 32]> = parsed.iter().map(|description| description.parts().srs_id).collect();
        assert_eq!((ids.len(), setups.len()), (CircuitKind::ALL.len(), 1), "{setup:?}");
        for (kind, description) in CircuitKind::ALL.into_iter().zip(&parsed) {
            assert_eq!(setup.circuits().kind(&description.id()), Some(kind));
            assert_eq!(description.parts().development, setup == Setup::Development);
        }
    }
}
