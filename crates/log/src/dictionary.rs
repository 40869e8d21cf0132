//! Dictionaries: what the bodies of one source have in common, so that each of them, packed by
//! itself, need not say it again (DESIGN F2, decision 021).
//!
//! A [`Learner`] keeps samples of each source's bodies. Enough of them are a [`TrainJob`], run by
//! whoever has time; what comes of it waits in the learner until the log begins a segment. From then
//! on it packs the bodies of its source, in that segment and those that follow, until one that was
//! trained on newer bodies takes its place.
//!
//! ```text
//! gathering ── enough bytes ──▶ resting ── bodies 256 times as many ──▶ gathering …
//!                  └─ TrainJob ──▶ ready ── a segment begins ──▶ in use
//! ```
//!
//! Nothing of this is durable before the segment that has it, and nothing needs to be: a process
//! that ends forgets samples and what is ready, and gathers anew. A source whose bodies have nothing
//! in common gets none. Must not know segments.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sprag_core::id::SourceId;
use zstd::zstd_safe::{CCtx, CDict, DDict, compress_bound, train_from_buffer};

use crate::limits::{
    DICTIONARIES, DICTIONARY_BYTES, DICTIONARY_LEAST_BYTES, PACKED_LEVEL, SAMPLE_SHARE, SAMPLES,
    SAMPLES_REST,
};

/// What bodies of a source have in common, ready for packing.
pub(crate) struct Dictionary {
    pub(crate) source: SourceId,
    pub(crate) bytes: Vec<u8>,
    pub(crate) packs: CDict<'static>,
}

impl Dictionary {
    /// None without memory for it.
    pub(crate) fn new(source: SourceId, bytes: Vec<u8>) -> Option<Self> {
        let packs = CDict::try_create(&bytes, PACKED_LEVEL)?;
        Some(Self { source, bytes, packs })
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, bytes, .. } = self;
        write!(formatter, "Dictionary({}, {} bytes)", source.0, bytes.len())
    }
}

/// A dictionary, ready for unpacking.
pub(crate) struct Unpacks(pub(crate) DDict<'static>);

impl Unpacks {
    /// None without memory for it.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        DDict::try_create(bytes).map(Self)
    }
}

impl fmt::Debug for Unpacks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Unpacks")
    }
}

/// Bodies, one after another.
#[derive(Debug, Default)]
struct Samples {
    bytes: Vec<u8>,
    sizes: Vec<usize>,
}

#[derive(Debug)]
enum Lesson {
    Gathering(Samples),
    /// Bytes of bodies since samples were taken.
    Resting(u64),
}

/// Watches what is packed. The default one learns nothing.
#[derive(Debug, Default)]
pub(crate) struct Learner {
    /// Bytes of samples a dictionary is trained on; 0: none is.
    enough: usize,
    lessons: BTreeMap<SourceId, Lesson>,
    jobs: Vec<TrainJob>,
    ready: Ready,
}

/// Trained dictionaries nobody uses yet. Clones are the same.
#[derive(Debug, Clone, Default)]
struct Ready(Arc<Mutex<Vec<Dictionary>>>);

impl Ready {
    fn lock(&self) -> MutexGuard<'_, Vec<Dictionary>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Learner {
    /// Trains on so many bytes.
    pub(crate) fn new(enough: usize) -> Self {
        Self { enough, ..Self::default() }
    }

    /// A dictionary of this source is in use already.
    pub(crate) fn knows(&mut self, source: SourceId) {
        if self.enough > 0 {
            self.lessons.insert(source, Lesson::Resting(0));
        }
    }

    /// A body of this source is stored.
    pub(crate) fn see(&mut self, source: SourceId, body: &[u8]) {
        if self.enough == 0 {
            return;
        }
        let has_room = self.lessons.len() < DICTIONARIES || self.lessons.contains_key(&source);
        if !has_room {
            return;
        }
        let lesson = self.lessons.entry(source);
        let lesson = lesson.or_insert_with(|| Lesson::Gathering(Samples::default()));
        match lesson {
            Lesson::Resting(seen) => {
                *seen += body.len() as u64;
                if *seen >= self.enough as u64 * SAMPLES_REST {
                    *lesson = Lesson::Gathering(Samples::default());
                }
            }
            Lesson::Gathering(samples) => {
                let sample = &body[..body.len().min(self.enough / SAMPLE_SHARE)];
                samples.bytes.extend_from_slice(sample);
                samples.sizes.push(sample.len());
                if samples.bytes.len() >= self.enough || samples.sizes.len() >= SAMPLES {
                    let (samples, ready) = (std::mem::take(samples), self.ready.clone());
                    self.jobs.push(TrainJob { source, samples, ready });
                    *lesson = Lesson::Resting(0);
                }
            }
        }
    }

    /// A dictionary to be trained, none when none is.
    pub(crate) fn job(&mut self) -> Option<TrainJob> {
        self.jobs.pop()
    }

    /// Whether one is ready of a source that has none among these.
    pub(crate) fn has_news(&self, known: &BTreeMap<SourceId, Dictionary>) -> bool {
        self.ready.lock().iter().any(|ready| !known.contains_key(&ready.source))
    }

