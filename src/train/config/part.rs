//! How one field is read, written and described, whatever its type.

use std::path::PathBuf;

use super::findings::Findings;
use super::legal::{Legal, number};
use super::problem::Place;
use super::section::Knob;
use super::tree::{Node, Value};
use super::writer::Writer;
use crate::engine::Device;
use crate::model::weights::export::parse_size;

/// A field's value.
pub(super) trait Part: Sized {
    /// Reads it, noting what is wrong. A value always comes back, be it a stand-in, so that reading goes on and every
    /// problem is found; nobody sees it where there is one.
    fn take(
        found: &mut Findings,
        path: &str,
        legal: Legal,
        node: Option<&Node>,
        default: Option<Self>,
    ) -> Self;

    /// Writes it so that reading it gives the same again.
    fn write(&self, name: &str, out: &mut Writer);

    /// How documentation shows it.
    fn show(&self) -> String;

    /// Its own fields, where it has some.
    fn inner() -> Inner {
        Inner::Value
    }

    /// Whether it may be left out with nothing in its place.
    fn optional() -> bool {
        false
    }
}

/// What a field consists of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Inner {
    /// One value.
    Value,
    /// A table: what it is about, and its fields.
    Table(fn() -> (String, Vec<Knob>)),
    /// The stages, whose fields depend on their kind.
    Stages,
    /// Models by name, whose fields depend on their kind.
    Models,
}

/// A type that is one TOML value.
pub(super) trait Scalar: Sized {
    /// What stands in for a value that could not be read.
    fn stand_in() -> Self;
    /// Reads a value that is legal already; `None` where the type cannot hold it.
    fn read(node: &Node) -> Option<Self>;
    /// As TOML has it.
    fn toml(&self) -> String;
}

impl<T: Scalar> Part for T {
    fn take(
        found: &mut Findings,
        path: &str,
        legal: Legal,
        node: Option<&Node>,
        default: Option<Self>,
    ) -> Self {
        let Some(node) = node else {
            return match default {
                Some(default) => {
                    found.saw(path, Place::Absent, format!("{} (the default)", default.toml()));
                    default
                }
                None => {
                    found.refuse(path, Place::Absent, "nothing", legal);
                    T::stand_in()
                }
            };
        };
        found.saw(path, node.place.clone(), node);
        match legal.allows(node).then(|| T::read(node)).flatten() {
            Some(value) => value,
            None => {
                found.refuse(path, node.place.clone(), node, legal);
                default.unwrap_or_else(T::stand_in)
            }
        }
    }

    fn write(&self, name: &str, out: &mut Writer) {
        out.value(name, &self.toml());
    }

    fn show(&self) -> String {
        self.toml()
    }
}

impl<T: Part> Part for Option<T> {
    fn take(found: &mut Findings, path: &str, legal: Legal, node: Option<&Node>, _: Option<Self>) -> Self {
        // `--set field=none` takes away what the file has; a file just leaves the field out.
        match node.filter(|node| node.given.as_deref() != Some("none")) {
            Some(node) => Some(T::take(found, path, legal, Some(node), None)),
            None => {
                found.saw(path, Place::Absent, "nothing");
                None
            }
        }
    }

    fn write(&self, name: &str, out: &mut Writer) {
        if let Some(value) = self {
            value.write(name, out);
        }
    }

    fn show(&self) -> String {
        self.as_ref().map_or("none".into(), T::show)
    }

    fn inner() -> Inner {
        T::inner()
    }

