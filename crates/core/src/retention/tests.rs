//! What the machine does, step by step.

use super::*;
use alloc::vec;
use alloc::vec::Vec;

const DAY: u64 = 86_400_000_000;
const P: PartitionId = PartitionId(0);

fn at(days: u64) -> Now {
    let clock = UnixMicros(1_000 * DAY + days * DAY);
    Now { elapsed: ElapsedMicros(days * DAY), clock }
}

/// A machine that keeps bodies for two days and facts for ten.
fn machine() -> Retention {
    let days = |days| Duration::from_micros(days * DAY);
    Retention::new(RetentionSettings { bodies: days(2), facts: days(10) })
}

fn segment(number: u64, days: u64, kept: Option<u64>) -> Segment {
    let frames = vec![(FrameNumber(number * 10), FrameNumber(number * 10 + 10))];
    Segment { number, bytes: 100, newest: at(days).clock, kept, frames }
}

fn poll(machine: &mut Retention, now: Now, committed: u64) -> Option<Step> {
    machine.poll(now, |_| FrameNumber(committed))
}

/// Lets it list segments, and answers with these.
fn lists(machine: &mut Retention, now: Now, segments: &[Segment]) {
    let mut step = poll(machine, now, 0);
    if step == Some(Step::Seal) {
        machine.sealed(now);
        step = poll(machine, now, 0);
    }
    assert_eq!(step, Some(Step::List { after: 0 }));
    machine.listed(now, machine.asked(), segments, true);
}

/// It reads a segment as one page with this answer.
fn reads(machine: &mut Retention, now: Now, carries: bool, looked: Looked) {
    match poll(machine, now, 0) {
        Some(Step::Read(reading)) => {
            assert_eq!(reading.carries, carries);
            machine.looked(now, machine.asked(), looked, reading.end);
        }
        other => panic!("{other:?}"),
    }
}

fn dead(frame: u64, bytes: u32, live: u64) -> Looked {
    Looked { dead: vec![(FrameNumber(frame), 0, bytes)], live, ..Looked::default() }
}

#[test]
fn a_segment_is_rewritten_once_and_again_for_more_than_half() {
    let mut machine = machine();
    let now = at(5);
    lists(&mut machine, now, &[segment(1, 3, None), segment(2, 4, None)]);
    assert_eq!(poll(&mut machine, now, 0), None, "nothing of them is old enough");
    let now = at(6);
    lists(&mut machine, now, &[segment(1, 3, None), segment(2, 5, None)]);
    reads(&mut machine, now, false, dead(12, 1, 1_000));
    let one = DeadBodies::from([((P, FrameNumber(12)), vec![0])]);
    assert_eq!(poll(&mut machine, now, 0), Some(Step::Rewrite { segment: 1, dead: one }));
    machine.rewritten(now, Some(9));
    for (day, live, again) in [(8, 500, false), (10, 499, true)] {
        let now = at(day);
        lists(&mut machine, now, &[segment(1, 3, Some(1_000))]);
        reads(&mut machine, now, false, dead(12, 1, live));
        let step = poll(&mut machine, now, 0);
        assert_eq!(matches!(step, Some(Step::Rewrite { .. })), again, "{step:?}");
        machine.lost(now);
    }
    let tally = Tally { rewritten: 1, freed: 9, ..Tally::default() };
    assert_eq!(machine.tally(), tally);
}

/// Which segment is looked at on each of these days, and whether for deletion. All of it waits, and each look takes half a day:
/// longer than until it may be looked at again.
fn turns(
    machine: &mut Retention,
    days: core::ops::Range<u64>,
    segments: impl Fn(u64) -> Vec<Segment>,
) -> Vec<(u64, bool)> {
    days.map(|day| {
        lists(machine, at(day), &segments(day));
        let (mut now, mut turn) = (at(day), None);
        loop {
            let Some(Step::Read(reading)) = poll(machine, now, 0) else {
                panic!("none has its turn")
            };
            turn.get_or_insert((reading.from.0 / 10, reading.carries));
            let page = Looked { live: 1, is_pinned: true, ..Looked::default() };
            let half = Duration::from_micros(DAY / 2);
            now = Now { elapsed: now.elapsed.after(half), clock: now.clock.after(half) };
            machine.looked(now, machine.asked(), page, reading.end);
            // One that stays is looked at for its bodies.
            if !reading.carries {
                break;
            }
        }
        turn.expect("the loop sets it")
    })
    .collect()
}

