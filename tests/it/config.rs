//! The configuration as operators meet it: files, environment, flags, and the complaints.
//!
//! Golden files: `UPDATE_EXPECT=1 cargo test --test it config` writes them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use serde_json::{Value, json};
use tightrope::config::{self, Config, ConfigError};
use tightrope::core::policy::Limits;

/// A certificate as far as the config looks at it.
const PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

/// A secret that must not show up anywhere.
const SECRET: &str = "hush-hush-hush-hush-hush";

/// A macaroon, in hex, that must not show up anywhere.
const MACAROON: &str = "0201036c6e64deadbeefdeadbeef";

#[test]
fn default_json_has_every_key_and_is_what_holds_without_it() {
    expect_file![root("config/default.json")].assert_eq(&pretty(&config::defaults()));
    let room = Room::new();
    let without = room.load().expect("good");
    fs::copy(root("config/default.json"), room.dir().join("default.json")).expect("copied");
    let with = room.load().expect("good");
    let masked = |config: &Config| {
        let mut understood = config.understood();
        understood["sources"].take();
        understood
    };
    assert_eq!(masked(&with), masked(&without));
    assert_eq!(without.settings.limits, Limits::default());
}

#[test]
fn schema_json_is_made_from_the_code() {
    expect_file![root("config/schema.json")].assert_eq(&pretty(&config::schema()));
}

#[test]
fn the_docs_name_every_key_with_its_default() {
    let docs = fs::read_to_string(root("docs/config.md")).expect("docs/config.md is there");
    for (key, default) in leaves(&config::defaults(), "") {
        let row = format!("| `{key}` |");
        let row = docs.lines().find(|line| line.starts_with(&row));
        let row = row.unwrap_or_else(|| panic!("docs/config.md has no row for {key}"));
        assert!(row.contains(&format!("| `{default}` |")), "{key} is {default}, but: {row}");
    }
}

#[test]
fn the_example_loads_when_its_files_are_there() {
    let room = Room::new();
    let text = fs::read_to_string(root("config/local.example.json")).expect("it is there");
    for (name, content) in [
        ("secret", SECRET),
        ("alice-a/tls.cert", PEM),
        ("alice-a/tightrope.macaroon", "\u{2}raw"),
        ("alice-b/tightrope.macaroon", "\u{2}raw"),
    ] {
        room.write(name, content);
    }
    room.write("local.json", &text.replace("/etc/tightrope", &room.path()));
    let config = config::load(room.dir(), std::iter::empty(), json!({})).expect("it loads");
    assert_eq!(config.warnings, []);
    assert_eq!(config.nodes.len(), 2);
}

#[test]
fn what_is_good_is_understood_and_what_is_bad_is_told_in_full() {
    for path in golden("tests/data/config/good") {
        let (room, loaded) = load_golden(&path);
        let config = loaded.unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let warnings: String = config.warnings.iter().map(|it| format!("{it}\n")).collect();
        let told = warnings + &pretty(&config.understood());
        expect_file![path.with_extension("txt")].assert_eq(&room.hide(&told));
    }
    for path in golden("tests/data/config/bad") {
        let (room, loaded) = load_golden(&path);
        let error = loaded.expect_err(&format!("{path:?} is bad"));
        expect_file![path.with_extension("txt")].assert_eq(&room.hide(&format!("{error}\n")));
    }
}

