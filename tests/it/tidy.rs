//! The house rules that no compiler knows, checked over the whole repository.
//!
//! Which room may know which, how long a thing may be, what may not be written. Each check is a
//! function of one file, and is itself shown to fail below. Generated code is left out.

use std::fs;
use std::path::{Path, PathBuf};

use source::{Source, bracketed, ident};

#[path = "tidy/source.rs"]
mod source;

/// The words of the trade that every room may use.
const WORDS: [&str; 3] = ["ids", "time", "units"];

/// The edges: each speaks one foreign language, and none has heard of another.
const EDGES: [&str; 7] = ["audit", "clock", "config", "control", "lnd", "swarm", "wire"];

/// The most lines that a file may have, its tests included.
const FILE_LINES_MAX: usize = 500;

/// The most lines that a function may have.
const FUNCTION_LINES_MAX: usize = 70;

/// The most characters that a line may have.
const LINE_CHARS_MAX: usize = 100;

/// Where generated code lies.
const GENERATED: [&str; 1] = ["src/rpc/"];

/// Words that say nothing, in the names of files, modules and functions.
const EMPTY_WORDS: [&str; 9] =
    ["util", "utils", "common", "helper", "helpers", "manager", "misc", "types", "handle_it"];

/// Beginnings of names that say nothing.
const EMPTY_STARTS: [&str; 4] = ["process_", "do_", "get_", "handle_it"];

/// Names of that kind that are LND's and not ours: a server of its gRPC must bear them.
const LND_NAMES: [&str; 4] = ["get_chan_info", "get_info", "get_node_info", "get_state"];

/// What is wrong with a line of a file.
type Complaint = (usize, String);

/// All checks of one source file.
const CHECKS: [fn(&Source) -> Vec<Complaint>; 8] =
    [imports, lengths, functions, front_matter, unfinished, names, spawns, file_name];

#[test]
fn the_house_is_tidy() {
    let sources: Vec<Source> = ["src", "tests", "benches"]
        .iter()
        .flat_map(|dir| files(dir))
        .filter(|path| path.ends_with(".rs"))
        .filter(|path| !GENERATED.iter().any(|folder| path.starts_with(folder)))
        .map(|path| Source::new(&path, &read(&path)))
        .collect();
    assert!(sources.len() > 20, "found the sources");
    let mut complaints: Vec<String> = sources.iter().flat_map(check).collect();
    complaints.extend(unreferenced(&files("tests/data"), &sources));
    for path in files(".").iter().filter(|path| path.ends_with(".md")) {
        complaints.extend(document(path, &read(path)));
    }
    assert!(complaints.is_empty(), "untidy:\n{}", complaints.join("\n"));
}

/// TLS is pure Rust, and everything comes from the registry under a version.
#[test]
fn no_dependency_is_openssl_or_comes_from_a_repository() {
    let lock = read("Cargo.lock");
    for line in lock.lines() {
        let is_banned =
            ["\"openssl", "\"native-tls", "git+"].iter().any(|word| line.contains(word));
        assert!(!is_banned, "{line}");
    }
    assert!(lock.contains("\"rustls\""), "the lock file names dependencies in another way");
}

/// All that is wrong with a source file.
fn check(source: &Source) -> Vec<String> {
    let complaints = CHECKS.iter().flat_map(|check| check(source));
    complaints.map(|(line, what)| format!("{}:{line}: {what}", source.path)).collect()
}

/// Whether `room` may name the room `other`; `None` where nobody has decided about `room`.
fn may_import(room: &str, other: &str) -> Option<bool> {
    let is_word = WORDS.contains(&other);
    let is_inner = is_word || other == "core";
    Some(match room {
        _ if room == other => true,
        "lib" | "main" => other == "cli",
        "ids" | "time" | "units" | "core" => is_word,
        "rpc" => false,
        "lnd" | "simnet" => is_inner || other == "rpc",
        _ if EDGES.contains(&room) => is_inner,
        "daemon" => is_inner || EDGES.contains(&other),
        "cli" => is_inner || ["daemon", "config", "control", "audit", "simnet"].contains(&other),
        _ => return None,
    })
}