#[test]
fn segments_in_which_much_waits_do_not_keep_others_from_their_turn() {
    let segments = |_| (1..=4).map(|number| segment(number, 3, None)).collect();
    let looked = turns(&mut machine(), 6..14, segments);
    assert_eq!(looked, [1, 2, 3, 4, 1, 2, 3, 4].map(|number| (number, false)));
}

#[test]
fn an_oldest_that_stays_is_looked_at_for_deletion_once_a_round() {
    let segments = |_| (1..=3).map(|number| segment(number, 3, None)).collect();
    let looked = turns(&mut machine(), 20..26, segments);
    let round = [(1, true), (2, false), (3, false)];
    assert_eq!(looked, [round, round].concat());
}

/// One is written each day.
#[test]
fn a_round_ends_whatever_becomes_old_meanwhile() {
    let segments =
        |day| (1..=day - 3).map(|number| segment(number, number + 2, None)).collect::<Vec<_>>();
    let looked = turns(&mut machine(), 6..13, segments);
    assert_eq!(looked, [1, 1, 2, 1, 2, 3, 4].map(|number| (number, false)));
}

/// All of them had their turn for bodies.
#[test]
fn the_oldest_is_looked_at_for_deletion_within_a_round() {
    let mut machine = machine();
    let segments = |_| (1..=4).map(|number| segment(number, 3, None)).collect();
    turns(&mut machine, 6..12, segments);
    assert_eq!(turns(&mut machine, 14..16, segments), [(1, true), (3, false)]);
}

#[test]
fn the_oldest_segment_is_deleted_once_what_it_rests_on_is_committed() {
    let mut machine = machine();
    let now = at(20);
    let segments = [segment(1, 9, Some(0)), segment(2, 9, Some(0))];
    lists(&mut machine, now, &segments);
    let looked = Looked { rests_on: FrameNumber(70), carried: 3, ..Looked::default() };
    reads(&mut machine, now, true, looked);
    assert_eq!(poll(&mut machine, now, 69), None);
    let before = vec![FrameNumber(20)];
    assert_eq!(poll(&mut machine, now, 70), Some(Step::Trim { before }));
    machine.trimmed(now, true);
    let tally = Tally { deleted: 1, freed: 100, carried: 3, ..Tally::default() };
    assert_eq!(machine.tally(), tally);
    // The next one is pinned: it is left alone for a while, and only its bodies are looked at.
    lists(&mut machine, now, &segments[1..]);
    reads(&mut machine, now, true, Looked { is_pinned: true, ..Looked::default() });
    assert!(machine.tally().is_pinned);
    lists(&mut machine, now, &segments[1..]);
    assert_eq!(poll(&mut machine, now, 99), None);
    lists(&mut machine, at(21), &segments[1..]);
    reads(&mut machine, at(21), true, Looked::default());
}

#[test]
fn a_redrive_while_a_segment_is_judged_has_it_judged_again() {
    let mut machine = machine();
    let now = at(6);
    lists(&mut machine, now, &[segment(1, 3, None)]);
    reads(&mut machine, now, false, dead(12, 1, 0));
    machine.redrive_begins();
    assert_eq!(poll(&mut machine, now, 0), None, "it is not answered yet");
    machine.redrive_ends();
    assert_eq!(poll(&mut machine, now, 0), None);
    reads(&mut machine, now, false, Looked { live: 1, ..Looked::default() });
    lists(&mut machine, now, &[segment(1, 3, None)]);
    assert_eq!(poll(&mut machine, now, 0), None, "it is live");
    assert!(!machine.is_deleting());
}

