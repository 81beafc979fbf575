//! The committed verifiers and keys are those that the circuits generate.

use std::process::Command;

#[test]
fn the_committed_verifiers_and_keys_are_the_generated_ones() {
    let checked = Command::new(env!("CARGO_BIN_EXE_pogo-contracts-generate")).arg("--check").output();
    let checked = checked.expect("the binary starts");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
