//! `docs/protocol.md` says what the code does.

use std::fs;
use std::path::Path;

#[test]
fn the_protocol_lists_every_code() {
    let protocol = read("docs/protocol.md");
    let mut missing = Vec::new();
    for (path, name) in [("src/core/refusal.rs", "Refusal"), ("src/core/outcome.rs", "Failure")] {
        let source = read(path);
        let (_, body) = source.split_once(&format!("pub enum {name} {{\n")).expect("is there");
        let (body, _) = body.split_once("\n}").expect("ends");
        let variants = body.lines().filter_map(|line| line.strip_prefix("    "));
        let variants = variants.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
        let codes: Vec<String> = variants.map(code).collect();
        assert!(codes.len() > 5, "found the codes of {name}");
        missing.extend(codes.into_iter().filter(|code| !protocol.contains(&format!("`{code}`"))));
    }
    assert!(
        missing.is_empty(),
        "list these codes in docs/protocol.md, sections 2 and 8: {missing:?}"
    );
}

/// The code of a variant, by the name that begins its line.
fn code(line: &str) -> String {
    let name = line.trim_end_matches([',', '{', ' ']);
    name[..1].to_lowercase() + &name[1..]
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("is there")
}
