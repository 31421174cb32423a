//! The JSON schema of the config file, and the check of a value against it.
//!
//! Both come from [`file`](super::file), so a key cannot be known to one and not to the other. The
//! check covers exactly the words that the schema uses: types, bounds, choices and known keys. What
//! a value means is judged elsewhere.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Number, Value};

use super::defaults::defaults;
use super::fault::{Fault, Findings};
use super::file::File;

/// The JSON schema of the config file, with the unit and the default of each key.
pub fn schema() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<File>().to_value();
    set_defaults(&mut schema, defaults());
    schema
}

/// Writes `default` to the key that it belongs to: the parts of an object to the object's keys.
fn set_defaults(schema: &mut Value, default: Value) {
    match (schema.get_mut("properties"), default) {
        (Some(Value::Object(properties)), Value::Object(defaults)) => {
            for (key, default) in defaults {
                if let Some(property) = properties.get_mut(&key) {
                    set_defaults(property, default);
                }
            }
            if let Some(schema) = schema.as_object_mut() {
                schema.remove("default");
            }
        }
        (_, default) => schema["default"] = default,
    }
}

/// The part of `value` that agrees with `schema`; what does not is told and left out.
pub(super) fn conform(
    schema: &Value,
    value: Value,
    key: &str,
    findings: &mut Findings,
) -> Option<Value> {
    let value = whole(value, schema);
    if !allows(schema, &value) {
        let (expected, found) = (expected(schema), found(&value));
        findings.fault(key, format!("this is {found}"), format!("it should be {expected}"));
        return None;
    }
    match value {
        Value::Object(object) => Some(conform_object(schema, object, key, findings)),
        Value::Array(items) => {
            let conform_item = |(index, item)| {
                let key = format!("{key}[{index}]");
                // An empty one keeps the place of a wrong one: the keys of the others stay true.
                let item = conform(&schema["items"], item, &key, findings);
                item.unwrap_or_else(|| empty(&schema["items"]))
            };
            Some(Value::Array(items.into_iter().enumerate().map(conform_item).collect()))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            conform_scalar(schema, value, key, findings)
        }
    }
}

/// What stands for a wrong item of an array.
fn empty(schema: &Value) -> Value {
    if schema["properties"].is_object() {
        Value::Object(Map::new())
    } else {
        Value::String(String::new())
    }
}

/// [`conform`] for an object.
fn conform_object(
    schema: &Value,
    object: Map<String, Value>,
    key: &str,
    findings: &mut Findings,
) -> Value {
    let mut known = Map::new();
    for (name, value) in object {
        let key = join(key, &name);
        match schema["properties"].get(&name) {
            Some(property) => {
                if let Some(value) = conform(property, value, &key, findings) {
                    known.insert(name, value);
                }
            }
            None => findings.add(Fault::Unknown { nearest: nearest(schema, &name), key }),
        }
    }
    Value::Object(known)
}

/// [`conform`] for what has no parts: its bounds and its choices.
fn conform_scalar(
    schema: &Value,
    scalar: Value,
    key: &str,
    findings: &mut Findings,
) -> Option<Value> {
    if let (Some(choices), Value::String(_)) = (schema["enum"].as_array(), &scalar)
        && !choices.contains(&scalar)
    {
        let choices: Vec<&str> = choices.iter().filter_map(Value::as_str).collect();
        findings.fault(
            key,
            "unknown choice",
            format!("it should be one of {}", choices.join(", ")),
        );
        return None;
    }
    let (min, max) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
    if let Some(number) = scalar.as_f64()
        && (min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max))
    {
        let mend = match (min, max) {
            (Some(min), Some(max)) => format!("it should be from {min} to {max}"),
            (Some(min), None) => format!("it should be at least {min}"),
            (None, max) => format!("it should be at most {}", max.unwrap_or(f64::MAX)),
        };
        findings.fault(key, format!("{scalar} is out of bounds"), mend);
        return None;
    }
    Some(scalar)
}

/// All keys below `schema` that hold values, as paths such as `limits.baseSettings.deadzone`.
pub(super) fn leaves(schema: &Value, key: &str) -> Vec<String> {
    match schema["properties"].as_object() {
        Some(properties) => {
            properties.iter().flat_map(|(name, part)| leaves(part, &join(key, name))).collect()
        }
        None => vec![key.to_owned()],
    }
}

/// The path of `name` within `key`.
pub(super) fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

/// The key that was probably meant by `name`: one of the same object, else one of any.
fn nearest(schema: &Value, name: &str) -> Option<String> {
    let siblings = schema["properties"].as_object().into_iter().flat_map(Map::keys).cloned();
    most_like(name, siblings, |sibling| sibling).or_else(|| {
        let all = leaves(&self::schema(), "");
        most_like(name, all.into_iter(), |path| path.rsplit('.').next().unwrap_or(path))
    })
}

/// The candidate whose `name` is most like `wanted`, if any is like it at all.
pub(super) fn most_like(
    wanted: &str,
    candidates: impl Iterator<Item = String>,
    name: impl Fn(&str) -> &str,
) -> Option<String> {
    let wanted = wanted.to_lowercase();
    let distance =
        |candidate: &String| strsim::damerau_levenshtein(&wanted, &name(candidate).to_lowercase());
    // A third of the letters may be wrong: beyond that a suggestion misleads.
    let is_like = |(distance, _): &(usize, String)| *distance <= wanted.chars().count() / 3;
    candidates
        .map(|candidate| (distance(&candidate), candidate))
        .filter(is_like)
        .min()
        .map(|it| it.1)
}

/// A number like `1e6` or `10.0` as the integer that it is, where the schema wants one.
fn whole(value: Value, schema: &Value) -> Value {
    if let Value::Number(number) = &value
        && kinds(schema).any(|name| name == "integer")
        && let Ok(integer) = decimal(number).parse::<u64>()
    {
        return Value::from(integer);
    }
    value
}

/// The digits of a JSON number, without an exponent, as short as they can be.
pub(super) fn decimal(number: &Number) -> String {
    match (number.is_f64(), number.as_f64()) {
        (true, Some(float)) => float.to_string(),
        _ => number.to_string(),
    }
}

/// Whether the schema has the type of `value`.
fn allows(schema: &Value, value: &Value) -> bool {
    kinds(schema).any(|name| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    })
}

/// The types that the schema has.
pub(super) fn kinds(schema: &Value) -> impl Iterator<Item = &str> {
    let types = &schema["type"];
    let list = types.as_array().map_or_else(|| std::slice::from_ref(types), Vec::as_slice);
    list.iter().filter_map(Value::as_str)
}

/// What the schema wants, in words.
fn expected(schema: &Value) -> String {
    let words = kinds(schema).filter(|name| *name != "null").map(|name| match name {
        "boolean" => "true or false",
        "integer" => "a whole number, at least 0",
        "number" => "a number",
        "string" => "a text",
        "array" => "an array",
        _ => "an object",
    });
    words.collect::<Vec<_>>().join(" or ")
}

/// What `value` is, in words that do not repeat it: it could be a secret.
fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