#[test]
fn no_secret_is_ever_printed() {
    let hidden = ["hush", "deadbeef", "3q2+7w", "222, 173, 190, 239"];
    let mut told = String::new();
    for path in golden("tests/data/config/good").into_iter().chain(golden("tests/data/config/bad"))
    {
        told += &match load_golden(&path).1 {
            Ok(config) => format!("{config:?} {:#?} {}", config, config.understood()),
            Err(error) => format!("{error} {error:?} {error:#?}"),
        };
    }
    let room = Room::new();
    room.write("local.json", &format!(r#"{{ "secret": "{SECRET}", }}"#));
    for (name, text) in [
        ("TIGHTROPE__SECRET", SECRET),
        ("TIGHTROPE__SECRETFILE", SECRET),
        ("TIGHTROPE__LIGHTNINGNODES", "[{\"macaroon\": \"deadbeef"),
        ("TIGHTROPE__LIGHTNINGNODES", "\"deadbeef\""),
        ("TIGHTROPE__DRYRUN", "deadbeef"),
    ] {
        let error = room.load_with(&[(name, text)], json!({})).expect_err("bad");
        told += &format!("{error} {error:?}");
    }
    for secret in hidden {
        assert!(!told.contains(secret), "{secret} is printed");
    }
}

#[test]
fn later_sources_win_objects_merge_and_arrays_replace() {
    let room = Room::new();
    let base = |config: &Config| config.settings.limits.base.clone();
    room.write(
        "default.json",
        r#"{ "limits": { "baseSettings": { "maxTransactionSize": 1, "minTransactionSize": 1 } },
             "audit": { "shouldMask": ["a", "b"] }, "announceInterval": 2000 }"#,
    );
    let mut local: Value = serde_json::from_str(&room.read("local.json")).expect("JSON");
    local["limits"] = json!({ "baseSettings": { "maxTransactionSize": 2 } });
    local["audit"] = json!({ "shouldMask": ["c"] });
    room.write("local.json", &local.to_string());

    let config = room.load().expect("good");
    assert_eq!(base(&config).payment_max.sat().sat(), 2);
    assert_eq!(base(&config).payment_min.sat().sat(), 1);
    assert_eq!(config.audit.should_mask, ["c"]);
    assert_eq!(config.settings.announce_interval.as_millis(), 2000);

    let env = [
        ("TIGHTROPE__LIMITS__BASESETTINGS__MAXTRANSACTIONSIZE", "3"),
        ("tightrope__limits__baseSettings__limitsPeriod", "1d"),
        ("TIGHTROPE__LIMITS__BASESETTINGS__DEADZONE", "0.25"),
        ("TIGHTROPE__AUDIT__SHOULDMASK", r#"["d", "e"]"#),
        ("TIGHTROPE__REQUIREPROOF", "true"),
        ("TIGHTROPE_CONFIG_DIR", "elsewhere"),
    ];
    let config = room.load_with(&env, json!({ "announceInterval": 4000 })).expect("good");
    assert_eq!(base(&config).payment_max.sat().sat(), 3);
    assert_eq!(base(&config).period.as_secs(), 86_400);
    assert_eq!(base(&config).deadzone.ppm(), 250_000);
    assert_eq!(config.audit.should_mask, ["d", "e"]);
    assert!(config.settings.require_proof);
    assert_eq!(config.settings.announce_interval.as_millis(), 4000);
    assert_eq!(config.sources.len(), 5, "{:?}", config.sources);
}

#[test]
fn a_folder_that_is_not_there_is_told_unless_none_was_named_and_the_environment_says_all() {
    let nodes = r#"[{ "socket": "127.0.0.1:10009", "macaroon": "0201" }]"#;
    let env = [("TIGHTROPE__SECRET", SECRET), ("TIGHTROPE__LIGHTNINGNODES", nodes)];
    let load = |dir: &str, env: &[(&str, &str)]| {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        config::load(Path::new(dir), env, json!({}))
    };
    assert!(!Path::new(config::FOLDER).join("local.json").exists(), "nothing is read there");
    load(config::FOLDER, &env).expect("the environment says all");
    let error = load("/nowhere", &env).expect_err("it was named").to_string();
    assert_eq!(
        error,
        "the configuration in /nowhere has a fault:\n  the folder /nowhere does not exist \
         (--config or TIGHTROPE_CONFIG_DIR names the one with local.json)"
    );
}

#[test]
fn an_unknown_variable_is_told_with_the_nearest_one() {
    let error = Room::new()
        .load_with(&[("TIGHTROPE__LIMITS__BASESETTINGS__DEADZON", "0.1")], json!({}))
        .expect_err("unknown");
    assert_eq!(
        error.faults[0].to_string(),
        "TIGHTROPE__LIMITS__BASESETTINGS__DEADZON: unknown key \
         (did you mean TIGHTROPE__LIMITS__BASESETTINGS__DEADZONE?)"
    );
}

#[test]
fn a_syntax_error_names_file_line_and_column() {
    let room = Room::new();
    room.write("local.json", "{\n  \"secret\": \"x\",\n}\n");
    room.write("default.json", "[]");
    let error = room.load().expect_err("no JSON");
    let told: Vec<String> = error.faults.iter().map(|it| room.hide(&it.to_string())).collect();
    let mend = "(mend the JSON there; it has no comments and no trailing commas)";
    let told: Vec<String> = told.iter().map(|it| it.replace(mend, "MEND")).collect();
    assert_eq!(
        told,
        [
            "config/default.json: the file should hold one JSON object MEND",
            "config/local.json: trailing comma at line 3 column 1 MEND",
        ]
    );
}

#[test]
fn secrets_come_from_a_file_or_from_systemd() {
    let room = Room::new();
    room.write("credentials/secret", &format!("{SECRET}\n"));
    room.write("credentials/node.macaroon", "\u{2}raw");
    let node = json!({ "socket": "a:1", "macaroonPath": "credential:node.macaroon" });
    room.write("local.json", &json!({ "lightningNodes": [node] }).to_string());
    let credentials = format!("{}/credentials", room.path());

    let config = room.load_with(&[("CREDENTIALS_DIRECTORY", &credentials)], json!({}));
    let config = config.expect("systemd gives both");
    assert_eq!(config.secret.expose(), SECRET);
    assert_eq!(config.nodes[0].macaroon.expose(), b"\x02raw");

    room.write("other", "another-secret-of-the-cluster\r\n");
    let flags = json!({ "secretFile": format!("{}/other", room.path()) });
    let config = room.load_with(&[("CREDENTIALS_DIRECTORY", &credentials)], flags);
    let config = config.expect("a named file wins");
    assert_eq!(config.secret.expose(), "another-secret-of-the-cluster");

    let error = room.load().expect_err("no systemd, no secret");
    let keys: Vec<String> = error.faults.iter().map(config::Fault::key).collect();
    assert_eq!(keys, ["lightningNodes[0].macaroonPath", "secret"]);
}

#[test]
fn a_file_with_secrets_that_every_user_can_read_is_told() {
    let room = Room::new();
    room.write("secret", SECRET);
    let file = format!("{}/secret", room.path());
    let trusted = format!("02{}", "ab".repeat(32));
    let flags = json!({ "secret": "secret", "secretFile": file, "trustedNodes": [trusted] });
    let keys = |room: &Room| {
        let config = room.load_with(&[], flags.clone()).expect("good");
        config.warnings.iter().map(|warning| room.hide(&warning.key)).collect::<Vec<_>>()
    };
    assert_eq!(keys(&room), Vec::<String>::new());
    for name in ["secret", "local.json"] {
        let mode = fs::Permissions::from_mode(0o604);
        fs::set_permissions(room.dir().join(name), mode).expect("changed");
    }
    assert_eq!(keys(&room), ["config/local.json", "secretFile"]);
}

/// A config folder of one test, with a good `local.json`.
struct Room(tempfile::TempDir);

impl Room {
    fn new() -> Self {
        let room = Self(tempfile::tempdir().expect("a folder"));
        let node = json!({ "socket": "127.0.0.1:10009", "macaroon": MACAROON });
        let local = json!({ "secret": SECRET, "lightningNodes": [node] });
        room.write("local.json", &local.to_string());
        room
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    fn path(&self) -> String {
        self.dir().display().to_string()
    }

    fn hide(&self, text: &str) -> String {
        text.replace(&self.path(), "config")
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir().join(name)).expect("readable")
    }

    /// Writes a file that only its owner can read.
    fn write(&self, name: &str, content: &str) {
        let path = self.dir().join(name);
        fs::create_dir_all(path.parent().expect("within the room")).expect("a folder");
        let mut options = fs::File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(path).expect("a file");
        file.write_all(content.as_bytes()).expect("written");
    }

    fn load(&self) -> Result<Config, ConfigError> {
        self.load_with(&[], json!({}))
    }

    fn load_with(&self, env: &[(&str, &str)], flags: Value) -> Result<Config, ConfigError> {
        let env = env.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        config::load(self.dir(), env.collect::<BTreeMap<_, _>>().into_iter(), flags)
    }
}

/// Loads a golden file as `local.json` of a room; `DIR` in it is the room's folder.
fn load_golden(path: &Path) -> (Room, Result<Config, ConfigError>) {
    let room = Room::new();
    room.write("tls.cert", PEM);
    room.write("raw.macaroon", "\u{2}\u{1}deadbeef");
    room.write("token", "0123456789abcdef");
    let text = fs::read_to_string(path).expect("readable");
    room.write("local.json", &text.replace("DIR", &room.path()));
    let loaded = room.load();
    (room, loaded)
}

/// The golden files of a folder, in order; each complaint has its file.
fn golden(folder: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(root(folder)).expect("a folder");
    let paths: BTreeSet<PathBuf> = files.map(|entry| entry.expect("an entry").path()).collect();
    for path in &paths {
        assert!(paths.contains(&path.with_extension("json")), "{path:?} belongs to no file");
    }
    paths.into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "json")).collect()
}

/// Every key that holds a value, with the value.
fn leaves(value: &Value, key: &str) -> Vec<(String, Value)> {
    let Value::Object(object) = value else { return vec![(key.to_owned(), value.clone())] };
    let join = |name: &String| if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
    object.iter().flat_map(|(name, part)| leaves(part, &join(name))).collect()
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
