//! The contract accepts a true proof of its statement, and nothing else.

mod common;

use common::round::proven;
use common::{refused, refused_calldata, scalar_modulus};
use pogo_contracts::{Error, Evm, HALO_VERIFIER, ROUND_VERIFIER, STEP_HALO_VERIFIER, calldata, contract_address};
use pogo_protocol::product::Orientation;
use pogo_protocol::statement::{CircuitKind, Statement};

/// Circuits with a statement of each shape: five samples, and sixteen.
const SHAPES: [CircuitKind; 2] = [CircuitKind::Round, CircuitKind::Product(Orientation::Forward)];

/// Bytes of calldata before the statement.
const STATEMENT: usize = 4;
const COMMITMENTS: usize = 20;
/// Words of the opening.
const OPENING: usize = 4;

/// Most bytes of code of a contract, EIP-170.
const MOST_CODE: usize = 24_576;
/// Most gas of a transaction that verifies a proof, of each shape.
const MOST_GAS: [u64; 2] = [500_000, 520_000];

/// A true statement of each shape and its proof.
fn honest() -> [(&'static Statement, &'static [u8]); 2] {
    SHAPES.map(proven)
}

/// Words of a statement in calldata.
fn words(statement: &Statement) -> usize {
    statement.words().len() - 1
}

/// Words of a proof before its evaluations and before its opening, and all of them.
fn parts(proof: &[u8]) -> [usize; 3] {
    [2 * COMMITMENTS, proof.len() / 32 - OPENING, proof.len() / 32]
}

#[test]
fn a_true_proof_is_accepted_within_the_limits_of_gas_and_size() {
    for ((statement, proof), most) in honest().into_iter().zip(MOST_GAS) {
        let gas = Evm::new().expect("deployed").verify(statement, proof).expect("a true proof");
        println!("verify: {gas:?}, proof {} bytes", proof.len());
        assert!(gas.total <= most, "{gas:?}");
    }
    for contract in [HALO_VERIFIER, STEP_HALO_VERIFIER, ROUND_VERIFIER] {
        let size = contract.runtime_code().len();
        println!("{size} bytes of code");
        assert!(size <= MOST_CODE, "{size} bytes of code");
    }
}

#[test]
fn a_statement_is_recorded_once() {
    for (statement, proof) in honest() {
        let mut evm = Evm::new().expect("deployed");
        let record = calldata("record", statement, proof);
        let outcome = evm.call(contract_address(), record.clone()).expect("a true proof");
        println!("record: {:?}", outcome.gas);
        assert_eq!(outcome.output, statement.digest());
        let Err(Error::Reverted { reason, .. }) = evm.call(contract_address(), record) else {
            panic!("recorded twice")
        };
        assert_eq!((reason.name.as_str(), &reason.words[..]), ("AlreadyRecorded", &[statement.digest()][..]));
        evm.verify(statement, proof).expect("still true");
    }
}

#[test]
fn another_statement_is_refused_whichever_word_differs() {
    for ((statement, proof), circuit) in honest().into_iter().zip(["OtherCircuit", "UnknownCircuit"]) {
        let expected = [circuit, "OtherSrs", "OtherChain", "OtherContract"];
        for word in 0..words(statement) {
            let mut data = calldata("verify", statement, proof);
            data[STATEMENT + 32 * word + 31] ^= 1;
            let name = expected.get(word).copied().unwrap_or("InvalidProof");
            assert_eq!(refused_calldata(data).0.name, name, "word {word}");
        }
    }
}

#[test]
fn numbers_beyond_their_type_are_refused() {
    for (statement, proof) in honest() {
        // chain id, contract, round, miner, part, parts, record count
        for word in [2, 3, 5, 6, 11, 12, 18] {
            let mut data = calldata("verify", statement, proof);
            data[STATEMENT + 32 * word] = 1;
            assert_eq!(refused_calldata(data).0.name, "", "word {word}");
        }
    }
}

