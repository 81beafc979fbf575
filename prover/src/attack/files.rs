//! Hostile files: D18.

use pogo_protocol::attest::SignedAttestation;
use pogo_protocol::commitment::Commitment;
use pogo_protocol::model::Spec;
use pogo_protocol::opening::Openings;
use pogo_protocol::record::StepRecord;
use pogo_protocol::statement::{Part, Statement};
use pogo_protocol::stream::Stream;
use pogo_verifier::Setup;

use super::mine::Mined;
use super::{Failed, Ground, Seen};
use crate::checkpoint::{decode_state, encode_state};
use crate::store::Log;

/// A codec: its name, and what it makes of bytes that it reads.
type Codec = (&'static str, fn(&Spec, &[u8]) -> Option<Vec<u8>>);

const CODECS: [Codec; 7] = [
    ("commitment", |_, bytes| Commitment::decode(bytes).ok().map(|read| read.encode())),
    ("statement", |_, bytes| Statement::decode(bytes).ok().map(|read| read.encode())),
    ("step record", |_, bytes| StepRecord::decode(bytes).ok().map(|read| read.encode())),
    ("openings", |_, bytes| Openings::decode(bytes).ok().map(|read| read.encode())),
    ("attestation", |_, bytes| SignedAttestation::decode(bytes).ok().map(|read| read.encode())),
    ("spec", |_, bytes| Spec::decode(bytes).ok().map(|read| read.encode())),
    ("state", |spec, bytes| decode_state(spec, bytes).ok().map(|read| encode_state(&read))),
];
/// Noise that every codec is given.
const NOISE: usize = 2000;

/// Gives bytes to every codec and to the verifier. Each must refuse them, or read them to the last
/// byte as something that encodes to the same bytes; the verifier must refuse them.
///
/// # Errors
/// The name of the codec that does neither.
pub fn read_by_all(spec: &Spec, bytes: &[u8]) -> Result<(), &'static str> {
    let exact = |read: &Codec| read.1(spec, bytes).is_none_or(|written| written == bytes);
    CODECS.iter().find(|codec| !exact(codec)).map_or(Ok(()), |codec| Err(codec.0))?;
    match pogo_verifier::verify(Setup::Development, bytes, bytes) {
        Ok(_) => Err("verifier"),
        Err(_) => Ok(()),
    }
}

/// The magic bytes and versions that hostile bytes begin with.
pub const MAGICS: [&[u8]; 9] = [
    b"",
    b"pogo/cmt\0\x01",
    b"pogo/stm\0\x01",
    b"pogo/rec\0\x01",
    b"pogo/opn\0\x01",
    b"pogo/att\0\x01",
    b"pogo/sta\0\x01",
    b"pogo/prf\0\x01",
    b"pogo/spec/v1",
];

pub(super) fn hostile(ground: &Ground) -> Result<Seen, Failed> {
    let (spec, mined) = (&ground.round.spec, Mined::honest(ground.job())?);
    let public = mined.public();
    let part = Part { updates: public.parts(1)[0].updates[..1].to_vec(), quantizes: Vec::new() };
    let artifacts = [
        mined.commitment.encode(),
        public.statements(1)?[0].encode(),
        mined.trace.records[3].encode(),
        mined.openings(&part)?.encode(),
        spec.encode(),
        encode_state(mined.state()),
    ];
    let mut given = 0u32;
    let mut give = |bytes: &[u8]| {
        given += 1;
        read_by_all(spec, bytes)
    };
    let verdict = (|| {
        for artifact in &artifacts {
            let places = (0..artifact.len()).step_by(1 + artifact.len() / 200);
            for at in places {
                give(&artifact[..at])?;
                let mut flipped = artifact.clone();
                flipped[at] ^= 1 << (at % 8);
                give(&flipped)?;
                // A count of 2^32 - 1 wherever there may be one: refused before anything is allocated.
                let mut bomb = artifact.clone();
                let end = artifact.len().min(at + 4);
                bomb[at..end].fill(255);
                give(&bomb)?;
            }
            give(&[artifact, &[0][..]].concat())?;
        }
        let mut stream = Stream::new(b"pogo/attack/noise/v1", [0; 32]);
        (0..NOISE).try_for_each(|_| {
            let magic = MAGICS[stream.below(MAGICS.len() as u64) as usize];
            let blocks = stream.below(20);
            let noise: Vec<u8> = (0..blocks).flat_map(|_| stream.next_block()).collect();
            give(&[magic, &noise].concat())
        })
    })();
    if let Err(codec) = verdict {
        return Ok(Seen::unseen(format!("bytes that are no {codec} are read as one")));
    }
    let path = ground.store("d18")?.path("updates.log");
    std::fs::write(&path, [255; 64])?;
    if !Log::open(&path, None)?.is_empty() {
        return Ok(Seen::unseen("a log of noise has entries"));
    }
    Ok(Seen::stopped(format!("{given} files refused, or read exactly")))
}
