//! Crashes and neighbors: a round that is killed and started again ends in the same roots.

use std::fs::{self, File};
use std::thread::sleep;
use std::time::Duration;

use super::*;

#[test]
fn a_round_killed_at_many_moments_ends_in_the_same_roots() {
    let dir = folder();
    let spec = write(&dir, "spec.toml", &TINY.replace("steps = 12", "steps = 200"));
    let (calm, killed) = (text(&dir.join("calm")), text(&dir.join("killed")));
    assert_eq!(run(["train", &spec, "--work", &calm]).code, 0);
    let expected = run(["commit", "--work", &calm, "--json"]);
    assert_eq!(expected.code, 0, "{}", expected.stderr);
    for milliseconds in [20, 60, 150, 300, 500, 700, 900, 1500, 4000] {
        let mut child = pogo(["run", &spec, "--work", &killed, "--json"]);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
        sleep(Duration::from_millis(milliseconds));
        child.kill().expect("it is killed");
        child.wait().expect("it ends");
    }
    let done = run(["run", &spec, "--work", &killed, "--json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let (expected, got) = (expected.json(), done.json());
    for root in ["commitment", "parent_root", "steps_root", "state_root", "quantized_root", "data_root"] {
        assert_eq!(expected[root], got[root], "{root}");
    }
    for log in ["records.log", "updates.log"] {
        assert!(fs::read(dir.join("calm").join(log)).ok() == fs::read(dir.join("killed").join(log)).ok(), "{log}");
    }
}

#[test]
fn a_beacon_is_never_drawn_again() {
    let work = text(&copy_of_round());
    let again = run(["challenge", "--work", &work, "--json"]);
    assert_eq!((again.code, &again.json()["beacon"]), (0, &BEACON.into()));
    let other = run(["challenge", "--work", &work, "--beacon", &"11".repeat(32)]);
    assert_eq!(other.code, 2);
    assert!(other.reason().contains("never drawn again"));
}

#[test]
fn two_processes_do_not_share_a_directory() {
    let work = copy_of_round();
    let lock = File::options().write(true).create(true).truncate(false).open(work.join("lock")).expect("it opens");
    lock.lock().expect("it locks");
    for verb in ["run", "train", "commit", "challenge", "open", "prove", "attest", "finalize", "replay"] {
        let done = run([verb, "--work", &text(&work)]);
        assert_eq!(done.code, 3, "{verb}: {}", done.stderr);
        assert!(done.reason().contains("another pogo process"), "{}", done.stderr);
    }
    assert_eq!(run(["verify", &text(&work)]).code, 0, "reading needs no lock");
}
