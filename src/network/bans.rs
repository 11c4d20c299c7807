//! The one list of whom we keep out: bans by the operator, and discouragements by the program.
//!
//! Bans are saved before the command that made them is answered, are never displaced, and close live
//! sessions at once. Discouragements are made by score, bounded (the least recent goes), and saved from
//! time to time. Both end by the wall clock, so they survive a restart, and one unban lifts both.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    crypto::{NodeId, PublicKey},
    wire::{BAN_REASON_MAX, Ban, BanSource, BanTarget, IpRange},
};

use super::file;

/// Bans that an operator can have; the file of that many takes 3 MB.
pub const OPERATOR_BANS_MAX: usize = 10_000;
/// Nodes that are discouraged at one time. With more, the one discouraged longest ago is forgotten: a
/// stranger can make as many keys as they like, and not one of them costs us more memory.
pub const DISCOURAGED_MAX: usize = 4_096;
/// Entries that screens are told of; the whole list is paged.
pub const BANS_SHOWN_MAX: usize = 256;
/// How long a first discouragement lasts.
const DISCOURAGE_MS: u64 = 12 * 3_600_000;
/// How long a repeated one lasts at most.
const DISCOURAGE_MAX_MS: u64 = 7 * 24 * 3_600_000;
/// How long after its end a discouragement is remembered, so that a repeat is known as one.
const REMEMBER_MS: u64 = DISCOURAGE_MAX_MS;

