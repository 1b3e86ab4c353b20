//! Texts that are numbers with units, and texts that are none.

use proptest::prelude::*;

use super::*;

#[test]
fn durations_are_read_with_their_units() {
    for (text, millis) in [
        ("15s", 15_000),
        ("500ms", 500),
        ("1m30s", 90_000),
        ("1h", 3_600_000),
        ("7d", 604_800_000),
        ("1d2h3m4s5ms", 93_784_005),
        ("0s", 0),
    ] {
        let length = Length::parse(text).unwrap();
        assert_eq!(length, Length(Duration::from_millis(millis)), "{text}");
        assert_eq!(length.to_string(), text);
    }
}

#[test]
fn what_is_no_duration_is_refused() {
    for text in [
        "",
        "15",
        "s",
        "1.5s",
        "-1s",
        "+1s",
        "1 s",
        "1S",
        "30s1m",
        "1s1s",
        "1m 30s",
        "1w",
        "1µs",
        "99999999999999999999s",
        "213503982335d",
        "1ms1s",
    ] {
        assert_eq!(Length::parse(text), None, "{text}");
    }
}

#[test]
fn sizes_are_read_with_their_units() {
    for (text, bytes) in
        [("512MiB", 512 << 20), ("64KiB", 65_536), ("2GiB", 2 << 30), ("1TiB", 1 << 40)]
    {
        assert_eq!(Size::parse(text), Some(Size(bytes)), "{text}");
        assert_eq!(Size(bytes).to_string(), text);
    }
    assert_eq!(Size::parse("100B"), Some(Size(100)));
    assert_eq!(Size::parse("8 KiB"), Some(Size(8_192)));
    assert_eq!((Size(0).to_string(), Size(1_000).to_string()), ("0".into(), "1000".into()));
}

#[test]
fn what_is_no_size_is_refused() {
    for text in ["", "MiB", "512", "512MB", "1.5GiB", "-1B", "512mib", "99999999999TiB"] {
        assert_eq!(Size::parse(text), None, "{text}");
    }
}

#[test]
fn rates_are_read_with_a_unit_or_a_duration() {
    for (text, hits, seconds) in [
        ("50000/s", 50_000, 1),
        ("600/m", 600, 60),
        ("0/h", 0, 3_600),
        ("4294967295/d", u32::MAX, 86_400),
        ("1/w", 1, 604_800),
        ("100/15s", 100, 15),
        ("1/1m30s", 1, 90),
    ] {
        let rate = Rate::parse(text).unwrap();
        assert_eq!(rate, Rate { hits, per: Duration::from_secs(seconds) }, "{text}");
        assert_eq!(rate.to_string(), text);
    }
    assert_eq!(Rate::parse("600/60s").unwrap().to_string(), "600/m");
    assert_eq!(Rate::parse("1/100ms").unwrap().per, Duration::from_millis(100));
}

#[test]
fn what_is_no_rate_is_refused() {
    for text in [
        "",
        "/",
        "600",
        "600/",
        "/m",
        "600/M",
        "600/month",
        "600 / m",
        "600/ m",
        "-1/s",
        "1.5/s",
        "4294967296/s",
        "1/s/s",
        "600/15",
        "1/ms",
        "600m",
    ] {
        assert_eq!(Rate::parse(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(number in any::<u64>()) {
        let length = Length(Duration::from_millis(number));
        prop_assert_eq!(Length::parse(&length.to_string()), Some(length));
        let rate = Rate { hits: number as u32, per: Duration::from_millis(number >> 20) };
        prop_assert_eq!(Rate::parse(&rate.to_string()), Some(rate));
        let size = Size(number);
        let text = size.to_string();
        let read = Size::parse(&text).or_else(|| text.parse().ok().map(Size));
        prop_assert_eq!(read, Some(size));
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "\\PC{0,20}") {
        let _ = (Length::parse(&text), Size::parse(&text), Rate::parse(&text));
    }
}
