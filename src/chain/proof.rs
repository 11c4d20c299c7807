//! Whether a set of coins is the whole of a state: the proof of a snapshot, and of a database.

use super::{
    Amount, ChainState, Coin, OutPoint,
    commitment::{ElementKind, SetHash},
};

/// Coins counted, summed and hashed one by one, in any order.
#[derive(Debug, Clone, Default)]
pub struct CoinSum {
    set: SetHash,
    count: u64,
    value: Amount,
    is_overfull: bool,
}

impl CoinSum {
    /// Adds a coin. Each may be added once; the same coin twice makes a sum of no state.
    pub fn add(&mut self, outpoint: &OutPoint, coin: &Coin) {
        self.set.insert(ElementKind::Coin, &coin.element(outpoint));
        self.count = self.count.saturating_add(1);
        match self.value.checked_add(coin.output.amount) {
            Some(value) => self.value = value,
            None => self.is_overfull = true,
        }
    }

    /// Coins added so far.
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl ChainState {
    /// True if these coins and the parts of this state are all that its commitment covers: none
    /// missing, none altered, none twice, and no more money than there is.
    pub fn is_made_of(&self, coins: &CoinSum) -> bool {
        let mut whole = self.commitment_beside_coins();
        whole.join(&coins.set);
        !coins.is_overfull
            && coins.count == self.totals.utxo_count
            && coins.value <= self.totals.supply
            && whole == self.commitment
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::testing::TestChain;

    fn sum<'a>(coins: impl Iterator<Item = (&'a OutPoint, &'a Coin)>) -> CoinSum {
        let mut sum = CoinSum::default();
        coins.for_each(|(outpoint, coin)| sum.add(outpoint, coin));
        sum
    }

    #[test]
    fn a_state_is_made_of_its_coins_and_of_no_others() {
        let mut chain = TestChain::new(4, 5);
        chain.extend(1_000, vec![]);
        let spend = chain.transfer(&[(chain.coin(1), 1)], &[(2, 1_000), (3, 2_000)]);
        chain.extend(1_000, vec![spend]);
        let coins = &chain.view.0;
        assert!(chain.state.is_made_of(&sum(coins.iter())));
        assert!(chain.state.is_made_of(&sum(coins.iter().rev())), "in any order");
        assert!(
            !chain.state.is_made_of(&sum(coins.iter().skip(1))),
            "one is missing"
        );
        let twice = coins.iter().chain(coins.iter().take(1));
        assert!(!chain.state.is_made_of(&sum(twice)));
        let mut altered = coins.clone();
        if let Some(mut coin) = altered.first_entry() {
            coin.get_mut().output.amount = Amount::from_units(1);
        }
        assert!(!chain.state.is_made_of(&sum(altered.iter())));
    }
}
