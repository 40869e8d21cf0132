//! Added latency at a third of the peak: from `sprag-received-at`, the time of the decision that
//! took the event in, until nginx, as the consumer, has answered its delivery. Both are this
//! machine's clock; nginx writes milliseconds.

use std::fs;
use std::time::Duration;

use super::figures::{quantile, sorted};
use super::{Bench, consumer, gateway};
use crate::failure::Failure;

/// nginx writes its buffered lines when it ends, and each 100 ms.
const FLUSH: Duration = Duration::from_millis(300);

/// What a third of the peak costs in time, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Latency {
    /// Events per second sent, evenly spaced.
    pub(crate) rate: f64,
    /// Events.
    pub(crate) events: u64,
    /// From received to answered by the consumer.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// From request to acknowledgement at the provider.
    pub(crate) answer_p50_ms: f64,
    pub(crate) answer_p99_ms: f64,
}

/// Sends `rate` events per second for about so many seconds.
pub(crate) fn measure(bench: &Bench, rate: f64, seconds: f64) -> Result<Latency, Failure> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let events = (rate * seconds).clamp(1_000.0, 400_000.0) as u64;
    let load = bench.load(events)?;
    let consumer = consumer::consumer(bench, true)?;
    let mut gateway = gateway::start(bench, consumer.address)?;
    let mut sending = load.send(gateway.listen, rate)?;
    sending.wait()?;
    gateway.drained(events)?;
    let sent = sending.finish()?;
    std::thread::sleep(FLUSH);
    let log = fs::read_to_string(bench.directory.join("consumer/arrivals"));
    let log = log.map_err(Failure::while_doing("reading the consumer's log"))?;
    let delays: Option<Vec<f64>> = log.lines().map(delay_ms).collect();
    let delays = delays.ok_or_else(|| Failure::new("the consumer's log has a line of no use"))?;
    let delays = sorted(delays.into_iter());
    if delays.len() as u64 != events {
        return Err(Failure::new(format!("{} of {events} events arrived", delays.len())));
    }
    Ok(Latency {
        rate,
        events,
        p50_ms: quantile(&delays, 0.5),
        p99_ms: quantile(&delays, 0.99),
        max_ms: quantile(&delays, 1.0),
        answer_p50_ms: sent.p50_ms,
        answer_p99_ms: sent.p99_ms,
    })
}

impl Latency {
    /// As JSON.
    pub(crate) fn to_json(self) -> String {
        format!(
            "{{\"rate\":{:.0},\"events\":{},\"p50_ms\":{:.3},\"p99_ms\":{:.3},\"max_ms\":{:.3},\
             \"answer_p50_ms\":{:.3},\"answer_p99_ms\":{:.3}}}",
            self.rate,
            self.events,
            self.p50_ms,
            self.p99_ms,
            self.max_ms,
            self.answer_p50_ms,
            self.answer_p99_ms
        )
    }
}

/// Milliseconds between the two times of a line: `1700000000.123 2023-11-14T22:13:20.120042Z`.
/// nginx's clock is read once a turn of its loop, so a delay may come out just below zero.
fn delay_ms(line: &str) -> Option<f64> {
    let (answered, received) = line.split_once(' ')?;
    let delay = answered.parse::<f64>().ok()? - unix_seconds(received)?;
    Some((delay * 1_000.0).max(0.0))
}

/// Seconds since 1970 of a time in UTC as Sprag writes it.
fn unix_seconds(text: &str) -> Option<f64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<u32>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.split(':').map(|part| part.parse::<f64>().ok());
    let (hours, minutes, seconds) = (time.next()??, time.next()??, time.next()??);
    let days = days_since_1970(year, month, day)?;
    Some(f64::from(days) * 86_400.0 + hours * 3_600.0 + minutes * 60.0 + seconds)
}

/// Days in the Gregorian calendar: leap days before this year, days of the months before.
fn days_since_1970(year: u32, month: u32, day: u32) -> Option<u32> {
    const BEFORE: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap = |year: u32| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let months = BEFORE.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    let leap_days = (1970..year).filter(|year| leap(*year)).count();
    let this_year = u32::from(leap(year) && month > 2);
    let years = year.checked_sub(1970)? * 365 + u32::try_from(leap_days).ok()?;
    Some(years + months + this_year + day.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_microsecond() {
        assert_eq!(unix_seconds("1970-01-01T00:00:00.000000Z"), Some(0.0));
        assert_eq!(unix_seconds("2000-03-01T00:00:00.500000Z"), Some(951_868_800.5));
        assert_eq!(unix_seconds("2024-12-31T23:59:59.000000Z"), Some(1_735_689_599.0));
        assert_eq!(unix_seconds("2024-13-01T00:00:00Z"), None);
        assert_eq!(unix_seconds("-"), None);
    }

    #[test]
    fn a_line_is_one_delay() {
        let delay = delay_ms("1700000000.123 2023-11-14T22:13:20.120000Z").unwrap();
        assert!((delay - 3.0).abs() < 0.01, "{delay}");
        assert_eq!(delay_ms("1700000000.000 2023-11-14T22:13:20.000400Z"), Some(0.0));
        assert_eq!(delay_ms("1700000000.123 -"), None);
    }
}
