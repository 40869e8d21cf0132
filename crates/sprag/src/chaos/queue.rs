//! What has come and not left, and what leaves next. Pure: numbers and times in, departures out.
//!
//! It must not know what the requests are, nor wait for anything.
//!
//! Drawn: what is due at the same time leaves in the order in which it became free to. A request that
//! lets others pass is free once so many came behind it. So without delays the order is the same
//! whenever the requests come.
//!
//! By a schedule: the order is that of its lines, whatever the times. A request that does not come
//! holds up those behind it only for the queue's patience.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use super::odds::Odds;
use super::schedule::{Departure, Schedule};

/// Everything that has come and not left.
#[derive(Debug)]
pub enum Queue {
    /// As the odds have it.
    Drawn(Drawn),
    /// As a file has it.
    Scheduled(Scheduled),
}

impl Queue {
    /// Draws what happens.
    #[must_use]
    pub fn drawn(odds: Odds) -> Self {
        Self::Drawn(Drawn::of(odds))
    }

    /// Repeats what happened. What does not come is waited for so long after the last that came;
    /// for ever without a patience.
    #[must_use]
    pub fn scheduled(schedule: Schedule, patience: Option<Duration>) -> Self {
        let mut left: HashMap<u64, u64> = HashMap::new();
        for departure in &schedule.departures {
            *left.entry(departure.number).or_default() += 1;
        }
        Self::Scheduled(Scheduled {
            order: schedule.departures.into(),
            dropped: schedule.dropped,
            left,
            patience,
            ..Scheduled::default()
        })
    }

    /// A request came. Says how often it will leave.
    pub fn take(&mut self, number: u64, now: Duration) -> u64 {
        match self {
            Self::Drawn(drawn) => drawn.take(number, now),
            Self::Scheduled(scheduled) => scheduled.take(number, now),
        }
    }

    /// What leaves now, if anything does.
    pub fn next(&mut self, now: Duration) -> Option<Departure> {
        match self {
            Self::Drawn(drawn) => drawn.next(now),
            Self::Scheduled(scheduled) => scheduled.next(now),
        }
    }

    /// When something may leave if nothing more comes.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        match self {
            Self::Drawn(drawn) => drawn.due(),
            Self::Scheduled(scheduled) => scheduled.due(),
        }
    }

    /// Nothing more comes, so nothing waits for what comes.
    pub fn end(&mut self, now: Duration) {
        match self {
            Self::Drawn(drawn) => drawn.free_up_to(u64::MAX, now),
            Self::Scheduled(scheduled) => scheduled.is_ended = true,
        }
    }

    /// Requests that a schedule names and that were not waited for any longer.
    #[must_use]
    pub fn absent(&self) -> u64 {
        match self {
            Self::Drawn(_) => 0,
            Self::Scheduled(scheduled) => scheduled.absent.len() as u64,
        }
    }
}

