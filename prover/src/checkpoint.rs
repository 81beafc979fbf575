//! Checkpoints, update logs, 4-bit models and what workers exchange: the state, the codes, the model
//! and the gradients of a round as bytes.
//!
//! Codes are two to a byte, low nibble first, `code + 7`; the log of updates is the 4-bit diff of
//! every step.

use pogo_protocol::codec::{CodecError, Reader, Writer};
use pogo_protocol::fixed::{BLOCK, BLOCK_SCALE_MAX, BYTE_MAX, CODE_MAX};
use pogo_protocol::model::{Exponents, Quantized, Spec, State};
use pogo_protocol::step::Gradients;
use pogo_protocol::stream::keccak;

/// First bytes of a state.
pub const MAGIC: &[u8; 8] = b"pogo/sta";
/// First bytes of a 4-bit model.
pub const MODEL_MAGIC: &[u8; 8] = b"pogo/mod";
const GRADIENTS_MAGIC: &[u8; 8] = b"pogo/gra";
/// Bytes of the keccak256 that ends a checkpoint.
const SEAL: usize = 32;
/// Largest exponent of a 4-bit tensor.
const MODEL_EXPONENT_MAX: u32 = 24;

/// Canonical bytes of a state.
pub fn encode_state(state: &State) -> Vec<u8> {
    let writer = Writer::new(MAGIC).exponents(state.exponents.as_ref());
    let tensors = state.weights.iter().zip(&state.momenta).zip(&state.scales);
    tensors.fold(writer, |writer, ((w, m), v)| writer.integers(w).integers(m).integers(v)).finish()
}

/// Reads a state of this spec.
///
/// # Errors
/// [`CodecError`] naming the field, also for a state of another shape.
pub fn decode_state(spec: &Spec, bytes: &[u8]) -> Result<State, CodecError> {
    let mut reader = Reader::new(bytes, MAGIC, "checkpoint")?;
    let exponents = read_exponents(&mut reader, spec)?;
    let mut state = State::from_weights(spec, Vec::new());
    state.exponents = exponents;
    for (l, tensor) in spec.tensors().iter().enumerate() {
        let mut part = |field, length: usize| {
            let values = reader.integers(field)?;
            if values.len() == length { Ok(values) } else { Err(CodecError::Value { field }) }
        };
        state.weights.push(part("weights", tensor.padded_len())?);
        state.momenta[l] = part("momenta", tensor.padded_len())?;
        state.scales[l] = part("scales", tensor.leaves())?;
    }
    reader.finish()?;
    Ok(state)
}

/// A state as a checkpoint file: its canonical bytes and their keccak256.
pub fn seal(state: &State) -> Vec<u8> {
    let mut bytes = encode_state(state);
    bytes.extend(keccak(&[&bytes]));
    bytes
}

/// The canonical bytes of the state in a checkpoint file; none when its checksum does not match.
pub fn unseal(file: &[u8]) -> Option<&[u8]> {
    let (body, seal) = file.split_at(file.len().saturating_sub(SEAL));
    (keccak(&[body]) == seal).then_some(body)
}

/// Reads a checkpoint file of this spec.
///
/// # Errors
/// What is wrong with it.
pub fn decode_checkpoint(spec: &Spec, file: &[u8]) -> Result<State, String> {
    let body = unseal(file).ok_or("checksum does not match")?;
    decode_state(spec, body).map_err(|error| error.to_string())
}

/// Canonical bytes of a 4-bit model: for each tensor exponent u32, codes, scales.
pub fn encode_model(model: &Quantized) -> Vec<u8> {
    let tensors = model.exponents.iter().zip(&model.codes).zip(&model.scales);
    let tensor = |writer: Writer, ((&exponent, codes), scales): ((&u32, &Vec<i8>), &Vec<u8>)| {
        writer.u32(exponent).blob(&encode_codes(std::slice::from_ref(codes))).blob(scales)
    };
    tensors.fold(Writer::new(MODEL_MAGIC), tensor).finish()
}

