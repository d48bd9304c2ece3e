//! Numbers that are the same on every machine: SplitMix64 and Walker's alias method.

/// Scrambles 64 bits (the finaliser of SplitMix64; Steele, Lea, Flood 2014).
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        let value = mix(self.0);
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        value
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// One of `choices`.
    pub(crate) fn choose<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// Draws an index with the probability of its weight, in constant time.
#[derive(Debug)]
pub(crate) struct Alias(Vec<(u32, u32)>);

impl Alias {
    pub(crate) fn new(weights: &[f64]) -> Self {
        let scale = weights.len() as f64 / weights.iter().sum::<f64>();
        let mut share: Vec<f64> = weights.iter().map(|weight| weight * scale).collect();
        let (mut small, mut large): (Vec<_>, Vec<_>) = (0..share.len()).partition(|index| share[*index] < 1.0);
        let mut table = vec![(u32::MAX, 0); share.len()];
        for (index, slot) in table.iter_mut().enumerate() {
            slot.1 = index as u32;
        }
        while let (Some(poor), Some(rich)) = (small.pop(), large.last().copied()) {
            table[poor] = ((share[poor] * f64::from(u32::MAX)) as u32, rich as u32);
            share[rich] -= 1.0 - share[poor];
            if share[rich] < 1.0 {
                large.pop();
                small.push(rich);
            }
        }
        Self(table)
    }

    /// The index that 64 random bits draw.
    pub(crate) fn sample(&self, bits: u64) -> usize {
        let slot = (((bits >> 32) * self.0.len() as u64) >> 32) as usize;
        let (threshold, other) = self.0[slot];
        if bits as u32 <= threshold { slot } else { other as usize }
    }
}
