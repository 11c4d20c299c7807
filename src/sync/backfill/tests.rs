//! Who is asked for which old blocks, what proves them, and who is to blame.

use super::*;
use crate::{chain::testing::TestChain, crypto::PublicKey};

fn peer(n: u8) -> NodeId {
    PublicKey::from_bytes([n; 32])
}

fn at(ms: u64) -> Mono {
    Mono::default().plus_ms(ms)
}

/// Peers, each with the lowest block that it has.
fn holders(lowest: &[(u8, u64)]) -> Vec<Holder> {
    let holder = |(n, lowest): &(u8, u64)| Holder {
        peer: peer(*n),
        lowest: Height::new(*lowest),
    };
    lowest.iter().map(holder).collect()
}

/// Blocks 1, 2, … of a chain, each with a transaction, and the hash of its block 0.
struct Chain {
    blocks: Vec<Block>,
    genesis: BlockHash,
}

impl Chain {
    fn of(count: u32) -> Self {
        let mut chain = TestChain::new(4, u64::from(count));
        let genesis = chain.genesis.block().hash();
        let blocks = (0..count).map(|n| {
            let spend = chain.transfer(&[(chain.coin(n), u64::from(n))], &[(1, 2_000)]);
            let block = chain.assemble(1_000, vec![spend.clone()]).block.into_inner();
            chain.extend(1_000, vec![spend]);
            block
        });
        let blocks = blocks.collect();
        Self { blocks, genesis }
    }

    fn block(&self, height: u64) -> Block {
        self.blocks[height as usize - 1].clone()
    }

    fn below(&self, height: u64) -> Backfill {
        Backfill::below(&self.block(height), self.genesis)
    }

    /// What an honest peer answers.
    fn answer(&self, request: &Request) -> Vec<Block> {
        let start = request.start.get();
        (start..start + request.count).map(|n| self.block(n)).collect()
    }
}

/// The question that has to be asked now.
fn question(walk: &mut Backfill, holders: &[Holder], now: Mono) -> Request {
    match walk.next(holders, now) {
        Step::Ask(request) => request,
        other => panic!("{other:?}"),
    }
}