#[test]
fn a_segment_that_must_stay_loses_its_dead_bodies() {
    let mut machine = machine();
    let now = at(20);
    lists(&mut machine, now, &[segment(1, 9, None)]);
    reads(&mut machine, now, true, Looked { is_pinned: true, ..dead(12, 5, 7) });
    reads(&mut machine, now, false, Looked { is_pinned: true, ..dead(12, 5, 7) });
    let step = poll(&mut machine, now, 0);
    assert!(matches!(step, Some(Step::Rewrite { segment: 1, .. })), "{step:?}");
    assert!(machine.is_deleting() && machine.tally().is_pinned);
}

#[test]
fn redrives_wait_while_history_goes() {
    let mut machine = machine();
    let now = at(20);
    lists(&mut machine, now, &[segment(1, 9, Some(0))]);
    reads(&mut machine, now, true, Looked::default());
    assert!(matches!(poll(&mut machine, now, 0), Some(Step::Trim { .. })));
    assert!(machine.is_deleting());
    machine.trimmed(now, true);
    assert!(!machine.is_deleting());
}

#[test]
fn a_clock_that_jumps_ahead_deletes_nothing() {
    let mut machine = machine();
    lists(&mut machine, at(1), &[]);
    let jumped = Now { elapsed: at(2).elapsed, clock: at(500).clock };
    lists(&mut machine, jumped, &[segment(1, 1, None)]);
    assert_eq!(poll(&mut machine, jumped, 0), None);
    let back = Now { elapsed: at(30).elapsed, clock: at(0).clock };
    lists(&mut machine, back, &[segment(1, 1, None)]);
    assert_eq!(poll(&mut machine, back, 0), None);
    lists(&mut machine, at(31), &[segment(1, 1, None)]);
    reads(&mut machine, at(31), true, Looked::default());
}

#[test]
fn a_lost_term_ends_the_look_and_answers_to_it_are_void() {
    let mut machine = machine();
    let now = at(6);
    lists(&mut machine, now, &[segment(1, 3, None)]);
    assert!(matches!(poll(&mut machine, now, 0), Some(Step::Read(_))));
    let asked = machine.asked();
    machine.lost(now);
    machine.looked(now, asked, dead(12, 1, 0), FrameNumber(20));
    assert_eq!(poll(&mut machine, now, 0), None);
    // It has its turn again, and not the next.
    lists(&mut machine, at(7), &[segment(1, 3, None), segment(2, 3, None)]);
    match poll(&mut machine, at(7), 0) {
        Some(Step::Read(reading)) => assert_eq!(reading.from.0 / 10, 1),
        other => panic!("{other:?}"),
    }
}

/// A reload: other ages.
fn revised(machine: &mut Retention, bodies: u64, facts: u64) {
    let days = |days| Duration::from_micros(days * DAY);
    machine.revise(RetentionSettings { bodies: days(bodies), facts: days(facts) });
}

#[test]
fn a_reload_that_keeps_less_looks_again_at_once_and_deletes_by_it() {
    let mut machine = machine();
    let now = at(6);
    lists(&mut machine, now, &[segment(1, 5, None), segment(2, 5, None)]);
    assert_eq!(poll(&mut machine, now, 0), None, "nothing is two days old");
    assert!(machine.deadline().is_some_and(|due| due > now.elapsed));
    revised(&mut machine, 2, 10);
    assert_eq!(poll(&mut machine, now, 0), None, "nothing changed");
    revised(&mut machine, 0, 1);
    assert!(machine.deadline().is_some_and(|due| due <= now.elapsed));
    // One that was looked at under the settings before is looked at again.
    lists(&mut machine, at(7), &[segment(1, 5, None), segment(2, 5, None)]);
    reads(&mut machine, at(7), true, Looked { is_pinned: true, ..Looked::default() });
    reads(&mut machine, at(7), false, Looked::default());
    lists(&mut machine, at(7), &[segment(1, 5, None)]);
    assert_eq!(poll(&mut machine, at(7), 0), None, "it is put off");
    revised(&mut machine, 0, 2);
    lists(&mut machine, at(8), &[segment(1, 5, None)]);
    reads(&mut machine, at(8), true, Looked::default());
}

