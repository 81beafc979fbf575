//! Attestations: what an attester measured, signed so that it cannot be copied or moved.
//!
//! Every attester evaluates both 4-bit models, the parent's and the candidate's, on records of its
//! own: `evaluation_indices(beacon, attester, ..)`. It signs the two integer losses together with
//! its opinion. The digest is EIP-712, so a wallet shows it and a contract computes the same:
//!
//! ```text
//! digest = keccak(0x19 0x01 || domain separator(chain id, contract) || keccak(type hash || words))
//! words  = task, round, miner, candidate, beacon, attester, cell, step, leaf, evaluated,
//!          lossBefore, lossAfter, dataRoot, traceRoot     cell = 0 positive, else the number of its kind
//! signature = r (32) || s (32) || v (1), s in the lower half, v 27 or 28
//! ```
//!
//! The last two words make the candidate's loss provable: they commit to the records and to every number
//! of the forward pass, see [`crate::evaluation`].

use alloc::vec::Vec;
use core::fmt;

use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};

use crate::cell::Cell;
use crate::challenge::draw_distinct;
use crate::codec::{CodecError, Reader, Writer, scalar_bytes};
use crate::evaluation::EvaluationRoots;
use crate::statement::{Context, word};
use crate::stream::keccak;

/// Domain of the draw of evaluation records.
pub const EVALUATION_DOMAIN: &[u8] = b"pogo/evaluation/v1";
/// EIP-712 type of the domain.
pub const DOMAIN_TYPE: &[u8] = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
/// EIP-712 type of an attestation.
pub const ATTESTATION_TYPE: &[u8] = b"Attestation(bytes32 task,uint64 round,address miner,bytes32 candidate,\
bytes32 beacon,address attester,uint8 cell,uint32 step,uint32 leaf,uint32 evaluated,uint64 lossBefore,\
uint64 lossAfter,bytes32 dataRoot,bytes32 traceRoot)";
/// Bytes of a signature: r, s, v.
pub const SIGNATURE_BYTES: usize = 65;

/// An EVM address.
pub type Address = [u8; 20];

/// An attester's opinion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Everything that was checked holds.
    Positive,
    /// This cell does not hold, or its data is not available.
    Negative(Cell),
}

/// What an attester says about a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// Hash of the candidate's commitment.
    pub candidate: [u8; 32],
    /// The beacon from which the records were drawn.
    pub beacon: [u8; 32],
    /// Who says it.
    pub attester: Address,
    /// The opinion.
    pub sign: Sign,
    /// Records that both models were evaluated on.
    pub evaluated: u32,
    /// Loss of the parent's 4-bit model: sum over the records, Q16 nats.
    pub loss_before: u64,
    /// Loss of the candidate's 4-bit model: sum over the same records, Q16 nats.
    pub loss_after: u64,
    /// What the evaluation of the candidate's model is proven under.
    pub evaluation: EvaluationRoots,
}

/// An attestation and its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedAttestation {
    /// What is said.
    pub attestation: Attestation,
    /// `r || s || v`.
    pub signature: [u8; SIGNATURE_BYTES],
}

/// An attester's secret key.
#[derive(Clone, Debug)]
pub struct AttesterKey(SigningKey);

/// Why a key or a signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestError {
    /// A secret that is zero or not below the order of the curve.
    #[error("secret key: expected a number from 1 to the order of secp256k1 less 1")]
    Secret,
    /// The one hash in 2^128 that has no Ethereum signature.
    #[error("the digest cannot be signed with this key")]
    Unsignable,
    /// r or s is zero or not below the order of the curve.
    #[error("signature: r and s must be from 1 to the order of secp256k1 less 1")]
    Scalar,
    /// The other of the two signatures that a plain verifier would accept.
    #[error("signature: s is in the upper half")]
    HighS,
    /// The recovery byte.
    #[error("signature: v is {got}, expected 27 or 28")]
    RecoveryByte {
        /// The byte found.
        got: u8,
    },
    /// No public key signs this digest so.
    #[error("signature: recovers to no public key")]
    Unrecoverable,
    /// Somebody else's signature, or a signature of something else.
    #[error("signed by {}, expected the attester {}", Hex(got), Hex(expected))]
    Signer {
        /// The attester that the attestation names.
        expected: Address,
        /// Whose signature it is.
        got: Address,
    },
}

