//! Every bound of the log's formats and engines, with its unit and its reason.

use sprag_core::limits::{LANE_EXCEPTIONS, STRANDS};

/// Bytes of a source's or destination's name.
pub const NAME_BYTES: usize = 256;
/// Bytes of a source's identity text (DESIGN K8): five configuration values.
pub const IDENTITY_BYTES: usize = 16 << 10;
/// Headers kept with an event (DESIGN F13).
pub const STORED_HEADERS: usize = 256;
/// Bytes of a stored header's name.
pub const HEADER_NAME_BYTES: usize = 256;
/// Bytes of a stored header's value: what HTTP servers accept at most for a whole head.
pub const HEADER_VALUE_BYTES: usize = 64 << 10;
/// Destinations an event enters or is filtered from.
pub const LANES: usize = 4_096;
/// Lanes and strands of one key's record: of each destination a lane, and of an unordered source as
/// many strands as the core allows.
pub const LANES_OF_KEY: usize = LANES * (1 + STRANDS + LANE_EXCEPTIONS);
/// Destinations that all keys were visited for: as many as ever had a name, each twice.
pub const VISITS: usize = 1 << 20;
/// Ranges in one list: `abandoned` of a key has 1,000 (DESIGN G2), one more may be in the making.
pub const RANGES: usize = 1_024;
/// Held events of one key's record; under `halt` a key holds up to its backlog limit.
pub const HELD_EVENTS: usize = 1 << 20;
/// Redrives and omissions of one lane's record: the core keeps 32 of each.
pub const LANE_LIST: usize = 1_024;

/// Facts of a frame: the index of a place has 16 bits in index files.
pub const FRAME_FACTS: usize = 1 << 16;
/// Bytes of a frame's facts section: it is read and decoded as one piece.
pub const FRAME_FACTS_BYTES: usize = 64 << 20;
/// Bodies of a frame: at most one a fact.
pub const FRAME_BODIES: usize = FRAME_FACTS;
/// Bytes of a frame's bodies section: 8 MiB by the core's limit, and one body beyond it.
pub const FRAME_BODIES_BYTES: usize = 256 << 20;

/// How hard zstd tries: 3 leaves as much as 1 at less work once it has a dictionary, and nearly
/// as much without (bench/README.md).
pub const PACKED_LEVEL: i32 = 3;
/// Bytes of a body below which it is stored as received: zstd's own head would eat what is gained.
pub const PACKED_LEAST_BYTES: usize = 64;
/// Bytes of the buffer a body is packed into that are kept for the next: most bodies need less.
pub const SCRATCH_BYTES: usize = 1 << 20;

/// Sources that have a dictionary: each takes its place in every segment, twice, and memory for
/// packing, which is 2 MiB and about 8 MiB for all of them. Others are packed without.
pub const DICTIONARIES: usize = 16;
/// Bytes of a dictionary: a thousandth of a segment for each copy; larger ones save little more.
pub const DICTIONARY_BYTES: usize = 64 << 10;
/// Bytes of a dictionary that is trained on little: below, its tables leave no room for words.
pub const DICTIONARY_LEAST_BYTES: usize = 1 << 10;
/// Bytes between the two copies of a segment's dictionaries: a page of a file system, so that one
/// that is lost takes one copy at the most.
pub const DICTIONARY_GAP_BYTES: usize = 4 << 10;
/// Damaged places that are told of a process, of those that fail nothing and of the others: more say
/// nothing new.
pub const DAMAGES: usize = 64;
/// Bytes of bodies a dictionary is trained on, kept in memory until then.
pub const SAMPLES_BYTES: usize = 1 << 20;
/// Samples a dictionary is trained on: of the shortest bodies that are packed.
pub const SAMPLES: usize = 1 << 14;
/// What part of all samples one has at the most, and a dictionary of what it is trained on.
pub const SAMPLE_SHARE: usize = 16;
/// How many times the samples' bytes pass before a source's dictionary is trained anew: what
/// providers send changes with their versions, and training takes a tenth of a second at the most.
pub const SAMPLES_REST: u64 = 256;
/// Dictionaries a reader keeps: those of all sources in a few segments.
pub const READER_DICTIONARIES: usize = 32;

/// Frames of one answer to a read, whatever their size: empty frames have no facts to count.
pub const READ_FRAMES: usize = 4_096;
/// Segments of one answer about them: a few bytes a partition each.
pub const SUMMARIES: usize = 256;
/// Bytes of a rewritten segment written and synced at a time: little enough that a commit that
/// syncs meanwhile does not wait for more.
pub const REWRITE_BYTES: usize = 1 << 20;
/// Facts one lookup returns, oldest first: an id or position that was sent that often is abuse.
pub const FOUND_FACTS: usize = 64;
/// Things looked up by one query.
pub const WANTED: usize = 4_096;

/// Floors of hash buckets in a list, and tombstones in one: as many buckets as a partition has.
pub const FLOORS: usize = sprag_core::limits::BUCKETS as usize;

/// Bytes of a segment after which a new one is begun, unless told otherwise; one batch may exceed
/// it. Small enough to be sealed and trimmed piece by piece, large enough that 10 million events
/// are some hundred files.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// Bytes of a batch after which the rest waits for the next: what one sync carries.
pub const BATCH_BYTES: usize = 16 << 20;
/// Bytes of zeros kept ahead in the open segment: as much as it holds, within these bounds. Less and
/// more syncs would carry the growth of the file; more and the sync that carries the zeros takes
/// longer than a commit should.
pub const RESERVE_BYTES: (u64, u64) = (64 << 10, 1 << 20);
/// Bytes of zeros written at a time.
pub const ZEROS_BYTES: usize = 64 << 10;
/// Frames of recovery's and the reader's first guess, in bytes: header and facts of most frames.
pub const HEAD_GUESS_BYTES: usize = 16 << 10;
/// Bytes looked through at a time when a damaged segment is searched for what comes later.
pub const SEARCH_BYTES: usize = 1 << 20;
/// Entries of one page of an index file: 4 KiB, what a lookup reads.
pub const INDEX_PAGE_ENTRIES: usize = 256;
/// Bits of an index's filter an entry gets at the least: one lookup in 800 reads in vain. Each event that comes is
/// looked up in the filters of all segments, so with a hundred of them one event in five still reads.
pub const FILTER_BITS: usize = 16;
/// Blocks of a filter, 64 bytes each, that are joined with those of others at a time: half a mebibyte of the largest
/// group, of which there are three and a half meanwhile.
pub const FILTER_SHARE_BLOCKS: usize = 128;
/// Bytes of an index file's head: filter and tables of a segment of empty frames stay below.
pub const INDEX_HEAD_BYTES: usize = 256 << 20;
/// Frame heads a reader keeps: facts of one frame are asked for one after another.
pub const READER_FRAMES: usize = 16;
/// Bytes of frame heads a reader keeps.
pub const READER_BYTES: usize = 4 << 20;
/// Files a disk keeps open for reading.
pub const OPEN_FILES: usize = 128;