    fn optional() -> bool {
        true
    }
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {$(
        impl Scalar for $type {
            fn stand_in() -> Self {
                1
            }

            fn read(node: &Node) -> Option<Self> {
                match node.value {
                    Value::Whole(number) => Self::try_from(number).ok(),
                    _ => None,
                }
            }

            fn toml(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

whole_numbers!(u64, usize);

impl Scalar for f64 {
    fn stand_in() -> Self {
        0.5
    }

    fn read(node: &Node) -> Option<Self> {
        number(node)
    }

    /// The shortest digits that read back as the same number, 1e-6 and not 0.000001.
    fn toml(&self) -> String {
        format!("{self:?}")
    }
}

impl Scalar for bool {
    fn stand_in() -> Self {
        false
    }

    fn read(node: &Node) -> Option<Self> {
        match node.value {
            Value::Switch(on) => Some(on),
            _ => None,
        }
    }

    fn toml(&self) -> String {
        self.to_string()
    }
}

/// Text between quotes.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

impl Scalar for String {
    fn stand_in() -> Self {
        Self::new()
    }

    fn read(node: &Node) -> Option<Self> {
        node.text().map(str::to_owned)
    }

    fn toml(&self) -> String {
        quoted(self)
    }
}

impl Scalar for PathBuf {
    fn stand_in() -> Self {
        Self::new()
    }

    fn read(node: &Node) -> Option<Self> {
        node.text().map(Self::from)
    }

    fn toml(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl<T: Scalar> Scalar for Vec<T> {
    fn stand_in() -> Self {
        Self::new()
    }

    fn read(node: &Node) -> Option<Self> {
        match &node.value {
            Value::List(items) => items.iter().map(T::read).collect(),
            _ => None,
        }
    }

    fn toml(&self) -> String {
        let items: Vec<String> = self.iter().map(T::toml).collect();
        format!("[{}]", items.join(", "))
    }
}

impl Scalar for Device {
    fn stand_in() -> Self {
        Self::Cpu
    }

    fn read(node: &Node) -> Option<Self> {
        node.text()?.parse().ok()
    }

    fn toml(&self) -> String {
        quoted(&self.to_string())
    }
}

/// A size in bytes, written `"2GB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Scalar for Bytes {
    fn stand_in() -> Self {
        Self(1)
    }

    fn read(node: &Node) -> Option<Self> {
        parse_size(node.text()?).ok().map(Self)
    }

    fn toml(&self) -> String {
        let units = [("TiB", 1u64 << 40), ("TB", 1_000_000_000_000), ("GiB", 1 << 30), ("GB", 1_000_000_000)];
        let small = [("MiB", 1 << 20), ("MB", 1_000_000), ("KiB", 1 << 10), ("KB", 1000)];
        let whole = units.into_iter().chain(small).find(|(_, unit)| self.0.is_multiple_of(*unit));
        let (name, unit) = whole.unwrap_or(("B", 1));
        format!("\"{}{name}\"", self.0 / unit)
    }
}

/// A type whose values have names.
pub(super) trait Named: Copy + PartialEq + 'static {
    /// Every value with its name, the names in the order documentation gives them.
    const NAMES: &'static [(&'static str, Self)];
}

/// Makes [`Scalar`] of a [`Named`] type, and lists its names for [`Legal::Choice`].
macro_rules! named {
    ($type:ty, $names:ident: $($name:literal => $value:expr),+ $(,)?) => {
        impl $crate::train::config::part::Named for $type {
            const NAMES: &'static [(&'static str, Self)] = &[$(($name, $value)),+];
        }

        /// The names, as a message lists them.
        pub(super) const $names: &[&str] = &[$($name),+];

        impl $crate::train::config::part::Scalar for $type {
            fn stand_in() -> Self {
                <Self as $crate::train::config::part::Named>::NAMES[0].1
            }

            fn read(node: &$crate::train::config::tree::Node) -> Option<Self> {
                let text = node.text()?;
                let names = <Self as $crate::train::config::part::Named>::NAMES;
                names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
            }

            fn toml(&self) -> String {
                let names = <Self as $crate::train::config::part::Named>::NAMES;
                let name = names.iter().find(|(_, value)| value == self).map_or("", |(name, _)| *name);
                format!("{name:?}")
            }
        }
    };
}

pub(super) use named;
