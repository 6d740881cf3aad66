//! Tables with fixed fields. Each field is declared once, by [`section!`]: its type, default, what is legal, unit and
//! source. Reading, writing, messages and the reference in `docs/config.md` all follow from that.

use super::findings::Findings;
use super::legal::Legal;
use super::part::Inner;
use super::tree::{Node, Table, Value};
use super::writer::Writer;

/// A field, as documentation describes it.
#[derive(Debug, Clone)]
pub(super) struct Knob {
    pub(super) name: &'static str,
    /// Its doc comment.
    pub(super) about: String,
    /// As TOML has it; `None` where the field must be given.
    pub(super) default: Option<String>,
    pub(super) legal: String,
    /// Empty where it has none.
    pub(super) unit: &'static str,
    /// Where the default comes from.
    pub(super) source: &'static str,
    pub(super) inner: Inner,
    /// The table it is shared through, where it stands in several.
    pub(super) shared: Option<&'static str>,
}

/// A table with fixed fields.
pub(super) trait Section: Sized {
    /// What the table is about.
    fn about() -> String;
    /// Reads its fields out of `table`.
    fn read_fields(found: &mut Findings, prefix: &str, table: &Table) -> Self;
    /// Writes its fields.
    fn write_fields(&self, out: &mut Writer);
    /// Describes its fields.
    fn knobs() -> Vec<Knob>;
}

/// The lines of a doc comment as one paragraph.
pub(super) fn paragraph(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Declares a table. A field reads `name: type = default, legal, "unit", "source";`, without `= default` where it must
/// be given, may be absent (`Option`), or is a table. The fields of the tables after `with` stand in this table too.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        pub struct $struct:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty $(= $default:expr)?, $legal:expr, $unit:literal, $source:literal;
            )*
        }
        $(with {
            $( $(#[doc = $with_doc:literal])+ $with:ident: $with_type:ty; )*
        })?
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq)]
        pub struct $struct {
            $(
                $(#[doc = $doc])+
                #[doc = ""]
                #[doc = concat!("Source: ", $source, ".")]
                pub $field: $type,
            )*
            $($( $(#[doc = $with_doc])+ pub $with: $with_type, )*)?
        }

        impl $crate::train::config::section::Section for $struct {
            fn about() -> String {
                $crate::train::config::section::paragraph(&[$($about),+])
            }

            fn read_fields(
                found: &mut $crate::train::config::findings::Findings,
                prefix: &str,
                table: &$crate::train::config::tree::Table,
            ) -> Self {
                Self {
                    $(
                        $field: {
                            #[allow(unused_mut, unused_assignments)]
                            let mut default: Option<$type> = None;
                            $( default = Some($default); )?
                            let path = $crate::train::config::findings::join(prefix, stringify!($field));
                            let node = table.get(stringify!($field));
                            <$type as $crate::train::config::part::Part>::take(found, &path, $legal, node, default)
                        },
                    )*
                    $($(
                        $with: <$with_type as $crate::train::config::section::Section>::read_fields(
                            found, prefix, table,
                        ),
                    )*)?
                }
            }

            fn write_fields(&self, out: &mut $crate::train::config::writer::Writer) {
                $( $crate::train::config::part::Part::write(&self.$field, stringify!($field), out); )*
                $($( $crate::train::config::section::Section::write_fields(&self.$with, out); )*)?
            }

            fn knobs() -> Vec<$crate::train::config::section::Knob> {
                #[allow(unused_mut)]
                let mut knobs = vec![$({
                    #[allow(unused_mut, unused_assignments)]
                    let mut default: Option<$type> = None;
                    $( default = Some($default); )?
                    let optional = <$type as $crate::train::config::part::Part>::optional();
                    let shown = default.as_ref().map($crate::train::config::part::Part::show);
                    $crate::train::config::section::Knob {
                        name: stringify!($field),
                        about: $crate::train::config::section::paragraph(&[$($doc),+]),
                        default: if optional { Some("none".to_owned()) } else { shown },
                        legal: $legal.to_string(),
                        unit: $unit,
                        source: $source,
                        inner: <$type as $crate::train::config::part::Part>::inner(),
                        shared: None,
                    }
                }),*];
                $($(
                    let shared = <$with_type as $crate::train::config::section::Section>::knobs();
                    let through = |knob: $crate::train::config::section::Knob| {
                        $crate::train::config::section::Knob {
                            shared: knob.shared.or(Some(stringify!($with_type))),
                            ..knob
                        }
                    };
                    knobs.extend(shared.into_iter().map(through));
                )*)?
                knobs
            }
        }

        impl $crate::train::config::part::Part for $struct {
            fn take(
                found: &mut $crate::train::config::findings::Findings,
                path: &str,
                legal: $crate::train::config::legal::Legal,
                node: Option<&$crate::train::config::tree::Node>,
                _: Option<Self>,
            ) -> Self {
                $crate::train::config::section::take(found, path, legal, node)
            }

            fn write(&self, name: &str, out: &mut $crate::train::config::writer::Writer) {
                out.table(name, |out| $crate::train::config::section::Section::write_fields(self, out));
            }

            fn show(&self) -> String {
                "a table".into()
            }

            fn inner() -> $crate::train::config::part::Inner {
                $crate::train::config::part::Inner::Table(|| {
                    use $crate::train::config::section::Section;
                    (Self::about(), Self::knobs())
                })
            }
        }
    };
}

pub(super) use section;

/// Reads a table that may be absent: then its fields have their defaults.
pub(super) fn take<S: Section>(found: &mut Findings, path: &str, legal: Legal, node: Option<&Node>) -> S {
    let Some(node) = node else {
        return S::read_fields(found, path, &Table::new());
    };
    found.saw(path, node.place.clone(), node);
    let Value::Table(table) = &node.value else {
        found.refuse(path, node.place.clone(), node, legal);
        // What its fields lack is no news.
        return S::read_fields(&mut Findings::default(), path, &Table::new());
    };
    let names: Vec<&str> = S::knobs().iter().map(|knob| knob.name).collect();
    found.unknown(path, table, &names);
    S::read_fields(found, path, table)
}
