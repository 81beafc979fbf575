//! Every attack of the book comes as far as its row says, and no farther; rates are those of the
//! formula. The attacks themselves are in `pogo_prover::attack`.

use std::path::PathBuf;
use std::sync::LazyLock;

use ark_bn254::Fr;
use pogo_protocol::cell::{Cell, Kind};
use pogo_protocol::fixed::LEAF;
use pogo_protocol::model::State;
use pogo_protocol::trace::TensorId;
use pogo_prover::attack::files::{MAGICS, read_by_all};
use pogo_prover::attack::ground::STEPS;
use pogo_prover::attack::mine::Mined;
use pogo_prover::attack::{ATTACKS, Fate, Ground, Rate, detection, find};
use pogo_prover::replay::{Difference, replay};
use proptest::prelude::*;

static GROUND: LazyLock<Ground> = LazyLock::new(|| {
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("attacks-{}", std::process::id()));
    Ground::new(&scratch).expect("the round fits the preset")
});

/// Runs an attack and holds what is seen of it to what its row declares.
fn comes_as_far_as_declared(id: &str) -> (String, Option<Rate>) {
    let attack = find(id).expect("the attack is in the registry");
    let seen = attack.run(&GROUND).unwrap_or_else(|error| panic!("{id} did not run: {error}"));
    assert_eq!(seen.fate, attack.fate, "{id}: {}", seen.why);
    if let Some(rate) = seen.rate {
        assert!(rate.is_plausible(), "{id}: {} of {} trials, {} expected", rate.caught, rate.trials, rate.expected);
    }
    (seen.why, seen.rate)
}

#[test]
fn d1_states_interpolated_to_a_stolen_model_break_the_relation_in_nearly_every_cell() {
    let (_, rate) = comes_as_far_as_declared("D1");
    assert!(rate.expect("cells are drawn").expected > 0.999);
}

#[test]
fn d2_a_quarter_of_the_steps_left_out_is_drawn_nine_times_in_ten() {
    let (_, rate) = comes_as_far_as_declared("D2");
    assert!(rate.expect("cells are drawn").expected > 0.8);
}

#[test]
fn d3_batches_picked_by_the_miner_break_nearly_every_input_cell() {
    let (why, rate) = comes_as_far_as_declared("D3");
    assert!(why.contains("input:0:0: input is not in the trace root"), "{why}");
    assert!(rate.expect("cells are drawn").expected > 0.999);
}

#[test]
fn d4_chosen_first_weights_are_not_the_head_and_break_every_init_cell() {
    let (why, rate) = comes_as_far_as_declared("D4");
    assert!(why.contains("parent root") && why.ends_with("26 init cells are bad"), "{why}");
    assert_eq!(rate.expect("cells are drawn").measured(), 1.0);
}

/// One first weight of the miner's own: its init cell is drawn at the rate of the formula.
#[test]
fn d4_one_chosen_first_weight_is_drawn_as_often_as_its_leaf() {
    let mut start = State::initial(&GROUND.traced.spec);
    start.weights[0][3 * LEAF] += 1;
    let mined = Mined::new(GROUND.job_of(&GROUND.traced), start, |_, _| {}).expect("words of a leaf");
    let bad = mined.bad_cells().expect("every cell is opened");
    let bad: Vec<Cell> = bad.into_iter().map(|(cell, _)| cell).collect();
    assert_eq!(bad, [Cell::new(Kind::Init, 0, 3)]);
    let rate = detection(&mined, &bad);
    assert!((rate.expected - 8.0 / 26.0).abs() < 1e-12, "8 of 26 leaves are drawn, not {}", rate.expected);
    assert!(rate.is_plausible(), "{} of {} trials", rate.caught, rate.trials);
}

#[test]
fn d5_spliced_chains_break_in_every_cell_of_the_splice() {
    assert!(comes_as_far_as_declared("D5").0.starts_with("26 of 338 cells bad"));
}

#[test]
fn d6_states_made_up_later_are_not_in_the_committed_roots() {
    // Records 5 and 6 are made up: the cells of the steps 4, 5 and 6 open one of them or both.
    assert!(comes_as_far_as_declared("D6").0.starts_with("78 of 338 cells bad; update:4:0: "));
}

