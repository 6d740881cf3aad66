//! Markup that cannot hold anything but what this room wrote: tags and attribute names are fixed strings of the program,
//! and every other text is escaped on its way in.

/// A page in the making.
#[derive(Debug, Default)]
pub(in crate::eval) struct Html {
    buffer: String,
}

impl Html {
    /// Markup of the program's own.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.buffer.push_str(markup);
        self
    }

    /// Text from anywhere.
    pub fn text(&mut self, text: &str) -> &mut Self {
        escape_into(&mut self.buffer, text);
        self
    }

    /// An element with what `content` writes into it.
    pub fn within(
        &mut self,
        tag: &'static str,
        attributes: &[(&'static str, &str)],
        content: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.start(tag, attributes);
        content(self);
        self.buffer.push_str("</");
        self.buffer.push_str(tag);
        self.buffer.push('>');
        self
    }

    /// An element with text from anywhere.
    pub fn leaf(&mut self, tag: &'static str, attributes: &[(&'static str, &str)], text: &str) -> &mut Self {
        self.within(tag, attributes, |html| {
            html.text(text);
        })
    }

    /// A section with its heading.
    pub fn section(&mut self, title: &'static str, content: impl FnOnce(&mut Self)) -> &mut Self {
        self.within("section", &[], |html| {
            html.leaf("h2", &[], title);
            content(html);
        })
    }

    /// The page so far.
    pub fn into_string(self) -> String {
        self.buffer
    }

    fn start(&mut self, tag: &'static str, attributes: &[(&'static str, &str)]) {
        self.buffer.push('<');
        self.buffer.push_str(tag);
        for (name, value) in attributes {
            self.buffer.push(' ');
            self.buffer.push_str(name);
            self.buffer.push_str("=\"");
            escape_into(&mut self.buffer, value);
            self.buffer.push('"');
        }
        self.buffer.push('>');
    }
}

/// The characters that mean something in HTML as references, and those that no page may hold as U+FFFD. Carriage
/// returns go, since a browser reads them as line feeds.
fn escape_into(buffer: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => buffer.push_str("&amp;"),
            '<' => buffer.push_str("&lt;"),
            '>' => buffer.push_str("&gt;"),
            '"' => buffer.push_str("&quot;"),
            '\'' => buffer.push_str("&#39;"),
            '\r' => {}
            '\n' | '\t' => buffer.push(c),
            c if c.is_control() => buffer.push(char::REPLACEMENT_CHARACTER),
            c => buffer.push(c),
        }
    }
}
