//! What a scenario refuses to read, and that it notices what it is there for.

use super::play::play;
use super::script::Script;

const SIMPLE: &str = "source s fifo\ndestination app\n0ms one key=a position=1\n";

#[test]
fn a_line_that_means_nothing_is_refused() {
    assert!(Script::parse(SIMPLE).is_ok());
    for line in [
        "sourc s fifo",
        "source s fifo colour=red",
        "source s filo",
        "source s fifo wait=5",
        "destination app give_up=never",
        "5 two key=a position=2",
        "5ms two position=2",
        "5ms two key=a position=two",
        "5ms two key=a type=nothing.a",
        "5ms one key=a position=2",
        "5ms two again",
        "5ms two key=a source=other",
        "answer app two 200",
        "answer app one fine",
    ] {
        assert!(Script::parse(&format!("{SIMPLE}{line}\n")).is_err(), "{line}");
    }
    assert!(Script::parse("source s fifo\ndestination app\n").is_err(), "nothing is sent");
}

#[test]
fn what_a_consumer_says_is_what_it_says_first() {
    let script = format!("{SIMPLE}answer app one 500 200\n");
    let told = play(&script, u64::MAX).unwrap().told;
    let lines: Vec<&str> = told.lines().collect();
    let expected = [
        "a one: released 1",
        "  app gets a 1 one: 500",
        "  app gets a 1 one, try 2, maybe sent before: 200",
        "fates",
        "  a one: 1 event, app delivered",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn it_is_killed_as_often_as_it_is_to_be() {
    let deaths = |every| play(SIMPLE, every).unwrap().deaths;
    assert!(deaths(20) > deaths(200), "{} and {}", deaths(20), deaths(200));
}
