//! temp
use crate::control::*;
use crate::crypto::Hash256;
pub(super) struct Nothing;
impl Query for Nothing {
    fn block(&self, _: u64) -> Result<Option<BlockView>, QueryError> {
        Ok(None)
    }
    fn transaction(&self, _: Hash256) -> Result<TransactionView, QueryError> {
        Err(QueryError::Storage("x".into()))
    }
    fn mempool_has(&self, _: Hash256) -> bool {
        false
    }
    fn evidence(&self, _: Page) -> Result<Vec<EvidenceView>, QueryError> {
        Ok(vec![])
    }
    fn balance(&self, _: &str) -> Result<BalanceView, QueryError> {
        Err(QueryError::Storage("x".into()))
    }
    fn utxos(&self, _: &str, _: Page) -> Result<Vec<UtxoEntry>, QueryError> {
        Ok(vec![])
    }
}
