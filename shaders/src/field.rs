//! The scalar field of BN254 as buffers and shaders hold it.
//!
//! In a buffer an element is eight 32-bit words, canonical, low first. A shader computes with 20
//! limbs of 13 bits, low first, and Montgomery products `<a, b> = a b / R` with `R = 2^260`.

use std::fmt::Write;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, BigInt, Field, PrimeField};
use pogo_protocol::leaf::{CODE_BASE, tag};
use pogo_protocol::poseidon::{HALF_FULL_ROUNDS, MDS, PARTIAL_ROUNDS, ROUND_CONSTANTS, recurrence};

/// Words of an element in a buffer.
pub const WORDS: usize = 8;
/// Limbs of an element in a shader.
pub const LIMBS: usize = 20;
/// Bits of a limb.
pub const LIMB_BITS: usize = 13;

/// Layers of the permutation: S-boxes (of the middle layer: the partial rounds), then an affine map.
const LAYERS: usize = 2 * HALF_FULL_ROUNDS + 1;
/// Words of a row of [`poseidon`]: four elements, limb by limb.
const ROW: usize = 4 * LIMBS;
/// First word of the maps of the layers, three rows each: three factors and a shift.
const MAPS: usize = 3 * LIMBS;
/// First word of the row of factors of the recurrence.
const FACTORS: usize = MAPS + 3 * LAYERS * ROW;
/// First word of the shifts of the recurrence.
const SHIFTS: usize = FACTORS + ROW;

/// An element as a buffer holds it.
pub fn to_words(element: Fr) -> [u32; WORDS] {
    let words = element.into_bigint().0;
    std::array::from_fn(|i| (words[i / 2] >> (32 * (i % 2))) as u32)
}

/// The element of eight words, if they are below the modulus.
pub fn from_words(words: &[u32; WORDS]) -> Option<Fr> {
    let pair = |i: usize| u64::from(words[2 * i]) | u64::from(words[2 * i + 1]) << 32;
    Fr::from_bigint(BigInt(std::array::from_fn(pair)))
}

/// Limbs of an element as it is.
fn limbs(element: Fr) -> [u32; LIMBS] {
    limbs_of(element.into_bigint())
}

fn limbs_of(number: BigInt<4>) -> [u32; LIMBS] {
    std::array::from_fn(|i| {
        let (word, bit) = (i * LIMB_BITS / 64, i * LIMB_BITS % 64);
        let above = number.0.get(word + 1).copied().unwrap_or(0);
        let pair = u128::from(number.0[word]) | u128::from(above) << 64;
        (pair >> bit) as u32 & ((1 << LIMB_BITS) - 1)
    })
}

/// Constants of the permutation as the uniform buffer of `poseidon.wgsl`: what is added at the start,
/// the maps of the layers, and the recurrence.
///
/// Values between layers carry a factor R, those that go in and come out do not: the fifth power of
/// a plain s is `s^5 / R^4`, so the first map has a factor R^6, and the last has none.
pub fn poseidon() -> Vec<u32> {
    let r = radix();
    let mut words: Vec<u32> = ROUND_CONSTANTS[0].into_iter().flat_map(limbs).collect();
    for layer in 0..LAYERS {
        let factor = match layer {
            0 => r.pow([6]),
            _ if layer == LAYERS - 1 => Fr::ONE,
            _ => r,
        };
        let (map, shift) = layer_map(layer);
        for ([a, b, c], shift) in map.into_iter().zip(shift) {
            words.extend(row([a * factor, b * factor, c * factor, shift * r]));
        }
    }
    words.extend(row(recurrence::FACTORS.map(|element| element * r)));
    words.extend(recurrence::SHIFTS.into_iter().flat_map(|element| limbs(element * r)));
    words
}

/// Four elements, limb by limb.
fn row(elements: [Fr; 4]) -> impl Iterator<Item = u32> {
    let elements = elements.map(limbs);
    (0..LIMBS).flat_map(move |i| elements.map(|limbs| limbs[i]))
}

/// Matrix of a layer, and what is added after it: the constants of the next round.
fn layer_map(layer: usize) -> ([[Fr; 3]; 3], [Fr; 3]) {
    const ENTER: usize = HALF_FULL_ROUNDS - 1;
    match layer {
        ..ENTER => (MDS, ROUND_CONSTANTS[layer + 1]),
        ENTER => (recurrence::ENTER, recurrence::ENTER_SHIFT),
        // The last y is x + z before.
        HALF_FULL_ROUNDS => {
            let (first, [row1, row2], [after1, after2]) =
                (recurrence::LEAVE_FIRST, recurrence::LEAVE, recurrence::LEAVE_SHIFT);
            ([[first, Fr::ZERO, first], row1, row2], [Fr::ZERO, after1, after2])
        }
        _ => (MDS, ROUND_CONSTANTS.get(layer + PARTIAL_ROUNDS).copied().unwrap_or_default()),
    }
}

/// R.
fn radix() -> Fr {
    Fr::from(2u64).pow([(LIMBS * LIMB_BITS) as u64])
}

