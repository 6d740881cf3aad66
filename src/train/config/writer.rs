//! A configuration as TOML text: a table's values first, then the tables in it.

/// One table being written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    path: String,
    values: String,
    tables: String,
}

impl Writer {
    /// Writes `name = value`; the value is TOML already.
    pub(super) fn value(&mut self, name: &str, value: &str) {
        self.values.push_str(&format!("{name} = {value}\n"));
    }

    /// Writes `[name]` and what `fill` puts in it.
    pub(super) fn table(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.inner(name, ["[", "]"], fill);
    }

    /// Writes `[[name]]` and what `fill` puts in it.
    pub(super) fn item(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.inner(name, ["[[", "]]"], fill);
    }

    fn inner(&mut self, name: &str, [open, close]: [&str; 2], fill: impl FnOnce(&mut Self)) {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        let mut inner = Self { path, ..Self::default() };
        fill(&mut inner);
        self.tables.push_str(&format!("\n{open}{}{close}\n{}{}", inner.path, inner.values, inner.tables));
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        self.values + &self.tables
    }
}
