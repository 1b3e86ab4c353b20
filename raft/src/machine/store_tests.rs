//! The store against openraft's own suite.

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tollgate_core::time::{ManualClock, Wall};

use super::*;
use crate::machine::Unwatched;
use crate::meta::Meta;

struct InMemory;

impl StoreBuilder<Types, MemoryLog, StateMachine> for InMemory {
    async fn build(&self) -> Result<((), MemoryLog, StateMachine), StorageError<Types>> {
        let log = MemoryLog::new(Arc::new(ManualClock::starting_at(Wall::default())), |_| None);
        let shared = SharedMachine::new(Machine::Meta(Meta::new()));
        let machine = StateMachine::new(shared, log.clone(), Arc::new(Unwatched), Work::Aside);
        Ok(((), log, machine))
    }
}

#[tokio::test(start_paused = true)]
async fn the_store_does_what_openraft_expects() {
    Suite::test_all(InMemory).await.expect("openraft's suite");
}