/// Which room may know which.
fn imports(source: &Source) -> Vec<Complaint> {
    let Some(room) = source.room() else { return Vec::new() };
    let above = source.path.matches('/').count();
    let to_root = format!("use {}", "super::".repeat(above));
    let mut complaints = Vec::new();
    for (prefix, is_anywhere) in [("crate::", true), (to_root.as_str(), false)] {
        for (offset, _) in source.code.match_indices(prefix) {
            let before = &source.code[..offset];
            if before.ends_with(source::is_ident)
                || !(is_anywhere || before.is_empty() || before.ends_with('\n'))
            {
                continue;
            }
            for other in first_names(&source.code[offset + prefix.len()..]) {
                let complaint = match may_import(room, other) {
                    Some(true) => continue,
                    Some(false) => format!("{room} may not know {other}"),
                    None => format!("{room} is a new room: say in tests/it/tidy.rs what it knows"),
                };
                complaints.push((source.line(offset), complaint));
            }
        }
    }
    complaints
}

/// The first names of the paths that follow `crate::`: one, or those of a group in braces.
fn first_names(path: &str) -> Vec<&str> {
    if !path.starts_with('{') {
        return Some(ident(path)).filter(|name| is_module(name)).into_iter().collect();
    }
    let group = &path[1..bracketed(path)];
    let (mut names, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (offset, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                names.push(ident(group[start..].trim_start()));
                start = offset + 1;
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names.retain(|name| is_module(name));
    names
}

/// Whether a name at the root is a room, not a macro's or a type's.
fn is_module(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
}

/// How long files and lines are.
fn lengths(source: &Source) -> Vec<Complaint> {
    let count = source.text.lines().count();
    let file = (count > FILE_LINES_MAX)
        .then(|| (count, format!("the file is over {FILE_LINES_MAX} lines: make two rooms of it")));
    let lines = source.text.lines().enumerate();
    let long = lines.filter(|(_, line)| line.chars().count() > LINE_CHARS_MAX);
    let long = long.map(|(i, _)| (i + 1, format!("the line is over {LINE_CHARS_MAX} columns")));
    file.into_iter().chain(long).collect()
}

/// How long functions are, from `fn` to the closing brace.
fn functions(source: &Source) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (offset, name) in source.names("fn ") {
        let mut body = offset;
        // Past the signature, whose brackets may hold semicolons.
        while let Some(at) = source.code[body..].find(['{', ';', '(', '[']) {
            body += at;
            if source.code[body..].starts_with(['{', ';']) {
                break;
            }
            body += bracketed(&source.code[body..]);
        }
        let end = body + bracketed(&source.code[body..]);
        let count = source.code[offset..end].lines().count();
        if count > FUNCTION_LINES_MAX {
            let complaint =
                format!("{name} has {count} lines, at most {FUNCTION_LINES_MAX} are read");
            complaints.push((source.line(offset), complaint));
        }
    }
    complaints
}

/// What a file is for is said first.
fn front_matter(source: &Source) -> Vec<Complaint> {
    let is_said = source.text.starts_with("//! ");
    (!is_said)
        .then(|| (1, "say at the top, after //!, what it is for".to_owned()))
        .into_iter()
        .collect()
}

/// Nothing is left for later.
fn unfinished(source: &Source) -> Vec<Complaint> {
    let in_code = ["todo!", "unimplemented!", "dbg!", "#[ignore"].map(|word| (&source.code, word));
    let in_comments = ["FIXME", "TODO", "XXX"].map(|word| (&source.comments, word));
    let found = in_code.into_iter().chain(in_comments).flat_map(|(text, word)| {
        text.match_indices(word).map(move |(offset, _)| {
            (source.line(offset), format!("{word}: finish it, or leave it out"))
        })
    });
    found.collect()
}

/// Names say what a thing is or does.
fn names(source: &Source) -> Vec<Complaint> {
    let named = source.names("fn ").chain(source.names("mod "));
    let empty = named.filter(|(_, name)| is_empty_name(name));
    empty
        .map(|(offset, name)| (source.line(offset), format!("the name {name} says nothing")))
        .collect()
}

/// Whether a name has a word that says nothing.
fn is_empty_name(name: &str) -> bool {
    if LND_NAMES.contains(&name) {
        return false;
    }
    name.split('_').any(|word| EMPTY_WORDS.contains(&word))
        || EMPTY_STARTS.iter().any(|start| name.starts_with(start))
}

/// Files are named for what they hold, and none is called `mod.rs`.
fn file_name(source: &Source) -> Vec<Complaint> {
    let name = source.path.rsplit('/').next().unwrap_or(&source.path);
    let complaint = match name.strip_suffix(".rs") {
        Some("mod") => "a room is noun.rs and noun/, not mod.rs".to_owned(),
        Some(stem) if is_empty_name(stem) => format!("the name {name} says nothing"),
        Some(_) | None => return Vec::new(),
    };
    vec![(1, complaint)]
}

/// Every task has an owner.
fn spawns(source: &Source) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for call in ["tokio::spawn(", "tokio::task::spawn("] {
        for (offset, _) in source.code.match_indices(call) {
            let before = source.code[..offset].trim_end();
            let arguments = &source.code[offset + call.len() - 1..];
            let after = arguments[bracketed(arguments)..].trim_start();
            let is_statement = before.is_empty() || before.ends_with([';', '{', '}']);
            if before.ends_with("let _ =") || (is_statement && after.starts_with(';')) {
                complaints.push((source.line(offset), "nobody owns this task".to_owned()));
            }
        }
    }
    complaints
}