/// The `count` records of `0..records` that this attester evaluates, in the order drawn; all of
/// them where there are no more.
///
/// Distinct draws from the stream `pogo/evaluation/v1` with key `keccak(beacon || attester)`.
pub fn evaluation_indices(beacon: [u8; 32], attester: Address, records: u32, count: u32) -> Vec<u32> {
    let key = keccak(&[&beacon, &attester]);
    let drawn = draw_distinct(EVALUATION_DOMAIN, key, u64::from(records), count as usize);
    drawn.into_iter().map(|index| index as u32).collect()
}

impl AttesterKey {
    /// The key of a 32-byte big-endian secret.
    ///
    /// # Errors
    /// [`AttestError::Secret`].
    pub fn from_secret(secret: &[u8; 32]) -> Result<Self, AttestError> {
        SigningKey::from_slice(secret).map(Self).map_err(|_| AttestError::Secret)
    }

    /// The last 20 bytes of the keccak of the public point.
    pub fn address(&self) -> Address {
        address(self.0.verifying_key())
    }

    /// Signs, with the deterministic nonce of RFC 6979: equal inputs give equal bytes.
    ///
    /// # Errors
    /// [`AttestError::Signer`] when the attestation names another attester;
    /// [`AttestError::Unsignable`].
    pub fn sign(&self, context: &Context, attestation: Attestation) -> Result<SignedAttestation, AttestError> {
        expect_signer(attestation.attester, self.address())?;
        let signed = self.0.sign_prehash_recoverable(&attestation.digest(context));
        let (scalars, recovery) = signed.map_err(|_| AttestError::Unsignable)?;
        if recovery.is_x_reduced() {
            return Err(AttestError::Unsignable);
        }
        let mut signature = [27 + u8::from(recovery.is_y_odd()); SIGNATURE_BYTES];
        signature[..64].copy_from_slice(&scalars.to_bytes());
        Ok(SignedAttestation { attestation, signature })
    }
}

impl Sign {
    fn fields(self) -> (u8, u32, u32) {
        match self {
            Self::Positive => (0, 0, 0),
            Self::Negative(cell) => cell.fields(),
        }
    }

    fn from_fields(fields: (u8, u32, u32)) -> Result<Self, CodecError> {
        match fields {
            (0, 0, 0) => Ok(Self::Positive),
            cell => Cell::from_fields(cell).map(Self::Negative).ok_or(CodecError::Value { field: "sign" }),
        }
    }
}

impl Attestation {
    /// The EIP-712 digest in this context; see the head of the module.
    pub fn digest(&self, context: &Context) -> [u8; 32] {
        let (cell, step, leaf) = self.sign.fields();
        let fields = keccak(&[
            &keccak(&[ATTESTATION_TYPE]),
            &context.task,
            &word(&context.round.to_be_bytes()),
            &word(&context.miner),
            &self.candidate,
            &self.beacon,
            &word(&self.attester),
            &word(&[cell]),
            &word(&step.to_be_bytes()),
            &word(&leaf.to_be_bytes()),
            &word(&self.evaluated.to_be_bytes()),
            &word(&self.loss_before.to_be_bytes()),
            &word(&self.loss_after.to_be_bytes()),
            &scalar_bytes(&self.evaluation.data),
            &scalar_bytes(&self.evaluation.trace),
        ]);
        keccak(&[&[0x19, 0x01], &domain_separator(context), &fields])
    }

    /// Whether the candidate's loss is below the parent's.
    pub fn improves(&self) -> bool {
        self.loss_after < self.loss_before
    }
}

impl SignedAttestation {
    const MAGIC: &'static [u8; 8] = b"pogo/att";

    /// Checks that the attester signed this in this context, canonically.
    ///
    /// # Errors
    /// [`AttestError`], one variant a cause.
    pub fn verify(&self, context: &Context) -> Result<(), AttestError> {
        expect_signer(self.attestation.attester, self.recover(context)?)
    }

