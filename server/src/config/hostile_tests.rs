//! Configurations that would take down or hold up who reads them, and one in the wrong place.

use std::fs;

use super::*;

fn parsed(text: &str) -> Result<Config, Report> {
    Config::parse("a.yaml", text, Path::new(""))
}

/// What is wrong, each thing with its place.
fn wrong(text: &str) -> Vec<String> {
    parsed(text).unwrap_err().issues().iter().map(ToString::to_string).collect()
}

/// Runs `test` with as little stack as a thread of the runtime has.
fn on_a_small_stack<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(test);
    thread.unwrap().join().unwrap()
}

#[test]
fn keys_without_end_are_refused_and_never_become_rules_inside_each_other() {
    let keys: Vec<_> = (0..200_000).map(|key| format!("k{key}")).collect();
    let keys = keys.join(",");
    for bounds in ["{}", "{entries_max: 256}", "{entries_max: 1000000}", "{entries_max: x}"] {
        let text =
            format!("bounds: {bounds}\nlimits: {{a: {{by: [{keys}], limit: 1, window: 1s}}}}");
        let issues = on_a_small_stack(move || wrong(&text));
        assert_eq!(issues.len(), 1, "{bounds}: {issues:?}");
    }
    let keys: Vec<_> = (0..255).map(|key| format!("k{key}")).collect();
    let text = format!(
        "bounds: {{entries_max: 256}}\nlimits: {{a: {{by: [{}], limit: 1, window: 1s}}}}",
        keys.join(",")
    );
    on_a_small_stack(move || drop(parsed(&text).unwrap()));
}

#[test]
fn a_document_cannot_be_deep_enough_for_a_small_stack() {
    let deep = 100_000;
    let descriptors = format!("domain: d\ndescriptors: {}", "[{key: a, descriptors: ".repeat(deep));
    let blocks: String = (0..1_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    for text in ["[".repeat(deep), "{a: ".repeat(deep), "- ".repeat(deep), descriptors, blocks] {
        let issues = on_a_small_stack(move || wrong(&text));
        assert!(issues[0].contains("inside each other"), "{issues:?}");
    }
}

#[test]
fn a_pipe_is_no_configuration_and_none_of_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let (file, pipe) = (folder.path().join("t.yaml"), folder.path().join("pipe"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = Config::load(&pipe).unwrap_err().to_string();
    assert!(error.contains("a node reads its file again, so it cannot be a pipe"), "{error}");
    fs::write(&file, "ratelimit_files: [pipe]").unwrap();
    let error = Config::load(&file).unwrap_err().to_string();
    assert!(error.contains("pipe is neither a regular file nor a folder"), "{error}");
    let error = ratelimit::load(&[pipe], ratelimit::Options::default(), &Rules::default());
    assert!(error.unwrap_err().to_string().contains("no regular file"));
}

#[test]
fn a_ratelimit_file_is_told_where_it_belongs() {
    let report = parsed("domain: d\ndescriptors: []").unwrap_err();
    let help = "this is a ratelimit file: list it under `ratelimit_files`";
    assert_eq!(report.issues().len(), 2);
    assert!(report.issues().iter().all(|issue| issue.help.as_deref() == Some(help)), "{report}");
}