#[test]
fn a_reload_that_keeps_more_deletes_nothing_of_what_was_old_before() {
    let mut machine = machine();
    lists(&mut machine, at(1), &[]);
    let now = at(20);
    revised(&mut machine, 30, 400);
    lists(&mut machine, now, &[segment(1, 3, None)]);
    assert_eq!(poll(&mut machine, now, 0), None);
    // What is under way when it comes is read by what is in force then.
    revised(&mut machine, 2, 400);
    lists(&mut machine, now, &[segment(1, 3, None)]);
    revised(&mut machine, 30, 400);
    match poll(&mut machine, now, 0) {
        Some(Step::Read(reading)) => {
            assert!(reading.expired < at(0).clock, "nothing of thirty days ago: {reading:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn bodies_go_once_the_outcomes_that_they_rest_on_are_committed() {
    let mut machine = machine();
    let now = at(6);
    lists(&mut machine, now, &[segment(1, 3, None)]);
    reads(&mut machine, now, false, Looked { rests_on: FrameNumber(70), ..dead(12, 1, 0) });
    assert_eq!(poll(&mut machine, now, 69), None, "a crash may take them back");
    assert!(matches!(poll(&mut machine, now, 70), Some(Step::Rewrite { segment: 1, .. })));
}

#[test]
fn a_reload_while_a_segment_is_judged_has_it_judged_again() {
    let mut machine = machine();
    let now = at(6);
    lists(&mut machine, now, &[segment(1, 3, None)]);
    reads(&mut machine, now, false, dead(12, 1, 0));
    machine.judge_anew();
    assert_eq!(poll(&mut machine, now, 0), None, "a destination may take it that came meanwhile");
    reads(&mut machine, now, false, Looked { live: 1, ..Looked::default() });
    lists(&mut machine, now, &[segment(1, 3, None)]);
    assert_eq!(poll(&mut machine, now, 0), None, "it is live");
}

#[test]
fn what_cannot_be_read_or_done_is_tried_again_later_and_counted() {
    let mut machine = machine();
    let (now, minute) = (at(6), Duration::from_secs(60));
    let later =
        |now: Now, by: Duration| Now { elapsed: now.elapsed.after(by), clock: now.clock.after(by) };
    // Segments cannot be listed.
    assert_eq!(poll(&mut machine, now, 0), Some(Step::List { after: 0 }));
    machine.not_looked(now, machine.asked() - 1);
    assert_eq!(machine.deadline(), None, "that was another question");
    machine.not_looked(now, machine.asked());
    assert_eq!(machine.deadline(), Some(later(now, minute).elapsed));
    assert_eq!(poll(&mut machine, now, 0), None);
    // A page cannot be read.
    let now = later(now, minute);
    lists(&mut machine, now, &[segment(1, 3, None)]);
    assert!(matches!(poll(&mut machine, now, 0), Some(Step::Read(_))));
    assert_eq!(machine.deadline(), None, "it waits for the page");
    machine.not_looked(now, machine.asked());
    assert_eq!(poll(&mut machine, now, 0), None);
    // A segment cannot be written anew, another cannot be deleted: each rests, and is counted.
    let now = later(now, minute);
    lists(&mut machine, now, &[segment(1, 3, None)]);
    reads(&mut machine, now, false, dead(12, 7, 0));
    assert!(matches!(poll(&mut machine, now, 0), Some(Step::Rewrite { .. })));
    machine.rewritten(now, None);
    let now = at(20);
    lists(&mut machine, now, &[segment(1, 3, Some(0))]);
    reads(&mut machine, now, true, Looked::default());
    assert!(matches!(poll(&mut machine, now, 0), Some(Step::Trim { .. })));
    machine.trimmed(now, false);
    assert_eq!(machine.tally(), Tally { failed: 2, ..Tally::default() });
    lists(&mut machine, now, &[segment(1, 3, Some(0))]);
    assert_eq!(poll(&mut machine, now, 0), None, "it was just tried");
}

#[test]
fn more_segments_than_one_list_are_looked_through() {
    let mut machine = machine();
    let now = at(6);
    assert_eq!(poll(&mut machine, now, 0), Some(Step::List { after: 0 }));
    // All that came are old and have nothing left; there are more behind them.
    machine.listed(now, machine.asked(), &[segment(1, 2, Some(0)), segment(2, 3, Some(0))], false);
    assert_eq!(poll(&mut machine, now, 0), Some(Step::List { after: 2 }));
    machine.listed(now, machine.asked() - 1, &[segment(3, 3, None)], true);
    assert_eq!(poll(&mut machine, now, 0), None, "that list was asked for before");
    machine.listed(now, machine.asked(), &[segment(3, 3, None)], true);
    reads(&mut machine, now, false, dead(32, 7, 0));
    assert!(matches!(poll(&mut machine, now, 0), Some(Step::Rewrite { segment: 3, .. })));
}

#[test]
fn an_answer_to_an_earlier_question_changes_nothing() {
    let mut machine = machine();
    let now = at(6);
    lists(&mut machine, now, &[segment(1, 3, None)]);
    assert!(matches!(poll(&mut machine, now, 0), Some(Step::Read(_))));
    machine.looked(now, machine.asked() - 1, dead(12, 1, 0), FrameNumber(20));
    assert_eq!(poll(&mut machine, now, 0), None, "the page is still awaited");
    machine.looked(now, machine.asked(), dead(12, 1, 0), FrameNumber(20));
    assert!(matches!(poll(&mut machine, now, 0), Some(Step::Rewrite { .. })));
    machine.looked(now, machine.asked(), dead(12, 1, 0), FrameNumber(20));
    assert_eq!(poll(&mut machine, now, 0), None, "no page is awaited");
}

#[test]
fn a_segment_that_is_pinned_and_has_no_bodies_left_is_put_off() {
    let mut machine = machine();
    let now = at(20);
    lists(&mut machine, now, &[segment(1, 3, Some(0))]);
    reads(&mut machine, now, true, Looked { is_pinned: true, ..Looked::default() });
    assert!(machine.tally().is_pinned);
    lists(&mut machine, now, &[segment(1, 3, Some(0))]);
    assert_eq!(poll(&mut machine, now, 0), None, "it was just looked at");
}

#[test]
fn a_page_whose_keys_have_no_room_is_read_again_after_a_pause() {
    let mut machine = machine();
    let now = at(20);
    lists(&mut machine, now, &[segment(1, 3, None)]);
    let some = Looked { is_incomplete: true, carried: 2, ..Looked::default() };
    reads(&mut machine, now, true, some.clone());
    let soon = now.elapsed.after(limits::RETENTION_PAUSE);
    assert_eq!((machine.deadline(), poll(&mut machine, now, 0)), (Some(soon), None));
    let now = Now { elapsed: soon, ..now };
    reads(&mut machine, now, true, Looked { carried: 0, ..some });
    let later = now.elapsed.after(limits::RETENTION_EVERY.0);
    assert_eq!((machine.deadline(), poll(&mut machine, now, 0)), (Some(later), None));
    let now = Now { elapsed: later, ..now };
    reads(&mut machine, now, true, Looked { carried: 1, ..Looked::default() });
    assert!(matches!(poll(&mut machine, now, 0), Some(Step::Trim { .. })));
    assert_eq!(machine.tally().carried, 3);
}
