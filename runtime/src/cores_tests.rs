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

struct Nothing;

impl Serve for Nothing {
    fn connection(&self, _: Stream, _: Peer) -> impl Future<Output = ()> + 'static {
        std::future::ready(())
    }
}

#[test]
fn cores_of_which_one_cannot_be_made_do_not_start() {
    let options = Options { count: 2, connections_max: 1, drain_max: Duration::ZERO };
    let start = |broken: Option<usize>| {
        Cores::start(options, move |index| {
            assert_ne!(Some(index), broken, "planted by this test");
            Nothing
        })
    };
    assert!(start(Some(0)).is_err());
    assert!(start(Some(1)).is_err());
    start(None).unwrap().join();
}
