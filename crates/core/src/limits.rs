//! Every bound of the core, with its unit and its reason. Configured bounds are in `settings`.

use core::time::Duration;

/// Bytes of an encoded key (DESIGN K1).
pub const KEY_BYTES: usize = 200;
/// Bytes of a stored position that is one number, and of its text in a header (DESIGN C4: `sprag-position` ≤ 256 B,
/// else its digest).
pub const POSITION_BYTES: usize = 256;
/// Fields a key may have under contract `merge`: its record names each.
pub const FIELDS: usize = 64;
/// Bytes of a field's name.
pub const FIELD_BYTES: usize = 64;
/// States a table of contract `states` may have: sets of them are bits of 64.
pub const STATES: usize = 64;
/// Bytes of a state's name.
pub const STATE_BYTES: usize = 64;
/// Bytes of a stored position of fields: each with its name, the kind and the number of its version.
pub const FIELDS_BYTES: usize = 1 + FIELDS * (1 + FIELD_BYTES + 1 + 10);
/// Nodes a key may have under contract `causal`: its record keeps a counter per node for each.
pub const CLOCK_NODES: usize = 64;
/// Bytes of a node's name.
pub const NODE_BYTES: usize = 64;
/// Bytes of a stored clock: each node with its name and counter, and which of them wrote the event.
pub const CLOCK_BYTES: usize = 1 + CLOCK_NODES * (1 + NODE_BYTES + 10) + 1;
/// The highest counter of a clock, so that their sum overflows nothing.
pub const COUNTER_MAX: u64 = POSITION_MAX / CLOCK_NODES as u64;
/// Ranges of events of one node that were given up, of those a key remembers; the oldest merge.
pub const NODE_RANGES: usize = 32;
/// Bytes of a hash that says what was before or after an event: SHA-512 in hexadecimal is half of it.
pub const LINK_BYTES: usize = 256;
/// Bytes of a stored link: both hashes with their lengths, and whether it is forced.
pub const LINK_POSITION_BYTES: usize = 2 * (2 + LINK_BYTES) + 1;
/// Breaks in the links of a key that it remembers, so that what still comes of them is told as late; of more, the
/// oldest are forgotten.
pub const LINK_BREAKS: usize = 32;
/// Events a key may hold where positions are links, whatever is configured: when waiting ends, the chain of each is
/// looked for among all of them.
pub const LINKS_HELD: usize = 1_000;
/// Events a key may hold under contract `causal`, whatever is configured: when what they wait for comes they are
/// released in one frame, each with a clock of up to [`CLOCK_BYTES`], and a frame has 64 MiB for facts.
pub const CLOCKS_HELD: usize = 10_000;
/// Bytes of a source's event id, an event type, a content type: longer ones are refused.
pub const TEXT_BYTES: usize = 256;
/// How often a lane of an unordered key that has had its turn looks whether it may go on. Longer and
/// it would wait where nobody does any more; shorter and resting would be work.
pub const TURN_LOOK: Duration = Duration::from_secs(1);
/// A key's wait for missing positions goes on for so long at the most, by open time, because what it waits for may be among events
/// of the key for which history is being read: as long as requests wait by default (`limits.request_time`).
pub const HISTORY_WAIT: Duration = Duration::from_secs(30);
/// Open time grows by at most this a step (DESIGN F9): a suspended machine expires no hold.
pub const OPEN_STEP: Duration = Duration::from_secs(1);
/// Frames of a partition that may wait for their commit: one syncs while one is decided (F10).
pub const FRAMES_IN_FLIGHT: usize = 2;
/// A frame takes nothing more once its first fact is so old: all its facts have that one's time, and how
/// long an id is remembered and a body kept is counted from it. A slow disk must not make it earlier.
pub const FRAME_AGE: Duration = Duration::from_secs(1);
/// Facts in a frame: a frame is one write, and its facts are decoded as one piece.
pub const FRAME_FACTS: usize = 4_096;
/// Bytes of bodies and of headers kept with them in a frame, above which it takes no further event.
pub const FRAME_BODY_BYTES: u64 = 8 << 20;
/// Abandoned ranges a key remembers; the oldest merge (DESIGN G2).
pub const ABANDONED_RANGES: usize = 1_000;
/// Events that are undone for a late one at the most (the number); with more to undo it is a dead letter.
pub const COMPENSATED: usize = 100;
/// Bytes of the bodies that are undone for a late event at the most: a frame gets them twice.
pub const COMPENSATED_BYTES: u64 = 4 << 20;
/// Ranges of its history that a lane remembers to have been led over; the oldest merge: what lies between them then
/// counts as sent where a late event undoes it.
pub const COVERED: usize = 64;
/// What restores left out that a key remembers behind all its lanes, for those that are set back or opened over it later;
/// of more, the oldest are forgotten: they are named as filtered then.
pub const JUMPS: usize = 16;
/// Releases read at a time while the place of a late event is looked for: most of it lies within a few.
pub const RECALLED: u64 = 16;
/// Late events of a partition whose places are looked for at a time: each may hold [`COMPENSATED_BYTES`], and as much of a
/// page on its way. More are answered `key-loading`.
pub const RECALLS: usize = 8;
/// Events that wait at the most for a late one of their key whose place is looked for: they are judged in one step.
pub const RECALL_WAITING: usize = 16;
/// Events of one instant a key remembers, so that one that comes again is known for ever (DESIGN
/// K3); of more, the oldest are forgotten.
pub const INSTANT_EVENTS: usize = 64;
/// Old positions with new ids in a row after which the source seems to count anew (DESIGN K9).
pub const OLD_POSITIONS: u32 = 20;
/// Refused requests of one source written down per second; the others are counted (DESIGN D7).
pub const REFUSALS_PER_SECOND: u32 = 10;
/// Ranges `sprag-missing` and `sprag-omitted` may carry (DESIGN C4), and a lane remembers (F5).
pub const HEADER_RANGES: usize = 32;
/// Passed events of a lane that may be redriven out of order at a time (DESIGN F5).
pub const LANE_EXCEPTIONS: usize = 32;
/// Events of a lane of an unordered source that are sent, retried or stopped beside each other
/// (DESIGN F5); dead letters that operators send again have [`LANE_EXCEPTIONS`] strands more.
pub const STRANDS: usize = 64;
/// Waiting events a lane keeps at hand; the rest is asked for (DESIGN F5, L6).
pub const LANE_WINDOW: usize = 16;
/// … and while its destination is down: its next one. Nothing moves then, and lanes in memory are many;
/// the others are read once it works again. One that waits with a range (rule L9) keeps all of that until it was tried.
pub const LANE_WINDOW_IN_OUTAGE: usize = 1;
/// Events that one attempt carries at the most (rule L9).
pub const BATCH_EVENTS: usize = 100;
/// Inputs that wait for one cold key to be loaded; beyond it the answer is busy.
pub const COLD_KEY_INPUTS: usize = 1_024;
/// Keys a page of waiting keys brings (DESIGN F5): loads of cold keys wait behind it in the state
/// store, at about 3 µs a key where its pages are cached.
pub const PAGE_KEYS: usize = 1_024;
/// Keys a page of a sweep over all keys brings: few enough that nothing behind it waits long.
pub const VISIT_KEYS: usize = 128;
/// A sweep that has to come again because attempts were under way begins so much later.
pub const VISIT_AGAIN: Duration = Duration::from_secs(1);
/// Lanes to one destination that a partition brings into memory to ask for permits (DESIGN F5):
/// more than its permits over the time a page takes, little enough beside the keys in memory.
pub const LANE_REQUESTS: usize = 1_024;
/// Keys looked at to make room for one arrival when memory is full: by then every key in memory
/// was looked at many times, and what may go is a rest.
pub const ROOM_KEYS: usize = 64;
/// Steps between two checks of every invariant; touched keys are checked every step.
pub const STEPS_BETWEEN_FULL_CHECKS: u64 = 1_000;
/// Hash buckets of a partition: keys that nothing is known of begin behind the highest sequence that
/// a key of their bucket gave before it was forgotten for good (DESIGN D8). A power of two; 4,096 floors
/// are about 16 KiB.
pub const BUCKETS: u16 = 4_096;
/// Keys that the state store looks at for one page of idle ones: some three milliseconds.
pub const IDLE_LOOKED: usize = 1_024;
/// Idle keys that one page brings: each is a fact.
pub const IDLE_KEYS: usize = 128;
/// Tombstones that become a floor in one step.
pub const IDLE_DROPPED: usize = 256;
/// The pause between two pages of idle keys.
pub const IDLE_PAUSE: Duration = Duration::from_millis(100);
/// The shortest and the longest pause between two looks through all keys: between them a sixteenth of the
/// shortest `forget_after`.
pub const IDLE_EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3_600));
/// The highest position: half of `u64`, so that no arithmetic on positions overflows.
pub const POSITION_MAX: u64 = u64::MAX / 2;
/// Keys a sweep for idle ones looks at in one step.
pub const SWEEP_KEYS: usize = 16;
/// Keys a page of a destination's oldest lanes brings: each lane may be many events.
pub const OVERFLOW_KEYS: usize = 64;
/// Events that one fact gives up at the most: each is a dead letter in the state store.
pub const DROPPED_EVENTS: u64 = 1_000;
/// Sequences looked for at once behind what is kept no longer: each is a look into the filters of
/// the log's segments.
pub const BACKLOG_REACH: u64 = 1_024;
/// A lane whose waiting events could not be read asks again after this.
pub const BACKLOG_RETRY: Duration = Duration::from_secs(1);
/// … and after this where they are damaged: only a restored disk mends that, and each look reads the
/// damaged frame, perhaps for a hundred thousand lanes.
pub const DAMAGED_RETRY: Duration = Duration::from_secs(60);
/// A lane whose head refers to a resource that is not there yet asks again after as long as it has waited, at the least this.
pub const ASK_AGAIN: Duration = Duration::from_millis(10);
/// … and at the most this; and after this where nobody answered.
pub const ASK_AGAIN_MAX: Duration = Duration::from_secs(1);
/// Where nobody has answered such a lane for so long of open time, its wait ends as if the resource were not there. Every
/// partition answers, so this is for what should not be; a disk that hangs is waited for as well.
pub const ASK_SILENCE: Duration = Duration::from_secs(30);
/// Resources that wait for each other in a row, through which an ask goes on: a circle is longer than any, and who stands further
/// behind waits to the bound.
pub const ASK_STEPS: u8 = 16;
/// Keys that a partition loads or reads for asks at a time: each is in memory meanwhile.
pub const ASKED_KEYS: usize = 1_024;
/// Keys that a partition loads for asks beside a full memory: as many as an ask goes through in the longest row, so that it
/// comes to an end however many events arrive meanwhile.
pub const BESIDE_KEYS: usize = 1 + ASK_STEPS as usize;
/// Asks that wait for one key to be loaded or read, at about 200 bytes each; the others ask again.
pub const KEY_ASKS: usize = 64;
/// Recorded open time may lag behind by this while something is held (DESIGN F9).
pub const OPEN_PERSIST: Duration = Duration::from_secs(1);
/// A lane counts as proven for so long after a 2xx (DESIGN D4).
pub const PROVEN_FOR: Duration = Duration::from_secs(60);
/// Places of the slow pool per place of `concurrency`, unless configured (DESIGN D4).
pub const SLOW_POOL_FACTOR: usize = 4;
/// An attempt this many times older than the median answer time is slow (DESIGN D4).
pub const SLOW_FACTOR: u64 = 8;
/// No attempt younger than this is slow (DESIGN D4).
pub const SLOW_LEAST: Duration = Duration::from_millis(50);
/// Answer times whose median counts: enough to be steady, few enough to follow a consumer.
pub const ANSWER_TIMES: usize = 63;
/// Where permits are few, one in so many goes to a lane that struggles.
pub const STRUGGLING_TURN: u32 = 4;
/// Distinct keys that must have failed before a breaker opens: the least and the most (DESIGN L2).
pub const BREAKER_KEYS_LEAST: usize = 3;
/// See [`BREAKER_KEYS_LEAST`].
pub const BREAKER_KEYS_MOST: usize = 20;
/// Within which time they must have failed (DESIGN L2).
pub const BREAKER_WINDOW: Duration = Duration::from_secs(10);
/// From each end of the queue a lane is drawn by lot among so many (DESIGN L2): all that wait, usually,
/// and little enough to walk.
pub const LOT_LANES: usize = 8_192;
/// After a probe failed the next waits so long, then twice as long (DESIGN L2).
pub const PROBE_FIRST: Duration = Duration::from_secs(1);
/// The longest a probe waits (DESIGN L2).
pub const PROBE_MOST: Duration = Duration::from_secs(60);
/// A destination rests so long after a 429 that does not say, each next time twice as long.
pub const REST_FIRST: Duration = Duration::from_secs(1);
/// The longest a destination rests after a 429: its lane may have to wait longer.
pub const REST_MOST: Duration = Duration::from_secs(60);
/// Distinct keys answered 410 after which a destination is gone (DESIGN L3).
pub const GONE_KEYS: usize = 3;
/// After a page of history was looked at, retention rests so long: a page of about a thousand events
/// costs the deciding thread about half a millisecond.
pub const RETENTION_PAUSE: Duration = Duration::from_millis(5);
/// How often retention looks whether anything is old enough: a hundredth of `bodies`, within these.
pub const RETENTION_EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How long retention leaves a segment alone that it has looked at, and how long a segment may be
/// written before it is sealed so that it can grow old: a thirtieth of `bodies`, within these.
pub const RETENTION_AGAIN: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(86_400));
/// What the records carried in one step may come to, by a rough count of bytes: one frame takes them.
pub const CARRIED_BYTES: usize = 4 << 20;
/// Events a carried record may hold: one with more keeps what it holds on to in its place.
pub const CARRIED_HELD: usize = 10_000;
/// Positions that one ask for missing ones names: a gap may be as wide as `hold.span`, and an answer of
/// a thousand events is as much as one frame takes in easily. What is beyond is asked for next.
pub const REFILL_POSITIONS: u64 = 1_000;
/// Asks of one source under way at a time: a source that hangs holds up its own keys only, and one that
/// works is asked as fast as its rate allows.
pub const REFILLS_UNDER_WAY: usize = 4;
/// The longest pause between two asks for the same positions.
pub const REFILL_PAUSE_MOST: Duration = Duration::from_secs(60);
/// The longest that a consumer's `Retry-After` puts an attempt off (DESIGN L3): one that is a mistake stops a resource
/// for no longer.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// The longest that a source may have itself left alone with `Retry-After`.
pub const REFILL_REST_MOST: Duration = Duration::from_secs(3_600);
/// Differences from the authority that a partition remembers of a source, so that the same one is written down
/// once: about 200 bytes each.
pub const RECONCILE_KNOWN: usize = 1_000;
/// Keys of a partition that are asked for what follows their last position at a time: they stay in memory
/// meanwhile, and what is missing for certain is asked for beside them.
pub const TAIL_ASKS: usize = 4;
/// How far behind what is known a list is read again, and no further than `every`: lists show an event late, and
/// several of one instant one after the other.
pub const LIST_OVERLAP: Duration = Duration::from_secs(600);
/// One key in so many in memory may be kept there because it is about to ask for what it misses; beyond,
/// keys go as if they were not.
pub const REFILL_SHARE: usize = 4;
/// Within which time (DESIGN L3).
pub const GONE_WINDOW: Duration = Duration::from_secs(60);
