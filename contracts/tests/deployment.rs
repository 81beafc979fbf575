//! What is deployed is of the pinned circuit, and only where it may be.

use pogo_contracts::{
    CHAIN_ID, Error, Evm, HALO_VERIFIER, ROUND_VERIFIER, Revert, contract_address, round_verifier_code,
};
use pogo_protocol::statement::WORDS;
use pogo_verifier::Setup;

#[test]
fn the_generated_verifier_is_of_the_pinned_circuit_and_srs() {
    let description = Setup::Development.description().expect("the pinned description parses");
    let mut evm = Evm::empty(CHAIN_ID);
    let generated = evm.deploy(HALO_VERIFIER.creation_code()).expect("deployed");
    let ids = evm.call(generated, Vec::new()).expect("ids").output;
    assert_eq!(ids, [description.id(), description.parts().srs_id].concat());
}

#[test]
fn the_wrapper_lies_where_statements_say() {
    let mut evm = Evm::empty(CHAIN_ID);
    let generated = evm.deploy(HALO_VERIFIER.creation_code()).expect("deployed");
    assert_eq!(evm.deploy(round_verifier_code(generated)), Ok(contract_address()));
}

#[test]
fn a_development_srs_is_refused_on_any_other_chain() {
    for chain_id in [1, 31336, 31338] {
        let mut evm = Evm::empty(chain_id);
        let generated = evm.deploy(HALO_VERIFIER.creation_code()).expect("deployed");
        let reason = refused(evm.deploy(round_verifier_code(generated)));
        assert_eq!(reason.to_string(), format!("DevelopmentSrs({chain_id})"));
    }
}

#[test]
fn an_address_without_code_is_no_verifier() {
    let mut evm = Evm::empty(CHAIN_ID);
    assert_eq!(refused(evm.deploy(round_verifier_code([7; 20]))).name, "NoVerifier");
    // A precompile answers anybody, but has no code.
    let identity = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4];
    assert_eq!(refused(evm.deploy(round_verifier_code(identity))).name, "NoVerifier");
}

#[test]
fn a_contract_that_names_no_circuit_is_no_verifier() {
    // Runtime code: STOP, and one that returns a word of zeros.
    for runtime in [&[0x00][..], &[0x60, 0x20, 0x60, 0x00, 0xf3]] {
        let mut evm = Evm::empty(CHAIN_ID);
        let other = evm.deploy(deploying(runtime)).expect("deployed");
        assert_eq!(refused(evm.deploy(round_verifier_code(other))).name, "NoIds");
    }
}

#[test]
fn the_solidity_struct_has_the_words_of_the_protocol_statement() {
    let solidity = include_str!("../solidity/IRoundVerifier.sol");
    let (_, members) = solidity.split_once("struct Statement {").expect("the struct");
    let (members, _) = members.split_once('}').expect("its end");
    let members: Vec<&str> = members.split(';').map(str::trim).filter(|member| !member.is_empty()).collect();
    assert_eq!(members, rust_members());
    let words: usize = members
        .iter()
        .map(|member| member.split_once('[').map_or(1, |(_, rest)| rest[..1].parse().expect("a digit")))
        .sum();
    assert_eq!(words + 1, WORDS);
}

/// Members of the protocol's `Statement` as Solidity would declare them, its context spelled out.
fn rust_members() -> Vec<String> {
    let source = include_str!("../../protocol/src/statement.rs");
    let context = fields(source, "Context");
    let statement = fields(source, "Statement")
        .into_iter()
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
        "[Fr; UPDATE_ELEMENTS]" => "uint256[3]",
        "[Fr; QUANTIZE_ELEMENTS]" => "uint256[2]",
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

/// Code that deploys `runtime`: CODECOPY from behind these 12 bytes, RETURN.
fn deploying(runtime: &[u8]) -> Vec<u8> {
    let length = runtime.len() as u8;
    [&[0x60, length, 0x60, 12, 0x60, 0, 0x39, 0x60, length, 0x60, 0, 0xf3], runtime].concat()
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
