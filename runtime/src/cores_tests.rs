//! Who is given a connection.

use super::*;

/// A core that is still there, with what it is given, and one that has ended.
fn desks() -> (Vec<Desk>, mpsc::Receiver<Handover>) {
    let (sender, receiver) = mpsc::channel(HANDOVER_MAX);
    let (ended, _) = mpsc::channel(HANDOVER_MAX);
    let desk = |sender| Desk { sender, open: Arc::default() };
    (vec![desk(ended), desk(sender)], receiver)
}

#[test]
fn a_core_that_has_ended_is_given_nothing() {
    let (desks, mut receiver) = desks();
    let (refused, failed) = (Seldom::default(), Seldom::default());
    let acceptor = Acceptor { desks, connections_max: 10, refused, failed };
    for count in 1..=2 {
        let (stream, _) = std::os::unix::net::UnixStream::pair().unwrap();
        acceptor.hand_over(Loose::Unix(stream), Peer::Local);
        assert_eq!(acceptor.connections(), count);
    }
    let waiting: Vec<_> = std::iter::from_fn(|| receiver.try_recv().ok()).collect();
    assert_eq!(waiting.len(), 2);
    drop(waiting);
    assert_eq!(acceptor.connections(), 0);
}
