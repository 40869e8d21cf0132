//! A configuration that names things and a history that numbers them (DESIGN F6, K8, L7).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sprag_core::fact::Fact;
use sprag_core::id::{DestinationId, SourceId};
use sprag_core::plan::{Plan, PlannedDestination, PlannedSource, SourceChanged};
use sprag_core::record::Directory;
use sprag_core::settings::{Restore, RetentionSettings, Settings, Start};

use crate::bounds::settings;

fn source(name: &str, identity: &str) -> PlannedSource {
    let mut settings = settings().sources[&SourceId(1)].clone();
    (settings.name, settings.destinations) = (Arc::from(name), Vec::new());
    PlannedSource { identity: Arc::from(identity), late_to: None, depends_on: None, settings }
}

fn destination(name: &str, from: &[&str], start: Start) -> PlannedDestination {
    let mut settings = settings().destinations[&DestinationId(1)].clone();
    (settings.name, settings.start) = (Arc::from(name), start);
    PlannedDestination { from: from.iter().map(|name| Arc::from(*name)).collect(), settings }
}

fn plan() -> Plan {
    let Settings { revision, hot_keys, key_backlog, dedupe_ids, forgotten, .. } = settings();
    let sources = vec![source("billing", "fifo"), source("crm", "latest")];
    let app = destination("app", &["billing", "crm"], Start::Now);
    let books = destination("books", &["billing"], Start::Earliest);
    let restore = Some(Restore { id: 9, jump: 5 });
    Plan {
        revision,
        sources,
        destinations: vec![app, books],
        retired: Vec::new(),
        hot_keys,
        key_backlog,
        dedupe_ids,
        forgotten,
        partition_rate: None,
        destination_backlog: None,
        retention: RetentionSettings::default(),
        restore,
    }
}

/// What history knows once these facts are durable.
fn take_in(directory: &mut Directory, facts: &[Fact]) {
    facts.iter().for_each(|fact| assert!(directory.evolve(fact), "{fact:?}"));
}

/// The numbers of a source's destinations.
fn leads_to(settings: &Settings, source: u32) -> Vec<u32> {
    settings.sources[&SourceId(source)].destinations.iter().map(|id| id.0).collect()
}

#[test]
fn names_get_numbers_once_and_keep_them() {
    let (mut plan, mut directory) = (plan(), Directory::default());
    let (first, declared) = plan.resolve(&directory).expect("nothing is known yet");
    let names: Vec<_> = declared.iter().map(Fact::name).collect();
    let (source, destination) = ("source-declared", "destination-declared");
    assert_eq!(names, [source, source, destination, destination]);
    assert_eq!((leads_to(&first, 1), leads_to(&first, 2)), (vec![1, 2], vec![1]));
    assert_eq!((first.restore, first.revision), (plan.restore, plan.revision));
    take_in(&mut directory, &declared);
    // In another order, with one more in front: numbers stay, the new one gets the next.
    plan.sources.reverse();
    plan.destinations.reverse();
    plan.destinations.insert(0, self::destination("new", &["crm"], Start::Now));
    let (again, declared) = plan.resolve(&directory).expect("the sources are what they were");
    assert_eq!(declared.len(), 1, "{declared:?}");
    assert_eq!((leads_to(&again, 1), leads_to(&again, 2)), (vec![1, 2], vec![1, 3]));
    assert_eq!(&*again.sources[&SourceId(1)].name, "billing");
    assert_eq!(&*again.destinations[&DestinationId(3)].name, "new");
}

#[test]
fn a_destination_starts_where_history_says_it_did() {
    let (mut plan, mut directory) = (plan(), Directory::default());
    let (settings, declared) = plan.resolve(&directory).expect("nothing is known yet");
    assert_eq!(settings.destinations[&DestinationId(2)].start, Start::Earliest);
    take_in(&mut directory, &declared);
    plan.destinations[1].settings.start = Start::Now;
    plan.destinations[1].settings.concurrency = 7;
    let (settings, declared) = plan.resolve(&directory).expect("the sources are what they were");
    let books = &settings.destinations[&DestinationId(2)];
    assert_eq!((books.start, books.concurrency, declared), (Start::Earliest, 7, vec![]));
}

#[test]
fn a_source_that_is_not_what_it_was_is_refused() {
    let (mut plan, mut directory) = (plan(), Directory::default());
    let (_, declared) = plan.resolve(&directory).expect("nothing is known yet");
    take_in(&mut directory, &declared);
    plan.sources[1] = source("crm", "arrival");
    let refused = plan.resolve(&directory).expect_err("its positions would be misread");
    let (name, was, is) = (Arc::from("crm"), Arc::from("latest"), Arc::from("arrival"));
    assert_eq!(refused, SourceChanged { name, was, is });
}

#[test]
fn who_is_retired_gives_its_name_away_and_who_is_only_left_out_does_not() {
    let (mut plan, mut directory) = (plan(), Directory::default());
    let (_, declared) = plan.resolve(&directory).expect("nothing is known yet");
    take_in(&mut directory, &declared);
    assert_eq!(plan.removed(&directory), []);
    // Left out: told as removed, and the same when it comes again.
    let books = plan.destinations.pop().expect("books");
    let removed: Vec<_> =
        plan.removed(&directory).into_iter().map(|gone| gone.destination).collect();
    assert_eq!(removed, [DestinationId(2)]);
    let (left_out, declared) = plan.resolve(&directory).expect("the sources are what they were");
    assert_eq!((left_out.destinations.len(), declared.len()), (1, 0));
    // Retired: a fact, once; it is removed no more.
    plan.retired = vec![Arc::from("books"), Arc::from("never-known")];
    assert_eq!(plan.removed(&directory), []);
    let (settings, declared) = plan.resolve(&directory).expect("the sources are what they were");
    assert!(matches!(&*declared, [Fact::DestinationRetired(_)]), "{declared:?}");
    assert_eq!(settings.retired, BTreeSet::from([DestinationId(2)]));
    take_in(&mut directory, &declared);
    let (settings, declared) = plan.resolve(&directory).expect("the sources are what they were");
    assert_eq!((settings.retired.len(), declared.len()), (1, 0));
    // Its name comes again: another destination.
    plan.retired.clear();
    plan.destinations.push(books);
    let (settings, declared) = plan.resolve(&directory).expect("the sources are what they were");
    assert_eq!(declared.len(), 1, "{declared:?}");
    assert_eq!((leads_to(&settings, 1), settings.retired.len()), (vec![1, 3], 1));
    plan.destinations.pop();
    take_in(&mut directory, &declared);
    let removed: Vec<_> =
        plan.removed(&directory).into_iter().map(|gone| gone.destination).collect();
    assert_eq!(removed, [DestinationId(3)], "who is retired is not removed as well");
}

#[test]
fn a_directory_is_what_its_facts_say() {
    let (mut plan, mut directory) = (plan(), Directory::default());
    plan.destinations.pop();
    let (_, declared) = plan.resolve(&directory).expect("nothing is known yet");
    take_in(&mut directory, &declared);
    plan.retired = vec![Arc::from("app")];
    plan.destinations.clear();
    let (_, declared) = plan.resolve(&directory).expect("the sources are what they were");
    take_in(&mut directory, &declared);
    let mut again = Directory::default();
    take_in(&mut again, &directory.facts());
    assert_eq!(again, directory);
    assert_eq!(RetentionSettings::default().facts, Duration::from_secs(400 * 86_400));
}