#[test]
fn d7_a_model_copied_without_a_gradient_breaks_the_momenta() {
    let (why, rate) = comes_as_far_as_declared("D7");
    assert!(why.contains("momentum:0:0: "), "{why}");
    assert!(rate.expect("cells are drawn").expected > 0.999);
}

#[test]
fn d8_one_edited_leaf_escapes_the_draw_and_not_the_dispute() {
    let (why, rate) = comes_as_far_as_declared("D8");
    assert!(why.contains("1 of 338 cells bad; update:6:11: weight 0 after the step"), "{why}");
    assert!(rate.expect("cells are drawn").measured() < 0.05);
}

#[test]
fn d9_the_smallest_edit_is_a_violation() {
    assert!(comes_as_far_as_declared("D9").0.starts_with("26 of 338 cells bad"));
}

#[test]
fn d10_a_commitment_has_one_encoding_and_room_asked_for_by_the_last_step_breaks_a_peak() {
    let (why, rate) = comes_as_far_as_declared("D10");
    assert!(why.starts_with("1 of ") && why.contains("peak:11:3: exponent needed"), "{why}");
    let expected = rate.expect("cells are drawn").expected;
    assert!((expected - 8.0 / 60.0).abs() < 1e-12, "8 of 60 peaks are drawn, not {expected}");
}

/// A value where the final state has no leaf: only vacant cells of the last step see it.
#[test]
fn d10_a_value_that_is_no_leaf_breaks_the_vacant_cell_beside_it() {
    let honest = Mined::honest(GROUND.job_of(&GROUND.traced)).expect("an honest round");
    // 16 leaves and 10: the second tensor has 6 positions more, and the tree all from 32 on.
    for (position, tensors) in [(26, &[1][..]), (32, &[0, 1])] {
        let mined = honest.clone().salt(position, Fr::from(77u64)).expect("words of a leaf");
        let bad: Vec<Cell> =
            mined.bad_cells().expect("every cell is opened").into_iter().map(|(cell, _)| cell).collect();
        let expected: Vec<Cell> = tensors.iter().map(|&tensor| Cell::new(Kind::Vacant, STEPS - 1, tensor)).collect();
        assert_eq!(bad, expected, "position {position}");
    }
}

/// One element of one tensor in every step, else an honest miner: what sampling sees of it.
#[test]
fn one_fabricated_element_a_step_is_drawn_at_the_rate_of_the_formula() {
    let round = &GROUND.traced;
    let fabricated = [
        ("gradient", TensorId::Gradients(0), [Kind::Product, Kind::Momentum]),
        ("errors", TensorId::Errors(1), [Kind::Product, Kind::Loss]),
        ("activations", TensorId::Inputs(1), [Kind::Product, Kind::Activation]),
        ("batch", TensorId::Inputs(0), [Kind::Product, Kind::Input]),
    ];
    for (name, id, kinds) in fabricated {
        let mined = Mined::new(GROUND.job_of(round), State::initial(&round.spec), |_, draft| {
            draft.trace.as_mut().expect("traces are committed to").tamper(id);
            draft.hash_trace().expect("words of a leaf");
        });
        let mined = mined.expect("words of a leaf");
        let bad: Vec<Cell> =
            mined.bad_cells().expect("every cell is opened").into_iter().map(|(cell, _)| cell).collect();
        let of = |step: u32, kind| bad.iter().any(|cell| (cell.step, cell.kind) == (step, kind));
        assert!((0..STEPS).all(|step| kinds.iter().all(|&kind| of(step, kind))), "{name}: {bad:?}");
        let rate = detection(&mined, &bad);
        println!(
            "{name}: {} bad cells, {:.2} % of draws, {:.2} % expected",
            bad.len(),
            100.0 * rate.measured(),
            100.0 * rate.expected
        );
        assert!(rate.is_plausible() && rate.expected > 0.1 && rate.expected < 1.0, "{name}: {rate:?}");
    }
}

#[test]
fn d11_no_false_attestation_counts() {
    comes_as_far_as_declared("D11");
}

