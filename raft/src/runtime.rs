//! The runtime that openraft runs on: tokio, with randomness that a simulation can seed.
//!
//! openraft draws election times from its runtime. In a simulation these draws have to follow from
//! one seed, which a task hands to the tasks that it spawns; everywhere else they are the thread's.

use std::cell::Cell;
use std::convert::Infallible;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::time::Duration;

use openraft_rt::{AsyncRuntime, OptionalSend};
use openraft_rt_tokio::TokioRuntime;
use tokio::task::futures::TaskLocalFuture;

/// Steps of the sequence that draws are taken from, and of the one that seeds a spawned task. Odd
/// constants of no meaning: the fractions of the golden ratio and of the square root of two.
const DRAW_STEP: u64 = 0x9e37_79b9_7f4a_7c15;
const SPAWN_STEP: u64 = 0x6a09_e667_f3bc_c909;

tokio::task_local! {
    static SEED: Cell<u64>;
}

thread_local! {
    static THREAD_SEED: Cell<u64> = Cell::new(RandomState::new().hash_one("openraft"));
}

/// Runs `future`, and every task that openraft spawns from it, with randomness that follows from
/// `seed` alone.
pub fn seeded<F: Future>(seed: u64, future: F) -> TaskLocalFuture<Cell<u64>, F> {
    SEED.scope(Cell::new(seed), future)
}

/// Tokio, with randomness from [`seeded`] where a task is within it.
#[derive(Debug)]
pub struct Runtime(TokioRuntime);

impl AsyncRuntime for Runtime {
    type JoinError = <TokioRuntime as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <TokioRuntime as AsyncRuntime>::Sleep;
    type Instant = <TokioRuntime as AsyncRuntime>::Instant;
    type TimeoutError = <TokioRuntime as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R> + OptionalSend> =
        <TokioRuntime as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = Draws;
    type Mpsc = <TokioRuntime as AsyncRuntime>::Mpsc;
    type Watch = <TokioRuntime as AsyncRuntime>::Watch;
    type Oneshot = <TokioRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        match SEED.try_with(|seed| advance(seed, SPAWN_STEP)) {
            Ok(child) => TokioRuntime::spawn(seeded(child, future)),
            Err(_) => TokioRuntime::spawn(future),
        }
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        TokioRuntime::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        TokioRuntime::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Self::Timeout<R, F> {
        TokioRuntime::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<R, F> {
        TokioRuntime::timeout_at(deadline, future)
    }

    fn is_panic(join_error: &Self::JoinError) -> bool {
        TokioRuntime::is_panic(join_error)
    }

    fn thread_rng() -> Draws {
        let seed = SEED.try_with(|seed| advance(seed, DRAW_STEP));
        Draws(seed.unwrap_or_else(|_| THREAD_SEED.with(|seed| advance(seed, DRAW_STEP))))
    }

    fn new(threads: usize) -> Self {
        Self(TokioRuntime::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }

    fn spawn_blocking<F, T>(f: F) -> impl Future<Output = Result<T, io::Error>> + Send
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let task = tokio::task::spawn_blocking(f);
        async { task.await.map_err(io::Error::other) }
    }
}

/// Random numbers for timers: not for secrets.
#[derive(Clone, Debug)]
pub struct Draws(u64);

impl rand::TryRng for Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let drawn = self.try_next_u64()?;
        Ok((drawn >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_add(DRAW_STEP);
        Ok(mix(self.0))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(size_of::<u64>()) {
            let drawn = self.try_next_u64()?.to_le_bytes();
            for (byte, drawn) in chunk.iter_mut().zip(drawn) {
                *byte = drawn;
            }
        }
        Ok(())
    }
}

/// Takes a seed for somebody else and moves on.
fn advance(seed: &Cell<u64>, step: u64) -> u64 {
    let before = seed.get();
    seed.set(mix(before.wrapping_add(SPAWN_STEP ^ DRAW_STEP)));
    mix(before.wrapping_add(step))
}

/// Each bit of the result depends on every bit of `value` (the mixer of SplitMix64, by Steele, Lea
/// and Flood, 2014).
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use rand::Rng as _;

    use super::*;

    async fn draws() -> Vec<u64> {
        let mut drawn = Vec::new();
        for _ in 0..3 {
            let child = Runtime::spawn(async { Runtime::thread_rng().next_u64() });
            drawn.push(child.await.expect("drawn"));
            drawn.push(Runtime::thread_rng().next_u64());
        }
        drawn
    }

    #[tokio::test]
    async fn draws_follow_from_the_seed_in_spawned_tasks_too() {
        let first = seeded(7, draws()).await;
        assert_eq!(first, seeded(7, draws()).await);
        assert_ne!(first, seeded(8, draws()).await);
        let mut unique = first.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), first.len(), "no task repeats another's draws: {first:?}");
    }

    #[tokio::test]
    async fn draws_without_a_seed_differ() {
        assert_ne!(draws().await, draws().await);
    }

    #[test]
    fn it_is_the_runtime_that_openraft_expects() {
        openraft_rt::testing::Suite::<Runtime>::test_all();
    }
}
