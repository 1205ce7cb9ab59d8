//! The delay before another try.

use std::time::Duration;

use firemode_runtime::backoff::Backoff;
use proptest::prelude::*;

#[test]
fn the_delay_doubles_up_to_the_cap_and_starts_again_when_forgotten() {
    let cap = Duration::from_secs(60);
    let mut backoff = Backoff::default();
    let seconds: Vec<_> = (0..9).map(|_| backoff.failed(cap, 0.0).as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    backoff.forget();
    assert_eq!(backoff.failed(cap, 0.0).as_secs(), 1);
}

proptest! {
    #[test]
    fn the_delay_is_never_over_the_cap_nor_under_three_quarters_of_its_step(
        cap_ms in 1_u64..4_000_000, randoms in prop::collection::vec(0.0..1.0, 1..200),
    ) {
        let cap = Duration::from_millis(cap_ms);
        let mut backoff = Backoff::default();
        for (failure, random) in randoms.into_iter().enumerate() {
            let step = Duration::from_secs(1 << failure.min(40)).min(cap);
            let delay = backoff.failed(cap, random);
            prop_assert!(delay <= cap, "{delay:?}");
            prop_assert!(delay >= step.mul_f64(0.75) - Duration::from_nanos(1), "{delay:?} of {step:?}");
        }
        prop_assert!(backoff.failures() > 0);
    }
}