/// Reads a 4-bit model of this spec.
///
/// # Errors
/// [`CodecError`] naming the field, also for a model of another shape.
pub fn decode_model(spec: &Spec, bytes: &[u8]) -> Result<Quantized, CodecError> {
    let mut reader = Reader::new(bytes, MODEL_MAGIC, "4-bit model")?;
    let legal = |holds: bool, field| if holds { Ok(()) } else { Err(CodecError::Value { field }) };
    let mut model = Quantized { exponents: Vec::new(), codes: Vec::new(), scales: Vec::new() };
    for tensor in spec.tensors() {
        let exponent = reader.u32("exponent")?;
        legal((1..=MODEL_EXPONENT_MAX).contains(&exponent), "exponent")?;
        let codes: Vec<i8> = reader.blob("codes")?.iter().flat_map(|&byte| code_pair(byte)).collect();
        let coded = codes.iter().all(|&code| i32::from(code) <= CODE_MAX);
        legal(codes.len() == tensor.padded_len() && coded, "codes")?;
        let scales = reader.blob("scales")?.to_vec();
        let scaled = scales.iter().all(|&scale| (1..=BLOCK_SCALE_MAX).contains(&scale.into()));
        legal(scales.len() * BLOCK == tensor.padded_len() && scaled, "scales")?;
        model.exponents.push(exponent);
        model.codes.push(codes);
        model.scales.push(scales);
    }
    reader.finish()?;
    Ok(model)
}

fn read_exponents(reader: &mut Reader<'_>, spec: &Spec) -> Result<Option<Exponents>, CodecError> {
    let exponents = reader.exponents("exponents")?;
    let fits = exponents.as_ref().is_none_or(|exponents| exponents.weights.len() == spec.tensors().len());
    if fits { Ok(exponents) } else { Err(CodecError::Value { field: "exponents" }) }
}

/// Codes of a step as nibbles.
pub fn encode_codes(codes: &[Vec<i8>]) -> Vec<u8> {
    let nibble = |code: i8| (i32::from(code) + CODE_MAX) as u8;
    codes.iter().flatten().copied().collect::<Vec<_>>().chunks(2).map(|c| nibble(c[0]) | nibble(c[1]) << 4).collect()
}

/// Codes of a step from their nibbles; a nibble of 15 becomes the illegal code 8, which no leaf
/// accepts.
///
/// # Errors
/// [`CodecError::Value`] when the length is not that of the model.
pub fn decode_codes(spec: &Spec, bytes: &[u8]) -> Result<Vec<Vec<i8>>, CodecError> {
    let lengths: Vec<usize> = spec.tensors().iter().map(|tensor| tensor.padded_len()).collect();
    if bytes.len() * 2 != lengths.iter().sum::<usize>() {
        return Err(CodecError::Value { field: "codes" });
    }
    let mut codes = bytes.iter().flat_map(|&byte| code_pair(byte));
    Ok(lengths.iter().map(|&length| codes.by_ref().take(length).collect()).collect())
}

/// The codes in a byte, low nibble first.
fn code_pair(byte: u8) -> [i8; 2] {
    [byte & 15, byte >> 4].map(|nibble| nibble as i8 - CODE_MAX as i8)
}

/// Canonical bytes of gradients.
pub fn encode_gradients(gradients: &Gradients) -> Vec<u8> {
    let writer = Writer::new(GRADIENTS_MAGIC).u64(gradients.loss);
    let writer = writer.exponents(Some(&gradients.exponents_used));
    let writer = writer.exponents(Some(&gradients.exponents_next));
    gradients.values.iter().fold(writer, |writer, values| writer.integers(values)).finish()
}

/// Reads gradients of `rows` rows of this spec, so bounded that those of a batch add up without a
/// wrap: `|values| <= rows * 127^2` and `loss < rows * 2^32`.
///
/// # Errors
/// [`CodecError`] naming the field, also for gradients of another shape.
pub fn decode_gradients(spec: &Spec, rows: usize, bytes: &[u8]) -> Result<Gradients, CodecError> {
    let mut reader = Reader::new(bytes, GRADIENTS_MAGIC, "part of a step")?;
    let legal = |holds: bool, field| if holds { Ok(()) } else { Err(CodecError::Value { field }) };
    let loss = reader.u64("loss")?;
    legal(loss <= rows as u64 * u64::from(u32::MAX), "loss")?;
    let mut exponents = || {
        let exponents = read_exponents(&mut reader, spec)?;
        exponents.ok_or(CodecError::Value { field: "exponents" })
    };
    let (exponents_used, exponents_next) = (exponents()?, exponents()?);
    let most = rows as u64 * (BYTE_MAX * BYTE_MAX) as u64;
    let mut values = Vec::new();
    for tensor in spec.tensors() {
        let part = reader.integers("gradient")?;
        let bounded = part.iter().all(|value| u64::from(value.unsigned_abs()) <= most);
        legal(part.len() == tensor.rows * tensor.cols && bounded, "gradient")?;
        values.push(part);
    }
    reader.finish()?;
    Ok(Gradients { loss, exponents_used, exponents_next, values })
}

#[cfg(test)]
mod tests {
    use pogo_protocol::model::{Schedule, TraceMode};

    use super::*;

