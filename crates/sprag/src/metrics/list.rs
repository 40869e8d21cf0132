//! Every metric with its labels, its unit and what it means: for the program and for the page of
//! the reference. Names are fixed by DESIGN section 5; labels are bounded and never a key.

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// Its name as it is scraped.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What its value counts.
    pub unit: &'static str,
    /// What it is, in a line.
    pub help: &'static str,
    /// How it is counted, and when to look at it.
    pub meaning: &'static str,
}

impl Described {
    /// The name as the registry wants it: it adds the prefix, and `_total` to counters.
    fn registered(&self) -> &'static str {
        let name = self.name.strip_prefix("sprag_").unwrap_or(self.name);
        name.strip_suffix("_total").unwrap_or(name)
    }
}

/// The help of a metric by the name the registry has it under; empty for none of the list, which
/// a test forbids.
pub(super) fn help(registered: &str) -> &'static str {
    let described = LIST.iter().find(|described| described.registered() == registered);
    described.map_or("", |described| described.help)
}

macro_rules! list {
    ($($name:literal $kind:literal [$($label:literal),*] $unit:literal: $help:literal, $meaning:literal;)+) => {
        /// All metrics, in the order of the page.
        pub const LIST: &[Described] = &[$(Described {
            name: $name,
            kind: $kind,
            labels: &[$($label),*],
            unit: $unit,
            help: $help,
            meaning: $meaning,
        },)+];
    };
}

