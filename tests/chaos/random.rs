//! Numbers that can be had again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
pub struct Random(u64);

impl Random {
    /// By `MCP_BRIDGE_TEST_CHAOS_SEED`, else by the clock.
    pub fn seeded() -> Self {
        let given = std::env::var("MCP_BRIDGE_TEST_CHAOS_SEED").ok();
        Self(match given {
            Some(text) => text.parse().expect("MCP_BRIDGE_TEST_CHAOS_SEED is a number"),
            None => SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos() as u64,
        })
    }

    /// The seed that repeats all that follows.
    pub fn state(&self) -> u64 {
        self.0
    }

    /// The moment is the point: anywhere within so many milliseconds.
    pub fn wait(&mut self, milliseconds: u64) {
        std::thread::sleep(Duration::from_millis(self.below(milliseconds)));
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}