    fn spec() -> Spec {
        Spec {
            name: "test".into(),
            layers: vec![70, 5, 3],
            batch: 4,
            steps: 2,
            checkpoint_every: 1,
            learning_rate: 4096,
            schedule: Schedule::Constant,
            warmup: 0,
            seed: 1,
            trace: TraceMode::None,
            data_root: [0; 32],
        }
    }

    #[test]
    fn a_state_reads_back_and_nothing_else_does() {
        let spec = spec();
        let mut state = State::initial(&spec);
        assert_eq!(decode_state(&spec, &encode_state(&state)), Ok(state.clone()));
        let exponents = Exponents { weights: vec![1, 2], activations: vec![-3], errors: vec![4, -5] };
        state.exponents = Some(exponents);
        let bytes = encode_state(&state);
        assert_eq!(decode_state(&spec, &bytes), Ok(state));
        assert!(decode_state(&spec, &bytes[..bytes.len() - 1]).is_err());
        assert!(decode_state(&spec, &[&bytes[..], &[0]].concat()).is_err());
        let other = Spec { layers: vec![70, 6, 3], ..spec };
        assert!(decode_state(&other, &bytes).is_err());
    }

    #[test]
    fn gradients_read_back_and_nothing_else_does() {
        let spec = spec();
        let exponents = Exponents { weights: vec![1, 2], activations: vec![-3], errors: vec![4, -5] };
        let gradients = Gradients {
            loss: 3 << 31,
            exponents_used: exponents.clone(),
            exponents_next: exponents,
            values: vec![vec![2 * 127 * 127; 350], vec![-2 * 127 * 127; 15]],
        };
        let bytes = encode_gradients(&gradients);
        assert_eq!(decode_gradients(&spec, 2, &bytes), Ok(gradients.clone()));
        assert!(decode_gradients(&spec, 2, &bytes[..bytes.len() - 1]).is_err());
        assert!(decode_gradients(&spec, 2, &[&bytes[..], &[0]].concat()).is_err());
        assert_eq!(decode_gradients(&spec, 1, &bytes), Err(CodecError::Value { field: "loss" }));
        let small = encode_gradients(&Gradients { loss: 0, ..gradients.clone() });
        assert_eq!(decode_gradients(&spec, 1, &small), Err(CodecError::Value { field: "gradient" }));
        let other = Spec { layers: vec![70, 6, 3], ..spec.clone() };
        assert_eq!(decode_gradients(&other, 2, &bytes), Err(CodecError::Value { field: "gradient" }));
        let none = Exponents { weights: vec![], activations: vec![], errors: vec![] };
        let none = encode_gradients(&Gradients { exponents_used: none, ..gradients });
        assert_eq!(decode_gradients(&spec, 2, &none), Err(CodecError::Value { field: "exponents" }));
    }

    #[test]
    fn a_4_bit_model_reads_back_and_nothing_else_does() {
        let spec = spec();
        let model = State::initial(&spec).quantize();
        let bytes = encode_model(&model);
        assert_eq!(decode_model(&spec, &bytes), Ok(model));
        assert!(decode_model(&spec, &bytes[..bytes.len() - 1]).is_err());
        assert!(decode_model(&spec, &[&bytes[..], &[0]].concat()).is_err());
        let with = |at: usize, value: u8| {
            let mut changed = bytes.clone();
            changed[at] = value;
            decode_model(&spec, &changed)
        };
        // Magic 8, version 2, exponent 4, count 4, then the codes.
        assert_eq!(with(13, 25), Err(CodecError::Value { field: "exponent" }));
        assert_eq!(with(18, 0xf0), Err(CodecError::Value { field: "codes" }));
        assert_eq!(with(bytes.len() - 1, 19), Err(CodecError::Value { field: "scales" }));
        let other = Spec { layers: vec![70, 6, 3], ..spec };
        assert!(decode_model(&other, &bytes).is_err());
    }

    #[test]
    fn a_damaged_checkpoint_is_refused() {
        let spec = spec();
        let state = State::initial(&spec);
        let file = seal(&state);
        assert_eq!(decode_checkpoint(&spec, &file), Ok(state));
        let damaged: Vec<u8> = file.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 100)).collect();
        assert_eq!(decode_checkpoint(&spec, &damaged), Err("checksum does not match".to_owned()));
        assert!(decode_checkpoint(&spec, &[]).is_err());
    }

    #[test]
    fn codes_read_back() {
        let spec = spec();
        let mut codes: Vec<Vec<i8>> = spec.tensors().iter().map(|t| vec![0; t.padded_len()]).collect();
        codes[0][..15].copy_from_slice(&[-7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(decode_codes(&spec, &encode_codes(&codes)), Ok(codes));
    }
}
