//! A validator for the part of JSON Schema (draft 2020-12) that the schema of the configuration uses. A keyword that it
//! does not know is a panic, so that none is skipped unseen.

use regex::Regex;
use serde_json::{Map, Value};

/// What is wrong with a value, each with its path; nothing: the value is valid.
///
/// # Panics
///
/// When the schema has a keyword that is not known here.
#[must_use]
pub fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    Validator { root: schema }.validate(schema, value, "$", &mut faults);
    faults
}

struct Validator<'a> {
    root: &'a Value,
}

impl Validator<'_> {
    fn validate(&self, schema: &Value, value: &Value, path: &str, faults: &mut Vec<String>) {
        let Some(keywords) = schema.as_object() else {
            if schema == &Value::Bool(false) {
                faults.push(format!("{path}: is not allowed"));
            }
            return;
        };
        for (keyword, argument) in keywords {
            self.check(keywords, (keyword, argument), value, path, faults);
        }
    }

    fn check(
        &self,
        keywords: &Map<String, Value>,
        (keyword, argument): (&str, &Value),
        value: &Value,
        path: &str,
        faults: &mut Vec<String>,
    ) {
        let fits = match keyword {
            "$schema" | "$defs" | "title" | "description" | "default" | "format" | "x-type"
            | "x-range" => true,
            "$ref" => {
                let place = argument.as_str().unwrap().strip_prefix('#').unwrap();
                self.validate(self.root.pointer(place).unwrap(), value, path, faults);
                true
            }
            "anyOf" => self.forms_that_fit(argument, value) > 0,
            "oneOf" => self.forms_that_fit(argument, value) == 1,
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.validate(argument, item, &format!("{path}[{index}]"), faults);
                }
                true
            }
            "required" => {
                let names = argument.as_array().unwrap().iter().map(|it| it.as_str().unwrap());
                let lacks =
                    |name: &&str| value.as_object().is_some_and(|it| !it.contains_key(*name));
                faults.extend(names.filter(lacks).map(|name| format!("{path}.{name} is required")));
                true
            }
            "properties" | "additionalProperties" => {
                let known = keywords.get("properties").and_then(Value::as_object);
                for (name, member) in value.as_object().into_iter().flatten() {
                    let own = known.and_then(|known| known.get(name));
                    let schema = match (keyword, own) {
                        ("properties", own) => own,
                        (_, Some(_)) => None,
                        (_, None) => Some(argument),
                    };
                    if let Some(schema) = schema {
                        self.validate(schema, member, &format!("{path}.{name}"), faults);
                    }
                }
                true
            }
            _ => holds(keyword, argument, value),
        };
        if !fits {
            faults.push(format!("{path}: {value} does not fit `{keyword}`: {argument}"));
        }
    }

    fn forms_that_fit(&self, forms: &Value, value: &Value) -> usize {
        let fits = |form: &&Value| {
            let mut faults = Vec::new();
            self.validate(form, value, "", &mut faults);
            faults.is_empty()
        };
        forms.as_array().unwrap().iter().filter(fits).count()
    }
}

/// Whether a value fits a keyword that is about the value alone, not about its parts.
fn holds(keyword: &str, argument: &Value, value: &Value) -> bool {
    let number = |it: &Value| it.as_f64().unwrap();
    let length = |it: &Value| usize::try_from(it.as_u64().unwrap()).unwrap();
    match keyword {
        "type" => {
            let kinds = argument.as_array().map_or(std::slice::from_ref(argument), Vec::as_slice);
            kinds.iter().any(|kind| is_of(value, kind.as_str().unwrap()))
        }
        "enum" => argument.as_array().unwrap().contains(value),
        "const" => argument == value,
        "minimum" => value.as_f64().is_none_or(|it| it >= number(argument)),
        "maximum" => value.as_f64().is_none_or(|it| it <= number(argument)),
        "minLength" => value.as_str().is_none_or(|it| it.chars().count() >= length(argument)),
        "pattern" => {
            let pattern = Regex::new(argument.as_str().unwrap()).unwrap();
            value.as_str().is_none_or(|it| pattern.is_match(it))
        }
        "minItems" => value.as_array().is_none_or(|it| it.len() >= length(argument)),
        "minProperties" => value.as_object().is_none_or(|it| it.len() >= length(argument)),
        other => panic!("the keyword `{other}` of JSON Schema is not known here"),
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type: {other}"),
    }
}
