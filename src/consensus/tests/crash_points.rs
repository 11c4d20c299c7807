//! A18: a crash after every single persist and every single send, for every node, heights 1 to 3.

use super::world::World;

/// More than any node has in three heights; the loop ends by itself where they run out.
const POINTS_MAX: u64 = 200;

#[test]
fn a18_crash_after_every_persist_and_send() {
    for node in 0..4 {
        for point in 1..=POINTS_MAX {
            let mut world = World::new(4);
            world.work_below = 3;
            world.start();
            world.nodes[node].crash_after = Some(point);
            assert!(world.run_to_height(3, 20_000), "node {node} at point {point}");
            world.laws.check();
            if world.nodes[node].life == 1 && world.nodes[node].crash_after.is_some() {
                assert!(point > 20, "there are more points than that: {point}");
                break;
            }
            assert!(
                world.run_to_height(4, 10_000),
                "node {node} at point {point}: it votes on"
            );
            world.laws.check();
        }
    }
}

/// The same, and a second crash at every point of the second life.
#[test]
fn a18_two_crashes() {
    for (first, second) in (1..=24)
        .step_by(3)
        .flat_map(|first| (1..=9).map(move |second| (first, second)))
    {
        let mut world = World::new(4);
        world.work_below = 3;
        world.start();
        world.nodes[1].crash_after = Some(first);
        world.run_ms(400);
        world.nodes[1].crash_after = Some(second);
        assert!(world.run_to_height(3, 20_000), "at points {first} and {second}");
        world.laws.check();
    }
}