/// Why a ban was not taken, or not kept.
#[derive(Debug, thiserror::Error)]
pub enum BanError {
    /// The list is full.
    #[error("{OPERATOR_BANS_MAX} bans are the most; lift some with `timed peers unban`, or ban a network")]
    Full,
    /// It holds from now on, but would not survive a restart.
    #[error("in force, but not saved: {path}: {source}; check the disk and repeat the command")]
    NotSaved {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The list.
#[derive(Debug)]
pub(super) struct Bans {
    path: Option<PathBuf>,
    lists: Mutex<Lists>,
    /// Held while the file is written, so that an older list never replaces a newer one.
    saving: Mutex<()>,
}

#[derive(Debug, Default)]
struct Lists {
    operator: BTreeMap<BanTarget, Ban>,
    /// How many operator bans have each width, v4 then v6: only these widths are looked up.
    widths: BTreeMap<(bool, u8), usize>,
    discouraged: HashMap<NodeId, Ban>,
    /// What was seen of nodes that are kept out; forgotten over a restart.
    met: HashMap<NodeId, Met>,
    /// The discouraged by the time it happened, to find the oldest.
    by_time: BTreeSet<(u64, NodeId)>,
    changed: bool,
    /// What was told last, until the lists change or the first of them ends.
    shown: Option<(u64, BansInForce)>,
}

/// What was seen of a node that is kept out.
#[derive(Debug, Clone, Copy)]
struct Met {
    ip: IpAddr,
    /// The consensus key that it proved, which may be registered one day.
    key: Option<PublicKey>,
}

/// The head of the list, for screens. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BansInForce {
    /// The newest, newest first; at most [`BANS_SHOWN_MAX`].
    pub newest: Arc<Vec<Ban>>,
    /// How many there are of both kinds.
    pub total: usize,
}

impl Bans {
    /// The list as saved in `path`; empty, with a warning, if it cannot be read. Blocks.
    pub(super) fn open(path: Option<PathBuf>, now_ms: u64) -> Self {
        let mut lists = Lists::default();
        if let Some(path) = &path {
            let saved = file::read(path).and_then(|bytes| match bytes {
                None => Ok(Vec::new()),
                Some(bytes) => serde_json::from_slice::<Vec<Ban>>(&bytes).map_err(io::Error::other),
            });
            match saved {
                Ok(saved) => saved.into_iter().for_each(|ban| lists.restore(ban, now_ms)),
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "the list of bans cannot be read: nobody is banned now; it is kept with the ending .damaged");
                    file::set_aside(path);
                }
            }
        }
        Self {
            path,
            lists: Mutex::new(lists),
            saving: Mutex::new(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        // Every change is one insert or remove; a panic elsewhere leaves the lists whole.
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bans by hand. In force at once; saved by [`Bans::save`], which must follow.
    pub(super) fn ban(&self, mut ban: Ban) -> Result<(), BanError> {
        ban.reason = printable(&ban.reason);
        let mut lists = self.lock();
        if lists.operator.len() >= OPERATOR_BANS_MAX && !lists.operator.contains_key(&ban.target) {
            return Err(BanError::Full);
        }
        lists.put(ban);
        Ok(())
    }

    /// Lifts a ban and a discouragement; of a range, those of all that came from there. Gives what was
    /// lifted.
    pub(super) fn unban(&self, target: &BanTarget) -> Vec<Ban> {
        let mut lists = self.lock();
        let mut lifted: Vec<Ban> = lists.take(target).into_iter().collect();
        let nodes: Vec<NodeId> = match target {
            BanTarget::Node(id) => vec![*id],
            BanTarget::Range(range) => {
                let there = lists.met.iter().filter(|(_, met)| range.contains(met.ip));
                there.map(|(id, _)| *id).collect()
            }
        };
        for id in nodes {
            lifted.extend(lists.encourage(&id));
        }
        lists.touch();
        lifted
    }

    /// Lifts everything; gives how much that was.
    pub(super) fn clear(&self) -> usize {
        let mut lists = self.lock();
        let count = lists.operator.len() + lists.discouraged.len();
        *lists = Lists {
            changed: true,
            ..Lists::default()
        };
        count
    }

    /// Discourages a node by what it did. Gives how long.
    pub(super) fn discourage(&self, node: NodeId, reason: &str, evidence: &str, now_ms: u64) -> u64 {
        let mut lists = self.lock();
        let times = lists.discouraged.get(&node).map_or(0, |before| before.times) + 1;
        let length = DISCOURAGE_MS
            .saturating_mul(1 << (times - 1).min(16))
            .min(DISCOURAGE_MAX_MS);
        lists.touch();
        lists.discourage(
            node,
            Ban {
                target: BanTarget::Node(node),
                source: BanSource::Automatic,
                by: "score".to_owned(),
                reason: printable(reason),
                evidence: printable(evidence),
                at_ms: now_ms,
                until_ms: Some(now_ms.saturating_add(length)),
                times,
            },
        );
        length
    }

    /// A node that is kept out came from there, and had proved this key.
    pub(super) fn note_met(&self, node: NodeId, ip: IpAddr, key: Option<PublicKey>) {
        let mut lists = self.lock();
        let is_out = lists.discouraged.contains_key(&node);
        if is_out || lists.operator.contains_key(&BanTarget::Node(node)) {
            lists.met.insert(node, Met { ip, key });
        }
    }

    /// Where a node that is kept out came from.
    pub(super) fn met_at(&self, node: &NodeId) -> Option<IpAddr> {
        self.lock().met.get(node).map(|met| met.ip)
    }

    /// Lifts the discouragement of a node; true if there was one.
    pub(super) fn encourage(&self, node: &NodeId) -> bool {
        let mut lists = self.lock();
        let was = lists.encourage(node).is_some();
        if was {
            lists.touch();
        }
        was
    }

    /// The discouraged whose key is registered now.
    pub(super) fn registered(&self, is_member: impl Fn(&PublicKey) -> bool) -> Vec<NodeId> {
        let met = self.lock().met.clone();
        let registered = met
            .into_iter()
            .filter(|(_, met)| met.key.is_some_and(|key| is_member(&key)));
        registered.map(|(node, _)| node).collect()
    }

    /// The operator's ban that keeps an address out, before anything is known of who comes from there.
    pub(super) fn of_address(&self, ip: IpAddr, now_ms: u64) -> Option<Ban> {
        let lists = self.lock();
        let is_v6 = ip.to_canonical().is_ipv6();
        lists
            .widths
            .range((is_v6, 0)..=(is_v6, u8::MAX))
            .filter_map(|((_, prefix), _)| {
                lists
                    .operator
                    .get(&BanTarget::Range(IpRange::containing(ip, *prefix)))
            })
            .find(|ban| ban.holds(now_ms))
            .cloned()
    }

    /// The operator's ban that keeps a node out.
    pub(super) fn of_node(&self, node: &NodeId, ip: IpAddr, now_ms: u64) -> Option<Ban> {
        let by_id = self.lock().operator.get(&BanTarget::Node(*node)).cloned();
        by_id
            .filter(|ban| ban.holds(now_ms))
            .or_else(|| self.of_address(ip, now_ms))
    }

    /// Whether a node is discouraged.
    pub(super) fn is_discouraged(&self, node: &NodeId, now_ms: u64) -> bool {
        self.lock()
            .discouraged
            .get(node)
            .is_some_and(|ban| ban.holds(now_ms))
    }

    /// What is in force, newest first.
    pub(super) fn list(&self, now_ms: u64) -> Vec<Ban> {
        self.lock().in_force(now_ms)
    }

    /// The head of the list. Costs nothing while it is the one told last.
    pub(super) fn shown(&self, now_ms: u64) -> BansInForce {
        let mut lists = self.lock();
        if let Some((until, shown)) = &lists.shown
            && now_ms < *until
        {
            return shown.clone();
        }
        let mut all = lists.in_force(now_ms);
        let until = all
            .iter()
            .filter_map(|ban| ban.until_ms)
            .min()
            .unwrap_or(u64::MAX);
        let total = all.len();
        all.truncate(BANS_SHOWN_MAX);
        let shown = BansInForce {
            newest: Arc::new(all),
            total,
        };
        lists.shown = Some((until, shown.clone()));
        shown
    }

    /// Writes the list to disk, discouragements of the past week included. Blocks.
    pub(super) fn save(&self, now_ms: u64) -> Result<(), BanError> {
        let _alone = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<Ban> = {
            let mut lists = self.lock();
            lists.expire(now_ms);
            lists.changed = false;
            let all = lists.operator.values().chain(lists.discouraged.values());
            all.cloned().collect()
        };
        let Some(path) = &self.path else {
            return Ok(());
        };
        serde_json::to_vec_pretty(&all)
            .map_err(io::Error::other)
            .and_then(|bytes| file::replace(path, &bytes))
            .map_err(|source| {
                self.lock().changed = true;
                BanError::NotSaved {
                    path: path.clone(),
                    source,
                }
            })
    }

    /// Whether the file is older than the list.
    pub(super) fn is_changed(&self) -> bool {
        self.lock().changed
    }
}

impl Lists {
    fn touch(&mut self) {
        self.changed = true;
        self.shown = None;
    }

    fn in_force(&self, now_ms: u64) -> Vec<Ban> {
        let all = self.operator.values().chain(self.discouraged.values());
        let mut all: Vec<Ban> = all.filter(|ban| ban.holds(now_ms)).cloned().collect();
        all.sort_unstable_by(|a, b| (b.at_ms, a.target).cmp(&(a.at_ms, b.target)));
        all
    }

    fn restore(&mut self, ban: Ban, now_ms: u64) {
        match (ban.source, ban.target) {
            (BanSource::Operator, _) if self.operator.len() < OPERATOR_BANS_MAX && ban.holds(now_ms) => {
                self.put(ban);
            }
            (BanSource::Automatic, BanTarget::Node(id)) if self.discouraged.len() < DISCOURAGED_MAX => {
                self.discourage(id, ban);
            }
            _ => {}
        }
    }

    fn put(&mut self, ban: Ban) {
        self.touch();
        if self.operator.insert(ban.target, ban.clone()).is_none()
            && let BanTarget::Range(range) = ban.target
        {
            *self.widths.entry((range.is_v6(), range.prefix())).or_insert(0) += 1;
        }
    }

    fn take(&mut self, target: &BanTarget) -> Option<Ban> {
        let ban = self.operator.remove(target)?;
        self.touch();
        if let BanTarget::Node(id) = target {
            self.met.remove(id);
        }
        if let BanTarget::Range(range) = target {
            let width = (range.is_v6(), range.prefix());
            let left = self.widths.get(&width).map_or(0, |count| count.saturating_sub(1));
            if left == 0 {
                self.widths.remove(&width);
            } else {
                self.widths.insert(width, left);
            }
        }
        Some(ban)
    }

    fn expire(&mut self, now_ms: u64) {
        let over: Vec<BanTarget> = self
            .operator
            .values()
            .filter(|ban| !ban.holds(now_ms))
            .map(|ban| ban.target)
            .collect();
        for target in over {
            self.take(&target);
        }
        let is_over = |ban: &Ban| {
            ban.until_ms
                .is_none_or(|until| now_ms >= until.saturating_add(REMEMBER_MS))
        };
        let over: Vec<NodeId> = self
            .discouraged
            .iter()
            .filter(|(_, ban)| is_over(ban))
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            self.encourage(&id);
        }
    }

    fn discourage(&mut self, id: NodeId, ban: Ban) {
        self.encourage(&id);
        while self.discouraged.len() >= DISCOURAGED_MAX
            && let Some((_, oldest)) = self.by_time.first().copied()
        {
            self.encourage(&oldest);
        }
        self.by_time.insert((ban.at_ms, id));
        self.discouraged.insert(id, ban);
    }

    fn encourage(&mut self, id: &NodeId) -> Option<Ban> {
        let ban = self.discouraged.remove(id)?;
        self.by_time.remove(&(ban.at_ms, *id));
        self.met.remove(id);
        Some(ban)
    }
}

/// Text from whoever, as it may stand on a screen.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| matches!(c, ' '..='~') || (c.is_alphanumeric() && !c.is_control()))
        .take(BAN_REASON_MAX)
        .collect()
}
