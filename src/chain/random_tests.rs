//! Random histories of money and masternodes: supply is conserved, rewards sum exactly, and every
//! block can be taken back, commitment included.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    ledger_tests::assert_books_balance,
    registry_tests::{NOTHING, owner_change, ready, register, rich_chain, special},
    testing::{MapView, TestChain, address, evidence, key},
    *,
};
use crate::crypto::Verified;

/// One act: what, whose, and a number to choose by.
type Act = (u8, u8, u8);

/// Registrations made so far, by owner.
type Registered = BTreeMap<u64, SharedTransaction>;

fn act(chain: &TestChain, registered: &mut Registered, (what, who, pick): Act) -> Option<SharedTransaction> {
    let n = u64::from(who % 12);
    let change = |registered: &Registered| Some(OutPoint::new(registered.get(&n)?.txid(), 1));
    let id = |registered: &Registered| Some(MasternodeId::of_registration(registered.get(&n)?.txid()));
    match what % 6 {
        0 => {
            let coin = chain.coin(u32::from(who % 20));
            let spent = chain.view.0.get(&coin)?.output.amount.units();
            let fee = u64::from(pick) * 1_000;
            let half = (spent - fee) / 2;
            let to = u64::from(pick % 12);
            Some(chain.transfer(&[(coin, u64::from(who % 20))], &[(to, half), (to + 1, half)]))
        }
        1 => {
            let transaction = register(chain, n);
            registered.entry(n).or_insert_with(|| transaction.clone());
            Some(transaction)
        }
        2 | 3 => Some(ready(chain, id(registered)?, 500 + n)),
        4 => {
            // Few keys, those of other registrations among them: what collides is refused or told apart.
            let next = key(500 + u64::from(pick % 16));
            let bytes = possession_bytes(&chain.chain_id, &next.public_key(), id(registered)?.as_bytes());
            let changes = OwnerChange {
                consensus_key: (pick % 3 == 0).then(|| (next.public_key(), next.sign(&bytes))),
                payout: (pick % 2 == 0).then(|| address(u64::from(pick))),
                returns: pick % 5 == 0,
                ..NOTHING
            };
            (!changes.is_empty()).then_some(())?;
            Some(owner_change(chain, registered.get(&n)?, n, changes))
        }
        _ => {
            let kind = TransactionKind::DeregisterMasternode { id: id(registered)? };
            let units = 900 * UNITS_PER_TIME;
            Some(special(chain, kind, &[(change(registered)?, n)], &[(n, units)]))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn supply_is_conserved_rewards_sum_exactly_and_every_block_can_be_taken_back(
        blocks in prop::collection::vec(
            (1u64..45_000, prop::collection::vec(any::<Act>(), 0..5), any::<u8>(), any::<Option<u8>>()),
            1..24,
        ),
    ) {
        let mut chain = rich_chain(5, 2);
        let supply = chain.state.totals.supply.units();
        let mut registered = Registered::new();
        let mut history: Vec<(ChainState, MapView, Undo)> = Vec::new();
        let mut closed = 0;
        for (after_ms, acts, absent, crime) in blocks {
            let transactions: Vec<_> = acts
                .into_iter()
                .filter_map(|one| act(&chain, &mut registered, one))
                .filter(|transaction| Verified::check(transaction.clone(), &chain.chain_id).is_ok())
                .map(|transaction| chain.verified(transaction))
                .collect();
            let mut draft = chain.draft(after_ms, transactions);
            if let Some(certificate) = &mut draft.prev_commit {
                certificate.signatures.retain(|(signer, _)| (absent >> (signer % 8)) & 1 == 0);
            }
            if let Some(crime) = crime.filter(|crime| crime % 4 == 0) {
                let keys = chain.state.validators();
                let offender = keys[usize::from(crime) % keys.len()];
                draft.evidence = vec![evidence(chain.state.tip.height.get(), &offender, crime)];
            }
            let before = (chain.state.clone(), chain.view.clone());
            let assembled = assemble(draft, &chain.state, &chain.view, &chain.rules()).unwrap();
            let block = assembled.block.into_inner();
            let reward = block.transactions.first().filter(|first| first.is_reward()).cloned();
            let connected = chain.connect(block).unwrap();
            prop_assert_eq!(&connected, &assembled.connected);
            chain.view.apply(&connected.delta);
            chain.state = connected.state.clone();
            assert_books_balance(&chain);
            prop_assert_eq!(reward.is_some(), connected.closed_epoch.is_some());
            if let Some(reward) = reward {
                closed += 1;
                let paid: u64 = reward.outputs.iter().map(|output| output.amount.units()).sum();
                let fees = before.0.totals.epoch.fees.units() + connected.fees.units();
                prop_assert_eq!(paid, REWARD_PER_PERIOD.units() + fees);
            }
            prop_assert_eq!(
                chain.state.totals.supply.units(),
                supply + closed * REWARD_PER_PERIOD.units()
            );
            // Who holds which key does not depend on the order in which the entries came.
            let registry = &*chain.state.registry;
            prop_assert_eq!(registry, &registry.iter().cloned().collect::<Registry>());
            // Whoever is in the set is active, and nobody else; locked coins are there.
            let active = chain.state.registry.iter().filter(|node| node.standing == Standing::Active);
            let set = chain.state.history.current();
            prop_assert!(set.members.len() >= 2);
            prop_assert_eq!(active.count(), set.members.len());
            for node in chain.state.registry.iter() {
                if let Some(coin) = node.collateral {
                    prop_assert_eq!(chain.view.0[&coin].output.amount, node.tier.collateral());
                }
            }
            prop_assert!(chain.state.history.sets().count() as u64 <= HISTORY_EPOCHS + 1);
            history.push((before.0, before.1, connected.undo()));
        }
        while let Some((state, view, undo)) = history.pop() {
            chain.state = undo.apply(&chain.state);
            chain.view.apply(&undo.delta);
            prop_assert_eq!(undo.delta.commitment, state.commitment.digest());
            prop_assert_eq!(&chain.state, &state);
            prop_assert_eq!(&chain.view, &view);
        }
    }
}
