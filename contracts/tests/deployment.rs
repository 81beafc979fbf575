//! What is deployed is of the pinned circuit, and only where it may be.

use pogo_contracts::{CHAIN_ID, Error, Evm, ROUND_VERIFIER, Revert, STEP_KEYS, contract_address, round_verifier_code};
use pogo_protocol::statement::{CircuitKind, HEAD_WORDS, ROUND_ELEMENTS, STEP_ELEMENTS};
use pogo_protocol::stream::keccak;
use pogo_verifier::Setup;

/// What a generated verifier says of itself.
fn ids(evm: &mut Evm, verifier: [u8; 20]) -> Vec<u8> {
    evm.call(verifier, Vec::new()).expect("ids").output
}

#[test]
fn the_generated_verifiers_are_of_the_pinned_circuits_and_srs() {
    let description = Setup::Development.description(CircuitKind::Round).expect("the pinned description parses");
    let mut evm = Evm::empty(CHAIN_ID);
    let [round, step, _] = evm.deploy_generated().expect("deployed");
    let (_, keys) = evm.create(STEP_KEYS.creation_code()).expect("deployed");
    let srs = description.parts().srs_id;
    assert_eq!(ids(&mut evm, round), [description.id(), srs].concat());
    assert_eq!(ids(&mut evm, step), [keccak(&[&keys.output]), srs].concat());
}

#[test]
fn the_wrapper_lies_where_statements_say() {
    let mut evm = Evm::empty(CHAIN_ID);
    let generated = evm.deploy_generated().expect("deployed");
    assert_eq!(evm.deploy(round_verifier_code(generated)), Ok(contract_address()));
}

#[test]
fn a_development_srs_is_refused_on_any_other_chain() {
    for chain_id in [1, 31336, 31338] {
        let mut evm = Evm::empty(chain_id);
        let generated = evm.deploy_generated().expect("deployed");
        let reason = refused(evm.deploy(round_verifier_code(generated)));
        assert_eq!(reason.to_string(), format!("DevelopmentSrs({chain_id})"));
    }
}

#[test]
fn an_address_without_code_is_no_verifier() {
    let mut evm = Evm::empty(CHAIN_ID);
    let generated = evm.deploy_generated().expect("deployed");
    // A precompile answers anybody, but has no code.
    let identity = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4];
    for (place, address) in [(0, [7; 20]), (0, identity), (1, [7; 20]), (1, identity)] {
        let mut addresses = generated;
        addresses[place] = address;
        assert_eq!(refused(evm.deploy(round_verifier_code(addresses))).name, "NoVerifier", "{place}");
    }
}

#[test]
fn a_contract_that_names_no_circuit_is_no_verifier() {
    // Runtime code: STOP, and one that returns a word of zeros.
    for runtime in [&[0x00][..], &[0x60, 0x20, 0x60, 0x00, 0xf3]] {
        for place in [0, 1] {
            let mut evm = Evm::empty(CHAIN_ID);
            let mut generated = evm.deploy_generated().expect("deployed");
            generated[place] = evm.deploy(deploying(runtime)).expect("deployed");
            assert_eq!(refused(evm.deploy(round_verifier_code(generated))).name, "NoIds", "{place}");
        }
    }
}

#[test]
fn a_verifier_of_another_srs_is_refused() {
    let mut evm = Evm::empty(CHAIN_ID);
    let [round, _, keys] = evm.deploy_generated().expect("deployed");
    // Runtime code that returns two words of zeros.
    let other = evm.deploy(deploying(&[0x60, 0x40, 0x60, 0x00, 0xf3])).expect("deployed");
    assert_eq!(refused(evm.deploy(round_verifier_code([round, other, keys]))).name, "OtherSrs");
}

