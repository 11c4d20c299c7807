//! Fetches a snapshot from peers into a new generation, while the node runs on the old one.
//!
//! Peers choose nothing but where to look: what is taken has to hash to what the certificate of its
//! block made final. The certificate is judged under the validators of genesis or those that the old
//! database knows of the last periods, or its block is the one that the operator pinned. If no snapshot
//! holds, the resync goes on with the blocks of peers.

use std::{
    collections::{BTreeSet, HashSet},
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::task::JoinSet;

use crate::{
    chain::{Block, BlockHash, Genesis, Height, check_body},
    consensus::{CertificateContext, SigningDomain, ValidatorSet},
    crypto::{Hash256, HashWriter, NodeId, Verified},
    network::Network,
    storage::{
        LoadError, SnapshotLoader, StoreError, StoreReader, claimed_state,
        disk::RealDisk,
        rebuild::{self, Intent},
    },
    sync::fork::{Decision, Local, POLL_PEERS, Policy, Shown, decide},
    wire::{
        Fault, GetBlockByHash, GetSnapshotInfo, GetUtxoSetPage, Message, SnapshotManifest, limits,
        neighbourhood,
    },
};

use super::{resync::Resync, spawner::Tasks};

/// A peer that has not answered by then is given up on for this question.
const DEADLINE: Duration = Duration::from_secs(10);
/// Time between rounds in which nobody had a snapshot that enough others vouched for.
const AGAIN: Duration = Duration::from_secs(5);
/// Such rounds before the blocks of peers are fetched instead.
const ROUNDS_MAX: u32 = 24;
/// Pause after all peers said that they are busy: a twentieth of a second's worth of pages is free again.
const BUSY_PAUSE: Duration = Duration::from_millis(100);
/// Such answers to one page before a peer that says so is passed over.
const BUSY_MAX: usize = 600;
/// Pages of the new database held in memory while it is filled.
const CACHE_BYTES: u64 = 32 << 20;

/// What the task runs on.
pub(super) struct SnapshotFetch {
    pub(super) network: Network,
    /// Whether peers of one neighbourhood count one by one: on a devnet all are of one.
    pub(super) allow_private: bool,
    pub(super) tasks: Arc<Tasks>,
    pub(super) genesis: Genesis,
    pub(super) blocks: PathBuf,
    pub(super) intent: Intent,
    /// The old database, which goes on growing meanwhile.
    pub(super) reader: StoreReader,
    /// The block that the operator vouches for.
    pub(super) trusted: Option<(Height, BlockHash)>,
    pub(super) resync: Arc<Resync>,
}

/// Asks all of them at once, so that those who keep silent cost one deadline together. The answers, in the order
/// of the peers; `None` for who gave none.
async fn poll<T, F>(peers: &[NodeId], ask: impl Fn(NodeId) -> F) -> Vec<Option<T>>
where
    T: Send + 'static,
    F: Future<Output = Option<T>> + Send + 'static,
{
    let mut asked = JoinSet::new();
    for (index, peer) in peers.iter().enumerate() {
        let answer = ask(*peer);
        asked.spawn(async move { (index, answer.await) });
    }
    let mut answers: Vec<Option<T>> = peers.iter().map(|_| None).collect();
    while let Some(answered) = asked.join_next().await {
        if let Ok((index, answer)) = answered {
            answers[index] = answer;
        }
    }
    answers
}

/// A manifest, and who shows it.
struct Found {
    manifest: SnapshotManifest,
    backers: Vec<NodeId>,
}

impl SnapshotFetch {
    /// Body of the task: ends with a request to start again, on the snapshot or for all blocks.
    pub(super) async fn run(self) {
        let mut refused: BTreeSet<Hash256> = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            let Some(found) = self.choose(&refused).await else {
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            let (height, digest) = (found[0].1.header.height, digest(&found[0].1));
            let roots = self.roots();
            let (found, unproved) = sift(found, |manifest| provable(manifest, &roots));
            for (peer, why) in &unproved {
                // Whoever serves a snapshot has proved it first.
                if why.is_of_one_peer() {
                    self.network
                        .blame(peer, Fault::InvalidCertificate, &why.to_string());
                }
            }
            let Some(found) = found else {
                let why = unproved.first().map(|(_, why)| why.to_string());
                tracing::warn!(height = height.get(), why, "a snapshot is not taken");
                refused.insert(digest);
                continue;
            };
            match self.load(&found).await {
                Ok(()) => {
                    tracing::info!(
                        height = height.get(),
                        "the snapshot is whole and proved; starting again on it"
                    );
                    return self
                        .end(|intent, blocks| rebuild::loaded(&RealDisk, blocks, intent).map(|_| ()))
                        .await;
                }
                Err(LoadError::Manifest { height, what }) => {
                    tracing::warn!(
                        height = height.get(),
                        what,
                        "a snapshot proves nothing; its pages are dropped"
                    );
                    for peer in &found.backers {
                        self.network
                            .blame(peer, Fault::InvalidBlock, "a snapshot that is not the state");
                    }
                    refused.insert(digest);
                }
                Err(LoadError::Page) => tokio::time::sleep(AGAIN).await,
                Err(LoadError::Store(error)) => {
                    tracing::error!(%error, "the snapshot cannot be written; the node stays on the old database");
                    return;
                }
            }
        }
        tracing::warn!("no snapshot that holds was found; all blocks are fetched instead");
        self.end(|intent, blocks| rebuild::without_snapshot(&RealDisk, blocks, intent))
            .await;
    }

    /// What is believed without a peer's word. The sets of the old database were each decided by the one
    /// before, under our own eyes; members of a set of long ago can be bought, so only the last periods
    /// count.
    fn roots(&self) -> Roots {
        let state = self.reader.state();
        let known = state.history.sets().map(|set| set.keys());
        Roots {
            chain_id: self.genesis.chain_id(),
            sets: known
                .chain([self.genesis.validator_keys()])
                .map(ValidatorSet::new)
                .collect(),
            pinned: self.trusted,
        }
    }

    /// Notes how it goes on, and asks that the process start again.
    async fn end(
        &self,
        note: impl FnOnce(&Intent, &std::path::Path) -> Result<(), StoreError> + Send + 'static,
    ) {
        let (intent, blocks) = (self.intent, self.blocks.clone());
        match self.tasks.blocking(move || note(&intent, &blocks)).await {
            Some(Ok(())) => self.resync.start_again("resync: the snapshot is through"),
            Some(Err(error)) => {
                tracing::error!(%error, "resync cannot go on; the node stays on the old database")
            }
            None => {}
        }
    }

    /// Asks peers what they have; gives the manifests that enough of them agree in, never none.
    async fn choose(&self, refused: &BTreeSet<Hash256>) -> Option<Vec<(NodeId, SnapshotManifest)>> {
        let candidates = self.network.peers().into_iter().map(|peer| Candidate {
            node: peer.node_id,
            ip: peer.address.ip(),
            is_masternode: self.network.is_masternode(&peer.node_id),
        });
        let peers = whom_to_ask(candidates.collect(), self.allow_private);
        let shown = poll(&peers, |peer| {
            let network = self.network.clone();
            async move {
                let question = Message::GetSnapshotInfo(GetSnapshotInfo);
                let answer = network.request(&peer, &question, DEADLINE).await;
                match answer.map(|inbound| inbound.message) {
                    Ok(Message::SnapshotInfo(info)) => Some((peer, info.manifest)),
                    _ => None,
                }
            }
        })
        .await;
        let samples: Vec<_> = shown
            .iter()
            .map(|answer| {
                let manifest = &answer.as_ref()?.1;
                let digest = digest(manifest);
                (!refused.contains(&digest)).then_some(Shown {
                    height: manifest.header.height,
                    hash: BlockHash::from_hash(digest),
                    common: Height::GENESIS,
                    is_certified: false,
                })
            })
            .collect();
        let nothing = Local {
            height: Height::GENESIS,
            hash: BlockHash::ZERO,
            certified: Height::GENESIS,
            certified_hash: BlockHash::ZERO,
        };
        let Decision::SyncTo { hash, .. } = decide(&nothing, &samples, &Policy::default()) else {
            return None;
        };
        let agreeing: Vec<(NodeId, SnapshotManifest)> = shown
            .into_iter()
            .flatten()
            .filter(|(_, manifest)| digest(manifest) == *hash.as_hash())
            .collect();
        (!agreeing.is_empty()).then_some(agreeing)
    }

    async fn load(&self, found: &Found) -> Result<(), LoadError> {
        let (blocks, to, manifest) = (self.blocks.clone(), self.intent.to, found.manifest.clone());
        let begin = move || SnapshotLoader::begin(&blocks, to, manifest, CACHE_BYTES);
        let mut loader = self.blocking(begin).await?;
        let (height, hash) = (found.manifest.header.height, found.manifest.header.hash());
        let mut honest = found.backers.clone();
        let (mut turn, mut busy) = (0, 0);
        while let Some(cursor) = loader.next() {
            if honest.is_empty() {
                return Err(LoadError::Page);
            }
            let peer = honest[turn % honest.len()];
            turn += 1;
            let question = Message::GetUtxoSetPage(GetUtxoSetPage {
                height,
                hash,
                cursor,
                limit: limits::UTXO_PAGE_MAX as u16,
            });
            let answer = self.network.request(&peer, &question, DEADLINE).await;
            let page = match answer.map(|inbound| inbound.message) {
                Ok(Message::UtxoSetPage(page)) if page.height == height && page.cursor == cursor => page,
                // We have had our share for now: the next one, and after a round of them a pause.
                Ok(Message::Busy(_)) if busy < BUSY_MAX => {
                    busy += 1;
                    if busy % honest.len() == 0 {
                        tokio::time::sleep(BUSY_PAUSE).await;
                    }
                    continue;
                }
                // Gone, or it has it no more: the next one.
                _ => {
                    honest.retain(|other| *other != peer);
                    continue;
                }
            };
            busy = 0;
            let (items, next) = (page.items.into_vec(), page.next);
            let adding = move || {
                let added = loader.add(&items, next);
                (loader, added)
            };
            let Some((back, added)) = self.tasks.blocking(adding).await else {
                return Err(LoadError::Page);
            };
            loader = back;
            match added {
                Ok(()) => self.resync.on_page(loader.progress()),
                Err(LoadError::Page) => {
                    self.network
                        .blame(&peer, Fault::InvalidBlock, "a page that is not the manifest's");
                    honest.retain(|other| *other != peer);
                }
                Err(other) => return Err(other),
            }
        }
        let block = self
            .block(height, hash, &found.backers)
            .await
            .ok_or(LoadError::Page)?;
        let genesis = self.genesis.clone();
        self.tasks
            .blocking(move || loader.finish(&genesis, &block))
            .await
            .unwrap_or(Err(LoadError::Page))
    }

    /// The snapshot's own block: the tip of a database is whole.
    async fn block(&self, height: Height, hash: BlockHash, backers: &[NodeId]) -> Option<Block> {
        for peer in backers {
            let question = Message::GetBlockByHash(GetBlockByHash { height, hash });
            let answer = self.network.request(peer, &question, DEADLINE).await;
            if let Ok(Message::BlockByHash(found)) = answer.map(|inbound| inbound.message)
                && found.block.hash() == hash
                && check_body(&found.block).is_ok()
            {
                return Some(found.block);
            }
        }
        None
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, LoadError> {
        match self.tasks.blocking(work).await {
            Some(done) => Ok(done?),
            None => Err(LoadError::Page),
        }
    }
}

/// A peer that could be asked.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    node: NodeId,
    ip: IpAddr,
    is_masternode: bool,
}

/// Whom a poll asks: masternodes first, seven at most, and one of each neighbourhood, so that whoever rents
/// many addresses side by side has one voice.
fn whom_to_ask(mut candidates: Vec<Candidate>, allow_private: bool) -> Vec<NodeId> {
    candidates.sort_by_key(|one| !one.is_masternode);
    let mut heard = HashSet::new();
    candidates.retain(|one| allow_private || heard.insert(neighbourhood(one.ip)));
    candidates.truncate(POLL_PEERS);
    candidates.into_iter().map(|one| one.node).collect()
}

/// Why a manifest proves nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Unproved {
    #[error("its certificate names another block")]
    OtherBlock,
    #[error("it is not the block that is pinned with storage.trusted")]
    NotPinned,
    #[error("its state does not decode, or does not say who its validators are")]
    State,
    #[error("its validators are not those that we know; pin its block with storage.trusted")]
    Validators,
    #[error("its certificate does not hold")]
    Certificate,
}

