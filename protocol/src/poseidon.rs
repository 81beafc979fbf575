//! Poseidon over the BN254 scalar field: width 3, x^5, 8 full and 57 partial rounds, circomlib's
//! constants. The only hash inside circuits, hence of everything that is committed.
//!
//! ```text
//! state (3):  for r in 0..65:  state += ROUND_CONSTANTS[r]
//!                              state[0]^5, in a full round (r < 4, r >= 61) all three
//!                              state = MDS * state
//! ```
//!
//! [`rounds`] is that definition; [`permute`] is equal to it and fast.

mod constants;
mod lazy;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};

pub use constants::{MDS, ROUND_CONSTANTS};
use lazy::Lazy;

/// Full rounds at either end of the permutation.
pub const HALF_FULL_ROUNDS: usize = 4;
/// Rounds in which only the first element passes the S-box.
pub const PARTIAL_ROUNDS: usize = 57;
/// All rounds.
pub const ROUNDS: usize = 2 * HALF_FULL_ROUNDS + PARTIAL_ROUNDS;

/// The permutation, equal to the last row of [`rounds`].
///
/// Let y be what enters the S-box of a partial round and h the other two elements, the round's
/// constants added. With `MDS = [[d, v], [w, A]]` and z = v.h + constant, y' = d y^5 + z, and as A
/// is 2x2 it satisfies A^2 = trace A - det, which leaves a recurrence in z alone:
///
/// ```text
/// x  = 2 y^5
/// y' = x + z
/// z'' = RECURRENCE . (x', x, z', z) + SHIFTS[r]
/// ```
///
/// The 2 replaces d: y and z carry a factor K with K^4 = d / 2, put in by `ENTER`, taken out by
/// `LEAVE`. A partial round costs an S-box and four products reduced together.
pub fn permute(state: &mut [Fr; 3]) {
    let mut lazy = [0, 1, 2].map(|i| lazy::add(lazy::from_field(state[i]), fast::ROUND_CONSTANTS[0][i]));
    for constants in &fast::ROUND_CONSTANTS[1..HALF_FULL_ROUNDS] {
        lazy = full_round(lazy, &fast::MDS, constants);
    }
    lazy = full_round(lazy, &fast::ENTER, &fast::ENTER_SHIFT);
    lazy = partial_rounds(lazy);
    for constants in &fast::ROUND_CONSTANTS[HALF_FULL_ROUNDS + PARTIAL_ROUNDS + 1..] {
        lazy = full_round(lazy, &fast::MDS, constants);
    }
    *state = full_round(lazy, &fast::MDS, &[[0; 4]; 3]).map(lazy::to_field);
}

/// H(tag, a, b): the first element of the permuted state [tag, a, b].
/// With tag 0 it is circomlib's poseidon([a, b]).
pub fn hash(tag: Fr, a: Fr, b: Fr) -> Fr {
    let mut state = [tag, a, b];
    permute(&mut state);
    state[0]
}

/// Hash of a message whose length the tag fixes: state [tag, 0, 0], two elements added to the last
/// two before each permutation, an odd tail padded with zero. Of an empty message it is the tag.
pub fn sponge(tag: Fr, message: &[Fr]) -> Fr {
    let mut state = [tag, Fr::ZERO, Fr::ZERO];
    for pair in message.chunks(2) {
        for (slot, element) in state[1..].iter_mut().zip(pair) {
            *slot += element;
        }
        permute(&mut state);
    }
    state[0]
}

/// The definition: row r is the state before the constants of round r are added, row 65 the output.
pub fn rounds(state: [Fr; 3]) -> [[Fr; 3]; ROUNDS + 1] {
    let mut rows = [state; ROUNDS + 1];
    for r in 0..ROUNDS {
        rows[r + 1] = round(rows[r], r);
    }
    rows
}

/// Whether all three elements pass the S-box in round r.
pub const fn is_full_round(r: usize) -> bool {
    r < HALF_FULL_ROUNDS || r >= HALF_FULL_ROUNDS + PARTIAL_ROUNDS
}

fn round(mut state: [Fr; 3], r: usize) -> [Fr; 3] {
    for (i, element) in state.iter_mut().enumerate() {
        *element += ROUND_CONSTANTS[r][i];
        if i == 0 || is_full_round(r) {
            *element *= element.square().square();
        }
    }
    MDS.map(|row| row[0] * state[0] + row[1] * state[1] + row[2] * state[2])
}

/// S-boxes, `matrix`, `after`: 3 (below 2 p) to 3 (below 2 p).
#[inline(always)]
fn full_round(state: [Lazy; 3], matrix: &[[Lazy; 3]; 3], after: &[Lazy; 3]) -> [Lazy; 3] {
    let [a, b, c] = state;
    let x = [lazy::fifth_power(a), lazy::fifth_power(b), lazy::fifth_power(c)];
    let [row0, row1, row2] = matrix;
    [mix(x, row0, after[0]), mix(x, row1, after[1]), mix(x, row2, after[2])]
}

/// row . x + after, below 2 p.
#[inline(always)]
fn mix(x: [Lazy; 3], row: &[Lazy; 3], after: Lazy) -> Lazy {
    lazy::below_2p(lazy::add(lazy::sum_of_products(x, row), after))
}

