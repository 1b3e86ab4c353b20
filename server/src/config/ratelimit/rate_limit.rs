//! What a descriptor says about its limits: `rate_limit` as the reference has it, with keys of our
//! own beside the reference's, or several of them as `rate_limits`.

use std::sync::Arc;
use std::time::Duration;

use tollgate_core::limit::{Bound, Limit, Quota, Unit};

use super::rules::{File, Way};
use crate::config::document::{Kind, Node, Place, Trail};
use crate::config::numbers::{Numbers, Part};
use crate::config::quantity::Length;
use crate::config::raw::{RawAlgorithm, RawOnUnavailable, RawPenalty};
use crate::config::report::excerpt;
use crate::config::suggest::nearest;

/// Keys of a descriptor that give it limits; no two go together.
const LIMITING_KEYS: [&str; 3] = ["rate_limit", "rate_limits", "limit"];

const RATE_LIMIT_KEYS: &[&str] = &[
    "unit",
    "requests_per_unit",
    "unlimited",
    "name",
    "replaces",
    "algorithm",
    "burst",
    "window",
    "unit_multiplier",
    "penalty",
    "on_unavailable",
];
const REPLACES_KEYS: &[&str] = &["name"];

/// What says how hits are counted, and so has no place beside `unlimited`.
const COUNTING_KEYS: [&str; 6] =
    ["algorithm", "burst", "window", "unit_multiplier", "penalty", "on_unavailable"];

/// Limits of one descriptor: each is a bucket to charge with every request.
const LIMITS_MAX: usize = 16;

/// The limit that is being read.
#[derive(Clone, Copy)]
struct Reading<'a> {
    /// The place to name for what is missing.
    place: Place,
    node: &'a Node,
    trail: &'a Trail<'a>,
    /// The names of all limits of its descriptor.
    names: &'a [&'a str],
    /// It is one of `rate_limits`.
    is_one_of_several: bool,
}

