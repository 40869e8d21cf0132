//! What happened, as a hash always and as lines when asked for.

use std::io::Write;

use crate::schedule::Instant;

/// What the letters at the start of a trace line mean; shown by `--help`.
pub const LEGEND: &str = "\
Lines of a trace: virtual time in seconds, a letter, what happened.
  >  the provider sends an event (ticket, key, position, id, body)
  <  the provider gets an answer (ticket, answer)
  -  the provider's connection breaks, or the server is down
  =  a consumer gets an attempt (destination, key, sequence, try, flags)
  +  a consumer answers, or its connection ends (destination, key, sequence, outcome)
  !  a fault strikes
  o  an operator's command or its answer
  s  the process starts, serves, stops or loses a partition
  p  a phase of the simulation begins
";

/// Collects what happened.
#[derive(Default)]
pub(crate) struct Trace {
    hash: u64,
    events: u64,
    sink: Option<Box<dyn Write>>,
}

impl Trace {
    /// A trace that also writes lines.
    pub(crate) fn to(sink: Option<Box<dyn Write>>) -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, events: 0, sink }
    }

    /// Notes what happened; the text is made only when lines are wanted.
    pub(crate) fn note(
        &mut self,
        at: Instant,
        letter: char,
        numbers: &[u64],
        text: impl FnOnce() -> String,
    ) {
        self.events += 1;
        self.mix(at);
        self.mix(u64::from(u32::from(letter)));
        numbers.iter().for_each(|number| self.mix(*number));
        if let Some(sink) = &mut self.sink {
            let (seconds, rest) = (at / 1_000_000, at % 1_000_000);
            // A reader that went away (`| head`) is no failure of the simulation.
            if writeln!(sink, "{seconds:>4}.{rest:06} {letter} {}", text()).is_err() {
                self.sink = None;
            }
        }
    }

    fn mix(&mut self, number: u64) {
        self.hash = (self.hash ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    }

    /// The hash of everything noted.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// How many things were noted.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }
}
