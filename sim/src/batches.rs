//! Consumers that take several events at once and acknowledge all, a part, or nothing of them.

use sprag_core::output::Attempt;
use sprag_core::plan::PlannedDestination;

use crate::consumer::Conduct;
use crate::dice::Dice;

/// Chooses the destinations whose attempts carry ranges.
pub(crate) fn draw(dice: &mut Dice, destinations: &mut [&mut PlannedDestination]) {
    for destination in destinations {
        if dice.chance(300) {
            destination.settings.batch = Some(dice.index(7) + 2);
        }
    }
}

/// How much of a range a consumer says it has processed, if it says so at all.
pub(crate) fn part(dice: &mut Dice, attempt: &Attempt, conduct: &mut Conduct, moody: bool) {
    let Some(last) = attempt.last.filter(|_| !attempt.out_of_order) else { return };
    let answers = matches!(conduct.outcome, sprag_core::fact::Outcome::Answered { .. });
    if !answers || !dice.chance(300) {
        return;
    }
    let length = last.0 - attempt.sequence.0 + 1;
    let least = u64::from(!moody);
    let part = dice.between(least, length + u64::from(moody));
    conduct.acknowledged = Some(part);
    let is_2xx = conduct.outcome.is_acknowledged();
    conduct.name = match part {
        0 if is_2xx => "acknowledges nothing of a range",
        0 => conduct.name,
        part if part >= length => "acknowledges a whole range",
        _ if is_2xx => "acknowledges a part",
        _ => "acknowledges a part and fails",
    };
}
