//! The virtual clock itself.

use super::{schedule::Draws, world::Queue};

#[test]
fn things_happen_in_the_order_of_time_and_of_putting_in() {
    let mut queue = Queue::new();
    let mut draws = Draws::new(5);
    let mut expected: Vec<(u64, u64)> = Vec::new();
    let mut now = 0;
    for number in 0..1_500 {
        let at = now + draws.below(5) * draws.below(3_000);
        queue.push(at, number);
        expected.push((at, number));
        if draws.chance(49) {
            expected.sort_unstable();
            assert_eq!(queue.next_at(), Some(expected[0].0));
            let first = expected.remove(0);
            assert_eq!(queue.pop(), Some(first));
            now = first.0;
        }
    }
    expected.sort_unstable();
    for first in expected {
        assert_eq!(queue.pop(), Some(first));
    }
    assert_eq!(queue.pop(), None);
}
