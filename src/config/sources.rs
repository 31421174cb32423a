//! Where configuration comes from, and what wins: defaults, `default.json`, `local.json`, the
//! environment, flags.
//!
//! Objects merge, arrays replace. Each source has the same shape, [`serde_json::Value`], so that
//! what is wrong is found once, in the sum. Older names become today's here, before merging, so
//! that a later source wins whichever name it uses.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use ::config::{ConfigError, FileFormat, Source};
use serde_json::{Map, Value};

use super::credentials::read_file;
use super::fault::{Fault, Findings, SyntaxError};
use super::schema::{kinds, leaves, most_like};
use super::{FOLDER, WEAK_SECRET, repeats};

/// What the names of environment variables that set keys begin with.
const ENV_PREFIX: &str = "TIGHTROPE__";

/// The older names, each with the path that is read today. Those of the limits hold in
/// `idSettings` too.
const OLDER_NAMES: [(&[&str], &[&str]); 3] = [
    (&["refreshRateSeconds"], &["limits", "baseSettings", "refreshRate"]),
    (&["balance", "deadzone"], &["limits", "baseSettings", "deadzone"]),
    (
        &["limits", "baseSettings", "maxTransactionsPeriod"],
        &["limits", "baseSettings", "maxTransactionsPerPeriod"],
    ),
];

/// What once held the length of a period, one for the count and one for the amount.
const OLDER_PERIODS: [&str; 2] = ["maxTransactionsPeriod", "maxAmountPeriod"];

/// What the sources say together.
pub(super) struct Sources {
    /// The sum.
    pub(super) value: Value,
    /// What was read, the strongest last.
    pub(super) names: Vec<String>,
}

/// Reads and merges all sources.
pub(super) fn read(
    dir: &Path,
    env: &BTreeMap<String, String>,
    flags: Value,
    schema: &Value,
    findings: &mut Findings,
) -> Sources {
    let mut sources =
        Sources { value: Value::Object(Map::new()), names: vec!["compiled-in defaults".into()] };
    for name in ["default.json", "local.json"] {
        let path = dir.join(name);
        if let Some(layer) = read_layer(&path, findings) {
            sources.add(path.display().to_string(), layer, findings);
        }
    }
    let (layer, count) = read_env(env, schema, findings);
    if !is_there(dir) && (dir != Path::new(FOLDER) || count == 0) {
        findings.add(Fault::NoFolder { dir: dir.to_owned() });
    }
    if count > 0 {
        sources.add(format!("{count} environment variables"), layer, findings);
    }
    if flags.as_object().is_some_and(|flags| !flags.is_empty()) {
        sources.add("flags".to_owned(), flags, findings);
    }
    sources
}

impl Sources {
    /// Lays `layer` over what there is.
    fn add(&mut self, name: String, mut layer: Value, findings: &mut Findings) {
        rename(&mut layer, &name, findings);
        merge(&mut self.value, layer);
        self.names.push(name);
    }
}

/// Whether there is such a folder. Where that cannot be told, reading its files tells why.
fn is_there(dir: &Path) -> bool {
    dir.try_exists().unwrap_or(true)
}

/// The content of a JSON file; `None` where it is not there or not readable.
fn read_layer(path: &Path, findings: &mut Findings) -> Option<Value> {
    let name = path.display().to_string();
    let read = read_file(path).and_then(|(bytes, is_open)| {
        let text = String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        Ok((text, is_open))
    });
    let (text, is_open) = match read {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(source) => {
            findings.add(Fault::Unreadable { path: path.to_owned(), source });
            return None;
        }
    };
    let mut value = match parse(&text) {
        Ok(value) => value,
        Err(source) => {
            findings.add(Fault::Syntax { path: path.to_owned(), source });
            return None;
        }
    };
    for key in repeats::find(&text) {
        findings.fault(&key, format!("written twice in {name}"), "keep one of the two");
    }
    if is_open && holds_secret(&value) {
        let what = "holds secrets, and every user of this machine can read it: chmod o-r it";
        findings.warn(&name, what);
    }
    // Editors find the schema of a file by this key.
    value.as_object_mut()?.shift_remove("$schema");
    Some(value)
}

/// Whether a secret or a macaroon stands in `value` itself.
fn holds_secret(value: &Value) -> bool {
    let is_given = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let nodes = value["lightningNodes"].as_array().into_iter().flatten();
    (is_given(&value["secret"]) && value["secret"] != WEAK_SECRET)
        || nodes.into_iter().any(|node| is_given(&node["macaroon"]))
}