/// From (y, z, z before), as `ENTER` leaves them, to the state of the next full round.
#[inline(always)]
fn partial_rounds([mut y, mut z, mut z_before]: [Lazy; 3]) -> [Lazy; 3] {
    let mut x_before = [0; 4];
    z = lazy::below_p(z);
    z_before = lazy::below_p(z_before);
    for shift in &fast::SHIFTS {
        // y < 2 p, so x < 2.2 p; z < p, so y' < 3.2 p; the next z < (0.1891 * 6.4 + 2) p.
        let x = lazy::twice_fifth_power(y);
        y = lazy::below_2p(lazy::add(x, z));
        let next = lazy::sum_of_products([x, x_before, z, z_before], &fast::RECURRENCE);
        (z, z_before) = (lazy::below_p(lazy::below_2p(lazy::add(next, *shift))), z);
        x_before = x;
    }
    let history = [x_before, z, z_before];
    let [row1, row2] = &fast::LEAVE;
    let [after1, after2] = fast::LEAVE_SHIFT;
    [lazy::multiply(y, fast::LEAVE_FIRST), mix(history, row1, after1), mix(history, row2, after2)]
}

/// Constants of the partial rounds as [`permute`] runs them, for arithmetic on other devices.
pub mod recurrence {
    use super::constants;
    use ark_bn254::Fr;

    /// Mixing of the last full round before the partial ones, into (y, z, z before).
    pub const ENTER: [[Fr; 3]; 3] = constants::ENTER;
    /// Added after [`ENTER`].
    pub const ENTER_SHIFT: [Fr; 3] = constants::ENTER_SHIFT;
    /// Factors of (x, x before, z, z before) in the next z.
    pub const FACTORS: [Fr; 4] = constants::RECURRENCE;
    /// Added to the next z, a partial round each.
    pub const SHIFTS: [Fr; super::PARTIAL_ROUNDS] = constants::SHIFTS;
    /// Factor from the last y to the first state element.
    pub const LEAVE_FIRST: Fr = constants::LEAVE_FIRST;
    /// Factors of the last (x, z, z before) in the other two state elements.
    pub const LEAVE: [[Fr; 3]; 2] = constants::LEAVE;
    /// Added after [`LEAVE`].
    pub const LEAVE_SHIFT: [Fr; 2] = constants::LEAVE_SHIFT;
}

/// The constants as words.
mod fast {
    use super::constants;
    use super::lazy::{Lazy, from_field};
    use ark_bn254::Fr;

    pub(super) static ROUND_CONSTANTS: [[Lazy; 3]; 65] = matrix(&constants::ROUND_CONSTANTS);
    pub(super) static MDS: [[Lazy; 3]; 3] = matrix(&constants::MDS);
    pub(super) static ENTER: [[Lazy; 3]; 3] = matrix(&constants::ENTER);
    pub(super) static ENTER_SHIFT: [Lazy; 3] = row(&constants::ENTER_SHIFT);
    pub(super) static RECURRENCE: [Lazy; 4] = row(&constants::RECURRENCE);
    pub(super) static SHIFTS: [Lazy; 57] = row(&constants::SHIFTS);
    pub(super) const LEAVE_FIRST: Lazy = from_field(constants::LEAVE_FIRST);
    pub(super) static LEAVE: [[Lazy; 3]; 2] = matrix(&constants::LEAVE);
    pub(super) static LEAVE_SHIFT: [Lazy; 2] = row(&constants::LEAVE_SHIFT);

    const fn row<const N: usize>(elements: &[Fr; N]) -> [Lazy; N] {
        let mut words = [[0; 4]; N];
        let mut i = 0;
        while i < N {
            words[i] = from_field(elements[i]);
            i += 1;
        }
        words
    }

    const fn matrix<const N: usize, const M: usize>(elements: &[[Fr; N]; M]) -> [[Lazy; N]; M] {
        let mut words = [[[0; 4]; N]; M];
        let mut i = 0;
        while i < M {
            words[i] = row(&elements[i]);
            i += 1;
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::{BigInt, PrimeField};
    use light_poseidon::{Poseidon, PoseidonHasher};
    use proptest::prelude::*;

    /// Any residue, and often the largest and smallest, where a missed reduction would show.
    fn element() -> impl Strategy<Value = Fr> {
        prop_oneof![
            3 => any::<[u8; 32]>().prop_map(|bytes| Fr::from_be_bytes_mod_order(&bytes)),
            1 => (0u64..4).prop_map(|small| -Fr::from(small)),
            1 => (0u64..4).prop_map(Fr::from),
            1 => (0u64..4).prop_map(|small| Fr::new_unchecked((-Fr::from(small)).into_bigint())),
        ]
    }

    #[test]
    fn one_and_two_hash_to_circomlibs_value() {
        let expected = BigInt([0x9e19607a4417189a, 0x2a3617f274324551, 0x3df64c6b9662e9cf, 0x115cc0f5e7d69041]);
        assert_eq!(hash(Fr::ZERO, Fr::ONE, Fr::from(2u64)).into_bigint(), expected);
    }

    #[test]
    fn empty_message_is_the_tag() {
        assert_eq!(sponge(Fr::from(7u64), &[]), Fr::from(7u64));
    }

    #[test]
    fn sponge_of_two_elements_is_one_permutation() {
        let [tag, a, b] = [5u64, 6, 7].map(Fr::from);
        assert_eq!(sponge(tag, &[a, b]), hash(tag, a, b));
        assert_eq!(sponge(tag, &[a]), hash(tag, a, Fr::ZERO));
    }

    proptest! {
        #[test]
        fn permutation_is_its_definition(a in element(), b in element(), c in element()) {
            let mut state = [a, b, c];
            permute(&mut state);
            prop_assert_eq!(state, rounds([a, b, c])[ROUNDS]);
        }

        #[test]
        fn untagged_hash_is_light_poseidons(a in element(), b in element()) {
            let light = Poseidon::<Fr>::new_circom(2).unwrap().hash(&[a, b]).unwrap();
            prop_assert_eq!(hash(Fr::ZERO, a, b), light);
        }
    }
}