/// The files of `tests/data` that no test reads, by name or by walking their folder.
fn unreferenced(data: &[String], sources: &[Source]) -> Vec<String> {
    let is_read = |path: &String| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let folder = path.strip_suffix(name).unwrap_or(path).trim_end_matches('/');
        let folder = folder.trim_start_matches("tests/");
        let walk = [format!("{folder}\""), format!("{folder}/*")];
        sources.iter().any(|source| {
            source.text.contains(name) || walk.iter().any(|walk| source.text.contains(walk))
        })
    };
    let unread = data.iter().filter(|path| !is_read(path));
    unread.map(|path| format!("{path}:1: no test reads this file")).collect()
}

/// What is wrong with a document: paths of one machine, links to nowhere.
fn document(path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for home in ["/home/", "/root/"] {
            if line.contains(home) {
                complaints.push(format!("{path}:{}: {home} is a path of one machine", index + 1));
            }
        }
        for (offset, _) in line.match_indices("](") {
            let target = line[offset + 2..].split([')', '#']).next().unwrap_or_default();
            let folder = Path::new(path).parent().unwrap_or_else(|| Path::new(""));
            if !target.contains(':') && !root().join(folder).join(target).exists() {
                complaints.push(format!("{path}:{}: {target} is not there", index + 1));
            }
        }
    }
    complaints
}

