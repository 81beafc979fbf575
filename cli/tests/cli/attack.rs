//! `pogo attack`: the table, its exit code, and that it leaves nothing behind.

use super::*;

#[test]
#[ignore = "minutes of training and proving; the prover's tests run the same attacks"]
fn every_attack_is_in_the_table_and_comes_no_farther_than_declared() {
    let done = run(["attack", "all", "--json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let table = done.json();
    let rows = table["attacks"].as_array().expect("a list");
    assert_eq!(rows.len(), 18);
    for (number, row) in rows.iter().enumerate() {
        assert_eq!(row["id"], format!("D{}", number + 1));
        assert_eq!(row["passes"], row["expected_to_pass"], "{row}");
        assert_ne!(row["passes"], "YES", "{row}");
    }
    assert!(rows.iter().all(|row| row["passes"] == "no"), "{rows:?}");
    let rated: Vec<&Value> = rows.iter().filter(|row| row["rate"].is_object()).map(|row| &row["id"]).collect();
    assert_eq!(rated, ["D1", "D2", "D3", "D4", "D5", "D6", "D7", "D8", "D9", "D10", "D13", "D17"]);
}

#[test]
fn one_attack_is_run_by_its_id() {
    let done = run(["attack", "d9"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("hiding in a tolerance"), "{}", done.stdout);
    for id in ["D0", "D19", "none"] {
        let done = run(["attack", id]);
        assert_eq!(done.code, 2);
        assert!(done.reason().contains("expected D1 to D18 or all"), "{}", done.stderr);
    }
}