impl Unproved {
    /// Whether it is in the part of a manifest that is each peer's own: certificates are left out of
    /// what peers agree on, since any quorum of signatures is one.
    const fn is_of_one_peer(self) -> bool {
        matches!(self, Self::OtherBlock | Self::Certificate)
    }
}

/// Peers whose manifest proves nothing, and why.
type Unbacked = Vec<(NodeId, Unproved)>;

/// Separates peers that agree in a snapshot by whether the certificate that each of them shows holds:
/// one of them with a bad one must not spoil what the others prove.
fn sift(
    agreeing: Vec<(NodeId, SnapshotManifest)>,
    prove: impl Fn(&SnapshotManifest) -> Result<(), Unproved>,
) -> (Option<Found>, Unbacked) {
    let (mut found, mut unproved): (Option<Found>, _) = (None, Vec::new());
    for (peer, manifest) in agreeing {
        match (prove(&manifest), &mut found) {
            (Ok(()), Some(found)) => found.backers.push(peer),
            (Ok(()), None) => {
                found = Some(Found {
                    manifest,
                    backers: vec![peer],
                });
            }
            (Err(why), _) => unproved.push((peer, why)),
        }
    }
    (found, unproved)
}

/// What two peers have to agree on. Certificates are left out: any quorum of signatures is one.
fn digest(manifest: &SnapshotManifest) -> Hash256 {
    let mut writer = HashWriter::new("timecoin/snapshot-manifest/1")
        .bytes(manifest.header.hash().as_bytes())
        .u64(manifest.coins);
    for part in manifest.state.iter() {
        writer = writer.u64(part.len() as u64).bytes(part);
    }
    for page in manifest.pages.iter() {
        writer = writer.bytes(page.as_bytes());
    }
    writer.finish()
}

