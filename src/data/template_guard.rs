//! Bounds on the values a chat template builds. See `template_source` for where they are applied.

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::template_source::{BOUND, BOUND_ATTRIBUTE};

/// The deepest nesting a named value may have. Parsed JSON, the deepest honest input, stops at 128.
pub(super) const MAX_DEPTH: usize = 200;

/// An entry every namespace carries, so that one can be told from a dictionary: the engine keeps its type to itself.
const NAMESPACE_MARK: &str = "\u{0}namespace";

/// Adds the checking functions and a `namespace` they can recognise.
pub(super) fn install(env: &mut Environment<'static>) {
    env.add_function(BOUND, |state: &State, value: Value| bounded(state, value, true));
    env.add_function(BOUND_ATTRIBUTE, |state: &State, value: Value| bounded(state, value, false));
    let plain = env.globals().find(|(name, _)| *name == "namespace").map(|(_, function)| function);
    if let Some(plain) = plain {
        env.add_function(
            "namespace",
            move |state: &mut State, args: Rest<ValueOrKwargs>| -> Result<Value, Error> {
                let mut entries = vec![(Value::from(NAMESPACE_MARK), Value::from(true))];
                for argument in args.iter() {
                    for key in argument.try_iter()?.checked() {
                        let key = key?;
                        let value = argument.get_item(&key)?;
                        entries.push((key, bounded(state, value, false)?));
                    }
                }
                plain.call(state, &[Value::from_pairs(entries)])
            },
        );
    }
}

/// Returns `value` as it is, or an error if it is nested too deeply or holds a namespace (which could hold itself).
fn bounded(state: &State, value: Value, may_be_namespace: bool) -> Result<Value, Error> {
    if is_namespace(&value) {
        return if may_be_namespace { Ok(value) } else { Err(nested_namespace()) };
    }
    walk(state, &value, 0)?;
    Ok(value)
}

fn walk(state: &State, value: &Value, depth: usize) -> Result<(), Error> {
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Map) {
        return Ok(());
    }
    if depth >= MAX_DEPTH {
        return Err(too_deep());
    }
    if is_namespace(value) {
        return Err(nested_namespace());
    }
    for item in value.try_iter()?.checked() {
        let item = item?;
        // A value may be shared many times over: what it would cost to visit all of it is what is charged.
        state.consume_fuel(1)?;
        if value.kind() == ValueKind::Map {
            walk(state, &value.get_item(&item)?, depth + 1)?;
        }
        walk(state, &item, depth + 1)?;
    }
    Ok(())
}

fn is_namespace(value: &Value) -> bool {
    value.kind() == ValueKind::Map && value.get_attr(NAMESPACE_MARK).is_ok_and(|mark| !mark.is_undefined())
}

/// The error for values nested beyond [`MAX_DEPTH`].
pub(super) fn too_deep() -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("a value is nested more than {MAX_DEPTH} levels deep"))
}

fn nested_namespace() -> Error {
    Error::new(ErrorKind::InvalidOperation, "a namespace cannot be kept inside another value")
}
