//! What happens when: the virtual clock's queue.

/// One bucket for every bit in which a time may differ from now, and one for now itself.
const BUCKETS: usize = 65;

/// Things to happen, in the order of their times; equal times in the order in which they were put in.
///
/// A radix heap, which suits a clock that never goes back: a thing lies in the bucket of the highest
/// bit in which its time differs from the time reached, so it moves to a lower bucket at most 64
/// times, and mostly but a few. Only its place moves; the thing itself stays where it was put.
pub(crate) struct Queue<T> {
    reached: u64,
    /// In each, times and places in the order in which they were put in.
    buckets: [Vec<(u64, usize)>; BUCKETS],
    /// One bit for every bucket that holds something.
    occupied: u128,
    /// When the next thing in the buckets happens; `None` if that has to be looked up.
    earliest: Option<u64>,
    /// The things of the time reached, the next one last.
    due: Vec<(u64, usize)>,
    things: Vec<Option<T>>,
    free: Vec<usize>,
    sequence: u64,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self {
            reached: 0,
            buckets: std::array::from_fn(|_| Vec::new()),
            occupied: 0,
            earliest: None,
            due: Vec::new(),
            things: Vec::new(),
            free: Vec::new(),
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
        let place = match self.free.pop() {
            Some(place) => {
                self.things[place] = Some(item);
                place
            }
            None => {
                self.things.push(Some(item));
                self.things.len() - 1
            }
        };
        self.earliest = self.earliest.map(|earliest| earliest.min(at));
        self.file(at, place);
    }

    fn file(&mut self, at: u64, place: usize) {
        let bucket = bucket(at, self.reached);
        self.occupied |= 1 << bucket;
        self.buckets[bucket].push((at, place));
    }

    /// When the next thing happens.
    pub(crate) fn next_at(&mut self) -> Option<u64> {
        if !self.due.is_empty() {
            return Some(self.reached);
        }
        if self.earliest.is_none() && self.occupied != 0 {
            let first = &self.buckets[self.occupied.trailing_zeros() as usize];
            self.earliest = first.iter().map(|(at, _)| *at).min();
        }
        self.earliest
    }

    pub(crate) fn pop(&mut self) -> Option<(u64, T)> {
        if self.due.is_empty() {
            self.advance()?;
        }
        let (at, place) = self.due.pop()?;
        self.free.push(place);
        Some((at, self.things[place].take()?))
    }

    /// Goes on to the time of the next thing.
    fn advance(&mut self) -> Option<()> {
        self.reached = self.next_at()?;
        self.earliest = None;
        let first = self.occupied.trailing_zeros() as usize;
        if first > 0 {
            let mut moved = std::mem::take(&mut self.buckets[first]);
            self.occupied &= !(1 << first);
            for (at, place) in moved.drain(..) {
                self.file(at, place);
            }
            self.buckets[first] = moved;
        }
        std::mem::swap(&mut self.due, &mut self.buckets[0]);
        self.occupied &= !1;
        self.due.reverse();
        Some(())
    }
}

fn bucket(at: u64, reached: u64) -> usize {
    (u64::BITS - (at ^ reached).leading_zeros()) as usize
}