/// What a manifest is judged by.
struct Roots {
    chain_id: Hash256,
    /// Validators whose certificates are believed.
    sets: Vec<ValidatorSet>,
    /// The block that the operator vouches for.
    pinned: Option<(Height, BlockHash)>,
}

/// Whether the header of a manifest is final for all we know, before a page is asked for.
fn provable(manifest: &SnapshotManifest, roots: &Roots) -> Result<(), Unproved> {
    let (header, certificate) = (&manifest.header, &manifest.certificate);
    let hash = header.hash();
    if certificate.height != header.height || certificate.block_hash != hash {
        return Err(Unproved::OtherBlock);
    }
    let of_pinned;
    let sets = match roots.pinned {
        Some((height, pinned)) if height == header.height => {
            if pinned != hash {
                return Err(Unproved::NotPinned);
            }
            // The pin vouches for the block, not for the signatures beside it, which we would serve
            // to others. Whose they are, the state says, and the pinned block commits to the state.
            let state = claimed_state(manifest).ok_or(Unproved::State)?;
            let set = state.history.set_at(height).ok_or(Unproved::State)?;
            of_pinned = [ValidatorSet::new(set.keys())];
            &of_pinned[..]
        }
        Some(_) | None => &roots.sets,
    };
    let mut sets = sets.iter();
    let validators = sets.find(|set| set.hash() == header.vset_hash);
    let validators = validators.ok_or(Unproved::Validators)?;
    let domain = SigningDomain {
        chain_id: roots.chain_id,
        vset_hash: header.vset_hash,
    };
    let context = CertificateContext {
        domain: &domain,
        validators,
    };
    Verified::check(certificate.clone(), context)
        .map(|_| ())
        .map_err(|_| Unproved::Certificate)
}

#[cfg(test)]
mod tests;
