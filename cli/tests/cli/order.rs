//! The verbs one by one: each refuses without its input, all together give what `run` gives.

use super::*;

#[test]
fn each_verb_needs_the_one_before_it_and_together_they_are_a_round() {
    let dir = folder();
    let spec = write(&dir, "tiny.toml", TINY);
    let work = text(&dir.join("work"));
    let verbs = ["train", "commit", "challenge", "open", "prove", "attest", "finalize"];
    for (at, verb) in verbs.iter().enumerate() {
        for later in &verbs[at + 1..] {
            let done = run([*later, "--work", &work]);
            assert_eq!(done.code, 2, "{later} before {verb}: {}", done.stderr);
            assert!(done.reason().contains("first"), "{}", done.stderr);
        }
        let arguments: Vec<&str> = match *verb {
            "train" => vec!["train", &spec, "--work", &work],
            "challenge" => vec!["challenge", "--work", &work, "--beacon", BEACON],
            verb => vec![verb, "--work", &work],
        };
        let done = run(arguments);
        assert_eq!(done.code, 0, "{verb}: {}", done.stderr);
    }
    assert_eq!(run(["verify", &work]).code, 0);
    let (expected, got) = (files(&ROUND), files(&dir.join("work")));
    for (name, content) in &got {
        // Proofs are blinded by fresh randomness, times are those of the machine.
        if !name.starts_with("proofs/") && name != "times.json" {
            assert!(expected.get(name) == Some(content), "{name} differs");
        }
    }
    assert!(expected.keys().all(|name| got.contains_key(name) || name == "report.html" || name == "loss.csv"));
}