list! {
    "sprag_events_total" "counter" ["source", "fate"] "events":
        "Events answered, by what they became on arrival",
        "Since the process began. Everything here was answered 200 and is durable.";
    "sprag_refused_total" "counter" ["source", "code"] "requests":
        "Requests refused, by problem code",
        "Since the process began. The codes are those of [problems](problems.md); only those that occurred have a line. A rise of `signature-mismatch` is a changed secret, of `not-durable` a disk in trouble.";
    "sprag_refills_total" "counter" ["source", "outcome"] "asks":
        "Asks for missing positions, and passes over a list, by what came of them",
        "Since the process began. `whole`: all that the source has of them was read, and is durable; `cut`: a part. `throttled` is 429, `declined` another answer below 500, `failed` one from 500 on. `unreachable`, `refused` (the address is not allowed), `unreadable` (not what is configured), `unfinished` (no end in time). What came is in `sprag_events_total` like any event.";
    "sprag_held_events" "gauge" ["source"] "events":
        "Events that wait behind missing positions, or settle",
        "Of all keys, in memory or not, from the state store; at most 5 s old.";
    "sprag_gaps_open" "gauge" ["source"] "keys":
        "Keys that wait for missing positions",
        "As `sprag_held_events`. New keys whose beginning is not settled (rule K7) are among them.";
    "sprag_oldest_gap_seconds" "gauge" ["source"] "seconds":
        "How long the longest wait for missing positions, or for what may still come, has lasted",
        "Since the receipt of the first event beyond the gap, by the machine's clock; downtime counts, unlike for `hold.wait` (rule G1). Absent while nothing waits; at most 5 s old.";
    "sprag_source_silence_seconds" "gauge" ["source"] "seconds":
        "How long the source has posted nothing",
        "Since its last event that was answered, be it a duplicate, or since this process knows of the source; requests that are refused, and what it was asked for, are no sign of life. `expect_every` makes it an alert.";
    "sprag_sequence_drift" "gauge" ["source", "partition"] "positions":
        "How far the positions received are ahead of those released",
        "The distance from the next position to the highest held, summed over all keys. A provider that loses events lets it grow; one that only shuffles does not.";
    "sprag_attempts_total" "counter" ["destination", "outcome"] "attempts":
        "Attempts ended, by outcome",
        "Since the process began. `2xx` to `5xx` are answers; `unreachable` and `refused` (address not allowed) sent nothing; `unknown` had no answer.";
    "sprag_lanes_waiting" "gauge" ["destination", "reason"] "lanes":
        "Lanes that have something to deliver, by what they wait for",
        "`answer`, `acknowledgement`: the consumer has an event. `slot`, `rate`: of the destination. `retry`: the time of the next try. `breaker`. `stopped`, `key-paused`, `destination-paused`: an operator. `read`, `commit`: Sprag itself. `unreadable`: events that are damaged on disk. `resource`: another resource that its first event refers to. `outside-memory`: those that came before them. A lane of an unordered source counts once, by what is next of its events, but in `stopped` with each that stopped; `strand`: as many of them as may be are under way, `turn`: it had its turn and others wait outside memory.";
    "sprag_in_flight" "gauge" ["destination", "pool"] "attempts":
        "Attempts under way",
        "By the pool their slot is from: `main` is bounded by `concurrency`, `slow` by `slow_concurrency` (rule D4).";
    "sprag_lag_seconds" "histogram" ["destination", "partition"] "seconds":
        "From the receipt of an event to its acknowledgement",
        "Of every event delivered in order: time held, time queued, and all its attempts. By the machine's clock. Where a destination acknowledges by requests of its own (`ack`), answers that acknowledge are counted, not those requests.";
    "sprag_head_age_seconds" "gauge" ["destination", "partition"] "seconds":
        "How long the oldest event that should be delivered next has waited",
        "Since its release, of lanes in memory; of stopped lanes since they stopped. Lanes that wait outside memory come after those in it and are not looked at. Absent while nothing waits.";
    "sprag_backlog_bytes" "gauge" ["destination"] "bytes":
        "Bytes of bodies that wait for a destination",
        "Of all keys, in memory or not, lanes that stopped included. Each event that is settled takes its share with it, the same for all that wait in its lane. Compare with `limits.destination_backlog` (rule D9).";
    "sprag_breaker_open" "gauge" ["destination"] "0 or 1":
        "Whether the breaker of a destination is open",
        "Then it is tried one event at a time (rule L2).";
    "sprag_dead_letters" "gauge" ["destination"] "events":
        "Dead letters, and events in stopped lanes",
        "An empty destination is ingress. From the state store; at most 5 s old.";
    "sprag_filtered_total" "counter" ["destination"] "events":
        "Events that did not enter a destination's lanes for their type",
        "Since the process began.";
    "sprag_commit_seconds" "histogram" [] "seconds":
        "From handing a frame over until it is durable",
        "Every answer and every next attempt waits for this: the disk's sync, and what waits for it.";
    "sprag_frame_events" "histogram" [] "events":
        "Events of a frame",
        "Under load frames get fuller, and fewer syncs serve more events.";
    "sprag_body_bytes_total" "counter" [] "bytes":
        "Bytes of bodies that were stored, as received",
        "Since the process began.";
    "sprag_body_stored_bytes_total" "counter" [] "bytes":
        "Bytes of the same bodies, as stored",
        "Since the process began. Beside `sprag_body_bytes_total` it says what packing saves (`log.body_codec`).";
    "sprag_checkpoint_age_seconds" "gauge" [] "seconds":
        "How far the state store is behind the log",
        "Of the partition furthest behind: the age of the newest frame it reflects; 0 while all reflect everything. What is behind is read again at a restart.";
    "sprag_dedupe_ids" "gauge" [] "ids":
        "Ids and positions in memory for dedupe",
        "Bounded by `limits.dedupe_ids`; older ones are looked up in the log.";
    "sprag_keys_in_memory" "gauge" ["partition"] "keys":
        "Keys in memory",
        "Bounded by `limits.hot_keys` over all partitions; the others are in the state store.";
    "sprag_forgotten_keys" "gauge" ["partition"] "keys":
        "Tombstones of forgotten keys",
        "Bounded by `limits.forgotten` over all partitions; beyond it the oldest become the floor of their hash bucket.";
    "sprag_descriptors_missing_total" "counter" [] "times":
        "How often a connection found no file descriptor",
        "Since the process began. Then idle connections to consumers are given up. Raise the hard limit of open files (`ulimit -Hn`, `LimitNOFILE=`), or lower `limits.connections`.";
    "sprag_partition_owned" "gauge" ["partition"] "0 or 1":
        "Whether this instance decides for the partition",
        "0 while it takes its history in, or after a failed commit until it has come back.";
    "sprag_log_bytes" "gauge" [] "bytes":
        "Bytes of the log",
        "Its segments, without their indexes.";
    "sprag_log_segments" "gauge" [] "segments":
        "Segments of the log",
        "The one being written is one of them.";
    "sprag_log_rewritten_segments" "gauge" [] "segments":
        "Segments that were written anew without bodies that had expired",
        "Of those that are there (`retention.bodies`).";
    "sprag_log_oldest_seconds" "gauge" [] "seconds":
        "Age of the newest fact of the oldest sealed segment",
        "0 while none is sealed. Beyond `retention.facts` something pins it.";
    "sprag_log_damaged_total" "counter" [] "places":
        "Damaged places of the log for which something could not be read",
        "Since the process began, each place once, 64 at the most. The log of the process and the alert `log-damaged` say where. Check the disk, then restore a backup.";
    "sprag_retention_pinned" "gauge" [] "0 or 1":
        "Whether the oldest segment would be deleted if nothing in it were waited for",
        "1 for long: an event waits, in a stopped lane or behind a halted gap. Redrive or drop it.";
    "sprag_retention_deleted_total" "counter" [] "segments":
        "Segments deleted",
        "Since the process began.";
    "sprag_retention_rewritten_total" "counter" [] "segments":
        "Segments written anew",
        "Since the process began.";
    "sprag_retention_freed_bytes_total" "counter" [] "bytes":
        "Bytes freed by retention",
        "Since the process began.";
    "sprag_config_revision" "gauge" [] "number":
        "The configuration in force",
        "As `GET /v1/configuration` and `released` facts name it. Instances that should be alike and differ here are not.";
    "sprag_config_reload_successful" "gauge" [] "0 or 1":
        "Whether the last reload was accepted",
        "1 while there was none. At 0 the file on disk is not what is in force: see the log or `GET /v1/configuration`.";
    "sprag_config_reloads_total" "counter" ["outcome"] "reloads":
        "Reloads (SIGHUP) by what became of them",
        "Since the process began: `accepted`, or `refused`, which changes nothing.";
    "sprag_retention_carried_total" "counter" [] "keys":
        "Keys whose state was written down anew",
        "Before the history that said it was deleted; since the process began.";
}

const HEAD: &str = "# Metrics\n\n\
Generated from the list the program registers; change it there (`metrics/list.rs`).\n\n\
`GET /metrics` on the admin address gives them as OpenMetrics text, without a token. Labels are names \
of the configuration and fixed words, never a key, so their number is bounded.\n\n\
| name | kind | labels | unit | what it is |\n|---|---|---|---|---|\n";

/// The text of docs/reference/metrics.md.
#[must_use]
pub fn metrics_markdown() -> String {
    let mut page = HEAD.to_owned();
    for described in LIST {
        let Described { name, kind, labels, unit, help, meaning } = described;
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "none".to_owned() } else { labels.join(", ") };
        page.push_str(&format!("| `{name}` | {kind} | {labels} | {unit} | {help}. {meaning} |\n"));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_row_for_every_metric() {
        let page = metrics_markdown();
        assert!(LIST.iter().all(|described| page.contains(&format!("| `{}` |", described.name))));
        assert!(
            page.lines()
                .filter(|line| line.starts_with("| `"))
                .all(|line| { line.matches(" | ").count() == 4 && !line.contains("|  |") })
        );
    }
}
