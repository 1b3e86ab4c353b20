//! What every process of Tollgate needs, and nothing of what it decides: the one real clock,
//! listening sockets (TCP and Unix), a current-thread runtime a core, and drain.

pub mod clock;
pub mod cores;
pub mod drain;
pub mod listen;
pub mod patience;
pub mod seldom;
pub mod stream;
pub mod unix;