fn proved(walk: &Backfill, request: &Request, blocks: Vec<Block>) -> Vec<ProvedBlock> {
    match walk.prove(request, blocks) {
        Answer::Proved(proved) => proved,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_walks_down_to_block_1_with_every_block_under_the_certificate_of_its_child() {
    let chain = Chain::of(40);
    let mut walk = chain.below(40);
    let peers = holders(&[(1, 0), (2, 1)]);
    let (mut found, mut asked, mut now) = (Vec::new(), Vec::new(), at(0));
    loop {
        let request = match walk.next(&peers, now) {
            Step::Ask(request) => request,
            Step::Done => break,
            Step::NoHolder(height) => panic!("nobody for {height}"),
        };
        assert_eq!(
            request.start.get() + request.count,
            walk.lowest().get(),
            "from the top"
        );
        asked.push((request.peer, request.count));
        let blocks = proved(&walk, &request, chain.answer(&request));
        let pause = walk.on_stored(&blocks);
        assert!(pause >= PAUSE_MS);
        now = now.plus_ms(pause);
        found.splice(0..0, blocks);
    }
    assert_eq!(
        asked,
        [(peer(1), 8), (peer(2), 16), (peer(1), 15)],
        "by turns, and twice as many each time"
    );
    assert_eq!(found.len(), 39);
    for ((block, hash, certificate), height) in found.iter().zip(1..) {
        assert_eq!((block, *hash), (&chain.block(height), block.hash()));
        assert_eq!(
            Some(certificate),
            chain.block(height + 1).prev_commit.as_ref(),
            "block {height}"
        );
    }
}

#[test]
fn it_goes_on_from_what_storage_holds_after_a_kill() {
    let chain = Chain::of(30);
    let mut walk = chain.below(30);
    let peers = holders(&[(1, 0)]);
    let request = question(&mut walk, &peers, at(0));
    let blocks = proved(&walk, &request, chain.answer(&request));
    walk.on_stored(&blocks);
    // What was on its way is lost; the next life knows the lowest stored block and nothing else.
    let mut again = chain.below(walk.lowest().get());
    let request = question(&mut again, &peers, at(0));
    assert_eq!(request.start.get() + request.count, walk.lowest().get());
    let blocks = proved(&again, &request, chain.answer(&request));
    assert_eq!(blocks.last().unwrap().0.height(), walk.lowest().prev().unwrap());
    assert_eq!(chain.below(1).next(&peers, at(0)), Step::Done);
}

#[test]
fn a_wrong_block_anywhere_in_an_answer_is_its_senders_fault() {
    let chain = Chain::of(20);
    let mut walk = chain.below(20);
    let request = question(&mut walk, &holders(&[(1, 0)]), at(0));
    let honest = chain.answer(&request);
    let lies: [fn(&mut Vec<Block>); 8] = [
        |blocks| blocks.clear(),
        |blocks| blocks.push(blocks[0].clone()),
        |blocks| blocks.swap(2, 3),
        |blocks| drop(blocks.remove(4)),
        // Another header; another body under the same header; another certificate; more in the body.
        |blocks| blocks[5].header.created_round += 1,
        |blocks| blocks[5].transactions.clear(),
        |blocks| blocks[0].prev_commit = None,
        |blocks| blocks[7].evidence.push(vec![1]),
    ];
    for (n, lie) in lies.iter().enumerate() {
        let mut blocks = honest.clone();
        lie(&mut blocks);
        let answer = walk.prove(&request, blocks);
        assert!(matches!(answer, Answer::Wrong(_)), "lie {n}: {answer:?}");
    }
    // Witnesses are committed to as well.
    let mut blocks = honest.clone();
    let mut forged = (*blocks[3].transactions[0]).clone();
    forged.witnesses[0].signature = crate::crypto::Signature::from_bytes([7; 64]);
    blocks[3].transactions[0] = forged.into();
    assert!(matches!(walk.prove(&request, blocks), Answer::Wrong(_)));
    assert!(matches!(walk.prove(&request, honest), Answer::Proved(_)));
}

#[test]
fn a_short_answer_is_nobodys_fault_and_fewer_are_asked_for() {
    let chain = Chain::of(20);
    let mut walk = chain.below(20);
    let peers = holders(&[(1, 0)]);
    let mut counts = Vec::new();
    // The answer never reaches the top until one block is asked for.
    loop {
        let request = question(&mut walk, &peers, at(0));
        counts.push(request.count);
        let mut blocks = chain.answer(&request);
        if request.count > 1 {
            blocks.pop();
        }
        match walk.prove(&request, blocks) {
            Answer::Short(came) => assert!(walk.on_short(came) >= PAUSE_MS),
            answer => {
                assert!(matches!(answer, Answer::Proved(_)), "{answer:?}");
                break;
            }
        }
    }
    assert_eq!(counts, [8, 7, 6, 5, 4, 3, 2, 1]);
}

#[test]
fn peers_without_the_blocks_are_left_alone_and_asked_again_much_later() {
    let chain = Chain::of(20);
    let mut walk = chain.below(20);
    // One joined at the same height, one has half of what is asked for, one says that it has all.
    let pruned = holders(&[(1, 20)]);
    assert_eq!(walk.next(&pruned, at(0)), Step::NoHolder(Height::new(19)));
    assert_eq!(
        walk.next(&pruned, at(MISSING_MS - 1)),
        Step::NoHolder(Height::new(19))
    );
    let request = question(&mut walk, &pruned, at(MISSING_MS));
    assert_eq!(request.peer, peer(1), "it may have them by now");
    walk.on_unanswered(&peer(1), Unanswered::Missing, at(MISSING_MS));
    assert_eq!(
        walk.next(&pruned, at(MISSING_MS + 1)),
        Step::NoHolder(Height::new(19))
    );

    let mut walk = chain.below(20);
    let some = holders(&[(1, 20), (2, 16)]);
    let request = question(&mut walk, &some, at(0));
    assert_eq!(
        (request.peer, request.start, request.count),
        (peer(2), Height::new(16), 4)
    );
    walk.on_unanswered(&peer(2), Unanswered::Refused, at(0));
    assert_eq!(
        walk.next(&some, at(REFUSED_MS - 1)),
        Step::NoHolder(Height::new(19))
    );
    let more = holders(&[(1, 20), (2, 16), (3, 0)]);
    let request = question(&mut walk, &more, at(1));
    assert_eq!((request.peer, request.count), (peer(3), 8));
    walk.on_unanswered(&peer(3), Unanswered::Slow, at(1));
    assert_eq!(question(&mut walk, &more, at(REFUSED_MS)).peer, peer(2));
}

#[test]
fn a_chain_that_does_not_lead_to_our_genesis_is_not_taken() {
    let chain = Chain::of(6);
    let mut walk = Backfill::below(&chain.block(6), BlockHash::ZERO);
    let request = question(&mut walk, &holders(&[(1, 0)]), at(0));
    assert_eq!(request.start, Height::new(1));
    assert_eq!(walk.prove(&request, chain.answer(&request)), Answer::OtherChain);
}

#[test]
fn heavy_blocks_are_fetched_few_at_a_time_and_slowly() {
    let chain = Chain::of(12);
    let mut walk = chain.below(12);
    let request = question(&mut walk, &holders(&[(1, 0)]), at(0));
    let mut blocks = proved(&walk, &request, chain.answer(&request));
    // As if each weighed 4 MiB.
    for (block, ..) in &mut blocks {
        block.evidence = vec![vec![0; 4 << 20]];
    }
    let pause = walk.on_stored(&blocks);
    assert!(pause >= 8 * 4_000_000 * 1_000 / BYTES_PER_S, "{pause} ms");
    let request = question(&mut walk, &holders(&[(1, 0)]), at(pause));
    assert_eq!((request.count, request.start), (1, Height::new(3)));
}