/// Reads a JSON object with the `config` crate.
///
/// The source is collected, not built: building reads a key such as `a[9]` as a path.
fn parse(text: &str) -> Result<Value, SyntaxError> {
    let table = ::config::File::from_str(text, FileFormat::Json).collect().map_err(|error| {
        if let ConfigError::FileParse { cause, .. } = error
            && let Ok(error) = cause.downcast::<serde_json::Error>()
        {
            return SyntaxError::Json(*error);
        }
        SyntaxError::NotAnObject
    })?;
    ::config::Value::from(table).try_deserialize().map_err(|_| SyntaxError::NotAnObject)
}

/// Lays `over` over `under`: objects merge, all else replaces.
fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

/// Gives what goes by an older name in `layer` its name of today.
fn rename(layer: &mut Value, name: &str, findings: &mut Findings) {
    if let Some(base) = layer.pointer_mut("/limits/baseSettings") {
        refuse_periods(base, "limits.baseSettings", name, findings);
    }
    for (older, path) in OLDER_NAMES {
        if let Some(value) = take(layer, older) {
            put(layer, path, value);
            let today = path.join(".");
            findings.warn(&older.join("."), format!("an older name in {name}: write {today}"));
        }
    }
    if layer["balance"].as_object().is_some_and(Map::is_empty) {
        take(layer, &["balance"]);
    }
    let settings = layer.pointer_mut("/limits/idSettings").and_then(Value::as_array_mut);
    for (index, setting) in settings.into_iter().flatten().enumerate() {
        refuse_periods(setting, &format!("limits.idSettings[{index}]"), name, findings);
        if let Some(value) = take(setting, &["maxTransactionsPeriod"]) {
            put(setting, &["maxTransactionsPerPeriod"], value);
            let key = format!("limits.idSettings[{index}].maxTransactionsPeriod");
            findings.warn(&key, format!("an older name in {name}: write maxTransactionsPerPeriod"));
        }
    }
}

/// Tells of times that go by a name of [`OLDER_PERIODS`]: which of the two is meant for both, only
/// the operator knows.
fn refuse_periods(limits: &mut Value, key: &str, name: &str, findings: &mut Findings) {
    for older in OLDER_PERIODS {
        if limits[older].is_string() {
            take(limits, &[older]);
            let what = format!("an older name in {name}, of a length of time");
            let mend = "write limitsPeriod, which holds for the count and for the amount";
            findings.fault(&format!("{key}.{older}"), what, mend);
        }
    }
}

/// Takes the value at `path` out of `value`.
fn take(value: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    let parent = parents.iter().try_fold(value, |value, key| value.get_mut(*key))?;
    parent.as_object_mut()?.shift_remove(*last)
}

/// Puts `new` at `path`, unless something is there already.
fn put(value: &mut Value, path: &[&str], new: Value) {
    let nested = path
        .iter()
        .rev()
        .fold(new, |inner, key| Value::Object(Map::from_iter([((*key).to_owned(), inner)])));
    let stated = std::mem::replace(value, nested);
    merge(value, stated);
}

/// The keys that the environment sets, and how many they are.
fn read_env(
    env: &BTreeMap<String, String>,
    schema: &Value,
    findings: &mut Findings,
) -> (Value, usize) {
    let keys: BTreeMap<String, String> =
        leaves(schema, "").into_iter().map(|key| (env_name(&key), key)).collect();
    let mut layer = Value::Object(Map::new());
    let mut count = 0;
    for (name, text) in env {
        let upper = name.to_uppercase();
        let Some(key) = upper.starts_with(ENV_PREFIX).then(|| keys.get(&upper)) else { continue };
        let Some(key) = key else {
            let nearest = most_like(&upper, keys.keys().cloned(), |name| name);
            findings.add(Fault::Unknown { key: name.clone(), nearest });
            continue;
        };
        let path: Vec<&str> = key.split('.').collect();
        let part = path.iter().fold(schema, |schema, name| &schema["properties"][name]);
        match typed(text, part) {
            Ok(value) => {
                put(&mut layer, &path, value);
                count += 1;
            }
            // The text is not repeated: it could hold a macaroon.
            Err(error) => findings.fault(
                name,
                format!("not JSON for {key}: {error}"),
                "arrays and numbers are written as in JSON",
            ),
        }
    }
    (layer, count)
}

/// The environment variable that sets `key`.
fn env_name(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// Reads `text` as a value of the type that `schema` has.
fn typed(text: &str, schema: &Value) -> serde_json::Result<Value> {
    let has = |wanted| kinds(schema).any(|name| name == wanted);
    match (text.trim(), has("null"), has("string")) {
        ("" | "null", true, _) => Ok(Value::Null),
        (_, _, true) => Ok(Value::String(text.to_owned())),
        (text, _, false) => serde_json::from_str(text),
    }
}
