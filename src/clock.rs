//! The only file that reads a clock.
//!
//! [`Clock`] gives the core its `now`: no earlier than the newest record, advancing with the
//! monotonic clock whatever the wall clock does, moved forward to the wall clock, never back.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::Time;

/// A step of the wall clock beyond this is told to the operator.
const STEP_MIN: Duration = Duration::from_secs(2);

/// The core's clock.
#[derive(Debug)]
pub struct Clock {
    /// The core's time at `since`.
    base: Time,
    since: Instant,
    /// The wall clock as it was last read, and when.
    wall: Time,
    wall_read: Instant,
    /// The last step, until somebody asks for it.
    untold: Option<Step>,
}

/// A jump of the wall clock against the monotonic one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// It was set forward, or the machine slept.
    Forward(Duration),
    /// It was set back.
    Back(Duration),
}

impl Clock {
    /// A clock that starts at the wall clock, or at `at_least` where that is later.
    pub fn start(at_least: Time) -> Self {
        let (wall, instant) = (wall(), Instant::now());
        Self { base: wall.max(at_least), since: instant, wall, wall_read: instant, untold: None }
    }

    /// The core's time.
    pub fn now(&mut self) -> Time {
        self.advance(wall(), Instant::now())
    }

    /// How the wall clock last jumped, if it did since this was last asked.
    pub fn step(&mut self) -> Option<Step> {
        self.advance(wall(), Instant::now());
        self.untold.take()
    }

    /// How long it is until `deadline`.
    pub fn until(&mut self, deadline: Time) -> Duration {
        deadline.since(self.now())
    }

    fn advance(&mut self, wall: Time, instant: Instant) -> Time {
        let expected = self.wall + instant.saturating_duration_since(self.wall_read);
        let step = match (wall.since(expected), expected.since(wall)) {
            (ahead, _) if ahead > STEP_MIN => Some(Step::Forward(ahead)),
            (_, behind) if behind > STEP_MIN => Some(Step::Back(behind)),
            _ => None,
        };
        if step.is_some() {
            self.untold = step;
            (self.wall, self.wall_read) = (wall, instant);
        }
        let monotonic = self.base + instant.saturating_duration_since(self.since);
        if wall > monotonic {
            (self.base, self.since) = (wall, instant);
        }
        wall.max(monotonic)
    }
}

/// The wall clock.
pub fn wall() -> Time {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::default() + since_epoch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(at: u64, instant: Instant) -> Clock {
        let wall = Time::from_unix_ms(at);
        Clock { base: wall, since: instant, wall, wall_read: instant, untold: None }
    }

    /// The core's time and the step, when both clocks started at 100 s, `monotonic` seconds
    /// passed and the wall clock says `wall` seconds.
    fn check(monotonic: u64, wall: u64) -> (u64, Option<Step>) {
        let start = Instant::now();
        let mut clock = clock(100_000, start);
        let instant = start + Duration::from_secs(monotonic);
        let now = clock.advance(Time::from_unix_ms(wall * 1000), instant);
        (now.unix_ms() / 1000, clock.untold)
    }

    #[test]
    fn time_passes_whatever_the_wall_clock_does() {
        assert_eq!(check(10, 110), (110, None));
        assert_eq!(check(10, 50), (110, Some(Step::Back(Duration::from_secs(60)))));
        assert_eq!(check(10, 170), (170, Some(Step::Forward(Duration::from_secs(60)))));
        assert_eq!(check(10, 111), (111, None));
    }

    #[test]
    fn a_step_is_told_once_whoever_looked_at_the_clock_before() {
        let mut clock = Clock::start(Time::default());
        clock.wall = clock.wall + Duration::from_secs(3600);
        clock.now();
        clock.until(Time::default());
        assert!(matches!(clock.step(), Some(Step::Back(_))));
        assert_eq!(clock.step(), None);
    }
}
