//! Fetches a snapshot from peers into a new generation, while the node runs on the old one.
//!
//! Peers choose nothing but where to look: what is taken has to hash to what the certificate of its
//! block made final. The certificate is judged under the validators of genesis, or its block is the
//! one that the operator pinned. If no snapshot holds, the resync goes on with the blocks of peers.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use crate::{
    chain::{Block, BlockHash, Genesis, Height, check_body},
    consensus::{CertificateContext, SigningDomain, ValidatorSet},
    crypto::{Hash256, HashWriter, NodeId, Verified},
    network::Network,
    storage::{
        LoadError, SnapshotLoader, StoreError, claimed_state,
        disk::RealDisk,
        rebuild::{self, Intent},
    },
    sync::fork::{Decision, Local, POLL_PEERS, Policy, Shown, decide},
    wire::{Fault, GetBlockByHash, GetSnapshotInfo, GetUtxoSetPage, Message, SnapshotManifest, limits},
};

use super::{resync::Resync, spawner::Tasks};

/// A peer that has not answered by then is given up on for this question.
const DEADLINE: Duration = Duration::from_secs(10);
/// Time between rounds in which nobody had a snapshot that enough others vouched for.
const AGAIN: Duration = Duration::from_secs(5);
/// Such rounds before the blocks of peers are fetched instead.
const ROUNDS_MAX: u32 = 24;
/// Pages of the new database held in memory while it is filled.
const CACHE_BYTES: u64 = 32 << 20;

/// What the task runs on.
pub(super) struct SnapshotFetch {
    pub(super) network: Network,
    pub(super) tasks: Arc<Tasks>,
    pub(super) genesis: Genesis,
    pub(super) blocks: PathBuf,
    pub(super) intent: Intent,
    /// The block that the operator vouches for.
    pub(super) trusted: Option<(Height, BlockHash)>,
    pub(super) resync: Arc<Resync>,
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
            let (height, digest) = (found.manifest.header.height, digest(&found.manifest));
            if let Err(why) = provable(&found.manifest, &self.genesis, self.trusted) {
                tracing::warn!(height = height.get(), why, "a snapshot is not taken");
                refused.insert(digest);
                continue;
            }
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

    /// Asks peers what they have; gives the manifest that enough of them show.
    async fn choose(&self, refused: &BTreeSet<Hash256>) -> Option<Found> {
        let mut peers = self.network.peers();
        peers.sort_by_key(|peer| peer.validator.is_none());
        peers.truncate(POLL_PEERS);
        let mut shown: Vec<Option<(NodeId, SnapshotManifest)>> = Vec::new();
        for peer in &peers {
            let question = Message::GetSnapshotInfo(GetSnapshotInfo);
            let answer = self.network.request(&peer.node_id, &question, DEADLINE).await;
            shown.push(match answer.map(|inbound| inbound.message) {
                Ok(Message::SnapshotInfo(info)) => Some((peer.node_id, info.manifest)),
                _ => None,
            });
        }
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
        let mut agreeing: Vec<(NodeId, SnapshotManifest)> = shown
            .into_iter()
            .flatten()
            .filter(|(_, manifest)| digest(manifest) == *hash.as_hash())
            .collect();
        let backers = agreeing.iter().map(|(peer, _)| *peer).collect();
        Some(Found {
            manifest: agreeing.pop()?.1,
            backers,
        })
    }

    async fn load(&self, found: &Found) -> Result<(), LoadError> {
        let (blocks, to, manifest) = (self.blocks.clone(), self.intent.to, found.manifest.clone());
        let begin = move || SnapshotLoader::begin(&blocks, to, manifest, CACHE_BYTES);
        let mut loader = self.blocking(begin).await?;
        let (height, hash) = (found.manifest.header.height, found.manifest.header.hash());
        let mut honest = found.backers.clone();
        let mut turn = 0;
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
                // Busy, gone, or it has it no more: the next one.
                _ => {
                    honest.retain(|other| *other != peer);
                    continue;
                }
            };
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

/// Whether the header of a manifest is final for all we know, before a page is asked for.
fn provable(
    manifest: &SnapshotManifest,
    genesis: &Genesis,
    trusted: Option<(Height, BlockHash)>,
) -> Result<(), &'static str> {
    let (header, certificate) = (&manifest.header, &manifest.certificate);
    let hash = header.hash();
    if certificate.height != header.height || certificate.block_hash != hash {
        return Err("its certificate names another block");
    }
    let keys = match trusted {
        Some((height, pinned)) if height == header.height => {
            if pinned != hash {
                return Err("it is not the block that is pinned");
            }
            // The pin vouches for the block, not for the signatures beside it, which we would serve
            // to others. Whose they are, the state says, and the pinned block commits to the state.
            let state = claimed_state(manifest).ok_or("its state does not decode")?;
            let set = state.history.set_at(height).map(|set| set.keys());
            set.ok_or("its state does not say who its validators are")?
        }
        Some(_) | None => genesis.validator_keys(),
    };
    let validators = ValidatorSet::new(keys);
    let domain = SigningDomain {
        chain_id: genesis.chain_id(),
        vset_hash: validators.hash(),
    };
    if header.vset_hash != domain.vset_hash {
        return Err("its validators are not those that we know; pin its block with storage.trusted");
    }
    let context = CertificateContext {
        domain: &domain,
        validators: &validators,
    };
    Verified::check(certificate.clone(), context)
        .map(|_| ())
        .map_err(|_| "its certificate does not hold")
}
