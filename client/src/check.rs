//! What is asked: a named limit, descriptors of a domain, or a limit that the caller brings along.

use std::time::Duration;

use tollgate_proto::v1;
use tollgate_proto::v1::subject::Kind;

/// One question: may this pass?
///
/// ```
/// use std::time::Duration;
/// use tollgate_client::Check;
///
/// let check = Check::limit("login").value("client", "alice").hits(2);
/// let keyed = Check::limit("login").value("client", "alice").idempotency_key("order-4711");
/// let hurried = Check::limit("login").timeout(Duration::from_millis(20));
/// # let _ = (check, keyed, hurried);
/// ```
///
/// Nothing is validated here: a node answers what is malformed with
/// [`Reason::BadRequest`](crate::Reason::BadRequest), and says which field it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    pub(crate) request: v1::CheckRequest,
    pub(crate) timeout: Option<Duration>,
    pub(crate) hold_for: Option<Duration>,
}

impl Check {
    /// Asks a limit of `tollgate.yaml` by its name. An unknown name is an error, so that nothing
    /// passes for want of a limit.
    pub fn limit(name: impl Into<String>) -> Self {
        Self::of(Kind::Limit(v1::NamedLimit { name: name.into(), ..v1::NamedLimit::default() }))
    }

    /// Asks with descriptors of a domain, as a rate-limit file has them. At least one.
    pub fn descriptors(
        domain: impl Into<String>,
        descriptors: impl IntoIterator<Item = Descriptor>,
    ) -> Self {
        let descriptors = descriptors.into_iter().map(|Descriptor(wire)| wire).collect();
        Self::of(Kind::Descriptors(v1::Descriptors { domain: domain.into(), descriptors }))
    }

    /// Brings a limit along. The caller needs the permission `inline_limits`.
    pub fn inline(limit: Inline) -> Self {
        Self::of(Kind::Inline(limit.0))
    }

    fn of(kind: Kind) -> Self {
        let subject = Some(v1::Subject { kind: Some(kind) });
        let request = v1::CheckRequest { subject, ..v1::CheckRequest::default() };
        Self { request, timeout: None, hold_for: None }
    }

    /// Gives the value of a key that the limit counts by. Each key of the limit needs one, and no
    /// other key may have one. Descriptors have their entries already: there it adds an entry to the
    /// last of them.
    #[must_use]
    pub fn value(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        match self.request.subject.as_mut().and_then(|subject| subject.kind.as_mut()) {
            Some(Kind::Limit(limit)) => drop(limit.values.insert(key, value)),
            Some(Kind::Inline(limit)) => drop(limit.values.insert(key, value)),
            Some(Kind::Descriptors(all)) => match all.descriptors.last_mut() {
                Some(last) => last.entries.push(v1::Entry { key, value }),
                None => all.descriptors.push(Descriptor::new([(key, value)]).0),
            },
            None => {}
        }
        self
    }

    /// How many hits it stands for. Default 1; 0 looks without spending; at most 1 000 000 000.
    #[must_use]
    pub fn hits(mut self, hits: u64) -> Self {
        self.request.hits = Some(hits);
        self
    }

    /// A name for this operation: 1 to 128 printable ASCII characters, chosen anew for each. The
    /// same check with the same key within 10 seconds counts once and is answered the same, so that
    /// the client may send it again when it cannot know whether it was executed.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.request.idempotency_key = key.into();
        self
    }

    /// How long to wait for the answer, all attempts together. Default: the client's own.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// When a reservation ends by itself: 1 second to 1 hour, default 60 seconds. Only
    /// [`Decide::reserve`](crate::Decide::reserve) looks at it.
    #[must_use]
    pub fn hold_for(mut self, hold_for: Duration) -> Self {
        self.hold_for = Some(hold_for);
        self
    }

    pub(crate) fn has_key(&self) -> bool {
        !self.request.idempotency_key.is_empty()
    }
}

/// An ordered list of entries that is matched as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Descriptor(v1::Descriptor);

impl Descriptor {
    /// A descriptor of these keys and values, outermost first.
    pub fn new<K: Into<String>, V: Into<String>>(
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let entry = |(key, value): (K, V)| v1::Entry { key: key.into(), value: value.into() };
        Self(v1::Descriptor { entries: entries.into_iter().map(entry).collect(), hits: None })
    }

    /// Hits of this descriptor alone. Default: those of the check.
    #[must_use]
    pub fn hits(mut self, hits: u64) -> Self {
        self.0.hits = Some(hits);
        self
    }
}

/// A limit that the caller brings along.
///
/// Its counters are those of its name, its values, its algorithm and its window; the numbers may
/// change from call to call.
#[derive(Clone, Debug, PartialEq)]
pub struct Inline(v1::InlineLimit);

impl Inline {
    /// A limit of so many hits in each `window` (1 ms to 365 days), counted in fixed windows. The
    /// name has 1 to 64 of a-z, 0-9, _ and -, and never meets a named limit's counters.
    pub fn new(name: impl Into<String>, limit: u32, window: Duration) -> Self {
        let window = Some(wire_duration(window));
        Self(v1::InlineLimit { name: name.into(), limit, window, ..v1::InlineLimit::default() })
    }

    /// How hits are counted. Default: [`Algorithm::FixedWindow`].
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.0.set_algorithm(algorithm.into());
        self
    }

    /// Hits that a token bucket holds. Default: the limit.
    #[must_use]
    pub fn burst(mut self, burst: u32) -> Self {
        self.0.burst = Some(burst);
        self
    }

    /// Gives a value to count by; each combination has a counter of its own.
    #[must_use]
    pub fn value(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.values.insert(key.into(), value.into());
        self
    }
}

/// How hits are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Windows aligned with the UNIX epoch.
    FixedWindow,
    /// At most the limit in any window, wherever it starts.
    SlidingWindow,
    /// A bucket that refills at the limit's rate.
    TokenBucket,
}

impl From<Algorithm> for v1::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::FixedWindow => Self::FixedWindow,
            Algorithm::SlidingWindow => Self::SlidingWindow,
            Algorithm::TokenBucket => Self::TokenBucket,
        }
    }
}

/// The longest duration that the wire has (about 10 000 years); whatever is longer means the same.
const WIRE_SECONDS_MAX: u64 = 315_576_000_000;

pub(crate) fn wire_duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs().min(WIRE_SECONDS_MAX)).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_goes_where_the_subject_counts() {
        let kind = |check: Check| check.request.subject.unwrap().kind.unwrap();
        let Kind::Limit(limit) = kind(Check::limit("l").value("a", "b")) else { panic!() };
        assert_eq!(limit.values["a"], "b");
        let inline = Inline::new("i", 1, Duration::from_secs(1));
        let Kind::Inline(inline) = kind(Check::inline(inline).value("a", "b")) else { panic!() };
        assert_eq!(inline.values["a"], "b");
        let check = Check::descriptors("d", [Descriptor::new([("a", "b")])]).value("c", "d");
        let Kind::Descriptors(all) = kind(check) else { panic!() };
        assert_eq!(all.descriptors[0].entries.len(), 2);
    }

    #[test]
    fn an_absurd_duration_is_cut_to_what_the_wire_has() {
        let cut = wire_duration(Duration::MAX);
        assert_eq!(cut.seconds, WIRE_SECONDS_MAX as i64);
        assert_eq!(wire_duration(Duration::from_millis(1500)).nanos, 500_000_000);
    }
}