impl File<'_> {
    /// The descriptor's limits but for what the descriptor itself says about them.
    pub(super) fn limits(
        &mut self,
        descriptor: &Node,
        trail: &Trail<'_>,
        way: &Way<'_>,
    ) -> Vec<Limit> {
        let mut given = LIMITING_KEYS.iter().filter(|name| descriptor.given(name).is_some());
        if let (Some(first), Some(second)) = (given.next(), given.next()) {
            let message = format!("`{first}` and `{second}` exclude each other");
            self.wrong_entry(descriptor, trail, second, message);
        }
        let mut limits = Vec::new();
        limits.extend(self.single(descriptor, trail));
        self.several(descriptor, trail, &mut limits);
        limits.extend(self.named_limit(descriptor, trail, way));
        limits
    }

    fn single(&mut self, descriptor: &Node, trail: &Trail<'_>) -> Option<Limit> {
        let (place, node) = descriptor.given("rate_limit")?;
        let trail = &trail.key("rate_limit");
        if !matches!(node.kind, Kind::Mapping(_)) {
            self.unexpected(place, trail, "a mapping", node);
            return None;
        }
        let name = self.text(node, trail, "name");
        let names = &[name];
        self.rate_limit(Reading { place, node, trail, names, is_one_of_several: false })
    }

    fn several(&mut self, descriptor: &Node, trail: &Trail<'_>, limits: &mut Vec<Limit>) {
        let Some((place, list)) = descriptor.entry("rate_limits") else { return };
        let trail = trail.key("rate_limits");
        let Some(elements) = self.list(place, list, &trail) else { return };
        if elements.len() > LIMITS_MAX {
            let message = format!("expected at most {LIMITS_MAX} limits, found {}", elements.len());
            return self.wrong(place, &trail, message);
        }
        // An element that is no mapping was told with the keys.
        let readable = || {
            let all = elements.iter().enumerate();
            all.filter(|(_, node)| matches!(node.kind, Kind::Mapping(_)))
        };
        let names: Vec<_> =
            readable().map(|(at, node)| self.text(node, &trail.index(at), "name")).collect();
        for (at, node) in readable() {
            let (place, trail, names) = (node.place, &trail.index(at), &*names);
            limits.extend(self.rate_limit(Reading {
                place,
                node,
                trail,
                names,
                is_one_of_several: true,
            }));
        }
    }

    fn rate_limit(&mut self, reading: Reading<'_>) -> Option<Limit> {
        let Reading { node, trail, .. } = reading;
        self.note_misplaced(node, trail, RATE_LIMIT_KEYS);
        let name = self.text(node, trail, "name");
        let replaces = self.replaces(node, trail, reading.names);
        let number = self.number(node, trail, "requests_per_unit");
        let bound = if self.boolean(node, trail, "unlimited") {
            self.unlimited(reading);
            Bound::Unlimited
        } else {
            Bound::Limited(self.quota(reading, number)?)
        };
        let name = (!name.is_empty()).then(|| name.into());
        let given: Option<RawOnUnavailable> =
            self.own(node, trail, "on_unavailable").ok().flatten();
        let on_unavailable = given.map(Into::into).unwrap_or_default();
        Some(Limit { name, replaces, on_unavailable, ..Limit::new(bound, Arc::from("")) })
    }

    /// Refuses what makes no sense without a bound.
    fn unlimited(&mut self, Reading { node, trail, is_one_of_several, .. }: Reading<'_>) {
        if is_one_of_several {
            let message = "one of several limits cannot be unlimited";
            self.wrong_entry(node, trail, "unlimited", message);
        }
        if Unit::parse(self.text(node, trail, "unit")).is_some() {
            let message = "should not specify rate limit unit when unlimited";
            self.wrong_entry(node, trail, "unit", message);
        }
        for name in COUNTING_KEYS {
            if node.given(name).is_some() {
                let message = format!("should not specify rate limit {name} when unlimited");
                self.wrong_entry(node, trail, name, message);
            }
        }
    }

    fn quota(&mut self, reading: Reading<'_>, number: u32) -> Option<Quota> {
        let Reading { node, trail, .. } = reading;
        let window = self.window(reading);
        let algorithm = self.own(node, trail, "algorithm");
        let burst = node.given("burst").map(|_| self.number(node, trail, "burst"));
        let penalty: Option<RawPenalty> = self.own(node, trail, "penalty").ok().flatten();
        let numbers = Numbers {
            limit: number,
            window,
            algorithm: algorithm.ok().map(|given| given.unwrap_or(RawAlgorithm::FixedWindow)),
            burst,
            penalty_max: penalty.map(|penalty| penalty.max.0),
        };
        numbers.quota(|part, message| match part {
            Part::Limit => self.wrong_entry(node, trail, "requests_per_unit", message),
            Part::Window => {
                let names = ["window", "unit_multiplier", "unit"];
                let given = names.into_iter().find(|name| node.given(name).is_some());
                self.wrong_entry(node, trail, given.unwrap_or("unit"), message);
            }
            Part::Burst => self.wrong_entry(node, trail, "burst", message),
            Part::Penalty => {
                let (at, below) = (trail.key("penalty"), node.given("penalty"));
                self.wrong_entry(below.map_or(node, |(_, node)| node), &at, "max", message);
            }
        })
    }

    /// The window's length: `window`, or else `unit` times `unit_multiplier`.
    fn window(&mut self, Reading { place, node, trail, .. }: Reading<'_>) -> Option<Duration> {
        let multiplier = node.given("unit_multiplier");
        if node.given("window").is_none() {
            let unit = self.unit(place, node, trail);
            let times = multiplier.map_or(1, |_| self.positive(node, trail, "unit_multiplier"));
            return unit.map(|unit| Duration::from_secs(u64::from(unit.seconds()) * times));
        }
        for other in ["unit", "unit_multiplier"] {
            if node.given(other).is_some() {
                let message = format!("`window` and `{other}` exclude each other");
                self.wrong_entry(node, trail, other, message);
            }
        }
        let window: Option<Length> = self.own(node, trail, "window").ok().flatten();
        window.map(|Length(window)| window)
    }

    fn positive(&mut self, node: &Node, trail: &Trail<'_>, name: &str) -> u64 {
        let number = self.number(node, trail, name);
        if number == 0 {
            let message = format!("expected a whole number from 1 to {}, found 0", u32::MAX);
            self.wrong_entry(node, trail, name, message);
        }
        u64::from(number.max(1))
    }

    /// The unit of the limit that stands at `place`.
    fn unit(&mut self, place: Place, node: &Node, trail: &Trail<'_>) -> Option<Unit> {
        let text = self.text(node, trail, "unit");
        let unit = Unit::parse(text);
        if unit.is_none() {
            let place = node.entry("unit").map_or(place, |(place, _)| place);
            let message = format!("invalid rate limit unit '{}'", excerpt(text));
            let names = Unit::ALL.map(|unit| unit.name().to_ascii_lowercase());
            let help = match nearest(text, names.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("one of {}", names.join(", ")),
            };
            let issue = self.document.issue_at(place, &trail.key("unit"), message).with_help(help);
            self.findings.issues.push_unless_placed(issue);
        }
        unit
    }

    fn replaces(&mut self, node: &Node, trail: &Trail<'_>, own: &[&str]) -> Box<[Arc<str>]> {
        let Some((place, list)) = node.entry("replaces") else {
            return Box::default();
        };
        let trail = trail.key("replaces");
        let Some(elements) = self.list(place, list, &trail) else {
            return Box::default();
        };
        let mut names = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            if !matches!(element.kind, Kind::Mapping(_)) {
                continue;
            }
            let trail = trail.index(index);
            self.note_misplaced(element, &trail, REPLACES_KEYS);
            let name = self.text(element, &trail, "name");
            if name.is_empty() {
                let message = "should not have an empty replaces entry";
                self.wrong(element.place, &trail, message);
            } else if own.contains(&name) {
                let message = "replaces should not contain name of same descriptor";
                self.wrong_entry(element, &trail, "name", message);
            }
            names.push(name.into());
        }
        names.into()
    }
}
