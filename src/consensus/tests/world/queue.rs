//! What happens when: the virtual clock's queue.

/// One bucket for every bit in which a time may differ from now, and one for now itself.
const BUCKETS: usize = 65;

/// Things to happen, in the order of their times; equal times in the order in which they were put in.
///
/// A radix heap, which suits a clock that never goes back: a thing lies in the bucket of the highest
/// bit in which its time differs from the time reached, so it moves to a lower bucket at most 64
/// times, and mostly but a few.
pub(crate) struct Queue<T> {
    reached: u64,
    /// In each, in the order in which they were put in.
    buckets: [Vec<(u64, T)>; BUCKETS],
    /// The things of the time reached, the next one last.
    due: Vec<(u64, T)>,
    sequence: u64,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self {
            reached: 0,
            buckets: std::array::from_fn(|_| Vec::new()),
            due: Vec::new(),
            sequence: 0,
        }
    }

    /// How many things were ever put in.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Puts in a thing that happens at `at`, or now if that is past.
    pub(crate) fn push(&mut self, at: u64, item: T) {
        self.sequence += 1;
        let at = at.max(self.reached);
        self.buckets[bucket(at, self.reached)].push((at, item));
    }

    /// When the next thing happens.
    pub(crate) fn next_at(&self) -> Option<u64> {
        if !self.due.is_empty() {
            return Some(self.reached);
        }
        let first = self.buckets.iter().find(|bucket| !bucket.is_empty())?;
        first.iter().map(|(at, _)| *at).min()
    }

    pub(crate) fn pop(&mut self) -> Option<(u64, T)> {
        if self.due.is_empty() {
            self.advance()?;
        }
        self.due.pop()
    }

    /// Goes on to the time of the next thing.
    fn advance(&mut self) -> Option<()> {
        let first = self.buckets.iter().position(|bucket| !bucket.is_empty())?;
        if first > 0 {
            let mut moved = std::mem::take(&mut self.buckets[first]);
            self.reached = moved.iter().map(|(at, _)| *at).min()?;
            for (at, item) in moved.drain(..) {
                self.buckets[bucket(at, self.reached)].push((at, item));
            }
            self.buckets[first] = moved;
        }
        std::mem::swap(&mut self.due, &mut self.buckets[0]);
        self.due.reverse();
        Some(())
    }
}

fn bucket(at: u64, reached: u64) -> usize {
    (u64::BITS - (at ^ reached).leading_zeros()) as usize
}
