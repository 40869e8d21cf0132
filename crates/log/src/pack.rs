//! Packing bodies one by one, and unpacking them: zstd, with a dictionary where the open segment has
//! one of the body's source, or as received (decision 021).
//!
//! Packing happens where a frame becomes bytes, on whatever thread turns the log's writer; never on
//! the one that decides. A body that does not get shorter is stored as received. Unpacking believes
//! nothing: how long a body is and what its digest is stand in its `received` fact, which the
//! frame's hash covers; no more than that length is ever set aside, and bytes that are not that
//! body are an error. Must not know where bytes lie.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sprag_core::fact::Received;
use sprag_core::id::SourceId;
use zstd::zstd_safe::{CCtx, DCtx, compress_bound, get_frame_content_size};

use crate::body::{Body, BodyCodec};
use crate::codec::DecodeError;
use crate::dictionary::{Dictionary, Learner, TrainJob, Unpacks};
use crate::digest::sha256;
use crate::limits::{FRAME_BODIES_BYTES, PACKED_LEAST_BYTES, PACKED_LEVEL, SCRATCH_BYTES};

/// How bodies are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Packing {
    /// Stored as received.
    #[default]
    None,
    /// Packed by zstd where that makes them shorter.
    Zstd,
}

/// Packs bodies. The default one leaves them as received.
#[derive(Default)]
pub struct Packer {
    /// None where nothing is packed.
    context: Option<CCtx<'static>>,
    /// The body packed last.
    scratch: Vec<u8>,
    tally: Tally,
    /// Those of the open segment.
    dictionaries: BTreeMap<SourceId, Dictionary>,
    learner: Learner,
}

/// What packing saved so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Bytes of bodies as received.
    pub received: u64,
    /// Bytes of them as stored.
    pub stored: u64,
    /// Bodies that are stored packed.
    pub packed: u64,
    /// Those of them that a dictionary was used for.
    pub with_dictionary: u64,
}

impl Packer {
    /// Packs as told, with dictionaries that are trained on so many bytes; 0: without any.
    #[must_use]
    pub fn new(packing: Packing, samples: usize) -> Self {
        match packing {
            Packing::None => Self::default(),
            // Without memory for it bodies are stored as received.
            Packing::Zstd => Self {
                context: CCtx::try_create(),
                learner: Learner::new(samples),
                ..Self::default()
            },
        }
    }

    /// Takes dictionaries over from the segment that the next one continues; none without memory for
    /// them, for bodies that are taken over as well would be lost without.
    pub(crate) fn inherit(&mut self, dictionaries: Vec<(SourceId, Vec<u8>)>) -> Option<()> {
        for (source, bytes) in dictionaries {
            self.learner.knows(source);
            self.dictionaries.insert(source, Dictionary::new(source, bytes)?);
        }
        Some(())
    }

    /// A segment begins: from here on the dictionaries are those it begins with. Bodies that it takes
    /// over need those of the segment they were in.
    pub(crate) fn begin(&mut self, takes_over: bool) {
        if self.context.is_none() && !takes_over {
            self.dictionaries.clear();
        }
        self.dictionaries.extend(self.learner.take().into_iter().map(|one| (one.source, one)));
    }

    /// The dictionaries of the open segment.
    pub(crate) fn dictionaries(&self) -> impl Iterator<Item = &Dictionary> {
        self.dictionaries.values()
    }

    /// Whether a source can have its first dictionary once a segment begins.
    pub(crate) fn has_news(&self) -> bool {
        self.learner.has_news(&self.dictionaries)
    }

    /// A dictionary to be trained, none when none is.
    pub(crate) fn train_job(&mut self) -> Option<TrainJob> {
        self.learner.job()
    }

