//! Letting virtual time pass.

use timecoin::consensus::Event;

use super::{Item, TICK_US, World, millis};

impl World {
    /// Runs until virtual time `until`, in microseconds.
    pub(crate) fn run_until(&mut self, until: u64) {
        while self.queue.next_at().is_some_and(|at| at <= until) {
            self.happen();
        }
        self.now = self.now.max(until);
    }

    pub(crate) fn run_ms(&mut self, ms: u64) {
        self.run_until(self.now + millis(ms));
    }

    /// Runs until all live honest nodes have `height`, or `ms` have passed. True if they have.
    pub(crate) fn run_to_height(&mut self, height: u64, ms: u64) -> bool {
        let end = self.now + millis(ms);
        while self.now < end && !self.all_at(height) {
            match self.queue.next_at() {
                Some(at) if at <= end => {
                    self.happen();
                    // What happens at one instant belongs together.
                    while self.queue.next_at().is_some_and(|next| next <= at) {
                        self.happen();
                    }
                }
                Some(_) => break,
                None => self.now = end,
            }
        }
        self.all_at(height)
    }

    pub(crate) fn all_at(&self, height: u64) -> bool {
        self.nodes.iter().all(|node| {
            node.is_byzantine
                || node.stays_down
                || (node.machine.is_some() && node.chain.len() as u64 >= height)
        })
    }

    /// After a broken law nothing happens any more: what would follow from it says nothing.
    fn happen(&mut self) {
        if let Some((at, item)) = self.queue.pop().filter(|_| self.laws.broken.is_empty()) {
            self.now = at;
            let busy = item.target().map_or(0, |node| self.nodes[node].busy_until);
            if busy > at {
                self.queue.push(busy, item);
            } else {
                self.handle(item);
            }
        }
    }

    fn handle(&mut self, item: Item) {
        match item {
            Item::Deliver { to, from, parcel } => self.deliver(to, from, &parcel),
            Item::Timer {
                node,
                life,
                timer,
                at,
            } => {
                let one = &mut self.nodes[node];
                if one.life == life && one.timers.get(&timer) == Some(&at) {
                    one.timers.remove(&timer);
                    self.step(node, Event::Timer(timer));
                }
            }
            Item::Signed {
                node,
                life,
                request,
                signature,
            } => {
                if self.nodes[node].life == life {
                    self.step(node, Event::Signed { request, signature });
                }
            }
            Item::Blocks { to, above } => self.give_blocks(to, above),
            Item::Fetched { to, digest } => {
                let mut nodes = self.nodes.iter().enumerate();
                let is_kept =
                    nodes.any(|(index, node)| node.machine.is_some() && self.laws.has_body(index, digest));
                if let Some(block) = self.bodies.get(&digest).filter(|_| is_kept) {
                    let event = Event::Fetched(Box::new((**block).clone()));
                    self.step(to, event);
                }
            }
            Item::Decided { to, decision } => self.deliver_decision(to, &decision),
            Item::Tick => {
                self.with_adversary(|adversary, world| adversary.on_tick(world));
                self.push(TICK_US, Item::Tick);
            }
            Item::Restart { node } => {
                let one = &self.nodes[node];
                if one.machine.is_none() && !one.stays_down {
                    self.boot(node);
                }
            }
            Item::Crash { node } => {
                if self.nodes[node].machine.is_some() {
                    self.crash(node);
                }
            }
        }
    }
}