/// What waits as the odds have it.
#[derive(Debug)]
pub struct Drawn {
    odds: Odds,
    /// Counts what becomes free, so that what is due at once leaves in that order.
    freed: u64,
    /// Free to leave at a time.
    free: BinaryHeap<Reverse<Free>>,
    /// Lets others pass: by the number that must have come, and the order in which they began to.
    passed: BTreeMap<(u64, u64), Passed>,
    /// The same by the time at which they wait no longer.
    patience: BTreeSet<(Duration, u64, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Free {
    due: Duration,
    order: u64,
    number: u64,
    after: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Passed {
    number: u64,
    after: Duration,
    /// Not before.
    due: Duration,
    /// Not later.
    latest: Duration,
}

impl Drawn {
    fn of(odds: Odds) -> Self {
        Self {
            odds,
            freed: 0,
            free: BinaryHeap::new(),
            passed: BTreeMap::new(),
            patience: BTreeSet::new(),
        }
    }

    fn take(&mut self, number: u64, now: Duration) -> u64 {
        let ways = self.odds.ways(number);
        for way in &ways {
            let due = now + way.delay;
            if way.behind == 0 {
                self.set_free(number, way.delay, due);
            } else {
                let latest = due + self.odds.patience;
                let passed = Passed { number, after: way.delay, due, latest };
                let place = (number.saturating_add(way.behind), self.count());
                self.passed.insert(place, passed);
                self.patience.insert((latest, place.0, place.1));
            }
        }
        self.free_up_to(number, now);
        ways.len() as u64
    }

    fn next(&mut self, now: Duration) -> Option<Departure> {
        while let Some((latest, until, order)) = self.patience.first().copied()
            && latest <= now
        {
            self.free_passed((until, order), latest);
        }
        if self.free.peek().is_none_or(|Reverse(free)| free.due > now) {
            return None;
        }
        let Reverse(free) = self.free.pop()?;
        Some(Departure { number: free.number, after: free.after })
    }

    fn due(&self) -> Option<Duration> {
        let free = self.free.peek().map(|Reverse(free)| free.due);
        let passed = self.patience.first().map(|(latest, ..)| *latest);
        [free, passed].into_iter().flatten().min()
    }

    /// Those that let requests pass up to this number are free.
    fn free_up_to(&mut self, number: u64, now: Duration) {
        while let Some((place, _)) = self.passed.first_key_value()
            && place.0 <= number
        {
            self.free_passed(*place, now);
        }
    }

    fn free_passed(&mut self, place: (u64, u64), now: Duration) {
        if let Some(passed) = self.passed.remove(&place) {
            self.patience.remove(&(passed.latest, place.0, place.1));
            self.set_free(passed.number, passed.after, passed.due.max(now));
        }
    }

    fn set_free(&mut self, number: u64, after: Duration, due: Duration) {
        let order = self.count();
        self.free.push(Reverse(Free { due, order, number, after }));
    }

    fn count(&mut self) -> u64 {
        self.freed += 1;
        self.freed
    }
}

/// What waits as a file has it.
#[derive(Debug, Default)]
pub struct Scheduled {
    /// What is still to leave.
    order: VecDeque<Departure>,
    /// How often each of them is still to leave.
    left: HashMap<u64, u64>,
    dropped: BTreeSet<u64>,
    /// When those came that are still to leave.
    came: HashMap<u64, Duration>,
    /// Not in the file: leave at once.
    unnamed: VecDeque<u64>,
    patience: Option<Duration>,
    last_came: Duration,
    is_ended: bool,
    absent: BTreeSet<u64>,
}

impl Scheduled {
    fn take(&mut self, number: u64, now: Duration) -> u64 {
        self.last_came = now;
        if self.dropped.contains(&number) {
            return 0;
        }
        match self.left.get(&number) {
            Some(left) => {
                self.came.insert(number, now);
                *left
            }
            None => {
                self.unnamed.push_back(number);
                1
            }
        }
    }

    fn next(&mut self, now: Duration) -> Option<Departure> {
        if let Some(number) = self.unnamed.pop_front() {
            return Some(Departure { number, after: Duration::ZERO });
        }
        loop {
            let head = *self.order.front()?;
            match self.came.get(&head.number) {
                Some(came) if now >= *came + head.after => {
                    self.pass_head(head.number);
                    return Some(head);
                }
                Some(_) => return None,
                None if self.is_waited_for(now) => return None,
                None => {
                    self.absent.insert(head.number);
                    self.pass_head(head.number);
                }
            }
        }
    }

    fn due(&self) -> Option<Duration> {
        if !self.unnamed.is_empty() {
            return Some(self.last_came);
        }
        let head = self.order.front()?;
        match self.came.get(&head.number) {
            Some(came) => Some(*came + head.after),
            None if self.came.is_empty() => None,
            None if self.is_ended => Some(self.last_came),
            None => Some(self.last_came + self.patience?),
        }
    }

    /// Is the one at the head, which has not come, waited for?
    fn is_waited_for(&self, now: Duration) -> bool {
        let is_early = self.patience.is_none_or(|patience| now < self.last_came + patience);
        // Where nothing waits behind it, nothing is gained by giving it up.
        !self.is_ended && (is_early || self.came.is_empty())
    }

    fn pass_head(&mut self, number: u64) {
        self.order.pop_front();
        let left = self.left.get_mut(&number).map_or(0, |left| {
            *left -= 1;
            *left
        });
        if left == 0 {
            self.left.remove(&number);
            self.came.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::Share;

    const SECOND: Duration = Duration::from_secs(1);

    fn odds(delay: &str) -> Odds {
        Odds {
            reorder: Share::per_thousand(300),
            duplicate: Share::per_thousand(100),
            drop: Share::per_thousand(50),
            delay: delay.parse().unwrap(),
            window: 16,
            patience: SECOND * 2,
            seed: 7,
        }
    }

    /// Requests that come so far apart, each taken out as soon as it may leave.
    fn run(mut queue: Queue, count: u32, apart: Duration) -> Vec<(Departure, Duration)> {
        let (mut left, mut now) = (Vec::new(), Duration::ZERO);
        for number in 1..=count {
            let comes = apart * (number - 1);
            while let Some(due) = queue.due().filter(|due| *due < comes) {
                now = now.max(due);
                left.extend(queue.next(now).map(|one| (one, now)));
            }
            now = comes;
            queue.take(number.into(), now);
        }
        queue.end(now);
        while let Some(due) = queue.due() {
            now = now.max(due);
            left.extend(queue.next(now).map(|one| (one, now)));
        }
        left
    }

    fn numbers(left: &[(Departure, Duration)]) -> Vec<u64> {
        left.iter().map(|(departure, _)| departure.number).collect()
    }

    #[test]
    fn without_odds_all_leave_in_their_order_at_once() {
        let (reorder, duplicate, drop) = (Share::NONE, Share::NONE, Share::NONE);
        let calm = Odds { reorder, duplicate, drop, ..odds("0") };
        let left = run(Queue::drawn(calm), 100, SECOND);
        assert_eq!(numbers(&left), (1..=100).collect::<Vec<_>>());
        assert!((0..).zip(&left).all(|(at, (_, now))| *now == SECOND * at));
    }

    #[test]
    fn without_delays_the_order_does_not_depend_on_when_they_come() {
        let at_once = run(Queue::drawn(odds("0")), 500, Duration::ZERO);
        let apart = run(Queue::drawn(odds("0")), 500, Duration::from_millis(7));
        assert_eq!(numbers(&at_once), numbers(&apart));
        let sorted: Vec<u64> = (1..=500).collect();
        assert_ne!(numbers(&at_once), sorted);
    }

    #[test]
    fn as_many_pass_as_was_drawn() {
        let all =
            Odds { reorder: Share::ALL, duplicate: Share::NONE, drop: Share::NONE, ..odds("0") };
        let order = numbers(&run(Queue::drawn(all), 500, Duration::ZERO));
        for number in 1..=400 {
            let behind = all.ways(number)[0].behind;
            let place = |wanted| order.iter().position(|number| *number == wanted).unwrap();
            // Each lets others pass, so it leaves when its turn comes and not before those it let.
            let came = order[..place(number)].iter().max().copied().unwrap_or_default();
            assert!(came <= number + behind, "{number}");
        }
        assert!(order.windows(2).any(|pair| pair[0] > pair[1]));
    }

    #[test]
    fn one_that_nobody_passes_leaves_in_the_end() {
        let all =
            Odds { reorder: Share::ALL, duplicate: Share::NONE, drop: Share::NONE, ..odds("0") };
        let mut queue = Queue::drawn(all);
        assert_eq!(queue.take(1, SECOND), 1);
        assert_eq!((queue.next(SECOND), queue.due()), (None, Some(SECOND * 3)));
        assert_eq!(queue.next(SECOND * 3).unwrap().number, 1);
        assert_eq!(queue.due(), None);
    }

    #[test]
    fn nothing_leaves_before_its_delay_and_all_do() {
        let left = run(Queue::drawn(odds("1s..3s")), 500, Duration::from_millis(10));
        let ways: usize = (1..=500).map(|number| odds("1s..3s").ways(number).len()).sum();
        assert_eq!(left.len(), ways);
        for (departure, now) in &left {
            let came = Duration::from_millis(10) * u32::try_from(departure.number - 1).unwrap();
            assert!(*now >= came + departure.after && departure.after >= SECOND);
            assert!(*now <= came + departure.after + SECOND * 2);
        }
    }

    /// What left, as the schedule it prints.
    fn schedule(left: &[(Departure, Duration)], count: u64) -> Schedule {
        let departures: Vec<Departure> = left.iter().map(|(departure, _)| *departure).collect();
        let leaves = |number: &u64| departures.iter().any(|one| one.number == *number);
        let dropped = (1..=count).filter(|number| !leaves(number)).collect();
        Schedule { departures, dropped }
    }

    #[test]
    fn a_schedule_gives_the_same_order_however_they_come() {
        let left = run(Queue::drawn(odds("0..5s")), 300, Duration::from_millis(10));
        let again = || Queue::scheduled(schedule(&left, 300), Some(SECOND));
        for apart in [0, 10, 200] {
            let replayed = run(again(), 300, Duration::from_millis(apart));
            assert_eq!(numbers(&replayed), numbers(&left), "{apart}");
        }
        let replayed = run(again(), 300, Duration::from_millis(10));
        let is_later = |((_, now), (_, before)): (&(_, Duration), &(_, Duration))| now > before;
        assert!(!replayed.iter().zip(&left).any(is_later));
    }

    #[test]
    fn one_that_does_not_come_is_waited_for_only_so_long() {
        let named = |number| Departure { number, after: Duration::ZERO };
        let schedule =
            Schedule { departures: vec![named(2), named(1), named(3)], dropped: [4].into() };
        let mut queue = Queue::scheduled(schedule, Some(SECOND * 30));
        assert_eq!(queue.take(1, SECOND), 1);
        assert_eq!((queue.next(SECOND * 30), queue.due()), (None, Some(SECOND * 31)));
        assert_eq!((queue.next(SECOND * 31), queue.absent()), (Some(named(1)), 1));
        assert_eq!((queue.due(), queue.next(SECOND * 90)), (None, None), "nothing waits");
        assert_eq!(queue.take(2, SECOND * 90), 1, "it leaves at once after all");
        assert_eq!(queue.next(SECOND * 90), Some(named(2)));
        assert_eq!((queue.take(4, SECOND * 90), queue.take(5, SECOND * 90)), (0, 1));
        assert_eq!(queue.next(SECOND * 90), Some(named(5)));
        queue.end(SECOND * 90);
        assert_eq!((queue.next(SECOND * 90), queue.absent()), (None, 2));
    }
}
