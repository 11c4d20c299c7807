//! Where crimes are committed: what an adversary can see and do, in whichever kind of world.

use timecoin::{
    chain::{Block, BlockHash, CommitCertificate},
    consensus::{
        ConsensusMessage, PrePrepare, PreparedCert, Quorum, Step, ViewChange, ViewChangeHeader, Vote,
    },
};

/// A world as its adversary sees it. Nodes are numbered from 0, also those that sit out.
pub(crate) trait Stage {
    /// Virtual time, in microseconds.
    fn now_us(&self) -> u64;
    /// How many nodes there are.
    fn count(&self) -> usize;
    /// The arithmetic of the set.
    fn quorum(&self) -> Quorum;
    /// The height that a node works at.
    fn height_of(&self, node: usize) -> u64;
    /// Whether it is up, and honest.
    fn is_honest_and_up(&self, node: usize) -> bool;
    /// Whether a node is a validator of `height`.
    fn is_member(&self, node: usize, height: u64) -> bool;
    /// Who leads.
    fn leader(&self, height: u64, round: u32) -> usize;
    /// A block on `witness`'s tip by the leader of `round`, another one for every salt.
    fn block(&self, witness: usize, round: u32, salt: u64) -> Block;
    /// The same with something in it that no honest node may accept.
    fn bad_block(&self, witness: usize, round: u32, salt: u64) -> Block;
    /// A vote in `node`'s name.
    fn vote(&self, node: usize, step: Step, height: u64, round: u32, digest: BlockHash) -> Vote;
    /// A VIEW-CHANGE in `node`'s name.
    fn view_change(&self, node: usize, height: u64, round: u32, lock: Option<PreparedCert>) -> ViewChange;
    /// A proposal in `node`'s name.
    fn pre_prepare(
        &self,
        node: usize,
        at: (u64, u32, BlockHash),
        view_changes: Vec<ViewChangeHeader>,
        prepared: Option<PreparedCert>,
    ) -> PrePrepare;
    /// A block on `witness`'s tip under a set that is `node` alone, with its certificate; `None` where
    /// certificates are not checked by the program under test.
    fn usurped(&self, node: usize, witness: usize, salt: u64) -> Option<(CommitCertificate, Block)>;
    /// Sends a message from one node to another, over the network.
    fn say(&mut self, from: usize, to: usize, message: ConsensusMessage, block: Option<Block>);
    /// Makes a node crash, which is in nobody's power but chance's; it is back after `down_us`.
    fn fell(&mut self, node: usize, down_us: u64);
    /// Shows a node how a height was decided, or is said to have been.
    fn show_decision(&mut self, from: usize, to: usize, certificate: CommitCertificate, block: Block);
}
