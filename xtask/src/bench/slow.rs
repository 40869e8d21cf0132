//! Slow consumers: many lanes wait for one that answers each attempt after a second. What comes through is what slots
//! there are, and follows when there are more. The consumer is `sprag sink`, which judges every delivery besides.

use std::thread;
use std::time::Duration;

use super::Load;
use super::checked::Sink;
use super::figures::Spread;
use super::gateway::{Gateway, Place, READY, Source};
use super::load::LoadFile;
use super::server::free_address;
use super::table::{Line, Side};
use super::{Bench, cpu};
use crate::failure::Failure;
use crate::process::now;

/// Lanes, and events of each on average: more than all windows together deliver.
pub(crate) const LANES: u32 = 10_000;
const EVENTS_OF_LANE: u64 = 4;
/// Attempts at once, before and after it is raised.
const SLOTS: [u32; 2] = [64, 1_024];
/// Until the slots in force are full, and attempts from before have ended.
const SETTLE: Duration = Duration::from_secs(3);
/// Deliveries are counted for so long: twenty of each slot.
const WINDOW: Duration = Duration::from_secs(20);
/// No attempt is slow: slots are those of `concurrency` alone.
const NOT_SLOW: &str = "slow_after = \"10s\"";
/// With all as by default an attempt of a second is slow. Lanes whose last one was have the slow pool, four times as many slots;
/// those not tried yet have half of `concurrency` besides (DESIGN D4).
const BY_DEFAULT: u32 = 4 * SLOTS[0] + SLOTS[0] / 2;

/// Measures with so many lanes.
pub(crate) fn measure(bench: &Bench, lanes: u32) -> Result<Vec<Line>, Failure> {
    let load = Load::new(u64::from(lanes) * EVENTS_OF_LANE, lanes);
    let load = bench.load_of("slow", load)?;
    let raised = windows(bench, &load, NOT_SLOW, &SLOTS)?;
    let default = windows(bench, &load, "", &SLOTS[..1])?;
    let how = |slots: &str| {
        format!(
            "{lanes} lanes, consumer answers after 1 s, {slots}; deliveries of {} s; order checked",
            WINDOW.as_secs()
        )
    };
    let line = |what, name, per_second: f64, slots: u32, how: String| Line {
        what,
        name,
        side: Side::AtLeast,
        targets: [0.9, 0.95],
        unit: "",
        precision: 2,
        measured: Spread::of([per_second / f64::from(slots)].into_iter()),
        how: format!("{per_second:.0}/s; {how}"),
    };
    Ok(vec![
        line(
            "slow consumer: deliveries/s ÷ slots, concurrency 64",
            "slow_consumer",
            raised[0],
            SLOTS[0],
            how("slow_after = 10s, so that all slots are those of concurrency"),
        ),
        line(
            "slow consumer: deliveries/s ÷ slots, concurrency raised to 1,024 by a reload",
            "slow_consumer_raised",
            raised[1],
            SLOTS[1],
            how("the same gateway, counted 3 s after the reload"),
        ),
        line(
            "slow consumer: deliveries/s ÷ slots, all as by default",
            "slow_consumer_default",
            default[0],
            BY_DEFAULT,
            how(
                "attempts of a second are slow: slow_concurrency 256, and 32 of concurrency 64 for lanes \
                 not tried yet (D4)",
            ),
        ),
    ])
}

/// Deliveries a second with each number of slots, one after another.
fn windows(bench: &Bench, load: &LoadFile, line: &str, slots: &[u32]) -> Result<Vec<f64>, Failure> {
    let sink = Sink::start(bench, free_address()?, &["--delay", "1s"])?;
    let place = Place::empty(bench, "gateway", Source::Made)?.with_lines(line);
    let first = Bench { connections: SLOTS[0], ..bench.clone() };
    let mut gateway = place.serve(&first, sink.address, READY)?;
    let mut sending = load.send(gateway.listen, 0.0)?;
    sending.wait()?;
    sending.finish()?;
    let mut all = Vec::new();
    for slots in slots {
        place.reload(&gateway, sink.address, *slots)?;
        thread::sleep(SETTLE);
        let per_second = deliveries(&mut gateway)?;
        println!(
            "  slow consumer, {slots} slots{}: {per_second:.1}/s",
            if line.is_empty() { " and the slow pool" } else { "" }
        );
        all.push(per_second);
    }
    let (began, delivered) = (now(), gateway.progress()?.delivered);
    gateway.server.end("KILL");
    // Deliveries it had begun are answered to nobody; each is in order all the same.
    let checked = sink.end(0, began.elapsed().as_secs_f64())?;
    checked.judge()?;
    if checked.delivered < delivered {
        return Err(Failure::new(format!("the gateway says {delivered} delivered: {checked}")));
    }
    Ok(all)
}

fn deliveries(gateway: &mut Gateway) -> Result<f64, Failure> {
    let (began, before) = (now(), gateway.progress()?.delivered);
    thread::sleep(WINDOW);
    gateway.server.check()?;
    let after = gateway.progress()?.delivered;
    Ok(cpu::per(after - before, began.elapsed().as_secs_f64()))
}
