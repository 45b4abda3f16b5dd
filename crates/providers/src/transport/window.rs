//! How many requests may be in flight on one connection.

/// The server's stream limit and our own caution, whichever is smaller.
///
/// APNs starts a connection that authenticates by token at one stream until the first success,
/// lowers the limit after errors and may refuse streams that were already on their way when it
/// did (REFUSED_STREAM). SETTINGS are obeyed exactly; our own bound halves at every refusal and
/// doubles at every success, so that a server which refuses without announcing is obeyed too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// SETTINGS_MAX_CONCURRENT_STREAMS as last received.
    announced: usize,
    /// Our own bound.
    cautious: usize,
    /// How many are in flight.
    in_flight: usize,
}

impl Window {
    /// A connection whose server announced `announced`, used carefully up to `cautious` at first.
    pub(super) const fn new(announced: usize, cautious: usize) -> Self {
        Self { announced, cautious, in_flight: 0 }
    }

    /// How many more may be written now.
    pub(super) fn free(&self) -> usize {
        self.announced.min(self.cautious).saturating_sub(self.in_flight)
    }

    /// Whether the server's own limit is reached, not only ours.
    pub(super) const fn is_full(&self) -> bool {
        self.in_flight >= self.announced
    }

    /// How many are in flight.
    pub(super) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// One more is about to be written.
    pub(super) const fn take(&mut self) {
        self.in_flight += 1;
    }

    /// One is over, however it ended.
    pub(super) const fn give_back(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The server announced a limit.
    pub(super) const fn announce(&mut self, limit: usize) {
        self.announced = limit;
    }

    /// A request was accepted.
    pub(super) const fn succeeded(&mut self) {
        self.cautious = self.cautious.saturating_mul(2);
    }

    /// A request was refused unprocessed.
    pub(super) fn refused(&mut self) {
        self.cautious = (self.cautious.min(self.in_flight) / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_stream_until_the_first_success() {
        let mut window = Window::new(1000, 1);
        assert_eq!(window.free(), 1);
        window.take();
        assert_eq!(window.free(), 0);
        window.give_back();
        window.succeeded();
        assert_eq!(window.free(), 2);
    }

    #[test]
    fn a_lowered_limit_holds_at_once_and_a_refusal_halves() {
        let mut window = Window::new(100, usize::MAX);
        for _ in 0..40 {
            window.take();
        }
        window.announce(1);
        assert_eq!(window.free(), 0);
        window.announce(100);
        window.refused();
        assert_eq!((window.free(), window.cautious), (0, 20));
    }

    proptest! {
        #[test]
        fn a_window_never_shuts_by_refusals_alone(steps in proptest::collection::vec(0_u8..4, 0..200)) {
            let mut window = Window::new(8, 1);
            for step in steps {
                match step {
                    0 if window.free() > 0 => window.take(),
                    1 => window.give_back(),
                    2 => window.refused(),
                    _ => window.succeeded(),
                }
                prop_assert!(window.in_flight() <= 8);
                prop_assert!(window.in_flight() > 0 || window.free() >= 1);
            }
        }
    }
}