    /// What it saved so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// How a body is to be stored.
    pub fn pack<'a>(
        &'a mut self,
        body: &'a Body,
        source: Option<SourceId>,
    ) -> (BodyCodec, &'a [u8]) {
        let packed = self.shorten(body, source);
        let (codec, bytes) = match packed {
            Some(codec) => (codec, &*self.scratch),
            None => (body.codec, &*body.bytes),
        };
        self.tally.received += body.bytes.len() as u64;
        self.tally.stored += bytes.len() as u64;
        self.tally.packed += u64::from(packed.is_some());
        self.tally.with_dictionary += u64::from(packed == Some(BodyCodec::ZstdDictionary));
        (codec, bytes)
    }

    /// Packs a body into the scratch; none when that does not make it shorter.
    fn shorten(&mut self, body: &Body, source: Option<SourceId>) -> Option<BodyCodec> {
        let context = self.context.as_mut()?;
        if body.codec != BodyCodec::None || body.bytes.len() < PACKED_LEAST_BYTES {
            return None;
        }
        if let Some(source) = source {
            self.learner.see(source, &body.bytes);
        }
        self.scratch.clear();
        self.scratch.shrink_to(SCRATCH_BYTES);
        self.scratch.reserve(compress_bound(body.bytes.len()));
        let dictionary = source.and_then(|source| self.dictionaries.get(&source));
        let (codec, packed) = match dictionary {
            None => {
                let packed = context.compress(&mut self.scratch, &body.bytes, PACKED_LEVEL);
                (BodyCodec::Zstd, packed)
            }
            Some(Dictionary { packs, .. }) => {
                let packed = context.compress_using_cdict(&mut self.scratch, &body.bytes, packs);
                (BodyCodec::ZstdDictionary, packed)
            }
        };
        packed.is_ok_and(|length| length < body.bytes.len()).then_some(codec)
    }
}

impl fmt::Debug for Packer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packs = self.context.is_some();
        formatter.debug_struct("Packer").field("packs", &packs).finish_non_exhaustive()
    }
}

/// Unpacks bodies.
#[derive(Default)]
pub struct Unpacker {
    /// Made when the first packed body comes.
    context: Option<DCtx<'static>>,
}

impl Unpacker {
    /// The body as it was received, from how it is stored, and with the dictionary of its segment and
    /// source if it needs one.
    ///
    /// # Errors
    /// When it is not what its fact says.
    pub(crate) fn unpack(
        &mut self,
        stored: Body,
        received: &Received,
        dictionary: Option<&Unpacks>,
    ) -> Result<Body, DecodeError> {
        let packed = &*stored.bytes;
        match (stored.codec, dictionary) {
            (BodyCodec::None, _) => return as_received(stored, received),
            (BodyCodec::Zstd, _) => self.unzstd(packed, received, None),
            (BodyCodec::ZstdDictionary, Some(_)) => self.unzstd(packed, received, dictionary),
            (BodyCodec::ZstdDictionary, None) => {
                Err(damaged("the segment has no dictionary for the body"))
            }
            (BodyCodec::Dropped, _) => Err(damaged("the body was dropped")),
        }
        .map(Body::received)
    }

    fn unzstd(
        &mut self,
        packed: &[u8],
        received: &Received,
        dictionary: Option<&Unpacks>,
    ) -> Result<Arc<[u8]>, DecodeError> {
        let size = received.size as usize;
        let says = get_frame_content_size(packed).ok().flatten();
        if size > FRAME_BODIES_BYTES || says != Some(size as u64) {
            return Err(damaged("the packed body has not the length that its fact says"));
        }
        if self.context.is_none() {
            self.context = DCtx::try_create();
        }
        let context = self.context.as_mut();
        let context = context.ok_or(damaged("there is no memory for unpacking a body"))?;
        let mut body = Vec::with_capacity(size);
        let length = match dictionary {
            None => context.decompress(&mut body, packed),
            Some(dictionary) => context.decompress_using_ddict(&mut body, packed, &dictionary.0),
        };
        match length {
            Ok(length) if length == size && sha256(&[&body]) == received.digest => Ok(body.into()),
            Ok(_) => Err(damaged("the unpacked body is not the one of its digest")),
            Err(_) => Err(damaged("the body does not unpack")),
        }
    }
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Unpacker").finish_non_exhaustive()
    }
}

/// A body that says to be as received. The checksum does not cover the codec byte: bytes that are
/// packed in truth are shorter than the fact says.
fn as_received(stored: Body, received: &Received) -> Result<Body, DecodeError> {
    match stored.bytes.len() == received.size as usize {
        true => Ok(stored),
        false => Err(damaged("the body has not the length that its fact says")),
    }
}