#[test]
fn keys_that_the_generated_verifier_does_not_name_are_refused() {
    let mut evm = Evm::empty(CHAIN_ID);
    let [round, step, _] = evm.deploy_generated().expect("deployed");
    let (_, keys) = evm.create(STEP_KEYS.creation_code()).expect("deployed");
    let mut altered = keys.output.clone();
    altered[1000] ^= 1;
    for code in [&altered[..], &keys.output[..keys.output.len() - 1], &[&keys.output[..], &[0]].concat()] {
        let other = evm.deploy(deploying(code)).expect("deployed");
        assert_eq!(refused(evm.deploy(round_verifier_code([round, step, other]))).name, "OtherKeys");
    }
    assert_eq!(refused(evm.deploy(round_verifier_code([round, step, [7; 20]]))).name, "OtherKeys");
    let copy = evm.deploy(deploying(&keys.output)).expect("deployed");
    evm.deploy(round_verifier_code([round, step, copy])).expect("the same code elsewhere");
}

#[test]
fn calls_to_the_keys_do_nothing() {
    let mut evm = Evm::empty(CHAIN_ID);
    let keys = evm.deploy(STEP_KEYS.creation_code()).expect("deployed");
    assert!(evm.call(keys, vec![1; 64]).expect("STOP").output.is_empty());
}

#[test]
fn the_solidity_structs_have_the_words_of_the_protocol_statement() {
    let solidity = include_str!("../solidity/IRoundVerifier.sol");
    let members = |name: &str| -> Vec<String> {
        let (_, members) = solidity.split_once(&format!("struct {name} {{")).expect("the struct");
        let (members, _) = members.split_once('}').expect("its end");
        members.split(';').map(|member| member.trim().to_owned()).filter(|member| !member.is_empty()).collect()
    };
    assert_eq!(members("Claim"), rust_members());
    assert_eq!(members("Claim").len() + 1, HEAD_WORDS);
    assert_eq!(members("Statement"), ["Claim claim".to_owned(), format!("uint256[{ROUND_ELEMENTS}] samples")]);
    assert_eq!(members("StepStatement"), ["Claim claim".to_owned(), format!("uint256[{STEP_ELEMENTS}] samples")]);
}

/// Members of the protocol's `Statement` but its samples as Solidity would declare them, its context
/// spelled out.
fn rust_members() -> Vec<String> {
    let source = include_str!("../../protocol/src/statement.rs");
    let context = fields(source, "Context");
    let statement = fields(source, "Statement")
        .into_iter()
        .filter(|(name, _)| name != "samples")
        .flat_map(|field| if field.1 == "Context" { context.clone() } else { vec![field] });
    statement.map(|(name, kind)| format!("{} {}", solidity_type(&kind), solidity_name(&name))).collect()
}

fn fields(source: &str, name: &str) -> Vec<(String, String)> {
    let (_, body) = source.split_once(&format!("pub struct {name} {{")).expect("the struct");
    let (body, _) = body.split_once("\n}").expect("its end");
    let lines =
        body.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.trim_end_matches(',').split_once(": "));
    lines.map(|(name, kind)| (name.into(), kind.into())).collect()
}

fn solidity_type(kind: &str) -> &str {
    match kind {
        "[u8; 32]" => "bytes32",
        "[u8; 20]" => "address",
        "u32" => "uint32",
        "u64" => "uint64",
        "Fr" => "uint256",
        other => panic!("{other} has no Solidity type"),
    }
}

/// camelCase; two names are words of Solidity.
fn solidity_name(name: &str) -> String {
    match name {
        "contract" => return "contractAddress".into(),
        "layout" => return "modelLayout".into(),
        _ => {}
    }
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_string();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

/// Code that deploys `runtime`: CODECOPY from behind these 14 bytes, RETURN.
fn deploying(runtime: &[u8]) -> Vec<u8> {
    let [high, low] = (runtime.len() as u16).to_be_bytes();
    [&[0x61, high, low, 0x60, 14, 0x60, 0, 0x39, 0x61, high, low, 0x60, 0, 0xf3], runtime].concat()
}

fn refused(result: Result<[u8; 20], Error>) -> Revert {
    match result {
        Err(Error::Reverted { reason, .. }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn errors_are_read_by_name() {
    assert!(ROUND_VERIFIER.signatures("error").contains(&"InvalidScalar(uint256)".to_string()));
    assert_eq!(Revert::new(&[1, 2, 3]).to_string(), "no reason given");
}
