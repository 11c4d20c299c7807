//! Crime: a block that names a validator set of its own making, certified by that set. Whoever takes
//! the set from the header that it certifies believes it.

use super::{Mind, Stage};

pub(super) fn show(mind: &mut Mind, stage: &mut dyn Stage) {
    let node = mind.nodes[0];
    for height in mind.heights(stage) {
        if !mind.draws.chance(10) {
            continue;
        }
        let Some(witness) = mind.witness(stage, height) else {
            continue;
        };
        mind.salt += 1;
        let Some((certificate, block)) = stage.usurped(node, witness, mind.salt) else {
            return;
        };
        for to in mind.some(stage) {
            stage.show_decision(node, to, certificate.clone(), block.clone());
        }
    }
}