#[test]
fn d12_a_withheld_cell_costs_the_bond_whatever_the_votes() {
    assert!(comes_as_far_as_declared("D12").0.contains("update:3:5 is not answered: 500 to the disputer, 500 burned"));
}

#[test]
fn d13_records_prepared_for_are_drawn_no_more_often_than_others() {
    comes_as_far_as_declared("D13");
}

#[test]
fn d14_zero_updates_obey_every_relation_and_lower_no_loss() {
    comes_as_far_as_declared("D14");
}

#[test]
fn d15_nothing_overflows_at_any_edge() {
    comes_as_far_as_declared("D15");
}

#[test]
fn d16_no_node_passes_for_a_leaf_no_leaf_is_doubled_and_no_index_has_an_alias() {
    comes_as_far_as_declared("D16");
}

#[test]
fn d17_another_batch_with_the_same_codes_breaks_the_link_of_its_step() {
    let (why, rate) = comes_as_far_as_declared("D17");
    assert!(why.starts_with("1 of ") && why.ends_with("link:7:0: losses is not in the trace root"), "{why}");
    let expected = rate.expect("cells are drawn").expected;
    assert!((expected - 8.0 / 12.0).abs() < 1e-12, "8 of 12 links are drawn, not {expected}");
}

#[test]
fn d18_hostile_files_are_errors() {
    comes_as_far_as_declared("D18");
}

#[test]
fn the_book_has_the_row_of_every_attack() {
    let book = include_str!("../../book/src/security.md");
    for attack in &ATTACKS {
        let passes = if attack.fate == Fate::Stopped { "no" } else { "the proof" };
        let row = format!("| {} | {} | {} | {passes} |", attack.id, attack.name, attack.stopped_by);
        assert!(book.contains(&row), "the book has no row {row}");
    }
    assert!(ATTACKS.iter().all(|attack| attack.fate != Fate::Unseen));
}

#[test]
fn an_honest_round_has_no_bad_cell_and_replays_exactly() {
    let honest = Mined::honest(GROUND.job()).unwrap();
    assert_eq!(honest.bad_cells().unwrap(), []);
    assert_eq!(honest.replay(&GROUND.store("honest").unwrap()).unwrap(), []);
}

#[test]
fn an_edited_code_in_the_published_log_is_named_by_step_and_leaf() {
    let (job, store) = (GROUND.job(), GROUND.store("code").unwrap());
    let honest = Mined::honest(job).unwrap();
    honest.write(&store).unwrap();
    let path = store.path("updates.log");
    let mut bytes = std::fs::read(&path).unwrap();
    let entry = bytes.len() / STEPS as usize;
    let (step, leaf, index) = (9, 20, 33);
    let byte = step * entry + 4 + leaf * LEAF / 2 + index / 2;
    bytes[byte] = (bytes[byte] & 15) | (((bytes[byte] >> 4) + 1) % 15) << 4;
    std::fs::write(&path, bytes).unwrap();
    let differences = replay(&store, &job, &honest.trace.records, &honest.commitment, 0..STEPS, |_| {}).unwrap();
    assert_eq!(differences.len(), 1);
    let found = matches!(differences[0], Difference::Code { step: 9, leaf: 20, index: 33, .. });
    assert!(found, "{}", differences[0]);
}

#[test]
fn replay_names_a_commitment_of_another_4_bit_model() {
    let mut lying = Mined::honest(GROUND.job()).unwrap();
    lying.commitment.quantized_exponents[1] += 1;
    let expected = Difference::Commitment { field: "quantized exponents" };
    assert_eq!(lying.replay(&GROUND.store("quantized").unwrap()).unwrap(), [expected]);
}

#[test]
fn an_edit_out_of_the_range_of_a_word_cannot_be_committed_to() {
    let start = State::initial(&GROUND.round.spec);
    let mined = Mined::new(GROUND.job(), start, |_, draft| draft.after.weights[0][0] = 1 << 30);
    assert!(mined.is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn hostile_bytes_are_errors_or_read_exactly(
        magic in 0..MAGICS.len(),
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        prop_assert_eq!(read_by_all(&GROUND.round.spec, &[MAGICS[magic], &bytes].concat()), Ok(()));
    }
}
