//! Attestations: what an attester measured, signed so that it cannot be copied or moved.
//!
//! Every attester evaluates both 4-bit models, the parent's and the candidate's, on records of its
//! own: `evaluation_indices(beacon, attester, ..)`. It signs the two integer losses together with
//! its opinion. The digest is EIP-712, so a wallet shows it and a contract computes the same:
//!
//! ```text
//! digest = keccak(0x19 0x01 || domain separator(chain id, contract) || keccak(type hash || words))
//! words  = task, round, miner, candidate, beacon, attester, cell, step, leaf, evaluated,
//!          lossBefore, lossAfter                     cell = 0 positive, 1 update, 2 quantize
//! signature = r (32) || s (32) || v (1), s in the lower half, v 27 or 28
//! ```

use alloc::vec::Vec;

use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};

use crate::challenge::draw_distinct;
use crate::codec::{CodecError, Reader, Writer};
use crate::statement::{Context, word};
use crate::stream::keccak;

/// Domain of the draw of evaluation records.
pub const EVALUATION_DOMAIN: &[u8] = b"pogo/evaluation/v1";
/// EIP-712 type of the domain.
pub const DOMAIN_TYPE: &[u8] = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
/// EIP-712 type of an attestation.
pub const ATTESTATION_TYPE: &[u8] = b"Attestation(bytes32 task,uint64 round,address miner,bytes32 candidate,\
bytes32 beacon,address attester,uint8 cell,uint32 step,uint32 leaf,uint32 evaluated,uint64 lossBefore,\
uint64 lossAfter)";
/// Bytes of a signature: r, s, v.
pub const SIGNATURE_BYTES: usize = 65;

/// An EVM address.
pub type Address = [u8; 20];

/// One relation of the training step, as a dispute names it. More kinds get further numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// The update of a leaf in a step.
    Update {
        /// Step, from 0.
        step: u32,
        /// Leaf number.
        leaf: u32,
    },
    /// The 4-bit leaf of the final state.
    Quantize {
        /// Leaf number.
        leaf: u32,
    },
}

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
    #[error("signed by {got:02x?}, expected the attester {expected:02x?}")]
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

impl Cell {
    /// Number of the kind, step and leaf; the step of a quantize cell is 0.
    fn fields(self) -> (u8, u32, u32) {
        match self {
            Self::Update { step, leaf } => (1, step, leaf),
            Self::Quantize { leaf } => (2, 0, leaf),
        }
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
            (1, step, leaf) => Ok(Self::Negative(Cell::Update { step, leaf })),
            (2, 0, leaf) => Ok(Self::Negative(Cell::Quantize { leaf })),
            _ => Err(CodecError::Value { field: "sign" }),
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
        let Attestation { candidate, beacon, attester, sign, evaluated, loss_before, loss_after } = &self.attestation;
        let (cell, step, leaf) = sign.fields();
        let head = Writer::new(Self::MAGIC).bytes(candidate).bytes(beacon).bytes(attester);
        let fields = head.bytes(&[cell]).u32(step).u32(leaf).u32(*evaluated).u64(*loss_before).u64(*loss_after);
        fields.bytes(&self.signature).finish()
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

fn expect_signer(expected: Address, got: Address) -> Result<(), AttestError> {
    if expected == got { Ok(()) } else { Err(AttestError::Signer { expected, got }) }
}