    /// What is ready, to be used.
    pub(crate) fn take(&self) -> Vec<Dictionary> {
        std::mem::take(&mut *self.ready.lock())
    }
}

/// A dictionary to be trained, by whoever has time.
#[derive(Debug)]
pub struct TrainJob {
    source: SourceId,
    samples: Samples,
    ready: Ready,
}

impl TrainJob {
    /// Trains it: less than a tenth of a second. It is used from the next segment on, if it is worth it.
    pub fn run(self) {
        let trained = self.samples.train().and_then(|bytes| Dictionary::new(self.source, bytes));
        if let Some(dictionary) = trained.filter(|dictionary| self.samples.gain_by(dictionary)) {
            let mut ready = self.ready.lock();
            ready.retain(|other| other.source != self.source);
            ready.push(dictionary);
        }
    }
}

impl Samples {
    /// How many samples are learned from; the others show what that is worth.
    fn learned(&self) -> usize {
        self.sizes.len() - self.sizes.len() / 4
    }

    fn train(&self) -> Option<Vec<u8>> {
        let sizes = &self.sizes[..self.learned()];
        let bytes = &self.bytes[..sizes.iter().sum()];
        let most =
            (self.bytes.len() / SAMPLE_SHARE).clamp(DICTIONARY_LEAST_BYTES, DICTIONARY_BYTES);
        let mut dictionary = Vec::with_capacity(most);
        // Too few, too short or too different ones are an error.
        train_from_buffer(&mut dictionary, bytes, sizes).ok()?;
        Some(dictionary)
    }

    /// Whether it leaves less than nine tenths of what is left without it, of bodies that it was not
    /// trained on.
    fn gain_by(&self, dictionary: &Dictionary) -> bool {
        let Some(mut context) = CCtx::try_create() else { return false };
        let mut start = self.sizes[..self.learned()].iter().sum();
        let (mut with, mut without) = (0, 0);
        for size in &self.sizes[self.learned()..] {
            let body = &self.bytes[start..start + size];
            start += size;
            let mut packed = Vec::with_capacity(compress_bound(*size));
            let plain = context.compress(&mut packed, body, PACKED_LEVEL);
            without += plain.map_or(*size, |length| length.min(*size));
            let packed = context.compress_using_cdict(&mut packed, body, &dictionary.packs);
            with += packed.map_or(*size, |length| length.min(*size));
        }
        with * 10 < without * 9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bodies of a source that have much in common, or nothing.
    fn body(number: u64, alike: bool) -> Vec<u8> {
        let mut random = sprag_core::random::Random::new(number);
        let mut body = Vec::new();
        if alike {
            body.extend_from_slice(
                br#"{"action":"opened","repository":{"full_name":"sprag/sprag"},"#,
            );
            body.extend_from_slice(format!(r#""number":{},"sender":"#, random.draw()).as_bytes());
        } else {
            (0..12).for_each(|_| body.extend_from_slice(&random.draw().to_le_bytes()));
        }
        body
    }

    fn learned(bodies: impl Iterator<Item = Vec<u8>>, source: u32, learner: &mut Learner) {
        bodies.for_each(|body| learner.see(SourceId(source), &body));
        while let Some(job) = learner.job() {
            job.run();
        }
    }

    #[test]
    fn what_bodies_have_in_common_is_learned_once() {
        let mut learner = Learner::new(8 << 10);
        learned((0..80).map(|number| body(number, true)), 1, &mut learner);
        assert!(!learner.has_news(&BTreeMap::new()), "too few until now");
        learned((80..120).map(|number| body(number, true)), 1, &mut learner);
        assert!(learner.has_news(&BTreeMap::new()));
        let known: BTreeMap<_, _> =
            learner.take().into_iter().map(|dictionary| (dictionary.source, dictionary)).collect();
        assert_eq!(known.keys().collect::<Vec<_>>(), [&SourceId(1)]);
        assert!(known[&SourceId(1)].bytes.len() <= DICTIONARY_LEAST_BYTES, "{known:?}");
        // It rests, and learns anew from what comes much later.
        learned((0..200).map(|number| body(number, true)), 1, &mut learner);
        assert!(learner.take().is_empty());
        learned((0..26_000).map(|number| body(number, true)), 1, &mut learner);
        assert!(!learner.has_news(&known), "no news: the source has one");
        assert_eq!(learner.take().len(), 1);
    }

    #[test]
    fn nothing_in_common_is_nothing_learned() {
        let mut learner = Learner::new(8 << 10);
        learned((0..200).map(|number| body(number, false)), 1, &mut learner);
        assert!(learner.take().is_empty());
        let mut off = Learner::default();
        learned((0..200).map(|number| body(number, true)), 1, &mut off);
        assert!(off.take().is_empty());
    }

    #[test]
    fn so_many_sources_are_learned_and_no_more() {
        let mut learner = Learner::new(8 << 10);
        for source in 0..u32::try_from(DICTIONARIES).unwrap() + 3 {
            learned((0..120).map(|number| body(number, true)), source, &mut learner);
        }
        assert_eq!(learner.take().len(), DICTIONARIES);
    }
}