    /// The address whose signature this is.
    ///
    /// # Errors
    /// [`AttestError`] when it is no canonical signature.
    pub fn recover(&self, context: &Context) -> Result<Address, AttestError> {
        let (scalars, v) = (&self.signature[..64], self.signature[64]);
        let signature = Signature::from_slice(scalars).map_err(|_| AttestError::Scalar)?;
        if signature.normalize_s().is_some() {
            return Err(AttestError::HighS);
        }
        let recovery = match v {
            27 | 28 => RecoveryId::new(v == 28, false),
            got => return Err(AttestError::RecoveryByte { got }),
        };
        let digest = self.attestation.digest(context);
        let key = VerifyingKey::recover_from_prehash(&digest, &signature, recovery);
        key.map(|key| address(&key)).map_err(|_| AttestError::Unrecoverable)
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let Attestation { candidate, beacon, attester, sign, evaluated, loss_before, loss_after, evaluation } =
            &self.attestation;
        let (cell, step, leaf) = sign.fields();
        let head = Writer::new(Self::MAGIC).bytes(candidate).bytes(beacon).bytes(attester);
        let fields = head.bytes(&[cell]).u32(step).u32(leaf).u32(*evaluated).u64(*loss_before).u64(*loss_after);
        fields.scalar(&evaluation.data).scalar(&evaluation.trace).bytes(&self.signature).finish()
    }

    /// Reads what [`SignedAttestation::encode`] wrote, and nothing else. The signature is not
    /// checked: that needs the context.
    ///
    /// # Errors
    /// [`CodecError`] naming the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, Self::MAGIC, "attestation")?;
        let attestation = Attestation {
            candidate: reader.array("candidate")?,
            beacon: reader.array("beacon")?,
            attester: reader.array("attester")?,
            sign: {
                let [cell] = reader.array("sign")?;
                Sign::from_fields((cell, reader.u32("step")?, reader.u32("leaf")?))?
            },
            evaluated: reader.u32("evaluated")?,
            loss_before: reader.u64("loss before")?,
            loss_after: reader.u64("loss after")?,
            evaluation: EvaluationRoots { data: reader.scalar("data root")?, trace: reader.scalar("trace root")? },
        };
        let signed = Self { attestation, signature: reader.array("signature")? };
        reader.finish()?;
        Ok(signed)
    }
}

fn domain_separator(context: &Context) -> [u8; 32] {
    keccak(&[
        &keccak(&[DOMAIN_TYPE]),
        &keccak(&[b"pogo"]),
        &keccak(&[b"1"]),
        &word(&context.chain_id.to_be_bytes()),
        &word(&context.contract),
    ])
}

fn address(key: &VerifyingKey) -> Address {
    let point = key.to_encoded_point(false);
    let hash = keccak(&[&point.as_bytes()[1..]]);
    core::array::from_fn(|i| hash[12 + i])
}

/// An address as Ethereum writes it, in lower case.
pub(crate) struct Hex<'a>(pub(crate) &'a Address);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

