//! A small chain for tests of this room and those above it: keys, money, blocks.

use std::collections::BTreeMap;

use crate::crypto::{Hash256, HashWriter, PublicKey, SecretKey, Verified};

use super::*;

/// Coins in a sorted map, so that tests can look at all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MapView(pub(crate) BTreeMap<OutPoint, Coin>);

impl MapView {
    pub(crate) fn apply(&mut self, delta: &UtxoDelta) {
        for (outpoint, coin) in &delta.spent {
            assert_eq!(self.0.remove(outpoint), Some(*coin));
        }
        for (outpoint, coin) in &delta.created {
            assert_eq!(self.0.insert(*outpoint, *coin), None);
        }
    }
}

impl UtxoView for MapView {
    fn output(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewError> {
        Ok(self.0.get(outpoint).copied())
    }
}

pub(crate) fn key(n: u64) -> SecretKey {
    SecretKey::from_seed(HashWriter::new("test-key").u64(n).finish().as_bytes())
}

pub(crate) fn address(n: u64) -> Address {
    Address::of(&key(n).public_key())
}

/// Evidence in tests of this room: height, offender and a salt, true by being there.
pub(crate) fn evidence(height: u64, offender: &PublicKey, salt: u8) -> Vec<u8> {
    [&height.to_le_bytes()[..], offender.as_bytes(), &[salt]].concat()
}

fn judge_by_the_label(bytes: &[u8], _: &Hash256, set_of: &SetOf<'_>) -> Result<Offence, String> {
    let (height, rest) = bytes.split_first_chunk::<8>().ok_or("short")?;
    let (key, _) = rest.split_first_chunk::<32>().ok_or("short")?;
    let height = Height::new(u64::from_le_bytes(*height));
    let offender = PublicKey::from_bytes(*key);
    let set = set_of(height).ok_or("no set of that height")?;
    set.binary_search(&offender).map_err(|_| "no member")?;
    Ok(Offence {
        id: HashWriter::new("test-evidence").bytes(bytes).finish(),
        height,
        offender,
    })
}

/// A chain with its coins. Masternode n has key 1000 + n, owner n has key n.
#[derive(Debug, Clone)]
pub(crate) struct TestChain {
    pub(crate) genesis: Genesis,
    pub(crate) chain_id: Hash256,
    pub(crate) state: ChainState,
    pub(crate) view: MapView,
}

/// What each genesis output of a [`TestChain`] holds.
pub(crate) const GENESIS_UNITS: u64 = 1_000_000;

impl TestChain {
    /// `masternodes` masternodes; `outputs` outputs, output n belonging to owner n.
    pub(crate) fn new(masternodes: u64, outputs: u64) -> Self {
        let genesis = Genesis {
            network: Network::Devnet,
            timestamp_ms: TimestampMs::new(1_000_000),
            params: Params::default_for(Network::Devnet),
            masternodes: (0..masternodes)
                .map(|n| GenesisMasternode {
                    name: format!("node{n}"),
                    validator_key: key(1000 + n).public_key(),
                    node_key: None,
                    payout: address(1000 + n),
                    tier: Tier::ALL[(n % 3) as usize],
                })
                .collect(),
            outputs: (0..outputs)
                .map(|n| GenesisOutput {
                    address: address(n),
                    amount: Amount::from_units(GENESIS_UNITS),
                })
                .collect(),
        };
        genesis.check().unwrap();
        let (state, delta) = ChainState::genesis(&genesis);
        let mut view = MapView::default();
        view.apply(&delta);
        Self {
            chain_id: genesis.chain_id(),
            genesis,
            state,
            view,
        }
    }

    pub(crate) fn params(&self) -> &Params {
        &self.genesis.params
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules::of(&self.genesis, judge_by_the_label)
    }

    /// The outpoint of genesis output `n`.
    pub(crate) fn coin(&self, n: u32) -> OutPoint {
        OutPoint::new(TxId::from_hash(self.chain_id), n)
    }

    /// Inputs with the owner of each, outputs as (owner, units).
    pub(crate) fn transfer(&self, inputs: &[(OutPoint, u64)], outputs: &[(u64, u64)]) -> SharedTransaction {
        self.transfer_until(inputs, outputs, 0)
    }

    pub(crate) fn transfer_until(
        &self,
        inputs: &[(OutPoint, u64)],
        outputs: &[(u64, u64)],
        until: u64,
    ) -> SharedTransaction {
        let mut transaction = Transaction {
            version: TRANSACTION_VERSION,
            kind: TransactionKind::Transfer,
            inputs: inputs.iter().map(|(outpoint, _)| *outpoint).collect(),
            outputs: outputs
                .iter()
                .map(|(owner, units)| Output {
                    amount: Amount::from_units(*units),
                    address: address(*owner),
                })
                .collect(),
            valid_until_height: Height::new(until),
            witnesses: Vec::new(),
        };
        let keys: Vec<SecretKey> = inputs.iter().map(|(_, owner)| key(*owner)).collect();
        transaction.sign(&self.chain_id, &keys.iter().collect::<Vec<_>>());
        SharedTransaction::new(transaction)
    }

    pub(crate) fn verified(&self, transaction: SharedTransaction) -> Verified<SharedTransaction> {
        Verified::check(transaction, &self.chain_id).unwrap()
    }

    /// A draft of the next block, signed for by all masternodes, `after_ms` after the tip.
    pub(crate) fn draft(&self, after_ms: u64, transactions: Vec<Verified<SharedTransaction>>) -> Draft {
        let tip = &self.state.tip;
        let set = self.state.history.set_at(tip.height);
        let signers = set.map_or(0, |set| set.members.len()) as u16;
        Draft {
            proposer: self.state.validators()[0],
            created_round: 0,
            timestamp_ms: tip.timestamp_ms.saturating_add(after_ms),
            prev_commit: (tip.height > Height::GENESIS).then(|| CommitCertificate {
                height: tip.height,
                round: 0,
                block_hash: tip.hash,
                signatures: (0..signers)
                    .map(|n| (n, crate::crypto::Signature::from_bytes([0; 64])))
                    .collect(),
            }),
            evidence: Vec::new(),
            transactions,
        }
    }

    pub(crate) fn assemble(&self, after_ms: u64, transactions: Vec<SharedTransaction>) -> Assembled {
        let transactions = transactions
            .into_iter()
            .map(|transaction| self.verified(transaction))
            .collect();
        assemble(
            self.draft(after_ms, transactions),
            &self.state,
            &self.view,
            &self.rules(),
        )
        .unwrap()
    }

    /// Judges a block as a voter would.
    pub(crate) fn connect(&self, block: Block) -> Result<Connected, ConnectError> {
        let context = BlockContext {
            chain_id: &self.chain_id,
            known: &|_| false,
        };
        connect(
            &Verified::check(block, context)?,
            &self.state,
            &self.view,
            &self.rules(),
        )
    }

    /// Adds a block of `transactions`, all of which must be valid; gives what connecting it gave.
    pub(crate) fn extend(&mut self, after_ms: u64, transactions: Vec<SharedTransaction>) -> Connected {
        let assembled = self.assemble(after_ms, transactions);
        assert_eq!(assembled.refused, []);
        let connected = self.connect(assembled.block.into_inner()).unwrap();
        assert_eq!(connected, assembled.connected);
        self.view.apply(&connected.delta);
        self.state = connected.state.clone();
        connected
    }
}
