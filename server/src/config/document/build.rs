//! The tree from the parser's events: no recursion, and every bound checked before memory is spent.
//!
//! Aliases are written out as they are met, so readers of the tree need not know of them; what
//! they stand for counts against the bounds each time. Merge keys are resolved when their mapping
//! ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag as RawTag};

use super::trail::{push_index, push_key};
use super::{DEPTH_MAX, FILE_BYTES_MAX, NODES_MAX, TEXT_BYTES_MAX};
use super::{Document, Kind, Node, Place, Scalar, Tag};
use super::{merge, tag};
use crate::config::report::{Issue, Issues, Report, excerpt};

/// The tree of `text`, which came from `source`.
///
/// # Errors
/// Everything that makes the text no single YAML document of known tags within the bounds. Of
/// mistakes in the syntax only the first is told: what follows it could mean anything.
pub(crate) fn parse(source: &str, text: &str) -> Result<Document, Report> {
    let mut builder = Builder::new(source);
    match builder.run(text) {
        Ok(()) => {}
        Err(issue) => builder.issues.push(issue),
    }
    let Builder { source, root, spent, issues, .. } = builder;
    let empty = || scalar_node(Place { line: 1, column: 1 }, "", true, None);
    let root = root.unwrap_or_else(empty);
    issues.or_else_value(Document { source, root, nodes: spent.nodes })
}

struct Builder {
    source: Arc<str>,
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, Anchored>,
    /// Everything made so far, copies for anchors included.
    spent: Cost,
    documents: usize,
    /// Where the text ends. The parser puts what is missing there behind a line break that need not
    /// be in the file.
    end: Place,
    root: Option<Node>,
    issues: Issues,
}

/// A collection that has not ended.
struct Frame {
    anchor: usize,
    place: Place,
    /// Collections inside each other below this one.
    height: usize,
    /// What was made before this one.
    spent_before: Cost,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<(Node, Node)>, key: Option<Node> },
}

/// What an alias stands for, and what writing it out costs.
struct Anchored {
    node: Node,
    cost: Cost,
    height: usize,
}

/// What nodes cost those who keep or copy them.
#[derive(Clone, Copy, Default)]
struct Cost {
    nodes: usize,
    text_bytes: usize,
}

impl Cost {
    /// A scalar or the head of a collection.
    fn of_one(text: &str) -> Self {
        Self { nodes: 1, text_bytes: text.len() }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            nodes: self.nodes.saturating_add(other.nodes),
            text_bytes: self.text_bytes.saturating_add(other.text_bytes),
        }
    }

    fn since(self, earlier: Self) -> Self {
        Self { nodes: self.nodes - earlier.nodes, text_bytes: self.text_bytes - earlier.text_bytes }
    }
}

impl Builder {
    fn new(source: &str) -> Self {
        Self {
            source: source.into(),
            frames: Vec::new(),
            anchors: BTreeMap::new(),
            spent: Cost::default(),
            documents: 0,
            end: Place { line: 1, column: 1 },
            root: None,
            issues: Issues::default(),
        }
    }