/// All files below `dir`, by their paths from the root, without what is built or hidden.
fn files(dir: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root().join(dir)) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.map(|entry| entry.expect("a readable folder")) {
        let name = entry.file_name().into_string().expect("names are UTF-8");
        let path = if dir == "." { name.clone() } else { format!("{dir}/{name}") };
        if name.starts_with('.') || ["target", "node_modules", "storage"].contains(&name.as_str()) {
            continue;
        }
        if entry.file_type().expect("a readable entry").is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn each_check_can_fail() {
    let long_function = format!("//! A.\nfn f() {{\n{}}}\n", "    g();\n".repeat(70));
    let long_file = format!("//! A.\n{}", "\n".repeat(500));
    let long_line = format!("//! {}", "a".repeat(98));
    let cases = [
        ("src/core/a.rs", "use crate::lnd::Lnd;", "core may not know lnd"),
        ("src/core/a.rs", "use super::super::lnd::Lnd;", "core may not know lnd"),
        ("src/core.rs", "use super::lnd;", "core may not know lnd"),
        ("src/units.rs", "fn f(x: crate::core::X) {}", "units may not know core"),
        ("src/lnd.rs", "use crate::{ids::{A, B}, swarm};", "lnd may not know swarm"),
        ("src/audit.rs", "use crate::rpc::lnrpc;", "audit may not know rpc"),
        ("src/cli/run.rs", "use crate::lnd;", "cli may not know lnd"),
        ("src/daemon.rs", "use crate::cli;", "daemon may not know cli"),
        ("src/attic.rs", "use crate::ids;", "attic is a new room"),
        ("src/core/a.rs", "const C: char = '\"'; use crate::lnd; // \"", "core may not know lnd"),
        ("src/a.rs", &long_function, "f has 72 lines"),
        ("src/a.rs", &long_file, "over 500 lines"),
        ("src/a.rs", &long_line, "over 100 columns"),
        ("src/a.rs", "// A.\n", "what it is for"),
        ("src/a.rs", "fn f() { todo!() }", "todo!: finish it"),
        ("src/a.rs", "#[ignore = \"slow\"]\nfn f() {}", "#[ignore: finish it"),
        ("src/a.rs", "// TODO: more", "TODO: finish it"),
        ("src/a.rs", "fn process_all() {}", "the name process_all says nothing"),
        ("src/a.rs", "mod string_util;", "the name string_util says nothing"),
        ("src/types.rs", "", "the name types.rs says nothing"),
        ("src/a/mod.rs", "", "not mod.rs"),
        ("src/a.rs", "fn f() { tokio::spawn(async { (1, 2) }); }", "nobody owns this task"),
        ("src/a.rs", "fn f() { let _ = tokio::spawn(g()); }", "nobody owns this task"),
    ];
    for (path, text, complaint) in cases {
        let complaints = check(&Source::new(path, text));
        let is_told = complaints.iter().any(|told| told.contains(complaint));
        assert!(is_told, "{text:?} gives {complaints:?}, not {complaint:?}");
    }
}

#[test]
fn what_is_tidy_passes() {
    for (path, text) in [
        ("src/core/a.rs", "use crate::{ids::NodeId, units::{Msat, Sat}};"),
        ("src/core/a.rs", "// crate::lnd\nconst A: &str = \"crate::lnd tokio::spawn(x);\";"),
        ("src/core/a.rs", "const A: &str = r#\"\"crate::lnd\"#; fn f<'a>(a: &'a str) {}"),
        ("src/lnd/a.rs", "use crate::rpc::lnrpc;\nmacro_rules! a { () => { $crate::ids::A } }"),
        ("src/cli/demo.rs", "use crate::simnet::Network;"),
        ("src/daemon.rs", "fn f() -> JoinHandle<()> { tokio::spawn(async {}) }"),
        ("src/daemon.rs", "fn f() { let task = tokio::spawn(g()); task.abort(); }"),
        ("tests/it/a.rs", "use tightrope::rpc::lnrpc; fn doing() -> [u8; 2] { [1, 2] }"),
    ] {
        let complaints = check(&Source::new(path, &format!("//! A.\n{text}\n")));
        assert!(complaints.is_empty(), "{complaints:?}");
    }
}

#[test]
fn data_that_no_test_reads_and_paths_of_one_machine_are_told() {
    let data = ["tests/data/a/one.json", "tests/data/b/two.json", "tests/data/c/3.hex"];
    let reader = Source::new("tests/it/a.rs", "walk(\"tests/data/a\"); read(\"data/c/3.hex\")");
    let told = unreferenced(&data.map(str::to_owned), &[reader]);
    assert_eq!(told, ["tests/data/b/two.json:1: no test reads this file"]);

    let home = ["/ro", "ot/"].concat();
    let told = document("docs/a.md", &format!("[x](../Cargo.toml) [y](nowhere.md)\n{home}x"));
    assert_eq!(told.len(), 2, "{told:?}");
}