fn damaged(what: &'static str) -> DecodeError {
    DecodeError { at: 0, what, found: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sprag_core::position::Position;

    const TEXT: &[u8] = br#"{"action":"opened","number":1,"repository":{"name":"sprag"},"action":"opened","number":1,"repository":{"name":"sprag"}}"#;

    fn received(body: &[u8]) -> Received {
        Received {
            key: sprag_core::id::Key { source: Default::default(), name: "k".into() },
            id: None,
            position: Position::None,
            event_type: "".into(),
            content_type: "".into(),
            headers: Vec::new(),
            digest: sha256(&[body]),
            size: u32::try_from(body.len()).unwrap(),
            body: 0,
            origin: sprag_core::fact::Origin::Posted,
            depends_on: None,
        }
    }

    fn pack(body: &[u8]) -> Body {
        let mut packer = Packer::new(Packing::Zstd, 0);
        let body = Body::received(body.into());
        let (codec, bytes) = packer.pack(&body, None);
        Body { codec, bytes: bytes.into() }
    }

    fn unpack(stored: &Body, received: &Received) -> Result<Body, &'static str> {
        Unpacker::default().unpack(stored.clone(), received, None).map_err(|error| error.what)
    }

    #[test]
    fn what_gets_shorter_is_packed_and_the_rest_stays_as_it_came() {
        let packed = pack(TEXT);
        assert_eq!(packed.codec, BodyCodec::Zstd);
        assert!(packed.bytes.len() < TEXT.len());
        let short = &TEXT[..PACKED_LEAST_BYTES - 1];
        let digests: Vec<u8> = (0_u8..8).flat_map(|number| sha256(&[&[number]]).0).collect();
        for body in [&b""[..], short, &digests] {
            assert_eq!(pack(body), Body::received(body.into()));
        }
        let mut packer = Packer::default();
        assert_eq!(packer.pack(&Body::received(TEXT.into()), None), (BodyCodec::None, TEXT));
        let bytes = TEXT.len() as u64;
        assert_eq!(packer.tally(), Tally { received: bytes, stored: bytes, ..Tally::default() });
    }

    #[test]
    fn a_body_of_an_earlier_library_unpacks() {
        // By libzstd 1.5.7, level 3.
        let golden = "28b52ffd20772d0200d4037b22616374696f6e223a226f70656e6564222c226e756d\
                      626572223a312c227265706f7369746f7279223a7b226e616d65223a22737072616722\
                      7d2c7d01007c7f2a28";
        let byte = |at: usize| u8::from_str_radix(&golden[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..golden.len()).step_by(2).map(byte).collect();
        let stored = Body { codec: BodyCodec::Zstd, bytes: bytes.into() };
        assert_eq!(unpack(&stored, &received(TEXT)), Ok(Body::received(TEXT.into())));
    }

    #[test]
    fn no_more_is_set_aside_than_the_fact_says() {
        // 256 MiB of zeros are 8 kB packed: that they say a length is not enough.
        let zeros = vec![0; 1 << 20];
        let packed = pack(&zeros);
        assert!(packed.bytes.len() < 200);
        let says = "the packed body has not the length that its fact says";
        let short = Received { size: 100, ..received(&zeros) };
        assert_eq!(unpack(&packed, &short), Err(says));
        let long = Received { size: u32::MAX, ..received(&zeros) };
        assert_eq!(unpack(&packed, &long), Err(says));
        // A length that is right, but of another body.
        let other = Received { digest: sha256(&[b"another"]), ..received(&zeros) };
        assert_eq!(unpack(&packed, &other), Err("the unpacked body is not the one of its digest"));
        // Two packed bodies are none.
        let twice = Body { bytes: [&*packed.bytes, &*packed.bytes].concat().into(), ..packed };
        assert_eq!(unpack(&twice, &received(&zeros)), Err("the body does not unpack"));
    }

    proptest! {
        #[test]
        fn bodies_come_back(
            words in prop::collection::vec("[a-e]{1,4}", 0..200), tail in any::<Vec<u8>>(),
        ) {
            let body = [words.concat().as_bytes(), &tail].concat();
            let packed = pack(&body);
            prop_assert!(packed.bytes.len() <= body.len());
            prop_assert_eq!(unpack(&packed, &received(&body)), Ok(Body::received(body.into())));
        }

        #[test]
        fn any_damage_is_an_error_or_changes_nothing(
            words in prop::collection::vec("[a-e]{1,4}", 60..200), at: prop::sample::Index,
            flip in 1_u8.., cut: bool,
        ) {
            let body = words.concat().into_bytes();
            let packed = pack(&body);
            let mut bytes = packed.bytes.to_vec();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] ^= flip }
            let damaged = Body { bytes: bytes.into(), ..packed };
            // Some bits of a zstd frame say nothing about what is in it.
            if let Ok(unpacked) = unpack(&damaged, &received(&body)) {
                prop_assert_eq!(&*unpacked.bytes, &*body);
            }
        }

        #[test]
        fn any_bytes_unpack_without_harm(bytes: Vec<u8>, size: u32) {
            let stored = Body { codec: BodyCodec::Zstd, bytes: bytes.into() };
            let error = unpack(&stored, &Received { size, ..received(b"") });
            prop_assert!(error.is_err() || size == 0);
        }
    }
}