/// Constants of the shaders that compute in the field.
pub fn wgsl() -> String {
    let modulus: Vec<String> =
        limbs_of(Fr::MODULUS).chunks(4).map(|l| format!("vec4({}u, {}u, {}u, {}u)", l[0], l[1], l[2], l[3])).collect();
    let mut text = format!("const MODULUS = array<vec4<u32>, {}>({});\n", modulus.len(), modulus.join(", "));
    let unsigned = [
        ("LIMB_BITS", LIMB_BITS),
        ("POSEIDON_VECTORS", (SHIFTS + PARTIAL_ROUNDS * LIMBS) / 4),
        ("LAYERS", LAYERS),
        ("PARTIAL_LAYER", HALF_FULL_ROUNDS),
        ("PARTIAL_ROUNDS", PARTIAL_ROUNDS),
        ("ROW", ROW / 4),
        ("MAPS", MAPS / 4),
        ("FACTORS", FACTORS / 4),
        ("SHIFTS", SHIFTS / 4),
    ];
    let tags = [
        ("CODE_BASE", CODE_BASE),
        ("TAG_NODE", tag::NODE),
        ("TAG_WEIGHTS", tag::WEIGHTS),
        ("TAG_MOMENTA", tag::MOMENTA),
        ("TAG_STATE", tag::STATE),
        ("TAG_UPDATE", tag::UPDATE),
        ("TAG_QUANTIZED", tag::QUANTIZED),
    ];
    for (name, value) in unsigned.map(|(name, value)| (name, value as u64)).into_iter().chain(tags) {
        writeln!(text, "const {name}: u32 = {value}u;").expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use pogo_protocol::poseidon::permute;
    use proptest::prelude::*;

    /// `<a, b>`.
    fn product(a: Fr, b: Fr) -> Fr {
        a * b / radix()
    }

    fn fifth_power(a: Fr) -> Fr {
        let square = product(a, a);
        product(product(square, square), a)
    }

    fn sum_of_products(values: &[Fr], factors: &[Fr]) -> Fr {
        values.iter().zip(factors).map(|(&value, &factor)| product(value, factor)).sum()
    }

    /// Elements whose limbs are `stride` words apart.
    fn elements(words: &[u32], stride: usize) -> Vec<Fr> {
        let base = Fr::from(1u64 << LIMB_BITS);
        let limbs = |first| words[first..].iter().step_by(stride).take(LIMBS).rev();
        let first_words = (0..words.len()).filter(|at| at % (stride * LIMBS) < stride);
        first_words.map(|at| limbs(at).fold(Fr::ZERO, |sum, &limb| sum * base + Fr::from(limb))).collect()
    }

    /// The permutation as `poseidon.wgsl` computes it, its limbs taken as elements.
    fn from_table(state: [Fr; 3]) -> [Fr; 3] {
        let table = poseidon();
        let (start, rows) = (elements(&table[..MAPS], 1), elements(&table[MAPS..SHIFTS], 4));
        let mut s: [Fr; 3] = std::array::from_fn(|i| state[i] + start[i]);
        for layer in 0..LAYERS {
            s = if layer == HALF_FULL_ROUNDS {
                partial_rounds(s, &rows[rows.len() - 4..], &elements(&table[SHIFTS..], 1))
            } else {
                s.map(fifth_power)
            };
            let row = |i: usize| &rows[12 * layer + 4 * i..];
            s = std::array::from_fn(|i| sum_of_products(&s, row(i)) + row(i)[3]);
        }
        s
    }

    fn partial_rounds([mut y, mut z, mut z_before]: [Fr; 3], factors: &[Fr], shifts: &[Fr]) -> [Fr; 3] {
        let mut x_before = Fr::ZERO;
        for shift in shifts {
            let x = fifth_power(y).double();
            y = x + z;
            (z, z_before) = (sum_of_products(&[x, x_before, z, z_before], factors) + shift, z);
            x_before = x;
        }
        [x_before, z, z_before]
    }

    fn element() -> impl Strategy<Value = Fr> {
        prop_oneof![
            any::<[u8; 32]>().prop_map(|bytes| Fr::from_be_bytes_mod_order(&bytes)),
            (0u64..3).prop_map(Fr::from),
            (1u64..3).prop_map(|small| -Fr::from(small)),
        ]
    }

    /// What `reduce` of `field.wgsl` rests on.
    #[test]
    fn modulus_is_one_in_its_two_lowest_limbs() {
        assert_eq!(limbs_of(Fr::MODULUS)[..2], [1, 0]);
    }

    #[test]
    fn words_that_are_not_canonical_are_no_element() {
        let mut words = to_words(-Fr::ONE);
        words[0] += 1;
        assert_eq!(from_words(&words), None);
        assert_eq!(from_words(&[u32::MAX; WORDS]), None);
    }

    proptest! {
        #[test]
        fn table_gives_the_permutation(a in element(), b in element(), c in element()) {
            let mut state = [a, b, c];
            permute(&mut state);
            prop_assert_eq!(from_table([a, b, c]), state);
        }

        #[test]
        fn words_give_the_element_back(a in element()) {
            prop_assert_eq!(from_words(&to_words(a)), Some(a));
        }
    }
}
