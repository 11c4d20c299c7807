//! Blocks: any bytes are refused or read; a block that reads encodes to the same bytes; judging it
//! alone and connecting it to genesis panics at nothing, and never accepts one that does not commit
//! to its body.

use timecoin::{
    chain::{
        Block, BlockContext, ChainState, EmptyView, Network, Rules, check_block_alone, check_body, connect,
    },
    consensus::judge_evidence,
    crypto::{Hash256, Verified},
    wire::codec,
};

use super::consensus::genesis;

const BLOCK_BYTES_MAX: usize = 8 << 20;

pub(crate) fn holds(data: &[u8]) {
    let Ok(block) = codec::decode::<Block, BLOCK_BYTES_MAX>(data) else {
        return;
    };
    assert_eq!(&codec::encode(&block).expect("what decodes encodes")[..], data);
    let genesis = genesis(4);
    assert_eq!(genesis.network, Network::Devnet);
    let alone = check_block_alone(&block, &genesis.params);
    if alone.is_ok() {
        check_body(&block).expect("judged without looking at its body");
    }
    let chain_id: Hash256 = genesis.chain_id();
    let context = BlockContext {
        chain_id: &chain_id,
        known: &|_| false,
    };
    let Ok(block) = Verified::check(block, context) else {
        return;
    };
    let (state, _) = ChainState::genesis(&genesis);
    if let Ok(connected) = connect(&block, &state, &EmptyView, &Rules::of(&genesis, judge_evidence)) {
        alone.expect("connected, and wrong alone");
        assert_eq!(connected.hash, block.hash());
        assert_eq!(connected.state.tip.height, state.tip.height.next());
    }
}