    fn run(&mut self, text: &str) -> Result<(), Issue> {
        if text.len() > FILE_BYTES_MAX {
            let message = format!("is larger than {} MiB", FILE_BYTES_MAX >> 20);
            return Err(Issue::with_file(&self.source, message));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        self.refuse_nul(text)?;
        self.end = Place::behind(text);
        let mut parser = Parser::new_from_str(text);
        while let Some(next) = parser.next_event() {
            let (event, span) = next.map_err(|error| self.syntax(&error))?;
            if matches!(event, Event::StreamEnd) {
                break;
            }
            self.take(event, span)?;
        }
        Ok(())
    }

    /// The parser takes a NUL for the end, so what follows would be left out without a word.
    fn refuse_nul(&self, text: &str) -> Result<(), Issue> {
        let Some(at) = text.find('\0') else {
            return Ok(());
        };
        let before = &text[..at];
        let message = "a NUL character, which YAML does not allow";
        Err(self.issue(Place::behind(before), message))
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Issue> {
        let place = self.place(span.start);
        match event {
            Event::DocumentStart(_) => self.start_document(place),
            Event::Scalar(text, style, anchor, tag) => {
                let tag = self.scalar_tag(place, tag.as_deref())?;
                let cost = Cost::of_one(&text);
                self.spend(cost, place)?;
                let node = scalar_node(place, &text, style == ScalarStyle::Plain, tag);
                self.close(node, anchor, cost, 0)
            }
            Event::SequenceStart(anchor, tag) => {
                self.collection_tag(place, tag.as_deref(), "seq")?;
                self.open(anchor, place, Content::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.collection_tag(place, tag.as_deref(), "map")?;
                self.open(anchor, place, Content::Mapping { entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end_collection(),
            Event::Alias(anchor) => self.write_out(anchor, place),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn start_document(&mut self, place: Place) -> Result<(), Issue> {
        self.documents += 1;
        if self.documents > 1 {
            return Err(self.issue(place, "a second document; a file holds one"));
        }
        Ok(())
    }

    fn open(&mut self, anchor: usize, place: Place, content: Content) -> Result<(), Issue> {
        if self.frames.len() >= DEPTH_MAX {
            return Err(self.too_deep(place));
        }
        let spent_before = self.spent;
        self.spend(Cost::of_one(""), place)?;
        self.frames.push(Frame { anchor, place, height: 0, spent_before, content });
        Ok(())
    }

    fn end_collection(&mut self) -> Result<(), Issue> {
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        let kind = match frame.content {
            Content::Sequence(elements) => Kind::Sequence(elements),
            Content::Mapping { entries, .. } => Kind::Mapping(self.finish_mapping(entries)),
        };
        let node = Node { kind, place: frame.place };
        let cost = self.spent.since(frame.spent_before);
        self.close(node, frame.anchor, cost, frame.height + 1)
    }

    fn finish_mapping(&mut self, entries: Vec<(Node, Node)>) -> Vec<(Node, Node)> {
        for (key, first) in merge::duplicates(&entries) {
            let name = key.as_text().unwrap_or_default();
            let message = format!("the key is given twice: first on line {}", first.line);
            let mut issue = self.issue(key.place, message).with_help("keep one of the two");
            push_key(&mut issue.path, name);
            self.issues.push(issue);
        }
        merge::resolve(entries).unwrap_or_else(|place| {
            let message = "`<<` takes a mapping or a list of mappings";
            self.issues.push(self.issue(place, message));
            Vec::new()
        })
    }

    /// Puts a complete node where it belongs, and aside if it has an anchor.
    fn close(&mut self, node: Node, anchor: usize, cost: Cost, height: usize) -> Result<(), Issue> {
        if anchor > 0 {
            self.spend(cost, node.place)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), cost, height });
        }
        self.add(node, height);
        Ok(())
    }

    fn write_out(&mut self, anchor: usize, place: Place) -> Result<(), Issue> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(self.issue(place, "an alias inside what it stands for"));
        };
        let (cost, height) = (anchored.cost, anchored.height);
        if self.frames.len() + height > DEPTH_MAX {
            return Err(self.too_deep(place));
        }
        self.spend(cost, place)?;
        if let Some(anchored) = self.anchors.get(&anchor) {
            let node = anchored.node.clone();
            self.add(node, height);
        }
        Ok(())
    }

    fn add(&mut self, mut node: Node, height: usize) {
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return;
        };
        frame.height = frame.height.max(height);
        match &mut frame.content {
            Content::Sequence(elements) => elements.push(node),
            Content::Mapping { entries, key } => match key.take() {
                None => *key = Some(node),
                Some(key) => {
                    // A value that is not there has no place of its own worth naming.
                    if node.is_null() && node.as_text() == Some("") {
                        node.place = key.place;
                    }
                    entries.push((key, node));
                }
            },
        }
    }

    fn spend(&mut self, cost: Cost, place: Place) -> Result<(), Issue> {
        self.spent = self.spent.plus(cost);
        if self.spent.nodes > NODES_MAX {
            let message = format!("more than {NODES_MAX} values, with every alias written out");
            return Err(self.issue(place, message));
        }
        if self.spent.text_bytes > TEXT_BYTES_MAX {
            let most = TEXT_BYTES_MAX >> 20;
            let message = format!("more than {most} MiB of text, with every alias written out");
            return Err(self.issue(place, message));
        }
        Ok(())
    }

    fn scalar_tag(&self, place: Place, tag: Option<&RawTag>) -> Result<Option<Tag>, Issue> {
        let known = tag.map(|raw| tag::of_scalar(raw).ok_or_else(|| self.unknown_tag(place, raw)));
        known.transpose()
    }

    fn collection_tag(
        &self,
        place: Place,
        tag: Option<&RawTag>,
        expected: &str,
    ) -> Result<(), Issue> {
        match tag {
            Some(raw) if !tag::names(raw, expected) => Err(self.unknown_tag(place, raw)),
            _ => Ok(()),
        }
    }

    fn unknown_tag(&self, place: Place, tag: &RawTag) -> Issue {
        let RawTag { handle, suffix } = tag;
        let message =
            format!("the tag `{}` is not known here", excerpt(&format!("{handle}{suffix}")));
        self.issue(place, message).with_help("quote the text if it is meant as it stands")
    }

    fn too_deep(&self, place: Place) -> Issue {
        self.issue(place, format!("more than {DEPTH_MAX} lists and mappings inside each other"))
    }

    fn syntax(&self, error: &ScanError) -> Issue {
        let place = self.place(*error.marker());
        // The scanner looks ahead, so its own bound may speak before ours.
        if error.info() == "recursion limit exceeded" {
            return self.too_deep(place);
        }
        let message = format!("not valid YAML: {}", excerpt(error.info()));
        self.issue(place, message)
    }

    /// The parser counts columns from 0.
    fn place(&self, marker: Marker) -> Place {
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Place { line: number(marker.line()), column: number(marker.col() + 1) }.min(self.end)
    }

    /// An issue inside what the parser is in.
    fn issue(&self, place: Place, message: impl Into<String>) -> Issue {
        Issue {
            line: place.line,
            column: place.column,
            path: self.path(),
            ..Issue::with_file(&self.source, message)
        }
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.frames {
            match &frame.content {
                Content::Sequence(elements) => push_index(&mut path, elements.len()),
                Content::Mapping { key: Some(key), .. } => {
                    push_key(&mut path, key.as_text().unwrap_or("?"));
                }
                Content::Mapping { key: None, .. } => {}
            }
        }
        path
    }
}

fn scalar_node(place: Place, text: &str, plain: bool, tag: Option<Tag>) -> Node {
    Node { kind: Kind::Scalar(Scalar { text: text.into(), plain, tag }), place }
}
