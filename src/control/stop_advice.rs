//! Whether this is a good moment to stop a node: a pure function of its snapshot, so that a dialog
//! and a script are told the same.

use super::{Mode, Status, words::counted};

/// A validator that leads within so many heights had better wait: its slot would time out.
const LEADS_SOON: u64 = 1;

/// What a stop would do to the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopAdvice {
    /// Nobody would wait for this node.
    Safe,
    /// The node leads now or very soon: its round would have to time out. Passes by itself.
    Leading {
        /// In a sentence.
        words: String,
    },
    /// Without this node there is no quorum: nothing would become final.
    HaltsFinality {
        /// In a sentence.
        words: String,
    },
}

/// What a stop would do now.
pub fn stop_advice(status: &Status) -> StopAdvice {
    let consensus = &status.consensus;
    let votes = status.node.mode == Mode::Validator && status.signing.signing;
    if !votes || status.stop.is_some() {
        return StopAdvice::Safe;
    }
    let others = consensus.reachable(status.at).saturating_sub(1);
    let has_quorum = others + 1 >= consensus.quorum;
    // Where finality stands still already, stopping cannot halt it, and a single validator is a
    // network of its own.
    if consensus.n > 1 && has_quorum && others < consensus.quorum {
        let words = format!(
            "{} would stay and the quorum is {}: finality would halt",
            counted(u64::from(others), "validator"),
            consensus.quorum
        );
        return StopAdvice::HaltsFinality { words };
    }
    if consensus.n > 1 && has_quorum {
        if consensus.is_our_turn {
            return StopAdvice::Leading {
                words: format!(
                    "this node leads round {} of height {}",
                    consensus.round, consensus.height
                ),
            };
        }
        if let Some(heights) = consensus.we_lead_in
            && heights <= LEADS_SOON
        {
            return StopAdvice::Leading {
                words: format!("this node leads in {}", counted(heights, "height")),
            };
        }
    }
    StopAdvice::Safe
}
