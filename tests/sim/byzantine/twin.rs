//! Crime: two copies of a validator on one key, on two sides of the network (Twins, arXiv 2004.10617).
//! Both run the honest program, each with a log of its own; together they sign whatever they like.

use crate::world::World;

/// Gives each of `nodes` a twin, which counts as Byzantine, and so does the original.
pub(super) fn arrange(world: &mut World, nodes: &[usize]) {
    for node in nodes {
        world.add_twin(*node);
    }
}