#[test]
fn a_field_element_plus_the_modulus_is_refused() {
    for (statement, proof) in honest() {
        for word in [9, 13, 14, 15, 16, 17].into_iter().chain(19..words(statement)) {
            let mut data = calldata("verify", statement, proof);
            add(&mut data[STATEMENT + 32 * word..][..32], &scalar_modulus());
            let (reason, _) = refused_calldata(data);
            assert_eq!(reason.to_string(), format!("InvalidField({word})"));
        }
    }
}

#[test]
fn a_scalar_of_the_proof_plus_the_modulus_is_refused() {
    for (statement, proof) in honest() {
        let [evaluations, opening, _] = parts(proof);
        for word in evaluations..opening {
            let mut proof = proof.to_vec();
            add(&mut proof[32 * word..][..32], &scalar_modulus());
            assert_eq!(refused(statement, &proof).0.to_string(), format!("InvalidScalar({word})"));
        }
    }
}

#[test]
fn a_point_off_the_curve_is_refused_for_little_gas() {
    for (statement, proof) in honest() {
        let [evaluations, opening, end] = parts(proof);
        for point in (0..evaluations).step_by(2).chain((opening..end).step_by(2)) {
            for word in [point, point + 1] {
                let mut proof = proof.to_vec();
                proof[32 * word + 31] ^= 1;
                let (reason, gas) = refused(statement, &proof);
                assert_eq!(reason.to_string(), format!("InvalidPoint({point})"));
                // The floor of EIP-7623 for this calldata is 155,000.
                assert!(gas < 160_000, "{gas} gas");
            }
        }
    }
}

#[test]
fn infinity_is_no_point_of_a_proof() {
    for (statement, proof) in honest() {
        let mut proof = proof.to_vec();
        proof[..64].fill(0);
        assert_eq!(refused(statement, &proof).0.to_string(), "InvalidPoint(0)");
    }
}

#[test]
fn a_false_proof_costs_no_more_than_a_true_one() {
    for ((statement, proof), most) in honest().into_iter().zip(MOST_GAS) {
        let mut proof = proof.to_vec();
        proof[32 * 2 * COMMITMENTS + 31] ^= 1;
        let (reason, gas) = refused(statement, &proof);
        assert_eq!(reason.name, "InvalidProof");
        assert!(gas <= most, "{gas} gas");
    }
}

#[test]
fn too_little_gas_is_not_taken_for_a_false_proof() {
    for (statement, proof) in honest() {
        let mut evm = Evm::new().expect("deployed");
        for gas_limit in [300_000, 400_000, 500_000] {
            match evm.call_with_gas(contract_address(), calldata("verify", statement, proof), gas_limit) {
                Err(Error::Reverted { reason, .. }) => assert_eq!(reason.name, "InsufficientGas", "{gas_limit} gas"),
                other => panic!("{gas_limit} gas: {other:?}"),
            }
        }
        let enough = evm.call_with_gas(contract_address(), calldata("verify", statement, proof), 530_000);
        enough.expect("a true proof");
    }
}

