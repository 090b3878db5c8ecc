//! A fixed set of small numbers.

#[derive(Clone, Debug)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn new(size: u32) -> Self {
        Self(vec![0; size.div_ceil(64) as usize])
    }

    /// False for what lies outside.
    pub(super) fn get(&self, bit: u32) -> bool {
        self.0.get((bit / 64) as usize).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// Leaves out what lies outside.
    pub(super) fn set(&mut self, bit: u32) {
        if let Some(word) = self.0.get_mut((bit / 64) as usize) {
            *word |= 1 << (bit % 64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_is_set_alone() {
        let mut bits = Bits::new(130);
        bits.set(64);
        bits.set(129);
        bits.set(1000);
        let set: Vec<u32> = (0..2000).filter(|&bit| bits.get(bit)).collect();
        assert_eq!(set, [64, 129]);
    }
}
