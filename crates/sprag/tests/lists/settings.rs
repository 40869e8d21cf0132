//! What `refill.list` may say.

use std::time::Duration;

use sprag::config::{self, SecretReference};
use sprag::secret::Secret;

use crate::wire::SECRET;

const STRIPE: &str = "preset = \"stripe\"\nverify = { secrets = [\"env:A\"] }";
const GITHUB: &str = "preset = \"github\"\nverify = { secrets = [\"env:A\"] }";
const HOOK: &str = "list = \"github\", token = \"env:A\", url = \"https://api.github.com/repos/o/r/hooks/7/deliveries\"";

fn check(source: &str, refill: &str) -> Result<config::Checked, Vec<String>> {
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\ndata = \"d\"\n\
         [sources.s]\n{source}\nrefill = {{ {refill} }}\n\
         [destinations.app]\nfrom = [\"s\"]\nurl = \"http://app.example/\"\nsecrets = [\"env:A\"]\n"
    );
    let resolve = |_: &SecretReference| Ok(Secret::from(format!("whsec_A{SECRET}").as_str()));
    let checked = config::check(&text, "lists.toml", &resolve);
    checked.map_err(|findings| findings.iter().map(ToString::to_string).collect())
}

#[test]
fn a_list_that_could_not_work_is_refused_and_says_why() {
    let stripe = "list = \"stripe\", token = \"env:A\"";
    let none = "verify = { scheme = \"none\" }";
    for (source, refill, why) in [
        (STRIPE, "list = \"paypal\", token = \"env:A\"", "not available"),
        (STRIPE, "list = \"stripe\"", "`token` is missing"),
        (GITHUB, "list = \"github\", token = \"env:A\"", "`url` is missing"),
        (STRIPE, &format!("{stripe}, items = \"body:/data\""), "says it already"),
        (STRIPE, &format!("{stripe}, attempts = 3"), "says it already"),
        (
            STRIPE,
            &format!("{stripe}, url = \"https://a.example/?starting_after=evt_1\""),
            "starting_after",
        ),
        (STRIPE, &format!("{stripe}, url = \"https://a.example/{{key}}\""), "no placeholders"),
        (STRIPE, &format!("{stripe}, url = \"ftp://a.example/\""), "http"),
        (STRIPE, &format!("{stripe}, reach = \"31d\""), "30d"),
        (STRIPE, &format!("{stripe}, reach = \"5d\""), "half of `dedupe`"),
        (GITHUB, &format!("{HOOK}, reach = \"74h\""), "3 days only"),
        (GITHUB, &format!("{HOOK}, reach = \"5m\""), "shorter than twice"),
        (GITHUB, &HOOK.replace("github.com/repos", "github.com/repos?cursor=v1_1&"), "cursor"),
        (
            &format!(
                "{none}\nid = \"body:/id\"\nkey = \"body:/k\"\nposition = {{ sequence = \"body:/n\" }}"
            ),
            stripe,
            "do not count",
        ),
        (
            &format!("{none}\nid = \"sha256\"\nkey = \"body:/k\"\ncontract = \"arrival\""),
            stripe,
            "needs an `id`",
        ),
        (
            &format!("{none}\nid = \"header:x-id\"\nkey = \"body:/k\"\ncontract = \"arrival\""),
            stripe,
            "`id` is read at header:x-id",
        ),
        (
            &format!("{none}\nid = \"header:x-id\"\nkey = \"query:k\"\ncontract = \"arrival\""),
            HOOK,
            "`key` is read at query:k",
        ),
        (STRIPE, "reach = \"1d\"", "only a `list`"),
    ] {
        let findings = check(source, refill).expect_err(refill);
        assert!(findings.iter().any(|one| one.contains(why)), "{refill}: {findings:?}");
    }
}

#[test]
fn the_presets_of_both_providers_have_a_list() {
    let list = |source: &str, refill: &str| {
        check(source, refill).unwrap().config.sources["s"].list.clone().unwrap()
    };
    let stripe = list(STRIPE, "list = \"stripe\", token = \"env:A\"");
    assert_eq!(stripe.url.target, "/v1/events?delivery_success=false&limit=100");
    assert_eq!(stripe.url.authority, "api.stripe.com");
    assert_eq!((stripe.reach, stripe.rate.count), (Duration::from_hours(72), 5));
    let github = list(GITHUB, HOOK);
    assert_eq!(github.url.target, "/repos/o/r/hooks/7/deliveries?per_page=100");
    assert_eq!((github.reach, github.rate.count), (Duration::from_hours(72), 1));
    let (name, value) = github.headers.last().unwrap();
    let token = format!("Bearer whsec_A{SECRET}");
    assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", &*token));
    let short = list(&format!("{STRIPE}\ndedupe = \"1h\""), "list = \"stripe\", token = \"env:A\"");
    assert_eq!(short.reach, Duration::from_mins(30), "half of what is remembered");
}

#[test]
fn a_list_may_come_and_go_without_another_reading_of_history() {
    let identity = |refill: &str| {
        let checked = check(STRIPE, refill).unwrap();
        sprag::plan::plan(&checked.config, None).sources.remove(0).identity
    };
    let with = identity("list = \"stripe\", token = \"env:A\"");
    let text =
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\ndata = \"d\"\n[sources.s]\n"
            .to_owned()
            + STRIPE
            + "\n[destinations.app]\nfrom = [\"s\"]\nurl = \"http://app.example/\"\nsecrets = [\"env:A\"]\n";
    let resolve = |_: &SecretReference| Ok(Secret::from(format!("whsec_A{SECRET}").as_str()));
    let without = config::check(&text, "lists.toml", &resolve).unwrap();
    assert_eq!(sprag::plan::plan(&without.config, None).sources[0].identity, with);
}