#[test]
fn a_swapped_commitment_is_refused() {
    for (statement, proof) in honest() {
        let [evaluations, opening, end] = parts(proof);
        let points: Vec<usize> = (0..evaluations).step_by(2).chain((opening..end).step_by(2)).collect();
        for pair in points.windows(2) {
            let [left, right] = [32 * pair[0], 32 * pair[1]];
            let mut swapped = proof.to_vec();
            swapped[left..left + 64].copy_from_slice(&proof[right..right + 64]);
            swapped[right..right + 64].copy_from_slice(&proof[left..left + 64]);
            assert_eq!(refused(statement, &swapped).0.name, "InvalidProof", "points at words {pair:?}");
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_in_the_proof_is_refused() {
    for (statement, proof) in honest() {
        for byte in 0..proof.len() {
            let mut proof = proof.to_vec();
            proof[byte] ^= 1 << (byte % 8);
            refused(statement, &proof);
        }
    }
}

#[test]
fn a_shorter_or_longer_proof_is_refused() {
    for (statement, proof) in honest() {
        for length in [0, 1, 32, proof.len() - 32, proof.len() - 1] {
            assert_eq!(refused(statement, &proof[..length]).0.name, "InvalidLength", "{length} bytes");
        }
        for more in [1, 32, 64] {
            let longer = [proof, &vec![0; more]].concat();
            assert_eq!(refused(statement, &longer).0.name, "InvalidLength", "{more} bytes more");
        }
    }
}

#[test]
fn bytes_behind_the_proof_are_refused() {
    for (statement, proof) in honest() {
        for more in [1, 32] {
            let mut data = calldata("verify", statement, proof);
            data.extend(vec![0; more]);
            assert_eq!(refused_calldata(data).0.name, "InvalidLength");
        }
    }
}

#[test]
fn a_proof_that_lies_elsewhere_in_calldata_is_refused() {
    // The offset points one word earlier, at a statement word that holds the length.
    for (statement, proof) in honest() {
        let mut data = calldata("verify", statement, proof);
        let offset = STATEMENT + 32 * words(statement);
        data[offset + 30..offset + 32].copy_from_slice(&((offset - STATEMENT) as u16 - 32).to_be_bytes());
        let length = (proof.len() as u16).to_be_bytes();
        data[offset - 32..offset].fill(0);
        data[offset - 2..offset].copy_from_slice(&length);
        assert_eq!(refused_calldata(data).0.name, "InvalidOffset");
    }
}

#[test]
fn a_proof_of_another_statement_is_refused() {
    for (statement, proof) in honest() {
        let mut other = statement.clone();
        other.context.miner[0] ^= 1;
        assert_eq!(refused(&other, proof).0.name, "InvalidProof");
        other = statement.clone();
        other.beacon = [0; 32];
        assert_eq!(refused(&other, proof).0.name, "InvalidProof");
    }
}

#[test]
fn a_statement_for_another_chain_or_contract_is_refused_by_name() {
    for (statement, proof) in honest() {
        let mut other = statement.clone();
        other.context.chain_id = 1;
        assert_eq!(refused(&other, proof).0.to_string(), "OtherChain(31337, 1)");
        other = statement.clone();
        other.context.contract = [0; 20];
        assert_eq!(refused(&other, proof).0.name, "OtherContract");
    }
}

#[test]
fn a_statement_of_a_circuit_with_other_samples_is_refused_by_name() {
    let [(round, round_proof), (step, step_proof)] = honest();
    let other = Statement { circuit: step.circuit, ..round.clone() };
    assert_eq!(refused(&other, round_proof).0.name, "OtherCircuit");
    let other = Statement { circuit: round.circuit, ..step.clone() };
    assert_eq!(refused(&other, step_proof).0.name, "UnknownCircuit");
    // Neither function takes the statement and the proof of the other.
    for (selector, data) in [
        (calldata("verify", step, step_proof), calldata("verify", round, round_proof)),
        (calldata("verify", round, round_proof), calldata("verify", step, step_proof)),
    ] {
        let data = [&selector[..STATEMENT], &data[STATEMENT..]].concat();
        assert!(matches!(refused_calldata(data).0.name.as_str(), "" | "InvalidLength"));
    }
}

#[test]
fn unknown_calls_are_refused() {
    for data in [vec![], vec![0; 4], vec![0xff; 100]] {
        assert_eq!(refused_calldata(data).0.name, "");
    }
}

fn add(word: &mut [u8], other: &[u8; 32]) {
    let mut carry = 0;
    for (byte, other) in word.iter_mut().zip(other).rev() {
        let sum = u16::from(*byte) + u16::from(*other) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0, "a reduced value and the modulus fit a word");
}
