//! The committed verifier is the one that the circuit generates.

use std::process::Command;

#[test]
fn the_committed_verifier_is_the_generated_one() {
    let checked = Command::new(env!("CARGO_BIN_EXE_pogo-contracts-generate")).arg("--check").output();
    let checked = checked.expect("the binary starts");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
