//! Durations: `google.protobuf.Duration` is signed, ours are not.

use std::time::Duration;

use prost_types::Duration as Wire;

use super::Fault;

/// As long as the wire says.
///
/// # Errors
/// [`Fault::NotADuration`] for a negative one, and for nanoseconds that are no part of a second.
pub fn duration(wire: &Wire) -> Result<Duration, Fault> {
    let seconds = u64::try_from(wire.seconds).map_err(|_| Fault::NotADuration)?;
    let nanos = u32::try_from(wire.nanos).map_err(|_| Fault::NotADuration)?;
    if nanos >= 1_000_000_000 {
        return Err(Fault::NotADuration);
    }
    Ok(Duration::new(seconds, nanos))
}

/// On the wire; one that the wire cannot hold is the longest that it can.
pub fn to_duration(duration: Duration) -> Wire {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    // Below a thousand million, so within i32.
    Wire { seconds, nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default() }
}