fn expect_signer(expected: Address, got: Address) -> Result<(), AttestError> {
    if expected == got { Ok(()) } else { Err(AttestError::Signer { expected, got }) }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use proptest::prelude::*;

    use super::*;

    const CONTEXT: Context =
        Context { chain_id: 31337, contract: [0x11; 20], task: [0x22; 32], round: 3, miner: [0x33; 20] };

    fn key(secret: u8) -> AttesterKey {
        AttesterKey::from_secret(&[secret; 32]).unwrap()
    }

    fn attestation(sign: Sign) -> Attestation {
        Attestation {
            candidate: [0x44; 32],
            beacon: [0x55; 32],
            attester: key(42).address(),
            sign,
            evaluated: 64,
            loss_before: 9_000_000,
            loss_after: 8_000_001,
            evaluation: EvaluationRoots { data: 6.into(), trace: 7.into() },
        }
    }

    fn signed() -> SignedAttestation {
        key(42).sign(&CONTEXT, attestation(Sign::Positive)).unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| alloc::format!("{byte:02x}")).collect()
    }

    #[test]
    fn address_is_the_one_that_ethereum_gives_the_key() {
        let mut one = [0; 32];
        one[31] = 1;
        let address = AttesterKey::from_secret(&one).unwrap().address();
        assert_eq!(hex(&address), "7e5f4552091a69125d5dfcb7b8c2659029395bdf");
        assert_eq!(hex(&key(42).address()), "b0e5863d0ddf7e105e409fee0ecc0123a362e14b");
    }

    /// Digests and signatures by eth-account 0.14.0 (`encode_typed_data`, `sign_message`).
    #[test]
    fn digests_and_signatures_equal_those_of_an_ethereum_wallet() {
        let expected = [
            (
                Sign::Positive,
                "ac86e5e5322053295397702e854f6db1f757fb0d2ca50ac755b6913b43731a18",
                "8c0a1d2d84f8116bb0353c0637148b759531aa835ab388c7022546ff2b4875ef\
                 1b5a7abbd1498bd55e41e814459d4fb8070ec65902d7900334426accf59fac321b",
            ),
            (
                Sign::Negative(Cell::update(5, 9)),
                "63fffc017aca0f466d9d80e3e15d682fd868e37b6ab5c060a0507abb3aab457d",
                "2462a7a9d8278feaaeed23d1a8a5eb65ef049b4482c447a5962abdd4f1fd0405\
                 24f94ff7d34947bc495a90b5048abbf27056971bfd0498c6c3e7350b7b1482671b",
            ),
            (
                Sign::Negative(Cell::quantize(9)),
                "10c78d3e0fb81a4f1808c2a0394389181a48361ac3b8d89e14d18f6851d15333",
                "b7547bf85dddd958aa84c60bf60b4bcfe908cc962e2a9ec2404e0feebbfefd17\
                 5080d04a11030f4b27694af964032c73f9bc28c7f81765eb9c91342bfd5374fa1c",
            ),
        ];
        for (sign, digest, signature) in expected {
            let attestation = attestation(sign);
            assert_eq!(hex(&attestation.digest(&CONTEXT)), digest);
            let signed = key(42).sign(&CONTEXT, attestation).unwrap();
            assert_eq!(hex(&signed.signature), signature);
            assert_eq!(signed.verify(&CONTEXT), Ok(()));
        }
    }

    #[test]
    fn secret_outside_the_scalar_field_is_rejected() {
        for secret in [[0; 32], [0xff; 32]] {
            assert_eq!(AttesterKey::from_secret(&secret).err(), Some(AttestError::Secret));
        }
    }

    #[test]
    fn key_signs_for_its_own_address_only() {
        let error = key(43).sign(&CONTEXT, attestation(Sign::Positive)).unwrap_err();
        assert_eq!(error, AttestError::Signer { expected: key(42).address(), got: key(43).address() });
    }

    #[test]
    fn addresses_of_an_error_are_hexadecimal() {
        let error = key(43).sign(&CONTEXT, attestation(Sign::Positive)).unwrap_err();
        let (expected, got) = (hex(&key(42).address()), hex(&key(43).address()));
        assert_eq!(alloc::format!("{error}"), alloc::format!("signed by 0x{got}, expected the attester 0x{expected}"));
    }

    #[test]
    fn signature_copied_to_another_attester_is_rejected() {
        let mut copied = signed();
        copied.attestation.attester = key(43).address();
        assert!(copied.verify(&CONTEXT).is_err());
    }

    #[test]
    fn signature_moved_to_another_context_is_rejected() {
        let contexts = [
            Context { chain_id: 1, ..CONTEXT },
            Context { contract: [0; 20], ..CONTEXT },
            Context { task: [0; 32], ..CONTEXT },
            Context { round: 4, ..CONTEXT },
            Context { miner: [0; 20], ..CONTEXT },
        ];
        contexts.iter().for_each(|context| assert!(signed().verify(context).is_err(), "{context:?}"));
    }

    #[test]
    fn upper_half_s_is_rejected() {
        let mut high = signed();
        let signature = Signature::from_slice(&high.signature[..64]).unwrap();
        let (r, s) = signature.split_scalars();
        let negated = Signature::from_scalars(r, -s).unwrap();
        high.signature[..64].copy_from_slice(&negated.to_bytes());
        high.signature[64] = 55 - high.signature[64];
        assert_eq!(high.verify(&CONTEXT), Err(AttestError::HighS));
    }

    #[test]
    fn recovery_byte_has_two_values() {
        for v in (0..=255).filter(|v| ![27, 28].contains(v)) {
            let mut other = signed();
            other.signature[64] = v;
            assert_eq!(other.verify(&CONTEXT), Err(AttestError::RecoveryByte { got: v }));
        }
    }

    #[test]
    fn zero_and_overlarge_scalars_are_rejected() {
        for (range, byte) in [(0..32, 0), (32..64, 0), (0..32, 0xff), (32..64, 0xff)] {
            let mut other = signed();
            other.signature[range].fill(byte);
            assert_eq!(other.verify(&CONTEXT), Err(AttestError::Scalar));
        }
    }

    #[test]
    fn evaluation_records_are_distinct_and_differ_by_attester_and_beacon() {
        let drawn = evaluation_indices([1; 32], [2; 20], 1000, 64);
        let mut sorted = drawn.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 64);
        assert!(sorted.iter().all(|&index| index < 1000));
        assert_eq!(drawn, evaluation_indices([1; 32], [2; 20], 1000, 64));
        assert_ne!(drawn, evaluation_indices([1; 32], [3; 20], 1000, 64));
        assert_ne!(drawn, evaluation_indices([2; 32], [2; 20], 1000, 64));
        assert_eq!(evaluation_indices([1; 32], [2; 20], 3, 64), [0, 1, 2]);
    }

    #[test]
    fn positive_sign_with_a_cell_is_no_encoding() {
        let bytes = signed().encode();
        let sign = 10 + 32 + 32 + 20;
        for (at, value) in [(sign, 200), (sign + 4, 1), (sign + 8, 1)] {
            let mut other = bytes.clone();
            other[at] = value;
            assert_eq!(SignedAttestation::decode(&other), Err(CodecError::Value { field: "sign" }));
        }
    }

    #[test]
    fn truncated_and_extended_encodings_are_rejected() {
        let bytes = signed().encode();
        (0..bytes.len()).for_each(|end| assert!(SignedAttestation::decode(&bytes[..end]).is_err()));
        let extended = [bytes.as_slice(), &[0]].concat();
        assert_eq!(SignedAttestation::decode(&extended), Err(CodecError::TooLong { left: 1 }));
    }

    fn any_sign() -> impl Strategy<Value = Sign> {
        prop_oneof![
            Just(Sign::Positive),
            any::<(u32, u32)>().prop_map(|(step, leaf)| Sign::Negative(Cell::update(step, leaf))),
            any::<u32>().prop_map(|leaf| Sign::Negative(Cell::quantize(leaf))),
        ]
    }

    proptest! {
        #[test]
        fn encoding_round_trips(sign in any_sign(), evaluated: u32, loss_before: u64, loss_after: u64, v: u8) {
            let attestation = Attestation { evaluated, loss_before, loss_after, ..attestation(sign) };
            let signed = SignedAttestation { attestation, signature: [v; SIGNATURE_BYTES] };
            prop_assert_eq!(SignedAttestation::decode(&signed.encode()), Ok(signed));
        }

        #[test]
        fn changed_bit_of_an_encoding_is_never_the_attesters(at in 0usize..2016, sign in any_sign()) {
            let bytes = key(42).sign(&CONTEXT, attestation(sign)).unwrap().encode();
            prop_assert_eq!(bytes.len() * 8, 2016);
            let mut changed = bytes;
            changed[at / 8] ^= 1 << (at % 8);
            let verdict = SignedAttestation::decode(&changed).map(|signed| signed.verify(&CONTEXT).is_ok());
            prop_assert_ne!(verdict, Ok(true));
        }

        #[test]
        fn random_bytes_never_panic(bytes: [u8; SIGNATURE_BYTES], v in 27u8..29) {
            let mut signed = SignedAttestation { attestation: attestation(Sign::Positive), signature: bytes };
            prop_assert!(signed.verify(&CONTEXT).is_err());
            signed.signature[64] = v;
            prop_assert!(signed.verify(&CONTEXT).is_err());
        }
    }
}
