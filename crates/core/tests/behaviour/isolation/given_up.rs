//! A lane that gives up one event after another (promise 3, rules D4, L2), at a partition.
//!
//! Knows only the rule: what is known of a lane is known of each of its events.

use std::sync::Arc;
use std::time::Duration;

use sprag_core::destination::{Grant, Request, Standing};
use sprag_core::fact::Outcome;
use sprag_core::id::{DestinationId, Epoch, PartitionId, SourceId};
use sprag_core::input::{Ended, Input};
use sprag_core::output::Output;
use sprag_core::partition::{Head, Partition};
use sprag_core::settings::{Contract, First, OnGiveUp};
use sprag_core::time::ElapsedMicros;

use crate::bounds::{at, carry_out, receive, settings};
use crate::harness::Sha;

fn skips_after_one_attempt(contract: Contract) -> Partition<Sha> {
    let mut settings = settings();
    if let Some(source) = settings.sources.get_mut(&SourceId(1)) {
        source.contract = contract;
    }
    if let Some(to) = settings.destinations.get_mut(&DestinationId(1)) {
        to.on_give_up = OnGiveUp::Skip;
        to.retry.attempts = Some(1);
    }
    let settings = Arc::new(settings);
    let mut partition = Partition::new(PartitionId(0), settings.clone(), 7, Sha);
    partition.begin(&Head::default());
    partition.resume(at(0), Epoch(1), settings);
    partition
}

fn request(outputs: &[Output]) -> Request {
    let request = outputs.iter().find_map(|output| match output {
        Output::Request(request) => Some(*request),
        _ => None,
    });
    request.expect("the head asks for a permit")
}

/// Makes the attempt that is asked for end so, and says what is asked for then.
fn end(partition: &mut Partition<Sha>, millis: u64, asked: Request, outcome: Outcome) -> Request {
    request(&outputs_of_end(partition, millis, asked, outcome))
}

fn outputs_of_end(
    partition: &mut Partition<Sha>,
    millis: u64,
    request: Request,
    outcome: Outcome,
) -> Vec<Output> {
    let grant = Grant { lane: request.lane, slow_at: ElapsedMicros(u64::MAX), probe: false };
    partition.handle(at(millis), Input::Granted(grant));
    let (_, outputs) = carry_out(partition, at(millis));
    let attempt = outputs.iter().find_map(|output| match output {
        Output::Attempt(attempt) => Some(attempt.id),
        _ => None,
    });
    let attempt = attempt.expect("a permit leads to an attempt");
    let took = Duration::from_millis(1);
    let ended =
        Ended { attempt, outcome, retry_after: None, dropped: None, acknowledged: None, took };
    partition.handle(at(millis), Input::Ended(ended));
    carry_out(partition, at(millis)).1
}

fn tries(request: Request) -> Option<u32> {
    match request.standing {
        Standing::Struggling { tries, .. } => Some(tries),
        Standing::Proven | Standing::Unproven => None,
    }
}

/// Seen in the simulator: a lane that gives each event up after one attempt always stood at one that was
/// never tried, so each probe of an open breaker was its own, and an event of a healthy key that had
/// been tried once waited for minutes.
#[test]
fn behind_an_event_that_was_given_up_none_passes_for_untried() {
    let mut partition = skips_after_one_attempt(Contract::Fifo { first: First::Strictly(1) });
    for position in 1..=6 {
        receive(&mut partition, at(0), position, "a", position);
    }
    let (_, outputs) = carry_out(&mut partition, at(0));
    let mut next = request(&outputs);
    assert_eq!(tries(next), None, "nothing is known of it");
    for failed in 1..=3_u32 {
        next = end(&mut partition, u64::from(failed), next, Outcome::Unreachable);
        assert_eq!(tries(next), Some(failed), "a lane that failed so often");
    }
    let next = end(&mut partition, 4, next, Outcome::Answered { status: 200 });
    assert_eq!(next.standing, Standing::Proven);
    let next = end(&mut partition, 5, next, Outcome::Unreachable);
    assert_eq!(tries(next), Some(1), "counted anew since it was answered");
}

/// Each of the many events of a key without order would pass for one of which nothing is known, take a
/// place of `concurrency` each, and each a probe of an open breaker.
#[test]
fn beside_an_event_that_failed_none_of_the_same_key_passes_for_untried() {
    let mut partition = skips_after_one_attempt(Contract::Unordered);
    for number in 1..=4 {
        receive(&mut partition, at(0), number, "a", number);
    }
    let (_, outputs) = carry_out(&mut partition, at(0));
    let outputs = outputs_of_end(&mut partition, 1, request(&outputs), Outcome::Unreachable);
    let asked: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Request(request) => Some(tries(*request)),
            _ => None,
        })
        .collect();
    assert_eq!(asked, [Some(1); 3], "the three others ask anew, as what they are now");
}
