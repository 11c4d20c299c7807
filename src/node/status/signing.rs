//! What part this node takes, whether it signs, and what its operator should know from the start.

use crate::{
    consensus::Quorum,
    control::{Mode, SigningStatus, words::counted},
    crypto::PublicKey,
    engine::{EngineView, ObserverView, SigningHold},
};

/// What part the node takes in the set of the height being decided.
pub(super) fn mode(view: &EngineView, me: Option<&PublicKey>) -> Mode {
    let is_member = me.is_some_and(|me| view.validators.signer_of(me).is_some());
    let observes = [SigningHold::Observer, SigningHold::LogMissing]
        .iter()
        .any(|hold| view.holds.contains(hold));
    match (is_member, observes) {
        (false, _) => Mode::Full,
        (true, true) => Mode::Observer,
        (true, false) => Mode::Validator,
    }
}

/// Whether a vote would be signed now, and if not, the gravest reason.
pub(super) fn signing(view: &EngineView, me: Option<&PublicKey>, prevented: u64) -> SigningStatus {
    let gravest = view
        .holds
        .iter()
        .find(|hold| hold.is_safety_stop())
        // Listening ends by itself, and not before the signer is there.
        .or_else(|| view.holds.iter().find(|hold| **hold != SigningHold::Listening))
        .or_else(|| view.holds.first());
    let is_member = me.is_some_and(|me| view.validators.signer_of(me).is_some());
    let observing = gravest
        .filter(|hold| **hold == SigningHold::LogMissing)
        .and(view.observation)
        .map(|observation| observing(&observation, view));
    let reason = match gravest {
        Some(_) if observing.is_some() => observing.as_deref().unwrap_or_default(),
        Some(hold) => hold.reason(),
        None if view.machine.is_halted => SigningHold::SafetyViolation.reason(),
        None if me.is_none() => "this node has no consensus key",
        None if !is_member => "this node's key is not in the validator set",
        None if view.sync.active => "catching up: it votes again near the tip",
        None if !view.machine.may_sign => "another node may sign with this key",
        None => "",
    };
    SigningStatus {
        signing: reason.is_empty(),
        reason: reason.to_owned(),
        safety_stop: view.machine.is_halted || view.holds.iter().any(|hold| hold.is_safety_stop()),
        double_sign_prevented_total: prevented,
    }
}

/// What a node without the memory of its signatures waits for.
fn observing(observation: &ObserverView, view: &EngineView) -> String {
    let lost = "the consensus log was lost or is an old copy";
    match observation.signs_above {
        Some(height) => format!(
            "{lost}: signs again above height {}, once it is final (now {})",
            height.get(),
            view.tip.get()
        ),
        None if !observation.ends_by_itself => format!(
            "{lost}: the other validators cannot finalize without this one, so only you can end this: `timed signer state init`"
        ),
        None => format!(
            "{lost}: asking the other validators for their tips, {} of {} have answered",
            observation.answers, observation.answers_needed
        ),
    }
}

/// What the size of the set means, where it means something that an operator should know.
pub(super) fn warning_of_size(n: usize) -> Option<String> {
    let quorum = Quorum::of(n);
    match (n, quorum.f()) {
        (0, _) => None,
        (1, _) => Some("n = 1: this chain is what a single validator says it is".to_owned()),
        (_, 0) => Some(format!(
            "n = {n}, f = 0: the chain survives {} out of reach, but none that lies; that takes at least 4 validators",
            counted(quorum.crashes_survived() as u64, "validator")
        )),
        _ => None,
    }
}
